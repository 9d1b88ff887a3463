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

export function readQwen2(config: ConfigReader, options: FamilyOptions = {}): DecoderConfig {
  const window = config.boolean("use_sliding_window", false) ? readWindow(config) : 0;
  const first = config.integer("max_window_layers", 0, LAYER_COUNT_MAX, 28);
  const sliding = slidingLayers(config, readLayerCount(config), (layer) => layer >= first);
  const positionsOf = (layer: number) => ({ window: sliding[layer] ? window : 0, rotary: 0 });
  return readLlamaFamily(config, { ...options, positionsOf });
}
