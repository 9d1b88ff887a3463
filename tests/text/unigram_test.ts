/** What the cases of tests/cases/tokenizers do not have: the reference's own example, and damaged files. */
import assert from "node:assert/strict";
import { Tokenizer } from "../../src/text/tokenizer.ts";
import { assertRefused } from "../errors.ts";

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

function tokenizerWith(model: object, more: object = {}): Tokenizer {
  return Tokenizer.parse(bytes({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: "Metaspace" },
    model: { type: "Unigram", ...model },
    ...more,
  }));
}

/** The example of tokenizers' documentation (models/unigram/model.rs). */
const VOCABULARY = [["<unk>", 0], ["a", 0], ["b", 0], ["c", 0], ["d", 0], ["cd", 1], ["ab", 2], ["abc", 5], [
  "abcd",
  10,
]];

Deno.test("the reference's own example", () => {
  const tokenizer = tokenizerWith({ vocab: VOCABULARY, unk_id: 0 });
  const ids = tokenizer.encode("abcdacdxx");
  assert.deepEqual(ids.map((id) => tokenizer.tokenText(id)), ["abcd", "a", "cd", "<unk>"]);
});

Deno.test("a file without the type of its model is a unigram one if its vocabulary is a list", () => {
  const tokenizer = tokenizerWith({ type: undefined, vocab: VOCABULARY, unk_id: 0 });
  assert.deepEqual(tokenizer.encode("abcd"), [8]);
});

Deno.test("text becomes a special token only where such tokens are looked for", () => {
  const special = { id: 5, content: "cd", special: true, normalized: false };
  const tokenizer = tokenizerWith({ vocab: VOCABULARY, unk_id: 0 }, { added_tokens: [special] });
  assert.deepEqual(tokenizer.encode("acd"), [1, 5]);
  assert.deepEqual(tokenizer.encode("acd", { parseSpecial: false }), [1, 3, 4]);
});

Deno.test("without an unknown token only what the tokens spell is taken", async () => {
  const tokenizer = tokenizerWith({ vocab: VOCABULARY, unk_id: null });
  assert.deepEqual(tokenizer.encode("abcda"), [8, 1]);
  await assertRefused(() => tokenizer.encode("abx"), "BAD_TOKENIZER", "unk_id", '"x"');
});

Deno.test("long words cost what they have in tokens, and a run of unknown characters is one", () => {
  const tokenizer = tokenizerWith({ vocab: VOCABULARY, unk_id: 0 });
  const begin = performance.now();
  assert.equal(tokenizer.encode("abcd".repeat(50_000)).length, 50_000);
  assert.deepEqual(tokenizer.encode("语".repeat(200_000)), [0]);
  assert.ok(performance.now() - begin < 5000);
});

Deno.test("damaged vocabularies and character maps are refused by name, or map nothing", async () => {
  const damaged: [object, string][] = [
    [{ vocab: {} }, "model.vocab"],
    [{ vocab: [] }, "model.vocab"],
    [{ vocab: [["a"]] }, "scores"],
    [{ vocab: [["a", "b"]] }, "scores"],
    [{ vocab: [[1, 2]] }, "scores"],
    [{ vocab: VOCABULARY, unk_id: 9 }, "unk_id"],
    [{ vocab: VOCABULARY, unk_id: -1 }, "unk_id"],
    [{ vocab: VOCABULARY, unk_id: "0" }, "unk_id"],
  ];
  for (const [model, word] of damaged) {
    await assertRefused(() => tokenizerWith(model), "BAD_TOKENIZER", word);
  }
  await assertRefused(() => tokenizerWith({ type: "WordPiece", vocab: {} }), "UNSUPPORTED", "BPE or Unigram");
  const withMap = (precompiled_charsmap: unknown) =>
    tokenizerWith({ vocab: VOCABULARY, unk_id: 0 }, {
      normalizer: { type: "Precompiled", precompiled_charsmap },
    });
  for (const map of [undefined, 5, "%", "AAA", "/////w=="]) {
    await assertRefused(() => withMap(map), "BAD_TOKENIZER", "precompiled_charsmap");
  }
  // Units and texts at random lead nowhere, but not out of the map.
  for (let seed = 1; seed < 200; seed++) {
    const map = Uint8Array.from(
      { length: 4 + 64 * 4 + 32 },
      (_, i) => Math.imul(seed * 7919 + i, 2654435761) >>> 24,
    );
    map.set([0, 1, 0, 0]);
    const tokenizer = withMap(btoa(String.fromCharCode(...map)));
    for (const text of ["abcd", "é語😀", "\0", "e\u0301"]) assert.ok(Array.isArray(tokenizer.encode(text)));
  }
});
