/**
 * What a model takes from its checkpoint and where it will lie, before anything is read.
 *
 * @module
 */
import type { LinearForm } from "../../kernels/host/sizes.ts";
import { RemoraError } from "../core/errors.ts";
import type { Checkpoint } from "../formats/containers/checkpoint.ts";
import type { TensorEntry } from "../formats/containers/safetensors.ts";
import { moduleOf } from "../formats/names.ts";
import type { QuantizationConfig } from "../formats/quantization.ts";
import { requireLinear } from "../formats/registry.ts";
import type { DenseForm, LinearShape } from "../formats/stored_linear.ts";
import { checkTensor, elementTypeOf, FLOAT_DTYPES } from "../formats/tensor_checks.ts";
import { Linear, StoredArray, Vector } from "./linear.ts";

/**
 * Arithmetic of the matrix products. "int8": in integers; against 4-bit weights activations have 12 bits (8 in gate and up
 * projections), against 8-bit weights 16, against 7-bit ones 8. "f32": activations stay f32, weights are decoded exactly.
 */
export type Precision = "int8" | "f32";

/**
 * What becomes of dense matrices under precision "int8". "int8": 8-bit codes, 7-bit ones in a vision tower, except where the
 * architecture keeps them. "f16": all stay as they are stored.
 */
export type DenseStorage = "int8" | "f16";

/**
 * What becomes of embedding tables. "f16": exact, as they are stored. "int8", "int4": codes of 8 or 4 bits, which a tied head shares
 * under precision "int8".
 */
export type EmbeddingStorage = "f16" | "int8" | "int4";

/**
 * To how many bits matrices are rounded that the file leaves unquantised, to the nearest of each group of 32 (4 bits) or 64 weights.
 * The head, and what the architecture keeps, stay as they are without it.
 */
export type DenseRounding = "int8" | "int4";

/** How matrices are kept. */
export interface PlannedStorage {
  readonly precision: Precision;
  readonly dense: DenseStorage;
  readonly embeddings: EmbeddingStorage;
  readonly quantize?: DenseRounding;
}

/** What is special about a linear layer. */
export interface LinearOptions {
  /** Its shape in the file where that is a convolution's. */
  kernel?: readonly number[];
  /** What becomes of a dense one; default "int8". */
  dense?: DenseForm;
  /** It is not rounded further than its own form says: its errors reach the logits directly. */
  isHead?: boolean;
  /** Its activations are bytes where it has few bits; see docs/numerics.md. */
  takesBytes?: boolean;
}

/** Everything a model takes from its checkpoint, in the order in which it will be loaded. */
export class WeightPlan {
  /** Embedding tables: rows are gathered. */
  readonly tables: Map<string, Linear> = new Map();
  readonly linears: Map<string, Linear> = new Map();
  readonly vectors: Map<string, Vector> = new Map();
  readonly arrays: Map<string, StoredArray> = new Map();
  readonly #checkpoint: Checkpoint;
  readonly #quantization: QuantizationConfig | undefined;
  readonly #scaleType: LinearForm["scaleType"];
  readonly #codesDense: boolean;
  readonly #embeddings: EmbeddingStorage;
  readonly #quantize: DenseRounding | undefined;
  /** Modules that have a tensor with elements. */
  readonly #modules: ReadonlySet<string>;
  readonly #partNames = new Set<string>();
  #part = "";

