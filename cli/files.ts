/**
 * Files of the command line's own, and why they could not be had.
 *
 * @module
 */

/** Whether the operating system refused with this code. */
export function hasCode(
  error: unknown,
  code: "ENOENT" | "EEXIST" | "EPIPE" | "EAGAIN" | "ERR_MODULE_NOT_FOUND",
): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
