/**
 * Every operation that the kernels know, described once. The kernel build (kernels/build.ts) makes two files of this table: the
 * host's typed calls (kernels/host/calls.ts) and the dispatch inside the kernels (kernels/assembly/dispatch.ts).
 *
 * An operation's number is its place in the table, after those that the lockstep keeps for itself. Its kernel is the function
 * of the same name in the named file and takes the arguments in the order in which they stand here, then `rank` and `size` of
 * the calling thread: inputs, then shapes, then outputs, for all operations alike.
 *
 * @module
 */
import { PRODUCTS_MAX } from "./layout.ts";

/**
 * What an argument is.
 *
 * | unit           | on the host                               | in the kernel                          |
 * | -------------- | ----------------------------------------- | -------------------------------------- |
 * | matrix         | `Strided`: address and row stride         | two `usize`: address, stride in bytes  |
 * | address        | number of bytes from the memory's start; 0: nothing there | `usize`                |
 * | bytes          | number of bytes                           | `usize`                                |
 * | count          | whole number                              | `i32`                                  |
 * | real           | number, rounded to f32                    | `f32`                                  |
 * | flag           | boolean                                   | `i32`, 0 or 1                          |
 * | the others     | a name of kernels/host/types.ts           | `i32`, a constant of shared/layout.ts  |
 */
export type Unit =
  | "matrix"
  | "address"
  | "bytes"
  | "count"
  | "real"
  | "flag"
  | "elementType"
  | "weightType"
  | "keyValueType"
  | "blockFormat"
  | "activationForm"
  | "activationFunction";

/** Arguments by name, in calling order. */
export type Arguments = Readonly<Record<string, Unit>>;

/** Inputs, shapes and outputs, in this order. */
export interface Signature {
  readonly inputs?: Arguments;
  readonly shapes?: Arguments;
  readonly outputs?: Arguments;
}

/** One operation. */
export interface Operation extends Signature {
  readonly name: string;
  /** Its kernel's file below kernels/assembly, without ending. */
  readonly file: string;
  /** What it does, in one line; the kernel's own comment has the layouts. */
  readonly about: string;
  /** Threads share its rows: of a single one nobody but the caller's thread has any work, and the others are not woken. */
  readonly sharesRows?: true;
  /**
   * Its shares are small and go to whoever is free, where others have one for each thread; see kernels/assembly/share.ts. It does not learn
   * which thread it runs on, so it has no scratch.
   */
  readonly hasFreeShares?: true;
  /** A list of the same arguments: the kernel runs once for each item, and no thread waits in between. */
  readonly list?: Signature & { readonly name: string; readonly most: number };
}

/** Operations of the lockstep itself; they have no kernel. */
export const RESERVED_OPERATIONS = ["exit", "move"] as const;

