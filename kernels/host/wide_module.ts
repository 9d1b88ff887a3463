/**
 * The module of the wide tiles, one for each thread: its area's address is a constant of the code.
 *
 * @module
 */
import { fromBase64 } from "../../src/core/bytes_as_text.ts";
import { compileBinary } from "../../src/binaries/compile.ts";
import { withMemory } from "../../src/binaries/memory_import.ts";
import { binaries } from "../../src/binaries/current.js";
import { WIDE_ADDRESS, WIDE_AREA_BYTES, WIDE_PLACEHOLDER } from "../shared/layout.ts";
import { sharedWide } from "./wide_binaries.ts";

/** The wide tiles of all threads. */
export interface WideTiles {
  /** Those of the calling thread. */
  readonly leading: WebAssembly.Module;
  /** Those of each worker, by rank; it compiles them itself. */
  readonly workers: readonly Uint8Array[];
}

/** The wide tiles for that many threads, the calling one included. */
export async function wideTiles(shared: boolean, threads: number): Promise<WideTiles> {
  const compiled = shared ? undefined : binaries.wideBinary();
  if (compiled) return { leading: compiled, workers: [] };
  const all = await wideBinaries(shared, threads);
  return { leading: await compileBinary(all[0]), workers: all };
}

/** The module's bytes with the areas of each thread. */
export async function wideBinaries(shared: boolean, threads: number): Promise<Uint8Array<ArrayBuffer>[]> {
  const binary = withMemory(await inflate(sharedWide), shared);
  const places = placeholdersIn(binary);
  return Array.from({ length: threads }, (_, rank) => {
    const own = binary.slice(), address = fiveBytes(WIDE_ADDRESS + rank * WIDE_AREA_BYTES);
    for (const place of places) own.set(address, place);
    return own;
  });
}

/** LEB128 in five bytes, whatever the number. */
function fiveBytes(value: number): number[] {
  return Array.from({ length: 5 }, (_, i) => (value >> (7 * i)) & 0x7f | (i < 4 ? 0x80 : 0));
}

function placeholdersIn(binary: Uint8Array): number[] {
  const wanted = fiveBytes(WIDE_PLACEHOLDER), places: number[] = [];
  for (let at = binary.indexOf(wanted[0]); at >= 0; at = binary.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, i) => binary[at + i] === byte)) places.push(at);
  }
  return places;
}

async function inflate(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = fromBase64(base64);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
