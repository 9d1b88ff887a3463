/**
 * Upstreams in order, and a model beside them: who is asked, and who answers.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { HttpClient } from "../platform/http.ts";
import { ApiError, apiErrorOf, badRequest } from "../server/api_error.ts";
import { requireKey } from "../server/http/security.ts";
import { ServerMetrics } from "../server/metrics.ts";
import { changesNothing, localPart } from "./endpoints.ts";
import { errorEvent } from "./error_events.ts";
import { UpstreamFailure } from "./failure.ts";
import { FallbackMetrics } from "./fallback_metrics.ts";
import { type AnswerMarks, mark, responseHeaders } from "./header_fields.ts";
import { LocalModel } from "./local_model.ts";
import { Names } from "./names.ts";
import {
  type AnswerRecord,
  FALLBACK_DEFAULTS,
  type FallbackOptions,
  type FallbackRules,
  RETRY_SECONDS,
} from "./options.ts";
import { ReplayableBody } from "./replayable_body.ts";
import { refusalOf } from "./stand_in.ts";
import { type PassingRequest, Upstream, type UpstreamAnswer, upstreamUrl } from "./upstream.ts";

/** Where the proxy speaks of itself; every other path is the upstreams'. */
const OWN_PATHS = "/x-remora/";
/** Nobody reads it; nginx has the number. */
const CLIENT_GONE = 499;

/** One request on its way. */
interface Passage extends PassingRequest {
  readonly request: Request;
  readonly path: string;
  readonly begin: number;
  /** Failed tries, in order; of circuits that were open too. */
  readonly failures: { upstream: Upstream; failure: UpstreamFailure }[];
  /** Upstreams that were not asked, because their circuits are open. */
  readonly skipped: Upstream[];
  attempts: number;
  /** Why the local model did not answer. */
  localRefusal?: { reason: string; error?: ApiError };
}

/** The proxy. */
export class Fallback {
  readonly local: LocalModel;
  readonly #options: FallbackOptions;
  readonly #rules: FallbackRules;
  readonly #upstreams: readonly Upstream[];
  readonly #client: HttpClient;
  readonly #names: Names;
  readonly #metrics?: FallbackMetrics;

