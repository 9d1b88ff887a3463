/**
 * SmolLM3: Llama in which some layers (every fourth) have no rotary positions; a window, where there is one, is theirs.
 *
 * transformers models/smollm3.
 *
 * @module
 */
import { LAYER_COUNT_MAX } from "../core/limits.ts";
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { readLayerCount, readLlamaFamily, readWindow, slidingLayers } from "./llama_family.ts";

/** transformers, SmolLM3Config. */
const DEFAULTS = {
  vocab_size: 128256,
  hidden_size: 2048,
  intermediate_size: 11008,
  num_hidden_layers: 36,
  num_attention_heads: 16,
  num_key_value_heads: 4,
  hidden_act: "silu",
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  tie_word_embeddings: true,
  use_sliding_window: false,
  no_rope_layer_interval: 4,
  rope_theta: 2e6,
};

export function readSmolLm3(given: ConfigReader): DecoderConfig {
  const config = given.withDefaults(DEFAULTS);
  const count = readLayerCount(config);
  const interval = config.integer("no_rope_layer_interval", 1, LAYER_COUNT_MAX);
  const isFlag = (value: unknown): value is number => value === 0 || value === 1;
  // The list's name says the opposite of its meaning: 1 is a layer with rotary positions.
  const rotated = config.has("no_rope_layers")
    ? config.list("no_rope_layers", count, "of 0 or 1", isFlag)
    : Array.from({ length: count }, (_, layer) => (layer + 1) % interval === 0 ? 0 : 1);
  const window = config.boolean("use_sliding_window", false) ? readWindow(config) : 0;
  const sliding = slidingLayers(config, count, (layer) => rotated[layer] === 0);
  return readLlamaFamily(config, {
    positionsOf: (layer) => ({
      window: sliding[layer] ? window : 0,
      rotary: rotated[layer] === 1 ? 0 : undefined,
    }),
  });
}
