/**
 * matmul_int4: C[M, N] f32 = A[M, K] × W[K, N] 4-bit codes, a scale (and zero point) per group of inputs.
 *
 * An activation is one signed byte, or two: 256 · high + low. One byte alone moves the logits of small models by several
 * per cent where attention is sharp; two leave only the weights' own error, for twice the products (docs/numerics.md has
 * the measurements and says where which is used).
 *
 * Operands. K % 8 == 0; groups of `group` inputs (% 8 == 0, ≤ 128), the last one may be shorter; G = ceil(K / group).
 *   codes      i8  [M/R, K/8, R, bytes, 8] with R · bytes = 4: for eight inputs the high bytes of a row, then its low ones,
 *                  then the next row's; even inputs first: 0 2 4 6 1 3 5 7. Rows that fill no tile: [K/8, bytes, 8] each.
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
import { applyGroup, joinBytes, zeroPoints } from "./group";
import { shareBegin, storeOutputs } from "./vector";

/** One row × one panel: chains of sums for each byte of the activations and each vector of outputs. */
// @ts-ignore: decorator
@inline
function rowTile<F, P>(
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
        // One load and a shuffle each: engines check the bounds of every load.
        const all = sizeof<P>() == 2 ? v128.load(a) : v128.load64_zero(a);
        let x = v128.shuffle<i32>(all, all, 0, 0, 0, 0);
        sh0 = addProducts<F>(sh0, x, q0);
        sh1 = addProducts<F>(sh1, x, q1);
        if (sizeof<P>() == 2) {
          x = v128.shuffle<i32>(all, all, 2, 2, 2, 2);
          sl0 = addProducts<F>(sl0, x, q0);
          sl1 = addProducts<F>(sl1, x, q1);
        }
        q0 = v128.and(i16x8.shr_u(w0, 4), mask);
        q1 = v128.and(i16x8.shr_u(w1, 4), mask);
        x = v128.shuffle<i32>(all, all, 1, 1, 1, 1);
        sh0 = addProducts<F>(sh0, x, q0);
        sh1 = addProducts<F>(sh1, x, q1);
        if (sizeof<P>() == 2) {
          x = v128.shuffle<i32>(all, all, 3, 3, 3, 3);
          sl0 = addProducts<F>(sl0, x, q0);
          sl1 = addProducts<F>(sl1, x, q1);
        }
        a += 8 * sizeof<P>();
        w += 32;
      } while (--step);
      h0 = endChunk<F>(h0, sh0);
      h1 = endChunk<F>(h1, sh1);
      l0 = endChunk<F>(l0, sl0);
      l1 = endChunk<F>(l1, sl1);
    }
    const scale0 = v128.load(scale), scale1 = v128.load(scale, 16);
    total0 = applyGroup(total0, joinBytes<P>(h0, l0), zeroPoints(zeros, zero), sums, scale0, steps);
    total1 = applyGroup(total1, joinBytes<P>(h1, l1), zeroPoints(zeros ? zeros + 8 : 0, zero), sums, scale1, steps);
    sums += 4;
    steps += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storeOutputs(output, total0, bias, accumulate, count);
  storeOutputs(output + 16, total1, bias ? bias + 16 : 0, accumulate, count - 4);
}

/**
 * One row × two neighbouring panels: each load of activations serves both, and twice the chains of sums hide the products'
 * latency (two-byte activations: 1.5 times as fast as panel by panel).
 */
