/**
 * Qwen2 and Qwen2.5: Llama with biases on queries, keys and values; the sliding window is off unless asked for, and then
 * only from layer `max_window_layers` on.
 *
 * transformers models/qwen2.
 *
 * @module
 */
import { LAYER_COUNT_MAX } from "../core/limits.ts";
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import {
  type FamilyOptions,
  readLayerCount,
  readLlamaFamily,
  readWindow,
  slidingLayers,
} from "./llama_family.ts";

/** transformers, Qwen2Config and Qwen3Config. */
export const QWEN_DEFAULTS = {
  vocab_size: 151936,
  hidden_size: 4096,
  intermediate_size: 22016,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  hidden_act: "silu",
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
  use_sliding_window: false,
  sliding_window: 4096,
  max_window_layers: 28,
  rope_theta: 10000,
};

export function readQwen2(config: ConfigReader): DecoderConfig {
  return readQwenFamily(config.withDefaults(QWEN_DEFAULTS));
}

/** A window from layer `max_window_layers` on, where it is asked for. */
export function readQwenFamily(config: ConfigReader, options: FamilyOptions = {}): DecoderConfig {
  const window = config.boolean("use_sliding_window", false) ? readWindow(config) : 0;
  const first = config.integer("max_window_layers", 0, LAYER_COUNT_MAX);
  const sliding = slidingLayers(config, readLayerCount(config), (layer) => layer >= first);
  const positionsOf = (layer: number) => ({ window: sliding[layer] ? window : 0, rotary: 0 });
  return readLlamaFamily(config, { ...options, positionsOf });
}
