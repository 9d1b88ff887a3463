/**
 * Which form of `addProducts` this processor does faster.
 *
 * Both forms are in one small function: an engine replaces its first, unoptimised code for both at once, within milliseconds, so
 * they never race in code of different kinds.
 */
import { HEAP_ADDRESS } from "../shared/layout";
import { addProducts } from "./dot";

/** Bytes behind HEAP_ADDRESS that are read, whatever is there: within the first page of every memory. */
const SPAN: usize = 2048;

// @ts-ignore: decorator
@inline
function addRounds<F>(rounds: i32): v128 {
  // Not constants, or the engine computes with them once.
  const a = i8x16.splat(<i8>(rounds & 1)), b = i8x16.splat(<i8>(rounds & 2)), c = i8x16.splat(<i8>(rounds & 4));
  let s0 = a, s1 = b, s2 = c, s3 = a, s4 = b, s5 = c;
  for (let i = 0; i < rounds; i++) {
    const from = HEAP_ADDRESS + (<usize>i * 32) % SPAN;
    const first = v128.load(from), second = v128.load(from, 16);
    s0 = addProducts<F>(s0, first, a);
    s1 = addProducts<F>(s1, first, b);
    s2 = addProducts<F>(s2, first, c);
    s3 = addProducts<F>(s3, second, a);
    s4 = addProducts<F>(s4, second, b);
    s5 = addProducts<F>(s5, second, c);
  }
  return v128.xor(v128.xor(v128.xor(s0, s1), v128.xor(s2, s3)), v128.xor(s4, s5));
}

/** Six dots a round in 32-bit sums, or in 16-bit ones; what they sum to means nothing. */
export function probeDots(isWide: i32, rounds: i32): i32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 0;
  const sum = isWide ? addRounds<i32>(rounds) : addRounds<i16>(rounds);
  return i32x4.extract_lane(sum, 0);
}
