/**
 * GPTQ linear modules: deciding from the tensors that are there what a module is, and checking them.
 *
 * Tools write placeholders of size zero, leave out what is the default and quantise some modules only. So
 * neither names nor the config decide, but presence with at least one element; and half a module is an error
 * that names the missing half, never a guess.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import {
  type ModuleQuantization,
  moduleQuantization,
  type QuantizationConfig,
} from "./quantization_config.ts";
import { type Dtype, elementCount, type TensorEntry } from "./safetensors.ts";

/** Expected size of a linear module: N = `outputs`, K = `inputs`. */
export interface LinearShape {
  readonly outputs: number;
  readonly inputs: number;
  /** Shape of a dense weight in the file where it is not [N, K]: a convolution's, whose trailing sizes make up K. */
  readonly kernel?: readonly number[];
}

/** No tensor with elements; legal for optional modules only. */
export interface AbsentLinear {
  readonly kind: "absent";
}

/** A module in full precision. */
export interface DenseLinear {
  readonly kind: "dense";
  /** F16, BF16 or F32 [N, K]. */
  readonly weight: TensorEntry;
  /** F16, BF16 or F32 [N]. */
  readonly bias?: TensorEntry;
}

/**
 * A module in GPTQ's layout. W[k, n] = scales[g, n] · (code[k, n] − zero[g, n]), with g = groupIndex[k] or
 * ⌊k / groupSize⌋, and G = `groups`.
 *
 * | tensor       | dtype           | shape            | packing                                   |
 * | ------------ | --------------- | ---------------- | ----------------------------------------- |
 * | `codes`      | I32             | [K·bits / 32, N] | 32 / bits codes per word along K, low first |
 * | `scales`     | F16, BF16, F32  | [G, N]           | none                                      |
 * | `zeros`      | I32             | [G, N·bits / 32] | 32 / bits zeros per word along N, low first |
 * | `groupIndex` | I32             | [K]              | none; values to be checked on reading     |
 * | `bias`       | F16, BF16, F32  | [N]              | none                                      |
 */
export interface GptqLinear extends LinearShape {
  readonly kind: "gptq";
  readonly bits: 4 | 8;
  /** Input channels per group, K where the config says −1. The last group may be shorter. */
  readonly groupSize: number;
  readonly groups: number;
  readonly codes: TensorEntry;
  readonly scales: TensorEntry;
  /** Absent: every zero point is `zeroPoint`. */
  readonly zeros?: TensorEntry;
  /** 2^(bits − 1). */
  readonly zeroPoint: number;
  /** Whether `zeros` holds each zero point less one (v1). */
  readonly zerosStoredMinusOne: boolean;
  /** Absent: channel k belongs to group ⌊k / groupSize⌋. */
  readonly groupIndex?: TensorEntry;
  readonly bias?: TensorEntry;
}

/** What a linear module turned out to be. */
export type LinearSource = AbsentLinear | DenseLinear | GptqLinear;

const FLOATS: readonly Dtype[] = ["F16", "BF16", "F32"];
const WORDS: readonly Dtype[] = ["I32"];
const WORD_BITS = 32;
/** What every published model fulfils and the kernels' layouts rest on, for 8-bit words of four codes too. */
const INPUTS_MULTIPLE = 8;

/** Tensors that only a quantised module has. */
const QUANTISED_PARTS = ["qweight", "qzeros", "scales", "g_idx", "weight_packed", "B"];

/**
 * Decides what a linear module is and checks dtypes and shapes. No tensor data are read.
 *
 * Where the config calls a module dense but packed tensors are there, the tensors win and the config's general
 * values apply: a wrong bit width or group size cannot pass the shape checks.
 *
 * @param module Full name in the file, without a trailing dot.
 * @param shape What the model's config demands of it.
 * @param config `undefined` if the checkpoint has none; then packed tensors are refused.
 * @throws {RemoraError} `BAD_TENSOR`, `MISSING_TENSOR` (half a module), `BAD_CONFIG` or `UNSUPPORTED`, naming file and
 * tensor.
 */
