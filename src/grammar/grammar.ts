/**
 * Which tokens a grammar allows at each place of an answer.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { GRAMMAR_MASK_BYTES_MAX, GRAMMAR_PRODUCT_STATES_MAX, GRAMMAR_STATES_MAX } from "../core/limits.ts";
import { Automaton, DEAD } from "./automaton.ts";
import { utf8 } from "./characters.ts";
import type { Term, TermStore } from "./terms.ts";
import { PLAIN_CHARACTERS, type TokenTrie, type TokenTries } from "./token_tries.ts";

/** States with masks that a new state is compared with. */
const ALIKE_STATES = 3;
/** Pairs of states that such a comparison looks at: with more of them a walk over the vocabulary costs no more. */
const ALIKE_PAIRS_MAX = 128;

/** Whether a state takes every plain character, none, or some. */
type PlainSteps = { takes: "all"; next: readonly number[] } | { takes: "none" | "some" };

/** A compiled grammar of one vocabulary. States and masks are made as answers reach them. */
export class Grammar {
  readonly #store: TermStore;
  readonly #start: Term;
  readonly #tries: TokenTries;
  #automaton: Automaton;
  /** By the state's number, the most recently used last. */
  #masks = new Map<number, Uint32Array>();
  /** By the state's number. */
  #plainSteps = new Map<number, PlainSteps>();
  readonly #plain: Term;

  /** @throws {RemoraError} UNSUPPORTED when no text belongs to it. */
  constructor(store: TermStore, start: Term, tries: TokenTries) {
    this.#store = store;
    this.#start = start;
    this.#tries = tries;
    this.#automaton = new Automaton(store);
    this.#plain = utf8(store, PLAIN_CHARACTERS);
    if (start.kind === "nothing") {
      throw new RemoraError("UNSUPPORTED", "Cannot constrain the answer", {
        expected: "a text that fits and that the vocabulary can write",
        found: "none",
      });
    }
  }

  /** A new answer. */
  begin(): GrammarState {
    return new GrammarState(this, this.#start);
  }

  /** The state after a token; `undefined` where it may not come. */
  after(state: Term, id: number): Term | undefined {
    const bytes = this.#tries.bytesOf(id) ?? [];
    let number = this.#automaton.numberOf(state);
    for (let i = 0; i < bytes.length; i++) number = this.#automaton.next(number, bytes[i]);
    return bytes.length === 0 || number === DEAD ? undefined : this.#automaton.termOf(number);
  }

  /** A bit for each token that may come; those that end an answer are not among them. */
  mask(term: Term): Uint32Array {
    this.#forgetWhenFull();
    const state = this.#automaton.numberOf(term);
    const known = this.#masks.get(state);
    if (known) {
      this.#masks.delete(state);
      this.#masks.set(state, known);
      return known;
    }
    const mask = this.#maskOfAlike(state) ?? this.#findMask(state);
    const most = Math.max(1, Math.floor(GRAMMAR_MASK_BYTES_MAX / mask.byteLength));
    if (this.#masks.size >= most) this.#masks.delete(this.#masks.keys().next().value!);
    this.#masks.set(state, mask);
    return mask;
  }

  #forgetWhenFull(): void {
    if (this.#automaton.size <= GRAMMAR_STATES_MAX && !this.#store.isFull) return;
    this.#store.forget();
    this.#automaton = new Automaton(this.#store);
    this.#masks = new Map();
    this.#plainSteps = new Map();
  }

  /** The mask of one of the latest states that no token can tell from this one: one that counts one repetition more, say. */
  #maskOfAlike(state: number): Uint32Array | undefined {
    for (const other of [...this.#masks.keys()].slice(-ALIKE_STATES)) {
      if (this.#areAlike(state, other)) return this.#masks.get(other);
    }
    return undefined;
  }

  /** Whether every text as long as a token may come after both states or after neither. */
  #areAlike(first: number, second: number): boolean {
    const automaton = this.#automaton;
    const seen = new Set<number>();
    let pairs = [[first, second]];
    for (let depth = this.#tries.bytesMax; depth > 0 && pairs.length > 0; depth--) {
      const next: number[][] = [];
      for (const [a, b] of pairs) {
        automaton.complete(a);
        automaton.complete(b);
        const { table } = automaton;
        for (let byte = 0; byte < 256; byte++) {
          const afterA = table[a << 8 | byte], afterB = table[b << 8 | byte];
          if (afterA === afterB) continue;
          if (afterA === DEAD || afterB === DEAD) return false;
          const key = afterA * GRAMMAR_PRODUCT_STATES_MAX + afterB;
          if (seen.has(key)) continue;
          if (seen.size >= ALIKE_PAIRS_MAX) return false;
          seen.add(key);
          next.push([afterA, afterB]);
        }
      }
      pairs = next;
    }
    return true;
  }

  #findMask(state: number): Uint32Array {
    const { plain, plainMasks, rest, maskWords } = this.#tries;
    const mask = new Uint32Array(maskWords);
    const length = this.#plainLength(state, plainMasks.length - 1);
    if (length !== undefined) mask.set(plainMasks[length]);
    else this.#walk(plain, state, mask);
    this.#walk(rest, state, mask);
    return mask;
  }

  /** Walks down the trie where the grammar goes along. */
  #walk({ bytes, depths, ends, firsts, ids, depthMax }: TokenTrie, start: number, mask: Uint32Array): void {
    const automaton = this.#automaton;
    let { table } = automaton;
    const states = new Int32Array(depthMax + 1);
    states[0] = start;
    for (let node = 0; node < bytes.length;) {
      const depth = depths[node];
      const at = states[depth] << 8 | bytes[node];
      let next = table[at];
      if (next === 0) {
        next = automaton.next(states[depth], bytes[node]);
        ({ table } = automaton);
      }
      if (next === DEAD) {
        node = ends[node];
        continue;
      }
      states[depth + 1] = next;
      const first = firsts[node], end = firsts[++node];
      for (let i = first; i < end; i++) mask[ids[i] >> 5] |= 1 << (ids[i] & 31);
    }
  }

