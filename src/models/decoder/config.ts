/**
 * What the one decoder can be told. An architecture is a function from config.json to this.
 *
 * @module
 */
import { ACTIVATION_GELU_TANH, ACTIVATION_SILU } from "../../../kernels/shared/layout.ts";
import {
  HEAD_COUNT_MAX,
  HEAD_SIZE_MAX,
  HIDDEN_SIZE_MAX,
  INTERMEDIATE_SIZE_MAX,
  LAYER_COUNT_MAX,
  VOCABULARY_SIZE_MAX,
} from "../../core/limits.ts";
import type { RotaryConfig } from "../../layers/rotary.ts";
import type { ActivationBytes } from "../../ops/project.ts";
import type { ConfigReader } from "../config_reader.ts";
import { readRotary } from "../rotary_config.ts";

/** Options of one layer. */
export interface LayerConfig {
  /** Tokens a row can look back on, itself included; 0: all. */
  window: number;
  /** Index into `rotaries`, or −1: no positions. */
  rotary: number;
  /** Attends to pictures instead of to the text, behind gates; skipped by rows that see none. */
  isCross?: boolean;
}

/** A decoder-only transformer of the Llama family. */
export interface DecoderConfig {
  vocabularySize: number;
  /** Rows of the embedding table; those behind the vocabulary can be read but never answered. */
  embeddingRows: number;
  hiddenSize: number;
  intermediateSize: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  /** Tokens that the model was made for. */
  contextSize: number;
  epsilon: number;
  /** Added to stored norm weights: 1 where the file holds w − 1. */
  normOffset: number;
  /** Factor of embedding rows. */
  embeddingFactor: number;
  /** The head is the embedding when the file has no head of its own. */
  tied: boolean;
  /** ACTIVATION_… of kernels/shared/layout.ts. */
  gate: number;
  attentionScale: number;
  /** Bytes of an activation of the gate and up projections under "int8"; see `project`. */
  gateUpBytes: ActivationBytes;
  /** Dense linears of the layers are never requantised. */
  denseAsStored: boolean;
  /** Norms of each query and key head. */
  headNorms: boolean;
  /** Norms also behind attention and feed-forward, before the residual is added. */
  outputNorms: boolean;
  /** Query, key and value (and gate and up) are one module each in the file. */
  fusedProjections: boolean;
  rotaries: RotaryConfig[];
  layers: LayerConfig[];
}

/**
 * The fields that all architectures share, with Llama's defaults for the rest; an architecture overrides what differs.
 *
 * @throws {RemoraError} BAD_CONFIG or UNSUPPORTED, naming file and key.
 */
export function readDecoderConfig(config: ConfigReader, { epsilon = 1e-6 } = {}): DecoderConfig {
  const hiddenSize = config.integer("hidden_size", 1, HIDDEN_SIZE_MAX);
  const heads = config.integer("num_attention_heads", 1, HEAD_COUNT_MAX);
  const kvHeads = config.integer("num_key_value_heads", 1, HEAD_COUNT_MAX, heads);
  if (heads % kvHeads !== 0) throw config.wrong("num_key_value_heads", `a divisor of ${heads}`, kvHeads);
  if (!config.has("head_dim") && hiddenSize % heads !== 0) {
    throw config.wrong("num_attention_heads", `a divisor of hidden_size ${hiddenSize}, or head_dim`, heads);
  }
  const headSize = config.integer("head_dim", 1, HEAD_SIZE_MAX, hiddenSize / heads);
  const layerCount = config.integer("num_hidden_layers", 1, LAYER_COUNT_MAX);
  const vocabularySize = config.integer("vocab_size", 1, VOCABULARY_SIZE_MAX);
  return {
    vocabularySize,
    embeddingRows: vocabularySize,
    hiddenSize,
    intermediateSize: config.integer("intermediate_size", 1, INTERMEDIATE_SIZE_MAX),
    heads,
    kvHeads,
    headSize,
    contextSize: config.integer("max_position_embeddings", 1, Number.MAX_SAFE_INTEGER),
    epsilon: config.numberAbove("rms_norm_eps", 0, epsilon),
    normOffset: 0,
    embeddingFactor: 1,
    tied: config.boolean("tie_word_embeddings", false),
    gate: readGate(config),
    attentionScale: 1 / Math.sqrt(headSize),
    gateUpBytes: 1,
    denseAsStored: false,
    headNorms: false,
    outputNorms: false,
    fusedProjections: false,
    rotaries: [readRotary(config, headSize)],
    layers: Array.from({ length: layerCount }, () => ({ window: 0, rotary: 0 })),
  };
}

function readGate(config: ConfigReader): number {
  const key = config.has("hidden_activation") ? "hidden_activation" : "hidden_act";
  const name = config.string(key, "silu");
  if (name === "silu" || name === "swish") return ACTIVATION_SILU;
  if (name === "gelu_pytorch_tanh" || name === "gelu_new") return ACTIVATION_GELU_TANH;
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
