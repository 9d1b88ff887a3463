/**
 * What every host has that follows the web's standards: no files, no permissions. Browsers, with threads where pages are isolated
 * from other origins; Deno Deploy and Supabase, with one thread.
 *
 * @module
 */
import { sha256 } from "npm:@noble/hashes@2.4.0/sha2.js";
import type { StartWorker } from "../../kernels/host/worker_pool.ts";
import { RemoraError } from "../core/errors.ts";
import type { Hash } from "./hash.ts";
import type { FileSystem, MetricsRegistry, Platform } from "./platform.ts";

/** A page's or function's own, without the browser around it. */
const RUNTIME_BYTES = 25_000_000;

function withoutFiles(path: string): RemoraError {
  return new RemoraError("FILE_NOT_FOUND", "Cannot open", {
    file: path,
    expected: "an http(s) URL, the name of a model on the hub, or a source of bytes",
    found: "a path where there is no file system",
  });
}

/** Paths lead nowhere; so a name such as `owner/name` is one of the hub. */
const files: FileSystem = {
  isDirectory: () => false,
  listFiles(directory) {
    throw withoutFiles(directory);
  },
  open(path) {
    throw withoutFiles(path);
  },
  replace: (path) => Promise.reject(withoutFiles(path)),
  create: (path) => Promise.reject(withoutFiles(path)),
  isPermitted: () => false,
};

/** SHA-256 in JavaScript: that of the web (crypto.subtle) takes all bytes at once and answers later. */
function createHash(): Hash {
  const state = sha256.create();
  const hash: Hash = {
    update(bytes) {
      state.update(bytes);
      return hash;
    },
    digest: () => state.digest(),
  };
  return hash;
}

/** A worker from text; its data come as its first message. */
const startWorker: StartWorker = (program, data) => {
  const text = `onmessage = ({ data }) => { (${program})(data); };`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(url);
  worker.postMessage(data);
  return {
    onError: (listener) =>
      worker.addEventListener("error", (event) => {
        URL.revokeObjectURL(url);
        listener(new Error(event.message || "the page does not allow workers from blob: URLs"));
      }, { once: true }),
    // A page's workers end with it.
    unref() {},
    terminate() {
      URL.revokeObjectURL(url);
      worker.terminate();
      return Promise.resolve();
    },
  };
};

/** Whether threads can share memory, and this one may wait for others: the main thread of a page may not. */
function canShare(): boolean {
  if (
    typeof Worker !== "function" || !(globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated
  ) return false;
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1);
    return true;
  } catch {
    return false;
  }
}

/** Resolves in a later turn of the event loop; unlike a timer's, a message's turn comes at once. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}

/** Not there: prom-client needs Node's modules. */
export function createMetrics(): Promise<MetricsRegistry> {
  return Promise.reject(
    new RemoraError("UNSUPPORTED", "Cannot measure", {
      expected: "Deno, Node or Bun, or a registry of your own (MetricsRegistry)",
      found: "a host without Node's modules",
    }),
  );
}

/** The implementation of {@linkcode Platform} for browsers, Deno Deploy and Supabase. */
export const platform: Platform = {
  files,
  environment: () => undefined,
  startWorker,
  createHash,
  mayReach: () => true,
  processors: () => canShare() ? navigator.hardwareConcurrency : 1,
  memory: {
    readFile: () => undefined,
    available: () => undefined,
    constrained: () => undefined,
    resident: () => 0,
    heapLimit: () => undefined,
    runtimeBytes: RUNTIME_BYTES,
  },
  pause: nextTurn,
};
