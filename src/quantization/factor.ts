/**
 * H = R Rᵀ with R upper triangular: what an error at one input is worth at those after it.
 *
 * GPTQ (Frantar et al. 2022, arXiv 2210.17323) takes the Cholesky factor of H⁻¹; the error at input j that it adds to input k is
 * R[j, k] / R[k, k] times the whole error at j (Chee et al. 2023, arXiv 2307.13304, theorem 6), so that nothing need be inverted. R
 * comes of a Cholesky decomposition that begins with the last input.
 *
 * @module
 */
import { addScaled } from "../ops/elementwise.ts";
import { Matrix } from "../ops/matrix.ts";
import type { Space } from "../ops/space.ts";
import { addProducts } from "./gram.ts";

/** Rows and columns that are factored at once. */
const BLOCK = 128;

const F32 = 4;

/** An order of the inputs, and the factor of H in that order. */
export interface Factor {
  /** The input at each place. */
  readonly order: Uint32Array;
  /** R, f32 [inputs, inputs]; what lies below the diagonal means nothing. */
  readonly matrix: Matrix;
  readonly reciprocals: Float32Array;
  /** Of the blocks on its diagonal, each with as many rows as the first, or fewer. */
  readonly inverses: readonly Matrix[];
  /** Added to the diagonal, as a share of its mean. */
  readonly damp: number;
}

/** The damping is raised by this much when H has no factor. */
const DAMP_STEP = 0.05;

/**
 * Factors H in an order.
 *
 * @param gram Symmetric; stays as it is.
 * @param damp Share of the diagonal's mean that is added to it.
 * @returns `undefined` when it has no factor however much is added: values that are not finite.
 */
export function factorise(space: Space, gram: Matrix, order: Uint32Array, damp: number): Factor | undefined {
  const matrix = Matrix.reserve(space, gram.rows, gram.rows);
  const scratch = new FactorScratch(space, gram.rows);
  for (let share = damp; share < 1; share += DAMP_STEP) {
    copyInOrder(gram, order, share, matrix);
    if (!factorInPlace(matrix, scratch)) continue;
    const values = matrix.kernels.memory.floatsAt(matrix.address, matrix.rows ** 2);
    const reciprocals = Float32Array.from(order, (_, i) => 1 / values[i * (matrix.rows + 1)]);
    return { order, matrix, reciprocals, inverses: scratch.inverses, damp: share };
  }
  return undefined;
}

/** Rows and columns of H in the order, with the damping on the diagonal. An input that never was anything but 0 counts as 1. */
function copyInOrder(gram: Matrix, order: Uint32Array, damp: number, target: Matrix): void {
  const { memory } = gram.kernels, size = order.length;
  const from = memory.floatsAt(gram.address, size * size), to = memory.floatsAt(target.address, size * size);
  let mean = 0;
  for (let i = 0; i < size; i++) mean += (from[i * size + i] || 1) / size;
  for (let i = 0; i < size; i++) {
    const row = order[i] * size;
    for (let j = i; j < size; j++) to[i * size + j] = from[row + order[j]];
    to[i * size + i] = (to[i * size + i] || 1) + damp * mean;
  }
}

/** What the blocked decomposition needs besides the matrix. */
class FactorScratch {
  /** Columns of a block, f32 [size, BLOCK], and the same less than zero. */
  readonly columns: number;
  readonly negative: number;
  /** The same as panels. */
  readonly panels: number;
  /** The inverses of the blocks on the diagonal, and one of them as panels. */
  readonly inverses: readonly Matrix[];
  readonly inversePanels: number;
  /** 0, 1, 2, … */
  readonly places: number;

  constructor(space: Space, size: number) {
    [this.columns, this.negative, this.panels] = [0, 0, 0].map(() => space.allocate(size * BLOCK * F32));
    this.inversePanels = space.allocate(BLOCK * BLOCK * F32);
    this.inverses = Array.from({ length: Math.ceil(size / BLOCK) }, (_, i) => {
      const count = Math.min(BLOCK, size - i * BLOCK);
      return Matrix.reserve(space, count, count);
    });
    this.places = space.allocate(BLOCK * F32);
    space.kernels.memory.wordsAt(this.places, BLOCK).set(Uint32Array.from({ length: BLOCK }, (_, i) => i));
  }
}

/** @returns Whether the matrix is positive definite. */
function factorInPlace(matrix: Matrix, scratch: FactorScratch): boolean {
  const { kernels, space, rows: size } = matrix;
  for (let begin = Math.floor((size - 1) / BLOCK) * BLOCK; begin >= 0; begin -= BLOCK) {
    const end = Math.min(begin + BLOCK, size), count = end - begin;
    const values = factorBlock(matrix, begin, count), inverse = scratch.inverses[begin / BLOCK];
    if (!values) return false;
    inverse.write(values);
    if (begin === 0) break;
    const above = matrix.sliceRows(0, begin).sliceColumns(begin, end);
    const shape = { rows: begin, outputs: count, inputs: count };
    const columns = new Matrix(space, scratch.columns, begin, count, count * F32);
    kernels.gatherColumns({ input: above, order: scratch.places, rows: begin, count, output: columns });
    packRows(matrix, inverse.address, count, count, scratch.inversePanels);
    const product = { weightType: "f32", bias: 0, accumulate: false } as const;
    kernels.matmulDense({
      ...product,
      ...shape,
      wideScratch: kernels.pairedScratch,
      input: columns,
      weights: scratch.inversePanels,
      output: above,
    });
    const negative = new Matrix(space, scratch.negative, begin, count, count * F32);
    negative.clear();
    addScaled(negative, above, -1);
    packRows(matrix, scratch.negative, begin, count, scratch.panels);
    addProducts(above, scratch.panels, matrix.sliceRows(0, begin).sliceColumns(0, begin));
  }
  return true;
}

/** Rows without gaps, f32 [rowCount, inputs], as weights. */
function packRows(
  { kernels }: Matrix,
  source: number,
  rowCount: number,
  inputs: number,
  weights: number,
): void {
  kernels.packDense({ source, sourceType: "f32", rowCount, inputs, panelBegin: 0, weights });
}

/**
 * Factors a block on the diagonal, in f64.
 *
 * @returns Its inverse, [count, count]; `undefined` when it is not positive definite.
 */
function factorBlock(matrix: Matrix, begin: number, count: number): Float32Array | undefined {
  const { rows: size, kernels } = matrix;
  const values = kernels.memory.floatsAt(matrix.address, size * size);
  const at = (i: number, j: number) => (begin + i) * size + begin + j;
  const r = new Float64Array(count * count);
  for (let k = count - 1; k >= 0; k--) {
    for (let i = k; i >= 0; i--) {
      let sum = values[at(i, k)];
      for (let m = k + 1; m < count; m++) sum -= r[i * count + m] * r[k * count + m];
      if (i === k && !(sum > 0 && Number.isFinite(sum))) return undefined;
      r[i * count + k] = i === k ? Math.sqrt(sum) : sum / r[k * count + k];
    }
  }
  const inverse = new Float64Array(count * count);
  for (let j = 0; j < count; j++) {
    for (let i = j; i >= 0; i--) {
      let sum = i === j ? 1 : 0;
      for (let m = i + 1; m <= j; m++) sum -= r[i * count + m] * inverse[m * count + j];
      inverse[i * count + j] = sum / r[i * count + i];
    }
  }
  for (let i = 0; i < count; i++) for (let j = i; j < count; j++) values[at(i, j)] = r[i * count + j];
  return Float32Array.from(inverse);
}
