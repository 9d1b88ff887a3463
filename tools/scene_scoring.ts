/**
 * Whether an answer about a drawn scene is right: `score` of tools/scenes/draw.py, which defines it.
 *
 * @module
 */

/** Questions of one kind, and the share of right answers wanted and needed, in percent. */
export interface Task {
  name: string;
  target?: number;
  floor?: number;
}

/** In the order of draw.py's `TASKS`. */
export const TASKS: readonly Task[] = [
  { name: "colour", target: 97, floor: 92 },
  { name: "shape", target: 97, floor: 92 },
  { name: "presence", target: 97, floor: 92 },
  { name: "position", target: 92, floor: 85 },
  { name: "counting", target: 92, floor: 85 },
  { name: "text", target: 95, floor: 88 },
  { name: "describe" },
  { name: "multi-turn" },
];

/** What Python's `str.split` takes for space; `\s` has one more (U+FEFF) and lacks five. */
// deno-lint-ignore no-control-regex -- Control characters are what is meant.
const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/**
 * Whether the answers to the turns of one question are right.
 *
 * Case, space around and a final full stop do not count. "describe" compares the items between commas in any order.
 */
export function isRight(task: string, expected: readonly string[], got: readonly string[]): boolean {
  if (expected.length !== got.length) return false;
  const form = task === "describe" ? itemsOf : normal;
  return expected.every((answer, turn) => form(answer) === form(got[turn]));
}

function normal(answer: string): string {
  return answer.toLowerCase().split(SPACE).filter(Boolean).join(" ").replace(/\.+$/, "");
}

function itemsOf(answer: string): string {
  return answer.split(",").map(normal).sort().join();
}
