/**
 * Letting the host's events in between two pieces of long work.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/**
 * A turn of `setImmediate` costs 10 µs, but the host does not look at signals and sockets in every such turn: Deno's
 * runtime does so in one of 61 while there is work, and always before it sleeps. A timer makes it sleep, for about 2 ms.
 */
const TIMER_INTERVAL_MILLISECONDS = 100;
let lastTimer = performance.now();

/** `yieldToEvents` when the last timer is TIMER_INTERVAL_MILLISECONDS ago; else nothing is there to wait for. */
export function yieldWhenDue(): Promise<void> | undefined {
  return performance.now() - lastTimer < TIMER_INTERVAL_MILLISECONDS ? undefined : yieldToEvents();
}

/** Resolves after pending events were handled, signals among them at the latest after TIMER_INTERVAL_MILLISECONDS of work. */
export function yieldToEvents(): Promise<void> {
  const now = performance.now();
  if (now - lastTimer < TIMER_INTERVAL_MILLISECONDS) return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) =>
    setTimeout(() => {
      lastTimer = performance.now();
      resolve();
    }, 0)
  );
}
