/**
 * w6a8: 6-bit codes against activations of one signed byte.
 *
 *   codes    i8 [M/4, K/8, 2, 4, 4], as the bytes of w4a8
 *   weights  u8 [N/8, K/8, 3, 4, 4]: of eight inputs the even ones (0 2 4 6) of outputs 0 to 3, the odd ones of these, and the even
 *            ones of outputs 4 to 7, six bits each; the two bits above them are the lowest, the middle and the highest two of the code
 *            of the odd inputs of outputs 4 to 7. K % 256 == 0
 *   scales   i8 [N/8, K/16, 8], with units f16 [N/8, K/256, 8]
 *
 * These are the blocks of Q6_K, of which 16 weights take 13.1 bytes: single rows wait for memory, and so three instructions more for
 * 16 codes are worth a quarter of the bytes.
 *
 * Exactness: a pair of products is at most 2 · 127 · 63 < 2^14, and |Σ factor · a · (code − 32)| ≤ 2,047 · 127 · 32 · 16 < 2^28.
 */
import { WidenedByteKernel } from "./widened_bytes";

/** The codes of one of the three vectors. */
// @ts-ignore: decorator
@inline
export function lowSixBits(vector: v128): v128 {
  return v128.and(vector, i8x16.splat(63));
}

/** The codes of the fourth, which the three share. */
// @ts-ignore: decorator
@inline
export function sharedSixBits(w: usize): v128 {
  const low = v128.and(i16x8.shr_u(v128.load(w), 6), i8x16.splat(3));
  const middle = v128.and(i16x8.shr_u(v128.load(w, 16), 4), i8x16.splat(12));
  return v128.or(v128.or(low, middle), v128.and(i16x8.shr_u(v128.load(w, 32), 2), i8x16.splat(48)));
}

/** `F` is the lane of the dot; see dot.ts. Sums of 16 bits would overflow with the third pair. */
@unmanaged
export class W6A8<F> extends WidenedByteKernel<F> {
  // @ts-ignore: decorator
  @inline
  get bits(): i32 {
    return 6;
  }
}
