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

/** How zero points are written. */
export interface ZerosEncoding {
  readonly bits: number;
  /** They are stored less one. */
  readonly addOne: boolean;
  /** The codes of a word are in AutoAWQ's order. */
  readonly interleaved: boolean;
}

/**
 * Into how many groups of `group` inputs in memory a stored one is cut. The last stored group may be shorter, so the number of both
 * does not tell.
 */
export function splitOf({ inputs, groupSize, groups }: StoredGroups, group: number): number {
  return groups === 1 ? Math.ceil(inputs / group) : groupSize / group;
}

/** Packs scales, f16, bf16 or f32 [stored groups, outputs]. */
export function scalesStep(tensor: TensorEntry, split: number): PackingStep {
  return {
    tensor,
    pack(kernels, { address: source }, { form, arrays: { scales } }) {
      const { outputs } = form, groups = groupsInMemory(form);
      kernels.packScales({ source, sourceType: elementTypeOf(tensor), outputs, groups, split, scales });
    },
  };
}

/** Packs zero points, words of codes [stored groups, outputs · bits / 32]. */
export function zerosStep(tensor: TensorEntry, split: number, encoding: ZerosEncoding): PackingStep {
  return {
    tensor,
    pack(kernels, { address: source }, { form, arrays: { zeros } }) {
      const { outputs } = form, groups = groupsInMemory(form);
      kernels.packZeros({ source, ...encoding, outputs, groups, split, zeros });
    },
  };
}

function groupsInMemory({ packedInputs, group }: LinearForm): number {
  return Math.ceil(packedInputs / group);
}
