/**
 * Which processor this is; a figure without one says nothing.
 *
 * @module
 */
import { cpus } from "node:os";

/**
 * The processor's name where it may be known; nobody is asked for the permission. /proc/cpuinfo says more, but Deno opens
 * it only to processes that may do everything.
 */
export function processorName(): string {
  const isGranted = Deno.permissions.querySync({ name: "sys", kind: "cpus" }).state === "granted";
  if (!isGranted) return "unknown processor (pass --allow-sys=cpus)";
  return cpus()[0]?.model.trim() || "unknown processor";
}
