/**
 * `remora serve` as a process of its own, with the permissions that its help names and no more.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { inFolder } from "../in_folder.ts";
import { hasPermissions, remora } from "./remora.ts";
import { serve as start } from "./serving.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));

/** Serves with leave to read the model and to listen. */
const serve = (args: string[], host?: string) => start(args, { allowRead: SCENES }, host);

const ask = (url: string, more: Record<string, unknown> = {}) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model: "scenes-mllama-int4",
      messages: [{ role: "user", content: "Is there a star?" }],
      max_tokens: 5,
      ...more,
    }),
  });

Deno.test("serve without a model answers with the repository's own, and says one line on stderr", {
  ignore: !hasPermissions,
}, async () => {
  const server = await serve([]);
  const answer = await (await ask(server.url)).json();
  equal(answer.object, "chat.completion");
  match(
    await (await fetch(`${server.url}/metrics`)).text(),
    /^vllm:generation_tokens_total\{model_name="scenes-mllama-int4"\} \d/m,
  );
  deepEqual([...server.statuses].filter((status) => ![200, 503].includes(status)), []);
  const { code, stderr } = await server.end();
  equal(code, 0);
  match(stderr, /^remora: serving scenes-mllama-int4 at http:\/\/127\.0\.0\.1:\d+\n$/);
});

Deno.test("a model without a chat template is told of as the server starts", async () => {
  await inFolder(async (folder) => {
    for (const { name, isFile } of Deno.readDirSync(SCENES)) {
      if (isFile && name !== "chat_template.json") {
        Deno.copyFileSync(`${SCENES}/${name}`, `${folder}/${name}`);
      }
    }
    const config = JSON.parse(Deno.readTextFileSync(`${folder}/tokenizer_config.json`));
    delete config.chat_template;
    Deno.writeTextFileSync(`${folder}/tokenizer_config.json`, JSON.stringify(config));
    const server = await start([folder, "--served-model-name", "plain"], { allowRead: folder });
    equal(
      (await ask(server.url, { model: "plain" }).then((response) => response.json())).error.code,
      "no_chat_template",
    );
    const { code, stderr } = await server.end();
    equal(code, 0);
    match(
      stderr,
      /^remora: note: the model has no chat template; .*\/v1\/completions.*\nremora: serving .*\n$/,
    );
    const { stderr: refusal, code: status } = await remora(["run", folder, "hi", "--system", "x"], {
      allowRead: folder,
    });
    match(refusal, /--system: expected a model with a chat template/);
    equal(status, 2);
  });
});

Deno.test("SIGTERM lets what runs come to its end, and takes nothing new", async () => {
  const server = await serve([SCENES, "--served-model-name", "scenes-mllama-int4"]);
  const response = await ask(server.url, { max_tokens: 1500, ignore_eos: true, stream: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = (await reader.read()).value!;
  const ended = server.end();
  for (let step = await reader.read(); !step.done; step = await reader.read()) text += step.value;
  ok(text.endsWith("data: [DONE]\n\n"));
  equal((await ended).code, 0);
  await ask(server.url).then(() => {
    throw new Error("still there");
  }, () => {});
});

Deno.test("clients that send half a request or do not read hold up the end only until the second signal", async () => {
  const server = await serve([SCENES, "--served-model-name", "scenes-mllama-int4"]);
  const port = Number(new URL(server.url).port);
  using half = await Deno.connect({ hostname: "127.0.0.1", port });
  const head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
  await half.write(new TextEncoder().encode(`${head}content-length: 100\r\n\r\n{`));
  const unread = await ask(server.url, { max_tokens: 1500, ignore_eos: true, stream: true });
  server.child.kill("SIGTERM");
  await new Promise((resolve) => setTimeout(resolve, 300));
  const begin = performance.now();
  const { code, stderr } = await server.end();
  equal(code, 0);
  ok(performance.now() - begin < 10_000);
  match(stderr, /warning: what still ran was cut off by a second signal\n$/);
  await unread.body?.cancel().catch(() => {});
});

Deno.test("what cannot be served is refused in one line", { ignore: !hasPermissions }, async () => {
  const refused = async (args: string[], options: Record<string, string> = {}) => {
    const { code, stderr } = await remora(["serve", ...args], { allowRead: SCENES, ...options });
    ok(code !== 0 && stderr.trim().split("\n").length === 1, stderr);
    return stderr;
  };
  match(await refused([]), /pass --allow-net=127\.0\.0\.1:8000/);
  match(await refused(["--port", "70000"]), /--port/);
  match(await refused(["a", "b"]), /unexpected argument "b"/);
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  match(await refused(["--port", `${port}`], { allowNet: `127.0.0.1:${port}` }), /Cannot listen/);
  taken.close();
  match(
    await refused(["--port", "0", "--tool-call-parser", "nonsense"], { allowNet: "127.0.0.1:0" }),
    /hermes/,
  );
});

Deno.test("empty keys, names and hosts, and origins that are none, are refused by name", async () => {
  for (
    const [option, value] of [
      ["--api-key", ""],
      ["--cors", "notanorigin"],
      ["--served-model-name", ""],
      ["--allow-image-urls", ""],
    ]
  ) {
    const { code, stderr } = await remora(["serve", SCENES, option, value], { allowRead: SCENES });
    equal(code, 2, option);
    ok(stderr.includes(option), stderr);
  }
});

Deno.test("an address that others reach, without a key, is warned of", async () => {
  const server = await serve([SCENES, "--host", "0.0.0.0"], "0.0.0.0");
  equal((await ask(server.url)).status, 200);
  const { stderr } = await server.end("SIGINT");
  match(stderr, /warning: 0\.0\.0\.0 is reachable from elsewhere, and no --api-key/);
});
