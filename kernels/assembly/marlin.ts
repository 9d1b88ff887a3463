/**
 * Marlin's order of codes and scales against GPTQ's and ours.
 *
 * Marlin cuts the matrix into tiles of 16 inputs × 64 outputs. In a tile, word (t, b) belongs to thread t = 4c + i of 32 and
 * to block b of 16 outputs; it holds inputs 2i, 2i + 8, 2i + 1, 2i + 9 of outputs c and, with 4-bit codes, c + 8. With
 * 8-bit codes, c + 8 has a word of its own right behind. So the four words i = 0 … 3 of one c hold 16 inputs of one output
 * (or two), and reading them crosswise, byte i of plane p from byte p of word i, gives
 *
 *   plane   4-bit codes, low and high four bits    8-bit codes
 *     0     inputs 2i and 2i + 8 of output c       input 2i
 *     1     inputs 2i and 2i + 8 of output c + 8   input 2i + 8
 *     2     inputs 2i + 1, 2i + 9 of output c      input 2i + 1
 *     3     inputs 2i + 1, 2i + 9 of output c + 8  input 2i + 9
 *
 * Everything below moves four neighbouring outputs at once, their planes in the lanes of four vectors.
 *
 * Source: https://github.com/IST-DASLab/marlin/blob/2f6d7c1/marlin/__init__.py, `_get_perms`.
 * Independent twin: tests/reference/marlin.ts.
 */
import { bytesOf, firstPairs, isNonFinite, lastPairs, load1, shareBegin } from "./vector";
import { reportNonFinite } from "./pack";

/** One tile: 16 inputs × 64 outputs. */
const TILE_INPUTS_BITS = 4;
const TILE_OUTPUTS_BITS = 6;
/** Bytes of a tile, of the words of one c, and of the words (c, i), for each bit of a code. */
const TILE_BYTES: usize = 128;
const COLUMN_BYTES: usize = 16;
const WORD_STEP: usize = 4;

/** Bytes 4a + b ↔ 4b + a: words to planes and back. */
// @ts-ignore: decorator
@inline
function crossed(v: v128): v128 {
  return v128.shuffle<u8>(v, v, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

/** Lanes 0 and 1 of a and b, alternating: half of a transposition of four vectors. */
// @ts-ignore: decorator
@inline
function lowLanes(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 0, 4, 1, 5);
}

// @ts-ignore: decorator
@inline
function highLanes(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 2, 6, 3, 7);
}

// @ts-ignore: decorator
@inline
function lowHalves(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 0, 2);
}

// @ts-ignore: decorator
@inline
function highHalves(a: v128, b: v128): v128 {
  return v128.shuffle<u64>(a, b, 1, 3);
}

/** The words i = 0 … 3 of one c as planes in lanes. */
// @ts-ignore: decorator
@inline
function loadColumn(from: usize, step: usize): v128 {
  let words = v128.load32_zero(from);
  words = v128.load32_lane(from + step, words, 1);
  words = v128.load32_lane(from + 2 * step, words, 2);
  words = v128.load32_lane(from + 3 * step, words, 3);
  return crossed(words);
}

// @ts-ignore: decorator
@inline
function storeColumn(to: usize, step: usize, planes: v128): void {
  const words = crossed(planes);
  v128.store32_lane(to, words, 0);
  v128.store32_lane(to + step, words, 1);
  v128.store32_lane(to + 2 * step, words, 2);
  v128.store32_lane(to + 3 * step, words, 3);
}

/** Writes the planes of four outputs to the words of c … c + 3. */
// @ts-ignore: decorator
@inline
function storePlanes(to: usize, bits: i32, plane0: v128, plane1: v128, plane2: v128, plane3: v128): void {
  const step = WORD_STEP * bits, column = COLUMN_BYTES * bits;
  const low01 = lowLanes(plane0, plane1), low23 = lowLanes(plane2, plane3);
  const high01 = highLanes(plane0, plane1), high23 = highLanes(plane2, plane3);
  storeColumn(to, step, lowHalves(low01, low23));
  storeColumn(to + column, step, highHalves(low01, low23));
  storeColumn(to + 2 * column, step, lowHalves(high01, high23));
  storeColumn(to + 3 * column, step, highHalves(high01, high23));
}

