/**
 * Requests to a hub, over its documented HTTP interface.
 *
 * @see {@link https://huggingface.co/docs/hub/api | the interface}
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { HUB_ANSWER_BYTES_MAX, HUB_REDIRECTS_MAX } from "../core/limits.ts";
import { bodyBytes } from "../io/body_bytes.ts";
import { placeOf, reasonOf } from "../io/http_answer.ts";
import { readRetryAfter, Retries, TransientFailure } from "./retries.ts";

/** Milliseconds without a byte after which a connection counts as lost. */
const SILENCE_MAX = 30_000;
/** Milliseconds for one answer of the interface, which has some hundred kilobytes: a server may send a byte now and then for ever. */
const ANSWER_TIME_MAX = 300_000;

/** Servers that are busy, or whose own servers are. */
const BUSY = [408, 425, 429, 500, 502, 503, 504];
const REDIRECTS = [301, 302, 303, 307, 308];

/** How to ask. */
export interface HubClientOptions {
  endpoint: string;
  token?: string;
  /** Ends every request, begun or not. */
  signal?: AbortSignal;
  /** Whether a host may be reached without asking for a permission. */
  mayReach(host: string): boolean;
  /** Used instead of the global one. */
  fetch?: typeof fetch;
  /** Milliseconds before a second attempt. */
  firstWait?: number;
  /** Told in one line why nothing comes. */
  onWait?: (text: string) => void;
  /** Milliseconds without a byte after which a connection counts as lost. */
  silenceMax?: number;
  /** Milliseconds for one answer of the interface. */
  answerTimeMax?: number;
}

/** What one request may have of its own. */
export interface RequestOptions {
  range?: string;
  signal?: AbortSignal;
}

/** An answer whose body has not been read. */
export interface HubAnswer {
  readonly response: Response;
  /** Where it came from: a hub sends on to where large files lie. */
  readonly url: URL;
  /** Its bytes, each piece valid until the next is asked for; fails with a {@linkcode TransientFailure} when they stop coming. */
  body(): AsyncIterable<Uint8Array>;
  /** Leaves them where they are. */
  cancel(): Promise<void>;
}

/** Asks one hub. */
export class HubClient {
  readonly endpoint: string;
  readonly #options: HubClientOptions;

  constructor(options: HubClientOptions) {
    this.endpoint = options.endpoint;
    this.#options = options;
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal;
  }

  /** The attempts at one thing; a signal of its own ends them too. */
  retries(what: string, signal = this.signal): Retries {
    const { firstWait, onWait } = this.#options;
    return new Retries(what, { firstWait, signal, onWait });
  }

  /**
   * Fetches JSON, again where that may help.
   *
   * @param what What messages call it.
   * @throws {RemoraError} FILE_NOT_FOUND when there is no answer or it is a refusal, BAD_FILE when it is too long or no JSON.
   */
  async json(url: URL, what: string): Promise<{ value: unknown; headers: Headers }> {
    const retries = this.retries(what);
    while (true) {
      try {
        const answer = await this.get(url, what);
        const { headers } = answer.response;
        return {
          value: parseJson(await wholeBody(answer, what, this.#options.answerTimeMax), what),
          headers,
        };
      } catch (failure) {
        await retries.afterFailure(failure);
      }
    }
  }

  /**
   * Sends one request and follows where it is sent on. The token goes to the hub's own origin alone.
   *
   * @param options.range What to ask for, as the header `Range` has it.
   * @param options.signal In place of the client's own.
   * @throws {TransientFailure} Where asking again may help. {@linkcode RemoraError} where it does not.
   */
  async get(url: URL, what: string, options: RequestOptions = {}): Promise<HubAnswer> {
    const { token, endpoint } = this.#options;
    const { range, signal = this.signal } = options;
    const own = new URL(endpoint).origin;
    let isAtHome = true;
    for (let redirects = 0, place = url;; redirects++) {
      isAtHome &&= place.origin === own;
      if (!this.#options.mayReach(place.host)) {
        throw refusal(
          what,
          `an answer from ${placeOf(place)}`,
          `no permission (run with --allow-net=${place.host})`,
        );
      }
      const headers = new Headers({ "accept-encoding": "identity", "user-agent": "remora" });
      if (range !== undefined) headers.set("range", range);
      if (token !== undefined && isAtHome) headers.set("authorization", `Bearer ${token}`);
      const { response, silence } = await this.#send(place, headers, signal);
      if (!REDIRECTS.includes(response.status)) {
        if (!response.ok) await this.#refuse(response, place, what, silence);
        const cancel = async () => {
          silence.end();
          await response.body?.cancel();
        };
        return { response, url: place, body: () => this.#body(response, place, silence, signal), cancel };
      }
      silence.end();
      await response.body?.cancel();
      if (redirects === HUB_REDIRECTS_MAX) {
        throw refusal(what, `at most ${HUB_REDIRECTS_MAX} redirects`, "another");
      }
      place = nextPlace(place, response.headers.get("location"), what);
    }
  }

  async #send(
    place: URL,
    headers: Headers,
    signal?: AbortSignal,
  ): Promise<{ response: Response; silence: Silence }> {
    const silence = new Silence(this.#options.silenceMax ?? SILENCE_MAX, signal);
    try {
      signal?.throwIfAborted();
      const send = this.#options.fetch ?? fetch;
      const response = await send(place, { headers, redirect: "manual", signal: silence.signal });
      return { response, silence };
    } catch (cause) {
      silence.end();
      throw failureOf(cause, place, signal);
    }
  }

  async *#body(
    response: Response,
    place: URL,
    silence: Silence,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    try {
      for await (const piece of bodyBytes(response.body)) {
        silence.end();
        yield piece;
        silence.begin();
      }
    } catch (cause) {
      throw failureOf(cause, place, signal);
    } finally {
      silence.end();
    }
  }

  /** Throws what an answer without success means. */
  async #refuse(response: Response, place: URL, what: string, silence: Silence): Promise<never> {
    silence.end();
    await response.body?.cancel();
    const { status, headers } = response;
    const found = `HTTP ${status} from ${placeOf(place)}`;
    if (BUSY.includes(status)) {
      throw new TransientFailure(found, readRetryAfter(headers.get("retry-after"), Date.now()));
    }
    const hints: Record<string, string> = {
      GatedRepo:
        `its terms are to be accepted at ${this.endpoint}, and HF_TOKEN set to a token of that account`,
      RepoNotFound: "no such repository, or a private one that needs HF_TOKEN",
      RevisionNotFound: "no such revision",
      EntryNotFound: "no such file",
    };
    const hint = hints[headers.get("x-error-code") ?? ""] ??
      (status === 401 || status === 403
        ? `${hints.RepoNotFound} (read with --allow-env=HF_TOKEN)`
        : undefined);
    throw refusal(what, "an answer", hint ? `${found}: ${hint}` : found);
  }
}

/** Ends a request when nothing has come for too long, or when the caller's signal fires. */
class Silence {
  readonly #controller = new AbortController();
  readonly #limit: number;
  readonly signal: AbortSignal;
  #timer?: ReturnType<typeof setTimeout>;

