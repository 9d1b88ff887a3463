/**
 * `remora fallback` as a process of its own, before `remora serve` in another, with the permissions that their help names and no more.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { freePort } from "../free_port.ts";
import { hasPermissions, remora, spawnRemora } from "./remora.ts";
import { follow } from "./serving.ts";

const folder = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const SCENES = folder("models/scenes-mllama-int4");
const UPSTREAM = folder("tests/goldens/arch-llama");

/** Starts a command that listens, and waits for a line of its. */
async function start(
  args: string[],
  port: number,
  more: { read?: string; net?: string[]; line?: string } = {},
) {
  const { read = SCENES, net = [], line = "http" } = more;
  const child = spawnRemora([...args, "--port", `${port}`, "--threads", "1"], {
    allowRead: read,
    allowNet: [`127.0.0.1:${port}`, ...net].join(","),
  });
  const { seen, end } = follow(child, line);
  await seen;
  return { url: `http://127.0.0.1:${port}`, child, end };
}

const ask = (url: string, model = "upstream") =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Is there a star?" }], max_tokens: 5 }),
  });

Deno.test("the upstream is killed and comes back: its answers, the model's, and its own again", async () => {
  const upstreamPort = freePort(), port = freePort();
  const serve = () =>
    start(["serve", UPSTREAM, "--served-model-name", "upstream"], upstreamPort, {
      read: UPSTREAM,
      line: "serving",
    });
  let upstream = await serve();
  const proxy = await start(
    ["fallback", SCENES, "--upstream", upstream.url, "--circuit-open", "0.1"],
    port,
    { net: [`127.0.0.1:${upstreamPort}`], line: "standing in" },
  );
  const who = async (response: Response) => [
    response.headers.get("x-remora-served-by"),
    response.headers.get("x-remora-fallback-reason"),
    (await response.json()).model,
  ];
  deepEqual(await who(await ask(proxy.url)), ["upstream", null, "upstream"]);
  await upstream.end("SIGKILL");
  deepEqual(await who(await ask(proxy.url)), ["local", "connection_refused", "scenes-mllama-int4"]);
  deepEqual((await ask(proxy.url, "an-adapter")).status, 502);
  upstream = await serve();
  await new Promise((resolve) => setTimeout(resolve, 150));
  deepEqual(await who(await ask(proxy.url)), ["upstream", null, "upstream"]);
  const metrics = await (await fetch(`${proxy.url}/x-remora/metrics`)).text();
  match(metrics, /^remora_fallback_answers_total\{model_name="scenes-mllama-int4",served_by="local"\} 1$/m);
  match(
    metrics,
    /^remora_fallback_failures_total\{model_name="http:\/\/127.0.0.1:\d+",reason="connection_refused"\} 2$/m,
  );
  match(metrics, /^vllm:generation_tokens_total\{model_name="scenes-mllama-int4"\} \d/m);
  const { upstreams, local } = await (await fetch(`${proxy.url}/x-remora/status`)).json();
  deepEqual([upstreams[0].circuit, local.state], ["closed", "ready"]);
  await upstream.end();
  const { code, stderr } = await proxy.end();
  equal(code, 0);
  match(
    stderr,
    /^remora: standing in for http:\/\/127\.0\.0\.1:\d+ with scenes-mllama-int4 at http:\/\/127\.0\.0\.1:\d+\n/,
  );
  match(stderr, /POST \/v1\/chat\/completions 200 by local \(connection_refused\), 2 tries, \d+ ms\n/);
});

/** A body of so many bytes, made as it is asked for. */
function bodyOf(size: number): ReadableStream<Uint8Array> {
  const piece = new Uint8Array(1 << 20);
  let left = size;
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close();
      controller.enqueue(piece.subarray(0, left));
      left -= piece.length;
    },
  }, { highWaterMark: 0 });
}

Deno.test({
  name: "1 GB each way passes through and does not stay in memory",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const port = freePort();
    await using upstream = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => {
        if (request.method === "GET") {
          return new Response(bodyOf(Number(new URL(request.url).search.slice(1))));
        }
        let count = 0;
        for await (const piece of request.body!) count += piece.length;
        return new Response(`${count}`);
      },
    );
    const { addr } = upstream;
    const proxy = await start(
      ["fallback", SCENES, "--lazy", "--upstream", `http://127.0.0.1:${addr.port}`],
      port,
      {
        net: [`127.0.0.1:${addr.port}`],
        line: "standing in",
      },
    );
    const peak = () => {
      const status = Deno.readTextFileSync(`/proc/${proxy.child.pid}/status`);
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
    };
    const pass = async (size: number) => {
      const sent = await fetch(`${proxy.url}/v1/chat/completions`, { method: "POST", body: bodyOf(size) });
      equal(await sent.text(), `${size}`);
      let received = 0;
      for await (const piece of (await fetch(`${proxy.url}/any?${size}`)).body!) received += piece.length;
      equal(received, size);
    };
    // The engine's heap takes its size, and what may be sent again is kept once; from then on it does not matter how much passes.
    await pass(2e8);
    const before = peak();
    await pass(1e9);
    const grown = peak() - before;
    await proxy.end();
    ok(grown < 200, `grown by ${grown.toFixed(0)} MB`);
  },
});

Deno.test("what cannot be meant is refused in one line, before anything listens", async () => {
  const refused = async (args: string[], options: Record<string, string> = {}) => {
    const { code, stderr } = await remora(["fallback", ...args], { allowRead: SCENES, ...options });
    ok(code !== 0 && stderr.trim().split("\n").length === 1, stderr);
    return stderr;
  };
  const allowNet = "127.0.0.1";
  const upstream = ["--upstream", "http://127.0.0.1:1"];
  match(await refused([SCENES]), /expected --upstream URL/);
  match(await refused(upstream), /expected MODEL/);
  match(await refused([SCENES, "--upstream", "127.0.0.1:1"]), /http or https URL/);
  if (hasPermissions) {
    match(await refused([SCENES, ...upstream]), /pass --allow-net=127\.0\.0\.1:1 to deno run/);
  }
  match(await refused([SCENES, ...upstream, "--silence", "-1"], { allowNet }), /--silence/);
  match(await refused([SCENES, ...upstream, "--health-path", "health"], { allowNet }), /begins with \//);
  match(
    await refused([SCENES, "--upstream", "http://127.0.0.1:1/v1", "--port", "0"], { allowNet }),
    /without \/v1/,
  );
  match(
    await refused(["/no/such/model", ...upstream, "--port", "0"], { allowNet, allowRead: "/no" }),
    /no such file/,
  );
});
