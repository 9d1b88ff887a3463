/**
 * Llama 1 to 3.3, SmolLM2 and everything else of model_type "llama".
 *
 * Touvron et al. 2023, arXiv 2302.13971; transformers models/llama.
 *
 * @module
 */
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { readLlamaFamily } from "./llama_family.ts";

/** transformers, LlamaConfig. */
const LLAMA_DEFAULTS = {
  vocab_size: 32000,
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  hidden_act: "silu",
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: false,
  rope_theta: 10000,
};

export function readLlama(config: ConfigReader): DecoderConfig {
  return readLlamaFamily(config.withDefaults(LLAMA_DEFAULTS));
}
