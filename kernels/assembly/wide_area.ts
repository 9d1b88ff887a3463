/**
 * The area of a thread at constant addresses, from which the wide tiles read (kernels/wide/text.ts).
 */
import { WIDE_ADDRESS, WIDE_AREA_BYTES } from "../shared/layout";

// @ts-ignore: decorator
@inline
export function areaOf(rank: i32): usize {
  return <usize>WIDE_ADDRESS + <usize>rank * WIDE_AREA_BYTES;
}
