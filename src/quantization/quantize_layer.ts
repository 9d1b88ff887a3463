/**
 * One decoder layer from floats to codes: linear layers with the same input together, in the order in which they are computed, so that
 * each sees the errors of those before it, and the inputs of the unquantised model beside them.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { CodedLinear } from "../formats/coded/coded_linear.ts";
import type { Matrix } from "../ops/matrix.ts";
import type { KernelSpace } from "../ops/space.ts";
import type { Linear } from "../weights/linear.ts";
import { CrossGram } from "./dense_inputs.ts";
import { factorise } from "./factor.ts";
import { Gram } from "./gram.ts";
import { type LayerRun, type Pauses, type PieceRows, piecesOf } from "./layer_run.ts";
import { orderOf, type OrderRule } from "./order.ts";
import { type Rounding, roundLinear } from "./round.ts";

/** How a layer's weights are rounded. */
export interface LayerRounding extends Rounding {
  /** The order in which inputs are rounded. */
  readonly order: OrderRule;
  /** Share of the mean of H's diagonal that is added to it. */
  readonly damp: number;
  /** Tokens of each sequence. */
  readonly sequenceLength: number;
}

/** What a model makes of the sequences in one layer. */
export interface Course {
  readonly run: LayerRun;
  /** f32 [tokens, hiddenSize] of each sequence. */
  readonly states: readonly Float32Array[];
}

/** Rounds each weight to the nearest code. */
export function roundToNearest(
  space: KernelSpace,
  linears: readonly Linear[],
  rounding: Rounding,
): CodedLinear[] {
  return linears.map((linear) => roundLinear(space, linear, rounding, undefined, undefined, false));
}

/**
 * Rounds a layer by what its inputs are, and replaces the states by what the rounded layer makes of them, and the unquantised one of its own.
 *
 * @param dense The same layer as it was.
 * @param onShare Told the share of the layer that is done.
 */
export async function quantizeLayer(
  space: KernelSpace,
  rounded: Course,
  dense: Course,
  rounding: LayerRounding,
  { events, signal }: Pauses,
  onShare: (share: number) => void,
): Promise<CodedLinear[]> {
  const { memory } = space.kernels, pieces = piecesOf(rounding.sequenceLength), coded: CodedLinear[] = [];
  const parts = rounded.run.parts.map((part, index) => ({ part, densePart: dense.run.parts[index] }));
  // Two sets of linear layers a part are the rule, and a run to go on with.
  const runs = parts.length * 3;
  let runsDone = 0;
  const forAllPieces = async (work: (sequence: number, piece: PieceRows) => void) => {
    for (const sequence of rounded.states.keys()) {
      for (const piece of pieces) {
        await events.pauseWhenDue();
        signal?.throwIfAborted();
        work(sequence, piece);
      }
      onShare((runsDone + (sequence + 1) / rounded.states.length) / runs);
    }
    runsDone++;
  };
  for (const { part, densePart } of parts) {
    const sets = rounded.run.setsOf(part, rounded.states[0], pieces[0]);
    for (const set of sets) {
      const end = memory.end, [{ inputs }] = set;
      const gram = new Gram(space, inputs, pieces[0].rows), cross = new CrossGram(space, set, pieces[0].rows);
      // Nothing of the unquantised model waits to be rounded: with its last inputs it goes on.
      const isLast = set === sets.at(-1);
      await forAllPieces((sequence, piece) => {
        const state = dense.states[sequence], keep = (input: Matrix) => cross.keep(input);
        if (isLast) dense.run.runThrough(densePart, state, piece, set, keep);
        else dense.run.runTo(densePart, state, piece, set, keep);
        rounded.run.runTo(part, rounded.states[sequence], piece, set, (input) => {
          gram.add(input);
          cross.add(input);
        });
      });
      coded.push(...roundTogether(space, set, gram, cross, rounding));
      memory.releaseTo(end);
    }
    await forAllPieces((sequence, piece) => rounded.run.runThrough(part, rounded.states[sequence], piece));
  }
  return coded;
}

function roundTogether(
  space: KernelSpace,
  linears: readonly Linear[],
  gram: Gram,
  cross: CrossGram,
  rounding: LayerRounding,
): CodedLinear[] {
  const matrix = gram.finish(), { inputs, name } = linears[0];
  const diagonal = Float32Array.from(
    { length: inputs },
    (_, i) => space.kernels.memory.floatsAt(matrix.address + i * (inputs + 1) * 4, 1)[0],
  );
  const dense = cross.finish(linears);
  const order = orderOf(rounding.order, diagonal, rounding.group);
  const factor = factorise(space, matrix, order, rounding.damp);
  if (!factor) {
    throw new RemoraError("BAD_TENSOR", "Cannot quantise", {
      tensor: name,
      expected: "finite inputs",
      found: "others: the model's activations overflow on this text",
    });
  }
  const keepsGroups = rounding.order === "groups";
  return linears.map((linear) =>
    roundLinear(space, linear, rounding, factor, dense.get(linear.name), keepsGroups)
  );
}
