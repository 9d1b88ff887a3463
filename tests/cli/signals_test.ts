/** SIGINT and SIGTERM are answered whenever they come: while the program starts, loads, looks, reads or answers. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { encodePng } from "../../src/image/png/encode.ts";
import { hasShared, sharedPath } from "../shared.ts";
import { spawnRemora } from "./remora.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
/** More threads than this host has processors are told before anything is read. */
const NOTICE = /^remora: threads: 8, .*\n/;
/** Longer than any step of these models takes, on a busy machine too. */
const PATIENCE_MS = 5000;

/** Starts a run that would take long, sends the signal after a while, and checks the end. */
async function endsBy(
  signal: "SIGINT" | "SIGTERM",
  afterMs: number,
  model: string,
  args: string[],
  folder = model,
) {
  const child = spawnRemora(["run", model, ...args], { allowRead: `${model},${folder}` });
  const output = child.output();
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  const begin = performance.now();
  child.kill(signal);
  const { code, stderr } = await output;
  assert.equal(code, signal === "SIGINT" ? 130 : 143, `after ${afterMs} ms`);
  assert.equal(new TextDecoder().decode(stderr).replace(NOTICE, ""), "");
  assert.ok(performance.now() - begin < PATIENCE_MS, `after ${afterMs} ms`);
}

Deno.test({
  name: "signals end a run at any moment of start, load, prompt and answer (needs ../shared)",
  ignore: !hasShared,
  async fn() {
    const model = sharedPath("models", "SmolLM2-135M-Instruct-GPTQ-Int4");
    const prompt = "Count to a thousand. ".repeat(300);
    for (const [i, threads] of ["1", "2", "8", "2", "1", "8", "2", "2"].entries()) {
      const signal = i % 2 ? "SIGTERM" : "SIGINT";
      await endsBy(signal, 60 + 170 * i, model, ["--raw", prompt, "-t", threads]);
    }
  },
});

Deno.test("signals end a run while pictures are looked at", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    const pictures: string[] = [];
    for (let i = 0; i < 60; i++) {
      const pixels = { width: 224, height: 224, data: new Uint8Array(224 * 224 * 3).fill(i) };
      Deno.writeFileSync(`${folder}/${i}.png`, await encodePng(pixels));
      pictures.push("--image", `${folder}/${i}.png`);
    }
    const args = ["Describe them.", ...pictures, "-t", "1"];
    for (const afterMs of [300, 600]) await endsBy("SIGINT", afterMs, SCENES, args, folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
