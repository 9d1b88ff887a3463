/**
 * Unquantised matrices → codes with scales, four rows at a time: their codes fill the vectors of a block, and no value is taken apart.
 * Rows may come in windows that begin with a whole panel, so that a file never lies in memory a second time. Non-finite values are counted
 * at RESULT_ADDRESS.
 */
import { KIND_BF16, KIND_F16, KIND_F32, KIND_INT4, KIND_INT7, KIND_INT8, ROUND_MAGIC_ADDRESS } from "../../shared/layout";
import {
  BF16, bytesOf, F16, F32, firstFour, infinityPattern, isNonFinite, largestPattern, lastFour, load1, load4, magnitudeOf, storeRounded, toHalfUp,
} from "../floats";
import { storePairs } from "../places";
import { shareBegin } from "../share";
import { largestLane, roundScaled } from "../vector";
import { reportNonFinite } from "./non_finite";

/**
 * Rows of a matrix → panels of codes with one scale for each row and group. `codeType` KIND_INT8: max |w| / L, codes 1 … 255 around 128,
 * L = 127, in the order of matmul/w8a16; KIND_INT7: 1 … 127 around 64, L = 63, in that of matmul/w7a8. A code is
 * nearest(w · (1 / scale)), ties to even. KIND_INT4: whole blocks of inputs in the order of matmul/w4a8, codes from the least weight (or 0)
 * to the most: scale (most − least) / 15, zero point nearest(−least · (1 / scale)), code nearest(w · the same) + zero point, within
 * 0 … 15. Scales of f16 are rounded up. Where 1 / scale is infinite, all weights count as 0.
 *   source   f32, f16 or bf16 [rowCount, K]: rows `panelBegin` · 8 … of [N, K]
 *   weights  u8 [N/8, ceil(K/8), 64], of 4 bits u32 [N/8, K/8, 8]; the code of 0 beyond the last row and input
 *   scales   f32 or f16 [N/8, groups, 8], 0 beyond the last row
 *   zeros    of 4 bits i16 [N/8, groups, 8], 8 beyond the last row
 */
export function packDenseCodes(
  source: usize, sourceType: i32, codeType: i32, rowCount: i32, inputs: i32, group: i32, panelBegin: i32,
  scaleType: i32, weights: usize, scales: usize, zeroPoints: usize, rank: i32, size: i32,
): void {
  const panels = (rowCount + 7) >> 3, groups = (inputs + group - 1) / group;
  const panelBytes = <usize>((inputs + 7) >> 3) * blockBytesOf(codeType);
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    const to = weights + <usize>(panelBegin + panel) * panelBytes;
    for (let n = 0; n < 8; n += 4) {
      for (let g = 0; g < groups; g++) {
        const begin = g * group, count = min(group, inputs - begin), place = <usize>(((panelBegin + panel) * groups + g) * 8 + n);
        packGroup(
          source, sourceType, codeType, panel * 8 + n, rowCount, inputs, begin, count, to, n, scales, scaleType, place, zeroPoints + place * 2,
        );
      }
    }
  }
}

/** Bytes of the codes of eight inputs and eight outputs. */
// @ts-ignore: decorator
@inline
function blockBytesOf(codeType: i32): usize {
  return codeType == KIND_INT4 ? 32 : 64;
}

/**
 * Codes of `count` inputs of four rows: outputs n … n + 3 of the panel at `to`, whose scales and zero points begin at `place` and `zeroAt`.
 */
