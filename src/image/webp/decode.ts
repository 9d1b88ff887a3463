/**
 * WebP files as RGB pixels.
 *
 * @module
 */
import { binaries } from "../../binaries/current.js";
import { runDecoder } from "../emscripten.ts";
import { applyOrientation, readOrientation } from "../orientation.ts";
import { overWhite, type Pixels } from "../pixels.ts";
import { readWebpHeader } from "./container.ts";
import { webpFactory } from "./libwebp.js";

/**
 * Decodes a WebP file.
 *
 * @throws {RemoraError} BAD_IMAGE when the file is damaged, incomplete, animated or too large.
 */
export async function decodeWebp(bytes: Uint8Array): Promise<Pixels> {
  const header = readWebpHeader(bytes);
  const { rgba } = await runDecoder(
    "WebP",
    webpFactory,
    await binaries.codecBinary("webp"),
    (decoder) => decoder.decode(bytes),
    header,
  );
  const pixels = { width: rgba.width, height: rgba.height, data: overWhite(rgba.data) };
  return applyOrientation(pixels, readOrientation(header));
}
