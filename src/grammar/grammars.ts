/**
 * The grammars of one model.
 *
 * @module
 */
import { GRAMMAR_COUNT_MAX } from "../core/limits.ts";
import { Grammar } from "./grammar.ts";
import { type Term, TermStore } from "./terms.ts";
import { type TokenBytes, TokenTries } from "./token_tries.ts";

/** Makes grammars and keeps the latest. */
export class Grammars {
  readonly #tokens: () => TokenBytes;
  /** Made with the first grammar. */
  #tries?: TokenTries;
  /** The most recently used last. */
  readonly #known = new Map<string, Grammar>();

  constructor(tokens: () => TokenBytes) {
    this.#tokens = tokens;
  }

  /**
   * A grammar by its name; made where it is not known.
   *
   * @param name Equal for equal grammars only.
   * @throws {RemoraError} What `compile` throws; UNSUPPORTED when no text belongs to the grammar.
   */
  get(name: string, compile: (store: TermStore) => Term): Grammar {
    const grammar = this.#known.get(name) ?? this.#compile(compile);
    this.#known.delete(name);
    this.#known.set(name, grammar);
    if (this.#known.size > GRAMMAR_COUNT_MAX) this.#known.delete(this.#known.keys().next().value!);
    return grammar;
  }

  #compile(compile: (store: TermStore) => Term): Grammar {
    this.#tries ??= new TokenTries(this.#tokens());
    const store = new TermStore(this.#tries.alphabet);
    return new Grammar(store, compile(store), this.#tries);
  }
}
