/**
 * `object.name` and `object[key]`, in Jinja2's sandbox.
 *
 * @module
 */

import { bind, NO_KEYWORDS } from "./call_arguments.ts";
import type { Meter } from "./meter.ts";
import { isEqual } from "./relations.ts";
import { elementOf } from "./slices.ts";
import {
  Attributed,
  Callable,
  Dict,
  DictView,
  GroupTuple,
  type Keywords,
  List,
  Macro,
  Markup,
  MissingFeature,
  Namespace,
  PyObject,
  Range,
  Sequence,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

type Method = (args: Value[], keywords: Keywords, meter: Meter) => Value;

/** Methods that change a list or dict; the sandbox gives nothing for them. */
const CHANGING: Record<string, ReadonlySet<string>> = {
  dict: new Set(["clear", "pop", "popitem", "setdefault", "update"]),
  list: new Set(["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"]),
};
const NUMBER_ATTRIBUTES = new Set([
  ..."as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes"
    .split(" "),
  ..."fromhex hex is_integer".split(" "),
]);

function dictMethod(dict: Dict, name: string): Method | undefined {
  switch (name) {
    case "get":
      return (args, keywords) => {
        const [key, otherwise] = bind("get", args, keywords, ["key", "default", "/"], 1);
        const value = dict.get(key!);
        return value !== undefined ? value : otherwise !== undefined ? otherwise : null;
      };
    case "keys":
    case "values":
    case "items":
      return (args, keywords) => {
        bind(name, args, keywords, []);
        return new DictView(dict, name);
      };
    case "copy":
      return (args, keywords) => {
        bind(name, args, keywords, []);
        return dict;
      };
    case "fromkeys":
      throw new MissingFeature("the method fromkeys of dict");
  }
  return undefined;
}

function sequenceMethod(sequence: Sequence | Range, name: string): Method | undefined {
  // Only a method that is called needs the items of a range.
  const items = () =>
    sequence instanceof Range
      ? Array.from({ length: sequence.length }, (_, i) => sequence.at(i))
      : sequence.items;
  switch (name) {
    case "count":
      return (args, keywords, meter) => {
        const [value] = bind(name, args, keywords, ["value", "/"], 1);
        return BigInt(items().filter((item) => isEqual(item, value!, meter)).length);
      };
    case "index":
      return (args, keywords, meter) => {
        const [value, begin] = bind(name, args, keywords, ["value", "begin", "end", "/"], 1);
        if (begin !== undefined) throw new MissingFeature("index() of a list with positions");
        const index = items().findIndex((item) => isEqual(item, value!, meter));
        if (index < 0) throw valueError("value is not in list");
        return BigInt(index);
      };
    case "copy":
      if (!(sequence instanceof List)) return undefined;
      return (args, keywords) => {
        bind(name, args, keywords, []);
        return sequence;
      };
  }
  return undefined;
}

/** Found by the interpreter, so that this file needs to know nothing of strings. */
export type StringMethods = (name: string) =>
  | ((text: string, args: readonly Value[], keywords: Keywords, meter: Meter) => Value)
  | undefined;
let stringMethods: StringMethods = () => undefined;

/** Says where the methods of str are; they need this file themselves, for `format`. */
export function useStringMethods(methods: StringMethods): void {
  stringMethods = methods;
}

/** Python's `getattr`: undefined where there is no such attribute. */
function pythonAttribute(value: Value, name: string, meter: Meter): Value | undefined {
  if (value instanceof Undefined) throw value.fail();
  if (/^__\w+__$/.test(name)) {
    if (value instanceof Dict && value.get(name) !== undefined) {
      throw new MissingFeature(`the attribute ${name}`);
    }
    return unsafe(value, name);
  }
  const bound = (method: Method | undefined) =>
    method && new Callable(name, (args, keywords) => method(args, keywords, meter));
  if (typeof value === "string") {
    const method = stringMethods(name);
    return bound(method && ((args, keywords) => method(value, args, keywords, meter)));
  }
  if (value instanceof Markup) {
    if (stringMethods(name)) throw new MissingFeature(`the method ${name} of text that is marked as safe`);
    return undefined;
  }
  if (value instanceof Namespace) return value.attributes.get(name);
  if (value instanceof Attributed) return value.attribute(name);
  if (value instanceof Macro) return value.attributes.get(name);
  if (CHANGING[typeName(value)]?.has(name)) return unsafe(value, name);
  if (value instanceof Dict) return bound(dictMethod(value, name));
  if (value instanceof GroupTuple && name === "grouper") return value.items[0];
  if (value instanceof GroupTuple && name === "list") return value.items[1];
  if (value instanceof Range && /^(?:start|stop|step)$/.test(name)) return value[name as "start"];
  if (value instanceof Sequence || value instanceof Range) return bound(sequenceMethod(value, name));
  if (value instanceof DictView && /^(?:mapping|isdisjoint)$/.test(name)) {
    throw new MissingFeature(`the attribute ${name} of ${value.typeName}`);
  }
  const isNumber = typeof value === "bigint" || typeof value === "number" || typeof value === "boolean";
  if (isNumber && NUMBER_ATTRIBUTES.has(name)) throw new MissingFeature(`the attribute ${name} of numbers`);
  return undefined;
}

function unsafe(value: Value, name: string): Undefined {
  return new Undefined(`access to attribute '${name}' of '${typeName(value)}' object is unsafe.`);
}

/** Python's `object[key]`: undefined where it fails with a TypeError or LookupError. */
function pythonItem(value: Value, key: Value, meter: Meter): Value | undefined {
  if (value instanceof Undefined) throw value.fail();
  if (value instanceof Dict) {
    if (key instanceof List || key instanceof Dict) return undefined;
    return value.get(key);
  }
  if (typeof key === "bigint" || typeof key === "boolean") return elementOf(value, key, meter);
  return undefined;
}

function missing(value: Value, key: Value): Undefined {
  const type = value === null
    ? "None"
    : value instanceof PyObject || typeof value !== "string"
    ? `${typeName(value)} object`
    : "str object";
  return new Undefined(
    `'${type}' has no attribute '${typeof key === "object" ? typeName(key) : String(key)}'`,
  );
}

/**
 * `object.name` looks for an attribute first, `object[key]` for an item; both then look for the other.
 *
 * @param isAttribute Whether it was written with a dot.
 */
export function attributeOf(value: Value, key: Value, isAttribute: boolean, meter: Meter): Value {
  if (isAttribute) {
    const name = key as string;
    // What begins with an underscore is private, where Python has it as an attribute.
    const attribute = pythonAttribute(value, name, meter);
    if (attribute !== undefined) return name.startsWith("_") ? unsafe(value, name) : attribute;
    const item = pythonItem(value, name, meter);
    return item !== undefined ? item : missing(value, name);
  }
  const item = pythonItem(value, key, meter);
  if (item !== undefined) return item;
  if (typeof key === "string") {
    const attribute = pythonAttribute(value, key, meter);
    if (attribute !== undefined) return key.startsWith("_") ? unsafe(value, key) : attribute;
  }
  return missing(value, key);
}

/** The attribute alone, for the filter `attr`. */
export function onlyAttribute(value: Value, name: string, meter: Meter): Value {
  const attribute = pythonAttribute(value, name, meter);
  return attribute !== undefined ? attribute : missing(value, name);
}

/** Calls a value. */
export function call(value: Value, args: Value[], keywords: Keywords = NO_KEYWORDS): Value {
  if (value instanceof Callable) return value.call(args, keywords);
  if (value instanceof Attributed && value.call !== undefined) return value.call(args, keywords);
  if (value instanceof Undefined) throw value.fail();
  throw typeError(`'${typeName(value)}' object is not callable`);
}
