/**
 * Linear layers applied to activations.
 *
 * @module
 */
import { activationBytes, type LinearForm } from "../../kernels/host/sizes.ts";
import { type ActivationForm, activationForm, type ElementType, isCoded } from "../../kernels/host/types.ts";
import type { MatmulCodes, MatmulCodesItem, Quantize } from "../../kernels/host/calls.ts";
import { PRODUCTS_MAX } from "../../kernels/shared/layout.ts";
import type { Linear } from "../weights/linear.ts";
import type { Matrix } from "./matrix.ts";
import type { Precision } from "../weights/plan.ts";
import { Frame, type Scratch, type Workspace } from "./workspace.ts";

/**
 * Bytes of an activation against 4-bit weights under "int8". Two (of which 12 bits are used) leave only the weights' own error,
 * for twice the products; which products need them is told in docs/numerics.md.
 */
export type ActivationBytes = 1 | 2;

/** Where integers for activations lie. */
type Integers = Pick<Quantize, "codes" | "sums" | "scales" | "factors">;

/** Neighbouring linear layers that take the same integers as their input, and where their outputs begin. */
interface Pass {
  readonly linears: readonly Linear[];
  readonly columns: readonly number[];
  /** Made with the first product in integers. */
  call?: PassCall;
}

/**
 * The arguments of a pass. They are made once and only what changes is written anew: made for every call they were half of what
 * decoding allocated (30 layers: 411 KiB a token, without 205).
 */
interface PassCall {
  readonly integers: Frame<Integers>;
  readonly quantize: Quantize;
  readonly multiply: MatmulCodes;
  readonly items: readonly MatmulCodesItem[];
  readonly outputs: readonly { address: number; stride: number }[];
}

/** y = x Wᵀ + b of several linear layers of the same input; their outputs stand side by side. */
export class Projection {
  readonly linears: readonly Linear[];
  readonly #activationBytes: ActivationBytes;
  #passes?: readonly Pass[];

  constructor(linears: readonly Linear[], activationBytes: ActivationBytes = 1) {
    this.linears = linears;
    this.#activationBytes = activationBytes;
  }

  get inputs(): number {
    return this.linears[0].inputs;
  }

  /** Columns of the result. */
  get outputs(): number {
    return this.linears.reduce((sum, { outputs }) => sum + outputs, 0);
  }

