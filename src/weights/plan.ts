/**
 * What will lie where before anything is read: each module's stored form, its form in kernel memory and its bytes.
 *
 * @module
 */
import {
  BLOCK_INPUTS,
  GROUP_INPUTS_MAX,
  KIND_BF16,
  KIND_F16,
  KIND_F32,
  KIND_INT4,
  KIND_INT7,
  KIND_INT8,
} from "../../kernels/shared/layout.ts";
import { RemoraError } from "../core/errors.ts";
import { type DenseLinear, type GptqLinear, type LinearShape, requireLinear } from "../formats/gptq.ts";
import type { Checkpoint } from "../formats/checkpoint.ts";
import type { QuantizationConfig } from "../formats/quantization_config.ts";
import type { TensorEntry } from "../formats/safetensors.ts";
import { linearBytes, type LinearForm } from "./linear.ts";
import type { DenseForm, LinearOptions } from "./taker.ts";

/** Arithmetic of the matrix products: activations in signed bytes, or f32 ones against weights as stored. */
export type Precision = "int8" | "f32";

/** What becomes of dense matrices under "int8": requantised where the model bears it, or none. */
export type DenseStorage = "int8" | "f16";

/**
 * Inputs that share a scale when a dense matrix is requantised to 8 bit: one f32 scale adds 6 % to its bytes.
 * docs/numerics.md has the perplexity with it.
 */
const DENSE_GROUP_INPUTS = 64;

/** A linear module as it is stored and as it will lie in memory. */
export interface PlannedLinear extends LinearShape {
  readonly name: string;
  /** What it lies together with; see `WeightTaker.part`. */
  readonly part: string;
  readonly stored: DenseLinear | GptqLinear;
  readonly kind: number;
  /** Inputs that share one scale in memory. */
  readonly group: number;
  readonly groups: number;
  /** Bytes of weights, scales, zero points and bias in kernel memory. */
  readonly bytes: number;
}

/** A vector (norm weight) as it is stored; it becomes f32 [length]. */
export interface PlannedVector {
  readonly name: string;
  readonly part: string;
  readonly stored: TensorEntry;
  readonly length: number;
  /** Added to every element: 1 where the file holds w − 1. */
  readonly offset: number;
  readonly bytes: number;
}

/** An array that stays as it is stored, row-major. */
export interface PlannedArray {
  readonly name: string;
  readonly part: string;
  readonly stored: TensorEntry;
  /** KIND_F32, KIND_F16 or KIND_BF16. */
  readonly kind: number;
  readonly bytes: number;
}

/** Everything a model takes from its checkpoint, in the order in which it will be loaded. */
export class WeightPlan {
  /** Embedding tables: rows are gathered, exact as stored. */
  readonly tables = new Map<string, PlannedLinear>();
  readonly linears = new Map<string, PlannedLinear>();
  readonly vectors = new Map<string, PlannedVector>();
  readonly arrays = new Map<string, PlannedArray>();
  readonly #checkpoint: Checkpoint;
  readonly #quantization: QuantizationConfig | undefined;
  readonly #requantises: boolean;
  readonly #order = new Set<string>();
  #part = "";

  constructor(
    checkpoint: Checkpoint,
    quantization: QuantizationConfig | undefined,
    precision: Precision,
    dense: DenseStorage = "int8",
  ) {
    this.#checkpoint = checkpoint;
    this.#quantization = quantization;
    this.#requantises = precision === "int8" && dense === "int8";
  }

  /** Every tensor that loading reads; one that lies in two forms comes twice. */
  *storedTensors(): Generator<TensorEntry, void, void> {
    for (const { stored } of [...this.tables.values(), ...this.linears.values()]) {
      const { bias } = stored;
      const others = stored.kind === "dense"
        ? [stored.weight]
        : [stored.codes, stored.scales, stored.zeros, stored.groupIndex];
      for (const entry of [bias, ...others]) if (entry) yield entry;
    }
    for (const { stored } of this.vectors.values()) yield stored;
    for (const { stored } of this.arrays.values()) yield stored;
  }

