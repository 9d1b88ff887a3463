/**
 * JPEG files of four colours, as print shops write them.
 *
 * libjpeg leaves the way from CMYK to RGB to its callers, and the build of mozjpeg in use has none. So these files,
 * and only these, go to jpeg-js, a decoder in plain JavaScript: slower, with chroma that is repeated, not
 * interpolated, where it is subsampled, which four-colour files hardly ever are.
 *
 * @module
 */
import jpeg from "npm:jpeg-js@0.4.4";
import { CMYK_PIXELS_MAX } from "../../core/limits.ts";
import { badImage } from "../refusal.ts";
import type { JpegHeader } from "./container.ts";

/**
 * Decodes CMYK and YCCK with Adobe's marker, whose inks are stored inverted. An ink and black combine to
 * `(255 - ink) * (255 - black) / 255`, as PIL has it (Pillow, `src/libImaging/Convert.c`, `cmyk2rgb`).
 *
 * @returns u8 [height, width, 3].
 * @throws {RemoraError} BAD_IMAGE when the data are damaged, have no Adobe marker or too many pixels.
 */
export function decodeCmykJpeg(bytes: Uint8Array, { width, height }: JpegHeader): Uint8Array {
  if (width * height > CMYK_PIXELS_MAX) {
    throw badImage(`at most ${CMYK_PIXELS_MAX} pixels of CMYK`, `${width} x ${height}`);
  }
  let decoded: { width: number; height: number; data: Uint8Array };
  try {
    decoded = jpeg.decode(bytes, {
      formatAsRGBA: false,
      maxMemoryUsageInMB: Infinity, // bounded by the pixels
      tolerantDecoding: false,
      useTArray: true,
    });
  } catch (cause) {
    throw badImage(
      "intact CMYK data of a JPEG file",
      cause instanceof Error ? cause.message : `${cause}`,
      cause,
    );
  }
  if (decoded.width !== width || decoded.height !== height) {
    throw badImage(`JPEG data of ${width} x ${height} pixels`, `${decoded.width} x ${decoded.height}`);
  }
  return decoded.data;
}
