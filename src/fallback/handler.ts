/**
 * The fallback as one function.
 *
 * @module
 */
import { createFetchHttp } from "../platform/fetch_http.ts";
import type { Platform } from "../platform/platform.ts";
import type { LocalState } from "./local_model.ts";
import { Fallback } from "./fallback.ts";
import type { FallbackOptions } from "./options.ts";

/** Answers requests; gives back what it loaded when it is disposed of. */
export interface FallbackHandler extends AsyncDisposable {
  /** Answers a request. */
  (request: Request): Promise<Response>;
  /** Resolves when the model is loaded, and begins to load it where nobody has. Fails as the load does. */
  ready(): Promise<void>;
  /** What the model is doing. */
  readonly localState: LocalState;
}

/** Upstreams are reached as the platform can. */
export function createFallbackHandler(
  options: FallbackOptions,
  { createHttp }: Pick<Platform, "createHttp">,
): FallbackHandler {
  const fallback = new Fallback(options, (createHttp ?? createFetchHttp)());
  const hasToLoad = typeof options.model === "function" && !options.lazy;
  // Whoever waits for it is told of a failure; `onError` is too.
  if (hasToLoad) fallback.local.load().catch(() => {});
  const handler = (request: Request) => fallback.fetch(request);
  return Object.defineProperties(handler, {
    ready: { value: async () => fallback.local.state === "absent" ? undefined : await fallback.local.load() },
    localState: { get: () => fallback.local.state },
    [Symbol.asyncDispose]: { value: () => fallback.dispose() },
  }) as FallbackHandler;
}
