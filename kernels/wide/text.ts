/**
 * The text of the wide tiles: AssemblyScript in the one shape that V8 can make 256 bits wide (`--experimental-wasm-revectorize`).
 *
 * A tile multiplies four rows of activations by 16 outputs of weights, WIDE_INPUTS inputs at a time, and adds to the totals of every
 * tile of rows in turn. V8 pairs two neighbouring 128-bit operations if it finds them below a pair of neighbouring stores with no
 * side effect in between; a bounds check is one. It leaves checks out at constant addresses below the memory's declared minimum.
 * So the weights lie unpacked at such addresses (each thread has a module with its own, see `host/wide_module.ts`), the loop over
 * inputs is written out, and what has to be kept between its parts is stored there, each time at a fresh address. Of a pair both
 * values are computed before either is stored, the upper one first. Activations are loaded by 16 bytes and shuffled: shuffles that
 * repeat a lane of a load become broadcasting loads. docs/performance.md says what this brings.
 *
 * @module
 */
import {
  CHUNK_INPUTS,
  WIDE_INPUTS,
  WIDE_PLACEHOLDER,
  WIDE_ROWS,
  WIDE_SCALES,
  WIDE_SHORT_SCALES,
  WIDE_SUMS,
  WIDE_TOTALS,
  WIDE_VECTORS,
  WIDE_WEIGHTS,
  WIDE_ZEROS,
} from "../shared/layout.ts";

/**
 * How a tile multiplies.
 *
 *   bytes4   codes of 4 bits by bytes: two products in 16 bits, widened by the chunk's factor at its end
 *   bytes7   codes of 7 bits by bytes: widened at once
 *   bytes32  codes of 4 or 7 bits by bytes: four products in 32 bits, where one instruction does that
 *   planes   codes of 4 bits by two planes of bytes, of two rows; see assembly/matmul/planes.ts
 *   words    codes as words by words
 */
type Form = "bytes4" | "bytes7" | "bytes32" | "planes" | "words";

const FORMS: readonly Form[] = ["bytes4", "bytes7", "bytes32", "planes", "words"];
const GROUPS = [32, 64, 128] as const;

/** Lines of one function. */
export class TileText {
  readonly #lines: string[] = [];
  readonly #locals = new Set<string>();

  set(name: string, value: string): void {
    this.#lines.push(`${this.#locals.has(name) ? "" : "let "}${name} = ${value};`);
    this.#locals.add(name);
  }

  add(line: string): void {
    this.#lines.push(line);
  }

  /** Stores two neighbouring vectors. */
  storePair(place: number, value: (half: number) => string): void {
    for (const half of [0, 1]) this.set(`pair${half}`, value(half));
    this.add(`v128.store(base, pair1, ${place + 16});`);
    this.add(`v128.store(base, pair0, ${place});`);
  }

  toString(): string {
    return this.#lines.map((line) => `    ${line}`).join("\n");
  }
}

export const load = (place: number) => `v128.load(base, ${place})`;

/** One of a vector's four lanes in all of them; of a loaded vector V8 makes a broadcasting load of it. */
export const lane = (from: string, place: number) =>
  `v128.shuffle<i32>(${from}, ${from}, ${Array(4).fill(place).join(", ")})`;

/** Forms and lengths of groups that have offsets in place of zero points: blocks of GGUF files. */
const OFFSET_FORMS: readonly Form[] = ["bytes4", "bytes32", "planes", "words"];
const OFFSET_GROUP = 32;
/** The same of codes of 6 bits. */
const SHORT_FORMS: readonly Form[] = ["bytes7", "bytes32"];
const SHORT_GROUP = 16;

