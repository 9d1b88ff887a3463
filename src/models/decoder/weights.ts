/**
 * Which modules a decoder takes from its checkpoint and what they are called there. Written once: planning, loading and
 * `show` all walk it.
 *
 * @module
 */
import type { DecoderConfig } from "./config.ts";

/** Something that can take modules: a plan, or the loaded weights. */
export interface WeightTaker<L, V> {
  /** An embedding table [rows, width]. */
  table(name: string, rows: number, width: number): L;
  /** A linear layer W [outputs, inputs]. */
  linear(name: string, outputs: number, inputs: number): L;
  /** A vector [length]; `offset` is added to it. */
  vector(name: string, length: number, offset: number): V;
  /** Whether the checkpoint has anything by this module's name. */
  has(module: string): boolean;
}

/** One layer. Absent norms are `undefined`. */
export interface LayerWeights<L, V> {
  inputNorm: V;
  /** Query, key, value: three modules, or one fused. */
  attentionInputs: L[];
  queryNorm?: V;
  keyNorm?: V;
  attentionOutput: L;
  attentionOutputNorm?: V;
  feedForwardNorm: V;
  /** Gate, up: two modules, or one fused. */
  feedForwardInputs: L[];
  feedForwardOutput: L;
  feedForwardOutputNorm?: V;
}

/** All of them. */
export interface DecoderWeights<L, V> {
  embedding: L;
  layers: LayerWeights<L, V>[];
  norm: V;
  head: L;
}

/** @throws {RemoraError} Whatever the taker throws for a module that is missing or wrong. */
export function takeDecoderWeights<L, V>(
  config: DecoderConfig,
  taker: WeightTaker<L, V>,
): DecoderWeights<L, V> {
  const { hiddenSize, vocabularySize, normOffset } = config;
  const embedding = taker.table("model.embed_tokens", vocabularySize, hiddenSize);
  const layers = config.layers.map((_, index) => takeLayer(config, taker, `model.layers.${index}`));
  const norm = taker.vector("model.norm.weight", hiddenSize, normOffset);
  // A head in the file wins over tying: tools write both spellings of a tied model, and some untie without saying so.
  const isTied = config.tied && !taker.has("lm_head");
  const head = taker.linear(isTied ? "model.embed_tokens" : "lm_head", vocabularySize, hiddenSize);
  return { embedding, layers, norm, head };
}

function takeLayer<L, V>(config: DecoderConfig, taker: WeightTaker<L, V>, layer: string): LayerWeights<L, V> {
  const { hiddenSize, intermediateSize, heads, kvHeads, headSize, normOffset } = config;
  const queryWidth = heads * headSize, kvWidth = kvHeads * headSize;
  const norm = (name: string, length = hiddenSize) =>
    taker.vector(`${layer}.${name}.weight`, length, normOffset);
  const attention = (name: string, width: number) =>
    taker.linear(`${layer}.self_attn.${name}`, width, hiddenSize);
  const feedForward = (name: string, width: number) =>
    taker.linear(`${layer}.mlp.${name}`, width, hiddenSize);
  return {
    inputNorm: norm("input_layernorm"),
    attentionInputs: config.fusedProjections
      ? [attention("qkv_proj", queryWidth + 2 * kvWidth)]
      : [attention("q_proj", queryWidth), attention("k_proj", kvWidth), attention("v_proj", kvWidth)],
    ...(config.headNorms && {
      queryNorm: norm("self_attn.q_norm", headSize),
      keyNorm: norm("self_attn.k_norm", headSize),
    }),
    attentionOutput: taker.linear(`${layer}.self_attn.o_proj`, hiddenSize, queryWidth),
    ...(config.outputNorms
      ? {
        attentionOutputNorm: norm("post_attention_layernorm"),
        feedForwardNorm: norm("pre_feedforward_layernorm"),
        feedForwardOutputNorm: norm("post_feedforward_layernorm"),
      }
      : { feedForwardNorm: norm("post_attention_layernorm") }),
    feedForwardInputs: config.fusedProjections
      ? [feedForward("gate_up_proj", 2 * intermediateSize)]
      : [feedForward("gate_proj", intermediateSize), feedForward("up_proj", intermediateSize)],
    feedForwardOutput: taker.linear(`${layer}.mlp.down_proj`, hiddenSize, intermediateSize),
  };
}
