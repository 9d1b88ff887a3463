/**
 * Many clients at one server: nothing lost, mixed up or cut.
 *
 *     deno run -A bench/server_load.ts [--clients 200] [--seconds 60] [--max-queue 200] [--leave 500] [--slow 50] [--threads N] [MODEL]
 *
 * Starts `remora serve` on a free port. First every prompt is answered alone; then all clients ask at once, again and again, and
 * every stream must be the answer that its prompt had alone. `--leave`: afterwards, so many clients go away in the middle; `--slow`:
 * so many read slowly. After each wave the server must be idle.
 *
 * @module
 */
import { PROMPTS } from "./prompts.ts";
import { readCommand } from "./command.ts";

const { values, positionals } = readCommand({
  usage: "deno run -A bench/server_load.ts [MODEL]",
  purpose: "Many clients at one server: nothing lost, mixed up or cut.",
  arguments: 1,
  options: {
    clients: { value: "N", help: "clients at once", default: "200" },
    seconds: { value: "N", help: "how long they ask", default: "60" },
    "max-queue": { value: "N", help: "requests that may wait" },
    threads: { value: "N", help: "threads of the server" },
    "max-tokens": { value: "N", help: "tokens of an answer at most", default: "24" },
    leave: { value: "N", help: "clients that leave in the middle, afterwards", default: "0" },
    slow: { value: "N", help: "clients that read slowly, afterwards", default: "0" },
  },
});

const MAX_TOKENS = Number(values["max-tokens"]);

interface Answer {
  text: string;
  isWhole: boolean;
  firstToken: number;
  gaps: number[];
  status: number;
  retryAfter: number;
}

const command = new Deno.Command(Deno.execPath(), {
  args: [
    "run",
    "-A",
    "cli/main.ts",
    "serve",
    ...positionals,
    "--port",
    "0",
    ...(values["max-queue"] ? ["--max-queue", values["max-queue"]] : []),
    ...(values.threads ? ["--threads", values.threads] : []),
  ],
  stderr: "piped",
}).spawn();
const url = await addressOf(command.stderr);
const { data: [{ id: model }] } = await (await fetch(`${url}/v1/models`)).json();

