/**
 * All endpoints. Nothing here knows on what runtime it runs.
 *
 * @module
 */
import { type Context, Hono } from "npm:hono@4.13.19";
import { cors } from "npm:hono@4.13.19/cors";
import type * as v from "npm:valibot@1.5.0";
import type { Model } from "../generation/model.ts";
import type { GenerateRequest } from "../generation/requests.ts";
import { countBody, messagesBody, messagesRequest, promptRequest } from "./anthropic/body.ts";
import { anthropicErrorEvent, anthropicEvents, anthropicMessage } from "./anthropic/messages.ts";
import { ApiError, apiErrorOf, badRequest } from "./api_error.ts";
import type { AnswerStates, Piece } from "./engine/answer_states.ts";
import { type AnswerEvent, type AnsweringModel, ServedModel } from "./engine/served_model.ts";
import { eventResponse } from "./http/events.ts";
import { untilGone } from "./http/gone.ts";
import { newId } from "./http/ids.ts";
import { requireKey, requireSmallHeaders } from "./http/security.ts";
import { readBody } from "./http/validation.ts";
import { ServerMetrics } from "./metrics.ts";
import { chatBody, chatChunks, chatCompletion, chatRequest } from "./openai/chat_completions.ts";
import { completion, completionBody, completionChunks, completionJobs } from "./openai/completions.ts";
import { embeddingBody, embeddings } from "./openai/embeddings.ts";
import { response, responseErrorEvent, responseEvents } from "./openai/responses.ts";
import { responsesBody, responsesRequest } from "./openai/responses_body.ts";
import { detokenize, detokenizeBody, tokenize, tokenizeBody } from "./openai/tokens.ts";
import {
  BODY_BYTES_MAX,
  CONCURRENT_DEFAULT,
  QUEUE_DEFAULT,
  type ServerInside,
  type ServerOptions,
} from "./options.ts";
import { PAGE_PATHS, pageFile } from "./page/files.ts";
import { withFetchedPictures } from "./pictures.ts";

/** Models by the names under which they are served; a promise is one that is being loaded. */
export type ServedModels = Readonly<Record<string, Model | Promise<Model>>>;

/** Characters of a client's own request id that are sent back. */
const REQUEST_ID_CHARACTERS_MAX = 128;

type Endpoint = (context: Context) => Promise<Response> | Response;

/** A server without a port: takes requests, gives responses. */
export class ServerApp {
  readonly #options: ServerOptions;
  readonly #naming: ServerInside["naming"];
  readonly #models: ReadonlyMap<string, ServedModel>;
  readonly #metrics?: ServerMetrics;
  /** Of a server with a budget. */
  readonly #states?: AnswerStates;
  readonly #hono = new Hono();

  constructor(
    models: ServedModels,
    options: ServerOptions = {},
    { naming, metrics, requestsMax = Infinity }: ServerInside = {},
    states?: AnswerStates,
  ) {
    this.#options = options;
    this.#naming = naming;
    this.#metrics = metrics ?? (options.metrics && new ServerMetrics(options.metrics));
    this.#states = states;
    const { maxConcurrent = Math.min(CONCURRENT_DEFAULT, requestsMax), maxQueue = QUEUE_DEFAULT } = options;
    const budget = states?.budget;
    this.#models = new Map(
      Object.entries(models).map(([name, model]) => [
        name,
        new ServedModel(name, model, { maxConcurrent, maxQueue, budget }, this.#metrics?.of(name)),
      ]),
    );
    this.#addRoutes();
  }

