/**
 * Which form of `addProducts` this processor does faster.
 *
 * The loop is that of a tile of four rows and eight outputs: eight sums, as many as hide the time that a product takes from its
 * operands to its result, and for sums of 16 bits what widens them. Both forms are in one small function: an engine replaces its
 * first, unoptimised code for both at once, within milliseconds, so that optimised code is never timed against code that is not.
 */
import { CHUNK_INPUTS, HEAP_ADDRESS } from "../shared/layout";
import { W4A8 } from "./matmul/w4a8";
import { lane0, lane1, lane2, lane3 } from "./vector";

/** Bytes from HEAP_ADDRESS on that are read, whatever is there: within the first page of every memory. */
const SPAN: usize = 2048;

/** Rounds of a chunk: each multiplies four inputs of four rows and eight outputs. */
const CHUNK_ROUNDS: i32 = CHUNK_INPUTS / 4;

/** `F` is the lane of the dot. */
// @ts-ignore: decorator
@inline
function addRounds<F>(rounds: i32): v128 {
  const kernel = changetype<W4A8<F>>(0), mask = kernel.mask(rounds);
  let c0 = mask, c1 = mask, c2 = mask, c3 = mask, c4 = mask, c5 = mask, c6 = mask, c7 = mask;
  for (let i = 0; i < rounds; i += CHUNK_ROUNDS) {
    let s0 = kernel.begin(c0), s1 = kernel.begin(c1), s2 = kernel.begin(c2), s3 = kernel.begin(c3);
    let s4 = kernel.begin(c4), s5 = kernel.begin(c5), s6 = kernel.begin(c6), s7 = kernel.begin(c7);
    for (let j = 0; j < CHUNK_ROUNDS; j++) {
      const from = HEAP_ADDRESS + (<usize>(i + j) * 32) % SPAN;
      const four = v128.load(from), q0 = kernel.unpack1(v128.load(from, 16), mask), q1 = kernel.unpack1(v128.load(from, 32), mask);
      let x = lane0(four);
      s0 = kernel.add(s0, x, q0, mask);
      s1 = kernel.add(s1, x, q1, mask);
      x = lane1(four);
      s2 = kernel.add(s2, x, q0, mask);
      s3 = kernel.add(s3, x, q1, mask);
      x = lane2(four);
      s4 = kernel.add(s4, x, q0, mask);
      s5 = kernel.add(s5, x, q1, mask);
      x = lane3(four);
      s6 = kernel.add(s6, x, q0, mask);
      s7 = kernel.add(s7, x, q1, mask);
    }
    const all = kernel.factor(mask);
    let factor = lane0(all);
    c0 = kernel.end(c0, s0, factor);
    c1 = kernel.end(c1, s1, factor);
    factor = lane1(all);
    c2 = kernel.end(c2, s2, factor);
    c3 = kernel.end(c3, s3, factor);
    factor = lane2(all);
    c4 = kernel.end(c4, s4, factor);
    c5 = kernel.end(c5, s5, factor);
    factor = lane3(all);
    c6 = kernel.end(c6, s6, factor);
    c7 = kernel.end(c7, s7, factor);
  }
  return v128.xor(v128.xor(v128.xor(c0, c1), v128.xor(c2, c3)), v128.xor(v128.xor(c4, c5), v128.xor(c6, c7)));
}

/** Eight products of vectors a round in 32-bit sums, or in 16-bit ones; what they sum to means nothing. */
export function probeDots(isWide: i32, rounds: i32): i32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 0;
  const sum = isWide ? addRounds<i32>(rounds) : addRounds<i16>(rounds);
  return i32x4.extract_lane(sum, 0);
}
