/** The port of draw.py's `score` against pairs that draw.py judged: tools/scenes/score_pairs.py makes them. */
import assert from "node:assert/strict";
import { isRight, TASKS } from "../../tools/scene_scoring.ts";

interface Pair {
  task: string;
  expected: string | string[];
  got: string | string[];
  right: boolean;
}

const PAIRS: Pair[] = Deno.readTextFileSync(new URL("./score_pairs.jsonl", import.meta.url))
  .trimEnd().split("\n").map((line) => JSON.parse(line));

Deno.test("isRight() says of every pair what draw.py said", () => {
  for (const pair of PAIRS) {
    const { task, expected, got, right } = pair;
    assert.equal(isRight(task, [expected].flat(), [got].flat()), right, JSON.stringify(pair));
  }
});

Deno.test("the pairs hold right and wrong answers of every task", () => {
  const found = new Set(PAIRS.map(({ task, right }) => `${task} ${right}`));
  assert.deepEqual([...found].sort(), TASKS.flatMap(({ name }) => [`${name} false`, `${name} true`]).sort());
});
