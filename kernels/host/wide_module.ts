/**
 * The module of the wide tiles, one for each thread: its area's address is a constant of the code.
 *
 * @module
 */
import { compileBinary } from "../../src/binaries/compile.ts";
import { withMemory } from "../../src/binaries/memory_import.ts";
import { binaries } from "../../src/binaries/current.js";
import { WIDE_ADDRESS, WIDE_AREA_BYTES } from "../shared/layout.ts";
import { withAddress } from "./area_address.ts";

/** The wide tiles of all threads. */
export interface WideTiles {
  /** Those of the calling thread. */
  readonly leading: WebAssembly.Module;
  /** Those of each worker, by rank; it compiles them itself. */
  readonly workers: readonly Uint8Array[];
}

/** The wide tiles for that many threads, the calling one included. */
export async function wideTiles(shared: boolean, threads: number): Promise<WideTiles> {
  const wide = await binaries.wideBinary();
  if (wide instanceof WebAssembly.Module) return { leading: wide, workers: [] };
  const first = withMemory(wide, shared);
  const all = Array.from(
    { length: threads },
    (_, rank) => withAddress(first, WIDE_ADDRESS, WIDE_ADDRESS + rank * WIDE_AREA_BYTES),
  );
  return { leading: await compileBinary(all[0]), workers: all };
}