  /**
   * How many plain characters may come, whichever they are, when the next one is refused whichever it is: then no plain token need be
   * looked at. At most `longest`; `undefined` where it depends on the characters.
   */
  #plainLength(start: number, longest: number): number | undefined {
    let layer: readonly number[] = [start];
    for (let length = 0; length < longest; length++) {
      const steps = layer.map((state) => this.#plainStepsOf(state));
      if (steps.every(({ takes }) => takes === "none")) return length;
      const next = new Set<number>();
      for (const step of steps) {
        if (step.takes !== "all") return undefined;
        for (const state of step.next) next.add(state);
      }
      // Going round in the same states, any length may come.
      if (next.size === layer.length && layer.every((state) => next.has(state))) return longest;
      layer = [...next];
    }
    return longest;
  }

  #plainStepsOf(start: number): PlainSteps {
    const known = this.#plainSteps.get(start);
    if (known) return known;
    const next = new Set<number>();
    const open: [plain: Term, state: number][] = [[this.#plain, start]];
    let taken = 0, refused = 0;
    for (let at = 0; at < open.length && (taken === 0 || refused === 0); at++) {
      const [plain, state] = open[at];
      for (let byte = 0; byte < 256; byte++) {
        const rest = this.#store.next(plain, byte);
        if (rest.kind === "nothing") continue;
        const after = this.#automaton.next(state, byte);
        if (after === DEAD) refused++;
        else if (rest.kind === "empty") {
          taken++;
          next.add(after);
        } else if (!open.some(([a, b]) => a === rest && b === after)) open.push([rest, after]);
      }
    }
    const steps: PlainSteps = refused === 0
      ? { takes: "all", next: [...next] }
      : { takes: taken === 0 && open.length === 1 ? "none" : "some" };
    this.#plainSteps.set(start, steps);
    return steps;
  }
}

/** How far one answer has come in a grammar. */
export class GrammarState {
  readonly #grammar: Grammar;
  #state: Term;

  /** Made by `Grammar.begin`. */
  constructor(grammar: Grammar, state: Term) {
    this.#grammar = grammar;
    this.#state = state;
  }

  /** Whether the answer may end here. */
  get mayEnd(): boolean {
    return this.#state.isNullable;
  }

  /** Whether the answer is over: nothing may follow. */
  get isOver(): boolean {
    return this.#state.kind === "empty";
  }

  /** A bit for each token that may come; not to be written to. */
  mask(): Uint32Array {
    return this.#grammar.mask(this.#state);
  }

  /**
   * Takes a token.
   *
   * @returns Whether it may come here; otherwise nothing changed.
   */
  push(id: number): boolean {
    const next = this.#grammar.after(this.#state, id);
    if (next) this.#state = next;
    return next !== undefined;
  }
}
