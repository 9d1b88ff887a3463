/**
 * Scales of products in integers, and offsets: f16 [N/8, G, 8], 16 bytes for the outputs of a panel and a group. Two bytes are
 * what the files of most formats have; four would be a tenth of what a generated token reads with groups of 32.
 *
 * Sign, exponent and mantissa are shifted to where f32 has them, which leaves three copies of the sign in the exponent, and the value
 * times 2^-112, subnormals included. The constants come from memory; see transcendental.ts.
 *
 * Scales and offsets with units are a byte each, 16 bytes in all for the outputs of a panel and a group: what the files of K formats
 * have. Four words have those of outputs n and n + 4, the scales first. The product of such an integer and an f16 has at most 8 + 11
 * digits, so it is exact in f32.
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
export function leftScalesOf<K>(at: usize, units: usize): v128 {
  return units ? scaled(integersOf<K>(at, 0), leftScales(units)) : leftScales(at);
}

/** Of the last four. */
// @ts-ignore: decorator
@inline
export function rightScalesOf<K>(at: usize, units: usize): v128 {
  return units ? scaled(integersOf<K>(at, 1), rightScales(units)) : rightScales(at);
}

/** Offsets in f16, or where `units` is not 0 with units, beside the scales at `scale`; of the first four outputs. */
// @ts-ignore: decorator
@inline
export function leftOffsetsOf<K>(at: usize, scale: usize, units: usize): v128 {
  return units ? scaled(integersOf<K>(scale, 2), leftScales(units + 16)) : leftScales(at);
}

/** Of the last four. */
// @ts-ignore: decorator
@inline
export function rightOffsetsOf<K>(at: usize, scale: usize, units: usize): v128 {
  return units ? scaled(integersOf<K>(scale, 3), rightScales(units + 16)) : rightScales(at);
}

/** Integers of four outputs: a field of four words, or (of 6 bits) a half of eight bytes with signs. */
// @ts-ignore: decorator
@inline
function integersOf<K>(at: usize, field: i32): v128 {
  if (changetype<K>(0).bits == 6) {
    const words = v128.load_ext<i8>(at);
    return field == 0 ? i32x4.extend_low_i16x8_s(words) : i32x4.extend_high_i16x8_s(words);
  }
  return v128.and(i32x4.shr_u(v128.load(at), field * 8), i32x4.splat(255));
}

// @ts-ignore: decorator
@inline
function scaled(integers: v128, units: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(integers), units);
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
