/**
 * What a computation in f32 may differ from the same computation in f64.
 *
 * @module
 */

/** Half an f32 ulp of 1: the largest relative error of one rounding. */
export const UNIT = 2 ** -24;

/** Smallest normal f32. What underflows loses at most this much, absolutely. */
export const TINY = 2 ** -126;

/**
 * Relative error of a value that went through `roundings` roundings, γ(p) = p·u / (1 − p·u).
 *
 * Source: N. J. Higham, "Accuracy and Stability of Numerical Algorithms", lemma 3.1. The error of the f64 path is left
 * out: 2^-53 a rounding, 2^-29 of the bound.
 */
export function gamma(roundings: number): number {
  return roundings * UNIT / (1 - roundings * UNIT);
}

/** Nearest integer, ties to even, as IEEE 754 rounds. */
export function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** A result and, element by element, how far a correct f32 computation may be from it. */
export interface Bounded {
  values: Float64Array;
  bounds: Float64Array;
}

/** Room for a result of `length` elements. */
export function bounded(length: number): Bounded {
  return { values: new Float64Array(length), bounds: new Float64Array(length) };
}