// @ts-ignore: decorator
@inline
function rowPairTile<F, P>(
  a: usize, sums: usize, steps: usize, w: usize, panelBytes: usize, scale: usize, scaleBytes: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const mask = i8x16.splat(15);
  let total0 = f32x4.splat(0), total1 = f32x4.splat(0), total2 = f32x4.splat(0), total3 = f32x4.splat(0);
  let v = w + panelBytes;
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    let h0 = i32x4.splat(0), h1 = i32x4.splat(0), l0 = i32x4.splat(0), l1 = i32x4.splat(0);
    let h2 = i32x4.splat(0), h3 = i32x4.splat(0), l2 = i32x4.splat(0), l3 = i32x4.splat(0);
    while (left > 0) {
      let sh0 = beginChunk<F>(h0), sh1 = beginChunk<F>(h1), sl0 = beginChunk<F>(l0), sl1 = beginChunk<F>(l1);
      let sh2 = beginChunk<F>(h2), sh3 = beginChunk<F>(h3), sl2 = beginChunk<F>(l2), sl3 = beginChunk<F>(l3);
      let step = min(left, CHUNK_BLOCKS);
      left -= step;
      do {
        // One load and a shuffle each: engines check the bounds of every load.
        const all = sizeof<P>() == 2 ? v128.load(a) : v128.load64_zero(a);
        for (let half = 0; half < 2; half++) {
          const x = half ? v128.shuffle<i32>(all, all, 1, 1, 1, 1) : v128.shuffle<i32>(all, all, 0, 0, 0, 0);
          const y = half ? v128.shuffle<i32>(all, all, 3, 3, 3, 3) : v128.shuffle<i32>(all, all, 2, 2, 2, 2);
          let q = v128.and(half ? i16x8.shr_u(v128.load(w), 4) : v128.load(w), mask);
          sh0 = addProducts<F>(sh0, x, q);
          if (sizeof<P>() == 2) sl0 = addProducts<F>(sl0, y, q);
          q = v128.and(half ? i16x8.shr_u(v128.load(w, 16), 4) : v128.load(w, 16), mask);
          sh1 = addProducts<F>(sh1, x, q);
          if (sizeof<P>() == 2) sl1 = addProducts<F>(sl1, y, q);
          q = v128.and(half ? i16x8.shr_u(v128.load(v), 4) : v128.load(v), mask);
          sh2 = addProducts<F>(sh2, x, q);
          if (sizeof<P>() == 2) sl2 = addProducts<F>(sl2, y, q);
          q = v128.and(half ? i16x8.shr_u(v128.load(v, 16), 4) : v128.load(v, 16), mask);
          sh3 = addProducts<F>(sh3, x, q);
          if (sizeof<P>() == 2) sl3 = addProducts<F>(sl3, y, q);
        }
        a += 8 * sizeof<P>();
        w += 32;
        v += 32;
      } while (--step);
      h0 = endChunk<F>(h0, sh0);
      h1 = endChunk<F>(h1, sh1);
      h2 = endChunk<F>(h2, sh2);
      h3 = endChunk<F>(h3, sh3);
      l0 = endChunk<F>(l0, sl0);
      l1 = endChunk<F>(l1, sl1);
      l2 = endChunk<F>(l2, sl2);
      l3 = endChunk<F>(l3, sl3);
    }
    const other = scale + scaleBytes;
    // Zero points take half the bytes of scales.
    const z: usize = zeros, y: usize = zeros ? zeros + (scaleBytes >> 1) : 0;
    total0 = applyGroup(total0, joinBytes<P>(h0, l0), zeroPoints(z, zero), sums, v128.load(scale), steps);
    total1 = applyGroup(total1, joinBytes<P>(h1, l1), zeroPoints(z ? z + 8 : 0, zero), sums, v128.load(scale, 16), steps);
    total2 = applyGroup(total2, joinBytes<P>(h2, l2), zeroPoints(y, zero), sums, v128.load(other), steps);
    total3 = applyGroup(total3, joinBytes<P>(h3, l3), zeroPoints(y ? y + 8 : 0, zero), sums, v128.load(other, 16), steps);
    sums += 4;
    steps += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storeOutputs(output, total0, bias, accumulate, count);
  storeOutputs(output + 16, total1, bias ? bias + 16 : 0, accumulate, count - 4);
  storeOutputs(output + 32, total2, bias ? bias + 32 : 0, accumulate, count - 8);
  storeOutputs(output + 48, total3, bias ? bias + 48 : 0, accumulate, count - 12);
}

/**
 * Four rows of bytes × one panel: two rows of activations of two bytes, or four of one. Eight integer sums stay in
 * registers, each unpacked vector of codes serves all four.
 */
