/**
 * A client that sees the bytes of a response and nothing else: no library unpacks, joins or mends anything.
 *
 * @module
 */

const encoder = new TextEncoder();

/** What came back. */
export interface RawResponse {
  status: number;
  /** Names in lower case, in the order in which they came. */
  fields: [string, string][];
  field(name: string): string | undefined;
  /** Chunks put together. */
  body: Uint8Array<ArrayBuffer>;
  text: string;
  /** Whether the end was told: the length was reached, or the last chunk came. */
  isWhole: boolean;
}

/** How to ask. */
export interface RawRequest {
  method?: string;
  fields?: string[];
  body?: string | Uint8Array;
  /** The body in chunks of this many bytes, without a length. */
  chunked?: number;
}

/** Sends one request over a connection of its own and reads until the other side closes it. */
export async function rawExchange(
  origin: string,
  target: string,
  { method = "GET", fields = [], body, chunked }: RawRequest = {},
): Promise<RawResponse> {
  const { hostname, port, host } = new URL(origin);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const bytes = body === undefined ? undefined : typeof body === "string" ? encoder.encode(body) : body;
  const framing = bytes === undefined
    ? []
    : [chunked ? "transfer-encoding: chunked" : `content-length: ${bytes.length}`];
  const head = [
    `${method} ${target} HTTP/1.1`,
    `host: ${host}`,
    "connection: close",
    ...fields,
    ...framing,
    "",
    "",
  ];
  await write(connection, encoder.encode(head.join("\r\n")));
  if (bytes) await write(connection, chunked ? inChunks(bytes, chunked) : bytes);
  return parse(await readAll(connection), method);
}

async function write(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

async function readAll(connection: Deno.Conn): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  try {
    while (true) {
      const piece = new Uint8Array(65_536);
      const count = await connection.read(piece);
      if (count === null) break;
      pieces.push(piece.subarray(0, count));
    }
  } catch {
    // A reset is an end too.
  }
  return joined(pieces);
}

function parse(bytes: Uint8Array<ArrayBuffer>, method: string): RawResponse {
  const end = indexOf(bytes, "\r\n\r\n", 0);
  const [first, ...lines] = new TextDecoder().decode(bytes.subarray(0, Math.max(0, end))).split("\r\n");
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const field = (name: string) => fields.find(([key]) => key === name)?.[1];
  const rest = bytes.subarray(end + 4);
  const { body, isWhole } = method === "HEAD"
    ? { body: rest, isWhole: rest.length === 0 }
    : field("transfer-encoding") === "chunked"
    ? unchunked(rest)
    : { body: rest, isWhole: rest.length === Number(field("content-length") ?? 0) };
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(first)?.[1] ?? 0);
  return { status, fields, field, body, text: new TextDecoder().decode(body), isWhole };
}

function unchunked(bytes: Uint8Array<ArrayBuffer>): { body: Uint8Array<ArrayBuffer>; isWhole: boolean } {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0;;) {
    const end = indexOf(bytes, "\r\n", at);
    if (end < 0) return { body: joined(pieces), isWhole: false };
    const size = parseInt(new TextDecoder().decode(bytes.subarray(at, end)), 16);
    if (size === 0) return { body: joined(pieces), isWhole: true };
    pieces.push(bytes.subarray(end + 2, end + 2 + size));
    at = end + 4 + size;
    if (at > bytes.length) return { body: joined(pieces), isWhole: false };
  }
}

function inChunks(bytes: Uint8Array, size: number): Uint8Array {
  const text = (piece: string) => encoder.encode(piece);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    const piece = bytes.subarray(at, at + size);
    pieces.push(text(`${piece.length.toString(16)}\r\n`), piece, text("\r\n"));
  }
  return joined([...pieces, text("0\r\n\r\n")]);
}

/** Where the text begins, or -1. */
function indexOf(bytes: Uint8Array, text: string, from: number): number {
  const wanted = encoder.encode(text);
  for (let i = bytes.indexOf(wanted[0], from); i >= 0; i = bytes.indexOf(wanted[0], i + 1)) {
    if (wanted.every((byte, j) => bytes[i + j] === byte)) return i;
  }
  return -1;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
