/**
 * Integers for floats, as docs/numerics.md defines them.
 *
 * @module
 */
import { roundToEven } from "./rounding.ts";

/**
 * Largest integer: one signed byte; 256 · high + low of two whose bytes both fit; against 4-bit codes the largest x whose
 * 17-fold, a difference x₂ − 16 x₁, fits 16 bits.
 */
export function integerMax(bits: 4 | 7 | 8, bytes: 1 | 2): number {
  if (bytes === 1) return 127;
  return bits === 4 ? Math.floor((2 ** 15 - 1) / 17) : 256 * 127 + 127;
}

/** A run whose largest magnitude is not above this counts as zero. */
const LARGEST_ZERO = 1e-30;

/** One row of activations: x[k] ≈ integers[k] · scales[runs[k]]. */
export interface QuantisedRow {
  integers: Float64Array;
  scales: Float64Array;
}

/**
 * scale = max |x| / I over the inputs of a run, integer = nearest(x · (I / max |x|)), ties to even, with I = `most`;
 * both quotients and the product in f32. A run with NaN or infinity has the scale NaN.
 *
 * @param runs The run of each input.
 * @param most The largest integer; see integerMax.
 */
export function quantiseRow(
  row: ArrayLike<number>,
  runs: ArrayLike<number>,
  runCount: number,
  most: number,
): QuantisedRow {
  const largest = new Float64Array(runCount);
  for (let k = 0; k < row.length; k++) {
    const magnitude = Number.isFinite(row[k]) ? Math.abs(row[k]) : NaN;
    largest[runs[k]] = Math.max(largest[runs[k]], magnitude);
  }
  const scales = largest.map((m) => m <= Math.fround(LARGEST_ZERO) ? 0 : Math.fround(m / most));
  const integers = Float64Array.from({ length: row.length }, (_, k) => {
    if (scales[runs[k]] === 0) return 0;
    return roundToEven(Math.fround(row[k] * Math.fround(most / largest[runs[k]])));
  });
  return { integers, scales };
}

/** Inputs of a run that share a factor, and the largest factor. */
const CHUNK = 32, FACTOR_MAX = 2047;

/** One row of activations of bytes: x[k] ≈ integers[k] · factors[k] · scale. */
export interface QuantisedBytes {
  integers: Float64Array;
  /** Of each input. */
  factors: Float64Array;
  scale: number;
}

/**
 * scale = max |x| of the row / (127 · 2,047); of each 32 inputs of a run factor = ⌈max |x| · (2,047 / max |x| of the row)⌉,
 * at least 1 and at most 2,047; integer = nearest(x · (1 / (factor · scale))), ties to even; every operation in f32. A row with
 * NaN or infinity has the scale NaN.
 *
 * @param runs The run of each input.
 */
export function quantiseBytes(row: ArrayLike<number>, runs: ArrayLike<number>): QuantisedBytes {
  const integers = new Float64Array(row.length), factors = new Float64Array(row.length).fill(1);
  const magnitudes = Array.from(row, (x) => Number.isFinite(x) ? Math.abs(x) : NaN);
  const largest = magnitudes.reduce((most, x) => Math.max(most, x), 0);
  if (Number.isNaN(largest)) return { integers, factors, scale: NaN };
  if (largest <= Math.fround(LARGEST_ZERO)) return { integers, factors, scale: 0 };
  const scale = Math.fround(largest / (127 * FACTOR_MAX)), perScale = Math.fround(FACTOR_MAX / largest);
  const seen = new Map<number, number>();
  const chunks = new Map<string, number[]>();
  magnitudes.forEach((_, k) => {
    const place = seen.get(runs[k]) ?? 0, name = `${runs[k]} ${Math.floor(place / CHUNK)}`;
    seen.set(runs[k], place + 1);
    chunks.set(name, [...chunks.get(name) ?? [], k]);
  });
  for (const members of chunks.values()) {
    const own = Math.max(...members.map((k) => magnitudes[k]));
    const factor = Math.min(Math.max(Math.ceil(Math.fround(own * perScale)), 1), FACTOR_MAX);
    const inverse = Math.fround(1 / Math.fround(factor * scale));
    for (const k of members) {
      factors[k] = factor;
      integers[k] = roundToEven(Math.fround(row[k] * inverse));
    }
  }
  return { integers, factors, scale };
}

/** The least binary16 that is not below a number that is not negative. */
function halfAbove(value: number): number {
  const exponent = Math.max(-14, Math.floor(Math.log2(value))), step = 2 ** (exponent - 10);
  return value === 0 ? 0 : Math.ceil(value / step) * step;
}

/** As scales are kept, and what weights are multiplied by to find their codes. */
function scaleAndInverse(scale: number, type: "f16" | "f32"): { scale: number; inverse: number } {
  const kept = type === "f16" ? halfAbove(scale) : scale;
  const inverse = Math.fround(1 / kept);
  return { scale: kept, inverse: Number.isFinite(inverse) ? inverse : 0 };
}

/** One run of dense weights as codes 1…255 around 128: scale = max |w| / 127, code = 128 + nearest(w · (1 / scale)). */
export function quantiseWeights(
  run: ArrayLike<number>,
  bits: 7 | 8,
  type: "f16" | "f32",
): { codes: number[]; scale: number } {
  const most = 2 ** (bits - 1) - 1;
  const largest = Array.from(run).reduce((most, w) => Math.max(most, Math.abs(w)), 0);
  const { scale, inverse } = scaleAndInverse(Math.fround(largest / most), type);
  const codes = Array.from(run, (w) => most + 1 + roundToEven(Math.fround(w * inverse)));
  return { codes, scale };
}

/** 4-bit codes with a zero point, from the least weight (or 0) to the most; see packDenseCodes(). */
export function quantiseBetween(
  run: ArrayLike<number>,
  type: "f16" | "f32",
): { codes: number[]; scale: number; zero: number } {
  const least = Math.min(0, ...Array.from(run)), most = Math.max(0, ...Array.from(run));
  const { scale, inverse: factor } = scaleAndInverse(Math.fround(Math.fround(most - least) / 15), type);
  const zero = roundToEven(Math.fround(-least * factor));
  const codes = Array.from(
    run,
    (w) => Math.min(15, Math.max(0, roundToEven(Math.fround(w * factor)) + zero)),
  );
  return { codes, scale, zero };
}
