/**
 * Methods of str.
 *
 * @module
 */

import { bind, requireIndex, requireText } from "./call_arguments.ts";
import {
  capitalize,
  classify,
  codePoints,
  isSpaceCharacter,
  leadingSpace,
  splitLines,
  strip,
  swapCase,
  title,
  trailingSpace,
  words,
} from "./characters.ts";
import { formatMethod } from "./format_method.ts";
import type { Meter } from "./meter.ts";
import { isIterable, listOf, textOf } from "./relations.ts";
import {
  Dict,
  type Keywords,
  List,
  MissingFeature,
  PythonError,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

type Method = (text: string, args: readonly Value[], keywords: Keywords, meter: Meter) => Value;

const positional = (name: string, args: readonly Value[], keywords: Keywords, most: number, least = 0) =>
  bind(name, args, keywords, [...Array.from({ length: most }, (_, i) => `${i + 1}`), "/"], least);

const plain = (name: string, change: (text: string) => Value): Method => (text, args, keywords, meter) => {
  positional(name, args, keywords, 0);
  meter.size(text.length);
  const value = change(text);
  return typeof value === "string" ? meter.text(value) : value;
};

const stripping = (name: string, left: boolean, right: boolean): Method => (text, args, keywords, meter) => {
  const [characters] = positional(name, args, keywords, 1);
  meter.size(text.length);
  const set = characters === undefined || characters === null ? undefined : requireText(characters);
  return strip(text, set, left, right);
};

/** `text.replace(old, new, count)`, measured before it is made. */
export function replaceText(text: string, old: string, by: string, count: number, meter: Meter): string {
  meter.size(text.length);
  const parts = old === "" ? ["", ...codePoints(text), ""] : text.split(old);
  const places = count < 0 ? parts.length - 1 : Math.min(count, parts.length - 1);
  meter.size(text.length + places * Math.max(0, by.length - old.length));
  meter.spend(parts.length);
  if (places === parts.length - 1) return parts.join(by);
  return parts.slice(0, places + 1).join(by) + old + parts.slice(places + 1).join(old);
}

/** `text.join(items)`. */
export function joinItems(separator: string, items: readonly Value[], meter: Meter): string {
  let length = 0;
  const texts = items.map((item, i) => {
    const text = textOf(item);
    if (text === undefined) {
      throw typeError(`sequence item ${i}: expected str instance, ${typeName(item)} found`);
    }
    meter.size(length += text.length + separator.length);
    return text;
  });
  return texts.join(separator);
}

/** `split` and `rsplit`. */
function split(text: string, separator: Value | undefined, limit: number, fromRight: boolean): string[] {
  if (separator === undefined || separator === null) return splitWords(text, limit, fromRight);
  const mark = requireText(separator);
  if (mark === "") throw valueError("empty separator");
  if (!fromRight) {
    const parts = text.split(mark);
    if (limit < 0 || parts.length <= limit + 1) return parts;
    return [...parts.slice(0, limit), parts.slice(limit).join(mark)];
  }
  if (limit < 0) limit = Infinity;
  const parts: string[] = [];
  let end = text.length;
  while (parts.length < limit) {
    const index = end < mark.length ? -1 : text.lastIndexOf(mark, end - mark.length);
    if (index < 0) break;
    parts.push(text.slice(index + mark.length, end));
    end = index;
  }
  parts.push(text.slice(0, end));
  return parts.reverse();
}

function splitWords(text: string, limit: number, fromRight: boolean): string[] {
  const all = words(text);
  if (limit < 0 || all.length <= limit) return all;
  if (fromRight) {
    let end = trailingSpace(text);
    const parts: string[] = [];
    while (parts.length < limit && end > 0) {
      let begin = end;
      while (begin > 0 && !isSpaceCharacter(text[begin - 1])) begin--;
      parts.push(text.slice(begin, end));
      end = trailingSpace(text.slice(0, begin));
    }
    return end > 0 ? [text.slice(0, end), ...parts.reverse()] : parts.reverse();
  }
  let rest = text.slice(leadingSpace(text));
  const parts: string[] = [];
  while (parts.length < limit && rest !== "") {
    const [word] = words(rest);
    parts.push(word);
    rest = rest.slice(word.length);
    rest = rest.slice(leadingSpace(rest));
  }
  return rest === "" ? parts : [...parts, rest];
}

const splitting = (name: string, fromRight: boolean): Method => (text, args, keywords, meter) => {
  const [separator, limit] = bind(name, args, keywords, ["sep", "maxsplit"]);
  meter.size(text.length);
  const parts = split(text, separator, limit === undefined ? -1 : requireIndex(limit), fromRight);
  meter.spend(8 * parts.length);
  return new List(parts);
};

const partition = (name: string, fromRight: boolean): Method => (text, args, keywords, meter) => {
  const mark = requireText(positional(name, args, keywords, 1, 1)[0]!);
  if (mark === "") throw valueError("empty separator");
  meter.size(text.length);
  const index = fromRight ? text.lastIndexOf(mark) : text.indexOf(mark);
  if (index < 0) return new Tuple(fromRight ? ["", "", text] : [text, "", ""]);
  return new Tuple([text.slice(0, index), mark, text.slice(index + mark.length)]);
};

/** The part of a text between two positions, where it begins in code points, and whether the positions are in order. */
function between(text: string, begin: Value | undefined, end: Value | undefined): [string, number, boolean] {
  const isWhole = (value: Value | undefined) => value === undefined || value === null;
  if (isWhole(begin) && isWhole(end)) return [text, 0, true];
  const points = codePoints(text);
  const at = (value: Value | undefined, otherwise: number) => {
    if (isWhole(value)) return otherwise;
    const index = requireIndex(value!);
    return index < 0 ? Math.max(0, index + points.length) : index;
  };
  const from = at(begin, 0), to = Math.min(points.length, at(end, points.length));
  return [points.slice(from, to).join(""), from, from <= to];
}

const finding =
  (name: string, fromRight: boolean, isStrict: boolean): Method => (text, args, keywords, meter) => {
    const [part, begin, end] = positional(name, args, keywords, 3, 1);
    const searched = requireText(part!);
    meter.size(text.length);
    const [inner, offset, exists] = between(text, begin, end);
    const index = !exists ? -1 : fromRight ? inner.lastIndexOf(searched) : inner.indexOf(searched);
    if (index < 0) {
      if (isStrict) throw valueError("substring not found");
      return -1n;
    }
    return BigInt(offset + codePoints(inner.slice(0, index)).length);
  };

const affix = (name: string, isMatch: (text: string, part: string) => boolean): Method => {
  return (text, args, keywords, meter) => {
    const [part, begin, end] = positional(name, args, keywords, 3, 1);
    meter.size(text.length);
    const [inner, , exists] = between(text, begin, end);
    const parts = part instanceof Tuple ? part.items : [part!];
    const texts = parts.map(requireText);
    return exists && texts.some((candidate) => isMatch(inner, candidate));
  };
};

function count(text: string, args: readonly Value[], keywords: Keywords, meter: Meter): Value {
  const [part, begin, end] = positional("count", args, keywords, 3, 1);
  const searched = requireText(part!);
  meter.size(text.length);
  const [inner, , exists] = between(text, begin, end);
  if (!exists) return 0n;
  return BigInt(searched === "" ? codePoints(inner).length + 1 : inner.split(searched).length - 1);
}

const padding = (name: string): Method => (text, args, keywords, meter) => {
  const [widthValue, fill] = positional(name, args, keywords, name === "zfill" ? 1 : 2, 1);
  const width = requireIndex(widthValue!);
  const character = fill === undefined ? (name === "zfill" ? "0" : " ") : requireText(fill);
  if (codePoints(character).length !== 1) {
    throw typeError("The fill character must be exactly one character long");
  }
  const missing = width - codePoints(text).length;
  if (missing <= 0) return text;
  meter.size(width * character.length);
  if (name === "ljust") return text + character.repeat(missing);
  if (name === "rjust") return character.repeat(missing) + text;
  if (name === "zfill") {
    const sign = /^[+-]/.test(text) ? text[0] : "";
    return sign + "0".repeat(missing) + text.slice(sign.length);
  }
  // CPython puts the odd character left where the width is odd too.
  const left = Math.floor(missing / 2) + (missing & width & 1);
  return character.repeat(left) + text + character.repeat(missing - left);
};

function expandTabs(text: string, args: readonly Value[], keywords: Keywords, meter: Meter): Value {
  const [value] = bind("expandtabs", args, keywords, ["tabsize"]);
  const size = value === undefined ? 8 : Math.max(0, requireIndex(value));
  const tabs = text.split("\t").length - 1;
  meter.size(text.length + tabs * size);
  let column = 0, out = "";
  for (const character of text) {
    if (character === "\t") {
      const spaces = size === 0 ? 0 : size - column % size;
      out += " ".repeat(spaces);
      column += spaces;
    } else {
      out += character;
      column = character === "\n" || character === "\r" ? 0 : column + 1;
    }
  }
  return out;
}

function caseFold(text: string): string {
  if (!/^[\0-\x7f]*$/.test(text)) throw new MissingFeature("casefold() outside of ASCII");
  return text.toLowerCase();
}

function replace(text: string, args: readonly Value[], keywords: Keywords, meter: Meter): Value {
  const [old, by, limit] = positional("replace", args, keywords, 3, 2);
  const count = limit === undefined ? -1 : requireIndex(limit);
  return replaceText(text, requireText(old!), requireText(by!), count, meter);
}

function join(text: string, args: readonly Value[], keywords: Keywords, meter: Meter): Value {
  const [items] = positional("join", args, keywords, 1, 1);
  if (!isIterable(items!)) throw typeError("can only join an iterable");
  return joinItems(text, listOf(items!, meter), meter);
}

const METHODS: Record<string, Method> = {
  capitalize: plain("capitalize", capitalize),
  casefold: plain("casefold", caseFold),
  center: padding("center"),
  count,
  endswith: affix("endswith", (text, part) => text.endsWith(part)),
  expandtabs: expandTabs,
  find: finding("find", false, false),
  format: (text, args, keywords, meter) => formatMethod(text, args, keywords, meter),
  format_map: (text, args, keywords, meter) => {
    const [map] = positional("format_map", args, keywords, 1, 1);
    if (!(map instanceof Dict)) throw typeError("format_map() wants a mapping");
    const names = new Map<string, Value>();
    for (const [key, value] of map.entries()) if (typeof key === "string") names.set(key, value);
    return formatMethod(text, [], names, meter);
  },
  index: finding("index", false, true),
  join,
  ljust: padding("ljust"),
  lower: plain("lower", (text) => text.toLowerCase()),
  lstrip: stripping("lstrip", true, false),
  partition: partition("partition", false),
  removeprefix: (text, args, keywords) => {
    const prefix = requireText(positional("removeprefix", args, keywords, 1, 1)[0]!);
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix: (text, args, keywords) => {
    const suffix = requireText(positional("removesuffix", args, keywords, 1, 1)[0]!);
    return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  replace,
  rfind: finding("rfind", true, false),
  rindex: finding("rindex", true, true),
  rjust: padding("rjust"),
  rpartition: partition("rpartition", true),
  rsplit: splitting("rsplit", true),
  rstrip: stripping("rstrip", false, true),
  split: splitting("split", false),
  splitlines: (text, args, keywords, meter) => {
    const [keepEnds] = bind("splitlines", args, keywords, ["keepends"]);
    if (keepEnds instanceof Undefined) throw new PythonError("UndefinedError", keepEnds.hint);
    meter.size(text.length);
    return new List(splitLines(text, Boolean(keepEnds)));
  },
  startswith: affix("startswith", (text, part) => text.startsWith(part)),
  strip: stripping("strip", true, true),
  swapcase: plain("swapcase", swapCase),
  title: plain("title", title),
  upper: plain("upper", (text) => text.toUpperCase()),
  zfill: padding("zfill"),
};
for (
  const name of [
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
  ]
) METHODS[name] = plain(name, (text) => classify(name, text)!);

/** Methods of str that templates have no use for. */
const REFUSED = new Set(["encode", "maketrans", "translate"]);

/** The method of that name; undefined where str has none. */
export function stringMethod(name: string): Method | undefined {
  if (REFUSED.has(name)) throw new MissingFeature(`the method ${name} of str`);
  return Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
}
