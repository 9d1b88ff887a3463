/**
 * w4a8: 4-bit codes against activations of one signed byte, or of 12 bits as planes of bytes, 256 · high + low.
 *
 *   codes    i8 [M/R, K/8, 2, R, bytes, 4] with R · bytes = 4: of eight inputs the even ones (0 2 4 6), then the odd ones; of
 *            a row the high bytes, then its low ones, then the next row's. Rows that fill no tile: [K/8, 2, bytes, 4] each.
 *   weights  u32 [N/8, K/8, 8]: one word has eight codes of one output, low bits first (as GPTQ stores them); K % 8 == 0
 *
 * One byte alone moves the logits of small models by several per cent where attention is sharp; 12 bits leave only the weights'
 * own error, for twice the products (docs/numerics.md has the measurements and says where which is used). Planes are for
 * processors where one instruction multiplies and adds four bytes; w4a12 has 12 bits for the others.
 *
 * A panel of eight outputs × eight inputs is 32 contiguous bytes: a panel's codes stream in one direction and each lane
 * belongs to one output, so nothing is ever summed across lanes and the scale multiplies four outputs at once.
 *
 * Exactness: |Σ a · (code − zero)| ≤ 1,927 · 16 · 128 < 2^22 fits 32-bit integers; see dot.ts for the sums on the way.
 */
import { addProducts } from "./dot";
import { CodedKernel } from "./kernel";
import { nibbleMask8 } from "./masks";

/** `F` is the lane of the dot (see dot.ts), `P` as wide as there are planes: u8 or u16. */
@unmanaged
export class W4A8<F, P> extends CodedKernel<u8, u16, P, F> {
  // @ts-ignore: decorator
  @inline
  mask(count: i32): v128 {
    return nibbleMask8(count);
  }

  // @ts-ignore: decorator
  @inline
  unpack0(stored: v128, mask: v128): v128 {
    return v128.and(stored, mask);
  }

  // @ts-ignore: decorator
  @inline
  unpack1(stored: v128, mask: v128): v128 {
    return v128.and(i16x8.shr_u(stored, 4), mask);
  }

  // @ts-ignore: decorator
  @inline
  add(sums: v128, activations: v128, codes: v128, ones: v128): v128 {
    return addProducts<F>(sums, activations, codes);
  }
}
