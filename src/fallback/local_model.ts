/**
 * The model beside the upstreams: loaded when it must be, given back when nobody asks for it.
 *
 * @module
 */
import { watchedBody } from "../core/watched_body.ts";
import type { Model } from "../generation/model.ts";
import { ApiError } from "../server/api_error.ts";
import { createServerHandler, type Handler } from "../server/handler.ts";
import type { ServerMetrics } from "../server/metrics.ts";
import { type FallbackOptions, RETRY_SECONDS } from "./options.ts";

/** Milliseconds after a load that failed until the next is tried: what failed once seldom succeeds at once. */
const LOAD_AGAIN_MILLISECONDS = 30_000;

/** What the model is doing. */
export type LocalState = "absent" | "unloaded" | "loading" | "ready" | "failed";

/** Answers with the model. */
export class LocalModel {
  readonly name: string;
  readonly #options: FallbackOptions;
  readonly #metrics?: ServerMetrics;
  #loading?: Promise<{ handler: Handler; model: Model }>;
  #state: LocalState;
  #failedAt = -Infinity;
  #answering = 0;
  #idle?: ReturnType<typeof setTimeout>;

  constructor(options: FallbackOptions, metrics: ServerMetrics | undefined) {
    this.name = options.modelName ?? "default";
    this.#options = options;
    this.#metrics = metrics;
    this.#state = options.model === undefined ? "absent" : "unloaded";
  }

  get state(): LocalState {
    return this.#state;
  }

  /** Resolves when the model is loaded. Fails as the load does. */
  async load(): Promise<void> {
    await this.#loaded();
    this.#rest();
  }

  /**
   * An answer, or a refusal in OpenAI's shape. A model is loaded first.
   *
   * @throws {ApiError} 503 while it loads and requests do not wait, or when it cannot be loaded.
   */
  async answer(request: Request): Promise<Response> {
    clearTimeout(this.#idle);
    this.#answering++;
    let isOver = false;
    const over = () => {
      if (isOver) return;
      isOver = true;
      this.#answering--;
      this.#rest();
    };
    try {
      const { handler } = await this.#handler(request.signal);
      const response = await handler(request);
      return response.body
        ? new Response(watchedBody(response.body, { onOver: over }), response)
        : (over(), response);
    } catch (error) {
      over();
      throw error;
    }
  }

  /** Gives the model back, if it was loaded here. */
  async dispose(): Promise<void> {
    clearTimeout(this.#idle);
    const loading = this.#loading;
    this.#loading = undefined;
    if (this.#state !== "absent") this.#state = "unloaded";
    if (typeof this.#options.model !== "function") return;
    await (await loading?.catch(() => undefined))?.model.dispose();
  }

  async #handler(signal: AbortSignal): Promise<{ handler: Handler }> {
    const loading = this.#loaded();
    if (this.#state === "ready") return await loading;
    if (this.#options.whileLoading === "refuse") throw this.#unavailable("is being loaded", "model_loading");
    const gone = Promise.withResolvers<never>();
    const leave = () => gone.reject(signal.reason);
    signal.addEventListener("abort", leave);
    try {
      return await Promise.race([loading, gone.promise]);
    } catch {
      signal.throwIfAborted();
      throw this.#unavailable("could not be loaded", "model_failed");
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #loaded(): Promise<{ handler: Handler; model: Model }> {
    if (this.#loading) return this.#loading;
    if (performance.now() - this.#failedAt < LOAD_AGAIN_MILLISECONDS) {
      throw this.#unavailable("could not be loaded", "model_failed");
    }
    this.#state = "loading";
    const loading = this.#load();
    this.#loading = loading;
    loading.then(() => {
      if (this.#loading === loading) this.#state = "ready";
    }, (error) => {
      this.#options.onError?.(error);
      if (this.#loading !== loading) return;
      this.#loading = undefined;
      this.#state = "failed";
      this.#failedAt = performance.now();
    });
    return loading;
  }

  async #load(): Promise<{ handler: Handler; model: Model }> {
    const { model: given, apiKeys, maxConcurrent, maxQueue, onError, keepModelName } = this.#options;
    const model = await (typeof given === "function" ? given() : given!);
    const options = { apiKeys, maxConcurrent, maxQueue, onError, page: false };
    const naming = keepModelName ? "asked" : "own";
    return {
      model,
      handler: createServerHandler({ [this.name]: model }, options, { naming, metrics: this.#metrics }),
    };
  }

  /** Begins to wait for the time at which the model is given back. */
  #rest(): void {
    clearTimeout(this.#idle);
    const { idleMilliseconds = 0, model } = this.#options;
    if (idleMilliseconds === 0 || typeof model !== "function" || this.#answering > 0) return;
    this.#idle = setTimeout(() => void this.dispose().catch(this.#options.onError), idleMilliseconds);
  }

  #unavailable(what: string, code: string): ApiError {
    return new ApiError(503, "server_error", `The model ${this.name} ${what}.`, {
      code,
      retryAfter: RETRY_SECONDS,
    });
  }
}
