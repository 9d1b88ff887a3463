/**
 * H = Σ xᵀx over the inputs of a linear layer: how much each pair of inputs counts together.
 *
 * @module
 */
import { Matrix } from "../ops/matrix.ts";
import type { KernelSpace } from "../ops/space.ts";

/** Rows of H that are computed at a time: beyond the diagonal of such a piece nothing is computed twice. */
const PIECE_ROWS = 256;
/** Outputs of a panel, and bytes of an f32. */
const PANEL = 8, F32 = 4;

/** Sums up inputs, in f32; rows and columns in the order of the inputs. */
export class Gram {
  /** f32 [inputs, inputs]; below the diagonal 0 until `finish`. */
  readonly matrix: Matrix;
  readonly #transposed: Matrix;
  readonly #panels: number;

  /** @param rowsMax Rows that are added at a time; a multiple of 4. */
  constructor(space: KernelSpace, inputs: number, rowsMax: number) {
    this.matrix = Matrix.reserve(space, inputs, inputs);
    this.#transposed = Matrix.reserve(space, inputs, rowsMax);
    this.#panels = space.allocate(inputs * rowsMax * F32);
  }

  /** Adds the products of rows, f32 [a multiple of 4, inputs]. */
  add(input: Matrix): void {
    const { kernels, rows, columns } = input, weights = this.#panels;
    const transposed = new Matrix(input.space, this.#transposed.address, columns, rows, rows * F32);
    kernels.transpose({ input, rows, columns, output: transposed });
    const packing = {
      source: transposed.address,
      sourceType: "f32",
      rowCount: columns,
      inputs: rows,
    } as const;
    kernels.packDense({ ...packing, panelBegin: 0, weights });
    addProducts(transposed, weights, this.matrix);
  }

  /** Fills what lies below the diagonal. */
  finish(): Matrix {
    const { matrix } = this;
    for (let begin = 0; begin < matrix.rows; begin += PIECE_ROWS) {
      const end = Math.min(begin + PIECE_ROWS, matrix.rows);
      const input = matrix.sliceRows(begin, end).sliceColumns(begin),
        output = matrix.sliceRows(begin).sliceColumns(begin, end);
      matrix.kernels.transpose({ input, rows: input.rows, columns: input.columns, output });
    }
    return matrix;
  }
}

/**
 * target += a aᵀ on and above the diagonal.
 *
 * @param a f32 [n, k].
 * @param panels The address of a, or −a to subtract, packed as weights.
 */
export function addProducts(a: Matrix, panels: number, target: Matrix): void {
  const { kernels, rows: count, columns: inputs } = a;
  for (let begin = 0; begin < count; begin += PIECE_ROWS) {
    const end = Math.min(begin + PIECE_ROWS, count);
    const input = a.sliceRows(begin, end), output = target.sliceRows(begin, end).sliceColumns(begin);
    const weights = panels + begin / PANEL * inputs * PANEL * F32;
    kernels.matmulDense({
      wideScratch: kernels.pairedScratch,
      input,
      weights,
      weightType: "f32",
      bias: 0,
      rows: input.rows,
      outputs: count - begin,
      inputs,
      accumulate: true,
      output,
    });
  }
}
