/**
 * Words at the right edge. What must hold of any text is checked on texts made at random: nothing is lost, no line is too long but by
 * one word, and pieces do not matter.
 */
import assert from "node:assert/strict";
import { WordWrap } from "../../cli/word_wrap.ts";

function wrapped(pieces: string[], columns: number): string {
  const wrap = new WordWrap(() => columns);
  return pieces.map((piece) => wrap.push(piece)).join("") + wrap.end();
}

/** A text, the columns of the terminal, and the lines that are written. A word that is longer goes on in the terminal's next row. */
const CASES: [string, number, string[]][] = [
  ["one two three", 8, ["one two", "three"]],
  ["one two three", 7, ["one two", "three"]],
  ["exactly 7\nand", 9, ["exactly 7", "and"]],
  ["one  two   three", 9, ["one  two", "three"]],
  ["a line\n\n  - with a list", 10, ["a line", "", "  - with a", "list"]],
  ["see https://example.com/a/long/path now", 12, ["see", "https://example.com/a/long/path now"]],
  ["日本語の文章です。", 7, ["日本語", "の文章", "です。"]],
  ["日本語、文章", 6, ["日本", "語、文", "章"]],
  ["x 👩‍👩‍👧👩‍👩‍👧 y", 4, ["x 👩‍👩‍👧", "👩‍👩‍👧 y"]],
  ["café cafe\u0301 x", 9, ["café cafe\u0301", "x"]],
  ["```sh\nls -l some where else\n```\nand so on", 9, [
    "```sh",
    "ls -l some where else",
    "```",
    "and so on",
  ]],
  ["~~~~\na b c d e f\n~~~\na b c d e f\n~~~~\na b c d", 5, [
    "~~~~",
    "a b c d e f",
    "~~~",
    "a b c d e f",
    "~~~~",
    "a b c",
    "d",
  ]],
  ["```inline``` is no block", 9, ["```inline``` is no", "block"]],
  ["    indented code stays\nprose does not", 8, ["    indented code stays", "prose", "does not"]],
  ["| a | table |\n| stays | too |", 6, ["| a | table |", "| stays | too |"]],
];

for (const [text, columns, lines] of CASES) {
  Deno.test(`${JSON.stringify(text)} in ${columns} columns`, () => {
    const expected = lines.join("\n");
    assert.equal(wrapped([text], columns), expected);
    assert.equal(wrapped(Array.from(text), columns), expected, "character by character");
  });
}

/** Numbers that repeat from run to run. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed;;) yield (state = Math.imul(state, 1103515245) + 12345 >>> 0) >>> 16;
}

Deno.test("nothing is lost, no line is longer than the terminal but by its indentation or one word, and pieces do not matter", () => {
  const words = [
    "a",
    "the",
    "word,",
    "\n",
    "\n\n",
    "longer-than-most-words",
    "語",
    "。",
    "```\n",
    "    ",
    "| x |",
    "é",
    "😀",
  ];
  const random = numbers(7);
  const next = (below: number) => random.next().value % below;
  for (let round = 0; round < 3000; round++) {
    const columns = 7 + next(30);
    const text = Array.from({ length: next(40) }, () => words[next(words.length)] + " ".repeat(next(3))).join(
      "",
    );
    const whole = wrapped([text], columns);
    const characters = Array.from(text);
    const pieces: string[] = [];
    while (characters.length > 0) pieces.push(characters.splice(0, 1 + next(7)).join(""));
    assert.equal(wrapped(pieces, columns), whole, JSON.stringify([text, columns]));
    assert.equal(whole.replace(/\s/g, ""), text.replace(/\s/g, ""));
    if (/```| {4}|\|/.test(text)) continue;
    for (const line of whole.split("\n")) {
      const width = Array.from(line.trim(), (c) => /[語。😀]/u.test(c) ? 2 : 1).reduce((a, b) => a + b, 0);
      // Words longer than a line, and marks that no line begins with.
      const isLong = line.includes("longer") || /^[^ ]+[。]$/.test(line.trim());
      assert.ok(width <= columns || isLong, JSON.stringify([text, columns, line]));
    }
  }
});

Deno.test("a window that changes its width changes the next word's place", () => {
  let columns = 20;
  const wrap = new WordWrap(() => columns);
  let written = wrap.push("one two three ");
  columns = 8;
  // "one two three" takes two rows now, and the second has room for two more columns.
  written += wrap.push("go four five ");
  columns = 30;
  written += wrap.push("six seven") + wrap.end();
  assert.equal(written, "one two three go\nfour\nfive six seven");
});

Deno.test("a word is written as soon as it is complete, a word longer than a line as it comes", () => {
  const wrap = new WordWrap(() => 6);
  assert.deepEqual(["one", " ", "two", " longword", "er", "\n"].map((piece) => wrap.push(piece)), [
    "",
    "one",
    "",
    "\ntwo\nlongword",
    "er",
    "\n",
  ]);
});
