/**
 * `"…" % values`.
 *
 * @module
 */

import { fixed, general, scientific } from "./decimals.ts";
import type { Meter } from "./meter.ts";
import { numeric } from "./relations.ts";
import { asciiText, reprText, strText } from "./text.ts";
import { codePoints } from "./characters.ts";
import {
  Dict,
  List,
  MissingFeature,
  Range,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

const DIRECTIVE = /%(?:\(([^()]*)\))?([#0\- +]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?([\s\S])?/g;

/** What a directive says besides its letter. */
interface Style {
  flags: string;
  width: number;
  /** undefined where the directive has none. */
  precision?: number;
}

/** Python's `template % values`. */
export function percentFormat(template: string, values: Value, meter: Meter): string {
  const positional = values instanceof Tuple ? values.items : [values];
  const mapping = values instanceof Dict ? values : undefined;
  let used = 0, out = "", end = 0;
  const next = () => {
    if (used >= positional.length) throw typeError("not enough arguments for format string");
    return positional[used++];
  };
  const number = (text: string | undefined) => text === "*" ? starred(next()) : Number(text ?? 0);
  for (const match of template.matchAll(DIRECTIVE)) {
    const [all, key, flags, widthText, precisionText, letter] = match;
    if (/%\([^()]*\(/.test(all)) throw new MissingFeature("parentheses in the key of a format");
    out += template.slice(end, match.index);
    end = match.index + all.length;
    if (letter === undefined) throw valueError("incomplete format");
    if (letter === "(") throw new MissingFeature(`the format ${all}`);
    if (letter === "%" && key === undefined) {
      out += "%";
      continue;
    }
    if (key !== undefined && mapping === undefined) throw typeError("format requires a mapping");
    const width = number(widthText);
    const hasPrecision = /\.(?:\*|\d*)[hlL]?[\s\S]$/.test(all);
    const precision = hasPrecision ? number(precisionText) : undefined;
    const style = { flags: width < 0 ? flags + "-" : flags, width: Math.abs(width), precision };
    meter.size(style.width + (precision ?? 0));
    if (letter === "%") {
      out += "%";
      continue;
    }
    let value: Value;
    if (key === undefined) value = next();
    else {
      const found = mapping!.get(key);
      if (found === undefined) throw valueError(`KeyError: '${key}'`);
      value = found;
      used = positional.length;
    }
    out += directive(letter, value, style, meter);
    meter.size(out.length);
  }
  const isOver = values instanceof Tuple ? used < values.items.length : used === 0 && !isMappingLike(values);
  if (isOver) throw typeError("not all arguments converted during string formatting");
  return meter.text(out + template.slice(end));
}

/** Objects that have items by key may be left over, strings may not. */
const isMappingLike = (value: Value) =>
  value instanceof Dict || value instanceof List || value instanceof Range || value instanceof Undefined;

function starred(value: Value): number {
  if (typeof value !== "bigint") throw typeError("* wants int");
  return Number(value);
}

function directive(letter: string, value: Value, style: Style, meter: Meter): string {
  const cut = (text: string) =>
    style.precision === undefined ? text : codePoints(text).slice(0, style.precision).join("");
  switch (letter) {
    case "s":
      return pad(cut(strText(value, meter)), style);
    case "r":
      return pad(cut(reprText(value, meter)), style);
    case "a":
      return pad(cut(asciiText(value, meter)), style);
    case "c":
      return pad(character(value), style);
    case "d":
    case "i":
    case "u":
    case "o":
    case "x":
    case "X":
      return integer(letter, value, style);
    case "e":
    case "E":
    case "f":
    case "F":
    case "g":
    case "G":
      return float(letter, value, style);
  }
  throw valueError(`unsupported format character '${letter}'`);
}

function pad(text: string, { flags, width }: Style): string {
  const missing = width - codePoints(text).length;
  if (missing <= 0) return text;
  return flags.includes("-") ? text + " ".repeat(missing) : " ".repeat(missing) + text;
}

function padNumber(sign: string, prefix: string, digits: string, style: Style): string {
  const { flags, width } = style;
  const mark = sign || (flags.includes("+") ? "+" : flags.includes(" ") ? " " : "");
  const length = mark.length + prefix.length + digits.length;
  if (flags.includes("0") && !flags.includes("-") && length < width) {
    return mark + prefix + "0".repeat(width - length) + digits;
  }
  return pad(mark + prefix + digits, style);
}

function character(value: Value): string {
  if (typeof value === "bigint" && value >= 0n && value <= 0x10ffffn) {
    return String.fromCodePoint(Number(value));
  }
  if (typeof value === "string" && codePoints(value).length === 1) return value;
  throw typeError("%c requires int or char");
}

function integer(letter: string, value: Value, style: Style): string {
  if (value instanceof Undefined) throw value.fail();
  let number: bigint;
  if (typeof value === "bigint" || typeof value === "boolean") number = BigInt(value);
  else if (typeof value === "number" && Number.isFinite(value) && "diu".includes(letter)) {
    number = BigInt(Math.trunc(value));
  } else throw typeError(`%${letter} format: a real number is required, not ${typeName(value)}`);
  const size = number < 0n ? -number : number;
  const radix = letter === "o" ? 8 : letter === "x" || letter === "X" ? 16 : 10;
  const lower = size.toString(radix).padStart(style.precision ?? 0, "0");
  const prefix = style.flags.includes("#") && radix !== 10 ? `0${letter}` : "";
  return padNumber(number < 0n ? "-" : "", prefix, letter === "X" ? lower.toUpperCase() : lower, style);
}

function float(letter: string, value: Value, style: Style): string {
  if (value instanceof Undefined) throw value.fail();
  if (typeof value !== "number" && typeof value !== "bigint" && typeof value !== "boolean") {
    throw typeError(`must be real number, not ${typeName(value)}`);
  }
  const number = Number(numeric(value));
  const precision = style.precision ?? 6;
  const isAlternate = style.flags.includes("#");
  const lower = letter.toLowerCase();
  const text = !Number.isFinite(number)
    ? (Number.isNaN(number) ? "nan" : "inf")
    : lower === "f"
    ? fixed(number, precision) + (isAlternate && precision === 0 ? "." : "")
    : lower === "e"
    ? scientific(number, precision, isAlternate)
    : general(number, precision, isAlternate);
  const sign = number < 0 || Object.is(number, -0) ? "-" : "";
  return padNumber(sign, "", letter === lower ? text : text.toUpperCase(), style);
}
