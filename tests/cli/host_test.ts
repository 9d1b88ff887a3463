/** What every host does alike when it listens, and what Node's makes of keys; both run here, as Deno has Node's modules. */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import process from "node:process";
import type { ReadStream } from "node:tty";
import { host as denoHost } from "../../cli/host/deno.ts";
import type { HttpServer } from "../../cli/host/host.ts";
import { host as nodeHost } from "../../cli/host/node.ts";
import { Input } from "../../cli/host/node_input.ts";

const HERE = { hostname: "127.0.0.1", port: 0 };
const addressOf = ({ hostname, port }: HttpServer) => `http://${hostname}:${port}/`;

for (const [name, host] of Object.entries({ denoHost, nodeHost })) {
  Deno.test(`${name} answers requests, in pieces as they come`, async () => {
    const { promise: first, resolve } = Promise.withResolvers<void>();
    const server = await host.listen(HERE, async (request) => {
      const asked = await request.text();
      const pieces = async function* () {
        yield new TextEncoder().encode(`${request.method} ${new URL(request.url).pathname} `);
        await first;
        yield new TextEncoder().encode(asked);
      };
      return new Response(ReadableStream.from(pieces()), { status: 202 });
    });
    const response = await fetch(`${addressOf(server)}path`, { method: "POST", body: "hello" });
    assert.equal(response.status, 202);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await reader.read()).value, "POST /path ");
    resolve();
    assert.equal((await reader.read()).value, "hello");
    assert.ok((await reader.read()).done);
    await server.shutdown();
  });

  Deno.test(`${name} says that a client went away`, async () => {
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const server = await host.listen(HERE, ({ signal }) => {
      signal.addEventListener("abort", () => resolve());
      return Promise.resolve(
        new Response(
          new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("a")) }),
        ),
      );
    });
    const leave = new AbortController();
    const response = await fetch(addressOf(server), { signal: leave.signal });
    const reader = response.body!.getReader();
    await reader.read();
    leave.abort();
    await reader.read().catch(() => {});
    await gone;
    await server.shutdown();
  });

  Deno.test(`${name} refuses an address that is taken`, async () => {
    const taken = Deno.listen(HERE);
    await assert.rejects(host.listen(taken.addr as Deno.NetAddr, () => Promise.resolve(new Response())));
    taken.close();
  });

  Deno.test(`${name} answers what runs before it ends, and takes nothing new`, async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    const server = await host.listen(HERE, async () => {
      ask();
      await answered;
      return new Response("done");
    });
    const response = fetch(addressOf(server));
    await asked;
    const ended = server.shutdown();
    answer();
    assert.equal(await (await response).text(), "done");
    await ended;
    await assert.rejects(fetch(addressOf(server)));
  });
}

/** A terminal that says what it is told to. */
function fakeTerminal() {
  const modes: boolean[] = [];
  const terminal = Object.assign(new EventEmitter(), {
    setRawMode: (isRaw: boolean) => modes.push(isRaw),
    resume: () => {},
    pause: () => {},
  });
  const type = (text: string) => terminal.emit("data", new TextEncoder().encode(text));
  return { terminal, modes, type, input: new Input(terminal as unknown as ReadStream) };
}

async function readText(input: Input): Promise<string | undefined> {
  const piece = await input.read();
  return piece && new TextDecoder().decode(piece);
}

Deno.test("Ctrl-C is SIGINT on a raw terminal, whoever reads or not, and drops what was typed before it", async () => {
  const { input, modes, type, terminal } = fakeTerminal();
  let interrupts = 0;
  const listener = () => interrupts++;
  process.on("SIGINT", listener);
  try {
    input.setRaw(true);
    type("lost");
    type("lost too\x03kept");
    assert.equal(interrupts, 1);
    assert.equal(await readText(input), "kept");
    const pending = readText(input);
    type("\x03");
    assert.equal(interrupts, 2);
    type("next");
    assert.equal(await pending, "next");
    const again = readText(input);
    for (const text of ["dropped", "\x03", "last"]) type(text);
    assert.equal(await again, "last");
    assert.equal(interrupts, 3);
    input.setRaw(false);
    type("a\x03b");
    assert.equal(await readText(input), "a\x03b");
    assert.equal(interrupts, 3);
    assert.deepEqual(modes, [true, false]);
    terminal.emit("end");
    assert.equal(await readText(input), undefined);
    assert.equal(await readText(input), undefined);
  } finally {
    process.off("SIGINT", listener);
  }
});

Deno.test("a terminal that is gone is the end of input", async () => {
  const { input, terminal, type } = fakeTerminal();
  const first = readText(input);
  type("x");
  assert.equal(await first, "x");
  const second = readText(input);
  terminal.emit("error", new Error("EIO"));
  assert.equal(await second, undefined);
});
