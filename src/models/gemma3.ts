/**
 * Gemma 3 text: norms on both sides of attention and feed-forward, head norms, scaled embeddings, and two kinds of layers:
 * five with a window and short-range positions to one without.
 *
 * Gemma Team 2025, arXiv 2503.19786; transformers models/gemma3.
 *
 * @module
 */
import { HIDDEN_SIZE_MAX, LAYER_COUNT_MAX } from "../core/limits.ts";
import type { RotaryConfig } from "../layers/rotary.ts";
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";
import { readHeadSize, readLayerCount, readLlamaFamily, readWindow, slidingLayers } from "./llama_family.ts";
import { readRotary } from "./rotary_config.ts";

/** transformers, Gemma3TextConfig. */
const HEAD_SIZE = 256;

export function readGemma3(config: ConfigReader): DecoderConfig {
  for (const key of ["attn_logit_softcapping", "final_logit_softcapping"]) {
    if (config.has(key)) throw config.unsupported(key, "none", "a softcap");
  }
  const scalar = config.numberAbove("query_pre_attn_scalar", 0, 256);
  const interval = config.integer("sliding_window_pattern", 1, LAYER_COUNT_MAX, 6);
  const sliding = slidingLayers(config, readLayerCount(config), (layer) => (layer + 1) % interval !== 0);
  const window = readWindow(config);
  return readLlamaFamily(config, {
    headSize: HEAD_SIZE,
    normOffset: 1,
    embeddingFactor: Math.sqrt(config.integer("hidden_size", 1, HIDDEN_SIZE_MAX)),
    tied: config.boolean("tie_word_embeddings", true),
    attentionScale: 1 / Math.sqrt(scalar),
    headNorms: true,
    outputNorms: true,
    rotaries: readRotaries(config, readHeadSize(config, HEAD_SIZE)),
    positionsOf: (layer) => sliding[layer] ? { window, rotary: 1 } : { window: 0, rotary: 0 },
  });
}

/** Table 0 for full layers, table 1 for sliding ones, in the spelling of transformers 5 or 4. */
function readRotaries(config: ConfigReader, headSize: number): RotaryConfig[] {
  const parameters = config.object("rope_parameters");
  if (parameters?.has("full_attention")) {
    return ["full_attention", "sliding_attention"].map((key) =>
      readRotary(config, headSize, { parameters: parameters.object(key) })
    );
  }
  const local = config.numberAbove("rope_local_base_freq", 0, 10000);
  const full = readRotary(config, headSize, { defaultTheta: 1e6 });
  return [full, { type: "default" as const, theta: local, rotarySize: full.rotarySize }];
}
