/**
 * Small vector idioms that the kernels share.
 */

/** Sum of the four lanes in a fixed order, so that every caller rounds alike. */
// @ts-ignore: decorator
@inline
export function sumLanes(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** The largest of the four lanes, in all lanes. */
// @ts-ignore: decorator
@inline
export function largestLane(v: v128): v128 {
  const two = f32x4.pmax(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.pmax(two, v128.shuffle<f32>(two, two, 1, 0, 3, 2));
}

/** One 32-bit lane in all four. */
// @ts-ignore: decorator
@inline
export function lane0(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 0, 0, 0, 0);
}

// @ts-ignore: decorator
@inline
export function lane1(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 1, 1, 1, 1);
}

// @ts-ignore: decorator
@inline
export function lane2(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 2, 2, 2, 2);
}

// @ts-ignore: decorator
@inline
export function lane3(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 3, 3, 3, 3);
}

/** The 32-bit lanes of two vectors in turn: the first two of each. */
// @ts-ignore: decorator
@inline
export function firstInTurn(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 4, 1, 5);
}

/** The last two of each. */
// @ts-ignore: decorator
@inline
export function lastInTurn(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 2, 6, 3, 7);
}

/** The 16-bit lanes of two vectors in turn: the first four of each. */
// @ts-ignore: decorator
@inline
export function low16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** The last four of each. */
// @ts-ignore: decorator
@inline
export function high16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** The first halves of two vectors. */
// @ts-ignore: decorator
@inline
export function firstHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 0, 2);
}

/** The last halves. */
// @ts-ignore: decorator
@inline
export function lastHalves(a: v128, b: v128): v128 {
  return v128.shuffle<i64>(a, b, 1, 3);
}

/** Writes four vectors, `stride` bytes apart: lane 0 of all four, then lane 1, … */
// @ts-ignore: decorator
@inline
export function storeTransposed(to: usize, stride: usize, a: v128, b: v128, c: v128, d: v128): void {
  const first01 = firstInTurn(a, b), first23 = firstInTurn(c, d), last01 = lastInTurn(a, b), last23 = lastInTurn(c, d);
  v128.store(to, firstHalves(first01, first23));
  v128.store(to + stride, lastHalves(first01, first23));
  v128.store(to + 2 * stride, firstHalves(last01, last23));
  v128.store(to + 3 * stride, lastHalves(last01, last23));
}

/** Every second field of `bits` bits of two vectors in turn: the lower of each two. `low` masks the lower fields. */
// @ts-ignore: decorator
@inline
export function lowFields(a: v128, b: v128, bits: i32, low: v128): v128 {
  return v128.bitselect(a, i32x4.shl(b, bits), low);
}

/** The higher ones. */
// @ts-ignore: decorator
@inline
export function highFields(a: v128, b: v128, bits: i32, low: v128): v128 {
  return v128.bitselect(i32x4.shr_u(a, bits), b, low);
}

/** Writes up to four lanes; the last panel of a layer may have fewer outputs than lanes. */
// @ts-ignore: decorator
@inline
export function storeLanes(pointer: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(pointer, v);
    return;
  }
  if (count > 0) store<f32>(pointer, f32x4.extract_lane(v, 0));
  if (count > 1) store<f32>(pointer, f32x4.extract_lane(v, 1), 4);
  if (count > 2) store<f32>(pointer, f32x4.extract_lane(v, 2), 8);
}

/** Reads up to four lanes, zeros beyond. */
// @ts-ignore: decorator
@inline
export function loadLanes(pointer: usize, count: i32): v128 {
  if (count >= 4) return v128.load(pointer);
  let v = f32x4.splat(0);
  if (count > 0) v = f32x4.replace_lane(v, 0, load<f32>(pointer));
  if (count > 1) v = f32x4.replace_lane(v, 1, load<f32>(pointer, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, load<f32>(pointer, 8));
  return v;
}

/**
 * Adding this to |x| < 2^22 rounds x to an integer, ties to even, and leaves it in the low bits: two instructions where
 * `nearest` and `trunc_sat` take eight on x86.
 */
export const ROUND_MAGIC: f32 = 12582912;

/** nearest(x · factor) as i32, for results below 2^22. */
// @ts-ignore: decorator
@inline
export function roundScaled(x: v128, factor: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.mul(x, factor), f32x4.splat(ROUND_MAGIC)), f32x4.splat(ROUND_MAGIC));
}
