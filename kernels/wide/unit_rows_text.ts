/**
 * The text of the tiles of one row of bytes against codes of 4 and 6 bits whose scales have units (kernels/assembly/matmul/codes.ts and
 * w6a8.ts): two panels that lie far apart, as few_rows_text.ts explains. These are the blocks of K formats, and here every
 * instruction counts: nothing is asked that the format tells, and units are read once for UNIT_INPUTS inputs.
 *
 * @module
 */
import {
  FEW_MASKS,
  FEW_TOTALS,
  FEW_UNITS,
  HALF_BITS,
  HALF_FACTOR,
  UNIT_INPUTS,
  WIDE_PLACEHOLDER,
} from "../shared/layout.ts";
import { UNIT_ROWS } from "../shared/operations.ts";
import { lane, load, sharedSixBits, sixBitsMasks, TileText } from "./text.ts";

const STREAMS = [0, 1], HALVES = [0, 1], STEPS = [0, 1];

/** Where the integers of a panel's scales and offsets lie in a word of four bytes: of outputs 0 to 3, 4 to 7, then the offsets. */
const FIELDS = [0, 8, 16, 24];

const unitPlace = (stream: number, field: number) => FEW_UNITS + (stream * 4 + field) * 16;
const totalPlace = (stream: number, half: number) => FEW_TOTALS + (stream * 2 + half) * 16;
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** One tile. */
class UnitRow {
  readonly #isSix: boolean;
  /** Four products of bytes to 32 bits in one instruction, or two to 16 bits. */
  readonly #isFours: boolean;
  readonly #text = new TileText();

  constructor(name: string) {
    this.#isSix = name.startsWith("six");
    this.#isFours = name.endsWith("Fours");
  }

