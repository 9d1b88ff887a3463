/**
 * JSON Schema, draft 2020-12, as a grammar.
 *
 * Policies, where a schema leaves a choice: properties come in the order in which the schema names them, others after them; numbers
 * under conditions have no exponent, whole numbers no fraction; texts that are compared with anything have one spelling; nothing
 * stands before and after the value.
 *
 * @module
 */
import { RemoraError } from "../../core/errors.ts";
import { GRAMMAR_PRODUCT_STEPS_MAX, GRAMMAR_PROPERTIES_MAX, GRAMMAR_RULES_MAX } from "../../core/limits.ts";
import { EVERY_CHARACTER } from "../characters.ts";
import { countedItems } from "./counted_items.ts";
import { compileRegex } from "../regex.ts";
import type { Term, TermStore } from "../terms.ts";
import { FORMATS, UNSUPPORTED_FORMATS } from "./formats.ts";
import { numberTerm, plainDecimal } from "./numbers.ts";
import {
  extrasOf,
  itemConditions,
  type Member,
  membersOf,
  prefixLength,
  propertyConditions,
} from "./plans.ts";
import { SchemaDocument, unsupported } from "./schema_document.ts";
import { type Conditions, isEqual, type Shape } from "./shape.ts";
import { nameOf, Shapes } from "./shapes.ts";
import { JsonText, spelling } from "./text.ts";

/** Items that an array under `contains` counts one by one. */
const COUNTED_ITEMS_MAX = 256;
/** How deep it is looked for a contradiction between two members of `oneOf`. */
const HOPELESS_DEPTH = 3;

/**
 * The texts of the values that a schema describes.
 *
 * @throws {RemoraError} UNSUPPORTED naming the keyword that is not supported and its place, or for a schema that nothing fits;
 * BAD_ARGUMENT for what is no schema.
 */
export function compileJsonSchema(store: TermStore, schema: unknown): Term {
  return new SchemaCompiler(store, new SchemaDocument(schema)).compile();
}

/** Schemas that were compiled: rules of different schemas must not have one name. */
let schemas = 0;

/** A kind of item: what it fulfils, and which of the conditions of `contains` are among that. */
interface ItemKind {
  conditions: Conditions;
  counted: boolean[];
}

class SchemaCompiler {
  readonly #store: TermStore;
  readonly #json: JsonText;
  readonly #document: SchemaDocument;
  readonly #shapes: Shapes;
  readonly #expanded = new Map<string, Shape[]>();
  readonly #contentsOf = new Map<Shape, Term>();
  /** Names of the sets that some value fulfils. */
  readonly #possible = new Set<string>();
  readonly #name = `schema ${schemas++}`;
  #depth = 0;
  #countedArrays = 0;

  constructor(store: TermStore, document: SchemaDocument) {
    this.#store = store;
    this.#json = new JsonText(store);
    this.#document = document;
    this.#shapes = new Shapes(document, (conditions) => this.#isHopeless(conditions));
  }

