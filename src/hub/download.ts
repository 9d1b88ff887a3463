/**
 * One file from the hub to the disk, whole or not at all.
 *
 * A large file comes in parts, several at once, each by a request of its own, and is written in order: what is on the disk is always a
 * beginning of it, so a later run goes on where its length says. The file gets its name when its hash is right.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { Hash } from "../platform/hash.ts";
import type { GrowingFile, Storage } from "../platform/storage.ts";
import type { HubAnswer, HubClient } from "./client.ts";
import type { HubFile } from "./listing.ts";
import { type Retries, TransientFailure } from "./retries.ts";

/** Bytes of a part. With so many, and so many at once, 64 MB wait in memory at most. */
const PART_BYTES = 16 * 1024 * 1024;
const PARTS_AT_ONCE = 4;
/** Downloads of a whole file whose hash is wrong: once more from the start, as what was on the disk may have been the reason. */
const WHOLE_ATTEMPTS_MAX = 2;

/** How to download. */
export interface DownloadOptions {
  client: HubClient;
  storage: Storage;
  /** Where the file is on the hub. */
  url: URL;
  file: HubFile;
  /** Told of bytes that are there; negative for such that turned out wrong. */
  onBytes(count: number): void;
  /** Bytes of a part; smaller for tests. */
  partBytes?: number;
  /** Parts that are fetched at once; others for measurements. */
  partsAtOnce?: number;
}

/**
 * Downloads a file to `path`; until it is verified it is called `partial`. Whoever calls this keeps others from doing so.
 *
 * @throws {RemoraError} FILE_NOT_FOUND or BAD_FILE; what came so far stays for the next time. The signal's reason when it fires.
 */
export async function downloadFile(path: string, partial: string, options: DownloadOptions): Promise<void> {
  const { storage, file } = options;
  for (let attempt = 1;; attempt++) {
    const found = await fill(partial, options);
    if (found === file.digest) return storage.rename(partial, path);
    storage.remove(partial);
    options.onBytes(-file.bytes);
    if (attempt < WHOLE_ATTEMPTS_MAX) continue;
    throw new RemoraError("BAD_FILE", "Cannot use", {
      file: file.path,
      expected: `${file.hash === "git" ? "git's SHA-1" : "SHA-256"} ${file.digest}`,
      found: `${found}, ${attempt} times`,
    });
  }
}

/** Makes a partial file whole; its hash. */
async function fill(partial: string, options: DownloadOptions): Promise<string> {
  const { storage, file, onBytes } = options;
  const hash = startHash(storage, file);
  using disk = storage.open(partial);
  // Longer than the whole: a leftover of something else.
  if (disk.size > file.bytes) disk.clear();
  for (const piece of disk.pieces()) hash.update(piece);
  onBytes(disk.size);
  if (disk.size < file.bytes) await append(disk, hash, options);
  disk.sync();
  return hex(hash.digest());
}

function startHash(storage: Storage, { hash, bytes }: HubFile): Hash {
  if (hash === "sha256") return storage.createHash("sha256");
  return storage.createHash("sha1").update(new TextEncoder().encode(`blob ${bytes}\0`));
}

/** Fetches what is missing, part by part, and writes the parts in order. */
async function append(disk: GrowingFile, hash: Hash, options: DownloadOptions): Promise<void> {
  const { file, client, onBytes, partBytes = PART_BYTES, partsAtOnce = PARTS_AT_ONCE } = options;
  const stop = new AbortController();
  const signal = client.signal ? AbortSignal.any([client.signal, stop.signal]) : stop.signal;
  const source = new FileSource(options, signal);
  const parts: Part[] = [];
  let begun = disk.size;
  try {
    while (disk.size < file.bytes) {
      while (parts.length < partsAtOnce && begun < file.bytes) {
        const end = Math.min(file.bytes, begun + partBytes);
        parts.push(new Part(source, begun, end, onBytes));
        begun = end;
      }
      for (let piece; (piece = await parts[0].next()) !== undefined;) {
        hash.update(piece);
        disk.append(piece);
      }
      parts.shift();
    }
  } finally {
    stop.abort();
    // Bytes that were announced and not written come again next time.
    for (const part of parts) onBytes(-await part.stopped());
  }
}

