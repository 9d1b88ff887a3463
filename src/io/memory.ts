/**
 * A model in memory.
 *
 * @module
 */

import { requireRange } from "./read.ts";
import type { ModelSource } from "./source.ts";

/**
 * Makes a model source of files held in memory. Reads are views of the given bytes, not copies.
 *
 * @param files File names, relative to the model's folder, with their contents.
 *
 * @example
 * ```ts
 * import { memoryModelSource } from "./memory.ts";
 *
 * const source = memoryModelSource(new Map([["config.json", new TextEncoder().encode("{}")]]));
 * if ((await source.list()).get("config.json") !== 2) throw new Error("unexpected size");
 * ```
 */
export function memoryModelSource(files: ReadonlyMap<string, Uint8Array>): ModelSource {
  const sizes = new Map([...files].map(([name, bytes]) => [name, bytes.byteLength]));
  function read(name: string, begin: number, end: number): Uint8Array {
    requireRange(sizes, name, begin, end);
    return files.get(name)!.subarray(begin, end);
  }
  return {
    label: "memory",
    list: () => sizes,
    read,
    readInto: (name, begin, target) => target.set(read(name, begin, begin + target.byteLength)),
  };
}