  /** Bytes in kernel memory. */
  get bytes(): number {
    return this.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The parts in the order in which they were taken, with their bytes. */
  get parts(): { name: string; bytes: number }[] {
    const sizes = new Map<string, number>();
    for (const planned of [this.tables, this.linears, this.vectors, this.arrays]) {
      for (const { part, bytes } of planned.values()) sizes.set(part, (sizes.get(part) ?? 0) + bytes);
    }
    return [...this.#order].filter((name) => sizes.has(name)).map((name) => ({
      name,
      bytes: sizes.get(name)!,
    }));
  }

  part(name: string): void {
    this.#part = name;
    this.#order.add(name);
  }

  /** Whether any tensor of the module has elements. */
  has(module: string): boolean {
    const prefix = module + ".";
    for (const [name, { shape }] of this.#checkpoint.tensors) {
      if (name.startsWith(prefix) && !shape.includes(0)) return true;
    }
    return false;
  }

  /** @throws {RemoraError} As `linear`. */
  table(name: string, outputs: number, inputs: number): PlannedLinear {
    const planned = this.#plan(name, { outputs, inputs }, "asStored");
    this.tables.set(name, planned);
    return planned;
  }

  /**
   * A matrix to multiply with. One that is also a table (a tied head) shares its memory unless it is requantised.
   *
   * @throws {RemoraError} MISSING_TENSOR, BAD_TENSOR or UNSUPPORTED naming file and tensor.
   */
  linear(
    name: string,
    outputs: number,
    inputs: number,
    { kernel, dense = "fine" }: LinearOptions = {},
  ): PlannedLinear {
    const shape = { outputs, inputs, ...(kernel && { kernel }) };
    const planned = this.#plan(name, shape, this.#requantises ? dense : "asStored");
    const table = this.tables.get(name);
    if (table?.kind === planned.kind && table.part === this.#part) return table;
    this.linears.set(name, planned);
    return planned;
  }

  #plan(name: string, shape: LinearShape, dense: DenseForm): PlannedLinear {
    const stored = requireLinear(this.#checkpoint, name, shape, this.#quantization);
    return { ...planLinear(name, stored, shape, dense), part: this.#part };
  }

  /** @throws {RemoraError} MISSING_TENSOR or BAD_TENSOR naming file and tensor. */
  vector(name: string, length: number, offset: number): PlannedVector {
    const stored = this.#floats(name, [length]);
    const planned = { name, part: this.#part, stored, length, offset, bytes: length * 4 };
    this.vectors.set(name, planned);
    return planned;
  }

  /** @throws {RemoraError} As `vector`. */
  array(name: string, shape: readonly number[]): PlannedArray {
    const stored = this.#floats(name, shape);
    const planned = {
      name,
      part: this.#part,
      stored,
      kind: kindOf(stored),
      bytes: stored.end - stored.begin,
    };
    this.arrays.set(name, planned);
    return planned;
  }

  #floats(name: string, shape: readonly number[]): TensorEntry {
    const stored = this.#checkpoint.tensors.get(name);
    const expected = `F16, BF16 or F32 [${shape.join(", ")}]`;
    if (stored === undefined) {
      throw new RemoraError("MISSING_TENSOR", "Cannot load", {
        file: this.#checkpoint.source.label ?? "the model",
        tensor: name,
        expected,
        found: "no such tensor",
      });
    }
    const { dtype, shape: found } = stored;
    const fits = ["F16", "BF16", "F32"].includes(dtype) && found.length === shape.length &&
      found.every((size, axis) => size === shape[axis]);
    if (fits) return stored;
    throw new RemoraError("BAD_TENSOR", "Cannot load", {
      file: stored.file,
      tensor: stored.name,
      expected,
      found: `${dtype} [${found.join(", ")}]`,
    });
  }
}

/** How KIND_… constants are called for people. */
export function kindName(kind: number): string {
  return ["f32", "f16", "bf16", "int8", "int4", "int7"][kind];
}

/** The KIND_… constant of a stored float type. */
export function kindOf(entry: TensorEntry): number {
  return entry.dtype === "F16" ? KIND_F16 : entry.dtype === "BF16" ? KIND_BF16 : KIND_F32;
}

function planLinear(
  name: string,
  stored: DenseLinear | GptqLinear,
  { outputs, inputs }: LinearShape,
  dense: DenseForm,
): Omit<PlannedLinear, "part"> {
  if (stored.kind === "dense" && dense === "asStored") {
    const planned = { name, outputs, inputs, stored, kind: kindOf(stored.weight), group: inputs, groups: 1 };
    return { ...planned, bytes: bytesOf(planned) };
  }
  const kind = stored.kind === "dense"
    ? (dense === "fine" ? KIND_INT8 : KIND_INT7)
    : stored.bits === 4
    ? KIND_INT4
    : KIND_INT8;
  const group = stored.kind === "dense" ? DENSE_GROUP_INPUTS : groupInMemory(stored);
  const planned = { name, outputs, inputs, stored, kind, group, groups: Math.ceil(inputs / group) };
  return { ...planned, bytes: bytesOf(planned) };
}

function bytesOf(planned: Omit<PlannedLinear, "part" | "bytes">): number {
  return Object.values(linearBytes(formOf(planned))).reduce((sum, bytes) => sum + bytes, 0);
}

/** The form in memory, where the inputs keep their order. */
export function formOf(
  { kind, outputs, inputs, group, stored }: Omit<PlannedLinear, "part" | "bytes">,
): LinearForm {
  const hasZeros = stored.kind === "gptq" && stored.zeros !== undefined;
  const hasBias = stored.bias !== undefined;
  return { kind, outputs, packedInputs: inputs, group, hasZeros, hasBias, hasOrder: false };
}

/** The longest run of at most GROUP_INPUTS_MAX inputs into which the stored groups can be cut evenly. */
function groupInMemory({ groups, groupSize, codes }: GptqLinear): number {
  if (groups === 1) return GROUP_INPUTS_MAX;
  for (let run = GROUP_INPUTS_MAX; run > 0; run -= BLOCK_INPUTS) if (groupSize % run === 0) return run;
  throw new RemoraError("UNSUPPORTED", "Cannot load", {
    file: codes.file,
    tensor: codes.name,
    expected: `group_size in multiples of ${BLOCK_INPUTS}`,
    found: `${groupSize}`,
  });
}
