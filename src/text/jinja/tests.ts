/**
 * The tests of Jinja2: `value is name`.
 *
 * @module
 */

import { bind } from "./call_arguments.ts";
import { binary } from "./arithmetic.ts";
import { classify } from "./characters.ts";
import type { Runtime } from "./runtime.ts";
import { isEqual, isIn, isIterable, isOrdered, textOf } from "./relations.ts";
import { strText } from "./text.ts";
import {
  Attributed,
  Callable,
  Dict,
  type Keywords,
  Markup,
  MissingFeature,
  PyObject,
  Range,
  Sequence,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

type Test = (value: Value, args: readonly Value[], keywords: Keywords, runtime: Runtime) => boolean;

/** A test without arguments. */
const alone = (name: string, test: (value: Value, runtime: Runtime) => boolean): Test => {
  return (value, args, keywords, runtime) => {
    bind(name, args, keywords, []);
    return test(value, runtime);
  };
};

/** A test with one argument. */
const against = (
  name: string,
  parameter: string,
  test: (value: Value, other: Value, runtime: Runtime) => boolean,
): Test => {
  return (value, args, keywords, runtime) => {
    const [other] = bind(name, args, keywords, parameter === "" ? ["other", "/"] : [parameter], 1);
    return test(value, other!, runtime);
  };
};

const compare = (operator: string) =>
  against(operator, "", (value, other, { meter }) => isOrdered(value, operator, other, meter));
const equal = against("eq", "", (value, other, { meter }) => isEqual(value, other, meter));
const unequal = against("ne", "", (value, other, { meter }) => !isEqual(value, other, meter));
const remainder = (value: Value, divisor: Value, wanted: bigint, { meter }: Runtime) =>
  isEqual(binary("%", value, divisor, meter), wanted, meter);

/** Whether two values are the same object, where that does not depend on how Python stores them. */
function isSame(value: Value, other: Value): boolean {
  if (value instanceof Undefined || other instanceof Undefined || typeName(value) !== typeName(other)) {
    if (value === other) return true;
    if (value instanceof Undefined && other instanceof Undefined) {
      throw new MissingFeature("the test sameas of two undefined values");
    }
    return false;
  }
  if (value === null || typeof value === "boolean") return value === other;
  if (typeof value === "bigint" && value >= -5n && value <= 256n) return value === other;
  if (value instanceof PyObject && value === other) return true;
  if (!(value instanceof PyObject) && value !== other) return false;
  if (value instanceof PyObject && !(value instanceof Sequence && value.items.length === 0)) return false;
  throw new MissingFeature(`the test sameas of equal values of type ${typeName(value)}`);
}

const isNumber = (value: Value) =>
  typeof value === "bigint" || typeof value === "number" || typeof value === "boolean";

function nameArgument(value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof Undefined || value instanceof Sequence || value instanceof Dict) {
    throw typeError("unhashable name");
  }
  return "";
}

const TESTS: Record<string, Test> = {
  boolean: alone("boolean", (value) => typeof value === "boolean"),
  callable: alone("callable", (value) =>
    value instanceof Callable || value instanceof Undefined ||
    value instanceof Attributed && value.call !== undefined),
  defined: alone("defined", (value) => !(value instanceof Undefined)),
  divisibleby: against(
    "divisibleby",
    "num",
    (value, divisor, runtime) => remainder(value, divisor, 0n, runtime),
  ),
  escaped: alone("escaped", (value) => value instanceof Markup),
  even: alone("even", (value, runtime) => remainder(value, 2n, 0n, runtime)),
  false: alone("false", (value) => value === false),
  filter: alone("filter", (value, runtime) => runtime.filters.has(nameArgument(value))),
  float: alone("float", (value) => typeof value === "number"),
  in: against("in", "seq", (value, container, { meter }) => isIn(value, container, meter)),
  integer: alone("integer", (value) => typeof value === "bigint"),
  iterable: alone("iterable", isIterable),
  lower: alone("lower", (value, { meter }) => classify("islower", strText(value, meter))!),
  mapping: alone("mapping", (value) => value instanceof Dict),
  none: alone("none", (value) => value === null),
  number: alone("number", isNumber),
  odd: alone("odd", (value, runtime) => remainder(value, 2n, 1n, runtime)),
  sameas: against("sameas", "other", isSame),
  sequence: alone(
    "sequence",
    (value) =>
      textOf(value) !== undefined || value instanceof Sequence || value instanceof Dict ||
      value instanceof Range || value instanceof Undefined,
  ),
  string: alone("string", (value) => textOf(value) !== undefined),
  test: alone("test", (value, runtime) => runtime.tests.has(nameArgument(value))),
  true: alone("true", (value) => value === true),
  undefined: alone("undefined", (value) => value instanceof Undefined),
  upper: alone("upper", (value, { meter }) => classify("isupper", strText(value, meter))!),
};
for (const name of ["eq", "==", "equalto"]) TESTS[name] = equal;
for (const name of ["ne", "!="]) TESTS[name] = unequal;
for (const name of ["lt", "<", "lessthan"]) TESTS[name] = compare("<");
for (const name of ["le", "<="]) TESTS[name] = compare("<=");
for (const name of ["gt", ">", "greaterthan"]) TESTS[name] = compare(">");
for (const name of ["ge", ">="]) TESTS[name] = compare(">=");

/** The tests by name. */
export const tests: ReadonlyMap<string, Test> = new Map(Object.entries(TESTS));
