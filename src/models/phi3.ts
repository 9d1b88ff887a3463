/**
 * Phi-3 and Phi-4: Mistral with joined projections, partly rotated heads and LongRoPE, all of which
 * the config and the tensors tell.
 *
 * Abdin et al. 2024, arXiv 2404.14219; transformers models/phi3.
 *
 * @module
 */
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { readMistralFamily } from "./mistral.ts";

/** transformers, Phi3Config. */
const DEFAULTS = {
  vocab_size: 32064,
  hidden_size: 3072,
  intermediate_size: 8192,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  hidden_act: "silu",
  max_position_embeddings: 4096,
  original_max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
  sliding_window: null,
  rope_theta: 10000,
};

export function readPhi3(config: ConfigReader): DecoderConfig {
  return readMistralFamily(config.withDefaults(DEFAULTS));
}
