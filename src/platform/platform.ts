/**
 * What the library asks of the runtime that it runs on. The entry point (mod.ts for Deno) hands in an implementation; no other
 * code looks for one.
 *
 * @module
 */
import type { StartWorker } from "../../kernels/host/worker_pool.ts";
import type { Hash } from "./hash.ts";
import type { HttpClient } from "./http.ts";
import type { MemoryReadings } from "./memory_limit.ts";
import type { Storage } from "./storage.ts";

/** A file that is open for reading. */
export interface ReadableFile extends Disposable {
  /** Bytes at the time it was opened. */
  readonly size: number;
  /** Whether it is a file at all, not a device or a pipe. */
  readonly isFile: boolean;
  /**
   * Fills `target`, shared memory included, with the bytes from `position` on.
   *
   * @returns Bytes that were there.
   */
  readInto(position: number, target: Uint8Array): number;
}

/** A file that is open for writing. */
export interface WritableFile {
  /** Appends all of the bytes. */
  write(bytes: Uint8Array): void;
}

/** A directory that is being filled. */
export interface WritableDirectory {
  /** Writes one file of it; several may be open at the same time. */
  write(name: string, fill: (file: WritableFile) => Promise<void>): Promise<void>;
}

/** An entry of a directory. */
export interface DirectoryEntry {
  readonly name: string;
  /** Bytes; of files only, links followed. */
  readonly size: number;
}

/** The file system, within the permissions that were granted; nothing here asks for one. */
export interface FileSystem {
  /**
   * Whether a path is a directory; `undefined` where that may not be known without asking.
   */
  isDirectory(path: string): boolean | undefined;
  /**
   * The files of a directory and those of the directories in it, named `directory/file`; of these, hidden ones are left out. Links are
   * followed; what is neither a file nor leads to one is left out.
   *
   * @throws {RemoraError} FILE_NOT_FOUND when it is not there or may not be read, BAD_ARGUMENT when it is a file.
   */
  listFiles(directory: string): DirectoryEntry[];
  /**
   * @param allow What to name as the permission that is missing; default: the path itself.
   * @throws {RemoraError} FILE_NOT_FOUND when it is not there or may not be read.
   */
  open(path: string, allow?: string): ReadableFile;
  /**
   * Writes a file so that at any time it is the old one or the new one: it is written as `PATH.partial` and renamed, where that
   * path may be written and read. Elsewhere it is written in place, and its reader must notice one that was not finished.
   *
   * @throws {RemoraError} BAD_FILE when it cannot be written, or somebody else is writing it. What `write` throws itself.
   */
  replace(path: string, write: (file: WritableFile) => Promise<void>): Promise<void>;
  /**
   * Makes a directory so that at any time it is not there or whole: it is filled as `PATH.partial` and renamed. What an earlier attempt
   * left under that name is replaced; nothing is left when `fill` fails.
   *
   * @throws {RemoraError} BAD_ARGUMENT when something of that name is there, FILE_NOT_FOUND when either path may not be read and written,
   * BAD_FILE when it cannot be written, or somebody else is writing it. What `fill` throws itself.
   */
  create(path: string, fill: (directory: WritableDirectory) => Promise<void>): Promise<void>;
  /** Whether a path may be read or written without asking for a permission. */
  isPermitted(access: "read" | "write", path: string): boolean;
}

/** Measurements by name; each value belongs to a model. */
export interface MetricsRegistry {
  /** Of `text`. */
  readonly contentType: string;
  /** All of them, as Prometheus reads them. */
  text(): Promise<string>;
  /** A value that goes up and down, read when it is asked for. */
  gauge(name: string, help: string, read: () => { model: string; value: number }[]): void;
  /**
   * A sum; what is returned adds to it.
   *
   * @param label A further label that values have.
   */
  counter(
    name: string,
    help: string,
    label?: string,
  ): (model: string, value: number, labelled?: string) => void;
  /** Values by size; what is returned adds one. */
  histogram(name: string, help: string, buckets: readonly number[]): (model: string, value: number) => void;
}

/** A runtime. */
export interface Platform {
  readonly files: FileSystem;
  /** Where downloads are kept; absent on hosts that keep no files. */
  readonly storage?: Storage;
  /**
   * A variable of the environment: an empty text where it is not set, `undefined` where it may not be read without asking for a
   * permission.
   */
  environment(name: string): string | undefined;
  startWorker: StartWorker;
  /**
   * Makes the engine pair vectors to 256 bits, where that can be said at run time (`setFlagsFromString` of Node); called before
   * kernels are compiled. Deno takes the flag on its command line alone.
   */
  widenVectors?(): void;
  /** SHA-256. */
  createHash(): Hash;
  /** Whether a host may be reached without asking for a permission. */
  mayReach(host: string): boolean;
  /** A client that leaves bodies packed as they came; default: one by `fetch`. */
  createHttp?(): HttpClient;
  /** Processors that this process may use: physical cores where they are known. */
  processors(): number;
  memory: MemoryReadings;
  /** Requests that may be answered at once, where the host keeps requests apart; default: any number. */
  readonly requestsMax?: number;
  /** Where requests do not tell when their clients leave: what would make them. Absent where they do. */
  readonly withoutLeaving?: string;
  /**
   * Resolves when the host has handled events that were pending: a short pause handles those of the event loop, a long one
   * signals and sockets too.
   */
  pause(kind: "short" | "long"): Promise<void>;
}
