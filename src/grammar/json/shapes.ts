/**
 * Schemas as alternatives of plain conditions.
 *
 * A schema with `anyOf`, `oneOf`, `not`, `if` or references is a condition on values like any other. Here a set of schemas that must
 * all hold, or must not hold, becomes a list of shapes: values fit when they fit one of them. Negation goes down to single keywords, so
 * no language is ever complemented as a whole.
 *
 * @module
 */
import { GRAMMAR_SHAPES_MAX } from "../../core/limits.ts";
import { ANY_NUMBER, type NumberConditions } from "./numbers.ts";
import { badSchema, type SchemaDocument, type SchemaNode, unsupported } from "./schema_document.ts";

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

const ANY: Shape = {
  types: new Set(TYPES),
  notValues: [],
  number: ANY_NUMBER,
  string: { patterns: [], formats: [], min: 0, max: Infinity },
  array: { parts: [], unevaluated: [], contains: [], min: 0, max: Infinity },
  object: { parts: [], unevaluated: [], required: [], names: [], min: 0, max: Infinity, place: "#" },
};

/** A schema in a list of those still to be looked at. */
interface Task extends Signed {
  owners: ReadonlySet<number>;
}

/** One way to fulfil something: narrower conditions, and more schemas. */
interface Way {
  narrow?: (shape: Shape) => Shape;
  more?: Task[];
}

const NO_OWNERS: ReadonlySet<number> = new Set();
/** `anyOf` beside `unevaluated…` counts the members that hold in every combination. */
const COMBINED_MEMBERS_MAX = 5;