  /** Takes from the scratch what `forward` takes for `rows` rows, and gives it back. */
  reserve({ scratch, precision }: Workspace, rows: number): void {
    for (const { linears } of passesOf(this.linears)) {
      const { top } = scratch, [first] = linears;
      if (first.stored.order) scratch.matrix(rows, first.form.packedInputs);
      if (usesIntegers(first, precision)) takeIntegers(scratch, this.#formOf(first), first.form, rows);
      else if (hasOffsets(linears)) groupSums(scratch, first.form, rows);
      scratch.top = top;
    }
  }

  /**
   * Under "int8" the input is turned into integers, once for neighbours that group their inputs alike, and their products are one
   * pass; under "f32" it is used as it is.
   *
   * @param input f32 [rows, inputs].
   * @param output f32 [rows, outputs]; added to with `accumulate`.
   */
  forward(workspace: Workspace, input: Matrix, output: Matrix, { accumulate = false } = {}): void {
    const { rows } = output;
    if (rows === 0) return;
    workspace.watch?.(this.linears, input);
    const { kernels } = output;
    const { scratch, precision } = workspace;
    for (const pass of this.#passes ??= passesOf(this.linears)) {
      const { top } = scratch;
      const { linears: [first], columns } = pass;
      let source = input;
      if (first.stored.order) {
        const { form: { packedInputs: count, hasOrder }, packed: { order } } = first;
        const gathered = scratch.matrix(rows, count);
        if (hasOrder) {
          kernels.gatherColumns({ input, order, rows, count, output: gathered });
          source = gathered;
        }
      }
      if (usesIntegers(first, precision)) {
        const call = pass.call ??= callOf(pass, this.#formOf(first));
        const { quantize, multiply, items, outputs } = call;
        const integers = call.integers.take(workspace, rows);
        quantize.codes = integers.codes;
        quantize.sums = integers.sums;
        quantize.scales = integers.scales;
        quantize.factors = integers.factors;
        quantize.input = source;
        quantize.rows = multiply.rows = rows;
        kernels.quantize(quantize);
        multiply.codes = integers.codes;
        multiply.sums = integers.sums;
        multiply.activationScales = integers.scales;
        multiply.factors = integers.factors;
        multiply.dot32 = kernels.form.dot32;
        multiply.wideScratch = kernels.form.wideScratch;
        for (let i = 0; i < items.length; i++) {
          items[i].accumulate = accumulate;
          outputs[i].address = output.address + columns[i] * 4;
          outputs[i].stride = output.stride;
        }
        kernels.matmulCodes(multiply);
      } else {
        pass.linears.forEach((linear, i) => multiplyExactly(linear, source, output, columns[i], accumulate));
        if (hasOffsets(pass.linears)) addOffsets(pass, scratch, source, output);
      }
      scratch.top = top;
    }
  }

  #formOf({ form: { type } }: Linear): ActivationForm {
    return activationForm(type, this.#activationBytes);
  }
}

function usesIntegers({ form: { type } }: Linear, precision: Precision): boolean {
  return isCoded(type) && precision !== "f32";
}

function hasOffsets(linears: readonly Linear[]): boolean {
  return linears.some(({ form }) => form.hasOffsets);
}

/** The sums of a group's activations, f32 [rows, groups]. */
function groupSums(scratch: Scratch, { packedInputs, group }: LinearForm, rows: number): Matrix {
  return scratch.matrix(rows, Math.ceil(packedInputs / group));
}

/**
 * Adds to a product in floats what the offsets of weight groups contribute: they are a matrix of their own, [outputs, groups], against
 * the sums of the activations.
 */
function addOffsets({ linears, columns }: Pass, scratch: Scratch, input: Matrix, output: Matrix): void {
  const { kernels, rows } = output, { form } = linears[0];
  const sums = groupSums(scratch, form, rows), inputs = sums.columns;
  kernels.sumGroups({ input, rows, inputs: form.packedInputs, group: form.group, output: sums });
  linears.forEach(({ form, packed: { offsets: weights }, outputs }, i) => {
    if (!form.hasOffsets) return;
    const target = output.sliceColumns(columns[i], columns[i] + outputs);
    const call = { input: sums, weights, weightType: "f32", bias: 0, rows, outputs, inputs } as const;
    kernels.matmulDense({ ...call, wideScratch: kernels.pairedScratch, accumulate: true, output: target });
  });
}

function takeIntegers(
  scratch: Scratch,
  form: ActivationForm,
  { packedInputs, group }: LinearForm,
  rows: number,
): Integers {
  const bytes = activationBytes(form, rows, packedInputs, group);
  return {
    codes: scratch.take(bytes.codes),
    sums: scratch.take(bytes.sums),
    scales: scratch.take(bytes.activationScales),
    factors: scratch.take(bytes.factors),
  };
}

/** The arguments of a pass over loaded layers; places and rows are those of no call yet. */
function callOf({ linears }: Pass, form: ActivationForm): PassCall {
  const [first] = linears;
  const { type: weightType, packedInputs: inputs, group } = first.form;
  const outputs = linears.map(() => ({ address: 0, stride: 0 }));
  const items = linears.map(({ packed, stored, outputs: count }, i): MatmulCodesItem => {
    const { weights, scales, zeros, offsets, units, bias } = packed;
    return {
      weights,
      scales,
      zeros,
      zero: stored.zeroPoint,
      offsets,
      units,
      bias,
      outputs: count,
      accumulate: false,
      output: outputs[i],
    };
  });
  const shape = { form, rows: 0, inputs, group, codes: 0, sums: 0, factors: 0 };
  return {
    integers: new Frame((scratch, rows) => takeIntegers(scratch, form, first.form, rows)),
    quantize: { ...shape, input: outputs[0], scales: 0 },
    multiply: { ...shape, activationScales: 0, weightType, dot32: false, wideScratch: 0, products: items },
    items,
    outputs,
  };
}

function passesOf(linears: readonly Linear[]): Pass[] {
  const passes: { linears: Linear[]; columns: number[] }[] = [];
  let column = 0;
  for (const linear of linears) {
    const pass = passes.at(-1);
    if (pass && pass.linears.length < PRODUCTS_MAX && sharesInput(pass.linears[0], linear)) {
      pass.linears.push(linear);
      pass.columns.push(column);
    } else passes.push({ linears: [linear], columns: [column] });
    column += linear.outputs;
  }
  return passes;
}

function sharesInput({ form: a }: Linear, { form: b }: Linear): boolean {
  return isCoded(a.type) && a.type === b.type && !a.hasOrder && !b.hasOrder && a.group === b.group;
}

/** The product with f32 activations. */
function multiplyExactly(
  { form, packed, stored, outputs }: Linear,
  input: Matrix,
  output: Matrix,
  column: number,
  accumulate: boolean,
): void {
  const { kernels, rows } = output;
  const { weights, scales, zeros, bias } = packed;
  const { type, packedInputs: inputs, group } = form;
  const call = { input, weights, bias, rows, outputs, inputs, accumulate };
  const target = output.sliceColumns(column, column + outputs);
  if (isCoded(type)) {
    const zero = stored.zeroPoint;
    kernels.matmulCodesF32({ ...call, weightType: type, scales, zeros, zero, group, output: target });
  } else {
    const { pairedScratch: wideScratch } = kernels;
    kernels.matmulDense({ ...call, wideScratch, weightType: type as ElementType, output: target });
  }
}
