/**
 * Activations as integers.
 */
import {
  BYTE_MAX, CHUNK_INPUTS, FACTOR_MAX, FORM_BYTE, FORM_LADDER, GROUP_INPUTS_MAX, LADDER_MAX, WORD_MAX,
} from "../../shared/layout";
import { largestPattern } from "../floats";
import { shareBegin } from "../share";
import { loadLanes, roundScaled } from "../vector";

/** Magnitudes up to this count as zero: a scale near the subnormal range would make its inverse infinite. */
const NEARLY_ZERO: f32 = 1e-30;

/**
 * Activations → integers, nearest(x / unit), ties to even.
 *
 * Of 12 bits and of words, a unit is the scale of a row's group: max |x| / L with L = 1,927 and 32,639. Of bytes, it is
 * factor · scale: scale = max |x| of the row / (127 · FACTOR_MAX), and of each chunk of at most CHUNK_INPUTS inputs of a group,
 * factor = ⌈max |x| / (127 · scale)⌉, at least 1. So chunks have units of their own (llama.cpp's Q8_0 has them too), but sums of
 * products stay integers to the end of a weight group. A row (of words, a group) with NaN or infinity gets the scale NaN; one
 * whose largest magnitude is at most 1e-30 is zero.
 *   input    f32 [M, K]
 *   codes    in the layout of matmul/w4a8 (bytes) or matmul/w4a12 (ladders and words), K rounded up to 8
 *   sums     i32 [M/4, G, 4]  sum of a group's integers, of bytes times their factors; G = ceil(K / group)
 *   scales   f32 [M/4, G, 4], of bytes f32 [M]
 *   factors  i16 [M/4, C, 4, 2]  of bytes; each stands twice; C = G · ceil(group / CHUNK_INPUTS)
 * Rows that fill no tile of four follow one by one.
 */
export function quantize(
  input: usize, inputStride: usize, rows: i32, inputs: i32, group: i32, form: i32, codes: usize, sums: usize, scales: usize,
  factors: usize, rank: i32, size: i32,
): void {
  const groups = (inputs + group - 1) / group, chunks = (min(group, GROUP_INPUTS_MAX) + CHUNK_INPUTS - 1) / CHUNK_INPUTS;
  const isByte = form == FORM_BYTE, run = isByte ? CHUNK_INPUTS : group;
  const limit = <f32>(isByte ? BYTE_MAX : form == FORM_LADDER ? LADDER_MAX : WORD_MAX);
  // Eight inputs of a row, in pieces that lie `pieceStep` apart: its neighbours in the tile stand between.
  const rowBytes: usize = isByte ? 8 : 16, pieceBytes: usize = 4, pieces = rowBytes / pieceBytes;
  const rowBlockBytes = rowBytes * <usize>((inputs + 7) >> 3), tiled = rows & ~3;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const from = input + <usize>row * inputStride;
    const tileRows = row < tiled ? 4 : 1, inTile = row < tiled ? row & 3 : 0, first = <usize>(row - inTile);
    const to = codes + first * rowBlockBytes + <usize>inTile * pieceBytes;
    const blockBytes = rowBytes * tileRows, pieceStep = blockBytes / pieces;
    const sumsOf = sums + (first * groups + inTile) * 4, scalesOf = scales + (first * groups + inTile) * 4;
    let factorOf = factors + (first * groups * chunks + inTile) * 4;
    let scale: f32 = 0, perScale: f32 = 0;
    if (isByte) {
      // The largest magnitude of each chunk stands in the place of its factor until that is known.
      let pattern = 0, place = factorOf;
      for (let g = 0; g < groups; g++) {
        const stop = min((g + 1) * group, inputs);
        for (let begin = g * group; begin < stop; begin += run) {
          const own = largestPattern<f32>(from, begin, min(begin + run, stop));
          store<i32>(place, own);
          pattern = max(pattern, own);
          place += tileRows * 4;
        }
      }
      const largest = reinterpret<f32>(pattern);
      if (pattern >= 0x7f800000) scale = NaN;
      else if (largest > NEARLY_ZERO) {
        scale = largest / <f32>(BYTE_MAX * FACTOR_MAX);
        perScale = <f32>FACTOR_MAX / largest;
      }
      store<f32>(scales + <usize>row * 4, scale);
    }
    for (let g = 0; g < groups; g++) {
      const stop = min((g + 1) * group, inputs);
      let groupSum = 0;
      for (let begin = g * group; begin < stop; begin += run) {
        const last = min(begin + run, stop);
        const pattern = isByte ? load<i32>(factorOf) : largestPattern<f32>(from, begin, last);
        const isFinite = pattern < 0x7f800000;
        const largest = reinterpret<f32>(pattern);
        let factor: f32 = 1, inverse: f32 = 0;
        if (isByte) {
          if (perScale != 0) {
            factor = min(max(ceil(largest * perScale), 1), <f32>FACTOR_MAX);
            inverse = 1 / (factor * scale);
          }
          store<u32>(factorOf, <u32>factor * 0x10001);
          factorOf += tileRows * 4;
        } else {
          if (largest > NEARLY_ZERO && isFinite) inverse = limit / largest;
          store<f32>(scalesOf + <usize>(g * tileRows) * 4, !isFinite ? NaN : inverse == 0 ? 0 : largest / limit);
        }
        groupSum += <i32>factor * storeRun(form, from, begin, last, inverse, to, blockBytes, pieceStep);
      }
      store<i32>(sumsOf + <usize>(g * tileRows) * 4, groupSum);
    }
  }
}