/**
 * Row `row` of GPTQ words, four outputs from byte `column` on; with `order`, the words that this row would have if stored
 * input order[k] lay at k.
 */
// @ts-ignore: decorator
@inline
function storedWords(source: usize, order: usize, row: i32, column: usize, rowBytes: usize, bits: i32): v128 {
  if (!order) return v128.load(source + <usize>row * rowBytes + column);
  const inWord = bits == 4 ? 3 : 2, mask = i32x4.splat((1 << bits) - 1);
  let words = i32x4.splat(0);
  for (let j = 0; j < 1 << inWord; j++) {
    const input = load<i32>(order + <usize>((row << inWord) + j) * 4);
    const stored = v128.load(source + <usize>(input >> inWord) * rowBytes + column);
    const codes = v128.and(i32x4.shr_u(stored, (input & (1 << inWord) - 1) * bits), mask);
    words = v128.or(words, i32x4.shl(codes, j * bits));
  }
  return words;
}

/**
 * GPTQ words u32 [K · bits / 32, N] → Marlin words u32 [K/16, N · bits / 2]. `order` i32 [K] names the stored input of each
 * row of the result, or 0 for the stored order. K % 16 == 0, N % 64 == 0.
 */
export function gptqToMarlin(
  source: usize, order: usize, marlin: usize, inputs: i32, outputs: i32, bits: i32, rank: i32, size: i32,
): void {
  const tilesDown = inputs >> TILE_INPUTS_BITS;
  const end = shareBegin(tilesDown, rank + 1, size);
  for (let down = shareBegin(tilesDown, rank, size); down < end; down++) {
    if (bits == 4) packRow4(source, order, marlin, down, outputs);
    else packRow8(source, order, marlin, down, outputs);
  }
}

/** One row of tiles, 4-bit. */
function packRow4(source: usize, order: usize, marlin: usize, down: i32, outputs: i32): void {
  const rowBytes = <usize>outputs * 4, low = i32x4.splat(0x0f0f0f0f);
  const tilesAcross = outputs >> TILE_OUTPUTS_BITS, row = down * 2;
  for (let across = 0; across < tilesAcross; across++) {
    const tile = marlin + (<usize>down * <usize>tilesAcross + <usize>across) * TILE_BYTES * 4;
    for (let block = 0; block < 4; block++) {
      for (let c = 0; c < 8; c += 4) {
        const left = <usize>(across * 64 + block * 16 + c) * 4, right = left + 32;
        const upperLeft = storedWords(source, order, row, left, rowBytes, 4);
        const lowerLeft = storedWords(source, order, row + 1, left, rowBytes, 4);
        const upperRight = storedWords(source, order, row, right, rowBytes, 4);
        const lowerRight = storedWords(source, order, row + 1, right, rowBytes, 4);
        storePlanes(
          tile + <usize>c * COLUMN_BYTES * 4 + <usize>block * 4, 4,
          v128.bitselect(upperLeft, i32x4.shl(lowerLeft, 4), low),
          v128.bitselect(upperRight, i32x4.shl(lowerRight, 4), low),
          v128.bitselect(i32x4.shr_u(upperLeft, 4), lowerLeft, low),
          v128.bitselect(i32x4.shr_u(upperRight, 4), lowerRight, low),
        );
      }
    }
  }
}

/** Bytes 0 and 2 of each lane of a, then of b. */
// @ts-ignore: decorator
@inline
function evenBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30);
}

// @ts-ignore: decorator
@inline
function oddBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
}

/** One row of tiles, 8-bit. */
function packRow8(source: usize, order: usize, marlin: usize, down: i32, outputs: i32): void {
  const rowBytes = <usize>outputs * 4;
  const tilesAcross = outputs >> TILE_OUTPUTS_BITS, row = down * 4;
  for (let across = 0; across < tilesAcross; across++) {
    const tile = marlin + (<usize>down * <usize>tilesAcross + <usize>across) * TILE_BYTES * 8;
    for (let panel = 0; panel < 8; panel++) {
      for (let c = 0; c < 8; c += 4) {
        const column = <usize>(across * 64 + panel * 8 + c) * 4;
        const first = storedWords(source, order, row, column, rowBytes, 8);
        const second = storedWords(source, order, row + 1, column, rowBytes, 8);
        const third = storedWords(source, order, row + 2, column, rowBytes, 8);
        const fourth = storedWords(source, order, row + 3, column, rowBytes, 8);
        storePlanes(
          tile + <usize>c * COLUMN_BYTES * 8 + <usize>panel * 4, 8,
          evenBytes(first, second), evenBytes(third, fourth), oddBytes(first, second), oddBytes(third, fourth),
        );
      }
    }
  }
}

