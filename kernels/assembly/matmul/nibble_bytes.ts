/**
 * What kernels of 4-bit codes that are multiplied by bytes have in common: how codes lie, as w4a8.ts says. `A` is the activation, i8, or i16
 * where it is two planes of bytes (planes.ts).
 */
import { CodedKernel } from "./kernel";
import { nibbleMask8 } from "./masks";

@unmanaged
export class NibbleByteKernel<A> extends CodedKernel<u8, u16, A> {
  // @ts-ignore: decorator
  @inline
  get bits(): i32 {
    return 4;
  }

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
}
