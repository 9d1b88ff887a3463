/**
 * Languages as terms, and their derivatives.
 *
 * A grammar is a term over bytes; what may follow once a byte was read is another term, its derivative by that byte (Brzozowski 1964).
 * So a term is a state of an automaton that is made as it is used: equal terms are one object, and each remembers the derivatives that
 * were asked for. Rules that name each other make the same algebra do for context-free grammars: the rest of a `sequence` is the
 * stack of a pushdown automaton.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { GRAMMAR_PRODUCT_STATES_MAX, GRAMMAR_PRODUCT_STEPS_MAX, GRAMMAR_STATES_MAX } from "../core/limits.ts";
import { type ByteClasses, classesOfSet, ONE_CLASS, refine } from "./byte_classes.ts";
import { byteRange, type ByteSet, hasByte, joinBytes } from "./byte_set.ts";

/** What every term has. */
interface TermBase {
  /** Equal terms have one. */
  readonly id: number;
  /** Whether the empty text belongs to the language. */
  readonly isNullable: boolean;
  /** Derivatives by class of bytes, as far as they are known. */
  row?: (Term | undefined)[];
  /** Of the store when the row was begun: a row of an earlier one is stale. */
  epoch: number;
  /** Bytes by which the derivatives are equal. */
  classes?: ByteClasses;
}

/** A language. */
export type Term =
  & TermBase
  & (
    | { readonly kind: "nothing" | "empty" }
    | { readonly kind: "bytes"; readonly set: ByteSet }
    | { readonly kind: "sequence"; readonly first: Term; readonly rest: Term }
    | { readonly kind: "either"; readonly options: readonly Term[] }
    | { readonly kind: "repeat"; readonly item: Term; readonly min: number; readonly max: number }
    | { readonly kind: "both"; readonly parts: readonly Term[] }
    | { readonly kind: "not"; readonly term: Term }
    | { readonly kind: "rule"; readonly name: string; readonly body: () => Term }
  );

/** Makes terms; those of different stores do not mix. */
export class TermStore {
  /** No text at all: a dead end. */
  readonly nothing: Term;
  /** The empty text alone. */
  readonly empty: Term;
  /** Every text. */
  readonly anything: Term;
  #interned = new Map<string, Term>();
  readonly #rules = new Map<string, Term>();
  /** Rules whose derivative is being taken: one that meets itself is left-recursive. */
  readonly #open = new Set<Term>();
  /** Of intersections: whether any text belongs to them. */
  #alive = new Map<Term, boolean>();
  #ids = 0;
  #steps = 0;
  #epoch = 0;
  /** Rows of this epoch. */
  #rows = 0;

  /** Bytes that can be written at all; a vocabulary may lack some. */
  readonly #alphabet: ByteSet;

