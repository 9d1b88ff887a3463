/**
 * The GGUF container: metadata, which tensors a file holds and where.
 *
 *     OFFSET  SIZE  DESCRIPTION
 *          0     4  "GGUF"
 *          4     4  version, u32 little-endian: 2 or 3
 *          8     8  number of tensors T, u64
 *         16     8  number of metadata items M, u64
 *          …        M items: key, type, value
 *          …        T tensors: name, number of dimensions, sizes (the fastest first), type, offset from the data's begin
 *          …        padding to a multiple of `general.alignment`, then the data
 *
 * @see {@link https://github.com/ggml-org/ggml/blob/d99724f/docs/gguf.md | the format}
 *
 * @module
 */
import { RemoraError } from "../../../core/errors.ts";
import {
  GGUF_ALIGNMENT_MAX,
  GGUF_HEADER_BYTES_MAX,
  GGUF_METADATA_COUNT_MAX,
  GGUF_RANK_MAX,
  TENSOR_COUNT_MAX,
} from "../../../core/limits.ts";
import { readBytes } from "../../../io/read.ts";
import type { ModelSource } from "../../../io/source.ts";
import { elementCount, type TensorEntry } from "../safetensors.ts";
import { Cursor, EndOfBytes, Malformed, type MetadataValue } from "./cursor.ts";
import { tensorTypeOf } from "./types.ts";

/** "GGUF" as a little-endian number. */
const MAGIC = 0x46554747;
const VERSIONS = [2, 3];
const ALIGNMENT_DEFAULT = 32;
/** Bytes that are read at first: the header of a model without a large vocabulary. */
const FIRST_BYTES = 1 << 20;

/** What a file says before its data. */
export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  /** Under the names of the file. */
  readonly tensors: readonly TensorEntry[];
}

/**
 * Reads and checks the header of one file. The data themselves are not read; that tensors lie within the file and do not overlap
 * is checked.
 *
 * @param size Bytes of the file, as the source lists it.
 * @throws {RemoraError} `BAD_FILE` or `UNSUPPORTED`, naming the file and, where it is one tensor's fault, the tensor.
 */
export async function readGgufHeader(source: ModelSource, file: string, size: number): Promise<GgufHeader> {
  const most = Math.min(size, GGUF_HEADER_BYTES_MAX);
  for (let length = Math.min(FIRST_BYTES, most);; length = Math.min(length * 4, most)) {
    const bytes = await readBytes(source, file, 0, length);
    try {
      return parseHeader(new Cursor(bytes), file, size);
    } catch (error) {
      if (error instanceof Malformed) throw badFile(file, error.expected, error.found);
      if (!(error instanceof EndOfBytes)) throw error;
      if (length < most) continue;
      throw badFile(file, "a header that ends", `none within ${length} bytes (file truncated?)`);
    }
  }
}

function parseHeader(cursor: Cursor, file: string, size: number): GgufHeader {
  if (cursor.u32() !== MAGIC) throw badFile(file, 'a GGUF file, which begins with "GGUF"', "other bytes");
  requireVersion(cursor.u32(), file);
  const tensorCount = requireCount(cursor.u64(), TENSOR_COUNT_MAX, "tensors");
  const itemCount = requireCount(cursor.u64(), GGUF_METADATA_COUNT_MAX, "items of metadata");
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < itemCount; i++) metadata.set(cursor.string(), cursor.value());
  const described = Array.from({ length: tensorCount }, () => readDescription(cursor, file));
  const alignment = metadata.get("general.alignment") ?? ALIGNMENT_DEFAULT;
  if (typeof alignment !== "number" || !(alignment >= 1 && alignment <= GGUF_ALIGNMENT_MAX)) {
    throw new Malformed(`general.alignment from 1 to ${GGUF_ALIGNMENT_MAX}`, `${alignment}`);
  }
  const dataBegin = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = described.map(({ offset, bytes, ...tensor }): TensorEntry => {
    if (dataBegin + offset + bytes > size) {
      const room = Math.max(0, size - dataBegin);
      throw badTensor(
        file,
        tensor.name,
        `data within the file's ${room} data bytes`,
        `${offset} to ${offset + bytes} (file truncated?)`,
      );
    }
    return { ...tensor, file, begin: dataBegin + offset, end: dataBegin + offset + bytes };
  });
  refuseOverlaps(tensors, file);
  return { metadata, tensors };
}

function requireVersion(version: number, file: string): void {
  if (VERSIONS.includes(version)) return;
  const details = { file, expected: `version ${VERSIONS.join(" or ")} of GGUF, little-endian` };
  const isBigEndian = version !== 0 && (version & 0xffff) === 0;
  const found = isBigEndian ? "a big-endian file" : `version ${version}`;
  throw new RemoraError("UNSUPPORTED", "Cannot read", { ...details, found });
}

function requireCount(count: number, most: number, what: string): number {
  if (count <= most) return count;
  throw new Malformed(`at most ${most} ${what}`, `${count}`);
}

function readDescription(cursor: Cursor, file: string) {
  const name = cursor.string();
  const rank = cursor.u32();
  if (rank > GGUF_RANK_MAX) throw badTensor(file, name, `at most ${GGUF_RANK_MAX} dimensions`, `${rank}`);
  const sizes = Array.from({ length: rank }, () => cursor.u64());
  const type = tensorTypeOf(cursor.u32());
  const offset = cursor.u64();
  if (typeof type === "string") {
    const expected = "F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL or IQ4_XS";
    throw new RemoraError("UNSUPPORTED", "Cannot read", { file, tensor: name, expected, found: type });
  }
  if (rank > 0 && sizes[0] % type.weights !== 0) {
    throw badTensor(file, name, `rows in multiples of ${type.weights} for ${type.dtype}`, `${sizes[0]}`);
  }
  const count = elementCount(sizes);
  const bytes = count / type.weights * type.bytes;
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(bytes) || !Number.isSafeInteger(offset)) {
    throw badTensor(
      file,
      name,
      "a shape and an offset that fit in a file",
      `[${sizes.join(", ")}] at ${offset}`,
    );
  }
  return { name, dtype: type.dtype, shape: sizes.reverse(), offset, bytes };
}

function refuseOverlaps(tensors: readonly TensorEntry[], file: string): void {
  let end = 0, previous = "the header";
  const filled = tensors.filter(({ begin, end }) => end > begin).sort((a, b) => a.begin - b.begin);
  for (const tensor of filled) {
    if (tensor.begin < end) {
      throw badTensor(
        file,
        tensor.name,
        `data from byte ${end} on`,
        `${tensor.begin}: an overlap with "${previous}"`,
      );
    }
    end = tensor.end;
    previous = tensor.name;
  }
}

function badFile(file: string, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_FILE", "Cannot read", { file, expected, found });
}

function badTensor(file: string, tensor: string, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_FILE", "Cannot read", { file, tensor, expected, found });
}
