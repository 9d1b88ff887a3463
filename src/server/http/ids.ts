/**
 * Names of answers and calls.
 *
 * @module
 */

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LENGTH = 24;

/** A name that nobody has had, such as `chatcmpl-…`. */
export function newId(
  prefix: string,
  separator = prefix === "call" || prefix.length <= 4 ? "_" : "-",
): string {
  const bytes = crypto.getRandomValues(new Uint8Array(LENGTH));
  return `${prefix}${separator}${Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join("")}`;
}
