/**
 * Operators of Python on numbers, strings and lists.
 *
 * @module
 */

import { percentFormat } from "./percent_format.ts";
import type { Meter } from "./meter.ts";
import { numeric } from "./relations.ts";
import { strText } from "./text.ts";
import {
  List,
  Markup,
  MissingFeature,
  PythonError,
  Sequence,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** Bits of the largest int; Python refuses to write ints of more than 14,000. */
const INT_BITS_MAX = 1 << 16;

type Numeric = bigint | number;

const isNumeric = (value: Value): value is Numeric | boolean =>
  typeof value === "bigint" || typeof value === "number" || typeof value === "boolean";

/** HTML's special characters, as Jinja2 escapes them. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&#34;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => names[character]);
}

/** `left operator right` for the operators `+ - * / // % **`. */
export function binary(operator: string, left: Value, right: Value, meter: Meter): Value {
  if (operator === "%" && typeof left === "string") return percentFormat(left, right, meter);
  if (left instanceof Undefined) throw left.fail();
  if (right instanceof Undefined) throw right.fail();
  if (isNumeric(left) && isNumeric(right)) return onNumbers(operator, numeric(left), numeric(right), meter);
  if (operator === "+") {
    const sum = concatenate(left, right, meter);
    if (sum !== undefined) return sum;
  }
  if (operator === "*") {
    const product = repeat(left, right, meter) ?? repeat(right, left, meter);
    if (product !== undefined) return product;
  }
  if (left instanceof Markup || right instanceof Markup) {
    throw new MissingFeature(`the operator ${operator} on text that is marked as safe`);
  }
  throw typeError(
    `unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`,
  );
}

function concatenate(left: Value, right: Value, meter: Meter): Value | undefined {
  if (typeof left === "string" && typeof right === "string") return meter.text(left + right);
  if (left instanceof Markup || right instanceof Markup) {
    const sides = [left, right].map((side) =>
      side instanceof Markup ? side.text : typeof side === "string" ? escapeHtml(side) : undefined
    );
    if (sides[0] === undefined || sides[1] === undefined) return undefined;
    return new Markup(meter.text(sides[0] + sides[1]));
  }
  if (left instanceof Sequence && right instanceof Sequence) {
    const isList = left instanceof List;
    if (isList !== right instanceof List) return undefined;
    meter.size(8 * (left.items.length + right.items.length));
    const items = [...left.items, ...right.items];
    return isList ? new List(items) : new Tuple(items);
  }
  return undefined;
}

function repeat(sequence: Value, times: Value, meter: Meter): Value | undefined {
  if (typeof times !== "bigint" && typeof times !== "boolean") return undefined;
  const count = Math.max(0, Number(times));
  if (typeof sequence === "string") {
    if (sequence === "") return "";
    meter.size(sequence.length * count);
    return sequence.repeat(count);
  }
  if (!(sequence instanceof Sequence)) return undefined;
  const items: Value[] = [];
  if (sequence.items.length > 0) {
    meter.size(8 * sequence.items.length * count);
    for (let i = 0; i < count; i++) items.push(...sequence.items);
  }
  return sequence instanceof List ? new List(items) : new Tuple(items);
}

function onNumbers(operator: string, left: Numeric, right: Numeric, meter: Meter): Value {
  if (typeof left === "bigint" && typeof right === "bigint") return onInts(operator, left, right, meter);
  return onFloats(operator, toFloat(left), toFloat(right));
}

/** An int as a float. */
export function toFloat(value: Numeric): number {
  const float = Number(value);
  if (typeof value === "bigint" && !Number.isFinite(float)) {
    throw new PythonError("OverflowError", "int too large to convert to float");
  }
  return float;
}

const bitsOf = (value: bigint) => value.toString(16).length * 4;

function limited(value: bigint): bigint {
  if (bitsOf(value) > INT_BITS_MAX) throw new MissingFeature(`ints of more than ${INT_BITS_MAX} bits`);
  return value;
}

function onInts(operator: string, left: bigint, right: bigint, meter: Meter): Value {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*": {
      meter.spend(bitsOf(left) / 64 * bitsOf(right) / 64);
      return limited(left * right);
    }
    case "/":
      return divideInts(left, right);
    case "//":
      requireDivisor(right);
      return (left - moduloInt(left, right)) / right;
    case "%":
      requireDivisor(right);
      return moduloInt(left, right);
    default:
      if (right < 0n) {
        if (left === 0n) {
          throw new PythonError("ZeroDivisionError", "0.0 cannot be raised to a negative power");
        }
        return onFloats("**", toFloat(left), toFloat(right));
      }
      if (left !== 0n && left !== 1n && left !== -1n && BigInt(bitsOf(left)) * right > BigInt(INT_BITS_MAX)) {
        throw new MissingFeature(`ints of more than ${INT_BITS_MAX} bits`);
      }
      meter.spend(16);
      return left ** right;
  }
}

