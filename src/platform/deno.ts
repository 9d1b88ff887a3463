/**
 * Deno as the runtime: Node's modules, within the permissions that were granted.
 *
 * @module
 */
import { platformOfNode } from "./node_builtins.ts";
import type { Platform } from "./platform.ts";
import { createPrometheus } from "./prometheus.ts";

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

/** `flock`, as Python's `filelock` has it: whoever takes it by either is kept from the other. */
function tryLock(path: string): Disposable | undefined {
  const file = Deno.openSync(path, { create: true, read: true, write: true, mode: 0o664 });
  // Somebody who had it may have removed the file meanwhile: then the lock is one that nobody else will ask for.
  if (file.tryLockSync(true) && file.statSync().ino === inodeOf(path)) return file;
  file.close();
  return undefined;
}

function inodeOf(path: string): number | null | undefined {
  try {
    return Deno.statSync(path).ino;
  } catch {
    return undefined;
  }
}

/** Deno's implementation of {@linkcode Platform}. */
export const platform: Platform = platformOfNode({
  isPermitted: (access, path) => isGranted({ name: access, path }),
  mayReach: (host) => isGranted({ name: "net", host }),
  mayReadVariable: (variable) => isGranted({ name: "env", variable }),
  mayAskSystem: () => isGranted({ name: "sys", kind: "systemMemoryInfo" }),
  mayAskForRoom: () => isGranted({ name: "sys", kind: "statfs" as "systemMemoryInfo" }),
  // What a link leads to is only known when it is followed, so a part of the file system is not enough.
  mayLink: () => isGranted({ name: "read" }) && isGranted({ name: "write" }),
  tryLock,
  availableMemory: () => Deno.systemMemoryInfo().available,
  residentMemory: () => Deno.memoryUsage().rss,
  refusal: (cause, allow) =>
    cause instanceof Deno.errors.NotCapable ? `no permission (run with --allow-read=${allow})` : undefined,
  /**
   * A turn of `setImmediate` costs a few µs, but the host does not look at signals and sockets in every such turn: Deno's runtime
   * (tokio) does so in one of 61 while there is work. So a long pause takes as many turns: 0.1 to 0.3 ms, where a timer makes the
   * runtime sleep for 2 ms.
   */
  turnsOfLongPause: 61,
});

export { createPrometheus as createMetrics };
