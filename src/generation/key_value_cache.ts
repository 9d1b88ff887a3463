/**
 * The key/value cache of one sequence: blocks of KV_BLOCK_TOKENS tokens in every layer, added as the sequence grows, never
 * moved.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { KeyValueView } from "../layers/attention.ts";
import type { DecoderConfig } from "../models/decoder/config.ts";

/** Sizes of a cache. */
export interface KeyValueShape {
  layers: number;
  kvHeads: number;
  headSize: number;
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

/** Owns its blocks until `dispose`. */
export class KeyValueCache implements KeyValueView {
  readonly #kernels: Kernels;
  readonly #shape: KeyValueShape;
  /** Addresses, [layer][block]. */
  readonly #blocks: number[][];
  #tables = 0;
  #capacity = 0;

  constructor(kernels: Kernels, shape: KeyValueShape) {
    this.#kernels = kernels;
    this.#shape = shape;
    this.#blocks = Array.from({ length: shape.layers }, () => []);
  }

  table(layer: number): number {
    return this.#tables + layer * this.#capacity * 4;
  }

  /**
   * Makes room for `tokens` tokens in all layers, or changes nothing.
   *
   * @throws {RemoraError} OUT_OF_MEMORY
   */
  reserve(tokens: number): void {
    const wanted = Math.ceil(tokens / KV_BLOCK_TOKENS);
    const before = this.#blocks[0].length;
    if (wanted <= before) return;
    try {
      this.#growTables(wanted);
      this.#blocks.forEach((blocks, layer) => {
        while (blocks.length < wanted) {
          blocks.push(this.#kernels.heap.allocate(blockBytes(this.#shape)));
        }
        this.#kernels.heap.wordsAt(this.table(layer), wanted).set(blocks);
      });
    } catch (error) {
      this.#shrink(before);
      throw error;
    }
  }

  /** Gives back the blocks behind the first `tokens` tokens. */
  truncate(tokens: number): void {
    this.#shrink(Math.ceil(tokens / KV_BLOCK_TOKENS));
  }

  dispose(): void {
    this.#shrink(0);
    this.#kernels.heap.free(this.#tables, this.#capacity * this.#shape.layers * 4);
    this.#tables = this.#capacity = 0;
  }

  /** The bytes of one block, to copy out or in. */
  blockAt(layer: number, block: number): Uint8Array {
    return this.#kernels.heap.bytesAt(this.#blocks[layer][block], blockBytes(this.#shape));
  }

  #shrink(count: number): void {
    for (const blocks of this.#blocks) {
      for (const address of blocks.splice(count)) this.#kernels.heap.free(address, blockBytes(this.#shape));
    }
  }

  #growTables(wanted: number): void {
    if (wanted <= this.#capacity) return;
    const { heap } = this.#kernels;
    const capacity = Math.max(wanted, 2 * this.#capacity, 16);
    const tables = heap.allocate(capacity * this.#shape.layers * 4);
    heap.free(this.#tables, this.#capacity * this.#shape.layers * 4);
    this.#tables = tables;
    this.#capacity = capacity;
    this.#blocks.forEach((blocks, layer) => heap.wordsAt(this.table(layer), blocks.length).set(blocks));
  }
}
