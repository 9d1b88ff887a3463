/**
 * JPEG files as RGB pixels.
 *
 * @module
 */
import { binaries } from "../../binaries/current.js";
import { runDecoder } from "../emscripten.ts";
import { applyOrientation, readOrientation } from "../orientation.ts";
import { overWhite, type Pixels } from "../pixels.ts";
import { badImage } from "../refusal.ts";
import { type JpegHeader, readJpegHeader } from "./container.ts";

/**
 * Warnings of libjpeg (jerror.h: JWRN_JPEG_EOF, JWRN_HIT_MARKER) after which part of the picture is made up. It goes
 * on after others too, stray bytes between segments for instance, and so do PIL and we.
 */
const INCOMPLETE = /premature end/i;

/**
 * Decodes a JPEG file.
 *
 * @throws {RemoraError} BAD_IMAGE when the file is damaged, incomplete or too large.
 */
export async function decodeJpeg(bytes: Uint8Array): Promise<Pixels> {
  const header = readJpegHeader(bytes);
  const data = await (header.components === 4 ? decodeFourColours(bytes, header) : decodeRgb(bytes, header));
  const pixels = { width: header.width, height: header.height, data };
  return applyOrientation(pixels, readOrientation(header));
}

/** Grey, YCbCr and RGB; the decoder is told to leave orientation alone. */
async function decodeRgb(bytes: Uint8Array, header: JpegHeader): Promise<Uint8Array> {
  const { jpegFactory } = await import("./mozjpeg.js");
  const { rgba, warnings } = await runDecoder(
    "JPEG",
    jpegFactory,
    await binaries.codecBinary("jpeg"),
    (decoder) => decoder.decode(bytes, false),
    header,
  );
  const incomplete = warnings.find((line) => INCOMPLETE.test(line));
  if (incomplete !== undefined) throw badImage("complete JPEG data", incomplete);
  return overWhite(rgba.data);
}

/** CMYK and YCCK. */
async function decodeFourColours(bytes: Uint8Array, header: JpegHeader): Promise<Uint8Array> {
  const { decodeCmykJpeg } = await import("./cmyk.ts");
  return decodeCmykJpeg(bytes, header);
}