function packGroup(
  source: usize, type: i32, codeType: i32, row: i32, rowCount: i32, inputs: i32, begin: i32, count: i32, to: usize, n: i32,
  scales: usize, scaleType: i32, place: usize, zeroAt: usize,
): void {
  const bytes = bytesOf(type), last = rowCount - 1, present = rowCount - row;
  // In place of rows beyond the last one that is read again, times 0.
  const at0 = source + (<usize>min(row, last) * <usize>inputs + <usize>begin) * bytes;
  const at1 = source + (<usize>min(row + 1, last) * <usize>inputs + <usize>begin) * bytes;
  const at2 = source + (<usize>min(row + 2, last) * <usize>inputs + <usize>begin) * bytes;
  const at3 = source + (<usize>min(row + 3, last) * <usize>inputs + <usize>begin) * bytes;
  const factor0 = scaleGroup(at0, type, codeType, count, present > 0, scales, scaleType, place, zeroAt);
  const factor1 = scaleGroup(at1, type, codeType, count, present > 1, scales, scaleType, place + 1, zeroAt + 2);
  const factor2 = scaleGroup(at2, type, codeType, count, present > 2, scales, scaleType, place + 2, zeroAt + 4);
  const factor3 = scaleGroup(at3, type, codeType, count, present > 3, scales, scaleType, place + 3, zeroAt + 6);
  const block = to + <usize>(begin >> 3) * blockBytesOf(codeType);
  if (type == KIND_BF16) packBlocks<BF16>(codeType, at0, at1, at2, at3, count, factor0, factor1, factor2, factor3, zeroAt, block, n);
  else if (type == KIND_F16) packBlocks<F16>(codeType, at0, at1, at2, at3, count, factor0, factor1, factor2, factor3, zeroAt, block, n);
  else packBlocks<F32>(codeType, at0, at1, at2, at3, count, factor0, factor1, factor2, factor3, zeroAt, block, n);
}

/**
 * The scale of a row's group, and of 4-bit codes the zero point; what a weight is multiplied by to find its code. All 0 for a row that is
 * not there.
 */
function scaleGroup(
  from: usize, type: i32, codeType: i32, count: i32, isThere: bool, scales: usize, scaleType: i32, place: usize, zeroAt: usize,
): f32 {
  if (!isThere) {
    storeRounded(scales, place, 0, scaleType);
    if (codeType == KIND_INT4) store<i16>(zeroAt, 8);
    return 0;
  }
  const bytes = bytesOf(type);
  const pattern = type == KIND_F32 ? largestPattern<f32>(from, 0, count) : largestPattern<u16>(from, 0, count);
  if (pattern >= infinityPattern(type)) {
    for (let k = 0; k < count; k++) reportNonFinite(i32(isNonFinite(from + <usize>k * bytes, type)));
  }
  let least: f32 = 0, scale: f32;
  if (codeType == KIND_INT4) {
    let low = f32x4.splat(0), high = f32x4.splat(0);
    for (let k = 0; k < count; k += 4) {
      const weights = load4(from + <usize>k * bytes, type);
      low = f32x4.pmin(low, weights);
      high = f32x4.pmax(high, weights);
    }
    least = -f32x4.extract_lane(largestLane(f32x4.neg(low)), 0);
    scale = (f32x4.extract_lane(largestLane(high), 0) - least) / 15;
  } else {
    scale = magnitudeOf(pattern, type) / <f32>(codeType == KIND_INT8 ? 127 : 63);
  }
  if (scaleType == KIND_F32) store<f32>(scales + place * 4, scale);
  else store<u16>(scales + place * 2, toHalfUp(scale));
  const at = scales + place * bytesOf(scaleType), stored = load1(at, scaleType);
  if (pattern < infinityPattern(type)) reportNonFinite(i32(isNonFinite(at, scaleType)));
  // A scale of 0, or below 3 · 10^-39.
  const inverse: f32 = 1 / stored, factor: f32 = inverse < Infinity ? inverse : 0;
  if (codeType == KIND_INT4) store<i16>(zeroAt, i32x4.extract_lane(roundScaled(f32x4.splat(-least), f32x4.splat(factor)), 0));
  return factor;
}

