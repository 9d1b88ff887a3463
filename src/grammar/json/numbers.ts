/**
 * Numbers between bounds and of given factors, as texts.
 *
 * Such numbers are written without exponent. A condition is a language of its own, and conditions meet by intersection.
 *
 * @module
 */
import { RemoraError } from "../../core/errors.ts";
import type { Term } from "../terms.ts";
import type { JsonText } from "./text.ts";

/** What is asked of a number. */
export interface NumberConditions {
  isInteger: boolean;
  /** Bounds; the exclusive ones leave the bound itself out. */
  minimum: number;
  maximum: number;
  exclusiveMinimum: number;
  exclusiveMaximum: number;
  multiplesOf: readonly number[];
  /** From negations. */
  notMultiplesOf: readonly number[];
  isNotInteger: boolean;
  not: readonly number[];
}

/** No condition. */
export const ANY_NUMBER: NumberConditions = {
  isInteger: false,
  minimum: -Infinity,
  maximum: Infinity,
  exclusiveMinimum: -Infinity,
  exclusiveMaximum: Infinity,
  multiplesOf: [],
  notMultiplesOf: [],
  isNotInteger: false,
  not: [],
};

/** Remainders that an automaton may tell apart. */
const DIVISOR_MAX = 100_000;

/** The texts of the numbers that fulfil the conditions. */
export function numberTerm(json: JsonText, conditions: NumberConditions): Term {
  const { store } = json;
  const { isInteger, minimum, maximum, exclusiveMinimum, exclusiveMaximum } = conditions;
  const parts: Term[] = [];
  for (
    const [bound, isBelow, isOut] of [
      [minimum, false, false],
      [exclusiveMinimum, false, true],
      [maximum, true, false],
      [exclusiveMaximum, true, true],
    ] as const
  ) {
    if (bound === -Infinity && !isBelow || bound === Infinity && isBelow) continue;
    parts.push(bounded(json, bound, isBelow, isOut));
  }
  // Between bounds zero has no sign: a model that began with a minus could go nowhere else.
  if (parts.length > 0) parts.push(store.not(store.sequence(store.text("-"), equal(json, 0))));
  for (const divisor of conditions.multiplesOf) parts.push(multiples(json, divisor));
  for (const divisor of conditions.notMultiplesOf) parts.push(store.not(multiples(json, divisor)));
  if (conditions.isNotInteger) parts.push(store.not(multiples(json, 1)));
  for (const value of conditions.not) parts.push(store.not(equal(json, value)));
  if (parts.length === 0) return isInteger ? json.integer : json.number;
  return store.both(isInteger ? json.integer : decimal(json), ...parts);
}

