/** Requests as people write them: what is taken, and what is refused by name before anything is computed. */
import assert from "node:assert/strict";
import { type GenerateRequest, loadModel, memoryModelSource, type Model } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { goldenPath } from "../shared.ts";

const GOLDEN = goldenPath("arch-llama");

async function withModel(
  use: (model: Model) => Promise<void>,
  changes: Record<string, object> = {},
): Promise<void> {
  const files = new Map<string, Uint8Array>();
  for (const { name } of Deno.readDirSync(GOLDEN)) {
    const bytes = Deno.readFileSync(`${GOLDEN}/${name}`);
    const change = changes[name];
    const text = change && JSON.stringify({ ...JSON.parse(new TextDecoder().decode(bytes)), ...change });
    files.set(name, text ? new TextEncoder().encode(text) : bytes);
  }
  await using model = await loadModel(memoryModelSource(files), { threads: 1 });
  await use(model);
}

const REQUEST = { prompt: "1, 2, 3, 4,", maxTokens: 30, temperature: 0 };

Deno.test("stop is one text, or several", async () => {
  await withModel(async (model) => {
    const { text } = await model.complete(REQUEST);
    const stop = text.slice(4, 7);
    const one = await model.complete({ ...REQUEST, stop });
    assert.deepEqual(one, await model.complete({ ...REQUEST, stop: [stop] }));
    assert.equal(one.text, text.slice(0, text.indexOf(stop)));
    for (const wrong of ["", [""], 7, [7], { a: 1 }]) {
      await assertRefused(
        () => model.complete({ ...REQUEST, stop: wrong as string }),
        "BAD_ARGUMENT",
        "stop",
      );
    }
  });
});

Deno.test("unknown keys are refused with the nearest known name, unless they hold nothing", async () => {
  await withModel(async (model) => {
    const refuses = (keys: Record<string, unknown>, ...words: string[]) =>
      assertRefused(
        () => model.complete({ prompt: "x", ...keys } as GenerateRequest),
        "BAD_ARGUMENT",
        ...words,
      );
    await refuses({ maxToken: 1 }, "maxToken", "maxTokens, the nearest");
    await refuses({ top_p: 0.5 }, "top_p", "topP, the nearest");
    await refuses({ max_tokens: 1 }, "max_tokens", "maxTokens, the nearest");
    await refuses({ somethingElse: null }, "somethingElse");
    await refuses({ tools: [] }, "tools", "messages");
    await refuses({ variables: {} }, "variables", "messages");
    await model.complete({ prompt: "x", maxTokens: 1, somethingElse: undefined } as GenerateRequest);
  });
});

Deno.test("a prompt that begins with the begin token gets no second one", async () => {
  await withModel(async (model) => {
    const begin = "<|begin_of_text|>", [id] = model.tokenizer.encode(begin);
    const tokensOf = async (prompt: string | number[]) => {
      using sequence = model.createSequence();
      await model.complete({ prompt, maxTokens: 0, sequence });
      return [...sequence.tokenIds];
    };
    const plain = model.tokenizer.encode("Hello");
    assert.deepEqual(await tokensOf("Hello"), [id, ...plain]);
    assert.deepEqual(await tokensOf(begin + "Hello"), [id, ...plain]);
    assert.deepEqual(await tokensOf(begin + begin + "Hello"), [id, id, ...plain]);
    assert.deepEqual((await tokensOf(`Hello ${begin}`))[0], id);
    assert.deepEqual(await tokensOf([1, 5, 6]), [1, 5, 6]);
  });
});

Deno.test("the tokenizer's end token ends an answer, whatever the configs say", async () => {
  let answer: number[] = [], end = 0, token = "";
  await withModel(async (model) => {
    answer = (await model.complete({ ...REQUEST, maxTokens: 8 })).tokenIds;
    // One that is a whole character: the vocabulary writes bytes of others in letters of its own.
    end = answer.find((id) => /^[!-~]$/.test(model.tokenizer.decode([id])))!;
    token = model.tokenizer.decode([end]);
  }, { "generation_config.json": { eos_token_id: null } });
  const first = answer.indexOf(end);
  for (const eos_token of [token, { __type: "AddedToken", content: token }, "<nowhere>"]) {
    await withModel(async (model) => {
      const { tokenIds, finishReason } = await model.complete({ ...REQUEST, maxTokens: 8 });
      const isThere = eos_token !== "<nowhere>";
      assert.deepEqual(tokenIds, isThere ? answer.slice(0, first + 1) : answer);
      assert.equal(finishReason, isThere ? "stop" : "length");
    }, { "tokenizer_config.json": { eos_token }, "generation_config.json": { eos_token_id: null } });
  }
});

Deno.test("tools and variables reach the chat template as they do through chatPrompt", async () => {
  const tools = [{
    type: "function",
    function: { name: "weather", parameters: { type: "object", properties: {} } },
  }];
  const chat_template =
    "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% if deep %}{{ deep }}{% endif %}" +
    "{% for m in messages %}{{ m.content }}{% endfor %}";
  await withModel(async (model) => {
    const messages = [{ role: "user", content: "Weather?" }];
    for (const more of [{}, { tools }, { variables: { deep: "very" } }, { tools, variables: { deep: 12 } }]) {
      const expected = model.tokenizer.encode(model.chatPrompt(messages, more)).length;
      const { usage } = await model.complete({ messages, ...more, maxTokens: 1 });
      assert.equal(usage.promptTokens, expected);
    }
    await assertRefused(
      () => model.chatPrompt(messages, { variables: { messages: [] } }),
      "BAD_ARGUMENT",
      "messages",
    );
  }, { "tokenizer_config.json": { chat_template } });
});
