/**
 * Blocks of GGUF files → panels of codes, scales and offsets.
 */
import {
  BLOCKS_IQ4_NL, BLOCKS_IQ4_XS, BLOCKS_Q2_K, BLOCKS_Q3_K, BLOCKS_Q4_0, BLOCKS_Q4_1, BLOCKS_Q4_K, BLOCKS_Q5_0, BLOCKS_Q5_1,
  BLOCKS_Q5_K, BLOCKS_Q6_K, BLOCKS_Q8_0, KIND_F16,
} from "../../shared/layout";
import { storeRounded } from "../floats";
import { int8Place, joinNibbles } from "../places";
import { shareBegin } from "../share";
import {
  bitsOf, bytesIn, codesOf, groupOf, hasMinimums, hasUnits, IQ4_NL, IQ4_XS, minimumIntegerOf, minimumOf, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K,
  Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, scaleIntegerOf, scaleOf, scaleUnitOf, unitOf, weightsOf,
} from "./block_formats";
import { reportNonFinite } from "./non_finite";

/** The lowest two bits of four bytes. */
const WORD_LOW_PAIRS: u32 = 0x03030303;

/**
 * Rows of blocks. Codes stay as they are; a weight is scale · (code − centre), or scale · code + offset in formats with minimums.
 *   source   blocks [rowCount, K / weights of a block]: rows `panelBegin` · 8 … of [N, K]
 *   weights  codes of 4 bits u32 [N/8, K/8, 8], or of 8 bits u8 [N/8, K/8, 64], with units of Q6_K of 6 bits u8 [N/8, K/8, 48];
 *            0 beyond the last row
 *   scales   f32 or f16 [N/8, groups, 8], rounded to the nearest, 0 beyond the last row; non-finite ones are counted at
 *            RESULT_ADDRESS, offsets too
 *   offsets  the same, of formats with minimums
 *   units    0, or of formats that have them f16 [N/8, K / UNIT_INPUTS, 2, 8], without minimums [N/8, K / UNIT_INPUTS, 8]: scales are
 *            integers then, as matmul/codes takes them, those of the minimums beside them
 */
export function packBlocks(
  source: usize, format: i32, rowCount: i32, inputs: i32, panelBegin: i32, scaleType: i32, weights: usize, scales: usize, offsets: usize,
  units: usize, rank: i32, size: i32,
): void {
  if (format == BLOCKS_Q4_0) pack<Q4_0>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_Q4_1) pack<Q4_1>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_Q5_0) pack<Q5_0>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_Q5_1) pack<Q5_1>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_Q8_0) pack<Q8_0>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_Q2_K) pack<Q2_K>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_Q3_K) pack<Q3_K>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_Q4_K) pack<Q4_K>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_Q5_K) pack<Q5_K>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_Q6_K) pack<Q6_K>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_IQ4_NL) pack<IQ4_NL>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
  else if (format == BLOCKS_IQ4_XS) pack<IQ4_XS>(source, rowCount, inputs, panelBegin, scaleType, weights, scales, offsets, units, rank, size);
}

