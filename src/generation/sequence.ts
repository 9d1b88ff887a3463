/**
 * One sequence of tokens and its cache.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { cannotSee, type ImageInput } from "../image/input.ts";
import { yieldToEvents } from "../core/yield.ts";
import type { Trace } from "../models/decoder/decoder.ts";
import type { Engine } from "./engine.ts";
import { KeyValueCache } from "./key_value_cache.ts";
import { readSnapshot, writeSnapshot } from "./snapshot.ts";

/** Options of {@linkcode Sequence.forward}. */
export interface ForwardOptions {
  /** Pictures, in the order of their places among the tokens; refused by models that cannot see. */
  images?: ImageInput[];
  /** Which rows of logits to return: the last token's (default), every token's, or none. */
  logits?: "last" | "all" | "none";
  /** Stops between two steps of at most 512 tokens; the sequence keeps the steps that were done. */
  signal?: AbortSignal;
  /**
   * Told intermediate results for comparison with another implementation, once a step: "embed", "layers.0" …, "norm", each
   * [tokens of the step, hidden size], f32.
   */
  trace?: Trace;
}

/** Logits f32 [rows, vocabSize]. */
export interface ForwardResult {
  rows: number;
  vocabSize: number;
  data: Float32Array;
}

/**
 * Tokens that the model has seen, in order, with the keys and values of each. Appending is exact: however the tokens are
 * divided over calls, the logits are the same bits.
 *
 * @example Feed a prompt, read the logits of its last token
 * ```ts
 * import { loadModel } from "../../mod.ts";
 * async function lastLogits(path: string, ids: number[]): Promise<Float32Array> {
 *   await using model = await loadModel(path);
 *   using sequence = model.createSequence();
 *   return (await sequence.forward(ids)).data;
 * }
 * ```
 */
export class Sequence implements Disposable {
  readonly #engine: Engine;
  readonly #cache: KeyValueCache;
  #tokens: number[] = [];
  #isBusy = false;
  #isDisposed = false;

  /** Made by `Model.createSequence`. */
  constructor(engine: Engine) {
    this.#engine = engine;
    this.#cache = new KeyValueCache(engine.kernels, engine.cacheShape);
  }

  /** Tokens in the cache. */
  get length(): number {
    return this.#tokens.length;
  }

  /** Their ids. */
  get tokenIds(): readonly number[] {
    return this.#tokens;
  }

  /**
   * Appends tokens.
   *
   * @throws {RemoraError} BAD_ARGUMENT for no tokens or an id outside the vocabulary, UNSUPPORTED for pictures,
   * CONTEXT_OVERFLOW, OUT_OF_MEMORY;
   * in all these cases nothing was appended. The signal's reason when it fires.
   */
  async forward(tokenIds: ArrayLike<number>, options: ForwardOptions = {}): Promise<ForwardResult> {
    const { images, logits = "last", signal, trace } = options;
    if (images?.length) throw cannotSee();
    return await this.#exclusively(async () => {
      signal?.throwIfAborted();
      this.#check(tokenIds, logits);
      const { decoder } = this.#engine;
      const vocabSize = decoder.config.vocabularySize;
      const rows = logits === "all" ? tokenIds.length : logits === "last" ? 1 : 0;
      this.#cache.reserve(this.length + tokenIds.length);
      const data = new Float32Array(rows * vocabSize);
      for (let begin = 0; begin < tokenIds.length; begin += decoder.rows) {
        if (begin > 0) await yieldToEvents();
        signal?.throwIfAborted();
        const ids = Array.prototype.slice.call(tokenIds, begin, begin + decoder.rows);
        decoder.forward({ ids, start: this.length, cache: this.#cache, trace });
        this.#tokens.push(...ids);
        if (logits === "all") {
          decoder.logits(0, ids.length, data.subarray(begin * vocabSize));
        } else if (logits === "last" && begin + ids.length === tokenIds.length) {
          decoder.logits(ids.length - 1, 1, data);
        }
      }
      return { rows, vocabSize, data };
    });
  }

  /**
   * Forgets all tokens from `length` on.
   *
   * @throws {RemoraError} BAD_ARGUMENT when there are fewer.
   */
  truncate(length: number): void {
    this.#refuseWhenBusy();
    if (!Number.isInteger(length) || length < 0 || length > this.length) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot truncate the sequence", {
        expected: `a length from 0 to ${this.length}`,
        found: `${length}`,
      });
    }
    this.#tokens.length = length;
    this.#cache.truncate(length);
  }

  /** Everything needed to go on later, in this or another process: token ids, keys and values, with a checksum. */
  async snapshot(): Promise<Uint8Array> {
    return await this.#exclusively(() => writeSnapshot(this.#engine, this.#tokens, this.#cache));
  }

  /**
   * Replaces this sequence's contents by a snapshot's.
   *
   * @throws {RemoraError} BAD_FILE for a damaged snapshot or one of another model, OUT_OF_MEMORY; then nothing changed.
   */
  async restore(bytes: Uint8Array): Promise<void> {
    await this.#exclusively(async () => {
      const snapshot = await readSnapshot(this.#engine, bytes);
      this.#cache.reserve(snapshot.tokens.length);
      this.#cache.truncate(snapshot.tokens.length);
      snapshot.fill(this.#cache);
      this.#tokens = snapshot.tokens;
    });
  }

  /** Gives the cache's memory back to the model. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#tokens = [];
    this.#cache.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseWhenBusy();
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
    }
  }

  #refuseWhenBusy(): void {
    const found = this.#isDisposed
      ? "a disposed one"
      : this.#isBusy
      ? "another call still running"
      : undefined;
    if (found) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot use the sequence", { expected: "an idle one", found });
    }
  }

  #check(tokenIds: ArrayLike<number>, logits: string): void {
    const refuse = (attempt: string, expected: string, found: string) => {
      throw new RemoraError("BAD_ARGUMENT", attempt, { expected, found });
    };
    if (!["last", "all", "none"].includes(logits)) {
      refuse("Cannot return logits", "last, all or none", `${logits}`);
    }
    if (tokenIds.length === 0) refuse("Cannot run the model", "at least one token", "an empty prompt");
    const { vocabularySize } = this.#engine.decoder.config;
    for (let i = 0; i < tokenIds.length; i++) {
      const id = tokenIds[i];
      if (!Number.isInteger(id) || id < 0 || id >= vocabularySize) {
        refuse(`Cannot run token ${i} of the prompt`, `an id from 0 to ${vocabularySize - 1}`, `${id}`);
      }
    }
    const { contextSize } = this.#engine;
    if (this.length + tokenIds.length > contextSize) {
      throw new RemoraError("CONTEXT_OVERFLOW", "Cannot append to the sequence", {
        expected: `at most ${contextSize} tokens of context`,
        found: `${this.length} there and ${tokenIds.length} more`,
      });
    }
  }
}
