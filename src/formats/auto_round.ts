/**
 * AutoRound's quantisation configs. Its files have the layout of GPTQ or of AWQ.
 *
 * @module
 */
import { awqGemmLayout } from "./awq/gemm.ts";
import type { Fields } from "./fields.ts";
import { requireWords } from "./gptq/config.ts";
import { gptqLayout } from "./gptq/linear.ts";
import { checkSymmetry } from "./gptq/symmetry.ts";
import {
  type ModuleRule,
  type QuantizationConfig,
  type QuantizationMethod,
  readModuleChange,
  readModuleQuantization,
} from "./quantization.ts";

export const autoRoundMethod: QuantizationMethod = {
  names: ["auto-round", "intel/auto-round", "inc"],
  readConfig,
};

/**
 * The layout has several names; the order of the tests is that of AutoRound's exporter.
 *
 * @see {@link https://github.com/intel/auto-round/blob/b9f3d00/auto_round/export/export_to_autoround/export.py | export.py}
 */
function readConfig(fields: Fields): QuantizationConfig {
  const format = fields.string("packing_format", "backend") ?? "auto_round:auto_gptq";
  const isAwq = format.includes("awq"), isPlain = /^auto_round(:(exllamav2|triton))?$/.test(format);
  if (!isAwq && !format.includes("gptq") && !isPlain) {
    throw fields.refusal("UNSUPPORTED", "packing_format", "a GPTQ or AWQ layout", format);
  }
  const dataType = fields.string("data_type") ?? "int";
  if (!dataType.startsWith("int")) throw fields.refusal("UNSUPPORTED", "data_type", "int", dataType);
  requireWords(fields);
  const config = { file: fields.file, ...readModuleQuantization(fields), rules: readExtraConfig(fields) };
  // Zero points in AWQ's layout count whatever the config says of symmetry, so there is no claim to check.
  if (isAwq) return { ...config, layout: awqGemmLayout };
  const layout = gptqLayout(!isPlain && !format.includes("gptqmodel"));
  return { ...config, layout, check: checkSymmetry };
}

/** AutoRound's exceptions: exact names first, then keys with regex characters, found anywhere in the name. */
function readExtraConfig(fields: Fields): ModuleRule[] {
  const compile = fields.patternCompiler("extra_config");
  const exact: ModuleRule[] = [];
  const patterns: ModuleRule[] = [];
  for (const [key, value] of fields.entries("extra_config")) {
    const settings = readModuleChange(value);
    const change = (settings.bits ?? 0) >= 16 ? "dense" : settings;
    if (/[*+?^$()[\]{}|\\]/.test(key)) {
      patterns.push({ pattern: key, matches: compile(key, { anywhere: true }).matches, change });
    } else {
      exact.push({ pattern: key, matches: (name) => name === key, change });
    }
  }
  return [...exact, ...patterns];
}
