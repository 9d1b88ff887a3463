/**
 * One decoder layer from floats to codes: linear layers with the same input together, in the order in which they are computed, so that
 * each sees the errors of those before it.
 *
 * @module
 */
import type { CodedLinear } from "../formats/coded/coded_linear.ts";
import type { Layer } from "../layers/layer.ts";
import type { KernelSpace } from "../ops/space.ts";
import type { Linear } from "../weights/linear.ts";
import { factorise } from "./factor.ts";
import { Gram } from "./gram.ts";
import { type LayerRun, PASS_ROWS } from "./layer_run.ts";
import { orderOf, type OrderRule } from "./order.ts";
import { RemoraError } from "../core/errors.ts";
import { type Rounding, roundLinear } from "./round.ts";

/** How a layer's weights are rounded. */
export interface LayerRounding extends Rounding {
  /** The order in which inputs are rounded. */
  readonly order: OrderRule;
  /** Share of the mean of H's diagonal that is added to it. */
  readonly damp: number;
}

/** Rounds each weight to the nearest code. */
export function roundToNearest(
  space: KernelSpace,
  linears: readonly Linear[],
  rounding: Rounding,
): CodedLinear[] {
  return linears.map((linear) => roundLinear(space, linear, rounding, undefined, false));
}

/**
 * Rounds a layer by what its inputs are, and replaces the states by what the rounded layer makes of them.
 *
 * @param linears Those that are rounded.
 * @param states f32 [tokens, hiddenSize] of each sequence.
 * @param onShare Told the share of the layer that is done.
 */
export async function quantizeLayer(
  space: KernelSpace,
  run: LayerRun,
  linears: ReadonlySet<Linear>,
  states: readonly Float32Array[],
  rounding: LayerRounding,
  onShare: (share: number) => void,
): Promise<CodedLinear[]> {
  const rounded: CodedLinear[] = [];
  const waiting = new Set(linears);
  const { memory } = space.kernels, runs = countRuns(run.parts);
  let runsDone = 0;
  for (const part of run.parts) {
    for (let isDone = false; !isDone; runsDone++) {
      const end = memory.end;
      let seen: { linears: readonly Linear[]; gram: Gram } | undefined;
      await run.run(part, states, (given, input) => {
        // What is rounded already is computed for every sequence: it makes the input of what waits.
        if (!given.some((linear) => waiting.has(linear))) return false;
        seen ??= { linears: given, gram: new Gram(space, input.columns, Math.min(PASS_ROWS, input.rows)) };
        if (seen.linears === given) seen.gram.add(input);
        return true;
      }, (done) => onShare((runsDone + done / states.length) / runs));
      isDone = seen === undefined;
      if (!seen) continue;
      const chosen = seen.linears.filter((linear) => waiting.delete(linear));
      rounded.push(...roundTogether(space, chosen, seen.gram, rounding));
      memory.releaseTo(end);
    }
  }
  return rounded;
}

function roundTogether(
  space: KernelSpace,
  linears: readonly Linear[],
  gram: Gram,
  rounding: LayerRounding,
): CodedLinear[] {
  const matrix = gram.finish(), { inputs, name } = linears[0];
  const diagonal = Float32Array.from(
    { length: inputs },
    (_, i) => space.kernels.memory.floatsAt(matrix.address + i * (inputs + 1) * 4, 1)[0],
  );
  const order = orderOf(rounding.order, diagonal, rounding.group);
  const factor = factorise(space, matrix, order, rounding.damp);
  if (!factor) {
    throw new RemoraError("BAD_TENSOR", "Cannot quantise", {
      tensor: name,
      expected: "finite inputs",
      found: "others: the model's activations overflow on this text",
    });
  }
  return linears.map((linear) => roundLinear(space, linear, rounding, factor, rounding.order === "groups"));
}

/** Runs that a layer takes: one for each set of linear layers, and one to go on with. Two sets a part are the rule. */
function countRuns(parts: Layer): number {
  return parts.length * 3;
}
