/**
 * A build for memory that threads share and one for memory of its own differ in a bit of an import. Instructions for threads are valid
 * in both; a thread alone meets nobody and does not wait.
 *
 * Source: WebAssembly core specification with threads, "Binary Format", import section and limits.
 *
 * @module
 */
const IMPORT_SECTION = 2;
const FUNCTION_IMPORT = 0, MEMORY_IMPORT = 2;
const SHARED_BIT = 2;
/** Magic and version. */
const PREAMBLE_BYTES = 8;

/** A copy of a module that imports functions and one memory, which is then shared or not. */
export function withMemory(binary: Uint8Array, shared: boolean): Uint8Array<ArrayBuffer> {
  const copy = binary.slice(), limits = limitsOfMemory(copy);
  if (shared) copy[limits] |= SHARED_BIT;
  else copy[limits] &= ~SHARED_BIT;
  return copy;
}

/** Where the flags of the imported memory's limits are. */
function limitsOfMemory(binary: Uint8Array): number {
  let at = PREAMBLE_BYTES;
  const number = () => {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = binary[at++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const skip = () => {
    const bytes = number();
    at += bytes;
  };
  while (binary[at++] !== IMPORT_SECTION) skip();
  number();
  for (let imports = number(); imports > 0; imports--) {
    skip();
    skip();
    const kind = binary[at++];
    if (kind === MEMORY_IMPORT) return at;
    if (kind !== FUNCTION_IMPORT) break;
    number();
  }
  throw new Error("no memory is imported before anything but functions");
}
