/**
 * Waiting for a server that may be slow, frozen or dead.
 *
 * @module
 */
import { UpstreamFailure } from "./failure.ts";

/** How long is waited. */
export interface Patience {
  /** When it is over, by `performance.now`; `Infinity`: never. */
  readonly until: number;
  /** What to call it then. */
  readonly reason: string;
  /** Milliseconds after which a sign of life is asked for, again and again; 0: never. */
  readonly silence: number;
  isAlive(): Promise<boolean>;
}

const NOT_YET = Symbol();

/** So many milliseconds from now; 0: for ever. */
export function after(milliseconds: number): number {
  return milliseconds > 0 ? performance.now() + milliseconds : Infinity;
}

/**
 * Waits for what a server owes.
 *
 * @throws {UpstreamFailure} When the time is over, or no sign of life comes. What the wait itself throws.
 */
export async function patiently<T>(
  wait: Promise<T>,
  { until, reason, silence, isAlive }: Patience,
): Promise<T> {
  wait.catch(() => {});
  while (true) {
    const left = until - performance.now();
    const pause = Math.min(left, silence > 0 ? silence : Infinity);
    const first = await within(wait, pause);
    if (first !== NOT_YET) return first;
    if (performance.now() >= until) throw new UpstreamFailure(reason, true);
    const answer = await within(Promise.race([wait.then(() => true), isAlive()]), until - performance.now());
    if (answer === false) throw new UpstreamFailure("silent", true);
  }
}

/** What comes within a time, or `NOT_YET`. */
async function within<T>(wait: Promise<T>, milliseconds: number): Promise<T | typeof NOT_YET> {
  if (milliseconds === Infinity) return await wait;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<typeof NOT_YET>((resolve) => {
    timer = setTimeout(() => resolve(NOT_YET), Math.max(0, milliseconds));
  });
  try {
    return await Promise.race([wait, late]);
  } finally {
    clearTimeout(timer);
  }
}
