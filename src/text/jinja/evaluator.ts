/**
 * The value of an expression.
 *
 * @module
 */

import { binary, joinTexts, unary } from "./arithmetic.ts";
import { attributeOf, call, useStringMethods } from "./attributes.ts";
import { NO_KEYWORDS } from "./call_arguments.ts";
import { listFilters } from "./list_filters.ts";
import type { Meter } from "./meter.ts";
import type { Arguments, Expression } from "./nodes.ts";
import { isEqual, isIn, isOrdered, listOf } from "./relations.ts";
import type { Filter, Runtime } from "./runtime.ts";
import type { Scope } from "./scope.ts";
import { requireSlice, Slice } from "./slices.ts";
import { stringMethod } from "./string_methods.ts";
import { tests } from "./tests.ts";
import { textFilters } from "./text_filters.ts";
import { valueFilters } from "./value_filters.ts";
import {
  Dict,
  isTrue,
  type Keywords,
  List,
  MissingFeature,
  PythonError,
  Tuple,
  typeError,
  Undefined,
  type Value,
} from "./values.ts";

useStringMethods(stringMethod);

const filters: ReadonlyMap<string, Filter> = new Map(
  Object.entries({ ...valueFilters, ...textFilters, ...listFilters }),
);

/** Names of the filters and tests there are. */
export const filterNames: ReadonlySet<string> = new Set(filters.keys());
export const testNames: ReadonlySet<string> = new Set(tests.keys());

/** Evaluates expressions, counting the work. */
export class Evaluator implements Runtime {
  readonly filters = filterNames;
  readonly tests = testNames;

  constructor(readonly meter: Meter) {}

  filter(name: string, value: Value, args: Value[], keywords: Keywords): Value {
    const filter = filters.get(name);
    if (filter === undefined) {
      throw new PythonError("TemplateRuntimeError", `No filter named '${name}' found.`);
    }
    this.meter.item();
    return filter(value, args, keywords, this);
  }

  test(name: string, value: Value, args: Value[], keywords: Keywords): boolean {
    const test = tests.get(name);
    if (test === undefined) throw new PythonError("TemplateRuntimeError", `No test named '${name}' found.`);
    this.meter.item();
    return test(value, args, keywords, this);
  }

  evaluate(node: Expression, scope: Scope): Value {
    this.meter.enter();
    const value = this.#evaluate(node, scope);
    this.meter.leave();
    return value;
  }

  #evaluate(node: Expression, scope: Scope): Value {
    switch (node.type) {
      case "constant":
        return node.value;
      case "name":
        return this.#name(node.name, scope);
      case "list":
        return new List(this.#all(node.items, scope));
      case "tuple":
        return new Tuple(this.#all(node.items, scope));
      case "dict":
        return new Dict(
          node.entries.map(([key, value]) =>
            [this.evaluate(key, scope), this.evaluate(value, scope)] as const
          ),
        );
      case "condition":
        if (isTrue(this.evaluate(node.test, scope))) return this.evaluate(node.then, scope);
        if (node.otherwise !== undefined) return this.evaluate(node.otherwise, scope);
        return new Undefined(
          "the inline if-expression evaluated to false and no else section was defined.",
        );
      case "or": {
        const left = this.evaluate(node.left, scope);
        return isTrue(left) ? left : this.evaluate(node.right, scope);
      }
      case "and": {
        const left = this.evaluate(node.left, scope);
        return isTrue(left) ? this.evaluate(node.right, scope) : left;
      }
      case "not":
        return !isTrue(this.evaluate(node.operand, scope));
      case "unary":
        return unary(node.operator, this.evaluate(node.operand, scope));
      case "binary": {
        const left = this.evaluate(node.left, scope);
        return binary(node.operator, left, this.evaluate(node.right, scope), this.meter);
      }
      case "concat":
        return joinTexts(this.#all(node.items, scope), this.meter);
      case "compare":
        return this.#compare(node.first, node.rest, scope);
      case "attribute":
        return attributeOf(this.evaluate(node.object, scope), node.name, true, this.meter);
      case "item": {
        const object = this.evaluate(node.object, scope);
        const index = this.evaluate(node.index, scope);
        return index instanceof Slice
          ? requireSlice(object, index, this.meter)
          : attributeOf(object, index, false, this.meter);
      }
      case "slice": {
        const part = (bound: Expression | undefined) =>
          bound === undefined ? null : this.evaluate(bound, scope);
        return new Slice(part(node.begin), part(node.end), part(node.step));
      }
      case "call": {
        const callee = this.evaluate(node.callee, scope);
        const { args, keywords } = this.arguments(node.arguments, scope);
        return call(callee, args, keywords);
      }
      case "filter": {
        if (node.operand === undefined) throw new Error("a filter without a value");
        return this.applyFilter(node.name, this.evaluate(node.operand, scope), node.arguments, scope);
      }
      case "test": {
        const value = this.evaluate(node.operand, scope);
        const { args, keywords } = this.arguments(node.arguments, scope);
        return this.test(node.name, value, args, keywords);
      }
    }
  }

  #name(name: string, scope: Scope): Value {
    const value = scope.get(name);
    if (value instanceof Undefined && (name === "self" || name === "super")) {
      throw new MissingFeature(`the name ${name}`);
    }
    return value;
  }

  #all(nodes: readonly Expression[], scope: Scope): Value[] {
    return nodes.map((node) => this.evaluate(node, scope));
  }

  #compare(first: Expression, rest: readonly [string, Expression][], scope: Scope): boolean {
    let left = this.evaluate(first, scope);
    for (const [operator, node] of rest) {
      const right = this.evaluate(node, scope);
      if (!this.#holds(left, operator, right)) return false;
      left = right;
    }
    return true;
  }

  #holds(left: Value, operator: string, right: Value): boolean {
    switch (operator) {
      case "==":
        return isEqual(left, right, this.meter);
      case "!=":
        return !isEqual(left, right, this.meter);
      case "in":
        return isIn(left, right, this.meter);
      case "not in":
        return !isIn(left, right, this.meter);
    }
    return isOrdered(left, operator, right, this.meter);
  }

  /** A filter with the arguments that the template gives it. */
  applyFilter(name: string, value: Value, given: Arguments, scope: Scope): Value {
    const { args, keywords } = this.arguments(given, scope);
    return this.filter(name, value, args, keywords);
  }

  /** The values of arguments. */
  arguments(given: Arguments, scope: Scope): { args: Value[]; keywords: Keywords } {
    const args = this.#all(given.positional, scope);
    if (given.morePositional !== undefined) {
      args.push(...listOf(this.evaluate(given.morePositional, scope), this.meter));
    }
    if (given.keywords.length === 0 && given.moreKeywords === undefined) {
      return { args, keywords: NO_KEYWORDS };
    }
    const keywords = new Map<string, Value>();
    for (const [name, node] of given.keywords) keywords.set(name, this.evaluate(node, scope));
    if (given.moreKeywords !== undefined) {
      const more = this.evaluate(given.moreKeywords, scope);
      if (!(more instanceof Dict)) throw typeError("argument after ** must be a mapping");
      for (const [name, value] of more.entries()) {
        if (typeof name !== "string") throw typeError("keywords must be strings");
        if (keywords.has(name)) throw typeError(`got multiple values for keyword argument '${name}'`);
        keywords.set(name, value);
      }
    }
    return { args, keywords };
  }
}
