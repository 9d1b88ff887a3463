/**
 * Kernels for functions that need no model: the caller's thread, a memory of their own, at once.
 *
 * @module
 */
import { Kernels } from "./kernels.ts";

/**
 * A memory cannot shrink. One that grew above this, little beside any model, is left to the garbage collector when the call
 * ends; a smaller one serves the next call.
 */
const KEPT_BYTES_MAX = 16 << 20;

let kept: Kernels | undefined;

/** Values that a kernel reads. */
export type Operand = Int32Array | Uint16Array;

/**
 * Runs an operation on copies of `operands` and returns a copy of its result.
 *
 * @param resultBytes Size of the result.
 * @param run Gets the operands' addresses, 0 for one without elements, and that of the result.
 * @throws {RemoraError} OUT_OF_MEMORY when all of them together do not fit into one memory.
 */
export function runPlain(
  operands: readonly Operand[],
  resultBytes: number,
  run: (kernels: Kernels, addresses: readonly number[], result: number) => void,
): ArrayBuffer {
  const kernels = kept ?? Kernels.alone();
  // Taken, not borrowed: a call that fails leaves nothing half done behind.
  kept = undefined;
  const { heap } = kernels;
  const addresses = operands.map((values) => {
    const address = heap.allocate(values.byteLength);
    heap.bytesAt(address, values.byteLength).set(
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    );
    return address;
  });
  const result = heap.allocate(resultBytes);
  run(kernels, addresses, result);
  const { buffer } = heap.bytesAt(result, resultBytes).slice();
  if (heap.bytes <= KEPT_BYTES_MAX) {
    addresses.forEach((address, i) => heap.free(address, operands[i].byteLength));
    heap.free(result, resultBytes);
    kept = kernels;
  }
  return buffer;
}
