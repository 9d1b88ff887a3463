/**
 * A checkpoint: all tensors of a model, whatever number of files they are spread over.
 *
 * @module
 */

import { mapBounded } from "../../core/concurrency.ts";
import { RemoraError } from "../../core/errors.ts";
import {
  CONCURRENT_READS_MAX,
  INDEX_BYTES_MAX,
  SHARD_COUNT_MAX,
  TENSOR_COUNT_MAX,
} from "../../core/limits.ts";
import { isSafeFileName } from "../../io/file_name.ts";
import { INDEX_FILE, INDEX_SUFFIX, WEIGHTS_FILE, WEIGHTS_SUFFIX } from "../../io/model_files.ts";
import { describeJson, isObject, readBytes, readBytesInto, readJsonObject } from "../../io/read.ts";
import type { ModelSource } from "../../io/source.ts";
import { readSafetensorsHeader, type TensorEntry } from "./safetensors.ts";

/** The tensors of a model and the way to their bytes. */
export interface Checkpoint {
  readonly source: ModelSource;
  /** By full name. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Of all tensors together. */
  readonly bytes: number;
  /** Tensors that lie in the shards but not in the index. They are not in `tensors`: worth a notice, not a guess. */
  readonly unlisted: readonly string[];
  /** The whole tensor. The view may begin at any offset of its buffer, aligned or not. */
  readTensor(entry: TensorEntry): Promise<Uint8Array>;
  /** Fills `target` from byte `offset` of the tensor on, straight into place where the source can. */
  readTensorInto(entry: TensorEntry, offset: number, target: Uint8Array): Promise<void>;
}

/** A shard index: the file it was read from, and tensor name → shard name. */
interface ShardIndex {
  readonly file: string;
  readonly shardOf: ReadonlyMap<string, string>;
}

/**
 * Finds the safetensors files of a model and reads their headers: `model.safetensors`, else the shards of
 * `model.safetensors.index.json`, else the only index or the only safetensors file of another name.
 *
 * @throws {RemoraError} `FILE_NOT_FOUND`, `MISSING_TENSOR`, `BAD_FILE` or `UNSUPPORTED`, naming the file at fault.
 */
export async function openCheckpoint(source: ModelSource): Promise<Checkpoint> {
  const files = await source.list();
  const name = findEntryFile(files, source.label);
  const index = name.endsWith(INDEX_SUFFIX) ? await readIndex(source, files, name) : undefined;
  const shards = index === undefined ? [name] : [...new Set(index.shardOf.values())];
  const headers = await mapBounded(
    shards,
    CONCURRENT_READS_MAX,
    (shard) => readSafetensorsHeader(source, shard, files.get(shard)!),
  );

  const found = mergeHeaders(headers);
  if (index !== undefined) requireListed(index, found);
  const isListed = (tensor: string) => index === undefined || index.shardOf.has(tensor);
  const tensors = new Map([...found].filter(([tensor]) => isListed(tensor)));
  return {
    source,
    tensors,
    bytes: [...tensors.values()].reduce((sum, { begin, end }) => sum + end - begin, 0),
    unlisted: [...found.keys()].filter((tensor) => !isListed(tensor)),
    readTensor: ({ file, begin, end }) => readBytes(source, file, begin, end),
    readTensorInto: (entry, offset, target) => {
      requireWithin(entry, offset, target.byteLength);
      return readBytesInto(source, entry.file, entry.begin + offset, target);
    },
  };
}

/** The single file or the index that stands for the checkpoint. */
function findEntryFile(files: ReadonlyMap<string, number>, label = "the model"): string {
  if (files.has(WEIGHTS_FILE)) return WEIGHTS_FILE;
  if (files.has(INDEX_FILE)) return INDEX_FILE;
  const names = [...files.keys()];
  for (const suffix of [INDEX_SUFFIX, WEIGHTS_SUFFIX]) {
    const candidates = names.filter((name) => name.endsWith(suffix));
    if (candidates.length === 1) return candidates[0];
    if (candidates.length > 1) {
      throw new RemoraError("BAD_FILE", "Cannot choose among the files of", {
        file: label,
        expected: `${WEIGHTS_FILE} or ${INDEX_FILE}`,
        found: candidates.slice(0, 4).join(", "),
      });
    }
  }
  const gguf = names.find((name) => name.endsWith(".gguf"));
  throw new RemoraError(gguf === undefined ? "FILE_NOT_FOUND" : "UNSUPPORTED", "Cannot find the weights in", {
    file: label,
    expected: `${WEIGHTS_FILE} or ${INDEX_FILE}`,
    found: gguf ?? (names.slice(0, 4).join(", ") || "no files"),
  });
}

async function readIndex(
  source: ModelSource,
  files: ReadonlyMap<string, number>,
  file: string,
): Promise<ShardIndex> {
  const index = await readJsonObject(source, files, file, INDEX_BYTES_MAX, "BAD_FILE");
  const map = index?.weight_map;
  const refuse = (expected: string, found: string, tensor?: string) =>
    new RemoraError("BAD_FILE", "Cannot read", { file, tensor, expected, found });
  if (!isObject(map)) throw refuse("weight_map to be an object", describeJson(map));

  const shardOf = new Map<string, string>();
  const shards = new Set<string>();
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || !isSafeFileName(shard)) {
      throw refuse("a shard inside the model's folder", describeJson(shard), tensor);
    }
    if (!files.has(shard)) {
      const details = { file: shard, expected: `the shard that ${file} names`, found: "no such file" };
      throw new RemoraError("FILE_NOT_FOUND", "Cannot open", details);
    }
    shardOf.set(tensor, shard);
    shards.add(shard);
  }
  if (shardOf.size === 0 || shardOf.size > TENSOR_COUNT_MAX || shards.size > SHARD_COUNT_MAX) {
    const expected = `1 to ${TENSOR_COUNT_MAX} tensors in at most ${SHARD_COUNT_MAX} shards`;
    throw refuse(expected, `${shardOf.size} in ${shards.size}`);
  }
  return { file, shardOf };
}

function mergeHeaders(headers: readonly TensorEntry[][]): Map<string, TensorEntry> {
  const merged = new Map<string, TensorEntry>();
  for (const entry of headers.flat()) {
    const twin = merged.get(entry.name);
    if (twin !== undefined) {
      throw new RemoraError("BAD_FILE", "Cannot read", {
        file: entry.file,
        tensor: entry.name,
        expected: "every tensor in one shard",
        found: `it in ${twin.file} too`,
      });
    }
    merged.set(entry.name, entry);
  }
  return merged;
}

function requireListed(index: ShardIndex, found: ReadonlyMap<string, TensorEntry>): void {
  for (const [tensor, shard] of index.shardOf) {
    const file = found.get(tensor)?.file;
    if (file === shard) continue;
    throw new RemoraError("MISSING_TENSOR", "Cannot find in", {
      file: shard,
      tensor,
      expected: `it there, as ${index.file} says`,
      found: file === undefined ? "no such tensor" : `it in ${file}`,
    });
  }
}

function requireWithin({ file, name, begin, end }: TensorEntry, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && offset >= 0 && offset + length <= end - begin) return;
  throw new RemoraError("BAD_ARGUMENT", "Cannot read", {
    file,
    tensor: name,
    expected: `a range within ${end - begin} bytes`,
    found: `${length} bytes from ${offset} on`,
  });
}
