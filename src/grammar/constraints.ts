/**
 * What a request may ask of its answer, and the grammars that are made of that.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { GRAMMAR_COUNT_MAX } from "../core/limits.ts";
import { compileEbnf } from "./ebnf.ts";
import { Grammar, type GrammarState } from "./grammar.ts";
import { compileJsonSchema } from "./json/json_schema.ts";
import { compileRegex } from "./regex.ts";
import { type Term, TermStore } from "./terms.ts";
import { type TokenBytes, Vocabulary } from "./vocabulary.ts";

/** One of these may be there. */
export interface Constraint {
  /** The answer is JSON that fits this schema (draft 2020-12). */
  jsonSchema?: unknown;
  /** The whole answer matches this regular expression (ECMA-262 with the flag `u`). */
  regex?: string;
  /** The answer is one of these texts. */
  choice?: readonly string[];
  /** The answer is a text of this EBNF's rule `root`. */
  grammar?: string;
}

/** The keys of a constraint. */
export const CONSTRAINTS = ["jsonSchema", "regex", "choice", "grammar"] as const;

/** The grammars of one model; the latest are kept. */
export class Grammars {
  readonly #tokens: () => TokenBytes;
  /** Made with the first constraint. */
  #vocabulary?: Vocabulary;
  /** By what they were made of, the most recently used last. */
  readonly #known = new Map<string, Grammar>();

  constructor(tokens: () => TokenBytes) {
    this.#tokens = tokens;
  }

  /**
   * The start of an answer under a constraint; `undefined` when there is none.
   *
   * @throws {RemoraError} BAD_ARGUMENT for more than one constraint or one that does not parse, UNSUPPORTED naming what is not
   * supported.
   */
  begin(constraint: Constraint): GrammarState | undefined {
    const given = CONSTRAINTS.filter((name) => constraint[name] !== undefined);
    if (given.length === 0) return undefined;
    if (given.length > 1) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot constrain the answer", {
        expected: `one of ${CONSTRAINTS.join(", ")}`,
        found: given.join(" and "),
      });
    }
    const [name] = given;
    const key = JSON.stringify([name, constraint[name]]);
    const grammar = this.#known.get(key) ?? this.#compile(name, constraint);
    this.#known.delete(key);
    this.#known.set(key, grammar);
    if (this.#known.size > GRAMMAR_COUNT_MAX) this.#known.delete(this.#known.keys().next().value!);
    return grammar.begin();
  }

  #compile(name: typeof CONSTRAINTS[number], constraint: Constraint): Grammar {
    this.#vocabulary ??= new Vocabulary(this.#tokens());
    const store = new TermStore(this.#vocabulary.alphabet);
    return new Grammar(store, termOf(store, name, constraint), this.#vocabulary);
  }
}

function termOf(store: TermStore, name: typeof CONSTRAINTS[number], constraint: Constraint): Term {
  switch (name) {
    case "jsonSchema":
      return compileJsonSchema(store, constraint.jsonSchema);
    case "regex":
      return compileRegex(store, text(constraint.regex, name));
    case "grammar":
      return compileEbnf(store, text(constraint.grammar, name));
    case "choice": {
      const { choice } = constraint;
      if (!Array.isArray(choice) || choice.length === 0 || !choice.every((one) => typeof one === "string")) {
        throw badConstraint(name, "a list of texts");
      }
      return store.choice([...new Set(choice)].map((one) => new TextEncoder().encode(one)));
    }
  }
}

function text(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  throw badConstraint(name, "a text");
}

function badConstraint(name: string, expected: string): RemoraError {
  return new RemoraError("BAD_ARGUMENT", `Cannot constrain the answer by ${name}`, {
    expected,
    found: "something else",
  });
}
