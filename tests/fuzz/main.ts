/**
 * Valid files of every kind, spoiled by their structure, given to their parsers: `deno task fuzz [--seed 1] [--cases 12000]
 * [--targets gguf,png] [--jobs 2] [--case 17]`.
 *
 * Each input must be read or refused with a typed error that names the place; see tests/fuzz/README.md.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { type Failure, keep, minimise, runJob } from "./processes.ts";
import { TARGETS } from "./registry.ts";
import { type Counts, emptyCounts, note, tableOf } from "./table.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    cases: { type: "string", default: "12000" },
    case: { type: "string" },
    targets: { type: "string" },
    jobs: { type: "string", default: "2" },
  },
});
const seed = Number(values.seed), jobs = Number(values.jobs);
const names = values.targets?.split(",") ?? TARGETS.map(({ name }) => name);
const [first, last] = values.case === undefined
  ? [0, Number(values.cases)]
  : [Number(values.case), Number(values.case) + 1];

/** The failures of a target that are minimised and kept; more of them are counted. */
const KEPT_MAX = 20;
const FOLDER = fileURLToPath(new URL("failures", import.meta.url));

async function fuzz(target: string): Promise<Counts> {
  const counts = emptyCounts(target), failures: Failure[] = [];
  await runJob({ target, seed, from: first, to: last }, (number, verdict, edits) => {
    note(counts, verdict);
    const { violation } = verdict;
    if (violation !== undefined) failures.push({ target, seed, number, edits, violation });
  });
  for (const failure of failures.slice(0, KEPT_MAX)) {
    const smallest = await minimise(failure);
    const folder = await keep(smallest, FOLDER);
    console.error(
      `${target}, case ${failure.number}: ${smallest.violation}\n  ${
        smallest.edits.join("\n  ")
      }\n  ${folder}`,
    );
  }
  return counts;
}

const began = performance.now();
const queue = [...names], done: Counts[] = [];
await Promise.all(Array.from({ length: jobs }, async () => {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    done.push(await fuzz(name));
    console.error(`${name}: ${done.at(-1)!.violations} violations`);
  }
}));
done.sort((a, b) => names.indexOf(a.target) - names.indexOf(b.target));
console.log(tableOf(done));
const seconds = Math.round((performance.now() - began) / 1000);
console.log(`seed ${seed}, ${seconds} s`);
if (done.some(({ violations }) => violations > 0)) Deno.exit(1);
