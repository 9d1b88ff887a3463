/**
 * One sequence of tokens and its cache.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { joinFloats } from "../core/floats.ts";
import { PICTURE_COUNT_MAX } from "../core/limits.ts";
import { yieldWhenDue } from "../core/yield.ts";
import { cannotSee, type ImageInput } from "../image/input.ts";
import type { Trace } from "../models/decoder/decoder.ts";
import { LOGIT_ROWS } from "../ops/workspace.ts";
import type { Engine } from "./engine.ts";
import { KeyValueCache } from "./key_value_cache.ts";
import { AttentionMean, type PictureAttention } from "./picture_attention.ts";
import { Sight } from "./sight.ts";
import { readSnapshot, writeSnapshot } from "./snapshot.ts";
import type { SeenPicture, VisionTrace } from "./vision.ts";

/** Options of {@linkcode Sequence.forward}. */
export interface ForwardOptions {
  /** Pictures, one for each picture token, in the order of these; refused by models that cannot see. */
  images?: ImageInput[];
  /** Told while pictures are looked at: how much of all is done, from 0 to 1. */
  onPictureProgress?(share: number): void;
  /** Told tokens that are done, of how many: after each step of at most 512, and within one as its layers are done. */
  onPromptProgress?(done: number, total: number): void;
  /** Which rows of logits to return: the last token's (default), every token's, or none. */
  logits?: "last" | "all" | "none";
  /** Return where in the visible pictures the last token looked. */
  attention?: boolean;
  /** Stops within half a layer; the sequence keeps the steps of at most 512 tokens that were done. */
  signal?: AbortSignal;
  /**
   * Told intermediate results for comparison with another implementation. Once a step: "embed", "layers.0" …, "norm", each
   * [tokens of the step, hidden size], f32. Once a call with pictures: "vision" [pictures, tiles, tokens of a tile, features]
   * and "projector" [pictures, tiles, tokens of a tile, hidden size], unused tiles included.
   */
  trace?: Trace;
}

/** Logits f32 [rows, vocabSize]. */
export interface ForwardResult {
  rows: number;
  vocabSize: number;
  data: Float32Array;
  /** With `attention`: one map for each picture that the last token saw. */
  attention?: PictureAttention[];
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
  readonly #sight?: Sight;
  #tokens: number[] = [];
  #isBusy = false;
  #isDisposed = false;

  /** Made by `Model.createSequence`. */
  constructor(engine: Engine) {
    this.#engine = engine;
    this.#cache = new KeyValueCache(engine.cache);
    if (engine.vision) this.#sight = new Sight(engine.vision);
  }

  /** Tokens in the cache. */
  get length(): number {
    return this.#tokens.length;
  }

  /** Their ids. */
  get tokenIds(): readonly number[] {
    return this.#tokens;
  }

  /** Names of the pictures that the sequence has seen, in the order of their tokens; see `imageKey`. */
  get pictureKeys(): readonly string[] {
    return this.#sight?.keys ?? [];
  }

  /**
   * Appends tokens.
   *
   * @throws {RemoraError} BAD_ARGUMENT for no tokens or an id outside the vocabulary, BAD_IMAGE for a picture that cannot be
   * decoded or whose token is missing (or the other way round), UNSUPPORTED for pictures shown to a text model,
   * CONTEXT_OVERFLOW, OUT_OF_MEMORY;
   * in all these cases nothing was appended. The signal's reason when it fires.
   */
  async forward(tokenIds: ArrayLike<number>, options: ForwardOptions = {}): Promise<ForwardResult> {
    const { images = [], logits = "last", signal } = options;
    return await this.#exclusively(async () => {
      signal?.throwIfAborted();
      this.#check(tokenIds, logits);
      this.#checkPictures(tokenIds, images.length);
      this.#cache.reserve(this.length + tokenIds.length);
      await this.#look(tokenIds, images, options);
      return await this.#append(tokenIds, options);
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
    this.#sight?.truncate(length);
  }

