/**
 * Letting the host's events in between two pieces of long work.
 *
 * @module
 */
import type { Platform } from "./platform.ts";

/** Signals and sockets wait at most this long while something is computed, unless somebody asks for less. */
const LOOK_INTERVAL_MILLISECONDS = 100;

/** Remembers when the host last had the chance to handle events. */
export class HostEvents {
  readonly #platform: Pick<Platform, "pause" | "requestsMax">;
  /** Milliseconds between two looks at signals and sockets. */
  interval = LOOK_INTERVAL_MILLISECONDS;
  #lastLook = performance.now();

  constructor(platform: Pick<Platform, "pause" | "requestsMax">) {
    this.#platform = platform;
  }

  /** Whether callers may wait for each other: where a request's timers end with it, whoever waits for them waits for ever. */
  get areShared(): boolean {
    return this.#platform.requestsMax !== 1;
  }

  /** `pause` when the last long pause is `interval` ago; else `undefined`, and there is no promise to wait for. */
  pauseWhenDue(): Promise<void> | undefined {
    return this.#isDue() ? this.pause() : undefined;
  }

  /** Resolves after pending events were handled; signals and sockets among them when that is due. */
  async pause(): Promise<void> {
    const isDue = this.#isDue();
    await this.#platform.pause(isDue ? "long" : "short");
    if (isDue) this.#lastLook = performance.now();
  }

  #isDue(): boolean {
    return performance.now() - this.#lastLook >= this.interval;
  }
}
