/**
 * One sequence of tokens and its cache.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { joinFloats } from "../core/floats.ts";
import { PICTURE_COUNT_MAX } from "../core/limits.ts";
import { cannotSee, type ImageInput } from "../image/input.ts";
import type { Trace } from "../models/decoder.ts";
import type { FewerTiles, VisionTrace } from "../vision/vision_model.ts";
import { Contents } from "./contents.ts";
import type { Engine } from "./engine.ts";
import { KeyValueCache } from "./key_value_cache.ts";
import { AttentionMean, type PictureAttention } from "./attention_map.ts";
import { type KeyedImage, keyImages, type SeenPicture } from "./pictures.ts";
import { Sight, visibleAt } from "./sight.ts";
import { readSnapshot, writeSnapshot } from "./snapshot.ts";

/** Options of {@linkcode Sequence.forward}. */
export interface ForwardOptions {
  /** Pictures, one for each picture token, in the order of these; refused by models that cannot see. */
  images?: ImageInput[];
  /**
   * Tiles of a picture at most, for models that cut pictures into tiles: less detail in less time. Default: the model's. A picture
   * that has a name keeps the number it was seen with.
   */
  maxTiles?: number;
  /** Told of each picture that is looked at with fewer tiles than it would have without `maxTiles`. */
  onFewerTiles?(fewer: FewerTiles): void;
  /**
   * Told while pictures are looked at: how much of all is done, from 0 to 1, by the multiplications that it takes. The first time
   * is 0, the next after a layer of the vision tower.
   */
  onPictureProgress?(share: number): void;
  /** Told tokens that are done, of how many: after each step of at most 512, and within one as its layers are done. */
  onPromptProgress?(done: number, total: number): void;
  /** Which rows of logits to return: the last token's (default), every token's, or none. */
  logits?: "last" | "all" | "none";
  /** Where the rows are written, f32 [rows · vocabSize], in place of a new array: what a caller used before can be used again. */
  into?: Float32Array;
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
  /** Rows of logits. */
  rows: number;
  /** Logits of a row. */
  vocabSize: number;
  /** Row by row. */
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
  readonly #contents: Contents;
  /** Of models whose pictures join "across". */
  readonly #sight?: Sight;
  /** Which positions the tokens in the cache have; see `Decoder.positionsOf`. */
  #positions = 0;
  #isBusy = false;
  #isDisposed = false;

  /** Made by `Model.createSequence`. */
  constructor(engine: Engine) {
    const { cache, pictures } = engine;
    this.#engine = engine;
    this.#cache = new KeyValueCache(cache);
    this.#contents = new Contents(pictures?.model);
    if (pictures?.model.join === "across") {
      this.#sight = new Sight(pictures.place, pictures.model.crossAttentionRows!);
    }
  }

  /** Tokens in the cache. */
  get length(): number {
    return this.#contents.tokens.length;
  }

  /** Their ids. */
  get tokenIds(): readonly number[] {
    return this.#contents.tokens;
  }

  /** Names of the pictures that the sequence has seen, in the order of their tokens; see `imageKey`. */
  get pictureKeys(): readonly string[] {
    return this.#contents.placed.map(({ picture }) => picture.key);
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
    const { images = [], signal } = options;
    return await this.#exclusively(async () => {
      signal?.throwIfAborted();
      this.#check(tokenIds, options);
      const positions = this.#checkPictures(tokenIds, images.length);
      this.#cache.reserve(this.length + tokenIds.length);
      if (images.length > 0) {
        const named = await this.#engine.pictures!.named(images, options.maxTiles);
        await this.#look(named, positions, options);
      }
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
    this.#release(this.#contents.truncate(length));
    this.#cache.truncate(length);
  }

  /**
   * Forgets the tokens begin … end − 1 and computes the others anew, so that everything is as if these had never been there.
   * A picture of which a token is forgotten is forgotten whole. The memory stays reserved, as with `reserve`.
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
      const whole = this.#contents.withWholePictures(begin, end);
      this.#release(this.#contents.dropPictures(whole.begin, whole.end));
      const kept = this.#contents.tokens.toSpliced(whole.begin, whole.end - whole.begin);
      this.#contents.tokens = [];
      if (kept.length > 0) await this.#append(kept, { ...options, logits: "none" });
    });
  }

  /**
   * How many tokens can be appended in one call without changing what the first of them would be alone: positions of LongRoPE depend
   * on the length of the whole.
   */
  get roomOfPositions(): number {
    return this.#engine.decoder.positionsEnd(this.length + 1) - this.length;
  }

