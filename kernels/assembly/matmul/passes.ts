/**
 * The passes of a product of coded weights over its rows and panels: a template, as those of tiles.ts.
 */
import { CHUNK_INPUTS, ROWS_FEW_END_BYTES, ROWS_FEW_END_WORDS } from "../../shared/layout";
import { shareBegin } from "../share";
import { hasFewRows, multiplyFew } from "./few_rows";
import { ofPanel } from "./group";
import { blockBytes, groupScaleBytes } from "./kernel";
import { biasOf, panelsTogether, ROW_PANELS } from "./panels";
import { W4A12Planes } from "./planes";
import { unitsOf } from "./scales";
import { rowsTile, rowTile } from "./tiles";
import { hasWideTile, multiplyWide } from "./wide";

/** The product by the kernel `K`; operands as in codes.ts. Threads take contiguous runs of panels. */
export function multiply<K>(
  wideScratch: usize, dot32: bool, codes: usize, sums: usize, activationScales: usize, factors: usize, rows: i32, inputs: i32, group: i32, weights: usize,
  scales: usize, zeros: usize, zero: i32, offsets: usize, units: usize, bias: usize, outputs: i32, accumulate: i32, output: usize, outputStride: usize,
  rank: i32, size: i32,
): void {
  const kernel = changetype<K>(0);
  const panels = (outputs + 7) >> 3, blocks = (inputs + 7) >> 3, groupBlocks = group >> 3;
  const groups = (inputs + group - 1) / group, groupBytes = <usize>groups * 4;
  const chunkBytes = groupBytes * ((group + CHUNK_INPUTS - 1) / CHUNK_INPUTS), rowScaleBytes: usize = kernel.hasFactors ? 4 : groupBytes;
  const panelBytes = <usize>blocks * blockBytes<K>(), scaleBytes = <usize>groups * groupScaleBytes<K>();
  const rowBytes = <usize>blocks * kernel.activationBytes;
  const begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size);
  const together = panelsTogether(panelBytes), tiledRows = rows & ~3;
  let narrowRows = tiledRows;
  if (ASC_FEATURE_RELAXED_SIMD && wideScratch && hasWideTile<K>(group, (offsets | units) != 0)) {
    const isFew = hasFewRows<K>(inputs), fewEnd = kernel.bits == 6 ? 4 : kernel.hasFactors ? ROWS_FEW_END_BYTES : ROWS_FEW_END_WORDS;
    const wideRows = isFew && rows < fewEnd ? 0 : tiledRows;
    if (wideRows > 0 && kernel.hasLadder && dot32) {
      multiplyWide<W4A12Planes>(
        wideScratch, codes, sums, activationScales, factors, wideRows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs,
        accumulate, output, outputStride, rank, size,
      );
    } else if (wideRows > 0) {
      multiplyWide<K>(
        wideScratch, codes, sums, activationScales, factors, wideRows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs,
        accumulate, output, outputStride, rank, size,
      );
    }
    if (isFew && wideRows < rows) {
      multiplyFew<K>(
        wideRows, codes, sums, activationScales, factors, rows, inputs, group, weights, scales, zeros, zero, offsets, units, bias, outputs, accumulate,
        output, outputStride, rank, size,
      );
      return;
    }
    narrowRows = 0;
  }
  for (let first = begin; first < end && narrowRows > 0; first += together) {
    const last = min(first + together, end);
    for (let row = 0; row < narrowRows; row += 4) {
      const a = codes + <usize>row * rowBytes, sum = sums + <usize>row * groupBytes;
      const activationScale = activationScales + <usize>row * rowScaleBytes, factor = factors + <usize>row * chunkBytes;
      for (let panel = first; panel < last; panel++) {
        const scale = scales + <usize>panel * scaleBytes;
        const to = output + <usize>row * outputStride + <usize>panel * 32;
        rowsTile<K>(
          a, sum, activationScale, factor, weights + <usize>panel * panelBytes, scale, ofPanel(zeros, panel, groups), zero, ofPanel(offsets, panel, groups),
          unitsOf<K>(units, panel, inputs), blocks, groupBlocks, to, outputStride, biasOf(bias, panel), accumulate, outputs - panel * 8,
        );
      }
    }
  }
  if (tiledRows == rows) return;
  // What the streams of panels that a row passes together leave over comes first, panel by panel.
  const apart = (end - begin) / ROW_PANELS, streams = end - apart * ROW_PANELS;
  for (let panel = begin; panel < streams + apart; panel++) {
    const w = weights + <usize>panel * panelBytes, scale = scales + <usize>panel * scaleBytes;
    const zeroRow = ofPanel(zeros, panel, groups), offsetRow = ofPanel(offsets, panel, groups), unitRow = unitsOf<K>(units, panel, inputs);
    const biasRow = biasOf(bias, panel), count = outputs - panel * 8;
    for (let row = tiledRows; row < rows; row++) {
      const a = codes + <usize>row * rowBytes, sum = sums + <usize>row * groupBytes;
      const activationScale = activationScales + <usize>row * rowScaleBytes, factor = factors + <usize>row * chunkBytes;
      const to = output + <usize>row * outputStride + <usize>panel * 32;
      if (panel < streams) {
        rowTile<K, u8>(
          a, sum, activationScale, factor, w, panelBytes, scale, scaleBytes, zeroRow, zero, offsetRow, unitRow, blocks, groupBlocks, 0, to, biasRow,
          accumulate, count,
        );
      } else {
        rowTile<K, u32>(
          a, sum, activationScale, factor, w, panelBytes, scale, scaleBytes, zeroRow, zero, offsetRow, unitRow, blocks, groupBlocks, apart, to,
          biasRow, accumulate, count,
        );
      }
    }
  }
}
