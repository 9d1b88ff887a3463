/**
 * A format in which quantised models are written and from which they are converted.
 *
 * @module
 */
import type { PlannedTensor } from "../containers/safetensors_writer.ts";
import type { CodedLinear, CodedShape } from "./coded_linear.ts";
import type { QuantizedSettings } from "./settings.ts";

/** Bytes of a tensor of a module by the last part of its name; `undefined`: there is none. */
export type ReadPart = (part: string) => Promise<Uint8Array<ArrayBuffer> | undefined>;

/** A format. */
export interface CodedFormat {
  readonly name: string;
  /** Whether the format can hold such a model: what it expects and what was found, or nothing. */
  refuse(settings: QuantizedSettings): { expected: string; found: string } | undefined;
  /** The same of one module. */
  refuseLinear(
    linear: CodedLinear,
    settings: QuantizedSettings,
  ): { expected: string; found: string } | undefined;
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
