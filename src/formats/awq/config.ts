/**
 * The quantisation configs of AutoAWQ.
 *
 * @module
 */
import type { Fields } from "../fields.ts";
import { type QuantizationConfig, type QuantizationMethod, readModuleQuantization } from "../quantization.ts";
import type { PackedLayout } from "../stored_linear.ts";
import { awqGemmLayout } from "./gemm.ts";
import { awqGemvLayout } from "./gemv.ts";

/** By `version`: how tensors lie, named after the kernels that read them. */
const LAYOUTS: Readonly<Record<string, PackedLayout>> = { gemm: awqGemmLayout, gemv: awqGemvLayout };

export const awqMethod: QuantizationMethod = {
  names: ["awq"],
  // Configs older than the key `quant_method`.
  recognises: (fields) => ["zero_point", "w_bit", "q_group_size"].some((key) => fields.has(key)),
  readConfig,
};

function readConfig(fields: Fields): QuantizationConfig {
  const version = (fields.string("version") ?? "gemm").toLowerCase();
  if (!Object.hasOwn(LAYOUTS, version)) {
    throw fields.refusal("UNSUPPORTED", "version", Object.keys(LAYOUTS).join(" or "), version);
  }
  // Files have zero points unless their config says otherwise (transformers, AwqConfig).
  const hasZeros = fields.boolean("zero_point") ?? true;
  return {
    file: fields.file,
    layout: LAYOUTS[version],
    ...readModuleQuantization(fields),
    symmetric: !hasZeros,
    actOrder: false,
    rules: fields.strings("modules_to_not_convert").map((part) => ({
      pattern: part,
      matches: (name) => name.includes(part),
      change: "dense",
    })),
  };
}
