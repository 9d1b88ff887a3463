/**
 * Loads, asks and disposes a model again and again, and prints the resident bytes after each round: a process of its own, so
 * that nothing else's memory counts. Arguments: model, threads, rounds.
 *
 * @module
 */
import { loadModel } from "../../mod.ts";

const [path, threads, rounds] = Deno.args;
for (let round = 0; round < Number(rounds); round++) {
  await using model = await loadModel(path, { threads: Number(threads) });
  await model.complete({ prompt: [5, 6, 7], maxTokens: 8, temperature: 0 });
  await model.dispose();
  console.log(Deno.memoryUsage().rss);
}
