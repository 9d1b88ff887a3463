/** Pictures in the shape of OpenAI's API are the same pictures. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type ContentPart, loadModel } from "../../mod.ts";
import { assertRefused } from "../errors.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));

Deno.test("image_url parts with data URLs answer as the bytes do; other URLs are refused by name", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const bytes = Deno.readFileSync(`${SCENES}/reference/one-tile.png`);
  const text: ContentPart = { type: "text", text: "Describe the picture." };
  const ask = (part: ContentPart) =>
    model.complete({ messages: [{ role: "user", content: [part, text] }], maxTokens: 12, temperature: 0 });
  const expected = await ask({ type: "image", image: bytes });
  const url = `data:image/png;base64,${bytes.toBase64()}`;
  for (const image_url of [url, { url }]) {
    assert.deepEqual(await ask({ type: "image_url", image_url }), expected);
  }
  assert.equal(
    model.chatPrompt([{ role: "user", content: [{ type: "image_url", image_url: { url } }, text] }]),
    model.chatPrompt([{ role: "user", content: [{ type: "image" }, text] }]),
  );
  for (
    const [wrong, ...words] of [
      ["https://example.com/a.png", "nothing is fetched", "https://example.com/a.png"],
      ["data:image/png,abc", "base64"],
      ["data:image/png;base64,@@", "base64"],
      [7 as unknown as string, "a url"],
    ]
  ) {
    await assertRefused(
      () => ask({ type: "image_url", image_url: { url: wrong } }),
      "BAD_IMAGE",
      "image_url",
      ...words,
    );
  }
});
