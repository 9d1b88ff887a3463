/**
 * matmul_bytes: C[M, N] f32 = A[M, K] × W[K, N], activations of one signed byte, or of 12 bits as planes 256 · high + low, against
 * 4-bit codes, a scale (and zero point) per group of inputs.
 *
 * One byte alone moves the logits of small models by several per cent where attention is sharp; two leave only the weights' own
 * error, for twice the products (docs/numerics.md has the measurements and says where which is used). Two bytes come here where
 * one instruction multiplies and adds four bytes, elsewhere to matmul_words.
 *
 * Operands. K % 8 == 0; groups of `group` inputs (% 8 == 0, ≤ 128), the last one may be shorter; G = ceil(K / group).
 *   codes      i8  [M/R, K/8, 2, R, bytes, 4] with R · bytes = 4: of eight inputs the even ones (0 2 4 6), then the odd ones; of
 *                  a row the high bytes, then its low ones, then the next row's. Rows that fill no tile: [K/8, 2, bytes, 4] each.
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
 * Exactness: |Σ a · (code − zero)| ≤ 1,927 · 16 · 128 < 2^22 fits 32-bit integers, so the only roundings are those of
 *   total += f32(dot − zero · sum) · (scale · step)
 * in the order of the groups: the result does not depend on the tile, the thread or the dot form.
 */
import { addProducts, beginChunk, CHUNK_BLOCKS, endChunk } from "./dot";
import { endGroup, startGroup, zerosOf } from "./group";
import {
  biasOf, lane0, lane1, lane2, lane3, nibbleMask8, onesOf, panelsTogether, ROW_PANELS, shareBegin, storePanels, storeRows,
} from "./vector";

/** 256 · high + low. */
// @ts-ignore: decorator
@inline
function joinBytes(high: v128, low: v128): v128 {
  return i32x4.add(i32x4.shl(high, 8), low);
}

/** Four outputs of one row: eight inputs, the even ones first. */
// @ts-ignore: decorator
@inline
function addBlock<F>(sum: v128, even: v128, odd: v128, codes: v128, mask: v128): v128 {
  sum = addProducts<F>(sum, even, v128.and(codes, mask));
  return addProducts<F>(sum, odd, v128.and(i16x8.shr_u(codes, 4), mask));
}

/**
 * One row × one panel, or × as many as eight sums allow: four with one byte, two with planes, `apart` panels from one to the next
 * (see ROW_PANELS; `N` is as wide as there are panels: u8, u16 or u32). Activations are loaded and spread once for all. Sums 0 to
 * 3 are those of the first two panels, 4 to 7 of the other two, or of the low bytes. A function of its own, as in matmul_words.
 */
