/**
 * matmul_int4: C[M, N] f32 = A[M, K] × W[K, N] 4-bit codes, a scale (and zero point) per group of inputs.
 *
 * An activation is 256 · high + low, two signed bytes: one plane alone (8 bits) moves the logits of small models by
 * several per cent where attention is sharp (docs/numerics.md has the measurement), two leave only the weights' own error.
 *
 * Operands. K % 8 == 0; groups of `group` inputs (% 8 == 0, ≤ 128), the last one may be shorter; G = ceil(K / group).
 *   codes      i8  [M/2, K/8, 2, 2, 8]  pairs of rows; for eight inputs the high bytes of the first row, its low bytes, then
 *                  the second row's; the even inputs come first: 0 2 4 6 1 3 5 7. An odd last row is [K/8, 2, 8].
 *   sums       i32 [M, G]         sum of the activations' integers over a group
 *   steps      f32 [M, G]         what one unit of an activation is worth
 *   weights    u32 [N/8, K/8, 8]  one word = eight codes of one output, low nibble first (as GPTQ stores them)
 *   scales     f32 [N/8, G, 8]
 *   zeros      i16 [N/8, G, 8]    or 0: every zero point is `zero`
 *   bias       f32 [N]            or 0
 *   output     f32 [M, N]         row stride in bytes; added to when `accumulate`
 *
 * A panel of eight outputs × eight inputs is 32 contiguous bytes: a panel's codes stream in one direction and each lane
 * belongs to one output, so nothing is ever summed across lanes and the scale multiplies four outputs at once.
 *
 * Exactness: |Σ a · (code − zero)| ≤ 32,639 · 15 · 128 < 2^26 fits 32-bit integers, so the only roundings are those of
 *   total += f32(dot − zero · sum) · (scale · step)
 * in the order of the groups: the result does not depend on the tile, the thread or the dot form.
 */
import { addProducts, beginChunk, CHUNK_BLOCKS, endChunk } from "./dot";
import { applyGroup, zeroPoints } from "./group";
import { shareBegin, storeOutputs } from "./vector";

/** One row × one panel: four chains of sums, high and low plane of two vectors of outputs. */
// @ts-ignore: decorator
@inline
function rowTile<F>(
  a: usize, sums: usize, steps: usize, w: usize, scale: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const mask = i8x16.splat(15);
  let total0 = f32x4.splat(0), total1 = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    let h0 = i32x4.splat(0), h1 = i32x4.splat(0), l0 = i32x4.splat(0), l1 = i32x4.splat(0);
    while (left > 0) {
      let sh0 = beginChunk<F>(h0), sh1 = beginChunk<F>(h1), sl0 = beginChunk<F>(l0), sl1 = beginChunk<F>(l1);
      let step = min(left, CHUNK_BLOCKS);
      left -= step;
      do {
        const w0 = v128.load(w), w1 = v128.load(w, 16);
        let q0 = v128.and(w0, mask), q1 = v128.and(w1, mask);
        let x = v128.load32_splat(a);
        sh0 = addProducts<F>(sh0, x, q0);
        sh1 = addProducts<F>(sh1, x, q1);
        x = v128.load32_splat(a, 8);
        sl0 = addProducts<F>(sl0, x, q0);
        sl1 = addProducts<F>(sl1, x, q1);
        q0 = v128.and(i16x8.shr_u(w0, 4), mask);
        q1 = v128.and(i16x8.shr_u(w1, 4), mask);
        x = v128.load32_splat(a, 4);
        sh0 = addProducts<F>(sh0, x, q0);
        sh1 = addProducts<F>(sh1, x, q1);
        x = v128.load32_splat(a, 12);
        sl0 = addProducts<F>(sl0, x, q0);
        sl1 = addProducts<F>(sl1, x, q1);
        a += 16;
        w += 32;
      } while (--step);
      h0 = endChunk<F>(h0, sh0);
      h1 = endChunk<F>(h1, sh1);
      l0 = endChunk<F>(l0, sl0);
      l1 = endChunk<F>(l1, sl1);
    }
    total0 = applyGroup(total0, h0, l0, zeroPoints(zeros, zero), sums, v128.load(scale), steps);
    total1 = applyGroup(total1, h1, l1, zeroPoints(zeros ? zeros + 8 : 0, zero), sums, v128.load(scale, 16), steps);
    sums += 4;
    steps += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storeOutputs(output, total0, bias, accumulate, count);
  storeOutputs(output + 16, total1, bias ? bias + 16 : 0, accumulate, count - 4);
}

