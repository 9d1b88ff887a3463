/**
 * The blocks of GGUF files: how each format keeps its codes, and the scales and minimums of its groups. A weight is
 * scale · code + minimum.
 *
 * A format is a class without values that has a number alone, so that what is asked of it is decided when the kernels are built.
 *
 * @see https://github.com/ggml-org/ggml/blob/d99724f/src/ggml-common.h
 */
import {
  BLOCKS_IQ4_NL, BLOCKS_IQ4_XS, BLOCKS_Q2_K, BLOCKS_Q3_K, BLOCKS_Q4_0, BLOCKS_Q4_1, BLOCKS_Q4_K, BLOCKS_Q5_0, BLOCKS_Q5_1,
  BLOCKS_Q5_K, BLOCKS_Q6_K, BLOCKS_Q8_0, KIND_F16,
} from "../../shared/layout";
import { isNonFinite, load1 } from "../floats";

const LOW_NIBBLES: u64 = 0x0f0f0f0f0f0f0f0f;
const LOW_BITS: u64 = 0x0101010101010101;
const LOW_PAIRS: u64 = 0x0303030303030303;
const HIGH_BITS: u64 = 0x8080808080808080;

@unmanaged
export class Q4_0 {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q4_0;
  }
}

@unmanaged
export class Q4_1 {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q4_1;
  }
}

@unmanaged
export class Q5_0 {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q5_0;
  }
}

@unmanaged
export class Q5_1 {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q5_1;
  }
}

@unmanaged
export class Q8_0 {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q8_0;
  }
}

@unmanaged
export class Q2_K {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q2_K;
  }
}

@unmanaged
export class Q3_K {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q3_K;
  }
}

@unmanaged
export class Q4_K {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q4_K;
  }
}

@unmanaged
export class Q5_K {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q5_K;
  }
}

@unmanaged
export class Q6_K {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_Q6_K;
  }
}

@unmanaged
export class IQ4_NL {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_IQ4_NL;
  }
}

@unmanaged
export class IQ4_XS {
  // @ts-ignore: decorator
  @inline
  get kind(): i32 {
    return BLOCKS_IQ4_XS;
  }
}

/** Weights of a block. */
// @ts-ignore: decorator
@inline
export function weightsOf<F>(): i32 {
  const kind = changetype<F>(0).kind;
  return kind >= BLOCKS_Q2_K && kind != BLOCKS_IQ4_NL ? 256 : 32;
}

/** Weights that share a scale. */
// @ts-ignore: decorator
@inline
export function groupOf<F>(): i32 {
  const kind = changetype<F>(0).kind;
  return kind == BLOCKS_Q2_K || kind == BLOCKS_Q3_K || kind == BLOCKS_Q6_K ? 16 : 32;
}

/** Bytes of a block. */
// @ts-ignore: decorator
@inline
export function bytesIn<F>(): usize {
  const kind = changetype<F>(0).kind;
  if (kind == BLOCKS_Q4_0 || kind == BLOCKS_IQ4_NL) return 18;
  if (kind == BLOCKS_Q4_1) return 20;
  if (kind == BLOCKS_Q5_0) return 22;
  if (kind == BLOCKS_Q5_1) return 24;
  if (kind == BLOCKS_Q8_0) return 34;
  if (kind == BLOCKS_Q2_K) return 84;
  if (kind == BLOCKS_Q3_K) return 110;
  if (kind == BLOCKS_Q4_K) return 144;
  if (kind == BLOCKS_Q5_K) return 176;
  return kind == BLOCKS_Q6_K ? 210 : 136;
}

/** Width of a code in memory. */
// @ts-ignore: decorator
@inline
export function bitsOf<F>(): i32 {
  const kind = changetype<F>(0).kind;
  return kind == BLOCKS_Q4_0 || kind == BLOCKS_Q4_1 || kind == BLOCKS_Q4_K || kind == BLOCKS_Q2_K || kind == BLOCKS_Q3_K ? 4 : 8;
}

