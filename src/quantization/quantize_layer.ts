/**
 * One decoder layer from floats to codes: linear layers with the same input together, in the order in which they are computed, so that
 * each sees the errors of those before it, and the inputs of the unquantised model beside them.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { CodedLinear } from "../formats/coded/coded_linear.ts";
import type { KernelSpace } from "../ops/space.ts";
import type { Linear } from "../weights/linear.ts";
import { CrossGram } from "./dense_inputs.ts";
import { factorise } from "./factor.ts";
import { Gram } from "./gram.ts";
import { type LayerRun, type Pauses, piecesOf } from "./layer_run.ts";
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

/** Sums over the inputs of linear layers that are rounded together. */
interface Sums {
  /** Of the first of them. */
  readonly name: string;
  readonly gram: Gram;
  readonly cross: CrossGram;
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
 * @param linears Those of `rounded`, f32.
 * @param dense The same layer as it was.
 * @param onShare Told the share of the layer that is done.
 */
export async function quantizeLayer(
  space: KernelSpace,
  linears: readonly Linear[],
  rounded: Course,
  dense: Course,
  rounding: LayerRounding,
  { events, signal }: Pauses,
  onShare: (share: number) => void,
): Promise<CodedLinear[]> {
  const waiting = new Map(linears.map((linear) => [linear.name, linear])), coded: CodedLinear[] = [];
  const { memory } = space.kernels, { parts } = rounded.run, pieces = piecesOf(rounding.sequenceLength);
  // Runs that a layer takes: one for each set of linear layers, and one to go on with. Two sets a part are the rule.
  const runs = parts.length * 3;
  let runsDone = 0;
  for (const [index, part] of parts.entries()) {
    for (let isDone = false; !isDone; runsDone++) {
      const end = memory.end, together = new Set<string>();
      let sums: Sums | undefined;
      // What is rounded already is computed for every sequence: it makes the input of what waits.
      const isWaiting = (given: readonly Linear[]) => given.some(({ name }) => waiting.has(name));
      for (const [at, state] of rounded.states.entries()) {
        for (const piece of pieces) {
          await events.pauseWhenDue();
          signal?.throwIfAborted();
          dense.run.run(dense.run.parts[index], dense.states[at], piece, (given, input) => {
            if (!isWaiting(given)) return false;
            sums ??= sumsOf(space, given, pieces[0].rows);
            if (sums.name === given[0].name) sums.cross.keep(input);
            return true;
          });
          rounded.run.run(part, state, piece, (given, input) => {
            if (!isWaiting(given)) return false;
            if (sums!.name !== given[0].name) return true;
            sums!.gram.add(input);
            sums!.cross.add(input);
            for (const { name } of given) together.add(name);
            return true;
          });
        }
        onShare((runsDone + (at + 1) / rounded.states.length) / runs);
      }
      isDone = sums === undefined;
      if (!sums) continue;
      const chosen = [...together].flatMap((name) => waiting.get(name) ?? []);
      for (const { name } of chosen) waiting.delete(name);
      coded.push(...roundTogether(space, chosen, sums, rounding));
      memory.releaseTo(end);
    }
  }
  return coded;
}

function sumsOf(space: KernelSpace, linears: readonly Linear[], rows: number): Sums {
  const [{ name, inputs }] = linears, gram = new Gram(space, inputs, rows);
  return { name, gram, cross: new CrossGram(space, linears, rows) };
}

function roundTogether(
  space: KernelSpace,
  linears: readonly Linear[],
  { gram, cross }: Sums,
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
