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
 * @param step Address of f32 [rows, hiddenSize], normalised; `from` is the first row whose output is computed.
 * @param sequences Of which the rows are, in order and without gaps.
 * @param target Where the result goes: the residual stream (added to) or a buffer.
 */
export function attend(
  workspace: Workspace,
  precision: Precision,
  shape: AttentionShape,
  weights: AttentionWeights,
  step: { input: number; rows: number; from: number },
  sequences: readonly SequenceRows[],
  target: { output: number; outputStride: number; accumulate: boolean },
): void {
  const { kernels, queriesKeysValues: queries, attended } = workspace;
  const { heads, kvHeads, headSize, epsilon } = shape;
  const { input, rows, from } = step;
  const stride = (heads + 2 * kvHeads) * headSize * 4;
  const keys = queries + heads * headSize * 4;
  const values = keys + kvHeads * headSize * 4;

  let column = queries;
  const projections = weights.inputs.map((linear) => {
    const projection = { linear, output: column, outputStride: stride };
    column += linear.outputs * 4;
    return projection;
  });
  // Fused projections give queries that nobody wants, too.
  const isApart = from > 0 && projections.length === 3;
  project(workspace, precision, input, rows, isApart ? projections.slice(1) : projections);
  const at = from * stride;
  if (isApart && from < rows) {
    const first = input + from * weights.inputs[0].inputs * 4;
    project(workspace, precision, first, rows - from, [{ ...projections[0], output: queries + at }]);
  }
  if (weights.queryNorm && from < rows) {
    const wanted = queries + at;
    kernels.rmsNorm(wanted, stride, wanted, stride, weights.queryNorm, rows - from, heads, headSize, epsilon);
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
    const skipped = Math.max(0, from - first);
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
    if (skipped >= rows) continue;
    kernels.attention({
      kind,
      queries: queries + at + skipped * stride,
      queryStride: stride,
      table,
      visible: { start: start + skipped, window: weights.window },
      rows: rows - skipped,
      heads,
      kvHeads,
      headSize,
      scale: shape.scale,
      output: attended + (first + skipped) * outputStride,
      outputStride,
      scratch: workspace.attentionScratch,
      scratchBytes: workspace.attentionScratchBytes,
    });
  }
  if (from === rows) return;
  const output = target.output + from * target.outputStride;
  project(workspace, precision, attended + from * heads * headSize * 4, rows - from, [
    { linear: weights.output, ...target, output },
  ]);
}