  /**
   * What the sequence has in common with the start of a prompt, tokens and pictures; at most all but the prompt's last token. A
   * caller who truncates to that and appends the rest computes nothing twice.
   *
   * @param images The prompt's pictures, in the order of their tokens.
   */
  async commonPrefix(
    tokenIds: ArrayLike<number>,
    images: readonly ImageInput[] = [],
  ): Promise<{ tokens: number; pictures: number }> {
    return this.#contents.commonPrefix(tokenIds, await keyImages(images));
  }

  /**
   * Makes sure that there is memory for `length` tokens, so that none is found missing later. It stays reserved until `truncate`,
   * or until what is returned is disposed: memory that no token uses by then is given back.
   *
   * @throws {RemoraError} BAD_ARGUMENT, CONTEXT_OVERFLOW, OUT_OF_MEMORY; then nothing changed.
   */
  reserve(length: number): Disposable {
    this.#refuseWhenBusy();
    const { contextSize } = this.#engine;
    if (!Number.isInteger(length) || length < 0) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot reserve memory", {
        expected: "a number of tokens from 0 on",
        found: `${length}`,
      });
    }
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
      return Promise.resolve(writeSnapshot(this.#engine, this.#contents, this.#cache, this.#positions));
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
      const { tokens, positions, pictures, fill } = readSnapshot(this.#engine, bytes, file);
      const adopted: SeenPicture[] = [];
      try {
        this.#cache.reserve(tokens.length);
        for (const { stored: { position: _, ...picture }, fill } of pictures) {
          adopted.push(await this.#engine.pictures!.adopt(picture, fill));
        }
      } catch (error) {
        for (const picture of adopted) this.#engine.pictures!.release(picture);
        this.#cache.truncate(this.length);
        throw error;
      }
      this.#release(this.#contents.truncate(0));
      this.#contents.place(adopted, this.#contents.pictureTokens(tokens, 0));
      this.#cache.truncate(tokens.length);
      this.#cache.use(tokens.length);
      fill(this.#cache);
      this.#contents.tokens = tokens;
      this.#positions = positions;
    });
  }

  /** Gives the cache's memory back to the model. A call that still runs ends soon, with BAD_ARGUMENT, and gives it back then. */
  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    if (!this.#isBusy) this.#giveBack();
  }

  /** The same, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #giveBack(): void {
    this.#release(this.#contents.truncate(0));
    this.#sight?.clear();
    this.#cache.dispose();
  }

  /** Returns pictures that lost their token. */
  #release(pictures: readonly SeenPicture[]): void {
    if (pictures.length > 0) this.#sight?.clear();
    for (const picture of pictures) this.#engine.pictures!.release(picture);
  }

  /** Looks at the pictures and puts them where their tokens will be. */
  async #look(
    images: readonly KeyedImage[],
    positions: readonly number[],
    { signal, trace, onPictureProgress, onFewerTiles }: ForwardOptions,
  ): Promise<void> {
    const pictures = this.#engine.pictures!;
    const traced: VisionTrace | undefined = trace && { vision: [], projector: [] };
    const seen = await pictures.see(images, {
      signal,
      onProgress: onPictureProgress,
      onFewerTiles,
      trace: traced,
    });
    try {
      this.#contents.place(seen, positions);
    } catch (error) {
      for (const picture of seen) pictures.release(picture);
      throw error;
    }
    this.#sight?.extend();
    for (const name of ["vision", "projector"] as const) {
      if (!traced) continue;
      const shape = [images.length, ...pictures.model.traceShapes[name]];
      trace!(name, { shape, data: joinFloats(traced[name]) });
    }
  }

  /** Appends tokens whose pictures are in place; pictures whose token was not reached are given back. */
  async #append(tokenIds: ArrayLike<number>, options: ForwardOptions): Promise<ForwardResult> {
    const { tokens } = this.#contents;
    const positions = this.#engine.decoder.positionsOf(this.length + tokenIds.length);
    const isAnew = tokens.length > 0 && positions !== this.#positions;
    // Every token of a sequence has the same positions: when they change, all of it is computed anew.
    if (isAnew) this.#contents.tokens = [];
    this.#positions = positions;
    try {
      const { signal } = options;
      if (isAnew) {
        await this.#appendSteps(tokens, { signal, logits: "none" }, tokens.length + tokenIds.length);
      }
      return await this.#appendSteps(tokenIds, options, this.length + tokenIds.length);
    } finally {
      this.#release(this.#contents.settle());
    }
  }

  /** @param length Tokens that the sequence will have when all that is known of is appended. */
  async #appendSteps(
    tokenIds: ArrayLike<number>,
    options: ForwardOptions,
    length: number,
  ): Promise<ForwardResult> {
    const { logits = "last", signal, trace, onPromptProgress } = options;
    const { decoder, scheduler } = this.#engine;
    const { vocabularySize: vocabSize, heads, layers } = decoder.config;
    const total = tokenIds.length;
    const rows = logits === "all" ? total : logits === "last" ? 1 : 0;
    const unwanted = total - rows;
    const data = options.into ?? new Float32Array(rows * vocabSize);
    const mean = options.attention ? new AttentionMean() : undefined;
    for (let begin = 0, rows = 0; begin < total; begin += rows) {
      // What is traced does not depend on who else generates.
      const most = trace ? decoder.rows : scheduler.rows;
      const ids: number[] = Array.prototype.slice.call(tokenIds, begin, begin + most);
      rows = ids.length;
      const start = this.length, end = begin + ids.length;
      this.#cache.use(start + ids.length);
      const results = Math.min(ids.length, Math.max(0, end - unwanted));
      await scheduler.run({
        segments: this.#contents.segments(ids, start),
        rows: ids.length,
        start,
        length,
        cache: this.#cache,
        results,
        seeing: this.#sight?.seeing(this.#contents.placed, start, ids.length),
        watch: mean && end === total ? (weights) => mean.add(weights, heads) : undefined,
      }, {
        logits: results > 0 ? data.subarray((end - results - unwanted) * vocabSize) : undefined,
        signal,
        trace,
        check: () => this.#checkRunning(signal),
        onLayers: (done) => onPromptProgress?.(begin + Math.floor(ids.length * done / layers.length), total),
      });
      if (this.#isDisposed) throw notIdle("a disposed one");
      this.#contents.tokens.push(...ids);
      onPromptProgress?.(end, total);
    }
    return { rows, vocabSize, data, ...(mean && { attention: this.#mapsOf(mean) }) };
  }

  /** What events brought may end the call. */
  #checkRunning(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#isDisposed) throw notIdle("a disposed one");
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseWhenBusy();
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
      if (this.#isDisposed) this.#giveBack();
    }
  }

  #refuseWhenBusy(): void {
    if (this.#isDisposed) throw notIdle("a disposed one");
    if (this.#isBusy) throw notIdle("another call still running");
  }

  /** Where the last token looked. */
  #mapsOf(mean: AttentionMean): PictureAttention[] {
    const { placed } = this.#contents;
    const { first, last } = visibleAt(placed, this.length - 1);
    if (!this.#sight || last < 0) return [];
    const visible = placed.slice(first, last + 1).map(({ picture }) => picture);
    return mean.maps(visible, first, this.#engine.pictures!.model);
  }

  /** Positions at which the pictures' tokens will be. */
  #checkPictures(tokenIds: ArrayLike<number>, images: number): number[] {
    const { pictures } = this.#engine;
    if (!pictures) {
      if (images > 0) throw cannotSee();
      return [];
    }
    const positions = this.#contents.pictureTokens(tokenIds, this.length);
    // Where states are rows of the sequence, their number is known when the pictures are prepared.
    const mayFit = pictures.model.join === "across"
      ? positions.length === images
      : positions.length >= images && (images > 0 || positions.length === 0);
    if (!mayFit) {
      throw new RemoraError("BAD_IMAGE", "Cannot look at the pictures", {
        expected: `one picture for each of ${positions.length} picture tokens`,
        found: `${images} pictures`,
      });
    }
    const all = this.#contents.placed.length + images;
    if (all > PICTURE_COUNT_MAX) {
      throw new RemoraError("BAD_IMAGE", "Cannot look at the pictures", {
        expected: `at most ${PICTURE_COUNT_MAX} in a sequence`,
        found: `${all}`,
      });
    }
    return positions;
  }

  #check(tokenIds: ArrayLike<number>, { logits = "last", into }: ForwardOptions): void {
    const refuse = (attempt: string, expected: string, found: string) => {
      throw new RemoraError("BAD_ARGUMENT", attempt, { expected, found });
    };
    if (!["last", "all", "none"].includes(logits)) {
      refuse("Cannot return logits", "last, all or none", `${logits}`);
    }
    if (tokenIds.length === 0) refuse("Cannot run the model", "at least one token", "an empty prompt");
    const { vocabularySize } = this.#engine.decoder.config;
    const values = vocabularySize * { all: tokenIds.length, last: 1, none: 0 }[logits];
    if (into && into.length !== values) refuse("Cannot use into", `${values} values`, `${into.length}`);
    const pictureToken = this.#engine.pictures?.model.pictureToken;
    for (let i = 0; i < tokenIds.length; i++) {
      const id = tokenIds[i];
      if ((!Number.isInteger(id) || id < 0 || id >= vocabularySize) && id !== pictureToken) {
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
