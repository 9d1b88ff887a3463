/**
 * How a fallback decides; every rule has a default and a reason.
 *
 * @module
 */
import type { Model } from "../generation/model.ts";
import type { MetricsRegistry } from "../platform/platform.ts";
import type { CircuitState } from "./circuit_breaker.ts";

/** Options of `createFallback`. All times are milliseconds; 0 switches a limit off. */
export interface FallbackOptions {
  /** Addresses of servers, tried in this order; paths of requests are appended to theirs. */
  upstreams: readonly (string | URL)[];
  /**
   * Answers when no upstream does: a model, or how to load one. What was loaded by the function is the fallback's: it is disposed
   * of when it is idle or the fallback is. Default: none, and upstreams stand in for each other only.
   */
  model?: Model | (() => Promise<Model>);
  /** The true name of the model, in its answers; default `default`. */
  modelName?: string;
  /** Answers of the model say the name that was asked for; default false: nobody is told of a model that did not answer. */
  keepModelName?: boolean;
  /**
   * Names that the model stands in for, besides its own. Default: those of the upstreams' models that are no adapters, as they list
   * them; all names while no upstream has listed any.
   */
  standsInFor?: readonly string[];
  /**
   * Whether the model is the upstreams' own, quantised perhaps otherwise. Then it also answers what has a meaning only between
   * equal models: embeddings, token ids in and out, counts of tokens. Default false.
   */
  isSameModel?: boolean;
  /** Keys of which a request must bring one to be answered by the model; upstreams ask for theirs. Default: none. */
  apiKeys?: readonly string[];
  /** Load the model with the first failure and not before; default false: a takeover should not wait for a load. */
  lazy?: boolean;
  /** Dispose of a model that nobody asked for so long; default 0: never. */
  idleMilliseconds?: number;
  /** What becomes of requests while the model loads: they wait (default: late is better than never), or get 503. */
  whileLoading?: "wait" | "refuse";
  /** Requests that the model answers at once and that wait for it; see `ServerOptions`. */
  maxConcurrent?: number;
  /** See `maxConcurrent`. */
  maxQueue?: number;

  /** Until a connection must be there, TLS included; default 2,000: within a data centre it takes 1, across an ocean 300. */
  connectMilliseconds?: number;
  /** Until the answer's first byte must be there; default 0: slowness is not death, a long prompt takes a minute. */
  firstByteMilliseconds?: number;
  /** Between two pieces of an answer; default 0, for the same reason. */
  betweenBytesMilliseconds?: number;
  /**
   * An upstream that was silent for so long while it owes bytes is asked for a sign of life: `healthPath` must answer within
   * `probeMilliseconds`, else it counts as dead. Default 10,000: whoever is only slow answers, whoever is frozen does not.
   */
  silenceMilliseconds?: number;
  /** Where upstreams are asked whether they live; default `/health`, vLLM's. Any status below 500 is a yes. */
  healthPath?: string;
  /** Until that answer must be there; default 5,000: a server whose loop is busy with a long prompt needs seconds. */
  probeMilliseconds?: number;
  /** Status 429 makes others try; default false: a limit that somebody set is not to be walked round. */
  failOverOnRateLimit?: boolean;
  /**
   * Whether others may try a request that the upstream may have begun. Default true: generation changes nothing, and two machines
   * computing is better than nobody answering. False: only failed connections, 429 and 503, with which a server declines, pass on.
   */
  retryAfterSend?: boolean;
  /** Failures within the window, and at least half of all its requests, that open a circuit; default 3: one may be an accident. */
  circuitFailures?: number;
  /** Default 10,000. */
  circuitWindowMilliseconds?: number;
  /** How long an open circuit keeps requests away; default 5,000: then one request waits for a probe. */
  circuitOpenMilliseconds?: number;
  /** Bytes of a request that are kept for another try; default 64 MiB, the server's own limit. Larger ones are passed on once. */
  replayBytes?: number;

  /** Where measurements go; default: `/x-remora/metrics` is not there. */
  metrics?: MetricsRegistry;
  /** For `/x-remora/status`. */
  version?: string;
  /** Told of every answer. */
  onAnswer?(record: AnswerRecord): void;
  /** Told when a circuit opens, is tried again and closes. */
  onCircuit?(change: CircuitChange): void;
  /** Told of errors that nobody expects, and of a model that cannot be loaded. */
  onError?(error: unknown): void;
}

/** What a circuit became. */
export interface CircuitChange {
  /** Its upstream. */
  upstream: string;
  /** What it is now. */
  state: CircuitState;
  /** Why. */
  reason?: string;
}

/** Who answered, and why. */
export interface AnswerRecord {
  /** The request's. */
  method: string;
  /** The request's, without its query. */
  path: string;
  /** The response's. */
  status: number;
  /** Who gave the response. */
  servedBy: "upstream" | "local" | "nobody";
  /** The upstream that answered. */
  upstream?: string;
  /** Why the first upstream did not. */
  reason?: string;
  /** Upstreams and models that were asked. */
  attempts: number;
  /** Until the answer's first byte. */
  milliseconds: number;
}

/** Options with their defaults. */
export type FallbackRules = Required<
  Pick<
    FallbackOptions,
    | "connectMilliseconds"
    | "firstByteMilliseconds"
    | "betweenBytesMilliseconds"
    | "silenceMilliseconds"
    | "healthPath"
    | "probeMilliseconds"
    | "failOverOnRateLimit"
    | "retryAfterSend"
    | "circuitFailures"
    | "circuitWindowMilliseconds"
    | "circuitOpenMilliseconds"
    | "replayBytes"
  >
>;

/** Their reasons stand with the options. */
export const FALLBACK_DEFAULTS: FallbackRules = {
  connectMilliseconds: 2_000,
  firstByteMilliseconds: 0,
  betweenBytesMilliseconds: 0,
  silenceMilliseconds: 10_000,
  healthPath: "/health",
  probeMilliseconds: 5_000,
  failOverOnRateLimit: false,
  retryAfterSend: true,
  circuitFailures: 3,
  circuitWindowMilliseconds: 10_000,
  circuitOpenMilliseconds: 5_000,
  replayBytes: 64 * 1024 * 1024,
};

/** Longest that an upstream's `Retry-After` keeps requests away from it: a wrong one must not do so for days. */
export const RETRY_AFTER_MILLISECONDS_MAX = 5 * 60_000;
/** Seconds after which a client is told to come back when nobody could answer. */
export const RETRY_SECONDS = 2;
