/**
 * A model in a local directory.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { FileSystem, ReadableFile } from "../platform/platform.ts";
import { requireRange, shortRead } from "./read.ts";
import type { ModelSource } from "./source.ts";

/** Files kept open; well below the usual limit of 1,024 descriptors, above the shards of most models. */
const OPEN_FILES_MAX = 64;

/**
 * Opens a directory of model files. Links to files are followed, because the caches of model hubs are made of them;
 * subdirectories are not listed.
 *
 * @throws {RemoraError} `FILE_NOT_FOUND` if the directory is not there or may not be read, `BAD_ARGUMENT` if it
 * is a file.
 */
export function directorySource(files: FileSystem, path: string | URL): ModelSource {
  return new DirectorySource(files, typeof path === "string" ? path : pathOf(path));
}

/** The local path of a `file:` URL; Windows drives lose the slash before them. */
function pathOf(url: URL): string {
  return decodeURIComponent(url.pathname).replace(/^\/(?=[A-Za-z]:)/, "");
}

/** What a hub's cache keeps of a model: `blobs`, `refs` and `snapshots`, the model itself in one of the last. */
function cacheRoot(path: string): RemoraError {
  return new RemoraError("FILE_NOT_FOUND", "Cannot find a model in", {
    file: path,
    expected: "its files",
    found: "a hub's cache entry (give one of the folders in its folder snapshots)",
  });
}

class DirectorySource implements ModelSource {
  readonly label: string;
  readonly folder: string;
  readonly #files: FileSystem;
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #openFiles = new Map<string, ReadableFile>();

  constructor(files: FileSystem, path: string) {
    this.label = path;
    this.folder = path.replace(/(?<=[^:/\\])[/\\]+$/, "");
    this.#files = files;
    const entries = files.listFiles(this.folder);
    this.#sizes = new Map(entries.map(({ name, size }) => [name, size]));
    if (!entries.some(({ name }) => !name.includes("/")) && files.isDirectory(`${this.folder}/snapshots`)) {
      throw cacheRoot(path);
    }
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

  /** Reads straight into place, shared memory included. */
  readInto(name: string, begin: number, target: Uint8Array): void {
    const end = begin + target.byteLength;
    requireRange(this.#sizes, name, begin, end);
    if (target.byteLength === 0) return;
    const filled = this.#open(name).readInto(begin, target);
    if (filled < target.byteLength) throw shortRead(name, begin, end, filled);
  }

  close(): void {
    for (const file of this.#openFiles.values()) file[Symbol.dispose]();
    this.#openFiles.clear();
  }

  #open(name: string): ReadableFile {
    let file = this.#openFiles.get(name);
    if (file !== undefined) return file;
    if (this.#openFiles.size >= OPEN_FILES_MAX) this.close();
    file = this.#files.open(`${this.folder}/${name}`, this.folder);
    this.#openFiles.set(name, file);
    return file;
  }
}
