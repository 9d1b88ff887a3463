/**
 * The safetensors container: which tensors a file holds and where.
 *
 * @module
 */

import type { BlockFormat } from "../../../kernels/host/types.ts";
import { RemoraError } from "../../core/errors.ts";
import { parseJson } from "../../core/json.ts";
import { SAFETENSORS_HEADER_BYTES_MAX, TENSOR_COUNT_MAX, TENSOR_RANK_MAX } from "../../core/limits.ts";
import { describeJson, isObject, readBytes } from "../../io/read.ts";
import type { ModelSource } from "../../io/source.ts";

/** Bits per element of every dtype the format has. */
const DTYPE_BITS = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F8_E4M3: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2: 8,
  F8_E5M2FNUZ: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** Element type of a tensor, as the file spells it; in GGUF files also blocks of codes. */
export type Dtype = keyof typeof DTYPE_BITS | BlockFormat;

/** One tensor of a file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  /** Row-major; `[]` is a scalar, a 0 anywhere means no elements. */
  readonly shape: readonly number[];
  readonly file: string;
  /** First byte, counted from the start of the file; may lie beyond 4 GiB. */
  readonly begin: number;
  /** One past the last byte. */
  readonly end: number;
}

/** Number of elements of a shape; 1 for `[]`. */
export function elementCount(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1);
}

/** Bytes of the little-endian u64 that says how long the header is. */
const LENGTH_BYTES = 8;

/**
 * Reads and checks the header of one safetensors file. The data themselves are not read; that they lie gapless
 * and disjoint up to the very end of the file is checked. Tensors without elements may sit anywhere.
 *
 * @param size Bytes of the file, as the source lists it.
 * @throws {RemoraError} `BAD_FILE`, naming the file and, where it is one tensor's fault, the tensor.
 * @see {@link https://github.com/huggingface/safetensors/blob/24b0b28/README.md#format | the format}
 */
export async function readSafetensorsHeader(
  source: ModelSource,
  name: string,
  size: number,
): Promise<TensorEntry[]> {
  const length = await readHeaderLength(source, name, size);
  const bytes = await readBytes(source, name, LENGTH_BYTES, LENGTH_BYTES + length);
  if (bytes[0] !== 0x7b) throw badFile(name, "a header that begins with {", `byte ${bytes[0]}`);
  const header = parseJson(bytes, name) as Record<string, unknown>;

  const dataBegin = LENGTH_BYTES + length;
  const entries: TensorEntry[] = [];
  for (const [tensor, description] of Object.entries(header)) {
    if (tensor === "__metadata__") checkMetadata(name, description);
    else entries.push(readEntry(name, tensor, description, dataBegin, size));
  }
  if (entries.length > TENSOR_COUNT_MAX) {
    throw badFile(name, `at most ${TENSOR_COUNT_MAX} tensors`, `${entries.length}`);
  }
  checkLayout(name, entries, dataBegin, size);
  return entries;
}

async function readHeaderLength(source: ModelSource, name: string, size: number): Promise<number> {
  if (size < LENGTH_BYTES) throw badFile(name, "a safetensors file", `${size} bytes`);
  const bytes = await readBytes(source, name, 0, LENGTH_BYTES);
  const length = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  const limit = Math.min(SAFETENSORS_HEADER_BYTES_MAX, size - LENGTH_BYTES);
  if (length === 0n || length > BigInt(limit)) {
    throw badFile(name, `a header of 1 to ${limit} bytes in a file of ${size}`, `${length}`);
  }
  return Number(length);
}

function checkMetadata(name: string, metadata: unknown): void {
  if (isObject(metadata) && Object.values(metadata).every((value) => typeof value === "string")) return;
  throw badFile(name, "__metadata__ that maps strings to strings", describeJson(metadata));
}

function readEntry(
  file: string,
  name: string,
  description: unknown,
  dataBegin: number,
  size: number,
): TensorEntry {
  const refuse = (expected: string, found: string) => badTensor(file, name, expected, found);
  if (!isObject(description)) throw refuse("an object", describeJson(description));
  const { dtype, shape, data_offsets: offsets } = description;

  if (!isDtype(dtype)) throw refuse("a dtype of safetensors", describeJson(dtype));
  if (!Array.isArray(shape) || shape.length > TENSOR_RANK_MAX || !shape.every(isSize)) {
    throw refuse(`a shape of at most ${TENSOR_RANK_MAX} whole numbers`, JSON.stringify(shape) ?? "none");
  }
  const bits = elementCount(shape) * DTYPE_BITS[dtype];
  if (!Number.isSafeInteger(bits)) {
    throw refuse("a shape that fits in memory", JSON.stringify(shape));
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1]) {
    throw refuse("data_offsets [begin, end] with begin ≤ end", JSON.stringify(offsets) ?? "none");
  }
  const [begin, end] = offsets;
  if (end > size - dataBegin) {
    throw refuse(
      `data within the file's ${size - dataBegin} data bytes`,
      `${begin} to ${end} (file truncated?)`,
    );
  }
  const bytes = bits / 8;
  if (end - begin !== bytes) {
    throw refuse(`${bytes} bytes for ${dtype} [${shape.join(", ")}]`, `${end - begin}`);
  }
  return { name, dtype, shape, file, begin: dataBegin + begin, end: dataBegin + end };
}

/** Tensors with elements follow each other without gap from the header's end to the file's end. */
function checkLayout(file: string, entries: readonly TensorEntry[], dataBegin: number, size: number): void {
  let position = dataBegin;
  let previous = "the header";
  const filled = entries.filter(({ begin, end }) => end > begin).sort((a, b) => a.begin - b.begin);
  for (const { name, begin, end } of filled) {
    if (begin !== position) {
      const what = begin < position ? "an overlap with" : "a hole after";
      throw badTensor(file, name, `data from byte ${position} on`, `${begin}: ${what} "${previous}"`);
    }
    position = end;
    previous = name;
  }
  if (position !== size) throw badFile(file, `its end at byte ${position}`, `${size - position} bytes more`);
}

function isDtype(value: unknown): value is keyof typeof DTYPE_BITS {
  return typeof value === "string" && Object.hasOwn(DTYPE_BITS, value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function badFile(file: string, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_FILE", "Cannot read", { file, expected, found });
}

function badTensor(file: string, tensor: string, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_FILE", "Cannot read", { file, tensor, expected, found });
}
