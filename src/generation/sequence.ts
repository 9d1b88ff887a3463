/**
 * One sequence of tokens and its cache.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { joinFloats } from "../core/floats.ts";
import { PICTURE_COUNT_MAX } from "../core/limits.ts";
import { yieldToEvents } from "../core/yield.ts";
import { cannotSee, type ImageInput } from "../image/input.ts";
import type { Trace } from "../models/decoder/decoder.ts";
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
  /** Which rows of logits to return: the last token's (default), every token's, or none. */
  logits?: "last" | "all" | "none";
  /** Return where in the visible pictures the last token looked. */
  attention?: boolean;
  /** Stops between two steps of at most 512 tokens; the sequence keeps the steps that were done. */
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
    const { images = [], logits = "last", signal, trace } = options;
    return await this.#exclusively(async () => {
      signal?.throwIfAborted();
      this.#check(tokenIds, logits);
      this.#checkPictures(tokenIds, images.length);
      const { decoder } = this.#engine;
      const vocabSize = decoder.config.vocabularySize;
      const rows = logits === "all" ? tokenIds.length : logits === "last" ? 1 : 0;
      this.#cache.reserve(this.length + tokenIds.length);
      await this.#look(tokenIds, images, options);
      const data = new Float32Array(rows * vocabSize);
      let mean: AttentionMean | undefined;
      for (let begin = 0; begin < tokenIds.length; begin += decoder.rows) {
        if (begin > 0) await yieldToEvents();
        signal?.throwIfAborted();
        const ids = Array.prototype.slice.call(tokenIds, begin, begin + decoder.rows);
        const start = this.length;
        const seeing = this.#sight?.seeing(start, ids.length);
        const isLast = begin + ids.length === tokenIds.length;
        if (isLast && options.attention) mean = new AttentionMean();
        const { heads } = decoder.config;
        const watch = mean && ((weights: Float32Array) => mean!.add(weights, heads));
        decoder.forward({ ids, start, cache: this.#cache, seeing, watch, trace });
        this.#tokens.push(...ids);
        if (logits === "all") {
          decoder.logits(0, ids.length, data.subarray(begin * vocabSize));
        } else if (logits === "last" && isLast) {
          decoder.logits(ids.length - 1, 1, data);
        }
      }
      const attention = mean && this.#mapsOf(mean);
      return { rows, vocabSize, data, ...(attention && { attention }) };
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

  /** Everything needed to go on later, in this or another process: token ids, keys and values, with a checksum. */
  async snapshot(): Promise<Uint8Array> {
    this.#refusePictures("snapshot");
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
      this.#sight?.truncate(0);
      snapshot.fill(this.#cache);
      this.#tokens = snapshot.tokens;
    });
  }

  /** Gives the cache's memory back to the model. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#tokens = [];
    this.#sight?.dispose();
    this.#cache.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Looks at the pictures and puts them where their tokens will be. When one fails, or the call is stopped while its tokens
   * are appended, the pictures behind the last token are given back.
   */
  async #look(
    tokenIds: ArrayLike<number>,
    images: readonly ImageInput[],
    { signal, trace, onPictureProgress }: ForwardOptions,
  ): Promise<void> {
    const { vision } = this.#engine;
    // A picture of an earlier call that was stopped before its token came.
    this.#sight?.truncate(this.length);
    if (!vision || images.length === 0) return;
    const traced: VisionTrace | undefined = trace && { vision: [], projector: [] };
    const seen: SeenPicture[] = [];
    try {
      for (const image of images) {
        const onProgress = (done: number, total: number) =>
          onPictureProgress?.((seen.length + done / total) / images.length);
        seen.push(await vision.see(image, { signal, onProgress, trace: traced }));
      }
    } catch (error) {
      for (const picture of seen) vision.release(picture);
      throw error;
    }
    for (let i = 0; i < tokenIds.length; i++) {
      if (tokenIds[i] === vision.imageToken) this.#sight!.add(this.length + i, seen.shift()!);
    }
    for (const name of ["vision", "projector"] as const) {
      if (!traced) continue;
      const shape = [images.length, ...vision.traceShapes[name]];
      trace!(name, { shape, data: joinFloats(traced[name]) });
    }
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

  #mapsOf(mean: AttentionMean): PictureAttention[] {
    if (!this.#sight) return [];
    const { pictures, first } = this.#sight.picturesAt(this.length - 1);
    return mean.maps(pictures, first, this.#engine.vision!.patchesPerSide);
  }

  #refusePictures(attempt: string): void {
    if (!this.#sight || this.#sight.keys.length === 0) return;
    throw new RemoraError("UNSUPPORTED", `Cannot ${attempt} the sequence`, {
      expected: "text only",
      found: `${this.#sight.keys.length} pictures`,
    });
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
