/**
 * Sizes of blocks of keys and values.
 *
 * @module
 */
import { KIND_F32, KIND_INT16, KIND_INT8, KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import { wholeBlocks } from "./product_buffers.ts";

/**
 * How keys and values are stored: floats, or integers of two bytes ("f16", as accurate as half floats) or of one. docs/numerics.md
 * has the perplexity of each.
 */
export type KeyValueStorage = "f32" | "f16" | "int8";

const KINDS: Readonly<Record<KeyValueStorage, number>> = { f32: KIND_F32, f16: KIND_INT16, int8: KIND_INT8 };

/** The KIND_… constant of kernels/shared/layout.ts. */
export function keyValueKind(storage: KeyValueStorage): number {
  return KINDS[storage];
}

/** Heads of a block and how they are stored. */
export interface KeyValueBlockShape {
  kvHeads: number;
  headSize: number;
  kind: number;
}

/** Bytes of a block of KV_BLOCK_TOKENS tokens; the layouts are those of attention.ts and attention_coded.ts of the kernels. */
export function keyValueBlockBytes({ kvHeads, headSize, kind }: KeyValueBlockShape): number {
  if (kind === KIND_F32) return kvHeads * headSize * KV_BLOCK_TOKENS * 2 * 4;
  const elements = wholeBlocks(headSize) * KV_BLOCK_TOKENS * 2;
  return kvHeads * (elements * (kind === KIND_INT8 ? 1 : 2) + 2 * KV_BLOCK_TOKENS * 4);
}
