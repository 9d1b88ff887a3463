/**
 * The packed tensors of compressed-tensors as codes; ../compressed_tensors/linear.ts has their layout.
 *
 * @module
 */
import { planTensor } from "../containers/safetensors_writer.ts";
import { bytesOf, type CodedFormat, scaleWords } from "./coded_format.ts";
import { middleZeros, neighbouringGroups, packWords, transposed, unpackWords } from "./coded_linear.ts";

export const compressedTensors: CodedFormat = {
  name: "compressed-tensors",
  refuse: () => undefined,
  refuseLinear: () => undefined,
  config: ({ bits, groupSize, isSymmetric, actOrder, dense }) => ({
    quant_method: "compressed-tensors",
    format: "pack-quantized",
    quantization_status: "compressed",
    config_groups: {
      group_0: {
        targets: ["Linear"],
        weights: {
          num_bits: bits,
          type: "int",
          symmetric: isSymmetric,
          strategy: groupSize === -1 ? "channel" : "group",
          group_size: groupSize === -1 ? null : groupSize,
          actorder: actOrder ? "group" : null,
          dynamic: false,
        },
        input_activations: null,
        output_activations: null,
      },
    },
    ignore: dense,
    kv_cache_scheme: null,
  }),
  plan: ({ name, inputs, outputs, groups }, { bits, isSymmetric, actOrder, scaleDtype }) => [
    planTensor(`${name}.weight_packed`, "I32", [outputs, inputs * bits / 32]),
    planTensor(`${name}.weight_scale`, scaleDtype, [outputs, groups]),
    planTensor(`${name}.weight_shape`, "I64", [2]),
    ...(isSymmetric
      ? []
      : [planTensor(`${name}.weight_zero_point`, "I32", [Math.ceil(outputs * bits / 32), groups])]),
    ...(actOrder ? [planTensor(`${name}.weight_g_idx`, "I32", [inputs])] : []),
  ],
  pack({ codes, zeros, scales, groupOf, inputs, outputs, groups }, { bits, isSymmetric, actOrder }) {
    const zeroWords = packWords(transposed(zeros, groups, outputs), outputs, groups, {
      bits,
      alongRows: true,
    });
    return bytesOf(
      packWords(transposed(codes, inputs, outputs), outputs, inputs, { bits }),
      transposed(scales, groups, outputs),
      BigInt64Array.of(BigInt(outputs), BigInt(inputs)),
      ...(isSymmetric ? [] : [zeroWords]),
      ...(actOrder ? [groupOf] : []),
    );
  },
  async read(shape, settings, part) {
    const { inputs, outputs, groups } = shape, { bits, scaleDtype, isSymmetric } = settings;
    const parts = ["weight_packed", "weight_zero_point", "weight_scale", "weight_g_idx"];
    const [codes, zeros, scales, index] = await Promise.all(parts.map(part));
    const byOutput = unpackWords(new Uint32Array(codes!.buffer), outputs, inputs, { bits });
    const zeroWords = zeros && new Uint32Array(zeros.buffer);
    return {
      ...shape,
      codes: transposed(byOutput, outputs, inputs),
      zeros: zeroWords === undefined || isSymmetric
        ? middleZeros(shape, settings)
        : transposed(unpackWords(zeroWords, outputs, groups, { bits, alongRows: true }), outputs, groups),
      scales: transposed(scaleWords(scales!, scaleDtype), outputs, groups),
      groupOf: index ? new Int32Array(index.buffer) : neighbouringGroups(shape, settings),
    };
  },
};