  /** Adds the products of a group, all of it written out. */
  #addProducts(): void {
    const text = this.#text, isSix = this.#isSix, blockBytes = isSix ? 48 : 32;
    for (const block of range(isSix ? 2 : 4)) {
      if (block % 2 === 0) text.set("y", `v128.load(a, ${block * 8})`);
      for (const step of STEPS) {
        const place = (block % 2) * 2 + step;
        text.set(`x${step}`, lane("y", place));
      }
      for (const stream of STREAMS) {
        for (const i of range(blockBytes / 16)) {
          text.set(`v${i}`, `v128.load(w${stream}, ${block * blockBytes + i * 16})`);
        }
        const codes = isSix
          ? [["v128.and(v0, mask63)", "v128.and(v1, mask63)"], ["v128.and(v2, mask63)", sharedSixBits()]]
          : HALVES.map((
            half,
          ) => [`v128.and(v${half}, mask15)`, `v128.and(i16x8.shr_u(v${half}, 4), mask15)`]);
        for (const half of HALVES) {
          for (const step of STEPS) this.#addProduct(block, step, `s${stream}${half}`, codes[half][step]);
        }
      }
    }
  }

  /** Sums of 16 bits have room for two products of codes of 6 bits, and for all of codes of 4 bits. */
  #addProduct(block: number, step: number, sum: string, codes: string): void {
    const text = this.#text, own = this.#isSix && !this.#isFours ? `${sum}${block}` : sum;
    const isFirst = step === 0 && (block === 0 || own !== sum);
    if (this.#isFours) {
      text.set(own, `i32x4.relaxed_dot_i8x16_i7x16_add_s(x${step}, ${codes}, ${isFirst ? "none" : own})`);
      return;
    }
    const product = `i16x8.relaxed_dot_i8x16_i7x16_s(x${step}, ${codes})`;
    text.set(own, isFirst ? product : `i16x8.add(${own}, ${product})`);
  }

  #widened(sum: string): string {
    if (this.#isFours) return `i32x4.mul(${sum}, factor)`;
    const sums = this.#isSix ? [`${sum}0`, `${sum}1`] : [sum];
    return sums.map((own) => `i32x4.dot_i16x8_s(${own}, factor)`).reduce((a, b) => `i32x4.add(${a}, ${b})`);
  }

  #endGroup(): void {
    const text = this.#text, isSix = this.#isSix;
    text.set("factor", this.#isFours ? "i32x4.shr_u(v128.load32_splat(f), 16)" : "v128.load32_splat(f)");
    if (isSix) text.set("ofZero", "i32x4.splat(zero * load<i32>(t))");
    else text.set("sum", "f32x4.convert_i32x4_s(v128.load32_splat(t))");
    const scaled = (stream: number, field: number, integers: string) =>
      `f32x4.mul(f32x4.convert_i32x4_s(${integers}), ${load(unitPlace(stream, field))})`;
    for (const stream of STREAMS) {
      text.set("integers", isSix ? `v128.load_ext<i8>(scale${stream})` : `v128.load(scale${stream})`);
      for (const half of HALVES) {
        const total = `total${stream}${half}`, widened = this.#widened(`s${stream}${half}`);
        const own = isSix
          ? `i32x4.extend_${half ? "high" : "low"}_i16x8_s(integers)`
          : fieldOf("integers", half);
        text.set("value", `f32x4.convert_i32x4_s(${isSix ? `i32x4.sub(${widened}, ofZero)` : widened})`);
        text.add(`${total} = f32x4.add(${total}, f32x4.mul(value, ${scaled(stream, half, own)}));`);
        if (isSix) continue;
        const offset = scaled(stream, half + 2, fieldOf("integers", half + 2));
        text.add(`${total} = f32x4.add(${total}, f32x4.mul(sum, ${offset}));`);
      }
    }
  }

  /** Units as f32; those of 4-bit codes less the power of two that their field in the word counts more. */
  #unit(stream: number, field: number): string {
    const half = `v128.load_ext<i16>(units${stream}, ${field * 8})`;
    const unit = `f32x4.mul(v128.and(i32x4.shl(${half}, 13), halfBits), halfFactor)`;
    const bits = this.#isSix ? 0 : FIELDS[field] % 24;
    return bits ? `f32x4.mul(${unit}, f32x4.splat(${2 ** -bits}))` : unit;
  }

  toString(name: string): string {
    const isSix = this.#isSix, group = isSix ? 16 : 32, fields = range(isSix ? 2 : 4);
    const each = (text: (stream: number, half: number) => string) =>
      STREAMS.flatMap((stream) => HALVES.map((half) => text(stream, half))).join("\n  ");
    const units = STREAMS.flatMap((stream) =>
      fields.map((field) => `v128.store(base, ${this.#unit(stream, field)}, ${unitPlace(stream, field)});`)
    );
    this.#addProducts();
    this.#endGroup();
    return `export function ${name}(
  w0: usize, apart: usize, a: usize, f: usize, t: usize, scale0: usize, scaleApart: usize, units0: usize, zero: i32, blocks: i32,
): void {
  let base: usize = ${WIDE_PLACEHOLDER};
  const none = i32x4.splat(0);
  ${isSix ? sixBitsMasks("blocks < 0") : "const mask15 = i8x16.splat(<i8>(blocks < 0 ? 0 : 15));"}
  const halfBits = i32x4.splat(blocks < 0 ? 0 : ${HALF_BITS}), halfFactor = i32x4.splat(blocks < 0 ? 0 : ${HALF_FACTOR});
  let w1 = w0 + apart, scale1 = scale0 + scaleApart, units1 = units0 + scaleApart / ${isSix ? 8 : 4};
  ${each((stream, half) => `let total${stream}${half} = none;`)}
  ${
      isSix
        ? ""
        : FIELDS.slice(0, 3).map((bits, i) =>
          `v128.store(base, i32x4.splat(${255 * 2 ** bits}), ${FEW_MASKS + i * 16});`
        ).join(" ")
    }
  do {
    ${units.join("\n    ")}
    units0 += ${fields.length * 8};
    units1 += ${fields.length * 8};
    let left = ${UNIT_INPUTS / group};
    do {
${this.#text}
      w0 += ${isSix ? 96 : 128};
      w1 += ${isSix ? 96 : 128};
      a += ${group};
      f += 4;
      t += 4;
      scale0 += ${isSix ? 8 : 16};
      scale1 += ${isSix ? 8 : 16};
    } while (--left);
  } while (--blocks);
  ${each((stream, half) => `v128.store(base, total${stream}${half}, ${totalPlace(stream, half)});`)}
}
`;
  }
}

/** A field of a word, where it stands but for the last. */
function fieldOf(word: string, field: number): string {
  return field === 3 ? `i32x4.shr_u(${word}, 24)` : `v128.and(${word}, ${load(FEW_MASKS + field * 16)})`;
}

/**
 * The text of the functions. Of each, the second panel and its scales are `apart` and `scaleApart` bytes on; `blocks` is that of
 * units. Totals f32 [panels, 8] are left at FEW_TOTALS.
 */
export function unitRowsText(): string {
  return UNIT_ROWS.map((name) => new UnitRow(name).toString(name)).join("\n");
}
