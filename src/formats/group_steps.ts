/**
 * Scales and zero points: values of groups of inputs, which the packed formats store alike, and the calls that pack them.
 *
 * @module
 */
import type { LinearForm } from "../../kernels/host/sizes.ts";
import type { TensorEntry } from "./containers/safetensors.ts";
import type { PackingStep } from "./stored_linear.ts";
import { elementTypeOf } from "./tensor_checks.ts";

/** Groups of inputs as a file stores them. */
export interface StoredGroups {
  readonly inputs: number;
  /** Inputs per group; the last group may be shorter. */
  readonly groupSize: number;
  readonly groups: number;
}

/** @param written A config's `group_size`; −1: one group of all inputs. */
export function groupsOf(inputs: number, written: number): StoredGroups {
  const groupSize = written === -1 ? inputs : written;
  return { inputs, groupSize, groups: Math.ceil(inputs / groupSize) };
}

/** How zero points are written. */
export interface ZerosEncoding {
  readonly bits: number;
  /** They are stored less one. */
  readonly addOne?: boolean;
  /** They are signed bytes, around 0 and not around the middle code. */
  readonly isSigned?: boolean;
  /** The codes of a word are in AutoAWQ's order. */
  readonly interleaved?: boolean;
  /** A word holds those of neighbouring groups, not of neighbouring outputs. */
  readonly alongGroups?: boolean;
}

/** From one value to the next along the groups, and along the outputs. */
export interface GroupSteps {
  readonly groupStep: number;
  readonly outputStep: number;
}

/**
 * Into how many groups of `group` inputs in memory a stored one is cut. The last stored group may be shorter, so the number of both
 * does not tell.
 */
export function splitOf({ inputs, groupSize, groups }: StoredGroups, group: number): number {
  return groups === 1 ? Math.ceil(inputs / group) : groupSize / group;
}

/**
 * Packs scales, f16, bf16 or f32.
 *
 * @param steps In values; default: a row of all outputs for each stored group.
 */
export function scalesStep(tensor: TensorEntry, split: number, steps?: GroupSteps): PackingStep {
  return {
    tensor,
    pack(kernels, { address: source }, { form, arrays: { scales } }) {
      const { outputs, scaleType } = form, groups = groupsInMemory(form);
      const { groupStep, outputStep } = steps ?? { groupStep: outputs, outputStep: 1 };
      const from = { source, sourceType: elementTypeOf(tensor), groupStep, outputStep };
      kernels.packScales({ ...from, outputs, groups, split, scaleType, scales });
    },
  };
}

/**
 * Packs zero points, words of codes.
 *
 * @param steps In bytes, from one word to the next; default: a row of all outputs for each stored group.
 */
export function zerosStep(
  tensor: TensorEntry,
  split: number,
  { bits, addOne = false, isSigned = false, interleaved = false, alongGroups = false }: ZerosEncoding,
  steps?: GroupSteps,
): PackingStep {
  return {
    tensor,
    pack(kernels, { address: source }, { form, arrays: { zeros } }) {
      const { outputs } = form, groups = groupsInMemory(form);
      const { groupStep, outputStep } = steps ?? { groupStep: outputs * bits / 8, outputStep: 4 };
      const encoding = { bits, addOne, isSigned, interleaved, alongGroups, groupStep, outputStep };
      kernels.packZeros({ source, ...encoding, outputs, groups, split, zeros });
    },
  };
}

function groupsInMemory({ packedInputs, group }: LinearForm): number {
  return Math.ceil(packedInputs / group);
}
