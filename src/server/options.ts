/**
 * How a server serves.
 *
 * @module
 */
import type { MetricsRegistry } from "../platform/platform.ts";
import type { ServerMetrics } from "./metrics.ts";

/** Every field has a default. */
export interface ServerOptions {
  /** Keys of which a request must bring one (`Authorization: Bearer` or `x-api-key`); default: none is asked for. */
  apiKeys?: readonly string[];
  /** Requests that are answered at once; default 8. */
  maxConcurrent?: number;
  /** Requests that wait; default 64. One more is refused with 429. */
  maxQueue?: number;
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
  /** Measurements that outlive one server. */
  metrics?: ServerMetrics;
}

/** Bytes of a request; pictures come within. */
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