function divideInts(left: bigint, right: bigint): number {
  requireDivisor(right);
  const isSmall = (value: bigint) => value <= 1n << 53n && value >= -(1n << 53n);
  if (!isSmall(left) || !isSmall(right)) throw new MissingFeature("division of ints above 2 ** 53");
  return Number(left) / Number(right);
}

function requireDivisor(divisor: Numeric): void {
  if (divisor === 0n || divisor === 0) throw new PythonError("ZeroDivisionError", "division by zero");
}

/** The remainder with the sign of the divisor. */
export function moduloInt(left: bigint, right: bigint): bigint {
  const rest = left % right;
  return rest !== 0n && (rest < 0n) !== (right < 0n) ? rest + right : rest;
}

function moduloFloat(left: number, right: number): number {
  const rest = left % right;
  if (rest === 0) return right < 0 ? -0 : 0;
  return (rest < 0) !== (right < 0) ? rest + right : rest;
}

function onFloats(operator: string, left: number, right: number): number {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      requireDivisor(right);
      return left / right;
    case "//":
      requireDivisor(right);
      return floorDivide(left, right);
    case "%":
      requireDivisor(right);
      return moduloFloat(left, right);
    default:
      return power(left, right);
  }
}

/** As CPython: the quotient without the remainder, rounded to the nearest whole number. */
function floorDivide(left: number, right: number): number {
  let rest = left % right;
  let quotient = (left - rest) / right;
  if (rest !== 0 && (right < 0) !== (rest < 0)) {
    rest += right;
    quotient -= 1;
  }
  if (quotient === 0) return left / right < 0 || Object.is(left / right, -0) ? -0 : 0;
  const floor = Math.floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

function power(left: number, right: number): number {
  if (left === 1) return 1;
  if (left === -1 && !Number.isFinite(right) && !Number.isNaN(right)) return 1;
  if (left === 0 && right < 0) {
    throw new PythonError("ZeroDivisionError", "0.0 cannot be raised to a negative power");
  }
  const result = left ** right;
  if (Number.isNaN(result) && !Number.isNaN(left) && !Number.isNaN(right)) {
    throw new MissingFeature("complex numbers");
  }
  if (!Number.isFinite(result) && Number.isFinite(left) && Number.isFinite(right)) {
    throw new PythonError("OverflowError", "Numerical result out of range");
  }
  return result;
}

/** `-value` or `+value`. */
export function unary(operator: "+" | "-", value: Value): Value {
  if (isNumeric(value)) {
    const number = numeric(value);
    return operator === "-" ? -number : number;
  }
  if (value instanceof Undefined) throw value.fail();
  throw typeError(`bad operand type for unary ${operator}: '${typeName(value)}'`);
}

/** `left ~ right`: both as text. */
export function joinTexts(values: readonly Value[], meter: Meter): string {
  let text = "";
  for (const value of values) text = meter.text(text + strText(value, meter));
  return text;
}
