/**
 * Functions whose clocks stand still while they compute: everything is answered all the same, with one thread, no timer that fires,
 * no worker and no memory that is shared.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { createHandler, type Handler, loadModel, type ServerOptions } from "../../mod.ts";
import { NAME, pictureUrl, SCENES } from "./serving.ts";

const CHAT = "/v1/chat/completions";
const messages = [{ role: "user", content: "Describe a picture with a red star above a circle." }];
const BODIES: [path: string, body: Record<string, unknown>][] = [
  [CHAT, { messages, temperature: 1, seed: 3, ignore_eos: true, max_tokens: 20 }],
  [CHAT, { messages, response_format: { type: "json_object" }, max_tokens: 20, temperature: 0 }],
  [CHAT, {
    messages: [{
      role: "user",
      content: [{ type: "image_url", image_url: { url: pictureUrl() } }, {
        type: "text",
        text: "Describe it.",
      }],
    }],
  }],
  ["/v1/completions", { prompt: "There is a star ".repeat(60), max_tokens: 8, temperature: 0 }],
];

/** Runs `work` with clocks that stand still, timers that never fire, and nothing that a single thread could not have. */
async function frozen<T>(work: () => Promise<T>): Promise<T> {
  const { now } = Date, { setTimeout, setInterval, Worker, SharedArrayBuffer } = globalThis;
  const perform = performance.now;
  const forbid = (name: string) =>
    class {
      constructor() {
        throw new Error(`${name} is not there`);
      }
    };
  const [date, time] = [now(), performance.now()];
  Date.now = () => date;
  performance.now = () => time;
  Object.assign(globalThis, {
    setTimeout: () => 0,
    setInterval: () => 0,
    Worker: forbid("Worker"),
    SharedArrayBuffer: forbid("SharedArrayBuffer"),
  });
  try {
    return await work();
  } finally {
    Date.now = now;
    performance.now = perform;
    Object.assign(globalThis, { setTimeout, setInterval, Worker, SharedArrayBuffer });
  }
}

async function post(handler: Handler, path: string, body: Record<string, unknown>): Promise<string> {
  const response = await handler(
    new Request(`http://server${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: NAME, ...body }),
    }),
  );
  const text = await response.text();
  equal(response.status, 200, text);
  return text;
}

/** The texts of all answers: whole, streamed, in pieces, and all at once. */
async function answers(options: ServerOptions): Promise<string[]> {
  await using model = await loadModel(SCENES, { threads: 1 });
  const handler = createHandler({ [NAME]: model }, options);
  const ask = async ([path, body]: typeof BODIES[number]) => {
    let state: string | undefined;
    while (true) {
      const answer = JSON.parse(await post(handler, path, { ...body, remora_state: state }));
      state = answer.remora?.state;
      const [{ message, text }] = answer.choices;
      if (state === undefined) return message?.content ?? text;
    }
  };
  const run = async () => {
    const texts: string[] = [];
    for (const body of BODIES) texts.push(await ask(body));
    const together = await Promise.all(BODIES.map(ask));
    deepEqual(together, texts);
    const stream = await post(handler, CHAT, { ...BODIES[0][1], stream: true });
    ok(stream.endsWith("data: [DONE]\n\n"));
    return texts;
  };
  return options.version === "frozen" ? await frozen(run) : await run();
}

Deno.test("with clocks that stand still, a model loads", async () => {
  const tokens = await frozen(async () => {
    await using model = await loadModel(SCENES, { threads: 1 });
    return model.tokenizer.encode("star");
  });
  ok(tokens.length > 0);
});

Deno.test("with clocks that stand still, the server answers as ever, whole and in pieces", async () => {
  const expected = await answers({});
  deepEqual(await answers({ version: "frozen" }), expected);
  const budget = { tokens: 6, promptTokens: 50 };
  deepEqual(await answers({ version: "frozen", budget, stateKey: "k".repeat(32) }), expected);
});
