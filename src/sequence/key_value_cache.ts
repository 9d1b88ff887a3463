/**
 * The key/value cache of one sequence, or of one picture: blocks of KV_BLOCK_TOKENS tokens in every layer that keeps some, added
 * as it grows, never moved.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import type { KernelMemory } from "../../kernels/host/memory.ts";
import { keyValueBlockBytes } from "../../kernels/host/sizes.ts";
import type { KeyValueType } from "../../kernels/host/types.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import { RemoraError } from "../core/errors.ts";
import { describeBytes, describeInteger } from "../core/figures.ts";
import type { BlockKeyValues } from "../layers/block.ts";
import type { LayeredKeyValues } from "../models/decoder.ts";
import type { KeyValueView } from "../ops/attention.ts";
import { memoryLimit, type MemoryReadings } from "../platform/memory_limit.ts";

/**
 * How keys and values are stored: floats, or scaled integers of 16 bits ("f16", as accurate as half floats) or of 8.
 * docs/numerics.md has the perplexity of each.
 */
export type KeyValueStorage = "f32" | "f16" | "int8";

const KEY_VALUE_TYPES: Readonly<Record<KeyValueStorage, KeyValueType>> = {
  f32: "f32",
  f16: "int16",
  int8: "int8",
};

/** What a block takes in each layer. */
export interface KeyValueLayout {
  readonly keyValueType: KeyValueType;
  /** By the layer's number; 0 for layers that keep nothing here. */
  readonly blockBytes: readonly number[];
}

/** A layout, and where its layers lie. */
export interface KeyValuePlace extends KeyValueLayout {
  /** By the layer's number. */
  readonly kernels: readonly Kernels[];
  /** What is known of the memory that may be taken. */
  readonly readings: MemoryReadings;
}

/** The layout of what layers keep of sequences, or of pictures. */
export function keyValueLayout(
  kept: readonly (BlockKeyValues | undefined)[],
  of: BlockKeyValues["of"],
  storage: KeyValueStorage,
): KeyValueLayout {
  const keyValueType = KEY_VALUE_TYPES[storage];
  const blockBytes = kept.map((form) => form?.of === of ? keyValueBlockBytes({ ...form, keyValueType }) : 0);
  return { keyValueType, blockBytes };
}

