/**
 * The quantisation configs of AutoGPTQ and GPTQModel, of GPTQ's tensors and of Marlin's.
 *
 * @module
 */
import type { Fields } from "../fields.ts";
import { describeForeign } from "../foreign.ts";
import {
  type ModuleRule,
  type QuantizationConfig,
  type QuantizationMethod,
  readModuleChange,
  readModuleQuantization,
} from "../quantization.ts";
import { marlinLayout } from "../marlin/linear.ts";
import { gptqLayout } from "./linear.ts";
import { checkSymmetry } from "./symmetry.ts";

const MARLIN = "marlin";

export const gptqMethod: QuantizationMethod = {
  // vLLM writes the name of the kernel that it chose.
  names: ["gptq", "gptq_marlin", "gptq_bitblas", "marlin"],
  // Configs older than the key; AutoAWQ's are told apart by keys that only it writes, and come first.
  recognises: () => true,
  readConfig,
};

function readConfig(fields: Fields): QuantizationConfig {
  const format = formatOf(fields);
  if (!["gptq", "gptq_v2", MARLIN].includes(format)) {
    throw fields.refusal(
      "UNSUPPORTED",
      "checkpoint_format",
      "gptq, gptq_v2 or marlin",
      describeForeign(format),
    );
  }
  requireWords(fields);
  const isMarlin = format === MARLIN;
  return {
    file: fields.file,
    layout: isMarlin ? marlinLayout : gptqLayout(format === "gptq"),
    ...readModuleQuantization(fields, isMarlin ? { bits: 4 } : {}),
    rules: readDynamic(fields, format),
    ...(!isMarlin && { check: checkSymmetry }),
  };
}

/** Marlin's order has three names: a format, AutoGPTQ's flag, and a method of its own. */
function formatOf(fields: Fields): string {
  if (
    fields.boolean("is_marlin_format") || fields.string("quant_method", "method")?.toLowerCase() === MARLIN
  ) return MARLIN;
  return fields.string("checkpoint_format", "format") ?? "gptq";
}

/** Codes are packed into words of 32 bits. */
export function requireWords(fields: Fields): void {
  const dtype = fields.string("pack_dtype") ?? "int32";
  if (dtype !== "int32") throw fields.refusal("UNSUPPORTED", "pack_dtype", "int32", dtype);
}

/**
 * GPTQModel's exceptions, in the order of the file: key `-:regex` leaves modules dense, `+:regex` or `regex`
 * changes what its value names. Python's `re.match`: anchored at the start of the name, not at its end.
 *
 * @see {@link https://github.com/HabanaAI/vllm-fork/blob/95af700/vllm/model_executor/layers/quantization/utils/gptq_utils.py
 * | gptq_utils.py}
 */
function readDynamic(fields: Fields, format: string): ModuleRule[] {
  const compile = fields.patternCompiler("dynamic");
  return fields.entries("dynamic").map(([key, value]) => {
    const isDense = key.startsWith("-:");
    const pattern = compile(key.replace(/^[-+]:/, ""), { anywhere: false, excludes: isDense });
    requireWords(value);
    const ownFormat = value.string("checkpoint_format", "format") ?? format;
    if (ownFormat !== format) throw value.refusal("UNSUPPORTED", "checkpoint_format", format, ownFormat);
    return { pattern: key, matches: pattern.matches, change: isDense ? "dense" : readModuleChange(value) };
  });
}
