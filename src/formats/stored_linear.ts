/**
 * A linear module as a checkpoint stores it, with the recipe that packs it: which tensors are read, whole or in windows, and
 * which packing call takes each. Code outside this folder runs recipes and knows no format.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import type { LinearForm } from "../../kernels/host/sizes.ts";
import type { TensorEntry } from "./containers/safetensors.ts";

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

/** Expected size of a linear module. */
export interface LinearShape {
  readonly outputs: number;
  readonly inputs: number;
  /** Shape of a dense weight in the file where it is not [outputs, inputs]: a convolution's, whose trailing sizes make up inputs. */
  readonly kernel?: readonly number[];
}

/**
 * What a dense matrix becomes in memory: it stays as it is stored, or becomes 8-bit codes (multiplied with 16-bit activations) or
 * 7-bit codes (with 8-bit activations: faster, and enough where no error passes through many layers; docs/numerics.md), or where a
 * caller asks for it 4-bit codes.
 */
export type DenseForm = "asStored" | "int8" | "int7" | "int4";

/** Addresses of the arrays of a linear layer in kernel memory; 0 for those that are not there. */
export interface LinearArrays {
  readonly bias: number;
  readonly order: number;
  readonly weights: number;
  readonly scales: number;
  readonly zeros: number;
  readonly offsets: number;
  readonly units: number;
}

/** The form of a layer before it is known how its products are computed, which decides what its scales are. */
export interface StoredForm extends Omit<LinearForm, "scaleType" | "hasUnits"> {
  /** Whether scales and offsets have units where f16 is what they are. */
  readonly canHaveUnits?: boolean;
}

/** The form in memory, once it is known what its scales are. */
export function formInMemory(
  { canHaveUnits, ...form }: StoredForm,
  scaleType: LinearForm["scaleType"],
): LinearForm {
  return { ...form, hasUnits: canHaveUnits && scaleType === "f16", scaleType };
}

/** A layer that is being packed. */
export interface LinearInPacking {
  readonly form: LinearForm;
  readonly arrays: LinearArrays;
}

/** Rows of a tensor that lie in kernel memory for the time of one packing call. */
export interface StagedRows {
  readonly address: number;
  /** First row, and how many; all of them where the tensor is read whole. */
  readonly begin: number;
  readonly count: number;
}

/** One tensor and the call that packs it. */
export interface PackingStep {
  readonly tensor: TensorEntry;
  /** Bytes of a row; a window has a multiple of `multiple` rows. Absent: the tensor is read whole. */
  readonly windows?: { readonly rowBytes: number; readonly multiple: number };
  /** The rows are valid during the call only, which may write over them. Non-finite values that the kernel counts refuse the tensor. */
  pack(kernels: Kernels, rows: StagedRows, layer: LinearInPacking): void;
}

/** How inputs are laid out that do not lie in their own order: stored groups padded to one length, each cut into `split` runs. */
export interface InputOrder {
  /** The stored input of each packed one, −1 for padding. */
  readonly indices: Int32Array;
  /** Packed inputs that share a scale. */
  readonly group: number;
  readonly split: number;
}

/** A linear module of a file. */
export interface StoredLinear {
  /** What people call its form in the file: "gptq", "awq", "bf16", … */
  readonly format: string;
  /** Bits of a stored weight. */
  readonly bits: number;
  /** Inputs that share a scale in the file; 0: none do. */
  readonly groupSize: number;
  /** Whatever else decides how the tensors are understood; repacked weights are known by it. */
  readonly settings: Readonly<Record<string, string | number | boolean>>;
  /** Its form in memory, where the inputs lie in their own order. */
  readonly form: StoredForm;
  /** Another one of fewer bytes, for products in integers whose activations are bytes. */
  readonly byteForm?: StoredForm;
  /** The zero point of all codes where the form has none of its own. */
  readonly zeroPoint: number;
  /** All that loading reads. */
  readonly tensors: readonly TensorEntry[];
  /** The tensor that says in which order the inputs lie, and what its values mean; `undefined`: in their own. */
  readonly order?: {
    readonly tensor: TensorEntry;
    /** @param index Of I32 or I64, as the tensor has them; `onNotice` is told of values that cannot be meant. */
    read(index: ArrayLike<number>, onNotice?: (text: string) => void): InputOrder | undefined;
  };
  readonly bias?: TensorEntry;
  /** The recipe for inputs in this order, or in their own. */
  steps(order: InputOrder | undefined): readonly PackingStep[];
}

/** The tensors of one module that have elements. */
export interface StoredModule {
  /** Full name in the file, without a trailing dot. */
  readonly name: string;
  /** The tensor of this last part of the name, unless it is absent or without elements. */
  find(part: string): TensorEntry | undefined;
}

/** A way in which packed tensors lie in files. */
export interface PackedLayout {
  readonly format: string;
  /** Tensors that only a module in this layout has, by the last parts of their names. */
  readonly parts: readonly string[];
  /**
   * @throws {RemoraError} `BAD_TENSOR`, `MISSING_TENSOR` (half a module) or `UNSUPPORTED`, naming file and tensor.
   */
  readLinear(module: StoredModule, shape: LinearShape, quantization: ModuleQuantization): StoredLinear;
}
