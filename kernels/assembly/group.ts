/**
 * What the products of coded weights do at the end of each group of inputs.
 */

/** The zero points of four outputs: of their own, or one for all. */
// @ts-ignore: decorator
@inline
export function zeroPoints(zeros: usize, zero: i32): v128 {
  return zeros ? i32x4.extend_low_i16x8_s(v128.load64_zero(zeros)) : i32x4.splat(zero);
}

/** 256 · high + low, or the one byte there is. */
// @ts-ignore: decorator
@inline
export function joinBytes<P>(high: v128, low: v128): v128 {
  return sizeof<P>() == 2 ? i32x4.add(i32x4.shl(high, 8), low) : high;
}

/**
 * total + f32(dot − zero · sum) · (scale · step).
 *   sums i32, steps f32: of this row and group
 */
// @ts-ignore: decorator
@inline
export function applyGroup(
  total: v128, dot: v128, zero: v128, sums: usize, scale: v128, steps: usize,
): v128 {
  const centred = f32x4.convert_i32x4_s(i32x4.sub(dot, i32x4.mul(zero, v128.load32_splat(sums))));
  return f32x4.add(total, f32x4.mul(centred, f32x4.mul(scale, v128.load32_splat(steps))));
}