/** All others. */
export const OPERATIONS: readonly Operation[] = [
  {
    name: "packInt4",
    file: "pack/codes",
    hasFreeShares: true,
    about: "A window of words of eight 4-bit codes, packed along the inputs, into panels.",
    inputs: { source: "address" },
    shapes: { outputs: "count", blocks: "count", blockBegin: "count", blockCount: "count" },
    outputs: { weights: "address" },
  },
  {
    name: "packInt4Gathered",
    file: "pack/codes",
    hasFreeShares: true,
    about: "A window of words of eight 4-bit codes along the inputs, in their order or another, into panels.",
    inputs: { source: "address", order: "address" },
    shapes: {
      wordStep: "count",
      outputStep: "count",
      outputs: "count",
      blocks: "count",
      panelBegin: "count",
    },
    outputs: { weights: "address" },
  },
  {
    name: "packInt4Interleaved",
    file: "pack/codes",
    hasFreeShares: true,
    about: "A window of AWQ's words of eight 4-bit codes, packed along the outputs, into panels.",
    inputs: { source: "address" },
    shapes: { outputs: "count", blocks: "count", blockBegin: "count", blockCount: "count" },
    outputs: { weights: "address" },
  },
  {
    name: "packInt8Gathered",
    file: "pack/codes",
    hasFreeShares: true,
    about: "A window of words of four 8-bit codes along the inputs, in their order or another, into panels.",
    inputs: { source: "address", order: "address" },
    shapes: {
      wordStep: "count",
      outputStep: "count",
      isSigned: "flag",
      outputs: "count",
      blocks: "count",
      panelBegin: "count",
    },
    outputs: { weights: "address" },
  },
  {
    name: "packScales",
    file: "pack/scales",
    about: "Scales into panels; those that are not finite there are counted.",
    inputs: { source: "address", sourceType: "elementType" },
    shapes: {
      groupStep: "count",
      outputStep: "count",
      outputs: "count",
      groups: "count",
      split: "count",
      scaleType: "elementType",
    },
    outputs: { scales: "address" },
  },
  {
    name: "packZeros",
    file: "pack/scales",
    about: "Zero points, packed along the outputs or the groups, into panels.",
    inputs: { source: "address" },
    shapes: {
      bits: "count",
      addOne: "flag",
      isSigned: "flag",
      interleaved: "flag",
      alongGroups: "flag",
      groupStep: "count",
      outputStep: "count",
      outputs: "count",
      groups: "count",
      split: "count",
    },
    outputs: { zeros: "address" },
  },
  {
    name: "packDense",
    file: "pack/dense",
    hasFreeShares: true,
    about: "Rows of an unquantised matrix into panels of the same type; non-finite values are counted.",
    inputs: { source: "address", sourceType: "elementType" },
    shapes: { rowCount: "count", inputs: "count", panelBegin: "count" },
    outputs: { weights: "address" },
  },
  {
    name: "packDenseCodes",
    file: "pack/dense_codes",
    hasFreeShares: true,
    about:
      "Rows of an unquantised matrix into panels of codes of 8, 7 or 4 bits; non-finite values are counted.",
    inputs: { source: "address", sourceType: "elementType" },
    shapes: {
      codeType: "weightType",
      rowCount: "count",
      inputs: "count",
      group: "count",
      panelBegin: "count",
      scaleType: "elementType",
    },
    outputs: { weights: "address", scales: "address", zeros: "address" },
  },
  {
    name: "roundInputs",
    file: "pack/round",
    about:
      "A block of inputs of an f32 matrix in panels to codes, each error passed on to the inputs after it.",
    inputs: { order: "address", sums: "matrix", factors: "address", reciprocals: "address" },
    shapes: {
      outputs: "count",
      inputs: "count",
      begin: "count",
      count: "count",
      group: "count",
      levels: "real",
      isSymmetric: "flag",
      trials: "count",
    },
    outputs: {
      predictions: "address",
      weights: "address",
      errors: "address",
      codes: "address",
      scales: "address",
      zeros: "address",
    },
  },
  {
    name: "packBlocks",
    file: "pack/blocks",
    hasFreeShares: true,
    about:
      "Rows of blocks of a GGUF file into panels of codes, scales and offsets; non-finite values are counted.",
    inputs: { source: "address", format: "blockFormat" },
    shapes: { rowCount: "count", inputs: "count", panelBegin: "count", scaleType: "elementType" },
    outputs: { weights: "address", scales: "address", offsets: "address", units: "address" },
  },
  {
    name: "widen",
    file: "pack/dense",
    about: "A vector to f32, with `offset` added; non-finite values are counted.",
    inputs: { source: "address", sourceType: "elementType" },
    shapes: { count: "count", offset: "real" },
    outputs: { target: "address" },
  },
  {
    name: "copyFloats",
    file: "pack/dense",
    hasFreeShares: true,
    about: "An array as it is; non-finite values are counted.",
    inputs: { source: "address", sourceType: "elementType" },
    shapes: { count: "count" },
    outputs: { target: "address" },
  },
  {
    name: "touch",
    file: "memory/touch",
    about:
      "Takes the memory of an array that will be filled from the operating system; what is there is lost.",
    shapes: { bytes: "bytes" },
    outputs: { target: "address" },
  },
  {
    name: "checksum",
    file: "memory/checksum",
    about: "Both sums of Fletcher's checksum, each thread's share for itself.",
    inputs: { source: "address" },
    shapes: { bytes: "bytes" },
    outputs: { sums: "address" },
  },
  {
    name: "embed",
    file: "rows/embed",
    sharesRows: true,
    about: "Rows of an embedding table by token id.",
    inputs: {
      ids: "address",
      weights: "address",
      weightType: "weightType",
      scales: "address",
      scaleType: "elementType",
      zeros: "address",
      zero: "real",
      offsets: "address",
      units: "address",
    },
    shapes: { group: "count", rows: "count", inputs: "count", factor: "real" },
    outputs: { output: "matrix" },
  },
  {
    name: "rmsNorm",
    file: "rows/norms",
    sharesRows: true,
    about: "Root-mean-square normalisation of `segments` neighbouring runs of `width` columns in each row.",
    inputs: { input: "matrix", weight: "address" },
    shapes: { rows: "count", segments: "count", width: "count", epsilon: "real" },
    outputs: { output: "matrix" },
  },
  {
    name: "layerNorm",
    file: "rows/norms",
    sharesRows: true,
    about: "Layer normalisation of each row.",
    inputs: { input: "matrix", weight: "address", bias: "address" },
    shapes: { rows: "count", width: "count", epsilon: "real" },
    outputs: { output: "matrix" },
  },
  {
    name: "gatherColumns",
    file: "rows/columns",
    sharesRows: true,
    about: "Columns in another order; 0 where the order says -1.",
    inputs: { input: "matrix", order: "address" },
    shapes: { rows: "count", count: "count" },
    outputs: { output: "matrix" },
  },
  {
    name: "spreadColumns",
    file: "rows/columns",
    sharesRows: true,
    about: "Columns, `step` apart.",
    inputs: { input: "matrix" },
    shapes: { step: "count", rows: "count", width: "count" },
    outputs: { output: "matrix" },
  },
  {
    name: "transpose",
    file: "rows/columns",
    about: "Rows become columns.",
    inputs: { input: "matrix" },
    shapes: { rows: "count", columns: "count" },
    outputs: { output: "matrix" },
  },
  {
    name: "sumGroups",
    file: "rows/columns",
    about: "The sums of neighbouring columns of each row.",
    inputs: { input: "matrix" },
    shapes: { rows: "count", inputs: "count", group: "count" },
    outputs: { output: "matrix" },
  },
  {
    name: "quantize",
    file: "rows/quantize",
    sharesRows: true,
    about: "Activations to integers, with their sums, scales and factors.",
    inputs: { input: "matrix" },
    shapes: { rows: "count", inputs: "count", group: "count", form: "activationForm" },
    outputs: { codes: "address", sums: "address", scales: "address", factors: "address" },
  },
  {
    name: "activation",
    file: "rows/activations",
    sharesRows: true,
    about: "An activation function of every value, in place.",
    shapes: { function: "activationFunction", rows: "count", width: "count" },
    outputs: { values: "matrix" },
  },
  {
    name: "gatedActivation",
    file: "rows/activations",
    about: "function(gate) * up, element by element.",
    inputs: { gate: "matrix", up: "matrix" },
    shapes: { function: "activationFunction", rows: "count", width: "count" },
    outputs: { output: "matrix" },
  },
  {
    name: "addScaled",
    file: "rows/add",
    sharesRows: true,
    about: "target += factor * source; a source of stride 0 is one row for all.",
    inputs: { source: "matrix", sourceType: "elementType" },
    shapes: { rows: "count", width: "count", factor: "real" },
    outputs: { target: "matrix" },
  },
  {
    name: "matmulCodes",
    file: "matmul/codes",
    about:
      "Products of integer activations and coded weights; the matrices of one call have the same groups.",
    inputs: {
      form: "activationForm",
      codes: "address",
      sums: "address",
      activationScales: "address",
      factors: "address",
      weightType: "weightType",
    },
    shapes: { rows: "count", inputs: "count", group: "count", dot32: "flag", wideScratch: "address" },
    list: {
      name: "products",
      most: PRODUCTS_MAX,
      inputs: {
        weights: "address",
        scales: "address",
        zeros: "address",
        zero: "count",
        offsets: "address",
        units: "address",
        bias: "address",
      },
      shapes: { outputs: "count", accumulate: "flag" },
      outputs: { output: "matrix" },
    },
  },
  {
    name: "matmulCodesF32",
    file: "matmul/f32",
    about: "The product of f32 activations and coded weights.",
    inputs: {
      input: "matrix",
      weights: "address",
      weightType: "weightType",
      scales: "address",
      zeros: "address",
      zero: "real",
      bias: "address",
    },
    shapes: { rows: "count", outputs: "count", inputs: "count", group: "count", accumulate: "flag" },
    outputs: { output: "matrix" },
  },
  {
    name: "matmulDense",
    file: "matmul/f32",
    about: "The product of f32 activations and unquantised weights.",
    inputs: {
      wideScratch: "address",
      input: "matrix",
      weights: "address",
      weightType: "elementType",
      bias: "address",
    },
    shapes: { rows: "count", outputs: "count", inputs: "count", accumulate: "flag" },
    outputs: { output: "matrix" },
  },
  {
    name: "ropeTable",
    file: "attention/rope",
    sharesRows: true,
    about: "Cosines and sines of the rotary angles of consecutive positions, times `factor`.",
    inputs: { frequencies: "address" },
    shapes: { start: "count", rows: "count", half: "count", factor: "real" },
    outputs: { table: "address" },
  },
  {
    name: "rope",
    file: "attention/rope",
    sharesRows: true,
    about: "Rotates the first 2 * half columns of each head, in place.",
    inputs: { table: "address" },
    shapes: { rows: "count", heads: "count", headSize: "count", half: "count" },
    outputs: { vectors: "matrix" },
  },
  {
    name: "storeKeysValues",
    file: "attention/store",
    about: "Writes keys and values of consecutive tokens into their blocks.",
    inputs: { keys: "matrix", values: "matrix" },
    shapes: {
      keyValueType: "keyValueType",
      start: "count",
      rows: "count",
      heads: "count",
      headSize: "count",
    },
    outputs: { table: "address" },
  },
  {
    name: "attention",
    file: "attention/attention",
    about:
      "Attention of rows over blocks of keys and values: causal, or with `counts` the same keys for all rows.",
    inputs: { queries: "matrix", table: "address", counts: "address" },
    shapes: {
      keyValueType: "keyValueType",
      blocks: "count",
      start: "count",
      window: "count",
      rows: "count",
      heads: "count",
      kvHeads: "count",
      headSize: "count",
      scale: "real",
      isWide: "flag",
    },
    outputs: { output: "matrix", scratch: "address", scratchBytes: "bytes" },
  },
  {
    name: "storeBytes",
    file: "attention/bytes",
    about: "Writes keys and values of consecutive tokens into their blocks, as codes of 7 bits.",
    inputs: { keys: "matrix", values: "matrix" },
    shapes: { start: "count", rows: "count", heads: "count", headSize: "count" },
    outputs: { table: "address" },
  },
  {
    name: "attendBytes",
    file: "attention/bytes",
    about: "Attention in bytes of rows that all see the same tokens: the first counts[b] of each block.",
    inputs: { queries: "matrix", table: "address", counts: "address" },
    shapes: {
      blocks: "count",
      rows: "count",
      heads: "count",
      headSize: "count",
      scale: "real",
      dot32: "flag",
      isWide: "flag",
    },
    outputs: { output: "matrix", scratch: "address", scratchBytes: "bytes" },
  },
  {
    name: "attentionWeights",
    file: "attention/weights",
    about: "The weights that one row of queries gives to the keys of blocks.",
    inputs: { query: "address", table: "address", counts: "address" },
    shapes: {
      keyValueType: "keyValueType",
      blocks: "count",
      heads: "count",
      kvHeads: "count",
      headSize: "count",
      scale: "real",
    },
    outputs: { weights: "address" },
  },
  {
    name: "gptqToMarlin",
    file: "pack/marlin",
    about: "GPTQ words to Marlin words.",
    inputs: { source: "address", order: "address" },
    shapes: { inputs: "count", outputs: "count", bits: "count" },
    outputs: { target: "address" },
  },
  {
    name: "marlinToGptq",
    file: "pack/marlin",
    about: "Marlin words to GPTQ words; `order` is the inverse of the one that gptqToMarlin took.",
    inputs: { source: "address", order: "address" },
    shapes: { inputs: "count", outputs: "count", bits: "count" },
    outputs: { target: "address" },
  },
  {
    name: "marlinToPanels",
    file: "pack/marlin",
    about: "Marlin words to panels; `order` as in marlinToGptq.",
    inputs: { source: "address", order: "address" },
    shapes: { inputs: "count", outputs: "count", bits: "count" },
    outputs: { target: "address" },
  },
  {
    name: "marlinPermuteScales",
    file: "pack/marlin",
    about: "16-bit scales into Marlin's order, or back.",
    inputs: { source: "address" },
    shapes: { count: "count", isSingle: "flag" },
    outputs: { target: "address" },
  },
  {
    name: "unpackCodes",
    file: "pack/marlin",
    about: "The codes of GPTQ words, one a byte.",
    inputs: { source: "address" },
    shapes: { inputs: "count", outputs: "count", bits: "count" },
    outputs: { codes: "address" },
  },
];

