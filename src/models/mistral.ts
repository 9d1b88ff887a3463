/**
 * Mistral: Llama with a sliding window in every layer, unless the config says that there is none.
 *
 * Jiang et al. 2023, arXiv 2310.06825; transformers models/mistral.
 *
 * @module
 */
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { readLlamaFamily, readWindow } from "./llama_family.ts";

/** transformers, MistralConfig. */
const DEFAULTS = {
  vocab_size: 32000,
  hidden_size: 4096,
  intermediate_size: 14336,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  hidden_act: "silu",
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
  sliding_window: 4096,
  rope_theta: 10000,
};

export function readMistral(config: ConfigReader): DecoderConfig {
  return readMistralFamily(config.withDefaults(DEFAULTS));
}

/** A window in every layer, where there is one. */
export function readMistralFamily(config: ConfigReader): DecoderConfig {
  const window = readWindow(config);
  return readLlamaFamily(config, { positionsOf: () => ({ window, rotary: 0 }) });
}
