/**
 * Decoders of the Llama family: pre-norm layers of self-attention and a gated feed-forward network. What its members change are
 * options here.
 *
 * @module
 */
import {
  HEAD_COUNT_MAX,
  HEAD_SIZE_MAX,
  HIDDEN_SIZE_MAX,
  INTERMEDIATE_SIZE_MAX,
  LAYER_COUNT_MAX,
  VOCABULARY_SIZE_MAX,
} from "../core/limits.ts";
import { GatedFeedForward } from "../layers/gated_feed_forward.ts";
import type { LayerFactory } from "../layers/layer.ts";
import { Residual } from "../layers/residual.ts";
import type { RotaryConfig } from "../layers/rotary.ts";
import { SelfAttention } from "../layers/self_attention.ts";
import type { AttentionShape } from "../ops/attention.ts";
import type { ActivationFunction } from "../ops/elementwise.ts";
import type { DenseForm } from "../formats/stored_linear.ts";
import type { Linear } from "../weights/linear.ts";
import type { LinearOptions, WeightPlan } from "../weights/plan.ts";
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { readRotary } from "./rotary_config.ts";

/** How one layer looks back. */
export interface LayerPositions {
  /** Tokens a row can look back on, itself included; 0: all. */
  readonly window: number;
  /** Index into the rotaries; `undefined`: no positions. */
  readonly rotary?: number;
}

/** Sizes and options that all layers share. */
export interface FamilyLayers {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly attention: AttentionShape;
  readonly epsilon: number;
  readonly activation: ActivationFunction;
  /** Added to stored norm weights: 1 where the file holds w − 1. */
  readonly normOffset: number;
  /** Norms of each query and key head. */
  readonly headNorms: boolean;
  /** Norms also after attention and feed-forward, before the residual is added. */
  readonly outputNorms: boolean;
  /** What dense projections of self-attention become. */
  readonly denseSelfAttention: DenseForm;
}

/** What a member of the family changes. */
export interface FamilyOptions
  extends Partial<Omit<FamilyLayers, "hiddenSize" | "intermediateSize" | "attention">> {
  /** Where the config names none: hidden size / heads. */
  readonly headSize?: number;
  /** Of the scores; default: headSize^−½. */
  readonly attentionScale?: number;
  readonly embeddingFactor?: number;
  readonly tied?: boolean;
  readonly rotaries?: readonly RotaryConfig[];
  /** Default: rotary table 0, no window. */
  readonly positionsOf?: (layer: number) => LayerPositions;
  /** Layers of another kind; `undefined`: self-attention. */
  readonly layerOf?: (layer: number, shared: FamilyLayers) => LayerFactory | undefined;
}

/** Number of layers. */
export function readLayerCount(config: ConfigReader): number {
  return config.integer("num_hidden_layers", 1, LAYER_COUNT_MAX);
}

/** Floats of a head. */
export function readHeadSize(config: ConfigReader, otherwise?: number): number {
  const hiddenSize = config.integer("hidden_size", 1, HIDDEN_SIZE_MAX);
  const heads = config.integer("num_attention_heads", 1, HEAD_COUNT_MAX);
  if (otherwise === undefined && !config.has("head_dim") && hiddenSize % heads !== 0) {
    throw config.wrong("num_attention_heads", `a divisor of hidden_size ${hiddenSize}, or head_dim`, heads);
  }
  return config.integer("head_dim", 1, HEAD_SIZE_MAX, otherwise ?? hiddenSize / heads);
}

/**
 * Reads what all members share, with Llama's values where neither config nor options say anything.
 *
 * @throws {RemoraError} BAD_CONFIG or UNSUPPORTED, naming file and key.
 */
export function readLlamaFamily(config: ConfigReader, options: FamilyOptions = {}): DecoderConfig {
  const hiddenSize = config.integer("hidden_size", 1, HIDDEN_SIZE_MAX);
  const heads = config.integer("num_attention_heads", 1, HEAD_COUNT_MAX);
  const kvHeads = config.integer("num_key_value_heads", 1, HEAD_COUNT_MAX, heads);
  if (heads % kvHeads !== 0) throw config.wrong("num_key_value_heads", `a divisor of ${heads}`, kvHeads);
  const headSize = readHeadSize(config, options.headSize);
  const layerCount = readLayerCount(config);
  const vocabularySize = config.integer("vocab_size", 1, VOCABULARY_SIZE_MAX);
  const {
    attentionScale = 1 / Math.sqrt(headSize),
    epsilon = config.numberAbove("rms_norm_eps", 0, 1e-6),
    normOffset = 0,
    positionsOf = () => ({ window: 0, rotary: 0 }),
    layerOf,
  } = options;
  const shared: FamilyLayers = {
    hiddenSize,
    intermediateSize: config.integer("intermediate_size", 1, INTERMEDIATE_SIZE_MAX),
    attention: { heads, kvHeads, headSize, scale: attentionScale },
    epsilon,
    activation: options.activation ?? readActivation(config),
    normOffset,
    headNorms: options.headNorms ?? false,
    outputNorms: options.outputNorms ?? false,
    denseSelfAttention: options.denseSelfAttention ?? "int8",
  };
  const contextSize = config.integer("max_position_embeddings", 1, Number.MAX_SAFE_INTEGER);
  return {
    vocabularySize,
    embeddingRows: vocabularySize,
    hiddenSize,
    heads,
    kvHeads,
    headSize,
    contextSize,
    epsilon,
    normOffset,
    embeddingFactor: options.embeddingFactor ?? 1,
    tied: options.tied ?? config.boolean("tie_word_embeddings", false),
    rotaries: options.rotaries ?? [readRotary(config, headSize)],
    layers: Array.from(
      { length: layerCount },
      (_, layer) => layerOf?.(layer, shared) ?? familyLayer(shared, positionsOf(layer)),
    ),
  };
}