  compile(): Term {
    const root: Conditions = [{ node: this.#document.root, isNegated: false }];
    this.#findPossible(root);
    return this.#possible.has(nameOf(root)) ? this.#value(root) : this.#store.nothing;
  }

  #expand(conditions: Conditions): Shape[] {
    const name = nameOf(conditions);
    let shapes = this.#expanded.get(name);
    if (!shapes) {
      if (this.#expanded.size >= GRAMMAR_RULES_MAX) {
        throw unsupported(
          conditions[0].node.place,
          "the schema",
          `at most ${GRAMMAR_RULES_MAX} places`,
          "more",
        );
      }
      this.#expanded.set(name, shapes = this.#shapes.expand(conditions));
      for (const shape of shapes) refuseUnsupported(shape);
    }
    return shapes;
  }

  /** Looks a few levels down for two conditions that contradict each other. */
  #isHopeless(conditions: Conditions): boolean {
    if (this.#depth >= HOPELESS_DEPTH) return false;
    this.#depth++;
    try {
      return this.#shapes.expand(conditions).every((shape) => !this.#mayBe(shape));
    } catch (error) {
      if (error instanceof RemoraError && error.code === "UNSUPPORTED") return false;
      throw error;
    } finally {
      this.#depth--;
    }
  }

  #mayBe(shape: Shape): boolean {
    if (shape.values) return shape.values.some((value) => this.#fitsShape(value, shape));
    return [...shape.types].some((type) => {
      if (type === "number") return this.#number(shape).kind !== "nothing";
      if (type === "string") return this.#stringContent(shape).kind !== "nothing";
      if (type !== "object") return true;
      return membersOf(shape.object).every(({ isRequired, conditions }) =>
        !isRequired || !this.#isHopeless(conditions)
      );
    });
  }

  /** Goes through all sets that can be met, and finds those that some finite value fulfils. */
  #findPossible(root: Conditions): void {
    const met = new Map<string, Shape[]>();
    const open: Conditions[] = [root];
    while (open.length > 0) {
      const conditions = open.pop()!;
      const name = nameOf(conditions);
      if (met.has(name)) continue;
      const shapes = this.#expand(conditions);
      met.set(name, shapes);
      for (const shape of shapes) open.push(...this.#metWithin(shape));
    }
    // Those that were met last are the innermost: most are decided in the first round.
    const rest = new Map([...met].reverse());
    for (let hasGrown = true; hasGrown;) {
      hasGrown = false;
      for (const [name, shapes] of rest) {
        // All of them, so that what is not supported is found at once.
        const possible = shapes.map((shape) =>
          this.#isStructurePossible(shape) || this.#isScalarPossible(shape)
        );
        if (!possible.includes(true)) continue;
        this.#possible.add(name);
        rest.delete(name);
        hasGrown = true;
      }
    }
  }

  /** The sets that items and properties of a value of this shape have to fulfil. */
  #metWithin(shape: Shape): Conditions[] {
    const { values, types, array, object } = shape;
    if (values) return [];
    const indices = Array.from({ length: types.has("array") ? prefixLength(array) + 1 : 0 }, (_, i) => i);
    const items = indices.flatMap((i) => this.#kindsOf(shape, i));
    const properties = types.has("object") ? [...membersOf(object), ...extrasOf(object)] : [];
    return [...items, ...properties].map(({ conditions }) => conditions);
  }

  #isScalarPossible(shape: Shape): boolean {
    if (shape.values) return shape.values.some((value) => this.#fitsShape(value, shape));
    const isFree = (value: unknown) => !shape.notValues.some((other) => isEqual(value, other));
    return shape.types.has("null") && isFree(null) ||
      shape.types.has("boolean") && (isFree(true) || isFree(false)) ||
      shape.types.has("number") && this.#number(shape).kind !== "nothing" ||
      shape.types.has("string") && this.#stringContent(shape).kind !== "nothing";
  }

  #isStructurePossible(shape: Shape): boolean {
    if (shape.values) return false;
    return shape.types.has("array") && this.#array(shape).kind !== "nothing" ||
      shape.types.has("object") && this.#object(shape).kind !== "nothing";
  }

