/** `remora run` and `remora show` as a user meets them. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { enter } from "../../cli/message_lines.ts";
import { describeLayers } from "../../cli/module_table.ts";
import { nearestName } from "../../src/core/nearest.ts";
import { goldenPath, hasShared, sharedPath } from "../shared.ts";
import { hasPermissions, remora, spawnRemora } from "./remora.ts";

const MODEL = goldenPath("gptq-v1-sym-g32");
const VALID = hasShared ? sharedPath("goldens", "hostile", "valid") : "";
const ignore = !hasShared;

/** A copy of a model with some files changed or removed. */
async function withCopy(
  from: string,
  change: (directory: string) => void,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    for (const { name, isFile } of Deno.readDirSync(from)) {
      if (isFile) Deno.writeFileSync(`${directory}/${name}`, Deno.readFileSync(`${from}/${name}`));
    }
    change(directory);
    await use(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function editConfig(directory: string, edit: (config: Record<string, unknown>) => void): void {
  const path = `${directory}/config.json`;
  const config = JSON.parse(Deno.readTextFileSync(path));
  edit(config);
  Deno.writeTextFileSync(path, JSON.stringify(config));
}

async function refuses(
  args: string[],
  allowRead: string | undefined,
  code: number,
  ...parts: string[]
): Promise<void> {
  const outcome = await remora(args, { allowRead });
  assert.equal(outcome.code, code, outcome.stderr);
  assert.equal(outcome.stdout, "");
  assert.match(outcome.stderr, /^remora: [^\n]+\n$/);
  for (const part of parts) assert.ok(outcome.stderr.includes(part), `${part} in: ${outcome.stderr}`);
}

Deno.test({
  name: "run: a prompt from the line, the flag and standard input gives one answer",
  async fn() {
    const flags = ["-n", "4", "--temperature", "0", "--json"];
    const outcomes = [
      await remora(["run", MODEL, "hello", ...flags], { allowRead: MODEL }),
      await remora(["run", "-m", MODEL, "-p", "hello", ...flags], { allowRead: MODEL }),
      await remora(["run", MODEL, ...flags, "-t", "1", "--kernels", "strict"], {
        allowRead: MODEL,
        stdin: "hello\n",
      }),
    ];
    const [first, ...others] = outcomes.map(({ code, stdout, stderr }) => {
      assert.equal(code, 0, stderr);
      assert.equal(stdout.trim().split("\n").length, 1);
      return JSON.parse(stdout);
    });
    assert.equal(first.usage.completionTokens, first.tokenIds.length);
    for (const other of others) assert.deepEqual(other.tokenIds, first.tokenIds);
  },
});

Deno.test("run: what is piped in besides a prompt is appended to it", async () => {
  const flags = ["run", MODEL, "-n", "4", "--temperature", "0", "--json"];
  const answer = async (prompt: string, stdin?: string) =>
    JSON.parse((await remora([...flags, "-p", prompt], { allowRead: MODEL, stdin })).stdout);
  const { tokenIds, usage } = await answer("Count:\n\none two");
  const piped = await answer("Count:", "one two");
  assert.deepEqual([piped.tokenIds, piped.usage], [tokenIds, usage]);
  const { usage: alone } = await answer("Count:", " \n");
  assert.deepEqual(alone, (await answer("Count:")).usage);
});

Deno.test("outputs are refused before any work: no folder, a folder, another kind of picture, no permission", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const flags = ["run", MODEL, "hello", "-n", "1"];
    const cases: [string[], number, ...string[]][] = [
      [["--save-state", `${folder}/none/s`], 1, `${folder}/none/s`, "no such folder"],
      [["--save-state", folder], 1, folder],
      [["--save-state", "/elsewhere/s"], 1, hasPermissions ? "--allow-write=/elsewhere" : "no such folder"],
    ];
    for (const [more, status, ...words] of cases) {
      const { code, stdout, stderr } = await remora([...flags, ...more], {
        allowRead: MODEL,
        allowWrite: folder,
      });
      assert.deepEqual([code, stdout], [status, ""]);
      assert.match(stderr, /^remora: [^\n]+\n$/);
      for (const word of words) assert.ok(stderr.includes(word), `${word} in: ${stderr}`);
    }
    const plot = await remora(["bench", MODEL, "--plot", `${folder}/speed.png`], {
      allowRead: MODEL,
      allowWrite: folder,
    });
    assert.deepEqual([plot.code, plot.stdout], [2, ""]);
    assert.match(plot.stderr, /speed\.png.*\.svg/);
    assert.deepEqual([...Deno.readDirSync(folder)], [], "nothing was left");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("run: variables of the chat template are NAME=VALUE", async () => {
  await refuses(
    ["run", MODEL, "hi", "--template-var", "thinking"],
    MODEL,
    2,
    "--template-var",
    "NAME=VALUE",
    "thinking",
  );
  await refuses(["run", MODEL, "hi", "--raw", "--template-var", "a=1"], MODEL, 2, "variables", "messages");
});

Deno.test({
  name: "run: --prompt-lookup changes no answer and has a limit",
  async fn() {
    const flags = ["run", MODEL, "hello hello hello", "-n", "24", "--seed", "3", "--json"];
    const [plain, guessed] = [
      await remora([...flags, "--prompt-lookup", "0"], { allowRead: MODEL }),
      await remora(flags, { allowRead: MODEL }),
    ].map(({ stdout }) => JSON.parse(stdout));
    assert.deepEqual(guessed.tokenIds, plain.tokenIds);
    await refuses([...flags, "--prompt-lookup", "65"], MODEL, 2, "promptLookup", "from 0 to 64");
  },
});

Deno.test({
  name: "run: the template is applied unless --raw; --logprobs are reported",
  async fn() {
    const flags = ["-n", "2", "--seed", "5", "--logprobs", "3", "--json"];
    const chat = JSON.parse((await remora(["run", MODEL, "hello", ...flags], { allowRead: MODEL })).stdout);
    const raw = JSON.parse(
      (await remora(["run", MODEL, "hello", "--raw", ...flags], { allowRead: MODEL })).stdout,
    );
    assert.ok(chat.usage.promptTokens > raw.usage.promptTokens);
    assert.equal(raw.logprobs.length, raw.tokenIds.length);
    assert.equal(raw.logprobs[0].top.length, 3);
  },
});

Deno.test({
  name: "show: a table for people, one object for programs",
  async fn() {
    const plain = await remora(["show", MODEL], { allowRead: MODEL });
    assert.equal(plain.code, 0, plain.stderr);
    assert.match(plain.stdout, /self_attn\.q_proj\s+×2\s+gptq 4 bit g32\s+→ int4/);
    assert.match(
      plain.stdout,
      hasPermissions
        ? /available +not known|the machine has, by V8's heap limit +[\d.]+ [MG]B\n +fits +yes/
        : /available in the (system|cgroup) +[\d.]+ [MG]B\n +fits +yes/,
    );
    const json = JSON.parse(
      (await remora(["show", "-m", MODEL, "--json", "-c", "64"], { allowRead: MODEL })).stdout,
    );
    assert.equal(json.model, MODEL);
    assert.equal(json.contextSize, 64);
    assert.equal(json.modules.length, 16);
    const { weights, keyValue, working, vision, picture, runtime, total } = json.memory;
    assert.equal(weights + keyValue + working + vision + picture + runtime, total);
  },
});

Deno.test({
  name: "show: layers that differ in how they are stored are named (needs ../shared)",
  ignore,
  async fn() {
    const model = sharedPath("goldens", "gptq-dynamic");
    const { stdout } = await remora(["show", model], { allowRead: model });
    assert.match(stdout, /self_attn\.v_proj\s+×2\s+gptq 4 bit g32\s+→ int4\s+[\d.]+ kB\n/);
    assert.match(stdout, /mlp\.down_proj\s+×1\s+gptq 4 bit g32\s+→ int4\s+[\d.]+ kB\s+layers 0\n/);
    assert.match(stdout, /mlp\.down_proj\s+×1\s+f16\s+→ int8\s+[\d.]+ kB\s+layers 1\n/);
  },
});

Deno.test("describeLayers() draws runs together", () => {
  assert.equal(describeLayers([7, 0, 2, 3, 4]), "0, 2-4, 7");
});

Deno.test("nearestName() finds what was meant, and nothing where nothing is near", () => {
  const known = ["temperature", "threads", "top-k", "top-p", "raw"];
  assert.equal(nearestName("temp", known), "temperature");
  assert.equal(nearestName("treads", known), "threads");
  assert.equal(nearestName("thraeds", known), "threads");
  assert.equal(nearestName("topk", known), "top-k");
  assert.equal(nearestName("verbose", known), undefined);
  assert.equal(nearestName("t", known), undefined);
});

Deno.test("a message goes on after a backslash and between quotes", () => {
  const typed = (...lines: string[]) => {
    let text = "";
    for (const [i, line] of lines.entries()) {
      const entered = enter(text + line);
      if ("message" in entered) return [entered.message, i];
      text = entered.continued;
    }
    return undefined;
  };
  assert.deepEqual(typed("one"), ["one", 0]);
  assert.deepEqual(typed("one \\", "two"), ["one \ntwo", 1]);
  assert.deepEqual(typed('"""', "one", "two\\", 'three"""'), ["one\ntwo\\\nthree", 3]);
  assert.deepEqual(typed('"""one"""'), ["one", 0]);
  assert.equal(typed('"""one', "two"), undefined);
});

Deno.test({
  name: "a command line that cannot be understood is one line and status 2",
  async fn() {
    await refuses(["pull"], undefined, 2, "MODEL");
    await refuses(["show"], undefined, 2, "MODEL");
    await refuses(["run", "x", "--nonsense"], undefined, 2, "--nonsense");
    await refuses(
      ["run", "x", "--max-token", "1"],
      undefined,
      2,
      "--max-token;",
      "did you mean --max-tokens?",
    );
    await refuses(["rnu", "x"], undefined, 2, "rnu", "did you mean run?");
    await refuses(["run", "x", "-n", "many"], undefined, 2, "max-tokens", "many");
    await refuses(["run", "x", "-n", "1.5"], undefined, 2, "max-tokens");
    const help = await remora(["run", "--help"]);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /--max-tokens/);
  },
});

Deno.test({
  name: "without permission to read, the flag that helps is named",
  ignore: !hasPermissions,
  fn: () => refuses(["run", MODEL, "hello"], undefined, 1, `--allow-read=${MODEL}`),
});

Deno.test("run: a question in the place of MODEL is told what MODEL may be, and where a question goes", async () => {
  for (const allowRead of [".", MODEL]) {
    const { code, stderr } = await remora(["run", "What is it?"], { allowRead, stdin: "" });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^remora: Cannot open "What is it\?": expected a folder, a GGUF file, a URL, or owner\/name/,
    );
    assert.match(stderr, /--prompt "…"\), found [^\n]*\n$/);
  }
  const other = await remora(["show", "nowhere"], { allowRead: "." });
  assert.match(other.stderr, /expected a folder, a GGUF file[^\n]*, found no such file or directory\n$/);
  assert.ok(!other.stderr.includes("--prompt"));
});