/** Columns of a head that one call of the tiles of attention takes. */
export const SCORE_COLUMNS = [64, 16] as const;

/** How tiles of few rows multiply (kernels/wide/few_rows_text.ts), and how many rows they take at most. */
export const FEW_FORMS = ["bytes4", "bytes32", "ladder", "words"] as const;
export const ROWS_FEW_MAX = 4;
export type FewForm = typeof FEW_FORMS[number];

/** Forms that have a tile of their own for one row and groups of one chunk. */
export const FEW_SHORT_FORMS: readonly FewForm[] = ["bytes4", "bytes32"];

/** `isShort`: for groups of one chunk. */
export function fewFunction(form: FewForm, rows: number, isShort = false): string {
  return `${form}${isShort ? "Short" : "Rows"}${rows}`;
}

/** Panels that a tile of few rows passes together: as many as let its sums stay in registers. */
export function fewStreams(rows: number): number {
  return rows <= 2 ? 2 : 1;
}

/** Tiles of one row of bytes against codes of 4 and 6 bits with units (kernels/wide/unit_rows_text.ts). */
export const UNIT_ROWS = ["sixBitsPairs", "sixBitsFours", "fourBitsPairs", "fourBitsFours"] as const;

/** The functions of the wide tiles (kernels/wide), which assembly/matmul and assembly/attention import. */
export const WIDE_FUNCTIONS: readonly string[] = [
  ...["bytes4", "bytes7", "bytes32", "words", "planes"].flatMap((form) =>
    [32, 64, 128].map((group) => `${form}Group${group}`)
  ),
  ...["bytes4", "bytes32", "words", "planes"].map((form) => `${form}Offset32`),
  "floats",
  ...["bytes7", "bytes32"].map((form) => `${form}Group16`),
  ...["unpackInt4Bytes", "unpackInt6Bytes", "unpackInt7Bytes", "unpackInt4Words", "unpackInt8Words"],
  ...["Pairs", "Fours", "Words"].flatMap((form) =>
    [...SCORE_COLUMNS.map((columns) => `scores${columns}`), "values"].map((tile) => `${tile}${form}`)
  ),
  "scaleScores",
  "raiseScores",
  ...FEW_FORMS.flatMap((form) => [1, 2, 3, 4].map((rows) => fewFunction(form, rows))),
  ...FEW_SHORT_FORMS.map((form) => fewFunction(form, 1, true)),
  ...UNIT_ROWS,
];
