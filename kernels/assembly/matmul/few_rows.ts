/**
 * Products of few rows (kernels/wide/few_rows_text.ts): few rows, or those that fill no wide tile, pass each panel of
 * weights while it lies in the first cache.
 * The same integers and the same order of roundings as in tiles.ts, so the same bits.
 */
import { CHUNK_INPUTS, FEW_LADDER, FEW_TOTALS, UNIT_INPUTS, WIDE_ROWS } from "../../shared/layout";
import { shareBegin } from "../share";
import { areaOf } from "../wide_area";
import { endRow, ofPanel } from "./group";
import { blockBytes, groupScaleBytes } from "./kernel";
import { biasOf, storePanel } from "./panels";
import { unitsOf } from "./scales";

// The functions of the module with this thread's area.
@external("wide", "bytes4Rows1")
declare function bytes4Rows1(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "bytes4Rows2")
declare function bytes4Rows2(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "bytes4Rows3")
declare function bytes4Rows3(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "bytes4Rows4")
declare function bytes4Rows4(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "bytes32Rows1")
declare function bytes32Rows1(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "bytes32Rows2")
declare function bytes32Rows2(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "bytes32Rows3")
declare function bytes32Rows3(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "bytes32Rows4")
declare function bytes32Rows4(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "ladderRows1")
declare function ladderRows1(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "ladderRows2")
declare function ladderRows2(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "ladderRows3")
declare function ladderRows3(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "ladderRows4")
declare function ladderRows4(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "wordsRows1")
declare function wordsRows1(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "wordsRows2")
declare function wordsRows2(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "wordsRows3")
declare function wordsRows3(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "wordsRows4")
declare function wordsRows4(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;

@external("wide", "bytes4Short1")
declare function bytes4Short1(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;
@external("wide", "bytes32Short1")
declare function bytes32Short1(
  w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize, scaleApart: usize,
  zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void;

@external("wide", "sixBitsPairs")
declare function sixBitsPairs(
  w: usize, apart: usize, a: usize, f: usize, t: usize, scale: usize, scaleApart: usize, units: usize, zero: i32, blocks: i32,
): void;
@external("wide", "sixBitsFours")
declare function sixBitsFours(
  w: usize, apart: usize, a: usize, f: usize, t: usize, scale: usize, scaleApart: usize, units: usize, zero: i32, blocks: i32,
): void;

@external("wide", "fourBitsFours")
declare function fourBitsFours(
  w: usize, apart: usize, a: usize, f: usize, t: usize, scale: usize, scaleApart: usize, units: usize, zero: i32, blocks: i32,
): void;
@external("wide", "fourBitsPairs")
declare function fourBitsPairs(
  w: usize, apart: usize, a: usize, f: usize, t: usize, scale: usize, scaleApart: usize, units: usize, zero: i32, blocks: i32,
): void;

/** Whether there are tiles of few rows for this kernel, and for rows of that many inputs. */
// @ts-ignore: decorator
@inline
export function hasFewRows<K>(inputs: i32): bool {
  const kernel = changetype<K>(0);
  return kernel.bits != 7 && inputs % CHUNK_INPUTS == 0;
}

// @ts-ignore: decorator
@inline
function addRows<K>(
  rows: i32, w: usize, apart: usize, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, scale: usize,
  scaleApart: usize, zeros: usize, zero: i32, offsets: usize, units: usize, chunks: i32, groupChunks: i32,
): void {
  const kernel = changetype<K>(0);
  if (kernel.bits == 6 || kernel.bits == 4 && kernel.hasFactors && rows == 1 && units) {
    const blocks = chunks * CHUNK_INPUTS / UNIT_INPUTS;
    if (kernel.bits == 4) {
      if (kernel.isDot32) fourBitsFours(w, apart, a, f, t, scale, scaleApart, units, zero, blocks);
      else fourBitsPairs(w, apart, a, f, t, scale, scaleApart, units, zero, blocks);
    } else if (kernel.isDot32) sixBitsFours(w, apart, a, f, t, scale, scaleApart, units, zero, blocks);
    else sixBitsPairs(w, apart, a, f, t, scale, scaleApart, units, zero, blocks);
  } else if (kernel.hasFactors && rows == 1 && groupChunks == 1) {
    if (kernel.isDot32) bytes32Short1(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else bytes4Short1(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
  } else if (kernel.isDot32) {
    if (rows == 1) bytes32Rows1(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else if (rows == 2) bytes32Rows2(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else if (rows == 3) bytes32Rows3(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else bytes32Rows4(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
  } else if (kernel.hasFactors) {
    if (rows == 1) bytes4Rows1(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else if (rows == 2) bytes4Rows2(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else if (rows == 3) bytes4Rows3(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else bytes4Rows4(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
  } else if (kernel.vectors == 1) {
    if (rows == 1) ladderRows1(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else if (rows == 2) ladderRows2(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else if (rows == 3) ladderRows3(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else ladderRows4(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
  } else {
    if (rows == 1) wordsRows1(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else if (rows == 2) wordsRows2(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else if (rows == 3) wordsRows3(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
    else wordsRows4(w, apart, a, aStride, f, fStride, t, tStride, scale, scaleApart, zeros, zero, offsets, units, chunks, groupChunks);
  }
}

/** Two rows or one pass two panels together: prefetchers follow two long streams of weights, and two of scales, better than one or more. */
// @ts-ignore: decorator
@inline
function streamsOf(rows: i32): i32 {
  return rows <= 2 ? 2 : 1;
}

/** The product of rows `first` to `rows`, `first` a multiple of four; operands as in codes.ts. */
export function multiplyFew<K>(
  first: i32, codes: usize, sums: usize, activationScales: usize, factors: usize, rows: i32, inputs: i32, group: i32, weights: usize,
  scales: usize, zeros: usize, zero: i32, offsets: usize, units: usize, bias: usize, outputs: i32, accumulate: i32, output: usize, outputStride: usize,
  rank: i32, size: i32,
): void {
  const kernel = changetype<K>(0);
  const panels = (outputs + 7) >> 3, groups = (inputs + group - 1) / group;
  const chunks = inputs / CHUNK_INPUTS, groupChunks = max(1, group / CHUNK_INPUTS);
  const panelBytes = <usize>(inputs >> 3) * blockBytes<K>(), scaleBytes = <usize>groups * groupScaleBytes<K>();
  const rowBytes = <usize>(inputs >> 3) * kernel.activationBytes, groupBytes = <usize>groups * 4;
  const f = kernel.hasFactors ? factors : activationScales, fStride = kernel.hasFactors ? groupBytes * groupChunks : groupBytes;
  const begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size), area = areaOf(rank);
  // Of a ladder's words, what they get of their neighbours; see the text.
  if (!kernel.hasFactors) v128.store(area, i16x8(0, 0, 16, 16, -16, -16, 0, 0), FEW_LADDER);
  // Codes of 6 bits have tiles of one row only.
  const most = kernel.bits == 6 ? 1 : WIDE_ROWS;
  const left = kernel.bits == 6 ? 1 : rows & (WIDE_ROWS - 1), streams = left ? streamsOf(left) : 1, runs = (end - begin + streams - 1) / streams;
  for (let panel = begin; panel < begin + runs; panel++) {
    const passed = streams == 2 && panel + runs < end ? 2 : 1;
    for (let row = first, count = 0; row < rows; row += count) {
      count = min(rows - row, most);
      const together = min(streamsOf(count), streams);
      for (let stream = 0; stream < passed; stream += together) {
        // A last panel without a partner stands for both; the second is not written.
        const own = panel + stream * runs, apart = together == 2 && passed == 2 ? <usize>runs : 0;
        addRows<K>(
          count, weights + <usize>own * panelBytes, apart * panelBytes, codes + <usize>row * rowBytes, rowBytes,
          f + <usize>row * fStride, fStride, sums + <usize>row * groupBytes, groupBytes, scales + <usize>own * scaleBytes,
          apart * scaleBytes, ofPanel(zeros, own, groups), zero,
          ofPanel(offsets, own, groups), unitsOf<K>(units, own, inputs), chunks, groupChunks,
        );
        let totals = area + FEW_TOTALS;
        for (let i = row; i < row + count; i++) {
          const rowScale = kernel.hasFactors ? v128.load32_splat(activationScales + <usize>i * 4) : f32x4.splat(1);
          const to = output + <usize>i * outputStride;
          storeTotals<K>(to, own, bias, accumulate, outputs, totals, rowScale);
          if (apart) storeTotals<K>(to, own + runs, bias, accumulate, outputs, totals + 32, rowScale);
          totals += <usize>streamsOf(count) * 32;
        }
      }
    }
  }
}

/** One panel of one row. */
// @ts-ignore: decorator
@inline
function storeTotals<K>(row: usize, panel: i32, bias: usize, accumulate: i32, outputs: i32, totals: usize, rowScale: v128): void {
  storePanel(
    row + <usize>panel * 32, biasOf(bias, panel), accumulate, outputs - panel * 8, endRow<K>(v128.load(totals), rowScale),
    endRow<K>(v128.load(totals, 16), rowScale),
  );
}
