/**
 * Least permission: decoders come with the module graph, so a program that may read one folder and nothing else can
 * decode pictures from it.
 *
 * @module
 */
import { deepStrictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const FIXTURES = pathOf("fixtures");

Deno.test("every decoder runs with permission to read the pictures alone", async () => {
  const names = ["rgba-16.png", "subsampled.jpg", "cmyk.jpg", "lossy-alpha.webp"];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", "--config", pathOf("../../deno.json"), `--allow-read=${FIXTURES}`]
      .concat(pathOf("decode_files.ts"), names.map((name) => `${FIXTURES}/${name}`)),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  deepStrictEqual(text(stderr), "");
  deepStrictEqual(text(stdout), "19 x 13\n".repeat(names.length));
});
