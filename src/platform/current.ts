/**
 * The runtime's file. The packages' build puts another in this one's place (packages/build).
 *
 * @module
 */
export { createMetrics, platform } from "./deno.ts";
