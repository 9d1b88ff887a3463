/**
 * Products of integer activations and coded weights: C[M, N] f32 = A[M, K] × W[K, N], a scale (and zero point) for each group of
 * inputs.
 *
 * Operands. Groups of `group` inputs (a multiple of 8, at most 128), the last one may be shorter; G = ceil(K / group).
 *   codes             the activations' integers; w4a8.ts, w4a12.ts, w7a8.ts and w8a16.ts have their layout and that of
 *   weights           the codes, in panels of eight outputs
 *   sums              i32 [M, G]       sum of the activations' integers over a group
 *   activationScales  f32 [M, G]       what one unit of an activation is worth
 *   scales            f32 [N/8, G, 8]
 *   zeros             i16 [N/8, G, 8]  or 0: every zero point is `zero`
 *   bias              f32 [N]          or 0
 *   output            f32 [M, N]       added to when `accumulate`
 *
 * The integer sums are exact, so the only roundings are those of
 *   total += f32(Σ a · (code − zero)) · (scale · activationScale)
 * in the order of the groups: the result does not depend on the tile, the thread or the form of the dot.
 */
import { FORM_LADDER, FORM_PLANES, KIND_INT7, KIND_INT8 } from "../../shared/layout";
import { multiply } from "./passes";
import { W4A12 } from "./w4a12";
import { W4A8 } from "./w4a8";
import { W7A8 } from "./w7a8";
import { W8A16 } from "./w8a16";

/**
 * `form` says what the activations are (see `quantize`), `weightType` what the weights are: bytes go with codes of 4 and 7 bits,
 * planes and ladders with those of 4, words with those of 8. `wideDot` picks the 32-bit form of the dot (see dot.ts), which planes
 * always have; the strict build has only the 16-bit one.
 */
export function matmulCodes(
  form: i32, codes: usize, sums: usize, activationScales: usize, weightType: i32, rows: i32, inputs: i32, group: i32, wideDot: i32,
  weights: usize, scales: usize, zeros: usize, zero: i32, bias: usize, outputs: i32, accumulate: i32, output: usize,
  outputStride: usize, rank: i32, size: i32,
): void {
  if (weightType == KIND_INT8) {
    multiply<W8A16>(
      codes, sums, activationScales, rows, inputs, group, weights, scales, zeros, zero, bias, outputs, accumulate, output,
      outputStride, rank, size,
    );
  } else if (form == FORM_LADDER) {
    multiply<W4A12>(
      codes, sums, activationScales, rows, inputs, group, weights, scales, zeros, zero, bias, outputs, accumulate, output,
      outputStride, rank, size,
    );
  } else if (ASC_FEATURE_RELAXED_SIMD && (wideDot || form == FORM_PLANES)) {
    multiplyBytes<i32>(
      form, codes, sums, activationScales, weightType, rows, inputs, group, weights, scales, zeros, zero, bias, outputs,
      accumulate, output, outputStride, rank, size,
    );
  } else {
    multiplyBytes<i16>(
      form, codes, sums, activationScales, weightType, rows, inputs, group, weights, scales, zeros, zero, bias, outputs,
      accumulate, output, outputStride, rank, size,
    );
  }
}

/** The product of activations of bytes, or of planes of bytes; `F` is the lane of the dot. */
// @ts-ignore: decorator
@inline
function multiplyBytes<F>(
  form: i32, codes: usize, sums: usize, activationScales: usize, weightType: i32, rows: i32, inputs: i32, group: i32,
  weights: usize, scales: usize, zeros: usize, zero: i32, bias: usize, outputs: i32, accumulate: i32, output: usize,
  outputStride: usize, rank: i32, size: i32,
): void {
  if (weightType == KIND_INT7) {
    multiply<W7A8<F>>(
      codes, sums, activationScales, rows, inputs, group, weights, scales, zeros, zero, bias, outputs, accumulate, output,
      outputStride, rank, size,
    );
  } else if (sizeof<F>() == 4 && form == FORM_PLANES) {
    multiply<W4A8<F, u16>>(
      codes, sums, activationScales, rows, inputs, group, weights, scales, zeros, zero, bias, outputs, accumulate, output,
      outputStride, rank, size,
    );
  } else {
    multiply<W4A8<F, u8>>(
      codes, sums, activationScales, rows, inputs, group, weights, scales, zeros, zero, bias, outputs, accumulate, output,
      outputStride, rank, size,
    );
  }
}
