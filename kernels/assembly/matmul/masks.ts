/**
 * Vectors that the innermost loops use again and again. They are not written as constants: V8 puts a constant into a register
 * anew at every use, three instructions inside the innermost loop (seen in the machine code; 12 to 27 % of the time). `count` is
 * any number that is not negative.
 */

/** 15 in every 16-bit lane. */
// @ts-ignore: decorator
@inline
export function nibbleMask16(count: i32): v128 {
  return i16x8.splat(<i16>(count < 0 ? 0 : 15));
}

/** 15 in every byte. */
// @ts-ignore: decorator
@inline
export function nibbleMask8(count: i32): v128 {
  return i8x16.splat(<i8>(count < 0 ? 0 : 15));
}

/** 1 in every 16-bit lane. */
// @ts-ignore: decorator
@inline
export function ones16(count: i32): v128 {
  return i16x8.splat(<i16>(count < 0 ? 0 : 1));
}
