/**
 * The runtime's file. The packages' build puts another in this one's place (tools/packages).
 *
 * @module
 */
export { createMetrics, platform } from "./deno.ts";
