/**
 * A checkpoint: all tensors of a model, whatever number of files they are spread over.
 *
 * @module
 */

import { mapBounded } from "../../core/concurrency.ts";
import { printable, RemoraError } from "../../core/errors.ts";
import {
  CONCURRENT_READS_MAX,
  INDEX_BYTES_MAX,
  SHARD_COUNT_MAX,
  TENSOR_COUNT_MAX,
} from "../../core/limits.ts";
import { isSafeFileName } from "../../io/file_name.ts";
import { INDEX_FILE, INDEX_SUFFIX, WEIGHTS_FILE } from "../../io/model_files.ts";
import { describeJson, isObject, readBytes, readBytesInto, readJsonObject } from "../../io/read.ts";
import type { ModelSource } from "../../io/source.ts";
import { readSafetensorsHeader, type TensorEntry } from "./safetensors.ts";
import { findWeightsFile } from "./weights_file.ts";

/** The tensors of a model and the way to their bytes. */
export interface Checkpoint {
  readonly source: ModelSource;
  /** By full name. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Of all tensors together. */
  readonly bytes: number;
  /** The whole tensor. The view may begin at any offset of its buffer, aligned or not. */
  readTensor(entry: TensorEntry): Promise<Uint8Array>;
  /** Fills `target` from byte `offset` of the tensor on, straight into place where the source can. */
  readTensorInto(entry: TensorEntry, offset: number, target: Uint8Array): Promise<void>;
}

/** A model whose files describe it: a source that has what other models have as files of their own, and its tensors. */
export interface SelfDescribedModel {
  readonly source: ModelSource;
  readonly checkpoint: Checkpoint;
  /** Where its config comes from, for messages. */
  readonly origin: ConfigOrigin;
}

/** A file that has what other models have in config.json, and what it calls the keys of that. */
export interface ConfigOrigin {
  readonly file: string;
  readonly names: ReadonlyMap<string, string>;
}

/** A shard index: the file it was read from, and tensor name → shard name. */
export interface ShardIndex {
  readonly file: string;
  readonly shardOf: ReadonlyMap<string, string>;
}

/** How to open a checkpoint. */
export interface OpenCheckpointOptions {
  /** What the weights are called without their ending, where a config says so. */
  baseName?: string;
  /** Told of files and tensors that are there and not used. */
  onNotice?(text: string): void;
}

/**
 * Finds the safetensors files of a model and reads their headers: `model.safetensors`, or the shards of
 * `model.safetensors.index.json` where all of them are there, else the only index or safetensors file of another name. What the
 * index says counts: a tensor that a shard holds besides those that it is listed for is not used.
 *
 * @throws {RemoraError} `FILE_NOT_FOUND`, `MISSING_TENSOR`, `BAD_FILE` or `UNSUPPORTED`, naming the file at fault.
 */
export async function openCheckpoint(
  source: ModelSource,
  { baseName, onNotice }: OpenCheckpointOptions = {},
): Promise<Checkpoint> {
  const files = await source.list();
  const index = await chooseIndex(source, files, baseName, onNotice);
  const shards = index instanceof Object ? [...new Set(index.shardOf.values())] : [index];
  const headers = await mapBounded(
    shards,
    CONCURRENT_READS_MAX,
    (shard) => readSafetensorsHeader(source, shard, files.get(shard)!),
  );
  const tensors = index instanceof Object
    ? listedTensors(index, headers.flat(), onNotice)
    : new Map(headers.flat().map((entry) => [entry.name, entry]));
  return {
    source,
    tensors,
    bytes: [...tensors.values()].reduce((sum, { begin, end }) => sum + end - begin, 0),
    readTensor: ({ file, begin, end }) => readBytes(source, file, begin, end),
    readTensorInto: (entry, offset, target) => {
      requireWithin(entry, offset, target.byteLength);
      return readBytesInto(source, entry.file, entry.begin + offset, target);
    },
  };
}

/** The index of the shards, or the name of the only file. */
async function chooseIndex(
  source: ModelSource,
  files: ReadonlyMap<string, number>,
  baseName: string | undefined,
  onNotice: OpenCheckpointOptions["onNotice"],
): Promise<ShardIndex | string> {
  if (!files.has(WEIGHTS_FILE) || !files.has(INDEX_FILE)) {
    const name = findWeightsFile(files, baseName, source.label);
    return name.endsWith(INDEX_SUFFIX) ? await readIndex(source, files, name) : name;
  }
  try {
    const index = await readIndex(source, files, INDEX_FILE);
    const isUsed = [...index.shardOf.values()].includes(WEIGHTS_FILE);
    if (!isUsed) {
      onNotice?.(`${WEIGHTS_FILE} is not used: ${INDEX_FILE} names other files, and all of them are there`);
    }
    return index;
  } catch (error) {
    if (!(error instanceof RemoraError) || error.code !== "FILE_NOT_FOUND") throw error;
    onNotice?.(`${INDEX_FILE} is not used, but ${WEIGHTS_FILE}: ${error.message}`);
    return WEIGHTS_FILE;
  }
}

/** An index whose shards are there. */
async function readIndex(
  source: ModelSource,
  files: ReadonlyMap<string, number>,
  file: string,
): Promise<ShardIndex> {
  const index = await readShardIndex(source, files, file);
  for (const shard of index.shardOf.values()) {
    if (files.has(shard)) continue;
    const details = { file: shard, expected: `the shard that ${file} names`, found: "no such file" };
    throw new RemoraError("FILE_NOT_FOUND", "Cannot open", details);
  }
  return index;
}

/**
 * Reads an index, whether its shards are there or not.
 *
 * @throws {RemoraError} `BAD_FILE` for one that is damaged or names no file of the model's folder.
 */
export async function readShardIndex(
  source: ModelSource,
  files: ReadonlyMap<string, number>,
  file: string,
): Promise<ShardIndex> {
  const index = await readJsonObject(source, files, file, {
    maxBytes: INDEX_BYTES_MAX,
    code: "BAD_FILE",
    asPython: false,
  });
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
    shardOf.set(tensor, shard);
    shards.add(shard);
  }
  if (shardOf.size === 0 || shardOf.size > TENSOR_COUNT_MAX || shards.size > SHARD_COUNT_MAX) {
    const expected = `1 to ${TENSOR_COUNT_MAX} tensors in at most ${SHARD_COUNT_MAX} shards`;
    throw refuse(expected, `${shardOf.size} in ${shards.size}`);
  }
  return { file, shardOf };
}

/** The tensors from the shards that the index names for them. */
function listedTensors(
  index: ShardIndex,
  found: readonly TensorEntry[],
  onNotice: OpenCheckpointOptions["onNotice"],
): Map<string, TensorEntry> {
  const tensors = new Map(
    found.filter(({ name, file }) => index.shardOf.get(name) === file).map((entry) => [entry.name, entry]),
  );
  for (const [tensor, shard] of index.shardOf) {
    if (tensors.has(tensor)) continue;
    const elsewhere = found.find(({ name }) => name === tensor)?.file;
    throw new RemoraError("MISSING_TENSOR", "Cannot find in", {
      file: shard,
      tensor,
      expected: `it there, as ${index.file} says`,
      found: elsewhere === undefined ? "no such tensor" : `it in ${elsewhere}`,
    });
  }
  const [first, ...others] = found.filter(({ name }) => !index.shardOf.has(name));
  const more = others.length > 0 ? ` and ${others.length} more` : "";
  if (first) {
    onNotice?.(
      `"${printable(first.name)}"${more} in ${
        printable(first.file)
      } not used: ${index.file} does not list it`,
    );
  }
  return tensors;
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
