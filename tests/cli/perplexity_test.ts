/** `remora perplexity`: the figure by its definition, and refusals in one line. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { modelReference, score, scoredRows } from "../../cli/scoring.ts";
import { windowsOf } from "../../cli/text_windows.ts";
import { loadModel } from "../../mod.ts";
import { goldenPath } from "../shared.ts";
import { hasPermissions, remora } from "./remora.ts";

const GOLDEN = goldenPath("gptq-v1-sym-g32");
/** With `tests/server/peers/requirements.txt`. */
const PYTHON = Deno.env.get("PEERS_PYTHON");

/** Prints the exponential of the mean loss of a file of logits. */
const PERPLEXITY_IN_PYTHON = `
import array, math, sys
import safetensors
tensors = dict(safetensors.deserialize(open(sys.argv[1], "rb").read()))
rows, size = tensors["logits"]["shape"]
assert tensors["targets"]["shape"] == [rows]
assert tensors["targets"]["dtype"] == "I32" and tensors["logits"]["dtype"] == "F32"
targets = array.array("i", bytes(tensors["targets"]["data"]))
logits = array.array("f", bytes(tensors["logits"]["data"]))
losses = []
for i, target in enumerate(targets):
    row = logits[i * size:(i + 1) * size]
    losses.append(math.log(sum(map(math.exp, row))) - row[target])
print(math.exp(sum(losses) / rows))
`;

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
      const found = await score(
        scoredRows(model, windowsOf(ids, { rule: "transformers", context: chunk })),
      );
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
      assert.match(line.stdout, /^perplexity \d+\.\d{4} ± \d+\.\d{4} \(\d+ tokens, windows of 32\)\n$/);
      const { perplexity, ...others } = JSON.parse(
        (await run(GOLDEN, file, "-t", "1", "-c", "32", "--json")).stdout,
      );
      assert.ok(line.stdout.startsWith(`perplexity ${perplexity.toFixed(4)} `));
      assert.deepEqual(Object.keys(others), [
        "model",
        "file",
        "contextSize",
        "rule",
        "stride",
        "precision",
        "kvCache",
        "scored",
        "standardError",
      ]);
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

/** What the programs themselves say of the same model and text (tools/format_fixtures/perplexities.py). */
interface Expected {
  text: string;
  perplexities: {
    writer: string;
    /** A golden, and one whose tokenizer's files it is read with. */
    model: string;
    tokenizer?: string;
    rule: string;
    context: number;
    stride?: number;
    scored: number;
    perplexity: number;
  }[];
}

const FILES = ["config.json", "model.safetensors", "model.gguf", "tokenizer.json", "tokenizer_config.json"];
const EXPECTED: Expected = JSON.parse(
  Deno.readTextFileSync(new URL("perplexities.json", import.meta.url)),
);

