/**
 * Every way in which an upstream fails, and what clients see of it:
 *
 *     deno task fallback:faults [--json] [--only NAME] [--quick]
 *
 * The fallback, its upstream and the clients are three processes. The upstream is a scripted one, or `remora serve` with another
 * model where it is killed, frozen or restarted. `--quick`: fewer requests.
 *
 * @module
 */
import { freePort, Program } from "./fallback_programs.ts";
import { readCommand } from "./command.ts";

const { values } = readCommand({
  usage: "deno task fallback:faults",
  purpose: "Every way in which an upstream fails, and what clients see of it.",
  options: {
    json: { help: "results as JSON" },
    only: { value: "NAME", help: "the faults whose name has this word" },
    quick: { help: "fewer requests" },
  },
});
const MODEL = "models/scenes-mllama-int4";
const OTHER_MODEL = "tests/goldens/arch-llama";
const CERTIFICATE = ["tests/fallback/certificate/localhost.crt", "tests/fallback/certificate/localhost.key"];
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What one client saw. */
interface Seen {
  /** whole: an answer with its end. error: a status of 400 or more. ended: a stream that ends with an error. damaged: JSON that is none,
   * as the upstream said it. lost: anything else. */
  kind: "whole" | "error" | "ended" | "lost" | "damaged";
  status: number;
  servedBy: string;
  reason: string;
  /** Milliseconds until the first byte of the body. */
  firstByte: number;
  /** Milliseconds of the whole exchange. */
  whole: number;
  /** Ends of answers beyond the first. */
  twice: number;
  /** When it was over, by `performance.now`. */
  at: number;
}

/** A row of the table. */
interface Row {
  fault: string;
  requests: number;
  /** How often clients saw what, the most frequent first. */
  seen: string;
  takeover: { p50: number; p95: number } | null;
  /** Seconds from the end of the fault to the first answer of the upstream. */
  returned: number | null;
  lost: number;
  endedWithError: number;
  twice: number;
}

/** How the fallback is run, and what is done to its upstream. */
interface Fault {
  name: string;
  flags?: string[];
  run(stage: Stage): Promise<{ seen: Seen[]; healedAt?: number }>;
}

/** What a fault has at hand. */
interface Stage {
  url: string;
  upstreamPort: number;
  /** Tells the scripted upstream what to do wrong. */
  say(name: string): Promise<void>;
  ask(number: number, options?: { isStream?: boolean; maxTokens?: number }): Promise<Seen>;
  /** Asks one after the other. */
  askAll(count: number, isStream?: boolean): Promise<Seen[]>;
  startServer(): Promise<Program>;
}

async function ask(
  url: string,
  number: number,
  { isStream = true, maxTokens = 12 }: { isStream?: boolean; maxTokens?: number } = {},
): Promise<Seen> {
  const begin = performance.now();
  const seen: Seen = {
    kind: "lost",
    status: 0,
    servedBy: "-",
    reason: "",
    firstByte: NaN,
    whole: NaN,
    twice: 0,
    at: 0,
  };
  let text = "";
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "upstream",
        messages: [{ role: "user", content: `Is there a star? (${number})` }],
        max_tokens: maxTokens,
        temperature: 0,
        stream: isStream,
      }),
      signal: AbortSignal.timeout(60_000),
    });
    seen.status = response.status;
    seen.servedBy = response.headers.get("x-remora-served-by") ?? "-";
    seen.reason = response.headers.get("x-remora-fallback-reason") ?? "";
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      if (text === "") seen.firstByte = performance.now() - begin;
      text += piece;
    }
    seen.kind = kindOf(text, response.status, isStream);
  } catch {
    seen.kind = "lost";
  }
  seen.twice = Math.max(0, (text.match(/"finish_reason":"(stop|length)"/g)?.length ?? 0) - 1);
  seen.at = performance.now();
  seen.whole = seen.at - begin;
  return seen;
}

function kindOf(text: string, status: number, isStream: boolean): Seen["kind"] {
  if (status >= 400) return "error";
  if (isStream) {
    if (text.endsWith("data: [DONE]\n\n")) return "whole";
    const last = text.trimEnd().split("\n\n").at(-1)!;
    return last.includes(`"error"`) ? "ended" : "lost";
  }
  try {
    return JSON.parse(text).choices[0].finish_reason ? "whole" : "lost";
  } catch {
    return "damaged";
  }
}

