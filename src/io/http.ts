/**
 * A model on a web server.
 *
 * @module
 */

import { mapBounded } from "../core/concurrency.ts";
import { RemoraError } from "../core/errors.ts";
import { CONCURRENT_READS_MAX, INDEX_BYTES_MAX, SHARD_COUNT_MAX } from "../core/limits.ts";
import { parseJson } from "../core/json.ts";
import { bodyBytes } from "./body_bytes.ts";
import { isSafeFileName } from "./file_name.ts";
import { isPlain, missingPermission, placeOf, reasonOf, wholeNumber } from "./http_answer.ts";
import { CONFIG_FILE, INDEX_FILE, KNOWN_FILES, WEIGHTS_FILE } from "./model_files.ts";
import { isObject } from "./read.ts";
import { remoteModelSource } from "./remote.ts";
import type { ModelSource } from "./source.ts";

/** How to ask the server. */
export interface HttpSourceOptions {
  /** Ends every request, begun or not. */
  signal?: AbortSignal;
  /** Sent with every request, such as `Authorization`. */
  headers?: HeadersInit;
  /** Used instead of the global one. */
  fetch?: typeof fetch;
  /** What messages call this place; default the URL. */
  label?: string;
  /** The files to look for; default: those that models have. */
  names?: readonly string[];
}

/**
 * Opens a folder of model files on a web server that can serve byte ranges. Needs `--allow-net=<host>`, and
 * that of the hosts it redirects to.
 *
 * @param base The folder, with or without a slash at its end.
 * @throws {RemoraError} From its methods: `FILE_NOT_FOUND` if the server cannot be reached or refuses, `BAD_FILE`
 * if it answers with anything but the bytes asked for. The signal's reason when it fires.
 */
export function httpSource(base: URL, options: HttpSourceOptions = {}): ModelSource {
  return remoteModelSource(new HttpSource(base, options));
}

class HttpSource implements ModelSource {
  readonly label: string;
  readonly #base: URL;
  readonly #options: HttpSourceOptions;
  /** The version of each file that was read first, where the server tells. */
  readonly #versions = new Map<string, string>();
  #sizes: ReadonlyMap<string, number> = new Map();

  constructor(base: URL, options: HttpSourceOptions) {
    this.#base = new URL(base);
    if (!this.#base.pathname.endsWith("/")) this.#base.pathname += "/";
    this.#options = options;
    this.label = options.label ?? base.href;
  }

  /** Asked once, and before anything is read; see `remoteModelSource`. */
  async list(): Promise<ReadonlyMap<string, number>> {
    return this.#sizes = await this.#discover();
  }

  async read(name: string, begin: number, end: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(end - begin);
    await this.readInto(name, begin, bytes);
    return bytes;
  }

  async readInto(name: string, begin: number, target: Uint8Array): Promise<void> {
    await this.#readRange(name, begin, target, this.#sizes.get(name)!);
  }

  async #discover(): Promise<ReadonlyMap<string, number>> {
    const files = new Map<string, number>();
    const probe = async (name: string) => {
      const size = await this.#size(name);
      if (size !== undefined) files.set(name, size);
    };
    const { names = KNOWN_FILES } = this.#options;
    await mapBounded(names, CONCURRENT_READS_MAX, probe);
    if (files.size === 0) {
      throw new RemoraError("FILE_NOT_FOUND", "Cannot open", {
        file: this.label,
        expected: "a folder of model files",
        found: `none of ${
          names === KNOWN_FILES ? `${CONFIG_FILE}, ${WEIGHTS_FILE}, …` : names[0]
        } at ${this.#base.href}`,
      });
    }
    if (!files.has(WEIGHTS_FILE) && files.has(INDEX_FILE)) {
      await mapBounded(await this.#shardNames(files.get(INDEX_FILE)!), CONCURRENT_READS_MAX, probe);
    }
    return files;
  }

  /** Shards to look for. Names that would leave the folder are left out: opening the checkpoint refuses them. */
  async #shardNames(indexSize: number): Promise<string[]> {
    if (indexSize > INDEX_BYTES_MAX) return [];
    const bytes = new Uint8Array(indexSize);
    await this.#readRange(INDEX_FILE, 0, bytes, indexSize);
    const index = parseJson(bytes, INDEX_FILE);
    if (!isObject(index) || !isObject(index.weight_map)) return [];
    const names = new Set(Object.values(index.weight_map));
    return [...names].filter((name) => typeof name === "string" && isSafeFileName(name))
      .slice(0, SHARD_COUNT_MAX) as string[];
  }

