/**
 * The key/value cache of one sequence: blocks of KV_BLOCK_TOKENS tokens in every layer, added as the sequence grows, never
 * moved.
 *
 * @module
 */
import type { Heap } from "../../kernels/host/heap.ts";
import type { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import { describeBytes, describeInteger } from "../core/figures.ts";
import { memoryLimit, residentBytes } from "../core/memory_limit.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { KeyValueView } from "../layers/attention.ts";
import type { DecoderConfig } from "../models/decoder/config.ts";

/** Sizes of a cache. */
export interface KeyValueShape {
  layers: number;
  kvHeads: number;
  headSize: number;
}

/** A cache's sizes and the kernels of each of its layers, in whose memories it lies. */
export interface KeyValuePlace extends KeyValueShape {
  kernels: readonly Kernels[];
}

/** The cache of a sequence: cross-attention layers have none. */
export function cacheShapeOf({ layers, kvHeads, headSize }: DecoderConfig): KeyValueShape {
  return { layers: layers.filter(({ isCross }) => !isCross).length, kvHeads, headSize };
}

/** Keys and values of a picture, in cross-attention layers only. */
export function pictureShapeOf({ layers, kvHeads, headSize }: DecoderConfig): KeyValueShape {
  return { layers: layers.filter(({ isCross }) => isCross).length, kvHeads, headSize };
}

/** Bytes of one block of one layer. */
function blockBytes({ kvHeads, headSize }: KeyValueShape): number {
  return kvHeads * headSize * KV_BLOCK_TOKENS * 2 * 4;
}

/** Bytes that the cache of a sequence of `tokens` tokens takes, block tables not counted. */
export function keyValueBytes(shape: KeyValueShape, tokens: number): number {
  return Math.ceil(tokens / KV_BLOCK_TOKENS) * shape.layers * blockBytes(shape);
}

/**
 * Owns its blocks until `dispose`. Blocks are held from `reserve` on and take real memory from `use` on: an operating system
 * gives memory when it is written.
 */
export class KeyValueCache implements KeyValueView {
  readonly #place: KeyValuePlace;
  /** Addresses, [layer][block]. */
  readonly #blocks: number[][];
  /** Addresses of the block tables, with room for `#capacity` blocks each. */
  readonly #tables: number[];
  #capacity = 0;
  /** Blocks of each layer that were zeroed. */
  #used = 0;

  constructor(place: KeyValuePlace) {
    this.#place = place;
    this.#blocks = Array.from({ length: place.layers }, () => []);
    this.#tables = this.#blocks.map(() => 0);
  }

  /**
   * A cache with room for `tokens` tokens.
   *
   * @throws {RemoraError} As `reserve`; nothing is left behind.
   */
  static reserved(place: KeyValuePlace, tokens: number): KeyValueCache {
    const cache = new KeyValueCache(place);
    try {
      cache.reserve(tokens);
      return cache;
    } catch (error) {
      cache.dispose();
      throw error;
    }
  }

  table(layer: number): number {
    return this.#tables[layer];
  }

  /**
   * Makes room for `tokens` tokens in all layers, or changes nothing.
   *
   * @throws {RemoraError} OUT_OF_MEMORY when the memories, or what is known of the machine's, do not hold them.
   */
  reserve(tokens: number): void {
    const wanted = Math.ceil(tokens / KV_BLOCK_TOKENS);
    const before = this.#blocks[0].length;
    if (wanted <= before) return;
    try {
      const bytes = this.#heapBytes();
      this.#growTables(wanted);
      this.#blocks.forEach((blocks, layer) => {
        const heap = this.#heapOf(layer);
        while (blocks.length < wanted) blocks.push(heap.allocate(blockBytes(this.#place), false));
        heap.wordsAt(this.table(layer), wanted).set(blocks);
      });
      refuseBeyondLimit(this.#heapBytes() - bytes);
    } catch (error) {
      this.#shrink(before);
      if (!(error instanceof RemoraError)) throw error;
      const needed = describeBytes(keyValueBytes(this.#place, tokens));
      throw new RemoraError("OUT_OF_MEMORY", "Cannot reserve memory", {
        expected: `room for keys and values of ${describeInteger(tokens)} tokens, ${needed}`,
        found: error.found,
        cause: error,
      });
    }
  }

  /** Makes room for `tokens` tokens that are about to be stored; throws as `reserve`. */
  use(tokens: number): void {
    this.reserve(tokens);
    const wanted = Math.ceil(tokens / KV_BLOCK_TOKENS);
    this.#blocks.forEach((_, layer) => {
      for (let block = this.#used; block < wanted; block++) this.#blockAt(layer, block).fill(0);
    });
    this.#used = Math.max(this.#used, wanted);
  }

  /** Gives back the blocks behind the first `tokens` tokens. */
  truncate(tokens: number): void {
    this.#shrink(Math.ceil(tokens / KV_BLOCK_TOKENS));
  }

  dispose(): void {
    this.#shrink(0);
    this.#tables.forEach((table, layer) => this.#heapOf(layer).free(table, this.#capacity * 4));
    this.#tables.fill(0);
    this.#capacity = 0;
  }

  /** The bytes of the blocks of the first `tokens` tokens, layer by layer, to copy out or in. */
  *blocksOf(tokens: number): Generator<Uint8Array> {
    for (let layer = 0; layer < this.#blocks.length; layer++) {
      for (let block = 0; block * KV_BLOCK_TOKENS < tokens; block++) yield this.#blockAt(layer, block);
    }
  }

  #blockAt(layer: number, block: number): Uint8Array {
    return this.#heapOf(layer).bytesAt(this.#blocks[layer][block], blockBytes(this.#place));
  }

  #shrink(count: number): void {
    this.#used = Math.min(this.#used, count);
    this.#blocks.forEach((blocks, layer) => {
      for (const address of blocks.splice(count)) this.#heapOf(layer).free(address, blockBytes(this.#place));
    });
  }

  #growTables(wanted: number): void {
    if (wanted <= this.#capacity) return;
    const capacity = Math.max(wanted, 2 * this.#capacity, 16);
    // All or none: a memory that cannot grow leaves the tables as they are.
    const tables: number[] = [];
    try {
      this.#blocks.forEach((_, layer) => tables.push(this.#heapOf(layer).allocate(capacity * 4)));
    } catch (error) {
      tables.forEach((table, layer) => this.#heapOf(layer).free(table, capacity * 4));
      throw error;
    }
    this.#blocks.forEach((blocks, layer) => {
      const heap = this.#heapOf(layer);
      heap.free(this.#tables[layer], this.#capacity * 4);
      heap.wordsAt(tables[layer], blocks.length).set(blocks);
      this.#tables[layer] = tables[layer];
    });
    this.#capacity = capacity;
  }

  #heapOf(layer: number): Heap {
    return this.#place.kernels[layer].heap;
  }

  /** Of the memories that the cache lies in. */
  #heapBytes(): number {
    const heaps = new Set(this.#place.kernels.map(({ heap }) => heap));
    return [...heaps].reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** A memory may grow beyond what the machine has: only writing there would fail, by the end of the process. */
function refuseBeyondLimit(growth: number): void {
  const limit = growth > 0 ? memoryLimit() : undefined;
  if (!limit) return;
  const left = limit.bytes - residentBytes();
  if (growth <= left) return;
  throw new RemoraError("OUT_OF_MEMORY", "Cannot take memory", {
    found: `${describeBytes(Math.max(0, Math.floor(left)))} left (${limit.source})`,
  });
}