  /** Answers a request; never throws. */
  fetch(request: Request): Promise<Response> {
    return Promise.resolve(this.#hono.fetch(request));
  }

  #addRoutes(): void {
    const hono = this.#hono;
    const { cors: origins = [], page = true } = this.#options;
    hono.use(async (context, next) => {
      await next();
      const given = context.req.header("x-request-id")?.slice(0, REQUEST_ID_CHARACTERS_MAX);
      context.res.headers.set("x-request-id", given ?? newId("req_"));
    });
    if (origins.length > 0) {
      const origin = origins.includes("*") ? "*" : [...origins];
      hono.use(cors({ origin, exposeHeaders: ["x-request-id", "retry-after"] }));
    }
    hono.onError((error, context) => this.#refuse(error, context));
    hono.notFound((context) => {
      const message = `Unknown request URL: ${context.req.method} ${context.req.path}.`;
      const error = new ApiError(404, "invalid_request_error", message, { code: "unknown_url" });
      return this.#refuse(error, context);
    });
    if (page) { for (const path of PAGE_PATHS) hono.get(path, () => pageFile(path)); }
    this.#addServerRoutes();
    this.#addConversationRoutes();
    this.#addTextRoutes();
  }

  /** What the server says of itself. */
  #addServerRoutes(): void {
    const { version = "0", apiKeys = [] } = this.#options;
    this.#hono.get("/health", () => {
      const isReady = [...this.#models.values()].every((served) => served.isReady);
      return new Response(null, isReady ? {} : { status: 503, headers: { "retry-after": "1" } });
    });
    this.#hono.get("/openapi.json", async (context) => {
      const { openApi } = await import("./openapi.ts");
      return context.json(openApi(version, [...this.#models.keys()], apiKeys.length > 0));
    });
    this.#hono.get("/version", (context) => context.json({ version }));
    this.#route("GET", "/metrics", async () => {
      const metrics = this.#metrics;
      if (!metrics) throw new ApiError(404, "invalid_request_error", "This server keeps no metrics.");
      return new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } });
    });
    this.#route("GET", "/v1/models", (context) => context.json({ object: "list", data: this.#list() }));
    this.#route("GET", "/v1/models/:name{.+}", (context) => {
      const { name } = this.#served(context.req.param("name") ?? "");
      return context.json(this.#list().find(({ id }) => id === name));
    });
  }

  /** Three ways to say the same thing. */
  #addConversationRoutes(): void {
    const { toolCallParser } = this.#options;
    this.#route("POST", "/v1/chat/completions", async (context) => {
      const [body, served] = await this.#body(context, chatBody);
      const request = chatRequest(body, toolCallParser);
      const piece = await this.#piece(context, body, served);
      const { events, stop } = await this.#answer(context, served, request, { choices: body.n ?? 1, piece });
      if (!body.stream) return context.json(await chatCompletion(body, served, events) as object);
      return await eventResponse(chatChunks(body, served, events), stop);
    });
    this.#route("POST", "/v1/responses", async (context) => {
      const [body, served] = await this.#body(context, responsesBody);
      const { events, stop } = await this.#answer(context, served, responsesRequest(body, toolCallParser));
      if (!body.stream) return context.json(await response(body, served, events) as object);
      return await eventResponse(responseEvents(body, served, events), stop, responseErrorEvent);
    });
    this.#route("POST", "/v1/messages", async (context) => {
      const [body, served] = await this.#body(context, messagesBody);
      const { events, stop } = await this.#answer(context, served, messagesRequest(body, toolCallParser));
      if (!body.stream) return context.json(await anthropicMessage(served, events) as object);
      return await eventResponse(anthropicEvents(served, events), stop, anthropicErrorEvent);
    });
    this.#route("POST", "/v1/messages/count_tokens", async (context) => {
      const [body, served] = await this.#body(context, countBody);
      const { promptIds } = await served.model.prepare(promptRequest(body, toolCallParser));
      return context.json({ input_tokens: promptIds.length });
    });
  }

  #addTextRoutes(): void {
    this.#route("POST", "/v1/completions", async (context) => {
      const [body, served] = await this.#body(context, completionBody);
      const { signal, stop } = untilGone(context.req.raw);
      const jobs = completionJobs(body, served.model.tokenizer);
      const piece = await this.#piece(context, body, served, jobs.length);
      const runs = jobs.map(({ request, echo }) => ({
        events: served.answer({ request, choices: body.n ?? 1, piece }, signal),
        echo,
      }));
      if (!body.stream) return context.json(await completion(body, served, runs) as object);
      return await eventResponse(completionChunks(body, served, runs), stop);
    });
    this.#route("POST", "/v1/embeddings", async (context) => {
      const [body, served] = await this.#body(context, embeddingBody);
      return context.json(await embeddings(body, served, untilGone(context.req.raw).signal) as object);
    });
    this.#route("POST", "/tokenize", async (context) => {
      const [body, served] = await this.#body(context, tokenizeBody);
      return context.json(tokenize(body, served) as object);
    });
    this.#route("POST", "/detokenize", async (context) => {
      const [body, served] = await this.#body(context, detokenizeBody);
      return context.json(detokenize(body, served) as object);
    });
  }

  /** An endpoint that asks for a key and answers other methods by name. */
  #route(method: "GET" | "POST", path: string, endpoint: Endpoint): void {
    this.#hono.on(method, path, async (context) => {
      requireSmallHeaders(context.req.raw);
      await requireKey(context.req.raw, this.#options.apiKeys ?? []);
      return await endpoint(context);
    });
    this.#hono.all(path, (context) => {
      const error = new ApiError(
        405,
        "invalid_request_error",
        `Not allowed: ${context.req.method} ${context.req.path}.`,
      );
      const response = this.#refuse(error, context);
      response.headers.set("allow", method);
      return response;
    });
  }

  #refuse(error: unknown, context: Context): Response {
    const found = apiErrorOf(error, context.req.path);
    if (found.status === 500 && !(error instanceof ApiError)) this.#options.onError?.(error);
    const body = context.req.path.startsWith("/v1/messages") ? found.anthropicBody : found.body;
    const { retryAfter } = found.details;
    return Response.json(body, {
      status: found.status,
      headers: retryAfter === undefined ? {} : { "retry-after": `${retryAfter}` },
    });
  }

  #list(): Record<string, unknown>[] {
    return [...this.#models.values()].map((served) => ({
      id: served.name,
      object: "model",
      created: served.created,
      owned_by: "remora",
      ...(served.isReady && {
        max_model_len: served.model.info.contextSize,
        vision: served.model.info.vision !== undefined,
      }),
    }));
  }

  /** @throws {ApiError} 404 for a name that is not served. */
  #served(name: string | null | undefined): ServedModel {
    const served = name == null ? [...this.#models.values()][0] : this.#models.get(name);
    if (served) return served;
    throw new ApiError(
      404,
      "invalid_request_error",
      `The model '${String(name).slice(0, 100)}' does not exist.`,
      {
        param: "model",
        code: "model_not_found",
      },
    );
  }

  async #body<const Schema extends v.GenericSchema<unknown, { model?: string | null }>>(
    context: Context,
    schema: Schema,
  ): Promise<[v.InferOutput<Schema>, AnsweringModel]> {
    const body = await readBody(context.req.raw, schema, this.#options.maxBodyBytes ?? BODY_BYTES_MAX);
    const { model: name } = body;
    if (name == null || this.#naming === undefined || this.#naming === "exact") {
      return [body, this.#served(name)];
    }
    const served = this.#served(undefined);
    return [body, this.#naming === "asked" ? served.as(name) : served];
  }

  /**
   * Of a server with a budget: the piece of an answer that a request asks for.
   *
   * @throws {ApiError} 400 for several answers, which have no state in common, and for a state that is refused.
   */
  async #piece(
    context: Context,
    body: { n?: number | null; remora_state?: string | null; stream?: unknown; stream_options?: unknown },
    served: AnsweringModel,
    prompts = 1,
  ): Promise<Piece | undefined> {
    const { remora_state: state, stream: _, stream_options: __, ...about } = body;
    if (!this.#states) {
      if (state == null) return undefined;
      throw badRequest("'remora_state' is not supported: this server has no budget.", "remora_state");
    }
    const several = (body.n ?? 1) > 1 ? "n" : prompts > 1 ? "prompt" : undefined;
    if (several !== undefined) {
      throw badRequest(`This server answers in pieces: one answer to one prompt at a time.`, several);
    }
    return await this.#states.begin([context.req.path, served.name, about], state);
  }

  /** Begins an answer to a conversation; nothing is computed before its events are asked for. */
  async #answer(
    context: Context,
    served: AnsweringModel,
    request: GenerateRequest,
    job: { choices?: number; piece?: Piece } = {},
  ): Promise<{ events: AsyncGenerator<AnswerEvent, void, void>; stop: () => void }> {
    const { signal, stop } = untilGone(context.req.raw);
    const messages = await withFetchedPictures(request.messages!, this.#options.fetchPicture, signal);
    return { events: served.answer({ ...job, request: { ...request, messages } }, signal), stop };
  }
}
