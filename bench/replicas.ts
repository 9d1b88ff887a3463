/**
 * Load on several replicas, one of which is killed meanwhile:
 *
 *     deno task bench:replicas none|router|ray [MODEL] [--replicas 2] [--threads 1] [--clients 16] [--seconds 20] [--max-tokens 64]
 *       [--stream] [--kill-after SECONDS] [--kill server|replica] [--signal SIGKILL] [--restart-after 1] [--json] [-- OPTIONS OF THE FRONT]
 *
 * `router`: `vllm-router`; `ray`: `examples/ray/serve.py`; both as the PATH finds them, so activate their Python environment before.
 * `none`: one server, asked directly. Every answer must be the one that its prompt had from a server of its own. Of Ray's,
 * `--kill replica` kills the worker too. Linux only.
 *
 * @module
 */
import { PROMPTS } from "./prompts.ts";
import { findServers, type Front, FRONTS, kill, pause, type Server, tokensOf } from "./replica_fronts.ts";
import { readCommand, refuseLack } from "./command.ts";

const { values, positionals, passed } = readCommand({
  usage: "deno task bench:replicas none|router|ray [MODEL]",
  purpose: "Load on several replicas, one of which is killed meanwhile.",
  arguments: 2,
  passed: "options of the front",
  options: {
    replicas: { value: "N", help: "servers", default: "2" },
    threads: { value: "N", help: "threads of each", default: "1" },
    clients: { value: "N", help: "clients at once", default: "16" },
    seconds: { value: "N", help: "how long they ask", default: "20" },
    "max-tokens": { value: "N", help: "tokens of an answer at most", default: "64" },
    stream: { help: "answers as streams" },
    "kill-after": { value: "N", help: "seconds after which one is killed; none is unless given" },
    kill: { value: "server|replica", help: "what is killed", default: "server" },
    signal: { value: "NAME", help: "what kills", default: "SIGKILL" },
    "restart-after": { value: "N", help: "seconds until it is started again", default: "1" },
    json: { help: "results as JSON" },
  },
});
const [front, model = "models/scenes-mllama-int4"] = positionals;
if (!FRONTS[front]) refuseLack(Object.keys(FRONTS).join(" or "), front);
const settings = {
  model,
  replicas: Number(values.replicas),
  threads: Number(values.threads),
  restartAfter: Number(values["restart-after"]),
  options: passed,
};

interface Answer {
  text: string;
  tokens: number;
  /** What is wrong with it. */
  fault: string;
}

/** One answer, whole. */
async function ask(url: string, prompt: string): Promise<Answer> {
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: model.split("/").at(-1),
        messages: [{ role: "user", content: prompt }],
        max_tokens: Number(values["max-tokens"]),
        temperature: 0,
        ignore_eos: true,
        stream: values.stream,
        ...(values.stream && { stream_options: { include_usage: true } }),
      }),
      signal: AbortSignal.timeout(60_000),
    });
    const body = await response.text();
    if (response.status !== 200) return { text: "", tokens: 0, fault: `status ${response.status}` };
    return values.stream ? readStream(body) : readWhole(body);
  } catch (error) {
    const { name, message } = error as Error;
    return { text: "", tokens: 0, fault: /body|reset|closed|incomplete/i.test(message) ? "cut" : name };
  }
}

function readWhole(body: string): Answer {
  const { choices, usage } = JSON.parse(body);
  return { text: choices[0].message.content, tokens: usage.completion_tokens, fault: "" };
}

function readStream(body: string): Answer {
  if (!body.endsWith("data: [DONE]\n\n")) return { text: "", tokens: 0, fault: "cut" };
  const chunks = body.split("\n\n").slice(0, -2).map((line) => JSON.parse(line.slice("data: ".length)));
  const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
  return { text, tokens: chunks.at(-1).usage.completion_tokens, fault: "" };
}

/** What each prompt is answered by a server that nobody else asks. */
async function answersAlone(): Promise<Map<string, string>> {
  await using server = await FRONTS.none({ ...settings, threads: 1 });
  const alone = new Map<string, string>();
  for (const prompt of PROMPTS) alone.set(prompt, (await ask(server.url, prompt)).text);
  return alone;
}

/** What became of a kill; milliseconds from it. */
interface Kill {
  at: number;
  /** Until the replica in its place answered `/metrics`. */
  back?: number;
  /** Until that one had generated a token. */
  working?: number;
}