Deno.test({
  name: "bad input is refused in one line that names it (needs ../shared)",
  ignore,
  async fn() {
    await refuses(["run", MODEL, "-p", ""], MODEL, 2, "empty prompt");
    await refuses(["run", MODEL, "a long prompt for so little room", "-c", "4"], MODEL, 1, "4 tokens");
    await refuses(["run", `${MODEL}-nowhere`, "x"], `${MODEL}-nowhere`, 1, "nowhere");
    await refuses(["run", MODEL, "x", "--precision", "int3"], MODEL, 2, "precision", "int3");
    await withCopy(VALID, (directory) => {
      const file = `${directory}/model.safetensors`;
      Deno.truncateSync(file, Deno.statSync(file).size - 1000);
    }, (directory) => refuses(["run", directory, "x"], directory, 1, "model.safetensors"));
    await withCopy(VALID, (directory) => {
      Deno.removeSync(`${directory}/config.json`);
    }, (directory) => refuses(["run", directory, "x"], directory, 1, "config.json"));
    await withCopy(VALID, (directory) => {
      editConfig(directory, (config) => config.tie_word_embeddings = false);
    }, (directory) => refuses(["run", directory, "x"], directory, 1, "lm_head"));
    await withCopy(VALID, (directory) => {
      editConfig(directory, (config) => config.model_type = "mamba");
    }, (directory) => refuses(["run", directory, "x"], directory, 1, "model_type", "mamba"));
  },
});

