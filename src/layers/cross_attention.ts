/**
 * Attention of text to pictures: queries from the text, keys and values from the pictures' states, no positions.
 *
 * Alayrac et al. 2022, arXiv 2204.14198 ("Flamingo"), in the form of Llama 3.2 Vision (transformers, models/mllama).
 *
 * @module
 */
import {
  attendInCommon,
  type AttentionShape,
  attentionWeights,
  type KeyValueView,
  reserveAttention,
  storeKeysValues,
} from "../ops/attention.ts";
import type { Matrix } from "../ops/matrix.ts";
import { rmsNorm } from "../ops/norm.ts";
import { Projection } from "../ops/projection.ts";
import { Frame, type Scratch, type Workspace } from "../ops/workspace.ts";
import type { Linear, Vector } from "../weights/linear.ts";
import type { Block, BlockKeyValues, LayerPass, RowRange, SeeingRows, SequenceRows } from "./block.ts";

/** Weights and options. */
export interface CrossAttentionOptions {
  shape: AttentionShape;
  query: Linear;
  key: Linear;
  value: Linear;
  output: Linear;
  /** [headSize] each. */
  queryNorm: Vector;
  keyNorm: Vector;
  epsilon: number;
}

export class CrossAttention implements Block {
  readonly needsAllRows = false;
  readonly keyValues: BlockKeyValues;
  readonly #options: CrossAttentionOptions;
  readonly #query: Projection;
  readonly #keysValues: Projection;
  readonly #output: Projection;
  readonly #buffers = new Frame((scratch, rows) => this.#takeBuffers(scratch, rows));

  constructor(options: CrossAttentionOptions) {
    const { shape: { kvHeads, headSize }, query, key, value, output } = options;
    this.keyValues = { of: "picture", kvHeads, headSize };
    this.#options = options;
    this.#query = new Projection([query]);
    this.#keysValues = new Projection([key, value]);
    this.#output = new Projection([output]);
  }

  reserve(workspace: Workspace, rows: number): void {
    const { top } = workspace.scratch;
    this.#buffers.take(workspace, rows);
    this.#query.reserve(workspace, rows);
    reserveAttention(workspace, this.#options.shape.headSize);
    this.#output.reserve(workspace, rows);
    workspace.scratch.top = top;
    this.#takeKeysValues(workspace.scratch, rows);
    this.#keysValues.reserve(workspace, rows);
    workspace.scratch.top = top;
  }

  forward(
    { layer, workspace }: LayerPass,
    { first: begin, sequences: [sequence] }: RowRange,
    input: Matrix,
    output: Matrix,
    accumulate: boolean,
  ): void {
    const { shape, queryNorm, epsilon } = this.#options;
    const { top } = workspace.scratch;
    const { queries, attended } = this.#buffers.take(workspace, input.rows);
    this.#query.forward(workspace, input, queries);
    rmsNorm(queries, queryNorm, epsilon, queries);
    for (const { first, rows, view } of sequence.seeing) {
      const from = Math.max(sequence.first + first - begin, 0), to = sequence.first + first + rows - begin;
      if (to <= from) continue;
      attendInCommon(
        workspace,
        queries.sliceRows(from, to),
        view.layer(layer),
        shape,
        attended.sliceRows(from, to),
      );
    }
    if (sequence.watch) {
      const { view } = sequence.seeing.at(-1)!;
      sequence.watch(attentionWeights(queries.sliceRows(input.rows - 1), view.layer(layer), shape));
    }
    this.#output.forward(workspace, attended, output, { accumulate });
    workspace.scratch.top = top;
  }

  remember(workspace: Workspace, states: Matrix, start: number, view: KeyValueView): void {
    const { shape: { headSize }, keyNorm, epsilon } = this.#options;
    const { top } = workspace.scratch;
    const { all, keys, values } = this.#takeKeysValues(workspace.scratch, states.rows);
    this.#keysValues.forward(workspace, states, all);
    rmsNorm(keys, keyNorm, epsilon, keys);
    storeKeysValues(keys, values, start, headSize, view);
    workspace.scratch.top = top;
  }

  #takeBuffers(scratch: Scratch, rows: number) {
    const { heads, headSize } = this.#options.shape;
    return {
      queries: scratch.matrix(rows, heads * headSize),
      attended: scratch.matrix(rows, heads * headSize),
    };
  }

  #takeKeysValues(scratch: Scratch, rows: number) {
    const { kvHeads, headSize } = this.#options.shape;
    const width = kvHeads * headSize;
    const all = scratch.matrix(rows, 2 * width);
    return { all, keys: all.sliceColumns(0, width), values: all.sliceColumns(width) };
  }
}

/** Of each sequence the rows from the first that sees a picture on. */
export function rowsThatSee({ sequences }: LayerPass): RowRange[] {
  return rangesFrom(sequences, ({ seeing }) => seeing[0]);
}

/** Of each sequence the rows from the first on that see a picture and take part in the feed-forward network. */
export function rowsThatFeedForward({ sequences }: LayerPass): RowRange[] {
  return rangesFrom(sequences, ({ seeing }) => seeing.find(({ feedsForward }) => feedsForward));
}

function rangesFrom(
  sequences: readonly SequenceRows[],
  beginOf: (sequence: SequenceRows) => SeeingRows | undefined,
): RowRange[] {
  return sequences.flatMap((sequence) => {
    const begin = beginOf(sequence);
    if (!begin) return [];
    const end = sequence.first + sequence.rows;
    return [{ first: sequence.first + begin.first, end, sequences: [sequence] }];
  });
}
