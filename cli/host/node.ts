/**
 * Node, from version 22 on, and Bun as the runtime. Nothing has to be permitted there.
 *
 * @module
 */
import { writeSync } from "node:fs";
import type { AddressInfo } from "node:net";
import process from "node:process";
import type { ModelSource } from "../../mod.ts";
import { hasCode } from "../files.ts";
import type { Host, HttpServer, ListenOptions } from "./host.ts";
import { Input } from "./node_input.ts";

/** The first Node whose engine pairs vectors of relaxed instructions too. */
const WIDENING_NODE = 26;
/** Milliseconds between two looks for connections that have nothing more to say. */
const CLOSING_INTERVAL = 50;

let input: Input | undefined;
const stdin = () => input ??= new Input(process.stdin);
// Whoever writes hears of errors; without a listener they would end the process besides.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

function widerVectors(): string | undefined {
  const major = Number.parseInt(process.versions.node);
  return process.versions.bun || major >= WIDENING_NODE ? undefined : `Node ${WIDENING_NODE}`;
}

/** Its package, beside this one. */
async function smallModel(): Promise<ModelSource | undefined> {
  // A name that no tool resolves before it is asked for: the package need not be there.
  const name = "@remora/scenes-mllama-int4";
  try {
    return (await import(name)).source;
  } catch (error) {
    if (hasCode(error, "ERR_MODULE_NOT_FOUND")) return undefined;
    throw error;
  }
}

async function write(bytes: Uint8Array): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  process.stdout.write(bytes, (error) => error ? reject(error) : resolve());
  await promise;
}

function note(bytes: Uint8Array): void {
  let rest = bytes;
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(process.stderr.fd, rest));
  } catch (error) {
    if (hasCode(error, "EAGAIN")) process.stderr.write(rest);
    else if (!hasCode(error, "EPIPE")) throw error;
  }
}

async function listen(
  { hostname, port }: ListenOptions,
  handler: (request: Request) => Promise<Response>,
): Promise<HttpServer> {
  const { createAdaptorServer } = await import("npm:@hono/node-server@2.1.9");
  const server = createAdaptorServer({ fetch: handler, overrideGlobalObjects: false });
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, hostname, resolve);
  await listening;
  const address = server.address() as AddressInfo;
  return {
    hostname: address.address,
    port: address.port,
    async shutdown() {
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      // A connection that is kept alive would hold the server open until its client lets go of it.
      const timer = setInterval(
        () => "closeIdleConnections" in server && server.closeIdleConnections(),
        CLOSING_INTERVAL,
      );
      await closed;
      clearInterval(timer);
    },
  };
}

/** Node's implementation of {@linkcode Host}. */
export const host: Host = {
  hasPermissions: false,
  widerVectors: widerVectors(),
  smallModel,
  isGranted: () => true,
  requestPermission: () => Promise.resolve(true),
  write,
  note,
  read: () => stdin().read(),
  setRaw: (isRaw) => stdin().setRaw(isRaw),
  terminalWidth: () => process.stderr.columns ?? process.stdout.columns,
  listen,
};
