/**
 * Matrix products with f32 activations: the exact mode, and what a checkpoint leaves unquantised.
 *
 * C[M, N] f32 = A[M, K] f32 × W[K, N]. Each lane belongs to one output and adds its products in the order of the
 * inputs (quantised weights: a subtotal per group, then the subtotals times their scales), whatever the tile and the
 * thread, so the bits depend on nothing else.
 *
 *   input    f32 [M, K]  row stride in bytes
 *   weights  int4: u32 [N/8, K/8, 8]; int8: u8 [N/8, K/8, 2, 2, 2, 4, 2] as in matmul_words;
 *            dense: [N/8, K, 8] f32, f16 or bf16
 */
import { KIND_BF16, KIND_F16, KIND_F32 } from "../shared/layout";
import { int8Place, load4, shareBegin, storeOutputs, storeRows } from "./vector";

// @ts-ignore: decorator
@inline
function addScaled(total: v128, x: usize, w: v128): v128 {
  return f32x4.add(total, f32x4.mul(v128.load32_splat(x), w));
}

// @ts-ignore: decorator
@inline
function zeroPoint(zeros: usize, zero: f32): v128 {
  return zeros ? f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(v128.load64_zero(zeros))) : f32x4.splat(zero);
}

/** Code number `k` (0..7) of four outputs, less their zero points. `B` is i16 for 4-bit codes, i8 for 8-bit ones. */
// @ts-ignore: decorator
@inline
function centredCode<B>(w: usize, k: i32, zero: v128): v128 {
  if (sizeof<B>() == 2) {
    return f32x4.sub(
      f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(v128.load(w), k * 4), i32x4.splat(15))), zero,
    );
  }
  const pairs = i32x4.extend_low_i16x8_u(v128.load64_zero(w + int8Place(k & 3, 0)));
  return f32x4.sub(
    f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(pairs, (k >> 2) * 8), i32x4.splat(255))), zero,
  );
}

/** `rows` (1 or 4) × four outputs, from codes. A tile of fewer than four rows repeats the last one. */
// @ts-ignore: decorator
@inline
function codeTile<B>(
  x0: usize, x1: usize, x2: usize, x3: usize, w: usize, scale: usize, zeros: usize, zero: f32,
  inputs: i32, group: i32, rows: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const blockBytes: usize = sizeof<B>() == 2 ? 32 : 64;
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  let left = inputs;
  while (left > 0) {
    let inGroup = min(left, group);
    left -= inGroup;
    let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
    const z = zeroPoint(zeros, zero);
    while (inGroup > 0) {
      const step = min(inGroup, 8);
      inGroup -= step;
      for (let k = 0; k < step; k++) {
        const q = centredCode<B>(w, k, z);
        s0 = addScaled(s0, x0, q);
        x0 += 4;
        if (rows == 1) continue;
        s1 = addScaled(s1, x1, q);
        s2 = addScaled(s2, x2, q);
        s3 = addScaled(s3, x3, q);
        x1 += 4;
        x2 += 4;
        x3 += 4;
      }
      w += blockBytes;
    }
    const factor = v128.load(scale);
    t0 = f32x4.add(t0, f32x4.mul(s0, factor));
    t1 = f32x4.add(t1, f32x4.mul(s1, factor));
    t2 = f32x4.add(t2, f32x4.mul(s2, factor));
    t3 = f32x4.add(t3, f32x4.mul(s3, factor));
    scale += 32;
    if (zeros) zeros += 16;
  }
  storeOutputs(output, t0, bias, accumulate, count);
  if (rows == 1) return;
  storeOutputs(output + outputStride, t1, bias, accumulate, count);
  storeOutputs(output + 2 * outputStride, t2, bias, accumulate, count);
  storeOutputs(output + 3 * outputStride, t3, bias, accumulate, count);
}

// @ts-ignore: decorator
@inline
function matmulCodes<B>(
  input: usize, inputStride: usize, weights: usize, scales: usize, zeros: usize, zero: f32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, groups = (inputs + group - 1) / group;
  const panelBytes = <usize>((inputs + 7) >> 3) * (sizeof<B>() == 2 ? 32 : 64);
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let quad = 0; quad < 2; quad++) {
      const count = outputs - panel * 8 - quad * 4;
      if (count <= 0) break;
      const w = weights + <usize>panel * panelBytes + <usize>quad * 16;
      const scale = scales + <usize>panel * <usize>groups * 32 + <usize>quad * 16;
      const zeroRow: usize = zeros ? zeros + <usize>panel * <usize>groups * 16 + <usize>quad * 8 : 0;
      const biasRow: usize = bias ? bias + <usize>panel * 32 + <usize>quad * 16 : 0;
      const column = output + <usize>panel * 32 + <usize>quad * 16;
      let row = 0;
      for (; row + 4 <= rows; row += 4) {
        const x = input + <usize>row * inputStride;
        codeTile<B>(
          x, x + inputStride, x + 2 * inputStride, x + 3 * inputStride, w, scale, zeroRow, zero, inputs, group, 4,
          column + <usize>row * outputStride, outputStride, biasRow, accumulate, count,
        );
      }
      for (; row < rows; row++) {
        codeTile<B>(
          input + <usize>row * inputStride, 0, 0, 0, w, scale, zeroRow, zero, inputs, group, 1,
          column + <usize>row * outputStride, outputStride, biasRow, accumulate, count,
        );
      }
    }
  }
}

