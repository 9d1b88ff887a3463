/**
 * Marlin's order of codes and scales against GPTQ's and ours.
 *
 * Marlin cuts the matrix into tiles of 16 inputs × 64 outputs. In a tile, word (t, b) belongs to thread t = 4c + i of 32 and
 * to block b of 16 outputs; it holds inputs 2i, 2i + 8, 2i + 1, 2i + 9 of outputs c and, with 4-bit codes, c + 8. With
 * 8-bit codes, c + 8 has a word of its own right after. So the four words i = 0 … 3 of one c hold 16 inputs of one output
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
import { storePairs } from "../places";
import { shareBegin } from "../share";
import { firstHalves, firstInTurn, highFields, lastHalves, lastInTurn, lowFields } from "../vector";

/** One tile: 16 inputs × 64 outputs. */
const TILE_INPUTS_BITS = 4;
const TILE_OUTPUTS_BITS = 6;
/**
 * Bytes of a tile, from the words of one c to the next, and from word (c, i) to (c, i + 1), for each bit of a code. Functions that are
 * made for codes of one size have a type parameter `B` of as many bytes as a code has bits: u32 or u64.
 */
const TILE_BYTES: usize = 128;
const COLUMN_BYTES: usize = 16;
const WORD_BYTES: usize = 4;

/** Bytes 4a + b ↔ 4b + a: words to planes and back. */
// @ts-ignore: decorator
@inline
function crossed(v: v128): v128 {
  return v128.shuffle<u8>(v, v, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}

/** The words i = 0 … 3 of one c as planes in lanes. */
// @ts-ignore: decorator
@inline
function loadColumn<B>(from: usize): v128 {
  const step = WORD_BYTES * sizeof<B>();
  let words = v128.load32_zero(from);
  words = v128.load32_lane(from + step, words, 1);
  words = v128.load32_lane(from + 2 * step, words, 2);
  words = v128.load32_lane(from + 3 * step, words, 3);
  return crossed(words);
}

// @ts-ignore: decorator
@inline
function storeColumn<B>(to: usize, planes: v128): void {
  const step = WORD_BYTES * sizeof<B>();
  const words = crossed(planes);
  v128.store32_lane(to, words, 0);
  v128.store32_lane(to + step, words, 1);
  v128.store32_lane(to + 2 * step, words, 2);
  v128.store32_lane(to + 3 * step, words, 3);
}

/** Writes the planes of four outputs to the words of c … c + 3. */
// @ts-ignore: decorator
@inline
function storePlanes<B>(to: usize, plane0: v128, plane1: v128, plane2: v128, plane3: v128): void {
  const column = COLUMN_BYTES * sizeof<B>();
  const first01 = firstInTurn(plane0, plane1), first23 = firstInTurn(plane2, plane3);
  const last01 = lastInTurn(plane0, plane1), last23 = lastInTurn(plane2, plane3);
  storeColumn<B>(to, firstHalves(first01, first23));
  storeColumn<B>(to + column, lastHalves(first01, first23));
  storeColumn<B>(to + 2 * column, firstHalves(last01, last23));
  storeColumn<B>(to + 3 * column, lastHalves(last01, last23));
}

/**
 * Row `row` of GPTQ words, four outputs from byte `column` on; with `order`, the words that this row would have if stored
 * input order[k] lay at k.
 */
// @ts-ignore: decorator
@inline
function storedWords<B>(source: usize, order: usize, row: i32, column: usize, rowBytes: usize): v128 {
  const bits = <i32>sizeof<B>();
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
 * GPTQ words → Marlin words. K % 16 == 0, N % 64 == 0.
 *   source  u32 [K · bits / 32, N]
 *   order   i32 [K]: the stored input of each row of the result, or 0 for the stored order
 *   marlin  u32 [K/16, N · bits / 2]
 */
export function gptqToMarlin(
  source: usize, order: usize, inputs: i32, outputs: i32, bits: i32, marlin: usize, rank: i32, size: i32,
): void {
  if (bits == 4) packTiles<u32>(source, order, inputs, outputs, marlin, rank, size);
  else packTiles<u64>(source, order, inputs, outputs, marlin, rank, size);
}

function packTiles<B>(
  source: usize, order: usize, inputs: i32, outputs: i32, marlin: usize, rank: i32, size: i32,
): void {
  const parts = <i32>sizeof<B>(), tileBytes = TILE_BYTES * sizeof<B>(), rowBytes = <usize>outputs * 4;
  const tilesDown = inputs >> TILE_INPUTS_BITS, tilesAcross = outputs >> TILE_OUTPUTS_BITS;
  const end = shareBegin(tilesDown, rank + 1, size);
  for (let down = shareBegin(tilesDown, rank, size); down < end; down++) {
    for (let across = 0; across < tilesAcross; across++) {
      const tile = marlin + (<usize>down * <usize>tilesAcross + <usize>across) * tileBytes;
      // Four blocks of 16 outputs with 4 bits, eight panels of 8 with 8 bits.
      for (let part = 0; part < parts; part++) {
        for (let c = 0; c < 8; c += 4) {
          const to = tile + <usize>c * COLUMN_BYTES * sizeof<B>() + <usize>part * 4;
          const column = <usize>(across * 64 + part * (64 / parts) + c) * 4;
          if (sizeof<B>() == 4) packFour4(source, order, down * 2, column, rowBytes, to);
          else packFour8(source, order, down * 4, column, rowBytes, to);
        }
      }
    }
  }
}

/** 16 inputs of outputs c … c + 3 and c + 8 … c + 11, 4-bit: two rows of words. */
// @ts-ignore: decorator
@inline
function packFour4(source: usize, order: usize, row: i32, left: usize, rowBytes: usize, to: usize): void {
  const low = i32x4.splat(0x0f0f0f0f), right = left + 32;
  const upperLeft = storedWords<u32>(source, order, row, left, rowBytes);
  const lowerLeft = storedWords<u32>(source, order, row + 1, left, rowBytes);
  const upperRight = storedWords<u32>(source, order, row, right, rowBytes);
  const lowerRight = storedWords<u32>(source, order, row + 1, right, rowBytes);
  storePlanes<u32>(
    to, lowFields(upperLeft, lowerLeft, 4, low), lowFields(upperRight, lowerRight, 4, low),
    highFields(upperLeft, lowerLeft, 4, low), highFields(upperRight, lowerRight, 4, low),
  );
}

/** 16 inputs of outputs c … c + 3, 8-bit: four rows of words. */
// @ts-ignore: decorator
@inline
function packFour8(source: usize, order: usize, row: i32, column: usize, rowBytes: usize, to: usize): void {
  const first = storedWords<u64>(source, order, row, column, rowBytes);
  const second = storedWords<u64>(source, order, row + 1, column, rowBytes);
  const third = storedWords<u64>(source, order, row + 2, column, rowBytes);
  const fourth = storedWords<u64>(source, order, row + 3, column, rowBytes);
  storePlanes<u64>(to, evenBytes(first, second), evenBytes(third, fourth), oddBytes(first, second), oddBytes(third, fourth));
}

/** Bytes 0 and 2 of each lane of a, then of b. */
// @ts-ignore: decorator
@inline
function evenBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30);
}

