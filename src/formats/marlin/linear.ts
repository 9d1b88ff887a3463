/**
 * Linear modules in Marlin's order, as AutoGPTQ and Marlin's own packer keep them on disk. W[k, n] = scale[g, n] · (code[k, n] − 8),
 * g = ⌊k / groupSize⌋.
 *
 * K = inputs, N = outputs, G = groups of inputs.
 *
 * | tensor | dtype | shape        | packing                                                          |
 * | ------ | ----- | ------------ | ---------------------------------------------------------------- |
 * | `B`    | I32   | [K / 16, 2N] | tiles of 16 inputs × 64 outputs; see kernels/assembly/pack/marlin |
 * | `s`    | F16   | [G, N]       | within 64 outputs (one group: 32) in an order of its own         |
 * | `bias` | F16   | [N]          | none                                                             |
 *
 * `workspace` is scratch of a GPU and is not read.
 *
 * @module
 */
import type { TensorEntry } from "../containers/safetensors.ts";
import { groupsOf, scalesStep } from "../group_steps.ts";
import { type GroupedLinear, groupedLinear } from "../grouped_linear.ts";
import type {
  LinearShape,
  ModuleQuantization,
  PackedLayout,
  PackingStep,
  StoredLinear,
  StoredModule,
} from "../stored_linear.ts";
import { badTensor, checkTensor, requireBits, requiredParts, WORD_DTYPES } from "../tensor_checks.ts";

const BITS = 4;
const PARTS = ["B", "s"];
/** Marlin's tile: 16 inputs × 64 outputs. */
const TILE_INPUTS = 16;
const TILE_OUTPUTS = 64;

export const marlinLayout: PackedLayout = { format: "marlin", parts: PARTS, readLinear };

function readLinear(
  module: StoredModule,
  { outputs, inputs }: LinearShape,
  { bits, groupSize: written, symmetric }: ModuleQuantization,
): StoredLinear {
  const required = requiredParts(module, PARTS);
  const codes = required("B"), scales = required("s");
  requireBits(bits, [BITS], codes);
  if (symmetric === false) throw badTensor(codes, "symmetric codes, as Marlin's are", '"sym": false');
  if (outputs % TILE_OUTPUTS !== 0 || inputs % TILE_INPUTS !== 0) {
    const expected = `inputs in multiples of ${TILE_INPUTS} and outputs of ${TILE_OUTPUTS}`;
    throw badTensor(codes, expected, `${inputs} and ${outputs}`);
  }
  const { groupSize, groups } = groupsOf(inputs, written);
  checkTensor(codes, WORD_DTYPES, [inputs / TILE_INPUTS, outputs * TILE_INPUTS * BITS / 32]);
  checkTensor(scales, ["F16"], [groups, outputs]);
  const linear: GroupedLinear = { outputs, inputs, bits: BITS, groupSize, groups, codes, scales };
  return groupedLinear(module, linear, {
    format: "marlin",
    stepsFor: (split) => [
      codesStep(codes, inputs, outputs),
      reordered(scalesStep(scales, split), scales, groups === 1),
    ],
  });
}

function codesStep(tensor: TensorEntry, inputs: number, outputs: number): PackingStep {
  return {
    tensor,
    pack(kernels, { address: source }, { arrays: { weights: target } }) {
      kernels.marlinToPanels({ source, order: 0, inputs, outputs, bits: BITS, target });
    },
  };
}

/** The step with its values brought back from Marlin's order, where they lie, into a row of all outputs for each group. */
function reordered(step: PackingStep, { begin, end }: TensorEntry, isSingle: boolean): PackingStep {
  return {
    ...step,
    pack(kernels, rows, layer) {
      const { address } = rows;
      kernels.marlinPermuteScales({ source: address, count: (end - begin) / 2, isSingle, target: address });
      step.pack(kernels, rows, layer);
    },
  };
}
