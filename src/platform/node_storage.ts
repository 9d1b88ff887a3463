/**
 * A {@linkcode Storage} by `node:fs`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { RemoraError } from "../core/errors.ts";
import { COPY_WINDOW_BYTES } from "../core/limits.ts";
import { quietly } from "./quietly.ts";
import type { GrowingFile, Storage } from "./storage.ts";

/** What {@linkcode tryLockByFile} appends to a lock's name. */
export const HOLDER_SUFFIX = ".holder";

/** In what runtimes with Node's modules differ. */
export interface StorageDifferences {
  isPermitted(access: "read" | "write", path: string): boolean;
  /** Whether the system may be asked how much room a disk has. */
  mayAskForRoom(): boolean;
  /** Whether links by name may be made. */
  mayLink(): boolean;
  /** The runtime's own lock of a file; default: a file that says which process has it. */
  tryLock?(path: string): Disposable | undefined;
}

/** The storage of a runtime that has Node's modules. */
export function storageOfNode(differences: StorageDifferences): Storage {
  const { isPermitted } = differences;

  /** @throws {RemoraError} Where the system refuses, or a permission is missing: Deno would ask for it on the terminal. */
  function typed<Result>(path: string, run: () => Result): Result {
    const access = (["read", "write"] as const).find((access) => !isPermitted(access, path));
    if (access !== undefined) {
      throw new RemoraError("FILE_NOT_FOUND", "Cannot write", {
        file: path,
        expected: `the permission to ${access} it (run with --allow-${access}=${path} or a folder around it)`,
        found: "none",
      });
    }
    try {
      return run();
    } catch (cause) {
      if (cause instanceof RemoraError) throw cause;
      throw new RemoraError("BAD_FILE", "Cannot write", { file: path, found: reasonOf(cause), cause });
    }
  }

  return {
    makeDirectory: (path) => typed(path, () => void mkdirSync(path, { recursive: true })),

    list(path) {
      if (!isPermitted("read", path)) return [];
      const entries = quietly(() => readdirSync(path, { withFileTypes: true })) ?? [];
      return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
    },

    status(path) {
      if (!isPermitted("read", path)) return undefined;
      const status = quietly(() => statSync(path, { bigint: true }));
      return status && {
        isFile: status.isFile(),
        bytes: Number(status.size),
        identity: `${status.dev}:${status.ino}`,
      };
    },

    readText(path, bytesMax) {
      if (!isPermitted("read", path)) return undefined;
      return quietly(() => {
        const status = statSync(path);
        return status.isFile() && status.size <= bytesMax ? readFileSync(path, "utf8") : undefined;
      });
    },

    writeText(path, text) {
      typed(path, () => {
        const partial = `${path}.${process.pid}.tmp`;
        writeFileSync(partial, text);
        renameSync(partial, path);
      });
    },

    link: (target, path) => typed(path, () => link(target, path, differences.mayLink())),
    rename: (from, to) => typed(to, () => renameSync(from, to)),
    remove: (path) => typed(path, () => rmSync(path, { recursive: true, force: true })),
    open: (path) => typed(path, () => new FileOnDisk(path)),

    freeBytes(path) {
      if (!differences.mayAskForRoom()) return undefined;
      return quietly(() => {
        const { bavail, bsize } = statfsSync(path);
        return bavail * bsize;
      });
    },

    tryLock: (path) => typed(path, () => (differences.tryLock ?? tryLockByFile)(path)),
    createHash: (algorithm) => createHash(algorithm),
  };
}

function link(target: string, path: string, mayLink: boolean): void {
  // A name that leads nowhere, or to what was there before.
  if (quietly(() => lstatSync(path)) !== undefined) rmSync(path);
  const file = join(dirname(path), target);
  if (mayLink && quietly(() => (symlinkSync(target, path), true))) return;
  if (quietly(() => (linkSync(file, path), true))) return;
  renameSync(file, path);
}

class FileOnDisk implements GrowingFile {
  readonly #file: number;
  #size: number;

  constructor(readonly path: string) {
    this.#file = openSync(path, "a+", 0o644);
    this.#size = fstatSync(this.#file).size;
  }

  get size(): number {
    return this.#size;
  }

  append(bytes: Uint8Array): void {
    try {
      for (let written = 0; written < bytes.length;) {
        written += writeSync(this.#file, bytes, written, bytes.length - written);
      }
    } catch (cause) {
      throw new RemoraError("BAD_FILE", "Cannot write", { file: this.path, found: reasonOf(cause), cause });
    }
    this.#size += bytes.length;
  }

  *pieces(): Iterable<Uint8Array> {
    const buffer = new Uint8Array(COPY_WINDOW_BYTES);
    for (let position = 0, count; position < this.#size; position += count) {
      count = readSync(this.#file, buffer, 0, buffer.length, position);
      if (count === 0) return;
      yield buffer.subarray(0, count);
    }
  }

  clear(): void {
    ftruncateSync(this.#file, 0);
    this.#size = 0;
  }

  sync(): void {
    fsyncSync(this.#file);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/**
 * A lock for runtimes that have none: a file beside the lock's, made by whoever has it, with the number of its process. One whose
 * process has ended counts for nothing. The lock's own file is made too and stays, as `flock` needs it: whoever lists locks finds it.
 */
export function tryLockByFile(path: string): Disposable | undefined {
  closeSync(openSync(path, "a"));
  return tryHold(path + HOLDER_SUFFIX);
}

function tryHold(holder: string): Disposable | undefined {
  if (isLeft(holder)) {
    // Only who holds this removes what is left. Otherwise one who looked earlier would remove what another has made since.
    using removal = tryHold(holder + HOLDER_SUFFIX);
    if (removal === undefined) return undefined;
    if (isLeft(holder)) quietly(() => rmSync(holder, { force: true }));
  }
  if (!makeHolder(holder)) return undefined;
  return {
    [Symbol.dispose]() {
      // Where its folder has got another name meanwhile, the file there may be somebody else's.
      quietly(() => readFileSync(holder, "utf8") === `${process.pid}` && rmSync(holder, { force: true }));
    },
  };
}

/** Whether a holder's process has ended. */
function isLeft(holder: string): boolean {
  const owner = quietly(() => Number(readFileSync(holder, "utf8")));
  return owner === process.pid ? isOlderThanProcess(holder) : owner !== undefined && !isRunning(owner);
}

/** Makes a file with this process's number; `false` where one is. */
function makeHolder(holder: string): boolean {
  let file: number;
  try {
    file = openSync(holder, "wx");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
  try {
    writeFileSync(file, `${process.pid}`);
  } catch (error) {
    // On a full disk: one without a number would count for ever.
    rmSync(holder, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return true;
}

/** In containers a process often has the number of the one that was killed before it. */
function isOlderThanProcess(path: string): boolean {
  return quietly(() => statSync(path).mtimeMs < Date.now() - process.uptime() * 1000) ?? false;
}

function isRunning(processId: number): boolean {
  try {
    // Signal 0 asks only whether it could be sent. A number that is not written yet is one of a process that runs.
    return processId === 0 || process.kill(processId, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "ENOSPC") return "no room left on the disk";
  if (code === "EROFS") return "a file system that is read-only";
  return cause instanceof Error ? cause.message : String(cause);
}
