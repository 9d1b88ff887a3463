/**
 * Memory of a kernel under test: every piece lies between sentinels.
 *
 * @module
 */
import { fail } from "node:assert/strict";
import { Kernels } from "../../kernels/host/kernels.ts";
import type { KernelVariant } from "../../kernels/host/modules.ts";

const GUARD_BYTES = 64;
const SENTINEL = 0xa5;

/** Pieces of a kernels' memory with 64 sentinel bytes on both sides, directly at their first and last byte. */
export class GuardedMemory {
  readonly #pieces: { address: number; bytes: number; label: string }[] = [];

  constructor(readonly kernels: Kernels) {}

  /** Room for a result, filled with `fill`: what a kernel does not write stays recognisable. */
  room(bytes: number, label = "output", fill = 0xee): number {
    const { heap } = this.kernels;
    const whole = GUARD_BYTES + bytes + GUARD_BYTES;
    const begin = heap.allocate(whole);
    heap.bytesAt(begin, whole).fill(SENTINEL);
    heap.bytesAt(begin + GUARD_BYTES, bytes).fill(fill);
    this.#pieces.push({ address: begin + GUARD_BYTES, bytes, label });
    return begin + GUARD_BYTES;
  }

  /** A copy of `data`. */
  put(data: ArrayBufferView, label = "input"): number {
    const address = this.room(data.byteLength, label);
    this.kernels.heap.bytesAt(address, data.byteLength)
      .set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    return address;
  }

  /** A copy of f32 results. */
  floats(address: number, count: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.kernels.heap.floatsAt(address, count));
  }

  integers(address: number, count: number): Int32Array<ArrayBuffer> {
    return Int32Array.from(this.kernels.heap.wordsAt(address, count), (word) => word | 0);
  }

  /** Fails when something was written around any piece. */
  checkGuards(label: string): void {
    for (const piece of this.#pieces) {
      for (
        const [side, at] of [["before", piece.address - GUARD_BYTES], ["after", piece.address + piece.bytes]]
      ) {
        const guard = this.kernels.heap.bytesAt(at as number, GUARD_BYTES);
        const hit = guard.findIndex((byte) => byte !== SENTINEL);
        if (hit >= 0) fail(`${label}: byte ${hit} of the guard ${side} ${piece.label} was overwritten`);
      }
    }
  }
}

/** Starts kernels, runs, checks the guards, closes. One thread unless told otherwise. */
export async function withKernels(
  run: (kernels: Kernels, memory: GuardedMemory) => void | Promise<void>,
  { threads = 1, variant = "auto", label = "kernels" }: {
    threads?: number;
    variant?: "auto" | KernelVariant;
    label?: string;
  } = {},
): Promise<void> {
  const kernels = await Kernels.start(threads, variant);
  const memory = new GuardedMemory(kernels);
  try {
    await run(kernels, memory);
    memory.checkGuards(label);
  } finally {
    await kernels.close();
  }
}
