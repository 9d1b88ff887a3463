/**
 * The npm package in every runtime that is a command: built, packed, installed from its tarball, and timed by its own `remora bench` in
 * Deno, Node 22, 24 and 26 and Bun, in turn.
 *
 *   deno task bench:hosts [MODEL | --shape 135m] [--threads 2] [--prompt 512] [--generated 64] [--rounds 3] [--repetitions 3] [--json]
 *
 * Every measurement is a fresh process. Needs npm (packages/.cache).
 *
 * @module
 */
import { resolve } from "node:path";
import { markdownTable } from "../cli/figures.ts";
import { processorName } from "../cli/processor.ts";
import { describeThreads, summarise } from "../cli/speed.ts";
import { installPackages, PROJECT, run } from "../packages/build/installed.ts";
import { type Contestant, type Figures, play } from "./contest.ts";
import { runForJson } from "./processes.ts";
import { type SpeedReport, WIDE_VECTORS } from "./remora.ts";
import { readCommand } from "./command.ts";

const PROGRAM = `${PROJECT}/node_modules/@remora/remora/dist/cli.js`;
const DENO_FLAGS = ["run", "-A", "--quiet", "--no-lock", "--node-modules-dir=manual"];

/** A runtime, and what its last measurement said of itself. */
interface Runtime extends Contestant {
  vectorBits?: number;
}

async function runtime(command: string, flags: string[], benchArgs: string[], note = ""): Promise<Runtime> {
  const version = (await run(command, ["--version"])).split("\n")[0].replace(/^deno (\S+).*/, "$1");
  const name = command.endsWith("bun") ? "Bun" : command.endsWith("node") ? "Node" : "Deno";
  const self: Runtime = {
    name: `${name} ${version.replace(/^v/, "")}${note}`,
    async measure() {
      const args = [...flags, PROGRAM, "bench", ...benchArgs, "--json"];
      const [{ vectorBits, results }] = await runForJson<SpeedReport>(command, args, {
        cwd: PROJECT,
        isQuiet: true,
      });
      self.vectorBits = vectorBits;
      return Object.fromEntries(results.map(({ test, median }) => [test, median]));
    },
  };
  return self;
}

const { values, positionals } = readCommand({
  usage: "deno task bench:hosts [MODEL]",
  purpose: "The npm package in Deno, Node and Bun, in turn.",
  arguments: 1,
  options: {
    shape: { value: "NAME", help: "random weights of this size where no MODEL is given", default: "135m" },
    threads: { value: "N", help: "threads of remora", default: "2" },
    prompt: { value: "N", help: "tokens of the prompt", default: "512" },
    generated: { value: "N", help: "tokens of the answer", default: "64" },
    rounds: { value: "N", help: "rounds, each with every contestant", default: "3" },
    repetitions: { value: "N", help: "repetitions of every measurement", default: "3" },
    json: { help: "results as JSON" },
  },
});
const model = positionals.length > 0 ? [resolve(positionals[0])] : ["--shape", values.shape];
const sizes = ["-t", values.threads, "-p", values.prompt, "-n", values.generated, "-r", values.repetitions];
const benchArgs = [...model, ...sizes];
await installPackages();
const nodes = ["node22", "node24", "node26"].map((name) => `${PROJECT}/node_modules/${name}/bin/node`);
const runtimes = await Promise.all([
  runtime(Deno.execPath(), [...DENO_FLAGS, WIDE_VECTORS], benchArgs, ", with the flag"),
  runtime(Deno.execPath(), DENO_FLAGS, benchArgs, ", without"),
  ...nodes.map((node) => runtime(node, [], benchArgs)),
  runtime(`${PROJECT}/node_modules/.bin/bun`, [], benchArgs),
]);
const played = [...await play(runtimes, Number(values.rounds))];

const processor = processorName(), name = positionals[0] ?? `shape ${values.shape}`;
if (values.json) {
  const results = played.map(([{ name, vectorBits }, rounds]) => ({ runtime: name, vectorBits, rounds }));
  console.log(JSON.stringify({ processor, model: name, threads: Number(values.threads), results }));
} else {
  const tests = Object.keys(played[0][1][0]), first = played[0][1];
  const median = (rounds: Figures[], of: (figures: Figures, round: number) => number) =>
    summarise(rounds.map(of)).median;
  console.log(
    `${processor}; ${describeThreads(Number(values.threads))}; ${name}; tokens a second, ` +
      `medians of ${values.rounds} rounds, and of the rounds' ratios to the first line\n`,
  );
  console.log(markdownTable([
    ["runtime", "vectors", ...tests.flatMap((test) => [test, "ratio"])],
    ...played.map(([{ name, vectorBits }, rounds]) => [
      name,
      `${vectorBits} bits`,
      ...tests.flatMap((test) => [
        median(rounds, (figures) => figures[test]).toFixed(1),
        median(rounds, (figures, round) => figures[test] / first[round][test]).toFixed(2),
      ]),
    ]),
  ], [1, ...tests.flatMap((_, i) => [2 + 2 * i, 3 + 2 * i])]));
}
