/**
 * The caller's data as values of Python.
 *
 * @module
 */

import { Dict, List, type Value } from "./values.ts";

/** Levels of lists and objects that a caller may give. */
const DEPTH_MAX = 60;

/** What cannot become a value of Python; `message` says what was found. */
export class NotPlainData extends Error {}

/**
 * Takes over what JSON can say: whole numbers become ints, others floats; a member that is `undefined` is left out.
 *
 * @throws {NotPlainData}
 */
export function fromJavaScript(value: unknown, depth = 0): Value {
  if (depth > DEPTH_MAX) throw new NotPlainData(`more than ${DEPTH_MAX} levels`);
  switch (typeof value) {
    case "string":
    case "boolean":
    case "bigint":
      return value;
    case "number":
      return Number.isInteger(value) ? BigInt(value) : value;
    case "undefined":
      return null;
    case "object":
      break;
    default:
      throw new NotPlainData(`a ${typeof value}`);
  }
  if (value === null) return null;
  if (Array.isArray(value)) return new List(value.map((item) => fromJavaScript(item, depth + 1)));
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return fromJavaScript(toJSON.call(value), depth + 1);
  if (value instanceof Map) {
    return new Dict(
      Array.from(value, ([key, item]) => [fromJavaScript(key, depth + 1), fromJavaScript(item, depth + 1)]),
    );
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) throw new NotPlainData("binary data");
  const dict = new Dict();
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) dict.set(key, fromJavaScript(item, depth + 1));
  }
  return dict;
}

/** Characters of all strings in a value, for the limits. */
export function countCharacters(value: unknown, depth = 0): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null || depth > DEPTH_MAX) return 1;
  if (ArrayBuffer.isView(value)) return 1;
  return Object.entries(value).reduce(
    (sum, [key, inner]) => sum + key.length + countCharacters(inner, depth + 1),
    1,
  );
}
