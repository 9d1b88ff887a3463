/**
 * Attention over blocks of keys and values; see block.ts for these, tiles.ts and softmax.ts for the arithmetic.
 */
import { ATTENTION_ROWS, ATTENTION_TILES, KIND_F32, KIND_INT8, KV_BLOCK_TOKENS } from "../../shared/layout";
import { storeLanes } from "../vector";
import { blockAt, columnsOf, headBytes, partBytes, TOKENS } from "./block";
import { codeQuery, weighIntegers } from "./coded";
import { addValuesWide, scoreBlockWide } from "./coded_tiles";
import { gatherQuery, weighFloats } from "./f32";
import { firstVisible, hideTokens } from "./softmax";
import {
  addValues, MAXIMA, numbersOffset, SCORE_FACTORS, scoreBlock, scoresOffset, SUMS, tileBytes, totalPlace, totalsBytes, totalsOffset, totalStride, weightsOffset,
} from "./tiles";

/** Tiles from which on bringing a block to the thread's area pays. */
const WIDE_TILES_MIN: i32 = 3;

/**
 * Attention of M rows over blocks of keys and values. Without `counts` it is causal: row m is the token at position
 * start + m, and the cache already holds it. With `counts` every row sees the first counts[b] tokens of each of `blocks`
 * blocks: pictures in the text's cross-attention, and the vision tower.
 *
 * The query heads that share a key/value head and the tokens form one list of rows; a tile takes four neighbours, so one
 * token with four heads a group, or four tokens with one, fill it alike. Blocks are taken in the order of the tokens with a
 * running softmax: nothing grows with the length, and a row's arithmetic does not depend on its neighbours, on the
 * threads or on how many tokens arrive at once.
 *
 *   queries, output  f32 [M, heads, headSize]
 *   table            u32 [blocks]; without `counts`, all up to that of the last row
 *   counts           i32 [blocks], each from 1 to KV_BLOCK_TOKENS, or 0: causal
 *   window           causal: tokens a row can look back on, itself included; 0: all
 *   isWide           whether integers are multiplied by the wide tiles (coded_tiles.ts)
 *   scratch          `scratchBytes` for each thread: ATTENTION_TILES tiles, and sums of the wide tiles
 */
export function attention(
  queries: usize, queryStride: usize, table: usize, counts: usize, keyValueType: i32, blocks: i32, start: i32, window: i32,
  rows: i32, heads: i32, kvHeads: i32, headSize: i32, scale: f32, isWide: i32, output: usize, outputStride: usize, scratch: usize,
  scratchBytes: usize, rank: i32, size: i32,
): void {
  const own = scratch + <usize>rank * scratchBytes;
  if (keyValueType == KIND_F32) {
    attend<f32>(
      queries, queryStride, table, counts, blocks, start, window, rows, heads, kvHeads, headSize, scale, isWide, output, outputStride,
      own, rank, size,
    );
  } else if (keyValueType == KIND_INT8) {
    attend<i8>(
      queries, queryStride, table, counts, blocks, start, window, rows, heads, kvHeads, headSize, scale, isWide, output, outputStride,
      own, rank, size,
    );
  } else {
    attend<i16>(
      queries, queryStride, table, counts, blocks, start, window, rows, heads, kvHeads, headSize, scale, isWide, output, outputStride,
      own, rank, size,
    );
  }
}

