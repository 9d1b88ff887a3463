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
import { lane0, lane1, lane2, lane3 } from "../vector";
import { blockAt, TOKENS } from "./block";
import { beginSoftmax, copyScales, MAXIMA, NUMBERS_BYTES, SCORE_FACTORS, SCORE_OFFSETS, SUMS, weigh } from "./bytes_softmax";
import { addScores, addWeighted } from "./bytes_tiles";
import { BYTE_LIMIT, integerScale, integersPerUnit, largestOf } from "./integers";

/** The binary logarithm of e: weights are powers of two. */
const LOG2_E: f32 = 1.44269504088896341;
/** The middle of the codes, and the largest distance from it. */
const MIDDLE: i32 = 64;
const CODE_LIMIT: f32 = 63;
/** Tokens, or columns, of a tile. */
const PANEL: usize = 16;
const SCALES_BYTES: usize = 2 * KV_BLOCK_TOKENS * 4;

/** Bytes of a tile's 4 × 16 sums, and of its weights. */
const SUMS_BYTES: usize = 256;
const WEIGHTS_BYTES: usize = 4 * KV_BLOCK_TOKENS;

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
  beginSoftmax(isWide, rank);
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
      const nothing = copyScales(valueScales, keyScales, count, isWide, rank);
      for (let tile: usize = 0; tile < <usize>tiles; tile++) {
        beginScores(low + tile * SUMS_BYTES, high + tile * SUMS_BYTES, v128.load(numbers + tile * NUMBERS_BYTES, SCORE_OFFSETS));
      }
      addScores(own, columns, keys, low, tiles, dot32, isWide, rank);
      if (count > <i32>PANEL) addScores(own, columns, keys + columns * PANEL, high, tiles, dot32, isWide, rank);
      for (let tile: usize = 0; tile < <usize>tiles; tile++) {
        const sums = tile * SUMS_BYTES, number = numbers + tile * NUMBERS_BYTES;
        weigh(
          low + sums, high + sums, keyScales, valueScales, count, nothing, weights + tile * WEIGHTS_BYTES, number, isWide, rank,
        );
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
