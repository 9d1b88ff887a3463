/**
 * The forward pass of the Llama family.
 *
 * @module
 */
import type { Kernels } from "../../../kernels/host/kernels.ts";
import { KIND_F32 } from "../../../kernels/shared/layout.ts";
import { tanh } from "../../core/mathematics.ts";
import { attend, type AttentionShape, type KeyValueView } from "../../layers/attention.ts";
import {
  type AttentionWatch,
  crossAttend,
  type SeeingRows,
  storeCrossKeysValues,
} from "../../layers/cross_attention.ts";
import { feedForward } from "../../layers/feed_forward.ts";
import { rotaryFrequencies } from "../../layers/rotary.ts";
import { wholeBlocks } from "../../ops/product_buffers.ts";
import { project } from "../../ops/project.ts";
import { LOGIT_ROWS, Workspace, type WorkspaceShape } from "../../ops/workspace.ts";
import type { Linear } from "../../weights/linear.ts";
import type { Precision } from "../../weights/plan.ts";
import type { DecoderConfig } from "./config.ts";
import type { DecoderWeights, LayerWeights } from "./weights.ts";

/** Rows of one step at most: enough that the weights' unpacking is amortised, small enough for the caches. */
export const STEP_ROWS_MAX = 512;

/** Told the name, shape and values of an intermediate result. */
export type Trace = (name: string, value: { shape: number[]; data: Float32Array }) => void;

/** One step: neighbouring tokens of one sequence, whose cache covers them. */
export interface Step {
  /** At most STEP_ROWS_MAX. */
  ids: ArrayLike<number>;
  /** Position of the first. */
  start: number;
  cache: KeyValueView;
  /** Rows that see pictures, in order and without gaps up to the last row; none: text only. */
  seeing?: readonly SeeingRows[];
  watch?: AttentionWatch;
  trace?: Trace;
}

/** Weights are addresses here: f32 vectors by number, linears by `Linear`. */
export class Decoder {
  readonly config: DecoderConfig;
  readonly #weights: DecoderWeights<Linear, number>;
  readonly #precision: Precision;
  readonly #kernels: Kernels;
  readonly #workspace: Workspace;
  readonly #attention: AttentionShape;
  readonly #frequencies: number[];
  readonly #rotaryFactors: number[];
  /** Length for which each table's frequencies were computed; −1: not yet. */
  readonly #rotaryLengths: number[];
  /** Which of its kind each layer is: self-attention layers have a cache, cross-attention layers see pictures. */
  readonly #places: number[];
  /** Factors of what each cross-attention layer adds. */
  readonly #gates: ({ attention: number; feedForward: number } | undefined)[];

