/**
 * matmul_int8: as matmul_int4 with activations of two bytes, and 8-bit codes 0..255.
 *
 *   weights  u8 [N/8, K/8, 2, 8, 4]  eight inputs of eight outputs are 64 bytes: first the even inputs of each output
 *                                    (0 2 4 6), then the odd ones, the order in which activations are stored
 *
 * A code is split into its two nibbles on the fly, which keeps the second operand of the dot below 16 (see dot.ts):
 * dot = dot(low nibbles) + 16 · dot(high nibbles). |Σ a · (code − zero)| ≤ 32,639 · 255 · 128 < 2^30, all exact.
 */
import { addProducts, beginChunk, CHUNK_BLOCKS, endChunk } from "./dot";
import { applyGroup, joinBytes, zeroPoints } from "./group";
import { shareBegin, storeOutputs } from "./vector";

// @ts-ignore: decorator
@inline
function joinNibbles(low: v128, high: v128): v128 {
  return i32x4.add(low, i32x4.shl(high, 4));
}

/** One row × four outputs. Sums are named plane, nibble: `hl` is the activations' high bytes with the low nibbles. */
// @ts-ignore: decorator
@inline
function rowTile<F>(
  a: usize, sums: usize, steps: usize, w: usize, scale: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const mask = i8x16.splat(15);
  let total = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    let hl = i32x4.splat(0), hh = i32x4.splat(0), ll = i32x4.splat(0), lh = i32x4.splat(0);
    while (left > 0) {
      let shl = beginChunk<F>(hl), shh = beginChunk<F>(hh), sll = beginChunk<F>(ll), slh = beginChunk<F>(lh);
      let step = min(left, CHUNK_BLOCKS);
      left -= step;
      do {
        for (let odd: usize = 0; odd < 2; odd++) {
          const q = v128.load(w + odd * 32);
          const ql = v128.and(q, mask), qh = v128.and(i16x8.shr_u(q, 4), mask);
          let x = v128.load32_splat(a + odd * 4);
          shl = addProducts<F>(shl, x, ql);
          shh = addProducts<F>(shh, x, qh);
          x = v128.load32_splat(a + odd * 4, 8);
          sll = addProducts<F>(sll, x, ql);
          slh = addProducts<F>(slh, x, qh);
        }
        a += 16;
        w += 64;
      } while (--step);
      hl = endChunk<F>(hl, shl);
      hh = endChunk<F>(hh, shh);
      ll = endChunk<F>(ll, sll);
      lh = endChunk<F>(lh, slh);
    }
    total = applyGroup(
      total, joinBytes<i16>(joinNibbles(hl, hh), joinNibbles(ll, lh)), zeroPoints(zeros, zero), sums, v128.load(scale), steps,
    );
    sums += 4;
    steps += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storeOutputs(output, total, bias, accumulate, count);
}

