/**
 * matmul_words: C[M, N] f32 = A[M, K] × W[K, N], activations of 16 bits against 8-bit codes, or of 12 bits against 4-bit codes, a
 * scale (and zero point) per group of inputs.
 *
 * Operands as matmul_bytes', but for the activations and for 8-bit codes:
 *   codes    i16 [M/4, K/8, 4, 4, 2]   eight inputs of four rows: pair j holds inputs j and j + 4, row by row. Rows that fill no
 *                                      tile: [K/8, 4, 2] each.
 *   weights  4 bits: u32 [N/8, K/8, 8], as in matmul_bytes. A vector's 16-bit lanes hold inputs 0 and 4 of four outputs in their
 *                    low four bits, 1 and 5 above, then 2 and 6, 3 and 7: the pairs of the activations.
 *            8 bits: u8 [N/8, K/8, 2, 2, 2, 4, 2]: pairs 0 and 1, then 2 and 3, of four outputs each, then of the other four
 *
 * Activations x of 12 bits are a ladder: x₀, x₁, x₂ − 16 x₁, x₃ − 16 x₂ for the inputs whose codes c₀ … c₃ lie in one
 * 16-bit lane. Its products with c₀, c₁ + 16 c₂ + 256 c₃, c₂ + 16 c₃ and c₃ sum to Σ x c, so codes are shifted but, after
 * the first, not masked.
 *
 * One product adds two inputs into 32 bits, so nothing overflows on the way and nothing must be widened; unpacking takes three
 * instructions more a vector of 4-bit codes than bytes do, which rows share. Measured against two planes of bytes, 256 rows,
 * one thread of a Zen 4: 34 against 26 GMAC/s with 4 bits, 33 against 13 with 8 bits. Where one instruction multiplies and adds
 * four bytes (see dot.ts), planes win with 4 bits.
 *
 * Exactness: |Σ a · (code − zero)| ≤ 32,639 · 256 · 128 < 2^30; a ladder's sums may wrap on their way to theirs, which are
 * smaller.
 */
import { endGroup, startGroup, zerosOf } from "./group";
import {
  biasOf, lane0, lane1, lane2, lane3, nibbleMask16, panelsTogether, ROW_PANELS, shareBegin, storePanels, storeRows,
} from "./vector";

/**
 * Pair 0 or 2 of codes, with those above it in its lane but for pair 0. `B` is u32 for 4-bit codes, u8 for 8-bit ones; `w` holds
 * all pairs, or two.
 */
// @ts-ignore: decorator
@inline
function evenPair<B>(w: v128, shift: i32, mask: v128): v128 {
  if (sizeof<B>() == 1) return i16x8.extend_low_i8x16_u(w);
  return shift ? i16x8.shr_u(w, shift) : v128.and(w, mask);
}

/** Pair 1 or 3. */
// @ts-ignore: decorator
@inline
function oddPair<B>(w: v128, shift: i32): v128 {
  if (sizeof<B>() == 1) return i16x8.extend_high_i8x16_u(w);
  return i16x8.shr_u(w, shift);
}

/** Inputs 4 to 7 of 8-bit codes lie behind the others; 4-bit codes are all in one vector. */
// @ts-ignore: decorator
@inline
function secondHalf<B>(first: v128, w: usize): v128 {
  return sizeof<B>() == 1 ? v128.load(w, 32) : first;
}

// @ts-ignore: decorator
@inline
function add(sum: v128, activations: v128, codes: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(activations, codes));
}

/** Four outputs of one row: eight inputs. */
// @ts-ignore: decorator
@inline
function addBlock<B>(sum: v128, x0: v128, x1: v128, x2: v128, x3: v128, w: usize, mask: v128): v128 {
  const first = v128.load(w);
  sum = add(sum, x0, evenPair<B>(first, 0, mask));
  sum = add(sum, x1, oddPair<B>(first, 4));
  const second = secondHalf<B>(first, w);
  sum = add(sum, x2, evenPair<B>(second, 8, mask));
  return add(sum, x3, oddPair<B>(second, 12));
}

/**
 * One row × one panel, or × four (see ROW_PANELS), `apart` panels from one to the next: activations are loaded and spread once
 * for all. `N` is as wide as there are panels: u8 or u32.
 *
 * Tiles are functions of their own: within one large function, engines take seconds to make their best code of it.
 */
