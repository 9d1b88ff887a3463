/**
 * Gemma 3 text: norms on both sides of attention and feed-forward, head norms, scaled embeddings, and two kinds of layers:
 * five with a window and short-range positions to one without.
 *
 * Gemma Team 2025, arXiv 2503.19786; transformers models/gemma3.
 *
 * @module
 */
import { HIDDEN_SIZE_MAX, LAYER_COUNT_MAX } from "../core/limits.ts";
import type { RotaryConfig } from "../layers/rotary.ts";
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { readHeadSize, readLayerCount, readLlamaFamily, readWindow, slidingLayers } from "./llama_family.ts";
import { readRotary } from "./rotary_config.ts";

/** transformers, Gemma3TextConfig. */
const DEFAULTS = {
  vocab_size: 262208,
  hidden_size: 2304,
  intermediate_size: 9216,
  num_hidden_layers: 26,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  hidden_activation: "gelu_pytorch_tanh",
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
  sliding_window_pattern: 6,
  rope_theta: 1e6,
  rope_local_base_freq: 10000,
};

export function readGemma3(given: ConfigReader): DecoderConfig {
  const config = given.withDefaults(DEFAULTS);
  for (const key of ["attn_logit_softcapping", "final_logit_softcapping"]) {
    if (config.has(key)) throw config.unsupported(key, "none", "a softcap");
  }
  const scalar = config.numberAbove("query_pre_attn_scalar", 0);
  const interval = config.integer("sliding_window_pattern", 1, LAYER_COUNT_MAX);
  const sliding = slidingLayers(config, readLayerCount(config), (layer) => (layer + 1) % interval !== 0);
  const window = readWindow(config);
  return readLlamaFamily(config, {
    normOffset: 1,
    embeddingFactor: Math.sqrt(config.integer("hidden_size", 1, HIDDEN_SIZE_MAX)),
    tied: config.boolean("tie_word_embeddings", false),
    attentionScale: 1 / Math.sqrt(scalar),
    headNorms: true,
    outputNorms: true,
    rotaries: readRotaries(config, readHeadSize(config)),
    positionsOf: (layer) => sliding[layer] ? { window, rotary: 1 } : { window: 0, rotary: 0 },
  });
}

/** Table 0 for full layers, table 1 for sliding ones, in the spelling of transformers 5 or 4. */
function readRotaries(config: ConfigReader, headSize: number): RotaryConfig[] {
  const parameters = config.object("rope_parameters");
  if (parameters?.has("full_attention")) {
    return ["full_attention", "sliding_attention"].map((key) =>
      readRotary(config, headSize, { parameters: parameters.object(key) })
    );
  }
  const local = config.numberAbove("rope_local_base_freq", 0);
  const full = readRotary(config, headSize);
  return [full, { type: "default" as const, theta: local, rotarySize: full.rotarySize }];
}
