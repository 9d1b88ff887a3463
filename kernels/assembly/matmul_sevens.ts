/**
 * matmul_sevens: C[M, N] f32 = A[M, K] × W[K, N], activations of one signed byte against 7-bit codes, a scale per group of inputs.
 *
 * For dense matrices that bear it (docs/numerics.md): seven bits are what the second operand of the dot may have, so codes are
 * used as they are stored. Against 8-bit codes and 16-bit activations 1.6 times as fast (256 rows, Zen 4: 54 against 33 GMAC/s).
 *
 *   codes    i8 [M/4, K/8, 2, 4, 4], as in matmul_bytes
 *   weights  u8 [N/8, K/8, 2, 8, 4]: of eight inputs the even ones (0 2 4 6) of eight outputs, then the odd ones; codes 0 … 127
 *            around `zero`
 *
 * All else as in matmul_bytes. Exactness: a pair of products is at most 2 · 127 · 127 < 2^15, a group's sum < 2^22.
 */
import { addProducts, pairProducts } from "./dot";
import { endGroup, startGroup } from "./group";
import { biasOf, lane0, lane1, lane2, lane3, onesOf, panelsTogether, shareBegin, storePanel, storeRows } from "./vector";

/** Adds four products to each 32-bit lane. `ones` is 1 in every 16-bit lane. */
// @ts-ignore: decorator
@inline
function add<F>(sum: v128, activations: v128, codes: v128, ones: v128): v128 {
  if (sizeof<F>() == 4) return addProducts<F>(sum, activations, codes);
  return i32x4.add(sum, i32x4.dot_i16x8_s(pairProducts(activations, codes), ones));
}

/** One row × one panel. */
function rowTile<F>(
  a: usize, sums: usize, steps: usize, w: usize, scale: usize, zero: i32, blocks: i32, groupBlocks: i32, output: usize,
  bias: usize, accumulate: i32, count: i32,
): void {
  const ones = onesOf(blocks);
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0);
  while (blocks > 0) {
    let step = min(blocks, groupBlocks);
    blocks -= step;
    let s0 = startGroup(0, 0, zero, load<i32>(sums)), s1 = s0;
    do {
      const eight = v128.load64_zero(a);
      const x = lane0(eight), y = lane1(eight);
      s0 = add<F>(s0, x, v128.load(w), ones);
      s1 = add<F>(s1, x, v128.load(w, 16), ones);
      s0 = add<F>(s0, y, v128.load(w, 32), ones);
      s1 = add<F>(s1, y, v128.load(w, 48), ones);
      a += 8;
      w += 64;
    } while (--step);
    const unit = v128.load32_splat(steps);
    t0 = endGroup(t0, s0, v128.load(scale), unit);
    t1 = endGroup(t1, s1, v128.load(scale, 16), unit);
    sums += 4;
    steps += 4;
    scale += 32;
  }
  storePanel(output, bias, accumulate, count, t0, t1);
}

