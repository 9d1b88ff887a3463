/**
 * The products of attention in bytes: tiles of four rows by 16 tokens or columns, each in two forms of the dot (matmul/dot.ts) and
 * two shapes, here as they are and in kernels/wide/attention_text.ts as V8 makes them 256 bits wide. All give the same bits.
 */
import { WIDE_WEIGHTS } from "../../shared/layout";
import { addProducts, pairProducts } from "../matmul/dot";
import { ones16 } from "../matmul/masks";
import { lane0, lane1, lane2, lane3 } from "../vector";
import { areaOf } from "../wide_area";
import { TOKENS } from "./block";

// The functions of the module with this thread's area.
@external("wide", "scores64Pairs")
declare function scores64Pairs(a: usize, aStride: usize, p: usize, n: i32): void;
@external("wide", "scores16Pairs")
declare function scores16Pairs(a: usize, aStride: usize, p: usize, n: i32): void;
@external("wide", "valuesPairs")
declare function valuesPairs(a: usize, aStride: usize, f: usize, fStride: usize, p: usize, pStride: usize, n: i32): void;
@external("wide", "scores64Fours")
declare function scores64Fours(a: usize, aStride: usize, p: usize, n: i32): void;
@external("wide", "scores16Fours")
declare function scores16Fours(a: usize, aStride: usize, p: usize, n: i32): void;
@external("wide", "valuesFours")
declare function valuesFours(a: usize, aStride: usize, f: usize, fStride: usize, p: usize, pStride: usize, n: i32): void;

/** Bytes of 16 tokens or columns for one step of four inputs. */
const STEP_BYTES: usize = 64;

// @ts-ignore: decorator
@inline
function add<F>(sums: v128, bytes: v128, codes: v128, ones: v128): v128 {
  if (sizeof<F>() == 4) return addProducts<F>(sums, bytes, codes);
  return i32x4.add(sums, i32x4.dot_i16x8_s(pairProducts(bytes, codes), ones));
}

/**
 * Adds to the sums of `tiles` tiles, i32 [4, 16], the products of their queries, i8 [columns/4, 4, 4], and the keys of 16 tokens, u8
 * [columns/4, 16, 4].
 */
export function addScores(
  queries: usize, columns: usize, keys: usize, sums: usize, tiles: i32, dot32: i32, isWide: i32, rank: i32,
): void {
  const stride = columns * 4;
  if (!ASC_FEATURE_RELAXED_SIMD || !isWide) {
    if (ASC_FEATURE_RELAXED_SIMD && dot32) scoreTiles<i32>(queries, columns, keys, sums, tiles);
    else scoreTiles<i16>(queries, columns, keys, sums, tiles);
    return;
  }
  const area = areaOf(rank) + WIDE_WEIGHTS;
  for (let column: usize = 0; column < columns;) {
    const own: usize = columns - column >= 64 ? 64 : 16;
    memory.copy(area, keys + column * 16, own * 16);
    const from = queries + column * 4;
    if (own == 64) {
      if (dot32) scores64Fours(from, stride, sums, tiles);
      else scores64Pairs(from, stride, sums, tiles);
    } else if (dot32) scores16Fours(from, stride, sums, tiles);
    else scores16Pairs(from, stride, sums, tiles);
    column += own;
  }
}

function scoreTiles<F>(queries: usize, columns: usize, keys: usize, sums: usize, tiles: i32): void {
  const ones = ones16(tiles);
  for (let tile = 0; tile < tiles; tile++) {
    for (let part: usize = 0; part < 64; part += 32) {
      const to = sums + part;
      let s00 = v128.load(to), s01 = v128.load(to, 16), s10 = v128.load(to, 64), s11 = v128.load(to, 80);
      let s20 = v128.load(to, 128), s21 = v128.load(to, 144), s30 = v128.load(to, 192), s31 = v128.load(to, 208);
      let query = queries, key = keys + part;
      for (let left = columns >> 2; left > 0; left--) {
        const k0 = v128.load(key), k1 = v128.load(key, 16), four = v128.load(query);
        let q = lane0(four);
        s00 = add<F>(s00, q, k0, ones);
        s01 = add<F>(s01, q, k1, ones);
        q = lane1(four);
        s10 = add<F>(s10, q, k0, ones);
        s11 = add<F>(s11, q, k1, ones);
        q = lane2(four);
        s20 = add<F>(s20, q, k0, ones);
        s21 = add<F>(s21, q, k1, ones);
        q = lane3(four);
        s30 = add<F>(s30, q, k0, ones);
        s31 = add<F>(s31, q, k1, ones);
        query += 16;
        key += STEP_BYTES;
      }
      v128.store(to, s00);
      v128.store(to, s01, 16);
      v128.store(to, s10, 64);
      v128.store(to, s11, 80);
      v128.store(to, s20, 128);
      v128.store(to, s21, 144);
      v128.store(to, s30, 192);
      v128.store(to, s31, 208);
    }
    queries += columns * 4;
    sums += 256;
  }
}