Deno.test({
  name: "a reader that has enough ends a run without a word",
  async fn() {
    const child = spawnRemora(["run", MODEL, "hello", "--raw"], { allowRead: MODEL });
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    const stderr = await new Response(child.stderr).text();
    assert.equal((await child.status).code, 0);
    assert.equal(stderr, "");
  },
});

Deno.test({
  name: "SIGINT and SIGTERM end a run with status 130 and 143 in time (needs ../shared)",
  ignore: !hasShared,
  async fn() {
    await endsBy("SIGINT", 130);
    await endsBy("SIGTERM", 143);
  },
});

Deno.test({
  name: "SIGINT ends a wait for standard input (needs ../shared)",
  ignore,
  async fn() {
    const child = spawnRemora(["run", MODEL], { allowRead: MODEL, stdin: "" });
    await new Promise((resolve) => setTimeout(resolve, 500));
    child.kill("SIGINT");
    const { code, stderr } = await child.output();
    await child.stdin.abort();
    assert.equal(code, 130);
    assert.equal(new TextDecoder().decode(stderr), "");
  },
});

/** Sends a signal while an answer streams. */
async function endsBy(signal: Deno.Signal, status: number): Promise<void> {
  const model = sharedPath("models", "SmolLM2-135M-Instruct-GPTQ-Int4");
  const child = spawnRemora(["run", model, "Count to a thousand", "--raw"], { allowRead: model });
  const reader = child.stdout.getReader();
  await reader.read();
  const begin = performance.now();
  child.kill(signal);
  while (!(await reader.read()).done);
  const { code } = await child.status;
  const stderr = await new Response(child.stderr).text();
  assert.equal(code, status);
  assert.equal(stderr, "");
  assert.ok(performance.now() - begin < 2000);
}

