/**
 * How a server serves.
 *
 * @module
 */
import type { Budget } from "../generation/requests.ts";
import type { MetricsRegistry } from "../platform/platform.ts";
import type { ServerMetrics } from "./metrics.ts";

/**
 * Where states of answers in pieces lie between two requests. Cloudflare's KV, for one:
 * `{ get: (id) => kv.get(id, "arrayBuffer"), put: (id, state, expirationTtl) => kv.put(id, state, { expirationTtl }) }`.
 */
export interface StateStore {
  /** A state by its name; nothing for one that is not there. */
  get(id: string): Promise<Uint8Array | ArrayBuffer | null | undefined>;
  /** Keeps a state for so many seconds at least. */
  put(id: string, state: Uint8Array, seconds: number): Promise<unknown>;
}

/** Every field has a default. */
export interface ServerOptions {
  /** Keys of which a request must bring one (`Authorization: Bearer` or `x-api-key`); default: none is asked for. */
  apiKeys?: readonly string[];
  /** Requests that are answered at once; default 8, in workerd 1 and no more, as it keeps requests apart. */
  maxConcurrent?: number;
  /** Requests that wait; default 64. One more is refused with 429. */
  maxQueue?: number;
  /**
   * Bytes of a request's body at most; default and most 64 MiB. A body is held whole, as bytes and as text: where memory is little
   * (128 MB in a Worker), say less. States of answers that go to clients have half of it.
   */
  maxBodyBytes?: number;
  /** Origins of pages that may ask, or `*`; default: none but the server's own page. */
  cors?: readonly string[];
  /** Fetches a picture by its URL; default: only `data:` URLs are taken. */
  fetchPicture?(url: string, signal: AbortSignal): Promise<Uint8Array>;
  /** How calls of tools are written; default: as each model's chat template does. */
  toolCallParser?: string;
  /** Where measurements go; default: `/metrics` is not there. */
  metrics?: MetricsRegistry;
  /** For `/version`. */
  version?: string;
  /** Whether the page at `/` is served; default true. */
  page?: boolean;
  /**
   * What one request may compute. A chat completion or completion that takes more ends with what is done and a state, with which the
   * client asks again (docs/server.md); other endpoints refuse what takes more. Needs `stateKey`. Default: no limit.
   */
  budget?: Budget;
  /** Signs the states of answers in pieces, by HMAC-SHA-256: 32 secret bytes or more, the same in every process that answers. */
  stateKey?: string | Uint8Array;
  /** Keeps states, so that clients get their names; default: clients get the states themselves. */
  states?: StateStore;
  /** How long an answer may go on from a state; default 600. */
  stateSeconds?: number;
  /** Told of errors that nobody expects; the client learns only that there was one. */
  onError?(error: unknown): void;
}

/** What a program that has a server in it decides. */
export interface ServerInside {
  /**
   * What becomes of names that are not served: "exact" (default) refuses them; with "own" the first model answers under its own name,
   * with "asked" under the one that was asked for.
   */
  naming?: "exact" | "own" | "asked";
  /** Requests that the host lets be answered at once; default: any number. */
  requestsMax?: number;
  /** Where requests do not tell when their clients leave: what would make them. */
  withoutLeaving?: string;
  /** Measurements that outlive one server. */
  metrics?: ServerMetrics;
}

/** Bytes of a request, default and most of `maxBodyBytes`; pictures come within. */
export const BODY_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of all headers of a request. */
export const HEADER_BYTES_MAX = 32 * 1024;
/** Milliseconds in which a request's body must have come. */
export const BODY_MILLISECONDS_MAX = 60_000;
/** Answers of one request. */
export const CHOICES_MAX = 32;
/** Texts of one request for embeddings or completions. */
export const INPUTS_MAX = 256;
/** Default of `maxConcurrent`. */
export const CONCURRENT_DEFAULT = 8;
/** Default of `maxQueue`. */
export const QUEUE_DEFAULT = 64;
/** Bytes of a `stateKey`: as many as the hash has, below which HMAC is weaker than it (RFC 2104, section 3). */
export const STATE_KEY_BYTES_MIN = 32;
/** Default of `stateSeconds`. */
export const STATE_SECONDS_DEFAULT = 600;
