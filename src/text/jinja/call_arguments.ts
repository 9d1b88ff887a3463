/**
 * Arguments of functions, methods and filters.
 *
 * @module
 */

import { textOf } from "./relations.ts";
import { type Keywords, typeError, typeName, Undefined, type Value } from "./values.ts";

export const NO_KEYWORDS: Keywords = new Map();

/**
 * Puts arguments in the order of the parameters.
 *
 * @param parameters Their names; those before `/` cannot be given by name.
 * @param required How many must be given.
 * @throws {PythonError} For too many, too few or unknown arguments.
 */
export function bind(
  name: string,
  args: readonly Value[],
  keywords: Keywords,
  parameters: readonly string[],
  required = 0,
): (Value | undefined)[] {
  const slash = parameters.indexOf("/");
  const names = parameters.filter((parameter) => parameter !== "/");
  if (args.length > names.length) {
    throw typeError(`${name}() takes at most ${names.length} arguments (${args.length} given)`);
  }
  const bound: (Value | undefined)[] = names.map((_, i) => args[i]);
  for (const [keyword, value] of keywords) {
    const index = names.indexOf(keyword);
    if (index < 0 || index < slash) {
      throw typeError(`${name}() has no argument named '${keyword}'`);
    }
    if (bound[index] !== undefined) {
      throw typeError(`${name}() got multiple values for argument '${keyword}'`);
    }
    bound[index] = value;
  }
  const missing = bound.findIndex((value, i) => i < required && value === undefined);
  if (missing >= 0) throw typeError(`${name}() missing required argument '${names[missing]}'`);
  return bound;
}

/** The int that an argument must be. */
export function requireInt(value: Value): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (value instanceof Undefined) throw value.fail();
  throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`);
}

/** An int as a number for lengths and positions; far beyond any length stays far beyond. */
export function requireIndex(value: Value): number {
  const limit = 1n << 40n;
  const int = requireInt(value);
  return Number(int > limit ? limit : int < -limit ? -limit : int);
}

/** The str that an argument must be. */
export function requireText(value: Value): string {
  const text = textOf(value);
  if (text === undefined) throw typeError(`must be str, not ${typeName(value)}`);
  return text;
}
