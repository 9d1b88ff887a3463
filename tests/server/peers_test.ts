/**
 * Programs that other people wrote for other servers, against a server here: the official Python packages, schemathesis, curl.
 * `PEERS_PYTHON` names a Python with `peers/requirements.txt`; tests that need it are skipped without it.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { NAME, PICTURE, type Serving, serving } from "./serving.ts";

const PYTHON = Deno.env.get("PEERS_PYTHON");
const KEY = "a key";

const peer = (name: string) => fileURLToPath(new URL(`peers/${name}`, import.meta.url));

function pythonTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${PYTHON ? "" : " (needs PEERS_PYTHON)"}`, ignore: PYTHON === undefined, fn });
}

async function run(command: string, args: string[], { url }: Serving): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    env: { REMORA_URL: url, REMORA_MODEL: NAME, REMORA_KEY: KEY, REMORA_PICTURE: PICTURE, NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  equal(code, 0, `${text}\n${new TextDecoder().decode(stderr)}`);
  return text;
}

pythonTest(
  "openai for Python: chat, pictures, structured answers, tools, responses, embeddings, errors",
  async () => {
    await using server = await serving({ apiKeys: [KEY] });
    const text = await run(PYTHON!, [peer("openai_client.py")], server);
    deepEqual(text.match(/\w+(?=: ok)/g), ["chat", "pictures", "structured", "others", "errors"]);
  },
);

pythonTest("anthropic for Python: messages, streams, tools, counted tokens, errors", async () => {
  await using server = await serving({ apiKeys: [KEY] });
  match(await run(PYTHON!, [peer("anthropic_client.py")], server), /messages: ok/);
});

pythonTest(
  "schemathesis finds no failure of the server and no response that the document does not describe",
  async () => {
    await using server = await serving();
    const text = await run(PYTHON!, [
      "-m",
      "schemathesis.cli",
      "run",
      `${server.url}/openapi.json`,
      "--checks",
      "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance",
      "--phases",
      "coverage,fuzzing",
      "--max-examples",
      "20",
      "--seed",
      "1",
      "--request-timeout",
      "60",
    ], server);
    match(text, /No issues found|\d+ generated, \d+ passed/);
  },
);

Deno.test("curl: a stream with its events, and errors with their status", async () => {
  await using server = await serving({ apiKeys: [KEY] });
  const body = JSON.stringify({
    model: NAME,
    messages: [{ role: "user", content: "Is there a star?" }],
    max_tokens: 5,
    stream: true,
  });
  const curl = (...args: string[]) =>
    run("curl", [
      "-sSN",
      "-H",
      "Content-Type: application/json",
      `${server.url}/v1/chat/completions`,
      ...args,
    ], server);
  const events = (await curl("-H", `Authorization: Bearer ${KEY}`, "-d", body)).trim().split("\n\n");
  equal(events.at(-1), "data: [DONE]");
  ok(
    events.slice(0, -1).every((event) =>
      JSON.parse(event.replace("data: ", "")).object === "chat.completion.chunk"
    ),
  );
  match(await curl("-i", "-d", body), /^HTTP\/1.1 401[^]*invalid_api_key/);
  match(
    await curl("-i", "-H", `Authorization: Bearer ${KEY}`, "-d", "{"),
    /^HTTP\/1.1 400[^]*invalid_request_error/,
  );
});
