/**
 * `loop`, which a loop's body can ask where it is.
 *
 * @module
 */

import { bind } from "./call_arguments.ts";
import { moduloInt } from "./arithmetic.ts";
import type { Meter } from "./meter.ts";
import { isEqual, lengthOf } from "./relations.ts";
import {
  Attributed,
  Callable,
  Dict,
  DictView,
  type Keywords,
  Markup,
  Range,
  Sequence,
  Tuple,
  typeError,
  Undefined,
  type Value,
} from "./values.ts";

/** A loop on its way. It reads ahead only when it is asked what comes. */
export class Loop extends Attributed {
  override readonly typeName = "LoopContext";
  readonly #items: Iterator<Value>;
  readonly #known: number | undefined;
  readonly #ahead: Value[] = [];
  readonly #meter: Meter;
  readonly #recurse?: (items: Value, depth: number) => string;
  readonly #depth: number;
  #index = -1;
  #before: Value | undefined;
  #current: Value | undefined;
  #changed: Value | undefined;

  constructor(
    iterable: Value,
    items: Iterator<Value>,
    meter: Meter,
    depth: number,
    recurse?: (items: Value, depth: number) => string,
  ) {
    super();
    this.#items = items;
    const hasLength = typeof iterable === "string" || iterable instanceof Sequence ||
      iterable instanceof Dict ||
      iterable instanceof DictView || iterable instanceof Range || iterable instanceof Undefined ||
      iterable instanceof Markup;
    this.#known = hasLength ? lengthOf(iterable) : undefined;
    this.#meter = meter;
    this.#depth = depth;
    this.#recurse = recurse;
  }

  /** Goes to the next item; undefined after the last one. */
  next(): Value | undefined {
    const item = this.#ahead.length > 0 ? this.#ahead.shift() : this.#read();
    if (item === undefined) return undefined;
    this.#index++;
    this.#before = this.#current;
    return this.#current = item;
  }

  #read(): Value | undefined {
    const { done, value } = this.#items.next();
    return done ? undefined : value;
  }

  #peek(): Value | undefined {
    if (this.#ahead.length === 0) {
      const item = this.#read();
      if (item !== undefined) this.#ahead.push(item);
    }
    return this.#ahead[0];
  }

  #length(): number {
    if (this.#known !== undefined) return this.#known;
    for (let item = this.#read(); item !== undefined; item = this.#read()) {
      this.#meter.item();
      this.#ahead.push(item);
    }
    return this.#index + 1 + this.#ahead.length;
  }

  override attribute(name: string): Value | undefined {
    switch (name) {
      case "index":
        return BigInt(this.#index + 1);
      case "index0":
        return BigInt(this.#index);
      case "first":
        return this.#index === 0;
      case "last":
        return this.#peek() === undefined;
      case "length":
        return BigInt(this.#length());
      case "revindex":
        return BigInt(this.#length() - this.#index);
      case "revindex0":
        return BigInt(this.#length() - this.#index - 1);
      case "depth":
        return BigInt(this.#depth + 1);
      case "depth0":
        return BigInt(this.#depth);
      case "previtem":
        return this.#index > 0 ? this.#before! : new Undefined("there is no previous item");
      case "nextitem": {
        const next = this.#peek();
        return next !== undefined ? next : new Undefined("there is no next item");
      }
      case "cycle":
        return new Callable(name, (args) => this.#cycle(args));
      case "changed":
        return new Callable(name, (args) => this.#isChanged(new Tuple(args)));
    }
    return undefined;
  }

  #cycle(args: Value[]): Value {
    if (args.length === 0) throw typeError("no items for cycling given");
    return args[Number(moduloInt(BigInt(this.#index), BigInt(args.length)))];
  }

  #isChanged(values: Tuple): boolean {
    if (this.#changed !== undefined && isEqual(this.#changed, values, this.#meter)) return false;
    this.#changed = values;
    return true;
  }

  /** `loop(items)` in a recursive loop. */
  override call(args: Value[], keywords: Keywords): Value {
    const [items] = bind("loop", args, keywords, ["iterable"], 1);
    if (this.#recurse === undefined) {
      throw typeError("The loop must have the 'recursive' marker to be called recursively.");
    }
    return this.#recurse(items!, this.#depth + 1);
  }
}
