/**
 * The values of Python that templates work with.
 *
 * None is null, an int is a bigint, a float is a number, a str is a string; everything else is a class of this file.
 *
 * @module
 */

import { TemplateLimitError } from "./meter.ts";

/** A value of Python. */
export type Value = null | boolean | bigint | number | string | PyObject;

/** Levels of lists within lists; real conversations with tools have below ten. */
const NESTING_MAX = 64;

/** An exception of Python: the template fails where it would fail in Jinja2 too. */
export class PythonError extends Error {
  constructor(readonly kind: string, message: string) {
    super(message);
  }
}

/** The template needs something that this interpreter does not have. */
export class MissingFeature extends Error {}

/** `raise_exception`, in the template's own words. */
export class RaisedByTemplate extends Error {}

export const typeError = (message: string): PythonError => new PythonError("TypeError", message);
export const valueError = (message: string): PythonError => new PythonError("ValueError", message);

/** Whatever is neither None nor a number, bool or str. */
export abstract class PyObject {
  /** Python's name of the type. */
  abstract readonly typeName: string;
}

function nestingOf(items: Iterable<Value>): number {
  let nesting = 0;
  for (const item of items) {
    if ((item instanceof Sequence || item instanceof Dict) && item.nesting > nesting) nesting = item.nesting;
  }
  return nesting + 1;
}

function requireNesting(nesting: number): number {
  if (nesting > NESTING_MAX) throw new TemplateLimitError(`at most ${NESTING_MAX} levels of lists`);
  return nesting;
}

/** A list or a tuple. Nothing in a template can change one. */
export abstract class Sequence extends PyObject {
  /** Levels of lists, this one included. */
  readonly nesting: number;

  constructor(readonly items: readonly Value[]) {
    super();
    this.nesting = requireNesting(nestingOf(items));
  }
}

export class List extends Sequence {
  override readonly typeName = "list";
}

export class Tuple extends Sequence {
  override readonly typeName: string = "tuple";
}

/** What `groupby` gives: a tuple whose members have names. */
export class GroupTuple extends Tuple {
  override readonly typeName = "_GroupTuple";
}

/** A dict: in the order of insertion, with keys that are equal as in Python. */
export class Dict extends PyObject {
  override readonly typeName = "dict";
  readonly #entries = new Map<unknown, [Value, Value]>();
  #nesting = 1;

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    super();
    for (const [key, value] of entries) this.set(key, value);
  }

  /** Only while the dict is being made. */
  set(key: Value, value: Value): void {
    const hash = hashOf(key);
    const old = this.#entries.get(hash);
    if (old === undefined) this.#entries.set(hash, [key, value]);
    else old[1] = value;
    this.#nesting = requireNesting(Math.max(this.#nesting, nestingOf([key, value])));
  }

  get nesting(): number {
    return this.#nesting;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(hashOf(key))?.[1];
  }

  entries(): Iterable<readonly [Value, Value]> {
    return this.#entries.values();
  }

  keys(): Value[] {
    return Array.from(this.#entries.values(), ([key]) => key);
  }
}

/** `keys()`, `values()` and `items()` of a dict. */
export class DictView extends PyObject {
  readonly typeName: string;

  constructor(readonly dict: Dict, readonly kind: "keys" | "values" | "items") {
    super();
    this.typeName = `dict_${kind}`;
  }

  items(): Value[] {
    return Array.from(
      this.dict.entries(),
      ([key, value]) => this.kind === "keys" ? key : this.kind === "values" ? value : new Tuple([key, value]),
    );
  }
}

/** What is not there; only some uses of it are errors. */
export class Undefined extends PyObject {
  override readonly typeName = "Undefined";

  /** @param hint What an error says. */
  constructor(readonly hint: string) {
    super();
  }

  fail(): PythonError {
    return new PythonError("UndefinedError", this.hint);
  }
}

/** What Jinja2 calls safe text: it escapes what is added to it. */
export class Markup extends PyObject {
  override readonly typeName = "Markup";

