/**
 * What browsers throw.
 *
 * @module
 */
import { RemoraError } from "../src/core/errors.ts";

/** More tokens than there is room for. */
export interface QuotaExceeded extends DOMException {
  /** Tokens of the input. */
  readonly requested: number;
  /** Tokens that there was room for. */
  readonly quota: number;
}

/** A DOMException, with the library's error as its cause. */
export function domError(name: string, message: string, cause?: unknown): DOMException {
  return Object.assign(new DOMException(message, name), cause === undefined ? {} : { cause });
}

const NAMES: Readonly<Record<string, string>> = {
  BAD_IMAGE: "EncodingError",
  UNSUPPORTED: "NotSupportedError",
};

/** What browsers throw for the same reason. */
export function browserError(error: unknown): unknown {
  if (!(error instanceof RemoraError)) return error;
  const name = NAMES[error.code];
  if (name !== undefined) return domError(name, error.message, error);
  return error.code === "BAD_ARGUMENT" ? new TypeError(error.message, { cause: error }) : error;
}

/** As the runtime has it, else of the same shape. */
export function quotaExceeded(requested: number, quota: number): QuotaExceeded {
  const message = `The input takes ${requested} tokens, and there is room for ${quota}.`;
  // deno-lint-ignore no-explicit-any -- not there in every runtime
  const { QuotaExceededError } = globalThis as any;
  if (QuotaExceededError) return new QuotaExceededError(message, { requested, quota });
  return Object.assign(new DOMException(message, "QuotaExceededError"), { requested, quota });
}
