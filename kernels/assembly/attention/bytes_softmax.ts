/**
 * The softmax of attention in bytes: from the sums of a block's products with the keys to the bytes that its values are multiplied by,
 * for a tile of four rows and 32 tokens, whose sums lie in two halves, i32 [4, 16] each. Scores and powers are computed here, or by
 * kernels/wide/softmax_text.ts at constant addresses as V8 makes them 256 bits wide; both give the same bits.
 */
import {
  KV_BLOCK_TOKENS, SOFTMAX_CENTRES, SOFTMAX_CONSTANTS, SOFTMAX_KEY_SCALES, SOFTMAX_MAXIMA, SOFTMAX_TOTALS, SOFTMAX_VALUE_SCALES,
  SOFTMAX_WEIGHTS,
} from "../../shared/layout";
import { copyPowerConstants, powerOfTwo4 } from "../transcendental";
import {
  firstHalves, firstInTurn, lane0, lane1, lane2, lane3, largestLane, lastHalves, lastInTurn, roundScaled, storeTransposed,
} from "../vector";
import { areaOf } from "../wide_area";
import { TOKENS } from "./block";
import { BYTE_LIMIT } from "./integers";
import { centresOf, lanesOf, sumsOf } from "./softmax";

// The functions of the module with this thread's area.
@external("wide", "scaleScores")
declare function scaleScores(low: usize, high: usize, factors: usize): void;
@external("wide", "raiseScores")
declare function raiseScores(): void;

/** Tokens of a half. */
const HALF: i32 = 16;
const ROW_BYTES: usize = 64;

/** Numbers of a tile: what totals count, what a unit of weights is worth, what is taken from the sums of values; then those of all blocks. */
const UNITS: usize = 16;
const OFFSETS: usize = 32;
export const MAXIMA: usize = 48;
export const SUMS: usize = 64;
export const SCORE_FACTORS: usize = 80;
export const SCORE_OFFSETS: usize = 96;
export const NUMBERS_BYTES: usize = 112;

/** What the wide functions expect of a thread's area; once before the first block. */
export function beginSoftmax(isWide: i32, rank: i32): void {
  if (ASC_FEATURE_RELAXED_SIMD && isWide) copyPowerConstants(areaOf(rank) + SOFTMAX_CONSTANTS);
}

/**
 * Copies a block's value scales, zeros from `count` on, and into the thread's area what the wide functions read of the block. 0, or NaN
 * if the scale of a visible token is NaN.
 */
export function copyScales(to: usize, keyScales: usize, count: i32, isWide: i32, rank: i32): f32 {
  const valueScales = keyScales + TOKENS * 4;
  let nothing: f32 = 0;
  for (let token: usize = 0; token < TOKENS; token++) {
    const scale: f32 = token < <usize>count ? load<f32>(valueScales + token * 4) : 0;
    store<f32>(to + token * 4, scale);
    nothing += scale * 0;
  }
  if (isWideBlock(isWide, count)) {
    memory.copy(areaOf(rank) + SOFTMAX_KEY_SCALES, keyScales, TOKENS * 4);
    memory.copy(areaOf(rank) + SOFTMAX_VALUE_SCALES, to, TOKENS * 4);
  }
  return nothing;
}

/** The wide functions know no hidden tokens, which few blocks have. */
// @ts-ignore: decorator
@inline
function isWideBlock(isWide: i32, count: i32): bool {
  return ASC_FEATURE_RELAXED_SIMD && isWide != 0 && count == KV_BLOCK_TOKENS;
}

/**
 * One step of the running softmax: sums of a block in two halves become weights times value scales, then signed bytes, i8 [8, 4, 4],
 * and the numbers that the totals of values need. `nothing` is 0, or NaN where the values of a visible token are not numbers; a score
 * that is none makes the sum of powers NaN.
 *   keyScales    f32 [32], of which `count` tokens are there
 *   valueScales  f32 [32], as copyScales left them
 */
