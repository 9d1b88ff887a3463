/**
 * Which tokens a grammar allows at each place of an answer.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { GRAMMAR_MASK_BYTES_MAX, GRAMMAR_PRODUCT_STATES_MAX } from "../core/limits.ts";
import { utf8 } from "./characters.ts";
import type { Term, TermStore } from "./terms.ts";
import { PLAIN_CHARACTERS, type TokenTrie, type Vocabulary } from "./vocabulary.ts";

/** Every byte that may be in UTF-8. */
const UTF8_BYTES = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) =>
  byte !== 0xc0 && byte !== 0xc1 && byte < 0xf5
);

/** A compiled grammar of one vocabulary. States and masks are made as answers reach them. */
export class Grammar {
  readonly #store: TermStore;
  readonly #start: Term;
  readonly #vocabulary: Vocabulary;
  /** By the state's id, the most recently used last. */
  #masks = new Map<number, Uint32Array>();
  /** States after one plain character; `null` where not every one may come. By the state's id. */
  #afterPlain = new Map<number, readonly Term[] | null>();
  /** Whether the end can be reached by tokens of one byte. By the state's id. */
  #reachable = new Map<number, boolean>();
  readonly #plain: Term;
  /** A vocabulary that lacks bytes may lead where it cannot go on. */
  readonly #lacksBytes: boolean;
  #epoch = 0;

  /** @throws {RemoraError} UNSUPPORTED when no text belongs to it, or the vocabulary cannot write any. */
  constructor(store: TermStore, start: Term, vocabulary: Vocabulary) {
    this.#store = store;
    this.#start = start;
    this.#vocabulary = vocabulary;
    this.#plain = utf8(store, PLAIN_CHARACTERS);
    this.#lacksBytes = UTF8_BYTES.some((byte) => !vocabulary.singles.has(byte));
    if (start.kind === "nothing" || (this.#lacksBytes && !this.#canEnd(start))) {
      throw new RemoraError("UNSUPPORTED", "Cannot constrain the answer", {
        expected: "a text that fits",
        found: start.kind === "nothing"
          ? "a schema or grammar that nothing fits"
          : "a vocabulary that cannot write it",
      });
    }
  }

  /** A new answer. */
  begin(): GrammarState {
    return new GrammarState(this, this.#start);
  }

  /** The state after a token; `undefined` where it may not come. */
  after(state: Term, id: number): Term | undefined {
    const bytes = this.#vocabulary.bytesOf(id);
    const next = bytes === undefined || bytes.length === 0
      ? this.#store.nothing
      : this.#store.after(state, bytes);
    return next.kind === "nothing" ? undefined : next;
  }

  /** A bit for each token that may come; those that end an answer are not among them. */
  mask(state: Term): Uint32Array {
    this.#store.collect();
    if (this.#epoch !== this.#store.epoch) this.#forget();
    const known = this.#masks.get(state.id);
    if (known) {
      this.#masks.delete(state.id);
      this.#masks.set(state.id, known);
      return known;
    }
    const mask = this.#findMask(state);
    const most = Math.max(1, Math.floor(GRAMMAR_MASK_BYTES_MAX / mask.byteLength));
    if (this.#masks.size >= most) this.#masks.delete(this.#masks.keys().next().value!);
    this.#masks.set(state.id, mask);
    return mask;
  }

  #forget(): void {
    this.#epoch = this.#store.epoch;
    this.#masks = new Map();
    this.#afterPlain = new Map();
    this.#reachable = new Map();
  }

  #findMask(state: Term): Uint32Array {
    const { plain, plainMask, rest, maskWords } = this.#vocabulary;
    const mask = new Uint32Array(maskWords);
    if (!this.#lacksBytes && this.#takesPlainText(state)) mask.set(plainMask);
    else this.#walk(plain, state, mask);
    this.#walk(rest, state, mask);
    return mask;
  }

  /** Walks down the trie where the grammar goes along. */
  #walk({ bytes, depths, ends, firsts, ids, depthMax }: TokenTrie, start: Term, mask: Uint32Array): void {
    const store = this.#store;
    const states = new Array<Term>(depthMax + 1).fill(start);
    for (let node = 0; node < bytes.length;) {
      const depth = depths[node], byte = bytes[node];
      const state = states[depth];
      const next = state.row !== undefined && state.epoch === store.epoch
        ? state.row[byte] ?? store.next(state, byte)
        : store.next(state, byte);
      if (next.kind === "nothing") {
        node = ends[node];
        continue;
      }
      states[depth + 1] = next;
      const first = firsts[node], end = firsts[++node];
      if (first === end || (this.#lacksBytes && !this.#canEnd(next))) continue;
      for (let i = first; i < end; i++) mask[ids[i] >> 5] |= 1 << (ids[i] & 31);
    }
  }

  /** Whether any plain text as long as the longest plain token may come, so that no plain token need be looked at. */
  #takesPlainText(start: Term): boolean {
    const seen = new Set([start]);
    let layer: readonly Term[] = [start];
    for (let length = 0; length < this.#vocabulary.plainLength && layer.length > 0; length++) {
      const next = new Set<Term>();
      for (const state of layer) {
        const after = this.#afterPlainCharacter(state);
        if (after === null) return false;
        for (const found of after) if (!seen.has(found)) next.add(found);
      }
      for (const state of next) seen.add(state);
      layer = [...next];
    }
    return true;
  }

  #afterPlainCharacter(start: Term): readonly Term[] | null {
    const known = this.#afterPlain.get(start.id);
    if (known !== undefined) return known;
    const after = new Set<Term>();
    const open: [plain: Term, state: Term][] = [[this.#plain, start]];
    let takesAll = true;
    while (open.length > 0 && takesAll) {
      const [plain, state] = open.pop()!;
      for (let byte = 0; byte < 256; byte++) {
        const rest = this.#store.next(plain, byte);
        if (rest.kind === "nothing") continue;
        const next = this.#store.next(state, byte);
        if (next.kind === "nothing") {
          takesAll = false;
          break;
        }
        if (rest.kind === "empty") after.add(next);
        else if (!open.some(([a, b]) => a === rest && b === next)) open.push([rest, next]);
      }
    }
    const result = takesAll ? [...after] : null;
    this.#afterPlain.set(start.id, result);
    return result;
  }

  /** Whether tokens of one byte lead from a state to the end, so that an answer that comes here can be finished. */
  #canEnd(start: Term): boolean {
    const known = this.#reachable.get(start.id);
    if (known !== undefined) return known;
    const cameFrom = new Map<Term, Term | undefined>([[start, undefined]]);
    for (const state of cameFrom.keys()) {
      if (state.isNullable || this.#reachable.get(state.id)) {
        for (let at: Term | undefined = state; at; at = cameFrom.get(at)) this.#reachable.set(at.id, true);
        return true;
      }
      // Where texts nest without end, not finding one would take forever.
      if (cameFrom.size > GRAMMAR_PRODUCT_STATES_MAX) return false;
      for (const byte of this.#vocabulary.singles) {
        const next = this.#store.next(state, byte);
        if (next.kind !== "nothing" && this.#reachable.get(next.id) !== false && !cameFrom.has(next)) {
          cameFrom.set(next, state);
        }
      }
    }
    for (const state of cameFrom.keys()) this.#reachable.set(state.id, false);
    return false;
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
