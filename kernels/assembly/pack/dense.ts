/**
 * Unquantised matrices and vectors. Rows may come in windows that begin with a whole panel, so that a file never lies in memory
 * a second time. Non-finite values are counted at RESULT_ADDRESS.
 */
import { KIND_F32 } from "../../shared/layout";
import { bytesOf, infinityPattern, isNonFinite, largestPattern, load1 } from "../floats";
import { shareBegin } from "../share";
import { high16, low16 } from "../vector";
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

/**
 * An array as it is.
 *   source  f32, f16 or bf16 [count]
 *   target  the same
 */
export function copyFloats(source: usize, sourceType: i32, count: i32, target: usize, rank: i32, size: i32): void {
  const begin = shareBegin(count, rank, size), end = shareBegin(count, rank + 1, size), bytes = bytesOf(sourceType);
  memory.copy(target + <usize>begin * bytes, source + <usize>begin * bytes, <usize>(end - begin) * bytes);
  const largest = sourceType == KIND_F32 ? largestPattern<f32>(source, begin, end) : largestPattern<u16>(source, begin, end);
  if (largest < infinityPattern(sourceType)) return;
  let nonFinite = 0;
  for (let i = begin; i < end; i++) nonFinite += i32(isNonFinite(source + <usize>i * bytes, sourceType));
  reportNonFinite(nonFinite);
}
