/**
 * Mistakes in how the command was written.
 *
 * @module
 */
import { printable } from "../mod.ts";

/** A command line that cannot be obeyed; the program ends with exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";

  constructor(message: string) {
    super(printable(message));
  }
}

/** @throws {UsageError} For arguments that a command has no use for. */
export function refuseSurplus([surplus]: readonly string[], command: string): void {
  if (surplus !== undefined) throw new UsageError(`unexpected argument "${surplus}"; see ${command} --help`);
}
