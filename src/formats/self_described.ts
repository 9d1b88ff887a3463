/**
 * Files that describe their model themselves, config and tokenizer included.
 *
 * @module
 */
import type { ModelSource } from "../io/source.ts";
import type { SelfDescribedModel } from "./containers/checkpoint.ts";
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
