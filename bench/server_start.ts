/**
 * The time from the command to the first answered request.
 *
 *     deno run -A bench/server_start.ts MODEL [RUNS] [-- OPTIONS OF serve]
 *
 * @module
 */
import { readCommand, refuseLack } from "./command.ts";

const { positionals: [model, runsText = "5"], passed: options } = readCommand({
  usage: "deno run -A bench/server_start.ts MODEL [RUNS]",
  purpose: "The time from the command to the first answered request.",
  options: {},
  arguments: 2,
  passed: "options of remora serve",
});
if (model === undefined) refuseLack("MODEL");
const runs = Number(runsText);
const seconds: number[] = [];

for (let run = 0; run < runs; run++) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const begin = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "cli/main.ts",
      "serve",
      model,
      "--port",
      `${port}`,
      "--served-model-name",
      "m",
      ...options,
    ],
    stderr: "null",
  }).spawn();
  const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "Hi" }], max_tokens: 1 });
  while (true) {
    const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    }).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.status === 200) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  seconds.push((performance.now() - begin) / 1000);
  child.kill("SIGTERM");
  await child.status;
}
const sorted = seconds.toSorted((a, b) => a - b);
console.log(
  `${runs} starts: median ${sorted[runs >> 1].toFixed(2)} s, best ${sorted[0].toFixed(2)} s, worst ${
    sorted.at(-1)!.toFixed(2)
  } s`,
);