/** `F` is the format; see block_formats.ts. */
function pack<F>(
  source: usize, rowCount: i32, inputs: i32, panelBegin: i32, scaleType: i32, weights: usize, scales: usize, offsets: usize, units: usize, rank: i32, size: i32,
): void {
  const blocks = inputs / weightsOf<F>(), inBlock = weightsOf<F>() >> 3;
  const groups = inputs / groupOf<F>(), groupsInBlock = weightsOf<F>() / groupOf<F>();
  const isSixBits = hasUnits<F>() && units && !hasMinimums<F>(), unitsInBlock: usize = hasMinimums<F>() ? 16 : 8;
  const codeBytes = <usize>(isSixBits ? 48 : 8 * bitsOf<F>()), panelBytes = <usize>(inputs >> 3) * codeBytes;
  const panels = (rowCount + 7) >> 3, end = shareBegin(panels, rank + 1, size);
  let nonFinite = 0;
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    const to = weights + <usize>(panelBegin + panel) * panelBytes;
    const groupsTo = <usize>(panelBegin + panel) * <usize>groups * 8;
    for (let n = 0; n < 8; n++) {
      const row = panel * 8 + n, isThere = row < rowCount;
      let block = source + <usize>row * <usize>blocks * bytesIn<F>();
      for (let b = 0; b < blocks; b++) {
        for (let part = 0; part < inBlock; part++) {
          const codes = isThere ? codesOf<F>(block, part) : 0;
          const place = to + <usize>(b * inBlock + part) * codeBytes;
          if (isSixBits) storeSixBits(place, n, codes);
          else if (bitsOf<F>() == 4) store<u32>(place + <usize>n * 4, joinNibbles(codes));
          else storeBytes(place, n, codes);
        }
        if (hasUnits<F>() && units) {
          const place = <usize>((panelBegin + panel) * blocks + b) * unitsInBlock + <usize>n;
          if (!storeRounded(units, place, isThere ? scaleUnitOf<F>(block) : 0, KIND_F16)) nonFinite++;
          if (hasMinimums<F>() && !storeRounded(units, place + 8, isThere ? -unitOf(block + 2) : 0, KIND_F16)) nonFinite++;
        }
        for (let g = 0; g < groupsInBlock; g++) {
          const place = groupsTo + <usize>((b * groupsInBlock + g) * 8 + n);
          if (hasUnits<F>() && units) {
            const at = scales + (place - <usize>n) / 8 * unitsInBlock + <usize>(hasMinimums<F>() ? (n & 3) * 4 + (n >> 2) : n);
            store<u8>(at, isThere ? scaleIntegerOf<F>(block, g) : 0);
            if (hasMinimums<F>()) store<u8>(at, isThere ? minimumIntegerOf(block, g) : 0, 2);
            continue;
          }
          if (!storeRounded(scales, place, isThere ? scaleOf<F>(block, g) : 0, scaleType)) nonFinite++;
          if (!hasMinimums<F>()) continue;
          if (!storeRounded(offsets, place, isThere ? minimumOf<F>(block, g) : 0, scaleType)) nonFinite++;
        }
        block += bytesIn<F>();
      }
    }
  }
  reportNonFinite(nonFinite);
}

/** Eight codes of 6 bits of output `n` into their block; see matmul/w6a8.ts. The first outputs of a block come first. */
// @ts-ignore: decorator
@inline
function storeSixBits(block: usize, n: i32, codes: u64): void {
  const at = block + <usize>(n & 3) * 4, even = evenBytes(codes), odd = evenBytes(codes >> 8);
  if (n < 4) {
    store<u32>(at, even);
    store<u32>(at, odd, 16);
    return;
  }
  store<u32>(at, load<u32>(at) | (odd & WORD_LOW_PAIRS) << 6);
  store<u32>(at, load<u32>(at, 16) | (odd >> 2 & WORD_LOW_PAIRS) << 6, 16);
  store<u32>(at, even | (odd >> 4 & WORD_LOW_PAIRS) << 6, 32);
}

/** Bytes 0, 2, 4 and 6. */
// @ts-ignore: decorator
@inline
function evenBytes(bytes: u64): u32 {
  const pairs = bytes & 0x00ff00ff00ff00ff, fours = (pairs | pairs >> 8) & 0x0000ffff0000ffff;
  return <u32>(fours | fours >> 16);
}

/** Eight codes of output `n` into their block: inputs k and k + 4 lie side by side. */
// @ts-ignore: decorator
@inline
function storeBytes(block: usize, n: i32, codes: u64): void {
  const first = <u32>codes, last = <u32>(codes >> 32);
  store<u16>(block + int8Place(0, n), <u16>(first & 255 | last << 8));
  store<u16>(block + int8Place(1, n), <u16>(first >> 8 & 255 | last & 0xff00));
  store<u16>(block + int8Place(2, n), <u16>(first >> 16 & 255 | last >> 8 & 0xff00));
  store<u16>(block + int8Place(3, n), <u16>(first >> 24 | last >> 16 & 0xff00));
}
