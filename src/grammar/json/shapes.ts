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
import { narrow } from "./holding.ts";
import { list, record, strings } from "./keyword_values.ts";
import { negate } from "./not_holding.ts";
import { type SchemaDocument, type SchemaNode, unsupported } from "./schema_document.ts";
import {
  ANY,
  type Conditions,
  isPossible,
  NO_OWNERS,
  plain,
  required,
  type Shape,
  type Task,
  type Unevaluated,
  type Way,
  without,
} from "./shape.ts";

/** `anyOf` beside `unevaluated…` counts the members that hold in every combination. */
const COMBINED_MEMBERS_MAX = 5;

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
    const { node } = task;
    return [
      Object.entries(schema).flatMap(([name, value]) =>
        negate({ name, value, node, document: this.#document })
      ),
    ];
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
        return always({
          narrow: (shape) => narrow(shape, { name: keyword, value, node, document: this.#document, owners }),
        });
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
}
