/**
 * Activations of 12 bits as two planes of bytes, for wide tiles where one instruction multiplies and adds four bytes: half as
 * many instructions as words take. Codes lie as for bytes (w4a8.ts). An activation x is 128 · high + low with low from 0 to 127, so
 * Σ x c = 128 · Σ high c + Σ low c: the same integer as the ladder's (w4a12.ts), so the same bits.
 */
import { WIDE_INPUTS } from "../../shared/layout";
import { firstHalves, lastHalves } from "../vector";
import { NibbleByteKernel } from "./nibble_bytes";

/** Bytes of two rows of a tile: both planes of WIDE_INPUTS inputs. */
export const PLANES_BYTES: usize = WIDE_INPUTS * 4;

/** As `W4A12`, for the wide tiles alone. */
@unmanaged
export class W4A12Planes extends NibbleByteKernel<i16> {
  // @ts-ignore: decorator
  @inline
  get isDot32(): bool {
    return true;
  }
}

/**
 * Makes planes of the ladders of a tile's WIDE_INPUTS inputs, i16 [K/8, 4, 4, 2]: for its first two rows and then for its last two
 * i8 [K/8, 2, 4, 4]; of eight inputs the even ones, then the odd ones, and of each the low plane of both rows, then the high one.
 */
export function storePlanes(to: usize, from: usize): void {
  for (let block = 0; block < WIDE_INPUTS / 8; block++) {
    const x0 = v128.load(from), x1 = v128.load(from, 16);
    const x2 = i16x8.add(v128.load(from, 32), i16x8.shl(x1, 4)), x3 = i16x8.add(v128.load(from, 48), i16x8.shl(x2, 4));
    storePair(to, x0, x2);
    storePair(to + 16, x1, x3);
    to += 32;
    from += 64;
  }
}

/** Of four inputs of four rows: `a` has the first and the third, `b` the second and the fourth. */
// @ts-ignore: decorator
@inline
function storePair(to: usize, a: v128, b: v128): void {
  const low = i16x8.splat(127), byte = i16x8.splat(255);
  const lows = v128.or(v128.and(a, low), i16x8.shl(v128.and(b, low), 8));
  const highs = v128.or(v128.and(i16x8.shr_s(a, 7), byte), i16x8.shl(i16x8.shr_s(b, 7), 8));
  v128.store(to, firstHalves(lows, highs));
  v128.store(to + PLANES_BYTES, lastHalves(lows, highs));
}