  /** Size in bytes, `undefined` if the server says that there is no such file. */
  async #size(name: string): Promise<number | undefined> {
    const place = placeOf(this.#urlOf(name));
    const head = await this.#fetch(name, "HEAD");
    await head.body?.cancel();
    if (head.status === 404 || head.status === 410) return undefined;
    const length = head.headers.get("content-length");
    if (head.status === 200 && length !== null && isPlain(head)) {
      return wholeNumber(length) ?? refuse(head.status);
    }
    if (head.status !== 200 && head.status !== 405 && head.status !== 501) refuse(head.status);

    // No HEAD here, or one without a length: the answer to a one-byte range says how long the whole is.
    const answer = await this.#fetch(name, "GET", "bytes=0-0");
    await answer.body?.cancel();
    if (answer.status === 404 || answer.status === 410) return undefined;
    const total = answer.headers.get("content-range")?.match(/^bytes (?:0-0|\*)\/(\d+)$/)?.[1];
    return wholeNumber(total ?? "") ?? refuse(answer.status);

    function refuse(status: number): never {
      const hint = status === 401 || status === 403
        ? " (needs an Authorization header, or does not exist)"
        : "";
      throw new RemoraError("FILE_NOT_FOUND", "Cannot fetch", {
        file: name,
        expected: "HTTP 200 with a length, or byte ranges",
        found: `HTTP ${status}${hint} from ${place}`,
      });
    }
  }

  /** Streams the range into `target`; whatever else the server sends is refused, and left unread. */
  async #readRange(name: string, begin: number, target: Uint8Array, size: number): Promise<void> {
    if (target.byteLength === 0) return;
    const last = begin + target.byteLength - 1;
    const answer = await this.#fetch(name, "GET", `bytes=${begin}-${last}`);
    const range = answer.headers.get("content-range");
    const promised = [`bytes ${begin}-${last}/${size}`, `bytes ${begin}-${last}/*`];
    if (answer.status !== 206 || range === null || !promised.includes(range) || !isPlain(answer)) {
      await answer.body?.cancel();
      throw new RemoraError("BAD_FILE", "Cannot fetch", {
        file: name,
        expected: `HTTP 206 with ${promised[0]} (the server must support byte ranges)`,
        found: `HTTP ${answer.status} with ${range ?? "no Content-Range"} from ${placeOf(this.#urlOf(name))}`,
      });
    }
    try {
      this.#requireSameVersion(name, answer.headers.get("etag"));
    } catch (error) {
      await answer.body?.cancel();
      throw error;
    }
    let filled = 0;
    try {
      for await (const chunk of bodyBytes(answer.body)) {
        if (chunk.byteLength > target.byteLength - filled) throw unequal("more");
        target.set(chunk, filled);
        filled += chunk.byteLength;
      }
    } catch (cause) {
      throw this.#failure(name, this.#urlOf(name), cause, "BAD_FILE");
    }
    if (filled < target.byteLength) throw unequal(`${filled}`);

    function unequal(found: string): RemoraError {
      return new RemoraError("BAD_FILE", "Cannot fetch", {
        file: name,
        expected: `${target.byteLength} bytes from ${begin} on`,
        found,
      });
    }
  }

  /** Pieces of two versions of a file make no file (RFC 9110, 8.8.1: only strong tags tell versions apart by their bytes). */
  #requireSameVersion(name: string, tag: string | null): void {
    if (!tag?.startsWith('"')) return;
    const first = this.#versions.get(name) ?? tag;
    this.#versions.set(name, first);
    if (tag === first) return;
    throw new RemoraError("BAD_FILE", "Cannot fetch", {
      file: name,
      expected: `the version that was read before, ${first}`,
      found: `${tag}: the file changed on the server meanwhile`,
    });
  }

  async #fetch(name: string, method: string, range?: string): Promise<Response> {
    const headers = new Headers(this.#options.headers);
    headers.set("accept-encoding", "identity"); // sizes and ranges are those of the file itself
    if (range !== undefined) headers.set("range", range);
    const url = this.#urlOf(name);
    try {
      this.#options.signal?.throwIfAborted();
      return await (this.#options.fetch ?? fetch)(url, { method, headers, signal: this.#options.signal });
    } catch (cause) {
      throw this.#failure(name, url, cause, "FILE_NOT_FOUND");
    }
  }

  #urlOf(name: string): URL {
    return new URL(name.split("/").map(encodeURIComponent).join("/"), this.#base);
  }

  #failure(file: string, url: URL, cause: unknown, code: "BAD_FILE" | "FILE_NOT_FOUND"): unknown {
    if (cause instanceof RemoraError) return cause;
    if (this.#options.signal?.aborted) return this.#options.signal.reason;
    const found = missingPermission(cause, this.#base.host) ?? reasonOf(cause);
    const expected = `an answer from ${placeOf(url)}`;
    return new RemoraError(code, "Cannot fetch", { file, expected, found, cause });
  }
}