export function weigh(
  low: usize, high: usize, keyScales: usize, valueScales: usize, count: i32, nothing: f32, weights: usize, numbers: usize, isWide: i32,
  rank: i32,
): void {
  const isInArea = isWideBlock(isWide, count), area = areaOf(rank), maxima = area + SOFTMAX_MAXIMA;
  if (ASC_FEATURE_RELAXED_SIMD && isInArea) {
    scaleScores(low, high, numbers + SCORE_FACTORS);
  } else {
    scaleHalf(low, keyScales, v128.load(numbers, SCORE_FACTORS), count);
    scaleHalf(high, keyScales + ROW_BYTES, v128.load(numbers, SCORE_FACTORS), count - HALF);
  }
  const largest = f32x4.pmax(v128.load(numbers, MAXIMA), isInArea ? largestOfPairs(maxima) : largestOfHalves(low, high));
  const centres = centresOf(largest);
  let sums: v128;
  if (ASC_FEATURE_RELAXED_SIMD && isInArea) {
    v128.store(area + SOFTMAX_CENTRES, centres);
    raiseScores();
    const totals = area + SOFTMAX_TOTALS;
    sums = sumsOf(joinPair(totals), joinPair(totals + 32), joinPair(totals + 64), joinPair(totals + 96));
  } else {
    sums = sumsOf(
      raiseRow(low, high, valueScales, lane0(centres)), raiseRow(low + ROW_BYTES, high + ROW_BYTES, valueScales, lane1(centres)),
      raiseRow(low + 2 * ROW_BYTES, high + 2 * ROW_BYTES, valueScales, lane2(centres)),
      raiseRow(low + 3 * ROW_BYTES, high + 3 * ROW_BYTES, valueScales, lane3(centres)),
    );
  }
  const most = isInArea ? largestOfPairs(maxima) : largestOfHalves(low, high);
  const factors = powerOfTwo4(f32x4.sub(v128.load(numbers, MAXIMA), centres));
  v128.store(numbers, largest, MAXIMA);
  v128.store(numbers, f32x4.add(f32x4.mul(v128.load(numbers, SUMS), factors), sums), SUMS);
  v128.store(numbers, factors);

  const isLarge = v128.and(f32x4.gt(most, f32x4.splat(1e-30)), f32x4.lt(most, f32x4.splat(Infinity)));
  const limit = f32x4.splat(BYTE_LIMIT);
  v128.store(numbers, v128.and(f32x4.div(limit, most), isLarge), OFFSETS);
  v128.store(numbers, f32x4.add(v128.and(f32x4.div(most, limit), isLarge), f32x4.splat(nothing)), UNITS);
  // The wide functions keep a row's halves together.
  if (isInArea) codeTile(area + SOFTMAX_WEIGHTS, area + SOFTMAX_WEIGHTS + ROW_BYTES, 2 * ROW_BYTES, weights, numbers);
  else codeTile(low, high, ROW_BYTES, weights, numbers);
}

/** Sums of products of 16 tokens → scores in units of log 2, −∞ from `count` on; in place. */
// @ts-ignore: decorator
@inline
function scaleHalf(sums: usize, keyScales: usize, factors: v128, count: i32): void {
  const f0 = lane0(factors), f1 = lane1(factors), f2 = lane2(factors), f3 = lane3(factors);
  for (let i: usize = 0; i < ROW_BYTES; i += 16) {
    const scale = v128.load(keyScales + i), at = sums + i;
    v128.store(at, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at)), scale), f0));
    v128.store(at, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 64)), scale), f1), 64);
    v128.store(at, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 128)), scale), f2), 128);
    v128.store(at, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 192)), scale), f3), 192);
  }
  for (let row: usize = 0; row < 4 * ROW_BYTES; row += ROW_BYTES) {
    for (let token = max(count, 0); token < HALF; token++) store<f32>(sums + row + <usize>token * 4, -Infinity);
  }
}

/** The largest of each row, in its lane. */
// @ts-ignore: decorator
@inline
function largestOfHalves(low: usize, high: usize): v128 {
  return lanesOf(
    largestOfRow(low, high), largestOfRow(low + ROW_BYTES, high + ROW_BYTES), largestOfRow(low + 2 * ROW_BYTES, high + 2 * ROW_BYTES),
    largestOfRow(low + 3 * ROW_BYTES, high + 3 * ROW_BYTES),
  );
}

