/**
 * Which file of a folder holds the weights.
 *
 * @module
 */
import { RemoraError } from "../../core/errors.ts";
import { INDEX_FILE, INDEX_SUFFIX, WEIGHTS_FILE, WEIGHTS_SUFFIX } from "../../io/model_files.ts";

/** Adapters lie with the weights that they are made for. */
const ADAPTER = /^adapter_/;
/** Weights that are not read: endings, what they are, and what helps. */
const FOREIGN: readonly [RegExp, string][] = [
  [
    /\.(bin|pt|pth|ckpt)$/,
    "weights as PyTorch pickles them: save the model as safetensors (safe_serialization=True)",
  ],
  [/\.(msgpack|h5|onnx)$/, "weights of another library: save the model as safetensors"],
];

/**
 * The safetensors file or shard index that stands for the model: under its usual name, or the only one.
 *
 * @param baseName The name without its ending, where a config says so.
 * @throws {RemoraError} BAD_FILE when several could be meant, FILE_NOT_FOUND or UNSUPPORTED, saying what is there, when there is none.
 */
export function findWeightsFile(
  files: ReadonlyMap<string, number>,
  baseName: string | undefined,
  label = "the model",
): string {
  // What lies in folders of its own is there only for an index that names it.
  const names = [...files.keys()].filter((name) => !ADAPTER.test(name) && !name.includes("/"));
  const usual = [
    WEIGHTS_FILE,
    INDEX_FILE,
    ...[WEIGHTS_SUFFIX, INDEX_SUFFIX].map((suffix) => `${baseName}${suffix}`),
  ];
  const named = usual.find((name) => files.has(name));
  if (named !== undefined) return named;
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
  const details = (found: string) => ({ file: label, expected: `${WEIGHTS_FILE} or ${INDEX_FILE}`, found });
  for (const [pattern, what] of FOREIGN) {
    const foreign = names.find((name) => pattern.test(name));
    if (foreign === undefined) continue;
    throw new RemoraError("FILE_NOT_FOUND", "Cannot find the weights in", details(`${foreign} (${what})`));
  }
  const others = names.slice(0, 4).join(", ") || "no files";
  throw new RemoraError("FILE_NOT_FOUND", "Cannot find the weights in", details(others));
}
