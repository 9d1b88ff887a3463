/**
 * What keywords that hold, and are no choice, ask of a value.
 *
 * @module
 */
import { count, list, number, positive, record, string, strings } from "./keyword_values.ts";
import { type SchemaDocument, type SchemaNode, unsupported } from "./schema_document.ts";
import {
  type Conditions,
  isEqual,
  ofTypes,
  onArray,
  onNumber,
  onObject,
  onString,
  required,
  type Shape,
} from "./shape.ts";

/** A keyword of a schema, and who sees what it says of items and properties. */
export interface HeldKeyword {
  readonly name: string;
  readonly value: unknown;
  readonly node: SchemaNode;
  readonly document: SchemaDocument;
  readonly owners: ReadonlySet<number>;
}

/** Keywords of earlier drafts and of dynamic scope, which would be silently wrong if they were ignored. */
export const REFUSED_KEYWORDS: ReadonlySet<string> = new Set([
  "$dynamicRef",
  "$recursiveRef",
  "$recursiveAnchor",
  "dependencies",
  "additionalItems",
]);

/** Drafts whose keywords mean what they mean here, or are refused by name. */
const DRAFTS = new Set([
  "https://json-schema.org/draft/2020-12/schema",
  "https://json-schema.org/draft/2019-09/schema",
  "http://json-schema.org/draft-07/schema",
  "http://json-schema.org/draft-06/schema",
]);

/**
 * The shape with what a keyword asks. A keyword that is not known asks nothing, as the standard says.
 *
 * @throws {RemoraError} UNSUPPORTED naming it, BAD_ARGUMENT for a value that it cannot have.
 */
export function narrow(shape: Shape, keyword: HeldKeyword): Shape {
  const { name, value, node } = keyword;
  const isOtherDraft = name === "$schema" && !DRAFTS.has(`${value}`.replace(/#$/, ""));
  if (REFUSED_KEYWORDS.has(name) || isOtherDraft) throw unsupported(node.place, name);
  return narrowScalar(shape, keyword) ?? narrowArray(shape, keyword) ?? narrowObject(shape, keyword) ?? shape;
}

function narrowScalar(shape: Shape, { name, value, node }: HeldKeyword): Shape | undefined {
  switch (name) {
    case "type":
      return ofTypes(shape, value, node);
    case "const":
      return withValues(shape, [value]);
    case "enum":
      return withValues(shape, list(value, node, name));
    case "minimum":
    case "exclusiveMinimum":
      return onNumber(shape, name, Math.max(shape.number[name], number(value, node, name)));
    case "maximum":
    case "exclusiveMaximum":
      return onNumber(shape, name, Math.min(shape.number[name], number(value, node, name)));
    case "multipleOf":
      return onNumber(shape, "multiplesOf", [...shape.number.multiplesOf, positive(value, node, name)]);
    case "minLength":
      return onString(shape, { min: Math.max(shape.string.min, count(value, node, name)) });
    case "maxLength":
      return onString(shape, { max: Math.min(shape.string.max, count(value, node, name)) });
    case "pattern": {
      const source = string(value, node, name);
      return onString(shape, { patterns: [...shape.string.patterns, { source, isNegated: false }] });
    }
    case "format":
      return onString(shape, { formats: [...shape.string.formats, string(value, node, name)] });
  }
}

function withValues(shape: Shape, values: readonly unknown[]): Shape {
  const kept = (shape.values ?? values).filter((one) => values.some((other) => isEqual(one, other)));
  return { ...shape, values: kept };
}

function narrowArray(shape: Shape, keyword: HeldKeyword): Shape | undefined {
  const { name, value, node, document } = keyword;
  const schema = node.schema as Record<string, unknown>;
  switch (name) {
    case "minItems":
      return onArray(shape, { min: Math.max(shape.array.min, count(value, node, name)) });
    case "maxItems":
      return onArray(shape, { max: Math.min(shape.array.max, count(value, node, name)) });
    case "uniqueItems":
      return value === true ? onArray(shape, { unique: node.place }) : shape;
    case "prefixItems":
      // The two are one condition.
      return "items" in schema ? shape : withItems(shape, keyword);
    case "items":
      return withItems(shape, keyword);
    case "contains": {
      const { minContains = 1, maxContains = Infinity } = schema;
      const min = count(minContains, node, "minContains");
      const max = maxContains === Infinity ? Infinity : count(maxContains, node, "maxContains");
      const conditions = [{ node: document.below(node, value, name), isNegated: false }];
      return onArray(shape, { contains: [...shape.array.contains, { conditions, min, max }] });
    }
  }
}

function withItems(shape: Shape, { node, document, owners }: HeldKeyword): Shape {
  const { items, prefixItems } = node.schema as Record<string, unknown>;
  if (Array.isArray(items)) {
    throw unsupported(node.place, "items as a list (prefixItems since draft 2020-12)");
  }
  const prefix = prefixItems === undefined ? [] : list(prefixItems, node, "prefixItems");
  const conditions = (part: unknown, ...path: (string | number)[]): Conditions => [
    { node: document.below(node, part, ...path), isNegated: false },
  ];
  const part = {
    prefix: prefix.map((one, i) => conditions(one, "prefixItems", i)),
    rest: items === undefined ? undefined : conditions(items, "items"),
    owners,
  };
  return onArray(shape, { parts: [...shape.array.parts, part] });
}

function narrowObject(shape: Shape, keyword: HeldKeyword): Shape | undefined {
  const { name, value, node, document } = keyword;
  switch (name) {
    case "properties":
    case "patternProperties":
    case "additionalProperties":
      return withProperties(shape, keyword);
    case "required":
      return required(shape, strings(value, node, name), node, false);
    case "minProperties":
      return onObject(shape, {
        min: Math.max(shape.object.min, count(value, node, name)),
        place: node.place,
      });
    case "maxProperties":
      return onObject(shape, { max: Math.min(shape.object.max, count(value, node, name)) });
    case "propertyNames": {
      const conditions = [{ node: document.below(node, value, name), isNegated: false }];
      return onObject(shape, { names: [...shape.object.names, conditions] });
    }
  }
}

/** The three keywords are one condition; the first of them that is there speaks for all. */
function withProperties(shape: Shape, { name, node, document, owners }: HeldKeyword): Shape {
  const schema = node.schema as Record<string, unknown>;
  const names = ["properties", "patternProperties", "additionalProperties"];
  if (names.find((one) => one in schema) !== name) return shape;
  const conditions = (part: unknown, ...path: string[]): Conditions => [
    { node: document.below(node, part, ...path), isNegated: false },
  ];
  const entries = (key: string) => Object.entries(record(schema[key] ?? {}, node, key));
  const part = {
    owners,
    properties: new Map(
      entries("properties").map(([key, one]) => [key, conditions(one, "properties", key)] as const),
    ),
    patterns: entries("patternProperties").map(([source, one]) => ({
      source,
      conditions: conditions(one, "patternProperties", source),
    })),
    additional: "additionalProperties" in schema
      ? conditions(schema.additionalProperties, "additionalProperties")
      : undefined,
  };
  return onObject(shape, { place: node.place, parts: [...shape.object.parts, part] });
}