Deno.test("run --help says the default of every number", async () => {
  const { stdout } = await remora(["run", "--help"]);
  const numbers = stdout.split("\n").filter((line) => /^ .*--[a-z-]+ [NX] /.test(line));
  assert.ok(numbers.length >= 12);
  // Without --logprobs there are none.
  const silent = numbers.filter((line) => !line.includes("default: ") && !line.includes("--logprobs"));
  assert.deepEqual(silent, []);
});

Deno.test("run: an answer that is cut by a default says so, and by what", async () => {
  const args = ["run", MODEL, "hi", "--raw", "-t", "1", "--temperature", "0"];
  const full = await remora([...args, "-c", "16"], { allowRead: MODEL });
  assert.match(full.stderr, /^the answer was cut, as the context is full: 16 of 16 tokens[^\n]*\n$/);
  const short = await remora([...args, "-n", "2"], { allowRead: MODEL });
  assert.equal(short.stderr, "", "whoever names a number knows");
});

Deno.test({
  name: "run: an answer that goes round in circles is ended and says so (needs ../shared)",
  ignore: !hasShared,
  async fn() {
    const model = sharedPath("models", "SmolLM2-135M-Instruct-GPTQ-Int4");
    const { stderr } = await remora(["run", model, "The the the the", "--raw"], { allowRead: model });
    assert.match(stderr, /^the answer was ended after \d+ tokens, as it went round in circles[^\n]*\n$/);
  },
});

Deno.test(
  "a name on the hub needs --allow-net alone, and is told what it lacks",
  { ignore: !hasPermissions },
  async () => {
    const name = "owner/name-that-is-nowhere";
    const none = await remora(["show", name]);
    for (const flag of ["--allow-net=huggingface.co", `--allow-read=${name}`, "--allow-env=HF_HUB_CACHE"]) {
      assert.ok(none.stderr.includes(flag), none.stderr);
    }
    const child = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--quiet", "--allow-net=huggingface.co", "cli/main.ts", "show", name],
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
      // A proxy that is not there: nothing leaves the machine.
      env: { HTTPS_PROXY: "http://127.0.0.1:9" },
    }).output();
    const stderr = new TextDecoder().decode(child.stderr);
    assert.match(stderr, /^remora: [^\n]*https:\/\/huggingface\.co\/owner\/name-that-is-nowhere\/[^\n]*\n$/);
  },
);
