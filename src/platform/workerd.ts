/**
 * workerd, the runtime of Cloudflare Workers: one thread, 128 MB, clocks that stand still while something is computed.
 *
 * @module
 */
import type { Platform } from "./platform.ts";
import { platform as web } from "./web.ts";

export { createMetrics } from "./web.ts";

/** Of an isolate, JavaScript's heap and WebAssembly's memories together (Workers' documentation, "Limits"). */
const ISOLATE_BYTES = 128 * 2 ** 20;

/** What workerd says of the flags that a Worker has. */
const { Cloudflare } = globalThis as { Cloudflare?: { compatibilityFlags?: Record<string, boolean> } };

/** workerd's implementation of {@linkcode Platform}. */
export const platform: Platform = {
  ...web,
  processors: () => 1,
  // No request may touch another's timers and signals there ("Cannot perform I/O on behalf of a different request"), as a pass
  // that sequences share would.
  requestsMax: 1,
  withoutLeaving: Cloudflare?.compatibilityFlags?.enable_request_signal === false
    ? `the compatibility flag "enable_request_signal" in the Worker's configuration`
    : undefined,
  memory: { ...web.memory, ofRuntime: { bytes: ISOLATE_BYTES, source: "of an isolate" } },
  // Timers are the only turns of the event loop there; a stream is sent on in them.
  pause: () => new Promise((resolve) => setTimeout(resolve, 0)),
};
