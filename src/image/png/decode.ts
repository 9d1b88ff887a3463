/**
 * PNG files as RGB pixels.
 *
 * @module
 */
import { applyOrientation, readOrientation } from "../exif.ts";
import { overWhite, type Pixels } from "../pixels.ts";
import { badImage } from "../refusal.ts";
import { pngBinary } from "./binary.js";
import { readPngHeader } from "./container.ts";

/**
 * The exports used. The package's own glue is not: it keeps one instance for ever, which a panic leaves with its
 * stack unwound half-way and a large picture leaves large.
 */
interface PngExports {
  memory: WebAssembly.Memory;
  __wbindgen_malloc(bytes: number, alignment: number): number;
  /** Decodes to RGBA, 8 bits a sample, alpha not multiplied in, gamma and profiles ignored. */
  decode(address: number, length: number): number;
}

/**
 * Decodes a PNG file.
 *
 * @throws {RemoraError} BAD_IMAGE when the file is damaged, incomplete or too large.
 */
export function decodePng(bytes: Uint8Array): Pixels {
  const { width, height, exif } = readPngHeader(bytes);
  const pixels = { width, height, data: overWhite(decodeRgba(bytes, width, height)) };
  return applyOrientation(pixels, exif === undefined ? 1 : readOrientation(exif));
}

/** Runs the decoder in an instance of its own; the result is a view of that instance's memory. */
function decodeRgba(bytes: Uint8Array, width: number, height: number): Uint8Array {
  let rgba: Uint8Array | undefined;
  const receivers = {
    /** `new ImageData(Vec<u8>, width, height)`, the result. */
    newwithowned: (address: number, length: number, outWidth: number, outHeight: number) => {
      if (outWidth >>> 0 !== width || outHeight >>> 0 !== height) return 0;
      rgba = new Uint8Array(decoder.memory.buffer, address >>> 0, length >>> 0);
      return 0;
    },
    /** A Rust error, as the text of an exception. */
    throw: (address: number, length: number) => {
      const text = new Uint8Array(decoder.memory.buffer, address >>> 0, length >>> 0);
      throw new Error(new TextDecoder().decode(text));
    },
  };
  const decoder = instantiate(receivers);
  try {
    const address = decoder.__wbindgen_malloc(bytes.length, 1) >>> 0;
    new Uint8Array(decoder.memory.buffer).set(bytes, address);
    decoder.decode(address, bytes.length);
  } catch (cause) {
    throw badImage("intact PNG data", explain(cause), cause);
  }
  if (rgba?.length !== width * height * 4) {
    throw badImage(`PNG data of ${width} x ${height} pixels`, "others");
  }
  return rgba;
}

/** An instance whose imports, `__wbg_NAME_HASH` or `__wbindgen_NAME`, are the functions that begin with NAME. */
function instantiate(receivers: Record<string, (...numbers: number[]) => number>): PngExports {
  const imports: Record<string, (...numbers: number[]) => number> = {};
  for (const { name } of WebAssembly.Module.imports(pngBinary)) {
    const meaning = name.replace(/^__wb(g|indgen)_/, "");
    const receiver = Object.keys(receivers).find((key) => meaning.startsWith(key));
    imports[name] = receiver === undefined ? unused : receivers[receiver];
  }
  return new WebAssembly.Instance(pngBinary, { wbg: imports }).exports as unknown as PngExports;
}

/** Imports of the parts of the module that are never run. */
function unused(): number {
  throw new Error("the decoder called an import that decoding does not need");
}

/** A Rust error quotes itself between backquotes; traps have no text worth showing. */
function explain(cause: unknown): string {
  return cause instanceof WebAssembly.RuntimeError ? "data the decoder gave up on" : `${cause}`;
}
