/**
 * Other people's programs that have remora as their last resort: OpenAI's client and LiteLLM ask it themselves, vLLM's router stands
 * behind it. `PEERS_PYTHON` names a Python with tests/server/peers/requirements.txt; skipped without it.
 */
import { equal, match } from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { loadModel } from "../../mod.ts";
import { freePort } from "../free_port.ts";
import { NAME, SCENES, serving } from "../server/serving.ts";
import { CHAT, chat, deadUrl, JSON_FIELDS, proxying } from "./proxying.ts";
import { rawExchange, type RawResponse } from "./raw_client.ts";
import { respond, type Script, scriptedUpstream } from "./scripted_upstream.ts";

const PYTHON = Deno.env.get("PEERS_PYTHON");
const ROUTER = PYTHON && `${dirname(PYTHON)}/vllm-router`;

const ANSWER = JSON.stringify({
  id: "1",
  object: "chat.completion",
  created: 0,
  model: "main",
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "well" } }],
});
const answerWell: Script = (exchange) => respond(exchange, ANSWER, { fields: JSON_FIELDS });

function pythonTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${PYTHON ? "" : " (needs PEERS_PYTHON)"}`, ignore: PYTHON === undefined, fn });
}

/** The name of the model that answered a program. */
async function answering(program: string, upstreamUrl: string, url: string): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(PYTHON!, {
    args: [fileURLToPath(new URL(`peers/${program}`, import.meta.url))],
    // The list of prices is on the network otherwise.
    env: { UPSTREAM_URL: upstreamUrl, REMORA_URL: url, LITELLM_LOCAL_MODEL_COST_MAP: "True" },
  }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

for (const program of ["openai_last_resort.py", "litellm_last_resort.py"]) {
  pythonTest(`${program}: remora answers when the server is gone or broken, and only then`, async () => {
    await using server = await serving();
    equal(await answering(program, deadUrl(), server.url), NAME);
    await using broken = scriptedUpstream((exchange) =>
      respond(exchange, `{"error":{"message":"no"}}`, { status: "500 No", fields: JSON_FIELDS })
    );
    equal(await answering(program, broken.url, server.url), NAME);
    await using well = scriptedUpstream(answerWell);
    equal(await answering(program, well.url, server.url), "main");
  });
}

pythonTest(
  "vLLM's router as the upstream: its worker answers, then the model, when the worker is gone",
  async () => {
    const port = freePort();
    const worker = scriptedUpstream(answerWell);
    let isGone = false;
    const router = new Deno.Command(ROUTER!, {
      args: [
        ...["--worker-urls", worker.url, "--port", `${port}`, "--prometheus-port", `${freePort()}`],
        ...["--log-level", "warning", "--retry-max-retries", "1"],
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const url = `http://127.0.0.1:${port}`;
      await using proxy = proxying({
        upstreams: [url],
        model: () => loadModel(SCENES, { threads: 1 }),
        modelName: "tiny",
        standsInFor: [NAME],
      });
      await answers(`${url}/health`);
      const ask = () => rawExchange(proxy.url, CHAT, { method: "POST", fields: JSON_FIELDS, body: chat() });
      equal(whoOf(await ask()), "200 upstream main ");
      await worker[Symbol.asyncDispose]();
      isGone = true;
      match(whoOf(await ask()), /^200 local tiny status_50\d$/);
    } finally {
      router.kill("SIGTERM");
      await router.status;
      if (!isGone) await worker[Symbol.asyncDispose]();
    }
  },
);

function whoOf({ status, field, text }: RawResponse): string {
  const names = ["x-remora-served-by", "x-remora-fallback-reason"];
  const [by, reason] = names.map((name) => field(name) ?? "");
  return `${status} ${by} ${JSON.parse(text).model} ${reason}`;
}

/** Waits until a server says that it is well. */
async function answers(url: string): Promise<void> {
  for (let left = 100; left > 0; left--) {
    const response = await fetch(url).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${url}: expected an answer, found none`);
}
