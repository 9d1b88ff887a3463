/**
 * Whether the counters say of answers what their clients were told.
 */
import { deepEqual, equal } from "node:assert/strict";
import { createMetrics, type ServerOptions } from "../../mod.ts";
import { NAME, type Serving, serving } from "./serving.ts";

const MESSAGES = [{ role: "user", content: "Is there a star?" }];

const measured = async (options: ServerOptions = {}) =>
  await serving({ ...options, metrics: await createMetrics() });

/** How many answers ended, by why. */
async function ends({ url }: Serving): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.matchAll(/^vllm:request_success_total\{.*finished_reason="(\w+)".*\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, reason, count]) => [reason, Number(count)]));
}

async function ask({ url }: Serving, path: string, body: object): Promise<string> {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: NAME, temperature: 0, ...body }),
  });
  const text = await response.text();
  equal(response.status, 200, text);
  return text;
}

/** Requests that are cut after a token, by their endpoints, and where answers say so. */
const CUT: [path: string, body: Record<string, unknown>, told: RegExp][] = [
  ["/v1/chat/completions", { messages: MESSAGES, max_tokens: 1, n: 2 }, /"finish_reason":"length"/g],
  [
    "/v1/completions",
    { prompt: "There is", max_tokens: 1, n: 2, ignore_eos: true },
    /"finish_reason":"length"/g,
  ],
  ["/v1/messages", { messages: MESSAGES, max_tokens: 1 }, /"stop_reason":"max_tokens"/g],
  ["/v1/responses", { input: MESSAGES, max_output_tokens: 1 }, /"incomplete_details":\{"reason":/g],
];

for (const stream of [false, true]) {
  Deno.test(`answers that are cut count as cut, each of several, ${stream ? "streamed" : "whole"}`, async () => {
    await using server = await measured();
    let length = 0;
    for (const [path, body, told] of CUT) {
      const answer = await ask(server, path, { ...body, stream });
      const count = answer.match(told)?.length ?? 0;
      equal(count, body.n ?? 1, answer);
      length += count;
      deepEqual(await ends(server), { length }, path);
    }
  });
}

Deno.test("answers of one request that end apart count apart; a call is an answer that stops", async () => {
  await using server = await measured();
  const drawn = { messages: MESSAGES, max_tokens: 3, temperature: 2, seed: 1, n: 8 };
  const { choices } = JSON.parse(await ask(server, "/v1/chat/completions", drawn));
  const told: Record<string, number> = {};
  for (const { finish_reason } of choices) told[finish_reason] = (told[finish_reason] ?? 0) + 1;
  equal(Object.keys(told).length, 2, "both ends are among them");
  deepEqual(await ends(server), told);
  const tools = [{ type: "function", function: { name: "paint", parameters: { enum: [{}] } } }];
  const called = await ask(server, "/v1/chat/completions", {
    messages: MESSAGES,
    tools,
    tool_choice: "required",
    parallel_tool_calls: false,
    max_tokens: 100,
  });
  equal(JSON.parse(called).choices[0].finish_reason, "tool_calls");
  deepEqual(await ends(server), { ...told, stop: told.stop + 1 });
});

Deno.test("a stream that its client leaves counts once, as left", async () => {
  await using server = await measured();
  const leaving = new AbortController();
  const response = await fetch(`${server.url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: NAME,
      prompt: "There is",
      max_tokens: 100_000,
      ignore_eos: true,
      stream: true,
    }),
    signal: leaving.signal,
  });
  await response.body!.getReader().read();
  leaving.abort();
  const begin = performance.now();
  let counted = await ends(server);
  while (Object.keys(counted).length === 0 && performance.now() - begin < 10_000) {
    counted = await ends(server);
  }
  deepEqual(counted, { abort: 1 });
});
