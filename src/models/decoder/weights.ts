/**
 * Which modules a decoder takes from its checkpoint and what they are called there. Written once: planning, loading and
 * `show` all walk it.
 *
 * @module
 */
import type { WeightTaker } from "../../weights/taker.ts";
import type { DecoderConfig } from "./config.ts";

/** Names of the decoder's parts. */
export const EMBEDDING_PART = "embedding";
const HEAD_PART = "head";
export const layerPart = (index: number): string => `layers.${index}`;

/** One layer. Absent norms are `undefined`. */
export interface LayerWeights<L, V> {
  inputNorm: V;
  /** Query, key, value: three modules, or one fused. Cross-attention: the query alone. */
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
  cross?: CrossWeights<L, V>;
}

/** What a cross-attention layer has beside the rest. */
export interface CrossWeights<L, V> {
  /** Of the pictures' states. */
  key: L;
  value: L;
  /** [1] each; their hyperbolic tangent scales what the layer adds. */
  attentionGate: V;
  feedForwardGate: V;
}

/** All of them. */
export interface DecoderWeights<L, V> {
  embedding: L;
  layers: LayerWeights<L, V>[];
  /** The part that the last norm and the head lie in. */
  headPart: string;
  norm: V;
  head: L;
}

/**
 * @param prefix What stands before every name in the file: "", or a part of a larger model with its dot.
 * @throws {RemoraError} Whatever the taker throws for a module that is missing or wrong.
 */
export function takeDecoderWeights<L, V>(
  config: DecoderConfig,
  taker: WeightTaker<L, V>,
  prefix = "",
): DecoderWeights<L, V> {
  const { hiddenSize, vocabularySize, embeddingRows, normOffset } = config;
  taker.part(EMBEDDING_PART);
  const embedding = taker.table(`${prefix}model.embed_tokens`, embeddingRows, hiddenSize);
  const layers = config.layers.map(({ isCross }, index) => {
    taker.part(layerPart(index));
    const take = isCross ? takeCrossLayer : takeLayer;
    return take(config, taker, `${prefix}model.layers.${index}`);
  });
  // A head in the file wins over tying: tools write both spellings of a tied model, and some untie without saying so.
  const isTied = config.tied && !taker.has(`${prefix}lm_head`);
  // A tied head is the table where it need not be requantised, so it lies where the table lies.
  const headPart = isTied ? EMBEDDING_PART : HEAD_PART;
  taker.part(headPart);
  const norm = taker.vector(`${prefix}model.norm.weight`, hiddenSize, normOffset);
  const head = taker.linear(
    `${prefix}${isTied ? "model.embed_tokens" : "lm_head"}`,
    vocabularySize,
    hiddenSize,
  );
  return { embedding, layers, headPart, norm, head };
}

function takeLayer<L, V>(config: DecoderConfig, taker: WeightTaker<L, V>, layer: string): LayerWeights<L, V> {
  const { hiddenSize, intermediateSize, heads, kvHeads, headSize, normOffset } = config;
  const linear = linearTaker(config, taker, layer);
  const queryWidth = heads * headSize, kvWidth = kvHeads * headSize;
  const norm = (name: string, length = hiddenSize) =>
    taker.vector(`${layer}.${name}.weight`, length, normOffset);
  const attention = (name: string, width: number) => linear(`self_attn.${name}`, width, hiddenSize);
  const feedForward = (name: string, width: number) => linear(`mlp.${name}`, width, hiddenSize);
  return {
    inputNorm: norm("input_layernorm"),
    attentionInputs: config.fusedProjections
      ? [attention("qkv_proj", queryWidth + 2 * kvWidth)]
      : [attention("q_proj", queryWidth), attention("k_proj", kvWidth), attention("v_proj", kvWidth)],
    ...(config.headNorms && {
      queryNorm: norm("self_attn.q_norm", headSize),
      keyNorm: norm("self_attn.k_norm", headSize),
    }),
    attentionOutput: linear(`self_attn.o_proj`, hiddenSize, queryWidth),
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
    feedForwardOutput: linear(`mlp.down_proj`, hiddenSize, intermediateSize),
  };
}

/** Alayrac et al. 2022, "Flamingo", in the form of Llama 3.2 Vision: norms of each query and key head, tanh gates. */
function takeCrossLayer<L, V>(
  config: DecoderConfig,
  taker: WeightTaker<L, V>,
  layer: string,
): LayerWeights<L, V> {
  const { hiddenSize, intermediateSize, heads, kvHeads, headSize } = config;
  const linear = linearTaker(config, taker, layer);
  const vector = (name: string, length: number) => taker.vector(`${layer}.${name}`, length, 0);
  const attention = (name: string, outputs: number, inputs: number) =>
    linear(`cross_attn.${name}`, outputs, inputs);
  return {
    inputNorm: vector("input_layernorm.weight", hiddenSize),
    attentionInputs: [attention("q_proj", heads * headSize, hiddenSize)],
    queryNorm: vector("cross_attn.q_norm.weight", headSize),
    keyNorm: vector("cross_attn.k_norm.weight", headSize),
    attentionOutput: attention("o_proj", hiddenSize, heads * headSize),
    feedForwardNorm: vector("post_attention_layernorm.weight", hiddenSize),
    feedForwardInputs: [
      linear(`mlp.gate_proj`, intermediateSize, hiddenSize),
      linear(`mlp.up_proj`, intermediateSize, hiddenSize),
    ],
    feedForwardOutput: linear(`mlp.down_proj`, hiddenSize, intermediateSize),
    cross: {
      key: attention("k_proj", kvHeads * headSize, hiddenSize),
      value: attention("v_proj", kvHeads * headSize, hiddenSize),
      attentionGate: vector("cross_attn_attn_gate", 1),
      feedForwardGate: vector("cross_attn_mlp_gate", 1),
    },
  };
}

/** Takes linears of one layer. */
function linearTaker<L, V>({ denseAsStored }: DecoderConfig, taker: WeightTaker<L, V>, layer: string) {
  return (name: string, outputs: number, inputs: number) =>
    taker.linear(`${layer}.${name}`, outputs, inputs, { dense: denseAsStored ? "asStored" : "fine" });
}
