/**
 * An upstream for `fallback_faults.ts`, in a process of its own: what it does wrong is told over its standard input, one name a line.
 *
 *     deno run --allow-net=127.0.0.1 --allow-read bench/fallback_upstream.ts PORT [CERTIFICATE KEY]
 *
 * @module
 */
import {
  beginChunks,
  chunk,
  dead,
  type Exchange,
  respond,
  type Script,
  type ScriptedUpstream,
  scriptedUpstream,
} from "../tests/fallback/scripted_upstream.ts";

const MODELS = JSON.stringify({ object: "list", data: [{ id: "upstream", object: "model", parent: null }] });
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** An answer in OpenAI's shape that says what was asked, so that answers and requests can be matched. */
function answerOf({ body }: Exchange): { whole: string; events: string[] } {
  const { messages, stream } = JSON.parse(new TextDecoder().decode(body));
  const about = { id: "chatcmpl-upstream", created: 0, model: "upstream" };
  const content = `upstream: ${messages[0].content}`;
  const choice = { index: 0, finish_reason: "stop" };
  const piece = (text: string, finish: string | null) =>
    `data: ${
      JSON.stringify({
        ...about,
        object: "chat.completion.chunk",
        choices: [{ index: 0, delta: { content: text }, finish_reason: finish }],
      })
    }\n\n`;
  return {
    whole: JSON.stringify({
      ...about,
      object: "chat.completion",
      choices: [{ ...choice, message: { role: "assistant", content } }],
    }),
    events: stream
      ? [...content.match(/.{1,8}/g)!.map((text) => piece(text, null)), piece("", "stop"), "data: [DONE]\n\n"]
      : [],
  };
}

/** Answers as it should; `between` is called before each event. */
function well(
  between: (event: number, exchange: Exchange) => Promise<void> = () => Promise.resolve(),
): Script {
  return async (exchange) => {
    if (exchange.target === "/v1/models") return await respond(exchange, MODELS);
    const { whole, events } = answerOf(exchange);
    if (events.length === 0) {
      return await respond(exchange, whole, { fields: ["content-type: application/json"] });
    }
    await beginChunks(exchange, ["content-type: text/event-stream"]);
    for (const [index, event] of events.entries()) {
      await between(index, exchange);
      await chunk(exchange, event);
    }
    await chunk(exchange, "");
  };
}

const status = (line: string): Script => (exchange) =>
  respond(exchange, `{"error":{"message":"${line}"}}`, {
    status: line,
    fields: ["content-type: application/json"],
  });

const SCRIPTS: Readonly<Record<string, Script>> = {
  "well": well(),
  "500": status("500 Internal Server Error"),
  "502": status("502 Bad Gateway"),
  "503": status("503 Service Unavailable"),
  "reset": (exchange) => Promise.resolve(exchange.reset()),
  "reset-after-headers": async (exchange) => {
    await beginChunks(exchange, ["content-type: text/event-stream"]);
    await pause(5);
    exchange.reset();
  },
  "reset-in-mid-stream": well(async (event, exchange) => {
    if (event < 2) return;
    await chunk(exchange, `data: {"half`);
    await pause(5);
    exchange.reset();
  }),
  "hang": () => new Promise(() => {}),
  "frozen": dead,
  "hang-in-mid-stream": well(async (event) => {
    if (event === 2) await new Promise(() => {});
  }),
  "frozen-in-mid-stream": well(async (event) => {
    if (event !== 2) return;
    upstream.script = dead;
    await new Promise(() => {});
  }),
  "slow": well(async (event) => void await pause(event === 0 ? 3000 : 300)),
  "wrong-json": (exchange) =>
    respond(exchange, `{"choices": [{"message": `, { fields: ["content-type: application/json"] }),
};

const [port, cert, key] = Deno.args;
const tls = cert ? { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) } : undefined;

async function listen(script: Script): Promise<ScriptedUpstream> {
  while (true) {
    try {
      return scriptedUpstream(script, { port: Number(port), tls });
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
      await pause(5);
    }
  }
}

let upstream = await listen(SCRIPTS.well);
console.log("ready");
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  for (const name of text.trim().split("\n")) {
    if (name === "down") await upstream[Symbol.asyncDispose]();
    else if (name === "up") upstream = await listen(SCRIPTS.well);
    else upstream.script = SCRIPTS[name];
    console.log("done");
  }
}