/**
 * Marlin words u32 [K/16, N · bits / 2] → GPTQ words u32 [K · bits / 32, N]. `order` i32 [K] names the Marlin row of each
 * stored input (the inverse of gptqToMarlin's), or 0.
 */
export function marlinToGptq(
  marlin: usize, order: usize, target: usize, inputs: i32, outputs: i32, bits: i32, rank: i32, size: i32,
): void {
  const row = <usize>outputs * 4;
  if (order) {
    gatherCodes(marlin, order, target, inputs, outputs, bits, 32, row * <usize>(bits >> 2), row, false, rank, size);
    return;
  }
  const tilesDown = inputs >> TILE_INPUTS_BITS, tilesAcross = outputs >> TILE_OUTPUTS_BITS;
  const end = shareBegin(tilesDown, rank + 1, size);
  // Along the stored rows: two (or four) of them are written from end to end.
  for (let down = shareBegin(tilesDown, rank, size); down < end; down++) {
    for (let across = 0; across < tilesAcross; across++) {
      const tile = marlin + (<usize>down * <usize>tilesAcross + <usize>across) * TILE_BYTES * bits;
      const to = target + <usize>down * row * <usize>(bits >> 1) + <usize>across * 256;
      if (bits == 4) unpackTile4(tile, to, 32, row);
      else unpackTile8(tile, to, 32, 2 * row, row, false);
    }
  }
}

/**
 * Marlin words → our panels, 4-bit u32 [N/8, K/8, 8] or 8-bit u8 [N/8, K/8, 64]; see packInt4 and packInt8Gathered.
 * `order` as in marlinToGptq.
 */
export function marlinToPanels(
  marlin: usize, order: usize, weights: usize, inputs: i32, outputs: i32, bits: i32, rank: i32, size: i32,
): void {
  const block = <usize>bits * 8, panel = block * <usize>(inputs >> 3);
  if (order) {
    gatherCodes(marlin, order, weights, inputs, outputs, bits, panel, block, 32, true, rank, size);
    return;
  }
  const tilesDown = inputs >> TILE_INPUTS_BITS, tilesAcross = outputs >> TILE_OUTPUTS_BITS;
  const end = shareBegin(tilesAcross, rank + 1, size);
  // Down the panels: eight of them are written from end to end.
  for (let across = shareBegin(tilesAcross, rank, size); across < end; across++) {
    for (let down = 0; down < tilesDown; down++) {
      const tile = marlin + (<usize>down * <usize>tilesAcross + <usize>across) * TILE_BYTES * bits;
      const to = weights + <usize>across * 8 * panel + <usize>down * 2 * block;
      if (bits == 4) unpackTile4(tile, to, panel, block);
      else unpackTile8(tile, to, panel, block, 32, true);
    }
  }
}

/** One 4-bit tile → words of eight inputs, `panelBytes` from eight outputs to the next, `blockBytes` from eight inputs. */
function unpackTile4(tile: usize, to: usize, panelBytes: usize, blockBytes: usize): void {
  const step = WORD_STEP * 4, column = COLUMN_BYTES * 4, low = i32x4.splat(0x0f0f0f0f);
  for (let block: usize = 0; block < 4; block++) {
    for (let c: usize = 0; c < 8; c += 4) {
      const from = tile + c * column + block * 4;
      const first = loadColumn(from, step), second = loadColumn(from + column, step);
      const third = loadColumn(from + 2 * column, step), fourth = loadColumn(from + 3 * column, step);
      const low12 = lowLanes(first, second), low34 = lowLanes(third, fourth);
      const high12 = highLanes(first, second), high34 = highLanes(third, fourth);
      const evenLeft = lowHalves(low12, low34), evenRight = highHalves(low12, low34);
      const oddLeft = lowHalves(high12, high34), oddRight = highHalves(high12, high34);
      const left = to + block * 2 * panelBytes + c * 4, right = left + panelBytes;
      v128.store(left, v128.bitselect(evenLeft, i32x4.shl(oddLeft, 4), low));
      v128.store(left + blockBytes, v128.bitselect(i32x4.shr_u(evenLeft, 4), oddLeft, low));
      v128.store(right, v128.bitselect(evenRight, i32x4.shl(oddRight, 4), low));
      v128.store(right + blockBytes, v128.bitselect(i32x4.shr_u(evenRight, 4), oddRight, low));
    }
  }
}