export function classifyLinear(
  checkpoint: Checkpoint,
  module: string,
  shape: LinearShape,
  config: QuantizationConfig | undefined,
): LinearSource {
  const find = (part: string) => nonEmpty(checkpoint, `${module}.${part}`);
  const weight = find("weight");
  const quantised = QUANTISED_PARTS.map(find).find((entry) => entry !== undefined);
  if (weight !== undefined && quantised !== undefined) {
    throw badTensor(weight, "a dense weight or quantised tensors", `both it and "${quantised.name}"`);
  }
  if (weight !== undefined) return dense(weight, find("bias"), shape);
  if (quantised === undefined) return { kind: "absent" };

  const foreign = find("weight_packed") ?? find("B");
  if (foreign !== undefined) {
    throw new RemoraError("UNSUPPORTED", "Cannot load from", {
      file: foreign.file,
      tensor: foreign.name,
      expected: "GPTQ's tensors",
      found: "another INT4 layout",
    });
  }
  if (config === undefined) {
    throw new RemoraError("BAD_CONFIG", "Cannot load from", {
      file: quantised.file,
      tensor: quantised.name,
      expected: "a quantization_config in config.json, or quantize_config.json",
      found: "neither",
    });
  }
  return gptq(module, find, quantised, shape, config);
}

/**
 * {@linkcode classifyLinear} for a module that the model cannot do without.
 *
 * @throws {RemoraError} Also `MISSING_TENSOR`, naming the module, if it is absent.
 */
export function requireLinear(
  checkpoint: Checkpoint,
  module: string,
  shape: LinearShape,
  config: QuantizationConfig | undefined,
): DenseLinear | GptqLinear {
  const linear = classifyLinear(checkpoint, module, shape, config);
  if (linear.kind !== "absent") return linear;
  throw new RemoraError("MISSING_TENSOR", `Cannot find the module "${module}" in`, {
    file: checkpoint.source.label ?? "the model",
    expected: "a weight or qweight with elements",
    found: [...checkpoint.tensors.keys()].some((name) => name.startsWith(module + "."))
      ? "tensors without elements only"
      : "none",
  });
}

function dense(weight: TensorEntry, bias: TensorEntry | undefined, shape: LinearShape): DenseLinear {
  checkTensor(weight, FLOATS, shape.kernel ?? [shape.outputs, shape.inputs]);
  checkBias(bias, shape);
  return { kind: "dense", weight, ...(bias && { bias }) };
}

function gptq(
  module: string,
  find: (part: string) => TensorEntry | undefined,
  quantised: TensorEntry,
  { outputs, inputs }: LinearShape,
  config: QuantizationConfig,
): GptqLinear {
  const require = (part: string): TensorEntry => {
    const entry = find(part);
    if (entry !== undefined) return entry;
    const details = {
      file: quantised.file,
      // As the file spells its neighbour: the module's name may be ours.
      tensor: quantised.name.slice(0, quantised.name.lastIndexOf(".") + 1) + part,
      expected: "elements",
      found: "none, in a quantised module",
    };
    throw new RemoraError("MISSING_TENSOR", "Cannot load from", details);
  };
  const qweight = require("qweight");
  const scales = require("scales");
  const settings = settingsOf(config, module);
  const bits = requireBits(settings.bits, qweight);

  const codesPerWord = WORD_BITS / bits;
  if (outputs % codesPerWord !== 0 || inputs % INPUTS_MULTIPLE !== 0) {
    throw badTensor(
      qweight,
      `inputs in multiples of ${INPUTS_MULTIPLE} and outputs of ${codesPerWord}`,
      `${inputs} and ${outputs}`,
    );
  }
  checkTensor(qweight, WORDS, [inputs / codesPerWord, outputs]);

  const groupIndex = find("g_idx");
  if (groupIndex !== undefined) checkTensor(groupIndex, WORDS, [inputs]);
  const groupSize = settings.groupSize === -1 ? inputs : settings.groupSize;
  const isReordered = settings.actOrder && settings.groupSize !== -1 && groupIndex !== undefined;
  const groups = isReordered && scales.shape.length === 2 ? scales.shape[0] : Math.ceil(inputs / groupSize);
  checkTensor(scales, FLOATS, [groups, outputs]);

  const zeros = settings.symmetric === true ? undefined : find("qzeros");
  if (zeros !== undefined) checkTensor(zeros, WORDS, [groups, outputs / codesPerWord]);
  else if (settings.symmetric === false) require("qzeros");

  const bias = find("bias");
  checkBias(bias, { outputs, inputs });
  return {
    kind: "gptq",
    bits,
    groupSize,
    inputs,
    outputs,
    groups,
    codes: qweight,
    scales,
    ...(zeros && { zeros }),
    zeroPoint: 2 ** (bits - 1),
    zerosStoredMinusOne: config.zerosStoredMinusOne,
    ...(groupIndex && { groupIndex }),
    ...(bias && { bias }),
  };
}

