/**
 * GPTQ's packed linear modules. W[k, n] = scales[g, n] · (code[k, n] − zero[g, n]), with g = g_idx[k] or ⌊k / groupSize⌋.
 *
 * K = inputs, N = outputs, G = groups of inputs.
 *
 * | tensor    | dtype          | shape            | packing                                      |
 * | --------- | -------------- | ---------------- | -------------------------------------------- |
 * | `qweight` | I32            | [K·bits / 32, N] | 32 / bits codes per word along K, low first  |
 * | `scales`  | F16, BF16, F32 | [G, N]           | none                                         |
 * | `qzeros`  | I32            | [G, N·bits / 32] | 32 / bits zeros per word along N, low first  |
 * | `g_idx`   | I32            | [K]              | none                                         |
 * | `bias`    | F16, BF16, F32 | [N]              | none                                         |
 *
 * Tools write placeholders of size zero and leave out what is the default: without `qzeros` every zero point is the middle code,
 * without `g_idx` inputs lie in their own order.
 *
 * @module
 */
import { BLOCK_INPUTS } from "../../../kernels/shared/layout.ts";
import { groupsOf, scalesStep, zerosStep } from "../group_steps.ts";
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
const PARTS = ["qweight", "qzeros", "scales", "g_idx"];

/** @param zerosStoredMinusOne Format v1 stores each zero point less one; v2 stores it as it is. */
export function gptqLayout(zerosStoredMinusOne: boolean): PackedLayout {
  return {
    format: "gptq",
    parts: PARTS,
    readLinear(module, shape, quantization) {
      const linear = checkLinear(module, shape, quantization);
      return storedLinear(module, linear, zerosStoredMinusOne);
    },
  };
}

function checkLinear(
  module: StoredModule,
  { outputs, inputs }: LinearShape,
  quantization: ModuleQuantization,
): GroupedLinear {
  const required = requiredParts(module, PARTS);
  const codes = required("qweight"), scales = required("scales");
  const bits = requireBits(quantization.bits, [4, 8], codes);

  const codesPerWord = WORD_BITS / bits;
  requireMultiples(codes, { outputs, inputs }, codesPerWord);
  checkTensor(codes, WORD_DTYPES, [inputs / codesPerWord, outputs]);

  const index = module.find("g_idx");
  if (index !== undefined) checkTensor(index, INDEX_DTYPES, [inputs]);
  const { groupSize: written, symmetric, actOrder } = quantization;
  const stored = groupsOf(inputs, written), { groupSize } = stored;
  const isReordered = actOrder && written !== -1 && index !== undefined;
  const groups = isReordered && scales.shape.length === 2 ? scales.shape[0] : stored.groups;
  checkTensor(scales, FLOAT_DTYPES, [groups, outputs]);

  const zeros = symmetric === true ? undefined : module.find("qzeros");
  if (zeros !== undefined) checkTensor(zeros, WORD_DTYPES, [groups, outputs / codesPerWord]);
  else if (symmetric === false) required("qzeros");
  return { outputs, inputs, bits, groupSize, groups, codes, scales, zeros, index };
}

function storedLinear(module: StoredModule, linear: GroupedLinear, addOne: boolean): StoredLinear {
  const { bits, scales, zeros } = linear;
  return groupedLinear(module, linear, {
    format: "gptq",
    settings: { addOne },
    stepsFor: (split, order) => [
      codesStep(linear, order),
      scalesStep(scales, split),
      ...(zeros ? [zerosStep(zeros, split, { bits, addOne })] : []),
    ],
  });
}

/** Words of 4-bit codes keep their bits and only change their place, so they are packed window by window. */
function codesStep({ bits, outputs, codes }: GroupedLinear, order: InputOrder | undefined): PackingStep {
  if (bits === 4 && !order) {
    return {
      tensor: codes,
      windows: { rowBytes: outputs * 4, multiple: 1 },
      pack(kernels, { address: source, begin, count }, { form, arrays: { weights } }) {
        const blocks = form.packedInputs / BLOCK_INPUTS;
        kernels.packInt4({ source, outputs, blocks, blockBegin: begin, blockCount: count, weights });
      },
    };
  }
  return {
    tensor: codes,
    pack(kernels, { address: source }, { form, arrays: { order, weights } }) {
      const steps = { wordStep: outputs, outputStep: 1, panelBegin: 0 };
      const call = { source, order, ...steps, outputs, blocks: form.packedInputs / BLOCK_INPUTS, weights };
      if (bits === 4) kernels.packInt4Gathered(call);
      else kernels.packInt8Gathered({ ...call, isSigned: false });
    },
  };
}