function rowTile<F, P, N>(
  a: usize, sums: usize, steps: usize, w: usize, panelBytes: usize, scale: usize, scaleBytes: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, apart: i32, output: usize, bias: usize, accumulate: i32, count: i32,
): void {
  panelBytes *= apart;
  scaleBytes *= apart;
  const isPlanes = sizeof<P>() == 2;
  const isSingle = sizeof<N>() == 1, isFour = sizeof<N>() == 4;
  const mask = nibbleMask8(blocks), ones = onesOf(blocks);
  const zeroBytes: usize = zeros ? scaleBytes >> 1 : 0;
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  let t4 = f32x4.splat(0), t5 = f32x4.splat(0), t6 = f32x4.splat(0), t7 = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    let c0 = i32x4.splat(0), c1 = i32x4.splat(0), c2 = i32x4.splat(0), c3 = i32x4.splat(0);
    let c4 = i32x4.splat(0), c5 = i32x4.splat(0), c6 = i32x4.splat(0), c7 = i32x4.splat(0);
    while (left > 0) {
      let s0 = beginChunk<F>(c0), s1 = beginChunk<F>(c1), s2 = beginChunk<F>(c2), s3 = beginChunk<F>(c3);
      let s4 = beginChunk<F>(c4), s5 = beginChunk<F>(c5), s6 = beginChunk<F>(c6), s7 = beginChunk<F>(c7);
      let step = min(left, CHUNK_BLOCKS);
      left -= step;
      do {
        // One load and a shuffle each: engines check the bounds of every load.
        const all = isPlanes ? v128.load(a) : v128.load64_zero(a);
        const x = lane0(all), y = isPlanes ? lane2(all) : lane1(all), low = lane1(all), oddLow = lane3(all);
        let p = v128.load(w), q = v128.load(w, 16);
        s0 = addBlock<F>(s0, x, y, p, mask);
        s1 = addBlock<F>(s1, x, y, q, mask);
        if (isPlanes) {
          s4 = addBlock<F>(s4, low, oddLow, p, mask);
          s5 = addBlock<F>(s5, low, oddLow, q, mask);
        }
        if (!isSingle) {
          let v = w + panelBytes;
          p = v128.load(v);
          q = v128.load(v, 16);
          s2 = addBlock<F>(s2, x, y, p, mask);
          s3 = addBlock<F>(s3, x, y, q, mask);
          if (isPlanes) {
            s6 = addBlock<F>(s6, low, oddLow, p, mask);
            s7 = addBlock<F>(s7, low, oddLow, q, mask);
          } else {
            v += panelBytes;
            s4 = addBlock<F>(s4, x, y, v128.load(v), mask);
            s5 = addBlock<F>(s5, x, y, v128.load(v, 16), mask);
            v += panelBytes;
            s6 = addBlock<F>(s6, x, y, v128.load(v), mask);
            s7 = addBlock<F>(s7, x, y, v128.load(v, 16), mask);
          }
        }
        a += 8 * sizeof<P>();
        w += 32;
      } while (--step);
      c0 = endChunk<F>(c0, s0, ones);
      c1 = endChunk<F>(c1, s1, ones);
      c2 = endChunk<F>(c2, s2, ones);
      c3 = endChunk<F>(c3, s3, ones);
      c4 = endChunk<F>(c4, s4, ones);
      c5 = endChunk<F>(c5, s5, ones);
      c6 = endChunk<F>(c6, s6, ones);
      c7 = endChunk<F>(c7, s7, ones);
    }
    if (isPlanes) {
      c0 = joinBytes(c0, c4);
      c1 = joinBytes(c1, c5);
      c2 = joinBytes(c2, c6);
      c3 = joinBytes(c3, c7);
    }
    const sum = load<i32>(sums), unit = v128.load32_splat(steps);
    t0 = endGroup(t0, i32x4.add(c0, startGroup(zeros, 0, zero, sum)), v128.load(scale), unit);
    t1 = endGroup(t1, i32x4.add(c1, startGroup(zeros, 8, zero, sum)), v128.load(scale, 16), unit);
    if (!isSingle) {
      let others = scale + scaleBytes, otherZeros = zeros + zeroBytes;
      t2 = endGroup(t2, i32x4.add(c2, startGroup(otherZeros, 0, zero, sum)), v128.load(others), unit);
      t3 = endGroup(t3, i32x4.add(c3, startGroup(otherZeros, 8, zero, sum)), v128.load(others, 16), unit);
      if (isFour) {
        others += scaleBytes;
        otherZeros += zeroBytes;
        t4 = endGroup(t4, i32x4.add(c4, startGroup(otherZeros, 0, zero, sum)), v128.load(others), unit);
        t5 = endGroup(t5, i32x4.add(c5, startGroup(otherZeros, 8, zero, sum)), v128.load(others, 16), unit);
        others += scaleBytes;
        otherZeros += zeroBytes;
        t6 = endGroup(t6, i32x4.add(c6, startGroup(otherZeros, 0, zero, sum)), v128.load(others), unit);
        t7 = endGroup(t7, i32x4.add(c7, startGroup(otherZeros, 8, zero, sum)), v128.load(others, 16), unit);
      }
    }
    sums += 4;
    steps += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storePanels(sizeof<N>(), output, <usize>apart * 32, bias, accumulate, count, t0, t1, t2, t3, t4, t5, t6, t7);
}

