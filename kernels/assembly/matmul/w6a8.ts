/**
 * w6a8: 6-bit codes against activations of one signed byte.
 *
 *   codes    i8 [M/4, K/8, 2, 4, 4], as the bytes of w4a8
 *   weights  u8 [N/8, K/8, 48]: the low four bits of 64 codes as w4a8 has them, then 16 bytes with the others. A vector of the first
 *            32 bytes gives the even inputs of four outputs and then the odd ones: four vectors of codes. Bits 2 i and 2 i + 1 of the
 *            last 16 bytes belong to vector i. K % 256 == 0
 *   scales   i8 [N/8, K/16, 8], with units f16 [N/8, K/256, 8]
 *
 * These are the blocks of Q6_K, of which 16 weights take 13.1 bytes: single rows wait for memory, and so six instructions more for
 * 16 codes are worth a quarter of the bytes.
 *
 * Exactness: a pair of products is at most 2 · 127 · 63 < 2^14, and |Σ factor · a · (code − 32)| ≤ 2,047 · 127 · 32 · 16 < 2^28.
 */
import { addProducts, addScaledSums, pairProducts } from "./dot";
import { CodedKernel } from "./kernel";
import { ones16 } from "./masks";

/** Codes of four outputs: low bits that are shifted and masked, and the others' bits in places 4 and 5 of each byte. */
// @ts-ignore: decorator
@inline
export function joinSixBits(low: v128, high: v128): v128 {
  return v128.or(v128.and(low, i8x16.splat(15)), v128.and(high, i8x16.splat(48)));
}

/** `F` is the lane of the dot; see dot.ts. Sums of 16 bits would overflow with the third pair, so they are widened at once. */
@unmanaged
export class W6A8<F> extends CodedKernel<u16, u8, i8> {
  // @ts-ignore: decorator
  @inline
  get bits(): i32 {
    return 6;
  }

  // @ts-ignore: decorator
  @inline
  get isDot32(): bool {
    return sizeof<F>() == 4;
  }

  // @ts-ignore: decorator
  @inline
  mask(count: i32): v128 {
    return ones16(count);
  }

  // @ts-ignore: decorator
  @inline
  unpack0(stored: v128, mask: v128): v128 {
    return stored;
  }

  // @ts-ignore: decorator
  @inline
  factor(pair: v128): v128 {
    return i32x4.shr_u(pair, 16);
  }

  // @ts-ignore: decorator
  @inline
  begin(total: v128): v128 {
    return i32x4.splat(0);
  }

  // @ts-ignore: decorator
  @inline
  add(sums: v128, activations: v128, codes: v128, mask: v128): v128 {
    if (sizeof<F>() == 4) return addProducts<F>(sums, activations, codes);
    return i32x4.add(sums, i32x4.dot_i16x8_s(pairProducts(activations, codes), mask));
  }

  // @ts-ignore: decorator
  @inline
  end(total: v128, sums: v128, factor: v128): v128 {
    return addScaledSums<i32>(total, sums, factor);
  }
}
