/**
 * What the escapes of a string literal mean.
 *
 * @module
 */

import { MissingFeature } from "./values.ts";

const SIMPLE: Record<string, string> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const ESCAPE = /\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{1,3}|[^])/gu;

/**
 * The text that the inside of a literal means.
 *
 * @param error Makes the error of a damaged escape.
 */
export function unescape(literal: string, error: (message: string) => Error): string {
  return literal.replace(ESCAPE, (escape) => {
    const kind = escape.slice(1);
    if (kind in SIMPLE) return SIMPLE[kind];
    if (/^[0-7]/.test(kind)) return codePoint(parseInt(kind, 8), error);
    if (kind.length > 1 && /^[xuU]/.test(kind)) return codePoint(parseInt(kind.slice(1), 16), error);
    if (kind === "x" || kind === "u" || kind === "U") throw error(`truncated \\${kind} escape`);
    if (kind === "N") throw new MissingFeature("the escape \\N");
    const code = kind.codePointAt(0)!;
    if (code < 0x80) return escape;
    // Jinja2 writes what is not ASCII as an escape before it reads the escapes, so the backslash escapes that backslash.
    const hex = code.toString(16);
    return "\\" +
      (code < 0x100 ? `x${hex}` : code < 0x10000 ? `u${hex.padStart(4, "0")}` : `U${hex.padStart(8, "0")}`);
  });
}

function codePoint(code: number, error: (message: string) => Error): string {
  if (code > 0x10ffff) throw error("illegal Unicode character");
  if (code >= 0xd800 && code < 0xe000) throw new MissingFeature("surrogates in string literals");
  return String.fromCodePoint(code);
}
