/**
 * A server that does to each connection what its path or script says: bytes as they are written here, and every way to fail.
 *
 *     deno run --allow-net=127.0.0.1 tests/fallback/scripted_upstream.ts PORT
 *
 * @module
 */

const encoder = new TextEncoder();

/** What becomes of a request. */
export type Script = (exchange: Exchange) => Promise<void>;

/** A request, and the connection that it came over. */
export interface Exchange {
  method: string;
  target: string;
  /** Header fields as they came. */
  fields: [string, string][];
  body: Uint8Array<ArrayBuffer>;
  write(bytes: Uint8Array | string): Promise<void>;
  /** Ends the connection in the middle of whatever is being sent. */
  reset(): void;
}

/** A server in this process. */
export interface ScriptedUpstream extends AsyncDisposable {
  url: string;
  port: number;
  /** All that was asked, but for signs of life. */
  requests: Exchange[];
  script: Script;
}

/** A whole response; the length is added. */
export async function respond(
  { write }: Exchange,
  body: string | Uint8Array,
  { status = "200 OK", fields = [] }: { status?: string; fields?: string[] } = {},
): Promise<void> {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const lines = [`HTTP/1.1 ${status}`, ...fields, `content-length: ${bytes.length}`, "", ""];
  await write(lines.join("\r\n"));
  await write(bytes);
}

/** The beginning of a response in chunks. */
export async function beginChunks(
  { write }: Exchange,
  fields: string[] = [],
  status = "200 OK",
): Promise<void> {
  await write([`HTTP/1.1 ${status}`, ...fields, "transfer-encoding: chunked", "", ""].join("\r\n"));
}

/** One chunk; an empty one is the end. */
export async function chunk({ write }: Exchange, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  await write(
    new Uint8Array(
      await new Blob([`${bytes.length.toString(16)}\r\n`, new Uint8Array(bytes), "\r\n"]).arrayBuffer(),
    ),
  );
}

/** Starts one on a free port. */
export function scriptedUpstream(
  script: Script,
  { port = 0, tls }: { port?: number; tls?: { cert: string; key: string } } = {},
): ScriptedUpstream {
  const listener = tls
    ? Deno.listenTls({ hostname: "127.0.0.1", port, ...tls })
    : Deno.listen({ hostname: "127.0.0.1", port });
  const connections = new Set<Deno.Conn>();
  const upstream: ScriptedUpstream = {
    url: `${tls ? "https" : "http"}://127.0.0.1:${(listener.addr as Deno.NetAddr).port}`,
    port: (listener.addr as Deno.NetAddr).port,
    requests: [],
    script,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of connections) close(connection);
      await accepting;
    },
  };
  const accepting = (async () => {
    while (true) {
      let connection: Deno.Conn;
      try {
        connection = await listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource) return;
        continue; // A handshake that failed.
      }
      connections.add(connection);
      (connection as Partial<Deno.TcpConn>).setNoDelay?.();
      void serve(connection, upstream).catch(() => {}).finally(() => {
        close(connection);
        connections.delete(connection);
      });
    }
  })();
  return upstream;
}

async function serve(connection: Deno.Conn, upstream: ScriptedUpstream): Promise<void> {
  const reader = new RequestReader(connection);
  while (true) {
    const request = await reader.next();
    if (!request) return;
    let isReset = false;
    const exchange: Exchange = {
      ...request,
      async write(data) {
        const bytes = typeof data === "string" ? encoder.encode(data) : data;
        for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
      },
      reset() {
        isReset = true;
        close(connection);
      },
    };
    if (request.target === "/health" && upstream.script !== dead) {
      await respond(exchange, "");
      continue;
    }
    if (request.target !== "/v1/models") upstream.requests.push(exchange);
    await upstream.script(exchange);
    const isLast = request.fields.some(([name, value]) =>
      /^connection$/i.test(name) && /^close$/i.test(value)
    );
    if (isReset || isLast) return;
  }
}

/** Reads everything and says nothing, signs of life neither. */
export const dead: Script = () => new Promise(() => {});

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It was closed before.
  }
}

/** Requests of one connection, one after the other. */
class RequestReader {
  readonly #connection: Deno.Conn;
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array();

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  async next(): Promise<Omit<Exchange, "write" | "reset"> | undefined> {
    let end: number;
    while ((end = this.#find("\r\n\r\n")) < 0) if (!await this.#more()) return undefined;
    const [first, ...lines] = new TextDecoder().decode(this.#take(end + 4)).trimEnd().split("\r\n");
    const [method, target] = first.split(" ");
    const fields = lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const field = (name: string) => fields.find(([key]) => key.toLowerCase() === name)?.[1];
    const body = field("transfer-encoding")
      ? await this.#chunks()
      : await this.#exactly(Number(field("content-length") ?? 0));
    return body && { method, target, fields, body };
  }

  async #chunks(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    while (true) {
      let end: number;
      while ((end = this.#find("\r\n")) < 0) if (!await this.#more()) return undefined;
      const size = parseInt(new TextDecoder().decode(this.#take(end + 2)), 16);
      const piece = await this.#exactly(size + 2);
      if (!piece) return undefined;
      if (size === 0) return new Uint8Array(await new Blob(pieces).arrayBuffer());
      pieces.push(piece.subarray(0, size));
    }
  }

  async #exactly(size: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    while (this.#buffer.length < size) if (!await this.#more()) return undefined;
    return this.#take(size);
  }

  #find(text: string): number {
    const wanted = encoder.encode(text), { length } = this.#buffer;
    for (
      let i = this.#buffer.indexOf(wanted[0]);
      i >= 0 && i < length;
      i = this.#buffer.indexOf(wanted[0], i + 1)
    ) {
      if (wanted.every((byte, j) => this.#buffer[i + j] === byte)) return i;
    }
    return -1;
  }

  #take(size: number): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.slice(0, size);
    this.#buffer = this.#buffer.slice(size);
    return taken;
  }

  async #more(): Promise<boolean> {
    const piece = new Uint8Array(65_536);
    const count = await this.#connection.read(piece);
    if (count === null) return false;
    this.#buffer = new Uint8Array(await new Blob([this.#buffer, piece.subarray(0, count)]).arrayBuffer());
    return true;
  }
}