/** The integers of inputs `begin` to `end` of a row; their sum. */
// @ts-ignore: decorator
@inline
function storeRun(
  form: i32, from: usize, begin: i32, end: i32, inverse: f32, to: usize, blockBytes: usize, pieceStep: usize,
): i32 {
  const factor = f32x4.splat(inverse);
  let sum = i32x4.splat(0), k = begin;
  for (; k + 8 <= end; k += 8) {
    const x = from + <usize>k * 4;
    const a = roundScaled(v128.load(x), factor), b = roundScaled(v128.load(x, 16), factor);
    sum = i32x4.add(sum, i32x4.add(a, b));
    storeIntegers(form, to + <usize>(k >> 3) * blockBytes, pieceStep, a, b);
  }
  if (k < end) {
    const left = end - k, x = from + <usize>k * 4;
    const a = roundScaled(loadLanes(x, left), factor), b = roundScaled(loadLanes(x + 16, left - 4), factor);
    sum = i32x4.add(sum, i32x4.add(a, b));
    storeIntegers(form, to + <usize>(k >> 3) * blockBytes, pieceStep, a, b);
  }
  return i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
}

/** Eight integers of a row, i32 [4] each in `a` and `b`, in the pieces of its form. */
// @ts-ignore: decorator
@inline
function storeIntegers(form: i32, to: usize, step: usize, a: v128, b: v128): void {
  if (form == FORM_LADDER) {
    // x0, x1, x2 − 16 x1, x3 − 16 x2
    const zero = i32x4.splat(0);
    a = i32x4.sub(a, i32x4.shl(v128.shuffle<i32>(zero, a, 0, 1, 5, 6), 4));
    b = i32x4.sub(b, i32x4.shl(v128.shuffle<i32>(zero, b, 0, 1, 5, 6), 4));
  }
  if (form != FORM_BYTE) {
    // Inputs 0 and 4, 1 and 5, …
    const narrow = i16x8.narrow_i32x4_s(a, b);
    const pairs = v128.shuffle<i16>(narrow, narrow, 0, 4, 1, 5, 2, 6, 3, 7);
    v128.store32_lane(to, pairs, 0);
    v128.store32_lane(to + step, pairs, 1);
    v128.store32_lane(to + 2 * step, pairs, 2);
    v128.store32_lane(to + 3 * step, pairs, 3);
    return;
  }
  const whole = i16x8.narrow_i32x4_s(v128.shuffle<i32>(a, b, 0, 2, 4, 6), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
  const bytes = i8x16.narrow_i16x8_s(whole, whole);
  v128.store32_lane(to, bytes, 0);
  v128.store32_lane(to + step, bytes, 1);
}
