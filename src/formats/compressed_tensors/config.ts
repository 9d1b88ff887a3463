/**
 * The quantisation configs of compressed-tensors, which llm-compressor writes: groups of modules, each with its targets and the
 * scheme of its weights, and a list of modules that were left dense.
 *
 * @see {@link https://github.com/vllm-project/compressed-tensors/blob/ac8e2ba/src/compressed_tensors/quantization/quant_config.py
 * | quant_config.py}
 *
 * @module
 */
import { GROUP_SIZE_MAX } from "../../core/limits.ts";
import type { Fields } from "../fields.ts";
import type { ModuleRule, QuantizationConfig, QuantizationMethod } from "../quantization.ts";
import type { ModuleQuantization } from "../stored_linear.ts";
import { compressedLayout } from "./linear.ts";

export const compressedTensorsMethod: QuantizationMethod = {
  names: ["compressed-tensors"],
  readConfig,
};

/** Ways in which tensors are written that are read here; `dense` and `mixed-precision` leave it to the groups. */
const FORMATS = ["pack-quantized", "int-quantized", "naive-quantized", "mixed-precision", "dense"];
const PATTERN = "re:";
/** The class that all modules we ask for have. */
const LINEAR = "Linear";

/** Of files whose scheme is for keys and values alone: their weights have 16 bits. */
const UNQUANTISED: ModuleQuantization = { bits: 16, groupSize: -1, symmetric: true, actOrder: false };

function readConfig(fields: Fields): QuantizationConfig {
  requireFormat(fields);
  const sparsity = fields.object("sparsity_config")?.string("format") ?? "dense";
  if (sparsity !== "dense") throw fields.refusal("UNSUPPORTED", "sparsity_config.format", "dense", sparsity);
  // Rotations of activations that belong to the weights.
  const transforms = fields.entries("transform_config").length;
  if (transforms > 0) {
    throw fields.refusal("UNSUPPORTED", "transform_config", "empty", `${transforms} settings`);
  }
  const groups = fields.entries("config_groups").filter(([, group]) => group.has("weights"))
    .map(([, group]) => ({ group, change: readWeights(group) }));
  const compile = fields.patternCompiler("config_groups");
  const rules = groups.flatMap(({ group, change }) =>
    group.strings("targets").map((target) => ({ target, rule: ruleFor(target, change, compile) }))
  );
  return {
    file: fields.file,
    layout: compressedLayout,
    ...groups.at(0)?.change ?? UNQUANTISED,
    rules: [
      ...fields.strings("ignore").map((entry) => ruleFor(entry, "dense", fields.patternCompiler("ignore"))),
      // Names count more than patterns, patterns more than classes.
      ...rules.sort((a, b) => rankOf(a.target) - rankOf(b.target)).map(({ rule }) => rule),
    ],
    check: (_, config, onNotice) => {
      for (const notice of noticesOf(fields)) onNotice?.(notice);
      return Promise.resolve(config);
    },
  };
}

function requireFormat(fields: Fields): void {
  const format = fields.string("format") ?? "pack-quantized";
  if (!FORMATS.includes(format)) {
    throw fields.refusal("UNSUPPORTED", "format", "pack-quantized or int-quantized", format);
  }
}

/** The scheme of a group's weights. */
function readWeights(group: Fields): ModuleQuantization {
  requireFormat(group);
  const weights = group.object("weights")!;
  const type = weights.string("type") ?? "int";
  if (type !== "int") throw weights.refusal("UNSUPPORTED", "type", "int", type);
  const bits = weights.integer("num_bits") ?? 8;
  if (bits < 1 || bits > 32) throw weights.refusal("BAD_CONFIG", "num_bits", "1 to 32", `${bits}`);
  const groupSize = weights.integer("group_size") ?? -1;
  const strategy = weights.string("strategy") ?? (groupSize === -1 ? "tensor" : "group");
  if (!["group", "channel", "tensor"].includes(strategy)) {
    throw weights.refusal("UNSUPPORTED", "strategy", "group, channel or tensor", strategy);
  }
  if (strategy === "group" && (groupSize < 1 || groupSize > GROUP_SIZE_MAX)) {
    throw weights.refusal("BAD_CONFIG", "group_size", `1 to ${GROUP_SIZE_MAX}`, `${groupSize}`);
  }
  return {
    bits,
    groupSize: strategy === "group" ? groupSize : -1,
    symmetric: weights.boolean("symmetric") ?? true,
    // The group index tells; tools changed the meaning of the setting.
    actOrder: false,
  };
}

/** The rule for one target: a module's name, `re:` and a pattern anchored at the start, or a class. */
function ruleFor(
  target: string,
  change: ModuleRule["change"],
  compile: ReturnType<Fields["patternCompiler"]>,
): ModuleRule {
  if (!target.startsWith(PATTERN)) {
    return { pattern: target, matches: (name) => target === LINEAR || name === target, change };
  }
  const excludes = change === "dense";
  const { matches } = compile(target.slice(PATTERN.length), { anywhere: false, excludes });
  return { pattern: target, matches, change };
}

function rankOf(target: string): number {
  return target === LINEAR ? 2 : target.startsWith(PATTERN) ? 1 : 0;
}

/** What the config asks of an engine besides reading weights, and is not done. */
function* noticesOf(fields: Fields): Generator<string, void, void> {
  if (fields.has("kv_cache_scheme")) {
    yield `kv_cache_scheme in ${fields.file} is not used: keys and values are kept as the option kvCache says`;
  }
  for (const [name, group] of fields.entries("config_groups")) {
    if (!group.has("input_activations") && !group.has("output_activations")) continue;
    yield `activations of ${name} in ${fields.file} are not rounded as it says: their own precision is used`;
  }
}
