/**
 * Unquantised matrices and vectors. Rows may come in windows that begin with a whole panel, so that a file never lies in memory
 * a second time. Non-finite values are counted at RESULT_ADDRESS.
 */
import { KIND_F32, KIND_INT4, KIND_INT7, KIND_INT8 } from "../../shared/layout";
import {
  bytesOf, infinityPattern, isNonFinite, largestPattern, load1, load4, magnitudeOf, storeRounded, toHalfUp,
} from "../floats";
import { int7Place, int8Place, joinNibbles } from "../places";
import { shareBegin } from "../share";
import { roundScaled } from "../vector";
import { reportNonFinite } from "./non_finite";

/**
 * Rows of a matrix → panels of the same type.
 *   source   f32, f16 or bf16 [rowCount, K]: rows `panelBegin` · 8 … of [N, K]
 *   weights  the same type [N/8, K, 8], 0 beyond the last row
 */
export function packDense(
  source: usize, sourceType: i32, rowCount: i32, inputs: i32, panelBegin: i32, weights: usize, rank: i32, size: i32,
): void {
  const panels = (rowCount + 7) >> 3, bytes = bytesOf(sourceType);
  let nonFinite = 0;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    const to = weights + <usize>(panelBegin + panel) * <usize>inputs * 8 * bytes;
    // Whole blocks of eight rows and eight inputs of 16 bits, as long as all values are finite.
    let done = 0;
    if (bytes == 2 && panel * 8 + 8 <= rowCount) {
      const from = source + <usize>(panel * 8) * <usize>inputs * 2;
      while (done + 8 <= inputs) {
        if (!transposeBlock(from + <usize>done * 2, <usize>inputs * 2, to + <usize>done * 16, sourceType)) break;
        done += 8;
      }
    }
    for (let n = 0; n < 8; n++) {
      const row = panel * 8 + n;
      const from = source + <usize>row * <usize>inputs * bytes;
      for (let k = done; k < inputs; k++) {
        const at = to + (<usize>k * 8 + <usize>n) * bytes;
        if (row >= rowCount) {
          if (sourceType == KIND_F32) store<u32>(at, 0);
          else store<u16>(at, 0);
          continue;
        }
        const value = from + <usize>k * bytes;
        if (isNonFinite(value, sourceType)) nonFinite++;
        if (sourceType == KIND_F32) store<u32>(at, load<u32>(value));
        else store<u16>(at, load<u16>(value));
      }
    }
  }
  reportNonFinite(nonFinite);
}

/**
 * Eight rows of eight 16-bit values → eight columns, 128 neighbouring bytes. Writes nothing and returns false when a value is not
 * finite.
 */
// @ts-ignore: decorator
@inline
function transposeBlock(from: usize, rowBytes: usize, to: usize, type: i32): bool {
  const r0 = v128.load(from), r1 = v128.load(from + rowBytes);
  const r2 = v128.load(from + 2 * rowBytes), r3 = v128.load(from + 3 * rowBytes);
  const r4 = v128.load(from + 4 * rowBytes), r5 = v128.load(from + 5 * rowBytes);
  const r6 = v128.load(from + 6 * rowBytes), r7 = v128.load(from + 7 * rowBytes);
  const infinity = i16x8.splat(<i16>(infinityPattern(type) >>> 16));
  let bad = v128.or(i16x8.eq(v128.and(r0, infinity), infinity), i16x8.eq(v128.and(r1, infinity), infinity));
  bad = v128.or(bad, v128.or(i16x8.eq(v128.and(r2, infinity), infinity), i16x8.eq(v128.and(r3, infinity), infinity)));
  bad = v128.or(bad, v128.or(i16x8.eq(v128.and(r4, infinity), infinity), i16x8.eq(v128.and(r5, infinity), infinity)));
  bad = v128.or(bad, v128.or(i16x8.eq(v128.and(r6, infinity), infinity), i16x8.eq(v128.and(r7, infinity), infinity)));
  if (v128.any_true(bad)) return false;
  // Rows 0 and 4, 2 and 6, … in turn, then pairs of pairs.
  const a0 = low16(r0, r4), a1 = high16(r0, r4), b0 = low16(r1, r5), b1 = high16(r1, r5);
  const c0 = low16(r2, r6), c1 = high16(r2, r6), d0 = low16(r3, r7), d1 = high16(r3, r7);
  const e0 = low16(a0, c0), e1 = high16(a0, c0), e2 = low16(a1, c1), e3 = high16(a1, c1);
  const f0 = low16(b0, d0), f1 = high16(b0, d0), f2 = low16(b1, d1), f3 = high16(b1, d1);
  v128.store(to, low16(e0, f0));
  v128.store(to, high16(e0, f0), 16);
  v128.store(to, low16(e1, f1), 32);
  v128.store(to, high16(e1, f1), 48);
  v128.store(to, low16(e2, f2), 64);
  v128.store(to, high16(e2, f2), 80);
  v128.store(to, low16(e3, f3), 96);
  v128.store(to, high16(e3, f3), 112);
  return true;
}

