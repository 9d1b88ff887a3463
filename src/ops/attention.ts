/**
 * Attention over keys and values that lie in blocks.
 *
 * @module
 */
import {
  attentionScratchBytes,
  byteAttentionScratchBytes,
  keyValueBlockBytes,
  type KeyValueForm,
} from "../../kernels/host/sizes.ts";
import type { BlockType, KeyValueType } from "../../kernels/host/types.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { Matrix } from "./matrix.ts";
import type { Workspace } from "./workspace.ts";

export { type BlockType, keyValueBlockBytes, type KeyValueForm, type KeyValueType, KV_BLOCK_TOKENS };

/** Keys and values of one layer: a table of blocks. Whoever owns them implements it. */
export interface KeyValueView<Type extends BlockType = KeyValueType> {
  readonly keyValueType: Type;
  /** Address of the block table, u32 [blocks]. */
  readonly table: number;
}

/** Keys and values of which every row sees the same: the first tokens of each block. */
export interface CommonKeyValueView<Type extends BlockType = KeyValueType> extends KeyValueView<Type> {
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
  scratch.take(
    Math.max(attentionScratchBytes(headSize), byteAttentionScratchBytes(headSize)) * space.threads,
  );
  scratch.top = top;
}

/** Stores keys and values, f32 [rows, kvHeads · headSize], of the tokens from position `start` on. */
export function storeKeysValues(
  keys: Matrix,
  values: Matrix,
  start: number,
  headSize: number,
  { keyValueType, table }: KeyValueView<BlockType>,
): void {
  const { kernels, rows, columns } = keys;
  const call = { keys, values, start, rows, heads: columns / headSize, headSize, table };
  if (keyValueType === "int7") kernels.storeBytes(call);
  else kernels.storeKeysValues({ ...call, keyValueType });
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

/** Attention of queries that all see the same keys; of codes of 7 bits every head has its own. */
export function attendInCommon(
  workspace: Workspace,
  queries: Matrix,
  view: CommonKeyValueView<BlockType>,
  shape: AttentionShape,
  output: Matrix,
): void {
  const { keyValueType } = view;
  if (keyValueType === "int7") runInBytes(workspace, queries, view, shape, output);
  else run(workspace, queries, { ...view, keyValueType }, shape, { start: 0, window: 0 }, output);
}

function runInBytes(
  { scratch, space }: Workspace,
  queries: Matrix,
  { table, blocks, counts }: CommonKeyValueView<BlockType>,
  { heads, headSize, scale }: AttentionShape,
  output: Matrix,
): void {
  const { top } = scratch, { kernels, rows } = queries;
  const { dot32 } = kernels.form;
  const scratchBytes = byteAttentionScratchBytes(headSize);
  kernels.attendBytes({
    queries,
    table,
    counts,
    blocks,
    rows,
    heads,
    headSize,
    scale,
    dot32,
    isWide: kernels.pairedScratch > 0,
    output,
    scratch: scratch.take(scratchBytes * space.threads),
    scratchBytes,
  });
  scratch.top = top;
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
    isWide: queries.kernels.pairedScratch > 0,
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
