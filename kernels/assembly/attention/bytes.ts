/**
 * Attention in bytes, for towers: all rows see the same tokens, and every head has keys and values of its own. Queries and weights are
 * signed bytes, keys and values codes of 7 bits around 64, so that four products are one dot (matmul/dot.ts).
 *
 * A block of KV_BLOCK_TOKENS tokens (see block.ts) has of each head, with W its size rounded up to 16:
 *
 *   keys    u8 [2, W/4, 16, 4]    four neighbouring columns of 16 tokens
 *   values  u8 [W/16, 8, 16, 4]   four neighbouring tokens of 16 columns
 *   scales  f32 [2, 32]           what a unit of a token's keys, and of its values, is worth
 *
 * Up to 16 tiles of four rows pass a block, and each step of it one after the other: the scores of all tiles, their weights, their
 * values. Sums of products are exact: |q · k| ≤ 127 · 64 · W < 2^31, so the forms of the dot agree in their bits.
 */
import { ATTENTION_ROWS, ATTENTION_TILES, KV_BLOCK_TOKENS } from "../../shared/layout";
import { powerOfTwo4 } from "../transcendental";
import {
  firstHalves, firstInTurn, lane0, lane1, lane2, lane3, largestLane, lastHalves, lastInTurn, roundScaled, storeTransposed,
} from "../vector";
import { blockAt, TOKENS } from "./block";
import { addScores, addWeighted } from "./bytes_tiles";
import { BYTE_LIMIT, integerScale, integersPerUnit, largestOf } from "./integers";
import { centresOf, lanesOf, sumsOf } from "./softmax";

/** The binary logarithm of e: weights are powers of two. */
const LOG2_E: f32 = 1.44269504088896341;
/** The middle of the codes, and the largest distance from it. */
const MIDDLE: i32 = 64;
const CODE_LIMIT: f32 = 63;
/** Tokens, or columns, of a tile. */
const PANEL: usize = 16;
const SCALES_BYTES: usize = 2 * KV_BLOCK_TOKENS * 4;

/** Bytes of a tile's 4 × 16 sums, of its weights, and of its numbers. */
const SUMS_BYTES: usize = 256;
const WEIGHTS_BYTES: usize = 4 * KV_BLOCK_TOKENS;
/** What totals count, what a unit of weights is worth, what is taken from the sums of values; then those of all blocks. */
const UNITS: usize = 16;
const OFFSETS: usize = 32;
const MAXIMA: usize = 48;
const SUMS: usize = 64;
const SCORE_FACTORS: usize = 80;
const SCORE_OFFSETS: usize = 96;
const NUMBERS_BYTES: usize = 112;

// @ts-ignore: decorator
@inline
function columnsOf(headSize: i32): usize {
  return <usize>((headSize + 15) & ~15);
}

// @ts-ignore: decorator
@inline
function headBytes(columns: usize): usize {
  return 2 * columns * TOKENS + SCALES_BYTES;
}

/**
 * Writes the keys and values of tokens start … start + M − 1 into their blocks: nearest(x · (63 / max |x|)) + 64, ties to even.
 *   keys, values  f32 [M, heads, headSize]
 *   table         u32 [blocks]
 */
export function storeBytes(
  keys: usize, keyStride: usize, values: usize, valueStride: usize, start: i32, rows: i32, heads: i32, headSize: i32, table: usize,
  rank: i32, size: i32,
): void {
  const columns = columnsOf(headSize), part = columns * TOKENS;
  for (let head = rank; head < heads; head += size) {
    for (let row = 0; row < rows; row++) {
      const token = start + row, place = <usize>(token % KV_BLOCK_TOKENS);
      const to = blockAt(table, token / KV_BLOCK_TOKENS) + <usize>head * headBytes(columns);
      const key = keys + <usize>row * keyStride + <usize>(head * headSize) * 4;
      const value = values + <usize>row * valueStride + <usize>(head * headSize) * 4;
      const scales = to + 2 * part + place * 4;
      const largestKey = largestOf(key, headSize), largestValue = largestOf(value, headSize);
      store<f32>(scales, integerScale(largestKey, CODE_LIMIT));
      store<f32>(scales + TOKENS * 4, integerScale(largestValue, CODE_LIMIT));
      const keyFactor = integersPerUnit(largestKey, CODE_LIMIT), valueFactor = integersPerUnit(largestValue, CODE_LIMIT);
      const keyPlace = to + (place / PANEL) * columns * PANEL + place % PANEL * 4;
      const valuePlace = to + part + (place >> 2) * PANEL * 4 + (place & 3);
      for (let d: usize = 0; d < columns; d++) {
        const isThere = d < <usize>headSize;
        const k = isThere ? <i32>nearest(load<f32>(key + d * 4) * keyFactor) : 0;
        const v = isThere ? <i32>nearest(load<f32>(value + d * 4) * valueFactor) : 0;
        store<u8>(keyPlace + (d >> 2) * PANEL * 4 + (d & 3), <u8>(k + MIDDLE));
        store<u8>(valuePlace + (d / PANEL) * TOKENS * PANEL + d % PANEL * 4, <u8>(v + MIDDLE));
      }
    }
  }
}

