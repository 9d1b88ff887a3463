/**
 * Requests as people write them: what is taken, and what is refused by name before anything is computed. The situations and what must
 * happen are those of tests/cases/requests.json, a copy; each has a check here by its id.
 */
import assert from "node:assert/strict";
import { type GenerateRequest, loadModel, memoryModelSource, type Message, type Model } from "../../mod.ts";
import { remora } from "../cli/remora.ts";
import { assertRefused } from "../errors.ts";
import { caseList, goldenPath } from "../shared.ts";

interface Case {
  id: string;
  situation: string;
  request: GenerateRequest;
  files: Record<string, Record<string, unknown>>;
}

const GOLDEN = goldenPath("arch-llama");
/** What the cases call `<s>`. */
const BEGIN = "<|begin_of_text|>";
const MESSAGES: Message[] = [{ role: "user", content: "Weather?" }];

/** The golden's files, some of them with other keys; null takes a key away, as in Python. */
function filesWith(changes: Record<string, object>): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const { name } of Deno.readDirSync(GOLDEN)) {
    const bytes = Deno.readFileSync(`${GOLDEN}/${name}`);
    const change = changes[name];
    const text = change && JSON.stringify({ ...JSON.parse(new TextDecoder().decode(bytes)), ...change });
    files.set(name, text ? new TextEncoder().encode(text) : bytes);
  }
  return files;
}

async function withModel(
  use: (model: Model) => Promise<void>,
  changes: Record<string, object> = {},
): Promise<void> {
  await using model = await loadModel(memoryModelSource(filesWith(changes)), { threads: 1 });
  await use(model);
}

/** A request as JavaScript may hold it, whatever its type says. */
const as = (request: object): GenerateRequest => request as GenerateRequest;

function refuses(request: object, ...words: string[]): Promise<void> {
  return withModel(async (model) => {
    await assertRefused(() => model.complete(as(request)), "BAD_ARGUMENT", ...words);
  });
}

/** What the sequence holds after a prompt. */
async function tokensOf(model: Model, request: object): Promise<number[]> {
  using sequence = model.createSequence();
  await model.complete({ ...as(request), maxTokens: 0, sequence });
  return [...sequence.tokenIds];
}

/** The request's prompt with our name of the begin token, and the tokens that it must become. */
function prompts(request: GenerateRequest, begins: number, rest: string): Promise<void> {
  return withModel(async (model) => {
    const prompt = (request.prompt as string).replaceAll("<s>", BEGIN);
    const [id] = model.tokenizer.encode(BEGIN);
    const expected = [...Array(begins).fill(id), ...model.tokenizer.encode(rest)];
    assert.deepEqual(await tokensOf(model, { prompt }), expected);
  });
}

/** Ids that no config calls the end, and their texts: what the model says without an end token. */
async function unendedAnswer(): Promise<{ ids: number[]; plain: { id: number; text: string }[] }> {
  let ids: number[] = [], plain: { id: number; text: string }[] = [];
  await withModel(async (model) => {
    ids = (await model.complete({ prompt: "1, 2, 3, 4,", maxTokens: 24, temperature: 0 })).tokenIds;
    // Those that are whole characters: the vocabulary writes bytes of others in letters of its own.
    plain = [...new Set(ids)].map((id) => ({ id, text: model.tokenizer.decode([id]) })).filter(({ text }) =>
      /^[!-~]$/.test(text)
    );
  }, { "config.json": { eos_token_id: null }, "generation_config.json": { eos_token_id: null } });
  return { ids, plain };
}

/** Answers with these files and compares with where the unended answer first has one of the ends. */
async function endsAt(files: Record<string, object>, ids: number[], ends: number[]): Promise<void> {
  await withModel(async (model) => {
    const { tokenIds, finishReason } = await model.complete({
      prompt: "1, 2, 3, 4,",
      maxTokens: 24,
      temperature: 0,
    });
    const end = ids.findIndex((id) => ends.includes(id));
    assert.deepEqual(tokenIds, end < 0 ? ids : ids.slice(0, end + 1));
    assert.equal(finishReason, end < 0 ? "length" : "stop");
  }, files);
}

/** The end token of tokenizer_config.json, written in a way, beside configs that name none. */
async function endsByTokenizer(
  written: (text: string) => unknown,
  isThere: boolean,
): Promise<void> {
  const { ids, plain: [{ id, text }] } = await unendedAnswer();
  const files = {
    "config.json": { eos_token_id: null },
    "generation_config.json": { eos_token_id: null },
    "tokenizer_config.json": { eos_token: written(text) },
  };
  await endsAt(files, ids, isThere ? [id] : []);
}

