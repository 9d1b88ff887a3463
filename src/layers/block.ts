/**
 * What decoder layers are made of. A layer is a mixer (rows learn from other rows) and a feed-forward network (each row by
 * itself); each is a block between a norm and the addition to the residual stream.
 *
 * A block answers four questions: which weights it takes (its constructor asks a `WeightPlan` for them), how much scratch a pass
 * needs (`reserve`), what it keeps of each token (`keyValues`), and what it computes (`forward`). Sizes of buffers, caches,
 * memory plans and snapshots follow from the answers.
 *
 * @module
 */
import type { CommonKeyValueView, KeyValueForm, KeyValueView } from "../ops/attention.ts";
import type { Matrix } from "../ops/matrix.ts";
import type { Workspace } from "../ops/workspace.ts";

/** Keys and values that a block keeps: of the tokens of each sequence, or of pictures, which sequences share. */
export interface BlockKeyValues extends Omit<KeyValueForm, "keyValueType"> {
  readonly of: "sequence" | "picture";
}

/** What rows can see of pictures: keys and values of their states in every layer that looks at pictures. */
export interface PictureView {
  layer(index: number): CommonKeyValueView;
}

/** Neighbouring rows of a sequence that see the same pictures. */
export interface SeeingRows {
  /** First row, counted from the sequence's first in this pass. */
  readonly first: number;
  readonly rows: number;
  readonly view: PictureView;
  /** Whether the rows take part in the layer's feed-forward network. */
  readonly feedsForward: boolean;
}

/**
 * Told the weights that the last row of a sequence gives to the states of the pictures that it sees, f32 [heads, blocks ·
 * KV_BLOCK_TOKENS], once for each layer that looks at pictures.
 */
export type AttentionWatch = (weights: Float32Array) => void;

/** Neighbouring rows of one sequence. */
export interface SequenceRows {
  /** First of all rows that are computed together. */
  readonly first: number;
  readonly rows: number;
  /** Position of the first row in its sequence. */
  readonly start: number;
  /** Keys and values of the sequence's tokens in this layer, if it keeps any; the view covers these rows. */
  readonly keyValues?: KeyValueView;
  /** Rows that see pictures, in order and without gaps up to the last row; none: text only. */
  readonly seeing: readonly SeeingRows[];
  readonly watch?: AttentionWatch;
}

/** One layer's share of a pass: rows of one sequence, or of several that are computed together. */
export interface LayerPass {
  /** Number of the layer. */
  readonly layer: number;
  readonly workspace: Workspace;
  readonly sequences: readonly SequenceRows[];
  /** Tables of rotary positions, one row for each row of the pass. */
  readonly rotary: readonly Matrix[];
}

/** Rows of a pass that a block computes together, with the sequences that they belong to. */
export interface RowRange {
  readonly first: number;
  readonly end: number;
  readonly sequences: readonly SequenceRows[];
}

/** A mixer or a feed-forward network. */
export interface Block {
  /** Whether rows whose result nobody reads are needed all the same: later rows look at their keys and values. */
  readonly needsAllRows: boolean;
  readonly keyValues?: BlockKeyValues;
  /** Takes from the scratch what a pass of `rows` rows takes at most, and gives it back. */
  reserve(workspace: Workspace, rows: number): void;
  /**
   * output (+)= block(input).
   *
   * @param range The rows that `input` holds.
   * @param input f32 [rows, hiddenSize], normalised.
   * @param output f32 [rows, hiddenSize]: of the last rows of `input`, or of all of them.
   * @param accumulate Add to what is there.
   */
  forward(pass: LayerPass, range: RowRange, input: Matrix, output: Matrix, accumulate: boolean): void;
  /** Stores keys and values of a picture's states, f32 [rows, hiddenSize], which are the picture's from `start` on. */
  remember?(workspace: Workspace, states: Matrix, start: number, view: KeyValueView): void;
}
