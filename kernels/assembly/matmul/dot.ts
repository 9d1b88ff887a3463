/**
 * The product of signed 8-bit activations and codes of 4 bits, 0 … 15, or of 7 bits, 0 … 127.
 *
 * A code never has its top bit set, so `relaxed_dot` is defined and alike on every engine (its result depends on the engine only
 * when the second operand's top bit is set). It adds two products into 16 bits, which cannot saturate: 2 · 127 · 15 = 3,810 for
 * 4-bit codes, and 2 · 127 · 127 = 32,258 for 7-bit ones just fits.
 *
 * Two forms, both exact, so their bits agree: `i32` adds four products to a 32-bit lane in one instruction where the processor has
 * it (VNNI, ARM dot product); `i16` adds two products to a 16-bit lane, which older processors do in two instructions instead of
 * three. Sums of 16 bits are widened after a chunk of 32 inputs (8 additions, 8 · 3,810 < 32,767), with 7-bit codes after each.
 */

/** Sums of two neighbouring products each, in 16-bit lanes. */
// @ts-ignore: decorator
@inline
export function pairProducts(activations: v128, codes: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_dot_i8x16_i7x16_s(activations, codes);
  const even = i16x8.mul(i16x8.shr_s(i16x8.shl(activations, 8), 8), v128.and(codes, i16x8.splat(0xff)));
  const odd = i16x8.mul(i16x8.shr_s(activations, 8), i16x8.shr_u(codes, 8));
  return i16x8.add(even, odd);
}

/** Adds to each lane of `sums` the products of its bytes. `F` is the lane's type: i16 or i32. */
// @ts-ignore: decorator
@inline
export function addProducts<F>(sums: v128, activations: v128, codes: v128): v128 {
  if (sizeof<F>() == 4) return i32x4.relaxed_dot_i8x16_i7x16_add_s(activations, codes, sums);
  return i16x8.add(sums, pairProducts(activations, codes));
}

/**
 * Adds a chunk's sums, times the chunk's factor, to the totals of 32 bits. `factor` is in every lane; with sums of 16 bits, of
 * which two belong to a total, twice: so the factor costs nothing.
 */
// @ts-ignore: decorator
@inline
export function addScaledSums<F>(total: v128, sums: v128, factor: v128): v128 {
  return i32x4.add(total, sizeof<F>() == 4 ? i32x4.mul(sums, factor) : i32x4.dot_i16x8_s(sums, factor));
}
