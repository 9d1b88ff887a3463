/**
 * Operations on elements of the same place.
 *
 * @module
 */
import type { ActivationFunction } from "../../kernels/host/types.ts";
import type { Matrix } from "./matrix.ts";

export type { ActivationFunction };

/** target += factor · source. A source whose stride is 0 is one row for all. */
export function addScaled(target: Matrix, source: Matrix, factor = 1): void {
  const { rows, columns: width } = target;
  target.kernels.addScaled({ source, sourceType: source.element, rows, width, factor, target });
}

/** values = f(values). */
export function activate(activation: ActivationFunction, values: Matrix): void {
  values.kernels.activation({ function: activation, rows: values.rows, width: values.columns, values });
}

/** output = f(gate) · up. */
export function gate(activation: ActivationFunction, gate: Matrix, up: Matrix, output: Matrix): void {
  output.kernels.gatedActivation({
    gate,
    up,
    function: activation,
    rows: output.rows,
    width: output.columns,
    output,
  });
}

/** Writes the columns of `input` into every `step`-th column of `output`, from its first on. */
export function spreadColumns(input: Matrix, output: Matrix, step: number): void {
  input.kernels.spreadColumns({ input, step, rows: input.rows, width: input.columns, output });
}
