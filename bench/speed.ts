/**
 * Speed of one model: a prompt of 512 tokens in one call (pp512) and 128 tokens one by one (tg128), as llama-bench measures
 * them: no sampling, logits of the last token only, random token ids.
 *
 *   deno run --allow-read=MODEL bench/speed.ts MODEL [--threads 1,2] [--reps 5]
 *
 * Prints one JSON line a thread count, tokens per second: median, best, worst.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { loadModel, type Model } from "../mod.ts";

/** Numerical Recipes' generator; any ids do, as long as every run has the same. */
function randomIds(count: number, vocabularySize: number): number[] {
  let state = 12345;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % vocabularySize;
  });
}

async function tokensPerSecond(model: Model, prompt: number, generated: number): Promise<number> {
  using sequence = model.createSequence();
  const ids = randomIds(prompt + generated, model.info.vocabularySize);
  const begin = performance.now();
  if (prompt > 0) await sequence.forward(ids.slice(0, prompt));
  for (let i = prompt; i < ids.length; i++) await sequence.forward([ids[i]]);
  return ids.length / (performance.now() - begin) * 1000;
}

function summary(values: number[]): { median: number; best: number; worst: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const round = (value: number) => Math.round(value * 10) / 10;
  return { median: round(sorted[sorted.length >> 1]), best: round(sorted.at(-1)!), worst: round(sorted[0]) };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    allowPositionals: true,
    options: { threads: { type: "string", default: "1,2" }, reps: { type: "string", default: "5" } },
  });
  for (const threads of values.threads.split(",").map(Number)) {
    await using model = await loadModel(positionals[0], { threads });
    await tokensPerSecond(model, 64, 8);
    await tokensPerSecond(model, 512, 0);
    const measured: Record<string, unknown> = { model: positionals[0].split("/").at(-1), ...model.engine };
    const tests: [string, number, number][] = [["pp512", 512, 0], ["tg128", 0, 128]];
    for (const [name, prompt, generated] of tests) {
      const runs: number[] = [];
      for (let rep = 0; rep < Number(values.reps); rep++) {
        runs.push(await tokensPerSecond(model, prompt, generated));
      }
      measured[name] = summary(runs);
    }
    console.log(JSON.stringify(measured));
  }
}