/** The text of the tile of one form and one length of groups, whose weights have zero points or offsets. */
function tileText(form: Form, group: number, hasOffsets = false): string {
  const text = new TileText(), isPlanes = form === "planes", hasFactors = !isPlanes && form !== "words";
  // Unpacking sees to it that all outputs have the same zero point, where there is room in a byte.
  const hasOneZero = !hasOffsets && form !== "bytes4" && form !== "words";
  const stepInputs = form === "words" ? 2 : 4;
  // Inputs between two ends of sums that are kept: where they have factors a chunk, else a group.
  const chunk = hasFactors ? Math.min(CHUNK_INPUTS, group) : group;
  const scales = group === SHORT_GROUP ? WIDE_SHORT_SCALES : WIDE_SCALES;
  // Rows that have ends: planes are the rows of the products.
  const ends = Array.from({ length: isPlanes ? WIDE_ROWS / 2 : WIDE_ROWS }, (_, row) => row);
  const cells = Array.from({ length: ends.length * WIDE_VECTORS }, (_, i) => i);
  const tileBytes = cells.length * 16;
  const cell = (area: number, turn: number, row: number, vector: number) =>
    area + turn * tileBytes + (row * WIDE_VECTORS + vector) * 16;
  const rows = Array.from({ length: WIDE_ROWS }, (_, row) => row);
  const vectors = Array.from({ length: WIDE_VECTORS }, (_, vector) => vector);
  const groups = WIDE_INPUTS / group;

  if (groups > 1) {
    // The total of a row grows group by group, in that order.
    for (const i of cells) text.add(`v128.store(base, v128.load(p, ${i * 16}), ${WIDE_TOTALS + i * 16});`);
  }
  for (let first = 0; first < WIDE_INPUTS; first += chunk) {
    const turn = first / chunk;
    if (form === "bytes7") {
      text.set("y", `v128.load(f, ${turn * 16})`);
      for (const row of rows) text.set(`f${row}`, lane("y", row));
    }
    for (let step = first / stepInputs; step < (first + chunk) / stepInputs; step++) {
      text.set("y", `v128.load(a, ${step * 16})`);
      for (const vector of vectors) {
        text.set(`w${vector}`, load(WIDE_WEIGHTS + (step * WIDE_VECTORS + vector) * 16));
      }
      for (const row of rows) {
        text.set("x", lane("y", row));
        for (const vector of vectors) {
          const sum = `s${row}${vector}`;
          const bytes = `i16x8.relaxed_dot_i8x16_i7x16_s(x, w${vector})`;
          const product = form === "bytes4"
            ? bytes
            : form === "bytes7"
            ? `i32x4.dot_i16x8_s(${bytes}, f${row})`
            : `i32x4.dot_i16x8_s(x, w${vector})`;
          if (form === "bytes32" || isPlanes) {
            const before = step === first / stepInputs ? "zero" : sum;
            text.set(sum, `i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w${vector}, ${before})`);
            continue;
          }
          const lanes = form === "bytes4" ? "i16x8" : "i32x4";
          text.set(sum, step === first / stepInputs ? product : `${lanes}.add(${sum}, ${product})`);
        }
      }
    }
    const inGroup = group / chunk, index = Math.floor(turn / inGroup);
    const isFirst = turn % inGroup === 0, isLast = turn % inGroup === inGroup - 1;
    if (form === "bytes4") text.set("y", `v128.load(f, ${turn * 16})`);
    if (form === "bytes32") text.set("y", `i32x4.shr_u(v128.load(f, ${turn * 16}), 16)`);
    const widened = (row: number, vector: number) => {
      const sum = `s${row}${vector}`;
      const own = form === "bytes4"
        ? `i32x4.dot_i16x8_s(${sum}, x)`
        : form === "bytes32"
        ? `i32x4.mul(${sum}, x)`
        : isPlanes
        ? `i32x4.add(i32x4.shl(s${row + WIDE_ROWS / 2}${vector}, 7), ${sum})`
        : sum;
      return isFirst ? own : `i32x4.add(${own}, ${load(cell(WIDE_SUMS, turn - 1, row, vector))})`;
    };
    if (isLast) {
      // Of planes not more than their own rows.
      const ofRows = isPlanes ? "v128.load64_zero" : "v128.load";
      const sums = `${ofRows}(t, ${index * 16})`;
      text.set(
        "u",
        hasOffsets
          ? `f32x4.convert_i32x4_s(${sums})`
          : hasOneZero
          ? `i32x4.mul(${sums}, ${load(WIDE_ZEROS)})`
          : sums,
      );
      if (!hasFactors) text.set("v", `${ofRows}(f, ${index * 16})`);
    }
    for (const row of ends) {
      if (hasFactors && form !== "bytes7") text.set("x", lane("y", row));
      if (isLast) text.set("sum", lane("u", row));
      if (isLast && !hasFactors) text.set("scale", lane("v", row));
      for (const vector of vectors.filter((v) => v % 2 === 0)) {
        if (!isLast) {
          text.storePair(cell(WIDE_SUMS, turn, row, vector), (half) => widened(row, vector + half));
          continue;
        }
        const place = (area: number, half: number) => area + (index * WIDE_VECTORS + vector + half) * 16;
        const value = (half: number) => {
          const own = widened(row, vector + half), zeros = load(place(WIDE_ZEROS, half));
          const zeroSum = hasOneZero ? "sum" : `i32x4.mul(${zeros}, sum)`;
          const corrected = hasOffsets ? own : `i32x4.sub(${own}, ${zeroSum})`;
          const ofRow = (factor: string) => hasFactors ? factor : `f32x4.mul(${factor}, scale)`;
          const factor = ofRow(load(place(scales, half)));
          const product = `f32x4.mul(f32x4.convert_i32x4_s(${corrected}), ${factor})`;
          if (groups === 1) return product;
          const total = `f32x4.add(${load(cell(WIDE_TOTALS, index, row, vector + half))}, ${product})`;
          return hasOffsets ? `f32x4.add(${total}, f32x4.mul(sum, ${ofRow(zeros)}))` : total;
        };
        text.storePair(cell(WIDE_TOTALS, groups === 1 ? 0 : index + 1, row, vector), value);
      }
    }
  }
  for (const i of cells) {
    const own = load(WIDE_TOTALS + (groups === 1 ? 0 : groups) * tileBytes + i * 16);
    text.add(
      `v128.store(p, ${groups === 1 ? `f32x4.add(v128.load(p, ${i * 16}), ${own})` : own}, ${i * 16});`,
    );
  }
  return `export function ${form}${hasOffsets ? "Offset" : "Group"}${group}(
  a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32,
): void {
  let base: usize = ${WIDE_PLACEHOLDER};
  const zero = i32x4.splat(0);
  do {
${text}
    a += aStride;
    f += fStride;
    t += tStride;
    p += ${WIDE_ROWS * WIDE_VECTORS * 16};
  } while (--n);
}
`;
}

