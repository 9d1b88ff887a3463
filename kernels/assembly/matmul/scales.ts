/**
 * Scales of products in integers, and offsets: f16 [N/8, G, 8], 16 bytes for the outputs of a panel and a group. Two bytes are
 * what the files of most formats have; four would be a tenth of what a generated token reads with groups of 32.
 *
 * Sign, exponent and mantissa are shifted to where f32 has them, which leaves three copies of the sign in the exponent, and the value
 * times 2^-112, subnormals included. The constants come from memory; see transcendental.ts.
 */
import { HALF_BITS_ADDRESS, HALF_FACTOR_ADDRESS } from "../../shared/layout";

/** Of the first four outputs → f32. */
// @ts-ignore: decorator
@inline
export function leftScales(at: usize): v128 {
  return widened(v128.load_ext<i16>(at));
}

/** Of the last four. */
// @ts-ignore: decorator
@inline
export function rightScales(at: usize): v128 {
  return widened(v128.load_ext<i16>(at, 8));
}

// @ts-ignore: decorator
@inline
function widened(halves: v128): v128 {
  const bits = v128.load32_splat(HALF_BITS_ADDRESS), factor = v128.load32_splat(HALF_FACTOR_ADDRESS);
  return f32x4.mul(v128.and(i32x4.shl(halves, 13), bits), factor);
}
