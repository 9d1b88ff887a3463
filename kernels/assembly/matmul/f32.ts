/**
 * Matrix products with f32 activations: the exact mode, and what a checkpoint leaves unquantised.
 *
 * C[M, N] f32 = A[M, K] f32 × W[K, N]. Each lane belongs to one output and adds its products in the order of the inputs (coded
 * weights: a subtotal for each group, then the subtotals times their scales), whatever the tile and the thread, so the bits
 * depend on nothing else.
 *
 *   input    f32 [M, K]
 *   weights  coded: 4 bits as in w4a8, 8 bits as in w8a16; K need not be a multiple of 8
 *            dense: f32, f16 or bf16 [N/8, K, 8]
 *   scales   f32 [N/8, G, 8]  of groups of `group` inputs (a multiple of 8), the last one may be shorter; G = ceil(K / group)
 *   zeros    i16 [N/8, G, 8]  or 0: every zero point is `zero`
 *   bias     f32 [N]          or 0
 *   output   f32 [M, N]       added to when `accumulate`
 */
import { KIND_BF16, KIND_F16, KIND_F32, KIND_INT4, KIND_INT8, WIDE_SCRATCH_BYTES } from "../../shared/layout";
import { BF16, F16, F32, load4 } from "../floats";
import { int8Place } from "../places";
import { shareBegin } from "../share";
import { ofPanel } from "./group";
import { biasOf, storeRows } from "./panels";
import { multiplyWideF32, wideRowsOf } from "./wide_f32";

/** The product with coded weights. */
export function matmulCodesF32(
  input: usize, inputStride: usize, weights: usize, weightType: i32, scales: usize, zeros: usize, zero: f32, bias: usize,
  rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32, output: usize, outputStride: usize, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size);
  if (weightType == KIND_INT4) {
    multiply<Int4>(
      input, inputStride, weights, scales, zeros, zero, bias, rows, outputs, inputs, group, accumulate, output, outputStride,
      begin, end,
    );
  } else {
    multiply<Int8>(
      input, inputStride, weights, scales, zeros, zero, bias, rows, outputs, inputs, group, accumulate, output, outputStride,
      begin, end,
    );
  }
}

/** The product with dense weights: one group without a scale. `wideScratch` is that of the wide tiles, or 0 where there are none. */
export function matmulDense(
  wideScratch: usize, input: usize, inputStride: usize, weights: usize, weightType: i32, bias: usize, rows: i32, outputs: i32,
  inputs: i32, accumulate: i32, output: usize, outputStride: usize, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size);
  let wideRows = 0, wideEnd = begin;
  if (ASC_FEATURE_RELAXED_SIMD && wideScratch) {
    wideRows = wideRowsOf(rows, inputs);
    wideEnd = end - ((end - begin) & 1);
    multiplyWideF32(
      wideScratch + <usize>rank * WIDE_SCRATCH_BYTES, input, inputStride, weights, weightType, bias, wideRows, outputs, inputs, accumulate,
      output, outputStride, begin, wideEnd, rank,
    );
  }
  // What is left: a last panel without a partner, and rows that make no tile.
  multiplyDense(
    input, inputStride, weights, weightType, bias, wideRows, outputs, inputs, accumulate, output, outputStride, wideEnd, end,
  );
  const left = <usize>wideRows;
  multiplyDense(
    input + left * inputStride, inputStride, weights, weightType, bias, rows - wideRows, outputs, inputs, accumulate,
    output + left * outputStride, outputStride, begin, end,
  );
}

/** Panels `begin` to `end` of the product. */
function multiplyDense(
  input: usize, inputStride: usize, weights: usize, weightType: i32, bias: usize, rows: i32, outputs: i32, inputs: i32,
  accumulate: i32, output: usize, outputStride: usize, begin: i32, end: i32,
): void {
  if (weightType == KIND_F16) {
    multiply<F16>(
      input, inputStride, weights, 0, 0, 0, bias, rows, outputs, inputs, inputs, accumulate, output, outputStride, begin, end,
    );
  } else if (weightType == KIND_BF16) {
    multiply<BF16>(
      input, inputStride, weights, 0, 0, 0, bias, rows, outputs, inputs, inputs, accumulate, output, outputStride, begin, end,
    );
  } else {
    multiply<F32>(
      input, inputStride, weights, 0, 0, 0, bias, rows, outputs, inputs, inputs, accumulate, output, outputStride, begin, end,
    );
  }
}

// Types of weights, for the templates below.

@unmanaged
class Int4 {
  // @ts-ignore: decorator
  @inline
  get type(): i32 {
    return KIND_INT4;
  }
}

@unmanaged
class Int8 {
  // @ts-ignore: decorator
  @inline
  get type(): i32 {
    return KIND_INT8;
  }
}

// @ts-ignore: decorator
@inline
function isCoded<W>(): bool {
  const type = changetype<W>(0).type;
  return type == KIND_INT4 || type == KIND_INT8;
}

/** Bytes of the weights of a panel from one input (dense) or block of eight inputs (codes) to the next. */
// @ts-ignore: decorator
@inline
function stepBytes<W>(): usize {
  const type = changetype<W>(0).type;
  return type == KIND_INT8 ? 64 : type == KIND_INT4 || type == KIND_F32 ? 32 : 16;
}

