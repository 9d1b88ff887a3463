/**
 * What a checkpoint says about how it was quantised. It supplies numbers (bits, group size, symmetry); which
 * modules are quantised is decided by the tensors that are there.
 *
 * @module
 */

import { type ErrorCode, RemoraError } from "../core/errors.ts";
import { CONFIG_BYTES_MAX, GROUP_SIZE_MAX, PATTERN_STEPS_MAX } from "../core/limits.ts";
import { describeJson, isObject, readJsonObject } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import { compileModulePattern } from "./module_pattern.ts";

/** How one module's packed tensors are to be understood. */
export interface ModuleQuantization {
  /** Bits per code; which of them we can run is decided where packed tensors are met. */
  readonly bits: number;
  /** Input channels that share a scale; −1 for all of them. */
  readonly groupSize: number;
  /** Whether the zero point is the middle code; `undefined` if the config does not say. */
  readonly symmetric: boolean | undefined;
  /** Whether the channels were visited in another order. A claim only: the group index tensor has the truth. */
  readonly actOrder: boolean;
}

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
  readonly method: "gptq" | "auto-round";
  /** Format v1 stores each zero point less one; v2 stores it as it is. */
  readonly zerosStoredMinusOne: boolean;
  readonly packDtypeBits: 32;
  /** In the order in which they are tried; the first that matches counts. */
  readonly rules: readonly ModuleRule[];
}

/**
 * Reads the quantisation config: `quantization_config` of config.json, that of its `text_config`,
 * quantize_config.json, quant_config.json, whichever is there first.
 *
 * @returns `undefined` if the checkpoint has none.
 * @throws {RemoraError} `BAD_CONFIG` for values that cannot be, `UNSUPPORTED` for formats we do not read; both name
 * the file, the key and the value.
 */
