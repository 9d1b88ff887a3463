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
import { Activations } from "../../ops/activations.ts";
import { wholeBlocks } from "../../ops/product_buffers.ts";
import { project } from "../../ops/project.ts";
import type { Workspace, WorkspaceShape } from "../../ops/workspace.ts";
import type { Linear } from "../../weights/linear.ts";
import type { Precision } from "../../weights/plan.ts";
import type { DecoderConfig } from "./config.ts";
import { type DecoderWeights, EMBEDDING_PART, layerPart, type LayerWeights } from "./weights.ts";

/** Rows of one step at most: enough that the weights' unpacking is amortised, small enough for the caches. */
export const STEP_ROWS_MAX = 512;

/** Told the name, shape and values of an intermediate result. */
export type Trace = (name: string, value: { shape: number[]; data: Float32Array }) => void;

/** Neighbouring tokens of one sequence, whose cache covers them. */
export interface Step {
  ids: ArrayLike<number>;
  /** Position of the first. */
  start: number;
  cache: KeyValueView;
  /** Rows at the end whose result is read. Of the others the last layer computes keys and values only. */
  results: number;
  /** Rows that see pictures, in order and without gaps up to the last row; none: text only. */
  seeing?: readonly SeeingRows[];
  watch?: AttentionWatch;
}

/** A step and the row of the pass that its first token is. */
interface PlacedStep extends Step {
  first: number;
}

/** Weights are addresses here: f32 vectors by number, linears by `Linear`. */
export class Decoder {
  readonly config: DecoderConfig;
  readonly #weights: DecoderWeights<Linear, number>;
  readonly #precision: Precision;
  readonly #activations: Activations;
  readonly #attention: AttentionShape;
  readonly #rotaryFactors: number[];
  /** Length for which each table's frequencies were computed; −1: not yet. */
  readonly #rotaryLengths: number[];
  /** Which of its kind each layer is: self-attention layers have a cache, cross-attention layers see pictures. */
  readonly #places: number[];
  /** Factors of what each cross-attention layer adds. */
  readonly #gates: ({ attention: number; feedForward: number } | undefined)[];

