/** `remora perplexity`: the figure by its definition, and refusals in one line. */
import assert from "node:assert/strict";
import { scoreTokens } from "../../cli/perplexity.ts";
import { loadModel } from "../../mod.ts";
import { goldenPath } from "../shared.ts";
import { hasPermissions, remora } from "./remora.ts";

const GOLDEN = goldenPath("gptq-v1-sym-g32");

Deno.test({
  name: "perplexity is the exponential of the mean loss, chunk by chunk",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1 });
    const ids = Array.from({ length: 201 }, (_, i) => (i * 37 + 11) % 250);
    for (const chunk of [2, 7, 150, 256]) {
      const losses: number[] = [];
      for (let i = 1; i < ids.length; i++) {
        const begin = i - i % chunk;
        if (begin === i) continue;
        using sequence = model.createSequence();
        const { data } = await sequence.forward(ids.slice(begin, i));
        const exponentials = Array.from(data, Math.exp);
        losses.push(-Math.log(exponentials[ids[i]] / exponentials.reduce((a, b) => a + b)));
      }
      const mean = losses.reduce((a, b) => a + b) / losses.length;
      const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / (losses.length - 1);
      const found = await scoreTokens(model, ids, chunk);
      assert.equal(found.scored, losses.length);
      assert.ok(Math.abs(found.perplexity / Math.exp(mean) - 1) < 1e-9);
      const error = Math.exp(mean) * Math.sqrt(variance / losses.length);
      assert.ok(Math.abs(found.standardError / error - 1) < 1e-6);
    }
  },
});

Deno.test({
  name: "perplexity: a line, an object, refusals",
  async fn() {
    const directory = Deno.makeTempDirSync();
    try {
      const [file, broken, empty] = ["text", "broken", "empty"].map((name) => `${directory}/${name}`);
      Deno.writeTextFileSync(file, "the quick brown fox jumps over the lazy dog ".repeat(5));
      Deno.writeFileSync(broken, Uint8Array.of(0xff, 0xfe, 0x41));
      Deno.writeTextFileSync(empty, "");
      const allowRead = `${GOLDEN},${directory}`;
      const run = (...args: string[]) => remora(["perplexity", ...args], { allowRead });
      const line = await run(GOLDEN, file, "-t", "1", "-c", "32");
      assert.equal(line.code, 0, line.stderr);
      assert.match(line.stdout, /^perplexity \d+\.\d{4} ± \d+\.\d{4} \(\d+ tokens, chunks of 32\)\n$/);
      const { perplexity, ...others } = JSON.parse(
        (await run(GOLDEN, file, "-t", "1", "-c", "32", "--json")).stdout,
      );
      assert.ok(line.stdout.startsWith(`perplexity ${perplexity.toFixed(4)} `));
      assert.deepEqual(Object.keys(others), ["model", "file", "contextSize", "scored", "standardError"]);
      const cases: [string[], number, string][] = [
        [[GOLDEN, file, "-c", "257"], 2, "contextSize"],
        [[GOLDEN], 2, "expected FILE"],
        [[GOLDEN, file, "more"], 2, 'unexpected argument "more"'],
        [[GOLDEN, file, "-c", "1"], 2, "from 2 on"],
        [[GOLDEN, `${directory}/none`], 1, "no such file"],
        [[GOLDEN, broken], 1, "UTF-8"],
        [[GOLDEN, empty], 1, "at least 2 tokens"],
        [[GOLDEN, "/elsewhere"], 1, hasPermissions ? "--allow-read=/elsewhere" : "no such file"],
      ];
      for (const [args, code, part] of cases) {
        const outcome = await run(...args);
        assert.equal(outcome.code, code, outcome.stderr);
        assert.match(outcome.stderr, /^remora: [^\n]+\n$/);
        assert.ok(outcome.stderr.includes(part), `${part} in: ${outcome.stderr}`);
      }
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});
