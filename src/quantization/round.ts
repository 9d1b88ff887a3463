/**
 * One linear layer from floats to codes.
 *
 * @module
 */
import { linearBytes } from "../../kernels/host/sizes.ts";
import { RemoraError } from "../core/errors.ts";
import { f16Bits } from "../core/half_floats.ts";
import type { CodedLinear } from "../formats/coded/coded_linear.ts";
import { embed, TokenIds } from "../ops/embed.ts";
import { Matrix } from "../ops/matrix.ts";
import type { KernelSpace } from "../ops/space.ts";
import type { Linear } from "../weights/linear.ts";
import { denseInputSums } from "./dense_inputs.ts";
import { nameInFile } from "./names.ts";
import type { Factor } from "./factor.ts";

/** Inputs that are rounded before their errors are passed on to all others, or whole groups near as many; as GPTQ. */
const BLOCK_INPUTS = 128;
/** Scales that are tried for each group, as many as in AWQ's search. */
const TRIALS = 20;
/** Rows that are widened at a time. */
const WINDOW_ROWS = 512;
const PANEL = 8, F32 = 4;
/** The largest number of f16. */
const F16_MAX = 65504;

/** How weights are rounded. */
export interface Rounding {
  readonly bits: 4 | 8;
  /** Inputs that share a scale. */
  readonly group: number;
  /** The zero point is the middle code. */
  readonly isSymmetric: boolean;
}

/** The order of inputs as they lie. */
export function naturalOrder(inputs: number): Uint32Array {
  return Uint32Array.from({ length: inputs }, (_, i) => i);
}

/** Makes a loaded layer one of f32, whatever it was: codes and halves are replaced by the numbers that they mean. */
export function toFloats(space: KernelSpace, linear: Linear): void {
  const { kernels } = space, { packed: old, outputs, inputs, form } = linear;
  if (form.type === "f32") return;
  const rows = Math.min(WINDOW_ROWS, outputs);
  const ids = new TokenIds(space, rows), window = Matrix.reserve(space, rows, inputs);
  const weights = space.allocate(linearBytes({ ...form, type: "f32" }).weights);
  for (let begin = 0; begin < outputs; begin += rows) {
    const count = Math.min(rows, outputs - begin);
    ids.write(Array.from({ length: count }, (_, i) => begin + i), 0);
    embed(linear, ids, 1, window.sliceRows(0, count));
    const packing = { source: window.address, sourceType: "f32", rowCount: count, inputs } as const;
    kernels.packDense({ ...packing, panelBegin: begin / PANEL, weights });
  }
  const floats = { ...form, type: "f32", group: inputs, hasZeros: false, hasOffsets: false } as const;
  const arrays = [old.bias, 0, weights, 0, 0, 0];
  linear.place(kernels, floats, () => arrays.shift()!);
}

/**
 * Rounds a layer of f32; what its codes mean takes the place of its weights.
 *
 * @param factor `undefined`: each weight to the nearest code.
 * @param dense Of `CrossGram`, this layer's; `undefined`: the unquantised model has the same inputs.
 * @param keepsGroups The order keeps groups of neighbouring inputs together.
 */