function settingsOf(config: QuantizationConfig, module: string): ModuleQuantization {
  const settings = moduleQuantization(config, module);
  return settings === "dense" ? config : settings;
}

function requireBits(bits: number, { file, name }: TensorEntry): 4 | 8 {
  if (bits === 4 || bits === 8) return bits;
  throw new RemoraError("UNSUPPORTED", "Cannot load from", {
    file,
    tensor: name,
    expected: "bits to be 4 or 8",
    found: `${bits}`,
  });
}

/**
 * Checks the values of a group index, in pieces of any size.
 *
 * @param groups Every value must be at least 0 and below this.
 * @throws {RemoraError} `BAD_TENSOR`, naming the first value that is not.
 */
export function checkGroupIndex(values: Int32Array, groups: number, entry: TensorEntry): void {
  const wrong = values.find((group) => group < 0 || group >= groups);
  if (wrong !== undefined) throw badTensor(entry, `groups 0 to ${groups - 1}`, `${wrong}`);
}

/**
 * Checks that values are finite, in pieces of any size.
 *
 * @param values Raw bits for F16 and BF16, numbers for F32.
 * @throws {RemoraError} `BAD_TENSOR`, naming the tensor.
 */
export function checkFinite(values: Uint16Array | Float32Array, dtype: Dtype, entry: TensorEntry): void {
  const exponent = dtype === "BF16" ? 0x7f80 : 0x7c00;
  const isFinite = values instanceof Float32Array
    ? values.every(Number.isFinite)
    : values.every((bits) => (bits & exponent) !== exponent);
  if (!isFinite) throw badTensor(entry, "finite values", "NaN or infinity");
}

function nonEmpty(checkpoint: Checkpoint, name: string): TensorEntry | undefined {
  const entry = checkpoint.tensors.get(name);
  return entry !== undefined && elementCount(entry.shape) > 0 ? entry : undefined;
}

function checkBias(bias: TensorEntry | undefined, { outputs }: LinearShape): void {
  if (bias !== undefined) checkTensor(bias, FLOATS, [outputs]);
}

function checkTensor(entry: TensorEntry, dtypes: readonly Dtype[], shape: readonly number[]): void {
  const fits = dtypes.includes(entry.dtype) && entry.shape.length === shape.length &&
    shape.every((size, axis) => entry.shape[axis] === size);
  if (fits) return;
  throw badTensor(
    entry,
    `${dtypes.join(" or ")} [${shape.join(", ")}]`,
    `${entry.dtype} [${entry.shape.join(", ")}]`,
  );
}

function badTensor({ file, name }: TensorEntry, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_TENSOR", "Cannot load from", { file, tensor: name, expected, found });
}