/** Two rows × one panel: eight integer sums stay in registers, each unpacked vector of codes serves two rows. */
// @ts-ignore: decorator
@inline
function twoRowTile<F>(
  a: usize, sums: usize, steps: usize, groupStride: usize,
  w: usize, scale: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const mask = i8x16.splat(15);
  let t00 = f32x4.splat(0), t01 = f32x4.splat(0), t10 = f32x4.splat(0), t11 = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    let h00 = i32x4.splat(0), h01 = i32x4.splat(0), l00 = i32x4.splat(0), l01 = i32x4.splat(0);
    let h10 = i32x4.splat(0), h11 = i32x4.splat(0), l10 = i32x4.splat(0), l11 = i32x4.splat(0);
    while (left > 0) {
      let sh00 = beginChunk<F>(h00), sh01 = beginChunk<F>(h01), sl00 = beginChunk<F>(l00), sl01 = beginChunk<F>(l01);
      let sh10 = beginChunk<F>(h10), sh11 = beginChunk<F>(h11), sl10 = beginChunk<F>(l10), sl11 = beginChunk<F>(l11);
      let step = min(left, CHUNK_BLOCKS);
      left -= step;
      do {
        const w0 = v128.load(w), w1 = v128.load(w, 16);
        let q0 = v128.and(w0, mask), q1 = v128.and(w1, mask);
        let x = v128.load32_splat(a);
        sh00 = addProducts<F>(sh00, x, q0);
        sh01 = addProducts<F>(sh01, x, q1);
        x = v128.load32_splat(a, 8);
        sl00 = addProducts<F>(sl00, x, q0);
        sl01 = addProducts<F>(sl01, x, q1);
        x = v128.load32_splat(a, 16);
        sh10 = addProducts<F>(sh10, x, q0);
        sh11 = addProducts<F>(sh11, x, q1);
        x = v128.load32_splat(a, 24);
        sl10 = addProducts<F>(sl10, x, q0);
        sl11 = addProducts<F>(sl11, x, q1);
        q0 = v128.and(i16x8.shr_u(w0, 4), mask);
        q1 = v128.and(i16x8.shr_u(w1, 4), mask);
        x = v128.load32_splat(a, 4);
        sh00 = addProducts<F>(sh00, x, q0);
        sh01 = addProducts<F>(sh01, x, q1);
        x = v128.load32_splat(a, 12);
        sl00 = addProducts<F>(sl00, x, q0);
        sl01 = addProducts<F>(sl01, x, q1);
        x = v128.load32_splat(a, 20);
        sh10 = addProducts<F>(sh10, x, q0);
        sh11 = addProducts<F>(sh11, x, q1);
        x = v128.load32_splat(a, 28);
        sl10 = addProducts<F>(sl10, x, q0);
        sl11 = addProducts<F>(sl11, x, q1);
        a += 32;
        w += 32;
      } while (--step);
      h00 = endChunk<F>(h00, sh00);
      h01 = endChunk<F>(h01, sh01);
      l00 = endChunk<F>(l00, sl00);
      l01 = endChunk<F>(l01, sl01);
      h10 = endChunk<F>(h10, sh10);
      h11 = endChunk<F>(h11, sh11);
      l10 = endChunk<F>(l10, sl10);
      l11 = endChunk<F>(l11, sl11);
    }
    const scale0 = v128.load(scale), scale1 = v128.load(scale, 16);
    const zero0 = zeroPoints(zeros, zero), zero1 = zeroPoints(zeros ? zeros + 8 : 0, zero);
    t00 = applyGroup(t00, h00, l00, zero0, sums, scale0, steps);
    t01 = applyGroup(t01, h01, l01, zero1, sums, scale1, steps);
    t10 = applyGroup(t10, h10, l10, zero0, sums + groupStride, scale0, steps + groupStride);
    t11 = applyGroup(t11, h11, l11, zero1, sums + groupStride, scale1, steps + groupStride);
    sums += 4;
    steps += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  const bias1: usize = bias ? bias + 16 : 0;
  storeOutputs(output, t00, bias, accumulate, count);
  storeOutputs(output + 16, t01, bias1, accumulate, count - 4);
  output += outputStride;
  storeOutputs(output, t10, bias, accumulate, count);
  storeOutputs(output + 16, t11, bias1, accumulate, count - 4);
}

/**
 * Panels that a tile of rows passes before the next tile does: their outputs fill whole cache lines (two panels a line) and
 * the rows' codes stay in the first cache. Their weights must stay there too.
 */
const PANELS_TOGETHER = 8;
const WEIGHT_BYTES_TOGETHER = 24576;

function matmul<F>(
  codes: usize, sums: usize, steps: usize, weights: usize, scales: usize, zeros: usize, zero: i32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, blocks = inputs >> 3, groupBlocks = group >> 3;
  const groups = (inputs + group - 1) / group;
  const groupStride = <usize>groups * 4;
  const begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size);
  const together = max(1, min(PANELS_TOGETHER, WEIGHT_BYTES_TOGETHER / (blocks * 32)));
  for (let first = begin; first < end; first += together) {
    const last = min(first + together, end);
    for (let row = 0; row < rows; row += 2) {
      const a = codes + <usize>row * 2 * inputs;
      const sum = sums + <usize>row * groupStride, step = steps + <usize>row * groupStride;
      for (let panel = first; panel < last; panel++) {
        const w = weights + <usize>panel * <usize>blocks * 32;
        const scale = scales + <usize>panel * <usize>groups * 32;
        const zeroRow: usize = zeros ? zeros + <usize>panel * <usize>groups * 16 : 0;
        const biasRow: usize = bias ? bias + <usize>panel * 32 : 0;
        const to = output + <usize>row * outputStride + <usize>panel * 32;
        const count = outputs - panel * 8;
        if (row + 1 < rows) {
          twoRowTile<F>(
            a, sum, step, groupStride, w, scale, zeroRow, zero, blocks, groupBlocks, to, outputStride, biasRow,
            accumulate, count,
          );
        } else {
          rowTile<F>(a, sum, step, w, scale, zeroRow, zero, blocks, groupBlocks, to, biasRow, accumulate, count);
        }
      }
    }
  }
}

/** `wide` picks the 32-bit dot form (see dot.ts); the strict build has only the 16-bit one. */
export function matmulInt4(
  codes: usize, sums: usize, steps: usize, weights: usize, scales: usize, zeros: usize, zero: i32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32, wide: i32,
  rank: i32, size: i32,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (wide) {
      matmul<i32>(
        codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
        accumulate, rank, size,
      );
      return;
    }
  }
  matmul<i16>(
    codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
    accumulate, rank, size,
  );
}
