/**
 * Values of JSON as texts, for grammars that fix what JSON leaves open.
 *
 * @module
 */

/** Every text of a value that differs in the order of properties alone; numbers without exponent. */
export function* textsOf(value: unknown): Generator<string> {
  if (typeof value === "number") yield withoutExponent(value);
  else if (typeof value !== "object" || value === null) yield JSON.stringify(value);
  else if (Array.isArray(value)) yield* joined(value, value.map(() => ""), "[", "]");
  else {
    for (const keys of orders(Object.keys(value))) {
      const values = keys.map((key) => (value as Record<string, unknown>)[key]);
      yield* joined(values, keys.map((key) => `${JSON.stringify(key)}:`), "{", "}");
    }
  }
}

/** A number's digits by arithmetic on big integers, so that no other code decides how it is written. */
function withoutExponent(value: number): string {
  const [, sign, whole, fraction = "", exponent = "0"] = /^(-?)(\d+)\.?(\d*)(?:e([+-]\d+))?$/.exec(
    `${value}`,
  )!;
  const scale = Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction);
  if (scale >= 0) return `${sign}${digits * 10n ** BigInt(scale)}`;
  const divisor = 10n ** BigInt(-scale);
  const rest = `${digits % divisor}`.padStart(-scale, "0").replace(/0+$/, "");
  return `${sign}${digits / divisor}${rest === "" ? "" : `.${rest}`}`;
}

function* joined(values: unknown[], names: string[], open: string, close: string): Generator<string> {
  const texts = values.map((value) => [...textsOf(value)]);
  function* from(index: number): Generator<string> {
    if (index === values.length) return yield "";
    for (const text of texts[index]) {
      for (const rest of from(index + 1)) yield (index > 0 ? "," : "") + names[index] + text + rest;
    }
  }
  for (const inside of from(0)) yield open + inside + close;
}

function* orders<T>(items: T[]): Generator<T[]> {
  if (items.length <= 1) return yield items;
  for (const [i, item] of items.entries()) {
    for (const rest of orders(items.toSpliced(i, 1))) yield [item, ...rest];
  }
}