function rowTile<B, N>(
  a: usize, sums: usize, steps: usize, w: usize, panelBytes: usize, scale: usize, scaleBytes: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, apart: i32, output: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const isFour = sizeof<N>() == 4, mask = nibbleMask16(blocks);
  const blockBytes: usize = sizeof<B>() == 1 ? 64 : 32;
  panelBytes *= apart;
  scaleBytes *= apart;
  const zeroBytes: usize = zeros ? scaleBytes >> 1 : 0;
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
  let t4 = f32x4.splat(0), t5 = f32x4.splat(0), t6 = f32x4.splat(0), t7 = f32x4.splat(0);
  while (blocks > 0) {
    let step = min(blocks, groupBlocks);
    blocks -= step;
    const sum = load<i32>(sums);
    let s0 = startGroup(zeros, 0, zero, sum), s1 = startGroup(zeros, 8, zero, sum);
    let s2 = i32x4.splat(0), s3 = i32x4.splat(0), s4 = i32x4.splat(0), s5 = i32x4.splat(0);
    let s6 = i32x4.splat(0), s7 = i32x4.splat(0);
    if (isFour) {
      let other = zeros + zeroBytes;
      s2 = startGroup(other, 0, zero, sum);
      s3 = startGroup(other, 8, zero, sum);
      other += zeroBytes;
      s4 = startGroup(other, 0, zero, sum);
      s5 = startGroup(other, 8, zero, sum);
      other += zeroBytes;
      s6 = startGroup(other, 0, zero, sum);
      s7 = startGroup(other, 8, zero, sum);
    }
    do {
      const all = v128.load(a);
      const x0 = lane0(all), x1 = lane1(all), x2 = lane2(all), x3 = lane3(all);
      s0 = addBlock<B>(s0, x0, x1, x2, x3, w, mask);
      s1 = addBlock<B>(s1, x0, x1, x2, x3, w + 16, mask);
      if (isFour) {
        let v = w + panelBytes;
        s2 = addBlock<B>(s2, x0, x1, x2, x3, v, mask);
        s3 = addBlock<B>(s3, x0, x1, x2, x3, v + 16, mask);
        v += panelBytes;
        s4 = addBlock<B>(s4, x0, x1, x2, x3, v, mask);
        s5 = addBlock<B>(s5, x0, x1, x2, x3, v + 16, mask);
        v += panelBytes;
        s6 = addBlock<B>(s6, x0, x1, x2, x3, v, mask);
        s7 = addBlock<B>(s7, x0, x1, x2, x3, v + 16, mask);
      }
      a += 16;
      w += blockBytes;
    } while (--step);
    const unit = v128.load32_splat(steps);
    t0 = endGroup(t0, s0, v128.load(scale), unit);
    t1 = endGroup(t1, s1, v128.load(scale, 16), unit);
    if (isFour) {
      let other = scale + scaleBytes;
      t2 = endGroup(t2, s2, v128.load(other), unit);
      t3 = endGroup(t3, s3, v128.load(other, 16), unit);
      other += scaleBytes;
      t4 = endGroup(t4, s4, v128.load(other), unit);
      t5 = endGroup(t5, s5, v128.load(other, 16), unit);
      other += scaleBytes;
      t6 = endGroup(t6, s6, v128.load(other), unit);
      t7 = endGroup(t7, s7, v128.load(other, 16), unit);
    }
    sums += 4;
    steps += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storePanels(sizeof<N>(), output, <usize>apart * 32, bias, accumulate, count, t0, t1, t2, t3, t4, t5, t6, t7);
}

/** Four rows × one panel: eight sums stay in registers, each unpacked vector of codes serves four rows. */
function fourRowTile<B>(
  a: usize, sums: usize, steps: usize, groupStride: usize, w: usize, scale: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const mask = nibbleMask16(blocks);
  let t00 = f32x4.splat(0), t01 = f32x4.splat(0), t10 = f32x4.splat(0), t11 = f32x4.splat(0);
  let t20 = f32x4.splat(0), t21 = f32x4.splat(0), t30 = f32x4.splat(0), t31 = f32x4.splat(0);
  while (blocks > 0) {
    let step = min(blocks, groupBlocks);
    blocks -= step;
    const sum0 = load<i32>(sums), sum1 = load<i32>(sums + groupStride);
    const sum2 = load<i32>(sums + 2 * groupStride), sum3 = load<i32>(sums + 3 * groupStride);
    let s00 = startGroup(zeros, 0, zero, sum0), s01 = startGroup(zeros, 8, zero, sum0);
    let s10 = startGroup(zeros, 0, zero, sum1), s11 = startGroup(zeros, 8, zero, sum1);
    let s20 = startGroup(zeros, 0, zero, sum2), s21 = startGroup(zeros, 8, zero, sum2);
    let s30 = startGroup(zeros, 0, zero, sum3), s31 = startGroup(zeros, 8, zero, sum3);
    do {
      let w0 = v128.load(w), w1 = v128.load(w, 16);
      let q0 = evenPair<B>(w0, 0, mask), q1 = evenPair<B>(w1, 0, mask);
      // One load and four shuffles: engines check the bounds of every load.
      let four = v128.load(a), x = lane0(four);
      s00 = add(s00, x, q0);
      s01 = add(s01, x, q1);
      x = lane1(four);
      s10 = add(s10, x, q0);
      s11 = add(s11, x, q1);
      x = lane2(four);
      s20 = add(s20, x, q0);
      s21 = add(s21, x, q1);
      x = lane3(four);
      s30 = add(s30, x, q0);
      s31 = add(s31, x, q1);
      q0 = oddPair<B>(w0, 4);
      q1 = oddPair<B>(w1, 4);
      four = v128.load(a, 16);
      x = lane0(four);
      s00 = add(s00, x, q0);
      s01 = add(s01, x, q1);
      x = lane1(four);
      s10 = add(s10, x, q0);
      s11 = add(s11, x, q1);
      x = lane2(four);
      s20 = add(s20, x, q0);
      s21 = add(s21, x, q1);
      x = lane3(four);
      s30 = add(s30, x, q0);
      s31 = add(s31, x, q1);
      w0 = secondHalf<B>(w0, w);
      w1 = secondHalf<B>(w1, w + 16);
      q0 = evenPair<B>(w0, 8, mask);
      q1 = evenPair<B>(w1, 8, mask);
      four = v128.load(a, 32);
      x = lane0(four);
      s00 = add(s00, x, q0);
      s01 = add(s01, x, q1);
      x = lane1(four);
      s10 = add(s10, x, q0);
      s11 = add(s11, x, q1);
      x = lane2(four);
      s20 = add(s20, x, q0);
      s21 = add(s21, x, q1);
      x = lane3(four);
      s30 = add(s30, x, q0);
      s31 = add(s31, x, q1);
      q0 = oddPair<B>(w0, 12);
      q1 = oddPair<B>(w1, 12);
      four = v128.load(a, 48);
      x = lane0(four);
      s00 = add(s00, x, q0);
      s01 = add(s01, x, q1);
      x = lane1(four);
      s10 = add(s10, x, q0);
      s11 = add(s11, x, q1);
      x = lane2(four);
      s20 = add(s20, x, q0);
      s21 = add(s21, x, q1);
      x = lane3(four);
      s30 = add(s30, x, q0);
      s31 = add(s31, x, q1);
      a += 64;
      w += sizeof<B>() == 1 ? 64 : 32;
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
    if (zeros) zeros += 16;
  }
  storeRows(4, output, outputStride, bias, accumulate, count, t00, t01, t10, t11, t20, t21, t30, t31);
}

/** `B` is u32 for 4-bit codes, u8 for 8-bit ones, whose K need not be a multiple of 8. Arguments as matmulBytes'. */
export function matmulWords<B>(
  codes: usize, sums: usize, steps: usize, weights: usize, scales: usize, zeros: usize, zero: i32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, blocks = (inputs + 7) >> 3, groupBlocks = group >> 3;
  const groups = (inputs + group - 1) / group;
  const groupStride = <usize>groups * 4, rowBytes = <usize>blocks * 16;
  const panelBytes = <usize>blocks * (sizeof<B>() == 1 ? 64 : 32);
  const scaleBytes = <usize>groups * 32;
  const begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size);
  const together = panelsTogether(panelBytes), tiledRows = rows & ~3;
  for (let first = begin; first < end; first += together) {
    const last = min(first + together, end);
    for (let row = 0; row < tiledRows; row += 4) {
      const a = codes + <usize>row * rowBytes;
      const sum = sums + <usize>row * groupStride, step = steps + <usize>row * groupStride;
      for (let panel = first; panel < last; panel++) {
        const scale = scales + <usize>panel * scaleBytes;
        const to = output + <usize>row * outputStride + <usize>panel * 32;
        fourRowTile<B>(
          a, sum, step, groupStride, weights + <usize>panel * panelBytes, scale, zerosOf(zeros, panel, scaleBytes), zero, blocks,
          groupBlocks, to, outputStride, biasOf(bias, panel), accumulate, outputs - panel * 8,
        );
      }
    }
  }
  if (tiledRows == rows) return;
  // As many streams as a row passes together, behind the panels that they leave over.
  const apart = (end - begin) / ROW_PANELS, streams = end - apart * ROW_PANELS;
  for (let panel = begin; panel < streams + apart; panel++) {
    const w = weights + <usize>panel * panelBytes, scale = scales + <usize>panel * scaleBytes;
    const zeroRow = zerosOf(zeros, panel, scaleBytes), biasRow = biasOf(bias, panel), count = outputs - panel * 8;
    for (let row = tiledRows; row < rows; row++) {
      const a = codes + <usize>row * rowBytes;
      const sum = sums + <usize>row * groupStride, step = steps + <usize>row * groupStride;
      const to = output + <usize>row * outputStride + <usize>panel * 32;
      if (panel < streams) {
        rowTile<B, u8>(
          a, sum, step, w, panelBytes, scale, scaleBytes, zeroRow, zero, blocks, groupBlocks, 0, to, biasRow, accumulate, count,
        );
      } else {
        rowTile<B, u32>(
          a, sum, step, w, panelBytes, scale, scaleBytes, zeroRow, zero, blocks, groupBlocks, apart, to, biasRow, accumulate,
          count,
        );
      }
    }
  }
}
