/**
 * What kernels of codes of more than 4 bits against bytes have in common: codes are multiplied as they are stored, and pairs of products
 * are widened at once, as sums of 16 bits would overflow.
 */
import { addProducts, addScaledSums, pairProducts } from "./dot";
import { CodedKernel } from "./kernel";
import { ones16 } from "./masks";

/** `F` is the lane of the dot; see dot.ts. */
@unmanaged
export class WidenedByteKernel<F> extends CodedKernel<u16, u8, i8> {
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