/**
 * Attention of M rows, all of which see the first counts[b] tokens of each block.
 *   queries, output  f32 [M, heads, headSize]
 *   table            u32 [blocks]
 *   counts           i32 [blocks], each from 1 to KV_BLOCK_TOKENS
 *   scratch          `scratchBytes` for each thread
 *   dot32, isWide    the form of the tiles, as in matmul/codes.ts
 */
export function attendBytes(
  queries: usize, queryStride: usize, table: usize, counts: usize, blocks: i32, rows: i32, heads: i32, headSize: i32, scale: f32,
  dot32: i32, isWide: i32, output: usize, outputStride: usize, scratch: usize, scratchBytes: usize, rank: i32, size: i32,
): void {
  const columns = columnsOf(headSize), part = columns * TOKENS, totalBytes = columns * 16, panels = columns / PANEL;
  // Of the thread: the tiles' queries, sums of two halves of a block, weights and numbers; a block's value scales; the tiles' totals,
  // f32 [W/16, 4, 16].
  const own = scratch + <usize>rank * scratchBytes, tilesMax: usize = ATTENTION_TILES;
  const low = own + tilesMax * columns * 4, high = low + tilesMax * SUMS_BYTES, weights = high + tilesMax * SUMS_BYTES;
  const numbers = weights + tilesMax * WEIGHTS_BYTES, valueScales = numbers + tilesMax * NUMBERS_BYTES;
  const totals = valueScales + TOKENS * 4;
  const unitRows = ATTENTION_ROWS * ATTENTION_TILES, units = (rows + unitRows - 1) / unitRows;
  for (let unit = rank; unit < units * heads; unit += size) {
    const head = unit / units, firstRow = unit % units * unitRows, end = min(firstRow + unitRows, rows);
    const tiles = (end - firstRow + ATTENTION_ROWS - 1) / ATTENTION_ROWS, column = <usize>(head * headSize) * 4;
    for (let tile = 0; tile < tiles; tile++) {
      const number = numbers + <usize>tile * NUMBERS_BYTES;
      v128.store(number, f32x4.splat(-Infinity), MAXIMA);
      v128.store(number, f32x4.splat(0), SUMS);
      for (let i = 0; i < ATTENTION_ROWS; i++) {
        // A tile of fewer rows repeats the last one.
        const row = min(firstRow + tile * ATTENTION_ROWS + i, rows - 1);
        const query = queries + <usize>row * queryStride + column;
        codeQuery(query, headSize, columns, own + <usize>tile * columns * 4, <usize>i, scale, number);
      }
    }
    memory.fill(totals, 0, <usize>tiles * totalBytes);
    for (let index = 0; index < blocks; index++) {
      const keys = blockAt(table, index) + <usize>head * headBytes(columns), values = keys + part;
      const keyScales = keys + 2 * part, count = load<i32>(counts + <usize>index * 4);
      const nothing = copyScales(valueScales, keyScales + TOKENS * 4, count);
      for (let tile: usize = 0; tile < <usize>tiles; tile++) {
        beginScores(low + tile * SUMS_BYTES, high + tile * SUMS_BYTES, v128.load(numbers + tile * NUMBERS_BYTES, SCORE_OFFSETS));
      }
      addScores(own, columns, keys, low, tiles, dot32, isWide, rank);
      if (count > <i32>PANEL) addScores(own, columns, keys + columns * PANEL, high, tiles, dot32, isWide, rank);
      for (let tile: usize = 0; tile < <usize>tiles; tile++) {
        const sums = tile * SUMS_BYTES, number = numbers + tile * NUMBERS_BYTES;
        scale16(low + sums, keyScales, v128.load(number, SCORE_FACTORS), count);
        scale16(high + sums, keyScales + PANEL * 4, v128.load(number, SCORE_FACTORS), count - <i32>PANEL);
        weigh(low + sums, high + sums, valueScales, nothing, weights + tile * WEIGHTS_BYTES, number);
      }
      for (let panel: usize = 0; panel < panels; panel++) {
        addWeighted(
          weights, values + panel * PANEL * TOKENS, numbers, NUMBERS_BYTES, totals + panel * SUMS_BYTES, totalBytes, tiles, dot32,
          isWide, rank,
        );
      }
    }
    for (let row = firstRow; row < end; row++) {
      const i = <usize>(row - firstRow), tile = i / ATTENTION_ROWS, inTile = i % ATTENTION_ROWS;
      const inverse: f32 = 1 / load<f32>(numbers + tile * NUMBERS_BYTES + inTile * 4, SUMS);
      const from = totals + tile * totalBytes + inTile * PANEL * 4, to = output + <usize>row * outputStride + column;
      for (let d: usize = 0; d < <usize>headSize; d++) {
        store<f32>(to + d * 4, load<f32>(from + (d / PANEL) * SUMS_BYTES + d % PANEL * 4) * inverse);
      }
    }
  }
}

