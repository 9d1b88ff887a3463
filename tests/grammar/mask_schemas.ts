/**
 * Schemas as programs send them, and values that fit each.
 *
 * @module
 */
import type { Random } from "../../src/sampling/random.ts";

const id = { type: "integer", minimum: 1, maximum: 9999 };
const name = { type: "string" };
const object = (properties: Record<string, unknown>, required = Object.keys(properties)) => ({
  type: "object",
  properties,
  required,
  additionalProperties: false,
});
const list = (items: unknown, minItems = 0, maxItems = 4) => ({ type: "array", items, minItems, maxItems });

/** Fifty schemas. */
export const MASK_SCHEMAS: readonly Record<string, unknown>[] = [
  object({ name, age: { type: "integer" } }),
  object({ name, email: name, active: { type: "boolean" } }),
  object({ a: { type: "number" }, b: { type: "null" } }),
  object({ colour: { enum: ["red", "green", "blue"] } }),
  object({ kind: { const: "circle" }, radius: { type: "number" } }),
  object({ first: name, last: name }, ["first"]),
  object({ a: name, b: name, c: name }, []),
  object({ a: name, b: name, c: name }, ["b"]),
  object({ tags: list(name) }),
  object({ points: list(object({ x: { type: "integer" }, y: { type: "integer" } }), 1, 3) }),
  object({ matrix: list(list({ type: "integer" }, 2, 2), 2, 2) }),
  object({ user: object({ id, name }), roles: list({ enum: ["admin", "guest"] }, 1, 2) }),
  object({ city: name, days: { type: "integer", minimum: 1, maximum: 7 } }, ["city"]),
  object({ score: { type: "integer", minimum: 0, maximum: 100 } }),
  object({ year: { type: "integer", minimum: 1900, maximum: 2100 } }),
  object({ temperature: { type: "integer", minimum: -40, maximum: 60 } }),
  object({ level: { type: "integer", minimum: 3 } }),
  object({ debt: { type: "integer", maximum: 0 } }),
  object({ short: { type: "string", maxLength: 5 } }),
  object({ long: { type: "string", minLength: 4 } }),
  object({ fixed: { type: "string", minLength: 3, maxLength: 8 } }),
  object({ empty: list(name, 0, 0) }),
  object({ value: { anyOf: [name, { type: "integer" }] } }),
  object({ value: { anyOf: [{ type: "boolean" }, { type: "null" }, list({ type: "integer" })] } }),
  object({
    shape: {
      anyOf: [object({ r: { type: "integer" } }), object({ w: { type: "integer" }, h: { type: "integer" } })],
    },
  }),
  object({ answer: { enum: ["yes", "no", "maybe", "yesterday"] }, sure: { type: "boolean" } }),
  object({ mixed: { enum: ["one", 2, true, null] } }),
  object({ number: { type: "number" } }),
  list(name, 1, 3),
  list({ type: "integer" }, 0, 5),
  list({ type: "boolean" }, 2, 2),
  { type: "string" },
  { type: "boolean" },
  { type: "null" },
  { type: "integer" },
  { enum: ["alpha", "beta", "alphabet"] },
  { const: "exactly this" },
  { type: "array", prefixItems: [name, { type: "integer" }], items: false, minItems: 2 },
  { type: "array", prefixItems: [{ type: "boolean" }], items: { type: "integer" }, minItems: 1, maxItems: 3 },
  {
    $ref: "#/$defs/node",
    $defs: {
      node: object({
        value: { type: "integer" },
        next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
      }),
    },
  },
  {
    $ref: "#/$defs/tree",
    $defs: { tree: object({ label: name, children: list({ $ref: "#/$defs/tree" }, 0, 2) }) },
  },
  object({ "with space": name, "ünïcode": name, 'quo"ted': name }),
  object({ text: name, "text2": name, "te": name }, ["te"]),
  object({
    title: name,
    author: object({ name, born: { type: "integer" } }, ["name"]),
    pages: { type: "integer", minimum: 1 },
  }),
  object({
    order: object({
      id,
      items: list(object({ sku: name, count: { type: "integer", minimum: 1, maximum: 99 } }), 1, 2),
    }),
  }),
  object({
    function: { const: "get_weather" },
    arguments: object({ location: name, unit: { enum: ["celsius", "fahrenheit"] } }),
  }),
  object({ steps: list(object({ explanation: name, output: name }), 1, 2), final_answer: name }),
  object({ sentiment: { enum: ["positive", "neutral", "negative"] }, confidence: { type: "number" } }),
  object({ a: object({ b: object({ c: object({ d: { type: "boolean" } }) }) }) }),
  object({ nothing: object({}), flag: { type: "boolean" } }),
];

const WORDS = [
  "sun",
  "Zürich",
  "blue sky",
  'a"b',
  "x\\y",
  "line\nbreak",
  "日本",
  "",
  "42",
  "e-mail me",
  "😀",
];

/** A value that fits one of the schemas above. */
export function valueOf(schema: unknown, random: Random, root = schema, depth = 0): unknown {
  const below = (count: number) => Math.floor(random.nextFloat() * count);
  const pick = <T>(from: readonly T[]) => from[below(from.length)];
  const given = schema as Record<string, unknown>;
  const next = (part: unknown) => valueOf(part, random, root, depth + 1);
  if ("$ref" in given) {
    const [, , key] = (given.$ref as string).split("/");
    return next((root as { $defs: Record<string, unknown> }).$defs[key]);
  }
  if ("const" in given) return given.const;
  if ("enum" in given) return pick(given.enum as unknown[]);
  if ("anyOf" in given) {
    return next(depth > 4 ? (given.anyOf as unknown[]).at(-1) : pick(given.anyOf as unknown[]));
  }
  switch (given.type) {
    case "string": {
      const { minLength = 0, maxLength = Infinity } = given as { minLength?: number; maxLength?: number };
      const fitting = WORDS.filter((word) => [...word].length >= minLength && [...word].length <= maxLength);
      return pick(fitting);
    }
    case "integer": {
      const { minimum = -50, maximum = Math.max(minimum as number, 0) + 5000 } = given as Record<
        string,
        number
      >;
      return minimum + below(maximum - minimum + 1);
    }
    case "number":
      return pick([0, 1.5, -2.25, 1000, 0.001]);
    case "boolean":
      return below(2) === 0;
    case "null":
      return null;
    case "array": {
      const { prefixItems = [], items, minItems = 0, maxItems = 3 } = given as Record<string, never>;
      const most = items === false ? (prefixItems as unknown[]).length : maxItems as number;
      const count = depth > 4 ? minItems : (minItems as number) + below(most - (minItems as number) + 1);
      return Array.from({ length: count as number }, (_, i) => next((prefixItems as unknown[])[i] ?? items));
    }
    default: {
      const { properties, required } = given as { properties: Record<string, unknown>; required: string[] };
      const names = Object.keys(properties).filter((key) => required.includes(key) || below(2) === 0);
      return Object.fromEntries(names.map((key) => [key, next(properties[key])]));
    }
  }
}
