/**
 * The one error class of the library. Every refusal says in one line what was attempted, on which file and
 * tensor, what was expected and what was found; the same facts are fields for programs.
 *
 * @module
 */

/** Stable names of what can go wrong; programs branch on these, never on messages. */
export type ErrorCode =
  | "BAD_ARGUMENT" // an option or argument of ours is out of its range
  | "BAD_CONFIG" // config.json or a quantisation config contradicts itself or a limit
  | "BAD_FILE" // a file's bytes are not what its format demands
  | "BAD_IMAGE" // a picture cannot be decoded, or does not fit the prompt
  | "BAD_TEMPLATE" // the chat template does not parse, does not end or is too large
  | "BAD_TENSOR" // a tensor's dtype, shape or values contradict its module
  | "BAD_TOKENIZER" // tokenizer.json is damaged
  | "CONTEXT_OVERFLOW" // more tokens than the context holds
  | "FILE_NOT_FOUND" // a file that must be there is not
  | "MISSING_TENSOR" // a tensor that must be there is not
  | "OUT_OF_MEMORY" // the model or cache does not fit
  | "UNSUPPORTED" // well-formed, but nothing we can run
  | "WORKER_FAILED"; // a thread could not start or died

/** What an error is about; each given part appears in the message and as a field. */
export interface ErrorDetails {
  /** The file at fault. */
  file?: string;
  /** The tensor at fault. */
  tensor?: string;
  /** What would have been right. */
  expected?: string;
  /** What is there. */
  found?: string;
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * A typed, one-line error.
 *
 * The message reads `attempt failed "file", tensor "name": expected X, found Y`; control characters of
 * hostile names are escaped, long ones shortened, so that a message is always one printable line.
 *
 * @example Branch on the code, show the message
 * ```ts
 * import { RemoraError } from "../../mod.ts";
 * const error = new RemoraError("BAD_TENSOR", "Cannot load", {
 *   file: "model.safetensors",
 *   tensor: "model.norm.weight",
 *   expected: "F16 [576]",
 *   found: "F32 [576]",
 * });
 * if (error.code !== "BAD_TENSOR") throw error;
 * ```
 */
export class RemoraError extends Error {
  /** What `instanceof` says in other realms too. */
  override readonly name = "RemoraError";
  /** The file at fault. */
  readonly file?: string;
  /** The tensor at fault. */
  readonly tensor?: string;
  /** What would have been right. */
  readonly expected?: string;
  /** What is there. */
  readonly found?: string;

  /** Of a code, what was attempted, and details. */
  constructor(readonly code: ErrorCode, attempt: string, details: ErrorDetails = {}) {
    super(describe(attempt, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.file = details.file;
    this.tensor = details.tensor;
    this.expected = details.expected;
    this.found = details.found;
  }
}

/** Longest quoted piece of outside text in a message: enough for any real path or tensor name. */
const QUOTED_CHARACTERS_MAX = 300;

/**
 * Control characters, line separators, those that turn the direction of a text, and halves of characters: none may reach a terminal,
 * where a name could look like another.
 */
const UNPRINTABLE = /[\p{Cc}\p{Bidi_Control}\p{Surrogate}\u2028\u2029]/gu;

/** Makes outside text safe for one terminal line. */
export function printable(text: string): string {
  const short = text.length > QUOTED_CHARACTERS_MAX ? text.slice(0, QUOTED_CHARACTERS_MAX) + "…" : text;
  return short.replace(UNPRINTABLE, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}

function describe(attempt: string, { file, tensor, expected, found }: ErrorDetails): string {
  let text = printable(attempt);
  if (file !== undefined) text += ` "${printable(file)}"`;
  if (tensor !== undefined) text += `${file === undefined ? "" : ","} tensor "${printable(tensor)}"`;
  if (expected !== undefined) text += `: expected ${printable(expected)}`;
  if (found !== undefined) text += `${expected === undefined ? ": " : ", "}found ${printable(found)}`;
  return text;
}
