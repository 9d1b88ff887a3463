/**
 * Rotary position frequencies (Su et al. 2021) and the ways in which models stretch them to longer contexts.
 *
 * @module
 */
import { log, pow } from "../core/mathematics.ts";

/** One rotary table's parameters, normalised from a model's config. */
export type RotaryConfig =
  & { theta: number; rotarySize: number }
  & (
    | { type: "default" }
    | { type: "linear"; factor: number }
    | {
      type: "llama3";
      factor: number;
      lowFrequencyFactor: number;
      highFrequencyFactor: number;
      originalContext: number;
    }
    | {
      type: "yarn";
      factor: number;
      originalContext: number;
      betaFast: number;
      betaSlow: number;
      truncate: boolean;
      attentionFactor: number;
    }
    | {
      type: "longrope";
      shortFactors: number[];
      longFactors: number[];
      originalContext: number;
      attentionFactor: number;
    }
  );

/** Frequencies f32 [rotarySize / 2] and the factor of cosines and sines. */
export interface RotaryFrequencies {
  frequencies: Float32Array;
  factor: number;
}

/**
 * Whether a sequence of that many tokens has LongRoPE's long factors: all of it has them as soon as it passes the original context.
 * Keys that were rotated with the others fit none of its queries (transformers computes the cache anew then).
 */
export function usesLongFactors(config: RotaryConfig, length: number): boolean {
  return config.type === "longrope" && length > config.originalContext;
}

/**
 * Frequencies as transformers computes them (modeling_rope_utils.py), rounded to f32 where it rounds.
 *
 * @param length Tokens of the sequence; only `longrope` depends on it: see `usesLongFactors`.
 */
export function rotaryFrequencies(config: RotaryConfig, length: number): RotaryFrequencies {
  const half = config.rotarySize / 2;
  const base = Float32Array.from(
    { length: half },
    (_, i) => 1 / Math.fround(pow(config.theta, 2 * i / config.rotarySize)),
  );
  switch (config.type) {
    case "default":
      return { frequencies: base, factor: 1 };
    case "linear":
      return { frequencies: base.map((f) => f / config.factor), factor: 1 };
    case "llama3": {
      const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext } = config;
      const frequencies = base.map((f) => {
        const wavelength = 2 * Math.PI / f;
        if (wavelength < originalContext / high) return f;
        if (wavelength > originalContext / low) return f / factor;
        const smooth = (originalContext / wavelength - low) / (high - low);
        return (1 - smooth) * f / factor + smooth * f;
      });
      return { frequencies, factor: 1 };
    }
    case "yarn": {
      const { factor, theta, rotarySize, originalContext, betaFast, betaSlow, truncate } = config;
      const dimension = (rotations: number) =>
        rotarySize * log(originalContext / (rotations * 2 * Math.PI)) / (2 * log(theta));
      const first = truncate ? Math.floor(dimension(betaFast)) : dimension(betaFast);
      const last = truncate ? Math.ceil(dimension(betaSlow)) : dimension(betaSlow);
      const low = Math.max(first, 0);
      const high = Math.min(last, rotarySize - 1);
      const width = high === low ? 0.001 : high - low;
      const frequencies = base.map((f, i) => {
        const ramp = Math.min(Math.max((i - low) / width, 0), 1);
        return f / factor * ramp + f * (1 - ramp);
      });
      return { frequencies, factor: config.attentionFactor };
    }
    case "longrope": {
      const factors = usesLongFactors(config, length) ? config.longFactors : config.shortFactors;
      const frequencies = Float32Array.from(
        { length: half },
        (_, i) =>
          1 /
          Math.fround(Math.fround(factors[i]) * Math.fround(pow(config.theta, 2 * i / config.rotarySize))),
      );
      return { frequencies, factor: config.attentionFactor };
    }
  }
}
