/**
 * A model that requests are answered with.
 *
 * @module
 */
import type { AnswerPart } from "../../dialects/answer_parts.ts";
import { RemoraError } from "../../core/errors.ts";
import type { Model, PreparedRequest, RunOptions } from "../../generation/model.ts";
import type {
  BegunAnswer,
  Budget,
  GenerateRequest,
  TokenLogprobs,
  Usage,
} from "../../generation/requests.ts";
import type { PictureAttention } from "../../sequence/attention_map.ts";
import type { Sequence } from "../../sequence/sequence.ts";
import { ApiError } from "../api_error.ts";
import type { ModelMetrics } from "../metrics.ts";
import { Admission } from "./admission.ts";
import { type Piece, refusal, requireWithin } from "./answer_states.ts";
import { SequencePool } from "./sequence_pool.ts";

/** Why an answer ended, in OpenAI's words. */
export type FinishReason = "stop" | "length" | "tool_calls";

/** What happens while a request is answered. */
export type AnswerEvent =
  | {
    type: "piece";
    choice: number;
    /** Of the prompt. */
    promptTokens: number;
    /** May be none: a character or mark is incomplete. */
    parts: AnswerPart[];
    tokenIds: number[];
    logprobs?: TokenLogprobs[];
    attention?: PictureAttention[];
    /** Of an answer that goes on: that the client may have this already. */
    isRepeated?: boolean;
  }
  | {
    type: "finish";
    choice: number;
    finishReason: FinishReason;
    stop?: string;
    usage: Usage;
    /** With which the client may go on. */
    state?: string;
  };

/** A request and how many answers it wants. */
export interface Job {
  readonly request: GenerateRequest;
  readonly choices?: number;
  /** Of a server with a budget; without it the job must be done within that. */
  readonly piece?: Piece;
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
  readonly #budget?: Budget;
  #model?: Model;
  #pool?: SequencePool;
  #failure?: unknown;

  constructor(
    name: string,
    model: Model | Promise<Model>,
    limits: { maxConcurrent: number; maxQueue: number; budget?: Budget },
    metrics: ModelMetrics | undefined,
  ) {
    this.name = name;
    this.admission = new Admission(limits.maxConcurrent, limits.maxQueue);
    this.#poolSize = limits.maxConcurrent;
    this.#budget = limits.budget;
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
  async *answer(
    { request, choices = 1, piece }: Job,
    signal: AbortSignal,
  ): AsyncGenerator<AnswerEvent, void, void> {
    const { model } = this;
    const arrival = performance.now();
    const prepared = await model.prepare({ ...request, signal });
    if (this.#budget && !piece) {
      requireWithin(this.#budget, prepared.promptIds.length, (request.maxTokens ?? Infinity) * choices);
    }
    using _place = await this.admission.enter(signal);
    const pool = this.#pool!;
    const sequence = await pool.take(prepared);
    // The prompt of an answer that goes on was counted with its first piece.
    const watch = this.#metrics?.begin(arrival, piece?.earlier ? 0 : prepared.promptIds.length);
    // How the answer that is under way ends, unless it comes to its end: who asks for no more of it is gone.
    let outcome: "abort" | "error" | undefined = "abort";
    try {
      if (piece?.earlier) await this.#restore(sequence, prepared, piece.earlier);
      for (let choice = 0; choice < choices; choice++) {
        // Answers to one prompt follow each other in one sequence, so the prompt is computed once.
        const seed = request.seed === undefined ? undefined : request.seed + choice;
        outcome = "abort";
        for await (const event of this.#answerOnce(prepared, { sequence, seed, piece }, choice, watch)) {
          if (event.type === "finish") {
            watch?.finish(event.finishReason === "length" ? "length" : "stop");
            outcome = undefined;
          }
          yield event;
        }
      }
    } catch (error) {
      if (outcome && !signal.aborted) outcome = "error";
      throw error;
    } finally {
      if (outcome) watch?.finish(outcome);
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
    if (this.#budget) requireWithin(this.#budget, tokenIds.length, 0);
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

  /**
   * Puts the sequence of an earlier piece in place.
   *
   * @throws {ApiError} 400 for one of another model, or when the request says something else by now, as a template does that writes
   * the date.
   */
  async #restore(
    sequence: Sequence,
    { promptIds, images }: PreparedRequest,
    { begun, snapshot }: NonNullable<Piece["earlier"]>,
  ): Promise<void> {
    try {
      await this.#pool!.withMemory(() => sequence.restore(snapshot));
    } catch (error) {
      if (!(error instanceof RemoraError) || error.code !== "BAD_FILE") throw error;
      throw refusal(`it is of another model or engine: expected ${error.expected}, found ${error.found}`);
    }
    const { tokens } = await sequence.commonPrefix([...promptIds, ...begun.tokenIds], images);
    if (tokens !== sequence.length) throw refusal("the prompt of the request has changed since");
  }

  async *#answerOnce(
    prepared: PreparedRequest,
    { piece, ...options }: RunOptions & { sequence: Sequence; piece?: Piece },
    choice: number,
    watch: ReturnType<ModelMetrics["begin"]> | undefined,
  ): AsyncGenerator<AnswerEvent, void, void> {
    const reader = prepared.reader(), promptTokens = prepared.promptIds.length;
    // Memory is reserved with the first step, so that is where there may be none.
    const { chunks, first } = await this.#pool!.withMemory(async () => {
      const chunks = this.model.run(prepared, {
        ...options,
        budget: piece?.budget,
        begun: piece?.earlier?.begun,
      });
      return { chunks, first: await chunks.next() };
    });
    let hasCalls = false;
    try {
      for (let step = first; !step.done; step = await chunks.next()) {
        const { text, tokenIds, logprobs, attention, finishReason, stop, usage, begun, isRepeated } =
          step.value;
        if (!isRepeated) watch?.token();
        const parts = reader.push(text);
        if (finishReason && !begun) parts.push(...reader.end());
        hasCalls ||= parts.some(({ type }) => type === "call");
        if (!begun || tokenIds.length > 0) {
          yield { type: "piece", choice, promptTokens, parts, tokenIds, logprobs, attention, isRepeated };
        }
        if (!finishReason) continue;
        const state = begun && await this.#stateOf(chunks, begun, options.sequence, piece!);
        const reason = finishReason !== "stop" ? "length" : hasCalls ? "tool_calls" : "stop";
        yield { type: "finish", choice, finishReason: reason, stop, usage: usage!, state };
      }
    } finally {
      await chunks.return();
    }
  }

  /** What an answer goes on from when its run is over. */
  async #stateOf(
    run: AsyncGenerator<unknown>,
    begun: BegunAnswer,
    sequence: Sequence,
    piece: Piece,
  ): Promise<string> {
    // Until then the sequence may hold tokens that were only guessed.
    await run.return(undefined);
    return await piece.seal(begun, await sequence.snapshot());
  }
}
