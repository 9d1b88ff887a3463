/**
 * Functions that every template has.
 *
 * @module
 */

import { bind, requireInt, requireText } from "./call_arguments.ts";
import type { Meter } from "./meter.ts";
import { iterate, listOf, textOf } from "./relations.ts";
import { strText } from "./text.ts";
import {
  Attributed,
  Callable,
  Dict,
  type Keywords,
  MissingFeature,
  Namespace,
  PythonError,
  RaisedByTemplate,
  Range,
  typeError,
  typeName,
  type Value,
  valueError,
} from "./values.ts";

/** Numbers in the longest range that Jinja2's sandbox allows. */
const RANGE_MAX = 100_000;

/** Python's `dict(…)`. */
function makeDict(args: readonly Value[], keywords: Keywords, meter: Meter): Dict {
  const [source] = bind("dict", args, new Map(), ["source", "/"]);
  const dict = new Dict();
  if (source instanceof Dict) { for (const [key, value] of source.entries()) dict.set(key, value); }
  else if (source !== undefined) {
    for (const pair of iterate(source, meter)) {
      const parts = listOf(pair, meter);
      if (parts.length !== 2) throw valueError("dictionary update sequence element has not length 2");
      dict.set(parts[0], parts[1]);
    }
  }
  for (const [key, value] of keywords) dict.set(key, value);
  meter.size(8 * dict.size);
  return dict;
}

function makeRange(args: readonly Value[], keywords: Keywords): Range {
  const [first, second, third = 1n] = bind("range", args, keywords, ["start", "stop", "step", "/"], 1);
  const [start, stop] = second === undefined
    ? [0n, requireInt(first!)]
    : [requireInt(first!), requireInt(second)];
  const step = requireInt(third);
  if (step === 0n) throw valueError("range() arg 3 must not be zero");
  const range = new Range(start, stop, step);
  if (range.length > RANGE_MAX) {
    throw new PythonError(
      "OverflowError",
      `Range too big. The sandbox blocks ranges larger than ${RANGE_MAX}.`,
    );
  }
  return range;
}

function requirePublic(name: string): void {
  if (name.startsWith("_")) {
    throw new PythonError("SecurityError", `namespaces cannot have an attribute ${name}`);
  }
}

/** Sets an attribute of a namespace; nothing else can be changed. */
export function setAttribute(object: Value, name: string, value: Value): void {
  if (!(object instanceof Namespace)) {
    throw new PythonError("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
  }
  requirePublic(name);
  if (value instanceof Namespace || value instanceof Dict && value.nesting > 32) {
    // A namespace within itself would have no end.
    if (value === object) throw new MissingFeature("a namespace within itself");
  }
  object.attributes.set(name, value);
}

function makeNamespace(args: readonly Value[], keywords: Keywords, meter: Meter): Namespace {
  const namespace = new Namespace();
  for (const [key, value] of makeDict(args, keywords, meter).entries()) {
    if (typeof key !== "string") throw new MissingFeature("namespaces with names that are not text");
    requirePublic(key);
    namespace.attributes.set(key, value);
  }
  return namespace;
}

/** `cycler(…)`. */
class Cycler extends Attributed {
  override readonly typeName = "Cycler";
  #position = 0;

  constructor(readonly items: readonly Value[]) {
    super();
    if (items.length === 0) throw new PythonError("RuntimeError", "at least one item has to be provided");
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case "current":
        return this.items[this.#position];
      case "pos":
        return BigInt(this.#position);
      case "next":
        return new Callable(name, () => {
          const current = this.items[this.#position];
          this.#position = (this.#position + 1) % this.items.length;
          return current;
        });
      case "reset":
        return new Callable(name, () => {
          this.#position = 0;
          return null;
        });
    }
    return undefined;
  }
}

/** `joiner(…)`: nothing at first, then the separator. */
class Joiner extends Attributed {
  override readonly typeName = "Joiner";
  #isUsed = false;

  constructor(readonly separator: Value) {
    super();
  }

  override attribute(name: string): Value | undefined {
    return name === "sep" ? this.separator : name === "used" ? this.#isUsed : undefined;
  }

  override call(args: Value[], keywords: Keywords): Value {
    bind("joiner", args, keywords, []);
    const isFirst = !this.#isUsed;
    this.#isUsed = true;
    return isFirst ? "" : this.separator;
  }
}

/** The functions by name. `writeTime` is `strftime` of the present. */
export function globalFunctions(meter: Meter, writeTime: (format: string) => string): Map<string, Value> {
  const functions: Record<string, (args: Value[], keywords: Keywords) => Value> = {
    range: makeRange,
    dict: (args, keywords) => makeDict(args, keywords, meter),
    namespace: (args, keywords) => makeNamespace(args, keywords, meter),
    cycler: (args, keywords) => {
      if (keywords.size > 0) throw typeError("cycler() takes no keyword arguments");
      return new Cycler(args);
    },
    joiner: (args, keywords) => {
      const [separator = ", "] = bind("joiner", args, keywords, ["sep"]);
      return new Joiner(separator);
    },
    lipsum: () => {
      throw new MissingFeature("the function lipsum");
    },
    raise_exception: (args, keywords) => {
      const [message] = bind("raise_exception", args, keywords, ["message"], 1);
      throw new RaisedByTemplate(strText(message!, meter));
    },
    strftime_now: (args, keywords) => {
      const [format] = bind("strftime_now", args, keywords, ["format"], 1);
      if (textOf(format!) === undefined) throw typeError(`strftime() wants text, not ${typeName(format!)}`);
      return meter.text(writeTime(requireText(format!)));
    },
  };
  return new Map(Object.entries(functions).map(([name, run]) => [name, new Callable(name, run)]));
}
