/**
 * Scales of products in integers, and offsets: f16 [N/8, G, 8], 16 bytes for the outputs of a panel and a group. Two bytes are
 * what the files of most formats have; four would be a tenth of what a generated token reads with groups of 32.
 *
 * Sign, exponent and mantissa are shifted to where f32 has them, which leaves three copies of the sign in the exponent, and the value
 * times 2^-112, subnormals included. The constants come from memory; see transcendental.ts.
 *
 * Scales and offsets with units are a byte each, 16 bytes in all for the outputs of a panel and a group: what the files of K formats
 * have. The product of such an integer and an f16 has at most 7 + 11 digits, so it is exact in f32.
 */
import { HALF_BITS_ADDRESS, HALF_FACTOR_ADDRESS, UNIT_INPUTS } from "../../shared/layout";
import { groupScaleBytes } from "./kernel";

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

/** Scales in f16, or where `units` is not 0 with units, of the first four outputs. */
// @ts-ignore: decorator
@inline
export function leftScalesOf(at: usize, units: usize): v128 {
  if (!units) return leftScales(at);
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(v128.load_ext<i8>(at))), leftScales(units));
}

/** Of the last four. */
// @ts-ignore: decorator
@inline
export function rightScalesOf(at: usize, units: usize): v128 {
  if (!units) return rightScales(at);
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(v128.load_ext<i8>(at))), rightScales(units));
}

/** Units of a panel; 0 where there are none. */
// @ts-ignore: decorator
@inline
export function unitsOf<K>(units: usize, panel: i32, inputs: i32): usize {
  return units ? units + <usize>panel * <usize>(inputs / UNIT_INPUTS) * 2 * groupScaleBytes<K>() : 0;
}

// @ts-ignore: decorator
@inline
function widened(halves: v128): v128 {
  const bits = v128.load32_splat(HALF_BITS_ADDRESS), factor = v128.load32_splat(HALF_FACTOR_ADDRESS);
  return f32x4.mul(v128.and(i32x4.shl(halves, 13), bits), factor);
}
