/**
 * A model that requests are answered with.
 *
 * @module
 */
import type { AnswerPart } from "../../dialects/answer_parts.ts";
import type { Model, PreparedRequest, RunOptions } from "../../generation/model.ts";
import type { GenerateRequest, TokenLogprobs, Usage } from "../../generation/requests.ts";
import type { PictureAttention } from "../../sequence/attention_map.ts";
import { ApiError } from "../api_error.ts";
import type { ModelMetrics } from "../metrics.ts";
import { Admission } from "./admission.ts";
import { SequencePool } from "./sequence_pool.ts";

/** Why an answer ended, in OpenAI's words. */
export type FinishReason = "stop" | "length" | "tool_calls";

/** What happens while a request is answered. */
export type AnswerEvent =
  | {
    type: "piece";
    choice: number;
    /** May be none: a character or mark is incomplete. */
    parts: AnswerPart[];
    tokenIds: number[];
    logprobs?: TokenLogprobs[];
    attention?: PictureAttention[];
  }
  | { type: "finish"; choice: number; finishReason: FinishReason; stop?: string; usage: Usage };

/** A request and how many answers it wants. */
export interface Job {
  readonly request: GenerateRequest;
  readonly choices?: number;
}

/** Milliseconds between looks at the network while a model computes: a client that went away is noticed within a token. */
const EVENT_INTERVAL_MILLISECONDS = 5;
/** Seconds after which a model that is being loaded may be there. */
const LOADING_RETRY_SECONDS = 2;

/** What answers are made with: a model under the name that they say. */
export type AnsweringModel = Pick<ServedModel, "name" | "model" | "answer" | "embed">;

/** One model of a server. */
export class ServedModel {
  readonly name: string;
  /** Seconds since 1970 at which serving began. */
  readonly created = Math.floor(Date.now() / 1000);
  readonly admission: Admission;
  readonly #metrics: ModelMetrics | undefined;
  readonly #poolSize: number;
  #model?: Model;
  #pool?: SequencePool;
  #failure?: unknown;

  constructor(
    name: string,
    model: Model | Promise<Model>,
    limits: { maxConcurrent: number; maxQueue: number },
    metrics: ModelMetrics | undefined,
  ) {
    this.name = name;
    this.admission = new Admission(limits.maxConcurrent, limits.maxQueue);
    this.#poolSize = limits.maxConcurrent;
    this.#metrics = metrics;
    if (model instanceof Promise) model.then((loaded) => this.#use(loaded), (error) => this.#failure = error);
    else this.#use(model);
    metrics?.watch({
      running: () => this.admission.running,
      waiting: () => this.admission.waiting,
      cacheUsage: () => this.#cacheUsage,
    });
  }

  get isReady(): boolean {
    return this.#model !== undefined;
  }

  /** @throws {ApiError} 503 while it is being loaded, 500 when that failed. */
  get model(): Model {
    if (this.#model) return this.#model;
    if (this.#failure !== undefined) {
      throw new ApiError(500, "server_error", `The model ${this.name} could not be loaded.`);
    }
    throw new ApiError(503, "server_error", `The model ${this.name} is being loaded.`, {
      code: "model_loading",
      retryAfter: LOADING_RETRY_SECONDS,
    });
  }

  /** The same under another name. */
  as(name: string): AnsweringModel {
    return {
      name,
      model: this.model,
      answer: (job, signal) => this.answer(job, signal),
      embed: (...args) => this.embed(...args),
    };
  }

  /**
   * Answers a request. The prompt is made and checked before it waits for its turn.
   *
   * @throws {ApiError} 429 when too many wait. {RemoraError} As `Model.generate`. The signal's reason when it fires.
   */
  async *answer({ request, choices = 1 }: Job, signal: AbortSignal): AsyncGenerator<AnswerEvent, void, void> {
    const { model } = this;
    const arrival = performance.now();
    const prepared = await model.prepare({ ...request, signal });
    using _place = await this.admission.enter(signal);
    const pool = this.#pool!;
    const sequence = await pool.take(prepared);
    const watch = this.#metrics?.begin(arrival, prepared.promptIds.length);
    try {
      for (let choice = 0; choice < choices; choice++) {
        // Answers to one prompt follow each other in one sequence, so the prompt is computed once.
        const seed = request.seed === undefined ? undefined : request.seed + choice;
        yield* this.#answerOnce(prepared, { sequence, seed }, choice, watch);
      }
      watch?.finish("stop");
    } catch (error) {
      watch?.finish(signal.aborted ? "abort" : "error");
      throw error;
    } finally {
      pool.give(sequence);
    }
  }

  /**
   * A text's embedding, computed in turn with answers.
   *
   * @throws {ApiError} 429 when too many wait. {RemoraError} As `Model.embed`. The signal's reason when it fires.
   */
  async embed(tokenIds: readonly number[], signal: AbortSignal): Promise<Float32Array> {
    const { model } = this;
    using _place = await this.admission.enter(signal);
    return await this.#pool!.withMemory(() => model.embed(tokenIds, { signal }));
  }

  #use(model: Model): void {
    model.eventInterval = EVENT_INTERVAL_MILLISECONDS;
    this.#model = model;
    this.#pool = new SequencePool(model, this.#poolSize);
  }

  get #cacheUsage(): number {
    if (!this.#model || !this.#pool) return 0;
    return Math.min(1, this.#pool.tokens / (this.#model.info.contextSize * this.#poolSize));
  }

  async *#answerOnce(
    prepared: PreparedRequest,
    options: RunOptions,
    choice: number,
    watch: ReturnType<ModelMetrics["begin"]> | undefined,
  ): AsyncGenerator<AnswerEvent, void, void> {
    const reader = prepared.reader();
    // Memory is reserved with the first step, so that is where there may be none.
    const { chunks, first } = await this.#pool!.withMemory(async () => {
      const chunks = this.model.run(prepared, options);
      return { chunks, first: await chunks.next() };
    });
    let hasCalls = false;
    try {
      for (let step = first; !step.done; step = await chunks.next()) {
        const { text, tokenIds, logprobs, attention, finishReason, stop, usage } = step.value;
        watch?.token();
        const parts = reader.push(text);
        if (finishReason) parts.push(...reader.end());
        hasCalls ||= parts.some(({ type }) => type === "call");
        yield { type: "piece", choice, parts, tokenIds, logprobs, attention };
        if (!finishReason) continue;
        const reason = finishReason !== "stop" ? "length" : hasCalls ? "tool_calls" : "stop";
        yield { type: "finish", choice, finishReason: reason, stop, usage: usage! };
      }
    } finally {
      await chunks.return();
    }
  }
}
