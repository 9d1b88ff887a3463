/**
 * Scales of products in integers, and offsets: f16 [N/8, G, 8], 16 bytes for the outputs of a panel and a group. Two bytes are
 * what the files of most formats have; four would be a tenth of what a generated token reads with groups of 32.
 *
 * Sign, exponent and mantissa are shifted to where f32 has them, which leaves three copies of the sign in the exponent, and the value
 * times 2^-112, subnormals included. `bits` and `factor` are `halfBits` and `halfFactor` of masks.ts.
 */

/** Of the first four outputs → f32. */
// @ts-ignore: decorator
@inline
export function leftScales(at: usize, bits: v128, factor: v128): v128 {
  return widened(v128.load_ext<i16>(at), bits, factor);
}

/** Of the last four. */
// @ts-ignore: decorator
@inline
export function rightScales(at: usize, bits: v128, factor: v128): v128 {
  return widened(v128.load_ext<i16>(at, 8), bits, factor);
}

// @ts-ignore: decorator
@inline
function widened(halves: v128, bits: v128, factor: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(halves, 13), bits), factor);
}
