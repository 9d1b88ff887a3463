/**
 * A quantised linear module out of its file's packing: what the formats that pack codes with scales and zero points have in common, so that
 * one becomes the other without loss. W[k, n] = scales[g, n] · (code[k, n] − zero[g, n]), g = groupOf[k].
 *
 * @module
 */
import { groupsOf } from "../group_steps.ts";
import type { QuantizedSettings } from "./settings.ts";

const WORD_BITS = 32;

/** Sizes and settings of a module. */
export interface CodedShape {
  /** As the file spells it. */
  readonly name: string;
  readonly outputs: number;
  readonly inputs: number;
  readonly groups: number;
}

/** A module; rows are inputs or groups, columns outputs. */
export interface CodedLinear extends CodedShape {
  /** u8 [inputs, outputs]. */
  readonly codes: Uint8Array;
  /** u8 [groups, outputs]; the middle code throughout where the format has none. */
  readonly zeros: Uint8Array;
  /** [groups, outputs], bits of the dtype that the settings name. */
  readonly scales: Uint16Array | Uint32Array;
  /** The group of each input. */
  readonly groupOf: Int32Array;
}

/** How fields of `bits` bits lie in words of 32. */
export interface WordLayout {
  readonly bits: number;
  /** The field of each value of a word; default: in their order, low first. */
  readonly order?: readonly number[];
  /** A word holds values of neighbouring rows, not of neighbouring columns. */
  readonly alongRows?: boolean;
}

/** Words of a matrix of small values, u8 [rows, columns]; the last word along rows or columns may not be full. */
export function packWords(
  values: Uint8Array,
  rows: number,
  columns: number,
  layout: WordLayout,
): Uint32Array<ArrayBuffer> {
  const { height, width } = wordGrid(rows, columns, layout), words = new Uint32Array(height * width);
  eachField(rows, columns, layout, (value, word, field) => {
    words[word] |= values[value] << field * layout.bits;
  });
  return words;
}

/** The inverse of `packWords`. */
export function unpackWords(
  words: Uint32Array,
  rows: number,
  columns: number,
  layout: WordLayout,
): Uint8Array<ArrayBuffer> {
  const { bits } = layout, mask = 2 ** bits - 1;
  const values = new Uint8Array(rows * columns);
  eachField(rows, columns, layout, (value, word, field) => {
    values[value] = words[word] >>> field * bits & mask;
  });
  return values;
}

/** Rows and columns of words. */
function wordGrid(rows: number, columns: number, { bits, alongRows }: WordLayout) {
  const wordsFor = (values: number) => Math.ceil(values * bits / WORD_BITS);
  return alongRows ? { height: wordsFor(rows), width: columns } : { height: rows, width: wordsFor(columns) };
}

function eachField(
  rows: number,
  columns: number,
  layout: WordLayout,
  use: (value: number, word: number, field: number) => void,
): void {
  const { bits, order, alongRows } = layout, inWord = WORD_BITS / bits;
  const { width } = wordGrid(rows, columns, layout);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const along = alongRows ? row : column, place = along % inWord;
      const word = alongRows
        ? Math.floor(row / inWord) * width + column
        : row * width + Math.floor(column / inWord);
      use(row * columns + column, word, order ? order[place] : place);
    }
  }
}

/** Rows become columns. */
export function transposed<T extends Uint8Array | Uint16Array | Uint32Array>(
  values: T,
  rows: number,
  columns: number,
): T {
  const result = values.slice() as T;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column];
    }
  }
  return result;
}

/** The group of each input where groups are neighbours; the last may be shorter. */
export function neighbouringGroups(
  { inputs }: Pick<CodedShape, "inputs">,
  settings: Pick<QuantizedSettings, "groupSize">,
): Int32Array<ArrayBuffer> {
  const { groupSize } = groupsOf(inputs, settings.groupSize);
  return Int32Array.from({ length: inputs }, (_, input) => Math.floor(input / groupSize));
}

/** Whether groups are neighbours. */
export function hasNeighbouringGroups(
  linear: Pick<CodedLinear, "inputs" | "groupOf">,
  settings: Pick<QuantizedSettings, "groupSize">,
): boolean {
  const expected = neighbouringGroups(linear, settings);
  return linear.groupOf.every((group, input) => group === expected[input]);
}

/** The middle code for every group, where all zero points are that. */
export function middleZeros(
  { groups, outputs }: CodedShape,
  { bits }: Pick<QuantizedSettings, "bits">,
): Uint8Array {
  return new Uint8Array(groups * outputs).fill(2 ** (bits - 1));
}