/** Two rows × four outputs. */
// @ts-ignore: decorator
@inline
function twoRowTile<F>(
  a: usize, sums: usize, steps: usize, groupStride: usize,
  w: usize, scale: usize, zeros: usize, zero: i32,
  blocks: i32, groupBlocks: i32, output: usize, outputStride: usize, bias: usize, accumulate: i32, count: i32,
): void {
  const mask = i8x16.splat(15);
  let t0 = f32x4.splat(0), t1 = f32x4.splat(0);
  while (blocks > 0) {
    let left = min(blocks, groupBlocks);
    blocks -= left;
    let hl0 = i32x4.splat(0), hh0 = i32x4.splat(0), ll0 = i32x4.splat(0), lh0 = i32x4.splat(0);
    let hl1 = i32x4.splat(0), hh1 = i32x4.splat(0), ll1 = i32x4.splat(0), lh1 = i32x4.splat(0);
    while (left > 0) {
      let shl0 = beginChunk<F>(hl0), shh0 = beginChunk<F>(hh0), sll0 = beginChunk<F>(ll0), slh0 = beginChunk<F>(lh0);
      let shl1 = beginChunk<F>(hl1), shh1 = beginChunk<F>(hh1), sll1 = beginChunk<F>(ll1), slh1 = beginChunk<F>(lh1);
      let step = min(left, CHUNK_BLOCKS);
      left -= step;
      do {
        for (let odd: usize = 0; odd < 2; odd++) {
          const q = v128.load(w + odd * 32);
          const ql = v128.and(q, mask), qh = v128.and(i16x8.shr_u(q, 4), mask);
          let x = v128.load32_splat(a + odd * 4);
          shl0 = addProducts<F>(shl0, x, ql);
          shh0 = addProducts<F>(shh0, x, qh);
          x = v128.load32_splat(a + odd * 4, 8);
          sll0 = addProducts<F>(sll0, x, ql);
          slh0 = addProducts<F>(slh0, x, qh);
          x = v128.load32_splat(a + odd * 4, 16);
          shl1 = addProducts<F>(shl1, x, ql);
          shh1 = addProducts<F>(shh1, x, qh);
          x = v128.load32_splat(a + odd * 4, 24);
          sll1 = addProducts<F>(sll1, x, ql);
          slh1 = addProducts<F>(slh1, x, qh);
        }
        a += 32;
        w += 64;
      } while (--step);
      hl0 = endChunk<F>(hl0, shl0);
      hh0 = endChunk<F>(hh0, shh0);
      ll0 = endChunk<F>(ll0, sll0);
      lh0 = endChunk<F>(lh0, slh0);
      hl1 = endChunk<F>(hl1, shl1);
      hh1 = endChunk<F>(hh1, shh1);
      ll1 = endChunk<F>(ll1, sll1);
      lh1 = endChunk<F>(lh1, slh1);
    }
    const z = zeroPoints(zeros, zero), s = v128.load(scale);
    t0 = applyGroup(t0, joinBytes<i16>(joinNibbles(hl0, hh0), joinNibbles(ll0, lh0)), z, sums, s, steps);
    t1 = applyGroup(
      t1, joinBytes<i16>(joinNibbles(hl1, hh1), joinNibbles(ll1, lh1)), z, sums + groupStride, s, steps + groupStride,
    );
    sums += 4;
    steps += 4;
    scale += 32;
    if (zeros) zeros += 16;
  }
  storeOutputs(output, t0, bias, accumulate, count);
  storeOutputs(output + outputStride, t1, bias, accumulate, count);
}

function matmul<F>(
  codes: usize, sums: usize, steps: usize, weights: usize, scales: usize, zeros: usize, zero: i32, bias: usize,
  output: usize, outputStride: usize, rows: i32, outputs: i32, inputs: i32, group: i32, accumulate: i32,
  rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, blocks = (inputs + 7) >> 3, groupBlocks = group >> 3;
  const groups = (inputs + group - 1) / group;
  const groupStride = <usize>groups * 4, padded = <usize>blocks * 8;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let quad = 0; quad < 2; quad++) {
      const count = outputs - panel * 8 - quad * 4;
      if (count <= 0) break;
      const w = weights + <usize>panel * <usize>blocks * 64 + <usize>quad * 16;
      const scale = scales + <usize>panel * <usize>groups * 32 + <usize>quad * 16;
      const zeroRow: usize = zeros ? zeros + <usize>panel * <usize>groups * 16 + <usize>quad * 8 : 0;
      const biasRow: usize = bias ? bias + <usize>panel * 32 + <usize>quad * 16 : 0;
      const column = output + <usize>panel * 32 + <usize>quad * 16;
      let row = 0;
      for (; row + 2 <= rows; row += 2) {
        twoRowTile<F>(
          codes + <usize>row * 2 * padded, sums + <usize>row * groupStride, steps + <usize>row * groupStride,
          groupStride, w, scale, zeroRow, zero, blocks, groupBlocks, column + <usize>row * outputStride, outputStride,
          biasRow, accumulate, count,
        );
      }
      if (row < rows) {
        rowTile<F>(
          codes + <usize>row * 2 * padded, sums + <usize>row * groupStride, steps + <usize>row * groupStride,
          w, scale, zeroRow, zero, blocks, groupBlocks, column + <usize>row * outputStride, biasRow, accumulate, count,
        );
      }
    }
  }
}

/** Arguments as matmulInt4; K need not be a multiple of 8, rows of `codes` are padded to it with zeros. */
export function matmulInt8(
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
