/**
 * What Node's built-in modules give: files, threads, hashing, memory. Node, Bun and Deno have them all; how they differ is told in
 * {@linkcode Differences}.
 *
 * @module
 */
import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import process from "node:process";
import { setImmediate } from "node:timers";
import { getHeapStatistics } from "node:v8";
import { Worker } from "node:worker_threads";
import type { WorkerThread } from "../../kernels/host/worker_pool.ts";
import { RemoraError } from "../core/errors.ts";
import type { MemoryReadings } from "./memory_limit.ts";
import { createNodeHttp } from "./node_http.ts";
import { HOLDER_SUFFIX, storageOfNode, tryLockByFile } from "./node_storage.ts";
import type {
  DirectoryEntry,
  FileSystem,
  Platform,
  ReadableFile,
  WritableDirectory,
  WritableFile,
} from "./platform.ts";
import { quietly } from "./quietly.ts";
import type { Storage } from "./storage.ts";

/** Deno 2.9.6: 95 to 120 MB (docs/performance.md). */
const RUNTIME_BYTES = 120_000_000;

/** In what runtimes with Node's modules differ. */
export interface Differences {
  /** Whether a path may be read or written without asking for a permission. */
  isPermitted(access: "read" | "write", path: string): boolean;
  /** Whether a host may be reached without asking for a permission. */
  mayReach(host: string): boolean;
  /** Whether a variable of the environment may be read without asking for a permission. */
  mayReadVariable(name: string): boolean;
  /** Whether the system may be asked for its memory. */
  mayAskSystem(): boolean;
  /** Whether the system may be asked how much room a disk has. */
  mayAskForRoom(): boolean;
  /** Whether links by name may be made. */
  mayLink(): boolean;
  /** See {@linkcode Storage.tryLock}; default: a lock that only processes like this one know. */
  tryLock?(path: string): Disposable | undefined;
  /** Bytes that the system has available. */
  availableMemory(): number | undefined;
  /** Bytes that the process takes. */
  residentMemory(): number;
  /** Why a path could not be opened, where the runtime and not the system refused; else `undefined`. */
  refusal(cause: unknown, allow: string): string | undefined;
  /** Turns of `setImmediate` until signals and sockets were looked at. */
  turnsOfLongPause: number;
  /** See {@linkcode Platform.widenVectors}. */
  widenVectors?(): void;
}

