/**
 * A model in a local directory.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import { requireRange, shortRead } from "./read.ts";
import type { ModelSource } from "./source.ts";

/** Files kept open; well below the usual limit of 1,024 descriptors, above the shards of most models. */
const OPEN_FILES_MAX = 64;

/**
 * Opens a directory of model files. Needs `--allow-read=<directory>` and nothing else. Links to files are
 * followed, because the caches of model hubs are made of them; subdirectories are not listed.
 *
 * @throws {RemoraError} `FILE_NOT_FOUND` if the directory is not there or may not be read, `BAD_ARGUMENT` if it
 * is a file.
 */
export function directorySource(path: string | URL): ModelSource {
  return new DirectorySource(typeof path === "string" ? path : pathOf(path));
}

/** The local path of a `file:` URL; Windows drives lose the slash before them. */
function pathOf(url: URL): string {
  return decodeURIComponent(url.pathname).replace(/^\/(?=[A-Za-z]:)/, "");
}

class DirectorySource implements ModelSource {
  readonly label: string;
  readonly folder: string;
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #openFiles = new Map<string, Deno.FsFile>();

  constructor(path: string) {
    this.label = path;
    this.folder = path.replace(/(?<=[^:/\\])[/\\]+$/, "");
    this.#sizes = listFiles(this.folder);
  }

  list(): ReadonlyMap<string, number> {
    return this.#sizes;
  }

  read(name: string, begin: number, end: number): Uint8Array {
    requireRange(this.#sizes, name, begin, end);
    const bytes = new Uint8Array(end - begin);
    this.readInto(name, begin, bytes);
    return bytes;
  }

  /** Reads straight into place, shared memory included (Deno fills views of either kind). */
  readInto(name: string, begin: number, target: Uint8Array): void {
    const end = begin + target.byteLength;
    requireRange(this.#sizes, name, begin, end);
    if (target.byteLength === 0) return;
    const file = this.#open(name);
    file.seekSync(begin, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < target.byteLength) {
      const count = file.readSync(target.subarray(filled));
      if (count === null) throw shortRead(name, begin, end, filled);
      filled += count;
    }
  }

  close(): void {
    for (const file of this.#openFiles.values()) file.close();
    this.#openFiles.clear();
  }

  #open(name: string): Deno.FsFile {
    let file = this.#openFiles.get(name);
    if (file !== undefined) return file;
    if (this.#openFiles.size >= OPEN_FILES_MAX) this.close();
    const path = `${this.folder}/${name}`;
    file = typed(path, this.folder, () => Deno.openSync(path));
    this.#openFiles.set(name, file);
    return file;
  }
}

function listFiles(directory: string): ReadonlyMap<string, number> {
  if (!typed(directory, directory, () => Deno.statSync(directory)).isDirectory) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot open", {
      file: directory,
      expected: "a directory",
      found: "a file (give the directory that holds it)",
    });
  }
  const entries = typed(directory, directory, () => [...Deno.readDirSync(directory)]);
  const sizes = new Map<string, number>();
  for (const { name, isDirectory } of entries) {
    if (isDirectory) continue;
    const status = statusOf(`${directory}/${name}`, directory);
    if (status?.isFile) sizes.set(name, status.size); // not a pipe or device: opening one may never return
  }
  return sizes;
}

/** Follows links; `undefined` for one that leads nowhere, which is then missing like any other file. */
function statusOf(path: string, directory: string): Deno.FileInfo | undefined {
  try {
    return typed(path, directory, () => Deno.statSync(path));
  } catch (error) {
    if (error instanceof RemoraError && error.cause instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function typed<Result>(path: string, directory: string, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    throw new RemoraError("FILE_NOT_FOUND", "Cannot open", {
      file: path,
      found: reason(cause, directory),
      cause,
    });
  }
}

function reason(cause: unknown, directory: string): string {
  if (cause instanceof Deno.errors.NotFound) return "no such file or directory";
  if (cause instanceof Deno.errors.NotCapable) return `no permission (run with --allow-read=${directory})`;
  if (cause instanceof Deno.errors.PermissionDenied) return "access denied by the operating system";
  return String(cause);
}
