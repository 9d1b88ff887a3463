/**
 * Deno as the runtime.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Host, HttpServer, ListenOptions, Permission } from "./host.ts";

const READ_BYTES = 1 << 16;
/** Windows has no signals of a terminal. */
const RAW = { cbreak: Deno.build.os !== "windows" };

function isGranted(permission: Permission): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

async function requestPermission(permission: Permission): Promise<boolean> {
  return (await Deno.permissions.request(permission)).state === "granted";
}

async function write(bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await Deno.stdout.write(rest));
}

function note(bytes: Uint8Array): void {
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stderr.writeSync(rest));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

async function read(): Promise<Uint8Array | undefined> {
  const buffer = new Uint8Array(READ_BYTES);
  const size = await Deno.stdin.read(buffer);
  return size === null ? undefined : buffer.subarray(0, size);
}

function terminalWidth(): number | undefined {
  try {
    return Deno.consoleSize().columns || undefined;
  } catch {
    return undefined;
  }
}

// deno-lint-ignore require-await -- other hosts know only later whether they listen
async function listen(
  options: ListenOptions,
  handler: (request: Request) => Promise<Response>,
): Promise<HttpServer> {
  const server = Deno.serve({ ...options, onListen: () => {} }, handler);
  const { hostname, port } = server.addr;
  return { hostname, port, shutdown: () => server.shutdown() };
}

/** Deno's implementation of {@linkcode Host}. */
export const host: Host = {
  hasPermissions: true,
  widerVectors: "deno run --v8-flags=--experimental-wasm-revectorize",
  smallModel: () =>
    Promise.resolve(fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url))),
  isGranted,
  requestPermission,
  write,
  note,
  read,
  setRaw: (isRaw) => isRaw ? Deno.stdin.setRaw(true, RAW) : Deno.stdin.setRaw(false),
  terminalWidth,
  listen,
};
