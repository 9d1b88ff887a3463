/**
 * Writes linear modules as GPTQ's tools do, in format v1: see linear.ts for the tensors.
 *
 * @module
 */
import { f16Bits } from "../../core/half_floats.ts";
import { type PlannedTensor, planTensor } from "../containers/safetensors_writer.ts";

const PANEL = 8, WORD_BITS = 32;

/** What is written of a model's quantisation, in quantize_config.json and config.json alike. */
export interface WrittenSettings {
  readonly bits: 4 | 8;
  readonly groupSize: number;
  readonly isSymmetric: boolean;
  /** Groups are those of `g_idx`, not of neighbouring inputs. */
  readonly actOrder: boolean;
  /** How it was made; no reader needs it. */
  readonly meta: Readonly<Record<string, unknown>>;
}

/** A module in codes; arrays lie in panels of eight outputs. */
export interface WrittenLinear {
  readonly name: string;
  readonly outputs: number;
  readonly inputs: number;
  /** u8 [outputs / 8, inputs, 8]. */
  readonly codes: Uint8Array;
  /** [outputs / 8, groups, 8]. */
  readonly scales: Float32Array;
  readonly zeros: Float32Array;
  readonly groupOf: Uint32Array;
}

/** The config's object. */
export function gptqConfig(
  { bits, groupSize, isSymmetric, actOrder, meta }: WrittenSettings,
): Record<string, unknown> {
  return {
    bits,
    group_size: groupSize,
    desc_act: actOrder,
    sym: isSymmetric,
    lm_head: false,
    quant_method: "gptq",
    method: "gptq",
    checkpoint_format: "gptq",
    format: "gptq",
    pack_dtype: "int32",
    meta,
  };
}

/** The tensors of a module, in the order in which `gptqTensors` gives them. */
export function planGptqTensors(
  name: string,
  outputs: number,
  inputs: number,
  bits: 4 | 8,
  groups: number,
): PlannedTensor[] {
  const inWord = WORD_BITS / bits;
  return [
    planTensor(`${name}.qweight`, "I32", [inputs / inWord, outputs]),
    planTensor(`${name}.qzeros`, "I32", [groups, outputs / inWord]),
    planTensor(`${name}.scales`, "F16", [groups, outputs]),
    planTensor(`${name}.g_idx`, "I32", [inputs]),
  ];
}

/** The bytes of a module's tensors. */
export function gptqTensors(linear: WrittenLinear, bits: 4 | 8): Uint8Array[] {
  const { outputs, scales } = linear, groups = scales.length / outputs;
  return [
    packCodes(linear, bits),
    packZeros(linear, bits, groups),
    f16Bits(byGroups(scales, outputs, groups)),
    Int32Array.from(linear.groupOf),
  ].map(({ buffer }) => new Uint8Array(buffer));
}

/** Words of codes of neighbouring inputs, [inputs · bits / 32, outputs]. */
function packCodes({ codes, outputs, inputs }: WrittenLinear, bits: number): Uint32Array<ArrayBuffer> {
  const inWord = WORD_BITS / bits, words = new Uint32Array(inputs / inWord * outputs);
  for (let panel = 0; panel < outputs / PANEL; panel++) {
    for (let input = 0; input < inputs; input++) {
      const from = (panel * inputs + input) * PANEL, shift = input % inWord * bits;
      const to = Math.floor(input / inWord) * outputs + panel * PANEL;
      for (let n = 0; n < PANEL; n++) words[to + n] |= codes[from + n] << shift;
    }
  }
  return words;
}

/** Words of zero points of neighbouring outputs, [groups, outputs · bits / 32]; v1 stores them less one. */
function packZeros(
  { zeros, outputs }: WrittenLinear,
  bits: number,
  groups: number,
): Uint32Array<ArrayBuffer> {
  const inWord = WORD_BITS / bits, words = new Uint32Array(groups * outputs / inWord), most = 2 ** bits - 1;
  byGroups(zeros, outputs, groups).forEach((zero, i) => {
    words[Math.floor(i / inWord)] |= (zero - 1 & most) << i % inWord * bits;
  });
  return words;
}

/** From panels to [groups, outputs]. */
function byGroups(values: Float32Array, outputs: number, groups: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let panel = 0; panel < outputs / PANEL; panel++) {
    for (let g = 0; g < groups; g++) {
      const from = (panel * groups + g) * PANEL;
      result.set(values.subarray(from, from + PANEL), g * outputs + panel * PANEL);
    }
  }
  return result;
}
