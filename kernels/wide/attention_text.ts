/**
 * The text of the tiles of attention (kernels/assembly/attention/bytes.ts and coded_tiles.ts), in the shape that text.ts explains.
 *
 * A tile multiplies four rows by 16 tokens (scores: inputs are columns) or by 16 columns (values: inputs are tokens). Both are sums
 * of signed bytes times codes of 7 bits, four products to a lane, or of words, two to a lane.
 *
 * @module
 */
import { KV_BLOCK_TOKENS, WIDE_PLACEHOLDER, WIDE_SUMS, WIDE_TOTALS, WIDE_WEIGHTS } from "../shared/layout.ts";
import { SCORE_COLUMNS } from "../shared/operations.ts";
import { lane, load, TileText } from "./text.ts";

const ROWS = [0, 1, 2, 3], VECTORS = [0, 1, 2, 3], PAIRS = [0, 2];
const CELLS = ROWS.length * VECTORS.length;

/**
 * `pairs`: two products of bytes to 16 bits, then two of these; `fours`: four at once, where one instruction does that; `words`:
 * two products of words.
 */
const FORMS = { pairs: "Pairs", fours: "Fours", words: "Words" } as const;

const cellOf = (area: number, row: number, vector: number) => area + (row * VECTORS.length + vector) * 16;

/** Sums of the products of `inputs` inputs, in s00 … s33. */
function addProducts(text: TileText, form: keyof typeof FORMS, inputs: number): void {
  for (let step = 0; step < inputs / (form === "words" ? 2 : 4); step++) {
    text.set("y", `v128.load(a, ${step * 16})`);
    for (const vector of VECTORS) {
      text.set(`w${vector}`, load(WIDE_WEIGHTS + (step * VECTORS.length + vector) * 16));
    }
    for (const row of ROWS) {
      text.set("x", lane("y", row));
      for (const vector of VECTORS) {
        const sum = `s${row}${vector}`;
        if (form === "fours") {
          const before = step === 0 ? "zero" : sum;
          text.set(sum, `i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w${vector}, ${before})`);
          continue;
        }
        const product = form === "words"
          ? `i32x4.dot_i16x8_s(x, w${vector})`
          : `i32x4.dot_i16x8_s(i16x8.relaxed_dot_i8x16_i7x16_s(x, w${vector}), ones)`;
        text.set(sum, step === 0 ? product : `i32x4.add(${sum}, ${product})`);
      }
    }
  }
}

/** A function over `n` tiles; `finish` gives a cell's new total. */
function tileText(
  name: string,
  form: keyof typeof FORMS,
  inputs: number,
  parameters: string,
  next: string,
  begin: (text: TileText) => void,
  finish: (row: number, vector: number) => string,
): string {
  const text = new TileText();
  for (let i = 0; i < CELLS; i++) {
    text.add(`v128.store(base, v128.load(p, ${i * 16}), ${WIDE_TOTALS + i * 16});`);
  }
  addProducts(text, form, inputs);
  begin(text);
  for (const row of ROWS) {
    for (const vector of PAIRS) {
      text.storePair(cellOf(WIDE_SUMS, row, vector), (half) => finish(row, vector + half));
    }
  }
  for (let i = 0; i < CELLS; i++) text.add(`v128.store(p, ${load(WIDE_SUMS + i * 16)}, ${i * 16});`);
  return `export function ${name}${FORMS[form]}(a: usize, aStride: usize, ${parameters}, n: i32): void {
  let base: usize = ${WIDE_PLACEHOLDER};
  const zero = i32x4.splat(0), ones = i16x8.splat(<i16>(n > 0));
  do {
${text}
    a += aStride;
    ${next}
  } while (--n);
}
`;
}

/**
 * The text of the functions. Of each:
 *   a  the rows' bytes, i8 [inputs/4, 4, 4], or words, i16 [inputs/2, 4, 2]; the next tile is `aStride` bytes on
 * of scores:
 *   p  i32 [n, 4, 16], added to
 * of values:
 *   f  f32 [4] what totals count, f32 [4] units, of bytes i32 [4] what is subtracted from the sums; the next tile is `fStride` bytes on
 *   p  f32 [n, 4, 16], the next tile `pStride` bytes on: total · f + (sum − s) · unit
 */
export function attentionText(): string {
  return (["pairs", "fours", "words"] as const).flatMap((form) => [
    ...SCORE_COLUMNS.map((columns) =>
      tileText(
        `scores${columns}`,
        form,
        columns,
        "p: usize",
        `p += ${CELLS * 16};`,
        () => {},
        (row, vector) => `i32x4.add(s${row}${vector}, ${load(cellOf(WIDE_TOTALS, row, vector))})`,
      )
    ),
    tileText(
      "values",
      form,
      KV_BLOCK_TOKENS,
      "f: usize, fStride: usize, p: usize, pStride: usize",
      "f += fStride;\n    p += pStride;",
      (text) => {
        for (
          const [i, name] of ["factors", "units", "offsets"].slice(0, form === "words" ? 2 : 3).entries()
        ) {
          text.set(name, `v128.load(f, ${i * 16})`);
        }
        for (const row of ROWS) {
          text.set(`f${row}`, lane("factors", row));
          text.set(`u${row}`, lane("units", row));
          if (form !== "words") text.set(`o${row}`, lane("offsets", row));
        }
      },
      (row, vector) => {
        const sum = form === "words" ? `s${row}${vector}` : `i32x4.sub(s${row}${vector}, o${row})`;
        return `f32x4.add(f32x4.mul(${load(cellOf(WIDE_TOTALS, row, vector))}, f${row}), ` +
          `f32x4.mul(f32x4.convert_i32x4_s(${sum}), u${row}))`;
      },
    ),
  ]).join("\n");
}