/** How the codes of a block of eight inputs become what steps multiply: for each step, from which vector and by what. */
const UNPACKINGS: Record<string, { vectors: number; steps: ((stored: string) => string)[] }> = {
  unpackInt4Bytes: {
    vectors: 1,
    steps: [
      (stored) => `v128.and(${stored}, mask8)`,
      (stored) => `v128.and(i16x8.shr_u(${stored}, 4), mask8)`,
    ],
  },
  unpackInt7Bytes: { vectors: 2, steps: [(stored) => stored] },
  unpackInt4Words: {
    vectors: 1,
    steps: [
      (stored) => `v128.and(${stored}, mask16)`,
      ...[4, 8, 12].map((bits) => (stored: string) => `i16x8.shr_u(${stored}, ${bits})`),
    ],
  },
  unpackInt8Words: {
    vectors: 2,
    steps: [
      (stored) => `i16x8.extend_low_i8x16_u(${stored})`,
      (stored) => `i16x8.extend_high_i8x16_u(${stored})`,
    ],
  },
};

/** The text of an unpacking of WIDE_INPUTS inputs of two panels; see `unpackPanels` in assembly/matmul/wide.ts. */
function unpackText(name: string): string {
  const text = new TileText(), { vectors, steps } = UNPACKINGS[name];
  const blockSteps = vectors * steps.length;
  for (let block = 0; block < WIDE_INPUTS / 8; block++) {
    for (const panel of [0, 1]) {
      for (let vector = 0; vector < vectors; vector++) {
        for (const half of [0, 1]) {
          text.set(`stored${half}`, `v128.load(w${panel}, ${(block * vectors + vector) * 32 + half * 16})`);
        }
        steps.forEach((step, index) => {
          const turn = block * blockSteps + vector * steps.length + index;
          const place = WIDE_WEIGHTS + (turn * WIDE_VECTORS + panel * 2) * 16;
          text.storePair(place, (half) => step(`stored${half}`));
        });
      }
    }
  }
  return `export function ${name}(w0: usize, w1: usize): void {
  let base: usize = ${WIDE_PLACEHOLDER};
  const mask8 = i8x16.splat(<i8>(w0 == 0 ? 0 : 15)), mask16 = i16x8.splat(<i16>(w0 == 0 ? 0 : 15));
${text}
}
`;
}

