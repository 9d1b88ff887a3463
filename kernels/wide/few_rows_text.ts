/**
 * The text of the tiles of few rows: one to four rows of activations by panels of weights that lie far apart, each read from end to
 * end. With so few rows weights come from memory, and every instruction between two loads of them counts.
 *
 * A chunk of inputs is written out, which leaves one test of the loop's end, of the memory's size and of the engine's stack for all
 * of it; sums and totals stand at constant addresses, where accesses have no bounds check (see text.ts). Weights are read by
 * pointers, so two neighbouring loads have a check between them and never become one of 256 bits. Of codes that are widened,
 * though, one load of 16 bytes becomes 256 bits: the lower half and the upper half of a vector, widened, are a pair.
 *
 * @module
 */
import {
  CHUNK_INPUTS,
  FEW_CODES,
  FEW_LADDER,
  FEW_SUMS,
  FEW_TOTALS,
  FEW_UNITS,
  HALF_BITS,
  HALF_FACTOR,
  UNIT_INPUTS,
  WIDE_PLACEHOLDER,
} from "../shared/layout.ts";
import {
  FEW_FORMS,
  FEW_SHORT_FORMS,
  type FewForm,
  fewFunction,
  fewStreams,
  ROWS_FEW_MAX,
} from "../shared/operations.ts";
import { lane, load, TileText } from "./text.ts";

const BLOCKS = CHUNK_INPUTS / 8, HALVES = [0, 1] as const;

const range = (count: number) => Array.from({ length: count }, (_, i) => i);
/**
 * The value itself. Of what it cannot pair, V8 joins two values to 256 bits if they come from an instruction without side effects;
 * a load is none.
 */
const joinable = (value: string) => `f64x2.replace_lane(${value}, 0, f64x2.extract_lane(${value}, 0))`;
const sumName = (row: number, stream: number, ...more: number[]) => `s${[row, stream, ...more].join("_")}`;

/** One tile: which form, how many rows, and how they lie. */
class FewTile {
  readonly text = new TileText();
  readonly #form: FewForm;
  readonly #rows: number[];
  readonly #streams: number[];
  /** Four rows lie together, piece by piece; fewer lie one after the other. */
  readonly #isTile: boolean;
  readonly #isBytes: boolean;

  /** Whether a group is one chunk: its sums stay in registers, and so do the totals. */
  readonly #isShort: boolean;
  /** One row of bytes has tiles of its own where scales have units (unit_rows_text.ts). */
  readonly #mayHaveUnits: boolean;

  constructor(form: FewForm, rows: number, isShort = false) {
    this.#form = form;
    this.#isShort = isShort;
    this.#rows = range(rows);
    this.#streams = range(fewStreams(rows));
    this.#isTile = rows === ROWS_FEW_MAX;
    this.#isBytes = form === "bytes4" || form === "bytes32";
    this.#mayHaveUnits = !this.#isBytes || rows > 1;
  }

