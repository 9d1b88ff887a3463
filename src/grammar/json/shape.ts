/**
 * Conditions on one value of which none is a choice.
 *
 * @module
 */
import { strings } from "./keyword_values.ts";
import { ANY_NUMBER, type NumberConditions } from "./numbers.ts";
import { badSchema, type SchemaNode } from "./schema_document.ts";

/** A schema that must hold, or must not. */
export interface Signed {
  readonly node: SchemaNode;
  readonly isNegated: boolean;
}

/** What must hold of one value. */
export type Conditions = readonly Signed[];

/** The types of JSON. */
export type JsonType = "null" | "boolean" | "number" | "string" | "array" | "object";
const TYPES: readonly JsonType[] = ["null", "boolean", "number", "string", "array", "object"];

/** Which schemas with `unevaluated…` see what a part says. */
interface Seen {
  readonly owners: ReadonlySet<number>;
}

/** Items of one schema. */
export interface ArrayPart extends Seen {
  readonly prefix: readonly Conditions[];
  readonly rest?: Conditions;
}

/** Properties of one schema. */
export interface ObjectPart extends Seen {
  readonly properties: ReadonlyMap<string, Conditions>;
  readonly patterns: readonly { source: string; conditions: Conditions }[];
  readonly additional?: Conditions;
}

/** What holds of items or properties that no part with this owner speaks of. */
export interface Unevaluated {
  readonly owner: number;
  readonly conditions: Conditions;
  /** Whose own parts are seen by further schemas. */
  readonly owners: ReadonlySet<number>;
}

/** How many items fulfil conditions. */
export interface Contains {
  readonly conditions: Conditions;
  readonly min: number;
  readonly max: number;
}

/** Conditions of which none is a choice. Those of a type matter only for values of the type. */
export interface Shape {
  types: ReadonlySet<JsonType>;
  /** Only these. */
  values?: readonly unknown[];
  notValues: readonly unknown[];
  number: NumberConditions;
  string: {
    patterns: readonly { source: string; isNegated: boolean }[];
    formats: readonly string[];
    min: number;
    max: number;
  };
  array: {
    parts: readonly ArrayPart[];
    unevaluated: readonly Unevaluated[];
    contains: readonly Contains[];
    min: number;
    max: number;
    /** Where `uniqueItems` stands. */
    unique?: string;
  };
  object: {
    parts: readonly ObjectPart[];
    unevaluated: readonly Unevaluated[];
    required: readonly string[];
    names: readonly Conditions[];
    min: number;
    max: number;
    place: string;
  };
}

/** No condition. */
export const ANY: Shape = {
  types: new Set(TYPES),
  notValues: [],
  number: ANY_NUMBER,
  string: { patterns: [], formats: [], min: 0, max: Infinity },
  array: { parts: [], unevaluated: [], contains: [], min: 0, max: Infinity },
  object: { parts: [], unevaluated: [], required: [], names: [], min: 0, max: Infinity, place: "#" },
};

/** A schema in a list of those still to be looked at. */
export interface Task extends Signed {
  owners: ReadonlySet<number>;
}

/** One way to fulfil something: narrower conditions, and more schemas. */
export interface Way {
  narrow?: (shape: Shape) => Shape;
  more?: Task[];
}

/** No schema sees it. */
export const NO_OWNERS: ReadonlySet<number> = new Set();
/** Without what only an expansion needs. */
export const plain = ({ node, isNegated }: Signed): Signed => ({ node, isNegated });

/** Whether some value may have the shape, as far as types and counts say. */
export function isPossible({ types, values, array, object, string }: Shape): boolean {
  if (types.size === 0 || values?.length === 0) return false;
  const isOnly = (type: JsonType) => types.size === 1 && types.has(type);
  return !(isOnly("array") && array.min > array.max || isOnly("object") && object.min > object.max ||
    isOnly("string") && string.min > string.max);
}

/** Values of these types only. */
export function onlyTypes(shape: Shape, types: readonly JsonType[]): Shape {
  return { ...shape, types: new Set(types.filter((type) => shape.types.has(type))) };
}

function typeNames(value: unknown, node: SchemaNode): string[] {
  const names = typeof value === "string" ? [value] : strings(value, node, "type");
  for (const name of names) {
    if (name !== "integer" && !TYPES.includes(name as JsonType)) {
      throw badSchema(node.place, "type", `one of integer, ${TYPES.join(", ")}`, name);
    }
  }
  return names;
}

/** What `type` says. */
export function ofTypes(shape: Shape, value: unknown, node: SchemaNode): Shape {
  const names = typeNames(value, node);
  const isInteger = names.includes("integer") && !names.includes("number");
  const types = names.map((name) => (name === "integer" ? "number" : name) as JsonType);
  const narrowed = onlyTypes(shape, types);
  return isInteger ? onNumber(narrowed, "isInteger", true) : narrowed;
}

/** Any other type. */
export function notOfTypes(value: unknown, node: SchemaNode): Way[] {
  const names = typeNames(value, node);
  const isInteger = names.includes("integer") && !names.includes("number");
  const others = TYPES.filter((type) => !names.includes(type) && !(type === "number" && isInteger));
  return [
    ...(others.length > 0 ? [{ narrow: (shape: Shape) => onlyTypes(shape, others) }] : []),
    ...(isInteger
      ? [{ narrow: (shape: Shape) => onNumber(onlyTypes(shape, ["number"]), "isNotInteger", true) }]
      : []),
  ];
}

/** One condition on numbers replaced. */
export function onNumber<K extends keyof NumberConditions>(
  shape: Shape,
  key: K,
  value: NumberConditions[K],
): Shape {
  return { ...shape, number: { ...shape.number, [key]: value } };
}

/** Conditions on strings replaced. */
export function onString(shape: Shape, conditions: Partial<Shape["string"]>): Shape {
  return { ...shape, string: { ...shape.string, ...conditions } };
}

/** Conditions on arrays replaced. */
export function onArray(shape: Shape, conditions: Partial<Shape["array"]>): Shape {
  return { ...shape, array: { ...shape.array, ...conditions } };
}

/** Conditions on objects replaced. */
export function onObject(shape: Shape, conditions: Partial<Shape["object"]>): Shape {
  return { ...shape, object: { ...shape.object, ...conditions } };
}

/**
 * These properties must be there.
 *
 * @param isObject Whether nothing else than an object fulfils it.
 */
export function required(
  shape: Shape,
  names: readonly string[],
  { place }: SchemaNode,
  isObject = true,
): Shape {
  const all = [...new Set([...shape.object.required, ...names])];
  return onObject(isObject ? onlyTypes(shape, ["object"]) : shape, { required: all, place });
}

/** One property under conditions. */
export function withProperty(shape: Shape, name: string, conditions: Conditions): Shape {
  const part = { owners: NO_OWNERS, properties: new Map([[name, conditions]]), patterns: [] };
  return onObject(shape, { parts: [...shape.object.parts, part] });
}

/** Objects without the property, and everything else. */
export function without(name: string, node: SchemaNode): (shape: Shape) => Shape {
  const never: Conditions = [{ node: { ...node, schema: false, id: -1 }, isNegated: false }];
  return (shape) => withProperty(shape, name, never);
}

/** Whether two values of JSON are equal. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length &&
    keys.every((key) =>
      Object.hasOwn(b, key) &&
      isEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key])
    );
}