/**
 * Four rows of bytes × one panel: two rows of activations of two bytes, or four of one. Eight integer sums stay in
 * registers, each unpacked vector of codes serves all four.
 */
function fourByteTile<F, P>(
  a: usize, sums: usize, steps: usize, groupStride: usize, w: usize, scale: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const mask = nibbleMask8(blocks), ones = onesOf(blocks);
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
        // One load and four shuffles: engines check the bounds of every load.
        let four = v128.load(a);
        let x = lane0(four);
        s00 = addProducts<F>(s00, x, q0);
        s01 = addProducts<F>(s01, x, q1);
        x = lane1(four);
        s10 = addProducts<F>(s10, x, q0);
        s11 = addProducts<F>(s11, x, q1);
        x = lane2(four);
        s20 = addProducts<F>(s20, x, q0);
        s21 = addProducts<F>(s21, x, q1);
        x = lane3(four);
        s30 = addProducts<F>(s30, x, q0);
        s31 = addProducts<F>(s31, x, q1);
        q0 = v128.and(i16x8.shr_u(w0, 4), mask);
        q1 = v128.and(i16x8.shr_u(w1, 4), mask);
        four = v128.load(a, 16);
        x = lane0(four);
        s00 = addProducts<F>(s00, x, q0);
        s01 = addProducts<F>(s01, x, q1);
        x = lane1(four);
        s10 = addProducts<F>(s10, x, q0);
        s11 = addProducts<F>(s11, x, q1);
        x = lane2(four);
        s20 = addProducts<F>(s20, x, q0);
        s21 = addProducts<F>(s21, x, q1);
        x = lane3(four);
        s30 = addProducts<F>(s30, x, q0);
        s31 = addProducts<F>(s31, x, q1);
        a += 32;
        w += 32;
      } while (--step);
      c00 = endChunk<F>(c00, s00, ones);
      c01 = endChunk<F>(c01, s01, ones);
      c10 = endChunk<F>(c10, s10, ones);
      c11 = endChunk<F>(c11, s11, ones);
      c20 = endChunk<F>(c20, s20, ones);
      c21 = endChunk<F>(c21, s21, ones);
      c30 = endChunk<F>(c30, s30, ones);
      c31 = endChunk<F>(c31, s31, ones);
    }
    const scale0 = v128.load(scale), scale1 = v128.load(scale, 16);
    let sum = load<i32>(sums), unit = v128.load32_splat(steps);
    let z0 = startGroup(zeros, 0, zero, sum), z1 = startGroup(zeros, 8, zero, sum);
    if (sizeof<P>() == 2) {
      t00 = endGroup(t00, joinBytes(c00, i32x4.add(c10, z0)), scale0, unit);
      t01 = endGroup(t01, joinBytes(c01, i32x4.add(c11, z1)), scale1, unit);
      sum = load<i32>(sums + groupStride);
      unit = v128.load32_splat(steps + groupStride);
      z0 = startGroup(zeros, 0, zero, sum);
      z1 = startGroup(zeros, 8, zero, sum);
      t10 = endGroup(t10, joinBytes(c20, i32x4.add(c30, z0)), scale0, unit);
      t11 = endGroup(t11, joinBytes(c21, i32x4.add(c31, z1)), scale1, unit);
    } else {
      t00 = endGroup(t00, i32x4.add(c00, z0), scale0, unit);
      t01 = endGroup(t01, i32x4.add(c01, z1), scale1, unit);
      sum = load<i32>(sums + groupStride);
      unit = v128.load32_splat(steps + groupStride);
      t10 = endGroup(t10, i32x4.add(c10, startGroup(zeros, 0, zero, sum)), scale0, unit);
      t11 = endGroup(t11, i32x4.add(c11, startGroup(zeros, 8, zero, sum)), scale1, unit);
      sum = load<i32>(sums + 2 * groupStride);
      unit = v128.load32_splat(steps + 2 * groupStride);
      t20 = endGroup(t20, i32x4.add(c20, startGroup(zeros, 0, zero, sum)), scale0, unit);
      t21 = endGroup(t21, i32x4.add(c21, startGroup(zeros, 8, zero, sum)), scale1, unit);
      sum = load<i32>(sums + 3 * groupStride);
      unit = v128.load32_splat(steps + 3 * groupStride);
      t30 = endGroup(t30, i32x4.add(c30, startGroup(zeros, 0, zero, sum)), scale0, unit);
      t31 = endGroup(t31, i32x4.add(c31, startGroup(zeros, 8, zero, sum)), scale1, unit);
    }
    sums += 4;
    steps += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storeRows(4 / <i32>sizeof<P>(), output, outputStride, bias, accumulate, count, t00, t01, t10, t11, t20, t21, t30, t31);
}

