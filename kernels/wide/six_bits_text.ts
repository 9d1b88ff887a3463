/**
 * The text of the tiles of one row of bytes against codes of 6 bits (kernels/assembly/matmul/w6a8.ts): two panels that lie far apart,
 * as few_rows_text.ts explains. Codes are unpacked into the registers where they are multiplied.
 *
 * @module
 */
import {
  FEW_TOTALS,
  FEW_UNITS,
  HALF_BITS,
  HALF_FACTOR,
  UNIT_INPUTS,
  WIDE_PLACEHOLDER,
} from "../shared/layout.ts";
import { SIX_BITS_FORMS } from "../shared/operations.ts";
import { load, sharedSixBits, sixBitsMasks, TileText } from "./text.ts";

const GROUP = 16, STREAMS = [0, 1], HALVES = [0, 1], BLOCKS = [0, 1], STEPS = [0, 1];

const halves = (from: string, half: number) =>
  `f32x4.mul(v128.and(i32x4.shl(v128.load_ext<i16>(${from}, ${half * 8}), 13), halfBits), halfFactor)`;
const unitPlace = (stream: number, half: number) => FEW_UNITS + (stream * 2 + half) * 16;
const totalPlace = (stream: number, half: number) => FEW_TOTALS + (stream * 2 + half) * 16;

/** A group of 16 inputs: two blocks of two steps each. */
function groupText(isFours: boolean): TileText {
  const text = new TileText();
  text.set("y", "v128.load(a)");
  for (const block of BLOCKS) {
    for (const step of STEPS) {
      const place = block * 2 + step;
      text.set(`x${step}`, `v128.shuffle<i32>(y, y, ${Array(4).fill(place).join(", ")})`);
    }
    for (const stream of STREAMS) {
      for (const i of [0, 1, 2]) text.set(`v${i}`, `v128.load(w${stream}, ${block * 48 + i * 16})`);
      const codes = [["v128.and(v0, mask63)", "v128.and(v1, mask63)"], [
        "v128.and(v2, mask63)",
        sharedSixBits(),
      ]];
      for (const half of HALVES) {
        for (const step of STEPS) {
          const isFirst = step === 0 && (isFours ? block === 0 : true),
            sum = `s${stream}${half}${isFours ? "" : block}`;
          const product = `i16x8.relaxed_dot_i8x16_i7x16_s(x${step}, ${codes[half][step]})`;
          text.set(
            sum,
            isFours
              ? `i32x4.relaxed_dot_i8x16_i7x16_add_s(x${step}, ${codes[half][step]}, ${
                isFirst ? "none" : sum
              })`
              : isFirst
              ? product
              : `i16x8.add(${sum}, ${product})`,
          );
        }
      }
    }
  }
  text.set("factor", isFours ? "i32x4.shr_u(v128.load32_splat(f), 16)" : "v128.load32_splat(f)");
  text.set("ofZero", "i32x4.splat(zero * load<i32>(t))");
  for (const stream of STREAMS) {
    text.set("integers", `v128.load_ext<i8>(scale${stream})`);
    for (const half of HALVES) {
      const sum = `s${stream}${half}`, own = `i32x4.extend_${half ? "high" : "low"}_i16x8_s(integers)`;
      const widened = isFours
        ? `i32x4.mul(${sum}, factor)`
        : `i32x4.add(i32x4.dot_i16x8_s(${sum}0, factor), i32x4.dot_i16x8_s(${sum}1, factor))`;
      const scale = `f32x4.mul(f32x4.convert_i32x4_s(${own}), ${load(unitPlace(stream, half))})`;
      const total = `total${stream}${half}`;
      text.set("value", `f32x4.convert_i32x4_s(i32x4.sub(${widened}, ofZero))`);
      text.add(`${total} = f32x4.add(${total}, f32x4.mul(value, ${scale}));`);
    }
  }
  return text;
}

/**
 * The text of the functions. Of each, the second panel and its scales and units are `apart`, `scaleApart` and `scaleApart / 8` bytes
 * on; `blocks` is that of units. Totals f32 [panels, 8] are left at FEW_TOTALS.
 */
export function sixBitsText(): string {
  const each = (text: (stream: number, half: number) => string) =>
    STREAMS.flatMap((stream) => HALVES.map((half) => text(stream, half))).join("\n  ");
  return SIX_BITS_FORMS.map((name) =>
    `export function ${name}(
  w0: usize, apart: usize, a: usize, f: usize, t: usize, scale0: usize, scaleApart: usize, units0: usize, zero: i32, blocks: i32,
): void {
  let base: usize = ${WIDE_PLACEHOLDER};
  const none = i32x4.splat(0);
  ${sixBitsMasks("blocks < 0")}
  const halfBits = i32x4.splat(blocks < 0 ? 0 : ${HALF_BITS}), halfFactor = i32x4.splat(blocks < 0 ? 0 : ${HALF_FACTOR});
  let w1 = w0 + apart, scale1 = scale0 + scaleApart, units1 = units0 + scaleApart / 8;
  ${each((stream, half) => `let total${stream}${half} = none;`)}
  do {
    ${
      each((stream, half) =>
        `v128.store(base, ${halves(`units${stream}`, half)}, ${unitPlace(stream, half)});`
      )
    }
    units0 += 16;
    units1 += 16;
    let left = ${UNIT_INPUTS / GROUP};
    do {
${groupText(name.endsWith("Fours"))}
      w0 += 96;
      w1 += 96;
      a += 16;
      f += 4;
      t += 4;
      scale0 += 8;
      scale1 += 8;
    } while (--left);
  } while (--blocks);
  ${each((stream, half) => `v128.store(base, total${stream}${half}, ${totalPlace(stream, half)});`)}
}
`
  ).join("\n");
}