for (const expected of EXPECTED.perplexities) {
  const { writer, model, tokenizer = model, rule, context, stride, scored, perplexity } = expected;
  const cut = `windows of ${context}${stride === undefined ? "" : `, ${stride} apart`}`;
  Deno.test(`--rule ${rule}, ${cut}: the figure is that of ${writer}`, async () => {
    const directory = Deno.makeTempDirSync();
    try {
      const file = `${directory}/text`;
      Deno.writeTextFileSync(file, EXPECTED.text);
      for (const name of FILES) {
        const path = `${goldenPath(name.startsWith("tokenizer") ? tokenizer : model)}/${name}`;
        if (existsSync(path)) Deno.copyFileSync(path, `${directory}/${name}`);
      }
      const strides = stride === undefined ? [] : ["--stride", `${stride}`];
      const options = ["--rule", rule, "-c", `${context}`, ...strides, "--precision", "f32", "--json"];
      const { stdout, stderr } = await remora(["perplexity", directory, file, "-t", "1", ...options], {
        allowRead: directory,
      });
      assert.ok(stdout, stderr);
      const found = JSON.parse(stdout);
      assert.equal(found.scored, scored);
      assert.ok(Math.abs(found.perplexity / perplexity - 1) < 1e-4, `${found.perplexity} ${perplexity}`);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  });
}

Deno.test("windows: transformers' sliding ones score each token once, llama.cpp's their second halves", () => {
  const ids = Array.from({ length: 23 }, (_, i) => 100 + i);
  const places = (windows: ReturnType<typeof windowsOf>) =>
    windows.map(({ ids, from }) => [ids[0] - 100, ids.length, from]);
  // As the loop of transformers' guide: begin, end − begin, and what is masked with −100 (the first of all has no logits).
  const expected: number[][] = [];
  for (let begin = 0, previous = 0; begin < ids.length; begin += 4) {
    const end = Math.min(begin + 10, ids.length);
    expected.push([begin, end - begin, Math.max(1, end - begin - (end - previous))]);
    previous = end;
    if (end === ids.length) break;
  }
  assert.deepEqual(places(windowsOf(ids, { rule: "transformers", context: 10, stride: 4 })), expected);
  const scored = windowsOf(ids, { rule: "transformers", context: 10, stride: 4 })
    .flatMap(({ ids, from }) => ids.slice(from));
  assert.deepEqual(scored, ids.slice(1));
  // llama.cpp: n_chunk = tokens / n_ctx; first = n_ctx / 2; token first + 1 is foreseen by row `first`.
  const halves = windowsOf(ids, { rule: "llama.cpp", context: 10, beginId: 1 });
  assert.deepEqual(halves.map(({ ids, from }) => [ids[0], ids[1], ids.length, from]), [[1, 101, 10, 6], [
    1,
    111,
    10,
    6,
  ]]);
  assert.deepEqual(windowsOf(ids.slice(0, 9), { rule: "llama.cpp", context: 10 }), []);
  assert.deepEqual(windowsOf([5], { rule: "transformers", context: 10 }), []);
});

Deno.test("divergence: KL of the softmaxes, its quantiles, and none of a model from itself", async () => {
  await using exact = await loadModel(GOLDEN, { threads: 1, precision: "f32" });
  await using other = await loadModel(GOLDEN, { threads: 1, kvCache: "int8" });
  const windows = windowsOf(Array.from({ length: 90 }, (_, i) => (i * 53 + 7) % 250), {
    rule: "llama.cpp",
    context: 40,
  });
  const { divergence } = await score(scoredRows(other, windows), modelReference(exact, windows));
  const softmax = (row: Float32Array) => {
    const exponentials = Array.from(row, Math.exp), sum = exponentials.reduce((a, b) => a + b);
    return exponentials.map((value) => value / sum);
  };
  const expected: number[] = [];
  let agreeing = 0;
  for (const { ids, from } of windows) {
    const [p, q] = await Promise.all([exact, other].map(async (model) => {
      using sequence = model.createSequence();
      const { data, vocabSize } = await sequence.forward(ids, { logits: "all" });
      return ids.map((_, i) => softmax(data.subarray(i * vocabSize, (i + 1) * vocabSize)));
    }));
    for (let row = from - 1; row + 1 < ids.length; row++) {
      expected.push(p[row].reduce((sum, value, id) => sum + value * Math.log(value / q[row][id]), 0));
      const [a, b] = [p[row], q[row]].map((values) => values.indexOf(Math.max(...values)));
      if (a === b) agreeing++;
    }
  }
  const close = (found: number, wanted: number) =>
    assert.ok(Math.abs(found - wanted) < 1e-9, `${found} ${wanted}`);
  close(divergence!.mean, expected.reduce((a, b) => a + b) / expected.length);
  close(divergence!.largest, Math.max(...expected));
  assert.equal(divergence!.agreement, agreeing / expected.length);
  const none = await score(scoredRows(exact, windows), modelReference(exact, windows));
  assert.deepEqual([none.divergence!.largest, none.divergence!.agreement], [0, 1]);
  assert.equal(none.divergence!.perplexityOfReference, none.perplexity);
});

Deno.test({
  name: `logits on disk: PyPI's safetensors reads them, and they have the perplexity that was printed${
    PYTHON ? "" : " (needs PEERS_PYTHON)"
  }`,
  ignore: PYTHON === undefined,
  async fn() {
    const directory = Deno.makeTempDirSync();
    try {
      const text = `${directory}/text`, logits = `${directory}/logits.safetensors`;
      Deno.writeTextFileSync(text, "the quick brown fox jumps over the lazy dog ".repeat(5));
      const access = { allowRead: `${GOLDEN},${directory}`, allowWrite: logits };
      const args = ["perplexity", GOLDEN, text, "-t", "1", "-c", "32", "--json", "--save-logits", logits];
      const saved = await remora(args, access);
      assert.equal(saved.code, 0, saved.stderr);
      const read = await new Deno.Command(PYTHON!, { args: ["-c", PERPLEXITY_IN_PYTHON, logits] }).output();
      assert.ok(read.success, new TextDecoder().decode(read.stderr));
      const theirs = Number(new TextDecoder().decode(read.stdout)),
        ours = JSON.parse(saved.stdout).perplexity;
      assert.ok(Math.abs(theirs / ours - 1) < 1e-9, `${theirs}, ${ours}`);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});

Deno.test("logits on disk: the same figures as against the model itself; other texts and cuts are refused", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const text = `${directory}/text`, logits = `${directory}/logits.safetensors`;
    Deno.writeTextFileSync(text, "the quick brown fox jumps over the lazy dog ".repeat(5));
    const access = { allowRead: `${GOLDEN},${directory}`, allowWrite: logits };
    const run = (...args: string[]) =>
      remora(["perplexity", GOLDEN, text, "-t", "1", "--json", ...args], access);
    const saved = await run("-c", "32", "--precision", "f32", "--save-logits", logits);
    assert.equal(saved.code, 0, saved.stderr);
    const parse = async (...args: string[]) => {
      const { stdout, stderr } = await run(...args);
      assert.ok(stdout, stderr);
      return JSON.parse(stdout);
    };
    const byFile = await parse("-c", "32", "--logits", logits);
    const byModel = await parse("-c", "32", "--against", GOLDEN);
    assert.ok(byFile.divergence.mean > 0);
    assert.deepEqual(byFile.divergence, byModel.divergence);
    const each = await parse("-c", "32", "--logits", logits, "--each");
    assert.equal(each.rows.length, 6);
    assert.equal(each.rows[0].divergence.largest, 0);
    const cases: [string[], string][] = [
      [["-c", "16", "--logits", logits], "context 16"],
      [["-c", "32", "--stride", "8", "--logits", logits], "stride 8"],
      [["-c", "32", "--tokens", "40", "--logits", logits], "the same tokens"],
      [["--logits", text], "--save-logits"],
      [["-c", "32", "--logits", logits, "--save-logits", logits], "a name that is free"],
      [["--logits", logits, "--against", GOLDEN], "together"],
      [["--rule", "llama.cpp", "--stride", "8"], "--stride"],
      [["-c", "16", "--stride", "17"], "--stride"],
    ];
    for (const [args, part] of cases) {
      const { code, stderr } = await run(...args);
      assert.ok(code > 0 && stderr.includes(part), `${part} in: ${stderr}`);
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