  /** The rule of a set of conditions. */
  #value(conditions: Conditions): Term {
    const name = nameOf(conditions);
    if (!this.#possible.has(name)) return this.#store.nothing;
    return this.#store.rule(
      `${this.#name}: ${name}`,
      () => this.#store.either(this.#expand(conditions).map((shape) => this.#shape(shape))),
    );
  }

  #shape(shape: Shape): Term {
    const store = this.#store;
    if (shape.values) return this.#literals(shape.values.filter((value) => this.#fitsShape(value, shape)));
    const isFree = (value: unknown) => !shape.notValues.some((other) => isEqual(value, other));
    const options: Term[] = [];
    for (const type of shape.types) {
      if (type === "null") { if (isFree(null)) options.push(store.text("null")); }
      else if (type === "boolean") {
        options.push(...[true, false].filter(isFree).map((value) => store.text(`${value}`)));
      } else if (type === "number") options.push(this.#number(shape));
      else if (type === "string") options.push(this.#json.quoted(this.#stringContent(shape)));
      else if (type === "array") options.push(this.#array(shape));
      else options.push(this.#object(shape));
    }
    return store.either(options);
  }

  /** Any of these values. Those that are one text each share their beginnings. */
  #literals(values: readonly unknown[]): Term {
    const { texts = [], terms = [] } = Object.groupBy(
      values,
      (value) => typeof value === "object" && value !== null ? "terms" : "texts",
    );
    const scalars = texts.filter((value) => typeof value !== "string" || value.isWellFormed()).map((value) =>
      typeof value === "number" ? plainDecimal(value) : JSON.stringify(value)
    );
    return this.#store.either([this.#json.texts(scalars), ...terms.map((value) => this.#literal(value))]);
  }

  /** A value in its one spelling, with white space. */
  #literal(value: unknown): Term {
    const store = this.#store, { space, comma, colon } = this.#json;
    if (typeof value === "number") return store.text(plainDecimal(value));
    if (typeof value === "string") return this.#json.quotedText(value);
    if (typeof value !== "object" || value === null) return store.text(`${value}`);
    const isList = Array.isArray(value);
    const items = isList
      ? value.map((item) => this.#literal(item))
      : Object.entries(value).map(([key, item]) =>
        store.sequence(this.#json.quotedText(key), colon, this.#literal(item))
      );
    const separated = items.flatMap((item, i) => i === 0 ? [item] : [comma, item]);
    const [open, close] = isList ? "[]" : "{}";
    if (items.length === 0) return store.sequence(store.text(open), space, store.text(close));
    return store.sequence(store.text(open), space, ...separated, space, store.text(close));
  }

  #number({ number, notValues }: Shape): Term {
    const not = notValues.filter((value) => typeof value === "number");
    return numberTerm(this.#json, not.length > 0 ? { ...number, not } : number);
  }

  /** The inside of a string; made once, as each value of an `enum` is held against it. */
  #stringContent(shape: Shape): Term {
    const known = this.#contentsOf.get(shape);
    if (known) return known;
    if (this.#store.steps > GRAMMAR_PRODUCT_STEPS_MAX) {
      throw unsupported(shape.object.place, "the schema", "fewer or simpler conditions on texts", "too many");
    }
    const content = this.#findContent(shape);
    this.#contentsOf.set(shape, content);
    return content;
  }

  #findContent({ string: { patterns, formats, min, max }, notValues }: Shape): Term {
    const store = this.#store, json = this.#json;
    const write = json.character.bind(json);
    const not = this.#json.contents(notValues);
    const asserted = formats.filter((format) => Object.hasOwn(FORMATS, format));
    if (patterns.length + asserted.length === 0 && not.kind === "nothing") {
      return store.repeat(json.anyCharacter, min, max);
    }
    const isBounded = min > 0 || max < Infinity;
    return store.both(
      store.repeat(json.character(EVERY_CHARACTER), min, isBounded ? max : Infinity),
      ...patterns.map(({ source, isNegated }) => {
        const term = compileRegex(store, source, { search: true, write });
        return isNegated ? store.not(term) : term;
      }),
      ...asserted.map((format) => compileRegex(store, FORMATS[format], { write })),
      store.not(not),
    );
  }

  /** The kinds of item at an index: which of the conditions of `contains` it fulfils. */
  #kindsOf({ array }: Shape, index: number): ItemKind[] {
    const { contains } = array;
    const asked = itemConditions(array, index);
    return Array.from({ length: 1 << contains.length }, (_, bits) => {
      const counted = contains.map((_, i) => (bits >> i & 1) === 1);
      const more = contains.map(({ conditions }, i) => counted[i] ? conditions : negation(conditions));
      return { conditions: [...asked, ...more.flat()], counted };
    });
  }

  #array(shape: Shape): Term {
    const store = this.#store, { space, comma } = this.#json;
    const { array: { contains, min, max }, notValues } = shape;
    if (notValues.some(Array.isArray)) throw unsupported("#", "an array in const or enum under not");
    const prefix = prefixLength(shape.array);
    const close = store.sequence(space, store.text("]"));
    const open = store.sequence(store.text("["), space);
    if (contains.length > 0) return this.#countedArray(shape, (index) => this.#kindsOf(shape, index));
    const rest = this.#value(itemConditions(shape.array, prefix));
    /** From item `index` on, when there is one before it. */
    let tail = store.sequence(
      store.repeat(
        store.sequence(comma, rest),
        Math.max(0, min - Math.max(prefix, 1)),
        Math.max(0, max - Math.max(prefix, 1)),
      ),
      close,
    );
    for (let index = Math.max(prefix, 1) - 1; index >= 1; index--) {
      const item = this.#value(itemConditions(shape.array, index));
      const more = index < max ? store.sequence(comma, item, tail) : store.nothing;
      tail = store.either([index >= min ? close : store.nothing, more]);
    }
    const first = max > 0 ? store.sequence(this.#value(itemConditions(shape.array, 0)), tail) : store.nothing;
    return store.sequence(open, store.either([min === 0 ? store.text("]") : store.nothing, first]));
  }

  /** An array whose items are counted by kind: an automaton over how many there were. */
  #countedArray({ array, object }: Shape, kindsOf: (index: number) => ItemKind[]): Term {
    const { contains, min, max } = array;
    const bound = (limit: number) => limit === Infinity ? 0 : limit;
    // Beyond these numbers nothing changes.
    const indexEnd = Math.max(prefixLength(array), min, bound(max) + 1);
    const countEnds = contains.map((one) => Math.max(one.min, bound(one.max) + 1));
    if (indexEnd > COUNTED_ITEMS_MAX || countEnds.some((end) => end > COUNTED_ITEMS_MAX)) {
      throw unsupported(object.place, "contains", `at most ${COUNTED_ITEMS_MAX} counted items`, "more");
    }
    return countedItems(this.#json, `${this.#name}, ${this.#countedArrays++}`, {
      start: { index: 0, counts: contains.map(() => 0) },
      mayEnd: ({ index, counts }) => index >= min && contains.every((one, i) => counts[i] >= one.min),
      steps: ({ index, counts }) => {
        if (index >= max) return [];
        return kindsOf(index).flatMap(({ conditions, counted }) => {
          const next = counts.map((count, i) => Math.min(countEnds[i], count + Number(counted[i])));
          const item = this.#value(conditions);
          if (item.kind === "nothing" || contains.some((one, i) => next[i] > one.max)) return [];
          return [{ item, next: { index: Math.min(indexEnd, index + 1), counts: next } }];
        });
      },
    });
  }

  #object(shape: Shape): Term {
    const store = this.#store, { space, comma, colon } = this.#json;
    const { object, notValues } = shape;
    if (notValues.some((value) => typeof value === "object" && value !== null && !Array.isArray(value))) {
      throw unsupported(object.place, "an object in const or enum under not");
    }
    const members = membersOf(object);
    if (members.length > GRAMMAR_PROPERTIES_MAX) {
      throw unsupported(
        object.place,
        "properties",
        `at most ${GRAMMAR_PROPERTIES_MAX} names`,
        `${members.length}`,
      );
    }
    const mayBeNamed = ({ name }: Member) => object.names.every((conditions) => this.#fits(name, conditions));
    const extra = this.#extraMember(shape, members.map(({ name }) => name));
    const close = store.sequence(space, store.text("}"));
    const texts = members.map((member) => {
      const value = mayBeNamed(member) ? this.#value(member.conditions) : store.nothing;
      return store.sequence(this.#json.quotedText(member.name), colon, value);
    });
    const isCounted = object.min > object.required.length || object.max < Infinity;
    const memo = new Map<string, Term>();
    const from = (index: number, count: number): Term => {
      const key = `${index} ${isCounted ? count : Math.min(count, 1)}`;
      const known = memo.get(key);
      if (known) return known;
      const separator = count === 0 ? store.empty : comma;
      const options: Term[] = [];
      if (index === members.length) {
        options.push(this.#extraMembers(extra, separator, object, count, close));
      } else {
        const { isRequired } = members[index];
        if (count < object.max && texts[index].kind !== "nothing") {
          options.push(store.sequence(separator, texts[index], from(index + 1, count + 1)));
        }
        if (!isRequired) options.push(from(index + 1, count));
      }
      const term = store.either(options);
      memo.set(key, term);
      return term;
    };
    // The last ones first, so that many properties do not nest as many calls.
    for (let index = members.length; index > 0; index--) from(index, 1);
    return store.sequence(store.text("{"), space, from(0, 0));
  }

  /** Any number of properties that the schema does not name, then the end. */
  #extraMembers(
    extra: Term,
    separator: Term,
    { min, max, place }: Shape["object"],
    count: number,
    close: Term,
  ): Term {
    const store = this.#store;
    const end = count === 0 ? store.text("}") : close;
    if (extra.kind === "nothing" || count >= max) return count >= min ? end : store.nothing;
    const missing = Math.max(0, min - count);
    // Two properties of one name are one, and what names there were is not remembered.
    if (missing > 1) throw unsupported(place, "minProperties beyond the properties that have names");
    const more = store.repeat(store.sequence(this.#json.comma, extra), 0, max - count - 1);
    const some = store.sequence(separator, extra, more, close);
    return missing === 0 ? store.either([end, some]) : some;
  }

  /** A property of any other name. */
  #extraMember({ object }: Shape, known: readonly string[]): Term {
    const store = this.#store, json = this.#json;
    const write = json.character.bind(json);
    return store.either(
      extrasOf(object).map(({ matched, unmatched, conditions }) => {
        const value = this.#value(conditions);
        if (value.kind === "nothing") return store.nothing;
        const parts: Term[] = [];
        if (known.length > 0) parts.push(store.not(this.#json.contents(known)));
        for (const source of matched) parts.push(compileRegex(store, source, { search: true, write }));
        for (const source of unmatched) {
          parts.push(store.not(compileRegex(store, source, { search: true, write })));
        }
        for (const names of object.names) {
          parts.push(store.either(
            this.#expand(names).filter((shape) => shape.types.has("string")).map((shape) =>
              shape.values
                ? this.#json.contents(shape.values.filter((one) => this.#fitsShape(one, shape)))
                : this.#stringContent(shape)
            ),
          ));
        }
        const name = parts.length === 0
          ? store.repeat(json.anyCharacter)
          : store.both(json.canonicalContent, ...parts);
        return store.sequence(json.quoted(name), json.colon, value);
      }),
    );
  }

  /** Whether a value fulfils conditions. */
  #fits(value: unknown, conditions: Conditions): boolean {
    return this.#expand(conditions).some((shape) => this.#fitsShape(value, shape));
  }

  #fitsShape(value: unknown, shape: Shape): boolean {
    const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    if (!shape.types.has(type as never)) return false;
    if (shape.values && !shape.values.some((other) => isEqual(value, other))) return false;
    if (shape.notValues.some((other) => isEqual(value, other))) return false;
    if (typeof value === "number") {
      // An exponent is a spelling of its own, which conditions do not know.
      const number = this.#number(shape);
      return this.#store.matches(number, plainDecimal(value));
    }
    if (typeof value === "string") {
      return value.isWellFormed() && this.#store.matches(this.#stringContent(shape), spelling(value));
    }
    if (Array.isArray(value)) return this.#fitsArray(value, shape);
    if (typeof value === "object" && value !== null) {
      return this.#fitsObject(value as Record<string, unknown>, shape);
    }
    return true;
  }

  #fitsArray(values: readonly unknown[], { array }: Shape): boolean {
    return values.length >= array.min && values.length <= array.max &&
      values.every((value, i) => this.#fits(value, itemConditions(array, i))) &&
      array.contains.every(({ conditions, min, max }) => {
        const count = values.filter((value) => this.#fits(value, conditions)).length;
        return count >= min && count <= max;
      });
  }

  #fitsObject(value: Record<string, unknown>, { object }: Shape): boolean {
    const names = Object.keys(value);
    return names.length >= object.min && names.length <= object.max &&
      object.required.every((name) => Object.hasOwn(value, name)) &&
      names.every((name) =>
        this.#fits(value[name], propertyConditions(object, name)) &&
        object.names.every((conditions) => this.#fits(name, conditions))
      );
  }
}

function negation(conditions: Conditions): Conditions {
  // What `contains` says is one schema.
  return conditions.map(({ node, isNegated }) => ({ node, isNegated: !isNegated }));
}

/** Refuses what is not supported as soon as a schema is compiled, not when an answer comes to it. */
function refuseUnsupported({ types, values, array, string, object }: Shape): void {
  if (values) return;
  if (types.has("string")) {
    const format = string.formats.find((name) => UNSUPPORTED_FORMATS.has(name));
    if (format !== undefined) throw unsupported(object.place, `format "${format}"`);
  }
  if (!types.has("array")) return;
  if (array.unique !== undefined && array.max > 1) throw unsupported(array.unique, "uniqueItems");
  if (array.unevaluated.length > 0 && array.contains.length > 0) {
    throw unsupported(object.place, "unevaluatedItems beside contains");
  }
}