/** A number's digits without exponent. */
export function plainDecimal(value: number): string {
  const [, sign, digits, fraction = "", exponent] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(
    String(Object.is(value, -0) ? 0 : value),
  )!;
  const point = digits.length + Number(exponent ?? 0);
  const all = (digits + fraction).padEnd(point, "0");
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${all}`;
  const rest = all.slice(point);
  return `${sign}${all.slice(0, point)}${rest === "" ? "" : `.${rest}`}`;
}

/** Any number without exponent. */
function decimal(json: JsonText): Term {
  const { store, integer, digit } = json;
  return store.sequence(integer, store.optional(store.sequence(store.text("."), store.repeat(digit, 1))));
}

/** A number in all spellings without exponent. */
function equal(json: JsonText, value: number): Term {
  const { store } = json;
  const text = plainDecimal(value);
  const zeros = store.repeat(store.text("0"));
  const fraction = text.includes(".") ? zeros : store.optional(store.sequence(store.text(".0"), zeros));
  const sign = value === 0 ? store.optional(store.text("-")) : store.empty;
  return store.sequence(sign, store.text(text), fraction);
}

/** Numbers at least (or at most) a bound; `isOut` leaves the bound itself out. */
function bounded(json: JsonText, bound: number, isBelow: boolean, isOut: boolean): Term {
  const { store } = json;
  const digits = plainDecimal(Math.abs(bound));
  const minus = store.text("-");
  const all = magnitude(json, "0", false, false);
  const negatives = store.sequence(minus, all);
  if (isBelow === bound < 0 && bound !== 0) {
    // On the far side of zero as seen from the bound: larger magnitudes only, with the bound's sign.
    const far = magnitude(json, digits, false, isOut);
    return bound < 0 ? store.sequence(minus, far) : far;
  }
  const near = magnitude(json, digits, true, isOut);
  const zero = equal(json, 0);
  if (bound === 0) {
    const rest = isBelow ? negatives : all;
    return isOut ? store.both(rest, store.not(zero)) : store.either([rest, zero]);
  }
  const side = bound < 0 ? store.sequence(minus, near) : near;
  const beyond = isBelow ? negatives : all;
  return store.either([side, beyond, zero]);
}

/** Numbers without sign that are at least (or at most) the bound in plain digits. */
function magnitude(json: JsonText, bound: string, isBelow: boolean, isOut: boolean): Term {
  const { store, digit } = json;
  const [whole, fraction = ""] = bound.split(".");
  const digits = (count: number) => store.repeat(digit, count, count);
  const anyFraction = store.optional(store.sequence(store.text("."), store.repeat(digit, 1)));
  const options: Term[] = [];
  // Other numbers of digits before the point.
  if (isBelow) {
    if (whole.length > 1) {
      const fewer = store.repeat(digit, 0, whole.length - 2);
      options.push(store.sequence(store.text("0"), anyFraction));
      options.push(store.sequence(store.range(0x31, 0x39), fewer, anyFraction));
    }
  } else {
    options.push(store.sequence(store.range(0x31, 0x39), store.repeat(digit, whole.length), anyFraction));
  }
  // As many digits, the first few the same.
  for (let same = 0; same < whole.length; same++) {
    const at = whole.charCodeAt(same);
    const lowest = same === 0 && whole.length > 1 ? 0x31 : 0x30;
    const [first, last] = isBelow ? [lowest, at - 1] : [at + 1, 0x39];
    if (first > last) continue;
    const rest = digits(whole.length - same - 1);
    options.push(
      store.sequence(store.text(whole.slice(0, same)), store.range(first, last), rest, anyFraction),
    );
  }
  options.push(store.sequence(store.text(whole), fractions(json, fraction, isBelow, isOut)));
  return store.either(options);
}

/** What may follow the same digits before the point: fractions at least (or at most) this one. */
function fractions(json: JsonText, bound: string, isBelow: boolean, isOut: boolean): Term {
  const { store, digit } = json;
  const zeros = store.repeat(store.text("0"));
  const point = store.text(".");
  const any = store.repeat(digit);
  const equalFraction = bound === ""
    ? store.optional(store.sequence(point, store.repeat(store.text("0"), 1)))
    : store.sequence(point, store.text(bound), zeros);
  const options: Term[] = isOut ? [] : [equalFraction];
  for (let same = 0; same < bound.length; same++) {
    const at = bound.charCodeAt(same);
    const [first, last] = isBelow ? [0x30, at - 1] : [at + 1, 0x39];
    const before = store.sequence(point, store.text(bound.slice(0, same)));
    if (first <= last) options.push(store.sequence(before, store.range(first, last), any));
    // Fewer digits count as zeros.
    if (isBelow && /[1-9]/.test(bound.slice(same))) options.push(same === 0 ? store.empty : before);
  }
  // More digits than the bound has.
  if (!isBelow) {
    options.push(store.sequence(point, store.text(bound), zeros, store.range(0x31, 0x39), any));
  }
  return store.either(options);
}

/** Multiples of a number, by the remainder of the digits so far. */
function multiples(json: JsonText, divisor: number): Term {
  const { store } = json;
  const [whole, fraction = ""] = plainDecimal(divisor).split(".");
  const modulus = Number(whole + fraction);
  const places = fraction.length;
  if (!(modulus <= DIVISOR_MAX)) {
    throw new RemoraError("UNSUPPORTED", "Cannot use multipleOf of the JSON schema", {
      expected: `a number of which the digits say at most ${DIVISOR_MAX}`,
      found: `${divisor}`,
    });
  }
  const zeros = store.repeat(store.text("0"));
  /** After `done` places behind the point (-1: before it), with a remainder. */
  const state = (remainder: number, done: number): Term => {
    let left = remainder;
    for (let place = Math.max(done, 0); place < places; place++) left = left * 10 % modulus;
    const isMultiple = left === 0;
    const name = `multiple of ${divisor}: ${remainder} at ${done}`;
    return store.rule(name, () => {
      const options: Term[] = isMultiple ? [store.empty] : [];
      if (done < places) {
        for (let digit = 0; digit <= 9; digit++) {
          const next = state((remainder * 10 + digit) % modulus, done < 0 ? -1 : done + 1);
          options.push(store.sequence(store.text(`${digit}`), next));
        }
      }
      // Places beyond those of the divisor can only be zeros.
      if (done >= 0 && done === places && isMultiple) options.push(zeros);
      if (done < 0) options.push(store.sequence(store.text("."), state(remainder, 0)));
      return store.either(options);
    }, isMultiple);
  };
  return store.sequence(store.optional(store.text("-")), state(0, -1));
}
