/**
 * Values as text: Python's `str`, `repr` and `json.dumps`, within limits.
 *
 * @module
 */

import { isPrintable } from "./characters.ts";
import { floatText } from "./decimals.ts";
import type { Meter } from "./meter.ts";
import { isOrdered, textOf } from "./relations.ts";
import {
  Dict,
  DictView,
  List,
  Macro,
  Markup,
  MissingFeature,
  Namespace,
  Range,
  Sequence,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

/** Digits of the longest int that Python writes in decimal. */
const INT_DIGITS_MAX = 4300;

/** Pieces of a text, measured while they are gathered. */
class Writer {
  readonly #pieces: string[] = [];
  #length = 0;

  constructor(readonly meter: Meter) {}

  write(piece: string): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
    this.meter.spend(1);
    if (this.#pieces.length % 64 === 0) this.meter.size(this.#length);
  }

  text(): string {
    this.meter.size(this.#length);
    return this.#pieces.join("");
  }
}

function intText(value: bigint): string {
  const text = value.toString();
  if (text.length > INT_DIGITS_MAX) {
    throw valueError(`Exceeds the limit (${INT_DIGITS_MAX} digits) for integers`);
  }
  return text;
}

/** `repr` of a str. */
function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = mark;
  for (const character of text) {
    if (character === mark || character === "\\") out += "\\" + character;
    else if (character === "\n") out += "\\n";
    else if (character === "\r") out += "\\r";
    else if (character === "\t") out += "\\t";
    else if (character >= " " && character <= "~" || isPrintable(character)) out += character;
    else out += escapeCode(character.codePointAt(0)!);
  }
  return out + mark;
}

function escapeCode(code: number): string {
  const hex = code.toString(16);
  if (code < 0x100) return "\\x" + hex.padStart(2, "0");
  return code < 0x10000 ? "\\u" + hex.padStart(4, "0") : "\\U" + hex.padStart(8, "0");
}

/** `ascii`: `repr` with everything outside of ASCII escaped. */
export function asciiText(value: Value, meter: Meter): string {
  return reprText(value, meter).replace(
    /[^\0-\x7f]/gu,
    (character) => escapeCode(character.codePointAt(0)!),
  );
}

/** Python's `str(value)`. */
export function strText(value: Value, meter: Meter): string {
  if (typeof value === "string") return value;
  if (value instanceof Undefined) return "";
  return textOf(value) ?? reprText(value, meter);
}

/** Python's `repr(value)`. */
export function reprText(value: Value, meter: Meter): string {
  const writer = new Writer(meter);
  writeRepr(value, writer);
  return writer.text();
}

function writeRepr(value: Value, writer: Writer): void {
  if (value === null) return writer.write("None");
  if (typeof value === "string") return writer.write(quote(value));
  if (typeof value === "boolean") return writer.write(value ? "True" : "False");
  if (typeof value === "bigint") return writer.write(intText(value));
  if (typeof value === "number") return writer.write(floatText(value));
  if (value instanceof Undefined) return writer.write("Undefined");
  if (value instanceof Sequence) return writeSequence(value, writer);
  if (value instanceof Dict) return writeEntries("{", value.entries(), "}", writer);
  if (value instanceof DictView) {
    writer.write(`${value.typeName}(`);
    writeSequence(new List(value.items()), writer);
    return writer.write(")");
  }
  if (value instanceof Range) {
    const step = value.step === 1n ? "" : `, ${value.step}`;
    return writer.write(`range(${value.start}, ${value.stop}${step})`);
  }
  if (value instanceof Namespace) {
    return writeEntries("<Namespace {", value.attributes, "}>", writer);
  }
  if (value instanceof Markup) return writer.write(`Markup(${quote(value.text)})`);
  if (value instanceof Macro) {
    return writer.write(value.isAnonymous ? "<Macro anonymous>" : `<Macro '${value.name}'>`);
  }
  throw new MissingFeature(`the text form of a ${typeName(value)}`);
}

function writeSequence(value: Sequence, writer: Writer): void {
  const isTuple = value instanceof Tuple;
  writer.write(isTuple ? "(" : "[");
  value.items.forEach((item, i) => {
    if (i > 0) writer.write(", ");
    writeRepr(item, writer);
  });
  writer.write(isTuple ? (value.items.length === 1 ? ",)" : ")") : "]");
}

function writeEntries(
  begin: string,
  entries: Iterable<readonly [Value, Value]>,
  end: string,
  writer: Writer,
): void {
  let separator = begin;
  for (const [key, value] of entries) {
    writer.write(separator);
    writeRepr(key, writer);
    writer.write(": ");
    writeRepr(value, writer);
    separator = ", ";
  }
  writer.write(separator === begin ? begin + end : end);
}

/** How `tojson` writes. */
export interface JsonStyle {
  isAscii: boolean;
  /** What indents a level; undefined for one line. */
  indent?: string;
  itemSeparator: string;
  keySeparator: string;
  sortsKeys: boolean;
}

/** Python's `json.dumps(value)`. */
export function jsonText(value: Value, style: JsonStyle, meter: Meter): string {
  const writer = new Writer(meter);
  writeJson(value, style, 0, writer);
  return writer.text();
}

function writeJson(value: Value, style: JsonStyle, level: number, writer: Writer): void {
  const text = textOf(value);
  if (text !== undefined) return writer.write(jsonString(text, style.isAscii));
  if (value === null) return writer.write("null");
  if (typeof value === "boolean") return writer.write(value ? "true" : "false");
  if (typeof value === "bigint") return writer.write(intText(value));
  if (typeof value === "number") return writer.write(jsonNumber(value));
  if (value instanceof Sequence) {
    return writeJsonItems("[]", value.items, style, level, writer, (item) => {
      writeJson(item, style, level + 1, writer);
    });
  }
  if (value instanceof Dict) {
    const entries = [...value.entries()];
    if (style.sortsKeys) {
      writer.meter.spend(entries.length * Math.ceil(Math.log2(entries.length + 1)));
      entries.sort(([a], [b]) =>
        isOrdered(a, "<", b, writer.meter) ? -1 : isOrdered(b, "<", a, writer.meter) ? 1 : 0
      );
    }
    return writeJsonItems("{}", entries, style, level, writer, ([key, item]) => {
      writer.write(jsonString(jsonKey(key), style.isAscii) + style.keySeparator);
      writeJson(item, style, level + 1, writer);
    });
  }
  throw typeError(`Object of type ${typeName(value)} is not JSON serializable`);
}

function writeJsonItems<T>(
  [begin, end]: "[]" | "{}",
  items: readonly T[],
  { indent, itemSeparator }: JsonStyle,
  level: number,
  writer: Writer,
  write: (item: T) => void,
): void {
  if (items.length === 0) return writer.write(begin + end);
  const lineBreak = (levels: number) => {
    if (indent === undefined) return "";
    writer.meter.size(indent.length * levels);
    return "\n" + indent.repeat(levels);
  };
  const inner = lineBreak(level + 1);
  writer.write(begin + inner);
  items.forEach((item, i) => {
    if (i > 0) writer.write(itemSeparator + inner);
    write(item);
  });
  writer.write(lineBreak(level) + end);
}

function jsonNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return floatText(value);
}

function jsonKey(key: Value): string {
  const text = textOf(key);
  if (text !== undefined) return text;
  if (key === null) return "null";
  if (typeof key === "boolean") return key ? "true" : "false";
  if (typeof key === "bigint") return intText(key);
  if (typeof key === "number") return jsonNumber(key);
  throw typeError(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

const JSON_ESCAPES: Record<string, string> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\f": "\\f",
  "\b": "\\b",
};

function jsonString(text: string, isAscii: boolean): string {
  const escape = (unit: string) =>
    JSON_ESCAPES[unit] ?? "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
  // deno-lint-ignore no-control-regex -- JSON escapes them
  return `"${text.replace(isAscii ? /["\\\0-\x1f]|[^\0-\x7f]/g : /["\\\0-\x1f]/g, escape)}"`;
}