/** A fault of the scripted upstream, the same for each of so many requests. */
function scripted(script: string, count: number, flags: string[] = [], isStream = true): Fault {
  return {
    name: [script.replaceAll("-", " "), ...flags.length > 0 ? [`(${flags.join(" ")})`] : []].join(" "),
    flags,
    async run({ say, ask, askAll }) {
      await askAll(3);
      await say(script);
      const seen: Seen[] = [];
      for (let i = 0; i < count; i++) {
        if (script.startsWith("frozen-in")) await say(script);
        seen.push(await ask(i, { isStream }));
      }
      await say("well");
      const healedAt = performance.now();
      seen.push(...await untilReturned(ask));
      return { seen, healedAt };
    },
  };
}

/** Asks until the upstream answers again. */
async function untilReturned(ask: Stage["ask"]): Promise<Seen[]> {
  const seen: Seen[] = [];
  while (seen.length < 1000) {
    seen.push(await ask(seen.length));
    if (seen.at(-1)!.servedBy === "upstream" && seen.at(-1)!.kind === "whole") break;
    await pause(20);
  }
  return seen;
}

/** So many clients ask again and again until they are told to stop. */
function load(stage: Stage, clients: number, maxTokens: number): { seen: Seen[]; stop(): Promise<void> } {
  const seen: Seen[] = [];
  let isOver = false, number = 0;
  const running = Array.from({ length: clients }, async () => {
    while (!isOver) seen.push(await stage.ask(number++, { maxTokens }));
  });
  return {
    seen,
    async stop() {
      isOver = true;
      await Promise.all(running);
    },
  };
}

const few = values.quick ? 5 : 30;
const FAULTS: Fault[] = [
  {
    name: "refused",
    async run({ say, ask, askAll }) {
      await say("down");
      const seen = await askAll(values.quick ? 20 : 200);
      await say("up");
      const healedAt = performance.now();
      return { seen: [...seen, ...await untilReturned(ask)], healedAt };
    },
  },
  scripted("reset", few),
  scripted("reset-after-headers", few),
  scripted("reset-in-mid-stream", few),
  scripted("500", few),
  scripted("502", few),
  scripted("503", few),
  scripted("hang", 3, ["--first-byte-timeout", "1"]),
  scripted("frozen", 3, ["--silence", "1", "--probe-timeout", "1"]),
  scripted("hang-in-mid-stream", 3, ["--stall-timeout", "1"]),
  scripted("frozen-in-mid-stream", 2, ["--silence", "1", "--probe-timeout", "1"]),
  scripted("slow", 3),
  scripted("wrong-json", 5, [], false),
  {
    name: "certificate error",
    async run({ upstreamPort, say, askAll }) {
      await say("down");
      const secure = await Program.start(
        ["run", "-A", "bench/fallback_upstream.ts", `${upstreamPort}`, ...CERTIFICATE],
        "ready",
      );
      const seen = await askAll(few);
      await secure.kill("SIGKILL");
      return { seen };
    },
  },
  {
    name: "kill -9 between requests, restarted",
    async run({ say, startServer, ask }) {
      await say("down");
      const seen: Seen[] = [];
      let server = await startServer();
      const count = values.quick ? 96 : 1000;
      let healedAt = 0;
      for (let i = 0; i < count; i++) {
        if (i % (count / 4) === count / 8) await server.kill("SIGKILL");
        if (i % (count / 4) === count / 4 - 1) {
          server = await startServer();
          healedAt = performance.now();
        }
        seen.push(await ask(i, { isStream: i % 2 === 0 }));
      }
      seen.push(...await untilReturned(ask));
      await server.kill("SIGTERM");
      return { seen, healedAt };
    },
  },
  {
    name: "kill -9 under load of 8, restarted",
    async run(stage) {
      await stage.say("down");
      let server = await stage.startServer();
      const { seen, stop } = load(stage, 8, 100);
      await pause(4000);
      await server.kill("SIGKILL");
      await pause(3000);
      server = await stage.startServer();
      const healedAt = performance.now();
      await pause(8000);
      await stop();
      await server.kill("SIGTERM");
      return { seen, healedAt };
    },
  },
  {
    name: "flapping every second, load of 4",
    async run(stage) {
      const { seen, stop } = load(stage, 4, 12);
      for (let i = 0; i < (values.quick ? 3 : 10); i++) {
        await stage.say("down");
        await pause(1000);
        await stage.say("up");
        await pause(1000);
      }
      const healedAt = performance.now();
      await pause(6000);
      await stop();
      return { seen, healedAt };
    },
  },
  {
    name: "frozen (SIGSTOP) for 30 s, load of 4",
    async run(stage) {
      await stage.say("down");
      const server = await stage.startServer();
      const { seen, stop } = load(stage, 4, 40);
      await pause(3000);
      server.signal("SIGSTOP");
      await pause(30_000);
      server.signal("SIGCONT");
      const healedAt = performance.now();
      await pause(8000);
      await stop();
      await server.kill("SIGTERM");
      return { seen, healedAt };
    },
  },
];

