/**
 * Mistral: Llama with a sliding window in every layer, where the config has one.
 *
 * Jiang et al. 2023, arXiv 2310.06825; transformers models/mistral.
 *
 * @module
 */
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { readLlamaFamily, readWindow } from "./llama_family.ts";

export function readMistral(config: ConfigReader): DecoderConfig {
  const window = readWindow(config);
  return readLlamaFamily(config, { positionsOf: () => ({ window, rotary: 0 }) });
}
