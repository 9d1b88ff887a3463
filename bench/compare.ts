/**
 * Two commits of this repository against each other: each in a worktree of its own, each measurement in a fresh process, the
 * order reversed every round. Single runs are no evidence; ratios of neighbours in time are.
 *
 *   deno task bench:compare BASE [OTHER] [--rounds 7] [--json] -- MODEL|--shape 1b [options of remora bench]
 *
 * BASE and OTHER are commits; without OTHER it is the working tree.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { markdownTable } from "../cli/figures.ts";
import { describeThreads, type SpeedResult, summarise, testName } from "../cli/speed.ts";
import { runRemoraBench, type SpeedReport } from "./remora.ts";
import { readCommand, refuseLack } from "./command.ts";

const REPOSITORY = fileURLToPath(new URL("..", import.meta.url));

async function git(...args: string[]): Promise<void> {
  const { code, stderr } = await new Deno.Command("git", { args: ["-C", REPOSITORY, ...args] }).output();
  if (code !== 0) throw new Error(`git ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** A commit's files in a folder of their own while `use` runs. */
async function withWorktree<T>(commit: string | undefined, use: (folder: string) => Promise<T>): Promise<T> {
  if (commit === undefined) return await use(REPOSITORY);
  const folder = Deno.makeTempDirSync({ prefix: "remora_compare_" });
  try {
    await git("worktree", "add", "--detach", `${folder}/tree`, commit);
    return await use(`${folder}/tree`);
  } finally {
    await git("worktree", "remove", "--force", `${folder}/tree`);
    Deno.removeSync(folder, { recursive: true });
  }
}

function nameOf({ test, depth, threads }: SpeedResult): string {
  return `${testName(test, depth)}, ${describeThreads(threads)}`;
}

if (import.meta.main) {
  const { values, positionals, passed: benchArgs } = readCommand({
    usage: "deno task bench:compare BASE [OTHER]",
    purpose: "Two commits against each other, or one against the working tree, in turn.",
    arguments: 2,
    passed: "MODEL [options of remora bench]",
    options: {
      rounds: { value: "N", help: "rounds, each with every contestant", default: "7" },
      json: { help: "results as JSON" },
    },
  });
  const [base, other] = positionals;
  if (base === undefined || benchArgs.length === 0) {
    refuseLack("BASE and -- MODEL");
  }
  const reports: { base: SpeedReport[]; other: SpeedReport[] } = { base: [], other: [] };
  await withWorktree(base, (baseFolder) =>
    withWorktree(other, async (otherFolder) => {
      const sides = [["base", baseFolder], ["other", otherFolder]] as const;
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const [side, folder] of round % 2 === 0 ? sides : sides.toReversed()) {
          reports[side].push(await runRemoraBench(folder, benchArgs));
        }
        console.error(`round ${round + 1} of ${values.rounds}`);
      }
    }));

  const tests = reports.base[0].results.map((result, index) => {
    const medians = (side: SpeedReport[]) => side.map(({ results }) => results[index].median);
    const [ofBase, ofOther] = [medians(reports.base), medians(reports.other)];
    return {
      name: nameOf(result),
      base: ofBase,
      other: ofOther,
      ratios: ofOther.map((value, i) => value / ofBase[i]),
    };
  });
  const { model, processor } = reports.base[0];
  if (values.json) {
    console.log(JSON.stringify({ model, processor, base, other: other ?? "working tree", tests }));
  } else {
    console.log(`${processor}; ${model}; tokens per second, medians of ${values.rounds} processes\n`);
    console.log(markdownTable([
      ["test", base, other ?? "working tree", "ratios of the rounds", "median"],
      ...tests.map((test) => [
        test.name,
        summarise(test.base).median.toFixed(1),
        summarise(test.other).median.toFixed(1),
        test.ratios.map((ratio) => ratio.toFixed(2)).join(" "),
        summarise(test.ratios).median.toFixed(2),
      ]),
    ], [1, 2, 4]));
  }
}
