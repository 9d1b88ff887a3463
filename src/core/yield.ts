/**
 * Letting the host's events in between two pieces of long work.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/**
 * A turn of `setImmediate` costs a few µs, but the host does not look at signals and sockets in every such turn: Deno's runtime
 * (tokio) does so in one of 61 while there is work. So now and then as many turns are taken: 0.1 to 0.3 ms, where a timer makes the
 * runtime sleep for 2 ms.
 */
const TURNS_BETWEEN_LOOKS = 61;
const LOOK_INTERVAL_MILLISECONDS = 100;
let lastLook = performance.now();

/** `yieldToEvents` when the host last looked LOOK_INTERVAL_MILLISECONDS ago; else nothing is there to wait for. */
export function yieldWhenDue(): Promise<void> | undefined {
  return performance.now() - lastLook < LOOK_INTERVAL_MILLISECONDS ? undefined : yieldToEvents();
}

/** Resolves after pending events were handled, signals among them at the latest after LOOK_INTERVAL_MILLISECONDS of work. */
export async function yieldToEvents(): Promise<void> {
  const isDue = performance.now() - lastLook >= LOOK_INTERVAL_MILLISECONDS;
  for (let turn = 0; turn < (isDue ? TURNS_BETWEEN_LOOKS : 1); turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  if (isDue) lastLook = performance.now();
}
