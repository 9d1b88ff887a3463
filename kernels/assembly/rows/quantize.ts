/**
 * Activations as integers.
 */
import { BYTE_MAX, FORM_BYTE, FORM_LADDER, FORM_PLANES, FORM_WORD, LADDER_MAX, WORD_MAX } from "../../shared/layout";
import { largestPattern } from "../floats";
import { shareBegin } from "../share";
import { loadLanes, roundScaled } from "../vector";

/**
 * Activations → integers, one scale for each row and group: scale = max |x| / L and integer = nearest(x / scale), ties to even,
 * with L = 127 for one byte, 1,927 for 12 bits (planes or a ladder) and 32,639 for words. A group with NaN or infinity gets the
 * scale NaN; one whose largest magnitude is at most 1e-30 is zero.
 *   input   f32 [M, K]
 *   codes   in the layout of matmul/w4a8 (bytes and planes) or matmul/w4a12 (ladders and words), K rounded up to 8
 *   sums    i32 [M, G]  sum of a group's integers; G = ceil(K / group)
 *   scales  f32 [M, G]
 */
export function quantize(
  input: usize, inputStride: usize, rows: i32, inputs: i32, group: i32, form: i32, codes: usize, sums: usize, scales: usize,
  rank: i32, size: i32,
): void {
  const groups = (inputs + group - 1) / group, blocks = <usize>((inputs + 7) >> 3);
  const limit = <f32>(form == FORM_BYTE ? BYTE_MAX : form == FORM_WORD ? WORD_MAX : LADDER_MAX);
  // Eight inputs of a row, in pieces that lie `pieceStep` apart: its neighbours in the tile stand between.
  const tileRows = form == FORM_PLANES ? 2 : 4, rowBytes: usize = form == FORM_BYTE ? 8 : 16;
  const pieces = form == FORM_WORD || form == FORM_LADDER ? 4 : 2;
  const tiled = rows - rows % tileRows;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const from = input + <usize>row * inputStride;
    const inTile = row < tiled ? row % tileRows : 0;
    const pieceBytes = rowBytes / pieces;
    const to = codes + <usize>(row - inTile) * rowBytes * blocks + <usize>inTile * pieceBytes;
    const blockBytes = row < tiled ? rowBytes * tileRows : rowBytes, pieceStep = blockBytes / pieces;
    for (let g = 0; g < groups; g++) {
      const begin = g * group, stop = min(begin + group, inputs);
      const pattern = largestPattern<f32>(from, begin, stop), isFinite = pattern < 0x7f800000;
      const largest = reinterpret<f32>(pattern);
      // A scale near the subnormal range would make its inverse infinite: such a group is zero.
      const inverse: f32 = largest > 1e-30 && isFinite ? limit / largest : 0;
      const factor = f32x4.splat(inverse);
      let sum = i32x4.splat(0), k = begin;
      for (; k + 8 <= stop; k += 8) {
        const x = from + <usize>k * 4;
        const a = roundScaled(v128.load(x), factor), b = roundScaled(v128.load(x, 16), factor);
        sum = i32x4.add(sum, i32x4.add(a, b));
        storeIntegers(form, to + <usize>(k >> 3) * blockBytes, pieceStep, a, b);
      }
      if (k < stop) {
        const left = stop - k, x = from + <usize>k * 4;
        const a = roundScaled(loadLanes(x, left), factor), b = roundScaled(loadLanes(x + 16, left - 4), factor);
        sum = i32x4.add(sum, i32x4.add(a, b));
        storeIntegers(form, to + <usize>(k >> 3) * blockBytes, pieceStep, a, b);
      }
      const place = (<usize>row * <usize>groups + <usize>g) * 4;
      store<i32>(
        sums + place,
        i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3),
      );
      store<f32>(scales + place, !isFinite ? NaN : inverse == 0 ? 0 : largest / limit);
    }
  }
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
  if (form == FORM_WORD || form == FORM_LADDER) {
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
  if (form == FORM_BYTE) {
    const bytes = i8x16.narrow_i16x8_s(whole, whole);
    v128.store32_lane(to, bytes, 0);
    v128.store32_lane(to + step, bytes, 1);
    return;
  }
  const high = i16x8.shr_s(i16x8.add(whole, i16x8.splat(128)), 8);
  const low = i16x8.sub(whole, i16x8.shl(high, 8));
  const bytes = i8x16.narrow_i16x8_s(high, low);
  v128.store32_lane(to, bytes, 0);
  v128.store32_lane(to + 4, bytes, 2);
  v128.store32_lane(to + step, bytes, 1);
  v128.store32_lane(to + step + 4, bytes, 3);
}
