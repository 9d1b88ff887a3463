/**
 * Sequences that requests leave behind, for requests that begin alike.
 *
 * @module
 */
import type { Model, PreparedRequest } from "../../generation/model.ts";
import { RemoraError } from "../../core/errors.ts";
import type { Sequence } from "../../sequence/sequence.ts";

/** Tokens in common that are worth more than an idle sequence that may serve somebody else better. */
const SHARED_TOKENS_MIN = 16;

/**
 * Keeps the sequences of answered requests. A new request takes the one that shares most of its prompt with it, pictures by their
 * content, and computes the rest.
 */
export class SequencePool implements Disposable {
  readonly #model: Model;
  readonly #size: number;
  /** The least recently used first. */
  readonly #idle: Sequence[] = [];
  readonly #busy = new Set<Sequence>();

  constructor(model: Model, size: number) {
    this.#model = model;
    this.#size = size;
  }

  /** Tokens that sequences hold. */
  get tokens(): number {
    return [...this.#idle, ...this.#busy].reduce((sum, { length }) => sum + length, 0);
  }

  /** A sequence for a request; nobody else has it until it is given back. */
  async take(request: PreparedRequest): Promise<Sequence> {
    const best = await this.#mostAlike(request);
    // While the others were looked at, another request may have taken it.
    if (best && !this.#idle.includes(best)) return await this.take(request);
    if (best) this.#idle.splice(this.#idle.indexOf(best), 1);
    const taken = best ?? this.#model.createSequence();
    this.#busy.add(taken);
    return taken;
  }

  async #mostAlike({ promptIds, images }: PreparedRequest): Promise<Sequence | undefined> {
    let best: Sequence | undefined, shared = SHARED_TOKENS_MIN - 1;
    for (const sequence of [...this.#idle]) {
      const { tokens } = await sequence.commonPrefix(promptIds, images);
      if (tokens > shared && this.#idle.includes(sequence)) [best, shared] = [sequence, tokens];
    }
    return best;
  }

  /** Keeps a sequence for later requests. */
  give(sequence: Sequence): void {
    this.#busy.delete(sequence);
    this.#idle.push(sequence);
    while (this.#idle.length > this.#size) this.#idle.shift()!.dispose();
  }

  /**
   * Does something that takes memory; where there is none, idle sequences are given up, the least recently used first.
   *
   * @throws What `work` throws.
   */
  async withMemory<T>(work: () => Promise<T>): Promise<T> {
    while (true) {
      try {
        return await work();
      } catch (error) {
        const isFull = error instanceof RemoraError && error.code === "OUT_OF_MEMORY";
        if (!isFull || this.#idle.length === 0) throw error;
        this.#idle.shift()!.dispose();
      }
    }
  }

  [Symbol.dispose](): void {
    for (const sequence of this.#idle.splice(0)) sequence.dispose();
  }
}
