/**
 * Deno as the runtime.
 *
 * @module
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { setImmediate } from "node:timers";
import { getHeapStatistics } from "node:v8";
import { Worker } from "node:worker_threads";
import type { WorkerThread } from "../../kernels/host/worker_pool.ts";
import { RemoraError } from "../core/errors.ts";
import type { MemoryReadings } from "./memory_limit.ts";
import { createNodeHttp } from "./node_http.ts";
import type { DirectoryEntry, Platform, ReadableFile, WritableFile } from "./platform.ts";

/**
 * A turn of `setImmediate` costs a few µs, but the host does not look at signals and sockets in every such turn: Deno's runtime
 * (tokio) does so in one of 61 while there is work. So a long pause takes as many turns: 0.1 to 0.3 ms, where a timer makes the
 * runtime sleep for 2 ms.
 */
const TURNS_OF_A_LONG_PAUSE = 61;

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
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

function isPermitted(access: "read" | "write", path: string): boolean {
  return isGranted({ name: access, path });
}

function isDirectory(path: string): boolean | undefined {
  if (!isPermitted("read", path)) return undefined;
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function listFiles(directory: string): DirectoryEntry[] {
  if (!typed(directory, directory, () => Deno.statSync(directory)).isDirectory) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot open", {
      file: directory,
      expected: "a directory",
      found: "a file (give the directory that holds it)",
    });
  }
  return entriesOf(directory, "").flatMap(({ name, isDirectory }) =>
    isDirectory ? (name.startsWith(".") ? [] : entriesOf(directory, `${name}/`)) : [{ name, isDirectory }]
  ).filter(({ isDirectory }) => !isDirectory).flatMap(({ name }) => {
    const status = statusOf(`${directory}/${name}`, directory);
    // Not a pipe or device: opening one may never return.
    return status?.isFile ? [{ name, size: status.size }] : [];
  });
}

/** What is in a directory, or in one below it; nothing where that one may not be read. */
function entriesOf(directory: string, below: string): { name: string; isDirectory: boolean }[] {
  const read = () => [...Deno.readDirSync(`${directory}/${below}`)];
  const entries = below === "" ? typed(directory, directory, read) : quietly(read) ?? [];
  return entries.map(({ name, isDirectory }) => ({ name: below + name, isDirectory }));
}

/** Follows links; `undefined` for one that leads nowhere, which is then missing like any other file. */
function statusOf(path: string, allow: string): Deno.FileInfo | undefined {
  try {
    return typed(path, allow, () => Deno.statSync(path));
  } catch (error) {
    if (error instanceof RemoraError && error.cause instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function open(path: string, allow = path): ReadableFile {
  // Opening a pipe may never return.
  if (!typed(path, allow, () => Deno.statSync(path)).isFile) {
    return { size: 0, isFile: false, readInto: () => 0, [Symbol.dispose]: () => {} };
  }
  const file = typed(path, allow, () => Deno.openSync(path));
  const { size } = file.statSync();
  return {
    size,
    isFile: true,
    readInto(position, target) {
      file.seekSync(position, Deno.SeekMode.Start);
      let filled = 0;
      while (filled < target.byteLength) {
        const count = file.readSync(target.subarray(filled));
        if (count === null) break;
        filled += count;
      }
      return filled;
    },
    [Symbol.dispose]: () => file.close(),
  };
}

async function replace(path: string, write: (file: WritableFile) => Promise<void>): Promise<void> {
  const partial = `${path}.partial`;
  const mayRename = isPermitted("write", partial) && isPermitted("read", partial) && !isDevice(path);
  try {
    {
      using file = await Deno.open(mayRename ? partial : path, { write: true, create: true, truncate: true });
      await write({
        write(bytes) {
          for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
        },
      });
    }
    if (mayRename) await Deno.rename(partial, path);
  } catch (cause) {
    if (mayRename) await Deno.remove(partial).catch(() => {});
    if (!isOfSystem(cause)) throw cause;
    throw new RemoraError("BAD_FILE", "Cannot write", { file: path, found: `${cause}`, cause });
  }
}

/** Whether another file must not take its place, as /dev/null's. */
function isDevice(path: string): boolean {
  if (!isPermitted("read", path)) return false;
  try {
    return !Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Whether the error comes from the file system and not from the code that fills the file. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && !(error instanceof RemoraError) &&
    (Object.values(Deno.errors).some((kind) => error instanceof kind) ||
      "code" in error && typeof error.code === "string");
}

/** @param allow What `--allow-read` must name. */
function typed<Result>(path: string, allow: string, run: () => Result): Result {
  try {
    return run();
  } catch (cause) {
    throw new RemoraError("FILE_NOT_FOUND", "Cannot open", {
      file: path,
      found: reason(cause, allow),
      cause,
    });
  }
}

function reason(cause: unknown, allow: string): string {
  if (cause instanceof Deno.errors.NotFound) return "no such file or directory";
  if (cause instanceof Deno.errors.NotCapable) return `no permission (run with --allow-read=${allow})`;
  if (cause instanceof Deno.errors.PermissionDenied) return "access denied by the operating system";
  return String(cause);
}

/** Physical cores by /proc/cpuinfo where that may be read, else `undefined`. */
function physicalCores(): number | undefined {
  const path = "/proc/cpuinfo";
  if (!isPermitted("read", path)) return undefined;
  return quietly(() => {
    const cores = new Set<string>();
    for (const block of Deno.readTextFileSync(path).split("\n\n")) {
      const socket = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1];
      const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
      if (socket && core) cores.add(`${socket}/${core}`);
    }
    const available = globalThis.navigator?.hardwareConcurrency ?? 1;
    return cores.size > 0 ? Math.min(cores.size, available) : undefined;
  });
}

function memoryReadings(): MemoryReadings {
  const mayAskSystem = () => isGranted({ name: "sys", kind: "systemMemoryInfo" });
  return {
    readFile(path) {
      return isPermitted("read", path) ? quietly(() => Deno.readTextFileSync(path)) : undefined;
    },
    available: () => mayAskSystem() ? quietly(() => Deno.systemMemoryInfo().available) : undefined,
    constrained: () => mayAskSystem() ? quietly(() => process.constrainedMemory()) : undefined,
    resident: () => Deno.memoryUsage().rss,
    heapLimit: () => getHeapStatistics().heap_size_limit,
  };
}

/** `undefined` where reading fails: on another system, where a file is missing, or where it may not be read. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Deno's implementation of {@linkcode Platform}. */
export const denoPlatform: Platform = {
  files: { isDirectory, listFiles, open, replace, isPermitted },
  startWorker,
  createHash: () => createHash("sha256"),
  mayReach: (host) => isGranted({ name: "net", host }),
  createHttp: createNodeHttp,
  processors: () => physicalCores() ?? globalThis.navigator?.hardwareConcurrency ?? 1,
  memory: memoryReadings(),
  async pause(kind) {
    for (let turn = 0; turn < (kind === "long" ? TURNS_OF_A_LONG_PAUSE : 1); turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  },
};
