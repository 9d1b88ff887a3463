/**
 * What is measured, under vLLM's names.
 *
 * @module
 */
import type { MetricsRegistry } from "../platform/platform.ts";

/** Seconds. */
const FIRST_TOKEN_BUCKETS = [
  0.001,
  0.005,
  0.01,
  0.02,
  0.04,
  0.06,
  0.08,
  0.1,
  0.25,
  0.5,
  0.75,
  1,
  2.5,
  5,
  7.5,
  10,
  20,
  40,
  80,
];
const TOKEN_BUCKETS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5];
const REQUEST_BUCKETS = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240];

/** What gauges read. */
export interface WatchedModel {
  running(): number;
  waiting(): number;
  cacheUsage(): number;
}

/** Why an answer ended, in vLLM's words: calls of tools are answers that stop. */
export type FinishedReason = "stop" | "length" | "abort" | "error";

/** Watches one request. */
export interface RequestWatch {
  /** A token was generated. */
  token(): void;
  /** An answer ended; of a request for several, each one counts, as vLLM counts them. */
  finish(reason: FinishedReason): void;
}

/** The measurements of one model. */
export interface ModelMetrics {
  watch(model: WatchedModel): void;
  /** @param arrival By `performance.now`, in milliseconds. */
  begin(arrival: number, promptTokens: number): RequestWatch;
}

/** Measurements of a server, with one set of series for each model. */
export class ServerMetrics {
  readonly #registry: MetricsRegistry;
  readonly #watched = new Map<string, WatchedModel>();
  readonly #series;

  constructor(registry: MetricsRegistry) {
    this.#registry = registry;
    const gauge = (name: string, help: string, read: (model: WatchedModel) => number) =>
      registry.gauge(
        name,
        help,
        () => [...this.#watched].map(([model, watched]) => ({ model, value: read(watched) })),
      );
    gauge("vllm:num_requests_running", "Requests that are answered.", (model) => model.running());
    gauge("vllm:num_requests_waiting", "Requests that wait.", (model) => model.waiting());
    gauge(
      "vllm:kv_cache_usage_perc",
      "Share of the key/value cache in use, from 0 to 1.",
      (model) => model.cacheUsage(),
    );
    this.#series = {
      promptTokens: registry.counter("vllm:prompt_tokens", "Tokens of prompts."),
      generationTokens: registry.counter("vllm:generation_tokens", "Tokens that were generated."),
      success: registry.counter("vllm:request_success", "Answers that ended, by why.", "finished_reason"),
      firstToken: registry.histogram(
        "vllm:time_to_first_token_seconds",
        "Time to the first token.",
        FIRST_TOKEN_BUCKETS,
      ),
      perToken: registry.histogram(
        "vllm:time_per_output_token_seconds",
        "Time between tokens.",
        TOKEN_BUCKETS,
      ),
      whole: registry.histogram(
        "vllm:e2e_request_latency_seconds",
        "Time of a whole request.",
        REQUEST_BUCKETS,
      ),
    };
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All of them as text. */
  async text(): Promise<string> {
    return await this.#registry.text();
  }

  of(model: string): ModelMetrics {
    const series = this.#series;
    return {
      watch: (watched) => void this.#watched.set(model, watched),
      begin(arrival, promptTokens) {
        series.promptTokens(model, promptTokens);
        let last: number | undefined;
        return {
          token() {
            const now = performance.now();
            series.generationTokens(model, 1);
            if (last === undefined) series.firstToken(model, (now - arrival) / 1000);
            else series.perToken(model, (now - last) / 1000);
            last = now;
          },
          finish(reason) {
            series.success(model, 1, reason);
            series.whole(model, (performance.now() - arrival) / 1000);
          },
        };
      },
    };
  }
}
