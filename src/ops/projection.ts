/**
 * Linear layers applied to activations.
 *
 * @module
 */
import { activationBytes } from "../../kernels/host/sizes.ts";
import { type ActivationForm, activationForm, type ElementType, isCoded } from "../../kernels/host/types.ts";
import type { MatmulCodesItem } from "../../kernels/host/calls.ts";
import { PRODUCTS_MAX } from "../../kernels/shared/layout.ts";
import type { Linear } from "../weights/linear.ts";
import type { Matrix } from "./matrix.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Bytes of an activation against 4-bit weights under "int8". Two (of which 12 bits are used) leave only the weights' own error,
 * for twice the products; which products need them is told in docs/numerics.md.
 */
export type ActivationBytes = 1 | 2;

/** Buffers of one pass over neighbouring layers. */
interface ProductBuffers {
  /** Inputs in the order of the packed ones. */
  gathered?: Matrix;
  /** Inputs as integers. */
  integers?: { form: ActivationForm; codes: number; sums: number; activationScales: number; factors: number };
}

/** Neighbouring linear layers that take the same integers as their input, and where their outputs begin. */
interface Pass {
  linears: readonly Linear[];
  columns: readonly number[];
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
  reserve(workspace: Workspace, rows: number): void {
    for (const pass of passesOf(this.linears)) {
      const { top } = workspace.scratch;
      this.#takeBuffers(workspace, pass, rows);
      workspace.scratch.top = top;
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
    const { kernels } = output;
    const { scratch } = workspace;
    for (const pass of this.#passes ??= passesOf(this.linears)) {
      const { top } = scratch;
      const { gathered, integers } = this.#takeBuffers(workspace, pass, rows);
      const [first] = pass.linears;
      const { type, packedInputs, group, hasOrder } = first.form;
      let source = input;
      if (gathered && hasOrder) {
        const { order } = first.packed;
        kernels.gatherColumns({ input, order, rows, count: packedInputs, output: gathered });
        source = gathered;
      }
      if (integers) {
        const shape = { rows, inputs: packedInputs, group };
        kernels.quantize({ input: source, ...shape, ...integers, scales: integers.activationScales });
        kernels.matmulCodes({
          ...integers,
          weightType: type,
          ...shape,
          ...kernels.form,
          products: productsOf(pass, output, accumulate),
        });
      } else {
        pass.linears.forEach((linear, i) =>
          multiplyExactly(linear, source, output, pass.columns[i], accumulate)
        );
      }
      scratch.top = top;
    }
  }

  #takeBuffers({ scratch, precision }: Workspace, { linears: [first] }: Pass, rows: number): ProductBuffers {
    const { type, packedInputs, group } = first.form;
    const gathered = first.stored.order ? scratch.matrix(rows, packedInputs) : undefined;
    if (!isCoded(type) || precision === "f32") return { gathered };
    const form = activationForm(type, this.#activationBytes);
    const bytes = activationBytes(form, rows, packedInputs, group);
    return {
      gathered,
      integers: {
        form,
        codes: scratch.take(bytes.codes),
        sums: scratch.take(bytes.sums),
        activationScales: scratch.take(bytes.activationScales),
        factors: scratch.take(bytes.factors),
      },
    };
  }
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

function productsOf({ linears, columns }: Pass, output: Matrix, accumulate: boolean): MatmulCodesItem[] {
  return linears.map(({ packed, stored, outputs }, i) => {
    const { weights, scales, zeros, bias } = packed;
    const columnsOf = output.sliceColumns(columns[i], columns[i] + outputs);
    return { weights, scales, zeros, zero: stored.zeroPoint, bias, outputs, accumulate, output: columnsOf };
  });
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
  } else kernels.matmulDense({ ...call, weightType: type as ElementType, output: target });
}
