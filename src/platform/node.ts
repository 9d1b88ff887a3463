/**
 * Node (22 and later) and Bun as the runtime.
 *
 * @module
 */
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { platformOfNode } from "./node_builtins.ts";
import type { Platform } from "./platform.ts";
import { createPrometheus } from "./prometheus.ts";

/**
 * The first major version of V8 whose pairing of vectors to 256 bits was found right (Node 26, Deno 2.9). Earlier ones know the flag
 * and leave most operations alone.
 */
const WIDENING_V8 = 14;

/** Node's implementation of {@linkcode Platform}. */
export const platform: Platform = platformOfNode({
  isPermitted: () => true,
  mayReach: () => true,
  mayReadVariable: () => true,
  mayAskSystem: () => true,
  mayAskForRoom: () => true,
  mayLink: () => true,
  // Bun has no such function.
  availableMemory: () => process.availableMemory?.(),
  residentMemory: () => process.memoryUsage.rss(),
  refusal: () => undefined,
  turnsOfLongPause: 1,
  widenVectors() {
    if (process.arch !== "x64" || Number.parseInt(process.versions.v8 ?? "") < WIDENING_V8) return;
    try {
      setFlagsFromString("--experimental-wasm-revectorize");
    } catch {
      // Bun has Node's modules and another engine.
    }
  },
});

export { createPrometheus as createMetrics };
