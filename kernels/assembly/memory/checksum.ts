/**
 * Checksums of long arrays at the speed of memory.
 */
import { shareBegin } from "../share";

/** Bytes that one turn of the loop takes; arrays are whole multiples. */
const LINE_BYTES: usize = 64;

/**
 * Fletcher's two sums over the N 32-bit words of an array, modulo 2^64: Σ w[j] and Σ (N − j) · w[j].
 *   source  u32 [bytes / 4]; `bytes` a multiple of 64, at most 2^31
 *   sums    u64 [size, 2]: what each thread's words add to both
 *
 * Any damage within two words is found: both sums stay only if the two differences cancel, δ₁ + δ₂ = 0, and so do j₁ δ₁ + j₂ δ₂,
 * that is (j₁ − j₂) δ₁ = 0 modulo 2^64, where neither factor is 0 and their product is below 2^62. Other damage is missed once
 * in 2^64 or so, if it is not made for it.
 *
 * @see John G. Fletcher, An Arithmetic Checksum for Serial Transmissions, IEEE Transactions on Communications 30 (1982)
 */
export function checksum(source: usize, bytes: usize, sums: usize, rank: i32, size: i32): void {
  const lines = <i32>(bytes / LINE_BYTES);
  const begin = shareBegin(lines, rank, size), end = shareBegin(lines, rank + 1, size);
  // Lane l of the i-th pair of words is word 2i + l.
  let sum = i64x2.splat(0), weighted = i64x2.splat(0);
  for (let line = begin; line < end; line++) {
    const at = source + <usize>line * LINE_BYTES;
    for (let part: usize = 0; part < LINE_BYTES; part += 16) {
      const words = v128.load(at + part);
      sum = i64x2.add(sum, i64x2.extend_low_i32x4_u(words));
      weighted = i64x2.add(weighted, sum);
      sum = i64x2.add(sum, i64x2.extend_high_i32x4_u(words));
      weighted = i64x2.add(weighted, sum);
    }
  }
  const odd = i64x2.extract_lane(sum, 1), all = i64x2.extract_lane(sum, 0) + odd;
  // The weight of a pair is 1, 2, … from the end of this share; of its words 2 and 1, 4 and 3, …, and more by the words after it.
  const own = 2 * (i64x2.extract_lane(weighted, 0) + i64x2.extract_lane(weighted, 1)) - odd;
  const after = <i64>(lines - end) * (LINE_BYTES / 4);
  store<i64>(sums + <usize>rank * 16, all);
  store<i64>(sums + <usize>rank * 16, own + all * after, 8);
}
