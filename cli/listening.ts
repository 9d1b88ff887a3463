/**
 * A port of this machine, from the permission to open it to its end.
 *
 * @module
 */
import { RemoraError } from "../mod.ts";
import { host as runtime } from "./host/current.ts";
import type { HttpServer } from "./host/host.ts";
import { Interruption } from "./interruption.ts";
import type { OptionDefinitions, Options } from "./options.ts";
import { note } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Where to listen, and who may ask. */
export const LISTEN_OPTIONS = {
  host: { value: "ADDRESS", help: "where to listen; default: 127.0.0.1" },
  port: { value: "N", help: "default: 8000; 0: any free one" },
  "api-key": { value: "KEY", help: "a key that clients must send; may be repeated", isRepeatable: true },
} satisfies OptionDefinitions;

/** Milliseconds that requests have to end after SIGTERM. */
const STOP_MILLISECONDS = 30_000;

/** What `LISTEN_OPTIONS` say. */
export interface Listening {
  host: string;
  port: number;
  apiKeys: string[];
}

/**
 * Reads them; an address that others reach, without a key, is warned of.
 *
 * @throws {UsageError} For values out of their range.
 * @throws {RemoraError} FILE_NOT_FOUND naming the permission that is missing.
 */
export function readListening(options: Options): Listening {
  const host = options.text("host") ?? "127.0.0.1";
  const port = options.integer("port", { from: 0, to: 65_535 }) ?? 8000;
  const apiKeys = takeList(options, "api-key", (key) => key.trim() !== "", "a key that is not empty");
  requireNet(`${host}:${port}`, "Cannot listen");
  if (!isLoopback(host) && apiKeys.length === 0) {
    note(`remora: warning: ${host} is reachable from elsewhere, and no --api-key is asked for\n`);
  }
  return { host, port, apiKeys };
}

/** The values of an option that may be repeated. */
export function takeList(
  options: Options,
  name: string,
  isValid: (value: string) => boolean,
  expected: string,
): string[] {
  const values = options.list(name);
  const wrong = values.find((value) => !isValid(value));
  if (wrong !== undefined) throw new UsageError(`--${name} needs ${expected}, not "${wrong}"`);
  return values;
}

/** @throws {RemoraError} FILE_NOT_FOUND naming the permission that is missing. */
export function requireNet(host: string, attempt: string): void {
  if (runtime.isGranted({ name: "net", host })) return;
  throw new RemoraError("FILE_NOT_FOUND", attempt, {
    expected: `the permission: pass --allow-net=${host} to deno run`,
    found: "none",
  });
}

function isLoopback(host: string): boolean {
  return /^127\./.test(host) || ["localhost", "::1", "[::1]"].includes(host);
}

/** @throws {RemoraError} BAD_ARGUMENT when the port cannot be had. */
export async function listen(
  { host, port }: Listening,
  handler: (request: Request) => Promise<Response>,
): Promise<HttpServer> {
  try {
    return await runtime.listen({ hostname: host, port }, handler);
  } catch (cause) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot listen", {
      expected: `${host}:${port} to be free and of this machine`,
      found: cause instanceof Error ? cause.message : `${cause}`,
      cause,
    });
  }
}

/** Where it listens, as a URL. */
export function urlOf({ hostname, port }: HttpServer): string {
  return `http://${hostname.replace(/^.*:.*$/, "[$&]")}:${port}`;
}

/** Resolves when the signal fires. */
export async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/**
 * Finishes what runs, up to a limit, and gives back what it ran with. A client that does not read, or does not send what it announced,
 * holds nothing up beyond that: the end of the process closes its connection.
 */
export async function stop(
  server: HttpServer,
  dispose: () => PromiseLike<void> | undefined,
): Promise<void> {
  const limit = Promise.withResolvers<string>();
  const timer = setTimeout(
    () => limit.resolve(`after ${STOP_MILLISECONDS / 1000} s`),
    STOP_MILLISECONDS,
  );
  // A second signal ends it at once.
  using again = new Interruption("SIGINT", "SIGTERM");
  again.signal.addEventListener("abort", () => limit.resolve("by a second signal"));
  const cut = await Promise.race([server.shutdown().catch(() => {}), limit.promise]);
  clearTimeout(timer);
  if (cut) note(`remora: warning: what still ran was cut off ${cut}\n`);
  await dispose();
}

/** An error for stderr: one line, or its stack. */
export function describeError(error: unknown, isVerbose: boolean): string {
  if (!(error instanceof Error)) return `${error}`;
  return isVerbose && error.stack ? error.stack : error.message;
}

/** The name of a model: the last part of its path or id. */
export function lastPart(model: string): string {
  return model.replace(/[/\\]+$/, "").split(/[/\\]/).at(-1)!.split("@")[0] || "default";
}
