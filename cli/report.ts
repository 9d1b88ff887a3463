/**
 * How a failed program ends.
 *
 * @module
 */
import { printable, RemoraError } from "../mod.ts";
import { hasCode } from "./files.ts";
import { Interrupted } from "./interruption.ts";
import { note } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/**
 * Says in one line on stderr what went wrong.
 *
 * @returns The exit code: 1 failed, 2 not understood, 130 and 143 ended by SIGINT and SIGTERM.
 */
export function report(program: string, error: unknown, isVerbose: boolean): number {
  // The program that reads our output closed it: it needs no more.
  if (hasCode(error, "EPIPE")) return 0;
  if (error instanceof Interrupted) return error.exitCode;
  const isExpected = error instanceof RemoraError || error instanceof UsageError;
  const text = error instanceof Error ? error.message : String(error);
  const hint = isVerbose ? "" : "; --verbose prints where";
  note(`${program}: ${isExpected ? text : `unexpected error: ${printable(text)}${hint}`}\n`);
  if (!isExpected && isVerbose && error instanceof Error) note(`${error.stack}\n`);
  const isUsage = error instanceof UsageError ||
    (error instanceof RemoraError && error.code === "BAD_ARGUMENT");
  return isUsage ? 2 : 1;
}