/** Bytes 1 and 3. */
// @ts-ignore: decorator
@inline
function oddBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
}

/**
 * Marlin words → GPTQ words.
 *   marlin  u32 [K/16, N · bits / 2]
 *   order   i32 [K]: the Marlin row of each stored input (the inverse of gptqToMarlin's), or 0
 *   target  u32 [K · bits / 32, N]
 */
export function marlinToGptq(
  marlin: usize, order: usize, inputs: i32, outputs: i32, bits: i32, target: usize, rank: i32, size: i32,
): void {
  // A block of eight inputs is one row of words, or two.
  const row = <usize>outputs * 4, block = row * <usize>(bits >> 2);
  if (order) {
    gatherCodes(marlin, order, target, inputs, outputs, bits, 32, block, row, false, rank, size);
    return;
  }
  const tilesDown = inputs >> TILE_INPUTS_BITS, tilesAcross = outputs >> TILE_OUTPUTS_BITS;
  const end = shareBegin(tilesDown, rank + 1, size);
  // Along the stored rows: two (or four) of them are written from end to end.
  for (let down = shareBegin(tilesDown, rank, size); down < end; down++) {
    for (let across = 0; across < tilesAcross; across++) {
      const tile = marlin + (<usize>down * <usize>tilesAcross + <usize>across) * TILE_BYTES * bits;
      const to = target + <usize>down * 2 * block + <usize>across * 256;
      if (bits == 4) unpackTile<u32>(tile, to, 32, block, row, false);
      else unpackTile<u64>(tile, to, 32, block, row, false);
    }
  }
}

/**
 * Marlin words → panels.
 *   marlin   u32 [K/16, N · bits / 2]
 *   order    as in marlinToGptq
 *   weights  4-bit u32 [N/8, K/8, 8] or 8-bit u8 [N/8, K/8, 64]; see packInt4 and packInt8Gathered
 */
export function marlinToPanels(
  marlin: usize, order: usize, inputs: i32, outputs: i32, bits: i32, weights: usize, rank: i32, size: i32,
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
      if (bits == 4) unpackTile<u32>(tile, to, panel, block, 32, true);
      else unpackTile<u64>(tile, to, panel, block, 32, true);
    }
  }
}

