/**
 * The product of signed 8-bit activations and codes 0..15 of 4 bits, or 0..127 of 7 bits (see matmul_sevens, which never adds two
 * of its 16-bit results: |127 · 127 · 2| = 32,258 just fits).
 *
 * A code never has its top bit set, so `relaxed_dot` is defined and alike on every engine (its result depends on the
 * engine only when the second operand's top bit is set), and |15 · 127 · 2| = 3,810 cannot saturate 16 bits.
 *
 * Two forms, both exact, so their bits agree: `i32` adds four products to a 32-bit lane in one instruction where the
 * processor has it (VNNI, ARM dot product); `i16` adds two products to a 16-bit lane, which older processors do in
 * two instructions instead of three, and is widened every eight additions (8 · 3,810 < 32,767).
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

/** Adds to each lane of `sum` the products of its bytes. `F` is the lane's type: i16 or i32. */
// @ts-ignore: decorator
@inline
export function addProducts<F>(sum: v128, activations: v128, codes: v128): v128 {
  if (sizeof<F>() == 4) return i32x4.relaxed_dot_i8x16_i7x16_add_s(activations, codes, sum);
  return i16x8.add(sum, pairProducts(activations, codes));
}

/** The running sum that a chunk of at most eight `addProducts` starts from. */
// @ts-ignore: decorator
@inline
export function beginChunk<F>(total: v128): v128 {
  return sizeof<F>() == 4 ? total : i32x4.splat(0);
}

/** Folds a chunk's sum back into 32-bit totals. `ones` is 1 in every 16-bit lane; see onesOf. */
// @ts-ignore: decorator
@inline
export function endChunk<F>(total: v128, sum: v128, ones: v128): v128 {
  return sizeof<F>() == 4 ? sum : i32x4.add(total, i32x4.dot_i16x8_s(sum, ones));
}

/** Vectors of eight inputs that fit one 16-bit chunk: two additions each. */
export const CHUNK_BLOCKS = 4;
