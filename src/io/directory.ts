/**
 * A model in a local directory.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { DirectoryEntry, FileSystem, ReadableFile } from "../platform/platform.ts";
import { ggufParts } from "./model_files.ts";
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
  return decodePath(url, url.pathname).replace(/^\/(?=[A-Za-z]:)/, "");
}

/**
 * A part of a URL's path as text.
 *
 * @throws {RemoraError} `BAD_ARGUMENT` for percent signs that stand for no text in UTF-8.
 */
export function decodePath(url: URL, part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot open", {
      file: url.origin === "null" ? url.href : url.origin + url.pathname,
      expected: "percent signs that stand for UTF-8",
      found: "others",
      cause,
    });
  }
}

/** What a hub's cache keeps of a model: `blobs`, `refs` and `snapshots`, the model itself in one of the last. */
function cacheRoot(path: string): RemoraError {
  return new RemoraError("FILE_NOT_FOUND", "Cannot find a model in", {
    file: path,
    expected: "its files",
    found: "a hub's cache entry (give one of the folders in its folder snapshots)",
  });
}

/**
 * Opens a model that is one file, or the first of several: only these are looked at, so their own permissions are enough.
 *
 * @throws {RemoraError} `FILE_NOT_FOUND` if one is not there or may not be read.
 */
export function fileSource(files: FileSystem, path: string | URL): ModelSource {
  const place = typeof path === "string" ? path : pathOf(path);
  const [, folder, name] = /^(.*[/\\])?([^/\\]*)$/.exec(place)!;
  const entries = ggufParts(name).map((name) => {
    using file = files.open(`${folder ?? ""}${name}`);
    if (file.isFile) return { name, size: file.size };
    throw new RemoraError("BAD_ARGUMENT", "Cannot open", { file: place, expected: "a file", found: "none" });
  });
  return new DirectorySource(files, place, { entries, prefix: folder ?? "" });
}

/** Files that are known without looking into their folder. */
interface KnownFiles {
  entries: readonly DirectoryEntry[];
  /** What stands before their names. */
  prefix: string;
}

class DirectorySource implements ModelSource {
  readonly label: string;
  readonly folder?: string;
  readonly #prefix: string;
  /** What to name as the permission that is missing. */
  readonly #allow?: string;
  readonly #files: FileSystem;
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #openFiles = new Map<string, ReadableFile>();

  constructor(files: FileSystem, path: string, known?: KnownFiles) {
    this.label = path;
    this.#files = files;
    if (known !== undefined) {
      this.#prefix = known.prefix;
      this.#sizes = new Map(known.entries.map(({ name, size }) => [name, size]));
      return;
    }
    this.folder = this.#allow = path.replace(/(?<=[^:/\\])[/\\]+$/, "");
    this.#prefix = `${this.folder}/`;
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
    file = this.#files.open(this.#prefix + name, this.#allow);
    this.#openFiles.set(name, file);
    return file;
  }
}
