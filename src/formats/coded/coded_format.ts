/**
 * A format in which quantised models are written and from which they are converted.
 *
 * @module
 */
import type { PlannedTensor } from "../containers/safetensors_writer.ts";
import type { CodedLinear, CodedShape } from "./coded_linear.ts";

/** What all modules of a model share. */
export interface QuantizedSettings {
  readonly bits: 4 | 8;
  /** Inputs that share a scale; −1: all of them. */
  readonly groupSize: number;
  /** Every zero point is the middle code. */
  readonly isSymmetric: boolean;
  /** Groups are no neighbours. */
  readonly actOrder: boolean;
  readonly scaleDtype: "F16" | "BF16" | "F32";
  /** Linear modules that are not quantised, as the file spells them. */
  readonly dense: readonly string[];
  /** How it was made, where the format has a place for that. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** Bytes of a tensor of a module by the last part of its name; `undefined`: there is none. */
export type ReadPart = (part: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** A format. */
export interface CodedFormat {
  readonly name: string;
  /** Whether the format can hold such a model: what it expects and what was found, or nothing. */
  refuse(settings: QuantizedSettings): { expected: string; found: string } | undefined;
  /** The same of one module. */
  refuseLinear(linear: CodedLinear): { expected: string; found: string } | undefined;
  /** `quantization_config` of config.json. */
  config(settings: QuantizedSettings): Record<string, unknown>;
  /** The tensors of a module, in the order of `pack`. */
  plan(shape: CodedShape, settings: QuantizedSettings): PlannedTensor[];
  /** Their bytes. */
  pack(linear: CodedLinear, settings: QuantizedSettings): Uint8Array[];
  /** Reads a module whose tensors were checked. */
  read(shape: CodedShape, settings: QuantizedSettings, part: ReadPart): Promise<CodedLinear>;
}

/** The bytes behind views of words. */
export function bytesOf(...arrays: readonly ArrayBufferView<ArrayBufferLike>[]): Uint8Array[] {
  return arrays.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));
}

/** Words of scales as their dtype has them. */
export function scaleWords(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: QuantizedSettings["scaleDtype"],
): Uint16Array | Uint32Array {
  return dtype === "F32" ? new Uint32Array(bytes.buffer) : new Uint16Array(bytes.buffer);
}
