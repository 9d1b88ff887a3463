/**
 * Speculative decoding: several tokens a step where the next ones can be guessed.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { DRAFT_TOKENS_MAX } from "../core/limits.ts";
import type { PictureAttention } from "../sequence/attention_map.ts";
import type { Sequence } from "../sequence/sequence.ts";
import { lookUpContinuation, MATCH_MAX } from "./prompt_lookup.ts";

/**
 * A guess worth computing is right at least this often. Measured: each further row of a step costs 0.45 to 0.75 of what
 * a step of one row costs (docs/performance.md).
 */
const CHANCE_MIN = 0.65;
/** The estimate before there were guesses: two that would have been right come first, so text that does not repeat loses nothing. */
const CHANCE_FIRST = 0.55;
/** Weight of the latest guess in the estimate of how often guesses are right. */
const CHANCE_WEIGHT = 1 / 8;

/** Logits of one row, and where in the pictures it looked. */
export interface NextToken {
  data: Float32Array;
  attention?: PictureAttention[];
}

/** How tokens are fed. */
export interface TokenFeedOptions {
  /** Tokens to guess at most; 0: none. */
  promptLookup?: number;
  attention?: boolean;
  signal?: AbortSignal;
  contextSize: number;
  /** Never guessed: its picture would be missing. */
  pictureToken?: number;
}

/**
 * Feeds an answer to its sequence, token by token as it is chosen, and returns the logits of the next one.
 *
 * With `promptLookup` a step may hold guessed tokens after the chosen one. As long as the tokens chosen next are those, their
 * logits are there; at the first other one the sequence is cut. The sampler sees the same logits in the same order as
 * without, and because a row's bits do not depend on the other rows of a step, the answer is the same, token for token.
 *
 * A step holds guesses only while guesses are right often enough to pay. Those that are not computed are counted too, so that
 * a text that begins to repeat is noticed at no cost.
 */
export class TokenFeed implements Disposable {
  readonly #sequence: Sequence;
  readonly #options: TokenFeedOptions;
  readonly #draftMax: number;
  /** Guessed tokens in the sequence, how many of them were chosen since, and the logits of the step that held them. */
  #draft: number[] = [];
  #accepted = 0;
  #rows: Float32Array = new Float32Array();
  /** The last row that a step of one token had; the next takes its place. */
  #single?: Float32Array;
  /** The next guess, where it was not computed. */
  #guess?: number;
  /** How often guesses are right, by the length of the match that the latest one came from. */
  readonly #chances = new Array<number>(MATCH_MAX + 1).fill(CHANCE_FIRST);
  #matched = 0;

  /** @throws {RemoraError} BAD_ARGUMENT for a `promptLookup` out of range. */
  constructor(sequence: Sequence, options: TokenFeedOptions) {
    const { promptLookup = 0, attention } = options;
    if (!Number.isInteger(promptLookup) || promptLookup < 0 || promptLookup > DRAFT_TOKENS_MAX) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot use promptLookup", {
        expected: `an integer from 0 to ${DRAFT_TOKENS_MAX}`,
        found: `${promptLookup}`,
      });
    }
    this.#sequence = sequence;
    this.#options = options;
    // The sequence says where its last token looked, and no other.
    this.#draftMax = attention ? 0 : promptLookup;
  }

  /** Tokens of the sequence without those that are only guessed. */
  get length(): number {
    return this.#sequence.length - this.#pending;
  }

  /**
   * Appends the last token of the history. The row of logits that came before may be lost.
   *
   * @param history Prompt and answer so far.
   * @param wanted Tokens that the answer may still get.
   * @throws {RemoraError} As `Sequence.forward`. The signal's reason when it fires.
   */
  async next(history: readonly number[], wanted: number): Promise<NextToken> {
    const id = history[history.length - 1];
    const guess = this.#pending > 0 ? this.#draft[this.#accepted] : this.#guess;
    if (guess !== undefined) this.#learn(guess === id);
    if (this.#pending > 0 && guess === id) {
      this.#accepted++;
      return this.#row(this.#accepted);
    }
    this.#dropGuesses();
    const draft = this.#makeDraft(history, wanted);
    const { signal, attention } = this.#options;
    if (draft.length === 0) {
      const result = await this.#sequence.forward([id], { signal, attention, into: this.#single });
      this.#single = result.data;
      return result;
    }
    const result = await this.#sequence.forward([id, ...draft], { signal, attention, logits: "all" });
    this.#draft = draft;
    this.#rows = result.data;
    return this.#row(0);
  }

  /** Leaves the sequence with what was chosen. */
  [Symbol.dispose](): void {
    this.#dropGuesses();
  }

  get #pending(): number {
    return this.#draft.length - this.#accepted;
  }

  #row(index: number): NextToken {
    const length = this.#rows.length / (this.#draft.length + 1);
    return { data: this.#rows.subarray(index * length, (index + 1) * length) };
  }

  #makeDraft(history: readonly number[], wanted: number): number[] {
    this.#guess = undefined;
    if (this.#draftMax === 0) return [];
    const { contextSize, pictureToken } = this.#options;
    const sequence = this.#sequence;
    const room = Math.min(
      this.#draftMax,
      wanted - 1,
      contextSize - sequence.length - 1,
      sequence.roomOfPositions - 1,
    );
    const continuation = lookUpContinuation(history, Math.max(1, room));
    if (!continuation) return [];
    const { tokens, matched } = continuation;
    this.#matched = matched;
    // The n-th guess is right if all before it are: with a chance of 0.65 one is worth it, with 0.93 five are.
    const chance = this.#chances[matched];
    let count = 0;
    for (let all = chance; all >= CHANCE_MIN && count < room; all *= chance) {
      if (tokens[count] === pictureToken) break;
      count++;
    }
    const draft = tokens.slice(0, count);
    if (draft.length === 0) this.#guess = tokens[0];
    return draft;
  }

  #learn(isRight: boolean): void {
    const chance = this.#chances[this.#matched];
    this.#chances[this.#matched] = chance + CHANCE_WEIGHT * (Number(isRight) - chance);
  }

  #dropGuesses(): void {
    // A sequence that was disposed meanwhile is empty.
    if (this.#pending > 0 && this.#sequence.length > 0) this.#sequence.truncate(this.length);
    this.#draft = [];
    this.#accepted = 0;
  }
}
