/**
 * Scales and zero points of coded weights, stored as rows of all outputs → panels of eight outputs. A stored group longer than
 * GROUP_INPUTS_MAX is cut: our group g takes what belongs to stored group g / split.
 */
import { bytesOf, isNonFinite, load1, load4, nonFinite4 } from "../floats";
import { shareBegin } from "../share";
import { reportNonFinite } from "./non_finite";

/**
 * Scales.
 *   source  f32, f16 or bf16 [storedGroups, N]; non-finite ones are counted at RESULT_ADDRESS
 *   scales  f32 [N/8, groups, 8], 0 beyond the last output
 */
export function packScales(
  source: usize, sourceType: i32, outputs: i32, groups: i32, split: i32, scales: usize, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, bytes = bytesOf(sourceType);
  let nonFinite = 0;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let g = 0; g < groups; g++) {
      const to = scales + (<usize>panel * <usize>groups + <usize>g) * 32;
      const from = source + (<usize>(g / split) * <usize>outputs + <usize>panel * 8) * bytes;
      if (panel * 8 + 8 <= outputs) {
        v128.store(to, load4(from, sourceType));
        v128.store(to, load4(from + 4 * bytes, sourceType), 16);
        const patterns = v128.or(nonFinite4(from, sourceType), nonFinite4(from + 4 * bytes, sourceType));
        if (!v128.any_true(patterns)) continue;
      }
      for (let n = 0; n < 8; n++) {
        let value: f32 = 0;
        if (panel * 8 + n < outputs) {
          value = load1(from + <usize>n * bytes, sourceType);
          if (isNonFinite(from + <usize>n * bytes, sourceType)) nonFinite++;
        }
        store<f32>(to + <usize>n * 4, value);
      }
    }
  }
  reportNonFinite(nonFinite);
}

/**
 * Zero points of 4 or 8 bits, packed along the outputs, low bits first; `interleaved`: of 4 bits in AWQ's order, fields
 * 0 4 1 5 2 6 3 7 of a word for its outputs 0 … 7. With `addOne` the writer stored z − 1, subtracted from the whole word: adding
 * to the whole word undoes its borrows too.
 *   source  u32 [storedGroups, N · bits / 32]
 *   zeros   i16 [N/8, groups, 8]
 */
export function packZeros(
  source: usize, bits: i32, addOne: i32, interleaved: i32, outputs: i32, groups: i32, split: i32, zeros: usize, rank: i32,
  size: i32,
): void {
  const panels = (outputs + 7) >> 3, words = outputs * bits / 32, perWord = 32 / bits, mask = (1 << bits) - 1;
  const one: u32 = !addOne ? 0 : bits == 4 ? 0x11111111 : 0x01010101;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let g = 0; g < groups; g++) {
      const to = zeros + (<usize>panel * <usize>groups + <usize>g) * 16;
      // A panel has one word of zero points of 4 bits, or two of 8.
      let from = source + <usize>(g / split * words + panel * 8 / perWord) * 4;
      for (let n = 0; n < 8; n += perWord) {
        const isThere = panel * 8 + n < outputs;
        let word: u32 = isThere ? load<u32>(from) + one : 0;
        if (interleaved) word = spreadNibbles(word & 0xffff) | spreadNibbles(word >> 16) << 4;
        for (let i = n; i < n + perWord; i++) {
          store<i16>(to + <usize>i * 2, <i16>(word & mask));
          word >>= bits;
        }
        from += 4;
      }
    }
  }
}

/** Four neighbouring nibbles, each the low one of a byte. */
// @ts-ignore: decorator
@inline
function spreadNibbles(nibbles: u32): u32 {
  const pairs = (nibbles | nibbles << 8) & 0x00ff00ff;
  return (pairs | pairs << 4) & 0x0f0f0f0f;
}
