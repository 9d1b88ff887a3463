/**
 * Sequences that advance by a token at the same time do so in one pass: the weights are read once for all of them.
 *
 * @module
 */
import type { Turns } from "../core/turns.ts";
import { yieldToEvents, yieldWhenDue } from "../core/yield.ts";
import type { Decoder, Step } from "../models/decoder/decoder.ts";
import { LOGIT_ROWS } from "../ops/workspace.ts";

/** Sequences in one pass: the logits of all are computed at once. */
const BATCH_MAX = LOGIT_ROWS;

/** A token that waits for its pass. */
interface Waiting {
  step: Step;
  /** f32 [vocabularySize], or nothing is wanted. */
  logits: Float32Array | undefined;
  signal: AbortSignal | undefined;
  done(): void;
  failed(reason: unknown): void;
}

/** Continuous batching: whoever comes while a pass runs is in the next one. Answers are the bits of running alone. */
export class Batches {
  readonly #decoder: Decoder;
  readonly #turns: Turns;
  #waiting: Waiting[] = [];
  #isCalled = false;
  /** Sequences of the last pass: as many may come again. */
  #expected = 1;

  /** @param turns At the decoder. */
  constructor(decoder: Decoder, turns: Turns) {
    this.#decoder = decoder;
    this.#turns = turns;
  }

  /**
   * Computes a step of one token, alone or with those of other sequences.
   *
   * @param logits Where its logits go.
   * @throws The signal's reason when it fires before the pass.
   */
  async add(step: Step, logits: Float32Array | undefined, signal?: AbortSignal): Promise<void> {
    const { promise, resolve: done, reject: failed } = Promise.withResolvers<void>();
    this.#waiting.push({ step, logits, signal, done, failed });
    this.#call();
    await promise;
  }

  #call(): void {
    if (this.#isCalled) return;
    this.#isCalled = true;
    void this.#turns.take(() => this.#pass());
  }

  async #pass(): Promise<void> {
    // After a pass each sequence samples and comes back in a turn of events of its own.
    if (this.#waiting.length < this.#expected) await yieldToEvents();
    this.#isCalled = false;
    const [aborted, wanted] = split(this.#waiting, ({ signal }) => signal?.aborted ?? false);
    for (const { failed, signal } of aborted) failed(signal!.reason);
    const batch = wanted.splice(0, Math.min(BATCH_MAX, this.#decoder.rows));
    this.#waiting = wanted;
    this.#expected = batch.length;
    if (wanted.length > 0) this.#call();
    try {
      if (batch.length > 0) await this.#compute(batch);
      for (const { done } of batch) done();
    } catch (error) {
      for (const { failed } of batch) failed(error);
    }
  }

  async #compute(batch: readonly Waiting[]): Promise<void> {
    for (const _ of this.#decoder.forward(batch.map(({ step }) => step))) {
      const pause = yieldWhenDue();
      if (pause) await pause;
    }
    if (batch.length === 1) {
      const [{ logits }] = batch;
      if (logits) this.#decoder.logits(0, 1, logits);
      return;
    }
    const { vocabularySize } = this.#decoder.config;
    const all = new Float32Array(batch.length * vocabularySize);
    this.#decoder.logits(0, batch.length, all);
    batch.forEach(({ logits }, row) => {
      logits?.set(all.subarray(row * vocabularySize, (row + 1) * vocabularySize));
    });
  }
}

function split<T>(values: readonly T[], isFirst: (value: T) => boolean): [T[], T[]] {
  return [values.filter(isFirst), values.filter((value) => !isFirst(value))];
}
