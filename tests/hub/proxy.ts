/**
 * A proxy for tests: it relays what comes for names that it knows, as it comes, and keeps what it saw.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#CONNECT | CONNECT}
 * @module
 */

/** A proxy that runs. */
export interface Proxy extends AsyncDisposable {
  /** `host:port`. */
  host: string;
  /** For each connection what was asked for: `CONNECT hub.test:443`, `GET http://hub.test`. */
  asked: string[];
  /** The lines `Proxy-Authorization` that came. */
  credentials: string[];
  /** All that went through, in either direction, as Latin-1. */
  seen(): string;
}

const HEAD_BYTES_MAX = 16 * 1024;

/** @param places Where each `host:port` really is. */
export function startProxy(places: Record<string, number>): Proxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked: string[] = [], credentials: string[] = [], pieces: string[] = [];
  const open = new Set<Deno.Conn>(), relays: Promise<void>[] = [];
  const noting = () =>
    new TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>({
      transform(piece, controller) {
        pieces.push(new TextDecoder("latin1").decode(piece));
        controller.enqueue(piece.slice());
      },
    });

  async function relay(client: Deno.Conn): Promise<void> {
    open.add(client);
    const { head, rest } = await readHead(client);
    const [, method, target] = /^(\S+) (\S+)/.exec(head)!;
    const { host, port } = method === "CONNECT" ? { host: target, port: "" } : new URL(target);
    asked.push(method === "CONNECT" ? `CONNECT ${target}` : `${method} http://${host}`);
    credentials.push(...head.match(/^proxy-authorization: [^\r]*/gim) ?? []);
    const place = places[method === "CONNECT" || port !== "" ? host : `${host}:80`];
    const server = await Deno.connect({ hostname: "127.0.0.1", port: place });
    open.add(server);
    // A tunnel's head ends here; that of a request is the server's to read.
    if (method === "CONNECT") await client.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\n"));
    const before = method === "CONNECT" ? rest : new Uint8Array([...new TextEncoder().encode(head), ...rest]);
    const up = noting();
    const upward = up.readable.pipeTo(server.writable);
    const writer = up.writable.getWriter();
    await writer.write(before);
    writer.releaseLock();
    await Promise.all([
      upward,
      client.readable.pipeTo(up.writable),
      server.readable.pipeThrough(noting()).pipeTo(client.writable),
    ]);
  }

  const accepting = (async () => {
    for await (const client of listener) relays.push(relay(client).catch(() => {}));
  })();
  return {
    host: `127.0.0.1:${listener.addr.port}`,
    asked,
    credentials,
    seen: () => pieces.join(""),
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of open) {
        try {
          connection.close();
        } catch {
          // It was closed by its other end.
        }
      }
      await Promise.all([accepting, ...relays]);
    },
  };
}

/** A request's head, with the empty line, and what came behind it. */
async function readHead(client: Deno.Conn): Promise<{ head: string; rest: Uint8Array }> {
  const buffer = new Uint8Array(HEAD_BYTES_MAX);
  let filled = 0;
  while (filled < buffer.length) {
    const count = await client.read(buffer.subarray(filled));
    if (count === null) break;
    filled += count;
    const text = new TextDecoder("latin1").decode(buffer.subarray(0, filled));
    const end = text.indexOf("\r\n\r\n");
    if (end >= 0) return { head: text.slice(0, end + 4), rest: buffer.slice(end + 4, filled) };
  }
  throw new Error("expected a request's head");
}

/** Takes off the encryption before a server that has none; what disposes it. */
export function startTls(
  port: number,
  certificate: { cert: string; key: string },
): { port: number } & Disposable {
  const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...certificate });
  const open = new Set<Deno.Conn>();
  (async () => {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      open.add(client).add(server);
      client.readable.pipeTo(server.writable).catch(() => {});
      server.readable.pipeTo(client.writable).catch(() => {});
    }
  })().catch(() => {});
  return {
    port: listener.addr.port,
    [Symbol.dispose]() {
      listener.close();
      for (const connection of open) {
        try {
          connection.close();
        } catch {
          // It was closed by its other end.
        }
      }
    },
  };
}