/** Copies the value scales of a block, zeros from `count` on. 0, or NaN if one is NaN. */
// @ts-ignore: decorator
@inline
function copyScales(to: usize, from: usize, count: i32): f32 {
  let nothing: f32 = 0;
  for (let token: usize = 0; token < TOKENS; token++) {
    const scale: f32 = token < <usize>count ? load<f32>(from + token * 4) : 0;
    store<f32>(to + token * 4, scale);
    nothing += scale * 0;
  }
  return nothing;
}

/**
 * Brings the bytes of a query into its row of a tile, i8 [W/4, 4, 4], and among the tile's numbers what its scores are multiplied by
 * and what their sums begin with: keys are codes around MIDDLE.
 */
// @ts-ignore: decorator
@inline
function codeQuery(query: usize, headSize: i32, columns: usize, to: usize, row: usize, scale: f32, numbers: usize): void {
  const largest = largestOf(query, headSize), factor = integersPerUnit(largest, BYTE_LIMIT);
  let sum = 0;
  for (let d: usize = 0; d < columns; d++) {
    const code = d < <usize>headSize ? <i32>nearest(load<f32>(query + d * 4) * factor) : 0;
    store<i8>(to + (d >> 2) * 16 + row * 4 + (d & 3), <i8>code);
    sum += code;
  }
  const powerScale: f32 = scale * LOG2_E;
  store<f32>(numbers + row * 4, integerScale(largest, BYTE_LIMIT) * powerScale, SCORE_FACTORS);
  store<i32>(numbers + row * 4, -MIDDLE * sum, SCORE_OFFSETS);
}

/** What the sums of a tile begin with, in all its tokens. */
// @ts-ignore: decorator
@inline
function beginScores(low: usize, high: usize, offsets: v128): void {
  beginRow(low, high, lane0(offsets));
  beginRow(low + 64, high + 64, lane1(offsets));
  beginRow(low + 128, high + 128, lane2(offsets));
  beginRow(low + 192, high + 192, lane3(offsets));
}

// @ts-ignore: decorator
@inline
function beginRow(low: usize, high: usize, offset: v128): void {
  for (let i: usize = 0; i < 64; i += 16) {
    v128.store(low + i, offset);
    v128.store(high + i, offset);
  }
}

/** Sums of products of 16 tokens → scores in units of log 2, −∞ from `count` on; in place, [4, 16]. */
// @ts-ignore: decorator
@inline
function scale16(sums: usize, keyScales: usize, factors: v128, count: i32): void {
  const f0 = lane0(factors), f1 = lane1(factors), f2 = lane2(factors), f3 = lane3(factors);
  for (let i: usize = 0; i < 64; i += 16) {
    const scale = v128.load(keyScales + i), at = sums + i;
    v128.store(at, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at)), scale), f0));
    v128.store(at, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 64)), scale), f1), 64);
    v128.store(at, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 128)), scale), f2), 128);
    v128.store(at, f32x4.mul(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 192)), scale), f3), 192);
  }
  for (let row: usize = 0; row < 256; row += 64) {
    for (let token = max(count, 0); token < <i32>PANEL; token++) store<f32>(sums + row + <usize>token * 4, -Infinity);
  }
}

