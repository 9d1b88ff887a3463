/**
 * Qwen3: Qwen2 without biases, with norms of each query and key head.
 *
 * transformers models/qwen3.
 *
 * @module
 */
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { QWEN_DEFAULTS, readQwenFamily } from "./qwen2.ts";

export function readQwen3(config: ConfigReader): DecoderConfig {
  return readQwenFamily(config.withDefaults({ ...QWEN_DEFAULTS, head_dim: 128 }), { headNorms: true });
}
