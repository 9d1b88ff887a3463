/**
 * Operands and results in kernel memory, with a guard on both sides of each.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import type { KernelMemory } from "../../kernels/host/memory.ts";

const GUARD_BYTES = 64;
/** Four of these are a NaN: a kernel that reads a guard spoils its result, one that writes it is caught. */
const GUARD_BYTE = 0xff;

/** A result to be written by a kernel. */
export interface Result {
  readonly address: number;
  readonly length: number;
  /** A copy of what is there now. */
  read(): Float32Array;
}

/** Hands out guarded pieces of a memory. */
export class Arena {
  readonly #memory: KernelMemory;
  readonly #pieces: { address: number; bytes: number }[] = [];

  constructor(memory: KernelMemory) {
    this.#memory = memory;
  }

  /** A piece between guards, filled with the guard's pattern: what no kernel writes stays NaN. */
  reserve(bytes: number): number {
    const address = this.#memory.allocate(bytes + 2 * GUARD_BYTES) + GUARD_BYTES;
    this.#memory.bytesAt(address - GUARD_BYTES, bytes + 2 * GUARD_BYTES).fill(GUARD_BYTE);
    this.#pieces.push({ address, bytes });
    return address;
  }

  /** Copies values, in their own type, into a piece. */
  place(values: Float32Array | Uint32Array | Int32Array | Int16Array | Uint16Array | Uint8Array): number {
    const address = this.reserve(values.byteLength);
    this.bytes(address, values.byteLength).set(
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    );
    return address;
  }

  floats(values: Iterable<number>): number {
    return this.place(Float32Array.from(values));
  }

  /** Room for `length` f32. */
  result(length: number): Result {
    const address = this.reserve(length * 4);
    return { address, length, read: () => this.#memory.floatsAt(address, length).slice() };
  }

  bytes(address: number, length: number): Uint8Array<ArrayBuffer> {
    return this.#memory.bytesAt(address, length);
  }

  /** Throws when a kernel wrote outside a piece. */
  assertGuards(): void {
    for (const { address, bytes } of this.#pieces) {
      const before = this.#memory.bytesAt(address - GUARD_BYTES, GUARD_BYTES);
      const after = this.#memory.bytesAt(address + bytes, GUARD_BYTES);
      ok(before.every(isGuard), `a kernel wrote before the ${bytes} bytes at ${address}`);
      ok(after.every(isGuard), `a kernel wrote after the ${bytes} bytes at ${address}`);
    }
  }
}

function isGuard(byte: number): boolean {
  return byte === GUARD_BYTE;
}
