/**
 * The text of the softmax of attention in bytes (kernels/assembly/attention/bytes_softmax.ts), in the shape that text.ts explains: what
 * lies between the products of queries and keys and those of weights and values, for a tile of four rows and a block of 32 tokens.
 *
 * @module
 */
import {
  SOFTMAX_CENTRES,
  SOFTMAX_CONSTANTS,
  SOFTMAX_KEY_SCALES,
  SOFTMAX_MAXIMA,
  SOFTMAX_POWERS,
  SOFTMAX_SCORES,
  SOFTMAX_SUMS,
  SOFTMAX_TOTALS,
  SOFTMAX_VALUE_SCALES,
  SOFTMAX_WEIGHTS,
  WIDE_PLACEHOLDER,
} from "../shared/layout.ts";
import { lane, load, TileText } from "./text.ts";

const ROWS = [0, 1, 2, 3], PAIRS = [0, 2, 4, 6];

const cellOf = (area: number, row: number, vector: number) => load(area + row * 128 + vector * 16);
/** Constants of powerOfTwo4, twice each. */
const CONSTANTS = 8, HALVES = [0, 1];
const constant = (index: number, half: number) => `k${index}${half}`;

/** Every second vector of a row, joined by `join` in their order. */
function joined(area: number, row: number, half: number, join: string): string {
  return PAIRS.map((vector) => cellOf(area, row, vector + half)).reduce((sum, x) =>
    `f32x4.${join}(${sum}, ${x})`
  );
}

/** Sums of products → scores in units of log 2, and of every row the largest of the even and of the odd vectors. */
function scaleScores(): string {
  const text = new TileText();
  for (const row of ROWS) {
    for (let vector = 0; vector < 8; vector++) {
      const from = vector < 4 ? "low" : "high", at = row * 64 + (vector % 4) * 16;
      text.add(`v128.store(base, v128.load(${from}, ${at}), ${SOFTMAX_SUMS + row * 128 + vector * 16});`);
    }
  }
  text.set("y", "v128.load(factors)");
  for (const row of ROWS) {
    text.set("factor", lane("y", row));
    for (const vector of PAIRS) {
      text.storePair(SOFTMAX_SCORES + row * 128 + vector * 16, (half) => {
        const sums = `f32x4.convert_i32x4_s(${cellOf(SOFTMAX_SUMS, row, vector + half)})`;
        return `f32x4.mul(f32x4.mul(${sums}, ${load(SOFTMAX_KEY_SCALES + (vector + half) * 16)}), factor)`;
      });
    }
    text.storePair(SOFTMAX_MAXIMA + row * 32, (half) => joined(SOFTMAX_SCORES, row, half, "pmax"));
  }
  return `export function scaleScores(low: usize, high: usize, factors: usize): void {
  let base: usize = ${WIDE_PLACEHOLDER};
${text}
}
`;
}

/** powerOfTwo4 of kernels/assembly/transcendental.ts. */
function setPower(text: TileText, half: number, value: string): string {
  const own = (name: string) => `${name}${half}`,
    term = (p: string, index: number) => `f32x4.add(f32x4.mul(${p}, ${own("r")}), ${constant(index, half)})`;
  text.set(own("x"), `f32x4.pmax(${value}, ${constant(0, half)})`);
  text.set(own("shifted"), `f32x4.add(${own("x")}, ${constant(1, half)})`);
  text.set(own("r"), `f32x4.sub(${own("x")}, f32x4.sub(${own("shifted")}, ${constant(1, half)}))`);
  const p = [3, 4, 5, 6, 7].reduce((p, index) => term(p, index), constant(2, half));
  return `f32x4.mul(${p}, i32x4.shl(${own("shifted")}, 23))`;
}

/** Scores → powers of two, their sums, and weights times value scales with the largest of them. */
function raiseScores(): string {
  const text = new TileText();
  for (let index = 0; index < CONSTANTS; index++) {
    for (const half of HALVES) {
      text.set(constant(index, half), load(SOFTMAX_CONSTANTS + index * 32 + half * 16));
    }
  }
  text.set("y", load(SOFTMAX_CENTRES));
  for (const row of ROWS) {
    text.set("centre", lane("y", row));
    for (const vector of PAIRS) {
      text.storePair(
        SOFTMAX_POWERS + row * 128 + vector * 16,
        (half) => setPower(text, half, `f32x4.sub(${cellOf(SOFTMAX_SCORES, row, vector + half)}, centre)`),
      );
    }
    text.storePair(SOFTMAX_TOTALS + row * 32, (half) => joined(SOFTMAX_POWERS, row, half, "add"));
    for (const vector of PAIRS) {
      text.storePair(SOFTMAX_WEIGHTS + row * 128 + vector * 16, (half) => {
        const scale = load(SOFTMAX_VALUE_SCALES + (vector + half) * 16);
        return `f32x4.mul(${cellOf(SOFTMAX_POWERS, row, vector + half)}, ${scale})`;
      });
    }
    text.storePair(SOFTMAX_MAXIMA + row * 32, (half) => joined(SOFTMAX_WEIGHTS, row, half, "pmax"));
  }
  return `export function raiseScores(): void {
  let base: usize = ${WIDE_PLACEHOLDER};
${text}
}
`;
}

/** The text of both functions. */
export function softmaxText(): string {
  return scaleScores() + raiseScores();
}
