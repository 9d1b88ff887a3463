/**
 * Activations as integers: integer = nearest(x / step), step = max |x| of the group / limit.
 *
 * @module
 */
import { UNIT } from "./numbers.ts";

/** Largest integer of an activation of one or two signed bytes; for two, 127 · 256 + 127. */
export const INTEGER_LIMIT = { 1: 127, 2: 32639 } as const;
/** Groups whose values are all smaller are zero: the inverse of their step would overflow. */
export const ZERO_BELOW = 1e-30;

export interface QuantisedGroup {
  step: number;
  /** Smallest and largest integer each value may become. */
  low: number[];
  high: number[];
}

/**
 * The step is one correctly rounded f32 division. A kernel may multiply by the rounded inverse: inverse, product and the
 * step itself are three roundings, so a quotient within 3u of a half may become either neighbour.
 */
export function quantiseGroup(values: ArrayLike<number>, limit: number): QuantisedGroup {
  let largest = 0;
  for (const value of Array.from(values)) {
    if (!Number.isFinite(value)) return { step: NaN, low: [], high: [] };
    largest = Math.max(largest, Math.abs(value));
  }
  const isZero = largest <= ZERO_BELOW;
  const step = isZero ? 0 : Math.fround(largest / limit);
  const quotients = Array.from(values, (value) => isZero ? 0 : value * limit / largest);
  return {
    step,
    low: quotients.map((x) => nearest(x - 3 * UNIT * Math.abs(x))),
    high: quotients.map((x) => nearest(x + 3 * UNIT * Math.abs(x))),
  };
}

/** Nearest integer, ties to even. */
export function nearest(x: number): number {
  const floor = Math.floor(x), fraction = x - floor;
  if (fraction !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