/** `E` is the element of keys and values: f32, i16 or i8. */
function attend<E>(
  queries: usize, queryStride: usize, table: usize, counts: usize, blocks: i32, start: i32, window: i32, rows: i32, heads: i32,
  kvHeads: i32, headSize: i32, scale: f32, isWide: i32, output: usize, outputStride: usize, scratch: usize, rank: i32, size: i32,
): void {
  const perGroup = heads / kvHeads, groupRows = rows * perGroup;
  const unitRows = ATTENTION_ROWS * ATTENTION_TILES, units = (groupRows + unitRows - 1) / unitRows;
  const columns = columnsOf<E>(headSize), part = partBytes<E>(headSize), rowBytes = <usize>headSize * 4;
  // Head by head: its keys and values stay in a cache as long as possible. Later units see more tokens: dealing them in turn
  // keeps the threads even.
  for (let unit = rank; unit < units * kvHeads; unit += size) {
    const kvHead = unit / units, firstRow = unit % units * unitRows;
    const unitEnd = min(firstRow + unitRows, groupRows), lastRow = groupRows - 1;
    const tiles = (unitEnd - firstRow + ATTENTION_ROWS - 1) / ATTENTION_ROWS;
    const group = queries + <usize>(kvHead * perGroup) * rowBytes;
    for (let tile = 0; tile < tiles; tile++) {
      const at = scratch + <usize>tile * tileBytes<E>(columns), numbers = at + numbersOffset<E>(columns);
      memory.fill(at + totalsOffset<E>(columns), 0, totalsBytes<E>(columns));
      v128.store(numbers, f32x4.splat(-Infinity), MAXIMA);
      v128.store(numbers, f32x4.splat(0), SUMS);
      for (let i = 0; i < ATTENTION_ROWS; i++) {
        // A tile of fewer rows repeats the last one.
        const row = min(firstRow + tile * ATTENTION_ROWS + i, lastRow);
        const query = group + <usize>(row / perGroup) * queryStride + <usize>(row % perGroup) * rowBytes;
        const factor = isFloat<E>()
          ? gatherQuery(query, headSize, at, <usize>i, scale)
          : codeQuery(query, headSize, columns, at, <usize>i, scale);
        store<f32>(numbers + <usize>i * 4, factor, SCORE_FACTORS);
      }
    }
    const lastBlock = counts ? blocks : (start + (unitEnd - 1) / perGroup) / KV_BLOCK_TOKENS + 1;
    const firstBlock = counts ? 0 : firstVisible(start + firstRow / perGroup, window) / KV_BLOCK_TOKENS;
    for (let index = firstBlock; index < lastBlock; index++) {
      const keys = blockAt(table, index) + <usize>kvHead * headBytes<E>(headSize);
      const keyScales = keys + 2 * part, valueScales = keyScales + TOKENS * 4;
      const base = index * KV_BLOCK_TOKENS;
      const count = counts ? load<i32>(counts + <usize>index * 4) : -1;
      // Nothing of this block is seen yet by the first tiles, or any more by the last; a block without weight would change no bit.
      let firstTile = 0, endTile = tiles;
      if (count < 0) {
        while (firstTile < tiles && start + min(firstRow + firstTile * ATTENTION_ROWS + 3, lastRow) / perGroup < base) firstTile++;
        while (
          endTile > firstTile &&
          firstVisible(start + (firstRow + (endTile - 1) * ATTENTION_ROWS) / perGroup, window) >= base + KV_BLOCK_TOKENS
        ) endTile--;
      }
      const seeing = endTile - firstTile, first = scratch + <usize>firstTile * tileBytes<E>(columns);
      const byWideTiles = ASC_FEATURE_RELAXED_SIMD && !isFloat<E>() && isWide && seeing >= WIDE_TILES_MIN && columns % 16 == 0;
      if (byWideTiles) {
        const sums = scratch + <usize>ATTENTION_TILES * tileBytes<E>(columns);
        scoreBlockWide<E>(first, seeing, keys, columns, keyScales, first + numbersOffset<E>(columns), sums, rank);
      }
      for (let tile = firstTile; tile < endTile; tile++) {
        const row = firstRow + tile * ATTENTION_ROWS;
        const t0 = start + row / perGroup, t3 = start + min(row + 3, lastRow) / perGroup;
        const at = scratch + <usize>tile * tileBytes<E>(columns), numbers = at + numbersOffset<E>(columns);
        const scores = at + scoresOffset<E>(columns), weights = at + weightsOffset<E>(columns);
        if (!byWideTiles) scoreBlock<E>(at, keys, columns, keyScales, numbers, scores);
        hideTokens(scores, t0, base, window, count);
        hideTokens(scores + TOKENS * 4, start + min(row + 1, lastRow) / perGroup, base, window, count);
        hideTokens(scores + TOKENS * 8, start + min(row + 2, lastRow) / perGroup, base, window, count);
        hideTokens(scores + TOKENS * 12, t3, base, window, count);
        if (isFloat<E>()) weighFloats(scores, weights, numbers);
        else weighIntegers(scores, valueScales, weights, numbers);
        if (!byWideTiles) addValues<E>(at + totalsOffset<E>(columns), keys + part, columns, weights, numbers);
      }
      if (byWideTiles) {
        addValuesWide<E>(first, seeing, keys + part, columns, first + numbersOffset<E>(columns), rank);
      }
    }
    for (let row = firstRow; row < unitEnd; row++) {
      const i = row - firstRow, inTile = <usize>(i % ATTENTION_ROWS);
      const at = scratch + <usize>(i / ATTENTION_ROWS) * tileBytes<E>(columns);
      const from = at + totalsOffset<E>(columns) + inTile * totalStride<E>(columns);
      const to = output + <usize>(row / perGroup) * outputStride + <usize>(kvHead * perGroup + row % perGroup) * rowBytes;
      const inverse: f32 = 1 / load<f32>(at + numbersOffset<E>(columns) + inTile * 4, SUMS);
      const inverses = f32x4.splat(inverse);
      for (let d: usize = 0; d < <usize>headSize; d += 4) {
        storeLanes(to + d * 4, f32x4.mul(v128.load(from + totalPlace<E>(d)), inverses), headSize - <i32>d);
      }
    }
  }
}
