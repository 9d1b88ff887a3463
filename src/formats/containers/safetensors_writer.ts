/**
 * Writes a safetensors file piece by piece: the header first, then the tensors in its order.
 *
 * @module
 */
import type { WritableFile } from "../../platform/platform.ts";
import { elementCount } from "./safetensors.ts";

/** A tensor that will be written to a safetensors file. */
export interface PlannedTensor {
  /** Unlike those of the others. */
  readonly name: string;
  /** As the format spells it: F32, F16, BF16, I32, … */
  readonly dtype: string;
  /** Row-major. */
  readonly shape: readonly number[];
  /** Of its elements. */
  readonly bytes: number;
}

/**
 * The beginning of a safetensors file: the length of a header, the header in JSON, and spaces up to a multiple of 8 bytes, so that what
 * follows is aligned. The tensors follow in this order, without gaps, little-endian.
 *
 * @param metadata Texts by name, for whoever reads the file.
 *
 * @example A file of one tensor
 * ```ts
 * import { safetensorsHeader } from "../../../mod.ts";
 * const values = Float32Array.of(1, 2, 3);
 * const header = safetensorsHeader([{ name: "values", dtype: "F32", shape: [3], bytes: values.byteLength }]);
 * const file = new Blob([header, values]);
 * ```
 */
export function safetensorsHeader(
  tensors: readonly PlannedTensor[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const entries: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let begin = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    entries[name] = { dtype, shape, data_offsets: [begin, begin + bytes] };
    begin += bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(entries));
  const header = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(text, 8);
  return header;
}

/** Tensors, each whole before the next. */
export class SafetensorsWriter {
  readonly #file: WritableFile;
  readonly #tensors: readonly PlannedTensor[];
  #next = 0;
  /** Bytes of the next tensor that are written. */
  #written = 0;

  /** Writes the header. */
  constructor(file: WritableFile, tensors: readonly PlannedTensor[]) {
    this.#file = file;
    this.#tensors = tensors;
    file.write(safetensorsHeader(tensors, { format: "pt" }));
  }

  /** The next bytes of the tensor of that name, which must be the next in the header. */
  write(name: string, bytes: Uint8Array): void {
    while (this.#next < this.#tensors.length && this.#isWhole()) this.#advance();
    const tensor = this.#tensors[this.#next];
    if (tensor?.name !== name || this.#written + bytes.length > tensor.bytes) {
      throw new Error(`${name} is written where the header says ${tensor?.name ?? "the end"}`);
    }
    this.#file.write(bytes);
    this.#written += bytes.length;
  }

  /** Checks that everything in the header was written. */
  finish(): void {
    while (this.#next < this.#tensors.length && this.#isWhole()) this.#advance();
    if (this.#next < this.#tensors.length) {
      throw new Error(`${this.#tensors[this.#next].name} is not written`);
    }
  }

  #isWhole(): boolean {
    return this.#written === this.#tensors[this.#next].bytes;
  }

  #advance(): void {
    this.#next++;
    this.#written = 0;
  }
}

const ELEMENT_BYTES = { I64: 8, I32: 4, F32: 4, F16: 2, BF16: 2 } as const;

/** A tensor that will be written. */
export function planTensor(
  name: string,
  dtype: keyof typeof ELEMENT_BYTES,
  shape: readonly number[],
): PlannedTensor {
  return { name, dtype, shape, bytes: elementCount(shape) * ELEMENT_BYTES[dtype] };
}
