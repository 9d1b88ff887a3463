/**
 * The tiles of attention: templates over `E`, the elements of keys and values, f32, i16 or i8 (see block.ts).
 *
 * A tile is four rows: a query head of a token each. It has in its thread's scratch, with C the columns of a stored head:
 *
 *   queries  f32 [C, 4], or in pairs i16 [C/2, 4, 2]
 *   scores   f32 [4, KV_BLOCK_TOKENS] of one block
 *   weights  f32 [KV_BLOCK_TOKENS, 4], or in pairs i16 [KV_BLOCK_TOKENS/2, 4, 2]
 *   totals   f32 [4, C], or for integers in panels f32 [C/16, 4, 16]
 *   numbers  f32 [5, 4]: the rows' largest score and their sum of weights so far; what a score is multiplied by; what the totals
 *            before the block count, and (integers) what a unit of the weights is worth
 */
import { lane0, lane1, lane2, lane3 } from "../vector";
import { TOKENS } from "./block";

// @ts-ignore: decorator
@inline
const SCORES_BYTES: usize = 4 * TOKENS * 4;
/** Where each of the numbers begins, in their order above, and their bytes. */
export const MAXIMA: usize = 0;
export const SUMS: usize = 16;
export const SCORE_FACTORS: usize = 32;
export const TOTAL_FACTORS: usize = 48;
export const WEIGHT_UNITS: usize = 64;
const NUMBERS_BYTES: usize = 80;

/** Bytes of the queries, or of the weights, for each element of a vector of keys or values. */
// @ts-ignore: decorator
@inline
function fourRowsBytes<E>(): usize {
  return isFloat<E>() ? 16 : 8;
}

/** Where a tile's parts begin, queries first. */
// @ts-ignore: decorator
@inline
export function scoresOffset<E>(columns: usize): usize {
  return fourRowsBytes<E>() * columns;
}

// @ts-ignore: decorator
@inline
export function weightsOffset<E>(columns: usize): usize {
  return scoresOffset<E>(columns) + SCORES_BYTES;
}

// @ts-ignore: decorator
@inline
export function totalsOffset<E>(columns: usize): usize {
  return weightsOffset<E>(columns) + fourRowsBytes<E>() * TOKENS;
}

// @ts-ignore: decorator
@inline
export function numbersOffset<E>(columns: usize): usize {
  return totalsOffset<E>(columns) + totalsBytes<E>(columns);
}

/** Columns of a panel of totals. */
const PANEL: usize = 16;

// @ts-ignore: decorator
@inline
export function totalsBytes<E>(columns: usize): usize {
  return (isFloat<E>() ? columns : (columns + PANEL - 1) & ~(PANEL - 1)) * 16;
}

/** Where the total of column `d` and a tile's first row is. */
// @ts-ignore: decorator
@inline
export function totalPlace<E>(d: usize): usize {
  return isFloat<E>() ? d * 4 : (d / PANEL) * PANEL * 16 + d % PANEL * 4;
}

/** Bytes from one row's total to the next row's. */
// @ts-ignore: decorator
@inline
export function totalStride<E>(columns: usize): usize {
  return isFloat<E>() ? columns * 4 : PANEL * 4;
}

/** Bytes of a tile in all. */
// @ts-ignore: decorator
@inline
export function tileBytes<E>(columns: usize): usize {
  return numbersOffset<E>(columns) + NUMBERS_BYTES;
}

/** Bytes of what one product takes of a column or token: an f32, or a pair of integers. */
// @ts-ignore: decorator
@inline
function unitBytes<E>(): usize {
  return isFloat<E>() ? 4 : 2 * sizeof<E>();
}

/** Columns or tokens that one product takes. */
// @ts-ignore: decorator
@inline
function unit<E>(): usize {
  return isFloat<E>() ? 1 : 2;
}