async function addressOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (true) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the server ended: ${text}`);
    text += decoder.decode(value, { stream: true });
    const found = /http:\S+/.exec(text)?.[0];
    if (!found) continue;
    reader.releaseLock();
    void stream.pipeTo(new WritableStream({ write: (piece) => void Deno.stderr.writeSync(piece) })).catch(
      () => {},
    );
    return found;
  }
}

async function ask(
  prompt: string,
  { pause = 0, signal }: { pause?: number; signal?: AbortSignal } = {},
): Promise<Answer> {
  const begin = performance.now();
  const answer: Answer = { text: "", isWhole: false, firstToken: 0, gaps: [], status: 0, retryAfter: 0 };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model,
      messages: [{ role: "user", content: prompt }],
      max_tokens: MAX_TOKENS,
      temperature: 0,
      ignore_eos: true,
      stream: true,
    }),
    signal,
  });
  answer.status = response.status;
  if (response.status !== 200) {
    answer.retryAfter = Number(response.headers.get("retry-after"));
    await response.body?.cancel();
    return answer;
  }
  let rest = "", last = begin;
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    rest += piece;
    const lines = rest.split("\n\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (line === "data: [DONE]") {
        answer.isWhole = true;
        continue;
      }
      const { content } = JSON.parse(line.slice(6)).choices[0].delta;
      if (!content) continue;
      const now = performance.now();
      if (answer.text === "") answer.firstToken = now - begin;
      else answer.gaps.push(now - last);
      last = now;
      answer.text += content;
    }
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
  }
  return answer;
}

function percentile(values: number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return `${(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0)} ms`;
}

function memory(): number {
  const status = Deno.readTextFileSync(`/proc/${command.pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name}\\{[^}]*\\} (\\S+)`, "m").exec(text)?.[1] ?? 0);
}

/** Milliseconds until nothing runs and nothing waits. */
async function untilIdle(): Promise<number> {
  const begin = performance.now();
  while (await metric("vllm:num_requests_running") + await metric("vllm:num_requests_waiting") > 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - begin;
}

const alone = new Map<string, string>();
for (const prompt of PROMPTS) alone.set(prompt, (await ask(prompt)).text);

const until = performance.now() + Number(values.seconds) * 1000;
const counts = { whole: 0, cut: 0, mixed: 0, refused: 0, retried: 0 };
const firsts: number[] = [], gaps: number[] = [], memories: number[] = [];
const sampler = setInterval(() => memories.push(memory()), 1000);

async function client(number: number): Promise<void> {
  for (let turn = 0; performance.now() < until; turn++) {
    const prompt = PROMPTS[(number + turn) % PROMPTS.length];
    let answer = await ask(prompt), refusals = 0;
    while (answer.status !== 200) {
      counts.refused++;
      if (!(answer.retryAfter > 0) || ![429, 503].includes(answer.status)) {
        throw new Error(`status ${answer.status}`);
      }
      refusals++;
      await new Promise((resolve) => setTimeout(resolve, answer.retryAfter * 1000 * (0.5 + Math.random())));
      answer = await ask(prompt);
    }
    if (refusals > 0) counts.retried++;
    if (!answer.isWhole) counts.cut++;
    else if (answer.text !== alone.get(prompt)) counts.mixed++;
    else counts.whole++;
    firsts.push(answer.firstToken);
    gaps.push(...answer.gaps);
  }
}

try {
  const begin = performance.now(), tokens = await metric("vllm:generation_tokens_total");
  await Promise.all(Array.from({ length: Number(values.clients) }, (_, i) => client(i)));
  const seconds = (performance.now() - begin) / 1000;
  const generated = await metric("vllm:generation_tokens_total") - tokens;
  console.log(`${values.clients} clients, ${seconds.toFixed(0)} s: ${JSON.stringify(counts)}`);
  console.log(`${(generated / seconds).toFixed(0)} tokens/s in all`);
  console.log(`first token p50 ${percentile(firsts, 0.5)}, p95 ${percentile(firsts, 0.95)}`);
  console.log(
    `gaps p50 ${percentile(gaps, 0.5)}, p95 ${percentile(gaps, 0.95)}, longest ${percentile(gaps, 1)}`,
  );
  const third = Math.ceil(memories.length / 3);
  const peak = (from: number) => Math.max(0, ...memories.slice(from, from + third)).toFixed(0);
  console.log(`memory by thirds of the time: ${peak(0)}, ${peak(third)}, ${peak(2 * third)} MB`);
  console.log(`idle after ${(await untilIdle()).toFixed(0)} ms`);

  let longest = 0;
  const waves = Math.ceil(Number(values.leave) / 8);
  for (let wave = 0; wave < waves; wave++) {
    const controller = new AbortController();
    const asked = PROMPTS.map((prompt) => ask(prompt, { signal: controller.signal }).catch(() => {}));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
    controller.abort();
    longest = Math.max(longest, await untilIdle());
    await Promise.all(asked);
  }
  if (waves > 0) console.log(`${waves * 8} clients went away: idle within ${longest.toFixed(0)} ms`);
  if (Number(values.slow) > 0) {
    const slow = await Promise.all(
      Array.from({ length: Number(values.slow) }, (_, i) => ask(PROMPTS[i % PROMPTS.length], { pause: 50 })),
    );
    const right = slow.filter(({ text, isWhole }, i) =>
      isWhole && text === alone.get(PROMPTS[i % PROMPTS.length])
    );
    console.log(
      `${slow.length} slow readers: ${right.length} whole; idle after ${(await untilIdle()).toFixed(0)} ms`,
    );
  }
} finally {
  clearInterval(sampler);
  command.kill("SIGTERM");
  await command.status;
}