/** Where a file's bytes come from: the hub's own answer, or the place that it sends on to. */
class FileSource {
  readonly #options: DownloadOptions;
  readonly #signal: AbortSignal;
  /** The place that large files were sent on to, until it does not answer any more: its signature ends after a while. */
  #place?: URL;

  constructor(options: DownloadOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  retries(): Retries {
    return this.#options.client.retries(this.#options.file.path, this.#signal);
  }

  /** Asks for bytes; the answer is one that has exactly these. */
  async ask(begin: number, end: number): Promise<HubAnswer> {
    const { client, file, url } = this.#options;
    const isWhole = begin === 0 && end === file.bytes;
    const range = isWhole ? undefined : `bytes=${begin}-${end - 1}`;
    const place = this.#place ?? url;
    let answer;
    try {
      answer = await client.get(place, file.path, { range, signal: this.#signal });
    } catch (failure) {
      if (place === url || !(failure instanceof RemoraError)) throw failure;
      this.#place = undefined;
      throw new TransientFailure(failure.message);
    }
    const { response } = answer;
    const promised = isWhole ? `${file.bytes}` : `bytes ${begin}-${end - 1}/${file.bytes}`;
    const found = isWhole
      ? response.headers.get("content-length")
      : response.headers.get("content-range") ?? "no Content-Range (the server must support byte ranges)";
    // A body without a length ends where it ends, which is checked as it is read.
    const isRight = response.status === (isWhole ? 200 : 206) &&
      (found === promised || (isWhole && found === null));
    if (!isRight || (response.headers.get("content-encoding") ?? "identity") !== "identity") {
      await answer.cancel();
      throw new RemoraError("BAD_FILE", "Cannot fetch", {
        file: file.path,
        expected: `HTTP ${isWhole ? 200 : 206} with ${promised}, as the hub lists it`,
        found: `HTTP ${response.status} with ${found}`,
      });
    }
    if (answer.url.href !== url.href) this.#place = answer.url;
    return answer;
  }
}

/** A stretch of a file that is being fetched, ahead of its being written. */
class Part {
  readonly #source: FileSource;
  readonly #end: number;
  readonly #onBytes: (count: number) => void;
  /** Where the next byte belongs. */
  #position: number;
  #pieces: Uint8Array[] = [];
  #failure?: { reason: unknown };
  #wake = () => {};
  readonly #done: Promise<void>;

  constructor(source: FileSource, begin: number, end: number, onBytes: (count: number) => void) {
    this.#source = source;
    this.#position = begin;
    this.#end = end;
    this.#onBytes = onBytes;
    this.#done = this.#run();
  }

  /** The next bytes, or `undefined` at the end. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#pieces.length === 0) {
      if (this.#failure) throw this.#failure.reason;
      if (this.#position === this.#end) return undefined;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#pieces.shift();
  }

  /** Resolves when its source has come to an end: to the bytes that came and that nobody took. */
  async stopped(): Promise<number> {
    await this.#done;
    return this.#pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  async #run(): Promise<void> {
    const retries = this.#source.retries();
    while (this.#position < this.#end) {
      try {
        await this.#receive(retries);
      } catch (failure) {
        try {
          await retries.afterFailure(failure);
        } catch (reason) {
          this.#failure = { reason };
          return this.#wake();
        }
      }
    }
  }

  async #receive(retries: Retries): Promise<void> {
    const answer = await this.#source.ask(this.#position, this.#end);
    for await (const piece of answer.body()) {
      if (piece.byteLength > this.#end - this.#position) {
        throw new TransientFailure("more bytes than asked for");
      }
      if (piece.byteLength === 0) continue;
      // The piece's memory is used again for the next.
      this.#pieces.push(piece.slice());
      this.#position += piece.byteLength;
      this.#onBytes(piece.byteLength);
      retries.succeeded();
      this.#wake();
    }
    if (this.#position < this.#end) throw new TransientFailure("the answer ended early");
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
