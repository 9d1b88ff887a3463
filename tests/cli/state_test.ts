/** `--save-state` and `--load-state`: a conversation goes on in another process. What the model answers is known from transformers. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { userMessage, withUserMessage } from "../../cli/conversation.ts";
import { loadConversation } from "../../mod.ts";
import { sealFile } from "../../src/io/sealed_file.ts";
import { assertRefused } from "../errors.ts";
import { hasPermissions, remora } from "./remora.ts";
import { sha256 } from "../hash.ts";

const MODEL = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const { inputs } = JSON.parse(Deno.readTextFileSync(`${MODEL}/reference/reference.json`));

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Runs with permission to read the model and the state, and to write the state only. */
function run(state: string, ...args: string[]) {
  return remora(["run", MODEL, ...args], { allowRead: `${MODEL},${state}`, allowWrite: state });
}

Deno.test("a conversation about a picture goes on, turn by turn, in processes of their own", async () => {
  await withFolder(async (folder) => {
    for (const [name, { image, questions, answers }] of Object.entries<typeof inputs.wide>(inputs)) {
      const state = `${folder}/${name}.state`;
      const picture = ["--image", `${MODEL}/reference/${image}`];
      for (const [turn, question] of questions.entries()) {
        const from = turn === 0 ? picture : ["--load-state", state];
        const outcome = await run(state, question, ...from, "--save-state", state, "--json");
        assert.equal(outcome.code, 0, outcome.stderr);
        const { text, usage } = JSON.parse(outcome.stdout);
        assert.equal(text, answers[turn], name);
        if (turn > 0) assert.ok(usage.cachedTokens > 10, "what was said is not computed again");
      }
    }
  });
});

Deno.test("with -n 0 a prompt is read and saved; the next prompt goes on in its message", async () => {
  await withFolder(async (folder) => {
    const state = `${folder}/chat.state`;
    const picture = `${MODEL}/reference/${inputs.wide.image}`;
    const read = await run(state, "Look closely.", "--image", picture, "-n", "0", "--save-state", state);
    assert.deepEqual([read.code, read.stdout.trim()], [0, ""], read.stderr);
    const went = await run(state, "Describe it.", "--load-state", state, "--json");
    const whole = await run(state, "Look closely.\nDescribe it.", "--image", picture, "--json");
    const [{ usage, ...answer }, { usage: all, ...expected }] = [went, whole].map(({ stdout }) => {
      const { timing: _, ...result } = JSON.parse(stdout);
      return result;
    });
    assert.deepEqual(answer, expected);
    assert.equal(usage.promptTokens, all.promptTokens);
    assert.ok(usage.cachedTokens > 4);
  });
});

Deno.test("--raw goes on with the text, token by token", async () => {
  await withFolder(async (folder) => {
    const state = `${folder}/text.state`;
    const flags = ["--raw", "--temperature", "0", "--json"];
    const first = await run(state, "How many objects", "-n", "1", ...flags, "--save-state", state);
    const { tokenIds } = JSON.parse(first.stdout);
    assert.equal(tokenIds.length, 1, first.stderr);
    const second = await run(state, " are there?", "-n", "2", ...flags, "--load-state", state);
    const { usage } = JSON.parse(second.stdout);
    assert.ok(usage.cachedTokens >= usage.promptTokens - 6, second.stdout);
    const chat = await run(state, "And?", "--load-state", state);
    assert.equal(chat.code, 2);
    assert.match(chat.stderr, /^remora: Cannot go on with "[^"]*text\.state": [^\n]*--raw[^\n]*\n$/);
  });
});

Deno.test("files that are no state of this model are refused by name in one line", async () => {
  await withFolder(async (folder) => {
    const state = `${folder}/chat.state`;
    const saved = await run(state, "Describe it.", "--save-state", state, "-n", "1");
    assert.equal(saved.code, 0, saved.stderr);
    const bytes = Deno.readFileSync(state);
    const refuses = async (pattern: RegExp, ...args: string[]) => {
      const { code, stdout, stderr } = await run(state, "And?", "--load-state", state, ...args);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /^remora: [^\n]*chat\.state[^\n]*\n$/);
      assert.match(stderr, pattern);
    };
    await refuses(/expected precision f32, found int8/, "--precision", "f32");
    Deno.writeFileSync(state, bytes.subarray(0, bytes.length / 2));
    await refuses(/checksum/);
    Deno.writeFileSync(state, bytes.with(60, bytes[60] ^ 4));
    await refuses(/checksum/);
    Deno.writeFileSync(state, new TextEncoder().encode("something else"));
    await refuses(/other bytes/);
    Deno.removeSync(state);
    await refuses(/no such file/);
    Deno.mkdirSync(state);
    await refuses(/no file/);
  });
});