  /** @throws {RemoraError} BAD_ARGUMENT for addresses that cannot be meant, or none. */
  constructor(options: FallbackOptions, client: HttpClient) {
    if (options.upstreams.length === 0) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot fall back", { expected: "an upstream", found: "none" });
    }
    const { metrics, onCircuit } = options;
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#rules = { ...FALLBACK_DEFAULTS, ...Object.fromEntries(given) };
    this.#options = options;
    this.#client = client;
    this.#upstreams = options.upstreams.map((text) => {
      const upstream: Upstream = new Upstream(
        upstreamUrl(text),
        client,
        this.#rules,
        (state, reason) => onCircuit?.({ upstream: upstream.name, state, reason }),
      );
      return upstream;
    });
    this.local = new LocalModel(options, metrics && new ServerMetrics(metrics));
    this.#names = new Names(this.local.name, options.standsInFor);
    this.#metrics = metrics && new FallbackMetrics(metrics, this.#upstreams, this.local.name);
  }

  /** Answers a request; never throws. */
  async fetch(request: Request): Promise<Response> {
    const url = URL.parse(request.url);
    if (!url) return refuseAddress(request);
    const { pathname, search } = url;
    const passage: Passage = {
      request,
      method: request.method,
      path: pathname,
      target: pathname + search,
      headers: request.headers,
      body: new ReplayableBody(request.body, this.#rules.replayBytes),
      changesNothing: changesNothing(request.method, pathname),
      signal: request.signal,
      begin: performance.now(),
      failures: [],
      skipped: [],
      attempts: 0,
    };
    try {
      if (pathname.startsWith(OWN_PATHS)) return await this.#own(passage);
      return await this.#answer(passage);
    } catch (error) {
      return this.#failed(passage, error);
    }
  }

  /** Gives back the model, if it was loaded here, and kept connections. */
  async dispose(): Promise<void> {
    this.#client.close();
    await this.local.dispose();
  }

  async #answer(passage: Passage): Promise<Response> {
    refuseWhatDoesNotPass(passage);
    return await this.#byUpstreams(passage, this.#upstreams) ??
      await this.#byModel(passage) ??
      await this.#bySpared(passage) ??
      await this.#byNobody(passage);
  }

  async #byUpstreams(
    passage: Passage,
    upstreams: readonly Upstream[],
    { evenIfOpen = false } = {},
  ): Promise<Response | undefined> {
    for (const upstream of upstreams) {
      if (!this.#mayTryAgain(passage)) return undefined;
      if (!evenIfOpen && !await upstream.admits()) {
        passage.skipped.push(upstream);
        passage.failures.push({ upstream, failure: new UpstreamFailure("circuit_open", false) });
        continue;
      }
      passage.attempts++;
      try {
        // Beside the request and not after it: the upstream may be gone by then.
        if (this.local.state !== "absent") {
          void this.#names.learn(upstream, passage.headers.get("authorization"));
        }
        const answer = await upstream.answer(passage);
        return await this.#passOn(passage, upstream, answer);
      } catch (failure) {
        if (!(failure instanceof UpstreamFailure)) throw failure;
        this.#metrics?.failed(upstream, failure.reason);
        passage.failures.push({ upstream, failure });
      }
    }
    return undefined;
  }

  /** Where open circuits spared every upstream and the model cannot answer, a try is better than none. */
  async #bySpared(passage: Passage): Promise<Response | undefined> {
    if (passage.skipped.length < this.#upstreams.length) return undefined;
    return await this.#byUpstreams(passage, passage.skipped.splice(0), { evenIfOpen: true });
  }

  /** Whether somebody else may be asked after what has failed so far. */
  #mayTryAgain({ failures, body, changesNothing }: Passage): boolean {
    if (!body.isReplayable) return false;
    const mayHaveBegun = failures.some(({ failure }) => failure.mayHaveBegun);
    return !mayHaveBegun || changesNothing && this.#rules.retryAfterSend;
  }

  async #passOn(passage: Passage, upstream: Upstream, answer: UpstreamAnswer): Promise<Response> {
    const headers = responseHeaders(answer.headers, this.#marks(passage, "upstream"));
    await this.#report(passage, answer.status, "upstream", upstream);
    const isEmpty = [204, 205, 304].includes(answer.status) || passage.method === "HEAD";
    if (isEmpty) answer.cancel();
    const body = isEmpty ? null : this.#bodyOf(passage, upstream, answer);
    return new Response(body, { status: answer.status, headers });
  }

  /** The answer's pieces as they come. One that breaks off ends with an error event where it is made of events, else in the air. */
  #bodyOf(
    { path }: Passage,
    upstream: Upstream,
    { body, isEvents, cancel, brokeOff }: UpstreamAnswer,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    let isLeft = false;
    return new ReadableStream({
      pull: async (controller) => {
        try {
          const { done, value } = await body.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          cancel();
          if (isLeft) return;
          const reason = reasonOf(error);
          brokeOff(reason);
          this.#metrics?.failed(upstream, `midway_${reason}`);
          // A text, since runtimes print what a body fails with.
          if (!isEvents) return controller.error(`remora: ${path}: the upstream broke off: ${reason}`);
          controller.enqueue(errorEvent(path, reason));
          controller.close();
        }
      },
      cancel() {
        isLeft = true;
        cancel();
      },
    }, { highWaterMark: 0 });
  }

  async #byModel(passage: Passage): Promise<Response | undefined> {
    const { method, path, request, body } = passage;
    if (this.local.state === "absent" || !this.#mayTryAgain(passage)) return undefined;
    if (localPart(method, path) === "none") return this.#refused(passage, "not_an_endpoint");
    if (localPart(method, path) === "health") return await this.#health(passage);
    const bytes = await body.bytes();
    if (!bytes) return this.#refused(passage, "body_too_large");
    const text = new TextDecoder().decode(bytes);
    const refusal = refusalOf({ method, path, text }, this.#names, this.#options.isSameModel ?? false);
    if (refusal) return this.#refused(passage, refusal);
    passage.attempts++;
    const { headers, signal } = request;
    const asked = new Request(request.url, {
      method,
      headers,
      signal,
      body: body.isAbsent ? undefined : bytes,
    });
    const response = await this.local.answer(asked).catch((error) => {
      signal.throwIfAborted();
      const { status, body: refusal, details: { retryAfter } } = apiErrorOf(error, path);
      return Response.json(refusal, {
        status,
        headers: retryAfter ? { "retry-after": `${retryAfter}` } : {},
      });
    });
    if (response.status >= 400) return this.#refused(passage, ...await refusalIn(response));
    return await this.#local(passage, response);
  }

  async #local(passage: Passage, response: Response): Promise<Response> {
    await this.#report(passage, response.status, "local");
    const headers = mark(new Headers(response.headers), this.#marks(passage, "local"));
    return new Response(response.body, { status: response.status, headers });
  }

  /** Whether somebody can answer. */
  async #health(passage: Passage): Promise<Response | undefined> {
    if (["ready", "unloaded"].includes(this.local.state)) {
      return await this.#local(passage, new Response(null));
    }
    return this.#refused(
      passage,
      `model_${this.local.state}`,
      new ApiError(503, "server_error", "Nobody can answer."),
    );
  }

  #refused(passage: Passage, reason: string, error?: ApiError): undefined {
    passage.localRefusal = { reason, error };
  }

  /** The first upstream's answer that there was, though it is an error; else an error of the proxy. */
  async #byNobody(passage: Passage): Promise<Response> {
    const { failures, localRefusal } = passage;
    const [first, ...others] = failures.filter(({ failure }) => failure.response);
    for (const { failure } of others) await failure.discard();
    if (first) {
      const { status, headers, body } = first.failure.response!;
      await this.#report(passage, status, "upstream", first.upstream);
      const isEmpty = passage.method === "HEAD";
      if (isEmpty) await first.failure.discard();
      return new Response(isEmpty ? null : body, {
        status,
        headers: responseHeaders(headers, this.#marks(passage, "upstream")),
      });
    }
    if (localRefusal?.error && [401, 429, 503].includes(localRefusal.error.status)) throw localRefusal.error;
    const upstream = failures[0]?.failure.reason ?? "none";
    const local = localRefusal ? `; the local model does not answer: ${describe(localRefusal)}` : "";
    throw new ApiError(502, "server_error", `No upstream answers (${upstream})${local}.`, {
      code: "no_upstream",
    });
  }

  async #report(
    passage: Passage,
    status: number,
    servedBy: AnswerRecord["servedBy"],
    upstream?: Upstream,
  ): Promise<void> {
    const { failures, method, path, attempts, begin } = passage;
    for (const { upstream: failed, failure } of failures) {
      if (failed !== upstream || servedBy !== "upstream") await failure.discard();
    }
    if (servedBy !== "upstream") passage.body.cancel();
    const record = {
      method,
      path,
      status,
      servedBy,
      upstream: upstream?.name,
      reason: reasonsOf(passage),
      attempts,
      milliseconds: performance.now() - begin,
    };
    this.#metrics?.answered(record);
    this.#options.onAnswer?.(record);
  }

  #marks(passage: Passage, servedBy?: AnswerMarks["servedBy"]): AnswerMarks {
    return { servedBy, reason: reasonsOf(passage), attempts: passage.attempts };
  }

  async #failed(passage: Passage, error: unknown): Promise<Response> {
    for (const { failure } of passage.failures) await failure.discard();
    passage.body.cancel();
    const isGone = passage.signal.aborted;
    if (!isGone && !(error instanceof ApiError)) this.#options.onError?.(error);
    const found = isGone
      ? new ApiError(CLIENT_GONE, "invalid_request_error", "The client went away.")
      : apiErrorOf(error);
    const { retryAfter } = found.details;
    const headers = mark(
      new Headers(retryAfter ? { "retry-after": `${retryAfter}` } : {}),
      this.#marks(passage),
    );
    if (!isGone) await this.#report(passage, found.status, "nobody");
    return Response.json(passage.path.startsWith("/v1/messages") ? found.anthropicBody : found.body, {
      status: found.status,
      headers,
    });
  }

  /** What the proxy says of itself. */
  async #own({ path, request }: Passage): Promise<Response> {
    const { apiKeys = [], metrics, version = "0" } = this.#options;
    const upstreams = this.#upstreams.map(({ name, circuit }) => ({ url: name, circuit: circuit.state }));
    const local = { model: this.local.name, state: this.local.state };
    if (path === `${OWN_PATHS}health`) {
      const canAnswer = upstreams.some(({ circuit }) => circuit !== "open") ||
        ["ready", "unloaded"].includes(local.state);
      return new Response(
        null,
        canAnswer ? {} : { status: 503, headers: { "retry-after": `${RETRY_SECONDS}` } },
      );
    }
    await requireKey(request, apiKeys);
    if (path === `${OWN_PATHS}status`) return Response.json({ version, upstreams, local });
    if (path === `${OWN_PATHS}metrics` && metrics) {
      return new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } });
    }
    throw new ApiError(404, "invalid_request_error", `Unknown request URL: ${path}.`, {
      code: "unknown_url",
    });
  }
}

