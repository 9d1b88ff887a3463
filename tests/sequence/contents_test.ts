/**
 * What a sequence consists of, for both ways in which pictures join the text: what is cut, dropped and found again, against the
 * same thing done to plain lists.
 */
import assert from "node:assert/strict";
import { Contents } from "../../src/sequence/contents.ts";
import type { SeenPicture } from "../../src/sequence/pictures.ts";
import type { VisionModel } from "../../src/vision/vision_model.ts";
import { assertRefused } from "../errors.ts";

const P = 99;
const model = (join: VisionModel["join"]) => ({ join, pictureToken: P }) as VisionModel;

/** A picture of `tokens` states, each of two floats that say which it is. */
function picture(key: string, tokens: number): SeenPicture {
  const embeddings = Float32Array.from({ length: 2 * tokens }, (_, i) => i);
  return { key, layout: {}, tokens, visibleTokens: tokens, embeddings };
}

function contentsOf(join: VisionModel["join"], ids: number[], pictures: SeenPicture[]): Contents {
  const contents = new Contents(model(join));
  contents.place(pictures, contents.pictureTokens(ids, 0));
  contents.tokens = ids;
  return contents;
}

const keysOf = (pictures: readonly SeenPicture[]) => pictures.map(({ key }) => key);
const placesOf = ({ placed }: Contents) => placed.map(({ position, picture: { key } }) => [position, key]);

Deno.test("pictures that are looked at across are one token each", async () => {
  const ids = [1, P, 5, P, P, 6];
  const pictures = ["a", "b", "c"].map((key) => picture(key, 7));
  const contents = contentsOf("across", ids, pictures);
  assert.deepEqual(placesOf(contents), [[1, "a"], [3, "b"], [4, "c"]]);
  assert.deepEqual(contents.segments(ids, 0), [{ ids }]);
  assert.deepEqual(keysOf(contents.truncate(4)), ["c"]);
  assert.deepEqual(contents.tokens, [1, P, 5, P]);
  await assertRefused(() => contents.place(pictures, [9]), "BAD_IMAGE", "3 picture tokens", "found 1");
});

Deno.test("pictures in the sequence are as many tokens as states; their rows come in order in any pieces", () => {
  const ids = [1, P, P, P, 7, P, P, P, P, 2];
  const contents = contentsOf("sequence", ids, [picture("a", 3), picture("b", 4)]);
  assert.deepEqual(placesOf(contents), [[1, "a"], [5, "b"]]);
  const rowsOf = (begin: number, end: number) => {
    contents.tokens = ids.slice(0, begin);
    return contents.segments(ids.slice(begin, end), begin).flatMap((segment): (string | number)[] => {
      if ("ids" in segment) return Array.from(segment.ids);
      const { embeddings, count } = segment;
      assert.equal(embeddings.length, 2 * count);
      return Array.from({ length: count }, (_, row) => `row ${embeddings[2 * row] / 2}`);
    });
  };
  const expected = [1, "row 0", "row 1", "row 2", 7, "row 0", "row 1", "row 2", "row 3", 2];
  for (let size = 1; size <= ids.length; size++) {
    const rows: unknown[] = [];
    for (let begin = 0; begin < ids.length; begin += size) {
      rows.push(...rowsOf(begin, Math.min(begin + size, ids.length)));
    }
    assert.deepEqual(rows, expected, `pieces of ${size}`);
  }
});

Deno.test("two pictures side by side in the sequence keep their own rows", () => {
  const ids = [P, P, P, P, P];
  const contents = contentsOf("sequence", ids, [picture("a", 2), picture("b", 3)]);
  const counts = contents.segments(ids, 0).map((segment) => "ids" in segment ? 0 : segment.count);
  assert.deepEqual(counts, [2, 3]);
});

Deno.test("a picture in the sequence is never cut in two", async () => {
  const ids = [1, P, P, P, 7];
  for (const length of [2, 3]) {
    const contents = contentsOf("sequence", [...ids], [picture("a", 3)]);
    await assertRefused(() => contents.truncate(length), "BAD_ARGUMENT", "1 to 4", `found ${length}`);
    assert.deepEqual(contents.withWholePictures(0, length), { begin: 0, end: 4 });
    assert.deepEqual(contents.withWholePictures(length, 5), { begin: 1, end: 5 });
    assert.deepEqual(contents.withWholePictures(length, length), { begin: length, end: length });
    assert.deepEqual(contents.tokens, ids);
  }
  const contents = contentsOf("sequence", [...ids], [picture("a", 3)]);
  assert.deepEqual(keysOf(contents.truncate(1)), ["a"]);
});

Deno.test("of a picture whose tokens did not all come, none stays", () => {
  const contents = contentsOf("sequence", [1, P, P, P, 7, P, P], [picture("a", 3), picture("b", 2)]);
  contents.tokens = [1, P, P, P, 7, P];
  assert.deepEqual(keysOf(contents.settle()), ["b"]);
  assert.deepEqual(contents.tokens, [1, P, P, P, 7]);
  assert.deepEqual(contents.settle(), []);
});

Deno.test("pictures after dropped tokens move up", () => {
  const contents = contentsOf("across", [1, P, 2, P, 3, P], ["a", "b", "c"].map((key) => picture(key, 1)));
  assert.deepEqual(keysOf(contents.dropPictures(2, 4)), ["b"]);
  assert.deepEqual(placesOf(contents), [[1, "a"], [3, "c"]]);
});

Deno.test("a common prefix ends before the first other token or picture, and before the prompt's last token", () => {
  const named = (...keys: string[]) => keys.map((key) => ({ key }));
  const across = contentsOf("across", [1, P, 2, P, 3], [picture("a", 9), picture("b", 9)]);
  assert.deepEqual(across.commonPrefix([1, P, 2, P, 3, 4], named("a", "b")), { tokens: 5, pictures: 2 });
  assert.deepEqual(across.commonPrefix([1, P, 2, P, 3], named("a", "b")), { tokens: 4, pictures: 2 });
  assert.deepEqual(across.commonPrefix([1, P, 2, P, 3, 4], named("a", "x")), { tokens: 3, pictures: 1 });
  assert.deepEqual(across.commonPrefix([1, P, 2, P, 3, 4], named("x", "b")), { tokens: 1, pictures: 0 });
  assert.deepEqual(across.commonPrefix([1, P, 8], named("a")), { tokens: 2, pictures: 1 });

  const within = contentsOf("sequence", [1, P, P, P, 2], [picture("a", 3)]);
  assert.deepEqual(within.commonPrefix([1, P, P, P, 2, 3], named("a")), { tokens: 5, pictures: 1 });
  assert.deepEqual(within.commonPrefix([1, P, P, P, 2, 3], named("x")), { tokens: 1, pictures: 0 });
  assert.deepEqual(within.commonPrefix([1, P, P, P], named("a")), { tokens: 1, pictures: 0 });
});
