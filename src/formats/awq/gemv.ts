/**
 * AutoAWQ's "gemv" layout: the weights of its "gemm" layout, each output's side by side.
 *
 * K = inputs, N = outputs, G = groups of inputs. Rows of zero points and scales are filled up: `qzeros` has W words in a row, a
 * multiple of 128 / groupSize where groups are shorter than 128.
 *
 * | tensor    | dtype          | shape      | packing                                  |
 * | --------- | -------------- | ---------- | ---------------------------------------- |
 * | `qweight` | I32            | [N, K / 8] | 8 codes per word along K, low bits first |
 * | `qzeros`  | I32            | [N, W]     | 8 zeros per word along G, low bits first |
 * | `scales`  | F16, BF16, F32 | [N, 8 W]   | none                                     |
 * | `bias`    | F16, BF16, F32 | [N]        | none                                     |
 *
 * @see {@link https://github.com/casper-hansen/AutoAWQ/blob/88e4c76/awq/modules/linear/gemv.py | gemv.py}
 *
 * @module
 */
import { BLOCK_INPUTS, PANEL_OUTPUTS } from "../../../kernels/shared/layout.ts";
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
import { AWQ_PARTS } from "./gemm.ts";

const BITS = 4;
const CODES_PER_WORD = 8;
/** Zero points of groups of this many inputs fill whole words; of shorter ones, several words together. */
const FILLED_INPUTS = 128;

export const awqGemvLayout: PackedLayout = { format: "awq", parts: AWQ_PARTS, readLinear };

function readLinear(
  module: StoredModule,
  { outputs, inputs }: LinearShape,
  { bits, groupSize: written }: ModuleQuantization,
): StoredLinear {
  const [codes, scales, zeros] = ["qweight", "scales", "qzeros"].map(requiredParts(module, AWQ_PARTS));
  requireBits(bits, [BITS], codes);
  requireMultiples(codes, { outputs, inputs }, CODES_PER_WORD);
  const { groupSize, groups } = groupsOf(inputs, written);
  const multiple = Math.max(1, Math.floor(FILLED_INPUTS / groupSize));
  const words = Math.ceil(Math.ceil(groups / CODES_PER_WORD) / multiple) * multiple;
  checkTensor(codes, WORD_DTYPES, [outputs, inputs / CODES_PER_WORD]);
  checkTensor(scales, FLOAT_DTYPES, [outputs, words * CODES_PER_WORD]);
  checkTensor(zeros, WORD_DTYPES, [outputs, words]);
  const linear: GroupedLinear = { outputs, inputs, bits: BITS, groupSize, groups, codes, scales, zeros };
  return groupedLinear(module, linear, {
    format: "awq",
    stepsFor: (split) => [
      codesStep(linear),
      scalesStep(scales, split, { groupStep: 1, outputStep: words * CODES_PER_WORD }),
      zerosStep(zeros, split, { bits: BITS, alongGroups: true }, { groupStep: 4, outputStep: words * 4 }),
    ],
  });
}

function codesStep({ inputs, codes: tensor }: GroupedLinear): PackingStep {
  const blocks = inputs / BLOCK_INPUTS;
  return {
    tensor,
    windows: { rowBytes: blocks * 4, multiple: PANEL_OUTPUTS },
    pack(kernels, { address: source, begin, count: outputs }, { arrays: { weights } }) {
      const steps = { wordStep: 1, outputStep: blocks, panelBegin: begin / PANEL_OUTPUTS };
      kernels.packInt4Gathered({ source, order: 0, ...steps, outputs, blocks, weights });
    },
  };
}
