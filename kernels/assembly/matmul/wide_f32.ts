/**
 * Products of floats by the wide tile (kernels/wide/floats_text.ts): weights of 16 outputs and FLOAT_INPUTS inputs are widened once,
 * then all tiles of rows pass them. Each sum adds its products in the order of the inputs, so it has the bits of f32.ts.
 */
import {
  FLOAT_INPUTS, KIND_F32, WIDE_PAIRS, WIDE_TILES, WIDE_WEIGHTS,
} from "../../shared/layout";
import { load4 } from "../floats";
import { areaOf } from "../wide_area";
import { biasOf, storePanel } from "./panels";

@external("wide", "floats")
declare function floats(a: usize, stride: usize, p: usize, n: i32): void;

/** Bytes of the totals of a tile: four rows of 16 outputs. */
const TILE_BYTES: usize = 256;
/** Rows from which on widening the weights pays. */
const ROWS_MIN = 8;

/** How many of the rows the wide tile takes. */
// @ts-ignore: decorator
@inline
export function wideRowsOf(rows: i32, inputs: i32): i32 {
  return rows >= ROWS_MIN && inputs % FLOAT_INPUTS == 0 ? rows & ~3 : 0;
}

/** Weights of two panels and FLOAT_INPUTS inputs, as floats, side by side. */
function widenPanels(area: usize, w: usize, panelBytes: usize, type: i32): void {
  const bytes: usize = type == KIND_F32 ? 32 : 16;
  for (let to = area + WIDE_WEIGHTS, end = to + FLOAT_INPUTS * 64; to < end; to += 64) {
    v128.store(to, load4(w, type));
    v128.store(to, load4(w + (bytes >> 1), type), 16);
    v128.store(to, load4(w + panelBytes, type), 32);
    v128.store(to, load4(w + panelBytes + (bytes >> 1), type), 48);
    w += bytes;
  }
}

/** The product of `rows` rows, a multiple of four, by panels `begin` to `end`, an even number of them; operands as in f32.ts. */
export function multiplyWideF32(
  scratch: usize, input: usize, inputStride: usize, weights: usize, type: i32, bias: usize, rows: i32, outputs: i32, inputs: i32,
  accumulate: i32, output: usize, outputStride: usize, begin: i32, end: i32, rank: i32,
): void {
  const area = areaOf(rank), inputBytes: usize = type == KIND_F32 ? 32 : 16, panelBytes = <usize>inputs * inputBytes;
  for (let row = 0; row < rows; row += WIDE_TILES * 4) {
    const tiles = min(WIDE_TILES, (rows - row) >> 2);
    for (let first = begin; first < end; first += WIDE_PAIRS * 2) {
      const last = min(first + WIDE_PAIRS * 2, end);
      memory.fill(scratch, 0, <usize>((last - first) >> 1) * tiles * TILE_BYTES);
      for (let k = 0; k < inputs; k += FLOAT_INPUTS) {
        const a = input + <usize>row * inputStride + <usize>k * 4;
        let totals = scratch;
        for (let panel = first; panel < last; panel += 2) {
          widenPanels(area, weights + <usize>panel * panelBytes + <usize>k * inputBytes, panelBytes, type);
          floats(a, inputStride, totals, tiles);
          totals += TILE_BYTES * tiles;
        }
      }
      let totals = scratch;
      for (let panel = first; panel < last; panel += 2) {
        for (let tileRow = row; tileRow < row + tiles * 4; tileRow++) {
          const to = output + <usize>tileRow * outputStride + <usize>panel * 32, count = outputs - panel * 8;
          storePanel(to, biasOf(bias, panel), accumulate, count, v128.load(totals), v128.load(totals, 16));
          storePanel(
            to + 32, biasOf(bias, panel + 1), accumulate, count - 8, v128.load(totals, 32), v128.load(totals, 48),
          );
          totals += 64;
        }
      }
    }
  }
}