// @ts-ignore: decorator
@inline
function largestOfRow(low: usize, high: usize): v128 {
  const a = f32x4.pmax(v128.load(low), v128.load(low, 16)), b = f32x4.pmax(v128.load(low, 32), v128.load(low, 48));
  const c = f32x4.pmax(v128.load(high), v128.load(high, 16)), d = f32x4.pmax(v128.load(high, 32), v128.load(high, 48));
  return largestLane(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}

/** The same of two vectors for each row. */
// @ts-ignore: decorator
@inline
function largestOfPairs(pairs: usize): v128 {
  return lanesOf(
    largestLane(f32x4.pmax(v128.load(pairs), v128.load(pairs, 16))), largestLane(f32x4.pmax(v128.load(pairs, 32), v128.load(pairs, 48))),
    largestLane(f32x4.pmax(v128.load(pairs, 64), v128.load(pairs, 80))),
    largestLane(f32x4.pmax(v128.load(pairs, 96), v128.load(pairs, 112))),
  );
}

/**
 * Scores of a row → weights times value scales, in place; the sums of its powers, vector by vector, first of the even and of the odd ones.
 * A hidden token counts 2^-100, which no bit shows; its scale is 0.
 */
// @ts-ignore: decorator
@inline
function raiseRow(low: usize, high: usize, valueScales: usize, centre: v128): v128 {
  let even = f32x4.splat(0), odd = f32x4.splat(0);
  for (let i: usize = 0; i < TOKENS * 4; i += ROW_BYTES) {
    const at = i ? high : low;
    const a = powerOfTwo4(f32x4.sub(v128.load(at), centre)), b = powerOfTwo4(f32x4.sub(v128.load(at, 16), centre));
    const c = powerOfTwo4(f32x4.sub(v128.load(at, 32), centre)), d = powerOfTwo4(f32x4.sub(v128.load(at, 48), centre));
    even = f32x4.add(f32x4.add(even, a), c);
    odd = f32x4.add(f32x4.add(odd, b), d);
    v128.store(at, f32x4.mul(a, v128.load(valueScales + i)));
    v128.store(at, f32x4.mul(b, v128.load(valueScales + i, 16)), 16);
    v128.store(at, f32x4.mul(c, v128.load(valueScales + i, 32)), 32);
    v128.store(at, f32x4.mul(d, v128.load(valueScales + i, 48)), 48);
  }
  return f32x4.add(even, odd);
}

// @ts-ignore: decorator
@inline
function joinPair(pair: usize): v128 {
  return f32x4.add(v128.load(pair), v128.load(pair, 16));
}

/**
 * Weights in two halves, a row `rowBytes` from the next → bytes, and what is taken from the sums of values: 64 times their sums. What
 * weights are multiplied by lies where that will: not in a vector as a parameter, of which V8 14.6 (Node 26) cannot pair the lanes and ends
 * the process.
 */
function codeTile(low: usize, high: usize, rowBytes: usize, weights: usize, numbers: usize): void {
  const at = numbers + OFFSETS, f0 = v128.load32_splat(at), f1 = v128.load32_splat(at, 4);
  const f2 = v128.load32_splat(at, 8), f3 = v128.load32_splat(at, 12);
  let n0 = i32x4.splat(0), n1 = n0, n2 = n0, n3 = n0;
  for (let half: usize = 0; half < 2; half++) {
    const at = half ? high : low;
    const a = codeWeights(at, f0), b = codeWeights(at + rowBytes, f1);
    const c = codeWeights(at + 2 * rowBytes, f2), d = codeWeights(at + 3 * rowBytes, f3);
    n0 = i32x4.add(n0, sumOfBytes(a));
    n1 = i32x4.add(n1, sumOfBytes(b));
    n2 = i32x4.add(n2, sumOfBytes(c));
    n3 = i32x4.add(n3, sumOfBytes(d));
    // Four rows of four fours become four fours of four rows.
    storeTransposed(weights + half * 64, 16, a, b, c, d);
  }
  const n01 = firstInTurn(n0, n1), n23 = firstInTurn(n2, n3), rest01 = lastInTurn(n0, n1), rest23 = lastInTurn(n2, n3);
  const first = i32x4.add(firstHalves(n01, n23), lastHalves(n01, n23));
  const sums = i32x4.add(first, i32x4.add(firstHalves(rest01, rest23), lastHalves(rest01, rest23)));
  v128.store(numbers, i32x4.shl(sums, 6), OFFSETS);
}

/** The scaled weights of a row's 16 tokens → bytes. */
// @ts-ignore: decorator
@inline
function codeWeights(weights: usize, factor: v128): v128 {
  return i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(roundScaled(v128.load(weights), factor), roundScaled(v128.load(weights, 16), factor)),
    i16x8.narrow_i32x4_s(roundScaled(v128.load(weights, 32), factor), roundScaled(v128.load(weights, 48), factor)),
  );
}

/** Sums of four bytes each. */
// @ts-ignore: decorator
@inline
function sumOfBytes(bytes: v128): v128 {
  return i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(bytes));
}