/** Keywords that say nothing about values, or that other keywords read. */
const SILENT = new Set(
  ("$id $anchor $dynamicAnchor $comment $defs $vocabulary definitions title description default examples deprecated readOnly " +
    "writeOnly contentEncoding contentMediaType contentSchema then else minContains maxContains").split(" "),
);
/** Keywords of earlier drafts and dynamic scope, which would be silently wrong if they were ignored. */
const REFUSED = new Set([
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

/** Equal sets have equal names. */
export function nameOf(conditions: Conditions): string {
  return [...new Set(conditions.map(({ node, isNegated }) => `${isNegated ? "!" : ""}${node.id}`))].sort()
    .join();
}

/** Expands sets of schemas. */
export class Shapes {
  readonly #document: SchemaDocument;
  /** Whether no value can fulfil the conditions, as far as that is seen without looking deep. */
  readonly #isHopeless: (conditions: Conditions) => boolean;

  constructor(document: SchemaDocument, isHopeless: (conditions: Conditions) => boolean) {
    this.#document = document;
    this.#isHopeless = isHopeless;
  }

  /**
   * The shapes of values that fulfil all conditions.
   *
   * @throws {RemoraError} UNSUPPORTED naming a keyword, BAD_ARGUMENT for what is no schema.
   */
  expand(conditions: Conditions): Shape[] {
    const found: Shape[] = [];
    this.#expand(conditions.map((signed) => ({ ...signed, owners: NO_OWNERS })), [], ANY, new Set(), found);
    return found;
  }

  #expand(
    tasks: readonly Task[],
    choices: readonly Way[][],
    shape: Shape,
    done: ReadonlySet<string>,
    found: Shape[],
  ): void {
    if (!isPossible(shape)) return;
    const [task, ...others] = tasks;
    if (task) {
      const { node: { id, place }, isNegated, owners } = task;
      const key = `${isNegated ? "!" : ""}${id}`;
      if (done.has(`${isNegated ? "" : "!"}${id}`)) return;
      const whole = `${key} ${[...owners].join()}`;
      if (done.has(whole)) return this.#expand(others, choices, shape, done, found);
      if (done.size > GRAMMAR_SHAPES_MAX) {
        throw unsupported(place, "the schema", "fewer references", "too many");
      }
      const more = this.#choices(task);
      return this.#expand(others, [...choices, ...more], shape, new Set([...done, key, whole]), found);
    }
    const [choice, ...rest] = choices.toSorted((a, b) => a.length - b.length);
    if (!choice) {
      if (found.length >= GRAMMAR_SHAPES_MAX) {
        throw unsupported(
          shape.object.place,
          "the combination of anyOf, oneOf, not and if",
          `at most ${GRAMMAR_SHAPES_MAX} cases`,
          "more",
        );
      }
      found.push(shape);
      return;
    }
    for (const { narrow, more = [] } of choice) {
      this.#expand(more, rest, narrow ? narrow(shape) : shape, done, found);
    }
  }

  /** Choices of which one way each must be taken. */
  #choices(task: Task): Way[][] {
    const { node: { schema }, isNegated } = task;
    if (typeof schema === "boolean") return schema === isNegated ? [[]] : [];
    if (!isNegated) {
      const owner = ["unevaluatedProperties", "unevaluatedItems"].some((key) => Object.hasOwn(schema, key));
      const inner = owner ? { ...task, owners: new Set([...task.owners, task.node.id]) } : task;
      return Object.keys(schema).flatMap((keyword) => this.#keyword(keyword, inner, task.owners));
    }
    // One keyword at least does not hold.
    const ways = Object.keys(schema).flatMap((keyword) => {
      const choices = this.#negated(keyword, task);
      return choices ? [choices] : [];
    });
    return [ways.flat()];
  }

  /** The choices that a keyword of a schema that holds leaves. */
  #keyword(keyword: string, task: Task, outer: ReadonlySet<number>): Way[][] {
    const { node, owners } = task;
    const schema = node.schema as Record<string, unknown>;
    const value = schema[keyword];
    const task_ = (part: unknown, ...path: (string | number)[]): Task => ({
      node: this.#document.below(node, part, keyword, ...path),
      isNegated: false,
      owners,
    });
    const negated = (one: Task): Task => ({ ...one, isNegated: true, owners: NO_OWNERS });
    const always = (way: Way): Way[][] => [[way]];
    switch (keyword) {
      case "$ref":
        return always({ more: [{ node: this.#document.resolve(node, value), isNegated: false, owners }] });
      case "allOf":
        return always({ more: list(value, node, keyword).map((part, i) => task_(part, i)) });
      case "anyOf":
        return [this.#anyOf(list(value, node, keyword).map((part, i) => task_(part, i)), node, owners)];
      case "oneOf": {
        const members = list(value, node, keyword).map((part, i) => task_(part, i));
        return [members.map((member, i) => ({
          more: [
            member,
            ...members.filter((other, j) => j !== i && !this.#isHopeless([member, other])).map(negated),
          ],
        }))];
      }
      case "not":
        return always({ more: [negated(task_(value))] });
      case "if": {
        const condition = task_(value);
        const branch = (name: "then" | "else") =>
          name in schema
            ? [{ node: this.#document.below(node, schema[name], name), isNegated: false, owners }]
            : [];
        return [[{ more: [condition, ...branch("then")] }, {
          more: [negated(condition), ...branch("else")],
        }]];
      }
      case "dependentRequired":
        return Object.entries(record(value, node, keyword)).map(([name, names]) => [
          { narrow: without(name, node) },
          { narrow: (shape) => required(shape, [name, ...strings(names, node, keyword)], node) },
        ]);
      case "dependentSchemas":
        return Object.entries(record(value, node, keyword)).map(([name, part]) => [
          { narrow: without(name, node) },
          { narrow: (shape) => required(shape, [name], node), more: [task_(part, name)] },
        ]);
      case "unevaluatedProperties":
      case "unevaluatedItems": {
        const kind = keyword === "unevaluatedItems" ? "array" : "object";
        const entry: Unevaluated = { owner: node.id, conditions: [task_(value)].map(plain), owners: outer };
        return always({
          narrow: (shape) => ({
            ...shape,
            [kind]: { ...shape[kind], unevaluated: [...shape[kind].unevaluated, entry] },
          }),
        });
      }
      default:
        return always({ narrow: (shape) => this.#narrow(shape, keyword, task) });
    }
  }

  #anyOf(members: Task[], node: SchemaNode, owners: ReadonlySet<number>): Way[] {
    if (owners.size === 0) return members.map((member) => ({ more: [member] }));
    if (members.length > COMBINED_MEMBERS_MAX) {
      throw unsupported(
        node.place,
        "anyOf beside unevaluated…",
        `at most ${COMBINED_MEMBERS_MAX} members`,
        `${members.length}`,
      );
    }
    return Array.from({ length: (1 << members.length) - 1 }, (_, i) => ({
      more: members.filter((_, bit) => (i + 1) >> bit & 1),
    }));
  }

  /** Conditions that are no choice. */
  #narrow(shape: Shape, keyword: string, { node, owners }: Task): Shape {
    const schema = node.schema as Record<string, unknown>;
    const value = schema[keyword];
    const part = (part: unknown, ...path: (string | number)[]): Conditions => [{
      node: this.#document.below(node, part, keyword, ...path),
      isNegated: false,
    }];
    switch (keyword) {
      case "type":
        return ofTypes(shape, value, node);
      case "const":
        return {
          ...shape,
          values: shape.values ? shape.values.filter((one) => isEqual(one, value)) : [value],
        };
      case "enum": {
        const values = list(value, node, keyword);
        const kept = (shape.values ?? values).filter((one) => values.some((other) => isEqual(one, other)));
        return { ...shape, values: kept };
      }
      case "minimum":
      case "exclusiveMinimum":
        return onNumber(shape, keyword, Math.max(shape.number[keyword], number(value, node, keyword)));
      case "maximum":
      case "exclusiveMaximum":
        return onNumber(shape, keyword, Math.min(shape.number[keyword], number(value, node, keyword)));
      case "multipleOf":
        return onNumber(shape, "multiplesOf", [...shape.number.multiplesOf, positive(value, node, keyword)]);
      case "minLength":
        return onString(shape, { min: Math.max(shape.string.min, count(value, node, keyword)) });
      case "maxLength":
        return onString(shape, { max: Math.min(shape.string.max, count(value, node, keyword)) });
      case "pattern": {
        const source = string(value, node, keyword);
        return onString(shape, { patterns: [...shape.string.patterns, { source, isNegated: false }] });
      }
      case "format":
        return onString(shape, { formats: [...shape.string.formats, string(value, node, keyword)] });
      case "minItems":
        return onArray(shape, { min: Math.max(shape.array.min, count(value, node, keyword)) });
      case "maxItems":
        return onArray(shape, { max: Math.min(shape.array.max, count(value, node, keyword)) });
      case "uniqueItems":
        return value === true ? onArray(shape, { unique: node.place }) : shape;
      case "prefixItems":
      case "items": {
        if (keyword === "prefixItems" && "items" in schema) return shape;
        if (Array.isArray(schema.items)) {
          throw unsupported(node.place, "items as a list (prefixItems since draft 2020-12)");
        }
        const prefix = "prefixItems" in schema
          ? list(schema.prefixItems, node, "prefixItems").map((one, i): Conditions => [{
            node: this.#document.below(node, one, "prefixItems", i),
            isNegated: false,
          }])
          : [];
        const rest = "items" in schema ? part(schema.items) : undefined;
        return onArray(shape, { parts: [...shape.array.parts, { prefix, rest, owners }] });
      }
      case "contains": {
        const { minContains = 1, maxContains = Infinity } = schema;
        const min = count(minContains, node, "minContains");
        const max = maxContains === Infinity ? Infinity : count(maxContains, node, "maxContains");
        return onArray(shape, { contains: [...shape.array.contains, { conditions: part(value), min, max }] });
      }
      case "properties":
      case "patternProperties":
      case "additionalProperties":
        return this.#properties(shape, keyword, node, owners);
      case "required":
        return required(shape, strings(value, node, keyword), node, false);
      case "minProperties":
        return onObject(shape, {
          min: Math.max(shape.object.min, count(value, node, keyword)),
          place: node.place,
        });
      case "maxProperties":
        return onObject(shape, { max: Math.min(shape.object.max, count(value, node, keyword)) });
      case "propertyNames":
        return onObject(shape, { names: [...shape.object.names, part(value)] });
    }
    if (REFUSED.has(keyword) || keyword === "$schema" && !DRAFTS.has(String(value).replace(/#$/, ""))) {
      throw unsupported(node.place, keyword);
    }
    return shape;
  }

  /** The three keywords are one condition; the first of them that is there speaks for all. */
  #properties(shape: Shape, keyword: string, node: SchemaNode, owners: ReadonlySet<number>): Shape {
    const schema = node.schema as Record<string, unknown>;
    const names = ["properties", "patternProperties", "additionalProperties"];
    if (names.find((name) => name in schema) !== keyword) return shape;
    const signed = (part: unknown, ...path: string[]): Conditions => [{
      node: this.#document.below(node, part, ...path),
      isNegated: false,
    }];
    const entries = (name: string) => Object.entries(record(schema[name] ?? {}, node, name));
    return onObject(shape, {
      place: node.place,
      parts: [...shape.object.parts, {
        owners,
        properties: new Map(
          entries("properties").map(([name, part]) => [name, signed(part, "properties", name)]),
        ),
        patterns: entries("patternProperties").map(([source, part]) => ({
          source,
          conditions: signed(part, "patternProperties", source),
        })),
        additional: "additionalProperties" in schema
          ? signed(schema.additionalProperties, "additionalProperties")
          : undefined,
      }],
    });
  }

  /** The ways in which a keyword does not hold; `undefined` for one that always does. */
  #negated(keyword: string, { node }: Task): Way[] | undefined {
    const schema = node.schema as Record<string, unknown>;
    const value = schema[keyword];
    const task = (isNegated: boolean, part: unknown, ...path: (string | number)[]): Task => ({
      node: this.#document.below(node, part, ...path),
      isNegated,
      owners: NO_OWNERS,
    });
    const not = (part: unknown, ...path: (string | number)[]) => task(true, part, keyword, ...path);
    const of = (type: JsonType, narrow: (shape: Shape) => Shape): Way[] => [
      { narrow: (shape) => narrow(onlyTypes(shape, [type])) },
    ];
    const refuse = () => unsupported(node.place, `${keyword} under not, oneOf or if`);
    switch (keyword) {
      case "$ref":
        return [{
          more: [{ node: this.#document.resolve(node, value), isNegated: true, owners: NO_OWNERS }],
        }];
      case "allOf":
        return list(value, node, keyword).map((part, i) => ({ more: [not(part, i)] }));
      case "anyOf":
        return [{ more: list(value, node, keyword).map((part, i) => not(part, i)) }];
      case "not":
        return [{ more: [task(false, value, keyword)] }];
      case "if": {
        const branch = (name: "then" | "else", isNegated: boolean): Way[] =>
          name in schema ? [{ more: [task(isNegated, value, "if"), task(true, schema[name], name)] }] : [];
        return [...branch("then", false), ...branch("else", true)];
      }
      case "type":
        return notOfTypes(value, node);
      case "const":
        return [{ narrow: (shape) => ({ ...shape, notValues: [...shape.notValues, value] }) }];
      case "enum":
        return [{
          narrow: (shape) => ({ ...shape, notValues: [...shape.notValues, ...list(value, node, keyword)] }),
        }];
      case "minimum":
        return of(
          "number",
          (s) =>
            onNumber(
              s,
              "exclusiveMaximum",
              Math.min(s.number.exclusiveMaximum, number(value, node, keyword)),
            ),
        );
      case "exclusiveMinimum":
        return of(
          "number",
          (s) => onNumber(s, "maximum", Math.min(s.number.maximum, number(value, node, keyword))),
        );
      case "maximum":
        return of(
          "number",
          (s) =>
            onNumber(
              s,
              "exclusiveMinimum",
              Math.max(s.number.exclusiveMinimum, number(value, node, keyword)),
            ),
        );
      case "exclusiveMaximum":
        return of(
          "number",
          (s) => onNumber(s, "minimum", Math.max(s.number.minimum, number(value, node, keyword))),
        );
      case "multipleOf":
        return of(
          "number",
          (s) => onNumber(s, "notMultiplesOf", [...s.number.notMultiplesOf, positive(value, node, keyword)]),
        );
      case "minLength":
        return of(
          "string",
          (s) => onString(s, { max: Math.min(s.string.max, count(value, node, keyword) - 1) }),
        );
      case "maxLength":
        return of(
          "string",
          (s) => onString(s, { min: Math.max(s.string.min, count(value, node, keyword) + 1) }),
        );
      case "pattern":
        return of(
          "string",
          (s) =>
            onString(s, {
              patterns: [...s.string.patterns, { source: string(value, node, keyword), isNegated: true }],
            }),
        );
      case "minItems":
        return of(
          "array",
          (s) => onArray(s, { max: Math.min(s.array.max, count(value, node, keyword) - 1) }),
        );
      case "maxItems":
        return of(
          "array",
          (s) => onArray(s, { min: Math.max(s.array.min, count(value, node, keyword) + 1) }),
        );
      case "prefixItems":
        return list(value, node, keyword).flatMap((part, i) =>
          of("array", (s) =>
            onArray(s, {
              min: Math.max(s.array.min, i + 1),
              parts: [...s.array.parts, {
                prefix: Array.from({ length: i + 1 }, (_, at) => at === i ? [plain(not(part, i))] : []),
                owners: NO_OWNERS,
              }],
            }))
        );
      case "items":
        if ("prefixItems" in schema) throw refuse();
        return of(
          "array",
          (s) =>
            onArray(s, {
              contains: [...s.array.contains, { conditions: [plain(not(value))], min: 1, max: Infinity }],
            }),
        );
      case "contains": {
        const { minContains = 1, maxContains = Infinity } = schema;
        const add = (min: number, max: number) =>
          of(
            "array",
            (s) =>
              onArray(s, {
                contains: [...s.array.contains, {
                  conditions: [plain(task(false, value, keyword))],
                  min,
                  max,
                }],
              }),
          );
        return [
          ...(Number(minContains) > 0 ? add(0, Number(minContains) - 1) : []),
          ...(maxContains === Infinity ? [] : add(Number(maxContains) + 1, Infinity)),
        ];
      }
      case "properties":
        return Object.entries(record(value, node, keyword)).flatMap(([name, part]) =>
          of("object", (s) => withProperty(required(s, [name], node), name, [plain(not(part, name))]))
        );
      case "required":
        return strings(value, node, keyword).flatMap((name) => of("object", without(name, node)));
      case "minProperties":
        return of(
          "object",
          (s) => onObject(s, { max: Math.min(s.object.max, count(value, node, keyword) - 1) }),
        );
      case "maxProperties":
        return of(
          "object",
          (s) => onObject(s, { min: Math.max(s.object.min, count(value, node, keyword) + 1) }),
        );
      case "additionalProperties":
        if (value === true) return [];
        throw refuse();
    }
    if (SILENT.has(keyword)) return undefined;
    if (REFUSED.has(keyword) || NEGATION_UNKNOWN.has(keyword)) throw refuse();
    return undefined;
  }
}

/** Keywords that hold of some values only, and whose negation is not worked out. */
const NEGATION_UNKNOWN = new Set([
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

const plain = ({ node, isNegated }: Signed): Signed => ({ node, isNegated });

function isPossible({ types, values, array, object, string }: Shape): boolean {
  if (types.size === 0 || values?.length === 0) return false;
  const isOnly = (type: JsonType) => types.size === 1 && types.has(type);
  return !(isOnly("array") && array.min > array.max || isOnly("object") && object.min > object.max ||
    isOnly("string") && string.min > string.max);
}

function onlyTypes(shape: Shape, types: readonly JsonType[]): Shape {
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

function ofTypes(shape: Shape, value: unknown, node: SchemaNode): Shape {
  const names = typeNames(value, node);
  const isInteger = names.includes("integer") && !names.includes("number");
  const types = names.map((name) => (name === "integer" ? "number" : name) as JsonType);
  const narrowed = onlyTypes(shape, types);
  return isInteger ? onNumber(narrowed, "isInteger", true) : narrowed;
}

function notOfTypes(value: unknown, node: SchemaNode): Way[] {
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

function onNumber<K extends keyof NumberConditions>(shape: Shape, key: K, value: NumberConditions[K]): Shape {
  return { ...shape, number: { ...shape.number, [key]: value } };
}

function onString(shape: Shape, conditions: Partial<Shape["string"]>): Shape {
  return { ...shape, string: { ...shape.string, ...conditions } };
}

function onArray(shape: Shape, conditions: Partial<Shape["array"]>): Shape {
  return { ...shape, array: { ...shape.array, ...conditions } };
}

function onObject(shape: Shape, conditions: Partial<Shape["object"]>): Shape {
  return { ...shape, object: { ...shape.object, ...conditions } };
}

/** @param isObject Whether nothing else than an object fulfils it. */
function required(shape: Shape, names: readonly string[], { place }: SchemaNode, isObject = true): Shape {
  const all = [...new Set([...shape.object.required, ...names])];
  return onObject(isObject ? onlyTypes(shape, ["object"]) : shape, { required: all, place });
}

function withProperty(shape: Shape, name: string, conditions: Conditions): Shape {
  const part = { owners: NO_OWNERS, properties: new Map([[name, conditions]]), patterns: [] };
  return onObject(shape, { parts: [...shape.object.parts, part] });
}

/** Objects without the property, and everything else. */
function without(name: string, node: SchemaNode): (shape: Shape) => Shape {
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

function list(value: unknown, { place }: SchemaNode, keyword: string): unknown[] {
  if (Array.isArray(value)) return value;
  throw badSchema(place, keyword, "a list", value);
}

function strings(value: unknown, node: SchemaNode, keyword: string): string[] {
  return list(value, node, keyword).map((name) => string(name, node, keyword));
}

function string(value: unknown, { place }: SchemaNode, keyword: string): string {
  if (typeof value === "string") return value;
  throw badSchema(place, keyword, "a string", value);
}

function record(value: unknown, { place }: SchemaNode, keyword: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw badSchema(place, keyword, "an object", value);
}

function number(value: unknown, { place }: SchemaNode, keyword: string): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw badSchema(place, keyword, "a number", value);
}

function positive(value: unknown, node: SchemaNode, keyword: string): number {
  if (number(value, node, keyword) > 0) return value as number;
  throw badSchema(node.place, keyword, "a number above 0", value);
}

function count(value: unknown, node: SchemaNode, keyword: string): number {
  if (number(value, node, keyword) >= 0 && Number.isInteger(value)) return value as number;
  throw badSchema(node.place, keyword, "a whole number from 0 on", value);
}
