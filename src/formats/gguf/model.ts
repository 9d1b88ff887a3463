/**
 * A model in GGUF files, as other code knows models: a checkpoint under the usual names, and a source that has config.json and the
 * tokenizer's files, which are made of the metadata.
 *
 * @module
 */
import { RemoraError } from "../../core/errors.ts";
import { HIDDEN_SIZE_MAX } from "../../core/limits.ts";
import { CONFIG_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "../../io/model_files.ts";
import { readBytes, readBytesInto, requireRange } from "../../io/read.ts";
import type { ModelSource } from "../../io/source.ts";
import type { Checkpoint, SelfDescribedModel } from "../containers/checkpoint.ts";
import { findGguf } from "../containers/gguf/files.ts";
import { type GgufHeader, readGgufHeader } from "../containers/gguf/header.ts";
import type { TensorEntry } from "../containers/safetensors.ts";
import { checkTensor } from "../tensor_checks.ts";
import { GGUF_ARCHITECTURES, type GgufArchitecture, tensorNameOf } from "./architectures.ts";
import { configOf, keyNamesOf, type RotaryFactors } from "./config.ts";
import { Metadata } from "./metadata.ts";
import { readRestored, type Restorations } from "./restore.ts";
import { tokenizerConfigOf, tokenizerOf } from "./tokenizer.ts";

/** Frequencies of heads are below this number, as heads are below the hidden size. */
const FACTORS_MAX = HIDDEN_SIZE_MAX;

/**
 * Opens the GGUF model of a place.
 *
 * @returns `undefined` where there is none.
 * @throws {RemoraError} `BAD_FILE`, `BAD_CONFIG`, `BAD_TOKENIZER` or `UNSUPPORTED`, naming file and tensor or key.
 */
export async function openGguf(source: ModelSource): Promise<SelfDescribedModel | undefined> {
  const files = await source.list();
  const names = findGguf(files, source.label);
  if (names === undefined) return undefined;
  const headers = [];
  for (const name of names) headers.push(await readGgufHeader(source, name, files.get(name)!));
  const metadata = new Metadata(names[0], headers[0].metadata);
  const name = metadata.string("general.architecture") ?? "none";
  const architecture = requireArchitecture(metadata, name);
  const tensors = joinTensors(headers, names, metadata, architecture);
  const restorations = restorationsOf(metadata, name, architecture, tensors);
  const checkpoint = (source: ModelSource): Checkpoint => ({
    source,
    tensors,
    bytes: [...tensors.values()].reduce((sum, { begin, end }) => sum + end - begin, 0),
    readTensor: async (entry) => {
      const bytes = new Uint8Array(entry.end - entry.begin);
      await readRestored(source, entry, 0, bytes, restorations);
      return bytes;
    },
    readTensorInto: (entry, offset, target) => readRestored(source, entry, offset, target, restorations),
  });
  const factors = await readFactors(source, tensors);
  const isTied = !tensors.has("lm_head.weight");
  const vocabularySize = tensors.get("model.embed_tokens.weight")?.shape[0] ?? 0;
  const config = configOf(metadata, name, architecture, { vocabularySize, isTied, factors });
  const described = new DescribedSource(source, files, {
    [CONFIG_FILE]: config,
    [TOKENIZER_FILE]: tokenizerOf(metadata),
    [TOKENIZER_CONFIG_FILE]: tokenizerConfigOf(metadata),
  });
  const origin = { file: metadata.file, names: keyNamesOf(name) };
  return { source: described, checkpoint: checkpoint(described), origin };
}

function requireArchitecture(metadata: Metadata, name: string): GgufArchitecture {
  if (Object.hasOwn(GGUF_ARCHITECTURES, name)) return GGUF_ARCHITECTURES[name];
  const known = Object.keys(GGUF_ARCHITECTURES).sort().join(", ");
  const found = name === "clip" ? "clip: a vision projector (mmproj), which is not run" : name;
  throw metadata.refusal("UNSUPPORTED", "general.architecture", known, found);
}

/** The tensors of all parts under our names. */
function joinTensors(
  headers: readonly GgufHeader[],
  files: readonly string[],
  metadata: Metadata,
  architecture: GgufArchitecture,
): Map<string, TensorEntry> {
  const count = metadata.number("split.count") ?? 1;
  if (count !== files.length && !(count === 0 && files.length === 1)) {
    throw metadata.refusal("BAD_FILE", "split.count", `${files.length}, as its name says`, `${count}`);
  }
  const tensors = new Map<string, TensorEntry>();
  for (const entry of headers.flatMap(({ tensors }) => tensors)) {
    const name = tensorNameOf(entry.name, architecture), twin = tensors.get(name);
    if (twin !== undefined) {
      const details = { file: entry.file, tensor: entry.name, expected: "one tensor of this name" };
      throw new RemoraError("BAD_FILE", "Cannot read", { ...details, found: `another in ${twin.file}` });
    }
    tensors.set(name, entry);
  }
  return tensors;
}

/** What the converter did to tensors and reading undoes. */
function restorationsOf(
  metadata: Metadata,
  name: string,
  { interleavesHeads, normOffset }: GgufArchitecture,
  tensors: ReadonlyMap<string, TensorEntry>,
): Restorations {
  const heads = new Map<TensorEntry, number>(), offsets = new Map<TensorEntry, number>();
  const queries = metadata.number(`${name}.attention.head_count`) ?? 1;
  const keys = metadata.number(`${name}.attention.head_count_kv`) ?? queries;
  for (const [tensor, entry] of tensors) {
    const [, projection] = /\.self_attn\.([qk])_proj\.(?:weight|bias)$/.exec(tensor) ?? [];
    if (interleavesHeads && projection) heads.set(entry, projection === "q" ? queries : keys);
    if (normOffset !== undefined && tensor.endsWith("norm.weight")) offsets.set(entry, normOffset);
  }
  return { heads, offsets };
}

async function readFactors(
  source: ModelSource,
  tensors: ReadonlyMap<string, TensorEntry>,
): Promise<RotaryFactors> {
  const read = async (name: string) => {
    const entry = tensors.get(`${name}.weight`);
    if (entry === undefined) return undefined;
    checkTensor(entry, ["F32"], [Math.min(FACTORS_MAX, entry.shape[0] ?? 0)]);
    const bytes = await readBytes(source, entry.file, entry.begin, entry.end);
    return [...new Float32Array(bytes.slice().buffer)];
  };
  return {
    all: await read("rope_freqs"),
    short: await read("rope_factors_short"),
    long: await read("rope_factors_long"),
  };
}

/** A source that has some more files, given as JSON values. */
class DescribedSource implements ModelSource {
  readonly label?: string;
  readonly folder?: string;
  readonly #source: ModelSource;
  readonly #described: ReadonlyMap<string, Uint8Array>;
  readonly #files: ReadonlyMap<string, number>;

  constructor(source: ModelSource, files: ReadonlyMap<string, number>, described: Record<string, unknown>) {
    this.label = source.label;
    this.folder = source.folder;
    this.#source = source;
    const encoder = new TextEncoder();
    this.#described = new Map(
      Object.entries(described).filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, encoder.encode(JSON.stringify(value))]),
    );
    const sizes = [...this.#described].map(([name, { length }]): [string, number] => [name, length]);
    this.#files = new Map([...files, ...sizes]);
  }

  list(): ReadonlyMap<string, number> {
    return this.#files;
  }

  async read(name: string, begin: number, end: number): Promise<Uint8Array> {
    const own = this.#described.get(name);
    if (own === undefined) return await this.#source.read(name, begin, end);
    requireRange(this.#files, name, begin, end);
    return own.slice(begin, end);
  }

  async readInto(name: string, begin: number, target: Uint8Array): Promise<void> {
    const own = this.#described.get(name);
    if (own === undefined) return await readBytesInto(this.#source, name, begin, target);
    requireRange(this.#files, name, begin, begin + target.length);
    target.set(own.subarray(begin, begin + target.length));
  }

  close(): void {
    this.#source.close?.();
  }
}