/** Weights of input `k` of a block and of four outputs, less their zero points. */
// @ts-ignore: decorator
@inline
function weightsOf<W>(w: usize, k: i32, zero: v128): v128 {
  const type = changetype<W>(0).type;
  if (!isCoded<W>()) return load4(w, type);
  if (type == KIND_INT4) {
    const codes = v128.and(i32x4.shr_u(v128.load(w), k * 4), i32x4.splat(15));
    return f32x4.sub(f32x4.convert_i32x4_s(codes), zero);
  }
  const pairs = i32x4.extend_low_i16x8_u(v128.load64_zero(w + int8Place(k & 3, 0)));
  const codes = v128.and(i32x4.shr_u(pairs, (k >> 2) * 8), i32x4.splat(255));
  return f32x4.sub(f32x4.convert_i32x4_s(codes), zero);
}

/** Zero points of four outputs. */
// @ts-ignore: decorator
@inline
function zeroPoints(zeros: usize, offset: usize, zero: f32): v128 {
  if (!zeros) return f32x4.splat(zero);
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(v128.load64_zero(zeros + offset)));
}

// @ts-ignore: decorator
@inline
function addProduct(sum: v128, x: usize, w: v128): v128 {
  return f32x4.add(sum, f32x4.mul(v128.load32_splat(x), w));
}

/** total + sum · scale; of dense weights the sum, as they have one group. */
// @ts-ignore: decorator
@inline
function addGroup<W>(total: v128, sum: v128, scale: usize): v128 {
  return isCoded<W>() ? f32x4.add(total, f32x4.mul(sum, v128.load(scale))) : sum;
}

/** One row × eight outputs, or four; `R` is as wide as there are rows: u8 or u32. */
// @ts-ignore: decorator
@inline
function tile<W, R>(
  x: usize, inputStride: usize, w: usize, scale: usize, zeros: usize, zero: f32, bias: usize, inputs: i32, group: i32,
  accumulate: i32, count: i32, output: usize, outputStride: usize,
): void {
  const isFour = sizeof<R>() == 4, half = stepBytes<W>() == 16 ? 8 : 16;
  let x1 = x + inputStride, x2 = x1 + inputStride, x3 = x2 + inputStride;
  let t00 = f32x4.splat(0), t01 = f32x4.splat(0), t10 = f32x4.splat(0), t11 = f32x4.splat(0);
  let t20 = f32x4.splat(0), t21 = f32x4.splat(0), t30 = f32x4.splat(0), t31 = f32x4.splat(0);
  do {
    const inGroup = min(inputs, group);
    inputs -= inGroup;
    let s00 = f32x4.splat(0), s01 = f32x4.splat(0), s10 = f32x4.splat(0), s11 = f32x4.splat(0);
    let s20 = f32x4.splat(0), s21 = f32x4.splat(0), s30 = f32x4.splat(0), s31 = f32x4.splat(0);
    const z0 = zeroPoints(zeros, 0, zero), z1 = zeroPoints(zeros, 8, zero);
    for (let k = 0; k < inGroup; k++) {
      const w0 = weightsOf<W>(w, k & 7, z0), w1 = weightsOf<W>(w + half, k & 7, z1);
      s00 = addProduct(s00, x, w0);
      s01 = addProduct(s01, x, w1);
      x += 4;
      if (isFour) {
        s10 = addProduct(s10, x1, w0);
        s11 = addProduct(s11, x1, w1);
        s20 = addProduct(s20, x2, w0);
        s21 = addProduct(s21, x2, w1);
        s30 = addProduct(s30, x3, w0);
        s31 = addProduct(s31, x3, w1);
        x1 += 4;
        x2 += 4;
        x3 += 4;
      }
      if (!isCoded<W>() || (k & 7) == 7) w += stepBytes<W>();
    }
    t00 = addGroup<W>(t00, s00, scale);
    t01 = addGroup<W>(t01, s01, scale + 16);
    if (isFour) {
      t10 = addGroup<W>(t10, s10, scale);
      t11 = addGroup<W>(t11, s11, scale + 16);
      t20 = addGroup<W>(t20, s20, scale);
      t21 = addGroup<W>(t21, s21, scale + 16);
      t30 = addGroup<W>(t30, s30, scale);
      t31 = addGroup<W>(t31, s31, scale + 16);
    }
    scale += 32;
    if (zeros) zeros += 16;
  } while (isCoded<W>() && inputs > 0);
  storeRows(sizeof<R>(), output, outputStride, bias, accumulate, count, t00, t01, t10, t11, t20, t21, t30, t31);
}

function multiply<W>(
  input: usize, inputStride: usize, weights: usize, scales: usize, zeros: usize, zero: f32, bias: usize, rows: i32, outputs: i32,
  inputs: i32, group: i32, accumulate: i32, output: usize, outputStride: usize, begin: i32, end: i32,
): void {
  const tiledRows = rows & ~3;
  const panelBytes = stepBytes<W>() * <usize>(isCoded<W>() ? (inputs + 7) >> 3 : inputs);
  const groups = (inputs + group - 1) / group, scaleBytes = <usize>groups * 32;
  for (let panel = begin; panel < end; panel++) {
    const w = weights + <usize>panel * panelBytes, scale = scales + <usize>panel * scaleBytes;
    const zeroRow = ofPanel(zeros, panel, groups), biasRow = biasOf(bias, panel), count = outputs - panel * 8;
    for (let row = 0; row < rows; row += row < tiledRows ? 4 : 1) {
      const x = input + <usize>row * inputStride, to = output + <usize>row * outputStride + <usize>panel * 32;
      if (row < tiledRows) {
        tile<W, u32>(
          x, inputStride, w, scale, zeroRow, zero, biasRow, inputs, group, accumulate, count, to, outputStride,
        );
      } else {
        tile<W, u8>(
          x, inputStride, w, scale, zeroRow, zero, biasRow, inputs, group, accumulate, count, to, outputStride,
        );
      }
    }
  }
}