/** The platform of a runtime that has Node's modules. */
export function platformOfNode(differences: Differences): Platform {
  const storage = storageOfNode(differences);
  return {
    // Not the storage's, whose errors name the lock: writing names the file that is asked for.
    files: fileSystem(differences, differences.tryLock ?? tryLockByFile),
    storage,
    environment: (name) => differences.mayReadVariable(name) ? process.env[name] ?? "" : undefined,
    startWorker,
    widenVectors: differences.widenVectors,
    createHash: () => storage.createHash("sha256"),
    createHttp: createNodeHttp,
    mayReach: differences.mayReach,
    processors: () => physicalCores(differences) ?? globalThis.navigator?.hardwareConcurrency ?? 1,
    memory: memoryReadings(differences),
    async pause(kind) {
      for (let turn = 0; turn < (kind === "long" ? differences.turnsOfLongPause : 1); turn++) {
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    },
  };
}

/** Threads from `node:worker_threads` can be unreferenced; those of `globalThis.Worker` keep the process alive. */
function startWorker(program: string, data: unknown): WorkerThread {
  const text = `(${program})(require("node:worker_threads").workerData);`;
  // The default, a copy of this process's environment, would ask for a permission.
  const worker = new Worker(text, { eval: true, env: {}, workerData: data });
  return {
    onError: (listener) => worker.once("error", listener),
    unref: () => worker.unref(),
    terminate: () => worker.terminate(),
  };
}

function fileSystem({ isPermitted, refusal }: Differences, tryLock: Storage["tryLock"]): FileSystem {
  /** @param allow What `--allow-read` must name. */
  function typed<Result>(path: string, allow: string, run: () => Result): Result {
    try {
      return run();
    } catch (cause) {
      const found = refusal(cause, allow) ?? reason(cause);
      throw new RemoraError("FILE_NOT_FOUND", "Cannot open", { file: path, found, cause });
    }
  }

  /** What is in a directory, or in one below it; nothing where that one may not be read. */
  function entriesOf(directory: string, below: string): { name: string; isDirectory: boolean }[] {
    const read = () => readdirSync(`${directory}/${below}`, { withFileTypes: true });
    const entries = below === "" ? typed(directory, directory, read) : quietly(read) ?? [];
    return entries.map((entry) => ({ name: below + entry.name, isDirectory: entry.isDirectory() }));
  }

  /** Follows links; `undefined` for one that leads nowhere or in circles, which is then missing like any other file. */
  function statusOf(path: string, allow: string): Stats | undefined {
    return typed(path, allow, () => {
      try {
        return statSync(path, { throwIfNoEntry: false });
      } catch (cause) {
        if (isOfSystem(cause) && (cause as Error & { code: string }).code === "ELOOP") return undefined;
        throw cause;
      }
    });
  }

  return {
    isPermitted,

    isDirectory(path) {
      if (!isPermitted("read", path)) return undefined;
      return quietly(() => statSync(path).isDirectory()) ?? false;
    },

    listFiles(directory): DirectoryEntry[] {
      if (!typed(directory, directory, () => statSync(directory)).isDirectory()) {
        throw new RemoraError("BAD_ARGUMENT", "Cannot open", {
          file: directory,
          expected: "a folder, a GGUF file (its name ends in .gguf), a URL, or owner/name of the hub",
          found: "another file (of a model in several files, give the folder that holds them)",
        });
      }
      return entriesOf(directory, "").flatMap(({ name, isDirectory }) =>
        isDirectory ? (name.startsWith(".") ? [] : entriesOf(directory, `${name}/`)) : [{ name, isDirectory }]
      ).filter(({ isDirectory }) => !isDirectory).flatMap(({ name }) => {
        const status = statusOf(`${directory}/${name}`, directory);
        // Not a pipe or device: opening one may never return.
        return status?.isFile() ? [{ name, size: status.size }] : [];
      });
    },

    open(path, allow = path): ReadableFile {
      // Opening a pipe may never return.
      if (!typed(path, allow, () => statSync(path)).isFile()) {
        return { size: 0, isFile: false, readInto: () => 0, [Symbol.dispose]: () => {} };
      }
      return openFile(typed(path, allow, () => openSync(path, "r")));
    },

    replace: (path, write) => replaceFile(path, { isPermitted, tryLock }, write),
    create: (path, fill) => createDirectory(path, { isPermitted, tryLock }, fill),
  };
}

/** See `FileSystem.replace`. */
async function replaceFile(
  path: string,
  { isPermitted, tryLock }: Pick<FileSystem, "isPermitted"> & Pick<Storage, "tryLock">,
  write: (file: WritableFile) => Promise<void>,
): Promise<void> {
  const partial = `${path}.partial`;
  const mayRename = isPermitted("write", partial) && isPermitted("read", partial) &&
    !(isPermitted("read", path) && isDevice(path));
  await typedWriting(path, async () => {
    if (!mayRename) return await writeFile(path, write);
    using lock = tryLock(partial);
    if (lock === undefined) throw beingWritten(partial);
    try {
      await writeFile(partial, write);
      renameSync(partial, path);
    } catch (cause) {
      quietly(() => rmSync(partial, { force: true }));
      throw cause;
    }
  });
}

/** Held in a directory that is being made, so that a second process takes it for no leftover; the second is what `tryLock` adds. */
const DIRECTORY_LOCK = ".lock", LOCK_FILES = [DIRECTORY_LOCK, DIRECTORY_LOCK + HOLDER_SUFFIX];

/** See `FileSystem.create`. */
async function createDirectory(
  given: string,
  { isPermitted, tryLock }: Pick<FileSystem, "isPermitted"> & Pick<Storage, "tryLock">,
  fill: (directory: WritableDirectory) => Promise<void>,
): Promise<void> {
  // A slash at the end would put the other name into the directory.
  const path = given.replace(/(?<=[^/\\])[/\\]+$/, ""), partial = `${path}.partial`;
  if (path === "") {
    throw new RemoraError("BAD_ARGUMENT", "Cannot write", { expected: "a name", found: "none" });
  }
  for (const each of [path, partial]) {
    if (isPermitted("write", each) && isPermitted("read", each)) continue;
    throw new RemoraError("FILE_NOT_FOUND", "Cannot write", {
      file: each,
      expected: `the permission to read and write both "${path}" and "${partial}"`,
      found: "none",
    });
  }
  // A link that leads nowhere is something, too.
  if (quietly(() => lstatSync(path)) !== undefined) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot write", {
      file: path,
      expected: "a name that is free",
      found: "something of that name",
    });
  }
  await typedWriting(path, async () => {
    using lock = takeLeftover(partial, tryLock);
    try {
      await fill({ write: (name, fillFile) => writeFile(`${partial}/${name}`, fillFile) });
      giveName(partial, path, lock);
    } catch (cause) {
      quietly(() => rmSync(partial, { recursive: true, force: true }));
      throw cause;
    }
  });
}