/**
 * One tile → words of codes along the inputs, `panelBytes` from eight outputs to the next, `blockBytes` from eight inputs. With
 * 8-bit codes, eight inputs are two words, `halfBytes` apart: the first and the last four, or (`isPanel`) the pairs of our panels.
 */
function unpackTile<B>(
  tile: usize, to: usize, panelBytes: usize, blockBytes: usize, halfBytes: usize, isPanel: bool,
): void {
  const column = COLUMN_BYTES * sizeof<B>(), low = i32x4.splat(0x0f0f0f0f);
  for (let part: usize = 0; part < sizeof<B>(); part++) {
    for (let c: usize = 0; c < 8; c += 4) {
      const from = tile + c * column + part * 4;
      const first = loadColumn<B>(from), second = loadColumn<B>(from + column);
      const third = loadColumn<B>(from + 2 * column), fourth = loadColumn<B>(from + 3 * column);
      const first12 = firstInTurn(first, second), first34 = firstInTurn(third, fourth);
      const last12 = lastInTurn(first, second), last34 = lastInTurn(third, fourth);
      const plane0 = firstHalves(first12, first34), plane1 = lastHalves(first12, first34);
      const plane2 = firstHalves(last12, last34), plane3 = lastHalves(last12, last34);
      if (sizeof<B>() == 4) {
        const left = to + part * 2 * panelBytes + c * 4, right = left + panelBytes;
        v128.store(left, lowFields(plane0, plane2, 4, low));
        v128.store(left + blockBytes, highFields(plane0, plane2, 4, low));
        v128.store(right, lowFields(plane1, plane3, 4, low));
        v128.store(right + blockBytes, highFields(plane1, plane3, 4, low));
      } else {
        const upper = to + part * panelBytes + c * 4, lower = upper + blockBytes;
        storeWords8(upper, halfBytes, lowBytes(plane0, plane2), highBytes(plane0, plane2), isPanel);
        storeWords8(lower, halfBytes, lowBytes(plane1, plane3), highBytes(plane1, plane3), isPanel);
      }
    }
  }
}

/** Bytes 0 and 1 of each lane of a and b, alternating. */
// @ts-ignore: decorator
@inline
function lowBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
}

/** Bytes 2 and 3. */
// @ts-ignore: decorator
@inline
function highBytes(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
}

/** Words of the first and the last four of eight inputs, of four outputs, as they are or in the pairs of our panels. */
// @ts-ignore: decorator
@inline
function storeWords8(to: usize, halfBytes: usize, first: v128, last: v128, isPanel: bool): void {
  if (isPanel) {
    storePairs(to, first, last);
    return;
  }
  v128.store(to, first);
  v128.store(to + halfBytes, last);
}

/** As unpackTile for a whole matrix, with the inputs in another order: each comes from a Marlin row of its own. */
function gatherCodes(
  marlin: usize, order: usize, target: usize, inputs: i32, outputs: i32, bits: i32,
  panelBytes: usize, blockBytes: usize, halfBytes: usize, isPanel: bool, rank: i32, size: i32,
): void {
  const panels = outputs >> 3, blocks = inputs >> 3, mask = i32x4.splat((1 << bits) - 1);
  const tileBytes = TILE_BYTES * bits, rowBytes = <usize>(outputs >> TILE_OUTPUTS_BITS) * tileBytes;
  const column = COLUMN_BYTES * bits, step = WORD_BYTES * bits;
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

/**
 * Scales into Marlin's order, or back.
 *   source, target  16 bits [count], whole rows of the outputs: count % 64 == 0, with one group % 32 == 0; may be the same
 */
export function marlinPermuteScales(
  source: usize, count: i32, isSingle: i32, target: usize, rank: i32, size: i32,
): void {
  const block = isSingle ? 32 : 64, blocks = count / block;
  const end = shareBegin(blocks, rank + 1, size) * block;
  for (let i = shareBegin(blocks, rank, size) * block; i < end; i++) {
    const place = scalePlace(i, isSingle);
    if (place < i) continue;
    const first = load<u16>(source + <usize>i * 2), last = load<u16>(source + <usize>place * 2);
    store<u16>(target + <usize>i * 2, last);
    store<u16>(target + <usize>place * 2, first);
  }
}

/**
 * GPTQ words → codes, one a byte.
 *   source  u32 [K · bits / 32, N]
 *   codes   u8 [K, N]
 */
export function unpackCodes(
  source: usize, inputs: i32, outputs: i32, bits: i32, codes: usize, rank: i32, size: i32,
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
