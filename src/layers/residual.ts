/**
 * x += block(norm(x)).
 *
 * @module
 */
import { tanh } from "../core/mathematics.ts";
import { addScaled } from "../ops/elementwise.ts";
import type { Matrix } from "../ops/matrix.ts";
import { rmsNorm } from "../ops/norm.ts";
import { Frame, type Scratch, type Workspace } from "../ops/workspace.ts";
import type { Vector } from "../weights/linear.ts";
import type { Block, LayerPass, RowRange } from "./block.ts";

/** How a block is joined to the residual stream. */
export interface ResidualOptions {
  /** Of the block's input. */
  norm: Vector;
  epsilon: number;
  /** Of what the block adds. */
  outputNorm?: Vector;
  /** [1]; its hyperbolic tangent scales what the block adds. */
  gate?: Vector;
  /** The rows that take part; default: all of them together. */
  rowsOf?(pass: LayerPass): readonly RowRange[];
}

/** A block with its norm, its gate, and the addition to the stream. */
export class Residual {
  readonly block: Block;
  readonly #options: ResidualOptions;
  /** For rows as wide as the stream. */
  #buffers?: Frame<{ normed: Matrix; branch?: Matrix }>;
  #factor?: number;

  constructor(block: Block, options: ResidualOptions) {
    this.block = block;
    this.#options = options;
  }

  /** As `Block.reserve`, for rows of this width. */
  reserve(workspace: Workspace, rows: number, columns: number): void {
    const { scratch } = workspace;
    const { top } = scratch;
    this.#takeBuffers(scratch, rows, rows, columns);
    this.block.reserve(workspace, rows);
    scratch.top = top;
  }

  /**
   * @param x f32 [rows, hiddenSize], the residual stream.
   * @param wanted First row whose result is read.
   */
  forward(x: Matrix, wanted: number, pass: LayerPass): void {
    const { norm, epsilon, outputNorm, rowsOf } = this.#options;
    const { workspace, sequences } = pass;
    const ranges = rowsOf ? rowsOf(pass) : [{ first: 0, end: x.rows, sequences }];
    for (const range of ranges) {
      const { end } = range;
      const target = x.sliceRows(Math.min(Math.max(range.first, wanted), end), end);
      const first = this.block.needsAllRows ? range.first : end - target.rows;
      if (first === end) continue;
      const { top } = workspace.scratch;
      const buffers = this.#buffers ??= new Frame((scratch, rows, wanted) =>
        this.#takeBuffers(scratch, rows, wanted, x.columns)
      );
      const { normed, branch } = buffers.take(workspace, end - first, target.rows);
      rmsNorm(x.sliceRows(first, end), norm, epsilon, normed);
      this.block.forward(pass, { ...range, first }, normed, branch ?? target, branch === undefined);
      if (branch && target.rows > 0) {
        if (outputNorm) rmsNorm(branch, outputNorm, epsilon, branch);
        addScaled(target, branch, this.#gateFactor());
      }
      workspace.scratch.top = top;
    }
  }

  /** What the block adds needs a place of its own where more happens to it than the addition. */
  #takeBuffers(scratch: Scratch, rows: number, wanted: number, columns: number) {
    const { outputNorm, gate } = this.#options;
    return {
      normed: scratch.matrix(rows, columns),
      branch: outputNorm || gate ? scratch.matrix(wanted, columns) : undefined,
    };
  }

  #gateFactor(): number {
    const { gate } = this.#options;
    return this.#factor ??= gate ? tanh(gate.read()[0]) : 1;
  }
}