  /** @param kernelsOf The kernels beside a part's weights. */
  constructor(
    config: DecoderConfig,
    weights: DecoderWeights<Linear, number>,
    precision: Precision,
    kernelsOf: (part: string) => Kernels,
    rows: number,
  ) {
    this.config = config;
    this.#weights = weights;
    this.#precision = precision;
    const parts = [EMBEDDING_PART, ...config.layers.map((_, index) => layerPart(index)), weights.headPart];
    this.#activations = new Activations(kernelsOf, parts, workspaceShape(config, rows, weights));
    const { heads, kvHeads, headSize, attentionScale, epsilon } = config;
    const { rotarySize } = config.rotaries[0];
    this.#attention = { heads, kvHeads, headSize, scale: attentionScale, rotarySize, epsilon };
    this.#rotaryFactors = config.rotaries.map(() => 1);
    this.#rotaryLengths = config.rotaries.map(() => -1);
    const counts = { self: 0, cross: 0 };
    this.#places = config.layers.map(({ isCross }) => isCross ? counts.cross++ : counts.self++);
    this.#gates = weights.layers.map(({ cross }, index) => {
      const { heap } = kernelsOf(layerPart(index));
      const gate = (address: number) => tanh(heap.floatsAt(address, 1)[0]);
      return cross && { attention: gate(cross.attentionGate), feedForward: gate(cross.feedForwardGate) };
    });
  }

  /** The rows that one step may have. */
  get rows(): number {
    return this.#activations.rows;
  }

  /**
   * Runs the layers for the tokens of one sequence, or of several at once: their rows stand one behind the other, and each gets
   * the bits that it would get alone. Keys and values of a step go into its cache, the final norm's output stays in the workspace
   * for `logits`. Nothing happens but by iterating.
   *
   * @param steps Together at most `this.rows` rows.
   * @returns Yields how many layers are done, after each half of one: there the caller may let events in, but nobody may use
   * this decoder before the end. Whoever stops there leaves nothing behind but rows of the cache.
   */
  *forward(steps: readonly Step[], trace?: Trace): Generator<number, void, void> {
    const { hiddenSize, epsilon } = this.config;
    const { layers, headPart, norm } = this.#weights;
    let rows = 0;
    const placed: PlacedStep[] = steps.map((step) => {
      const first = rows;
      rows += step.ids.length;
      return { ...step, first };
    });
    const wanted = trace ? 0 : Math.min(
      ...placed.map(({ first, ids, results }) => results > 0 ? first + ids.length - results : rows),
    );
    this.#embed(placed, rows, trace);
    const withTables = new Set<Workspace>();
    for (const [index, layer] of layers.entries()) {
      const workspace = this.#activations.enter(layerPart(index), rows);
      if (layer.cross) {
        for (const step of placed) yield* this.#crossLayer(workspace, layer, index, step);
      } else {
        if (!withTables.has(workspace)) this.#fillRotaryTables(workspace, placed);
        withTables.add(workspace);
        const from = index === layers.length - 1 ? wanted : 0;
        yield* this.#layer(workspace, layer, index, { rows, from }, placed);
      }
      this.#trace(trace, `layers.${index}`, workspace, workspace.hidden, rows);
      yield index + 1;
    }
    const workspace = this.#activations.enter(headPart, rows);
    const { kernels, hidden, normed } = workspace;
    if (wanted === rows) return;
    const stride = hiddenSize * 4, at = wanted * stride;
    kernels.rmsNorm(hidden + at, stride, normed + at, stride, norm, rows - wanted, 1, hiddenSize, epsilon);
    this.#trace(trace, "norm", workspace, normed, rows);
  }

  #embed(steps: readonly PlacedStep[], rows: number, trace: Trace | undefined): void {
    const { hiddenSize, embeddingFactor } = this.config;
    const { kind, matrix } = this.#weights.embedding;
    const workspace = this.#activations.begin(EMBEDDING_PART);
    const { kernels, hidden } = workspace;
    const all = kernels.heap.wordsAt(workspace.ids, rows);
    for (const { ids, first } of steps) all.set(ids, first);
    kernels.embed(workspace.ids, kind, matrix, hidden, rows, hiddenSize, embeddingFactor);
    this.#trace(trace, "embed", workspace, hidden, rows);
  }

  /**
   * Logits of `rows` wanted rows of the last step from row `first` on, into `target`, f32 [rows, vocabularySize]; at most LOGIT_ROWS.
   */
  logits(first: number, rows: number, target: Float32Array): void {
    const { hiddenSize, vocabularySize } = this.config;
    const workspace = this.#activations.of(this.#weights.headPart);
    const { kernels, normed, logits } = workspace;
    project(workspace, this.#precision, normed + first * hiddenSize * 4, rows, [
      { linear: this.#weights.head, output: logits, outputStride: vocabularySize * 4 },
    ]);
    target.set(kernels.heap.floatsAt(logits, rows * vocabularySize));
  }

  /**
   * Stores keys and values of a picture's states in every cross-attention layer.
   *
   * @param states f32 [rows, hiddenSize]; at most `this.rows` rows. Read before anything is written.
   * @param start The picture's token that row 0 is; `memory` covers it and all rows.
   */
  remember(states: Float32Array, rows: number, start: number, memory: KeyValueView): void {
    const holding = new Set<Workspace>();
    this.#weights.layers.forEach(({ cross, keyNorm }, index) => {
      if (!cross) return;
      const workspace = this.#activations.of(layerPart(index));
      // Between two passes nobody needs the hidden state.
      if (!holding.has(workspace)) {
        workspace.kernels.heap.floatsAt(workspace.hidden, states.length).set(states);
      }
      holding.add(workspace);
      storeCrossKeysValues(
        workspace,
        this.#precision,
        this.#attention,
        { key: cross.key, value: cross.value, keyNorm: keyNorm! },
        {
          input: workspace.hidden,
          rows,
          start,
          kind: memory.kind,
          table: memory.table(this.#places[index]),
        },
      );
    });
  }

  /** @param from First row whose hidden state is wanted. */
  *#layer(
    workspace: Workspace,
    layer: LayerWeights<Linear, number>,
    index: number,
    { rows, from }: { rows: number; from: number },
    steps: readonly PlacedStep[],
  ): Generator<number, void, void> {
    const { hiddenSize, epsilon, gate, gateUpBytes } = this.config;
    const { kernels, hidden, normed, branch } = workspace;
    const stride = hiddenSize * 4;
    const place = this.#places[index];
    const norm = (input: number, weight: number, output: number, from: number) => {
      const at = from * stride;
      kernels.rmsNorm(input + at, stride, output + at, stride, weight, rows - from, 1, hiddenSize, epsilon);
    };
    const residual = { output: hidden, outputStride: stride, accumulate: true };
    const aside = { output: branch, outputStride: stride, accumulate: false };
    const addNormed = (weight: number) => {
      norm(branch, weight, branch, from);
      this.#addBranch(workspace, from, rows - from, 1, from);
    };

    norm(hidden, layer.inputNorm, normed, 0);
    attend(
      workspace,
      this.#precision,
      this.#attention,
      {
        inputs: layer.attentionInputs,
        output: layer.attentionOutput,
        queryNorm: layer.queryNorm ?? 0,
        keyNorm: layer.keyNorm ?? 0,
        ...this.config.layers[index],
      },
      { input: normed, rows, from },
      steps.map(({ first, ids, start, cache }) => ({
        first,
        rows: ids.length,
        start,
        kind: cache.kind,
        table: cache.table(place),
      })),
      layer.attentionOutputNorm === undefined ? residual : aside,
    );
    if (from === rows) return;
    if (layer.attentionOutputNorm !== undefined) addNormed(layer.attentionOutputNorm);
    yield index + 0.5;

    norm(hidden, layer.feedForwardNorm, normed, from);
    feedForward(
      workspace,
      this.#precision,
      { inputs: layer.feedForwardInputs, output: layer.feedForwardOutput, gate, inputBytes: gateUpBytes },
      { input: normed, rows, from },
      layer.feedForwardOutputNorm === undefined ? residual : aside,
    );
    if (layer.feedForwardOutputNorm !== undefined) addNormed(layer.feedForwardOutputNorm);
  }

  /**
   * Rows that see no picture pass through unchanged, as in the original implementation: text only skips the layer.
   */
  *#crossLayer(
    workspace: Workspace,
    layer: LayerWeights<Linear, number>,
    index: number,
    { first: begin, ids, seeing = [], watch }: PlacedStep,
  ): Generator<number, void, void> {
    if (seeing.length === 0) return;
    const { hiddenSize, epsilon, gate, gateUpBytes } = this.config;
    const { kernels, hidden, normed, branch } = workspace;
    const stride = hiddenSize * 4;
    const rows = ids.length;
    const gates = this.#gates[index]!;
    const norm = (first: number, weight: number) =>
      kernels.rmsNorm(
        hidden + (begin + first) * stride,
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
      workspace,
      this.#precision,
      this.#attention,
      { query: layer.attentionInputs[0], output: layer.attentionOutput, queryNorm: layer.queryNorm! },
      { input: normed, first, rows: rows - first, seeing, layer: this.#places[index], watch },
      branch,
    );
    this.#addBranch(workspace, begin + first, rows - first, gates.attention);
    yield index + 0.5;

    const fed = seeing.find(({ feedsForward }) => feedsForward)?.first;
    if (fed === undefined) return;
    norm(fed, layer.feedForwardNorm);
    feedForward(
      workspace,
      this.#precision,
      { inputs: layer.feedForwardInputs, output: layer.feedForwardOutput, gate, inputBytes: gateUpBytes },
      { input: normed, rows: rows - fed, from: 0 },
      { output: branch, outputStride: stride, accumulate: false },
    );
    this.#addBranch(workspace, begin + fed, rows - fed, gates.feedForward);
  }

  /** hidden += factor · branch for rows from `first` on, which are rows from `branchFirst` on of the branch. */
  #addBranch(
    { kernels, hidden, branch }: Workspace,
    first: number,
    rows: number,
    factor: number,
    branchFirst = 0,
  ): void {
    const { hiddenSize } = this.config;
    const stride = hiddenSize * 4;
    kernels.addScaled(
      hidden + first * stride,
      stride,
      branch + branchFirst * stride,
      KIND_F32,
      stride,
      rows,
      hiddenSize,
      factor,
    );
  }

  /** Only longrope's frequencies change with the length, and only when it passes the original context. */
  #setFrequencies(end: number): void {
    this.config.rotaries.forEach((rotary, index) => {
      const length = rotary.type === "longrope" && end > rotary.originalContext ? end : 0;
      const before = this.#rotaryLengths[index];
      if (before >= 0 && (before > 0) === (length > 0)) return;
      this.#rotaryLengths[index] = length;
      const { frequencies, factor } = rotaryFrequencies(rotary, length);
      this.#rotaryFactors[index] = factor;
      for (const { kernels, frequencies: addresses } of this.#activations.workspaces) {
        kernels.heap.floatsAt(addresses[index], frequencies.length).set(frequencies);
      }
    });
  }

  #fillRotaryTables(
    { kernels, frequencies, rotary: tables }: Workspace,
    steps: readonly PlacedStep[],
  ): void {
    for (const { first, start, ids } of steps) {
      this.#setFrequencies(start + ids.length);
      this.config.rotaries.forEach(({ rotarySize }, index) => {
        const factor = this.#rotaryFactors[index];
        const table = tables[index] + first * rotarySize * 4;
        kernels.ropeTable(frequencies[index], start, table, ids.length, rotarySize / 2, factor);
      });
    }
  }

  #trace(
    trace: Trace | undefined,
    name: string,
    { kernels }: Workspace,
    address: number,
    rows: number,
  ): void {
    if (!trace) return;
    const { hiddenSize } = this.config;
    trace(name, {
      shape: [rows, hiddenSize],
      data: kernels.heap.floatsAt(address, rows * hiddenSize).slice(),
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