/** Four such; bytes are widened. */
// @ts-ignore: decorator
@inline
function elements<E>(from: usize): v128 {
  return sizeof<E>() == 1 ? v128.load8x8_s(from) : v128.load(from);
}

// @ts-ignore: decorator
@inline
function nextElements<E>(from: usize): v128 {
  return sizeof<E>() == 1 ? v128.load8x8_s(from, 8) : v128.load(from, 16);
}

/** sum + a · b, of each lane or of each pair of halves. */
// @ts-ignore: decorator
@inline
function add<E>(sum: v128, a: v128, b: v128): v128 {
  return isFloat<E>() ? f32x4.add(sum, f32x4.mul(a, b)) : i32x4.add(sum, i32x4.dot_i16x8_s(a, b));
}

/** A sum of products as a score: times the tokens' key scales, if they have some, and the row's factor. */
// @ts-ignore: decorator
@inline
function scoreOf<E>(sum: v128, keyScale: v128, factor: v128): v128 {
  return isFloat<E>() ? f32x4.mul(sum, factor) : f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(sum), keyScale), factor);
}

/** Scores of the four rows against the tokens of a block. */
export function scoreBlock<E>(
  queries: usize, keys: usize, columns: usize, keyScales: usize, numbers: usize, scores: usize,
): void {
  const f0 = v128.load32_splat(numbers, SCORE_FACTORS), f1 = v128.load32_splat(numbers, SCORE_FACTORS + 4);
  const f2 = v128.load32_splat(numbers, SCORE_FACTORS + 8), f3 = v128.load32_splat(numbers, SCORE_FACTORS + 12);
  for (let part: usize = 0; part < TOKENS; part += 8) {
    let s00 = i32x4.splat(0), s01 = i32x4.splat(0), s10 = i32x4.splat(0), s11 = i32x4.splat(0);
    let s20 = i32x4.splat(0), s21 = i32x4.splat(0), s30 = i32x4.splat(0), s31 = i32x4.splat(0);
    let key = keys + part * unitBytes<E>(), query = queries;
    for (let left = columns / unit<E>(); left > 0; left--) {
      const k0 = elements<E>(key), k1 = nextElements<E>(key);
      const four = v128.load(query);
      let q = lane0(four);
      s00 = add<E>(s00, q, k0);
      s01 = add<E>(s01, q, k1);
      q = lane1(four);
      s10 = add<E>(s10, q, k0);
      s11 = add<E>(s11, q, k1);
      q = lane2(four);
      s20 = add<E>(s20, q, k0);
      s21 = add<E>(s21, q, k1);
      q = lane3(four);
      s30 = add<E>(s30, q, k0);
      s31 = add<E>(s31, q, k1);
      key += TOKENS * unitBytes<E>();
      query += 16;
    }
    const scale0 = isFloat<E>() ? f0 : v128.load(keyScales + part * 4);
    const scale1 = isFloat<E>() ? f0 : v128.load(keyScales + part * 4, 16);
    const to = scores + part * 4;
    v128.store(to, scoreOf<E>(s00, scale0, f0));
    v128.store(to, scoreOf<E>(s01, scale1, f0), 16);
    v128.store(to, scoreOf<E>(s10, scale0, f1), TOKENS * 4);
    v128.store(to, scoreOf<E>(s11, scale1, f1), TOKENS * 4 + 16);
    v128.store(to, scoreOf<E>(s20, scale0, f2), TOKENS * 8);
    v128.store(to, scoreOf<E>(s21, scale1, f2), TOKENS * 8 + 16);
    v128.store(to, scoreOf<E>(s30, scale0, f3), TOKENS * 12);
    v128.store(to, scoreOf<E>(s31, scale1, f3), TOKENS * 12 + 16);
  }
}

/** What products of weights and values are added to; integers start from 0, as their unit comes in at the end. */
// @ts-ignore: decorator
@inline
function beginTotal<E>(total: usize, factor: v128): v128 {
  return isFloat<E>() ? f32x4.mul(v128.load(total), factor) : i32x4.splat(0);
}

