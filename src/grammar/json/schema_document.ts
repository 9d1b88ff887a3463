/**
 * A JSON schema with its parts by their names: `$id`, `$anchor`, `$ref`.
 *
 * @module
 */
import { RemoraError } from "../../core/errors.ts";
import { GRAMMAR_CHARACTERS_MAX, GRAMMAR_CONSTANTS_MAX, JSON_DEPTH_MAX } from "../../core/limits.ts";
import { inCurrentDraft } from "./earlier_drafts.ts";

/** A schema, or a part of one. */
export type Schema = boolean | Readonly<Record<string, unknown>>;

/** A part of a document that is a schema. */
export interface SchemaNode {
  readonly schema: Schema;
  /** Against which references in it are resolved. */
  readonly base: string;
  /** Where it stands, for messages. */
  readonly place: string;
  /** Equal for the same part only. */
  readonly id: number;
}

const ROOT_BASE = "schema://root/";
/** Keywords under which values stand that are no schemas, whatever they look like. */
const VALUE_KEYWORDS = new Set(["const", "enum", "default", "examples"]);

/** @returns The refusal of a keyword, by its place. */
export function unsupported(place: string, keyword: string, expected?: string, found = keyword): RemoraError {
  return new RemoraError("UNSUPPORTED", `Cannot use ${keyword} at ${place} of the JSON schema`, {
    expected,
    found: expected === undefined ? "a keyword that is not supported" : found,
  });
}

/** @returns The refusal of what is no schema. */
export function badSchema(place: string, keyword: string, expected: string, found: unknown): RemoraError {
  return new RemoraError("BAD_ARGUMENT", `Cannot use ${keyword} at ${place} of the JSON schema`, {
    expected,
    found: JSON.stringify(found) ?? String(found),
  });
}

/** Finds parts of a schema. */
export class SchemaDocument {
  readonly root: SchemaNode;
  readonly #nodes = new Map<unknown, SchemaNode>();
  /** By absolute URI, with `#` and the anchor where there is one. */
  readonly #named = new Map<string, SchemaNode>();
  #count = 0;
  /** Values of `enum`. */
  #constants = 0;
  /** Of names, constants and patterns. */
  #characters = 0;

  /** @throws {RemoraError} BAD_ARGUMENT when it is no schema. */
  constructor(schema: unknown) {
    this.#register(schema, ROOT_BASE, "#", 0);
    this.root = this.node(schema, ROOT_BASE, "#");
    this.#named.set(ROOT_BASE, this.#named.get(ROOT_BASE) ?? this.root);
  }

  /** The node of a part. */
  node(schema: unknown, base: string, place: string): SchemaNode {
    const known = this.#nodes.get(schema);
    if (known && typeof schema === "object") return known;
    if (
      typeof schema !== "boolean" && (typeof schema !== "object" || schema === null || Array.isArray(schema))
    ) {
      throw badSchema(place, "the value", "a schema: an object or a boolean", schema);
    }
    const current = typeof schema === "object" ? inCurrentDraft(schema as Record<string, unknown>) : schema;
    const own = typeof current === "object" && typeof current.$id === "string"
      ? resolve(current.$id, base, place)
      : base;
    const node = { schema: current, base: own, place, id: this.#count++ };
    this.#nodes.set(schema, node);
    return node;
  }

  /** A part below a node. */
  below(node: SchemaNode, schema: unknown, ...path: (string | number)[]): SchemaNode {
    return this.node(schema, node.base, [node.place, ...path].join("/"));
  }

  /** @throws {RemoraError} UNSUPPORTED for one that leads out of the document, BAD_ARGUMENT for one that leads nowhere. */
  resolve(node: SchemaNode, reference: unknown): SchemaNode {
    if (typeof reference !== "string") throw badSchema(node.place, "$ref", "a string", reference);
    const url = resolve(reference, node.base, node.place);
    const [resource, fragment = ""] = url.split("#");
    const root = this.#named.get(resource);
    if (!root) throw unsupported(node.place, "$ref", "a reference within the schema", reference);
    const missing = () => badSchema(node.place, "$ref", "a reference to what is there", reference);
    const name = decoded(fragment);
    if (name === undefined) throw missing();
    if (name === "") return root;
    if (!name.startsWith("/")) {
      const anchored = this.#named.get(`${resource}#${name}`);
      if (anchored) return anchored;
      throw missing();
    }
    return this.#follow(root, name, missing);
  }

  #follow(root: SchemaNode, pointer: string, missing: () => RemoraError): SchemaNode {
    let value: unknown = root.schema;
    let { base } = root;
    for (const step of pointer.slice(1).split("/")) {
      const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) throw missing();
      value = (value as Record<string, unknown>)[key];
      base = this.#nodes.get(value)?.base ?? base;
    }
    return this.node(value, base, `#${pointer}`);
  }

  /** Counts what a grammar spells out: names, constants and patterns. */
  #spell(key: string, part: unknown, place: string): void {
    const isConstant = key === "const" || key === "enum";
    if (key === "enum" && Array.isArray(part)) this.#constants += part.length;
    if (this.#constants > GRAMMAR_CONSTANTS_MAX) {
      throw unsupported(place, "enum", `at most ${GRAMMAR_CONSTANTS_MAX} values in the whole schema`, "more");
    }
    this.#characters += key.length;
    if (isConstant || key === "pattern") this.#characters += JSON.stringify(part).length;
    if (this.#characters > GRAMMAR_CHARACTERS_MAX) {
      const expected =
        `at most ${GRAMMAR_CHARACTERS_MAX} characters of names, constants and patterns in the whole schema`;
      throw unsupported(place, key.slice(0, 80), expected, "more");
    }
  }

  #register(value: unknown, base: string, place: string, depth: number): void {
    if (typeof value !== "object" || value === null) return;
    if (depth > JSON_DEPTH_MAX) {
      throw badSchema(place, "the value", `at most ${JSON_DEPTH_MAX} levels of nesting`, "more");
    }
    if (Array.isArray(value)) {
      return value.forEach((item, i) => this.#register(item, base, `${place}/${i}`, depth + 1));
    }
    const { $id, $anchor, $dynamicAnchor } = value as Record<string, unknown>;
    let own = base;
    if (typeof $id === "string") {
      own = resolve($id, base, place);
      this.#named.set(own, this.node(value, base, place));
    }
    for (const anchor of [$anchor, $dynamicAnchor]) {
      if (typeof anchor === "string") this.#named.set(`${own}#${anchor}`, this.node(value, base, place));
    }
    for (const [key, part] of Object.entries(value)) {
      this.#spell(key, part, place);
      if (!VALUE_KEYWORDS.has(key)) this.#register(part, own, `${place}/${key}`, depth + 1);
    }
  }
}

/** What a URI's escapes say; `undefined` where they say nothing. */
function decoded(fragment: string): string | undefined {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return undefined;
  }
}

function resolve(reference: string, base: string, place: string): string {
  const url = URL.parse(reference, base);
  if (!url) throw badSchema(place, "$ref or $id", "a URI", reference);
  return url.href.replace(/#$/, "");
}
