/**
 * Names of files that come from inside other files.
 *
 * @module
 */

/**
 * Whether a name stays inside the model's folder on every system: relative, `/`-separated, without `..`, drive
 * letters, backslashes, control characters or halves of characters.
 */
export function isSafeFileName(name: string): boolean {
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f\\]|^[A-Za-z]:/.test(name)) return false;
  return name.isWellFormed() &&
    name.split("/").every((segment) => segment !== "" && segment !== "." && segment !== "..");
}
