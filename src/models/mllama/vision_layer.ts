/**
 * One layer of the vision tower: attention of all tokens to all that they may see, and a feed-forward network.
 *
 * @module
 */
import { tanh } from "../../core/mathematics.ts";
import {
  attendInCommon,
  type BlockType,
  type CommonKeyValueView,
  reserveAttention,
  storeKeysValues,
} from "../../ops/attention.ts";
import { activate, addScaled } from "../../ops/elementwise.ts";
import type { KeyValueBlocks } from "../../ops/key_value_blocks.ts";
import type { Matrix } from "../../ops/matrix.ts";
import { layerNorm, type LayerNormWeights } from "../../ops/norm.ts";
import { Projection } from "../../ops/projection.ts";
import type { Workspace } from "../../ops/workspace.ts";
import type { Vector } from "../../weights/linear.ts";
import type { WeightPlan } from "../../weights/plan.ts";
import type { VisionConfig } from "./vision_config.ts";

export class VisionLayer {
  readonly #config: VisionConfig;
  readonly #inputNorm: LayerNormWeights;
  readonly #keysValues: Projection;
  readonly #query: Projection;
  readonly #attentionOutput: Projection;
  readonly #feedForwardNorm: LayerNormWeights;
  readonly #feedForwardInput: Projection;
  readonly #feedForwardOutput: Projection;
  /** [1] each, of global layers: their hyperbolic tangents scale what the halves add. */
  readonly #attentionGate?: Vector;
  readonly #feedForwardGate?: Vector;

  constructor(config: VisionConfig, weights: WeightPlan, name: string, isGated: boolean) {
    const { hiddenSize, intermediateSize } = config;
    const linear = (of: string, outputs: number, inputs: number) =>
      weights.linear(`${name}.${of}`, outputs, inputs, { dense: "int7" });
    const attention = (of: string) => linear(`self_attn.${of}`, hiddenSize, hiddenSize);
    this.#config = config;
    this.#inputNorm = takeLayerNorm(weights, `${name}.input_layernorm`, hiddenSize);
    this.#query = new Projection([attention("q_proj")]);
    this.#keysValues = new Projection([attention("k_proj"), attention("v_proj")]);
    this.#attentionOutput = new Projection([attention("o_proj")]);
    this.#feedForwardNorm = takeLayerNorm(weights, `${name}.post_attention_layernorm`, hiddenSize);
    this.#feedForwardInput = new Projection([linear("mlp.fc1", intermediateSize, hiddenSize)]);
    this.#feedForwardOutput = new Projection([linear("mlp.fc2", hiddenSize, intermediateSize)]);
    if (isGated) {
      this.#attentionGate = weights.vector(`${name}.gate_attn`, 1);
      this.#feedForwardGate = weights.vector(`${name}.gate_ffn`, 1);
    }
  }

  /** Takes from the scratch what both steps take for `rows` rows, and gives it back. */
  reserve(workspace: Workspace, rows: number): void {
    const { hiddenSize, heads } = this.#config;
    const { scratch } = workspace;
    const { top } = scratch;
    this.#takeKeysValues(workspace, rows);
    this.#keysValues.reserve(workspace, rows);
    scratch.top = top;
    this.#takeBuffers(workspace, rows);
    this.#query.reserve(workspace, rows);
    reserveAttention(workspace, hiddenSize / heads);
    this.#attentionOutput.reserve(workspace, rows);
    this.#feedForwardInput.reserve(workspace, rows);
    this.#feedForwardOutput.reserve(workspace, rows);
    scratch.top = top;
  }

  /** Stores keys and values of the tokens from `start` on, which are rows of `x`; all must be stored before `forward`. */
  storeKeysValues(workspace: Workspace, x: Matrix, start: number, blocks: KeyValueBlocks): void {
    const { hiddenSize, heads, epsilon } = this.#config;
    const { top } = workspace.scratch;
    const { normed, both } = this.#takeKeysValues(workspace, x.rows);
    layerNorm(x, this.#inputNorm, epsilon, normed);
    this.#keysValues.forward(workspace, normed, both);
    const keys = both.sliceColumns(0, hiddenSize), values = both.sliceColumns(hiddenSize);
    storeKeysValues(keys, values, start, hiddenSize / heads, blocks);
    workspace.scratch.top = top;
  }

  /** x += attention(norm(x)); x += feedForward(norm(x)), for rows that see the same tokens. */
  forward(workspace: Workspace, x: Matrix, visible: CommonKeyValueView<BlockType>): void {
    const { hiddenSize, heads, epsilon } = this.#config;
    const headSize = hiddenSize / heads;
    const { top } = workspace.scratch;
    const { normed, queries, attended, inner, branch } = this.#takeBuffers(workspace, x.rows);

    layerNorm(x, this.#inputNorm, epsilon, normed);
    this.#query.forward(workspace, normed, queries);
    const shape = { heads, kvHeads: heads, headSize, scale: 1 / Math.sqrt(headSize) };
    attendInCommon(workspace, queries, visible, shape, attended);
    this.#attentionOutput.forward(workspace, attended, branch);
    addScaled(x, branch, gateFactor(this.#attentionGate));

    layerNorm(x, this.#feedForwardNorm, epsilon, normed);
    this.#feedForwardInput.forward(workspace, normed, inner);
    activate("gelu", inner);
    this.#feedForwardOutput.forward(workspace, inner, branch);
    addScaled(x, branch, gateFactor(this.#feedForwardGate));
    workspace.scratch.top = top;
  }

  #takeKeysValues({ scratch }: Workspace, rows: number) {
    const { hiddenSize } = this.#config;
    return { normed: scratch.matrix(rows, hiddenSize), both: scratch.matrix(rows, 2 * hiddenSize) };
  }

  #takeBuffers({ scratch }: Workspace, rows: number) {
    const { hiddenSize, intermediateSize } = this.#config;
    return {
      normed: scratch.matrix(rows, hiddenSize),
      queries: scratch.matrix(rows, hiddenSize),
      attended: scratch.matrix(rows, hiddenSize),
      inner: scratch.matrix(rows, intermediateSize),
      branch: scratch.matrix(rows, hiddenSize),
    };
  }
}

/** Weight and bias of a layer norm. */
export function takeLayerNorm(weights: WeightPlan, name: string, length: number): LayerNormWeights {
  return { weight: weights.vector(`${name}.weight`, length), bias: weights.vector(`${name}.bias`, length) };
}

/** tanh of a gate; 1 where there is none. */
export function gateFactor(gate: Vector | undefined): number {
  return gate ? tanh(gate.read()[0]) : 1;
}