/**
 * Makes a directory, or takes and empties what an earlier attempt left.
 *
 * @returns The lock that keeps others from doing the same.
 */
function takeLeftover(partial: string, tryLock: Storage["tryLock"]): Disposable {
  const found = quietly(() => lstatSync(partial));
  // A file, or a link to elsewhere.
  if (found !== undefined && !found.isDirectory()) rmSync(partial);
  mkdirSync(partial, { recursive: found !== undefined });
  const lock = tryLock(`${partial}/${DIRECTORY_LOCK}`);
  if (lock === undefined) throw beingWritten(partial);
  for (const name of readdirSync(partial)) {
    if (!LOCK_FILES.includes(name)) rmSync(`${partial}/${name}`, { recursive: true, force: true });
  }
  return lock;
}

/** Renames a directory that is whole. Until then it stays locked: whoever took it for a leftover would empty it under its new name. */
function giveName(partial: string, path: string, lock: Disposable): void {
  try {
    renameSync(partial, path);
  } catch {
    // Windows moves no directory in which a file is open.
    lock[Symbol.dispose]();
    renameSync(partial, path);
  }
  for (const name of LOCK_FILES) quietly(() => rmSync(`${path}/${name}`, { force: true }));
}

/** Runs what writes to `path`; the system's refusals become typed. */
async function typedWriting(path: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (cause) {
    if (cause instanceof RemoraError || !isOfSystem(cause)) throw cause;
    throw new RemoraError("BAD_FILE", "Cannot write", { file: path, found: `${cause}`, cause });
  }
}

function beingWritten(partial: string): RemoraError {
  return new RemoraError("BAD_FILE", "Cannot write", {
    file: partial,
    expected: "nobody else who writes it",
    found: "another process that does",
  });
}

function openFile(file: number): ReadableFile {
  return {
    size: fstatSync(file).size,
    isFile: true,
    readInto(position, target) {
      let filled = 0;
      while (filled < target.byteLength) {
        const count = readSync(file, target, filled, target.byteLength - filled, position + filled);
        if (count === 0) break;
        filled += count;
      }
      return filled;
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

async function writeFile(path: string, write: (file: WritableFile) => Promise<void>): Promise<void> {
  const file = openSync(path, "w");
  try {
    await write({
      write(bytes) {
        for (let written = 0; written < bytes.length;) written += writeSync(file, bytes, written);
      },
    });
  } finally {
    closeSync(file);
  }
}

/** Whether another file must not take its place, as /dev/null's. */
function isDevice(path: string): boolean {
  return quietly(() => !statSync(path).isFile()) ?? false;
}

/** Whether the error comes from the file system and not from the code that fills the file. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}

function reason(cause: unknown): string {
  const code = isOfSystem(cause) ? (cause as Error & { code: string }).code : undefined;
  if (code === "ENOENT" || code === "ENOTDIR") return "no such file or directory";
  if (code === "EACCES" || code === "EPERM") return "access denied by the operating system";
  return String(cause);
}

/** Physical cores by /proc/cpuinfo where that may be read, else `undefined`. */
function physicalCores({ isPermitted }: Differences): number | undefined {
  const path = "/proc/cpuinfo";
  if (!isPermitted("read", path)) return undefined;
  return quietly(() => {
    const cores = new Set<string>();
    for (const block of readFileSync(path, "utf8").split("\n\n")) {
      const socket = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1];
      const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
      if (socket && core) cores.add(`${socket}/${core}`);
    }
    const available = globalThis.navigator?.hardwareConcurrency ?? 1;
    return cores.size > 0 ? Math.min(cores.size, available) : undefined;
  });
}

function memoryReadings(
  { isPermitted, mayAskSystem, availableMemory, residentMemory }: Differences,
): MemoryReadings {
  return {
    readFile(path) {
      return isPermitted("read", path) ? quietly(() => readFileSync(path, "utf8")) : undefined;
    },
    available: () => mayAskSystem() ? quietly(availableMemory) : undefined,
    constrained: () => mayAskSystem() ? quietly(() => process.constrainedMemory()) : undefined,
    resident: residentMemory,
    heapLimit: () => getHeapStatistics().heap_size_limit,
    runtimeBytes: RUNTIME_BYTES,
  };
}