// @ts-ignore: decorator
@inline
export function hasMinimums<F>(): bool {
  const kind = changetype<F>(0).kind;
  return kind == BLOCKS_Q4_1 || kind == BLOCKS_Q5_1 || kind == BLOCKS_Q2_K || kind == BLOCKS_Q4_K || kind == BLOCKS_Q5_K;
}

/** Whether scales and minimums can stay what they are in the file: integers, times one or two units of the block. */
// @ts-ignore: decorator
@inline
export function hasUnits<F>(): bool {
  const kind = changetype<F>(0).kind;
  return kind == BLOCKS_Q4_K || kind == BLOCKS_Q5_K || kind == BLOCKS_Q6_K;
}

/** The unit of a block's scales. */
// @ts-ignore: decorator
@inline
export function scaleUnitOf<F>(block: usize): f32 {
  return unitOf(changetype<F>(0).kind == BLOCKS_Q6_K ? block + 208 : block);
}

/** Codes 8 `part` … of a block, one a byte, the first in the lowest. */
// @ts-ignore: decorator
@inline
export function codesOf<F>(block: usize, part: i32): u64 {
  const kind = changetype<F>(0).kind;
  if (kind == BLOCKS_Q4_0) return nibbles(block + 2, part);
  if (kind == BLOCKS_Q4_1) return nibbles(block + 4, part);
  if (kind == BLOCKS_Q5_0) return nibbles(block + 6, part) | spreadBits(load<u32>(block + 2) >> <u32>(part * 8)) << 4;
  if (kind == BLOCKS_Q5_1) return nibbles(block + 8, part) | spreadBits(load<u32>(block + 4) >> <u32>(part * 8)) << 4;
  if (kind == BLOCKS_Q8_0) return load<u64>(block + 2 + <usize>(part * 8)) ^ HIGH_BITS;
  if (kind == BLOCKS_IQ4_NL) return unevenCodes(nibbles(block + 2, part));
  if (kind == BLOCKS_IQ4_XS) return unevenCodes(nibbles(block + 8 + <usize>((part >> 2) * 16), part & 3));
  // Of 32 neighbours, the same bytes hold others' codes in their other bits: a quarter of 128 weights each, or a half of 64.
  const inQuarter = <usize>((part & 3) * 8), pairs = <usize>((part >> 4) * 32) + inQuarter, quarter = part >> 2 & 3;
  if (kind == BLOCKS_Q2_K) return load<u64>(block + 16 + pairs) >> <u64>(quarter * 2) & LOW_PAIRS;
  if (kind == BLOCKS_Q3_K) {
    const third = load<u64>(block + inQuarter) >> <u64>(part >> 2) & LOW_BITS;
    return load<u64>(block + 32 + pairs) >> <u64>(quarter * 2) & LOW_PAIRS | third << 2;
  }
  if (kind == BLOCKS_Q6_K) {
    const low = block + <usize>((part >> 4) * 64 + (quarter & 1) * 32) + inQuarter;
    const high = load<u64>(block + 128 + pairs) >> <u64>(quarter * 2) & LOW_PAIRS;
    return load<u64>(low) >> <u64>((quarter >> 1) * 4) & LOW_NIBBLES | high << 4;
  }
  const low = <usize>((part >> 3) * 32) + inQuarter, shift = <u64>((part >> 2 & 1) * 4);
  if (kind == BLOCKS_Q4_K) return load<u64>(block + 16 + low) >> shift & LOW_NIBBLES;
  const fifth = load<u64>(block + 16 + inQuarter) >> <u64>(part >> 2) & LOW_BITS;
  return load<u64>(block + 48 + low) >> shift & LOW_NIBBLES | fifth << 4;
}

