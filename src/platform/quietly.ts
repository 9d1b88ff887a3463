/**
 * Reading what need not be there.
 *
 * @module
 */

/** `undefined` where reading fails: on another system, where a file is missing, or where it may not be read. */
export function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
