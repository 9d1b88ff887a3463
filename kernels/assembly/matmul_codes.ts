/**
 * Products of integer activations and coded weights: which kernel computes which.
 */
import { FORM_BYTE, FORM_PLANES, KIND_INT4, KIND_INT7 } from "../shared/layout";
import { matmulBytes } from "./matmul_bytes";
import { matmulSevens } from "./matmul_sevens";
import { matmulWords } from "./matmul_words";

/**
 * `form` says what the activations are (see `quantize`), `kind` what the weights are: bytes go with codes of 4 and 7 bits, planes with
 * those of 4. `wide` picks the 32-bit dot form of bytes (see dot.ts), which planes always have; the strict build has only the 16-bit one.
 */
export function matmulCodes(
  form: i32, kind: i32, codes: usize, sums: usize, steps: usize, weights: usize, scales: usize, zeros: usize, zero: i32,
  bias: usize, output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  wide: i32, rank: i32, size: i32,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (form == FORM_PLANES) {
      matmulBytes<i32, i16>(
        codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
        accumulate, rank, size,
      );
      return;
    }
    if (kind == KIND_INT7 && wide) {
      matmulSevens<i32>(
        codes, sums, steps, weights, scales, zero, bias, output, outputStride, rows, outputs, inputs, group, accumulate, rank,
        size,
      );
      return;
    }
    if (form == FORM_BYTE && wide) {
      matmulBytes<i32, i8>(
        codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
        accumulate, rank, size,
      );
      return;
    }
  }
  if (kind == KIND_INT7) {
    matmulSevens<i16>(
      codes, sums, steps, weights, scales, zero, bias, output, outputStride, rows, outputs, inputs, group, accumulate, rank,
      size,
    );
  } else if (form == FORM_BYTE) {
    matmulBytes<i16, i8>(
      codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
      accumulate, rank, size,
    );
  } else if (kind == KIND_INT4) {
    matmulWords<u32>(
      codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
      accumulate, rank, size,
    );
  } else {
    matmulWords<u8>(
      codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
      accumulate, rank, size,
    );
  }
}