/** The host is the client's word, and no address with it can be made. */
async function refuseAddress(request: Request): Promise<Response> {
  await request.body?.cancel().catch(() => {});
  const { body, status } = badRequest(
    "The host and path of the request make no URL.",
    undefined,
    "invalid_url",
  );
  return Response.json(body, { status, headers: mark(new Headers(), { attempts: 0 }) });
}

/** @throws {ApiError} For what cannot be passed on as a request and its response. */
function refuseWhatDoesNotPass({ method, headers, body }: Passage): void {
  const isWebSocket = headers.get("upgrade")?.toLowerCase() === "websocket";
  if (isWebSocket || method === "CONNECT") {
    throw new ApiError(
      501,
      "invalid_request_error",
      `This proxy passes no ${isWebSocket ? "WebSockets" : "tunnels"} on: ask the upstream itself.`,
      { code: isWebSocket ? "upgrade_not_supported" : "connect_not_supported" },
    );
  }
  const length = headers.get("content-length") ?? "0";
  if (body.isAbsent && (/[^0, ]/.test(length) || headers.has("transfer-encoding"))) {
    throw badRequest(
      `The body of a ${method} does not pass through this proxy.`,
      undefined,
      "body_not_supported",
    );
  }
}

function reasonOf(error: unknown): string {
  return error instanceof UpstreamFailure
    ? error.reason
    : (error as { kind?: string }).kind ?? "connection_reset";
}

/** Why the first upstream did not answer, and why the model did not where it did not. */
function reasonsOf({ failures, localRefusal }: Passage): string | undefined {
  const first = failures[0]?.failure.reason;
  const reasons = [...first ? [first] : [], ...localRefusal ? [`local=${localRefusal.reason}`] : []];
  return reasons.length > 0 ? reasons.join("; ") : undefined;
}

function describe({ reason, error }: NonNullable<Passage["localRefusal"]>): string {
  return error ? `${reason} (${error.message})` : reason;
}

/** What the local server says when it refuses. */
async function refusalIn(response: Response): Promise<[reason: string, error: ApiError]> {
  const { error } = await response.json() as {
    error: { message: string; code?: string | null; type: string };
  };
  const retryAfter = Number(response.headers.get("retry-after") ?? NaN);
  const type = response.status === 401
    ? "authentication_error"
    : response.status === 429
    ? "rate_limit_error"
    : "server_error";
  return [
    error.code ?? `status_${response.status}`,
    new ApiError(response.status, type, error.message, {
      code: error.code ?? undefined,
      retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
    }),
  ];
}
