/**
 * Filters on lists, dicts and whatever else has items.
 *
 * @module
 */

import { binary } from "./arithmetic.ts";
import { attributeOf } from "./attributes.ts";
import { bind, requireIndex } from "./call_arguments.ts";
import type { Meter } from "./meter.ts";
import { isEqual, isIterable, isOrdered, iterate, listOf, textOf } from "./relations.ts";
import type { Filter, Runtime } from "./runtime.ts";
import { joinItems } from "./string_methods.ts";
import { strText } from "./text.ts";
import { reverseText } from "./text_filters.ts";
import {
  Dict,
  GroupTuple,
  hashOf,
  isTrue,
  Iter,
  type Keywords,
  List,
  MissingFeature,
  PythonError,
  Range,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

const filterError = (message: string) => new PythonError("FilterArgumentError", message);

/** Reads `"a.b.0"` off an item. */
function attributeGetter(path: Value, meter: Meter, byDefault?: Value): (item: Value) => Value {
  const text = textOf(path);
  const parts: Value[] = path === null
    ? []
    : text === undefined
    ? [path]
    : text.split(".").map((part) => /^\d+$/.test(part) ? BigInt(part) : part);
  return (item) => {
    let value = item;
    for (const part of parts) {
      value = attributeOf(value, part, false, meter);
      if (byDefault !== undefined && byDefault !== null && value instanceof Undefined) value = byDefault;
    }
    return value;
  };
}

const lowered = (value: Value): Value => typeof value === "string" ? value.toLowerCase() : value;

/** What items are compared by: an attribute, and text in small letters unless told otherwise. */
function keyGetter(attribute: Value, isCaseSensitive: boolean, meter: Meter, byDefault?: Value) {
  const get = attributeGetter(attribute, meter, byDefault);
  return isCaseSensitive ? get : (item: Value) => lowered(get(item));
}

/** Python's stable `sorted`. */
function sorted<T>(items: T[], key: (item: T) => Value, isReversed: boolean, meter: Meter): T[] {
  const keyed = items.map((item) => ({ item, key: key(item) }));
  const less = (a: Value, b: Value) => isOrdered(a, "<", b, meter);
  // Of equals the first stays first, also where the order is reversed.
  keyed.sort((a, b) => {
    meter.item();
    const order = less(a.key, b.key) ? -1 : less(b.key, a.key) ? 1 : 0;
    return isReversed ? -order : order;
  });
  return keyed.map(({ item }) => item);
}

const sort: Filter = (value, args, keywords, { meter }) => {
  const [reverse = false, caseSensitive = false, attribute = null] = bind("sort", args, keywords, [
    "reverse",
    "case_sensitive",
    "attribute",
  ]);
  const paths = textOf(attribute)?.split(",") ?? [attribute];
  const getters = paths.map((path) => keyGetter(path, isTrue(caseSensitive), meter));
  const key = (item: Value) => new List(getters.map((get) => get(item)));
  return new List(sorted(listOf(value, meter), key, isTrue(reverse), meter));
};

const dictSort: Filter = (value, args, keywords, { meter }) => {
  const [caseSensitive = false, by = "key", reverse = false] = bind("dictsort", args, keywords, [
    "case_sensitive",
    "by",
    "reverse",
  ]);
  if (by !== "key" && by !== "value") throw filterError('You can only sort by either "key" or "value"');
  if (value instanceof Undefined) throw value.fail();
  if (!(value instanceof Dict)) throw typeError(`'${typeName(value)}' object has no attribute 'items'`);
  const key = ([name, item]: readonly [Value, Value]) => {
    const chosen = by === "key" ? name : item;
    return isTrue(caseSensitive) ? chosen : lowered(chosen);
  };
  const pairs = sorted([...value.entries()], key, isTrue(reverse), meter);
  return new List(pairs.map((pair) => new Tuple([...pair])));
};

const unique: Filter = (value, args, keywords, { meter }) => {
  const [caseSensitive = false, attribute = null] = bind("unique", args, keywords, [
    "case_sensitive",
    "attribute",
  ]);
  const key = keyGetter(attribute, isTrue(caseSensitive), meter);
  return new Iter((function* () {
    const seen = new Set<unknown>();
    for (const item of iterate(value, meter)) {
      meter.item();
      const hash = hashOf(key(item));
      if (seen.has(hash)) continue;
      seen.add(hash);
      yield item;
    }
  })());
};

const extreme = (name: string, operator: "<" | ">"): Filter => (value, args, keywords, { meter }) => {
  const [caseSensitive = false, attribute = null] = bind(name, args, keywords, [
    "case_sensitive",
    "attribute",
  ]);
  const key = keyGetter(attribute, isTrue(caseSensitive), meter);
  const items = listOf(value, meter);
  if (items.length === 0) return new Undefined("No aggregated item, sequence was empty.");
  let best = items[0], bestKey = key(best);
  for (const item of items.slice(1)) {
    const itemKey = key(item);
    if (isOrdered(itemKey, operator, bestKey, meter)) [best, bestKey] = [item, itemKey];
  }
  return best;
};

const groupBy: Filter = (value, args, keywords, { meter }) => {
  const [attribute, byDefault, caseSensitive = false] = bind("groupby", args, keywords, [
    "attribute",
    "default",
    "case_sensitive",
  ], 1);
  const key = keyGetter(attribute!, isTrue(caseSensitive), meter, byDefault);
  const name = attributeGetter(attribute!, meter, byDefault);
  const groups: { key: Value; items: Value[] }[] = [];
  for (const item of sorted(listOf(value, meter), key, false, meter)) {
    const itemKey = key(item);
    const last = groups.at(-1);
    if (last !== undefined && isEqual(last.key, itemKey, meter)) last.items.push(item);
    else groups.push({ key: itemKey, items: [item] });
  }
  return new List(groups.map(({ items }) => new GroupTuple([name(items[0]), new List(items)])));
};

const sum: Filter = (value, args, keywords, { meter }) => {
  const [attribute = null, start = 0n] = bind("sum", args, keywords, ["attribute", "start"]);
  if (textOf(start) !== undefined) throw typeError("sum() can't sum strings [use ''.join(seq) instead]");
  const get = attributeGetter(attribute, meter);
  let total = start;
  for (const item of iterate(value, meter)) total = binary("+", total, get(item), meter);
  return total;
};

const join: Filter = (value, args, keywords, { meter }) => {
  const [separator = "", attribute = null] = bind("join", args, keywords, ["d", "attribute"]);
  const get = attributeGetter(attribute, meter);
  let length = 0;
  const texts: string[] = [];
  const mark = strText(separator, meter);
  for (const item of iterate(value, meter)) {
    const text = strText(get(item), meter);
    meter.size(length += text.length + mark.length);
    texts.push(text);
  }
  return joinItems(mark, texts, meter);
};

const first: Filter = (value, args, keywords, { meter }) => {
  bind("first", args, keywords, []);
  for (const item of iterate(value, meter)) return item;
  return new Undefined("No first item, sequence was empty.");
};

/** Items from the end, of what Python can read from there. */
function backwards(value: Value, meter: Meter): Value[] | undefined {
  if (value instanceof Iter || !isIterable(value) || value instanceof Undefined) return undefined;
  return listOf(value, meter).reverse();
}

const last: Filter = (value, args, keywords, { meter }) => {
  bind("last", args, keywords, []);
  if (value instanceof Undefined) throw new MissingFeature("the filter last of something undefined");
  const items = backwards(value, meter);
  if (items === undefined) throw typeError(`'${typeName(value)}' object is not reversible`);
  return items.length > 0 ? items[0] : new Undefined("No last item, sequence was empty.");
};

const reverse: Filter = (value, args, keywords, { meter }) => {
  bind("reverse", args, keywords, []);
  const text = reverseText(value);
  if (text !== undefined) return text;
  if (value instanceof Undefined) throw new MissingFeature("the filter reverse of something undefined");
  const items = backwards(value, meter);
  if (items !== undefined) {
    return new Iter(items, value instanceof Range ? "range_iterator" : "reversed iterator");
  }
  if (!(value instanceof Iter)) throw filterError("argument must be iterable");
  return new List(listOf(value, meter).reverse());
};

const list: Filter = (value, args, keywords, { meter }) => {
  bind("list", args, keywords, []);
  return new List(listOf(value, meter));
};

const items: Filter = (value, args, keywords) => {
  bind("items", args, keywords, []);
  return new Iter((function* () {
    if (value instanceof Undefined) return;
    if (!(value instanceof Dict)) throw typeError("Can only get item pairs from a mapping.");
    for (const [key, item] of value.entries()) yield new Tuple([key, item]);
  })());
};

const batch: Filter = (value, args, keywords, { meter }) => {
  const [size, fill = null] = bind("batch", args, keywords, ["linecount", "fill_with"], 1);
  return new Iter((function* () {
    let row: Value[] = [];
    const isFull = () =>
      typeof size === "bigint" || typeof size === "boolean" || typeof size === "number"
        ? row.length === Number(size)
        : false;
    for (const item of iterate(value, meter)) {
      if (isFull()) {
        yield new List(row);
        row = [];
      }
      row.push(item);
    }
    if (row.length === 0) return;
    if (fill !== null && isOrdered(BigInt(row.length), "<", size!, meter)) {
      const missing = requireIndex(size!) - row.length;
      meter.size(8 * missing);
      for (let i = 0; i < missing; i++) row.push(fill);
    }
    yield new List(row);
  })());
};

const slice: Filter = (value, args, keywords, { meter }) => {
  const [slices, fill = null] = bind("slice", args, keywords, ["slices", "fill_with"], 1);
  return new Iter((function* () {
    const all = listOf(value, meter);
    const count = requireIndex(slices!);
    if (count === 0) throw new PythonError("ZeroDivisionError", "integer division or modulo by zero");
    const size = Math.floor(all.length / count);
    const withMore = all.length - size * count;
    let begin = 0;
    for (let i = 0; i < count; i++) {
      meter.item();
      const end = begin + size + (i < withMore ? 1 : 0);
      const part = all.slice(begin, end);
      if (fill !== null && i >= withMore) part.push(fill);
      yield new List(part);
      begin = end;
    }
  })());
};

const map: Filter = (value, args, keywords, runtime) => {
  return new Iter((function* () {
    if (!isTrue(value)) return;
    const change = mapping(args, keywords, runtime);
    for (const item of iterate(value, runtime.meter)) {
      runtime.meter.item();
      yield change(item);
    }
  })());
};

function mapping(args: Value[], keywords: Keywords, runtime: Runtime): (item: Value) => Value {
  const [name, ...rest] = args;
  if (name === undefined && keywords.has("attribute")) {
    const others = [...keywords.keys()].filter((key) => key !== "attribute" && key !== "default");
    if (others.length > 0) throw filterError(`Unexpected keyword argument '${others[0]}'`);
    return attributeGetter(keywords.get("attribute")!, runtime.meter, keywords.get("default"));
  }
  if (name === undefined) throw filterError("map requires a filter argument");
  return (item) => runtime.filter(filterName(name), item, rest, keywords);
}

function filterName(name: Value): string {
  if (name instanceof Undefined) throw name.fail();
  const text = textOf(name);
  if (text === undefined) throw typeError(`No filter or test named ${typeName(name)}`);
  return text;
}

const selecting = (isWanted: boolean, byAttribute: boolean): Filter => (value, args, keywords, runtime) => {
  return new Iter((function* () {
    if (!isTrue(value)) return;
    const rest = [...args];
    if (byAttribute && rest.length === 0) throw filterError("Missing parameter for attribute name");
    const get = byAttribute ? attributeGetter(rest.shift()!, runtime.meter) : (item: Value) => item;
    const name = rest.shift();
    const test = name === undefined
      ? isTrue
      : (item: Value) => runtime.test(filterName(name), item, rest, keywords);
    for (const item of iterate(value, runtime.meter)) {
      runtime.meter.item();
      if (test(get(item)) === isWanted) yield item;
    }
  })());
};

const random: Filter = () => {
  throw new MissingFeature("the filter random");
};

/** Their filters by name. */
export const listFilters: Record<string, Filter> = {
  batch,
  dictsort: dictSort,
  first,
  groupby: groupBy,
  items,
  join,
  last,
  list,
  map,
  max: extreme("max", ">"),
  min: extreme("min", "<"),
  random,
  reject: selecting(false, false),
  rejectattr: selecting(false, true),
  reverse,
  select: selecting(true, false),
  selectattr: selecting(true, true),
  slice,
  sort,
  sum,
  unique,
};
