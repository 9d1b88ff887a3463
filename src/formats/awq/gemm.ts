/**
 * AutoAWQ's "gemm" layout. W[k, n] = scales[g, n] · (code[k, n] − zero[g, n]), with g = ⌊k / groupSize⌋.
 *
 * K = inputs, N = outputs, G = groups of inputs.
 *
 * | tensor    | dtype          | shape      | packing                                                    |
 * | --------- | -------------- | ---------- | ---------------------------------------------------------- |
 * | `qweight` | I32            | [K, N / 8] | 8 codes per word along N, outputs 0 2 4 6 1 3 5 7 low first |
 * | `qzeros`  | I32            | [G, N / 8] | as `qweight`                                               |
 * | `scales`  | F16, BF16, F32 | [G, N]     | none                                                       |
 * | `bias`    | F16, BF16, F32 | [N]        | none                                                       |
 *
 * @see {@link https://github.com/casper-hansen/AutoAWQ/blob/88e4c76/awq/modules/linear/gemm.py | gemm.py}
 *
 * @module
 */
import { BLOCK_INPUTS } from "../../../kernels/shared/layout.ts";
import { groupsOf, scalesStep, zerosStep } from "../group_steps.ts";
import { type GroupedLinear, groupedLinear } from "../grouped_linear.ts";
import type {
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
  requireBits,
  requiredParts,
  requireMultiples,
  WORD_DTYPES,
} from "../tensor_checks.ts";

const BITS = 4;
/** Outputs whose codes share a word. */
const CODES_PER_WORD = 8;

/** Tensors of both layouts. */
export const AWQ_PARTS = ["qweight", "qzeros", "scales"];

/** Also what other tools write under this name. */
export const awqGemmLayout: PackedLayout = {
  format: "awq",
  parts: AWQ_PARTS,
  readLinear,
};

function readLinear(
  module: StoredModule,
  shape: LinearShape,
  quantization: ModuleQuantization,
): StoredLinear {
  const linear = checkLinear(module, shape, quantization);
  const { scales, zeros } = linear;
  return groupedLinear(module, linear, {
    format: "awq",
    stepsFor: (split) => [
      codesStep(linear),
      scalesStep(scales, split),
      ...(zeros ? [zerosStep(zeros, split, { bits: BITS, interleaved: true })] : []),
    ],
  });
}

function checkLinear(
  module: StoredModule,
  { outputs, inputs }: LinearShape,
  { bits, groupSize: written, symmetric }: ModuleQuantization,
): GroupedLinear {
  const required = requiredParts(module, AWQ_PARTS);
  const codes = required("qweight"), scales = required("scales");
  requireBits(bits, [BITS], codes);
  requireMultiples(codes, { outputs, inputs }, CODES_PER_WORD);
  const { groupSize, groups } = groupsOf(inputs, written), words = outputs / CODES_PER_WORD;
  checkTensor(codes, WORD_DTYPES, [inputs, words]);
  checkTensor(scales, FLOAT_DTYPES, [groups, outputs]);
  // AutoAWQ's kernels subtract them whatever the config says, so they count when they are there.
  const zeros = symmetric === false ? required("qzeros") : module.find("qzeros");
  if (zeros !== undefined) checkTensor(zeros, WORD_DTYPES, [groups, words]);
  return { outputs, inputs, bits: BITS, groupSize, groups, codes, scales, zeros };
}

/** A row of the file holds one input of all outputs, so whole blocks of inputs are packed at a time. */
function codesStep({ outputs, inputs, codes: tensor }: GroupedLinear): PackingStep {
  return {
    tensor,
    windows: { rowBytes: outputs / CODES_PER_WORD * 4, multiple: BLOCK_INPUTS },
    pack(kernels, { address: source, begin, count }, { arrays: { weights } }) {
      const blocks = inputs / BLOCK_INPUTS,
        blockBegin = begin / BLOCK_INPUTS,
        blockCount = count / BLOCK_INPUTS;
      kernels.packInt4Interleaved({ source, outputs, blocks, blockBegin, blockCount, weights });
    },
  };
}
