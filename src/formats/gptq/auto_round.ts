/**
 * AutoRound's quantisation configs, as far as its files have GPTQ's layout.
 *
 * @module
 */
import type { Fields } from "../fields.ts";
import {
  type ModuleRule,
  type QuantizationConfig,
  type QuantizationMethod,
  readModuleChange,
  readModuleQuantization,
} from "../quantization.ts";
import { requireWords } from "./config.ts";
import { gptqLayout } from "./linear.ts";
import { checkSymmetry } from "./symmetry.ts";

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
  const isPlain = /^auto_round(:(exllamav2|triton))?$/.test(format);
  if (format.includes("awq") || !(format.includes("gptq") || isPlain)) {
    throw fields.refusal("UNSUPPORTED", "packing_format", "a GPTQ layout", format);
  }
  const dataType = fields.string("data_type") ?? "int";
  if (!dataType.startsWith("int")) throw fields.refusal("UNSUPPORTED", "data_type", "int", dataType);
  requireWords(fields);
  return {
    file: fields.file,
    layout: gptqLayout(!isPlain && !format.includes("gptqmodel")),
    ...readModuleQuantization(fields),
    rules: readExtraConfig(fields),
    check: checkSymmetry,
  };
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