/** The 16-bit lanes of two vectors in turn: the first four of each. */
// @ts-ignore: decorator
@inline
function low16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** The last four of each. */
// @ts-ignore: decorator
@inline
function high16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/**
 * Rows of a matrix → panels of codes with one scale for each row and group. `codeType` KIND_INT8: max |w| / L, codes 1 … 255 around 128,
 * L = 127, in the order of matmul/w8a16; KIND_INT7: 1 … 127 around 64, L = 63, in that of matmul/w7a8. A code is
 * nearest(w · (1 / scale)), ties to even. KIND_INT4: whole blocks of inputs in the order of matmul/w4a8, codes from the least weight (or 0)
 * to the most: scale (most − least) / 15, zero point nearest(−least · (1 / scale)), code nearest(w · the same) + zero point, within
 * 0 … 15. Scales of f16 are rounded up.
 *   source   f32, f16 or bf16 [rowCount, K]: rows `panelBegin` · 8 … of [N, K]
 *   weights  u8 [N/8, ceil(K/8), 64], of 4 bits u32 [N/8, K/8, 8]; the code of 0 beyond the last row and input
 *   scales   f32 or f16 [N/8, groups, 8], 0 beyond the last row
 *   zeros    of 4 bits i16 [N/8, groups, 8], 8 beyond the last row
 */
export function packDenseCodes(
  source: usize, sourceType: i32, codeType: i32, rowCount: i32, inputs: i32, group: i32, panelBegin: i32,
  scaleType: i32, weights: usize, scales: usize, zeroPoints: usize, rank: i32, size: i32,
): void {
  const panels = (rowCount + 7) >> 3, bytes = bytesOf(sourceType);
  const groups = (inputs + group - 1) / group, blocks = (inputs + 7) >> 3;
  const zero = codeType == KIND_INT8 ? 128 : codeType == KIND_INT7 ? 64 : 8, zeros = i32x4.splat(zero);
  const limit = <f32>(zero - 1), blockBytes: usize = codeType == KIND_INT4 ? 32 : 64;
  let nonFinite = 0;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    const to = weights + <usize>(panelBegin + panel) * <usize>blocks * blockBytes;
    const scaleTo = <usize>(panelBegin + panel) * <usize>groups * 8;
    const zeroTo = zeroPoints + <usize>(panelBegin + panel) * <usize>groups * 16;
    for (let n = 0; n < 8; n++) {
      const row = panel * 8 + n;
      const from = source + <usize>row * <usize>inputs * bytes;
      for (let g = 0; g < groups; g++) {
        const begin = g * group, stop = min(begin + group, inputs), place = <usize>(g * 8 + n);
        if (row >= rowCount) {
          storeRounded(scales, scaleTo + place, 0, scaleType);
          if (codeType == KIND_INT4) store<i16>(zeroTo + place * 2, 8);
          for (let k = begin; k < stop; k += 8) storeCodes(codeType, to + <usize>(k >> 3) * blockBytes, n, zeros, zeros);
          continue;
        }
        const pattern = sourceType == KIND_F32 ? largestPattern<f32>(from, begin, stop) : largestPattern<u16>(from, begin, stop);
        const largest = magnitudeOf(pattern, sourceType);
        if (pattern >= infinityPattern(sourceType)) {
          for (let k = begin; k < stop; k++) if (isNonFinite(from + <usize>k * bytes, sourceType)) nonFinite++;
        }
        if (codeType == KIND_INT4) {
          const block = to + <usize>(begin >> 3) * blockBytes;
          packBetween(
            from + <usize>begin * bytes, sourceType, stop - begin, block, n, scales, scaleTo + place, scaleType, zeroTo + place * 2,
          );
          if (isBeyond(scales, scaleTo + place, scaleType, pattern, sourceType)) nonFinite++;
          continue;
        }
        const factor = f32x4.splat(storeScale(scales, scaleTo + place, largest / limit, scaleType));
        if (isBeyond(scales, scaleTo + place, scaleType, pattern, sourceType)) nonFinite++;
        let k = begin;
        for (; k + 8 <= stop; k += 8) {
          const at = from + <usize>k * bytes;
          const a = i32x4.add(roundScaled(load4(at, sourceType), factor), zeros);
          const b = i32x4.add(roundScaled(load4(at + 4 * bytes, sourceType), factor), zeros);
          storeCodes(codeType, to + <usize>(k >> 3) * blockBytes, n, a, b);
        }
        if (k >= stop) continue;
        const block = to + <usize>(k >> 3) * blockBytes;
        storeCodes(codeType, block, n, zeros, zeros);
        for (; k < stop; k++) {
          const value = f32x4.splat(load1(from + <usize>k * bytes, sourceType));
          const code = zero + i32x4.extract_lane(roundScaled(value, factor), 0);
          store<u8>(block + (codeType == KIND_INT8 ? int8Place(k & 7, n) : int7Place(k & 7, n)), <u8>code);
        }
      }
    }
  }
  reportNonFinite(nonFinite);
}