/** Masks of 6-bit codes; see masks.ts in assembly/matmul for `never`. */
export function sixBitsMasks(never: string): string {
  return [63, 3, 12, 48].map((mask) => `const mask${mask} = i8x16.splat(<i8>(${never} ? 0 : ${mask}));`).join(
    " ",
  );
}

/** The codes that the three vectors of a block share. */
export function sharedSixBits(): string {
  const parts = [6, 4, 2].map((bits, i) => `v128.and(i16x8.shr_u(v${i}, ${bits}), mask${3 << (2 * i)})`);
  return `v128.or(v128.or(${parts[0]}, ${parts[1]}), ${parts[2]})`;
}

/** The same of codes of 6 bits, whose blocks have three vectors: see assembly/matmul/w6a8.ts. */
function unpackSixBitsText(): string {
  const text = new TileText();
  for (let block = 0; block < WIDE_INPUTS / 8; block++) {
    for (const panel of [0, 1]) {
      for (const i of [0, 1, 2]) text.set(`v${i}`, `v128.load(w${panel}, ${block * 48 + i * 16})`);
      const codes = [["v0", "v2"].map((v) => `v128.and(${v}, mask63)`), [
        "v128.and(v1, mask63)",
        sharedSixBits(),
      ]];
      for (const step of [0, 1]) {
        const place = WIDE_WEIGHTS + ((block * 2 + step) * WIDE_VECTORS + panel * 2) * 16;
        text.storePair(place, (half) => codes[step][half]);
      }
    }
  }
  return `export function unpackInt6Bytes(w0: usize, w1: usize): void {
  let base: usize = ${WIDE_PLACEHOLDER};
  ${sixBitsMasks("w0 == 0")}
${text}
}
`;
}

/**
 * The text of the module. Of each tile:
 *   a  activations' codes, i8 [32, 4, 4] or i16 [64, 4, 2] for the tile's inputs; the next tile is `aStride` bytes on
 *   f  factors i16 [4, 4, 2] of bytes, or scales f32 [groups, 4] of words and planes
 *   t  sums i32 [groups, 4]
 *   p  totals f32 [n, 4, 16], added to
 * Of planes, `f`, `t` and `p` point at two of the four rows.
 */
export function wideText(): string {
  const tiles = FORMS.flatMap((form) => GROUPS.map((group) => tileText(form, group)));
  const withOffsets = OFFSET_FORMS.map((form) => tileText(form, OFFSET_GROUP, true));
  const short = SHORT_FORMS.map((form) => tileText(form, SHORT_GROUP));
  return [...tiles, ...withOffsets, ...short, unpackSixBitsText(), ...Object.keys(UNPACKINGS).map(unpackText)]
    .join("\n");
}