/** The largest of a row's scores in both halves, in all lanes. */
// @ts-ignore: decorator
@inline
function largestScore(low: usize, high: usize): v128 {
  const a = f32x4.pmax(v128.load(low), v128.load(low, 16)), b = f32x4.pmax(v128.load(low, 32), v128.load(low, 48));
  const c = f32x4.pmax(v128.load(high), v128.load(high, 16)), d = f32x4.pmax(v128.load(high, 32), v128.load(high, 48));
  return largestLane(f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d)));
}

/**
 * One step of the running softmax: scores of a block in two halves become weights times value scales, then signed bytes, i8 [8, 4, 4],
 * and the numbers that the totals of values need. `nothing` is 0, or NaN where the values of a visible token are not numbers; a score
 * that is none makes the sum of powers NaN.
 */
function weigh(low: usize, high: usize, valueScales: usize, nothing: f32, weights: usize, numbers: usize): void {
  const largest = f32x4.pmax(
    v128.load(numbers, MAXIMA),
    lanesOf(
      largestScore(low, high), largestScore(low + 64, high + 64), largestScore(low + 128, high + 128),
      largestScore(low + 192, high + 192),
    ),
  );
  const centres = centresOf(largest);
  const c0 = lane0(centres), c1 = lane1(centres), c2 = lane2(centres), c3 = lane3(centres);
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  let m0 = f32x4.splat(0), m1 = f32x4.splat(0), m2 = f32x4.splat(0), m3 = f32x4.splat(0);
  for (let i: usize = 0; i < TOKENS * 4; i += 16) {
    const at = i < 64 ? low + i : high + i - 64;
    const x0 = f32x4.sub(v128.load(at), c0), x1 = f32x4.sub(v128.load(at, 64), c1);
    const x2 = f32x4.sub(v128.load(at, 128), c2), x3 = f32x4.sub(v128.load(at, 192), c3);
    const e0 = powerOfTwo4(x0), e1 = powerOfTwo4(x1), e2 = powerOfTwo4(x2), e3 = powerOfTwo4(x3);
    const scale = v128.load(valueScales + i);
    t0 = f32x4.add(t0, e0);
    t1 = f32x4.add(t1, e1);
    t2 = f32x4.add(t2, e2);
    t3 = f32x4.add(t3, e3);
    // A hidden token counts 2^-100 in the sum of powers, which no bit shows; its scale is 0.
    const v0 = f32x4.mul(e0, scale), v1 = f32x4.mul(e1, scale), v2 = f32x4.mul(e2, scale), v3 = f32x4.mul(e3, scale);
    v128.store(at, v0);
    v128.store(at, v1, 64);
    v128.store(at, v2, 128);
    v128.store(at, v3, 192);
    m0 = f32x4.pmax(m0, v0);
    m1 = f32x4.pmax(m1, v1);
    m2 = f32x4.pmax(m2, v2);
    m3 = f32x4.pmax(m3, v3);
  }
  const factors = powerOfTwo4(f32x4.sub(v128.load(numbers, MAXIMA), centres));
  v128.store(numbers, largest, MAXIMA);
  v128.store(numbers, f32x4.add(f32x4.mul(v128.load(numbers, SUMS), factors), sumsOf(t0, t1, t2, t3)), SUMS);
  v128.store(numbers, factors);

  const most = lanesOf(largestLane(m0), largestLane(m1), largestLane(m2), largestLane(m3));
  const isLarge = v128.and(f32x4.gt(most, f32x4.splat(1e-30)), f32x4.lt(most, f32x4.splat(Infinity)));
  const limit = f32x4.splat(BYTE_LIMIT);
  const inverse = v128.and(f32x4.div(limit, most), isLarge);
  v128.store(numbers, f32x4.add(v128.and(f32x4.div(most, limit), isLarge), f32x4.splat(nothing)), UNITS);
  const f0 = lane0(inverse), f1 = lane1(inverse), f2 = lane2(inverse), f3 = lane3(inverse);
  let n0 = i32x4.splat(0), n1 = n0, n2 = n0, n3 = n0;
  for (let half: usize = 0; half < 2; half++) {
    const at = half ? high : low;
    const a = codeWeights(at, f0), b = codeWeights(at + 64, f1), c = codeWeights(at + 128, f2), d = codeWeights(at + 192, f3);
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
