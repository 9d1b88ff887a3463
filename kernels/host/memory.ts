/**
 * One WebAssembly memory and what lies where in it.
 *
 * @module
 */
import { RemoraError } from "../../src/core/errors.ts";
import { HEAP_ADDRESS, WIDE_MEMORY_PAGES } from "../shared/layout.ts";

const PAGE_BYTES = 65536;
/** A 32-bit memory ends at 4 GiB. */
const PAGES_MAX = 65536;
/** Cache line; also keeps every vector load aligned. */
const ALIGNMENT = 64;
/**
 * Grown in steps of at least this much, and at least this share: a step interrupts all threads, and what nobody writes takes no real
 * memory. Steps of 1 MiB alone were 988 for the 11B shape, 0.18 s.
 */
const GROWTH_BYTES_MIN = 1 << 20;
const GROWTH_SHARE_MIN = 1 / 64;

/**
 * Hands out 64-byte aligned pieces of a memory, zeroed. Pieces that are given back are kept by size and handed out again: the
 * key/value cache allocates blocks of one size, so nothing fragments. Addresses are plain numbers up to 2^32.
 */
export class KernelMemory {
  readonly wasm: WebAssembly.Memory;
  #end: number;
  /** Where what was never handed out begins: it is zero. */
  #highest: number;
  readonly #free = new Map<number, number[]>();

  /**
   * @param areasBytes Set aside for the wide tiles, which want them within the memory's first pages.
   * @throws {RemoraError} OUT_OF_MEMORY where the host grants no memory.
   */
  constructor(shared: boolean, areasBytes = 0) {
    const initial = areasBytes > 0 ? WIDE_MEMORY_PAGES : 1;
    try {
      this.wasm = new WebAssembly.Memory({ initial, maximum: PAGES_MAX, shared });
    } catch (cause) {
      throw new RemoraError("OUT_OF_MEMORY", "Cannot make the kernels' memory", {
        expected: `room for ${initial * PAGE_BYTES} bytes, and addresses for 4 GiB`,
        found: cause instanceof Error ? cause.message : `${cause}`,
        cause,
      });
    }
    this.#end = this.#highest = HEAP_ADDRESS + areasBytes;
  }

  /** Bytes of the memory in use or set aside. */
  get bytes(): number {
    return this.wasm.buffer.byteLength;
  }

  /**
   * @param bytes Size of the piece; 0 gives address 0, "nothing there".
   * @param isZeroed Whether a reused piece is zeroed: not for one that may never be used, as writing takes real memory.
   * @throws {RemoraError} OUT_OF_MEMORY when the memory cannot grow.
   */
  allocate(bytes: number, isZeroed = true): number {
    if (bytes === 0) return 0;
    const size = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const reused = this.#free.get(size)?.pop();
    if (reused !== undefined) {
      if (isZeroed) this.bytesAt(reused, size).fill(0);
      return reused;
    }
    const begin = this.#end;
    this.#growTo(begin + size);
    this.#end = begin + size;
    if (isZeroed && begin < this.#highest) {
      this.bytesAt(begin, Math.min(this.#end, this.#highest) - begin).fill(0);
    }
    this.#highest = Math.max(this.#highest, this.#end);
    return begin;
  }

  /** Where the next new piece will lie; see `releaseTo`. */
  get end(): number {
    return this.#end;
  }

  /** Gives back all new pieces allocated since `end` had this value; pieces of before that were given back stay so. */
  releaseTo(end: number): void {
    this.#end = end;
    for (const pieces of this.#free.values()) {
      pieces.splice(0, pieces.length, ...pieces.filter((address) => address < end));
    }
  }

  /** Gives back a piece allocated with the same number of bytes. */
  free(address: number, bytes: number): void {
    if (bytes === 0) return;
    const size = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const pieces = this.#free.get(size);
    if (pieces) pieces.push(address);
    else this.#free.set(size, [address]);
  }

  /** The bytes at an address; a view that ends when the memory grows. */
  bytesAt(address: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.wasm.buffer as ArrayBuffer, address, length);
  }

  /** The 32-bit words at an address; as `bytesAt`. */
  wordsAt(address: number, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.wasm.buffer as ArrayBuffer, address, length);
  }

  /** The f32 at an address; as `bytesAt`. */
  floatsAt(address: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.wasm.buffer as ArrayBuffer, address, length);
  }

  /** The bits of the f16 at an address; as `bytesAt`. */
  halvesAt(address: number, length: number): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.wasm.buffer as ArrayBuffer, address, length);
  }

  #growTo(end: number): void {
    const missing = end - this.wasm.buffer.byteLength;
    if (missing <= 0) return;
    const room = PAGES_MAX - this.wasm.buffer.byteLength / PAGE_BYTES;
    const pages = Math.ceil(missing / PAGE_BYTES);
    const step = Math.max(missing, GROWTH_BYTES_MIN, this.wasm.buffer.byteLength * GROWTH_SHARE_MIN);
    const generous = Math.min(room, Math.ceil(step / PAGE_BYTES));
    try {
      this.wasm.grow(Math.max(pages, generous));
    } catch (cause) {
      throw new RemoraError("OUT_OF_MEMORY", "Cannot grow the kernels' memory", {
        expected: `${end} bytes`,
        found:
          `${this.wasm.buffer.byteLength} bytes and no more to be had (one memory ends at 4 GiB; less is granted by some hosts)`,
        cause,
      });
    }
  }
}
