/**
 * Random matrices, and the way they take into kernel memory: stored form, packing kernels, panels.
 *
 * @module
 */
import { activationBytes, type LinearForm } from "../../kernels/host/sizes.ts";
import type { ActivationForm } from "../../kernels/host/types.ts";
import type { CodedWeights } from "../reference/matrix_product.ts";
import { type Bench, strided } from "./harness.ts";
import type { Random } from "./random.ts";
import { f16Bits, panelPlace, storeCodes, storeZeros } from "./stored_formats.ts";

/** Codes with their scales, as the products take them. `zeros` 0: every zero point is `zero`. */
export interface CodeMatrix {
  weights: number;
  scales: number;
  scaleType: ScaleType;
  zeros: number;
  zero: number;
  /** 0: there are none. */
  offsets: number;
  group: number;
}

/** Products of integers take scales of f16, those of floats of f32. */
export type ScaleType = LinearForm["scaleType"];

/** Activations as integers, as the products take them. */
export interface CodeActivations {
  form: ActivationForm;
  codes: number;
  sums: number;
  activationScales: number;
  factors: number;
}

/**
 * Zero points: one for all, each its own 0 … 15 (0 … 255), or each its own up to one more than a code can be; or none, and an offset for
 * each group.
 */
export type ZeroPoints = "uniform" | "own" | "beyond" | "offsets";

/** What to draw. */
export interface MatrixShape {
  inputs: number;
  outputs: number;
  /** Inputs that share a stored scale. */
  group: number;
  bits?: 4 | 8;
  zeros?: ZeroPoints;
  /** Default: f16. */
  scaleType?: ScaleType;
}

/** Draws codes, scales of both signs and offsets, which f16 holds exactly, and zero points. The first two zero points are the extremes. */
export function drawWeights(random: Random, shape: MatrixShape): CodedWeights {
  const { inputs, outputs, group, bits = 4, zeros = "uniform" } = shape;
  const levels = 2 ** bits;
  const most = zeros === "beyond" ? levels : levels - 1;
  const table = <T>(rows: number, draw: (row: number, n: number) => T) =>
    Array.from({ length: rows }, (_, row) => Array.from({ length: outputs }, (_, n) => draw(row, n)));
  const groupCount = Math.ceil(inputs / group);
  return {
    inputs,
    outputs,
    codes: table(inputs, () => random.below(levels)),
    scales: table(groupCount, () => Math.ceil(random.between(-0.005, 0.02) * 2 ** 16) / 2 ** 16),
    ...(zeros === "offsets" && {
      offsets: table(groupCount, () => Math.round(random.between(-0.1, 0.1) * 2 ** 14) / 2 ** 14),
    }),
    zeros: table(groupCount, (g, n) => {
      if (zeros === "offsets") return 0;
      if (zeros === "uniform") return levels / 2;
      return (g + n) === 0 ? 0 : (g + n) === 1 ? most : random.below(most + 1);
    }),
    groups: Array.from({ length: inputs }, (_, k) => Math.floor(k / group)),
  };
}

/** Runs of inputs that share an activation scale: `group` long from the first input on. */
export function consecutiveRuns(inputs: number, group: number): number[] {
  return Array.from({ length: inputs }, (_, k) => Math.floor(k / group));
}

/** Packs weights whose inputs are in order. `group` may be a part of the stored group. */
export function packWeights(
  { kernels, arena }: Bench,
  weights: CodedWeights,
  { group, bits = 4, zeros = "uniform", scaleType = "f16" }: MatrixShape,
): CodeMatrix {
  const { inputs, outputs } = weights;
  const blocks = Math.ceil(inputs / 8), groups = Math.ceil(inputs / group), panels = Math.ceil(outputs / 8);
  const split = Math.ceil(weights.groups.filter((g) => g === 0).length / group);
  const stored = arena.place(storeCodes(weights, bits));
  const packed = arena.reserve(panels * blocks * 8 * bits);
  if (bits === 4) {
    kernels.packInt4({
      source: stored,
      outputs,
      blocks,
      blockBegin: 0,
      blockCount: blocks,
      weights: packed,
    });
  } else {
    const order = Int32Array.from({ length: blocks * 8 }, (_, k) => k < inputs ? k : -1);
    const steps = { wordStep: outputs, outputStep: 1, panelBegin: 0, isSigned: false };
    kernels.packInt8Gathered({
      source: stored,
      order: arena.place(order),
      ...steps,
      outputs,
      blocks,
      weights: packed,
    });
  }
  const scales = arena.reserve(panels * groups * 32);
  kernels.packScales({
    source: arena.floats(weights.scales.flat()),
    sourceType: "f32",
    groupStep: outputs,
    outputStep: 1,
    outputs,
    groups,
    split,
    scaleType,
    scales,
  });
  const matrix = { weights: packed, scales, scaleType, zeros: 0, zero: 2 ** (bits - 1), offsets: 0, group };
  if (zeros === "uniform") return matrix;
  if (zeros === "offsets") {
    const panelOffsets = new Float32Array(panels * groups * 8);
    weights.offsets!.forEach((own, g) =>
      own.forEach((offset, n) => panelOffsets[panelPlace(groups, g, n)] = offset)
    );
    return {
      ...matrix,
      zero: 0,
      offsets: arena.place(scaleType === "f16" ? f16Bits(panelOffsets) : panelOffsets),
    };
  }
  // A word of zeros holds 8 (4) outputs, so other widths and a zero point of 16 exist in our layout only.
  if (zeros === "beyond" || outputs * bits % 32 !== 0) {
    const panelZeros = new Int16Array(panels * groups * 8);
    for (let g = 0; g < groups; g++) {
      const own = weights.zeros[Math.floor(g / split)];
      own.forEach((zero, n) => panelZeros[panelPlace(groups, g, n)] = zero);
    }
    return { ...matrix, zeros: arena.place(panelZeros) };
  }
  matrix.zeros = arena.reserve(panels * groups * 16);
  kernels.packZeros({
    source: arena.place(storeZeros(weights, bits)),
    bits,
    addOne: false,
    isSigned: false,
    interleaved: false,
    alongGroups: false,
    groupStep: outputs * bits / 8,
    outputStep: 4,
    outputs,
    groups,
    split,
    zeros: matrix.zeros,
  });
  return matrix;
}

/** Quantises rows f32 [M, K] at `input`. */
export function quantiseRows(
  { kernels, arena }: Bench,
  input: number,
  rows: number,
  inputs: number,
  group: number,
  form: ActivationForm,
): CodeActivations {
  const bytes = activationBytes(form, rows, inputs, group);
  const coded = {
    form,
    codes: arena.reserve(bytes.codes),
    sums: arena.reserve(bytes.sums),
    activationScales: arena.reserve(bytes.activationScales),
    factors: arena.reserve(bytes.factors),
  };
  kernels.quantize({
    input: strided(input, inputs),
    rows,
    inputs,
    group,
    ...coded,
    scales: coded.activationScales,
  });
  return coded;
}

/**
 * Of an array with a value for each row and group, as it lies in memory (tiles of four rows, then the others one by one), the values
 * row by row.
 */
export function rowsOfTiles<T>(values: ArrayLike<T>, rows: number, width: number): T[][] {
  const tiled = rows - rows % 4;
  return Array.from(
    { length: rows },
    (_, row) =>
      Array.from(
        { length: width },
        (_, g) => row < tiled ? values[(row - row % 4) * width + g * 4 + row % 4] : values[row * width + g],
      ),
  );
}