  /**
   * Forgets the tokens begin … end − 1 and computes those behind anew, so that everything is as if the others had never been
   * there. Pictures whose token is forgotten are forgotten with it. Their memory stays reserved, as with `reserve`.
   *
   * @throws {RemoraError} BAD_ARGUMENT when there are no such tokens. The signal's reason when it fires; the sequence then holds
   * the tokens that were computed by then.
   */
  async drop(
    begin: number,
    end: number,
    options: Pick<ForwardOptions, "signal" | "onPromptProgress"> = {},
  ): Promise<void> {
    await this.#exclusively(async () => {
      if (![begin, end].every(Number.isInteger) || begin < 0 || begin > end || end > this.length) {
        throw new RemoraError("BAD_ARGUMENT", "Cannot drop tokens of the sequence", {
          expected: `a range within ${this.length}`,
          found: `${begin} to ${end}`,
        });
      }
      const kept = this.#tokens.toSpliced(begin, end - begin);
      this.#sight?.drop(begin, end);
      // What is in front is computed again too: where rotary frequencies depend on the length, it changes with it.
      this.#tokens = [];
      if (kept.length > 0) await this.#append(kept, { ...options, logits: "none" });
    });
  }

  /**
   * Makes sure that there is memory for `length` tokens, so that none is found missing later. It stays reserved until `truncate`,
   * or until what is returned is disposed: memory behind the tokens that are there then is given back.
   *
   * @throws {RemoraError} CONTEXT_OVERFLOW, OUT_OF_MEMORY; then nothing changed.
   */
  reserve(length: number): Disposable {
    this.#refuseWhenBusy();
    const { contextSize } = this.#engine;
    if (length > contextSize) {
      throw new RemoraError("CONTEXT_OVERFLOW", "Cannot reserve memory", {
        expected: `at most ${contextSize} tokens of context`,
        found: `${length}`,
      });
    }
    this.#cache.reserve(length);
    const release = () => {
      if (!this.#isBusy && !this.#isDisposed) this.#cache.truncate(this.length);
    };
    return { [Symbol.dispose]: release };
  }

  /**
   * Everything needed to go on later, in this or another process: token ids, keys and values, pictures as the model saw them,
   * with a checksum. The layout is described in docs/snapshots.md.
   *
   * @example Go on in another process
   * ```ts
   * import { type Model } from "../../mod.ts";
   * async function save(model: Model, ids: number[]): Promise<Uint8Array> {
   *   using sequence = model.createSequence();
   *   await sequence.forward(ids, { logits: "none" });
   *   return await sequence.snapshot();
   * }
   * async function goOn(model: Model, bytes: Uint8Array, prompt: number[]): Promise<string> {
   *   using sequence = model.createSequence();
   *   await sequence.restore(bytes);
   *   const whole = [...sequence.tokenIds, ...prompt];
   *   return (await model.complete({ prompt: whole, sequence, maxTokens: 20 })).text;
   * }
   * ```
   */
  async snapshot(): Promise<Uint8Array> {
    return await this.#exclusively(() => {
      const placed = this.#sight?.placed ?? [];
      return Promise.resolve(
        writeSnapshot(this.#engine, { tokens: this.#tokens, cache: this.#cache, placed }),
      );
    });
  }

  /**
   * Replaces this sequence's contents by a snapshot's. Pictures come with it: the model does not look at them again.
   *
   * @param file What messages call the snapshot.
   * @throws {RemoraError} BAD_FILE for a damaged snapshot or one of another model or precision, OUT_OF_MEMORY; then nothing
   * changed.
   */
  async restore(bytes: Uint8Array, file = "the snapshot"): Promise<void> {
    await this.#exclusively(async () => {
      const { tokens, pictures, fill } = readSnapshot(this.#engine, bytes, file);
      const adopted: SeenPicture[] = [];
      try {
        this.#cache.reserve(tokens.length);
        for (const { stored: { position: _, ...picture }, fill } of pictures) {
          adopted.push(await this.#engine.vision!.adopt(picture, fill));
        }
      } catch (error) {
        for (const picture of adopted) this.#engine.vision!.release(picture);
        this.#cache.truncate(this.length);
        throw error;
      }
      this.#sight?.truncate(0);
      pictures.forEach(({ stored }, i) => this.#sight!.add(stored.position, adopted[i]));
      this.#cache.truncate(tokens.length);
      this.#cache.use(tokens.length);
      fill(this.#cache);
      this.#tokens = tokens;
    });
  }

  /** Gives the cache's memory back to the model. A call that still runs ends soon, with BAD_ARGUMENT, and gives it back then. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    if (!this.#isBusy) this.#release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #release(): void {
    this.#tokens = [];
    this.#sight?.dispose();
    this.#cache.dispose();
  }

  /** Looks at the pictures and puts them where their tokens will be. */
  async #look(
    tokenIds: ArrayLike<number>,
    images: readonly ImageInput[],
    { signal, trace, onPictureProgress }: ForwardOptions,
  ): Promise<void> {
    const { vision } = this.#engine;
    if (!vision || images.length === 0) return;
    const traced: VisionTrace | undefined = trace && { vision: [], projector: [] };
    const seen = await vision.see(images, { signal, onProgress: onPictureProgress, trace: traced });
    for (let i = 0; i < tokenIds.length; i++) {
      if (tokenIds[i] === vision.imageToken) this.#sight!.add(this.length + i, seen.shift()!);
    }
    for (const name of ["vision", "projector"] as const) {
      if (!traced) continue;
      const shape = [images.length, ...vision.traceShapes[name]];
      trace!(name, { shape, data: joinFloats(traced[name]) });
    }
  }

  /** Appends tokens whose pictures are in place; pictures whose token was not reached are given back. */
  async #append(tokenIds: ArrayLike<number>, options: ForwardOptions): Promise<ForwardResult> {
    try {
      return await this.#appendSteps(tokenIds, options);
    } finally {
      this.#sight?.truncate(this.length);
    }
  }

  async #appendSteps(tokenIds: ArrayLike<number>, options: ForwardOptions): Promise<ForwardResult> {
    const { logits = "last", signal, trace, onPromptProgress } = options;
    const { batches, decoder, turns } = this.#engine;
    const { heads, layers, vocabularySize: vocabSize } = decoder.config;
    const total = tokenIds.length;
    const rows = logits === "all" ? total : logits === "last" ? 1 : 0;
    const unwanted = total - rows;
    const data = new Float32Array(rows * vocabSize);
    let mean: AttentionMean | undefined;
    for (let begin = 0; begin < tokenIds.length; begin += decoder.rows) {
      const ids = Array.prototype.slice.call(tokenIds, begin, begin + decoder.rows);
      const start = this.length;
      const seeing = this.#sight?.seeing(start, ids.length);
      const isLast = begin + ids.length === total;
      if (isLast && options.attention) mean = new AttentionMean();
      const watch = mean && ((weights: Float32Array) => mean!.add(weights, heads));
      this.#cache.use(start + ids.length);
      const results = Math.min(ids.length, Math.max(0, begin + ids.length - unwanted));
      const step = { ids, start, cache: this.#cache, results, seeing, watch };
      if (total === 1 && !trace) {
        await batches.add(step, rows > 0 ? data : undefined, signal);
        if (this.#isDisposed) throw notIdle("a disposed one");
      } else {
        await turns.take(async () => {
          for (const done of decoder.forward([step], trace)) {
            const pause = this.#pauseWhenDue(signal);
            if (!pause) continue;
            await pause;
            onPromptProgress?.(begin + Math.floor(ids.length * done / layers.length), total);
          }
          for (let row = ids.length - results; row < ids.length; row += LOGIT_ROWS) {
            const count = Math.min(LOGIT_ROWS, ids.length - row);
            decoder.logits(row, count, data.subarray((begin + row - unwanted) * vocabSize));
            await this.#pauseWhenDue(signal);
          }
        }, signal);
      }
      this.#tokens.push(...ids);
      onPromptProgress?.(begin + ids.length, total);
    }
    const attention = mean && this.#mapsOf(mean);
    return { rows, vocabSize, data, ...(attention && { attention }) };
  }

  /** Lets events in if that is due; what they bring may end the call. Decoding token by token makes no promise here. */
  #pauseWhenDue(signal: AbortSignal | undefined): Promise<void> | undefined {
    return yieldWhenDue()?.then(() => {
      signal?.throwIfAborted();
      if (this.#isDisposed) throw notIdle("a disposed one");
    });
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseWhenBusy();
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
      if (this.#isDisposed) this.#release();
    }
  }

  #refuseWhenBusy(): void {
    if (this.#isDisposed) throw notIdle("a disposed one");
    if (this.#isBusy) throw notIdle("another call still running");
  }

  #mapsOf(mean: AttentionMean): PictureAttention[] {
    if (!this.#sight) return [];
    const { pictures, first } = this.#sight.picturesAt(this.length - 1);
    return mean.maps(pictures, first, this.#engine.vision!.patchesPerSide);
  }

  #checkPictures(tokenIds: ArrayLike<number>, pictures: number): void {
    const { vision } = this.#engine;
    if (!vision) {
      if (pictures > 0) throw cannotSee();
      return;
    }
    let tokens = 0;
    for (let i = 0; i < tokenIds.length; i++) if (tokenIds[i] === vision.imageToken) tokens++;
    if (tokens !== pictures) {
      throw new RemoraError("BAD_IMAGE", "Cannot look at the pictures", {
        expected: `one picture for each of ${tokens} picture tokens`,
        found: `${pictures} pictures`,
      });
    }
    const all = this.#sight!.keys.length + pictures;
    if (all > PICTURE_COUNT_MAX) {
      throw new RemoraError("BAD_IMAGE", "Cannot look at the pictures", {
        expected: `at most ${PICTURE_COUNT_MAX} in a sequence`,
        found: `${all}`,
      });
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
    const imageToken = this.#engine.vision?.imageToken;
    for (let i = 0; i < tokenIds.length; i++) {
      const id = tokenIds[i];
      if ((!Number.isInteger(id) || id < 0 || id >= vocabularySize) && id !== imageToken) {
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

function notIdle(found: string): RemoraError {
  return new RemoraError("BAD_ARGUMENT", "Cannot use the sequence", { expected: "an idle one", found });
}
