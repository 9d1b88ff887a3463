/**
 * PNG files as RGB pixels.
 *
 * @module
 */
import { binaries } from "../../binaries/current.js";
import { applyOrientation, readOrientation } from "../orientation.ts";
import { overWhite, type Pixels } from "../pixels.ts";
import { badImage } from "../refusal.ts";
import { readPngHeader } from "./container.ts";
import { readTexts } from "./texts.ts";

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
export async function decodePng(bytes: Uint8Array): Promise<Pixels> {
  const { width, height, parts, exif, texts } = readPngHeader(bytes);
  const binary = await binaries.codecBinary("png");
  const noted = await readTexts(texts);
  const pixels = { width, height, data: overWhite(decodeRgba(binary, parts, width, height)) };
  return applyOrientation(pixels, readOrientation({ ...noted, exif: exif ?? noted.exif }));
}

/** Runs the decoder in an instance of its own; the result is a view of that instance's memory. */
function decodeRgba(
  binary: WebAssembly.Module,
  parts: Uint8Array[],
  width: number,
  height: number,
): Uint8Array {
  let rgba: Uint8Array | undefined;
  const receive = (address: number, length: number, outWidth: number, outHeight: number) => {
    const hasSize = outWidth >>> 0 === width && outHeight >>> 0 === height;
    if (hasSize) rgba = new Uint8Array(decoder.memory.buffer, address >>> 0, length >>> 0);
    return 0;
  };
  const decoder = instantiate(binary, receive);
  try {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const address = decoder.__wbindgen_malloc(length, 1) >>> 0;
    const memory = new Uint8Array(decoder.memory.buffer);
    let offset = address;
    for (const part of parts) {
      memory.set(part, offset);
      offset += part.length;
    }
    decoder.decode(address, length);
  } catch (cause) {
    throw badImage("intact PNG data", "damage", cause);
  }
  if (rgba?.length !== width * height * 4) {
    throw badImage(`PNG data of ${width} x ${height} pixels`, "others");
  }
  return rgba;
}

/** The constructor of ImageData as Rust calls it, with memory of its own and a size; its hash is left out. */
const RESULT_IMPORT = "__wbg_newwithownedu8clampedarrayandsh_";

/** An instance that hands its result to this function. */
function instantiate(
  binary: WebAssembly.Module,
  receive: (address: number, length: number, width: number, height: number) => number,
): PngExports {
  const imports: WebAssembly.ModuleImports = {};
  for (const { name } of WebAssembly.Module.imports(binary)) {
    imports[name] = name.startsWith(RESULT_IMPORT) ? receive : giveUp;
  }
  return new WebAssembly.Instance(binary, { wbg: imports }).exports as unknown as PngExports;
}

/** The other imports: throwing a Rust error, which never says more than that there is one, and 16-bit results. */
function giveUp(): never {
  throw new Error("the decoder gave up");
}
