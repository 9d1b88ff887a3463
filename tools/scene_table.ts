/**
 * Accuracy by task, for people.
 *
 * @module
 */
import { alignColumns } from "../cli/figures.ts";
import type { Tally } from "./scene_questions.ts";
import { type Task, TASKS } from "./scene_scoring.ts";

const GREEN = 32, YELLOW = 33, RED = 31;

/**
 * A line for each task that was asked.
 *
 * @param isColoured Green where the target is met, yellow above the floor, red below it.
 */
export function describeTallies(tallies: Readonly<Record<string, Tally>>, isColoured: boolean): string {
  const asked = TASKS.filter(({ name }) => Object.hasOwn(tallies, name));
  const rows = asked.map(({ name, target, floor }) => {
    const { asked, right } = tallies[name];
    const limits = [target, floor].map((limit) => limit === undefined ? "" : `${limit} %`);
    return [name, `${asked}`, `${right}`, `${percent(tallies[name]).toFixed(1)} %`, ...limits];
  });
  const table = alignColumns([["task", "asked", "right", "", "target", "floor"], ...rows], [1, 2, 3, 4, 5]);
  if (!isColoured) return table;
  const [head, ...lines] = table.split("\n");
  return [head, ...lines.map((line, i) => paint(line, colourOf(asked[i], tallies[asked[i].name])))].join(
    "\n",
  );
}

function percent({ asked, right }: Tally): number {
  return 100 * right / asked;
}

function colourOf({ target, floor }: Task, tally: Tally): number | undefined {
  if (target === undefined || floor === undefined) return undefined;
  const reached = percent(tally);
  return reached >= target ? GREEN : reached >= floor ? YELLOW : RED;
}

function paint(line: string, colour: number | undefined): string {
  return colour === undefined ? line : `\x1b[${colour}m${line}\x1b[0m`;
}
