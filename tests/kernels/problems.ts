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
  /** 0: scales and offsets are floats. */
  units: number;
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
 * each group; or that, where scales and offsets are integers times units of 256 inputs.
 */
export type ZeroPoints = "uniform" | "own" | "beyond" | "offsets" | "units";

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

/** Scales and offsets of groups of 32, and what they are: integers of a byte, 0 and 255 among them, times f16 for 256 inputs. */
export interface Units {
  integers: Record<"scales" | "offsets", number[][]>;
  units: Record<"scales" | "offsets", number[][]>;
}

export type DrawnWeights = CodedWeights & Partial<Units>;

function drawUnits(
  random: Random,
  inputs: number,
  outputs: number,
): Units & Pick<CodedWeights, "scales" | "offsets"> {
  const table = (rows: number, draw: (row: number) => number) =>
    Array.from({ length: rows }, (_, row) => Array.from({ length: outputs }, () => draw(row)));
  const integers = () => table(inputs / 32, (g) => g === 1 ? 0 : g === 2 ? 255 : random.below(256));
  const units = (most: number) =>
    table(inputs / 256, () => Math.round(random.between(-1, 1) * 2 ** 10) / 2 ** 10 * most);
  const own = {
    integers: { scales: integers(), offsets: integers() },
    units: { scales: units(2 ** -12), offsets: units(2 ** -10) },
  };
  const products = (name: "scales" | "offsets") =>
    own.integers[name].map((row, g) => row.map((integer, n) => integer * own.units[name][g >> 3][n]));
  return { ...own, scales: products("scales"), offsets: products("offsets") };
}

/**
 * Integers and units as they lie in memory: of each 256 inputs the units of a panel's scales, then of its offsets; of each group a word for
 * outputs n and n + 4, their scales before their offsets.
 */
function panelUnits({ integers, units }: Units, panels: number): { scales: Uint8Array; units: Float32Array } {
  const groups = integers.scales.length, blocks = units.scales.length;
  const scales = new Uint8Array(panels * groups * 16), ofBlocks = new Float32Array(panels * blocks * 16);
  for (const [i, name] of (["scales", "offsets"] as const).entries()) {
    const place = (rows: number, row: number, n: number) => ((n >> 3) * rows + row) * 16;
    integers[name].forEach((row, g) =>
      row.forEach((value, n) => scales[place(groups, g, n) + n % 4 * 4 + i * 2 + (n >> 2 & 1)] = value)
    );
    units[name].forEach((row, b) =>
      row.forEach((value, n) => ofBlocks[place(blocks, b, n) + i * 8 + n % 8] = value)
    );
  }
  return { scales, units: ofBlocks };
}

/** Draws codes, scales of both signs and offsets, which f16 holds exactly, and zero points. The first two zero points are the extremes. */
export function drawWeights(random: Random, shape: MatrixShape): DrawnWeights {
  const { inputs, outputs, group, bits = 4, zeros = "uniform" } = shape;
  const levels = 2 ** bits;
  const most = zeros === "beyond" ? levels : levels - 1;
  const table = <T>(rows: number, draw: (row: number, n: number) => T) =>
    Array.from({ length: rows }, (_, row) => Array.from({ length: outputs }, (_, n) => draw(row, n)));
  const groupCount = Math.ceil(inputs / group);
  const units = zeros === "units" ? drawUnits(random, inputs, outputs) : undefined;
  return {
    inputs,
    outputs,
    codes: table(inputs, () => random.below(levels)),
    ...units,
    scales: units?.scales ??
      table(groupCount, () => Math.ceil(random.between(-0.005, 0.02) * 2 ** 16) / 2 ** 16),
    ...(zeros === "offsets" && {
      offsets: table(groupCount, () => Math.round(random.between(-0.1, 0.1) * 2 ** 14) / 2 ** 14),
    }),
    zeros: table(groupCount, (g, n) => {
      if (zeros === "offsets" || zeros === "units") return 0;
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
  weights: DrawnWeights,
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
  const matrix = {
    weights: packed,
    scales,
    scaleType,
    zeros: 0,
    zero: 2 ** (bits - 1),
    offsets: 0,
    units: 0,
    group,
  };
  if (zeros === "uniform") return matrix;
  if (zeros === "units") {
    const own = panelUnits(weights as Units, panels);
    return {
      ...matrix,
      zero: 0,
      scales: arena.place(own.scales),
      units: arena.place(f16Bits(own.units)),
    };
  }
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
