/**
 * What the proxy adds to an upstream that answers at once: deno task bench:fallback [--requests 2000] [--clients 1]
 *
 * Requests go alternately to the upstream and through the proxy, each over a kept connection; three processes.
 *
 * @module
 */
import { freePort, Program } from "./fallback_programs.ts";
import { readCommand } from "./command.ts";

const { values } = readCommand({
  usage: "deno task bench:fallback",
  purpose: "What the fallback adds to an upstream that answers at once.",
  options: {
    requests: { value: "N", help: "requests each way", default: "2000" },
    clients: { value: "N", help: "clients at once", default: "1" },
  },
});

/** Milliseconds to the first byte, and to the last. */
async function ask(url: string, isStream: boolean): Promise<[first: number, last: number]> {
  const begin = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "upstream",
      messages: [{ role: "user", content: "Is there a star? ".repeat(20) }],
      stream: isStream,
    }),
  });
  let first = 0;
  for await (const _ of response.body!) first ||= performance.now() - begin;
  return [first, performance.now() - begin];
}

function percentile(values: number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2);
}

const upstreamPort = freePort(), port = freePort();
const upstream = await Program.start(["run", "-A", "bench/fallback_upstream.ts", `${upstreamPort}`], "ready");
const direct = `http://127.0.0.1:${upstreamPort}`, proxied = `http://127.0.0.1:${port}`;
const proxy = await Program.start([
  ...[
    "run",
    "-A",
    "cli/main.ts",
    "fallback",
    "models/scenes-mllama-int4",
    "--threads",
    "1",
    "--port",
    `${port}`,
  ],
  ...["--upstream", direct],
], "standing in");
try {
  for (const isStream of [false, true]) {
    const times = { direct: [] as [number, number][], proxied: [] as [number, number][] };
    const turns = Math.ceil(Number(values.requests) / Number(values.clients));
    await Promise.all(Array.from({ length: Number(values.clients) }, async () => {
      for (let turn = -100; turn < turns; turn++) {
        const both = [await ask(direct, isStream), await ask(proxied, isStream)] as const;
        if (turn < 0) continue;
        times.direct.push(both[0]);
        times.proxied.push(both[1]);
      }
    }));
    for (const [index, what] of ["first byte", "whole"].entries()) {
      const of = (list: [number, number][]) => list.map((pair) => pair[index]);
      const added = times.proxied.map((pair, i) => pair[index] - times.direct[i][index]);
      const row = (list: number[]) => `p50 ${percentile(list, 0.5)}, p95 ${percentile(list, 0.95)} ms`;
      console.log(
        `${isStream ? "stream" : "JSON"}, ${what}: direct ${row(of(times.direct))}; through the proxy ${
          row(of(times.proxied))
        }; added ${row(added)}`,
      );
    }
  }
} finally {
  await proxy.kill("SIGTERM");
  await upstream.kill("SIGKILL");
}
