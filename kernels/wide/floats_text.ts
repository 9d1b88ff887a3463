/**
 * The text of the wide tile of floats, in the shape that ./text.ts tells of: four rows by 16 outputs, FLOAT_INPUTS inputs at a time.
 *
 * @module
 */
import {
  FLOAT_INPUTS,
  FLOAT_TOTALS,
  WIDE_PLACEHOLDER,
  WIDE_ROWS,
  WIDE_VECTORS,
  WIDE_WEIGHTS,
} from "../shared/layout.ts";
import { lane, load, TileText } from "./text.ts";

/** Inputs that one load of a row brings. */
const LOADED = 4;

/**
 * Each sum goes on from its total, input by input, so its bits are those of one loop. Parameters of the function:
 *   a  the first row, f32; rows are `stride` bytes apart
 *   p  totals f32 [n, 4, 16]
 */
export function floatsText(): string {
  const text = new TileText(), tileBytes = WIDE_ROWS * WIDE_VECTORS * 16;
  const rows = Array.from({ length: WIDE_ROWS }, (_, row) => row);
  const vectors = Array.from({ length: WIDE_VECTORS }, (_, vector) => vector);
  const place = (row: number, vector: number) => (row * WIDE_VECTORS + vector) * 16;
  const ended = FLOAT_TOTALS + tileBytes;
  for (const row of rows) {
    for (const vector of vectors) {
      const at = place(row, vector);
      text.add(`v128.store(base, v128.load(p, ${at}), ${FLOAT_TOTALS + at});`);
    }
  }
  for (const row of rows) {
    text.set(`a${row}`, row === 0 ? "a" : `a${row - 1} + stride`);
    for (const vector of vectors) text.set(`s${row}${vector}`, load(FLOAT_TOTALS + place(row, vector)));
  }
  for (let first = 0; first < FLOAT_INPUTS; first += LOADED) {
    for (const row of rows) text.set(`y${row}`, `v128.load(a${row}, ${first * 4})`);
    for (let input = 0; input < LOADED; input++) {
      for (const vector of vectors) {
        text.set(`w${vector}`, load(WIDE_WEIGHTS + ((first + input) * WIDE_VECTORS + vector) * 16));
      }
      for (const row of rows) {
        text.set("x", lane(`y${row}`, input));
        for (const vector of vectors) {
          const sum = `s${row}${vector}`;
          text.set(sum, `f32x4.add(${sum}, f32x4.mul(x, w${vector}))`);
        }
      }
    }
  }
  for (const row of rows) {
    for (const vector of vectors.filter((v) => v % 2 === 0)) {
      text.storePair(ended + place(row, vector), (half) => `s${row}${vector + half}`);
    }
  }
  for (const row of rows) {
    for (const vector of vectors) {
      const at = place(row, vector);
      text.add(`v128.store(p, ${load(ended + at)}, ${at});`);
    }
  }
  return `export function floats(a: usize, stride: usize, p: usize, n: i32): void {
  let base: usize = ${WIDE_PLACEHOLDER};
  do {
${text}
    a = a3 + stride;
    p += ${tileBytes};
  } while (--n);
}
`;
}
