/**
 * Floats as files store them, in 16 or 32 bits. `type` is KIND_F32, KIND_F16 or KIND_BF16.
 */
import { HALF_FACTOR, KIND_BF16, KIND_F16, KIND_F32 } from "../shared/layout";

/** The least f16 that has all its digits, 2^-14. */
const HALF_NORMAL: f32 = 6.103515625e-5;
const HALF_INFINITY: u16 = 0x7c00;

/** The types as parameters of a template, which is decided when the kernels are built. */
@unmanaged
export class F32 {
  // @ts-ignore: decorator
  @inline
  get type(): i32 {
    return KIND_F32;
  }
}

@unmanaged
export class F16 {
  // @ts-ignore: decorator
  @inline
  get type(): i32 {
    return KIND_F16;
  }
}

@unmanaged
export class BF16 {
  // @ts-ignore: decorator
  @inline
  get type(): i32 {
    return KIND_BF16;
  }
}

// @ts-ignore: decorator
@inline
export function bytesOf(type: i32): usize {
  return type == KIND_F32 ? 4 : 2;
}

/**
 * Four f16 bit patterns in 32-bit lanes → f32. Shifting the exponent and mantissa into place gives the value
 * times 2^-112, subnormals included; infinities and NaN do not survive, so loaders refuse them first.
 */
