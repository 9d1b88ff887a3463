/**
 * Gemma 3 text: norms on both sides of attention and feed-forward, head norms, scaled embeddings, and two kinds of layers:
 * five with a window and short-range positions to one without.
 *
 * Gemma Team 2025, arXiv 2503.19786; transformers models/gemma3.
 *
 * @module
 */
import { HEAD_SIZE_MAX, HIDDEN_SIZE_MAX, LAYER_COUNT_MAX } from "../../core/limits.ts";
import type { ConfigReader } from "../config_reader.ts";
import { type DecoderConfig, readDecoderConfig, readWindow, slidingLayers } from "../decoder/config.ts";
import { readRotary } from "../rotary_config.ts";

export function readGemma3(config: ConfigReader): DecoderConfig {
  for (const key of ["attn_logit_softcapping", "final_logit_softcapping"]) {
    if (config.has(key)) throw config.unsupported(key, "none", "a softcap");
  }
  const base = readDecoderConfig(config);
  const headSize = config.integer("head_dim", 1, HEAD_SIZE_MAX, 256);
  const scalar = config.numberAbove("query_pre_attn_scalar", 0, 256);
  const interval = config.integer("sliding_window_pattern", 1, LAYER_COUNT_MAX, 6);
  const sliding = slidingLayers(config, base.layers.length, (layer) => (layer + 1) % interval !== 0);
  const window = readWindow(config);
  return {
    ...base,
    headSize,
    normOffset: 1,
    embeddingFactor: Math.sqrt(config.integer("hidden_size", 1, HIDDEN_SIZE_MAX)),
    tied: config.boolean("tie_word_embeddings", true),
    attentionScale: 1 / Math.sqrt(scalar),
    headNorms: true,
    outputNorms: true,
    rotaries: readRotaries(config, headSize),
    layers: sliding.map((isSliding) => ({ window: isSliding ? window : 0, rotary: isSliding ? 1 : 0 })),
  };
}

/** Table 0 for full layers, table 1 for sliding ones, in the spelling of transformers 5 or 4. */
function readRotaries(config: ConfigReader, headSize: number) {
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