  toString(): string {
    const isTile = this.#isTile;
    const rowStep = isTile ? 16 : 4, activationBytes = (this.#isBytes ? 1 : 2) * CHUNK_INPUTS;
    const pointers = isTile ? [0] : this.#rows, totals = this.#totals();
    const next = (name: string, places: number[], bytes: number) =>
      places.map((i) => `${name}${i} += ${bytes};`).join(" ");
    const nextChunk = [
      next("w", this.#streams, this.#form === "words" ? CHUNK_INPUTS * 8 : CHUNK_INPUTS * 4),
      next("a", pointers, activationBytes * (isTile ? ROWS_FEW_MAX : 1)),
      this.#isBytes ? next("f", pointers, rowStep) : "",
    ].join("\n");
    this.#addChunk();
    return `export function ${fewFunction(this.#form, this.#rows.length, this.#isShort)}(
  w0: usize, apart: usize, a0: usize, aStride: usize, f0: usize, fStride: usize, t0: usize, tStride: usize, scale0: usize,
  scaleApart: usize, zeros0: usize, zero: i32, offsets0: usize, units0: usize, chunks: i32, groupChunks: i32,
): void {
  let base: usize = ${WIDE_PLACEHOLDER};
  const none = i32x4.splat(0), mask = i8x16.splat(<i8>(chunks < 0 ? 0 : 15));
  const halfBits = i32x4.splat(chunks < 0 ? 0 : ${HALF_BITS});
  const halfFactor = i32x4.splat(chunks < 0 ? 0 : ${HALF_FACTOR});
  ${
      pointers.slice(1).map((i) =>
        `let a${i} = a${i - 1} + aStride, f${i} = f${i - 1} + fStride, t${i} = t${i - 1} + tStride;`
      ).join(" ")
    }
  ${
      this.#streams.slice(1).map((i) =>
        `let w${i} = w${i - 1} + apart, scale${i} = scale${i - 1} + scaleApart;
  let zeros${i} = zeros${i - 1} + scaleApart, offsets${i} = offsets${i - 1} + scaleApart;
  let units${i} = units${i - 1} + scaleApart / 4;`
      ).join(" ")
    }
  ${
      totals.map(({ name, place }) =>
        this.#isShort ? `let ${name} = none;` : `v128.store(base, none, ${place});`
      ).join(" ")
    }
  do {
    ${this.#nextUnits()}
    ${this.#isShort ? this.#shortGroup(nextChunk) : this.#longGroup(nextChunk)}
    ${this.#isBytes ? "" : next("f", pointers, rowStep)}
    ${next("t", pointers, rowStep)}
    ${next("scale", this.#streams, 16)}
    if (zeros0) { ${next("zeros", this.#streams, 16)} }
    if (offsets0) { ${next("offsets", this.#streams, 16)} }
  } while (chunks > 0);
  ${this.#isShort ? totals.map(({ name, place }) => `v128.store(base, ${name}, ${place});`).join(" ") : ""}
}
`;
  }

  #shortGroup(nextChunk: string): string {
    this.#endGroup(this.text);
    return `${this.text}\n${nextChunk}\nchunks--;`;
  }

  #longGroup(nextChunk: string): string {
    const end = new TileText();
    this.#endGroup(end);
    return `let left = min(chunks, groupChunks);
    chunks -= left;
    ${range(this.#sums() / 16).map((i) => `v128.store(base, none, ${FEW_SUMS + i * 16});`).join(" ")}
    do {
${this.text}
      ${nextChunk}
    } while (--left);
${end}`;
  }