export function matmulInt4Exact(
  input: usize, inputStride: usize, weights: usize, scales: usize, zeros: usize, zero: f32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  rank: i32, size: i32,
): void {
  matmulCodes<i16>(
    input, inputStride, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
    accumulate, rank, size,
  );
}

export function matmulInt8Exact(
  input: usize, inputStride: usize, weights: usize, scales: usize, zeros: usize, zero: f32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  rank: i32, size: i32,
): void {
  matmulCodes<i8>(
    input, inputStride, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
    accumulate, rank, size,
  );
}

/** Four rows (or one) × eight outputs, weights widened on the fly. */
// @ts-ignore: decorator
@inline
function denseTile(
  x: usize, inputStride: usize, w: usize, kind: i32, inputs: i32, rows: i32,
  output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const half: usize = kind == KIND_F32 ? 16 : 8;
  let x1 = x + inputStride, x2 = x1 + inputStride, x3 = x2 + inputStride;
  let t00 = f32x4.splat(0), t01 = f32x4.splat(0), t10 = f32x4.splat(0), t11 = f32x4.splat(0);
  let t20 = f32x4.splat(0), t21 = f32x4.splat(0), t30 = f32x4.splat(0), t31 = f32x4.splat(0);
  for (let k = 0; k < inputs; k++) {
    const w0 = load4(w, kind), w1 = load4(w + half, kind);
    w += 2 * half;
    t00 = addScaled(t00, x, w0);
    t01 = addScaled(t01, x, w1);
    x += 4;
    if (rows == 1) continue;
    t10 = addScaled(t10, x1, w0);
    t11 = addScaled(t11, x1, w1);
    t20 = addScaled(t20, x2, w0);
    t21 = addScaled(t21, x2, w1);
    t30 = addScaled(t30, x3, w0);
    t31 = addScaled(t31, x3, w1);
    x1 += 4;
    x2 += 4;
    x3 += 4;
  }
  storeRows(rows, output, outputStride, bias, accumulate, count, t00, t01, t10, t11, t20, t21, t30, t31);
}

// @ts-ignore: decorator
@inline
function matmulDenseOf(
  kind: i32, input: usize, inputStride: usize, weights: usize, bias: usize, output: usize, outputStride: usize,
  rows: i32, outputs: i32, inputs: i32, accumulate: i32, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3;
  const panelBytes = <usize>inputs * (kind == KIND_F32 ? 32 : 16);
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    const w = weights + <usize>panel * panelBytes;
    const biasRow: usize = bias ? bias + <usize>panel * 32 : 0;
    const column = output + <usize>panel * 32;
    let row = 0;
    for (; row + 4 <= rows; row += 4) {
      denseTile(
        input + <usize>row * inputStride, inputStride, w, kind, inputs, 4,
        column + <usize>row * outputStride, outputStride, biasRow, accumulate, outputs - panel * 8,
      );
    }
    for (; row < rows; row++) {
      denseTile(
        input + <usize>row * inputStride, inputStride, w, kind, inputs, 1,
        column + <usize>row * outputStride, outputStride, biasRow, accumulate, outputs - panel * 8,
      );
    }
  }
}

export function matmulDense(
  kind: i32, input: usize, inputStride: usize, weights: usize, bias: usize, output: usize, outputStride: usize,
  rows: i32, outputs: i32, inputs: i32, accumulate: i32, rank: i32, size: i32,
): void {
  if (kind == KIND_F16) {
    matmulDenseOf(
      KIND_F16, input, inputStride, weights, bias, output, outputStride, rows, outputs, inputs, accumulate, rank, size,
    );
  } else if (kind == KIND_BF16) {
    matmulDenseOf(
      KIND_BF16, input, inputStride, weights, bias, output, outputStride, rows, outputs, inputs, accumulate, rank, size,
    );
  } else {
    matmulDenseOf(
      KIND_F32, input, inputStride, weights, bias, output, outputStride, rows, outputs, inputs, accumulate, rank, size,
    );
  }
}
