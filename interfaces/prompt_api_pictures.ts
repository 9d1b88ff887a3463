/**
 * Pictures as browsers have them.
 *
 * @module
 */
import type { ImageInput } from "../src/image/input.ts";
import { domError } from "./prompt_api_errors.ts";

/**
 * A picture from the bytes of its file, from pixels, or from whatever can be drawn where there are canvases.
 *
 * @throws {TypeError} For what is no picture; NotSupportedError where its pixels cannot be read.
 */
export async function pictureOf(value: unknown): Promise<ImageInput> {
  if (value instanceof Blob) return new Uint8Array(await value.arrayBuffer());
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
  }
  if (typeof value !== "object" || value === null) throw new TypeError("The value of a picture must be one.");
  const given = value as Record<string, unknown>;
  const sizeOf = (...names: string[]) =>
    Number(names.map((name) => given[name]).find((size) => typeof size === "number"));
  const width = sizeOf("naturalWidth", "videoWidth", "displayWidth", "width");
  const height = sizeOf("naturalHeight", "videoHeight", "displayHeight", "height");
  if (given.data instanceof Uint8ClampedArray) return { width, height, data: given.data };
  // deno-lint-ignore no-explicit-any -- there only in browsers
  const { OffscreenCanvas } = globalThis as any;
  if (!(width > 0 && height > 0)) throw new TypeError("The value of a picture must be one that has a size.");
  if (!OffscreenCanvas) {
    throw domError("NotSupportedError", "This runtime cannot read the pixels of such a picture.");
  }
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(value, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, data };
}