Deno.test("descriptions of another shape are refused though the checksum holds", async () => {
  await withFolder(async (folder) => {
    const path = `${folder}/chat.state`;
    const kind = { magic: "REMORAST", version: 1, title: "" };
    const picture = { type: "image", image: { key: "file 1 00" } };
    const message = { role: "user", content: [picture, { type: "text", text: "a" }] };
    const write = (description: unknown) =>
      Deno.writeFileSync(path, sealFile(kind, description, [], 0, sha256));
    write({ tokenIds: [1], messages: [message] });
    assert.deepEqual(loadConversation(path).messages, [message]);
    const wrong = [
      null,
      {},
      { tokenIds: [-1] },
      { tokenIds: ["1"] },
      { tokenIds: [], messages: {} },
      { tokenIds: [], messages: [null] },
      { tokenIds: [], messages: [{ role: 1, content: "" }] },
      { tokenIds: [], messages: [{ role: "user", content: 3 }] },
      { tokenIds: [], messages: [{ role: "user", content: [{ type: "text" }] }] },
      { tokenIds: [], messages: [{ role: "user", content: [{ type: "image" }] }] },
      { tokenIds: [], messages: [{ role: "user", content: [{ type: "image", image: { key: 1 } }] }] },
    ];
    for (const description of wrong) {
      write(description);
      await assertRefused(() => loadConversation(path), "BAD_FILE", "chat.state", "messages and tokens");
    }
  });
});

Deno.test("without permission nothing is begun; with that for a neighbour the file is renamed into place", {
  ignore: !hasPermissions,
}, async () => {
  await withFolder(async (folder) => {
    const state = `${folder}/chat.state`;
    const args = ["run", MODEL, "Describe it.", "-n", "1", "--save-state", state];
    const refused = await remora(args, { allowRead: MODEL });
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.match(refused.stderr, /^remora: Cannot write [^\n]*--allow-write=[^\n]*\n$/);
    Deno.writeTextFileSync(state, "old");
    const before = Deno.statSync(state).ino;
    const inPlace = await remora(args, { allowRead: MODEL, allowWrite: state });
    assert.equal(inPlace.code, 0, inPlace.stderr);
    assert.equal(Deno.statSync(state).ino, before);
    const renamed = await remora(args, { allowRead: `${MODEL},${folder}`, allowWrite: folder });
    assert.equal(renamed.code, 0, renamed.stderr);
    assert.notEqual(Deno.statSync(state).ino, before);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["chat.state"]);
  });
});

Deno.test("a message that was not answered goes on in the next line, pictures included", () => {
  const picture = new Uint8Array(1);
  const asked = [userMessage("one", [])];
  assert.deepEqual(withUserMessage(asked, userMessage("two", [])), [{ role: "user", content: "one\ntwo" }]);
  assert.deepEqual(withUserMessage([userMessage("one", [picture])], userMessage("two", [])), [{
    role: "user",
    content: [{ type: "image", image: picture }, { type: "text", text: "one\ntwo" }],
  }]);
  assert.deepEqual(withUserMessage(asked, userMessage("two", [picture])), [{
    role: "user",
    content: [{ type: "text", text: "one" }, { type: "image", image: picture }, {
      type: "text",
      text: "two",
    }],
  }]);
  const answered = [...asked, { role: "assistant", content: "1" }];
  assert.equal(withUserMessage(answered, userMessage("two", [])).length, 3);
});

Deno.test("run --context-shift goes on where a full context ends an answer", async () => {
  const flags = ["--raw", "-c", "16", "-n", "40", "--temperature", "0", "--json"];
  const prompt =
    "What colour is the star? What colour is the cross? How many objects are there in the picture?";
  const refused = await remora(["run", MODEL, prompt, ...flags], { allowRead: MODEL });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /at most 16 tokens of context/);
  const shifted = await remora(["run", MODEL, prompt, ...flags, "--context-shift"], { allowRead: MODEL });
  assert.equal(shifted.code, 0, shifted.stderr);
  assert.ok(JSON.parse(shifted.stdout).usage.promptTokens <= 16);
});