/**
 * Stores a scale, or the least f16 that is not below it, so that no code is beyond the last; what one is divided by to find codes, or 0 for
 * a scale of 0.
 */
// @ts-ignore: decorator
@inline
function storeScale(scales: usize, index: usize, scale: f32, type: i32): f32 {
  if (type == KIND_F32) store<f32>(scales + index * 4, scale);
  else store<u16>(scales + index * 2, toHalfUp(scale));
  const stored = load1(scales + index * bytesOf(type), type);
  return stored > 0 ? 1 / stored : 0;
}

/** Whether a scale of finite weights, whose largest has `pattern`, is none of its type. */
// @ts-ignore: decorator
@inline
function isBeyond(scales: usize, index: usize, type: i32, pattern: i32, sourceType: i32): bool {
  return pattern < infinityPattern(sourceType) && isNonFinite(scales + index * bytesOf(type), type);
}

/** A group of 4-bit codes with a zero point; whole blocks of eight weights. */
function packBetween(
  from: usize, type: i32, count: i32, block: usize, n: i32, scales: usize, scaleIndex: usize, scaleType: i32,
  zeroAt: usize,
): void {
  const bytes = bytesOf(type);
  let low = f32x4.splat(0), high = f32x4.splat(0);
  for (let k = 0; k < count; k += 4) {
    const weights = load4(from + <usize>k * bytes, type);
    low = f32x4.min(low, weights);
    high = f32x4.max(high, weights);
  }
  const least = min(
    min(f32x4.extract_lane(low, 0), f32x4.extract_lane(low, 1)), min(f32x4.extract_lane(low, 2), f32x4.extract_lane(low, 3)),
  );
  const most = max(
    max(f32x4.extract_lane(high, 0), f32x4.extract_lane(high, 1)), max(f32x4.extract_lane(high, 2), f32x4.extract_lane(high, 3)),
  );
  const factor = storeScale(scales, scaleIndex, (most - least) / 15, scaleType);
  const zero = i32x4.extract_lane(roundScaled(f32x4.splat(-least), f32x4.splat(factor)), 0), zeros = i32x4.splat(zero);
  store<i16>(zeroAt, <i16>zero);
  const none = i32x4.splat(0), last = i32x4.splat(15), factors = f32x4.splat(factor);
  for (let k = 0; k < count; k += 8) {
    const at = from + <usize>k * bytes;
    const a = i32x4.add(roundScaled(load4(at, type), factors), zeros);
    const b = i32x4.add(roundScaled(load4(at + 4 * bytes, type), factors), zeros);
    storeCodes(
      KIND_INT4, block + <usize>(k >> 3) * 32, n, i32x4.max_s(none, i32x4.min_s(last, a)), i32x4.max_s(none, i32x4.min_s(last, b)),
    );
  }
}

/** Codes of eight inputs of one output, i32 [4] each in `a` and `b`, into their block. */
// @ts-ignore: decorator
@inline
function storeCodes(codeType: i32, block: usize, n: i32, a: v128, b: v128): void {
  const words = i16x8.narrow_i32x4_s(a, b);
  const codes = i8x16.narrow_i16x8_u(words, words);
  if (codeType == KIND_INT4) {
    store<u32>(block + <usize>n * 4, joinNibbles(i64x2.extract_lane(codes, 0)));
    return;
  }
  if (codeType == KIND_INT7) {
    const halves = v128.shuffle<i8>(codes, codes, 0, 2, 4, 6, 1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7);
    v128.store32_lane(block + int7Place(0, n), halves, 0);
    v128.store32_lane(block + int7Place(1, n), halves, 1);
    return;
  }
  const pairs = v128.shuffle<i8>(codes, codes, 0, 4, 1, 5, 2, 6, 3, 7, 0, 4, 1, 5, 2, 6, 3, 7);
  v128.store16_lane(block + int8Place(0, n), pairs, 0);
  v128.store16_lane(block + int8Place(1, n), pairs, 1);
  v128.store16_lane(block + int8Place(2, n), pairs, 2);
  v128.store16_lane(block + int8Place(3, n), pairs, 3);
}

/**
 * A vector → f32, plus `offset` (norms that store w − 1).
 *   source  f32, f16 or bf16 [count]
 *   target  f32 [count]
 */
export function widen(
  source: usize, sourceType: i32, count: i32, offset: f32, target: usize, rank: i32, size: i32,
): void {
  const bytes = bytesOf(sourceType);
  let nonFinite = 0;
  const end = shareBegin(count, rank + 1, size);
  for (let i = shareBegin(count, rank, size); i < end; i++) {
    const from = source + <usize>i * bytes;
    if (isNonFinite(from, sourceType)) nonFinite++;
    store<f32>(target + <usize>i * 4, load1(from, sourceType) + offset);
  }
  reportNonFinite(nonFinite);
}
