/**
 * Loads, asks and disposes a model again and again, and prints how many bytes stay resident that early rounds did not need: a process of
 * its own, so that nothing else's memory counts. It collects garbage itself and gives ended workers time to go: what disposed models had
 * comes back sooner or later unless something holds it. Arguments: model, threads, rounds, and bytes that may stay; run with
 * `--v8-flags=--expose-gc`.
 *
 * @module
 */
import { loadModel } from "../../mod.ts";

declare const gc: () => void;

/** By then every module is loaded. */
const SETTLED = 10;
/** For all that is on its way to be given back; far more than it takes on a busy machine. */
const PATIENCE_MILLISECONDS = 30_000;

async function loadAskAndDispose(path: string, threads: number): Promise<void> {
  await using model = await loadModel(path, { threads });
  await model.complete({ prompt: [5, 6, 7], maxTokens: 8, temperature: 0 });
}

/** Resident bytes once garbage is collected. */
async function residentBytes(): Promise<number> {
  gc();
  await new Promise((resolve) => setTimeout(resolve, 10));
  return Deno.memoryUsage().rss;
}

const [path, threads, rounds, mayStay] = Deno.args;
const resident: number[] = [];
for (let round = 0; round < Number(rounds); round++) {
  await loadAskAndDispose(path, Number(threads));
  resident.push(await residentBytes());
}
const early = resident.slice(SETTLED, 2 * SETTLED).toSorted((a, b) => a - b)[SETTLED >> 1];
const begin = performance.now();
let grown: number;
do grown = await residentBytes() - early; while (
  grown >= Number(mayStay) && performance.now() - begin < PATIENCE_MILLISECONDS
);
console.log(JSON.stringify({ grown, resident }));
