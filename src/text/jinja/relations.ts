/**
 * Equality, order, membership and iteration, as Python has them.
 *
 * @module
 */

import type { Meter } from "./meter.ts";
import {
  Dict,
  DictView,
  Iter,
  List,
  Markup,
  Range,
  Sequence,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";
import { codePoints } from "./characters.ts";

const isNumber = (value: Value): value is number | bigint | boolean =>
  typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";

/** A bool counts as 0 or 1. */
export function numeric(value: number | bigint | boolean): number | bigint {
  return typeof value === "boolean" ? (value ? 1n : 0n) : value;
}

/** Text of a str, also of one that is marked as safe. */
export function textOf(value: Value): string | undefined {
  return typeof value === "string" ? value : value instanceof Markup ? value.text : undefined;
}

/** Python's `==`. */
export function isEqual(a: Value, b: Value, meter: Meter): boolean {
  if (a === b) return true;
  meter.spend(1);
  // deno-lint-ignore eqeqeq -- a bigint and a number are compared by value
  if (isNumber(a) && isNumber(b)) return numeric(a) == numeric(b);
  const text = textOf(a);
  if (text !== undefined) return text === textOf(b);
  if (a instanceof Undefined) return b instanceof Undefined;
  if (a instanceof Sequence) {
    if (!(b instanceof Sequence) || (a instanceof List) !== (b instanceof List)) return false;
    if (a.items.length !== b.items.length) return false;
    return a.items.every((item, i) => isEqual(item, b.items[i], meter));
  }
  if (a instanceof Dict) {
    if (!(b instanceof Dict) || a.size !== b.size) return false;
    for (const [key, value] of a.entries()) {
      const other = b.get(key);
      if (other === undefined || !isEqual(value, other, meter)) return false;
    }
    return true;
  }
  if (a instanceof Range) {
    if (!(b instanceof Range) || a.length !== b.length) return false;
    return a.length === 0 || a.start === b.start && (a.length === 1 || a.step === b.step);
  }
  if (a instanceof DictView && b instanceof DictView && a.kind !== "values" && b.kind !== "values") {
    const others = b.items();
    return a.dict.size === b.dict.size &&
      a.items().every((item) => others.some((other) => isEqual(item, other, meter)));
  }
  return false;
}

/** Order of two strings by code points. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  if (!/[\ud800-\uffff]/.test(a + b)) return a < b ? -1 : 1;
  const x = codePoints(a), y = codePoints(b);
  for (let i = 0; i < x.length && i < y.length; i++) {
    if (x[i] !== y[i]) return x[i].codePointAt(0)! - y[i].codePointAt(0)!;
  }
  return x.length - y.length;
}

/**
 * Python's order: `operator` is one of `<`, `<=`, `>`, `>=`.
 *
 * @throws {PythonError} For values that have no order.
 */
export function isOrdered(a: Value, operator: string, b: Value, meter: Meter): boolean {
  meter.spend(1);
  if (isNumber(a) && isNumber(b)) {
    const x = numeric(a), y = numeric(b);
    return operator === "<" ? x < y : operator === "<=" ? x <= y : operator === ">" ? x > y : x >= y;
  }
  const left = textOf(a), right = textOf(b);
  if (left !== undefined && right !== undefined) return holds(compareText(left, right), operator);
  if (a instanceof Sequence && b instanceof Sequence && (a instanceof List) === (b instanceof List)) {
    const length = Math.min(a.items.length, b.items.length);
    for (let i = 0; i < length; i++) {
      if (!isEqual(a.items[i], b.items[i], meter)) return isOrdered(a.items[i], operator, b.items[i], meter);
    }
    return holds(a.items.length - b.items.length, operator);
  }
  if (a instanceof Undefined) throw a.fail();
  if (b instanceof Undefined) throw b.fail();
  throw typeError(
    `'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`,
  );
}

function holds(order: number, operator: string): boolean {
  return operator === "<"
    ? order < 0
    : operator === "<="
    ? order <= 0
    : operator === ">"
    ? order > 0
    : order >= 0;
}

/** Python's `item in container`. */
export function isIn(item: Value, container: Value, meter: Meter): boolean {
  const text = textOf(container);
  if (text !== undefined) {
    const part = textOf(item);
    if (part === undefined) {
      if (item instanceof Undefined) throw typeError("'in <string>' requires string, not Undefined");
      throw typeError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
    }
    meter.size(text.length);
    return text.includes(part);
  }
  if (container instanceof Dict) return container.get(item) !== undefined;
  if (container instanceof DictView && container.kind === "keys") {
    return container.dict.get(item) !== undefined;
  }
  if (container instanceof Range) {
    meter.size(container.length);
    if (!isNumber(item)) return false;
    const value = numeric(item);
    if (typeof value === "number" && !Number.isInteger(value)) return false;
    const offset = BigInt(value) - container.start;
    return offset % container.step === 0n && offset / container.step >= 0n &&
      offset / container.step < BigInt(container.length);
  }
  for (const other of iterate(container, meter)) if (isEqual(item, other, meter)) return true;
  return false;
}

/**
 * The items of a value.
 *
 * @throws {PythonError} For what has none.
 */
export function* iterate(value: Value, meter: Meter): Generator<Value, void, undefined> {
  const text = textOf(value);
  if (text !== undefined) {
    for (const character of text) {
      meter.spend(2);
      yield character;
    }
  } else if (value instanceof Sequence) {
    for (const item of value.items) {
      meter.spend(1);
      yield item;
    }
  } else if (value instanceof Dict) {
    yield* value.keys();
  } else if (value instanceof DictView) {
    meter.size(value.dict.size);
    yield* value.items();
  } else if (value instanceof Range) {
    for (let i = 0; i < value.length; i++) {
      meter.spend(2);
      yield value.at(i);
    }
  } else if (value instanceof Iter) {
    for (let next = value.next(); !next.done; next = value.next()) {
      meter.spend(1);
      yield next.value;
    }
  } else if (!(value instanceof Undefined)) {
    throw typeError(`'${typeName(value)}' object is not iterable`);
  }
}

export function isIterable(value: Value): boolean {
  return textOf(value) !== undefined || value instanceof Sequence || value instanceof Dict ||
    value instanceof DictView || value instanceof Range || value instanceof Iter ||
    value instanceof Undefined;
}

/** All items as an array, within the limits. */
export function listOf(value: Value, meter: Meter): Value[] {
  // Python asks for the iterator at once, so what has none fails here.
  const items: Value[] = [];
  for (const item of iterate(value, meter)) {
    items.push(item);
    if ((items.length & 1023) === 0) meter.size(items.length);
  }
  return items;
}

/**
 * Python's `len(value)`.
 *
 * @throws {PythonError} For what has no length.
 */
export function lengthOf(value: Value): number {
  const text = textOf(value);
  if (text !== undefined) return /[\ud800-\udfff]/.test(text) ? codePoints(text).length : text.length;
  if (value instanceof Sequence) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof DictView) return value.dict.size;
  if (value instanceof Range) return value.length;
  if (value instanceof Undefined) return 0;
  throw typeError(`object of type '${typeName(value)}' has no len()`);
}