/** Blocks of eight inputs of four rows; a last one that is not full has the code of 0 where no input is. */
function packBlocks<S>(
  codeType: i32, at0: usize, at1: usize, at2: usize, at3: usize, count: i32, f0: f32, f1: f32, f2: f32, f3: f32, zeroAt: usize,
  block: usize, n: i32,
): void {
  const type = changetype<S>(0).type, bytes = bytesOf(type), step = 8 * bytes, magic = v128.load32_splat(ROUND_MAGIC_ADDRESS);
  const factor0 = f32x4.splat(f0), factor1 = f32x4.splat(f1), factor2 = f32x4.splat(f2), factor3 = f32x4.splat(f3);
  const offset0 = offsetOf(codeType, zeroAt, magic), offset1 = offsetOf(codeType, zeroAt + 2, magic);
  const offset2 = offsetOf(codeType, zeroAt + 4, magic), offset3 = offsetOf(codeType, zeroAt + 6, magic);
  let k = 0;
  for (; k + 8 <= count; k += 8) {
    const raw0 = v128.load(at0);
    const a = codesOf(firstFour(raw0, type), lastFour(raw0, at0, type), factor0, offset0, magic);
    const raw1 = v128.load(at1);
    const b = codesOf(firstFour(raw1, type), lastFour(raw1, at1, type), factor1, offset1, magic);
    const raw2 = v128.load(at2);
    const c = codesOf(firstFour(raw2, type), lastFour(raw2, at2, type), factor2, offset2, magic);
    const raw3 = v128.load(at3);
    const d = codesOf(firstFour(raw3, type), lastFour(raw3, at3, type), factor3, offset3, magic);
    storeFour(codeType, block, n, i8x16.narrow_i16x8_u(a, b), i8x16.narrow_i16x8_u(c, d));
    at0 += step;
    at1 += step;
    at2 += step;
    at3 += step;
    block += blockBytesOf(codeType);
  }
  if (k == count) return;
  const rest = count - k, zero = codeType == KIND_INT8 ? 128 : 64;
  const ab = i64x2.replace_lane(i64x2.splat(codesOfRest(at0, type, rest, f0, zero)), 1, codesOfRest(at1, type, rest, f1, zero));
  const cd = i64x2.replace_lane(i64x2.splat(codesOfRest(at2, type, rest, f2, zero)), 1, codesOfRest(at3, type, rest, f3, zero));
  storeFour(codeType, block, n, ab, cd);
}

/** What is taken from the bits of a rounded value, so that the code of 0 is left of 0; see ROUND_MAGIC. */
// @ts-ignore: decorator
@inline
function offsetOf(codeType: i32, zeroAt: usize, magic: v128): v128 {
  const zero = codeType == KIND_INT4 ? <i32>load<i16>(zeroAt) : codeType == KIND_INT8 ? 128 : 64;
  return i32x4.sub(magic, i32x4.splat(zero));
}

/** Words of the codes of eight weights: nearest(weight · factor), and the code of 0. */
// @ts-ignore: decorator
@inline
function codesOf(first: v128, last: v128, factor: v128, offset: v128, magic: v128): v128 {
  return i16x8.narrow_i32x4_s(
    i32x4.sub(f32x4.add(f32x4.mul(first, factor), magic), offset), i32x4.sub(f32x4.add(f32x4.mul(last, factor), magic), offset),
  );
}

/**
 * Bytes of the codes of the last weights of a row, fewer than eight: whole blocks only have 4 bits. The result is no vector: of two that
 * functions return V8 14.6 (Node 26) makes none of 256 bits, and ends the process.
 */
function codesOfRest(at: usize, type: i32, count: i32, factor: f32, zero: i32): u64 {
  let codes: u64 = 0;
  for (let k = 0; k < 8; k++) {
    const code = k < count ? zero + <i32>nearest(load1(at + <usize>k * bytesOf(type), type) * factor) : zero;
    codes |= <u64>(code & 255) << <u64>(k * 8);
  }
  return codes;
}

/** Bytes of the codes of eight inputs and four outputs into their block, as they are or as nibbles. */
// @ts-ignore: decorator
@inline
function storeFour(codeType: i32, block: usize, n: i32, ab: v128, cd: v128): void {
  if (codeType == KIND_INT8) {
    storePairs(block + <usize>n * 4, v128.shuffle<i32>(ab, cd, 0, 2, 4, 6), v128.shuffle<i32>(ab, cd, 1, 3, 5, 7));
    return;
  }
  const to = block + <usize>n * 4, evenBytes = i16x8.splat(255);
  if (codeType == KIND_INT7) {
    v128.store(to, i8x16.narrow_i16x8_u(v128.and(ab, evenBytes), v128.and(cd, evenBytes)));
    v128.store(to, i8x16.narrow_i16x8_u(i16x8.shr_u(ab, 8), i16x8.shr_u(cd, 8)), 32);
    return;
  }
  const most = i8x16.splat(15), x = i8x16.min_u(ab, most), y = i8x16.min_u(cd, most);
  const nibblesX = v128.and(v128.or(x, i16x8.shr_u(x, 4)), evenBytes), nibblesY = v128.and(v128.or(y, i16x8.shr_u(y, 4)), evenBytes);
  v128.store(to, i8x16.narrow_i16x8_u(nibblesX, nibblesY));
}
