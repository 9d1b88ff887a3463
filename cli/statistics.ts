/**
 * How fast an answer came.
 *
 * @module
 */
import type { Model, Usage } from "../mod.ts";
import { formatBytes } from "./terminal.ts";

/** Times of one answer, in milliseconds of `performance.now()`. */
export class Stopwatch {
  readonly #begin = performance.now();
  #first = 0;
  #last = 0;

  /** Called at every token. */
  tick(): void {
    this.#last = performance.now();
    if (this.#first === 0) this.#first = this.#last;
  }

  /** Tokens per second: of the prompt's part that was computed, and of the answer behind its first token. */
  speeds({ promptTokens, cachedTokens, completionTokens }: Usage): { prompt: number; generation: number } {
    const rate = (tokens: number, ms: number) => ms > 0 ? Math.round(tokens / ms * 10_000) / 10 : 0;
    return {
      prompt: rate(promptTokens - cachedTokens, this.#first - this.#begin),
      generation: rate(completionTokens - 1, this.#last - this.#first),
    };
  }
}

/** One line for people. */
export function describeSpeed(model: Model, usage: Usage, watch: Stopwatch): string {
  const { prompt, generation } = watch.speeds(usage);
  const { threads, kernels } = model.engine;
  return `prompt ${usage.promptTokens} tokens (${usage.cachedTokens} cached), ${prompt} tok/s; ` +
    `answer ${usage.completionTokens} tokens, ${generation} tok/s; ${threads} threads, ${kernels} kernels, ` +
    `${formatBytes(Deno.memoryUsage().rss)} resident`;
}