/** Bytes 0 and 1 of each lane of a and b, alternating. */
// @ts-ignore: decorator
@inline
function lowBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
}

// @ts-ignore: decorator
@inline
function highBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}

/**
 * As unpackTile4 for 8-bit codes. Eight inputs are two words, `halfBytes` apart: the first and the last four, or (`isPanel`) the
 * pairs of our panels.
 */
function unpackTile8(
  tile: usize, to: usize, panelBytes: usize, blockBytes: usize, halfBytes: usize, isPanel: bool,
): void {
  const step = WORD_STEP * 8, column = COLUMN_BYTES * 8;
  for (let panel: usize = 0; panel < 8; panel++) {
    for (let c: usize = 0; c < 8; c += 4) {
      const from = tile + c * column + panel * 4;
      const first = loadColumn(from, step), second = loadColumn(from + column, step);
      const third = loadColumn(from + 2 * column, step), fourth = loadColumn(from + 3 * column, step);
      const low12 = lowLanes(first, second), low34 = lowLanes(third, fourth);
      const high12 = highLanes(first, second), high34 = highLanes(third, fourth);
      const upperEven = lowHalves(low12, low34), lowerEven = highHalves(low12, low34);
      const upperOdd = lowHalves(high12, high34), lowerOdd = highHalves(high12, high34);
      const upper = to + panel * panelBytes + c * 4, lower = upper + blockBytes;
      storeWords8(upper, halfBytes, lowBytes(upperEven, upperOdd), highBytes(upperEven, upperOdd), isPanel);
      storeWords8(lower, halfBytes, lowBytes(lowerEven, lowerOdd), highBytes(lowerEven, lowerOdd), isPanel);
    }
  }
}

/** Words of the first and the last four of eight inputs, of four outputs, as they are or in the pairs of our panels. */
// @ts-ignore: decorator
@inline
function storeWords8(to: usize, halfBytes: usize, first: v128, last: v128, isPanel: bool): void {
  v128.store(to, isPanel ? firstPairs(first, last) : first);
  v128.store(to + halfBytes, isPanel ? lastPairs(first, last) : last);
}

/** As the tiles above, with the inputs in another order: each comes from a Marlin row of its own. */
function gatherCodes(
  marlin: usize, order: usize, target: usize, inputs: i32, outputs: i32, bits: i32,
  panelBytes: usize, blockBytes: usize, halfBytes: usize, isPanel: bool, rank: i32, size: i32,
): void {
  const panels = outputs >> 3, blocks = inputs >> 3, mask = i32x4.splat((1 << bits) - 1);
  const tileBytes = TILE_BYTES * bits, rowBytes = <usize>(outputs >> TILE_OUTPUTS_BITS) * tileBytes;
  const column = COLUMN_BYTES * bits, step = WORD_STEP * bits;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    const inTile = panel & 7, isRight = inTile & 1;
    const words = marlin + <usize>(panel >> 3) * tileBytes + <usize>(bits == 4 ? inTile >> 1 : inTile) * 4;
    for (let block = 0; block < blocks; block++) {
      const to = target + <usize>panel * panelBytes + <usize>block * blockBytes;
      for (let c: usize = 0; c < 8; c += 4) {
        let first = i32x4.splat(0), second = i32x4.splat(0);
        for (let j = 0; j < 8; j++) {
          const row = load<i32>(order + <usize>(block * 8 + j) * 4), inRow = row & 15;
          const isOdd = inRow & 1, isLower = inRow >> 3;
          const from = words + <usize>(row >> TILE_INPUTS_BITS) * rowBytes + c * column + <usize>((inRow & 7) >> 1) * step;
          let codes = v128.load32_zero(from);
          codes = v128.load32_lane(from + column, codes, 1);
          codes = v128.load32_lane(from + 2 * column, codes, 2);
          codes = v128.load32_lane(from + 3 * column, codes, 3);
          if (bits == 4) {
            codes = v128.and(i32x4.shr_u(codes, 16 * isOdd + 8 * isRight + 4 * isLower), mask);
            first = v128.or(first, i32x4.shl(codes, 4 * j));
            continue;
          }
          codes = v128.and(i32x4.shr_u(codes, 16 * isOdd + 8 * isLower), mask);
          codes = i32x4.shl(codes, 8 * (j & 3));
          if (j >> 2) second = v128.or(second, codes);
          else first = v128.or(first, codes);
        }
        if (bits == 8) storeWords8(to + c * 4, halfBytes, first, second, isPanel);
        else v128.store(to + c * 4, first);
      }
    }
  }
}

