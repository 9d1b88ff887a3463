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

export function readLlama(config: ConfigReader): DecoderConfig {
  return readLlamaFamily(config);
}
