/**
 * The files of a model one by one: which are there, and which are damaged as far as it shows without reading weights.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { readShardIndex } from "../formats/containers/checkpoint.ts";
import { readSafetensorsHeader } from "../formats/containers/safetensors.ts";
import { findWeightsFile } from "../formats/containers/weights_file.ts";
import { checkSelfDescribed, nameSelfDescribed, openSelfDescribed } from "../formats/self_described.ts";
import {
  CHAT_TEMPLATE_FILES,
  CONFIG_FILE,
  GENERATION_CONFIG_FILE,
  INDEX_SUFFIX,
  PREPROCESSOR_CONFIG_FILE,
  PROCESSOR_CONFIG_FILE,
  QUANTIZATION_CONFIG_FILES,
  TOKENIZER_CONFIG_FILE,
  TOKENIZER_FILE,
  WEIGHTS_FILE,
} from "../io/model_files.ts";
import { readJsonObject } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import { TextFiles } from "./text_files.ts";

/** One of the files that make a model. */
export interface ModelFile {
  /** From the model's folder on. */
  name: string;
  /** Absent: it is not there. */
  bytes?: number;
  /** Whether nothing can be loaded, or no text be read, without it. */
  isNeeded: boolean;
  /** What is wrong with it, in one line. */
  problem?: string;
}

/** Settings that a model may do without. */
const OTHER_CONFIG_FILES = [
  GENERATION_CONFIG_FILE,
  ...QUANTIZATION_CONFIG_FILES,
  PREPROCESSOR_CONFIG_FILE,
  PROCESSOR_CONFIG_FILE,
];

/** Looks at one file; `read` runs where it is there. */
type Check = (name: string, isNeeded: boolean, read: () => unknown) => Promise<ModelFile>;

/**
 * The files that are needed, there or not, and those of the others that are there.
 *
 * @throws {RemoraError} `BAD_FILE` when several models could be meant.
 */
export async function inspectFilesOf(source: ModelSource): Promise<ModelFile[]> {
  const files = await source.list();
  const check: Check = async (name, isNeeded, read) => {
    const bytes = files.get(name);
    const problem = bytes === undefined ? undefined : await problemOf(read);
    return {
      name,
      ...(bytes !== undefined && { bytes }),
      isNeeded,
      ...(problem !== undefined && { problem }),
    };
  };
  const parts = nameSelfDescribed(files, source.label);
  const found = parts === undefined
    ? await inspectSeparate(source, files, check)
    : await inspectSelfDescribed(source, files, parts, check);
  for (const name of OTHER_CONFIG_FILES) {
    if (files.has(name)) found.push(await check(name, false, () => readJsonObject(source, files, name)));
  }
  return found;
}

/** Settings, weights and text each in files of their own. */
async function inspectSeparate(
  source: ModelSource,
  files: ReadonlyMap<string, number>,
  check: Check,
): Promise<ModelFile[]> {
  const found = [await check(CONFIG_FILE, true, () => readJsonObject(source, files, CONFIG_FILE))];
  const weights = await nameWeights(source, files);
  if (weights.index !== undefined) found.push(await check(weights.index, true, weights.read));
  for (const name of weights.names) {
    found.push(await check(name, true, () => readSafetensorsHeader(source, name, files.get(name)!)));
  }
  let text: TextFiles | undefined;
  found.push(await check(TOKENIZER_FILE, true, async () => text = await TextFiles.read(source)));
  const template = [...CHAT_TEMPLATE_FILES, TOKENIZER_CONFIG_FILE].find((name) => files.has(name));
  if (template !== undefined) found.push(await check(template, false, () => text && readTemplate(text)));
  return found;
}

/** Weights that describe themselves: the first of their files has the settings and the text. */
async function inspectSelfDescribed(
  source: ModelSource,
  files: ReadonlyMap<string, number>,
  parts: readonly string[],
  check: Check,
): Promise<ModelFile[]> {
  const found: ModelFile[] = [];
  for (const name of parts) {
    found.push(await check(name, true, () => checkSelfDescribed(source, name, files.get(name)!)));
  }
  // What the files say together cannot be known from some of them.
  if (found.some(({ bytes, problem }) => bytes === undefined || problem !== undefined)) return found;
  const template = CHAT_TEMPLATE_FILES.find((name) => files.has(name));
  let text: TextFiles | undefined;
  const readText = async () => {
    const described = await openUndamaged(source);
    text = described && await TextFiles.read(described.source);
    if (text && template === undefined) readTemplate(text);
  };
  found[0] = await check(parts[0], true, readText);
  if (template !== undefined) found.push(await check(template, false, () => text && readTemplate(text)));
  return found;
}

/** A model that is not supported is not damaged: inspecting it whole says so. */
async function openUndamaged(source: ModelSource) {
  try {
    return await openSelfDescribed(source);
  } catch (error) {
    if (!(error instanceof RemoraError) || error.code !== "UNSUPPORTED") throw error;
  }
}

/** Where the weights are: an index with the shards that it names, or one file. */
async function nameWeights(source: ModelSource, files: ReadonlyMap<string, number>) {
  let file: string;
  try {
    file = findWeightsFile(files, undefined, source.label);
  } catch (error) {
    if (!(error instanceof RemoraError)) throw error;
    return { names: [WEIGHTS_FILE] };
  }
  if (!file.endsWith(INDEX_SUFFIX)) return { names: [file] };
  const read = () => readShardIndex(source, files, file);
  const shards = await read().then(({ shardOf }) => shardOf.values(), () => []);
  return { index: file, read, names: [...new Set(shards)].toSorted() };
}

/** A model without a chat template is one that continues text. */
function readTemplate(text: TextFiles): void {
  try {
    text.template;
  } catch (error) {
    if (!(error instanceof RemoraError) || error.code !== "FILE_NOT_FOUND") throw error;
  }
}

async function problemOf(read: () => unknown): Promise<string | undefined> {
  try {
    await read();
  } catch (error) {
    if (!(error instanceof RemoraError)) throw error;
    return error.message;
  }
}
