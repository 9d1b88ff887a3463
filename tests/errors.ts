/**
 * Assertions about refusals.
 *
 * @module
 */

import { ok, strictEqual } from "node:assert/strict";
import { type ErrorCode, RemoraError } from "../src/core/errors.ts";

/** Runs something that must be refused with this code and with all these words; returns the error. */
export async function assertRefused(
  run: () => unknown,
  code: ErrorCode,
  ...words: string[]
): Promise<RemoraError> {
  const error = await refusalOf(run);
  strictEqual(error.code, code, error.message);
  for (const word of words) {
    ok(error.message.includes(word), `${JSON.stringify(word)} is not in: ${error.message}`);
  }
  return error;
}

/** The error something is refused with; whatever else is thrown goes on. */
export async function refusalOf(run: () => unknown): Promise<RemoraError> {
  try {
    await run();
  } catch (error) {
    if (error instanceof RemoraError) {
      ok(!error.message.includes("\n"), "one line");
      return error;
    }
    throw error;
  }
  throw new Error("was not refused");
}
