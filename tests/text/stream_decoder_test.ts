/** Truth: UTF-8 itself, and `decode` of all ids at once, which tokenizer_test.ts checks on its own. */
import assert from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";
import { StreamDecoder, type StreamDecoderOptions } from "../../src/text/stream_decoder.ts";
import { byteLevelJson, sentencePieceJson, tokenizerOf } from "./small_tokenizers.ts";

const byteLevel = tokenizerOf(byteLevelJson());
const sentencePiece = tokenizerOf(sentencePieceJson());

function pieces(tokenizer: typeof byteLevel, ids: number[], options?: StreamDecoderOptions): string[] {
  const decoder = new StreamDecoder(tokenizer, options);
  return [...ids.map((id) => decoder.push(id)), decoder.flush()];
}

Deno.test("a character comes out with its last byte", () => {
  assert.deepEqual(pieces(byteLevel, [0xf0, 0x9f, 0x90, 0x8d, 259]), ["", "", "", "🐍", "hello", ""]);
  const snake = [0xf0, 0x9f, 0x90, 0x8d].map((byte) => byte + 3);
  assert.deepEqual(pieces(sentencePiece, [...snake, 272]), ["", "", "", "🐍", " hello", ""]);
});

Deno.test("a real U+FFFD is kept, an unfinished character becomes one", () => {
  assert.deepEqual(pieces(byteLevel, [0xef, 0xbf, 0xbd, 97]), ["", "", "\ufffd", "a", ""]);
  assert.deepEqual(pieces(byteLevel, [97, 0xe2, 0x82]), ["a", "", "", "\ufffd"]);
  assert.deepEqual(pieces(byteLevel, [0xe2, 0x82, 97]), ["", "", "\ufffda", ""]);
  assert.deepEqual(pieces(byteLevel, [0xef, 0xbb, 0xbf]).join(""), "\ufeff");
});

Deno.test("special tokens are left out when asked, also within a character", () => {
  const ids = [263, 0xe2, 264, 0x82, 0xac];
  assert.deepEqual(pieces(byteLevel, ids, { skipSpecialTokens: true }), ["", "", "", "", "€", ""]);
  assert.equal(pieces(byteLevel, ids).join(""), byteLevel.decode(ids));
});

Deno.test("the space before a text is dropped where it begins, kept where it goes on", () => {
  assert.equal(pieces(sentencePiece, [272, 272]).join(""), "hello hello");
  assert.equal(pieces(sentencePiece, [272, 272], { beginsText: false }).join(""), " hello hello");
  assert.equal(pieces(sentencePiece, [273, 272]).join(""), "  hello");
});

Deno.test("all pieces together equal decode(), for random tokens", () => {
  let state = 1;
  const random = (below: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below;
  for (const tokenizer of [byteLevel, sentencePiece]) {
    for (let run = 0; run < 500; run++) {
      // Mostly bytes above 0x7f, so that many sequences are nearly valid.
      const ids = Array.from(
        { length: random(12) },
        () => random(2) ? 128 + random(120) : random(tokenizer.vocabSize),
      );
      for (const skipSpecialTokens of [false, true]) {
        const text = pieces(tokenizer, ids, { skipSpecialTokens }).join("");
        assert.equal(text, tokenizer.decode(ids, { skipSpecialTokens }), ids.join());
        assert.ok(text.isWellFormed());
      }
    }
  }
});

Deno.test("flush() makes the decoder ready for another text", () => {
  const decoder = new StreamDecoder(byteLevel);
  decoder.push(0xe2);
  assert.equal(decoder.flush(), "\ufffd");
  assert.equal(decoder.push(97), "a");
});

Deno.test("an id outside of the vocabulary is refused", () => {
  assert.throws(
    () => new StreamDecoder(byteLevel).push(266),
    (error) => error instanceof RemoraError && error.code === "BAD_ARGUMENT",
  );
});
