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
import { readMistral } from "./mistral.ts";

export function readPhi3(config: ConfigReader): DecoderConfig {
  return readMistral(config);
}
