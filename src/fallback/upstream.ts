/**
 * One upstream: what it is asked, and whether it is asked at all.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { HttpClient, HttpResponse } from "../platform/http.ts";
import { CircuitBreaker, type CircuitState } from "./circuit_breaker.ts";
import { failureOf, failureOfStatus, UpstreamFailure } from "./failure.ts";
import { fieldOf, requestFields } from "./header_fields.ts";
import { type FallbackRules, RETRY_AFTER_MILLISECONDS_MAX } from "./options.ts";
import { after, type Patience, patiently } from "./patience.ts";
import type { ReplayableBody } from "./replayable_body.ts";
import { wholeEvents } from "./whole_events.ts";

type Piece = Uint8Array<ArrayBuffer>;

/** Bytes of a list of models: a thousand adapters take 500 kB. */
const LIST_BYTES_MAX = 4 * 1024 * 1024;

/** A request that passes through. */
export interface PassingRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly target: string;
  readonly headers: Headers;
  readonly body: ReplayableBody;
  readonly changesNothing: boolean;
  readonly signal: AbortSignal;
}

/** An answer of which the first piece is there. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: HttpResponse["headers"];
  /** Events, of which each piece holds whole ones. */
  readonly isEvents: boolean;
  /** Fails with an {@linkcode UpstreamFailure} when the answer breaks off. */
  readonly body: AsyncGenerator<Piece, void, void>;
  /** Nobody reads the rest. */
  cancel(): void;
  /** The answer broke off. */
  brokeOff(reason: string): void;
}

/** One server before the model. */
export class Upstream {
  readonly url: URL;
  readonly circuit: CircuitBreaker;
  readonly #client: HttpClient;
  readonly #rules: FallbackRules;
  #probe?: Promise<boolean>;

  constructor(
    url: URL,
    client: HttpClient,
    rules: FallbackRules,
    onChange: (state: CircuitState, reason?: string) => void,
  ) {
    this.url = url;
    this.#client = client;
    this.#rules = rules;
    this.circuit = new CircuitBreaker(rules, onChange);
  }

  /** Its address as people write it. */
  get name(): string {
    return this.url.href.replace(/\/$/, "");
  }

  /** Whether a request may go there now; after the time of an open circuit one of them waits for a probe. */
  async admits(): Promise<boolean> {
    const admission = this.circuit.admit();
    if (admission !== "probe") return admission === "pass";
    const isAlive = await this.#ask();
    this.circuit.probed(isAlive);
    return isAlive;
  }

