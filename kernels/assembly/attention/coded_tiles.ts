/**
 * Attention over integers by the wide tiles (kernels/wide/attention_text.ts): a block's keys and values are brought to the thread's
 * area once, as words, and all tiles that see the block pass them. The sums are those of tiles.ts, and so are the roundings.
 */
import { ATTENTION_TILES, WIDE_WEIGHTS } from "../../shared/layout";
import { lane0, lane1, lane2, lane3 } from "../vector";
import { areaOf } from "../wide_area";
import { TOKENS } from "./block";
import { SCORE_FACTORS, scoresOffset, tileBytes, TOTAL_FACTORS, totalsOffset, weightsOffset } from "./tiles";

// The functions of the module with this thread's area.
@external("wide", "scores64Words")
declare function scores64Words(a: usize, aStride: usize, p: usize, n: i32): void;
@external("wide", "scores16Words")
declare function scores16Words(a: usize, aStride: usize, p: usize, n: i32): void;
@external("wide", "valuesWords")
declare function valuesWords(a: usize, aStride: usize, f: usize, fStride: usize, p: usize, pStride: usize, n: i32): void;

/** Tokens, or columns, of a tile. */
const PANEL: usize = 16;
const SUMS_BYTES: usize = 4 * PANEL * 4;
/** Bytes of the sums of both halves of a block, for all tiles. */
export const WIDE_SUMS_BYTES: usize = 2 * ATTENTION_TILES * SUMS_BYTES;

/** `steps` times 16 pairs of integers, `stride` bytes apart, as words one after the other. */
// @ts-ignore: decorator
@inline
function copyPairs<E>(to: usize, from: usize, stride: usize, steps: usize): void {
  for (let step: usize = 0; step < steps; step++) {
    if (sizeof<E>() == 1) {
      v128.store(to, v128.load8x8_s(from));
      v128.store(to, v128.load8x8_s(from, 8), 16);
      v128.store(to, v128.load8x8_s(from, 16), 32);
      v128.store(to, v128.load8x8_s(from, 24), 48);
    } else {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      v128.store(to, v128.load(from, 32), 32);
      v128.store(to, v128.load(from, 48), 48);
    }
    to += PANEL * 4;
    from += stride;
  }
}

/** Scores of the rows of `tiles` neighbouring tiles, the first at `at`, against the tokens of a block; W is a multiple of 16. */
export function scoreBlockWide<E>(
  at: usize, tiles: i32, keys: usize, columns: usize, keyScales: usize, numbers: usize, sums: usize, rank: i32,
): void {
  const area = areaOf(rank) + WIDE_WEIGHTS, pairBytes = 2 * sizeof<E>();
  for (let half: usize = 0; half < 2; half++) {
    const own = sums + half * ATTENTION_TILES * SUMS_BYTES;
    memory.fill(own, 0, <usize>tiles * SUMS_BYTES);
    for (let column: usize = 0; column < columns;) {
      const taken: usize = columns - column >= 64 ? 64 : 16;
      const from = keys + (column / 2) * TOKENS * pairBytes + half * PANEL * pairBytes;
      copyPairs<E>(area, from, TOKENS * pairBytes, taken / 2);
      const queries = at + column * 8;
      if (taken == 64) scores64Words(queries, tileBytes<E>(columns), own, tiles);
      else scores16Words(queries, tileBytes<E>(columns), own, tiles);
      column += taken;
    }
  }
  for (let tile = 0; tile < tiles; tile++) {
    const scores = at + scoresOffset<E>(columns), factors = v128.load(numbers, SCORE_FACTORS);
    scaleRow(scores, sums, keyScales, lane0(factors));
    scaleRow(scores + TOKENS * 4, sums + 64, keyScales, lane1(factors));
    scaleRow(scores + TOKENS * 8, sums + 128, keyScales, lane2(factors));
    scaleRow(scores + TOKENS * 12, sums + 192, keyScales, lane3(factors));
    at += tileBytes<E>(columns);
    numbers += tileBytes<E>(columns);
    sums += SUMS_BYTES;
  }
}

/** A row's sums of both halves as scores. */
// @ts-ignore: decorator
@inline
function scaleRow(scores: usize, sums: usize, keyScales: usize, factor: v128): void {
  for (let half: usize = 0; half < 2; half++) {
    for (let i: usize = 0; i < PANEL * 4; i += 16) {
      const sum = f32x4.convert_i32x4_s(v128.load(sums + half * ATTENTION_TILES * SUMS_BYTES + i));
      const place = half * PANEL * 4 + i;
      v128.store(scores + place, f32x4.mul(f32x4.mul(sum, v128.load(keyScales + place)), factor));
    }
  }
}

/** `addValues` of tiles.ts for `tiles` neighbouring tiles, the first at `at`. */
export function addValuesWide<E>(at: usize, tiles: i32, values: usize, columns: usize, numbers: usize, rank: i32): void {
  const area = areaOf(rank) + WIDE_WEIGHTS, pairBytes = 2 * sizeof<E>(), stride = tileBytes<E>(columns);
  const weights = at + weightsOffset<E>(columns), totals = at + totalsOffset<E>(columns);
  for (let panel: usize = 0; panel < columns / PANEL; panel++) {
    copyPairs<E>(area, values + panel * PANEL * pairBytes, columns * pairBytes, TOKENS / 2);
    valuesWords(weights, stride, numbers + TOTAL_FACTORS, stride, totals + panel * SUMS_BYTES, stride, tiles);
  }
}
