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

// @ts-ignore: decorator
@inline
export function maxLanes(v: v128): f32 {
  return max(
    max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
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
