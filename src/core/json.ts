/**
 * JSON from untrusted files.
 *
 * @module
 */

import { type ErrorCode, RemoraError } from "./errors.ts";
import { JSON_DEPTH_MAX } from "./limits.ts";

/** What to accept and how to call a refusal. */
export interface ParseJsonOptions {
  /** Levels of nesting; default {@linkcode JSON_DEPTH_MAX}. */
  maxDepth?: number;
  /** Refuse an object that names a key twice (readers disagree on which one counts); default true. */
  rejectDuplicateKeys?: boolean;
  /** Code of the error; default `BAD_FILE`. */
  code?: ErrorCode;
}

/**
 * Parses a JSON file strictly: valid UTF-8 without a byte order mark, bounded depth, no key twice, and none of
 * the `NaN` and `Infinity` that Python writes.
 *
 * A `__proto__` key comes out as an ordinary own property; read the result with `Object.hasOwn` or
 * `Object.entries`, and it is harmless.
 *
 * @param file What messages call the file.
 * @throws {RemoraError} `options.code`, naming the file and, where it applies, the key.
 */
export function parseJson(bytes: Uint8Array, file: string, options: ParseJsonOptions = {}): unknown {
  const { maxDepth = JSON_DEPTH_MAX, rejectDuplicateKeys = true, code = "BAD_FILE" } = options;
  const refuse = (expected: string, found: string, cause?: unknown) =>
    new RemoraError(code, "Cannot parse", { file, expected, found, cause });

  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw refuse("JSON in UTF-8", "bytes that are not UTF-8", cause);
  }
  scan(text, maxDepth, rejectDuplicateKeys, refuse);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refuse("JSON", cause instanceof Error ? cause.message : String(cause), cause);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/**
 * Refuses, without recursion, what `JSON.parse` would accept and nesting that could overflow its stack. The grammar
 * is left to `JSON.parse`: on text that is not JSON this may stop with any of its refusals or with none.
 */
function scan(
  text: string,
  maxDepth: number,
  rejectDuplicateKeys: boolean,
  refuse: (expected: string, found: string) => RemoraError,
): void {
  const keysOfLevel: (Set<string> | undefined)[] = [];
  for (let position = 0; position < text.length; position++) {
    switch (text.charCodeAt(position)) {
      case 0x5b: // [
      case 0x7b: // {
        keysOfLevel.push(undefined);
        if (keysOfLevel.length > maxDepth) throw refuse(`at most ${maxDepth} levels of nesting`, "more");
        break;
      case 0x5d: // ]
      case 0x7d: // }
        keysOfLevel.pop();
        break;
      case 0x49: // I
      case 0x4e: // N
        throw refuse("JSON numbers", `${text.slice(position, position + 8)} (NaN and Infinity are not JSON)`);
      case QUOTE: {
        const begin = position;
        position = closingQuote(text, begin);
        if (!rejectDuplicateKeys || keysOfLevel.length === 0 || !isKey(text, position)) break;
        const key = unescaped(text.slice(begin, position + 1));
        const keys = keysOfLevel[keysOfLevel.length - 1] ??= new Set();
        if (keys.has(key)) throw refuse("every key once", `the key "${key}" twice in one object`);
        keys.add(key);
      }
    }
  }
}

/** Index of the quote that ends the string begun at `begin`, or the text's end. */
function closingQuote(text: string, begin: number): number {
  let end = begin;
  while (true) {
    end = text.indexOf('"', end + 1);
    if (end < 0) return text.length;
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

/** Whether a colon follows the string that ends at `end`: in JSON exactly the keys of objects. */
function isKey(text: string, end: number): boolean {
  let next = end + 1;
  while (text.charCodeAt(next) <= 0x20) next++;
  return text.charCodeAt(next) === COLON;
}

/** The key a string literal stands for: `"a"` and `"\u0061"` are the same one. */
function unescaped(literal: string): string {
  if (!literal.includes("\\")) return literal.slice(1, -1);
  try {
    return JSON.parse(literal);
  } catch {
    return literal; // not JSON; JSON.parse of the whole text says where
  }
}
