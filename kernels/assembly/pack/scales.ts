/**
 * Scales and zero points of coded weights, stored as rows of all outputs or of all groups → panels of eight outputs. A stored group
 * longer than GROUP_INPUTS_MAX is cut: our group g takes what belongs to stored group g / split.
 */
import { KIND_F16, KIND_F32 } from "../../shared/layout";
import { bytesOf, isNonFinite, load1, load4, nonFinite4, storeRounded } from "../floats";
import { shareBegin } from "../share";
import { reportNonFinite } from "./non_finite";

/**
 * Scales.
 *   source  f32, f16 or bf16: that of stored group g and output n is the (g · groupStep + n · outputStep)th. Non-finite ones are
 *           counted at RESULT_ADDRESS
 *   scales  f32 or f16 [N/8, groups, 8], rounded to the nearest, 0 beyond the last output
 */
export function packScales(
  source: usize, sourceType: i32, groupStep: i32, outputStep: i32, outputs: i32, groups: i32, split: i32,
  scaleType: i32, scales: usize, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, bytes = bytesOf(sourceType), step = <usize>outputStep * bytes, scaleBytes = bytesOf(scaleType);
  let nonFinite = 0;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let g = 0; g < groups; g++) {
      const to = scales + (<usize>panel * <usize>groups + <usize>g) * 8 * scaleBytes;
      const from = source + <usize>(g / split) * <usize>groupStep * bytes + <usize>panel * 8 * step;
      if (panel * 8 + 8 <= outputs && outputStep == 1) {
        const patterns = v128.or(nonFinite4(from, sourceType), nonFinite4(from + 4 * bytes, sourceType));
        if (!v128.any_true(patterns)) {
          if (scaleType == KIND_F32) {
            v128.store(to, load4(from, sourceType));
            v128.store(to, load4(from + 4 * bytes, sourceType), 16);
            continue;
          }
          if (sourceType == KIND_F16) {
            v128.store(to, v128.load(from));
            continue;
          }
        }
      }
      for (let n = 0; n < 8; n++) {
        let value: f32 = 0;
        if (panel * 8 + n < outputs) {
          value = isNonFinite(from + <usize>n * step, sourceType) ? NaN : load1(from + <usize>n * step, sourceType);
        }
        if (!storeRounded(to, <usize>n, value, scaleType)) nonFinite++;
      }
    }
  }
  reportNonFinite(nonFinite);
}

/**
 * Zero points of 4 or 8 bits, packed along the outputs or along the groups, low bits first; `interleaved`: of 4 bits in AWQ's
 * order, fields 0 4 1 5 2 6 3 7 of a word for its outputs 0 … 7. With `addOne` the writer stored z − 1, subtracted from the whole
 * word: adding to the whole word undoes its borrows too. `isSigned`: of 8 bits, around 0 and not around 128.
 *   source  u32 words, of which some step is `groupStep` bytes from one to the next along the groups, `outputStep` along the outputs
 *   zeros   i16 [N/8, groups, 8]
 */
export function packZeros(
  source: usize, bits: i32, addOne: i32, isSigned: i32, interleaved: i32, alongGroups: i32, groupStep: i32, outputStep: i32,
  outputs: i32, groups: i32, split: i32, zeros: usize, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, perWord = 32 / bits, mask = (1 << bits) - 1;
  const one: u32 = !addOne ? 0 : bits == 4 ? 0x11111111 : 0x01010101, flip: u32 = isSigned ? 0x80808080 : 0;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let g = 0; g < groups; g++) {
      const to = zeros + (<usize>panel * <usize>groups + <usize>g) * 16, stored = g / split;
      for (let n = 0; n < 8; n++) {
        const output = panel * 8 + n, packed = alongGroups ? stored : output;
        const group = alongGroups ? stored / perWord : stored, column = alongGroups ? output : output / perWord;
        let field = packed % perWord;
        if (interleaved) field = (field & 1) << 2 | field >> 1;
        let zero: u32 = 0;
        if (output < outputs) {
          const word = load<u32>(source + <usize>group * <usize>groupStep + <usize>column * <usize>outputStep);
          zero = ((word + one ^ flip) >> <u32>(field * bits)) & mask;
        }
        store<i16>(to + <usize>n * 2, <i16>zero);
      }
    }
  }
}