/** Four rows × one panel. */
function fourRowTile<F>(
  a: usize, sums: usize, steps: usize, groupStride: usize, w: usize, scale: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const ones = onesOf(blocks);
  let t00 = f32x4.splat(0), t01 = f32x4.splat(0), t10 = f32x4.splat(0), t11 = f32x4.splat(0);
  let t20 = f32x4.splat(0), t21 = f32x4.splat(0), t30 = f32x4.splat(0), t31 = f32x4.splat(0);
  while (blocks > 0) {
    let step = min(blocks, groupBlocks);
    blocks -= step;
    let s00 = startGroup(0, 0, zero, load<i32>(sums)), s01 = s00;
    let s10 = startGroup(0, 0, zero, load<i32>(sums + groupStride)), s11 = s10;
    let s20 = startGroup(0, 0, zero, load<i32>(sums + 2 * groupStride)), s21 = s20;
    let s30 = startGroup(0, 0, zero, load<i32>(sums + 3 * groupStride)), s31 = s30;
    do {
      let q0 = v128.load(w), q1 = v128.load(w, 16);
      let four = v128.load(a), x = lane0(four);
      s00 = add<F>(s00, x, q0, ones);
      s01 = add<F>(s01, x, q1, ones);
      x = lane1(four);
      s10 = add<F>(s10, x, q0, ones);
      s11 = add<F>(s11, x, q1, ones);
      x = lane2(four);
      s20 = add<F>(s20, x, q0, ones);
      s21 = add<F>(s21, x, q1, ones);
      x = lane3(four);
      s30 = add<F>(s30, x, q0, ones);
      s31 = add<F>(s31, x, q1, ones);
      q0 = v128.load(w, 32);
      q1 = v128.load(w, 48);
      four = v128.load(a, 16);
      x = lane0(four);
      s00 = add<F>(s00, x, q0, ones);
      s01 = add<F>(s01, x, q1, ones);
      x = lane1(four);
      s10 = add<F>(s10, x, q0, ones);
      s11 = add<F>(s11, x, q1, ones);
      x = lane2(four);
      s20 = add<F>(s20, x, q0, ones);
      s21 = add<F>(s21, x, q1, ones);
      x = lane3(four);
      s30 = add<F>(s30, x, q0, ones);
      s31 = add<F>(s31, x, q1, ones);
      a += 32;
      w += 64;
    } while (--step);
    const scale0 = v128.load(scale), scale1 = v128.load(scale, 16);
    let unit = v128.load32_splat(steps);
    t00 = endGroup(t00, s00, scale0, unit);
    t01 = endGroup(t01, s01, scale1, unit);
    unit = v128.load32_splat(steps + groupStride);
    t10 = endGroup(t10, s10, scale0, unit);
    t11 = endGroup(t11, s11, scale1, unit);
    unit = v128.load32_splat(steps + 2 * groupStride);
    t20 = endGroup(t20, s20, scale0, unit);
    t21 = endGroup(t21, s21, scale1, unit);
    unit = v128.load32_splat(steps + 3 * groupStride);
    t30 = endGroup(t30, s30, scale0, unit);
    t31 = endGroup(t31, s31, scale1, unit);
    sums += 4;
    steps += 4;
    scale += 32;
  }
  storeRows(4, output, outputStride, bias, accumulate, count, t00, t01, t10, t11, t20, t21, t30, t31);
}

/** `F` is the lane of the dot (see dot.ts). K need not be a multiple of 8; arguments as matmulBytes', without own zero points. */
export function matmulSevens<F>(
  codes: usize, sums: usize, steps: usize, weights: usize, scales: usize, zero: i32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, blocks = (inputs + 7) >> 3, groupBlocks = group >> 3;
  const groups = (inputs + group - 1) / group;
  const groupStride = <usize>groups * 4, rowBytes = <usize>blocks * 8;
  const panelBytes = <usize>blocks * 64, scaleBytes = <usize>groups * 32;
  const begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size);
  const together = panelsTogether(panelBytes), tiledRows = rows & ~3;
  for (let first = begin; first < end; first += together) {
    const last = min(first + together, end);
    for (let row = 0; row < rows;) {
      const a = codes + <usize>row * rowBytes;
      const sum = sums + <usize>row * groupStride, step = steps + <usize>row * groupStride;
      for (let panel = first; panel < last; panel++) {
        const w = weights + <usize>panel * panelBytes, scale = scales + <usize>panel * scaleBytes;
        const to = output + <usize>row * outputStride + <usize>panel * 32;
        const count = outputs - panel * 8;
        if (row < tiledRows) {
          fourRowTile<F>(
            a, sum, step, groupStride, w, scale, zero, blocks, groupBlocks, to, outputStride, biasOf(bias, panel), accumulate,
            count,
          );
        } else {
          rowTile<F>(a, sum, step, w, scale, zero, blocks, groupBlocks, to, biasOf(bias, panel), accumulate, count);
        }
      }
      row += row < tiledRows ? 4 : 1;
    }
  }
}
