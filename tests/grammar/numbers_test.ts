/**
 * Numbers under conditions against arithmetic on fractions of big integers.
 */
import { equal } from "node:assert/strict";
import {
  ANY_NUMBER,
  type NumberConditions,
  numberTerm,
  plainDecimal,
} from "../../src/grammar/json/numbers.ts";
import { JsonText } from "../../src/grammar/json/text.ts";
import { TermStore } from "../../src/grammar/terms.ts";
import { Random } from "../../src/sampling/random.ts";

const PLACES = 12;
/** A decimal in units of 10⁻¹². */
function units(text: string): bigint {
  const [, sign, whole, fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text)!;
  const value = BigInt(whole + fraction.padEnd(PLACES, "0"));
  return sign ? -value : value;
}

function fulfils(text: string, conditions: NumberConditions): boolean {
  const value = units(text);
  const bound = (limit: number) => units(plainDecimal(limit));
  const isBounded = [
    conditions.minimum,
    conditions.maximum,
    conditions.exclusiveMinimum,
    conditions.exclusiveMaximum,
  ]
    .some(Number.isFinite);
  if (isBounded && value === 0n && text.startsWith("-")) return false;
  const isWhole = value % units("1") === 0n;
  return (!conditions.isInteger || !text.includes(".")) &&
    (conditions.minimum === -Infinity || value >= bound(conditions.minimum)) &&
    (conditions.maximum === Infinity || value <= bound(conditions.maximum)) &&
    (conditions.exclusiveMinimum === -Infinity || value > bound(conditions.exclusiveMinimum)) &&
    (conditions.exclusiveMaximum === Infinity || value < bound(conditions.exclusiveMaximum)) &&
    conditions.multiplesOf.every((divisor) => value % bound(divisor) === 0n) &&
    conditions.notMultiplesOf.every((divisor) => value % bound(divisor) !== 0n) &&
    (!conditions.isNotInteger || !isWhole) &&
    conditions.not.every((other) => value !== bound(other));
}

Deno.test("bounds, multiples and exclusions hold for exactly the numbers they name", () => {
  const random = Random.fromSeed(3);
  const below = (count: number) => Math.floor(random.nextFloat() * count);
  const decimal = () => {
    const digits = below(4), size = 10 ** below(4);
    return `${below(2) ? "-" : ""}${below(size)}${
      digits === 0 ? "" : `.${`${below(10 ** digits)}`.padStart(digits, "0")}`
    }`;
  };
  for (let round = 0; round < 150; round++) {
    const conditions: NumberConditions = {
      ...ANY_NUMBER,
      isInteger: below(3) === 0,
      ...(below(2) && { minimum: Number(decimal()) }),
      ...(below(2) && { maximum: Number(decimal()) }),
      ...(below(4) === 0 && { exclusiveMinimum: Number(decimal()) }),
      ...(below(4) === 0 && { exclusiveMaximum: Number(decimal()) }),
      ...(below(4) === 0 && { multiplesOf: [[2, 3, 0.5, 0.01, 7, 2.5][below(6)]] }),
      ...(below(6) === 0 && { notMultiplesOf: [[2, 3][below(2)]] }),
      ...(below(8) === 0 && { isNotInteger: true }),
      ...(below(6) === 0 && { not: [Number(decimal())] }),
    };
    const store = new TermStore();
    const term = numberTerm(new JsonText(store), conditions);
    const isFree = JSON.stringify({ ...conditions, isInteger: false }) === JSON.stringify(ANY_NUMBER);
    const around = [
      conditions.minimum,
      conditions.maximum,
      conditions.exclusiveMinimum,
      conditions.exclusiveMaximum,
    ]
      .filter(Number.isFinite).map(plainDecimal);
    for (
      const text of [
        ...Array.from({ length: 200 }, decimal),
        ...around,
        ...around.map((one) => `${one}${one.includes(".") ? "0" : ".0"}`),
        "0",
        "-0",
        "0.0",
      ]
    ) {
      equal(
        store.matches(term, text),
        fulfils(text, conditions),
        `${text} ${JSON.stringify(conditions)} ${isFree}`,
      );
    }
  }
});

Deno.test("a number under a condition has no exponent and no leading zeros, and every prefix can be finished", () => {
  const store = new TermStore();
  const term = numberTerm(new JsonText(store), { ...ANY_NUMBER, minimum: 12.5, maximum: 4000 });
  for (const text of ["1e2", "013", "+13", ".5", "13.", "1E2", "--13"]) {
    equal(store.matches(term, text), false, text);
  }
  // 9 alone cannot be: it must go on; 40001 cannot.
  equal(store.after(term, new TextEncoder().encode("9")).isNullable, false);
  equal(store.after(term, new TextEncoder().encode("40001")).kind, "nothing");
});