export async function readQuantizationConfig(source: ModelSource): Promise<QuantizationConfig | undefined> {
  const files = await source.list();
  const read = (name: string) => readJsonObject(source, files, name, CONFIG_BYTES_MAX, "BAD_CONFIG");

  const file = "config.json";
  const config = await read(file);
  for (const path of [["quantization_config"], ["text_config", "quantization_config"]]) {
    let value: unknown = config;
    for (const key of path) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    if (value !== undefined && value !== null) return normalise(new Fields(file, path.join("."), value));
  }
  for (const name of ["quantize_config.json", "quant_config.json"]) {
    const value = await read(name);
    if (value !== undefined) return normalise(new Fields(name, "", value));
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

function normalise(fields: Fields): QuantizationConfig {
  const method = fields.string("quant_method", "method") ?? guessMethod(fields);
  if (method === "gptq") return normaliseGptq(fields);
  if (method === "auto-round" || method === "intel/auto-round") return normaliseAutoRound(fields);
  throw fields.refusal("UNSUPPORTED", "quant_method", "gptq or auto-round", method);
}

/** Configs older than the key: AutoGPTQ's and AutoAWQ's, told apart by keys only AutoAWQ writes. */
function guessMethod(fields: Fields): string {
  return fields.has("zero_point") || fields.has("w_bit") || fields.has("q_group_size") ? "awq" : "gptq";
}

function normaliseGptq(fields: Fields): QuantizationConfig {
  const format = fields.boolean("is_marlin_format")
    ? "marlin (is_marlin_format)"
    : fields.string("checkpoint_format", "format") ?? "gptq";
  if (format !== "gptq" && format !== "gptq_v2") {
    throw fields.refusal("UNSUPPORTED", "checkpoint_format", "gptq or gptq_v2", format);
  }
  return {
    file: fields.file,
    method: "gptq",
    ...readModule(fields),
    zerosStoredMinusOne: format === "gptq",
    packDtypeBits: readPackDtype(fields),
    rules: readDynamic(fields, format),
  };
}

/**
 * AutoRound writes the GPTQ layout under several names; the order of the tests is that of its exporter.
 *
 * @see {@link https://github.com/intel/auto-round/blob/b9f3d00/auto_round/export/export_to_autoround/export.py | export.py}
 */
function normaliseAutoRound(fields: Fields): QuantizationConfig {
  const format = fields.string("packing_format", "backend") ?? "auto_round:auto_gptq";
  const isPlain = /^auto_round(:(exllamav2|triton))?$/.test(format);
  if (format.includes("awq") || !(format.includes("gptq") || isPlain)) {
    throw fields.refusal("UNSUPPORTED", "packing_format", "a GPTQ layout", format);
  }
  const dataType = fields.string("data_type") ?? "int";
  if (!dataType.startsWith("int")) throw fields.refusal("UNSUPPORTED", "data_type", "int", dataType);
  return {
    file: fields.file,
    method: "auto-round",
    ...readModule(fields),
    zerosStoredMinusOne: !isPlain && !format.includes("gptqmodel"),
    packDtypeBits: readPackDtype(fields),
    rules: readExtraConfig(fields),
  };
}

function readModule(fields: Fields): ModuleQuantization {
  const { bits, groupSize, symmetric, actOrder = false } = readChange(fields);
  if (bits === undefined) throw fields.refusal("BAD_CONFIG", "bits", "a whole number", "none");
  if (groupSize === undefined) throw fields.refusal("BAD_CONFIG", "group_size", "a whole number", "none");
  return { bits, groupSize, symmetric, actOrder };
}

/** Only the keys that are there, so that the result can be laid over a base. */
function readChange(fields: Fields): Partial<ModuleQuantization> {
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

function readPackDtype(fields: Fields): 32 {
  const dtype = fields.string("pack_dtype") ?? "int32";
  if (dtype !== "int32") throw fields.refusal("UNSUPPORTED", "pack_dtype", "int32", dtype);
  return 32;
}

/**
 * GPTQModel's exceptions, in the order of the file: key `-:regex` leaves modules dense, `+:regex` or `regex`
 * changes what its value names. Python's `re.match`: anchored at the start of the name, not at its end.
 *
 * @see {@link https://github.com/HabanaAI/vllm-fork/blob/95af700/vllm/model_executor/layers/quantization/utils/gptq_utils.py
 * | gptq_utils.py}
 */
function readDynamic(fields: Fields, format: string): ModuleRule[] {
  const compile = patternCompiler(fields, "dynamic");
  return fields.entries("dynamic").map(([key, value]) => {
    const isDense = key.startsWith("-:");
    const pattern = compile(key.replace(/^[-+]:/, ""), false);
    readPackDtype(value);
    const ownFormat = value.string("checkpoint_format", "format") ?? format;
    if (ownFormat !== format) throw value.refusal("UNSUPPORTED", "checkpoint_format", format, ownFormat);
    return { pattern: key, matches: pattern.matches, change: isDense ? "dense" : readChange(value) };
  });
}

/** AutoRound's exceptions: exact names first, then keys with regex characters, found anywhere in the name. */
function readExtraConfig(fields: Fields): ModuleRule[] {
  const compile = patternCompiler(fields, "extra_config");
  const exact: ModuleRule[] = [];
  const patterns: ModuleRule[] = [];
  for (const [key, value] of fields.entries("extra_config")) {
    const settings = readChange(value);
    const change = (settings.bits ?? 0) >= 16 ? "dense" : settings;
    if (/[*+?^$()[\]{}|\\]/.test(key)) {
      patterns.push({ pattern: key, matches: compile(key, true).matches, change });
    } else {
      exact.push({ pattern: key, matches: (name) => name === key, change });
    }
  }
  return [...exact, ...patterns];
}

function patternCompiler(fields: Fields, key: string) {
  let steps = 0;
  return (pattern: string, anywhere: boolean) => {
    try {
      const compiled = compileModulePattern(pattern, { anywhere });
      steps += compiled.steps;
      if (steps > PATTERN_STEPS_MAX) throw new SyntaxError("patterns that are too large together");
      return compiled;
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      throw fields.refusal("UNSUPPORTED", key, "simple regular expressions", cause.message);
    }
  };
}

/** Typed access to the keys of one object of a config; `null` counts as absent, as Python's `None` is written so. */
class Fields {
  readonly #values: Record<string, unknown>;

  /** @param path Where the object sits in the file; "" for the top. */
  constructor(readonly file: string, readonly path: string, values: unknown) {
    if (!isObject(values)) {
      const details = { file, expected: `${path} to be an object`, found: describeJson(values) };
      throw new RemoraError("BAD_CONFIG", "Cannot read", details);
    }
    this.#values = values;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#values, key) && this.#values[key] !== null;
  }

  integer(...aliases: string[]): number | undefined {
    return this.#get(aliases, "a whole number", Number.isSafeInteger) as number | undefined;
  }

  string(...aliases: string[]): string | undefined {
    return this.#get(aliases, "a string", (value) => typeof value === "string") as string | undefined;
  }

  boolean(...aliases: string[]): boolean | undefined {
    return this.#get(aliases, "true or false", (value) => typeof value === "boolean") as boolean | undefined;
  }

  /** The members of an object of objects; none if the key is absent. */
  entries(key: string): [string, Fields][] {
    const members = this.#get([key], "an object", isObject) as Record<string, unknown> | undefined;
    return Object.entries(members ?? {}).map((
      [name, value],
    ) => [name, new Fields(this.file, this.#pathOf(`${key}["${name}"]`), value)]);
  }

  refusal(code: ErrorCode, key: string, expected: string, found: string): RemoraError {
    const details = { file: this.file, expected: `${this.#pathOf(key)} to be ${expected}`, found };
    return new RemoraError(code, "Cannot use the quantisation config in", details);
  }

  #get(aliases: string[], expected: string, isValid: (value: unknown) => boolean): unknown {
    const key = aliases.find((alias) => this.has(alias));
    if (key === undefined) return undefined;
    const value = this.#values[key];
    if (!isValid(value)) throw this.refusal("BAD_CONFIG", key, expected, describeJson(value));
    return value;
  }

  #pathOf(key: string): string {
    return this.path === "" ? key : `${this.path}.${key}`;
  }
}
