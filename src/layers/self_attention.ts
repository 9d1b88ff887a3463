/**
 * Causal self-attention with grouped heads, rotary positions and a key/value cache.
 *
 * Vaswani et al. 2017, arXiv 1706.03762; Ainslie et al. 2023, arXiv 2305.13245 (grouped heads).
 *
 * @module
 */
import { attendCausally, type AttentionShape, reserveAttention, storeKeysValues } from "../ops/attention.ts";
import type { Matrix } from "../ops/matrix.ts";
import { rmsNorm } from "../ops/norm.ts";
import { Projection } from "../ops/projection.ts";
import { rotate } from "../ops/rope.ts";
import { Frame, type Scratch, type Workspace } from "../ops/workspace.ts";
import type { Linear, Vector } from "../weights/linear.ts";
import type { Block, BlockKeyValues, LayerPass, RowRange } from "./block.ts";

/** Weights and options. */
export interface SelfAttentionOptions {
  shape: AttentionShape;
  /** Query, key and value projections in this order: three, or one of all. */
  inputs: readonly Linear[];
  output: Linear;
  /** [headSize]: norms of each query and key head before the rotation. */
  queryNorm?: Vector;
  keyNorm?: Vector;
  epsilon: number;
  /** Which rotary table; `undefined`: no positions. */
  rotary?: number;
  /** Tokens a row can look back on, itself included; 0: all. */
  window: number;
}

/** Bytes of an activation of queries, keys and values: softmax and the layers above magnify their errors (docs/numerics.md). */
const INPUT_BYTES = 2;

export class SelfAttention implements Block {
  readonly needsAllRows = true;
  readonly keyValues: BlockKeyValues;
  readonly #options: SelfAttentionOptions;
  readonly #inputs: Projection;
  /** Where the projections are three: the queries, and the rest. */
  readonly #apart?: { queries: Projection; keysValues: Projection };
  readonly #output: Projection;
  readonly #buffers = new Frame((scratch, rows) => this.#takeBuffers(scratch, rows));

  constructor(options: SelfAttentionOptions) {
    const { inputs, output, shape: { kvHeads, headSize } } = options;
    this.keyValues = { of: "sequence", kvHeads, headSize };
    this.#options = options;
    this.#inputs = new Projection(inputs, INPUT_BYTES);
    this.#output = new Projection([output]);
    if (inputs.length === 3) {
      const [query, ...others] = inputs;
      this.#apart = {
        queries: new Projection([query], INPUT_BYTES),
        keysValues: new Projection(others, INPUT_BYTES),
      };
    }
  }

  reserve(workspace: Workspace, rows: number): void {
    const { top } = workspace.scratch;
    this.#buffers.take(workspace, rows);
    this.#inputs.reserve(workspace, rows);
    reserveAttention(workspace, this.#options.shape.headSize);
    this.#output.reserve(workspace, rows);
    workspace.scratch.top = top;
  }

  forward(
    { workspace, rotary: tables }: LayerPass,
    range: RowRange,
    input: Matrix,
    output: Matrix,
    accumulate: boolean,
  ): void {
    const { shape, queryNorm, keyNorm, epsilon, rotary, window } = this.#options;
    const { headSize } = shape;
    const { top } = workspace.scratch;
    const { all, queries, keys, values, rotated, attended } = this.#buffers.take(workspace, input.rows);
    const unread = input.rows - output.rows;

    if (unread > 0 && this.#apart) {
      // Keys and values of all rows, queries of those whose result is read.
      this.#apart.keysValues.forward(workspace, input, all.sliceColumns(queries.columns));
      this.#apart.queries.forward(workspace, input.sliceRows(unread), queries.sliceRows(unread));
    } else this.#inputs.forward(workspace, input, all);
    const readQueries = queries.sliceRows(unread);
    if (queryNorm && readQueries.rows > 0) rmsNorm(readQueries, queryNorm, epsilon, readQueries);
    if (keyNorm) rmsNorm(keys, keyNorm, epsilon, keys);
    if (rotary !== undefined) rotate(rotated, headSize, tables[rotary].sliceRows(range.first, range.end));

    for (const { first, rows, start, keyValues } of range.sequences) {
      const begin = first - range.first, end = begin + rows;
      storeKeysValues(keys.sliceRows(begin, end), values.sliceRows(begin, end), start, headSize, keyValues!);
      const read = Math.max(begin, unread);
      if (read >= end) continue;
      const seen = { start: start + read - begin, window };
      const target = attended.sliceRows(read, end);
      attendCausally(workspace, queries.sliceRows(read, end), keyValues!, shape, seen, target);
    }
    this.#output.forward(workspace, attended.sliceRows(unread), output, { accumulate });
    workspace.scratch.top = top;
  }

  #takeBuffers(scratch: Scratch, rows: number) {
    const { heads, kvHeads, headSize } = this.#options.shape;
    const queryWidth = heads * headSize, kvWidth = kvHeads * headSize;
    const all = scratch.matrix(rows, queryWidth + 2 * kvWidth);
    return {
      all,
      queries: all.sliceColumns(0, queryWidth),
      keys: all.sliceColumns(queryWidth, queryWidth + kvWidth),
      values: all.sliceColumns(queryWidth + kvWidth),
      // Queries and keys are neighbours, so they are rotated as one list of heads.
      rotated: all.sliceColumns(0, queryWidth + kvWidth),
      attended: scratch.matrix(rows, queryWidth),
    };
  }
}