/** The layer of the family. */
function familyLayer(shared: FamilyLayers, { window, rotary }: LayerPositions): LayerFactory {
  const { hiddenSize, epsilon, normOffset, headNorms, outputNorms, denseSelfAttention: dense } = shared;
  const { heads, kvHeads, headSize } = shared.attention;
  return (weights, name) => {
    const norm = (of: string, length = hiddenSize) =>
      weights.vector(`${name}.${of}.weight`, length, normOffset);
    const queryWidth = heads * headSize, kvWidth = kvHeads * headSize;
    const inputNorm = norm("input_layernorm");
    const mixer = new SelfAttention({
      shape: shared.attention,
      inputs: takeJoinedOrApart(
        weights,
        `${name}.self_attn`,
        {
          joined: "qkv_proj",
          apart: { q_proj: queryWidth, k_proj: kvWidth, v_proj: kvWidth },
          inputs: hiddenSize,
        },
        { dense },
      ),
      ...(headNorms && {
        queryNorm: norm("self_attn.q_norm", headSize),
        keyNorm: norm("self_attn.k_norm", headSize),
      }),
      output: weights.linear(`${name}.self_attn.o_proj`, hiddenSize, queryWidth, { dense, takesBytes: true }),
      epsilon,
      rotary,
      window,
    });
    const mixerOutputNorm = outputNorms ? norm("post_attention_layernorm") : undefined;
    const feedForwardNorm = norm(outputNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm");
    const feedForwardOutputNorm = outputNorms ? norm("post_feedforward_layernorm") : undefined;
    return [
      new Residual(mixer, { norm: inputNorm, epsilon, outputNorm: mixerOutputNorm }),
      new Residual(takeFeedForward(weights, name, shared), {
        norm: feedForwardNorm,
        epsilon,
        outputNorm: feedForwardOutputNorm,
      }),
    ];
  };
}

/** The feed-forward network of a layer of the family. */
export function takeFeedForward(weights: WeightPlan, name: string, shared: FamilyLayers): GatedFeedForward {
  const { hiddenSize, intermediateSize, activation } = shared;
  return new GatedFeedForward({
    inputs: takeJoinedOrApart(
      weights,
      `${name}.mlp`,
      {
        joined: "gate_up_proj",
        apart: { gate_proj: intermediateSize, up_proj: intermediateSize },
        inputs: hiddenSize,
      },
      { takesBytes: true },
    ),
    output: weights.linear(`${name}.mlp.down_proj`, hiddenSize, intermediateSize, { takesBytes: true }),
    activation,
  });
}

/** Linear layers of one input by the last parts of their names. */
interface JoinedOrApart {
  /** The one module that may hold all of them, one after the other. */
  readonly joined: string;
  /** Outputs of each. */
  readonly apart: Readonly<Record<string, number>>;
  readonly inputs: number;
}

/** Several linear layers of one input, which files hold one by one or as one module; its tensors tell. */
function takeJoinedOrApart(
  weights: WeightPlan,
  parent: string,
  { joined, apart, inputs }: JoinedOrApart,
  options: LinearOptions,
): Linear[] {
  const outputs = Object.entries(apart);
  if (weights.has(`${parent}.${joined}`)) {
    const all = outputs.reduce((sum, [, count]) => sum + count, 0);
    return [weights.linear(`${parent}.${joined}`, all, inputs, options)];
  }
  return outputs.map(([name, count]) => weights.linear(`${parent}.${name}`, count, inputs, options));
}

function readActivation(config: ConfigReader): ActivationFunction {
  const key = config.has("hidden_activation") ? "hidden_activation" : "hidden_act";
  const name = config.string(key, "silu");
  if (name === "silu" || name === "swish") return "silu";
  if (name === "gelu_pytorch_tanh" || name === "gelu_new") return "geluTanh";
  throw config.unsupported(key, "silu or gelu_pytorch_tanh", name);
}

/** `sliding_window`, or 0 where it is absent. */
export function readWindow(config: ConfigReader): number {
  return config.has("sliding_window") ? config.integer("sliding_window", 1, Number.MAX_SAFE_INTEGER) : 0;
}

/** Which layers have a window: `layer_types` where it is written, else what the architecture says. */
export function slidingLayers(
  config: ConfigReader,
  count: number,
  otherwise: (layer: number) => boolean,
): boolean[] {
  if (!config.has("layer_types")) return Array.from({ length: count }, (_, layer) => otherwise(layer));
  const isType = (value: unknown): value is string =>
    value === "full_attention" || value === "sliding_attention";
  return config.list("layer_types", count, "of full_attention or sliding_attention", isType)
    .map((type) => type === "sliding_attention");
}
