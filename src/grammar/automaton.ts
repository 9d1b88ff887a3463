/**
 * A deterministic automaton over bytes, made of terms as its states are reached.
 *
 * @module
 */
import type { Term, TermStore } from "./terms.ts";

/** Entries of the table that are no state. */
const UNKNOWN = 0;
/** The state from which no text is left. */
export const DEAD = 1;
const FIRST_CAPACITY = 64;

/** Numbers states and keeps their successors in a table: walks over a vocabulary look at nothing else. */
export class Automaton {
  readonly #store: TermStore;
  /** [states, 256]: the successor by each byte, or UNKNOWN. */
  #table = new Int32Array(FIRST_CAPACITY << 8);
  /** By number. The first two stand for what is no state. */
  readonly #terms: Term[];
  readonly #numbers = new Map<Term, number>();

  constructor(store: TermStore) {
    this.#store = store;
    this.#terms = [store.nothing, store.nothing];
    this.#numbers.set(store.nothing, DEAD);
  }

  get size(): number {
    return this.#terms.length;
  }

  /** The table of successors; another one when states were added. */
  get table(): Int32Array {
    return this.#table;
  }

  /** The number of a state. */
  numberOf(term: Term): number {
    const known = this.#numbers.get(term);
    if (known !== undefined) return known;
    const number = this.#terms.length;
    this.#terms.push(term);
    this.#numbers.set(term, number);
    if (number << 8 >= this.#table.length) {
      const larger = new Int32Array(this.#table.length * 2);
      larger.set(this.#table);
      this.#table = larger;
    }
    return number;
  }

  termOf(number: number): Term {
    return this.#terms[number];
  }

  /** The state after a byte. */
  next(state: number, byte: number): number {
    const known = this.#table[state << 8 | byte];
    if (known !== UNKNOWN) return known;
    this.complete(state);
    return this.#table[state << 8 | byte];
  }

  /** Finds all successors of a state: those by bytes that it cannot tell apart are found once. */
  complete(state: number): void {
    if (this.#table[state << 8] !== UNKNOWN) return;
    const term = this.#terms[state];
    const { classes, samples } = this.#store.classesOf(term);
    const found = samples.map((byte) => this.numberOf(this.#store.derivative(term, byte)));
    for (let byte = 0; byte < 256; byte++) this.#table[state << 8 | byte] = found[classes[byte]];
  }
}
