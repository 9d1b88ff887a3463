/**
 * Which stored formats load: one line each, and what a linear module is by the tensors that are there.
 *
 * Tools write placeholders of size zero, leave out what is the default and quantise some modules only. So neither names nor the
 * config decide, but presence with at least one element; and half a module is an error that names the missing half, never a
 * guess.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { autoRoundMethod } from "./auto_round.ts";
import { awqMethod } from "./awq/config.ts";
import { awqGemmLayout } from "./awq/gemm.ts";
import { compressedTensorsMethod } from "./compressed_tensors/config.ts";
import { compressedLayout } from "./compressed_tensors/linear.ts";
import type { Checkpoint } from "./containers/checkpoint.ts";
import { isBlockFormat } from "./containers/gguf/types.ts";
import { elementCount, type TensorEntry } from "./containers/safetensors.ts";
import { readDense } from "./dense.ts";
import { describeForeign } from "./foreign.ts";
import { gptqMethod } from "./gptq/config.ts";
import { readBlocks } from "./gguf/blocks.ts";
import { gptqLayout } from "./gptq/linear.ts";
import { marlinLayout } from "./marlin/linear.ts";
import type { Fields } from "./fields.ts";
import { moduleQuantization, type QuantizationConfig, type QuantizationMethod } from "./quantization.ts";
import type { DenseForm, LinearShape, StoredLinear, StoredModule } from "./stored_linear.ts";
import { badTensor, CODE_DTYPES } from "./tensor_checks.ts";

/** A config without `quant_method` belongs to the first that recognises it. */
const METHODS: readonly QuantizationMethod[] = [
  awqMethod,
  gptqMethod,
  autoRoundMethod,
  compressedTensorsMethod,
];

/** A dense module's only tensor besides the bias. Integers under this name are codes. */
const WEIGHT = "weight";
/** Tensors that only a quantised module has. */
const PACKED_PARTS: ReadonlySet<string> = new Set(
  [gptqLayout(true), awqGemmLayout, compressedLayout, marlinLayout].flatMap(({ parts }) => parts)
    .filter((part) => part !== WEIGHT),
);

/**
 * Reads the quantisation config of a model, as `findQuantizationConfig` found it.
 *
 * @throws {RemoraError} `BAD_CONFIG` for values that cannot be, `UNSUPPORTED` for formats we do not read; both name the file, the
 * key and the value.
 */
export function readQuantizationConfig(fields: Fields): QuantizationConfig {
  const name = fields.string("quant_method", "method");
  const method = METHODS.find(({ names, recognises }) =>
    name === undefined ? recognises?.(fields) : names.some((known) => plain(known) === plain(name))
  );
  if (method !== undefined) return method.readConfig(fields);
  const known = METHODS.map(({ names }) => names[0]);
  throw fields.refusal("UNSUPPORTED", "quant_method", known.join(" or "), describeForeign(name!));
}

/** A method's name without what tools spell one way or the other: capitals, and hyphens for underscores (as vLLM does). */
function plain(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

/**
 * Decides what a linear module is and checks dtypes and shapes. No tensor data are read.
 *
 * Where the config calls a module dense but packed tensors are there, the tensors win and the config's general
 * values apply: a wrong bit width or group size cannot pass the shape checks.
 *
 * @param name Full name in the file, without a trailing dot.
 * @param shape What the model's config demands of it.
 * @param config `undefined` if the checkpoint has none; then packed tensors are refused.
 * @param dense What becomes of the module if it is dense.
 * @returns `undefined` if no tensor of the module has elements.
 * @throws {RemoraError} `BAD_TENSOR`, `MISSING_TENSOR` (half a module), `BAD_CONFIG` or `UNSUPPORTED`, naming file and
 * tensor.
 */
export function readLinear(
  checkpoint: Checkpoint,
  name: string,
  shape: LinearShape,
  config: QuantizationConfig | undefined,
  dense: DenseForm,
): StoredLinear | undefined {
  const module: StoredModule = { name, find: (part) => nonEmpty(checkpoint, `${name}.${part}`) };
  const weight = module.find(WEIGHT);
  const part = [...PACKED_PARTS].find((part) => module.find(part) !== undefined);
  if (weight !== undefined && isBlockFormat(weight.dtype)) return readBlocks(module, weight, shape);
  if (weight?.dtype === "U32" && module.find("biases")) throw foreignLayout(weight, "mlx");
  if (weight !== undefined && !CODE_DTYPES.includes(weight.dtype)) {
    if (part === undefined) return readDense(module, weight, shape, dense);
    const found = `both it and "${module.find(part)!.name}"`;
    throw badTensor(weight, "a dense weight or quantised tensors", found);
  }
  const packed = weight ?? (part === undefined ? undefined : module.find(part));
  if (packed === undefined) return undefined;
  if (config === undefined) throw withoutConfig(packed);
  if (!config.layout.parts.includes(weight ? WEIGHT : part!)) throw otherLayout(packed, config.layout.format);
  const settings = moduleQuantization(config, name);
  return config.layout.readLinear(module, shape, settings === "dense" ? config : settings);
}

/**
 * {@linkcode readLinear} for a module that the model cannot do without.
 *
 * @throws {RemoraError} Also `MISSING_TENSOR`, naming the module, if it is absent.
 */
export function requireLinear(
  checkpoint: Checkpoint,
  name: string,
  shape: LinearShape,
  config: QuantizationConfig | undefined,
  dense: DenseForm,
): StoredLinear {
  const linear = readLinear(checkpoint, name, shape, config, dense);
  if (linear !== undefined) return linear;
  throw new RemoraError("MISSING_TENSOR", `Cannot find the module "${name}" in`, {
    file: checkpoint.source.label ?? "the model",
    expected: "a weight or quantised tensors with elements",
    found: [...checkpoint.tensors.keys()].some((tensor) => tensor.startsWith(name + "."))
      ? "tensors without elements only"
      : "none",
  });
}

function nonEmpty(checkpoint: Checkpoint, name: string): TensorEntry | undefined {
  const entry = checkpoint.tensors.get(name);
  return entry !== undefined && elementCount(entry.shape) > 0 ? entry : undefined;
}

function otherLayout({ file, name }: TensorEntry, format: string): RemoraError {
  return new RemoraError("UNSUPPORTED", "Cannot load from", {
    file,
    tensor: name,
    expected: `the tensors of ${format}, as the quantisation config says`,
    found: "another layout",
  });
}

function foreignLayout({ file, name }: TensorEntry, method: string): RemoraError {
  return new RemoraError("UNSUPPORTED", "Cannot load from", {
    file,
    tensor: name,
    expected: "a stored format that is read",
    found: describeForeign(method),
  });
}

function withoutConfig({ file, name }: TensorEntry): RemoraError {
  return new RemoraError("BAD_CONFIG", "Cannot load from", {
    file,
    tensor: name,
    expected: "a quantization_config in config.json, or quantize_config.json",
    found: "neither",
  });
}