  constructor(readonly text: string) {
    super();
  }
}

/** `range`: numbers that are not stored. */
export class Range extends PyObject {
  override readonly typeName = "range";
  readonly length: number;

  constructor(readonly start: bigint, readonly stop: bigint, readonly step: bigint) {
    super();
    const span = step > 0n ? stop - start : start - stop;
    const size = step > 0n ? step : -step;
    this.length = span <= 0n ? 0 : Number((span + size - 1n) / size);
  }

  at(index: number): bigint {
    return this.start + BigInt(index) * this.step;
  }
}

/** A generator: its items can be had once. */
export class Iter extends PyObject {
  readonly #iterator: Iterator<Value>;

  constructor(items: Iterable<Value>, readonly typeName = "generator") {
    super();
    this.#iterator = items[Symbol.iterator]();
  }

  next(): IteratorResult<Value> {
    return this.#iterator.next();
  }
}

/** Arguments by name. */
export type Keywords = ReadonlyMap<string, Value>;

/** Anything that can be called. */
export class Callable extends PyObject {
  readonly typeName: string = "function";

  constructor(readonly name: string, readonly call: (args: Value[], keywords: Keywords) => Value) {
    super();
  }
}

/** `{% macro %}`, or the body of `{% call %}`, which has no name. */
export class Macro extends Callable {
  override readonly typeName = "Macro";

  constructor(
    name: string,
    readonly isAnonymous: boolean,
    readonly attributes: ReadonlyMap<string, Value>,
    call: (args: Value[], keywords: Keywords) => Value,
  ) {
    super(name, call);
  }
}

/** `namespace()`: the one object that a template can change. */
export class Namespace extends PyObject {
  override readonly typeName = "Namespace";
  readonly attributes = new Map<string, Value>();
}

/** An object with attributes that are computed when they are read: `loop`, cycler. */
export abstract class Attributed extends PyObject {
  abstract attribute(name: string): Value | undefined;
  /** For those that can be called. */
  call?(args: Value[], keywords: Keywords): Value;
}

const identities = new WeakMap<PyObject, symbol>();

/** What two keys have in common exactly when they are equal in Python. */
export function hashOf(key: Value): unknown {
  switch (typeof key) {
    case "string":
      return `s${key}`;
    case "boolean":
      return key ? 1n : 0n;
    case "bigint":
      return key;
    case "number":
      return Number.isInteger(key) ? BigInt(key) : key;
  }
  if (key === null) return null;
  if (key instanceof Markup) return `s${key.text}`;
  if (key instanceof Tuple) {
    const parts = key.items.map((item) => {
      const hash = hashOf(item);
      const text = typeof hash === "symbol" ? symbolName(hash) : `${typeof hash}${String(hash)}`;
      return `${text.length}:${text}`;
    });
    return `t${parts.join()}`;
  }
  if (key instanceof Undefined) return undefined;
  if (key instanceof List || key instanceof Dict || key instanceof DictView) {
    throw typeError(`unhashable type: '${key.typeName}'`);
  }
  let identity = identities.get(key);
  if (identity === undefined) identities.set(key, identity = Symbol(`object ${nextIdentity++}`));
  return identity;
}

let nextIdentity = 0;
const symbolName = (symbol: symbol) => symbol.description!;

/** Python's name of a value's type. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  switch (typeof value) {
    case "string":
      return "str";
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "float";
  }
  return value.typeName;
}

/** Python's `bool(value)`. */
export function isTrue(value: Value): boolean {
  if (typeof value !== "object") return Boolean(value);
  if (value === null || value instanceof Undefined) return false;
  if (value instanceof Sequence) return value.items.length > 0;
  if (value instanceof Dict) return value.size > 0;
  if (value instanceof DictView) return value.dict.size > 0;
  if (value instanceof Range) return value.length > 0;
  if (value instanceof Markup) return value.text !== "";
  return true;
}
