/**
 * Which GGUF files of a place hold the model.
 *
 * @module
 */
import { RemoraError } from "../../../core/errors.ts";
import { CONFIG_FILE, GGUF_SUFFIX, ggufParts, WEIGHTS_SUFFIX } from "../../../io/model_files.ts";

/** Vision projectors lie with the models that they are made for. */
const PROJECTOR = /mmproj/i;

/**
 * The files of the only GGUF model that is there; `undefined` where there is none, or a model in safetensors.
 *
 * @throws {RemoraError} BAD_FILE when several could be meant, FILE_NOT_FOUND when a part is missing.
 */
export function findGguf(files: ReadonlyMap<string, number>, label?: string): string[] | undefined {
  const parts = nameGguf(files, label);
  const missing = parts?.find((name) => !files.has(name));
  if (parts === undefined || missing === undefined) return parts;
  const details = {
    file: missing,
    expected: `all ${parts.length} parts of the model`,
    found: "no such file",
  };
  throw new RemoraError("FILE_NOT_FOUND", "Cannot open", details);
}

/**
 * The names of the files that make this model, there or not.
 *
 * @throws {RemoraError} BAD_FILE when several could be meant.
 */
export function nameGguf(files: ReadonlyMap<string, number>, label = "the model"): string[] | undefined {
  const names = [...files.keys()].filter((name) => !name.includes("/"));
  const hasOthers = names.includes(CONFIG_FILE) && names.some((name) => name.endsWith(WEIGHTS_SUFFIX));
  if (hasOthers) return undefined;
  const all = names.filter((name) => name.toLowerCase().endsWith(GGUF_SUFFIX));
  const models = all.filter((name) => !PROJECTOR.test(name));
  const candidates = new Map(
    (models.length > 0 ? models : all).map((name) => [ggufParts(name)[0], ggufParts(name)]),
  );
  if (candidates.size === 0) return undefined;
  if (candidates.size > 1) {
    const found = [...candidates.keys()].slice(0, 4).join(", ");
    const details = { file: label, expected: "one GGUF model, or the name of the file", found };
    throw new RemoraError("BAD_FILE", "Cannot choose among the files of", details);
  }
  return [...candidates.values()][0];
}
