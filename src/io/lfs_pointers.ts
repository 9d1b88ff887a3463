/**
 * Files of a repository that was cloned without Git LFS: where a large file should be, there is a note of its size.
 *
 * @see {@link https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md | the notes' form}
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { GGUF_SUFFIX, TOKENIZER_FILE, WEIGHTS_SUFFIX } from "./model_files.ts";
import { readBytes } from "./read.ts";
import type { ModelSource } from "./source.ts";

/** Bytes of a note at most, as its form has it. */
const POINTER_BYTES_MAX = 1024;
const POINTER = /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:.*\n)*?size (\d+)\n/;

/**
 * Looks at the small ones among the files that are large in a model.
 *
 * @throws {RemoraError} `BAD_FILE` naming the first that is only noted.
 */
export async function refuseLfsPointers(source: ModelSource): Promise<void> {
  for (const [name, size] of await source.list()) {
    const isLarge = name === TOKENIZER_FILE ||
      [WEIGHTS_SUFFIX, GGUF_SUFFIX].some((end) => name.endsWith(end));
    if (!isLarge || size === 0 || size > POINTER_BYTES_MAX) continue;
    const text = new TextDecoder().decode(await readBytes(source, name, 0, size));
    const bytes = POINTER.exec(text)?.[1];
    if (bytes === undefined) continue;
    throw new RemoraError("BAD_FILE", "Cannot read", {
      file: name,
      expected: `its ${bytes} bytes`,
      found: "a pointer of Git LFS; git lfs pull fetches them",
    });
  }
}
