/**
 * Products of integer activations and coded weights: C[M, N] f32 = A[M, K] × W[K, N], a scale (and zero point) for each group of
 * inputs.
 *
 * Operands. Groups of `group` inputs (a multiple of 8, at most 128), the last one may be shorter; G = ceil(K / group).
 *   codes, sums, activationScales, factors   the activations; see rows/quantize.ts
 *   weights   the codes, in panels of eight outputs; w4a8.ts, w4a12.ts, w6a8.ts, w7a8.ts and w8a16.ts have their layout
 *   scales    f16 [N/8, G, 8]
 *   zeros     i16 [N/8, G, 8]  or 0: every zero point is `zero`
 *   offsets   f16 [N/8, G, 8]  or 0: what a weight is more than scale · (code − zero); then `zero` is 0 and there are no zeros
 *   units     f16 [N/8, K / UNIT_INPUTS, 2, 8]  or 0 (of 6-bit codes see w6a8.ts). With units groups have 32 inputs, and scales are u8 [N/8, G, 4, 2, 2]:
 *             of outputs n and n + 4 integers that times the first unit are the scales, then those that times the second are the
 *             offsets (then there are no offsets and no zero points)
 *   bias      f32 [N]          or 0
 *   output    f32 [M, N]       added to when `accumulate`
 *
 * The integer sums are exact, so the only roundings are, in the order of the groups, those of
 *   total += f32(Σ a · (code − zero)) · (scale · activationScale)     for 12 bits and words
 *   total += f32(Σ factor · a · (code − zero)) · scale, and total · activationScale at the end     for bytes
 * and after each of them, where there are offsets,
 *   total += f32(sum) · (offset · activationScale), of bytes total += f32(sum) · offset
 * The result does not depend on the tile, the thread or the form of the dot.
 */
import { FORM_LADDER, KIND_INT6, KIND_INT7, KIND_INT8 } from "../../shared/layout";
import { multiply } from "./passes";
import { W4A12 } from "./w4a12";
import { W4A8 } from "./w4a8";
import { W6A8 } from "./w6a8";
import { W7A8 } from "./w7a8";
import { W8A16 } from "./w8a16";

/**
 * `form` says what the activations are (see `quantize`), `weightType` what the weights are: bytes go with codes of 4, 6 and 7 bits,
 * ladders with those of 4, words with those of 8. `dot32` picks the 32-bit form of the dot (see dot.ts); the strict build has
 * only the 16-bit one. `wideScratch` is that of the wide tiles (wide.ts), or 0 where there are none.
 */
export function matmulCodes(
  form: i32, codes: usize, sums: usize, activationScales: usize, factors: usize, weightType: i32, rows: i32, inputs: i32,
  group: i32, dot32: i32, wideScratch: usize, weights: usize, scales: usize, zeros: usize, zero: i32, offsets: usize, units: usize, bias: usize, outputs: i32, accumulate: i32,
  output: usize, outputStride: usize, rank: i32, size: i32,
): void {
  const is32 = ASC_FEATURE_RELAXED_SIMD && dot32 != 0;
  if (weightType == KIND_INT8) {
    multiply<W8A16>(
      wideScratch, is32, codes, sums, activationScales, factors, rows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs, accumulate,
      output, outputStride, rank, size,
    );
  } else if (form == FORM_LADDER) {
    multiply<W4A12>(
      wideScratch, is32, codes, sums, activationScales, factors, rows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs, accumulate,
      output, outputStride, rank, size,
    );
  } else if (is32 && weightType == KIND_INT6) {
    multiply<W6A8<i32>>(
      wideScratch, is32, codes, sums, activationScales, factors, rows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs, accumulate,
      output, outputStride, rank, size,
    );
  } else if (weightType == KIND_INT6) {
    multiply<W6A8<i16>>(
      wideScratch, is32, codes, sums, activationScales, factors, rows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs, accumulate,
      output, outputStride, rank, size,
    );
  } else if (is32 && weightType == KIND_INT7) {
    multiply<W7A8<i32>>(
      wideScratch, is32, codes, sums, activationScales, factors, rows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs, accumulate,
      output, outputStride, rank, size,
    );
  } else if (weightType == KIND_INT7) {
    multiply<W7A8<i16>>(
      wideScratch, is32, codes, sums, activationScales, factors, rows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs, accumulate,
      output, outputStride, rank, size,
    );
  } else if (is32) {
    multiply<W4A8<i32>>(
      wideScratch, is32, codes, sums, activationScales, factors, rows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs, accumulate,
      output, outputStride, rank, size,
    );
  } else {
    multiply<W4A8<i16>>(
      wideScratch, is32, codes, sums, activationScales, factors, rows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs, accumulate,
      output, outputStride, rank, size,
    );
  }
}
