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
  /**
   * Take what Python's `json` takes, as settings are written with it: of a key that is there twice the last value counts, and `NaN`,
   * `Infinity` and `-Infinity` become strings of that name, so that whoever reads one as a number refuses it by name. Default: both
   * are refused, since readers disagree on them.
   */
  asPython?: boolean;
  /** Code of the error; default `BAD_FILE`. */
  code?: ErrorCode;
}

/**
 * Parses a JSON file strictly: valid UTF-8 without a byte order mark, bounded depth, and unless `asPython` no key twice and none
 * of the `NaN` and `Infinity` that Python writes.
 *
 * A `__proto__` key comes out as an ordinary own property; read the result with `Object.hasOwn` or
 * `Object.entries`, and it is harmless.
 *
 * @param file What messages call the file.
 * @throws {RemoraError} `options.code`, naming the file and, where it applies, the key.
 */
export function parseJson(bytes: Uint8Array, file: string, options: ParseJsonOptions = {}): unknown {
  const { maxDepth = JSON_DEPTH_MAX, asPython = false, code = "BAD_FILE" } = options;
  const refuse = (expected: string, found: string, cause?: unknown) =>
    new RemoraError(code, "Cannot parse", { file, expected, found, cause });

  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw refuse("JSON in UTF-8", "bytes that are not UTF-8", cause);
  }
  const words = scan(text, maxDepth, asPython, refuse);
  try {
    return JSON.parse(quoted(text, words));
  } catch (cause) {
    throw refuse("JSON", cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** A stretch of the text. */
interface Word {
  begin: number;
  end: number;
}

/** With the character before it, which may be a sign. */
const PYTHON_NUMBER = /(?<=^[^-]?)NaN|-?Infinity/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

/**
 * Finds the numbers that only Python writes. Refuses, without recursion, what `JSON.parse` would accept, and nesting that could
 * overflow its stack. The grammar is left to `JSON.parse`: on text that is not JSON this may stop with any of its refusals or with
 * none.
 */
function scan(
  text: string,
  maxDepth: number,
  asPython: boolean,
  refuse: (expected: string, found: string) => RemoraError,
): Word[] {
  const words: Word[] = [];
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
      case 0x4e: { // N
        const word = PYTHON_NUMBER.exec(text.slice(Math.max(0, position - 1), position + 8))?.[0];
        if (!asPython || !word || isKey(text, position - 1 + word.replace("-", "").length)) {
          throw refuse(
            "JSON numbers",
            `${text.slice(position, position + 8)} (NaN and Infinity are not JSON)`,
          );
        }
        const begin = word.startsWith("-") ? position - 1 : position;
        words.push({ begin, end: begin + word.length });
        position = begin + word.length - 1;
        break;
      }
      case QUOTE: {
        const begin = position;
        position = closingQuote(text, begin);
        if (asPython || keysOfLevel.length === 0 || !isKey(text, position)) break;
        const key = unescaped(text.slice(begin, position + 1));
        const keys = keysOfLevel[keysOfLevel.length - 1] ??= new Set();
        if (keys.has(key)) throw refuse("every key once", `the key "${key}" twice in one object`);
        keys.add(key);
      }
    }
  }
  return words;
}

/** Text with its words in quotation marks. */
function quoted(text: string, words: readonly Word[]): string {
  let result = "", at = 0;
  for (const { begin, end } of words) {
    result += `${text.slice(at, begin)}"${text.slice(begin, end)}"`;
    at = end;
  }
  return result + text.slice(at);
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
