/**
 * What the command line asks of the runtime that it runs on, where runtimes differ. Files, signals, arguments and the exit are those of
 * `node:fs` and `node:process`, which every runtime has and which ask for no more permissions.
 *
 * @module
 */
import type { ModelSource } from "../../mod.ts";

/** Something that a runtime may have to be allowed to do; the names are Deno's. Without the second field: all of it. */
export type Permission =
  | { name: "read" | "write"; path?: string }
  | { name: "net"; host?: string }
  | { name: "env"; variable?: string }
  | { name: "sys"; kind?: "cpus" | "systemMemoryInfo" };

/** Where to listen. */
export interface ListenOptions {
  hostname: string;
  /** 0: any free one. */
  port: number;
}

/** A server that listens. */
export interface HttpServer {
  readonly hostname: string;
  readonly port: number;
  /** Takes no more connections; resolves when the requests that run are answered. */
  shutdown(): Promise<void>;
}

/** A runtime. */
export interface Host {
  /** Whether what a program may do has to be permitted: only then are there flags to tell of. */
  readonly hasPermissions: boolean;
  /** What makes the engine pair vectors to 256 bits; absent where nothing does, or nothing is left to do. */
  readonly widerVectors?: string;
  /** The small model that comes with remora: its folder, or its package; `undefined` where it is not installed. */
  smallModel(): Promise<string | ModelSource | undefined>;
  /** Whether a permission is there without asking. */
  isGranted(permission: Permission): boolean;
  /** Lets the runtime ask the user for a permission, on the terminal. */
  requestPermission(permission: Permission): Promise<boolean>;
  /**
   * Writes all of the bytes to stdout.
   *
   * @throws With the code EPIPE when nobody reads it.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes all of the bytes to stderr; a stderr that nobody reads is no reason to stop. */
  note(bytes: Uint8Array): void;
  /** The next piece of stdin, or `undefined` at its end. */
  read(): Promise<Uint8Array | undefined>;
  /**
   * Whether the terminal hands over every key at once and echoes nothing. Ctrl-C and Ctrl-Z stay SIGINT and SIGTSTP, and take what
   * was typed and not read yet with them.
   */
  setRaw(isRaw: boolean): void;
  /** Columns of the terminal, or `undefined` without one. */
  terminalWidth(): number | undefined;
  /**
   * Serves HTTP. The signal of a request fires when its client goes away.
   *
   * @throws When the address cannot be had.
   */
  listen(options: ListenOptions, handler: (request: Request) => Promise<Response>): Promise<HttpServer>;
}
