/**
 * Mistral: Llama with a sliding window in every layer, where the config has one.
 *
 * Jiang et al. 2023, arXiv 2310.06825; transformers models/mistral.
 *
 * @module
 */
import type { ConfigReader } from "../config_reader.ts";
import { type DecoderConfig, readDecoderConfig, readWindow } from "../decoder/config.ts";

export function readMistral(config: ConfigReader): DecoderConfig {
  const base = readDecoderConfig(config);
  const window = readWindow(config);
  return { ...base, layers: base.layers.map((layer) => ({ ...layer, window })) };
}