/**
 * Where Marlin keeps the scale of output n: within 64 outputs an 8 × 8 transpose, or where one group spans all inputs, within
 * 32 outputs a 4 × 4 transpose of pairs. Both are their own inverses.
 */
// @ts-ignore: decorator
@inline
function scalePlace(n: i32, isSingle: i32): i32 {
  return isSingle
    ? (n & ~31) + 2 * ((n & 31) >> 3) + (n & 1) + 8 * ((n & 7) >> 1)
    : (n & ~63) + ((n & 63) >> 3) + 8 * (n & 7);
}

/** Scales of 16 bits [count] in Marlin's order, or back. `count` % 64 == 0, with one group % 32 == 0. */
export function marlinPermuteScales(
  source: usize, target: usize, count: i32, isSingle: i32, rank: i32, size: i32,
): void {
  const end = shareBegin(count, rank + 1, size);
  for (let i = shareBegin(count, rank, size); i < end; i++) {
    store<u16>(target + <usize>i * 2, load<u16>(source + <usize>scalePlace(i, isSingle) * 2));
  }
}

/** As packScales, from scales in Marlin's order. */
export function packMarlinScales(
  source: usize, kind: i32, scales: usize, outputs: i32, groups: i32, split: i32, isSingle: i32, rank: i32, size: i32,
): void {
  const panels = outputs >> 3, bytes = bytesOf(kind);
  let nonFinite = 0;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let g = 0; g < groups; g++) {
      const to = scales + (<usize>panel * <usize>groups + <usize>g) * 32;
      const row = source + <usize>(g / split) * <usize>outputs * bytes;
      for (let n = 0; n < 8; n++) {
        const from = row + <usize>scalePlace(panel * 8 + n, isSingle) * bytes;
        if (isNonFinite(from, kind)) nonFinite++;
        store<f32>(to + <usize>n * 4, load1(from, kind));
      }
    }
  }
  reportNonFinite(nonFinite);
}

/** GPTQ words u32 [K · bits / 32, N] → codes u8 [K, N]. */
export function unpackCodes(
  source: usize, codes: usize, inputs: i32, outputs: i32, bits: i32, rank: i32, size: i32,
): void {
  const perWord = 32 / bits, rows = inputs / perWord, mask: u32 = (1 << bits) - 1, mask4 = i32x4.splat(mask);
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const words = source + <usize>row * <usize>outputs * 4;
    for (let j = 0; j < perWord; j++) {
      const to = codes + (<usize>row * <usize>perWord + <usize>j) * <usize>outputs, shift = j * bits;
      let n: usize = 0;
      for (; n + 16 <= <usize>outputs; n += 16) {
        const from = words + n * 4;
        const first = v128.and(i32x4.shr_u(v128.load(from), shift), mask4);
        const second = v128.and(i32x4.shr_u(v128.load(from, 16), shift), mask4);
        const third = v128.and(i32x4.shr_u(v128.load(from, 32), shift), mask4);
        const fourth = v128.and(i32x4.shr_u(v128.load(from, 48), shift), mask4);
        const left = i16x8.narrow_i32x4_u(first, second), right = i16x8.narrow_i32x4_u(third, fourth);
        v128.store(to + n, i8x16.narrow_i16x8_u(left, right));
      }
      for (; n < <usize>outputs; n++) store<u8>(to + n, <u8>(load<u32>(words + n * 4) >> shift & mask));
    }
  }
}
