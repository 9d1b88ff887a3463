/** What a tokenizer's steps put into a text stays within bounds, and patterns fail when they are read, not when they are used. */
import { equal } from "node:assert/strict";
import { NORMALIZED_CHARACTERS_MAX, REPLACEMENT_CHARACTERS_MAX } from "../../src/core/limits.ts";
import { assertRefused } from "../errors.ts";
import { byteLevelJson, sentencePieceJson, tokenizerOf } from "./small_tokenizers.ts";

const LONG = "x".repeat(REPLACEMENT_CHARACTERS_MAX + 1);

for (
  const [name, key, normalizer] of [
    ["Prepend", "prepend", { type: "Prepend", prepend: LONG }],
    ["Replace", "content of Replace", { type: "Replace", pattern: { String: " " }, content: LONG }],
    ["Replace by no text", "content of Replace", {
      type: "Replace",
      pattern: { Regex: " " },
      content: [1, 2],
    }],
  ] as const
) {
  Deno.test(`${name}: a replacement that is too long or no text is refused, naming the file`, async () => {
    await assertRefused(
      () => tokenizerOf({ ...byteLevelJson(), normalizer }),
      "BAD_TOKENIZER",
      "tokenizer.json",
      key,
    );
  });
}

Deno.test("the mark of Metaspace is one character, whatever plane it is of", async () => {
  for (const replacement of ["", "ab", 7, LONG]) {
    const pre_tokenizer = { type: "Metaspace", replacement }, decoder = pre_tokenizer;
    await assertRefused(
      () => tokenizerOf({ ...sentencePieceJson(), pre_tokenizer }),
      "BAD_TOKENIZER",
      "Metaspace",
    );
    await assertRefused(() => tokenizerOf({ ...sentencePieceJson(), decoder }), "BAD_TOKENIZER", "Metaspace");
  }
  tokenizerOf({ ...sentencePieceJson(), pre_tokenizer: { type: "Metaspace", replacement: "🙂" } });
});

Deno.test("steps that double a text again and again end before it is too long", async () => {
  const double = { type: "Replace", pattern: { String: "a" }, content: "aa" };
  const normalizers = (count: number) => ({ type: "Sequence", normalizers: Array(count).fill(double) });
  const few = tokenizerOf({ ...byteLevelJson(), normalizer: normalizers(5) });
  equal(few.encode("a").length, 32);
  const many = tokenizerOf({ ...byteLevelJson(), normalizer: normalizers(60) });
  await assertRefused(
    () => many.encode("a"),
    "BAD_TOKENIZER",
    "tokenizer.json",
    `${NORMALIZED_CHARACTERS_MAX}`,
  );
});

Deno.test("tokens and patterns that are too large to be looked for are refused as they are read", async () => {
  const huge = "x".repeat(100_000), json = byteLevelJson();
  const added_tokens = [...json.added_tokens, { id: 266, content: huge, special: true }];
  await assertRefused(
    () => tokenizerOf({ ...json, added_tokens }),
    "UNSUPPORTED",
    "tokenizer.json",
    "compile",
  );
  for (const pattern of [{ String: huge }, { Regex: huge }]) {
    const pre_tokenizer = { type: "Split", pattern, behavior: "Isolated", invert: false };
    await assertRefused(() => tokenizerOf({ ...json, pre_tokenizer }), "UNSUPPORTED", "tokenizer.json");
  }
});
