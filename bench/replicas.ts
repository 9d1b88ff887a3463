/**
 * Load on several replicas behind a router, one of which is killed meanwhile:
 *
 *     deno task bench:replicas URL [--clients 8] [--seconds 20] [--stream] [--max-tokens 16] [--kill PID] [--kill-after 5]
 *
 * Prints what became of the requests, how long nobody was answered after the kill, and tokens per second.
 *
 * @module
 */
import { parseArgs } from "node:util";

const { values, positionals: [url] } = parseArgs({
  allowPositionals: true,
  options: {
    clients: { type: "string", default: "8" },
    seconds: { type: "string", default: "20" },
    stream: { type: "boolean", default: false },
    "max-tokens": { type: "string", default: "16" },
    kill: { type: "string" },
    "kill-after": { type: "string", default: "5" },
  },
});

const { data: [{ id: model }] } = await (await fetch(`${url}/v1/models`)).json();
const begin = performance.now();
const until = begin + Number(values.seconds) * 1000;
const answers: { at: number; milliseconds: number; tokens: number }[] = [];
const failures: { at: number; what: string }[] = [];

/** What came, whole; else what is wrong with it. */
async function ask(number: number): Promise<void> {
  const asked = performance.now();
  let what = "";
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model,
        messages: [{ role: "user", content: `Describe picture ${number}.` }],
        max_tokens: Number(values["max-tokens"]),
        temperature: 0,
        ignore_eos: true,
        stream: values.stream,
        ...(values.stream && { stream_options: { include_usage: true } }),
      }),
      signal: AbortSignal.timeout(60_000),
    });
    const text = await response.text();
    if (response.status !== 200) what = `status ${response.status}`;
    else if (values.stream && !text.endsWith("data: [DONE]\n\n")) what = "cut in the middle";
    else {
      const tokens = Number(/"completion_tokens":\s*(\d+)/.exec(text)?.[1]);
      const at = performance.now();
      answers.push({ at, milliseconds: at - asked, tokens });
    }
  } catch (error) {
    what = (error as Error).name;
  }
  if (what) failures.push({ at: performance.now(), what });
}

let number = 0;
const clients = Array.from({ length: Number(values.clients) }, async () => {
  while (performance.now() < until) await ask(number++);
});
let killedAt = Infinity;
if (values.kill) {
  setTimeout(() => {
    killedAt = performance.now();
    Deno.kill(Number(values.kill), "SIGKILL");
  }, Number(values["kill-after"]) * 1000);
}
await Promise.all(clients);

const sorted = answers.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(0);
const tokens = (from: number, to: number) => {
  const sum = answers.filter(({ at }) => at >= from && at < to).reduce((sum, { tokens }) => sum + tokens, 0);
  return (sum / (to - from) * 1000).toFixed(0);
};
const counts = new Map<string, number>();
for (const { what } of failures) counts.set(what, (counts.get(what) ?? 0) + 1);
console.log(
  `${answers.length} whole, ${failures.length} failed${
    failures.length ? `: ${[...counts].map(([what, count]) => `${count} ${what}`).join(", ")}` : ""
  }; p50 ${at(0.5)}, p95 ${at(0.95)}, longest ${at(0.9999999)} ms; ${tokens(begin, until)} tokens/s`,
);
if (killedAt < Infinity) {
  const times = answers.map(({ at }) => at).filter((at) => at > killedAt).sort((a, b) => a - b);
  const gaps = times.map((at, i) => at - (times[i - 1] ?? killedAt));
  const last = failures.at(-1);
  console.log(
    `after the kill: longest time without an answer ${Math.max(...gaps).toFixed(0)} ms, last failure after ${
      last ? (last.at - killedAt).toFixed(0) : "0"
    } ms; tokens/s before ${tokens(begin, killedAt)}, in the 3 s after ${
      tokens(killedAt, killedAt + 3000)
    }, in the last 5 s ${tokens(until - 5000, until)}`,
  );
}
