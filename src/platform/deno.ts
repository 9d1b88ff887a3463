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

/** Deno's implementation of {@linkcode Platform}. */
export const platform: Platform = platformOfNode({
  isPermitted: (access, path) => isGranted({ name: access, path }),
  mayReach: (host) => isGranted({ name: "net", host }),
  mayAskSystem: () => isGranted({ name: "sys", kind: "systemMemoryInfo" }),
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
