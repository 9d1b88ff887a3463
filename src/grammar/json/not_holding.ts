/**
 * The ways in which a keyword does not hold.
 *
 * @module
 */
import { count, list, number, positive, record, string, strings } from "./keyword_values.ts";
import { REFUSED_KEYWORDS } from "./holding.ts";
import { type SchemaDocument, type SchemaNode, unsupported } from "./schema_document.ts";
import {
  type JsonType,
  NO_OWNERS,
  notOfTypes,
  onArray,
  onlyTypes,
  onNumber,
  onObject,
  onString,
  plain,
  required,
  type Shape,
  type Task,
  type Way,
  without,
  withProperty,
} from "./shape.ts";

/** A keyword of a schema that must not hold. */
export interface NegatedKeyword {
  readonly name: string;
  readonly value: unknown;
  readonly node: SchemaNode;
  readonly document: SchemaDocument;
}

/** Keywords whose negation is not worked out. */
const UNKNOWN = new Set([
  "oneOf",
  "dependentRequired",
  "dependentSchemas",
  "patternProperties",
  "propertyNames",
  "uniqueItems",
  "unevaluatedItems",
  "unevaluatedProperties",
  "format",
]);

/**
 * One of these ways, and the keyword does not hold. None for a keyword that always holds.
 *
 * @throws {RemoraError} UNSUPPORTED naming the keyword.
 */
export function negate(keyword: NegatedKeyword): Way[] {
  const { name, node } = keyword;
  if (REFUSED_KEYWORDS.has(name) || UNKNOWN.has(name)) throw refuse(node, name);
  return negateApplicator(keyword) ?? negateScalar(keyword) ?? negateArray(keyword) ??
    negateObject(keyword) ?? [];
}

function refuse(node: SchemaNode, name: string): Error {
  return unsupported(node.place, `${name} under not, oneOf or if`);
}

function task(
  { node, document }: NegatedKeyword,
  isNegated: boolean,
  part: unknown,
  ...path: (string | number)[]
): Task {
  return { node: document.below(node, part, ...path), isNegated, owners: NO_OWNERS };
}

/** A value of the type that does not fulfil something. */
function of(type: JsonType, narrow: (shape: Shape) => Shape): Way[] {
  return [{ narrow: (shape) => narrow(onlyTypes(shape, [type])) }];
}

function negateApplicator(keyword: NegatedKeyword): Way[] | undefined {
  const { name, value, node, document } = keyword;
  const schema = node.schema as Record<string, unknown>;
  switch (name) {
    case "$ref":
      return [{ more: [{ node: document.resolve(node, value), isNegated: true, owners: NO_OWNERS }] }];
    case "allOf":
      return list(value, node, name).map((part, i) => ({ more: [task(keyword, true, part, name, i)] }));
    case "anyOf":
      return [{ more: list(value, node, name).map((part, i) => task(keyword, true, part, name, i)) }];
    case "not":
      return [{ more: [task(keyword, false, value, name)] }];
    case "if": {
      const branch = (branch: "then" | "else", isNegated: boolean): Way[] =>
        branch in schema
          ? [{ more: [task(keyword, isNegated, value, "if"), task(keyword, true, schema[branch], branch)] }]
          : [];
      return [...branch("then", false), ...branch("else", true)];
    }
  }
}

function negateScalar({ name, value, node }: NegatedKeyword): Way[] | undefined {
  const bound = () => number(value, node, name);
  const length = () => count(value, node, name);
  switch (name) {
    case "type":
      return notOfTypes(value, node);
    case "const":
      return [{ narrow: (shape) => ({ ...shape, notValues: [...shape.notValues, value] }) }];
    case "enum":
      return [{
        narrow: (shape) => ({ ...shape, notValues: [...shape.notValues, ...list(value, node, name)] }),
      }];
    case "minimum":
      return of(
        "number",
        (s) => onNumber(s, "exclusiveMaximum", Math.min(s.number.exclusiveMaximum, bound())),
      );
    case "exclusiveMinimum":
      return of("number", (s) => onNumber(s, "maximum", Math.min(s.number.maximum, bound())));
    case "maximum":
      return of(
        "number",
        (s) => onNumber(s, "exclusiveMinimum", Math.max(s.number.exclusiveMinimum, bound())),
      );
    case "exclusiveMaximum":
      return of("number", (s) => onNumber(s, "minimum", Math.max(s.number.minimum, bound())));
    case "multipleOf": {
      const divisor = positive(value, node, name);
      return of("number", (s) => onNumber(s, "notMultiplesOf", [...s.number.notMultiplesOf, divisor]));
    }
    case "minLength":
      return of("string", (s) => onString(s, { max: Math.min(s.string.max, length() - 1) }));
    case "maxLength":
      return of("string", (s) => onString(s, { min: Math.max(s.string.min, length() + 1) }));
    case "pattern": {
      const source = string(value, node, name);
      return of(
        "string",
        (s) => onString(s, { patterns: [...s.string.patterns, { source, isNegated: true }] }),
      );
    }
  }
}

function negateArray(keyword: NegatedKeyword): Way[] | undefined {
  const { name, value, node } = keyword;
  const schema = node.schema as Record<string, unknown>;
  const containing = (isNegated: boolean, min: number, max: number): Way[] => {
    const conditions = [plain(task(keyword, isNegated, value, name))];
    return of("array", (s) => onArray(s, { contains: [...s.array.contains, { conditions, min, max }] }));
  };
  switch (name) {
    case "minItems":
      return of("array", (s) => onArray(s, { max: Math.min(s.array.max, count(value, node, name) - 1) }));
    case "maxItems":
      return of("array", (s) => onArray(s, { min: Math.max(s.array.min, count(value, node, name) + 1) }));
    case "prefixItems":
      return list(value, node, name).flatMap((part, i) => {
        const wrong = [plain(task(keyword, true, part, name, i))];
        const prefix = Array.from({ length: i + 1 }, (_, at) => at === i ? wrong : []);
        return of("array", (s) =>
          onArray(s, {
            min: Math.max(s.array.min, i + 1),
            parts: [...s.array.parts, { prefix, owners: NO_OWNERS }],
          }));
      });
    case "items":
      if ("prefixItems" in schema) throw refuse(node, name);
      return containing(true, 1, Infinity);
    case "contains": {
      const min = count(schema.minContains ?? 1, node, "minContains");
      const few = min > 0 ? containing(false, 0, min - 1) : [];
      if (schema.maxContains === undefined) return few;
      return [...few, ...containing(false, count(schema.maxContains, node, "maxContains") + 1, Infinity)];
    }
  }
}

function negateObject(keyword: NegatedKeyword): Way[] | undefined {
  const { name, value, node } = keyword;
  switch (name) {
    case "properties":
      return Object.entries(record(value, node, name)).flatMap(([key, part]) => {
        const wrong = [plain(task(keyword, true, part, name, key))];
        return of("object", (s) => withProperty(required(s, [key], node), key, wrong));
      });
    case "required":
      return strings(value, node, name).flatMap((key) => of("object", without(key, node)));
    case "minProperties":
      return of("object", (s) => onObject(s, { max: Math.min(s.object.max, count(value, node, name) - 1) }));
    case "maxProperties":
      return of("object", (s) => onObject(s, { min: Math.max(s.object.min, count(value, node, name) + 1) }));
    case "additionalProperties":
      if (value === true) return [];
      throw refuse(node, name);
  }
}
