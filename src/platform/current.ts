/**
 * The runtime's file. The packages' build puts another in this one's place (tools/packages).
 *
 * @module
 */
export { denoPlatform as platform } from "./deno.ts";
export { createPrometheus as createMetrics } from "./prometheus.ts";
