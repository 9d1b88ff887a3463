/**
 * What the packed formats have in common: codes of 4 or 8 bits that share scales, and zero points, by groups of inputs.
 *
 * @module
 */
import type { TensorEntry } from "./containers/safetensors.ts";
import { splitOf, type StoredGroups } from "./group_steps.ts";
import { orderByGroup } from "./input_order.ts";
import type { InputOrder, PackingStep, StoredLinear, StoredModule } from "./stored_linear.ts";
import { groupInMemory, takeBias } from "./tensor_checks.ts";

/** A module whose tensors have passed their checks. */
export interface GroupedLinear extends StoredGroups {
  readonly outputs: number;
  /** Of a code as it is stored. */
  readonly bits: 4 | 8;
  readonly codes: TensorEntry;
  readonly scales: TensorEntry;
  /** Absent: every zero point is the middle code. */
  readonly zeros?: TensorEntry;
  /** The group of each input. Absent: inputs lie in their own order. */
  readonly index?: TensorEntry;
}

/** In what the formats differ. */
export interface GroupedFormat {
  /** See {@linkcode StoredLinear}. */
  readonly format: string;
  /** See {@linkcode StoredLinear}; default: nothing else decides. */
  readonly settings?: StoredLinear["settings"];
  /** The recipe, for stored groups that are cut so many times. */
  stepsFor(split: number, order: InputOrder | undefined): readonly PackingStep[];
}

/** The module as loading takes it. */
export function groupedLinear(
  module: StoredModule,
  { outputs, inputs, bits, groupSize, groups, codes, scales, zeros, index }: GroupedLinear,
  { format, settings = {}, stepsFor }: GroupedFormat,
): StoredLinear {
  const bias = takeBias(module, outputs);
  const group = groupInMemory(groups, groupSize, codes);
  return {
    format,
    bits,
    groupSize,
    settings,
    form: {
      type: bits === 4 ? "int4" : "int8",
      outputs,
      packedInputs: inputs,
      group,
      hasZeros: zeros !== undefined,
      hasBias: bias !== undefined,
      hasOrder: false,
    },
    zeroPoint: 2 ** (bits - 1),
    tensors: [bias, codes, scales, zeros, index].filter((entry) => entry !== undefined),
    ...(index && {
      order: {
        tensor: index,
        read: (values, onNotice) => orderByGroup(values, { groups, groupSize, entry: index, onNotice }),
      },
    }),
    ...(bias && { bias }),
    steps: (order) => stepsFor(order?.split ?? splitOf({ inputs, groupSize, groups }, group), order),
  };
}