export function roundLinear(
  space: KernelSpace,
  linear: Linear,
  rounding: Rounding,
  factor: Factor | undefined,
  dense: Matrix | undefined,
  keepsGroups: boolean,
): CodedLinear {
  const { kernels } = space, { memory } = kernels, { inputs, outputs } = linear;
  const { bits, group, isSymmetric } = rounding, groups = inputs / group;
  const block = Math.max(1, Math.floor(BLOCK_INPUTS / group)) * group;
  const order = factor?.order ?? naturalOrder(inputs);
  const end = memory.end;
  const orderAt = space.allocate(inputs * 4), reciprocals = space.allocate(inputs * 4);
  memory.wordsAt(orderAt, inputs).set(order);
  if (factor) memory.floatsAt(reciprocals, inputs).set(factor.reciprocals);
  const sums = Matrix.reserve(space, inputs, outputs), factors = space.allocate(block * block * F32);
  const errors = space.allocate(outputs * block * F32), codes = space.allocate(outputs * inputs);
  const [scales, zeros] = [0, 0].map(() => space.allocate(outputs * groups * F32));
  const predictions = space.allocate(outputs * group * F32);
  const transposed = space.allocate(inputs * block * F32);
  if (factor && dense) denseInputSums(dense, factor, sums);
  for (let begin = 0; begin < inputs; begin += block) {
    const count = Math.min(block, inputs - begin);
    if (factor) memory.floatsAt(factors, count * count).set(factorsWithin(factor, begin, count));
    kernels.roundInputs({
      order: orderAt,
      sums,
      factors: factor ? factors : 0,
      reciprocals,
      outputs,
      inputs,
      begin,
      count,
      group,
      levels: 2 ** bits - 1,
      isSymmetric,
      trials: factor ? TRIALS : 1,
      predictions,
      weights: linear.packed.weights,
      errors,
      codes,
      scales,
      zeros,
    });
    if (factor) passOn(factor, begin, count, errors, transposed, sums);
  }
  const stored = keepsGroups ? storedGroups(order, group) : naturalOrder(groups);
  const groupOf = new Int32Array(inputs);
  order.forEach((input, place) => groupOf[input] = stored[Math.floor(place / group)]);
  const floats = (address: number) => memory.floatsAt(address, outputs * groups);
  const ordered = outOfPanels(floats(scales), new Float32Array(outputs * groups), stored);
  requireHalves(linear, ordered);
  const result = {
    name: nameInFile(linear),
    outputs,
    inputs,
    groups,
    codes: outOfPanels(
      memory.bytesAt(codes, outputs * inputs),
      new Uint8Array(outputs * inputs),
      naturalOrder(inputs),
    ),
    scales: f16Bits(ordered),
    zeros: outOfPanels(floats(zeros), new Uint8Array(outputs * groups), stored),
    groupOf,
  };
  memory.releaseTo(end);
  return result;
}

/** @throws {RemoraError} BAD_TENSOR: as 16 bits, larger ones would become numbers like any other. */
function requireHalves(linear: Linear, scales: Float32Array): void {
  const found = scales.find((scale) => !(scale <= F16_MAX));
  if (found === undefined) return;
  throw new RemoraError("BAD_TENSOR", "Cannot quantise", {
    file: linear.stored.tensors[0].file,
    tensor: nameInFile(linear),
    expected: `weights whose scales f16 can hold, up to ${F16_MAX}`,
    found: found.toPrecision(3),
  });
}

/** What errors within a block add to the inputs after them in the block, [count, count]. */
function factorsWithin({ matrix, reciprocals }: Factor, begin: number, count: number): Float32Array {
  const size = matrix.rows, values = matrix.kernels.memory.floatsAt(matrix.address, size * size);
  const within = new Float32Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      within[i * count + j] = values[(begin + i) * size + begin + j] * reciprocals[begin + j];
    }
  }
  return within;
}

/** Adds what the errors of a block are worth at all inputs after it. */
function passOn(
  { matrix }: Factor,
  begin: number,
  count: number,
  errors: number,
  transposedAt: number,
  sums: Matrix,
): void {
  const { kernels, space, rows: size } = matrix, end = begin + count, rest = size - end;
  if (rest === 0) return;
  const input = matrix.sliceRows(begin, end).sliceColumns(end);
  const transposed = new Matrix(space, transposedAt, rest, count, count * F32);
  kernels.transpose({ input, rows: count, columns: rest, output: transposed });
  kernels.matmulDense({
    wideScratch: kernels.pairedScratch,
    input: transposed,
    weights: errors,
    weightType: "f32",
    bias: 0,
    rows: rest,
    outputs: sums.columns,
    inputs: count,
    accumulate: true,
    output: sums.sliceRows(end),
  });
}

/** The stored group of each run of `group` places. */
function storedGroups(order: Uint32Array, group: number): Uint32Array {
  return Uint32Array.from({ length: order.length / group }, (_, g) => Math.floor(order[g * group] / group));
}

/** Panels of eight outputs, [outputs / 8, rows, 8], as rows of all outputs, each at the place that is named for it. */
function outOfPanels<T extends Uint8Array | Float32Array>(
  panels: Uint8Array | Float32Array,
  target: T,
  places: Uint32Array,
): T {
  const rows = places.length, outputs = target.length / rows;
  for (let panel = 0; panel < outputs / PANEL; panel++) {
    for (let row = 0; row < rows; row++) {
      const from = (panel * rows + row) * PANEL;
      target.set(panels.subarray(from, from + PANEL), places[row] * outputs + panel * PANEL);
    }
  }
  return target;
}
