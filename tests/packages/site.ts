/**
 * A static server of the repository's files, with byte ranges, for hosts without a file system.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript",
  mjs: "text/javascript",
  html: "text/html",
  wasm: "application/wasm",
  json: "application/json",
};

/** Serves until disposed. */
export interface Site extends AsyncDisposable {
  /** With a slash at its end. */
  readonly url: string;
  /** Answers a path with JSON. */
  answer(path: string, value: unknown): void;
  /** Serves another folder under a path. */
  folder(prefix: string, folder: string): void;
  /** Whether pages are isolated from other origins, and so may share memory. */
  isolate(isolated: boolean): void;
  /** The Content-Security-Policy of all that is served from here on. */
  policy(text: string): void;
}

/** On a free port of this machine. */
export function site(): Site {
  const answers = new Map<string, string>([["blank.html", "<!doctype html><title>blank</title>"]]);
  const folders = new Map<string, string>();
  let isIsolated = false, policy: string | undefined;

  async function respond(request: Request): Promise<Response> {
    const path = decodeURIComponent(new URL(request.url).pathname.slice(1));
    const headers = new Headers({
      "content-type": TYPES[path.split(".").at(-1)!] ?? "application/octet-stream",
      "access-control-allow-origin": "*",
      "accept-ranges": "bytes",
    });
    if (isIsolated) {
      headers.set("cross-origin-opener-policy", "same-origin");
      headers.set("cross-origin-embedder-policy", "require-corp");
    }
    if (policy !== undefined) headers.set("content-security-policy", policy);
    const answer = answers.get(path);
    if (answer !== undefined) return new Response(answer, { headers });
    const [prefix, folder] = [...folders].find(([prefix]) => path.startsWith(prefix)) ?? ["", ROOT];
    const file = await Deno.open(`${folder}/${path.slice(prefix.length)}`).catch(() => undefined);
    if (!file) return new Response("not found", { status: 404, headers });
    const { size } = await file.stat();
    const [, begin, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    if (begin === undefined) {
      headers.set("content-length", `${size}`);
      return new Response(file.readable, { headers });
    }
    using range = file;
    const part = new Uint8Array(Math.min(Number(end) + 1, size) - Number(begin));
    await range.seek(Number(begin), Deno.SeekMode.Start);
    for (let filled = 0; filled < part.length;) filled += (await range.read(part.subarray(filled)))!;
    headers.set("content-range", `bytes ${begin}-${Number(begin) + part.length - 1}/${size}`);
    return new Response(part, { status: 206, headers });
  }

  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, respond);
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    answer: (path, value) => answers.set(path, JSON.stringify(value)),
    folder: (prefix, folder) => folders.set(prefix, folder),
    isolate: (isolated) => isIsolated = isolated,
    policy: (text) => policy = text,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
