/**
 * RGB pixels as PNG files.
 *
 * @module
 */
import encode, { init } from "npm:@jsquash/png@3.1.1/encode.js";
import { binaries } from "../../binaries/current.js";
import type { Pixels } from "../pixels.ts";

/** The bytes of an RGBA PNG file, opaque. */
export async function encodePng({ width, height, data }: Pixels): Promise<Uint8Array> {
  await init(await binaries.codecBinary("png"));
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    rgba.set(data.subarray(from, from + 3), to);
  }
  return new Uint8Array(await encode({ width, height, data: rgba } as unknown as ImageData));
}