// @ts-ignore: decorator
@inline
function fourByteTile<F, P>(
  a: usize, sums: usize, steps: usize, groupStride: usize,
  w: usize, scale: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const mask = i8x16.splat(15);
  let t00 = f32x4.splat(0), t01 = f32x4.splat(0), t10 = f32x4.splat(0), t11 = f32x4.splat(0);
  let t20 = f32x4.splat(0), t21 = f32x4.splat(0), t30 = f32x4.splat(0), t31 = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    let c00 = i32x4.splat(0), c01 = i32x4.splat(0), c10 = i32x4.splat(0), c11 = i32x4.splat(0);
    let c20 = i32x4.splat(0), c21 = i32x4.splat(0), c30 = i32x4.splat(0), c31 = i32x4.splat(0);
    while (left > 0) {
      let s00 = beginChunk<F>(c00), s01 = beginChunk<F>(c01), s10 = beginChunk<F>(c10), s11 = beginChunk<F>(c11);
      let s20 = beginChunk<F>(c20), s21 = beginChunk<F>(c21), s30 = beginChunk<F>(c30), s31 = beginChunk<F>(c31);
      let step = min(left, CHUNK_BLOCKS);
      left -= step;
      do {
        const w0 = v128.load(w), w1 = v128.load(w, 16);
        let q0 = v128.and(w0, mask), q1 = v128.and(w1, mask);
        let x = v128.load32_splat(a);
        s00 = addProducts<F>(s00, x, q0);
        s01 = addProducts<F>(s01, x, q1);
        x = v128.load32_splat(a, 8);
        s10 = addProducts<F>(s10, x, q0);
        s11 = addProducts<F>(s11, x, q1);
        x = v128.load32_splat(a, 16);
        s20 = addProducts<F>(s20, x, q0);
        s21 = addProducts<F>(s21, x, q1);
        x = v128.load32_splat(a, 24);
        s30 = addProducts<F>(s30, x, q0);
        s31 = addProducts<F>(s31, x, q1);
        q0 = v128.and(i16x8.shr_u(w0, 4), mask);
        q1 = v128.and(i16x8.shr_u(w1, 4), mask);
        x = v128.load32_splat(a, 4);
        s00 = addProducts<F>(s00, x, q0);
        s01 = addProducts<F>(s01, x, q1);
        x = v128.load32_splat(a, 12);
        s10 = addProducts<F>(s10, x, q0);
        s11 = addProducts<F>(s11, x, q1);
        x = v128.load32_splat(a, 20);
        s20 = addProducts<F>(s20, x, q0);
        s21 = addProducts<F>(s21, x, q1);
        x = v128.load32_splat(a, 28);
        s30 = addProducts<F>(s30, x, q0);
        s31 = addProducts<F>(s31, x, q1);
        a += 32;
        w += 32;
      } while (--step);
      c00 = endChunk<F>(c00, s00);
      c01 = endChunk<F>(c01, s01);
      c10 = endChunk<F>(c10, s10);
      c11 = endChunk<F>(c11, s11);
      c20 = endChunk<F>(c20, s20);
      c21 = endChunk<F>(c21, s21);
      c30 = endChunk<F>(c30, s30);
      c31 = endChunk<F>(c31, s31);
    }
    const scale0 = v128.load(scale), scale1 = v128.load(scale, 16);
    const zero0 = zeroPoints(zeros, zero), zero1 = zeroPoints(zeros ? zeros + 8 : 0, zero);
    if (sizeof<P>() == 2) {
      t00 = applyGroup(t00, joinBytes<P>(c00, c10), zero0, sums, scale0, steps);
      t01 = applyGroup(t01, joinBytes<P>(c01, c11), zero1, sums, scale1, steps);
      t10 = applyGroup(t10, joinBytes<P>(c20, c30), zero0, sums + groupStride, scale0, steps + groupStride);
      t11 = applyGroup(t11, joinBytes<P>(c21, c31), zero1, sums + groupStride, scale1, steps + groupStride);
    } else {
      t00 = applyGroup(t00, c00, zero0, sums, scale0, steps);
      t01 = applyGroup(t01, c01, zero1, sums, scale1, steps);
      t10 = applyGroup(t10, c10, zero0, sums + groupStride, scale0, steps + groupStride);
      t11 = applyGroup(t11, c11, zero1, sums + groupStride, scale1, steps + groupStride);
      t20 = applyGroup(t20, c20, zero0, sums + 2 * groupStride, scale0, steps + 2 * groupStride);
      t21 = applyGroup(t21, c21, zero1, sums + 2 * groupStride, scale1, steps + 2 * groupStride);
      t30 = applyGroup(t30, c30, zero0, sums + 3 * groupStride, scale0, steps + 3 * groupStride);
      t31 = applyGroup(t31, c31, zero1, sums + 3 * groupStride, scale1, steps + 3 * groupStride);
    }
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
  if (sizeof<P>() == 2) return;
  output += outputStride;
  storeOutputs(output, t20, bias, accumulate, count);
  storeOutputs(output + 16, t21, bias1, accumulate, count - 4);
  output += outputStride;
  storeOutputs(output, t30, bias, accumulate, count);
  storeOutputs(output + 16, t31, bias1, accumulate, count - 4);
}