/** `F` is the lane of the dot (see dot.ts), `P` as wide as an activation: i8 or i16. */
export function matmulBytes<F, P>(
  codes: usize, sums: usize, steps: usize, weights: usize, scales: usize, zeros: usize, zero: i32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, blocks = inputs >> 3, groupBlocks = group >> 3;
  const groups = (inputs + group - 1) / group;
  const groupStride = <usize>groups * 4, rowBytes = <usize>inputs * sizeof<P>();
  const panelBytes = <usize>blocks * 32, scaleBytes = <usize>groups * 32;
  const tileRows = 4 / <i32>sizeof<P>(), rowPanels = ROW_PANELS / <i32>sizeof<P>();
  const begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size);
  const together = panelsTogether(panelBytes), tiledRows = rows & ~(tileRows - 1);
  for (let first = begin; first < end; first += together) {
    const last = min(first + together, end);
    for (let row = 0; row < tiledRows; row += tileRows) {
      const a = codes + <usize>row * rowBytes;
      const sum = sums + <usize>row * groupStride, step = steps + <usize>row * groupStride;
      for (let panel = first; panel < last; panel++) {
        const scale = scales + <usize>panel * scaleBytes;
        const to = output + <usize>row * outputStride + <usize>panel * 32;
        fourByteTile<F, P>(
          a, sum, step, groupStride, weights + <usize>panel * panelBytes, scale, zerosOf(zeros, panel, scaleBytes), zero, blocks,
          groupBlocks, to, outputStride, biasOf(bias, panel), accumulate, outputs - panel * 8,
        );
      }
    }
  }
  if (tiledRows == rows) return;
  // As many streams as a row passes together, behind the panels that they leave over.
  const apart = (end - begin) / rowPanels, streams = end - apart * rowPanels;
  for (let panel = begin; panel < streams + apart; panel++) {
    const w = weights + <usize>panel * panelBytes, scale = scales + <usize>panel * scaleBytes;
    const zeroRow = zerosOf(zeros, panel, scaleBytes), biasRow = biasOf(bias, panel), count = outputs - panel * 8;
    for (let row = tiledRows; row < rows; row++) {
      const a = codes + <usize>row * rowBytes;
      const sum = sums + <usize>row * groupStride, step = steps + <usize>row * groupStride;
      const to = output + <usize>row * outputStride + <usize>panel * 32;
      if (panel < streams) {
        rowTile<F, P, u8>(
          a, sum, step, w, panelBytes, scale, scaleBytes, zeroRow, zero, blocks, groupBlocks, 0, to, biasRow, accumulate, count,
        );
      } else if (sizeof<P>() == 2) {
        rowTile<F, P, u16>(
          a, sum, step, w, panelBytes, scale, scaleBytes, zeroRow, zero, blocks, groupBlocks, apart, to, biasRow, accumulate,
          count,
        );
      } else {
        rowTile<F, P, u32>(
          a, sum, step, w, panelBytes, scale, scaleBytes, zeroRow, zero, blocks, groupBlocks, apart, to, biasRow, accumulate,
          count,
        );
      }
    }
  }
}
