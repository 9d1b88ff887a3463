/** The demonstration where there is no terminal; nothing here depends on what the model answers. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODEL = `${ROOT}models/scenes-mllama-int4`;

async function demo(allowRead: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", `--allow-read=${allowRead}`, `${ROOT}tools/demo.ts`, ...args],
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("demo: a description and two more answers in plain text, reading nothing but the model", async () => {
  const { code, stdout, stderr } = await demo(MODEL);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^> Describe the picture\.\n[^\n]+\n\n> [^\n]+\n[^\n]+\n\n> [^\n]+\n[^\n]+\n$/);
  assert.ok(!stdout.includes("\x1b"));
  assert.match(stderr, /^\n\d+ tokens in [^\n]* tok\/s[^\n]*memory [^\n]* MB\n$/);
});

Deno.test("demo: a picture and a question of one's own", async () => {
  const { code, stdout, stderr } = await demo(MODEL, `${MODEL}/reference/one-tile.png`, "Is there a cross?");
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^> Is there a cross\?\n[^\n]+\n$/);
});

Deno.test("demo: what cannot be shown is refused in one line", async () => {
  for (const path of [`${MODEL}/nothing.png`, `${MODEL}/config.json`, `${ROOT}README.md`]) {
    const { code, stdout, stderr } = await demo(MODEL, path);
    assert.equal(code, 1, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^demo: [^\n]+\n$/);
    assert.ok(stderr.includes(path), stderr);
  }
});