  /** @param alphabet The bytes that can be written; texts with others belong to no language. */
  constructor(alphabet: ByteSet = byteRange(0, 255)) {
    this.#alphabet = alphabet;
    this.nothing = { kind: "nothing", id: this.#ids++, isNullable: false, epoch: 0 };
    this.empty = { kind: "empty", id: this.#ids++, isNullable: true, epoch: 0 };
    this.anything = { kind: "not", term: this.nothing, id: this.#ids++, isNullable: true, epoch: 0 };
  }

  /** Derivatives that looking for texts of intersections has taken. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether so much is remembered that it is time to forget. */
  get isFull(): boolean {
    return this.#rows > GRAMMAR_STATES_MAX;
  }

  /** Forgets derivatives. Terms that a caller holds stay good. */
  forget(): void {
    this.#interned = new Map();
    this.#alive = new Map();
    this.#rows = 0;
    this.#epoch++;
  }

  /** One byte of a set. */
  bytes(set: ByteSet): Term {
    const known = set.map((word, i) => word & this.#alphabet[i]);
    return known.some((word) => word !== 0) ? this.#bytes(known) : this.nothing;
  }

  /** What stands for a special token, which is no text. */
  special(bytes: readonly number[]): Term {
    return this.sequence(...bytes.map((byte) => this.#bytes(byteRange(byte))));
  }

  #bytes(set: ByteSet): Term {
    return this.#intern(`b${set.join()}`, () => ({ kind: "bytes", set, isNullable: false }));
  }

  /** One byte of first … last. */
  range(first: number, last: number): Term {
    return this.bytes(byteRange(first, last));
  }

  /** Exactly these bytes. */
  literal(bytes: ArrayLike<number>, rest = this.empty): Term {
    let term = rest;
    for (let i = bytes.length - 1; i >= 0; i--) term = this.sequence(this.range(bytes[i], bytes[i]), term);
    return term;
  }

  /** Exactly this text, in UTF-8. */
  text(text: string): Term {
    return this.literal(new TextEncoder().encode(text));
  }

  /** One of these texts; common beginnings are shared. */
  choice(texts: readonly Uint8Array[], depth = 0): Term {
    const [first, ...others] = texts;
    if (first === undefined) return this.nothing;
    if (others.length === 0) return this.literal(first.subarray(depth));
    // As far as all agree no choice is made: what is long nests no deeper for it.
    let end = depth;
    while (end < first.length && others.every((text) => text[end] === first[end])) end++;
    const byFirst = Map.groupBy(texts, (text) => text[end]);
    const options = [...byFirst].map(([byte, group]) =>
      byte === undefined ? this.empty : this.sequence(this.range(byte, byte), this.choice(group, end + 1))
    );
    return this.literal(first.subarray(depth, end), this.either(options));
  }

  /** One after the other. */
  sequence(...terms: Term[]): Term {
    let result = terms[terms.length - 1] ?? this.empty;
    for (let i = terms.length - 2; i >= 0; i--) result = this.#pair(terms[i], result);
    return result;
  }

  /** Any of them. */
  either(terms: readonly Term[]): Term {
    const options = new Set<Term>();
    let set: ByteSet | undefined;
    const add = (term: Term): void => {
      if (term.kind === "either") { for (const option of term.options) add(option); }
      else if (term.kind === "bytes") set = set ? joinBytes(set, term.set) : term.set;
      else if (term.kind !== "nothing") options.add(term);
    };
    for (const term of terms) add(term);
    if (set) options.add(this.bytes(set));
    if (options.size === 0) return this.nothing;
    if (options.size === 1) return [...options][0];
    const sorted = [...options].sort((a, b) => a.id - b.id);
    const isNullable = sorted.some((term) => term.isNullable);
    return this.#intern(`e${sorted.map(({ id }) => id).join()}`, () => ({
      kind: "either",
      options: sorted,
      isNullable,
    }));
  }

  /** The term or nothing at all. */
  optional(term: Term): Term {
    return this.either([term, this.empty]);
  }

  /** `min` to `max` times. */
  repeat(item: Term, min = 0, max = Infinity): Term {
    if (max === 0 || item.kind === "empty") return this.empty;
    if (item.kind === "nothing") return min === 0 ? this.empty : this.nothing;
    if (min === 1 && max === 1) return item;
    const least = item.isNullable ? 0 : min;
    return this.#intern(`r${item.id},${least},${max}`, () => ({
      kind: "repeat",
      item,
      min: least,
      max,
      isNullable: least === 0,
    }));
  }

  /**
   * What belongs to all of them; `nothing` when that is no text. Only for terms without rules that nest.
   *
   * @throws {RemoraError} UNSUPPORTED when finding out takes more states than GRAMMAR_PRODUCT_STATES_MAX.
   */
  both(...terms: Term[]): Term {
    return this.#settled(this.#product(terms));
  }

  /** What does not belong to it; of use only within `both`. */
  not(term: Term): Term {
    if (term.kind === "not") return term.term;
    return this.#intern(`n${term.id}`, () => ({ kind: "not", term, isNullable: !term.isNullable }));
  }

  /**
   * A rule by its name, whose body is made when it is needed.
   *
   * @param isNullable Whether the empty text belongs to it, which must be known before.
   */
  rule(name: string, body: () => Term, isNullable = false): Term {
    const known = this.#rules.get(name);
    if (known) return known;
    let made: Term | undefined;
    const rule: Term = {
      kind: "rule",
      name,
      body: () => made ??= body(),
      isNullable,
      id: this.#ids++,
      epoch: this.#epoch,
    };
    this.#rules.set(name, rule);
    return rule;
  }

  /** What may follow a byte; `nothing` where the byte itself may not come. It is remembered. */
  next(term: Term, byte: number): Term {
    if (term.kind === "bytes") return hasByte(term.set, byte) ? this.empty : this.nothing;
    if (term.kind === "nothing" || term.kind === "empty") return this.nothing;
    const row = this.#rowOf(term), number = this.classesOf(term).classes[byte];
    return row[number] ??= this.derivative(term, byte);
  }

  /** Bytes by which the derivatives of a term are equal. */
  classesOf(term: Term): ByteClasses {
    return term.classes ??= this.#findClasses(term);
  }

  #findClasses(term: Term): ByteClasses {
    switch (term.kind) {
      case "bytes":
        return classesOfSet(term.set);
      case "sequence": {
        const first = this.classesOf(term.first);
        return term.first.isNullable ? refine(first, this.classesOf(term.rest)) : first;
      }
      case "either":
        return term.options.reduce((all, option) => refine(all, this.classesOf(option)), ONE_CLASS);
      case "both":
        return term.parts.reduce((all, part) => refine(all, this.classesOf(part)), ONE_CLASS);
      case "repeat":
        return this.classesOf(term.item);
      case "not":
        return this.classesOf(term.term);
      case "rule":
        return this.#inRule(term, () => this.classesOf(term.body()));
      default:
        return ONE_CLASS;
    }
  }

  #rowOf(term: Term): (Term | undefined)[] {
    if (term.row === undefined || term.epoch !== this.#epoch) {
      term.row = new Array<Term | undefined>(this.classesOf(term).samples.length).fill(undefined);
      term.epoch = this.#epoch;
      this.#rows++;
    }
    return term.row;
  }

  /** What may follow these bytes. */
  after(term: Term, bytes: ArrayLike<number>): Term {
    let state = term;
    for (let i = 0; i < bytes.length && state.kind !== "nothing"; i++) state = this.next(state, bytes[i]);
    return state;
  }

  /** Whether a whole text belongs to the language. */
  matches(term: Term, text: string): boolean {
    return this.after(term, new TextEncoder().encode(text)).isNullable;
  }

  /** The same, not remembered. */
  derivative(term: Term, byte: number): Term {
    switch (term.kind) {
      case "bytes":
        return hasByte(term.set, byte) ? this.empty : this.nothing;
      case "sequence": {
        const first = this.#pair(this.next(term.first, byte), term.rest);
        return term.first.isNullable ? this.either([first, this.next(term.rest, byte)]) : first;
      }
      case "either":
        return this.either(term.options.map((option) => this.next(option, byte)));
      case "repeat": {
        const { item, min, max } = term;
        const step = this.next(item, byte);
        return step.kind === "nothing"
          ? step
          : this.#pair(step, this.repeat(item, Math.max(0, min - 1), max - 1));
      }
      case "both":
        return this.#settled(this.#product(term.parts.map((part) => this.next(part, byte))));
      case "not":
        return this.not(this.next(term.term, byte));
      case "rule":
        return this.#inRule(term, () => this.next(term.body(), byte));
      default:
        return this.nothing;
    }
  }

  /** @throws {RemoraError} UNSUPPORTED when the rule meets itself before any byte was read. */
  #inRule<T>(rule: Term & { kind: "rule" }, find: () => T): T {
    if (this.#open.has(rule)) {
      throw new RemoraError("UNSUPPORTED", "Cannot use the grammar", {
        expected: "rules that do not begin with themselves",
        found: `left recursion in ${rule.name}`,
      });
    }
    this.#open.add(rule);
    try {
      return find();
    } finally {
      this.#open.delete(rule);
    }
  }

  #pair(first: Term, rest: Term): Term {
    if (first.kind === "nothing" || rest.kind === "nothing") return this.nothing;
    if (first.kind === "empty") return rest;
    if (rest.kind === "empty") return first;
    // Leaning to the right, so that equal languages meet as equal terms more often.
    if (first.kind === "sequence") return this.#pair(first.first, this.#pair(first.rest, rest));
    return this.#intern(`s${first.id},${rest.id}`, () => ({
      kind: "sequence",
      first,
      rest,
      isNullable: first.isNullable && rest.isNullable,
    }));
  }

  /** An intersection of which it is not known yet whether it holds anything. */
  #product(terms: readonly Term[]): Term {
    const parts = new Set<Term>();
    const add = (term: Term): void => {
      if (term.kind === "both") { for (const part of term.parts) add(part); }
      else if (term !== this.anything) parts.add(term);
    };
    for (const term of terms) add(term);
    if (parts.has(this.nothing)) return this.nothing;
    if (parts.size === 0) return this.anything;
    if (parts.size === 1) return [...parts][0];
    const sorted = [...parts].sort((a, b) => a.id - b.id);
    const isNullable = sorted.every((part) => part.isNullable);
    return this.#intern(`a${sorted.map(({ id }) => id).join()}`, () => ({
      kind: "both",
      parts: sorted,
      isNullable,
    }));
  }

  #settled(term: Term): Term {
    return term.kind !== "both" || this.#isAlive(term) ? term : this.nothing;
  }

  /** Looks for a text of the intersection, state by state; the answer is kept for all states that were seen. */
  #isAlive(start: Term): boolean {
    const known = this.#alive.get(start);
    if (known !== undefined) return known;
    const cameFrom = new Map<Term, Term | undefined>([[start, undefined]]);
    const begin = this.#steps;
    for (const state of cameFrom.keys()) {
      if (state.isNullable || state.kind !== "both" || this.#alive.get(state)) {
        for (let at: Term | undefined = state; at; at = cameFrom.get(at)) this.#alive.set(at, true);
        return true;
      }
      const { samples } = this.classesOf(state);
      this.#steps += samples.length * state.parts.reduce((sum, part) => sum + widthOf(part), 0);
      if (cameFrom.size > GRAMMAR_PRODUCT_STATES_MAX || this.#steps - begin > GRAMMAR_PRODUCT_STEPS_MAX) {
        throw new RemoraError("UNSUPPORTED", "Cannot use the grammar", {
          expected: `conditions on one text that take at most ${GRAMMAR_PRODUCT_STATES_MAX} states and ` +
            `${GRAMMAR_PRODUCT_STEPS_MAX} steps together`,
          found: "more",
        });
      }
      for (const byte of samples) {
        const next = this.#product(state.parts.map((part) => this.next(part, byte)));
        if (next.kind === "nothing" || this.#alive.get(next) === false || cameFrom.has(next)) continue;
        cameFrom.set(next, state);
      }
    }
    for (const state of cameFrom.keys()) this.#alive.set(state, false);
    return false;
  }

  #intern(key: string, make: () => DistributiveOmit<Term, "id" | "epoch" | "row">): Term {
    const known = this.#interned.get(key);
    if (known) return known;
    const term = { ...make(), id: this.#ids++, epoch: this.#epoch } as Term;
    this.#interned.set(key, term);
    return term;
  }
}

/** Of how many a term's derivative is made. */
function widthOf(term: Term): number {
  if (term.kind === "not") return widthOf(term.term);
  return term.kind === "either" ? term.options.length : 1;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
