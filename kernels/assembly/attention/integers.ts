/**
 * Queries, keys, values and weights as integers whose sums of products are exact in 32 bits.
 *
 * Queries, and keys of 16 bits, are scaled so that their length (as a vector) is below 46,341 = √2^31: by Cauchy and Schwarz no
 * score can overflow, and an element is off by a few thousandths of a per cent of the vector's length. Values, and weights times
 * their tokens' value scales, are integers of 13 bits and a sign, 32 of which are no longer. Keys and values of 8 bits are at most
 * 127.
 */
import { largestPattern } from "../floats";

/** Largest integer of 16 bits, and the longest vector of integers; the margin below √2^31 covers their rounding. */
const WORD_LIMIT: f32 = 32767;
const LENGTH_LIMIT: f32 = 46300;
/** Largest integer of a value, and of a weight, of 16 bits: 32 of them are no longer than LENGTH_LIMIT. */
export const VALUE_LIMIT: f32 = 8180;
export const WEIGHT_LIMIT: f32 = 8180;
/** Largest integer of a key and of a value of 8 bits. */
export const BYTE_LIMIT: f32 = 127;

/** The largest magnitude of a vector; NaN counts as infinity. */
// @ts-ignore: decorator
@inline
export function largestOf(vector: usize, count: i32): f32 {
  const pattern = largestPattern<f32>(vector, 0, count);
  return pattern >= 0x7f800000 ? Infinity : reinterpret<f32>(pattern);
}

/** Largest integer of a vector whose length as integers must not exceed LENGTH_LIMIT. */
// @ts-ignore: decorator
@inline
export function lengthLimit(vector: usize, count: i32, largest: f32): f32 {
  const inverse = integersPerUnit(largest, 1);
  let squares: f32 = 0;
  for (let k = 0; k < count; k++) {
    const x = load<f32>(vector + <usize>k * 4) * inverse;
    squares += x * x;
  }
  return squares > 0 ? min(WORD_LIMIT, LENGTH_LIMIT / sqrt<f32>(squares)) : WORD_LIMIT;
}

/** What values are multiplied by to become integers up to `limit`; 0 where all are nearly zero, or one is not finite. */
// @ts-ignore: decorator
@inline
export function integersPerUnit(largest: f32, limit: f32): f32 {
  return largest > 1e-30 && largest < Infinity ? limit / largest : 0;
}

/** What a unit of these integers is worth: NaN where a value was not finite. */
// @ts-ignore: decorator
@inline
export function integerScale(largest: f32, limit: f32): f32 {
  return largest == Infinity ? NaN : largest > 1e-30 ? largest / limit : 0;
}
