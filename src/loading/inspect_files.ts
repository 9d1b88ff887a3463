/**
 * The files of a model one by one: which are there, and which are damaged as far as it shows without reading weights.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { readShardIndex } from "../formats/containers/checkpoint.ts";
import { readSafetensorsHeader } from "../formats/containers/safetensors.ts";
import { findWeightsFile } from "../formats/containers/weights_file.ts";
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

/** The files that are needed, there or not, and those of the others that are there. */
export async function inspectFilesOf(source: ModelSource): Promise<ModelFile[]> {
  const files = await source.list();
  const check = async (name: string, isNeeded: boolean, read: () => unknown): Promise<ModelFile> => {
    const bytes = files.get(name);
    const problem = bytes === undefined ? undefined : await problemOf(read);
    return {
      name,
      ...(bytes !== undefined && { bytes }),
      isNeeded,
      ...(problem !== undefined && { problem }),
    };
  };
  const checkConfig = (name: string, isNeeded: boolean) =>
    check(name, isNeeded, () => readJsonObject(source, files, name));
  const checkWeights = (name: string) =>
    check(name, true, () => readSafetensorsHeader(source, name, files.get(name)!));

  const found = [await checkConfig(CONFIG_FILE, true)];
  const weights = await nameWeights(source, files);
  if (weights.index !== undefined) found.push(await check(weights.index, true, weights.read));
  for (const name of weights.names) found.push(await checkWeights(name));
  let text: TextFiles | undefined;
  found.push(await check(TOKENIZER_FILE, true, async () => text = await TextFiles.read(source)));
  const template = [...CHAT_TEMPLATE_FILES, TOKENIZER_CONFIG_FILE].find((name) => files.has(name));
  if (template !== undefined) found.push(await check(template, false, () => text && readTemplate(text)));
  for (const name of OTHER_CONFIG_FILES) if (files.has(name)) found.push(await checkConfig(name, false));
  return found;
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
