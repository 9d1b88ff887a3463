/**
 * What a checkpoint says about how it was quantised. It supplies numbers (bits, group size, symmetry); which modules are
 * quantised is decided by the tensors that are there.
 *
 * @module
 */
import { GROUP_SIZE_MAX } from "../core/limits.ts";
import { CONFIG_FILE, QUANTIZATION_CONFIG_FILES } from "../io/model_files.ts";
import { isObject, readJsonObject } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import type { Checkpoint } from "./containers/checkpoint.ts";
import { Fields } from "./fields.ts";
import type { ModuleQuantization, PackedLayout } from "./stored_linear.ts";

/** An exception for modules whose names match. */
export interface ModuleRule {
  /** Key in the config. */
  readonly pattern: string;
  matches(moduleName: string): boolean;
  /** What differs for these modules, or that they were left dense. */
  readonly change: Partial<ModuleQuantization> | "dense";
}

/** The normalised quantisation config of a checkpoint. */
export interface QuantizationConfig extends ModuleQuantization {
  /** File it was read from. */
  readonly file: string;
  /** How packed tensors lie in the file. */
  readonly layout: PackedLayout;
  /** In the order in which they are tried; the first that matches counts. */
  readonly rules: readonly ModuleRule[];
  /** The config without claims that the tensors contradict; `onNotice` is told which. */
  readonly check?: (
    checkpoint: Checkpoint,
    config: QuantizationConfig,
    onNotice?: (text: string) => void,
  ) => Promise<QuantizationConfig>;
}

/** A family of quantisation configs: what one method's tools write. */
export interface QuantizationMethod {
  /** Values of `quant_method`. */
  readonly names: readonly string[];
  /** Whether a config without `quant_method` is one of these. */
  recognises?(fields: Fields): boolean;
  /** @throws {RemoraError} `BAD_CONFIG` for values that cannot be, `UNSUPPORTED` for variants that we do not read. */
  readConfig(fields: Fields): QuantizationConfig;
}

/**
 * Finds the quantisation config: `quantization_config` of config.json, that of its `text_config`, `compression_config` (as early
 * llm-compressor wrote it), quantize_config.json, quant_config.json, whichever is there first and says anything.
 *
 * @param config What config.json holds; `undefined` if there is none.
 * @returns Its keys; `undefined` if the checkpoint has none.
 * @throws {RemoraError} `BAD_CONFIG`, naming the file and the key.
 */
export async function findQuantizationConfig(
  source: ModelSource,
  config: Record<string, unknown> | undefined,
): Promise<Fields | undefined> {
  const paths = [["quantization_config"], ["text_config", "quantization_config"], ["compression_config"]];
  for (const path of paths) {
    let value: unknown = config;
    for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    const isEmpty = isObject(value) && Object.keys(value).length === 0;
    if (value !== undefined && value !== null && !isEmpty) {
      return new Fields(CONFIG_FILE, path.join("."), value);
    }
  }
  const files = await source.list();
  for (const name of QUANTIZATION_CONFIG_FILES) {
    const value = await readJsonObject(source, files, name);
    if (value !== undefined) return new Fields(name, "", value);
  }
  return undefined;
}

/**
 * How to read the packed tensors of one module: the config's values with the first matching rule applied.
 *
 * @param moduleName Full name in the file, such as `model.layers.0.self_attn.q_proj`.
 * @returns `"dense"` if the config says that the module was not quantised.
 */
export function moduleQuantization(
  config: QuantizationConfig,
  moduleName: string,
): ModuleQuantization | "dense" {
  const change = config.rules.find((rule) => rule.matches(moduleName))?.change;
  if (change === "dense") return change;
  const { bits, groupSize, symmetric, actOrder } = config;
  return { bits, groupSize, symmetric, actOrder, ...change };
}

/** The values that all modules share; bits and group size must be there, or among the `defaults`. */
export function readModuleQuantization(
  fields: Fields,
  defaults: Partial<ModuleQuantization> = {},
): ModuleQuantization {
  const { bits, groupSize, symmetric, actOrder = false } = { ...defaults, ...readModuleChange(fields) };
  if (bits === undefined) throw fields.refusal("BAD_CONFIG", "bits", "a whole number", "none");
  if (groupSize === undefined) throw fields.refusal("BAD_CONFIG", "group_size", "a whole number", "none");
  return { bits, groupSize, symmetric, actOrder };
}

/** Only the keys that are there, so that the result can be laid over a base. */
export function readModuleChange(fields: Fields): Partial<ModuleQuantization> {
  const bits = fields.integer("bits", "w_bit", "wbits");
  if (bits !== undefined && (bits < 1 || bits > 32)) {
    throw fields.refusal("BAD_CONFIG", "bits", "1 to 32", `${bits}`);
  }
  const groupSize = fields.integer("group_size", "q_group_size");
  if (groupSize !== undefined && groupSize !== -1 && (groupSize < 1 || groupSize > GROUP_SIZE_MAX)) {
    throw fields.refusal("BAD_CONFIG", "group_size", `-1 or 1 to ${GROUP_SIZE_MAX}`, `${groupSize}`);
  }
  const symmetric = fields.boolean("sym");
  const actOrder = fields.boolean("desc_act");
  return {
    ...(bits !== undefined && { bits }),
    ...(groupSize !== undefined && { groupSize }),
    ...(symmetric !== undefined && { symmetric }),
    ...(actOrder !== undefined && { actOrder }),
  };
}
