/**
 * AutoAWQ's "gemm" tensors as codes; ../awq/gemm.ts has their layout.
 *
 * @module
 */
import { planTensor } from "../containers/safetensors_writer.ts";
import { bytesOf, type CodedFormat, scaleWords } from "./coded_format.ts";
import {
  hasNeighbouringGroups,
  middleZeros,
  neighbouringGroups,
  packWords,
  unpackWords,
} from "./coded_linear.ts";

/** The field of each of eight outputs: 0 2 4 6 1 3 5 7 lie low first. */
const LAYOUT = { bits: 4, order: [0, 4, 1, 5, 2, 6, 3, 7] } as const;

export const awqGemm: CodedFormat = {
  name: "awq",
  refuse({ bits, actOrder }) {
    if (bits !== 4) return { expected: "4 bits", found: `${bits}` };
    return actOrder ? { expected: "groups of neighbouring inputs", found: "others (act-order)" } : undefined;
  },
  refuseLinear: (linear, settings) =>
    hasNeighbouringGroups(linear, settings)
      ? undefined
      : { expected: "groups of neighbouring inputs", found: "others (act-order)" },
  config: ({ groupSize, dense }) => ({
    quant_method: "awq",
    bits: 4,
    group_size: groupSize,
    version: "gemm",
    zero_point: true,
    modules_to_not_convert: dense.length > 0 ? dense : null,
  }),
  plan: ({ name, inputs, outputs, groups }, { scaleDtype }) => [
    planTensor(`${name}.qweight`, "I32", [inputs, outputs / 8]),
    planTensor(`${name}.qzeros`, "I32", [groups, outputs / 8]),
    planTensor(`${name}.scales`, scaleDtype, [groups, outputs]),
  ],
  pack: ({ codes, zeros, scales, inputs, outputs, groups }) =>
    bytesOf(packWords(codes, inputs, outputs, LAYOUT), packWords(zeros, groups, outputs, LAYOUT), scales),
  async read(shape, settings, part) {
    const { inputs, outputs, groups } = shape;
    const [codes, zeros, scales] = await Promise.all(["qweight", "qzeros", "scales"].map(part));
    return {
      ...shape,
      codes: unpackWords(new Uint32Array(codes!.buffer), inputs, outputs, LAYOUT),
      zeros: zeros
        ? unpackWords(new Uint32Array(zeros.buffer), groups, outputs, LAYOUT)
        : middleZeros(shape, settings),
      scales: scaleWords(scales!, settings.scaleDtype),
      groupOf: neighbouringGroups(shape, settings),
    };
  },
};
