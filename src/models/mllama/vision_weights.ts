/**
 * Which tensors the vision tower takes from its checkpoint and what they are called there.
 *
 * @module
 */
import type { WeightTaker } from "../../weights/taker.ts";
import type { DecoderConfig } from "../decoder/config.ts";
import { CHANNELS, type VisionConfig } from "./vision_config.ts";

/** A norm with a bias. */
export interface LayerNormWeights<V> {
  weight: V;
  bias: V;
}

/** One layer; the gates are those of global layers, [1] each. */
export interface VisionLayerWeights<L, V> {
  inputNorm: LayerNormWeights<V>;
  query: L;
  key: L;
  value: L;
  attentionOutput: L;
  attentionGate?: V;
  feedForwardNorm: LayerNormWeights<V>;
  feedForwardInput: L;
  feedForwardOutput: L;
  feedForwardGate?: V;
}

/** An embedding for each tile of each layout, [layouts + 1, tiles · width], and its gate. */
export interface TileEmbedding<V, A> {
  gate: V;
  embedding: A;
}

/** All of them. */
export interface VisionWeights<L, V, A> {
  /** The convolution over patches as a matrix [hiddenSize, 3 · patch · patch]. */
  patchEmbedding: L;
  classEmbedding: A;
  preTile: TileEmbedding<V, A>;
  postTile: TileEmbedding<V, A>;
  positionGate: V;
  /** [tokens, hiddenSize] */
  positions: A;
  /** [layouts + 1, tiles · tokens · hiddenSize] */
  tilePositions: A;
  normBefore: LayerNormWeights<V>;
  normAfter: LayerNormWeights<V>;
  layers: VisionLayerWeights<L, V>[];
  globalLayers: VisionLayerWeights<L, V>[];
  /** From the tower's features to the decoder's hidden size. */
  projector: L;
}

const PREFIX = "vision_model";

/** The tower and its projector lie together. */
export const VISION_PART = "vision";

/** @throws {RemoraError} Whatever the taker throws for a module that is missing or wrong. */
export function takeVisionWeights<L, V, A>(
  config: VisionConfig,
  decoder: DecoderConfig,
  taker: WeightTaker<L, V, A>,
): VisionWeights<L, V, A> {
  const { hiddenSize, patchSize, patches, tilesMax, aspectRatios } = config;
  const vector = (name: string, length: number) => taker.vector(`${PREFIX}.${name}`, length, 0);
  const array = (name: string, ...shape: number[]) => taker.array(`${PREFIX}.${name}`, shape);
  const layouts = aspectRatios + 1, tokens = patches + 1;
  const tileEmbedding = (name: string): TileEmbedding<V, A> => ({
    gate: vector(`${name}.gate`, 1),
    embedding: array(`${name}.embedding.weight`, layouts, tilesMax * hiddenSize),
  });
  const norm = (name: string) => takeNorm(taker, `${PREFIX}.${name}`, hiddenSize);
  taker.part(VISION_PART);
  const kernel = [hiddenSize, CHANNELS, patchSize, patchSize];
  return {
    patchEmbedding: taker.linear(
      `${PREFIX}.patch_embedding`,
      hiddenSize,
      CHANNELS * patchSize * patchSize,
      { kernel, dense: "coarse" },
    ),
    classEmbedding: array("class_embedding", hiddenSize),
    preTile: tileEmbedding("pre_tile_positional_embedding"),
    postTile: tileEmbedding("post_tile_positional_embedding"),
    positionGate: vector("gated_positional_embedding.gate", 1),
    positions: array("gated_positional_embedding.embedding", tokens, hiddenSize),
    tilePositions: array(
      "gated_positional_embedding.tile_embedding.weight",
      layouts,
      tilesMax * tokens * hiddenSize,
    ),
    normBefore: norm("layernorm_pre"),
    normAfter: norm("layernorm_post"),
    layers: Array.from(
      { length: config.layers },
      (_, i) => takeLayer(config, taker, `${PREFIX}.transformer.layers.${i}`, false),
    ),
    globalLayers: Array.from(
      { length: config.globalLayers },
      (_, i) => takeLayer(config, taker, `${PREFIX}.global_transformer.layers.${i}`, true),
    ),
    projector: taker.linear("multi_modal_projector", decoder.hiddenSize, config.outputSize, {
      dense: "coarse",
    }),
  };
}

function takeLayer<L, V, A>(
  { hiddenSize, intermediateSize }: VisionConfig,
  taker: WeightTaker<L, V, A>,
  layer: string,
  isGated: boolean,
): VisionLayerWeights<L, V> {
  const linear = (name: string, outputs: number, inputs: number) =>
    taker.linear(`${layer}.${name}`, outputs, inputs, { dense: "coarse" });
  const attention = (name: string) => linear(`self_attn.${name}`, hiddenSize, hiddenSize);
  return {
    inputNorm: takeNorm(taker, `${layer}.input_layernorm`, hiddenSize),
    query: attention("q_proj"),
    key: attention("k_proj"),
    value: attention("v_proj"),
    attentionOutput: attention("o_proj"),
    feedForwardNorm: takeNorm(taker, `${layer}.post_attention_layernorm`, hiddenSize),
    feedForwardInput: linear("mlp.fc1", intermediateSize, hiddenSize),
    feedForwardOutput: linear("mlp.fc2", hiddenSize, intermediateSize),
    ...(isGated && {
      attentionGate: taker.vector(`${layer}.gate_attn`, 1, 0),
      feedForwardGate: taker.vector(`${layer}.gate_ffn`, 1, 0),
    }),
  };
}

function takeNorm<L, V, A>(
  taker: WeightTaker<L, V, A>,
  name: string,
  length: number,
): LayerNormWeights<V> {
  return {
    weight: taker.vector(`${name}.weight`, length, 0),
    bias: taker.vector(`${name}.bias`, length, 0),
  };
}
