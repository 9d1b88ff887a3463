/**
 * `remora bench` in a process of its own, from any checkout.
 *
 * @module
 */
import type { SpeedResult } from "../cli/speed.ts";
import { runForJson } from "./processes.ts";

/** What `remora bench --json` prints. */
export interface SpeedReport {
  model: string;
  processor: string;
  kernels: string;
  vectorBits: number;
  results: SpeedResult[];
}

/** Lets V8 pair vectors to 256 bits. */
export const WIDE_VECTORS = "--v8-flags=--experimental-wasm-revectorize";

/**
 * @param checkout Folder that holds `cli/main.ts` and `deno.json`.
 * @param denoFlags Flags of `deno run` beside those that it needs.
 */
export async function runRemoraBench(
  checkout: string,
  args: readonly string[],
  denoFlags: readonly string[] = [],
): Promise<SpeedReport> {
  const flags = [
    ...denoFlags,
    "--no-prompt",
    "--quiet",
    "--allow-read",
    "--allow-sys=cpus",
    "--config",
    `${checkout}/deno.json`,
  ];
  const command = ["run", ...flags, `${checkout}/cli/main.ts`, "bench", ...args, "--json"];
  const [report] = await runForJson<SpeedReport>(Deno.execPath(), command);
  return report;
}