/** The checks by the ids of the cases. */
const CHECKS: Record<string, (given: Case) => Promise<void>> = {
  "stop-as-string": ({ request }) =>
    withModel(async (model) => {
      const { text } = await model.complete({ ...request, stop: undefined });
      for (const stop of [request.stop as string, text.slice(4, 7)]) {
        const one = await model.complete({ ...request, stop });
        assert.deepEqual(one, await model.complete({ ...request, stop: [stop] }));
        const at = text.indexOf(stop);
        assert.equal(one.text, at < 0 ? text : text.slice(0, at));
      }
    }),
  "stop-empty-string": async ({ request }) => {
    await refuses(request, "stop");
    await refuses({ ...request, stop: [""] }, "stop");
  },
  "stop-wrong-type": async ({ request }) => {
    await refuses(request, "stop", "expected", "found");
    await refuses({ ...request, stop: 7 }, "stop", "expected", "found");
  },
  "stop-list": ({ request }) =>
    withModel(async (model) => {
      const { text } = await model.complete({ ...request, stop: undefined });
      const shorter = text.slice(6, 8), longer = text.slice(5, 8);
      const { text: ended } = await model.complete({ ...request, stop: [shorter, longer] });
      // Both are complete with the same character; the longer began first, and nothing of it is emitted.
      assert.equal(ended, text.slice(0, Math.min(text.indexOf(shorter), text.indexOf(longer))));
      await model.complete(request);
    }),
  "unknown-key": ({ request }) => refuses(request, "maxToken", "maxTokens, the nearest"),
  "unknown-key-other-spelling": async ({ request }) => {
    await refuses(request, "top_p", "topP, the nearest");
    await refuses({ prompt: "x", max_tokens: 1 }, "max_tokens", "maxTokens, the nearest");
  },
  "unknown-key-undefined": async ({ request }) => {
    await refuses(request, "somethingElse");
    await withModel(async (model) => {
      await model.complete(as({ ...request, somethingElse: undefined, topK: undefined }));
    });
  },
  "chat-prompt-as-prompt": () =>
    withModel(async (model) => {
      const messages = MESSAGES, prompt = model.chatPrompt(messages);
      assert.ok(prompt.startsWith(BEGIN));
      assert.deepEqual(await tokensOf(model, { prompt }), await tokensOf(model, { messages }));
    }),
  "plain-prompt-begin-token": ({ request }) => prompts(request, 1, "Hello"),
  "prompt-two-begin-tokens": ({ request }) => prompts(request, 2, "Hello"),
  "begin-token-later": ({ request }) => prompts(request, 1, `Hello ${BEGIN} there`),
  "ids-as-prompt": ({ request }) =>
    withModel(async (model) => assert.deepEqual(await tokensOf(model, request), request.prompt)),
  "end-token-of-tokenizer-config": () => endsByTokenizer((text) => text, true),
  "end-token-as-object": ({ files }) => {
    const object = files["tokenizer_config.json"].eos_token as object;
    return endsByTokenizer((content) => ({ ...object, content }), true);
  },
  "end-token-not-in-vocabulary": async ({ files }) => {
    await endsByTokenizer(() => files["tokenizer_config.json"].eos_token, false);
    const { ids } = await unendedAnswer();
    await endsAt({ ...files, "generation_config.json": { eos_token_id: ids[3] } }, ids, [ids[3]]);
  },
  "end-token-wrong-in-config": async () => {
    const { ids, plain: [{ id, text }] } = await unendedAnswer();
    const other = ids.find((one) => one !== id)!;
    for (const config of [other, 0]) {
      const files = {
        "config.json": { eos_token_id: config },
        "generation_config.json": { eos_token_id: config },
        "tokenizer_config.json": { eos_token: text },
      };
      await endsAt(files, ids, [config, id]);
    }
  },
  "template-variables": () => {
    const chat_template = "{{ enable_thinking }}|{{ other is defined }}|{{ bos_token }}";
    return withModel((model) => {
      const variables = { enable_thinking: false, bos_token: "mine" };
      assert.equal(model.chatPrompt(MESSAGES, { variables }), "False|False|mine");
      assert.equal(model.chatPrompt(MESSAGES), `|False|${BEGIN}`);
      return Promise.resolve();
    }, { "tokenizer_config.json": { chat_template } });
  },
  "template-variables-reserved": () =>
    withModel(async (model) => {
      for (const name of ["messages", "tools", "add_generation_prompt"]) {
        const variables = { [name]: [] };
        await assertRefused(() => model.chatPrompt(MESSAGES, { variables }), "BAD_ARGUMENT", name);
      }
    }),
  "generate-with-tools": ({ request }) => {
    const chat_template = "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}" +
      "{% if enable_thinking is defined %}{{ enable_thinking }}{% endif %}" +
      "{% for m in messages %}{{ m.content }}{% endfor %}";
    return withModel(async (model) => {
      const { messages, tools, variables } = request;
      for (const more of [{}, { tools }, { variables }, { tools, variables }]) {
        const expected = model.tokenizer.encode(model.chatPrompt(messages!, more)).length;
        const { usage } = await model.complete({ messages: messages!, ...more, maxTokens: 1 });
        assert.equal(usage.promptTokens, expected);
      }
    }, { "tokenizer_config.json": { chat_template } });
  },
  "tools-with-prompt": async ({ request }) => {
    await refuses(request, "tools", "messages");
    await refuses({ prompt: "x", variables: {} }, "variables", "messages");
  },
  "template-variable-command": async () => {
    const chat_template = "{{ [enable_thinking, level, number, quoted] }}";
    const folder = Deno.makeTempDirSync();
    try {
      for (const [name, bytes] of filesWith({ "tokenizer_config.json": { chat_template } })) {
        Deno.writeFileSync(`${folder}/${name}`, bytes);
      }
      const pairs = ["enable_thinking=false", "level=high", "number=12", 'quoted="text"'];
      const args = pairs.flatMap((pair) => ["--template-var", pair]);
      const { stdout, stderr } = await remora(["run", folder, "hi", "--json", "-n", "1", ...args], {
        allowRead: folder,
      });
      await using model = await loadModel(folder, { threads: 1 });
      const tokens = model.tokenizer.encode("[False, 'high', 12, 'text']").length;
      assert.equal(JSON.parse(stdout).usage.promptTokens, tokens, stderr);
      const wrong = await remora(["run", folder, "hi", "--template-var", "level"], { allowRead: folder });
      assert.deepEqual([wrong.code, wrong.stdout], [2, ""]);
      assert.match(wrong.stderr, /--template-var.*NAME=VALUE.*level/);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
};

for (const given of caseList("requests", "cases", "text", "requests.json") as Case[]) {
  Deno.test(`${given.id}: ${given.situation}`, () => {
    const check = CHECKS[given.id];
    assert.ok(check, "a check of this id");
    return check(given);
  });
}