  constructor(limit: number, signal?: AbortSignal) {
    this.#limit = limit;
    this.signal = signal ? AbortSignal.any([signal, this.#controller.signal]) : this.#controller.signal;
    this.begin();
  }

  begin(): void {
    const failure = new TransientFailure(`nothing for ${this.#limit / 1_000} seconds`);
    this.#timer = setTimeout(() => this.#controller.abort(failure), this.#limit);
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** What to throw for a failure of the connection. */
function failureOf(cause: unknown, place: URL, signal?: AbortSignal): unknown {
  if (cause instanceof RemoraError || cause instanceof TransientFailure) return cause;
  if (signal?.aborted) return signal.reason;
  const reason = `${reasonOf(cause)} (${placeOf(place)})`;
  if (!/certificate/i.test(reason)) return new TransientFailure(reason);
  const expected =
    "a certificate of a known authority (DENO_CERT or NODE_EXTRA_CA_CERTS names a file of others)";
  return refusal(place.host, expected, reason);
}

function nextPlace(from: URL, location: string | null, what: string): URL {
  const next = location === null ? null : URL.parse(location, from.href);
  if (next === null || !/^https?:$/.test(next.protocol)) {
    throw refusal(what, "a redirect to an http(s) URL", "another");
  }
  if (next.username !== "" || next.password !== "") {
    throw refusal(what, "a redirect without a user's name and password", `one to ${placeOf(next)}`);
  }
  if (from.protocol === "https:" && next.protocol === "http:") {
    throw refusal(what, "a redirect that stays encrypted", `one to ${placeOf(next)}`);
  }
  return next;
}

async function wholeBody(answer: HubAnswer, what: string, timeMax = ANSWER_TIME_MAX): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const begin = performance.now();
  let size = 0;
  for await (const piece of answer.body()) {
    size += piece.byteLength;
    if (performance.now() - begin > timeMax) {
      throw refusal(what, `an answer within ${timeMax / 1_000} s`, `${size} bytes of one`);
    }
    if (size > HUB_ANSWER_BYTES_MAX) {
      throw new RemoraError("BAD_FILE", "Cannot fetch", {
        file: what,
        expected: `at most ${HUB_ANSWER_BYTES_MAX} bytes`,
        found: "more",
      });
    }
    pieces.push(piece.slice());
  }
  const whole = new Uint8Array(size);
  for (let filled = 0, i = 0; i < pieces.length; filled += pieces[i++].byteLength) {
    whole.set(pieces[i], filled);
  }
  return whole;
}

function refusal(file: string, expected: string, found: string): RemoraError {
  return new RemoraError("FILE_NOT_FOUND", "Cannot fetch", { file, expected, found });
}
