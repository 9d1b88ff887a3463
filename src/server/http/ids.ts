/**
 * Names of answers and calls.
 *
 * @module
 */

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LENGTH = 24;

/** A name that nobody has had, behind a prefix such as `chatcmpl-`. */
export function newId(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(LENGTH));
  return prefix + Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join("");
}
