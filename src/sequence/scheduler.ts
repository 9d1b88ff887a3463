/**
 * Passes through the decoder: whose turn it is, what shares one, where events are let in and where a caller may stop.
 *
 * The decoder has one set of buffers, so passes and the storing of pictures' states take turns, first come, first served. Steps of
 * one row that come at the same time share a pass: the weights are read once for all of them (continuous batching: whatever comes
 * while a pass runs is in the next one). A row's bits depend on no other row, so answers are those of running alone.
 *
 * @module
 */
import { Turns } from "../core/turns.ts";
import { type Decoder, type LayeredKeyValues, LOGIT_ROWS, type Step, type Trace } from "../models/decoder.ts";
import type { HostEvents } from "../platform/events.ts";
import type { PictureStates } from "../vision/vision_model.ts";

/** Steps in one pass: the logits of all are computed at once. */
const BATCH_MAX = LOGIT_ROWS;

/**
 * Milliseconds that a pass of a prompt may take while others generate: these wait for at most one such pass between two tokens. Passes
 * of more rows are faster for the prompt alone.
 */
const SHARED_PASS_MILLISECONDS = 150;
/** Rows of such a pass at least: fewer cost nearly as much as these. */
const SHARED_ROWS_MIN = 8;
/** Rows of such a pass where it is not known yet how long a row takes. */
const SHARED_ROWS_FIRST = 64;
/** Milliseconds after a generated token in which the next one is expected. */
const GENERATING_MILLISECONDS = 250;

/** What a step is computed with. */
export interface StepOptions {
  /** Where logits of the step's last rows go, f32 [results, vocabularySize]. */
  logits?: Float32Array;
  /** Waiting ends when it fires. */
  signal?: AbortSignal;
  /** Called whenever events were let in; throws to end the step. A pass of several steps goes on without it. */
  check?(): void;
  /** Told how many layers are done, when events were let in. */
  onLayers?(done: number): void;
  /** A traced step has a pass of its own. */
  trace?: Trace;
}

/** A step that waits for its pass. */
interface Waiting {
  step: Step;
  options: StepOptions;
  done(): void;
  failed(reason: unknown): void;
}

/** Owns the decoder. */
export class Scheduler {
  readonly #decoder: Decoder;
  readonly #events: HostEvents;
  readonly #turns = new Turns();
  /** Of steps of several rows among themselves: only one of them stands between two shared passes. */
  readonly #promptTurns = new Turns();
  /** Steps of one row. */
  #waiting: Waiting[] = [];
  #isCalled = false;
  /** Sequences of the last shared pass. */
  #members: readonly Step["cache"][] = [];
  /** Steps that are worth waiting for a turn of the host's events. */
  #expected = 1;
  #lastStep = -Infinity;
  /** Whether a step of one row came since the last pass of a prompt began. */
  #hasSteps = false;
  /** Of the latest pass of a prompt. */
  #rowMilliseconds?: number;

  constructor(decoder: Decoder, events: HostEvents) {
    this.#decoder = decoder;
    this.#events = events;
  }

