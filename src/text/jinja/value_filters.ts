/**
 * Filters on numbers and single values.
 *
 * @module
 */

import { escapeHtml, moduloInt, toFloat } from "./arithmetic.ts";
import { onlyAttribute } from "./attributes.ts";
import { bind, requireIndex, requireText } from "./call_arguments.ts";
import { strip } from "./characters.ts";
import { fixed, roundFloat } from "./decimals.ts";
import { lengthOf, numeric, textOf } from "./relations.ts";
import type { Filter } from "./runtime.ts";
import { type JsonStyle, jsonText, strText } from "./text.ts";
import {
  isTrue,
  Markup,
  MissingFeature,
  PythonError,
  Sequence,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

const isNumber = (value: Value): value is number | bigint | boolean =>
  typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";

const RADIX_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz";
const PREFIXES: Record<string, number> = { "0x": 16, "0o": 8, "0b": 2 };

/** Python's `int(text, base)`; undefined where it is no int. */
function parseInteger(text: string, base: number): bigint | undefined {
  requireAsciiDigits(text);
  const match = /^([+-]?)(0[xXoObB]_?)?([0-9a-zA-Z](?:_?[0-9a-zA-Z])*)$/.exec(
    strip(text, undefined, true, true),
  );
  if (match === null || base !== 0 && (base < 2 || base > 36)) return undefined;
  const [, sign, prefix = "", digits] = match;
  const prefixed = PREFIXES[prefix.slice(0, 2).toLowerCase()];
  let number: string;
  if (prefixed !== undefined && (base === 0 || base === prefixed)) {
    base = prefixed;
    number = digits;
  } else {
    number = prefix + digits;
    if (base === 0) {
      if (/^0[0_]*[1-9]/.test(number)) return undefined;
      base = 10;
    }
  }
  let value = 0n;
  const plain = number.replaceAll("_", "").toLowerCase();
  if (plain.length > 4300 && base === 10) return undefined;
  if (base === 10) return /^\d+$/.test(plain) ? BigInt(sign + plain) : undefined;
  if (plain.length > 20_000) throw new MissingFeature("ints of so many digits");
  for (const digit of plain) {
    const index = RADIX_DIGITS.indexOf(digit);
    if (index >= base) return undefined;
    value = value * BigInt(base) + BigInt(index);
  }
  return sign === "-" ? -value : value;
}

function requireAsciiDigits(text: string): void {
  if (/(?![0-9])\p{Nd}/u.test(text)) throw new MissingFeature("numbers in other digits than 0 to 9");
}

/** Python's `float(text)`; undefined where it is none. */
function parseFloat_(text: string): number | undefined {
  requireAsciiDigits(text);
  const plain = strip(text, undefined, true, true);
  if (/^[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:[eE][+-]?\d+(?:_\d+)*)?$/.test(plain)) {
    return Number(plain.replaceAll("_", ""));
  }
  const word = /^([+-]?)(inf|infinity|nan)$/i.exec(plain);
  if (word === null) return undefined;
  const value = word[2].toLowerCase() === "nan" ? NaN : Infinity;
  return word[1] === "-" ? -value : value;
}

/** Python's `float(value)`; undefined for a TypeError or ValueError. */
function asFloat(value: Value): number | undefined {
  const text = textOf(value);
  if (text !== undefined) return parseFloat_(text);
  if (value instanceof Undefined) throw value.fail();
  return isNumber(value) ? toFloat(numeric(value)) : undefined;
}

const int: Filter = (value, args, keywords) => {
  const [byDefault = 0n, base = 10n] = bind("int", args, keywords, ["default", "base"]);
  const text = textOf(value);
  if (text !== undefined) {
    const integer = parseInteger(text, requireIndex(base));
    if (integer !== undefined) return integer;
  } else if (typeof value === "bigint" || typeof value === "boolean") return numeric(value);
  else if (value instanceof Undefined) throw value.fail();
  else if (typeof value === "number") {
    if (Number.isFinite(value)) return BigInt(Math.trunc(value));
    if (!Number.isNaN(value)) {
      throw new PythonError("OverflowError", "cannot convert float infinity to integer");
    }
  }
  const float = asFloat(value);
  return float === undefined || !Number.isFinite(float) ? byDefault : BigInt(Math.trunc(float));
};

const float: Filter = (value, args, keywords) => {
  const [byDefault = 0] = bind("float", args, keywords, ["default"]);
  return asFloat(value) ?? byDefault;
};

const abs: Filter = (value, args, keywords) => {
  bind("abs", args, keywords, []);
  if (value instanceof Undefined) throw typeError("bad operand type for abs(): 'Undefined'");
  if (!isNumber(value)) throw typeError(`bad operand type for abs(): '${typeName(value)}'`);
  const number = numeric(value);
  return number < 0 || Object.is(number, -0) ? -number : number;
};

/** Rounds to tens, hundreds and so on, halves to even. */
function roundInt(value: bigint, zeros: number): bigint {
  if (zeros > 4300) return 0n;
  const unit = 10n ** BigInt(zeros);
  const rest = moduloInt(value, unit);
  const low = value - rest;
  const isUp = rest * 2n > unit || rest * 2n === unit && moduloInt(low / unit, 2n) === 1n;
  return isUp ? low + unit : low;
}

const round: Filter = (value, args, keywords) => {
  const [precision = 0n, method = "common"] = bind("round", args, keywords, ["precision", "method"]);
  if (method !== "common" && method !== "ceil" && method !== "floor") {
    throw new PythonError("FilterArgumentError", "method must be common, ceil or floor");
  }
  if (value instanceof Undefined) throw value.fail();
  if (!isNumber(value)) throw typeError(`type ${typeName(value)} doesn't define __round__ method`);
  const number = numeric(value);
  if (method === "common") {
    const digits = precision === null ? 0 : requireIndex(precision);
    if (precision === null) throw new MissingFeature("round() without a precision");
    if (typeof number === "number") return roundFloat(number, digits);
    return digits >= 0 ? number : roundInt(number, -digits);
  }
  const scale = 10 ** requireIndex(precision);
  const scaled = toFloat(number) * scale;
  if (!Number.isFinite(scaled)) {
    throw new PythonError("OverflowError", "cannot convert float infinity to integer");
  }
  return (method === "ceil" ? Math.ceil(scaled) : Math.floor(scaled)) / scale + 0;
};

const byDefault: Filter = (value, args, keywords) => {
  const [otherwise = "", alsoFalse = false] = bind("default", args, keywords, ["default_value", "boolean"]);
  return value instanceof Undefined || isTrue(alsoFalse) && !isTrue(value) ? otherwise : value;
};

const length: Filter = (value, args, keywords, { meter }) => {
  bind("length", args, keywords, []);
  if (typeof value === "string") meter.size(value.length);
  return BigInt(lengthOf(value));
};

const tojson: Filter = (value, args, keywords, { meter }) => {
  const [ascii = false, indent = null, separators = null, sorts = false] = bind("tojson", args, keywords, [
    "ensure_ascii",
    "indent",
    "separators",
    "sort_keys",
  ]);
  const style: JsonStyle = {
    isAscii: isTrue(ascii),
    itemSeparator: indent === null ? ", " : ",",
    keySeparator: ": ",
    sortsKeys: isTrue(sorts),
  };
  if (indent !== null) {
    const text = textOf(indent);
    const width = text === undefined ? Math.max(0, requireIndex(indent)) : 0;
    meter.size(width);
    style.indent = text ?? " ".repeat(width);
  }
  if (separators !== null) {
    if (!(separators instanceof Sequence) || separators.items.length !== 2) {
      throw typeError("separators must be a pair");
    }
    [style.itemSeparator, style.keySeparator] = separators.items.map(requireText);
  }
  return jsonText(value, style, meter);
};

const escape: Filter = (value, args, keywords, { meter }) => {
  bind("escape", args, keywords, []);
  return value instanceof Markup ? value : new Markup(meter.text(escapeHtml(strText(value, meter))));
};

const forceEscape: Filter = (value, args, keywords, { meter }) => {
  bind("forceescape", args, keywords, []);
  return new Markup(meter.text(escapeHtml(strText(value, meter))));
};

const safe: Filter = (value, args, keywords, { meter }) => {
  bind("safe", args, keywords, []);
  return new Markup(strText(value, meter));
};

const string: Filter = (value, args, keywords, { meter }) => {
  bind("string", args, keywords, []);
  return value instanceof Markup ? value : strText(value, meter);
};

const attr: Filter = (value, args, keywords, { meter }) => {
  const [name] = bind("attr", args, keywords, ["name"], 1);
  const attribute = requireText(name!);
  if (attribute.startsWith("_")) throw new MissingFeature(`the attribute ${attribute}`);
  if (value instanceof Undefined) throw new MissingFeature("the filter attr of something undefined");
  return onlyAttribute(value, attribute, meter);
};

const fileSize: Filter = (value, args, keywords) => {
  const [binary = false] = bind("filesizeformat", args, keywords, ["binary"]);
  const bytes = asFloat(value);
  if (bytes === undefined || !Number.isFinite(bytes)) throw typeError("could not convert to a size");
  const base = isTrue(binary) ? 1024 : 1000;
  const suffix = isTrue(binary) ? "iB" : "B";
  if (bytes === 1) return "1 Byte";
  if (bytes < base) return `${BigInt(Math.trunc(bytes))} Bytes`;
  const prefixes = [...(isTrue(binary) ? "KMGTPEZY" : "kMGTPEZY")];
  let unit = base;
  let prefix = "";
  for (const next of prefixes) {
    prefix = next;
    unit *= base;
    if (bytes < unit) break;
  }
  const size = base * bytes / unit;
  return `${Number.isFinite(size) ? fixed(size, 1) : "inf"} ${prefix}${suffix}`;
};

/** Their filters by name. */
export const valueFilters: Record<string, Filter> = {
  abs,
  attr,
  count: length,
  d: byDefault,
  default: byDefault,
  e: escape,
  escape,
  filesizeformat: fileSize,
  float,
  forceescape: forceEscape,
  int,
  length,
  round,
  safe,
  string,
  tojson,
};
