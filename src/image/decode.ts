/**
 * Pictures of every accepted kind as RGB pixels.
 *
 * @module
 */
import { IMAGE_BYTES_MAX } from "../core/limits.ts";
import { overWhite, type Pixels } from "./pixels.ts";
import { badImage, checkSize } from "./refusal.ts";

export type { Pixels } from "./pixels.ts";

/** Bytes of an unknown file that its refusal quotes. */
const QUOTED_BYTES = 12;

/**
 * Decodes a picture the way the reference does: upright, on white, in 8-bit RGB. Orientations of EXIF are applied,
 * colour profiles and gamma are not; neither PIL nor the models' own processors use them.
 *
 * PNG: every colour type and depth, interlaced or not. The high byte of 16-bit samples counts; of an animated one
 * the still picture. JPEG: baseline and progressive, grey, RGB, YCbCr, CMYK and YCCK. WebP: lossy, lossless, alpha;
 * animated ones are refused. Decoders are loaded with the first picture of their kind, and every picture gets an
 * instance of its own: no damage outlives it, and neither does its memory.
 *
 * A file cut short is refused, never returned in part. Two divergences from PIL are chosen: it clips 16-bit grey to
 * 255 instead of scaling it, and the reference processor does not lay an RGB picture with one transparent colour on
 * white.
 *
 * @param input The bytes of a file, or pixels: `data` is u8 [height, width, 3] or [height, width, 4] with alpha.
 * @returns u8 [height, width, 3].
 * @throws {RemoraError} BAD_IMAGE when the format is unknown, the file damaged, incomplete or above a limit
 * (`IMAGE_BYTES_MAX`, `IMAGE_SIDE_MAX`, `IMAGE_PIXELS_MAX`), or raw pixels have the wrong length.
 */
export async function decodeImage(
  input: Uint8Array | { width: number; height: number; data: Uint8Array | Uint8ClampedArray },
): Promise<Pixels> {
  if (!(input instanceof Uint8Array)) return readRaw(input);
  if (input.length > IMAGE_BYTES_MAX) {
    throw badImage(`a file of at most ${IMAGE_BYTES_MAX} bytes`, `${input.length} bytes`);
  }
  if (beginsWith(input, 0, "\x89PNG")) return (await import("./png/decode.ts")).decodePng(input);
  if (beginsWith(input, 0, "\xff\xd8\xff")) return (await import("./jpeg/decode.ts")).decodeJpeg(input);
  if (beginsWith(input, 0, "RIFF") && beginsWith(input, 8, "WEBP")) {
    return (await import("./webp/decode.ts")).decodeWebp(input);
  }
  throw badImage("a PNG, JPEG or WebP file", firstBytes(input));
}

function readRaw(
  { width, height, data }: { width: number; height: number; data: Uint8Array | Uint8ClampedArray },
): Pixels {
  if (!(data instanceof Uint8Array) && !(data instanceof Uint8ClampedArray)) {
    throw badImage("bytes of a file, or pixels as a Uint8Array", `data of type ${typeof data}`);
  }
  checkSize(width, height);
  const pixels = width * height;
  if (data.length === pixels * 4) return { width, height, data: overWhite(data) };
  if (data.length === pixels * 3) {
    return { width, height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
  }
  throw badImage(
    `${pixels * 3} bytes of RGB or ${pixels * 4} of RGBA for ${width} x ${height} pixels`,
    `${data.length} bytes`,
  );
}

function beginsWith(bytes: Uint8Array, offset: number, text: string): boolean {
  return Array.from(text).every((character, i) => bytes[offset + i] === character.charCodeAt(0));
}

function firstBytes(bytes: Uint8Array): string {
  if (bytes.length === 0) return "an empty file";
  const hex = Array.from(bytes.subarray(0, QUOTED_BYTES), (byte) => byte.toString(16).padStart(2, "0"));
  return `a file that begins with the bytes ${hex.join(" ")}`;
}
