/**
 * The packed linear modules of compressed-tensors. W[n, k] = scale[n, g] · (code[n, k] − zero[n, g]), with g = weight_g_idx[k] or
 * ⌊k / groupSize⌋.
 *
 * K = inputs, N = outputs, G = groups of inputs (1: a scale for each output).
 *
 * | tensor              | dtype          | shape                 | packing                                                    |
 * | ------------------- | -------------- | --------------------- | ---------------------------------------------------------- |
 * | `weight_packed`     | I32            | [N, K·bits / 32]      | 32 / bits codes a word along K, low first, + 2^(bits − 1)  |
 * | `weight`            | I8             | [N, K]                | instead: signed codes                                      |
 * | `weight_scale`      | F16, BF16, F32 | [N, G], or one value  | none                                                       |
 * | `weight_zero_point` | I32            | [⌈N·bits / 32⌉, G]    | 32 / bits zeros a word along N, low first, + 2^(bits − 1)  |
 * |                     | I8             | [N, G]                | beside `weight`: signed                                    |
 * | `weight_g_idx`      | I32            | [K]                   | none                                                       |
 * | `bias`              | F16, BF16, F32 | [N]                   | none                                                       |
 *
 * `weight_shape` says [N, K] again and is not read.
 *
 * @see {@link https://github.com/vllm-project/compressed-tensors/tree/ac8e2ba/src/compressed_tensors/compressors | compressors}
 *
 * @module
 */
import { BLOCK_INPUTS, PANEL_OUTPUTS } from "../../../kernels/shared/layout.ts";
import { elementCount, type TensorEntry } from "../containers/safetensors.ts";
import { groupsOf, type GroupSteps, scalesStep, zerosStep } from "../group_steps.ts";
import { type GroupedLinear, groupedLinear } from "../grouped_linear.ts";
import type {
  InputOrder,
  LinearShape,
  ModuleQuantization,
  PackedLayout,
  PackingStep,
  StoredLinear,
  StoredModule,
} from "../stored_linear.ts";
import {
  checkTensor,
  FLOAT_DTYPES,
  INDEX_DTYPES,
  requireBits,
  requiredParts,
  requireMultiples,
  WORD_DTYPES,
} from "../tensor_checks.ts";

const WORD_BITS = 32;
const PARTS = ["weight_packed", "weight", "weight_scale", "weight_zero_point", "weight_g_idx"];

export const compressedLayout: PackedLayout = {
  format: "compressed-tensors",
  parts: PARTS,
  readLinear(module, shape, quantization) {
    return storedLinear(module, checkLinear(module, shape, quantization));
  },
};

interface CompressedLinear extends GroupedLinear {
  /** Codes and zero points are signed bytes. */
  readonly isSigned: boolean;
}

function checkLinear(
  module: StoredModule,
  { outputs, inputs }: LinearShape,
  quantization: ModuleQuantization,
): CompressedLinear {
  const required = requiredParts(module, PARTS);
  const bytes = module.find("weight"), isSigned = bytes !== undefined;
  const codes = bytes ?? required("weight_packed");
  const scales = required("weight_scale");
  // A signed byte holds codes of fewer bits too.
  const bits = isSigned ? 8 : requireBits(quantization.bits, [4, 8], codes);
  requireMultiples(codes, { outputs: PANEL_OUTPUTS, inputs }, PANEL_OUTPUTS);
  if (isSigned) checkTensor(codes, ["I8"], [outputs, inputs]);
  else checkTensor(codes, WORD_DTYPES, [outputs, inputs * bits / WORD_BITS]);

  const { groupSize: written, symmetric } = quantization;
  const { groupSize, groups } = groupsOf(inputs, written);
  checkPerGroup(scales, FLOAT_DTYPES, outputs, groups, written);
  const zeros = symmetric === true ? undefined : required("weight_zero_point");
  if (zeros !== undefined) {
    if (isSigned) checkPerGroup(zeros, ["I8"], outputs, groups, written);
    else checkTensor(zeros, WORD_DTYPES, [Math.ceil(outputs * bits / WORD_BITS), groups]);
  }
  const index = module.find("weight_g_idx");
  if (index !== undefined) checkTensor(index, INDEX_DTYPES, [inputs]);
  return { outputs, inputs, bits, isSigned, groupSize, groups, codes, scales, zeros, index };
}

/** Values of all outputs and groups; where there is one group, tools leave out sizes of 1, and a whole tensor may have one value. */
function checkPerGroup(
  entry: TensorEntry,
  dtypes: Parameters<typeof checkTensor>[1],
  outputs: number,
  groups: number,
  written: number,
): void {
  const isShort = written === -1 && (isShared(entry) || entry.shape.length === 1);
  checkTensor(entry, dtypes, isShort ? isShared(entry) ? entry.shape : [outputs] : [outputs, groups]);
}

/** Whether all outputs share one value. */
function isShared({ shape }: TensorEntry): boolean {
  return elementCount(shape) === 1;
}

function storedLinear(module: StoredModule, linear: CompressedLinear): StoredLinear {
  const { isSigned, groups, scales, zeros } = linear;
  const scaleSteps: GroupSteps = isShared(scales)
    ? { groupStep: 0, outputStep: 0 }
    : { groupStep: 1, outputStep: groups };
  return groupedLinear(module, linear, {
    format: "compressed-tensors",
    settings: { isSigned },
    stepsFor: (split, order) => [
      codesStep(linear, order),
      scalesStep(scales, split, scaleSteps),
      ...(zeros ? [packZerosStep(linear, zeros, split)] : []),
    ],
  });
}

/** Words hold zero points of neighbouring outputs; of signed bytes, a word is four groups of one output. */
function packZerosStep({ bits, isSigned, groups }: CompressedLinear, zeros: TensorEntry, split: number) {
  if (!isSigned) return zerosStep(zeros, split, { bits }, { groupStep: 4, outputStep: groups * 4 });
  const outputStep = isShared(zeros) ? 0 : groups;
  return zerosStep(zeros, split, { bits, isSigned, alongGroups: true }, { groupStep: 4, outputStep });
}

/** An output's codes lie side by side, so whole panels are packed at a time. */
function codesStep(linear: CompressedLinear, order: InputOrder | undefined): PackingStep {
  const { inputs, bits, isSigned, codes: tensor } = linear;
  const wordsOfRow = inputs * bits / WORD_BITS;
  return {
    tensor,
    windows: { rowBytes: wordsOfRow * 4, multiple: PANEL_OUTPUTS },
    pack(kernels, { address: source, begin, count: outputs }, { form, arrays }) {
      const call = {
        source,
        order: order ? arrays.order : 0,
        wordStep: 1,
        outputStep: wordsOfRow,
        outputs,
        blocks: form.packedInputs / BLOCK_INPUTS,
        panelBegin: begin / PANEL_OUTPUTS,
        weights: arrays.weights,
      };
      if (bits === 4) kernels.packInt4Gathered(call);
      else kernels.packInt8Gathered({ ...call, isSigned });
    },
  };
}