  constructor(
    config: DecoderConfig,
    weights: DecoderWeights<Linear, number>,
    precision: Precision,
    kernels: Kernels,
    rows: number,
  ) {
    this.config = config;
    this.#weights = weights;
    this.#precision = precision;
    this.#kernels = kernels;
    this.#workspace = new Workspace(kernels, workspaceShape(config, rows, weights));
    const { heads, kvHeads, headSize, attentionScale, epsilon } = config;
    const { rotarySize } = config.rotaries[0];
    this.#attention = { heads, kvHeads, headSize, scale: attentionScale, rotarySize, epsilon };
    this.#frequencies = config.rotaries.map((rotary) => kernels.heap.allocate(rotary.rotarySize * 2));
    this.#rotaryFactors = config.rotaries.map(() => 1);
    this.#rotaryLengths = config.rotaries.map(() => -1);
    const counts = { self: 0, cross: 0 };
    this.#places = config.layers.map(({ isCross }) => isCross ? counts.cross++ : counts.self++);
    const gate = (address: number) => tanh(kernels.heap.floatsAt(address, 1)[0]);
    this.#gates = weights.layers.map(({ cross }) =>
      cross && { attention: gate(cross.attentionGate), feedForward: gate(cross.feedForwardGate) }
    );
  }

  /** The rows that one step may have. */
  get rows(): number {
    return this.#workspace.rows;
  }

  /**
   * Runs the layers; keys and values of the step go into its cache, the final norm's output stays in the workspace for
   * `logits`.
   */
  forward({ ids, start, cache, seeing = [], watch, trace }: Step): void {
    const kernels = this.#kernels;
    const { hiddenSize, embeddingFactor, epsilon } = this.config;
    const workspace = this.#workspace;
    const rows = ids.length;
    kernels.heap.wordsAt(workspace.ids, rows).set(ids);
    const { embedding } = this.#weights;
    const { hidden } = workspace;
    kernels.embed(workspace.ids, embedding.kind, embedding.matrix, hidden, rows, hiddenSize, embeddingFactor);
    this.#trace(trace, "embed", hidden, rows);
    this.#fillRotaryTables(start, rows);
    this.#weights.layers.forEach((layer, index) => {
      if (layer.cross) this.#crossLayer(layer, index, rows, seeing, watch);
      else this.#layer(layer, index, { rows, start, table: cache.table(this.#places[index]) });
      this.#trace(trace, `layers.${index}`, hidden, rows);
    });
    const stride = hiddenSize * 4;
    kernels.rmsNorm(
      hidden,
      stride,
      workspace.normed,
      stride,
      this.#weights.norm,
      rows,
      1,
      hiddenSize,
      epsilon,
    );
    this.#trace(trace, "norm", workspace.normed, rows);
  }

  /** Logits of `count` rows of the last step from row `first` on, into `target`, f32 [count, vocabularySize]. */
  logits(first: number, count: number, target: Float32Array): void {
    const { hiddenSize, vocabularySize } = this.config;
    const { normed, logits } = this.#workspace;
    for (let row = 0; row < count; row += LOGIT_ROWS) {
      const rows = Math.min(LOGIT_ROWS, count - row);
      project(this.#workspace, this.#precision, normed + (first + row) * hiddenSize * 4, rows, [
        { linear: this.#weights.head, output: logits, outputStride: vocabularySize * 4 },
      ]);
      target.set(this.#kernels.heap.floatsAt(logits, rows * vocabularySize), row * vocabularySize);
    }
  }

  /**
   * Stores keys and values of a picture's states in every cross-attention layer.
   *
   * @param states Address of f32 [rows, hiddenSize]; at most `this.rows` rows.
   * @param start The picture's token that row 0 is; `memory` covers it and all rows.
   */
  remember(states: number, rows: number, start: number, memory: KeyValueView): void {
    this.#weights.layers.forEach(({ cross, keyNorm }, index) => {
      if (!cross) return;
      storeCrossKeysValues(
        this.#workspace,
        this.#precision,
        this.#attention,
        { key: cross.key, value: cross.value, keyNorm: keyNorm! },
        { input: states, rows, start, table: memory.table(this.#places[index]) },
      );
    });
  }

  #layer(
    layer: LayerWeights<Linear, number>,
    index: number,
    step: { rows: number; start: number; table: number },
  ): void {
    const { hiddenSize, epsilon, gate, gateUpBytes } = this.config;
    const { hidden, normed, branch } = this.#workspace;
    const stride = hiddenSize * 4;
    const { rows } = step;
    const norm = (input: number, weight: number, output: number) =>
      this.#kernels.rmsNorm(input, stride, output, stride, weight, rows, 1, hiddenSize, epsilon);
    const residual = { output: hidden, outputStride: stride, accumulate: true };
    const aside = { output: branch, outputStride: stride, accumulate: false };
    const addNormed = (weight: number) => {
      norm(branch, weight, branch);
      this.#addBranch(0, rows, 1);
    };

    norm(hidden, layer.inputNorm, normed);
    attend(
      this.#workspace,
      this.#precision,
      this.#attention,
      {
        inputs: layer.attentionInputs,
        output: layer.attentionOutput,
        queryNorm: layer.queryNorm ?? 0,
        keyNorm: layer.keyNorm ?? 0,
        ...this.config.layers[index],
      },
      { input: normed, ...step },
      layer.attentionOutputNorm === undefined ? residual : aside,
    );
    if (layer.attentionOutputNorm !== undefined) addNormed(layer.attentionOutputNorm);

    norm(hidden, layer.feedForwardNorm, normed);
    feedForward(
      this.#workspace,
      this.#precision,
      { inputs: layer.feedForwardInputs, output: layer.feedForwardOutput, gate, inputBytes: gateUpBytes },
      { input: normed, rows },
      layer.feedForwardOutputNorm === undefined ? residual : aside,
    );
    if (layer.feedForwardOutputNorm !== undefined) addNormed(layer.feedForwardOutputNorm);
  }

  /**
   * Rows that see no picture pass through unchanged, as in the original implementation: text only skips the layer.
   */
  #crossLayer(
    layer: LayerWeights<Linear, number>,
    index: number,
    rows: number,
    seeing: readonly SeeingRows[],
    watch: AttentionWatch | undefined,
  ): void {
    if (seeing.length === 0) return;
    const { hiddenSize, epsilon, gate, gateUpBytes } = this.config;
    const { hidden, normed, branch } = this.#workspace;
    const stride = hiddenSize * 4;
    const gates = this.#gates[index]!;
    const norm = (first: number, weight: number) =>
      this.#kernels.rmsNorm(
        hidden + first * stride,
        stride,
        normed,
        stride,
        weight,
        rows - first,
        1,
        hiddenSize,
        epsilon,
      );

    const { first } = seeing[0];
    norm(first, layer.inputNorm);
    crossAttend(
      this.#workspace,
      this.#precision,
      this.#attention,
      { query: layer.attentionInputs[0], output: layer.attentionOutput, queryNorm: layer.queryNorm! },
      { input: normed, first, rows: rows - first, seeing, layer: this.#places[index], watch },
      branch,
    );
    this.#addBranch(first, rows - first, gates.attention);

    const fed = seeing.find(({ feedsForward }) => feedsForward)?.first;
    if (fed === undefined) return;
    norm(fed, layer.feedForwardNorm);
    feedForward(
      this.#workspace,
      this.#precision,
      { inputs: layer.feedForwardInputs, output: layer.feedForwardOutput, gate, inputBytes: gateUpBytes },
      { input: normed, rows: rows - fed },
      { output: branch, outputStride: stride, accumulate: false },
    );
    this.#addBranch(fed, rows - fed, gates.feedForward);
  }

  /** hidden += factor · branch for rows from `first` on. */
  #addBranch(first: number, rows: number, factor: number): void {
    const { hiddenSize } = this.config;
    const { hidden, branch } = this.#workspace;
    const stride = hiddenSize * 4;
    this.#kernels.addScaled(
      hidden + first * stride,
      stride,
      branch,
      KIND_F32,
      stride,
      rows,
      hiddenSize,
      factor,
    );
  }

  #fillRotaryTables(start: number, rows: number): void {
    this.config.rotaries.forEach((rotary, index) => {
      const half = rotary.rotarySize / 2;
      // Only longrope's frequencies change with the length, and only when it passes the original context.
      const length = rotary.type === "longrope" && start + rows > rotary.originalContext ? start + rows : 0;
      if ((this.#rotaryLengths[index] > 0) !== (length > 0) || this.#rotaryLengths[index] < 0) {
        this.#rotaryLengths[index] = length;
        const { frequencies, factor } = rotaryFrequencies(rotary, length);
        this.#kernels.heap.floatsAt(this.#frequencies[index], half).set(frequencies);
        this.#rotaryFactors[index] = factor;
      }
      this.#kernels.ropeTable(
        this.#frequencies[index],
        start,
        this.#workspace.rotary[index],
        rows,
        half,
        this.#rotaryFactors[index],
      );
    });
  }

  #trace(trace: Trace | undefined, name: string, address: number, rows: number): void {
    if (!trace) return;
    const { hiddenSize } = this.config;
    trace(name, {
      shape: [rows, hiddenSize],
      data: this.#kernels.heap.floatsAt(address, rows * hiddenSize).slice(),
    });
  }
}

/** What a decoder's buffers must hold; `weights` tells the padding that act-order needs. */
export function workspaceShape(
  config: DecoderConfig,
  rows: number,
  weights?: DecoderWeights<{ packedInputs: number }, unknown>,
): WorkspaceShape {
  const { heads, kvHeads, headSize, hiddenSize, intermediateSize } = config;
  const packed = weights?.layers.flatMap((layer) =>
    [
      ...layer.attentionInputs,
      layer.attentionOutput,
      ...layer.feedForwardInputs,
      layer.feedForwardOutput,
      ...(layer.cross ? [layer.cross.key, layer.cross.value] : []),
    ].map(({ packedInputs }) => packedInputs)
  ) ?? [];
  const inputs = wholeBlocks(Math.max(hiddenSize, heads * headSize, intermediateSize, ...packed));
  return {
    rows,
    hiddenSize,
    attentionWidth: (heads + 2 * kvHeads) * headSize,
    queryWidth: heads * headSize,
    headSize,
    intermediateSize,
    vocabularySize: config.vocabularySize,
    inputs,
    rotaryTables: config.rotaries.length,
    rotaryHalf: Math.max(...config.rotaries.map(({ rotarySize }) => rotarySize / 2)),
  };
}