  constructor(
    checkpoint: Checkpoint,
    quantization: QuantizationConfig | undefined,
    { precision, dense, embeddings, quantize }: PlannedStorage,
  ) {
    this.#checkpoint = checkpoint;
    this.#quantization = quantization;
    this.#scaleType = precision === "int8" ? "f16" : "f32";
    this.#codesDense = precision === "int8" && dense === "int8";
    this.#embeddings = embeddings;
    this.#quantize = quantize;
    this.#modules = new Set(
      [...checkpoint.tensors].filter(([, { shape }]) => !shape.includes(0))
        .map(([name]) => moduleOf(name)),
    );
  }

  /** Tables and linear layers, in the order in which they are loaded. */
  *linearLayers(): Generator<Linear, void, void> {
    yield* this.tables.values();
    yield* this.linears.values();
  }

  /** Of the weights that integers multiply, each kind once: types, groups, and what groups have. */
  get codedForms(): LinearForm[] {
    const kinds = new Map<string, LinearForm>();
    for (const { form } of this.linears.values()) {
      const { type, group, hasOffsets = false, hasUnits = false, scaleType } = form;
      if (scaleType === "f16") kinds.set(`${type} ${group} ${hasOffsets} ${hasUnits}`, form);
    }
    return [...kinds.values()];
  }

  /** Every tensor that loading reads; one that lies in two forms comes twice. */
  *storedTensors(): Generator<TensorEntry, void, void> {
    for (const { stored } of this.linearLayers()) yield* stored.tensors;
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
    return [...this.#partNames].filter((name) => sizes.has(name)).map((name) => ({
      name,
      bytes: sizes.get(name)!,
    }));
  }

  /** Begins a part: what is taken from here on, up to the next part, lies together in one memory. */
  part(name: string): void {
    this.#part = name;
    this.#partNames.add(name);
  }

  /** Whether any tensor of the module has elements. */
  has(module: string): boolean {
    return this.#modules.has(module);
  }

  /**
   * An embedding table [rows, width].
   *
   * @throws {RemoraError} As `linear`.
   */
  table(name: string, rows: number, width: number): Linear {
    const table = this.#takeTable(name, rows, width);
    this.tables.set(name, table);
    return table;
  }

  /**
   * A linear layer W [outputs, inputs]. One that is also a table (a tied head) shares its memory if it has the same form.
   *
   * @throws {RemoraError} MISSING_TENSOR, BAD_TENSOR or UNSUPPORTED naming file and tensor.
   */
  linear(
    name: string,
    outputs: number,
    inputs: number,
    { kernel, dense = "int8", isHead = false, takesBytes = false }: LinearOptions = {},
  ): Linear {
    const shape = { outputs, inputs, ...(kernel && { kernel }) };
    const linear = this.#take(name, shape, this.#denseForm(name, dense, isHead), takesBytes);
    const table = this.tables.get(name);
    if (table?.form.type === linear.form.type && table.part === this.#part) return table;
    this.linears.set(name, linear);
    return linear;
  }

  /**
   * A vector [length]; `offset` is added to it.
   *
   * @throws {RemoraError} MISSING_TENSOR or BAD_TENSOR naming file and tensor.
   */
  vector(name: string, length: number, offset = 0): Vector {
    const vector = new Vector(name, this.#part, this.#floats(name, [length]), length, offset);
    this.vectors.set(name, vector);
    return vector;
  }

  /**
   * An array that stays as it is stored.
   *
   * @throws {RemoraError} As `vector`.
   */
  array(name: string, shape: readonly number[]): StoredArray {
    const stored = this.#floats(name, shape);
    const array = new StoredArray(name, this.#part, stored, elementTypeOf(stored));
    this.arrays.set(name, array);
    return array;
  }

  /** What becomes of a linear layer if it is dense. */
  #denseForm(name: string, dense: DenseForm, isHead: boolean): DenseForm {
    const isTable = isHead && this.tables.has(name);
    if (this.#codesDense && isTable && this.#embeddings === "int4") return "int4";
    const rounding = isHead || dense !== "int8" ? undefined : this.#quantize;
    return rounding ?? (this.#codesDense ? dense : "asStored");
  }

  /** A table of another size contradicts the config, whose keys an error names. */
  #takeTable(name: string, rows: number, width: number): Linear {
    try {
      return this.#take(
        name,
        { outputs: rows, inputs: width },
        this.#embeddings === "f16" ? "asStored" : this.#embeddings,
      );
    } catch (error) {
      if (!(error instanceof RemoraError) || error.code !== "BAD_TENSOR") throw error;
      const { code, file, tensor, expected, found } = error;
      const details = { file, tensor, expected: `${expected}, as vocab_size and hidden_size say`, found };
      throw new RemoraError(code, "Cannot load from", { ...details, cause: error });
    }
  }

  #take(name: string, shape: LinearShape, dense: DenseForm, takesBytes = false): Linear {
    const stored = requireLinear(this.#checkpoint, name, shape, this.#quantization, dense);
    return new Linear(name, this.#part, shape.inputs, stored, this.#scaleType, takesBytes);
  }

  #floats(name: string, shape: readonly number[]): TensorEntry {
    const stored = this.#checkpoint.tensors.get(name);
    if (stored === undefined) {
      throw new RemoraError("MISSING_TENSOR", "Cannot load", {
        file: this.#checkpoint.source.label ?? "the model",
        tensor: name,
        expected: `${FLOAT_DTYPES.join(" or ")} [${shape.join(", ")}]`,
        found: "no such tensor",
      });
    }
    checkTensor(stored, FLOAT_DTYPES, shape);
    return stored;
  }
}
