/**
 * Causal self-attention with grouped heads, rotary positions and a key/value cache.
 *
 * @module
 */
import { project } from "../ops/project.ts";
import type { Workspace } from "../ops/workspace.ts";
import type { Linear } from "../weights/linear.ts";
import type { Precision } from "../weights/plan.ts";

/** What attention asks of a cache: the blocks of one layer. Whoever owns the cache implements it. */
export interface KeyValueView {
  /** How keys and values are stored: KIND_F32, KIND_INT16 or KIND_INT8 of kernels/shared/layout.ts. */
  readonly kind: number;
  /** Address of the layer's block table, u32 [blocks]; it covers every position of the current step. */
  table(layer: number): number;
}

/** Neighbouring rows of one sequence, and its cache in this layer. */
export interface SequenceRows {
  /** First of all rows that are computed together. */
  first: number;
  rows: number;
  /** Position of the first row in its sequence. */
  start: number;
  kind: number;
  table: number;
}

/** Sizes shared by all layers of a model. */
export interface AttentionShape {
  heads: number;
  kvHeads: number;
  headSize: number;
  /** Factor of the scores, usually headSize^−½. */
  scale: number;
  /** Floats of a head that are rotated. */
  rotarySize: number;
  epsilon: number;
}

/** One layer's weights and options. */
export interface AttentionWeights {
  /** Query, key and value projections in this order, fused or one by one; their outputs lie side by side. */
  inputs: readonly Linear[];
  output: Linear;
  /** Addresses of f32 [headSize], or 0: norms of each query and key head before the rotation. */
  queryNorm: number;
  keyNorm: number;
  /** Which rotary table, or −1: none. */
  rotary: number;
  /** Tokens a row can look back on, itself included; 0: all. */
  window: number;
}

/**
 * output (+)= Wₒ · attention(x), with keys and values of the rows appended to the cache first.
 *
 * @param input Address of f32 [rows, hiddenSize], normalised.
 * @param sequences Of which the rows are, in order and without gaps.
 * @param target Where the result goes: the residual stream (added to) or a buffer.
 */
export function attend(
  workspace: Workspace,
  precision: Precision,
  shape: AttentionShape,
  weights: AttentionWeights,
  step: { input: number; rows: number },
  sequences: readonly SequenceRows[],
  target: { output: number; outputStride: number; accumulate: boolean },
): void {
  const { kernels, queriesKeysValues: queries, attended } = workspace;
  const { heads, kvHeads, headSize, epsilon } = shape;
  const { rows } = step;
  const stride = (heads + 2 * kvHeads) * headSize * 4;
  const keys = queries + heads * headSize * 4;
  const values = keys + kvHeads * headSize * 4;

  let column = queries;
  const projections = weights.inputs.map((linear) => {
    const projection = { linear, output: column, outputStride: stride };
    column += linear.outputs * 4;
    return projection;
  });
  project(workspace, precision, step.input, rows, projections);
  if (weights.queryNorm) {
    kernels.rmsNorm(queries, stride, queries, stride, weights.queryNorm, rows, heads, headSize, epsilon);
  }
  if (weights.keyNorm) {
    kernels.rmsNorm(keys, stride, keys, stride, weights.keyNorm, rows, kvHeads, headSize, epsilon);
  }
  if (weights.rotary >= 0) {
    // Queries and keys are neighbours, so they are rotated as one list of heads.
    const rotary = workspace.rotary[weights.rotary];
    kernels.rope(queries, stride, rotary, rows, heads + kvHeads, headSize, shape.rotarySize / 2);
  }
  for (const { first, rows, start, kind, table } of sequences) {
    const at = first * stride, outputStride = heads * headSize * 4;
    kernels.storeKeysValues(
      kind,
      keys + at,
      stride,
      values + at,
      stride,
      table,
      start,
      rows,
      kvHeads,
      headSize,
    );
    kernels.attention({
      kind,
      queries: queries + at,
      queryStride: stride,
      table,
      visible: { start, window: weights.window },
      rows,
      heads,
      kvHeads,
      headSize,
      scale: shape.scale,
      output: attended + first * outputStride,
      outputStride,
      scratch: workspace.attentionScratch,
      scratchBytes: workspace.attentionScratchBytes,
    });
  }
  project(workspace, precision, attended, rows, [{ linear: weights.output, ...target }]);
}
