/**
 * Which form of `addProducts` this processor does faster.
 *
 * The loop is that of a tile of four rows and eight outputs: eight sums, as many as hide the time that a product takes from its
 * operands to its result, and for sums of 16 bits what widens them. Both forms are in one small function: an engine replaces its
 * first, unoptimised code for both at once, within milliseconds, so that optimised code is never timed against code that is not.
 */
import { HEAP_ADDRESS } from "../shared/layout";
import { addProducts, beginChunk, CHUNK_BLOCKS, endChunk } from "./matmul/dot";
import { ones16 } from "./matmul/masks";
import { W4A8 } from "./matmul/w4a8";

/** Bytes from HEAP_ADDRESS on that are read, whatever is there: within the first page of every memory. */
const SPAN: usize = 2048;

/** `F` is the lane of the dot. */
// @ts-ignore: decorator
@inline
function addRounds<F>(rounds: i32): v128 {
  // Not constants, or the engine computes with them once.
  const a = i8x16.splat(<i8>(rounds & 1)), b = i8x16.splat(<i8>(rounds & 2)), c = i8x16.splat(<i8>(rounds & 4));
  const d = i8x16.splat(<i8>(rounds & 8)), ones = ones16(rounds);
  let c0 = a, c1 = b, c2 = c, c3 = d, c4 = a, c5 = b, c6 = c, c7 = d;
  for (let i = 0; i < rounds; i += CHUNK_BLOCKS) {
    let s0 = beginChunk<W4A8<F, u8>>(c0), s1 = beginChunk<W4A8<F, u8>>(c1), s2 = beginChunk<W4A8<F, u8>>(c2);
    let s3 = beginChunk<W4A8<F, u8>>(c3), s4 = beginChunk<W4A8<F, u8>>(c4), s5 = beginChunk<W4A8<F, u8>>(c5);
    let s6 = beginChunk<W4A8<F, u8>>(c6), s7 = beginChunk<W4A8<F, u8>>(c7);
    for (let j = 0; j < CHUNK_BLOCKS; j++) {
      const from = HEAP_ADDRESS + (<usize>(i + j) * 32) % SPAN;
      const first = v128.load(from), second = v128.load(from, 16);
      s0 = addProducts<F>(s0, first, a);
      s1 = addProducts<F>(s1, first, b);
      s2 = addProducts<F>(s2, first, c);
      s3 = addProducts<F>(s3, first, d);
      s4 = addProducts<F>(s4, second, a);
      s5 = addProducts<F>(s5, second, b);
      s6 = addProducts<F>(s6, second, c);
      s7 = addProducts<F>(s7, second, d);
    }
    c0 = endChunk<W4A8<F, u8>>(c0, s0, ones);
    c1 = endChunk<W4A8<F, u8>>(c1, s1, ones);
    c2 = endChunk<W4A8<F, u8>>(c2, s2, ones);
    c3 = endChunk<W4A8<F, u8>>(c3, s3, ones);
    c4 = endChunk<W4A8<F, u8>>(c4, s4, ones);
    c5 = endChunk<W4A8<F, u8>>(c5, s5, ones);
    c6 = endChunk<W4A8<F, u8>>(c6, s6, ones);
    c7 = endChunk<W4A8<F, u8>>(c7, s7, ones);
  }
  return v128.xor(v128.xor(v128.xor(c0, c1), v128.xor(c2, c3)), v128.xor(v128.xor(c4, c5), v128.xor(c6, c7)));
}

/** Eight products of vectors a round in 32-bit sums, or in 16-bit ones; what they sum to means nothing. */
export function probeDots(isWide: i32, rounds: i32): i32 {
  if (!ASC_FEATURE_RELAXED_SIMD) return 0;
  const sum = isWide ? addRounds<i32>(rounds) : addRounds<i16>(rounds);
  return i32x4.extract_lane(sum, 0);
}
