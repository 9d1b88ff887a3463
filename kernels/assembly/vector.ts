/**
 * Small vector idioms that the kernels share.
 */
import { KIND_BF16, KIND_F16, KIND_F32 } from "../shared/layout";

/** Sum of the four lanes in a fixed order, so that every caller rounds alike. */
// @ts-ignore: decorator
@inline
export function sumLanes(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** The largest of the four lanes, in all lanes. */
// @ts-ignore: decorator
@inline
export function largestLane(v: v128): v128 {
  const two = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.pmax(two, v128.shuffle<f32>(two, two, 1, 0, 3, 2));
}

/**
 * Four f16 bit patterns in 32-bit lanes → f32. Shifting the exponent and mantissa into place gives the value
 * times 2^-112, subnormals included; infinities and NaN do not survive, so loaders refuse them first.
 */
// @ts-ignore: decorator
@inline
export function widenF16(h: v128): v128 {
  const magnitude = i32x4.shl(v128.and(h, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16);
  return v128.or(f32x4.mul(magnitude, f32x4.splat(reinterpret<f32>(0x77800000))), sign);
}

/** Eight consecutive 16-bit or 32-bit floats → f32: lanes 0–3. */
// @ts-ignore: decorator
@inline
export function load4(pointer: usize, kind: i32): v128 {
  if (kind == KIND_F32) return v128.load(pointer);
  const raw = v128.load64_zero(pointer);
  if (kind == KIND_BF16) return i32x4.shl(i32x4.extend_low_i16x8_u(raw), 16);
  return widenF16(i32x4.extend_low_i16x8_u(raw));
}

/** One 16-bit or 32-bit float → f32, by the same arithmetic as `load4`. */
// @ts-ignore: decorator
@inline
export function load1(pointer: usize, kind: i32): f32 {
  if (kind == KIND_F32) return load<f32>(pointer);
  const raw = <u32>load<u16>(pointer);
  if (kind == KIND_BF16) return reinterpret<f32>(raw << 16);
  const magnitude = reinterpret<f32>((raw & 0x7fff) << 13) * reinterpret<f32>(0x77800000);
  return reinterpret<f32>(reinterpret<u32>(magnitude) | ((raw & 0x8000) << 16));
}

// @ts-ignore: decorator
@inline
export function bytesOf(kind: i32): usize {
  return kind == KIND_F32 ? 4 : 2;
}

/** Whether the stored bit pattern is an infinity or NaN. */
// @ts-ignore: decorator
@inline
export function isNonFinite(pointer: usize, kind: i32): bool {
  if (kind == KIND_F32) return (load<u32>(pointer) & 0x7f800000) == 0x7f800000;
  const raw = <u32>load<u16>(pointer);
  if (kind == KIND_F16) return (raw & 0x7c00) == 0x7c00;
  return (raw & 0x7f80) == 0x7f80;
}

/** Writes up to four lanes; the last panel of a layer may have fewer outputs than lanes. */
// @ts-ignore: decorator
@inline
export function storeLanes(pointer: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(pointer, v);
    return;
  }
  if (count > 0) store<f32>(pointer, f32x4.extract_lane(v, 0));
  if (count > 1) store<f32>(pointer, f32x4.extract_lane(v, 1), 4);
  if (count > 2) store<f32>(pointer, f32x4.extract_lane(v, 2), 8);
}

/** Reads up to four lanes, zeros beyond. */
// @ts-ignore: decorator
@inline
export function loadLanes(pointer: usize, count: i32): v128 {
  if (count >= 4) return v128.load(pointer);
  let v = f32x4.splat(0);
  if (count > 0) v = f32x4.replace_lane(v, 0, load<f32>(pointer));
  if (count > 1) v = f32x4.replace_lane(v, 1, load<f32>(pointer, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, load<f32>(pointer, 8));
  return v;
}

/** First unit of `rank`'s share when `count` units are dealt to `size` threads in contiguous runs. */
// @ts-ignore: decorator
@inline
export function shareBegin(count: i32, rank: i32, size: i32): i32 {
  return <i32>(<i64>count * rank / size);
}

/**
 * Adding this to |x| < 2^22 rounds x to an integer, ties to even, and leaves it in the low bits: two instructions where
 * `nearest` and `trunc_sat` take eight on x86.
 */
export const ROUND_MAGIC: f32 = 12582912;

/** nearest(x · factor) as i32, for results below 2^22. */
// @ts-ignore: decorator
@inline
export function roundScaled(x: v128, factor: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, factor), f32x4.splat(ROUND_MAGIC)), f32x4.splat(ROUND_MAGIC));
}

/**
 * Adds to four (or fewer) outputs what every matrix product adds at its end: the bias, and the value that is
 * there when the product is accumulated onto a residual.
 */
// @ts-ignore: decorator
@inline
export function storeOutputs(
  output: usize, value: v128, bias: usize, accumulate: i32, count: i32,
): void {
  if (count <= 0) return;
  if (bias) value = f32x4.add(value, loadLanes(bias, count));
  if (accumulate) value = f32x4.add(value, loadLanes(output, count));
  storeLanes(output, value, count);
}

/**
 * 15 in every 16-bit lane; `count` is any number that is not negative. Not written as a constant: V8 puts a constant into a
 * register anew at every use, three instructions inside the innermost loop (seen in the machine code; 12 to 27 % of the time).
 */
