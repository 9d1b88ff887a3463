/**
 * Keys and values of one layer at a time, in blocks that are reserved once: for towers, whose rows all see each other.
 *
 * @module
 */
import {
  type BlockType,
  type CommonKeyValueView,
  keyValueBlockBytes,
  type KeyValueForm,
  type KeyValueView,
  KV_BLOCK_TOKENS,
} from "./attention.ts";
import type { Space } from "./space.ts";

/** Blocks with their table, and views of the first tokens. */
export class KeyValueBlocks implements KeyValueView<BlockType> {
  readonly keyValueType: BlockType;
  readonly #space: Space;
  readonly #blockBytes: number;
  readonly #blocks: number;
  readonly #begin: number;
  readonly #table: number;
  /** Addresses of the views' counts, i32 [blocks]. */
  readonly #counts: readonly number[];
  #isTableWritten = false;

  /** @param views Views that are in use at the same time. */
  constructor(space: Space, form: KeyValueForm, tokens: number, views: number) {
    this.keyValueType = form.keyValueType;
    this.#space = space;
    this.#blockBytes = keyValueBlockBytes(form);
    this.#blocks = Math.ceil(tokens / KV_BLOCK_TOKENS);
    this.#begin = space.allocate(this.#blocks * this.#blockBytes);
    this.#table = space.allocate(this.#blocks * 4);
    this.#counts = Array.from({ length: views }, () => space.allocate(this.#blocks * 4));
  }

  get table(): number {
    if (!this.#isTableWritten) {
      const addresses = Array.from({ length: this.#blocks }, (_, i) => this.#begin + i * this.#blockBytes);
      this.#space.kernels.memory.wordsAt(this.#table, this.#blocks).set(addresses);
      this.#isTableWritten = true;
    }
    return this.#table;
  }

  /** The first `tokens` tokens; the view of that number shows them until it is made anew. */
  view(number: number, tokens: number): CommonKeyValueView<BlockType> {
    const counts = this.#counts[number], values = blockCounts(tokens);
    this.#space.kernels.memory.wordsAt(counts, values.length).set(values);
    const { keyValueType, table } = this;
    return { keyValueType, table, blocks: values.length, counts };
  }
}

/** Tokens in each block of which the first `tokens` are seen. */
export function blockCounts(tokens: number): number[] {
  return Array.from(
    { length: Math.ceil(tokens / KV_BLOCK_TOKENS) },
    (_, block) => Math.min(KV_BLOCK_TOKENS, tokens - block * KV_BLOCK_TOKENS),
  );
}
