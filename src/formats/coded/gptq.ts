/**
 * GPTQ's tensors as codes; ../gptq/linear.ts has their layout.
 *
 * @module
 */
import { planTensor } from "../containers/safetensors_writer.ts";
import { bytesOf, type CodedFormat, scaleWords } from "./coded_format.ts";
import type { QuantizedSettings } from "./settings.ts";
import { type CodedShape, middleZeros, neighbouringGroups, packWords, unpackWords } from "./coded_linear.ts";

/** @param minusOne Format v1 stores each zero point less one. */
function gptqFormat(name: string, minusOne: boolean): CodedFormat {
  const offset = minusOne ? 1 : 0;
  const shifted = (zeros: Uint8Array, by: number, bits: number) =>
    zeros.map((zero) => zero + by & 2 ** bits - 1);
  return {
    name,
    refuse: () => undefined,
    refuseLinear: ({ zeros }) =>
      minusOne && zeros.includes(0)
        ? { expected: "zero points from 1 on, which are stored less one (gptq_v2 has 0 too)", found: "0" }
        : undefined,
    config: (settings) => configOf(settings, name),
    plan: planOf,
    pack({ codes, zeros, scales, groupOf, inputs, outputs, groups }, { bits }) {
      const words = packWords(codes, inputs, outputs, { bits, alongRows: true });
      return bytesOf(
        words,
        packWords(shifted(zeros, -offset, bits), groups, outputs, { bits }),
        scales,
        groupOf,
      );
    },
    async read(shape, settings, part) {
      const { inputs, outputs, groups } = shape, { bits, scaleDtype, isSymmetric } = settings;
      const [codes, zeros, scales, index] = await Promise.all(
        ["qweight", "qzeros", "scales", "g_idx"].map(part),
      );
      return {
        ...shape,
        codes: unpackWords(new Uint32Array(codes!.buffer), inputs, outputs, { bits, alongRows: true }),
        zeros: zeros === undefined || isSymmetric
          ? middleZeros(shape, settings)
          : shifted(unpackWords(new Uint32Array(zeros.buffer), groups, outputs, { bits }), offset, bits),
        scales: scaleWords(scales!, scaleDtype),
        groupOf: index ? new Int32Array(index.buffer) : neighbouringGroups(shape, settings),
      };
    },
  };
}

function configOf(
  { bits, groupSize, actOrder, isSymmetric, dense, meta = {} }: QuantizedSettings,
  format: string,
): Record<string, unknown> {
  const excluded = dense.filter((name) => !name.endsWith("lm_head"));
  return {
    bits,
    group_size: groupSize,
    desc_act: actOrder,
    sym: isSymmetric,
    lm_head: false,
    quant_method: "gptq",
    method: "gptq",
    checkpoint_format: format,
    format,
    pack_dtype: "int32",
    ...(excluded.length > 0 && {
      dynamic: Object.fromEntries(excluded.map((name) => [`-:^${name.replaceAll(".", "\\.")}$`, {}])),
    }),
    meta,
  };
}

function planOf({ name, outputs, inputs, groups }: CodedShape, { bits, scaleDtype }: QuantizedSettings) {
  const inWord = 32 / bits;
  return [
    planTensor(`${name}.qweight`, "I32", [inputs / inWord, outputs]),
    planTensor(`${name}.qzeros`, "I32", [groups, Math.ceil(outputs / inWord)]),
    planTensor(`${name}.scales`, scaleDtype, [groups, outputs]),
    planTensor(`${name}.g_idx`, "I32", [inputs]),
  ];
}

export const gptqV1: CodedFormat = gptqFormat("gptq", true);
export const gptqV2: CodedFormat = gptqFormat("gptq_v2", false);