// @ts-ignore: decorator
@inline
function endTotal<E>(total: usize, sum: v128, factor: v128, unit: v128): void {
  if (!isFloat<E>()) sum = f32x4.add(f32x4.mul(v128.load(total), factor), f32x4.mul(f32x4.convert_i32x4_s(sum), unit));
  v128.store(total, sum);
}

/** total[row] = total[row] · factor[row] + Σ weight[row, token] · value[token]. */
export function addValues<E>(totals: usize, values: usize, columns: usize, weights: usize, numbers: usize): void {
  const rowBytes = totalStride<E>(columns), step = columns * unitBytes<E>();
  const f0 = v128.load32_splat(numbers, TOTAL_FACTORS), f1 = v128.load32_splat(numbers, TOTAL_FACTORS + 4);
  const f2 = v128.load32_splat(numbers, TOTAL_FACTORS + 8), f3 = v128.load32_splat(numbers, TOTAL_FACTORS + 12);
  const u0 = v128.load32_splat(numbers, WEIGHT_UNITS), u1 = v128.load32_splat(numbers, WEIGHT_UNITS + 4);
  const u2 = v128.load32_splat(numbers, WEIGHT_UNITS + 8), u3 = v128.load32_splat(numbers, WEIGHT_UNITS + 12);
  let d: usize = 0;
  for (; d + 8 <= columns; d += 8) {
    const t0 = totals + totalPlace<E>(d), t1 = t0 + rowBytes, t2 = t1 + rowBytes, t3 = t2 + rowBytes;
    let s00 = beginTotal<E>(t0, f0), s01 = beginTotal<E>(t0 + 16, f0);
    let s10 = beginTotal<E>(t1, f1), s11 = beginTotal<E>(t1 + 16, f1);
    let s20 = beginTotal<E>(t2, f2), s21 = beginTotal<E>(t2 + 16, f2);
    let s30 = beginTotal<E>(t3, f3), s31 = beginTotal<E>(t3 + 16, f3);
    let value = values + d * unitBytes<E>(), weight = weights;
    for (let left = TOKENS / unit<E>(); left > 0; left--) {
      const v0 = elements<E>(value), v1 = nextElements<E>(value);
      const four = v128.load(weight);
      let w = lane0(four);
      s00 = add<E>(s00, w, v0);
      s01 = add<E>(s01, w, v1);
      w = lane1(four);
      s10 = add<E>(s10, w, v0);
      s11 = add<E>(s11, w, v1);
      w = lane2(four);
      s20 = add<E>(s20, w, v0);
      s21 = add<E>(s21, w, v1);
      w = lane3(four);
      s30 = add<E>(s30, w, v0);
      s31 = add<E>(s31, w, v1);
      value += step;
      weight += 16;
    }
    endTotal<E>(t0, s00, f0, u0);
    endTotal<E>(t0 + 16, s01, f0, u0);
    endTotal<E>(t1, s10, f1, u1);
    endTotal<E>(t1 + 16, s11, f1, u1);
    endTotal<E>(t2, s20, f2, u2);
    endTotal<E>(t2 + 16, s21, f2, u2);
    endTotal<E>(t3, s30, f3, u3);
    endTotal<E>(t3 + 16, s31, f3, u3);
  }
  // Heads of f32 are not filled up.
  if (!isFloat<E>()) return;
  for (; d < columns; d++) {
    for (let row: usize = 0; row < 4; row++) {
      const at = totals + row * rowBytes + d * 4;
      let total = load<f32>(at) * load<f32>(numbers + row * 4, TOTAL_FACTORS);
      for (let token: usize = 0; token < TOKENS; token++) {
        total += load<f32>(weights + (token * 4 + row) * 4) * load<f32>(values + (token * columns + d) * 4);
      }
      store<f32>(at, total);
    }
  }
}
