/**
 * `"…".format(…)`.
 *
 * @module
 */

import { attributeOf } from "./attributes.ts";
import { codePoints } from "./characters.ts";
import { fixed, floatText, general, scientific } from "./decimals.ts";
import type { Meter } from "./meter.ts";
import { asciiText, reprText, strText } from "./text.ts";
import {
  type Keywords,
  Markup,
  MissingFeature,
  PythonError,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

const SPECIFICATION = /^(?:([^]?)([<>=^]))?([-+ ])?(z)?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u;
const FIELD = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;

/** Python's `template.format(…)`, in the sandbox. */
export function formatMethod(
  template: string,
  args: readonly Value[],
  keywords: Keywords,
  meter: Meter,
): string {
  let automatic = 0, isManual = false;
  const text = template.replace(FIELD, (match, field: string | undefined) => {
    if (match === "{{") return "{";
    if (match === "}}") return "}";
    if (field === undefined) {
      if (/[{][^{}]*[{]/.test(template)) throw new MissingFeature("fields within fields of a format");
      throw valueError(`Single '${match}' encountered in format string`);
    }
    const parts = /^([^!:]*)(?:!([^:]*))?(?::([^]*))?$/.exec(field);
    if (parts === null) throw valueError("expected ':' after conversion specifier");
    const [, path, conversion, specification = ""] = parts;
    const [name, rest] = /^([^.[\]]*)([^]*)$/.exec(path)!.slice(1);
    let value: Value | undefined;
    if (name === "") {
      if (isManual) {
        throw valueError("cannot switch from manual field specification to automatic field numbering");
      }
      value = args[automatic++];
    } else if (/^\d+$/.test(name)) {
      if (automatic > 0) {
        throw valueError("cannot switch from automatic field numbering to manual field specification");
      }
      isManual = true;
      value = args[Number(name)];
    } else value = keywords.get(name);
    if (value === undefined) throw new PythonError("LookupError", `no argument for the field {${name}}`);
    return formatValue(convert(follow(value, rest, meter), conversion, meter), specification, meter);
  });
  return meter.text(text);
}

/** `.name` and `[key]` after the name of a field. */
function follow(begin: Value, path: string, meter: Meter): Value {
  let value = begin;
  let end = 0;
  for (const match of path.matchAll(/\.([^.[\]]+)|\[([^\]]+)\]/g)) {
    if (match.index !== end) break;
    end += match[0].length;
    const key = match[1] ?? (/^\d+$/.test(match[2]) ? BigInt(match[2]) : match[2]);
    value = attributeOf(value, key, match[1] !== undefined, meter);
  }
  if (end !== path.length) throw valueError("malformed field of a format");
  return value;
}

function convert(value: Value, conversion: string | undefined, meter: Meter): Value {
  switch (conversion) {
    case undefined:
      return value;
    case "s":
      return strText(value, meter);
    case "r":
      return reprText(value, meter);
    case "a":
      return asciiText(value, meter);
  }
  throw valueError(`Unknown conversion specifier ${conversion}`);
}

/** Python's `format(value, specification)`. */
function formatValue(value: Value, specification: string, meter: Meter): string {
  if (specification === "") return strText(value, meter);
  if (value instanceof Markup) throw new MissingFeature("a format of text that is marked as safe");
  if (
    typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint" &&
    typeof value !== "boolean"
  ) {
    if (value instanceof Undefined) {
      throw typeError("unsupported format string passed to Undefined.__format__");
    }
    throw typeError(`unsupported format string passed to ${typeName(value)}.__format__`);
  }
  const match = SPECIFICATION.exec(specification);
  if (match === null) throw valueError(`Invalid format specifier '${specification}'`);
  const [, fill, align, sign, noNegativeZero, alternate, zero, width, group, precision, letter] = match;
  if (noNegativeZero) throw new MissingFeature("the z of a format");
  const style: Style = {
    fill: fill || (zero ? "0" : " "),
    align: align ?? (zero && typeof value !== "string" ? "=" : undefined),
    sign,
    isAlternate: alternate !== undefined,
    width: Number(width ?? 0),
    group,
    precision: precision === undefined ? undefined : Number(precision),
    letter,
  };
  meter.size(style.width + (style.precision ?? 0));
  return typeof value === "string" ? formatText(value, style) : formatNumber(value, style);
}

interface Style {
  fill: string;
  align?: string;
  sign?: string;
  isAlternate: boolean;
  width: number;
  group?: string;
  precision?: number;
  letter?: string;
}

function formatText(text: string, style: Style): string {
  if ((style.letter ?? "s") !== "s") {
    throw valueError(`Unknown format code '${style.letter}' for object of type 'str'`);
  }
  if (style.sign || style.isAlternate || style.group || style.align === "=") {
    throw valueError("not allowed in string format specifier");
  }
  const cut = style.precision === undefined ? text : codePoints(text).slice(0, style.precision).join("");
  return pad(cut, style, "<");
}

function pad(text: string, { fill, align, width }: Style, byDefault: string): string {
  const missing = width - codePoints(text).length;
  if (missing <= 0) return text;
  switch (align ?? byDefault) {
    case "<":
      return text + fill.repeat(missing);
    case "^":
      return fill.repeat(Math.floor(missing / 2)) + text + fill.repeat(Math.ceil(missing / 2));
    default:
      return fill.repeat(missing) + text;
  }
}

function formatNumber(value: number | bigint | boolean, style: Style): string {
  const { letter } = style;
  if (typeof value === "boolean") {
    if (letter === undefined || letter === "s") {
      if (letter === "s") throw valueError("Unknown format code 's' for object of type 'bool'");
      // Without a letter a bool is formatted as an int.
    }
    value = value ? 1n : 0n;
  }
  const isNegative = value < 0 || Object.is(value, -0);
  const isInt = typeof value === "bigint" && (letter === undefined || "bcdoxXn".includes(letter));
  const { prefix, digits } = isInt
    ? intDigits(value as bigint, style)
    : floatDigits(Number(value), style, typeof value);
  const mark = isNegative ? "-" : style.sign === "+" || style.sign === " " ? style.sign : "";
  const head = mark + prefix;
  const step = isInt && letter !== undefined && "bxXo".includes(letter) ? 4 : 3;
  if (style.align === "=") return head + grouped(digits, style, step, style.width - head.length);
  return pad(head + grouped(digits, style, step, 0), style, ">");
}

function intDigits(value: bigint, style: Style): { prefix: string; digits: string } {
  const { letter = "d" } = style;
  if (style.precision !== undefined) throw valueError("Precision not allowed in integer format specifier");
  if (letter === "n") throw new MissingFeature("the format n");
  if (letter === "c") {
    if (value < 0n || value > 0x10ffffn) throw new PythonError("OverflowError", "%c arg not in range");
    return { prefix: "", digits: String.fromCodePoint(Number(value)) };
  }
  const radix = { d: 10, b: 2, o: 8, x: 16, X: 16 }[letter]!;
  if (style.group === "," && letter !== "d") throw valueError(`Cannot specify ',' with '${letter}'.`);
  const digits = (value < 0n ? -value : value).toString(radix);
  const prefix = style.isAlternate && letter !== "d" ? `0${letter}` : "";
  return { prefix, digits: letter === "X" ? digits.toUpperCase() : digits };
}

function floatDigits(value: number, style: Style, type: string): { prefix: string; digits: string } {
  const { letter, isAlternate } = style;
  if (letter !== undefined && !"eEfFgG%".includes(letter)) {
    if (letter === "n") throw new MissingFeature("the format n");
    throw valueError(
      `Unknown format code '${letter}' for object of type '${type === "bigint" ? "int" : "float"}'`,
    );
  }
  const precision = style.precision ?? 6;
  if (letter === "%") value *= 100;
  let digits: string;
  if (!Number.isFinite(value)) digits = (Number.isNaN(value) ? "nan" : "inf") + (letter === "%" ? "%" : "");
  else if (letter === undefined) digits = shortDigits(value, style);
  else if (letter === "%") {
    digits = fixed(value, precision) + (isAlternate && precision === 0 ? ".%" : "%");
  } else if (letter === "f" || letter === "F") {
    digits = fixed(value, precision) + (isAlternate && precision === 0 ? "." : "");
  } else if (letter === "e" || letter === "E") digits = scientific(value, precision, isAlternate);
  else digits = general(value, precision, isAlternate);
  return {
    prefix: "",
    digits: letter === "E" || letter === "F" || letter === "G" ? digits.toUpperCase() : digits,
  };
}

/** Without a letter a float is written as `repr`, or as `g` with at least one digit after the point. */
function shortDigits(value: number, { precision, isAlternate }: Style): string {
  if (isAlternate) throw new MissingFeature("the # of a format without a letter");
  if (precision === undefined) return floatText(Math.abs(value));
  const text = general(value, precision);
  if (/[.e]/.test(text)) return text;
  // One digit more than there is room for goes to the exponent.
  return text.length >= (precision || 1)
    ? scientific(value, Math.max(0, (precision || 1) - 1)).replace(/(\.\d*?)0+e/, "$1e").replace(".e", "e")
    : `${text}.0`;
}

/** Puts marks between groups of digits, and zeros before them up to a width. */
function grouped(digits: string, { group, fill }: Style, step: number, width: number): string {
  const [, whole, rest] = (step === 4 ? /^([0-9a-fA-F]*)([^]*)$/ : /^([0-9]*)([^]*)$/).exec(digits)!;
  if (group === undefined) return fill.repeat(Math.max(0, width - digits.length)) + digits;
  const withMarks = (text: string) => text.replace(new RegExp(`\\B(?=(?:.{${step}})+$)`, "g"), group);
  if (fill !== "0") {
    const marked = withMarks(whole) + rest;
    return fill.repeat(Math.max(0, width - marked.length)) + marked;
  }
  let padded = whole;
  while (withMarks(padded).length + rest.length < width) padded = "0" + padded;
  return withMarks(padded) + rest;
}
