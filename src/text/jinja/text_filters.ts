/**
 * Filters on text.
 *
 * @module
 */

import { escapeHtml } from "./arithmetic.ts";
import { bind, requireIndex, requireText } from "./call_arguments.ts";
import { capitalize, codePoints, splitLines, strip, words } from "./characters.ts";
import { percentFormat } from "./percent_format.ts";
import { isIterable, lengthOf, listOf, textOf } from "./relations.ts";
import type { Filter, Runtime } from "./runtime.ts";
import { replaceText, stringMethod } from "./string_methods.ts";
import { strText } from "./text.ts";
import {
  Dict,
  isTrue,
  type Keywords,
  Markup,
  MissingFeature,
  PythonError,
  Range,
  Sequence,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

/** The text that a filter works on; what is marked as safe would have to stay so. */
function softText(value: Value, { meter }: Runtime): string {
  if (value instanceof Markup) throw new MissingFeature("this filter on text that is marked as safe");
  const text = strText(value, meter);
  meter.size(text.length);
  return text;
}

/** A str, and nothing else. */
function onlyText(value: Value, name: string): string {
  if (value instanceof Markup) throw new MissingFeature("this filter on text that is marked as safe");
  if (typeof value === "string") return value;
  if (value instanceof Undefined) throw value.fail();
  throw typeError(`${name} wants text, not ${typeName(value)}`);
}

const changing =
  (name: string, change: (text: string) => Value): Filter => (value, args, keywords, runtime) => {
    bind(name, args, keywords, []);
    const result = change(softText(value, runtime));
    return typeof result === "string" ? runtime.meter.text(result) : result;
  };

/** Jinja2's own title case: after white space, hyphens and opening brackets. */
function titleCase(text: string): string {
  const parts = text.split(
    // deno-lint-ignore no-control-regex -- white space of Python
    /([-\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000({[<]+)/,
  );
  return parts.map((part) => {
    const [first = ""] = part;
    return first.toUpperCase() + part.slice(first.length).toLowerCase();
  }).join("");
}

const trim: Filter = (value, args, keywords, runtime) => {
  const [characters = null] = bind("trim", args, keywords, ["chars"]);
  return strip(
    softText(value, runtime),
    characters === null ? undefined : requireText(characters),
    true,
    true,
  );
};

const replace: Filter = (value, args, keywords, runtime) => {
  const [old, by, count = null] = bind("replace", args, keywords, ["old", "new", "count"], 2);
  const { meter } = runtime;
  const limit = count === null ? -1 : requireIndex(count);
  const text = strText(value, meter);
  return replaceText(text, strText(old!, meter), strText(by!, meter), limit, meter);
};

const indent: Filter = (value, args, keywords, { meter }) => {
  const [width = 4n, first = false, blank = false] = bind("indent", args, keywords, [
    "width",
    "first",
    "blank",
  ]);
  const spaces = textOf(width) === undefined ? Math.max(0, requireIndex(width)) : 0;
  meter.size(spaces);
  const indention = textOf(width) ?? " ".repeat(spaces);
  const text = onlyText(value, "indent");
  // The line end that is added keeps an empty last line.
  const lines = splitLines(text + "\n");
  meter.size(text.length + lines.length * indention.length);
  const rest = lines.slice(1).map((line) => isTrue(blank) || line !== "" ? indention + line : line);
  return meter.text((isTrue(first) ? indention : "") + [lines[0], ...rest].join("\n"));
};

const center: Filter = (value, args, keywords, runtime) => {
  const [width = 80n] = bind("center", args, keywords, ["width"]);
  return stringMethod("center")!(softText(value, runtime), [width], new Map(), runtime.meter);
};

const truncate: Filter = (value, args, keywords, { meter }) => {
  const [length = 255n, killWords = false, end = "...", leeway = null] = bind("truncate", args, keywords, [
    "length",
    "killwords",
    "end",
    "leeway",
  ]);
  const ending = requireText(end),
    most = requireIndex(length),
    slack = leeway === null ? 5 : requireIndex(leeway);
  const endLength = codePoints(ending).length;
  if (most < endLength) throw valueError(`expected length >= ${endLength}, got ${most}`);
  if (slack < 0) throw valueError(`expected leeway >= 0, got ${slack}`);
  if (value instanceof Undefined) return value;
  if (value instanceof Sequence || value instanceof Dict || value instanceof Range) {
    if (lengthOf(value) <= most + slack) return value;
    throw new MissingFeature("the filter truncate on lists");
  }
  const text = onlyText(value, "truncate");
  meter.size(text.length);
  const points = codePoints(text);
  if (points.length <= most + slack) return text;
  const cut = points.slice(0, most - endLength).join("");
  if (isTrue(killWords)) return cut + ending;
  const space = cut.lastIndexOf(" ");
  return (space < 0 ? cut : cut.slice(0, space)) + ending;
};

const format: Filter = (value, args, keywords, runtime) => {
  if (args.length > 0 && keywords.size > 0) {
    throw new PythonError(
      "FilterArgumentError",
      "can't handle positional and keyword arguments at the same time",
    );
  }
  const values = keywords.size > 0 ? new Dict(keywords) : new Tuple(args);
  return percentFormat(softText(value, runtime), values, runtime.meter);
};

/** `urllib.parse.quote`. */
function quoteUrl(value: Value, isQuery: boolean, runtime: Runtime): string {
  const text = strText(value, runtime.meter);
  if (!text.isWellFormed()) throw new MissingFeature("surrogates in URLs");
  runtime.meter.size(3 * text.length);
  const quoted = encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return isQuery ? quoted.replaceAll("%20", "+") : quoted.replaceAll("%2F", "/");
}

const urlEncode: Filter = (value, args, keywords, runtime) => {
  bind("urlencode", args, keywords, []);
  if (textOf(value) !== undefined || !isIterable(value)) return quoteUrl(value, false, runtime);
  const { meter } = runtime;
  const pairs = value instanceof Dict
    ? [...value.entries()]
    : listOf(value, meter).map((pair) => listOf(pair, meter));
  const texts = pairs.map((pair) => {
    if (pair.length !== 2) throw valueError("not a pair");
    return `${quoteUrl(pair[0], true, runtime)}=${quoteUrl(pair[1], true, runtime)}`;
  });
  return meter.text(texts.join("&"));
};

const xmlAttributes: Filter = (value, args, keywords, { meter }) => {
  const [space = true] = bind("xmlattr", args, keywords, ["autospace"]);
  if (!(value instanceof Dict)) throw typeError(`'${typeName(value)}' object has no attribute 'items'`);
  const parts: string[] = [];
  for (const [key, item] of value.entries()) {
    if (item === null || item instanceof Undefined) continue;
    const name = requireText(key);
    if (/[\s/>=]/.test(name)) throw valueError(`Invalid character in attribute name: '${name}'`);
    const text = item instanceof Markup ? item.text : escapeHtml(strText(item, meter));
    parts.push(meter.text(`${escapeHtml(name)}="${text}"`));
  }
  const text = meter.text(parts.join(" "));
  return isTrue(space) && text !== "" ? ` ${text}` : text;
};

const stripTags: Filter = (value, args, keywords, { meter }) => {
  bind("striptags", args, keywords, []);
  let text = strText(value, meter);
  if (/[&]/.test(text)) throw new MissingFeature("the filter striptags on text with &");
  meter.size(text.length);
  for (const [begin, end] of [["<!--", "-->"], ["<", ">"]]) {
    let rest = 0, kept = "";
    for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, rest)) {
      const close = text.indexOf(end, at);
      if (close < 0) break;
      kept += text.slice(rest, at);
      rest = close + end.length;
    }
    text = kept + text.slice(rest);
  }
  return words(text).join(" ");
};

const reversed = (text: string) => codePoints(text).reverse().join("");

/** Reverses text; lists are another filter's. */
export const reverseText = (value: Value): string | undefined => {
  if (value instanceof Markup) throw new MissingFeature("the filter reverse on text that is marked as safe");
  return typeof value === "string" ? reversed(value) : undefined;
};

const refused = (name: string): Filter => (_value: Value, _args: Value[], _keywords: Keywords) => {
  throw new MissingFeature(`the filter ${name}`);
};

/** Their filters by name. */
export const textFilters: Record<string, Filter> = {
  capitalize: changing("capitalize", capitalize),
  center,
  format,
  indent,
  lower: changing("lower", (text) => text.toLowerCase()),
  pprint: refused("pprint"),
  replace,
  striptags: stripTags,
  title: changing("title", titleCase),
  trim,
  truncate,
  upper: changing("upper", (text) => text.toUpperCase()),
  urlencode: urlEncode,
  urlize: refused("urlize"),
  wordcount: changing("wordcount", (text) => BigInt(text.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)),
  wordwrap: refused("wordwrap"),
  xmlattr: xmlAttributes,
};
