/**
 * Phi-3 and Phi-4: Llama with fused projections, partly rotated heads and LongRoPE.
 *
 * Abdin et al. 2024, arXiv 2404.14219; transformers models/phi3.
 *
 * @module
 */
import type { ConfigReader } from "../config_reader.ts";
import type { DecoderConfig } from "../decoder/config.ts";
import { readMistral } from "../mistral/config.ts";

export function readPhi3(config: ConfigReader): DecoderConfig {
  return { ...readMistral(config), fusedProjections: true };
}
