/**
 * Truth: a `Map` and a list, kept beside.
 */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Vocabulary } from "../../src/text/vocabulary.ts";

const TEXTS = [
  "",
  "a",
  "ab",
  "\0",
  "\u007f",
  "\u0080",
  "Ġthe",
  "\u07ff",
  "\u0800",
  "中文",
  "\uffff",
  "\ufffd",
  "🐍",
  "\u{10ffff}",
];

Deno.test("Vocabulary finds tokens by text and by id, as many as come", () => {
  const many = Array.from({ length: 5000 }, (_, i) => `${TEXTS[i % TEXTS.length]}${i}`);
  for (const capacity of [0, 100, 10_000]) {
    const entries = [...TEXTS, ...many].map((text, i) => [text, 3 * i] as const);
    const vocabulary = Vocabulary.of(entries, capacity);
    strictEqual(vocabulary.size, entries[entries.length - 1][1] + 1);
    for (const [text, id] of entries) {
      strictEqual(vocabulary.idOf(text), id);
      strictEqual(vocabulary.textOf(id), text);
      strictEqual(vocabulary.textOf(id + 1), "");
      strictEqual(vocabulary.idOf(`${text}!`), undefined);
    }
  }
});

Deno.test("Vocabulary: of a text or an id that comes twice the last one counts, and texts that lost their id keep it", () => {
  const ids = new Map<string, number>(), texts: string[] = [];
  const vocabulary = new Vocabulary(1);
  for (const [text, id] of [["a", 0], ["b", 1], ["c", 1], ["a", 5], ["d", 0], ["e", 9]] as const) {
    vocabulary.set(text, id);
    ids.set(text, id);
    texts[id] = text;
  }
  deepStrictEqual(["a", "b", "c", "d", "e", "f"].map((text) => vocabulary.idOf(text)), [
    5,
    1,
    1,
    0,
    9,
    undefined,
  ]);
  deepStrictEqual(
    Array.from({ length: 12 }, (_, id) => vocabulary.textOf(id)),
    Array.from({ length: 12 }, (_, id) => texts[id] ?? ""),
  );
  strictEqual(vocabulary.size, texts.length);
});

Deno.test("Vocabulary takes half a character for no token, not even for U+FFFD", () => {
  const vocabulary = Vocabulary.of([["\ufffd", 1], ["🐍", 2], ["\ufffd\ufffd", 3]]);
  for (const half of ["\ud83d", "\udc0d", "\udc0d\ud83d"]) strictEqual(vocabulary.idOf(half), undefined);
  strictEqual(vocabulary.idOf("\ud83d\udc0d"), 2);
  strictEqual(vocabulary.textOf(-1) + vocabulary.textOf(1e9), "");
});