async function measure(fault: Fault): Promise<Row> {
  const upstreamPort = freePort(), port = freePort();
  const upstream = await Program.start(
    ["run", "-A", "bench/fallback_upstream.ts", `${upstreamPort}`],
    "ready",
  );
  const upstreamUrl = `http${fault.name === "certificate error" ? "s" : ""}://localhost:${upstreamPort}`;
  const proxy = await Program.start(
    [
      ...["run", "-A", "cli/main.ts", "fallback", MODEL, "--threads", "1", "--port", `${port}`],
      ...["--upstream", upstreamUrl.replace("localhost", "127.0.0.1"), ...fault.flags ?? []],
    ],
    "standing in",
  );
  const url = `http://127.0.0.1:${port}`;
  const stage: Stage = {
    url,
    upstreamPort,
    say: (name) => upstream.say(name, "done"),
    ask: (number, options) => ask(url, number, options),
    async askAll(count, isStream) {
      const seen: Seen[] = [];
      for (let i = 0; i < count; i++) seen.push(await ask(url, i, { isStream }));
      return seen;
    },
    startServer: () =>
      Program.start(
        [
          ...["run", "-A", "cli/main.ts", "serve", OTHER_MODEL, "--served-model-name", "upstream"],
          ...["--threads", "1", "--port", `${upstreamPort}`],
        ],
        "serving",
      ),
  };
  try {
    return rowOf(fault.name, await fault.run(stage));
  } finally {
    await proxy.kill("SIGTERM");
    await upstream.kill("SIGKILL");
  }
}

function rowOf(fault: string, { seen, healedAt }: { seen: Seen[]; healedAt?: number }): Row {
  const takeovers = seen.filter(({ servedBy, kind }) => servedBy === "local" && kind === "whole")
    .map(({ firstByte }) => firstByte).sort((a, b) => a - b);
  const at = (share: number) =>
    takeovers[Math.min(takeovers.length - 1, Math.floor(takeovers.length * share))];
  const back = seen.find(({ servedBy, kind, at, whole }) =>
    servedBy === "upstream" && kind === "whole" && healedAt !== undefined && at - whole >= healedAt - 50
  );
  const counts = new Map<string, number>();
  for (const { kind, servedBy, reason, status } of seen) {
    const what = kind === "error" ? `${status}` : kind;
    const key = `${what} by ${servedBy}${reason && servedBy !== "upstream" ? ` (${reason})` : ""}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return {
    fault,
    requests: seen.length,
    seen: [...counts].sort(([, a], [, b]) => b - a).map(([key, count]) => `${count} ${key}`).join(", "),
    takeover: takeovers.length > 0 ? { p50: at(0.5), p95: at(0.95) } : null,
    returned: back && healedAt !== undefined
      ? Math.max(0, back.at - back.whole + back.firstByte - healedAt) / 1000
      : null,
    lost: seen.filter(({ kind }) => kind === "lost").length,
    endedWithError: seen.filter(({ kind }) => kind === "ended").length,
    twice: seen.reduce((sum, { twice }) => sum + twice, 0),
  };
}

function print(rows: readonly Row[]): void {
  const milliseconds = (value: number | undefined) => value === undefined ? "-" : `${value.toFixed(0)} ms`;
  const head = [
    "fault",
    "requests",
    "takeover p50",
    "p95",
    "back after",
    "lost",
    "ended with error",
    "twice",
    "clients saw",
  ];
  const lines = rows.map((row) => [
    row.fault,
    `${row.requests}`,
    milliseconds(row.takeover?.p50),
    milliseconds(row.takeover?.p95),
    row.returned === null ? "-" : `${row.returned.toFixed(2)} s`,
    `${row.lost}`,
    `${row.endedWithError}`,
    `${row.twice}`,
    row.seen,
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => line[i].length)));
  for (const line of [head, ...lines]) {
    console.log(
      line.map((cell, i) => i === 0 || i === 8 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")
        .trimEnd(),
    );
  }
}

const chosen = FAULTS.filter(({ name }) => values.only === undefined || name.includes(values.only));
const rows: Row[] = [];
for (const fault of chosen) {
  const row = await measure(fault);
  rows.push(row);
  if (values.json) console.log(JSON.stringify(row));
  else await Deno.stderr.write(new TextEncoder().encode(`${fault.name}: ${row.seen}\n`));
}
if (!values.json) print(rows);