// @ts-ignore: decorator
@inline
function widenF16(h: v128): v128 {
  const magnitude = i32x4.shl(v128.and(h, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16);
  return v128.or(f32x4.mul(magnitude, f32x4.splat(reinterpret<f32>(<u32>HALF_FACTOR))), sign);
}

/** Four neighbouring floats → f32. */
// @ts-ignore: decorator
@inline
export function load4(pointer: usize, type: i32): v128 {
  if (type == KIND_F32) return v128.load(pointer);
  const raw = v128.load64_zero(pointer);
  if (type == KIND_BF16) return i32x4.shl(i32x4.extend_low_i16x8_u(raw), 16);
  return widenF16(i32x4.extend_low_i16x8_u(raw));
}

/** Eight neighbouring floats, of which `raw` are the first 16 bytes: the first four → f32. */
// @ts-ignore: decorator
@inline
export function firstFour(raw: v128, type: i32): v128 {
  if (type == KIND_F32) return raw;
  const patterns = i32x4.extend_low_i16x8_u(raw);
  return type == KIND_BF16 ? i32x4.shl(patterns, 16) : widenF16(patterns);
}

/** The last four. */
// @ts-ignore: decorator
@inline
export function lastFour(raw: v128, pointer: usize, type: i32): v128 {
  if (type == KIND_F32) return v128.load(pointer, 16);
  const patterns = i32x4.extend_high_i16x8_u(raw);
  return type == KIND_BF16 ? i32x4.shl(patterns, 16) : widenF16(patterns);
}

/** What the bits of an f16 are worth that stand where f32 has its own; see `widenF16`. */
// @ts-ignore: decorator
@inline
function shiftedHalf(bits: u32): f32 {
  return reinterpret<f32>(bits) * reinterpret<f32>(<u32>HALF_FACTOR);
}

/** One float → f32, by the same arithmetic as `load4`. */
// @ts-ignore: decorator
@inline
export function load1(pointer: usize, type: i32): f32 {
  if (type == KIND_F32) return load<f32>(pointer);
  const raw = <u32>load<u16>(pointer);
  if (type == KIND_BF16) return reinterpret<f32>(raw << 16);
  const magnitude = shiftedHalf((raw & 0x7fff) << 13);
  return reinterpret<f32>(reinterpret<u32>(magnitude) | ((raw & 0x8000) << 16));
}

/**
 * The f16 nearest to a value, ties to even; beyond f16's largest number infinity. Below its normal range, a half is added, whose last
 * digit counts as much as that of an f16 there; elsewhere the digits that f16 has not are rounded off.
 */
export function toHalf(value: f32): u16 {
  const bits = reinterpret<u32>(value), sign = <u16>(bits >> 16 & 0x8000);
  const magnitude = reinterpret<f32>(bits & 0x7fffffff);
  if (!(magnitude < 65520)) return sign | (isNaN(magnitude) ? <u16>0x7e00 : HALF_INFINITY);
  if (magnitude < HALF_NORMAL) return sign | <u16>(reinterpret<u32>(magnitude + 0.5) - 0x3f000000);
  // The exponent loses what f32's bias is more than f16's.
  const rounded = reinterpret<u32>(magnitude) + 0xfff + (reinterpret<u32>(magnitude) >> 13 & 1);
  return sign | <u16>((rounded >> 13) - (112 << 10));
}

/** The least f16 that is not below a value that is not negative. */
export function toHalfUp(value: f32): u16 {
  const half = toHalf(value);
  return half < HALF_INFINITY && shiftedHalf(<u32>half << 13) < value ? half + 1 : half;
}

/** Stores a float as `type`, f16 or f32; whether it is finite there. */
// @ts-ignore: decorator
@inline
export function storeRounded(at: usize, index: usize, value: f32, type: i32): bool {
  if (type == KIND_F32) store<f32>(at + index * 4, value);
  else store<u16>(at + index * 2, toHalf(value));
  return type == KIND_F32 ? isFinite(value) : !isNonFinite(at + index * 2, KIND_F16);
}

/** Whether the stored bit pattern is an infinity or NaN. */
// @ts-ignore: decorator
@inline
export function isNonFinite(pointer: usize, type: i32): bool {
  if (type == KIND_F32) return (load<u32>(pointer) & 0x7f800000) == 0x7f800000;
  const raw = <u32>load<u16>(pointer);
  if (type == KIND_F16) return (raw & 0x7c00) == 0x7c00;
  return (raw & 0x7f80) == 0x7f80;
}

/**
 * Stored bit patterns of the floats of a vector, four or (`T` u16 instead of f32) eight, their signs masked away. They are ordered like
 * the magnitudes of the floats, with infinity and NaN on top.
 */
// @ts-ignore: decorator
@inline
function magnitudes<T>(pointer: usize): v128 {
  return v128.and(v128.load(pointer), isFloat<T>() ? i32x4.splat(0x7fffffff) : i16x8.splat(0x7fff));
}

// @ts-ignore: decorator
@inline
function largerOf<T>(a: v128, b: v128): v128 {
  return isFloat<T>() ? i32x4.max_s(a, b) : i16x8.max_s(a, b);
}

/** The pattern of one float with its sign; one of 16 bits is shifted to the top. */
// @ts-ignore: decorator
@inline
function pattern1<T>(pointer: usize): i32 {
  return isFloat<T>() ? load<i32>(pointer) : <i32>load<u16>(pointer) << 16;
}

/** The largest pattern of elements [begin, end), their signs masked away; those of 16 bits are shifted to the top. */
// @ts-ignore: decorator
@inline
export function largestPattern<T>(vector: usize, begin: i32, end: i32): i32 {
  const lanes = isFloat<T>() ? 4 : 8;
  let largest = i32x4.splat(0), k = begin;
  for (; k + lanes <= end; k += lanes) {
    largest = largerOf<T>(largest, magnitudes<T>(vector + <usize>k * sizeof<T>()));
  }
  if (!isFloat<T>()) largest = i32x4.max_s(i32x4.shl(largest, 16), v128.and(largest, i32x4.splat(0x7fff0000)));
  let bits = max(
    max(i32x4.extract_lane(largest, 0), i32x4.extract_lane(largest, 1)),
    max(i32x4.extract_lane(largest, 2), i32x4.extract_lane(largest, 3)),
  );
  for (; k < end; k++) bits = max(bits, pattern1<T>(vector + <usize>k * sizeof<T>()) & 0x7fffffff);
  return bits;
}

/** The value that a pattern of `largestPattern` stands for. */
// @ts-ignore: decorator
@inline
export function magnitudeOf(pattern: i32, type: i32): f32 {
  if (type != KIND_F16) return reinterpret<f32>(pattern);
  return shiftedHalf(<u32>pattern >> 3);
}

/** The pattern of infinity. */
// @ts-ignore: decorator
@inline
export function infinityPattern(type: i32): i32 {
  return type == KIND_F16 ? 0x7c000000 : 0x7f800000;
}

/** All ones in the lanes of those of four stored floats that are an infinity or NaN. */
// @ts-ignore: decorator
@inline
export function nonFinite4(pointer: usize, type: i32): v128 {
  const infinity = i32x4.splat(infinityPattern(type));
  const patterns = type == KIND_F32 ? v128.load(pointer) : i32x4.shl(i32x4.extend_low_i16x8_u(v128.load64_zero(pointer)), 16);
  return i32x4.eq(v128.and(patterns, infinity), infinity);
}
