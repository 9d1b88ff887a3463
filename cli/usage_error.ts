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