  /** Rows that a step should have at most: fewer while others generate, whose tokens come between the steps. */
  get rows(): number {
    const isShared = this.#hasSteps || performance.now() - this.#lastStep < GENERATING_MILLISECONDS;
    if (!isShared) return this.#decoder.rows;
    const wanted = this.#rowMilliseconds === undefined
      ? SHARED_ROWS_FIRST
      : Math.max(SHARED_ROWS_MIN, Math.floor(SHARED_PASS_MILLISECONDS / this.#rowMilliseconds));
    return Math.min(wanted, this.#decoder.rows);
  }

  /**
   * Computes a step, alone or together with those of other sequences.
   *
   * @throws The signal's reason when it fires before the pass, or what `check` throws.
   */
  async run(step: Step, options: StepOptions = {}): Promise<void> {
    if (step.rows > 1 || options.trace) {
      const { signal } = options;
      await this.#promptTurns.take(
        () =>
          this.#turns.take(async () => {
            this.#hasSteps = this.#waiting.length > 0;
            const begin = performance.now();
            await this.#pass([{ step, options }]);
            this.#rowMilliseconds = (performance.now() - begin) / step.rows;
          }, signal),
        signal,
      );
      return;
    }
    this.#lastStep = performance.now();
    this.#hasSteps = true;
    const { signal } = options;
    const { promise, resolve: done, reject: failed } = Promise.withResolvers<void>();
    const waiting = { step, options, done, failed };
    /** A step that is in a pass goes on: others wait for the same pass. */
    const leave = () => {
      if (!this.#waiting.includes(waiting)) return;
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      failed(signal!.reason);
    };
    signal?.throwIfAborted();
    signal?.addEventListener("abort", leave);
    this.#waiting.push(waiting);
    this.#callForPass();
    await promise.finally(() => signal?.removeEventListener("abort", leave));
  }

  /** Stores keys and values of a picture's states. */
  async remember(states: PictureStates, memory: LayeredKeyValues, signal?: AbortSignal): Promise<void> {
    const { rows, start } = states;
    await this.#turns.take(() => this.#decoder.remember(states.read(rows), rows, start, memory), signal);
  }

  #callForPass(): void {
    if (this.#isCalled) return;
    this.#isCalled = true;
    void this.#turns.take(() => this.#sharedPass());
  }

  async #sharedPass(): Promise<void> {
    // After a pass each sequence samples, and comes back within a turn of the host's events.
    if (this.#waiting.length < this.#expected && this.#events.areShared) await this.#events.pause();
    this.#isCalled = false;
    const batch = this.#waiting.splice(0, Math.min(BATCH_MAX, this.#decoder.rows));
    if (this.#waiting.length > 0) this.#callForPass();
    try {
      if (batch.length > 0) await this.#pass(batch);
      for (const { done } of batch) done();
    } catch (error) {
      for (const { failed } of batch) failed(error);
    }
    this.#expect(batch);
  }

  /**
   * Who was in one of the last two passes, or came meanwhile, is expected in the next. With the last pass alone two sequences would take
   * turns for ever: one comes back while the other's pass runs.
   */
  #expect(batch: readonly Waiting[]): void {
    const members = batch.map(({ step }) => step.cache);
    this.#expected =
      new Set([...this.#members, ...members, ...this.#waiting.map(({ step }) => step.cache)]).size;
    this.#members = members;
  }

  /** The one loop through the decoder's layers. Decoding token by token makes no promise here. */
  async #pass(members: readonly Pick<Waiting, "step" | "options">[]): Promise<void> {
    const alone = members.length === 1 ? members[0].options : undefined;
    for (const done of this.#decoder.forward(members.map(({ step }) => step), alone?.trace)) {
      const pause = this.#pauseWhenDue(alone);
      if (!pause) continue;
      await pause;
      alone?.onLayers?.(done);
    }
    if (alone) await this.#logits(members[0].step, alone);
    else this.#sharedLogits(members);
  }

  #pauseWhenDue(alone: StepOptions | undefined): Promise<void> | undefined {
    return this.#events.pauseWhenDue()?.then(() => alone?.check?.());
  }

  /** Logits of the rows at a step's end. */
  async #logits({ rows, results }: Step, options: StepOptions): Promise<void> {
    const { logits } = options;
    if (!logits) return;
    const { vocabularySize } = this.#decoder.config;
    for (let row = 0; row < results; row += LOGIT_ROWS) {
      const count = Math.min(LOGIT_ROWS, results - row);
      const target = logits.subarray(row * vocabularySize, (row + count) * vocabularySize);
      this.#decoder.logits(rows - results + row, count, target);
      const pause = this.#pauseWhenDue(options);
      if (pause) await pause;
    }
  }

  /** Logits of a pass whose steps have one row each. */
  #sharedLogits(members: readonly Pick<Waiting, "options">[]): void {
    const { vocabularySize } = this.#decoder.config;
    const all = new Float32Array(members.length * vocabularySize);
    this.#decoder.logits(0, members.length, all);
    members.forEach(({ options: { logits } }, row) => {
      logits?.set(all.subarray(row * vocabularySize, (row + 1) * vocabularySize));
    });
  }
}
