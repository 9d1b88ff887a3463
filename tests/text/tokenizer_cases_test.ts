/**
 * Small tokenizers with one peculiarity each; ids by the reference's own library (tokenizers 0.23.3), its odd ones too.
 * `tools/tokenizer_cases.py` writes those of regular expressions, cutting steps, added tokens and post-processors.
 */
import assert from "node:assert/strict";
import { Tokenizer } from "../../src/text/tokenizer.ts";
import { refusalOf } from "../errors.ts";

const FOLDER = new URL("../cases/tokenizers/", import.meta.url);

for (const { name } of Deno.readDirSync(FOLDER)) {
  const read = (file: string) => Deno.readFileSync(new URL(`${name}/${file}`, FOLDER));
  const { note, error, strings = [] } = JSON.parse(new TextDecoder().decode(read("expected.json")));
  Deno.test(`${name}: ${note}`, async () => {
    if (error) {
      const { code } = await refusalOf(() => Tokenizer.parse(read("tokenizer.json")));
      assert.equal(code, error);
      return;
    }
    const tokenizer = Tokenizer.parse(read("tokenizer.json"));
    for (const { text, ids, surrounded } of strings) {
      assert.deepEqual(tokenizer.encode(text), ids, JSON.stringify(text));
      if (surrounded === undefined) continue;
      assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: true }), surrounded, JSON.stringify(text));
    }
  });
}