/** Kills one of the servers that work, and watches for the one in its place. */
async function killOne(until: number): Promise<Kill> {
  await pause(Number(values["kill-after"]) * 1000);
  const before = await findServers();
  const working: Server[] = [];
  for (const server of before) if (await tokensOf(server)) working.push(server);
  const [victim = before[0]] = working;
  const killed: Kill = { at: performance.now() };
  kill(values.kill === "replica" ? victim.parent : victim.pid, values.signal as Deno.Signal);
  while (performance.now() < until && killed.working === undefined) {
    await pause(100);
    const fresh = (await findServers()).find(({ pid }) => !before.some((server) => server.pid === pid));
    const generated = fresh && await tokensOf(fresh);
    if (generated === undefined) continue;
    killed.back ??= performance.now() - killed.at;
    if (generated > 0) killed.working = performance.now() - killed.at;
  }
  return killed;
}

/** Answers and faults, with the times at which they came. */
interface Load {
  begin: number;
  until: number;
  done: { at: number; milliseconds: number; tokens: number; fault: string }[];
  killed?: Kill;
  shares: number[];
}

async function run({ url }: Front, alone: Map<string, string>): Promise<Load> {
  // Whatever is compiled or connected with the first requests is so before time is taken.
  await Promise.all(PROMPTS.concat(PROMPTS).map((prompt) => ask(url, prompt)));
  const begin = performance.now(), until = begin + Number(values.seconds) * 1000;
  const done: Load["done"] = [];
  const killing = values["kill-after"] === undefined ? undefined : killOne(until);
  const clients = Array.from({ length: Number(values.clients) }, async (_, client) => {
    for (let turn = 0; performance.now() < until; turn++) {
      const asked = performance.now(), prompt = PROMPTS[(client + turn) % PROMPTS.length];
      const { text, tokens, fault } = await ask(url, prompt);
      const at = performance.now();
      const other = !fault && text !== alone.get(prompt) ? "another answer" : "";
      done.push({ at, milliseconds: at - asked, tokens, fault: fault || other });
      // A client that got nothing does not ask again at once.
      if (fault) await pause(100);
    }
  });
  await Promise.all(clients);
  const killed = await killing;
  const shares = await Promise.all((await findServers()).map(async (server) => await tokensOf(server) ?? 0));
  return { begin, until, done, killed, shares };
}

function summarise({ begin, until, done, killed, shares }: Load): Record<string, unknown> {
  const whole = done.filter(({ fault }) => !fault), failed = done.filter(({ fault }) => fault);
  const sorted = whole.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b);
  const share = (part: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  const speed = (from: number, to: number) => {
    const during = whole.filter(({ at }) => at >= from && at < to);
    return Math.round(during.reduce((sum, { tokens }) => sum + tokens, 0) / (to - from) * 1000);
  };
  const faults: Record<string, number> = {};
  for (const { fault } of failed) faults[fault] = (faults[fault] ?? 0) + 1;
  const summary = {
    whole: whole.length,
    failed: failed.length,
    ...(failed.length > 0 && { faults }),
    milliseconds: { p50: share(0.5), p95: share(0.95), longest: share(1) },
    tokensPerSecond: speed(begin, until),
    tokensOfServers: shares,
  };
  if (!killed) return summary;
  const times = whole.map(({ at }) => at).filter((at) => at > killed.at).sort((a, b) => a - b);
  const gaps = times.map((at, i) => at - (times[i - 1] ?? killed.at));
  return {
    ...summary,
    afterKill: {
      longestSilence: Math.round(Math.max(...gaps)),
      lastFailure: failed.length > 0 ? Math.round(failed.at(-1)!.at - killed.at) : 0,
      replicaBack: killed.back && Math.round(killed.back),
      replicaWorking: killed.working && Math.round(killed.working),
      tokensPerSecond: {
        before: speed(begin, killed.at),
        nextTwoSeconds: speed(killed.at, killed.at + 2000),
        lastFiveSeconds: speed(until - 5000, until),
      },
    },
  };
}

const alone = await answersAlone();
await using started = await FRONTS[front](settings);
const summary = summarise(await run(started, alone));
console.log(
  values.json ? JSON.stringify(summary) : Deno.inspect(summary, { depth: 4, breakLength: 110 }),
);
