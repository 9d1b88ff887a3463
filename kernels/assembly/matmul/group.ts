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

/**
 * total + f32(sum) · (scale · activationScale); of bytes, whose rows have one scale for all groups, total + f32(sum) · scale: see
 * `endRow`. `K` is a kernel (see kernel.ts).
 */
// @ts-ignore: decorator
@inline
export function endGroup<K>(total: v128, sum: v128, scale: v128, activationScale: v128): v128 {
  const factor = changetype<K>(0).hasFactors ? scale : f32x4.mul(scale, activationScale);
  return f32x4.add(total, f32x4.mul(f32x4.convert_i32x4_s(sum), factor));
}

/** The total of all groups times the row's scale, where rows have one. */
// @ts-ignore: decorator
@inline
export function endRow<K>(total: v128, activationScale: v128): v128 {
  return changetype<K>(0).hasFactors ? f32x4.mul(total, activationScale) : total;
}

/**
 * total + f32(sum of the activations' integers) · (offset · activationScale); of bytes total + f32(sum) · offset.
 */
// @ts-ignore: decorator
@inline
export function addOffsets<K>(total: v128, sum: v128, offset: v128, activationScale: v128): v128 {
  const factor = changetype<K>(0).hasFactors ? offset : f32x4.mul(offset, activationScale);
  return f32x4.add(total, f32x4.mul(sum, factor));
}

/** Zero points, or offsets, of a panel: 16 bytes for each group; 0 where there are none. */
// @ts-ignore: decorator
@inline
export function ofPanel(values: usize, panel: i32, groups: i32): usize {
  return values ? values + <usize>panel * <usize>groups * 16 : 0;
}
