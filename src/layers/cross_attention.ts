/**
 * Attention of text to pictures: queries from the text, keys and values from the pictures' states, no positions.
 *
 * Alayrac et al. 2022, arXiv 2204.14198 ("Flamingo"), in the form of Llama 3.2 Vision (transformers, models/mllama).
 *
 * @module
 */
import type { CommonKeys } from "../../kernels/host/kernels.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import { project } from "../ops/project.ts";
import type { Workspace } from "../ops/workspace.ts";
import type { Linear } from "../weights/linear.ts";
import type { Precision } from "../weights/plan.ts";
import type { AttentionShape, KeyValueView } from "./attention.ts";

/** What rows of text can see: blocks of pictures' keys and values in every cross-attention layer. */
export interface PictureView extends KeyValueView {
  /** Blocks, and address of i32 [blocks]: tokens of each that are seen; beside the layer's table. */
  visible(layer: number): CommonKeys;
}

/** Neighbouring rows of a step that see the same. */
export interface SeeingRows {
  /** First row, counted from the beginning of the step. */
  first: number;
  rows: number;
  view: PictureView;
  /** Whether the rows take part in the layer's feed-forward network. */
  feedsForward: boolean;
}

/**
 * Told the weights that the last row of a step gives to the tokens of its view, f32 [heads, blocks · KV_BLOCK_TOKENS], once a
 * layer; valid during the call only.
 */
export type AttentionWatch = (weights: Float32Array, view: PictureView) => void;

/** One layer's query side. */
export interface CrossAttentionWeights {
  query: Linear;
  output: Linear;
  /** Address of f32 [headSize]. */
  queryNorm: number;
}

/** One layer's key and value side. */
export interface CrossKeyWeights {
  key: Linear;
  value: Linear;
  /** Address of f32 [headSize]. */
  keyNorm: number;
}

/**
 * output = Wₒ · attention(x).
 *
 * @param step `input`: address of f32 [rows, hiddenSize], normalised; `seeing` covers all of the rows, counted from `first`
 * of the step on; `layer` counts cross-attention layers.
 * @param output Address of f32 [rows, hiddenSize].
 */
export function crossAttend(
  workspace: Workspace,
  precision: Precision,
  shape: AttentionShape,
  weights: CrossAttentionWeights,
  step: {
    input: number;
    first: number;
    rows: number;
    seeing: readonly SeeingRows[];
    layer: number;
    watch?: AttentionWatch;
  },
  output: number,
): void {
  const { kernels, queriesKeysValues: queries, attended } = workspace;
  const { heads, kvHeads, headSize, scale, epsilon } = shape;
  const stride = heads * headSize * 4;
  project(workspace, precision, step.input, step.rows, [
    { linear: weights.query, output: queries, outputStride: stride },
  ]);
  kernels.rmsNorm(queries, stride, queries, stride, weights.queryNorm, step.rows, heads, headSize, epsilon);
  for (const { first, rows, view } of step.seeing) {
    const offset = (first - step.first) * stride;
    kernels.attention({
      kind: view.kind,
      queries: queries + offset,
      queryStride: stride,
      table: view.table(step.layer),
      visible: view.visible(step.layer),
      rows,
      heads,
      kvHeads,
      headSize,
      scale,
      output: attended + offset,
      outputStride: stride,
      scratch: workspace.attentionScratch,
      scratchBytes: workspace.attentionScratchBytes,
    });
  }
  const last = step.seeing.at(-1)!.view;
  if (step.watch) {
    watchRow(workspace, shape, queries + (step.rows - 1) * stride, last, step.layer, step.watch);
  }
  project(workspace, precision, attended, step.rows, [
    { linear: weights.output, output, outputStride: weights.output.outputs * 4 },
  ]);
}

/**
 * Computes and stores keys and values of a picture's states.
 *
 * @param states `input`: address of f32 [rows, hiddenSize]; `start`: the picture's token that row 0 is; `kind` and `table`: of the
 * layer's cache.
 */
export function storeCrossKeysValues(
  workspace: Workspace,
  precision: Precision,
  shape: AttentionShape,
  { key, value, keyNorm }: CrossKeyWeights,
  { input, rows, start, kind, table }: {
    input: number;
    rows: number;
    start: number;
    kind: number;
    table: number;
  },
): void {
  const { kernels, queriesKeysValues: keys } = workspace;
  const { kvHeads, headSize, epsilon } = shape;
  const stride = 2 * kvHeads * headSize * 4;
  const values = keys + kvHeads * headSize * 4;
  project(workspace, precision, input, rows, [
    { linear: key, output: keys, outputStride: stride },
    { linear: value, output: values, outputStride: stride },
  ]);
  kernels.rmsNorm(keys, stride, keys, stride, keyNorm, rows, kvHeads, headSize, epsilon);
  kernels.storeKeysValues(kind, keys, stride, values, stride, table, start, rows, kvHeads, headSize);
}

function watchRow(
  { kernels }: Workspace,
  { heads, kvHeads, headSize, scale }: AttentionShape,
  query: number,
  view: PictureView,
  layer: number,
  watch: AttentionWatch,
): void {
  const { heap } = kernels;
  const visible = view.visible(layer);
  const floats = heads * visible.blocks * KV_BLOCK_TOKENS;
  const weights = heap.allocate(floats * 4);
  kernels.attentionWeights(
    view.kind,
    query,
    view.table(layer),
    visible,
    heads,
    kvHeads,
    headSize,
    scale,
    weights,
  );
  watch(heap.floatsAt(weights, floats), view);
  heap.free(weights, floats * 4);
}
