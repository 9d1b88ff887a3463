/**
 * The spellings of rotary parameters in config.json → RotaryConfig.
 *
 * Up to transformers 4: `rope_theta` and `rope_scaling` (type key `type` or `rope_type`); from 5 on `rope_parameters`.
 *
 * @module
 */
import { log } from "../core/mathematics.ts";
import { CONTEXT_SIZE_MAX } from "../core/limits.ts";
import type { RotaryConfig } from "../layers/rotary.ts";
import type { ConfigReader } from "./config_reader.ts";

const ORIGINAL_CONTEXT = "original_max_position_embeddings";

/**
 * @param headSize Floats of a head; `partial_rotary_factor` of them are rotated.
 * @param parameters Where the parameters stand if not in the usual place (models with two tables).
 */
export function readRotary(
  config: ConfigReader,
  headSize: number,
  { parameters }: { parameters?: ConfigReader } = {},
): RotaryConfig {
  // The older spelling wins where both are written, as in the reference.
  const scaling = parameters ?? config.object("rope_scaling") ?? config.object("rope_parameters");
  const theta = (scaling?.has("rope_theta") ? scaling : config).numberAbove("rope_theta", 0);
  const partial = (scaling?.has("partial_rotary_factor") ? scaling : config)
    .numberAbove("partial_rotary_factor", 0, 1);
  const rotarySize = Math.floor(headSize * partial);
  if (partial > 1 || rotarySize < 2 || rotarySize % 2 !== 0) {
    if (partial === 1) {
      throw config.wrong("head_dim", "an even number, as rotary positions turn pairs", headSize);
    }
    throw config.wrong("partial_rotary_factor", `an even part of a head of ${headSize}`, partial);
  }
  if (!scaling) return { type: "default", theta, rotarySize };

  const type = scaling.string("rope_type", scaling.string("type", "default"));
  const context = () => config.integer("max_position_embeddings", 1, Number.MAX_SAFE_INTEGER);
  /** Beside the parameters it counts more than among them (transformers, `standardize_rope_params`). */
  const originalContext = () =>
    [config, scaling].find((reader) => reader.has(ORIGINAL_CONTEXT))
      ?.integer(ORIGINAL_CONTEXT, 1, CONTEXT_SIZE_MAX) ?? context();
  const factor = () => scaling.numberAbove("factor", 0);
  switch (type) {
    case "default":
    case "mrope":
      return { type: "default", theta, rotarySize };
    case "linear":
      return { type, theta, rotarySize, factor: factor() };
    case "llama3":
      return {
        type,
        theta,
        rotarySize,
        factor: factor(),
        lowFrequencyFactor: scaling.numberAbove("low_freq_factor", 0),
        highFrequencyFactor: scaling.numberAbove("high_freq_factor", 0),
        originalContext: originalContext(),
      };
    case "yarn":
      return {
        type,
        theta,
        rotarySize,
        factor: factor(),
        originalContext: originalContext(),
        betaFast: scaling.numberAbove("beta_fast", 0, 32),
        betaSlow: scaling.numberAbove("beta_slow", 0, 1),
        truncate: scaling.boolean("truncate", true),
        attentionFactor: yarnAttentionFactor(scaling, factor()),
      };
    case "longrope":
    case "su": {
      const isFactor = (value: unknown): value is number =>
        typeof value === "number" && Number.isFinite(value) && value > 0;
      const original = originalContext();
      return {
        type: "longrope",
        theta,
        rotarySize,
        shortFactors: scaling.list("short_factor", rotarySize / 2, "positive numbers", isFactor),
        longFactors: scaling.list("long_factor", rotarySize / 2, "positive numbers", isFactor),
        originalContext: original,
        attentionFactor: scaling.has("attention_factor")
          ? scaling.numberAbove("attention_factor", 0)
          : longropeAttentionFactor(context() / original, original),
      };
    }
    default:
      throw scaling.unsupported("rope_type", "default, linear, llama3, yarn or longrope", type);
  }
}

/** Peng et al. 2023, "YaRN", section 3.4; `mscale` as DeepSeek writes it. */
function yarnAttentionFactor(scaling: ConfigReader, factor: number): number {
  if (scaling.has("attention_factor")) return scaling.numberAbove("attention_factor", 0);
  const scale = (strength: number) => factor <= 1 ? 1 : 0.1 * strength * log(factor) + 1;
  if (scaling.has("mscale") && scaling.has("mscale_all_dim")) {
    return scale(scaling.numberAbove("mscale", 0)) / scale(scaling.numberAbove("mscale_all_dim", 0));
  }
  return scale(1);
}

/** Ding et al. 2024, "LongRoPE"; the square root is exact in every engine. */
function longropeAttentionFactor(factor: number, originalContext: number): number {
  return factor <= 1 ? 1 : Math.sqrt(1 + log(factor) / log(originalContext));
}
