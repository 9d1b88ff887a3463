/**
 * Watches what a parser does while it reads: arrays that it makes, memory of the kernels that it reserves and where it writes
 * there, files that it asks for.
 *
 * @module
 */
import { Kernels } from "../../kernels/host/kernels.ts";
import { KernelMemory } from "../../kernels/host/memory.ts";
import { isSafeFileName } from "../../src/io/file_name.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import type { ModelSource } from "../../src/io/source.ts";
import type { Files } from "./target.ts";

/** Something that must never happen, in words. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** Bytes of arrays that were made since the count was last taken; they count when they are asked for, touched or not. */
let arrayBytes = 0;
/** Smaller arrays are not counted one by one: resident memory tells. */
const COUNTED_BYTES = 1 << 16;

/** Counts the arrays that anybody in this process makes from now on. */
function countArrays(): void {
  const kinds = [Uint8Array, Int8Array, Uint8ClampedArray, Uint16Array, Int16Array, Uint32Array, Int32Array]
    .concat([Float32Array, Float64Array, BigInt64Array, BigUint64Array] as never[]);
  for (const kind of [...kinds, ArrayBuffer] as unknown as { name: string; BYTES_PER_ELEMENT?: number }[]) {
    const counted = new Proxy(kind as never as new (...args: unknown[]) => object, {
      construct(target, args, newTarget) {
        const bytes = typeof args[0] === "number" ? args[0] * (kind.BYTES_PER_ELEMENT ?? 1) : 0;
        if (bytes >= COUNTED_BYTES) arrayBytes += bytes;
        return Reflect.construct(target, args, newTarget);
      },
    });
    Object.defineProperty(globalThis, kind.name, { value: counted, configurable: true, writable: true });
  }
}

/** Bytes of arrays since the last call. */
export function takeArrayBytes(): number {
  const bytes = arrayBytes;
  arrayBytes = 0;
  return bytes;
}

/** Bytes before and after each piece of kernel memory that nobody may write. */
const FENCE_BYTES = 64, FENCE = 0xa5;
/** Above this a memory is left to the collector and another one taken. */
const KERNEL_BYTES_KEPT = 256 << 20;

/** The pieces of kernel memory that are reserved, by address. */
let pieces = new Map<KernelMemory, Map<number, number>>();
let shared: Kernels | undefined;
const { allocate, free } = KernelMemory.prototype;

/** Puts a fence around every piece of kernel memory, and lets all models of this process share kernels. */
function fenceKernels(): void {
  KernelMemory.prototype.allocate = function (bytes, isZeroed) {
    if (bytes === 0) return 0;
    const size = Math.ceil(bytes / 64) * 64;
    const address = allocate.call(this, size + 2 * FENCE_BYTES, isZeroed);
    this.bytesAt(address, FENCE_BYTES).fill(FENCE);
    this.bytesAt(address + FENCE_BYTES + size, FENCE_BYTES).fill(FENCE);
    let own = pieces.get(this);
    if (!own) pieces.set(this, own = new Map());
    own.set(address + FENCE_BYTES, size);
    return address + FENCE_BYTES;
  };
  KernelMemory.prototype.free = function (address, bytes) {
    if (bytes === 0) return;
    checkFence(this, address, Math.ceil(bytes / 64) * 64);
    pieces.get(this)?.delete(address);
    free.call(this, address - FENCE_BYTES, Math.ceil(bytes / 64) * 64 + 2 * FENCE_BYTES);
  };
  Kernels.start = ({ memories = 1 }) => {
    if (memories > 1) throw new Violation(`${memories} memories of 4 GiB`);
    if (shared && shared.memory.bytes > KERNEL_BYTES_KEPT) shared = undefined;
    shared ??= Kernels.alone();
    shared.close = () => Promise.resolve();
    return Promise.resolve([shared]);
  };
  Kernels.chooseForm = () => {};
}

function checkFence(memory: KernelMemory, address: number, size: number): void {
  const fences = [address - FENCE_BYTES, address + size].map((at) => memory.bytesAt(at, FENCE_BYTES));
  if (fences.every((fence) => fence.every((byte) => byte === FENCE))) return;
  throw new Violation(`a write out of bounds beside ${size} bytes of kernel memory`);
}

/** Bytes of kernel memory that are reserved. */
export function kernelBytes(): number {
  let sum = 0;
  for (const own of pieces.values()) for (const size of own.values()) sum += size;
  return sum;
}

/**
 * Ends a case: checks every fence, and gives back what the case has reserved and left.
 *
 * @param isBroken Whether the kernels may not be used again.
 */
export function settleKernels(isBroken: boolean): void {
  const before = pieces;
  try {
    for (const [memory, own] of before) for (const [address, size] of own) checkFence(memory, address, size);
    for (const [memory, own] of before) {
      for (const [address, size] of [...own]) KernelMemory.prototype.free.call(memory, address, size);
    }
  } catch (error) {
    isBroken = true;
    throw error;
  } finally {
    pieces = new Map();
    if (isBroken) shared = undefined;
  }
}

/** Leaves what is reserved to those who have reserved it: models that a target keeps. */
export function keepReserved(): void {
  pieces = new Map();
  shared = undefined;
}

/** Watches this process; once. */
export function watchProcess(): void {
  countArrays();
  fenceKernels();
}

/** A model source that refuses to be asked for what is not in the model's folder. */
export function watchedSource(files: Files, onRead?: (name: string) => void): ModelSource {
  const source = memoryModelSource(files);
  const check = (name: string) => {
    if (!isSafeFileName(name) || !files.has(name)) throw new Violation(`a read of ${JSON.stringify(name)}`);
    onRead?.(name);
  };
  return {
    ...source,
    read(name, begin, end) {
      check(name);
      return source.read(name, begin, end);
    },
    readInto(name, begin, target) {
      check(name);
      return source.readInto!(name, begin, target);
    },
  };
}
