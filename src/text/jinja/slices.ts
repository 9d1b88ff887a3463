/**
 * Positions in strings and lists, counted from both ends.
 *
 * @module
 */

import { requireIndex } from "./call_arguments.ts";
import { codePoints } from "./characters.ts";
import type { Meter } from "./meter.ts";
import {
  List,
  Markup,
  MissingFeature,
  PyObject,
  Range,
  Sequence,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
  valueError,
} from "./values.ts";

/** `begin:end:step` in a subscript. */
export class Slice extends PyObject {
  override readonly typeName = "slice";

  constructor(readonly begin: Value, readonly end: Value, readonly step: Value) {
    super();
  }

  /** Positions within a length. */
  indices(length: number): number[] {
    const step = this.step === null ? 1 : requireIndex(this.step);
    if (step === 0) throw valueError("slice step cannot be zero");
    const low = step > 0 ? 0 : -1;
    const high = step > 0 ? length : length - 1;
    const position = (value: Value, otherwise: number) => {
      if (value === null) return otherwise;
      const index = requireIndex(value);
      return index < 0 ? Math.max(index + length, low) : Math.min(index, high);
    };
    const begin = position(this.begin, step > 0 ? low : high);
    const end = position(this.end, step > 0 ? high : low);
    const indices: number[] = [];
    for (let i = begin; step > 0 ? i < end : i > end; i += step) indices.push(i);
    return indices;
  }
}

/** `value[slice]`; undefined for what has no positions. */
function sliceOf(value: Value, slice: Slice, meter: Meter): Value | undefined {
  if (typeof value === "string") {
    meter.size(value.length);
    const points = codePoints(value);
    return slice.indices(points.length).map((i) => points[i]).join("");
  }
  if (value instanceof Markup) throw new MissingFeature("a slice of text that is marked as safe");
  if (value instanceof Range) throw new MissingFeature("a slice of a range");
  if (!(value instanceof Sequence)) return undefined;
  meter.size(value.items.length);
  const items = slice.indices(value.items.length).map((i) => value.items[i]);
  return value instanceof Tuple ? new Tuple(items) : new List(items);
}

/**
 * `value[slice]`.
 *
 * @throws {PythonError} For what has no positions.
 */
export function requireSlice(value: Value, slice: Slice, meter: Meter): Value {
  if (value instanceof Undefined) throw value.fail();
  const part = sliceOf(value, slice, meter);
  if (part === undefined) throw typeError(`'${typeName(value)}' object is not subscriptable`);
  return part;
}

/** `value[index]`; undefined where there is nothing. */
export function elementOf(value: Value, index: bigint | boolean, meter: Meter): Value | undefined {
  const position = requireIndex(index);
  const at = (length: number) => position < 0 ? position + length : position;
  if (typeof value === "string") {
    if (!/[\ud800-\udfff]/.test(value)) return value[at(value.length)];
    meter.size(value.length);
    const points = codePoints(value);
    return points[at(points.length)];
  }
  if (value instanceof Sequence) return value.items[at(value.items.length)];
  if (value instanceof Range) {
    const i = at(value.length);
    return i >= 0 && i < value.length ? value.at(i) : undefined;
  }
  if (value instanceof Markup) throw new MissingFeature("an element of text that is marked as safe");
  return undefined;
}
