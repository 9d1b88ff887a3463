/**
 * What the errors of the layers before are worth: a rounded layer is given other inputs x than the unquantised model has there, x̃, and is to
 * make of them what that makes of its own.
 *
 * W x̃ ≈ Q x in the sense of least squares asks for the rounding of W + W (Σ (x̃ − x) xᵀ) H⁻¹ in place of W (Li et al. 2025, arXiv
 * 2504.02692). With H = R Rᵀ the second term reaches the rounding as the errors of the blocks before do, times the pivots:
 * Y = W (Σ (x̃ − x) xᵀ) R⁻ᵀ.
 *
 * @module
 */
import { addScaled } from "../ops/elementwise.ts";
import { Matrix } from "../ops/matrix.ts";
import type { KernelSpace } from "../ops/space.ts";
import type { Linear } from "../weights/linear.ts";
import type { Factor } from "./factor.ts";

/** Outputs of a panel, and bytes of an f32. */
const PANEL = 8, F32 = 4;

/** Sums up Σ x (x̃ − x)ᵀ over the inputs of linear layers, in f32. */
export class CrossGram {
  /** f32 [inputs, inputs]: a row for each of x, a column for each of the difference. */
  readonly matrix: Matrix;
  readonly #difference: Matrix;
  readonly #transposed: Matrix;
  readonly #panels: number;

  /** @param rowsMax Rows that are added at a time; a multiple of 4. */
  constructor(space: KernelSpace, inputs: number, rowsMax: number) {
    this.matrix = Matrix.reserve(space, inputs, inputs);
    this.#difference = Matrix.reserve(space, rowsMax, inputs);
    this.#transposed = Matrix.reserve(space, inputs, rowsMax);
    this.#panels = space.allocate(inputs * rowsMax * F32);
  }

  /** Keeps x̃, f32 [rows, inputs], until x of the same rows is added. */
  keep(dense: Matrix): void {
    const difference = this.#difference.sliceRows(0, dense.rows);
    difference.clear();
    addScaled(difference, dense);
  }

  /** Adds the products of rows, f32 [a multiple of 4, inputs]. */
  add(input: Matrix): void {
    const { kernels, space, rows, columns } = input, { matrix: output } = this;
    const difference = this.#difference.sliceRows(0, rows), weights = this.#panels;
    const transposed = new Matrix(space, this.#transposed.address, columns, rows, rows * F32);
    addScaled(difference, input, -1);
    kernels.transpose({ input: difference, rows, columns, output: transposed });
    const packing = { sourceType: "f32", rowCount: columns, inputs: rows, panelBegin: 0 } as const;
    kernels.packDense({ ...packing, source: transposed.address, weights });
    kernels.transpose({ input, rows, columns, output: transposed });
    multiply(transposed, weights, output, true);
  }
}

/**
 * Y of a layer of f32.
 *
 * @param cross The sums of `CrossGram`.
 * @param target f32 [inputs, outputs], its rows in the factor's order.
 */
export function denseInputSums(cross: Matrix, factor: Factor, linear: Linear, target: Matrix): void {
  const { matrix, order, inverses } = factor, { space } = target, { outputs, inputs } = linear;
  const { memory } = space.kernels, end = memory.end;
  const ordered = Matrix.reserve(space, inputs, inputs);
  order.forEach((input, place) =>
    ordered.sliceRows(place, place + 1).copyFrom(cross.sliceRows(input, input + 1))
  );
  multiply(ordered, linear.packed.weights, target, false);
  memory.releaseTo(end);
  // Y Rᵀ = W Σ: the last inputs first, as each is in the sums of those before it.
  const [{ rows: size }] = inverses, panels = space.allocate(outputs * size * F32);
  for (let block = inverses.length - 1; block >= 0; block--) {
    const inverse = inverses[block],
      begin = block * size,
      rows = target.sliceRows(begin, begin + inverse.rows);
    packRows(rows, 1, panels);
    multiply(inverse, panels, rows, false);
    packRows(rows, -1, panels);
    const factors = matrix.sliceRows(0, begin).sliceColumns(begin, begin + inverse.rows);
    if (begin > 0) multiply(factors, panels, target.sliceRows(0, begin), true);
  }
  memory.releaseTo(end);
}

/** output = or += input times f32 weights in panels. */
function multiply(input: Matrix, weights: number, output: Matrix, accumulate: boolean): void {
  const shape = { rows: input.rows, outputs: output.columns, inputs: input.columns };
  input.kernels.matmulDense({ ...shape, input, weights, weightType: "f32", bias: 0, accumulate, output });
}

/** Rows, f32 [inputs, outputs] without gaps, times `sign` as weights in panels, [outputs / 8, inputs, 8]. */
function packRows({ kernels, address, rows, columns }: Matrix, sign: number, panels: number): void {
  const from = kernels.memory.floatsAt(address, rows * columns);
  const to = kernels.memory.floatsAt(panels, rows * columns);
  for (let panel = 0; panel < columns / PANEL; panel++) {
    for (let row = 0; row < rows; row++) {
      const source = row * columns + panel * PANEL, place = (panel * rows + row) * PANEL;
      for (let n = 0; n < PANEL; n++) to[place + n] = sign * from[source + n];
    }
  }
}
