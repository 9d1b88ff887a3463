/**
 * What the products of coded weights do at the beginning and at the end of each group of inputs.
 */

/**
 * The integer sums of four outputs before the first product: −zero · sum, so that what comes out is Σ a · (code − zero).
 *   zeros  address of i16 [4] at `offset`, or 0: `zero` for all
 *   sum    of the activations' integers over the group
 */
// @ts-ignore: decorator
@inline
export function startGroup(zeros: usize, offset: usize, zero: i32, sum: i32): v128 {
  if (!zeros) return i32x4.splat(-zero * sum);
  return i32x4.mul(i32x4.extend_low_i16x8_s(v128.load64_zero(zeros + offset)), i32x4.splat(-sum));
}

/** total + f32(sum) · (scale · activationScale). */
// @ts-ignore: decorator
@inline
export function endGroup(total: v128, sum: v128, scale: v128, activationScale: v128): v128 {
  return f32x4.add(total, f32x4.mul(f32x4.convert_i32x4_s(sum), f32x4.mul(scale, activationScale)));
}

/** Zero points of a panel, which take half the bytes of its scales; 0 where there are none. */
// @ts-ignore: decorator
@inline
export function zerosOf(zeros: usize, panel: i32, scaleBytes: usize): usize {
  return zeros ? zeros + <usize>panel * (scaleBytes >> 1) : 0;
}