  /** The totals of four outputs: in registers, or at constant addresses. */
  #totals(): { name: string; place: number }[] {
    return this.#rows.flatMap((row) =>
      this.#streams.flatMap((stream) =>
        HALVES.map((half) => ({
          name: `total${row}${stream}${half}`,
          place: this.#place(FEW_TOTALS, row, stream, half, 16),
        }))
      )
    );
  }

  /** Bytes of all sums. Of widened codes each sum is a pair. */
  #sums(): number {
    return this.#rows.length * this.#streams.length * 2 * (this.#isBytes ? 16 : 32);
  }

  /** Place of the sum of four outputs, or of its first part. */
  #place(area: number, row: number, stream: number, half: number, bytes: number): number {
    return area + ((row * this.#streams.length + stream) * 2 + half) * bytes;
  }

  #addChunk(): void {
    if (this.#isBytes) this.#addBytes();
    else this.#addWords();
  }

  /** Codes of 4 bits by bytes. */
  #addBytes(): void {
    const { text } = this, is32 = this.#form === "bytes32", isSingle = this.#rows.length === 1;
    const isCopied = !isSingle && !this.#isTile;
    // Of two or three rows activations are copied to where broadcasting loads need no check.
    for (const row of isCopied ? this.#rows : []) {
      for (const at of [0, 16]) {
        text.add(`v128.store(base, v128.load(a${row}, ${at}), ${FEW_CODES + row * CHUNK_INPUTS + at});`);
      }
    }
    for (const block of range(BLOCKS)) {
      if (isSingle && block % 2 === 0) text.set("y", `v128.load(a0, ${block * 8})`);
      for (const step of isSingle ? [0, 1] : []) text.set(`x${step}`, lane("y", (block % 2) * 2 + step));
      for (const stream of this.#streams) {
        for (const half of HALVES) text.set(`q${half}`, `v128.load(w${stream}, ${block * 32 + half * 16})`);
        for (const step of [0, 1]) {
          const place = block * 2 + step;
          for (const half of HALVES) {
            const code = step === 0 ? `v128.and(q${half}, mask)` : `v128.and(i16x8.shr_u(q${half}, 4), mask)`;
            text.set(`c${half}`, code);
          }
          if (this.#isTile) text.set("y", `v128.load(a0, ${place * 16})`);
          for (const row of this.#rows) {
            if (this.#isTile) text.set("x", lane("y", row));
            if (isCopied) {
              text.set("x", `v128.load32_splat(base, ${FEW_CODES + row * CHUNK_INPUTS + place * 4})`);
            }
            for (const half of HALVES) {
              const sum = sumName(row, stream, half), x = isSingle ? `x${step}` : "x";
              const product = `i16x8.relaxed_dot_i8x16_i7x16_s(${x}, c${half})`;
              text.set(
                sum,
                is32
                  ? `i32x4.relaxed_dot_i8x16_i7x16_add_s(${x}, c${half}, ${place === 0 ? "none" : sum})`
                  : place === 0
                  ? product
                  : `i16x8.add(${sum}, ${product})`,
              );
            }
          }
        }
      }
    }
    if (this.#isTile) text.set("y", "v128.load(f0)");
    for (const row of this.#rows) {
      const pair = this.#isTile ? lane("y", row) : `v128.load32_splat(f${row})`;
      text.set("factor", is32 ? `i32x4.shr_u(${pair}, 16)` : pair);
      for (const stream of this.#streams) {
        for (const half of HALVES) {
          const place = this.#place(FEW_SUMS, row, stream, half, 16), sum = sumName(row, stream, half);
          const widened = is32 ? `i32x4.mul(${sum}, factor)` : `i32x4.dot_i16x8_s(${sum}, factor)`;
          if (this.#isShort) text.set(sum, widened);
          else text.add(`v128.store(base, i32x4.add(${widened}, ${load(place)}), ${place});`);
        }
      }
    }
  }

  /** Codes that are widened: of 4 bits by ladders, of 8 bits by words. */
  #addWords(): void {
    const { text } = this, isLadder = this.#form === "ladder";
    for (const block of range(BLOCKS)) {
      if (isLadder) this.#setLadders(block);
      else this.#setWords(block);
      for (const stream of this.#streams) {
        for (const half of HALVES) {
          const at = isLadder ? block * 32 + half * 16 : block * 64 + half * 16;
          for (const step of [0, 1]) {
            if (step === 0 || !isLadder) text.set("q", `v128.load(w${stream}, ${at + step * 32})`);
            for (const part of HALVES) {
              const widened = `i16x8.extend_${part ? "high" : "low"}_i8x16_u(q)`;
              text.set(`c${part}`, !isLadder || step === 0 ? widened : `i16x8.shr_u(c${part}, 4)`);
            }
            for (const row of this.#rows) {
              for (const part of HALVES) {
                const sum = sumName(row, stream, half, part);
                const x = isLadder ? `x${row}_${step}` : `x${row}_${step}_${part}`;
                const product = `i32x4.dot_i16x8_s(${x}, c${part})`;
                text.set(sum, block === 0 && step === 0 ? product : `i32x4.add(${sum}, ${product})`);
              }
            }
          }
        }
      }
    }
    for (const row of this.#rows) {
      for (const stream of this.#streams) {
        for (const half of HALVES) {
          const place = this.#place(FEW_SUMS, row, stream, half, 32);
          text.storePair(
            place,
            (part) => `i32x4.add(${sumName(row, stream, half, part)}, ${load(place + part * 16)})`,
          );
        }
      }
    }
  }

  /** Of words, pairs 0 and 1 of a block's inputs, then 2 and 3; the first of each stands in the lower half, the second in the upper. */
  #setWords(block: number): void {
    const { text } = this;
    if (this.#isTile) {
      for (const pair of range(4)) {
        text.set(`y${pair}`, `v128.load(a0, ${block * 64 + pair * 16})`);
      }
      // All loads first: what is joined must not depend on a load after the first of the two.
      for (const pair of range(4)) text.set(`y${pair}`, joinable(`y${pair}`));
    }
    for (const row of this.#rows) {
      if (!this.#isTile) {
        text.set("y", `v128.load(a${row}, ${block * 16})`);
        text.set("z", "v128.shuffle<i32>(y, y, 1, 0, 3, 2)");
        text.set("y0", joinable("y"));
        text.set("y1", joinable("z"));
      }
      for (const step of [0, 1]) {
        for (const part of HALVES) {
          text.set(
            `x${row}_${step}_${part}`,
            this.#isTile ? lane(`y${step * 2 + part}`, row) : lane(`y${part}`, step * 2),
          );
        }
      }
    }
  }

  /**
   * Of ladders, what goes with bytes c₀ + 16 c₁ and what with their upper halves: x₀ and x₁ − 16 x₀ for each two inputs, four of
   * each in a row. In memory are x₀, x₁, x₂ − 16 x₁ and x₃ − 16 x₂ of inputs 0 to 3 and 4 to 7 in turn.
   */
  #setLadders(block: number): void {
    const { text } = this;
    const inTurn = (first: string, second: string, high: 0 | 1) => {
      const from = high * 4;
      return `v128.shuffle<i16>(${first}, ${second}, ${
        range(4).flatMap((i) => [from + i, from + i + 8]).join(", ")
      })`;
    };
    const spread = (row: number, step: number, from: string, half: number) =>
      text.set(`x${row}_${step}`, `f64x2.splat(f64x2.extract_lane(${from}, ${half}))`);
    if (this.#isTile) {
      for (const pair of range(4)) text.set(`y${pair}`, `v128.load(a0, ${block * 64 + pair * 16})`);
      text.set("y2", "i16x8.add(y2, i16x8.shl(y1, 4))");
      text.set("y1", "i16x8.sub(y1, i16x8.shl(y0, 4))");
      for (const high of HALVES) {
        text.set("y", inTurn("y0", "y2", high));
        text.set("z", inTurn("y1", "y3", high));
        for (const half of HALVES) {
          spread(high * 2 + half, 0, "y", half);
          spread(high * 2 + half, 1, "z", half);
        }
      }
      return;
    }
    for (const row of this.#rows) {
      text.set("y", `v128.load(a${row}, ${block * 16})`);
      text.set(
        "y",
        `i16x8.add(v128.shuffle<i32>(y, y, 0, 2, 1, 3), i16x8.mul(v128.shuffle<i32>(y, y, 0, 1, 0, 3), ${
          load(FEW_LADDER)
        }))`,
      );
      text.set("y", "v128.shuffle<i16>(y, y, 0, 2, 1, 3, 4, 6, 5, 7)");
      spread(row, 0, "y", 0);
      spread(row, 1, "y", 1);
    }
  }

  /** Totals grow by a group's sums, then by its offsets; see group.ts and scales.ts. */
  #endGroup(text: TileText): void {
    if (!this.#mayHaveUnits) return this.#endPlainGroup(text);
    const withUnits = new TileText(), without = new TileText();
    this.#endUnitGroup(withUnits);
    this.#endPlainGroup(without);
    text.add(`if (units0) {\n${withUnits}\n} else {\n${without}\n}`);
  }

  /** Four scales or offsets of f16 → f32. */
  #halves(from: string, stream: number, bytes: number): string {
    const half = `v128.load_ext<i16>(${from}${stream}, ${bytes})`;
    return `f32x4.mul(v128.and(i32x4.shl(${half}, 13), halfBits), halfFactor)`;
  }

  /** Units of scales and of offsets, as f32 to where they are kept. */
  #nextUnits(): string {
    if (!this.#mayHaveUnits) return "";
    const lines = this.#streams.flatMap((stream) => [
      ...range(4).map((i) =>
        `v128.store(base, ${this.#halves("units", stream, i * 8)}, ${FEW_UNITS + (stream * 4 + i) * 16});`
      ),
      `units${stream} += 32;`,
    ]);
    return `if (units0 && chunks % ${UNIT_INPUTS / CHUNK_INPUTS} == 0) {\n${lines.join("\n")}\n}`;
  }

  /** Of scales and offsets that are bytes, with units. */
  #endUnitGroup(text: TileText): void {
    const streams = this.#streams.flatMap((stream) => HALVES.map((half) => ({ stream, half })));
    for (const stream of this.#streams) {
      text.set("words", `v128.load(scale${stream})`);
      for (const field of range(4)) {
        const own = field === 3
          ? "i32x4.shr_u(words, 24)"
          : `v128.and(i32x4.shr_u(words, ${field * 8}), i32x4.splat(255))`;
        const name = `${field < 2 ? "scale" : "offset"}${stream}_${field % 2}`;
        const unit = load(FEW_UNITS + (stream * 4 + field) * 16);
        text.set(name, `f32x4.mul(f32x4.convert_i32x4_s(${own}), ${unit})`);
      }
    }
    for (const row of this.#rows) {
      this.#setRow(text, row);
      text.set("sum", `f32x4.convert_i32x4_s(v128.load32_splat(${this.#at("t", row)}))`);
      for (const tile of streams) {
        const name = `${tile.stream}_${tile.half}`, own = this.#sumOf(row, tile.stream, tile.half);
        this.#addTo(text, row, tile, [[`f32x4.convert_i32x4_s(${own})`, `scale${name}`], [
          "sum",
          `offset${name}`,
        ]]);
      }
    }
  }

  #at(name: string, row: number): string {
    return this.#isTile ? `${name}0, ${row * 4}` : `${name}${row}`;
  }

  #setRow(text: TileText, row: number): void {
    if (!this.#isBytes) text.set("rowScale", `v128.load32_splat(${this.#at("f", row)})`);
  }

  /** Adds to a total of four outputs one product after the other. */
  #addTo(
    text: TileText,
    row: number,
    { stream, half }: { stream: number; half: number },
    products: readonly (readonly [value: string, factor: string])[],
  ): void {
    const place = this.#place(FEW_TOTALS, row, stream, half, 16), name = `total${row}${stream}${half}`;
    const total = products.reduce((sum, [value, factor]) => {
      const own = `f32x4.mul(${value}, ${this.#isBytes ? factor : `f32x4.mul(${factor}, rowScale)`})`;
      return `f32x4.add(${sum}, ${own})`;
    }, this.#isShort ? name : load(place));
    text.add(this.#isShort ? `${name} = ${total};` : `v128.store(base, ${total}, ${place});`);
  }

  #endPlainGroup(text: TileText): void {
    const tiles = this.#streams.flatMap((stream) => HALVES.map((half) => ({ stream, half })));
    const sums = tiles.map(({ stream, half }) => `c${stream}_${half}`);
    for (const row of this.#rows) {
      tiles.forEach(({ stream, half }, i) => text.set(sums[i], this.#sumOf(row, stream, half)));
      text.add("if (zeros0) {");
      text.add(`const sum = v128.load32_splat(${this.#at("t", row)});`);
      tiles.forEach(({ stream, half }, i) => {
        const zeros = `i32x4.extend_low_i16x8_s(v128.load64_zero(zeros${stream}, ${half * 8}))`;
        text.add(`${sums[i]} = i32x4.sub(${sums[i]}, i32x4.mul(${zeros}, sum));`);
      });
      text.add("} else {");
      text.add(`const ofZero = i32x4.splat(zero * load<i32>(${this.#at("t", row)}));`);
      for (const sum of sums) text.add(`${sum} = i32x4.sub(${sum}, ofZero);`);
      text.add("}");
      this.#setRow(text, row);
      tiles.forEach((tile, i) => {
        if (row === 0) {
          text.set(`scale${tile.stream}_${tile.half}`, this.#halves("scale", tile.stream, tile.half * 8));
        }
        this.#addTo(text, row, tile, [[
          `f32x4.convert_i32x4_s(${sums[i]})`,
          `scale${tile.stream}_${tile.half}`,
        ]]);
      });
    }
    text.add("if (offsets0) {");
    for (const { stream, half } of tiles) {
      text.set(`scale${stream}_${half}`, this.#halves("offsets", stream, half * 8));
    }
    for (const row of this.#rows) {
      text.add(`const sum${row} = f32x4.convert_i32x4_s(v128.load32_splat(${this.#at("t", row)}));`);
      this.#setRow(text, row);
      for (const tile of tiles) {
        this.#addTo(text, row, tile, [[`sum${row}`, `scale${tile.stream}_${tile.half}`]]);
      }
    }
    text.add("}");
  }

  /** The sum of a group, of widened codes of its two parts. */
  #sumOf(row: number, stream: number, half: number): string {
    const place = this.#place(FEW_SUMS, row, stream, half, this.#isBytes ? 16 : 32);
    if (this.#isBytes) return this.#isShort ? sumName(row, stream, half) : load(place);
    const [c, d] = HALVES.map((part) =>
      this.#isShort ? sumName(row, stream, half, part) : load(place + part * 16)
    );
    return this.#form === "words"
      ? `i32x4.add(${c}, ${d})`
      : `i32x4.add(v128.shuffle<i32>(${c}, ${d}, 0, 2, 4, 6), v128.shuffle<i32>(${c}, ${d}, 1, 3, 5, 7))`;
  }
}

/**
 * The text of all tiles of few rows. Of a tile:
 *   w      weights of the first panel; the next is `apart` bytes on
 *   a      codes of activations; the next row is `aStride` bytes on, or four rows lie as a tile of rows (rows/quantize.ts)
 *   f      factors of bytes, or scales of words
 *   t      sums
 *   scale0 scales of the first panel; those of the next are `scaleApart` bytes on, zero points and offsets too
 *   units0 units of the first panel, or 0; those of the next are a quarter of `scaleApart` on
 * `chunks` is that of a row, `groupChunks` that of a group. Totals f32 [rows, panels, 8] are left at FEW_TOTALS.
 */
export function fewRowsText(): string {
  const tiles = FEW_FORMS.flatMap((form) => range(ROWS_FEW_MAX).map((rows) => new FewTile(form, rows + 1)));
  return [...tiles, ...FEW_SHORT_FORMS.map((form) => new FewTile(form, 1, true))].join("\n");
}