/**
 * total · f + (Σ weight · code − s) · unit for the totals of `tiles` tiles, f32 [4, 16], `totalStride` bytes apart.
 *   weights  i8 [tiles, 8, 4, 4]
 *   values   u8 [8, 16, 4]: the tokens of a block, 16 columns
 *   numbers  of each tile, `numberStride` bytes apart: f32 [4] f, f32 [4] unit, i32 [4] s
 */
export function addWeighted(
  weights: usize, values: usize, numbers: usize, numberStride: usize, totals: usize, totalStride: usize, tiles: i32, dot32: i32,
  isWide: i32, rank: i32,
): void {
  if (!ASC_FEATURE_RELAXED_SIMD || !isWide) {
    if (ASC_FEATURE_RELAXED_SIMD && dot32) valueTiles<i32>(weights, values, numbers, numberStride, totals, totalStride, tiles);
    else valueTiles<i16>(weights, values, numbers, numberStride, totals, totalStride, tiles);
    return;
  }
  memory.copy(areaOf(rank) + WIDE_WEIGHTS, values, TOKENS * 16);
  if (dot32) valuesFours(weights, TOKENS * 4, numbers, numberStride, totals, totalStride, tiles);
  else valuesPairs(weights, TOKENS * 4, numbers, numberStride, totals, totalStride, tiles);
}

function valueTiles<F>(
  weights: usize, values: usize, numbers: usize, numberStride: usize, totals: usize, totalStride: usize, tiles: i32,
): void {
  const ones = ones16(tiles);
  for (let tile = 0; tile < tiles; tile++) {
    const factors = v128.load(numbers), units = v128.load(numbers, 16), offsets = v128.load(numbers, 32);
    for (let part: usize = 0; part < 64; part += 32) {
      let s00 = i32x4.splat(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00;
      let weight = weights, value = values + part;
      for (let left = TOKENS >> 2; left > 0; left--) {
        const v0 = v128.load(value), v1 = v128.load(value, 16), four = v128.load(weight);
        let w = lane0(four);
        s00 = add<F>(s00, w, v0, ones);
        s01 = add<F>(s01, w, v1, ones);
        w = lane1(four);
        s10 = add<F>(s10, w, v0, ones);
        s11 = add<F>(s11, w, v1, ones);
        w = lane2(four);
        s20 = add<F>(s20, w, v0, ones);
        s21 = add<F>(s21, w, v1, ones);
        w = lane3(four);
        s30 = add<F>(s30, w, v0, ones);
        s31 = add<F>(s31, w, v1, ones);
        weight += 16;
        value += STEP_BYTES;
      }
      const to = totals + part;
      endRow(to, s00, s01, lane0(factors), lane0(units), lane0(offsets));
      endRow(to + 64, s10, s11, lane1(factors), lane1(units), lane1(offsets));
      endRow(to + 128, s20, s21, lane2(factors), lane2(units), lane2(offsets));
      endRow(to + 192, s30, s31, lane3(factors), lane3(units), lane3(offsets));
    }
    weights += TOKENS * 4;
    numbers += numberStride;
    totals += totalStride;
  }
}

// @ts-ignore: decorator
@inline
function endRow(total: usize, low: v128, high: v128, factor: v128, unit: v128, offset: v128): void {
  v128.store(total, weighted(v128.load(total), low, factor, unit, offset));
  v128.store(total, weighted(v128.load(total, 16), high, factor, unit, offset), 16);
}

// @ts-ignore: decorator
@inline
function weighted(total: v128, sum: v128, factor: v128, unit: v128, offset: v128): v128 {
  return f32x4.add(f32x4.mul(total, factor), f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(sum, offset)), unit));
}