/**
 * Panels that a tile of rows passes before the next tile does: their outputs fill whole cache lines (two panels a line) and
 * the rows' codes stay in the first cache. Their weights must stay there too.
 */
const PANELS_TOGETHER = 8;
const WEIGHT_BYTES_TOGETHER = 24576;

function matmul<F, P>(
  codes: usize, sums: usize, steps: usize, weights: usize, scales: usize, zeros: usize, zero: i32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, blocks = inputs >> 3, groupBlocks = group >> 3;
  const groups = (inputs + group - 1) / group;
  const groupStride = <usize>groups * 4;
  const tileRows = 4 / <i32>sizeof<P>();
  const begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size);
  // Without a tile of rows nothing passes the weights twice.
  const fitting = rows < tileRows ? PANELS_TOGETHER : WEIGHT_BYTES_TOGETHER / (blocks * 32);
  const together = max(1, min(PANELS_TOGETHER, fitting));
  for (let first = begin; first < end; first += together) {
    const last = min(first + together, end);
    for (let row = 0; row < rows;) {
      const isTile = row + tileRows <= rows;
      const a = codes + <usize>row * sizeof<P>() * inputs;
      const sum = sums + <usize>row * groupStride, step = steps + <usize>row * groupStride;
      for (let panel = first; panel < last; panel++) {
        const w = weights + <usize>panel * <usize>blocks * 32;
        const scale = scales + <usize>panel * <usize>groups * 32;
        const zeroRow: usize = zeros ? zeros + <usize>panel * <usize>groups * 16 : 0;
        const biasRow: usize = bias ? bias + <usize>panel * 32 : 0;
        const to = output + <usize>row * outputStride + <usize>panel * 32;
        const count = outputs - panel * 8;
        if (isTile) {
          fourByteTile<F, P>(
            a, sum, step, groupStride, w, scale, zeroRow, zero, blocks, groupBlocks, to, outputStride, biasRow,
            accumulate, count,
          );
        } else if (panel + 1 < last) {
          rowPairTile<F, P>(
            a, sum, step, w, <usize>blocks * 32, scale, <usize>groups * 32, zeroRow, zero, blocks, groupBlocks, to, biasRow,
            accumulate, count,
          );
          panel++;
        } else {
          rowTile<F, P>(a, sum, step, w, scale, zeroRow, zero, blocks, groupBlocks, to, biasRow, accumulate, count);
        }
      }
      row += isTile ? tileRows : 1;
    }
  }
}

/**
 * `bytes` (1 or 2) of each activation, as `quantize` wrote them. `wide` picks the 32-bit dot form (see dot.ts); the strict
 * build has only the 16-bit one.
 */
export function matmulInt4(
  codes: usize, sums: usize, steps: usize, weights: usize, scales: usize, zeros: usize, zero: i32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32, wide: i32,
  bytes: i32, rank: i32, size: i32,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (wide) {
      if (bytes == 1) {
        matmul<i32, i8>(
          codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
          accumulate, rank, size,
        );
      } else {
        matmul<i32, i16>(
          codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
          accumulate, rank, size,
        );
      }
      return;
    }
  }
  if (bytes == 1) {
    matmul<i16, i8>(
      codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
      accumulate, rank, size,
    );
  } else {
    matmul<i16, i16>(
      codes, sums, steps, weights, scales, zeros, zero, bias, output, outputStride, rows, outputs, inputs, group,
      accumulate, rank, size,
    );
  }
}
