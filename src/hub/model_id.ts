/**
 * What a user writes to name a model of the hub: `owner/name`, with a revision and a quantisation where they are wanted.
 *
 * @module
 */
import { isSafeFileName } from "../io/file_name.ts";

/** A model of the hub. */
export interface ModelId {
  /** `owner/name`. */
  readonly repository: string;
  /** A branch, a tag, or the 40 digits of a commit. */
  readonly revision: string;
  /** Which of a repository's GGUF files: `Q4_K_M`; absent where none was named. */
  readonly quantization?: string;
}

/** `owner/name`, `owner/name@revision`, `owner/name:Q4_K_M` or all three, in the characters that a hub allows. */
const MODEL_ID = /^(\w[\w.-]*\/\w[\w.-]*)(?:@(\w[\w./-]*))?(?::(\w[\w.-]*))?$/;
const COMMIT = /^[0-9a-f]{40}$/;
/** Characters of an owner and of a name, each; the hub's own limit. */
const NAME_CHARACTERS_MAX = 96;

/** `undefined` for what cannot be a name on the hub, which has neither `--` nor `..` in its names. */
export function parseModelId(text: string): ModelId | undefined {
  const [, repository, revision = "main", quantization] = MODEL_ID.exec(text) ?? [];
  if (repository === undefined || /--|\.\./.test(repository)) return undefined;
  if (repository.split("/").some((part) => part.length > NAME_CHARACTERS_MAX)) return undefined;
  if (!isSafeFileName(revision)) return undefined;
  return { repository, revision, quantization };
}

/** Whether a revision is a commit by its full name, which never means another. */
export function isCommit(revision: string): boolean {
  return COMMIT.test(revision);
}
