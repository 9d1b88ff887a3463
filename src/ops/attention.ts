/**
 * Attention over keys and values that lie in blocks.
 *
 * @module
 */
import { attentionScratchBytes, keyValueBlockBytes, type KeyValueForm } from "../../kernels/host/sizes.ts";
import type { KeyValueType } from "../../kernels/host/types.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { Matrix } from "./matrix.ts";
import type { Workspace } from "./workspace.ts";

export { keyValueBlockBytes, type KeyValueForm, type KeyValueType, KV_BLOCK_TOKENS };

/** Keys and values of one layer: a table of blocks. Whoever owns them implements it. */
export interface KeyValueView {
  readonly keyValueType: KeyValueType;
  /** Address of the block table, u32 [blocks]. */
  readonly table: number;
}

/** Keys and values of which every row sees the same: the first tokens of each block. */
export interface CommonKeyValueView extends KeyValueView {
  readonly blocks: number;
  /** Address of i32 [blocks]: tokens of each block that are seen. */
  readonly counts: number;
}

/** Heads and the factor of their scores. */
export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Usually headSize^−½. */
  readonly scale: number;
}

/** Which keys a causal row sees: row m is the token at position `start` + m and looks back on `window` tokens, itself included (0: all). */
export interface CausalRows {
  start: number;
  window: number;
}

/** Takes from the scratch what attention takes, and gives it back. */
export function reserveAttention({ scratch, space }: Workspace, headSize: number): void {
  const { top } = scratch;
  scratch.take(attentionScratchBytes(headSize) * space.threads);
  scratch.top = top;
}

/** Stores keys and values, f32 [rows, kvHeads · headSize], of the tokens from position `start` on. */
export function storeKeysValues(
  keys: Matrix,
  values: Matrix,
  start: number,
  headSize: number,
  { keyValueType, table }: KeyValueView,
): void {
  const { kernels, rows, columns } = keys;
  kernels.storeKeysValues({
    keys,
    values,
    keyValueType,
    start,
    rows,
    heads: columns / headSize,
    headSize,
    table,
  });
}

/** Attention of queries, f32 [rows, heads · headSize], each to the keys up to its own position; these are stored already. */
export function attendCausally(
  workspace: Workspace,
  queries: Matrix,
  view: KeyValueView,
  shape: AttentionShape,
  { start, window }: CausalRows,
  output: Matrix,
): void {
  run(workspace, queries, { ...view, blocks: 0, counts: 0 }, shape, { start, window }, output);
}

/** Attention of queries that all see the same keys. */
export function attendInCommon(
  workspace: Workspace,
  queries: Matrix,
  view: CommonKeyValueView,
  shape: AttentionShape,
  output: Matrix,
): void {
  run(workspace, queries, view, shape, { start: 0, window: 0 }, output);
}

function run(
  { scratch, space }: Workspace,
  queries: Matrix,
  { keyValueType, table, blocks, counts }: CommonKeyValueView,
  { heads, kvHeads, headSize, scale }: AttentionShape,
  { start, window }: CausalRows,
  output: Matrix,
): void {
  const { top } = scratch;
  const scratchBytes = attentionScratchBytes(headSize);
  queries.kernels.attention({
    queries,
    table,
    counts,
    keyValueType,
    blocks,
    start,
    window,
    rows: queries.rows,
    heads,
    kvHeads,
    headSize,
    scale,
    output,
    scratch: scratch.take(scratchBytes * space.threads),
    scratchBytes,
  });
  scratch.top = top;
}

/** The weights that one row of queries gives to the keys of its view, f32 [heads, blocks · KV_BLOCK_TOKENS]. */
export function attentionWeights(
  queries: Matrix,
  { keyValueType, table, blocks, counts }: CommonKeyValueView,
  { heads, kvHeads, headSize, scale }: AttentionShape,
): Float32Array {
  const { memory } = queries.kernels;
  const floats = heads * blocks * KV_BLOCK_TOKENS;
  const weights = memory.allocate(floats * 4);
  const call = {
    query: queries.address,
    table,
    counts,
    keyValueType,
    blocks,
    heads,
    kvHeads,
    headSize,
    scale,
  };
  queries.kernels.attentionWeights({ ...call, weights });
  const values = memory.floatsAt(weights, floats).slice();
  memory.free(weights, floats * 4);
  return values;
}
