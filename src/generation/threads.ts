/**
 * How many threads to use.
 *
 * @module
 */
import { THREADS_MAX } from "../../kernels/host/team.ts";
import { RemoraError } from "../core/errors.ts";

/**
 * The caller's number, or the processors this process may use. The host's count respects affinity and the cgroup's quota
 * where the host asks the kernel for it (Deno 2.9.6 does, rounding down but to 1 at least: of two cores a quota of 0.5, 1 or
 * 1.5 leaves 1, and so does an affinity of one core); where hyper-threads share a core, that is known only if the caller
 * granted reading /proc/cpuinfo. No permission is asked for.
 */
export function chooseThreads(wanted: number | undefined): number {
  if (wanted !== undefined) {
    if (Number.isInteger(wanted) && wanted >= 1 && wanted <= THREADS_MAX) return wanted;
    throw new RemoraError("BAD_ARGUMENT", "Cannot use threads", {
      expected: `an integer from 1 to ${THREADS_MAX}`,
      found: `${wanted}`,
    });
  }
  if (typeof SharedArrayBuffer === "undefined") return 1;
  const available = globalThis.navigator?.hardwareConcurrency ?? 1;
  return Math.max(1, Math.min(available, physicalCores() ?? available, THREADS_MAX));
}

/** Physical cores by /proc/cpuinfo where that may be read, else `undefined`. */
function physicalCores(): number | undefined {
  const path = "/proc/cpuinfo";
  const mayRead = globalThis.Deno?.permissions?.querySync?.({ name: "read", path }).state === "granted";
  if (!mayRead) return undefined;
  try {
    const cores = new Set<string>();
    for (const block of Deno.readTextFileSync(path).split("\n\n")) {
      const socket = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1];
      const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
      if (socket && core) cores.add(`${socket}/${core}`);
    }
    return cores.size || undefined;
  } catch {
    return undefined; // No such file on this system: the host's count stands.
  }
}