/** Bytes that a cache of `tokens` tokens takes, block tables not counted. */
export function keyValueBytes({ blockBytes }: KeyValueLayout, tokens: number): number {
  return blocksFor(tokens) * blockBytes.reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes of it in one layer. */
export function layerKeyValueBytes({ blockBytes }: KeyValueLayout, layer: number, tokens: number): number {
  return blocksFor(tokens) * blockBytes[layer];
}

function blocksFor(tokens: number): number {
  return Math.ceil(tokens / KV_BLOCK_TOKENS);
}

/** Blocks of one layer. */
interface CachedLayer {
  readonly memory: KernelMemory;
  readonly blockBytes: number;
  /** Addresses. */
  readonly blocks: number[];
  /** Address of the block table. */
  table: number;
}

/**
 * Owns its blocks until `dispose`. Blocks are held from `reserve` on and take real memory from `use` on: an operating system
 * gives memory when it is written.
 */
export class KeyValueCache implements LayeredKeyValues {
  readonly #place: KeyValuePlace;
  /** By the layer's number. */
  readonly #byNumber: readonly (CachedLayer | undefined)[];
  readonly #layers: readonly CachedLayer[];
  readonly #views: readonly (KeyValueView | undefined)[];
  /** Blocks that tables have room for. */
  #capacity = 0;
  /** Blocks of each layer that are held. */
  #held = 0;
  /** Of them, those that were zeroed. */
  #used = 0;

  constructor(place: KeyValuePlace) {
    this.#place = place;
    this.#byNumber = place.blockBytes.map((blockBytes, number) =>
      blockBytes === 0
        ? undefined
        : { memory: place.kernels[number].memory, blockBytes, blocks: [], table: 0 }
    );
    this.#layers = this.#byNumber.filter((layer) => layer !== undefined);
    const { keyValueType } = place;
    this.#views = this.#byNumber.map((layer) =>
      layer && {
        keyValueType,
        get table() {
          return layer.table;
        },
      }
    );
  }

  /**
   * A cache with room for `tokens` tokens.
   *
   * @throws {RemoraError} As `reserve`; nothing stays reserved then.
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

  layer(index: number): KeyValueView | undefined {
    return this.#views[index];
  }

  /**
   * Makes room for `tokens` tokens in all layers, or changes nothing.
   *
   * @throws {RemoraError} OUT_OF_MEMORY when the memories, or what is known of the machine's, do not hold them.
   */
  reserve(tokens: number): void {
    const wanted = blocksFor(tokens);
    const before = this.#held;
    if (wanted <= before) return;
    try {
      const bytes = this.#memoryBytes();
      this.#growTables(wanted);
      for (const { memory, blocks, blockBytes, table } of this.#layers) {
        while (blocks.length < wanted) blocks.push(memory.allocate(blockBytes, false));
        memory.wordsAt(table, wanted).set(blocks);
      }
      this.#held = wanted;
      refuseBeyondLimit(this.#place.readings, this.#memoryBytes() - bytes);
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
    const wanted = blocksFor(tokens);
    for (const layer of this.#layers) {
      for (let block = this.#used; block < wanted; block++) bytesOf(layer, block).fill(0);
    }
    this.#used = Math.max(this.#used, wanted);
  }

  /** Gives back the blocks that follow the first `tokens` tokens. */
  truncate(tokens: number): void {
    this.#shrink(blocksFor(tokens));
  }

  dispose(): void {
    this.#shrink(0);
    for (const layer of this.#layers) {
      layer.memory.free(layer.table, this.#capacity * 4);
      layer.table = 0;
    }
    this.#capacity = 0;
  }

  /** The bytes of the blocks of the first `tokens` tokens, layer by layer, to copy out or in. */
  *blocksOf(tokens: number): Generator<Uint8Array> {
    for (const layer of this.#layers) {
      for (let block = 0; block < blocksFor(tokens); block++) yield bytesOf(layer, block);
    }
  }

  #shrink(count: number): void {
    this.#held = Math.min(this.#held, count);
    this.#used = Math.min(this.#used, count);
    for (const { memory, blocks, blockBytes } of this.#layers) {
      for (const address of blocks.splice(count)) memory.free(address, blockBytes);
    }
  }

  #growTables(wanted: number): void {
    if (wanted <= this.#capacity) return;
    const capacity = Math.max(wanted, 2 * this.#capacity, 16);
    // All or none: a memory that cannot grow leaves the tables as they are.
    const tables: number[] = [];
    try {
      for (const { memory } of this.#layers) tables.push(memory.allocate(capacity * 4));
    } catch (error) {
      tables.forEach((table, i) => this.#layers[i].memory.free(table, capacity * 4));
      throw error;
    }
    this.#layers.forEach((layer, i) => {
      const { memory, blocks } = layer;
      memory.free(layer.table, this.#capacity * 4);
      memory.wordsAt(tables[i], blocks.length).set(blocks);
      layer.table = tables[i];
    });
    this.#capacity = capacity;
  }

  /** Of the memories that the cache lies in. */
  #memoryBytes(): number {
    const memories = new Set(this.#layers.map(({ memory }) => memory));
    return [...memories].reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

function bytesOf({ memory, blocks, blockBytes }: CachedLayer, block: number): Uint8Array {
  return memory.bytesAt(blocks[block], blockBytes);
}

/** A memory may grow beyond what the machine has: only writing there would fail, by the end of the process. */
function refuseBeyondLimit(readings: MemoryReadings, growth: number): void {
  const limit = growth > 0 ? memoryLimit(readings) : undefined;
  if (!limit) return;
  const left = limit.bytes - readings.resident();
  if (growth <= left) return;
  throw new RemoraError("OUT_OF_MEMORY", "Cannot take memory", {
    found: `${describeBytes(Math.max(0, Math.floor(left)))} left (${limit.source})`,
  });
}