/** The scale of a group of a block. */
// @ts-ignore: decorator
@inline
export function scaleOf<F>(block: usize, group: i32): f32 {
  const kind = changetype<F>(0).kind;
  if (kind == BLOCKS_Q2_K) return unitOf(block + 80) * <f32>(<i32>load<u8>(block + <usize>group) & 15);
  if (hasUnits<F>()) return scaleUnitOf<F>(block) * <f32>scaleIntegerOf<F>(block, group);
  if (kind == BLOCKS_Q3_K) {
    // Six bits: nibbles of eight bytes, low ones first, and pairs of bits of four more.
    const low = <i32>load<u8>(block + 96 + <usize>(group & 7)) >> ((group >> 3) * 4) & 15;
    const high = <i32>load<u8>(block + 104 + <usize>(group & 3)) >> ((group >> 2) * 2) & 3;
    return unitOf(block + 108) * <f32>((low | high << 4) - 32);
  }
  if (kind == BLOCKS_IQ4_XS) {
    const low = <i32>load<u8>(block + 4 + <usize>(group >> 1)) >> ((group & 1) * 4) & 15;
    const high = <i32>load<u16>(block + 2) >> (group * 2) & 3;
    return unitOf(block) * <f32>((low | high << 4) - 32);
  }
  return unitOf(block);
}

/** The minimum of a group of a block, of formats that have them. */
// @ts-ignore: decorator
@inline
export function minimumOf<F>(block: usize, group: i32): f32 {
  const kind = changetype<F>(0).kind;
  if (kind == BLOCKS_Q2_K) return -unitOf(block + 82) * <f32>(<i32>load<u8>(block + <usize>group) >> 4);
  if (kind == BLOCKS_Q4_K || kind == BLOCKS_Q5_K) return -unitOf(block + 2) * <f32>minimumIntegerOf(block, group);
  return unitOf(block + 2);
}

/** Of formats with units: the scale of a group is this integer times the unit. */
// @ts-ignore: decorator
@inline
export function scaleIntegerOf<F>(block: usize, group: i32): i32 {
  if (changetype<F>(0).kind == BLOCKS_Q6_K) return <i32>load<i8>(block + 192 + <usize>group);
  const at = block + 4 + <usize>group, own = <i32>load<u8>(at);
  return group < 4 ? own & 63 : <i32>load<u8>(at, 4) & 15 | <i32>load<u8>(at - 4) >> 6 << 4;
}

/** The same of the minimum, whose unit is the second. */
// @ts-ignore: decorator
@inline
export function minimumIntegerOf(block: usize, group: i32): i32 {
  const at = block + 4 + <usize>group, other = <i32>load<u8>(at, 4);
  return group < 4 ? other & 63 : other >> 4 | <i32>load<u8>(at) >> 6 << 4;
}

/** An f16 of a block; NaN for an infinity too, which `load1` would make a number of. */
export function unitOf(pointer: usize): f32 {
  return isNonFinite(pointer, KIND_F16) ? NaN : load1(pointer, KIND_F16);
}

/** Codes 8 `part` … of 32 whose low nibbles come first, 16 at a time. */
// @ts-ignore: decorator
@inline
function nibbles(quants: usize, part: i32): u64 {
  return load<u64>(quants + <usize>((part & 1) * 8)) >> <u64>((part >> 1) * 4) & LOW_NIBBLES;
}

/** Eight bits, each a byte's lowest. */
// @ts-ignore: decorator
@inline
function spreadBits(bits: u32): u64 {
  const own = <u64>(bits & 255) * LOW_BITS & 0x8040201008040201;
  return (own + 0x7f7f7f7f7f7f7f7f) >> 7 & LOW_BITS;
}

/** The sixteen values of the formats whose codes are not evenly apart, around 128. */
// @ts-ignore: decorator
@inline
function unevenCodes(nibbles: u64): u64 {
  const values = i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
  return i64x2.extract_lane(i8x16.swizzle(values, i64x2.splat(nibbles)), 0) ^ HIGH_BITS;
}