  /**
   * Asks for an answer and waits for its first piece.
   *
   * @throws {UpstreamFailure} When others should be asked. What the client did: the signal's reason, its broken body.
   */
  async answer(request: PassingRequest): Promise<UpstreamAnswer> {
    const controller = new AbortController();
    const signal = AbortSignal.any([request.signal, controller.signal]);
    const firstByte = after(this.#rules.firstByteMilliseconds);
    try {
      const response = await this.#respond(request, signal, firstByte);
      const refusal = this.#refusal(response);
      if (refusal) throw refusal;
      const { status, headers } = response;
      const isEvents = isPlainEvents(response);
      const body = this.#body(response, isEvents, firstByte);
      // What nobody else may be asked is passed on at once. A body is waited for where another may still answer.
      const mayWait = request.changesNothing && !hasNoBody(request.method, status);
      const first = mayWait ? await body.next() : undefined;
      const begun = this.circuit.succeeded();
      return {
        status,
        headers,
        isEvents,
        body: first ? withFirst(first, body) : body,
        cancel: () => controller.abort(),
        brokeOff: (reason) => this.circuit.failed(reason, { begun }),
      };
    } catch (error) {
      request.signal.throwIfAborted();
      const failure = failureOf(error);
      if (!failure.response) controller.abort();
      this.circuit.failed(failure.reason, { openMilliseconds: retryAfter(failure.response) });
      throw failure;
    }
  }

  /** The names of its models that are no adapters, and of those that are; `undefined` where it does not tell. */
  async models(authorization: string | null): Promise<{ base: string[]; adapters: string[] } | undefined> {
    const text = await this.#get("/v1/models", authorization);
    if (text === undefined) return undefined;
    try {
      const { data } = JSON.parse(text) as { data: { id?: unknown; parent?: unknown }[] };
      const named = data.filter(({ id }) => typeof id === "string");
      const ids = (models: typeof named) => models.map(({ id }) => id as string);
      return {
        base: ids(named.filter(({ parent }) => !parent)),
        adapters: ids(named.filter(({ parent }) => parent)),
      };
    } catch {
      return undefined;
    }
  }

  async #respond(request: PassingRequest, signal: AbortSignal, firstByte: number): Promise<HttpResponse> {
    const sent = this.#client.send({
      url: this.#at(request.target),
      method: request.method,
      headers: requestFields(request.headers, this.url.host),
      body: request.body.isAbsent ? undefined : request.body.stream(),
      mayRepeat: request.changesNothing && this.#rules.retryAfterSend,
      connectMilliseconds: this.#rules.connectMilliseconds,
      signal,
    });
    return await patiently(sent, this.#patience(firstByte, "first_byte_timeout"));
  }

  /** Statuses for which others are asked. */
  #refusal(response: HttpResponse): UpstreamFailure | undefined {
    const { status } = response;
    if (status < 200 || status > 599) return new UpstreamFailure("bad_response", true);
    const isRefusal = status >= 500 || status === 429 && this.#rules.failOverOnRateLimit;
    return isRefusal ? failureOfStatus(response) : undefined;
  }

  #body(response: HttpResponse, isEvents: boolean, firstByte: number): AsyncGenerator<Piece, void, void> {
    const pieces = this.#pieces(response, firstByte);
    return isEvents ? wholeEvents(pieces) : pieces;
  }

  async *#pieces(response: HttpResponse, firstByte: number): AsyncGenerator<Piece, void, void> {
    const reader = response.body.getReader();
    let patience = this.#patience(firstByte, "first_byte_timeout");
    while (true) {
      const { done, value } = await patiently(reader.read(), patience);
      if (done) return;
      yield value;
      patience = this.#patience(after(this.#rules.betweenBytesMilliseconds), "idle_timeout");
    }
  }

  #patience(until: number, reason: string): Patience {
    return { until, reason, silence: this.#rules.silenceMilliseconds, isAlive: () => this.#ask() };
  }

  /** Asks for a sign of life, once for all who want to know. */
  #ask(): Promise<boolean> {
    this.#probe ??= this.#isAlive().finally(() => this.#probe = undefined);
    return this.#probe;
  }

  async #isAlive(): Promise<boolean> {
    const { healthPath, probeMilliseconds } = this.#rules;
    const response = await this.#send(healthPath, [], probeMilliseconds);
    await response?.body.cancel().catch(() => {});
    return response !== undefined && response.status < 500;
  }

  /** A small text; `undefined` where there is none. */
  async #get(path: string, authorization: string | null): Promise<string | undefined> {
    const fields = authorization === null ? [] : [["authorization", authorization] as const];
    const response = await this.#send(path, fields, this.#rules.probeMilliseconds);
    if (response?.status !== 200) {
      await response?.body.cancel().catch(() => {});
      return undefined;
    }
    return await smallText(response.body).catch(() => undefined);
  }

  async #send(
    path: string,
    fields: readonly (readonly [string, string])[],
    milliseconds: number,
  ): Promise<HttpResponse | undefined> {
    return await this.#client.send({
      url: this.#at(path),
      method: "GET",
      headers: [["host", this.url.host], ["accept", "*/*"], ...fields],
      mayRepeat: false,
      connectMilliseconds: milliseconds,
      signal: AbortSignal.timeout(milliseconds),
    }).catch(() => undefined);
  }

  #at(target: string): URL {
    return new URL(this.name + target);
  }
}

/**
 * The addresses as URLs.
 *
 * @throws {RemoraError} BAD_ARGUMENT for what cannot be meant.
 */
export function upstreamUrl(given: string | URL): URL {
  const text = `${given}`;
  const refuse = (expected: string) =>
    new RemoraError("BAD_ARGUMENT", "Cannot use the upstream", { expected, found: text });
  const url = URL.parse(text);
  if (!url || !["http:", "https:"].includes(url.protocol)) throw refuse("an http or https URL");
  if (url.username || url.password) throw refuse("a URL without a user: keys come with each request");
  if (url.search || url.hash) throw refuse("a URL without a query");
  // Paths of requests begin with it.
  if (/\/v1\/?$/.test(url.pathname)) throw refuse("the server's address, without /v1");
  return url;
}

/** @throws {UpstreamFailure} For a text beyond the limit, of which no more is read. */
async function smallText(body: ReadableStream<Piece>): Promise<string> {
  const pieces: Piece[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > LIST_BYTES_MAX) throw new UpstreamFailure("list_too_long", false);
    pieces.push(piece);
  }
  return await new Blob(pieces).text();
}

function retryAfter(response: HttpResponse | undefined): number | undefined {
  const value = response && fieldOf(response.headers, "retry-after");
  if (value === undefined) return undefined;
  const milliseconds = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  if (!(milliseconds > 0)) return undefined;
  return Math.min(milliseconds, RETRY_AFTER_MILLISECONDS_MAX);
}

function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || [204, 205, 304].includes(status);
}

/** Events that nobody packed: to others nothing can be added. */
function isPlainEvents({ headers }: HttpResponse): boolean {
  return /^text\/event-stream\b/i.test(fieldOf(headers, "content-type") ?? "") &&
    [undefined, "identity"].includes(fieldOf(headers, "content-encoding")?.toLowerCase()) &&
    fieldOf(headers, "content-length") === undefined;
}

async function* withFirst(
  first: IteratorResult<Piece, void>,
  rest: AsyncGenerator<Piece, void, void>,
): AsyncGenerator<Piece, void, void> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}
