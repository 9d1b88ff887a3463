/**
 * The gated feed-forward network: down(f(gate(x)) · up(x)).
 *
 * Shazeer 2020, arXiv 2002.05202.
 *
 * @module
 */
import { type ActivationFunction, gate } from "../ops/elementwise.ts";
import type { Matrix } from "../ops/matrix.ts";
import { Projection } from "../ops/projection.ts";
import { Frame, type Scratch, type Workspace } from "../ops/workspace.ts";
import type { Linear } from "../weights/linear.ts";
import type { Block, LayerPass, RowRange } from "./block.ts";

/** Weights and options. */
export interface GatedFeedForwardOptions {
  /** Gate and up projections in this order: two, or one of both. */
  inputs: readonly Linear[];
  output: Linear;
  activation: ActivationFunction;
}

export class GatedFeedForward implements Block {
  readonly needsAllRows = false;
  readonly #inputs: Projection;
  readonly #output: Projection;
  readonly #activation: ActivationFunction;
  readonly #buffers = new Frame((scratch, rows) => this.#takeBuffers(scratch, rows));

  constructor({ inputs, output, activation }: GatedFeedForwardOptions) {
    this.#inputs = new Projection(inputs);
    this.#output = new Projection([output]);
    this.#activation = activation;
  }

  reserve(workspace: Workspace, rows: number): void {
    const { top } = workspace.scratch;
    this.#buffers.take(workspace, rows);
    this.#inputs.reserve(workspace, rows);
    this.#output.reserve(workspace, rows);
    workspace.scratch.top = top;
  }

  forward({ workspace }: LayerPass, _: RowRange, input: Matrix, output: Matrix, accumulate: boolean): void {
    const { top } = workspace.scratch;
    const { both, gates, ups, activated } = this.#buffers.take(workspace, input.rows);
    this.#inputs.forward(workspace, input, both);
    gate(this.#activation, gates, ups, activated);
    this.#output.forward(workspace, activated, output, { accumulate });
    workspace.scratch.top = top;
  }

  #takeBuffers(scratch: Scratch, rows: number) {
    const width = this.#output.inputs;
    const both = scratch.matrix(rows, 2 * width);
    return {
      both,
      gates: both.sliceColumns(0, width),
      ups: both.sliceColumns(width),
      activated: scratch.matrix(rows, width),
    };
  }
}
