/**
 * Files that describe their model themselves, config and tokenizer included.
 *
 * @module
 */
import type { ModelSource } from "../io/source.ts";
import type { SelfDescribedModel } from "./containers/checkpoint.ts";
import { nameGguf } from "./containers/gguf/files.ts";
import { readGgufHeader } from "./containers/gguf/header.ts";
import { openGguf } from "./gguf/model.ts";

/**
 * The model of a place whose weights describe it.
 *
 * @returns `undefined` where config.json describes it.
 * @throws {RemoraError} `BAD_FILE`, `BAD_CONFIG`, `BAD_TOKENIZER` or `UNSUPPORTED`, naming file and tensor or key.
 */
export function openSelfDescribed(source: ModelSource): Promise<SelfDescribedModel | undefined> {
  return openGguf(source);
}

/**
 * The names of the files that such a model consists of, there or not; nothing is read.
 *
 * @returns `undefined` where config.json describes the model.
 * @throws {RemoraError} `BAD_FILE` when several models could be meant.
 */
export function nameSelfDescribed(files: ReadonlyMap<string, number>, label?: string): string[] | undefined {
  return nameGguf(files, label);
}

/**
 * Reads and checks the header of one of these files.
 *
 * @throws {RemoraError} `BAD_FILE` or `UNSUPPORTED`, naming the file and, where it is one tensor's fault, the tensor.
 */
export async function checkSelfDescribed(source: ModelSource, name: string, size: number): Promise<void> {
  await readGgufHeader(source, name, size);
}
