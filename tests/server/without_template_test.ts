/**
 * A model without a chat template: what is refused, in which words, and what works.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createHandler, loadModel, memoryModelSource, type ModelSource } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { NAME, SCENES } from "./serving.ts";

const MESSAGES = [{ role: "user" as const, content: "Is there a star?" }];
const TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}";

/** The model of the repository without its template, and with these files. */
function sourceWith(more: Record<string, string> = {}): ModelSource {
  const files = new Map<string, Uint8Array>();
  for (const { name, isFile } of Deno.readDirSync(SCENES)) {
    if (isFile && name !== "chat_template.json") files.set(name, Deno.readFileSync(`${SCENES}/${name}`));
  }
  const config = JSON.parse(Deno.readTextFileSync(`${SCENES}/tokenizer_config.json`));
  delete config.chat_template;
  const texts = { "tokenizer_config.json": JSON.stringify(config), ...more };
  for (const [name, text] of Object.entries(texts)) files.set(name, new TextEncoder().encode(text));
  return memoryModelSource(files);
}

Deno.test("messages are refused with what works in their place, by every endpoint; prompts are answered", async (test) => {
  await using model = await loadModel(sourceWith(), { threads: 1 });
  const failures: unknown[] = [];
  const handler = createHandler({ [NAME]: model }, { onError: (error) => failures.push(error) });
  const ask = async (path: string, body: object) => {
    const response = await handler(
      new Request(`http://server${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: NAME, ...body }),
      }),
    );
    return { status: response.status, answer: await response.json() };
  };
  const chats: [path: string, body: Record<string, unknown>, param: string][] = [
    ["/v1/chat/completions", { messages: MESSAGES, max_tokens: 3, n: 2 }, "messages"],
    ["/v1/responses", { input: "Is there a star?", max_output_tokens: 3 }, "input"],
    ["/v1/messages", { messages: MESSAGES, max_tokens: 3 }, "messages"],
  ];
  const bodies = [
    ...chats,
    ...chats.map(([path, body, param]): typeof chats[number] => [path, { ...body, stream: true }, param]),
    ["/v1/messages/count_tokens", { messages: MESSAGES }, "messages"],
    ["/tokenize", { messages: MESSAGES }, "messages"],
  ] as const;
  for (const [path, body, param] of bodies) {
    await test.step(`${path}${"stream" in body ? ", streamed" : ""}`, async () => {
      const { status, answer } = await ask(path, body);
      equal(status, 400);
      const { message, ...rest } = answer.error;
      match(message, /no chat template.*\/v1\/completions/);
      ok(!message.includes("memory"), "a place of the server's machine");
      const type = "invalid_request_error";
      if (path.startsWith("/v1/messages")) deepEqual([answer.type, rest], ["error", { type }]);
      else deepEqual(rest, { type, param, code: "no_chat_template" });
    });
  }
  equal((await ask("/v1/completions", { prompt: "There is", max_tokens: 3 })).status, 200);
  deepEqual(failures, []);
});

Deno.test("the library says what to give in place of messages, and each way works", async () => {
  await using model = await loadModel(sourceWith(), { threads: 1 });
  const words = ["chat_template", "a prompt in place of messages", "chat_template.jinja"];
  await assertRefused(() => model.complete({ messages: MESSAGES }), "FILE_NOT_FOUND", ...words);
  await assertRefused(() => model.chatPrompt(MESSAGES), "FILE_NOT_FOUND", ...words);
  ok((await model.complete({ prompt: "There is", maxTokens: 3 })).usage.completionTokens > 0);
  const source = sourceWith({ "chat_template.jinja": TEMPLATE });
  await using chatting = await loadModel(source, { threads: 1 });
  equal(chatting.chatPrompt(MESSAGES), "Is there a star?");
});
