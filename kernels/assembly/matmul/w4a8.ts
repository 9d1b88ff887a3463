/**
 * w4a8: 4-bit codes against activations of one signed byte.
 *
 *   codes    i8 [M/4, K/8, 2, 4, 4]: of eight inputs the even ones (0 2 4 6) of four rows, then the odd ones. Rows that fill no
 *            tile: [K/8, 2, 4] each.
 *   weights  u32 [N/8, K/8, 8]: one word has eight codes of one output, low bits first (as GPTQ stores them); K % 8 == 0
 *
 * A panel of eight outputs × eight inputs is 32 contiguous bytes: a panel's codes stream in one direction and each lane
 * belongs to one output, so nothing is ever summed across lanes and the scale multiplies four outputs at once.
 *
 * Exactness: |Σ factor · a · (code − zero)| ≤ 2,047 · 127 · 16 · 128 < 2^30; see dot.ts for the sums on the way.
 */
import { addProducts, addScaledSums } from "./dot";
import { NibbleByteKernel } from "./nibble_bytes";

/** `F` is the lane of the dot; see dot.ts. */
@unmanaged
export class W4A8<F> extends NibbleByteKernel<i8> {
  // @ts-ignore: decorator
  @inline
  get isDot32(): bool {
    return sizeof<F>() == 4;
  }

  // @ts-ignore: decorator
  @inline
  factor(pair: v128): v128 {
    return sizeof<F>() == 4 ? i32x4.shr_u(pair, 16) : pair;
  }

  // @ts-ignore: decorator
  @inline
  begin(total: v128): v128 {
    return i32x4.splat(0);
  }

  // @ts-ignore: decorator
  @inline
  add(sums: v128, activations: v128, codes: v128, mask: v128): v128 {
    return addProducts<F>(sums, activations, codes);
  }

  // @ts-ignore: decorator
  @inline
  end(total: v128, sums: v128, factor: v128): v128 {
    return addScaledSums<F>(total, sums, factor);
  }
}
