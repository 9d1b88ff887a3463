/**
 * Embeddings of tokens.
 */
import { KIND_F16, KIND_INT4, KIND_INT8, UNIT_INPUTS } from "../../shared/layout";
import { bytesOf, load1 } from "../floats";
import { int8Place } from "../places";
import { shareBegin } from "../share";

/**
 * Rows of an embedding table that lies in panels: output[m, k] = factor · W[ids[m], k].
 *   ids      u32 [M]
 *   weights  4-bit or 8-bit codes with scales and zero points as matmul/w4a8 and matmul/w8a16 read them, or floats as
 *            matmul/f32 does; `zeros` 0: every zero point is `zero`
 *   scales   f32 or f16, as `scaleType` says
 *   offsets  as scales, added to the weights of their groups, or 0
 *   units    of scales and offsets that are integers, as in matmul/codes, or 0
 *   output   f32 [M, K]
 * Code · scale and the factor are rounded once each; floats by the factor alone.
 */
export function embed(
  ids: usize, weights: usize, weightType: i32, scales: usize, scaleType: i32, zeros: usize, zero: f32, offsets: usize, units: usize, group: i32, rows: i32, inputs: i32,
  factor: f32, output: usize, outputStride: usize, rank: i32, size: i32,
): void {
  const blocks = (inputs + 7) >> 3, groups = (inputs + group - 1) / group;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const id = load<u32>(ids + <usize>row * 4);
    const panel = <usize>(id >> 3), n = <usize>(id & 7);
    const to = output + <usize>row * outputStride;
    for (let k = 0; k < inputs; k++) {
      let value: f32;
      if (weightType == KIND_INT8 || weightType == KIND_INT4) {
        const block = panel * <usize>blocks + <usize>(k >> 3), j = k & 7;
        const place = (panel * <usize>groups + <usize>(k / group)) * 8 + n;
        const code = weightType == KIND_INT8
          ? <u32>load<u8>(weights + block * 64 + int8Place(j, <i32>n))
          : (load<u32>(weights + block * 32 + n * 4) >> <u32>(j * 4)) & 15;
        const centre = zeros ? <f32>load<i16>(zeros + place * 2) : zero;
        if (units) {
          const at = scales + (place - n) * 2 + (n & 3) * 4 + (n >> 2), unit = units + ((panel * <usize>inputs + <usize>k) / UNIT_INPUTS * 16 + n) * 2;
          value = <f32>code * (<f32>load<u8>(at) * load1(unit, KIND_F16)) + <f32>load<u8>(at, 2) * load1(unit + 16, KIND_F16);
        } else value = (<f32>code - centre) * load1(scales + place * bytesOf(scaleType), scaleType);
        if (offsets) value += load1(offsets + place * bytesOf(scaleType), scaleType);
      } else {
        value = load1(weights + ((panel * <usize>inputs + <usize>k) * 8 + n) * bytesOf(weightType), weightType);
      }
      store<f32>(to + <usize>k * 4, value * factor);
    }
  }
}