// @ts-ignore: decorator
@inline
export function nibbleMask16(count: i32): v128 {
  return i16x8.splat(<i16>(count < 0 ? 0 : 15));
}

/** The same for every byte. */
// @ts-ignore: decorator
@inline
export function nibbleMask8(count: i32): v128 {
  return i8x16.splat(<i8>(count < 0 ? 0 : 15));
}

/** 1 in every 16-bit lane, not as a constant either. */
// @ts-ignore: decorator
@inline
export function onesOf(count: i32): v128 {
  return i16x8.splat(<i16>(count < 0 ? 0 : 1));
}

/**
 * Panels that a tile of rows passes before the next tile does: their outputs fill whole cache lines (two panels a line) and
 * the rows' codes stay in the first cache. Their weights must stay there too.
 */
const PANELS_TOGETHER = 8;
const WEIGHT_BYTES_TOGETHER: usize = 24576;

// @ts-ignore: decorator
@inline
export function panelsTogether(panelBytes: usize): i32 {
  return max(1, min(PANELS_TOGETHER, <i32>(WEIGHT_BYTES_TOGETHER / panelBytes)));
}

/** Where the 8-bit code of input `k` and output `n` lies in the 64 bytes of a block of eight inputs and outputs; see matmul_words. */
// @ts-ignore: decorator
@inline
export function int8Place(k: i32, n: i32): usize {
  return <usize>(((k >> 1) & 1) * 32 + (n >> 2) * 16 + (k & 1) * 8 + (n & 3) * 2 + (k >> 2));
}

/**
 * Eight 8-bit codes of four outputs, words of the first and of the last four inputs in the lanes of `a` and `b`, in the pairs of
 * matmul_words: inputs 0 and 4, then 1 and 5.
 */
// @ts-ignore: decorator
@inline
export function firstPairs(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 4, 20, 8, 24, 12, 28, 1, 17, 5, 21, 9, 25, 13, 29);
}

/** Inputs 2 and 6, then 3 and 7. */
// @ts-ignore: decorator
@inline
export function lastPairs(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 2, 18, 6, 22, 10, 26, 14, 30, 3, 19, 7, 23, 11, 27, 15, 31);
}

/** One 32-bit lane in all four. */
// @ts-ignore: decorator
@inline
export function lane0(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 0, 0, 0, 0);
}

// @ts-ignore: decorator
@inline
export function lane1(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 1, 1, 1, 1);
}

// @ts-ignore: decorator
@inline
export function lane2(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 2, 2, 2, 2);
}

// @ts-ignore: decorator
@inline
export function lane3(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 3, 3, 3, 3);
}

/** Biases of a panel's eight outputs; 0 where there are none. */
// @ts-ignore: decorator
@inline
export function biasOf(bias: usize, panel: i32): usize {
  return bias ? bias + <usize>panel * 32 : 0;
}

/** Writes eight outputs of one row, the last panel's fewer. */
// @ts-ignore: decorator
@inline
export function storePanel(output: usize, bias: usize, accumulate: i32, count: i32, a: v128, b: v128): void {
  storeOutputs(output, a, bias, accumulate, count);
  storeOutputs(output + 16, b, bias ? bias + 16 : 0, accumulate, count - 4);
}

/** Writes one, two or four rows of eight outputs, the last panel's fewer; see storeOutputs. */
// @ts-ignore: decorator
@inline
export function storeRows(
  rows: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
  t00: v128, t01: v128, t10: v128, t11: v128, t20: v128, t21: v128, t30: v128, t31: v128,
): void {
  storePanel(output, bias, accumulate, count, t00, t01);
  if (rows == 1) return;
  output += outputStride;
  storePanel(output, bias, accumulate, count, t10, t11);
  if (rows == 2) return;
  output += outputStride;
  storePanel(output, bias, accumulate, count, t20, t21);
  output += outputStride;
  storePanel(output, bias, accumulate, count, t30, t31);
}

/**
 * Panels that one row passes together, each a quarter (or half) of a thread's share from the next. Prefetchers stop at pages of
 * 4 KiB unless what follows is read next, and a row's loop leaves few loads in flight. Four long streams hide both: from memory, one
 * thread of a Zen 4, 11 GB/s with two neighbouring panels, 14 with four, 21 with four far apart, of 24 from a cache.
 */
export const ROW_PANELS = 4;

/** Writes one row's outputs of one, two or four panels, `stride` bytes apart; see storeOutputs. */
// @ts-ignore: decorator
@inline
export function storePanels(
  panels: i32, output: usize, stride: usize, bias: usize, accumulate: i32, count: i32,
  t0: v128, t1: v128, t2: v128, t3: v128, t4: v128, t5: v128, t6: v128, t7: v128,
): void {
  storePanel(output, bias, accumulate, count, t0, t1);
  if (panels == 1) return;
  // A panel's eight outputs take 32 bytes.
  const biasStride: usize = bias ? stride : 0, outputs = <i32>(stride >> 2);
  storePanel(output + stride, bias + biasStride, accumulate, count - outputs, t2, t3);
  if (panels == 2) return;
  storePanel(output + 2 * stride, bias + 2 * biasStride, accumulate, count - 2 * outputs, t4, t5);
  storePanel(output + 3 * stride, bias + 3 * biasStride, accumulate, count - 3 * outputs, t6, t7);
}
