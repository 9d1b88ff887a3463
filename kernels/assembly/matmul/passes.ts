/**
 * The passes of a product of coded weights over its rows and panels: a template, as those of tiles.ts.
 */
import { shareBegin } from "../share";
import { zerosOf } from "./group";
import { biasOf, panelsTogether, ROW_PANELS } from "./panels";
import { rowsTile, rowTile } from "./tiles";

/** The product by the kernel `K`; operands as in codes.ts. Threads take contiguous runs of panels. */
export function multiply<K>(
  codes: usize, sums: usize, activationScales: usize, rows: i32, inputs: i32, group: i32, weights: usize, scales: usize,
  zeros: usize, zero: i32, bias: usize, outputs: i32, accumulate: i32, output: usize, outputStride: usize, rank: i32, size: i32,
): void {
  const kernel = changetype<K>(0);
  const panels = (outputs + 7) >> 3, blocks = (inputs + 7) >> 3, groupBlocks = group >> 3;
  const groups = (inputs + group - 1) / group, groupStride = <usize>groups * 4;
  const panelBytes = <usize>blocks * kernel.vectors * 32, scaleBytes = <usize>groups * 32;
  const rowBytes = <usize>blocks * kernel.activationBytes;
  const tileRows = kernel.isPlanes ? 2 : 4, rowPanels = kernel.isPlanes ? ROW_PANELS / 2 : ROW_PANELS;
  const begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size);
  const together = panelsTogether(panelBytes), tiledRows = rows & ~(tileRows - 1);
  for (let first = begin; first < end; first += together) {
    const last = min(first + together, end);
    for (let row = 0; row < tiledRows; row += tileRows) {
      const a = codes + <usize>row * rowBytes;
      const sum = sums + <usize>row * groupStride, activationScale = activationScales + <usize>row * groupStride;
      for (let panel = first; panel < last; panel++) {
        const scale = scales + <usize>panel * scaleBytes;
        const to = output + <usize>row * outputStride + <usize>panel * 32;
        rowsTile<K>(
          a, sum, activationScale, groupStride, weights + <usize>panel * panelBytes, scale, zerosOf(zeros, panel, scaleBytes), zero,
          blocks, groupBlocks, to, outputStride, biasOf(bias, panel), accumulate, outputs - panel * 8,
        );
      }
    }
  }
  if (tiledRows == rows) return;
  // What the streams of panels that a row passes together leave over comes first, panel by panel.
  const apart = (end - begin) / rowPanels, streams = end - apart * rowPanels;
  for (let panel = begin; panel < streams + apart; panel++) {
    const w = weights + <usize>panel * panelBytes, scale = scales + <usize>panel * scaleBytes;
    const zeroRow = zerosOf(zeros, panel, scaleBytes), biasRow = biasOf(bias, panel), count = outputs - panel * 8;
    for (let row = tiledRows; row < rows; row++) {
      const a = codes + <usize>row * rowBytes;
      const sum = sums + <usize>row * groupStride, activationScale = activationScales + <usize>row * groupStride;
      const to = output + <usize>row * outputStride + <usize>panel * 32;
      if (panel < streams) {
        rowTile<K, u8>(
          a, sum, activationScale, w, panelBytes, scale, scaleBytes, zeroRow, zero, blocks, groupBlocks, 0, to, biasRow,
          accumulate, count,
        );
      } else if (kernel.isPlanes) {
        rowTile<K, u16>(
          a, sum, activationScale, w, panelBytes, scale, scaleBytes, zeroRow, zero, blocks, groupBlocks, apart, to, biasRow,
          accumulate, count,
        );
      } else {
        rowTile<K, u32>(
          a, sum, activationScale, w, panelBytes, scale, scaleBytes, zeroRow, zero, blocks, groupBlocks, apart, to, biasRow,
          accumulate, count,
        );
      }
    }
  }
}
