/**
 * Which processor this is; a figure without one says nothing.
 *
 * @module
 */
import { cpus } from "node:os";
import { host } from "./host/current.ts";

/**
 * The processor's name where the permission is granted; it is not asked for. /proc/cpuinfo says more, but Deno opens it only
 * with all permissions.
 */
export function processorName(): string {
  if (!host.isGranted({ name: "sys", kind: "cpus" })) return "unknown processor (pass --allow-sys=cpus)";
  return cpus()[0]?.model.trim() || "unknown processor";
}
