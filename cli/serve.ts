/**
 * `remora serve`: a model behind HTTP.
 *
 * @module
 */
import configuration from "../deno.json" with { type: "json" };
import { fileURLToPath } from "node:url";
import {
  createHandler,
  createMetrics,
  loadModel,
  type Model,
  RemoraError,
  TOOL_CALL_FORMATS,
} from "../mod.ts";
import { host } from "./host/current.ts";
import type { HttpServer } from "./host/host.ts";
import { Interruption } from "./interruption.ts";
import {
  CACHE_OPTIONS,
  COMMON_OPTIONS,
  LOAD_OPTIONS,
  MODEL_OPTION,
  readCacheOptions,
  readLoadOptions,
} from "./load_options.ts";
import { checkAccess } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { createPictureFetcher } from "./picture_fetcher.ts";
import { note, print } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

export const SERVE_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  host: { value: "ADDRESS", help: "where to listen; default: 127.0.0.1" },
  port: { value: "N", help: "default: 8000; 0: any free one" },
  "served-model-name": {
    value: "NAME",
    help: "what clients call the model; default: the last part of MODEL",
  },
  "api-key": { value: "KEY", help: "a key that clients must send; may be repeated", isRepeatable: true },
  "max-concurrent": { value: "N", help: "requests that are answered at once; default: 8" },
  "max-queue": { value: "N", help: "requests that may wait; default: 64" },
  cors: { value: "ORIGIN", help: "a page's origin that may ask, or *; may be repeated", isRepeatable: true },
  "allow-image-urls": {
    value: "HOST",
    help: "a host from which pictures may be fetched; may be repeated",
    isRepeatable: true,
  },
  "tool-call-parser": {
    value: "NAME",
    help: "how the model calls tools; default: as its chat template does",
  },
  ...LOAD_OPTIONS,
  ...CACHE_OPTIONS,
  verbose: { help: "errors with their stack traces on stderr" },
  ...COMMON_OPTIONS,
};

export const SERVE_HELP = `remora serve [MODEL] [options]

Serves a model with OpenAI's and Anthropic's endpoints and a page (docs/server.md); without MODEL the small one of the repository.

${describeOptions(SERVE_OPTIONS)}
`;

/** The model that is served when none is named. */
const EMBEDDED_MODEL = fileURLToPath(new URL("../models/scenes-mllama-int4", import.meta.url));
/** Milliseconds that requests have to end after SIGTERM. */
const STOP_MILLISECONDS = 30_000;

/** Runs the command. */
export async function serve(args: string[]): Promise<void> {
  const options = Options.parse(args, SERVE_OPTIONS);
  if (options.flag("help")) return await print(SERVE_HELP);
  const { model, name } = takeServedModel(options);
  const hostname = options.text("host") ?? "127.0.0.1";
  const port = options.integer("port", { from: 0, to: 65_535 }) ?? 8000;
  const settings = {
    ...readLoadOptions(options),
    ...readCacheOptions(options),
    ...checkAccess(model, options.flag("offline")),
  };
  const apiKeys = takeList(options, "api-key", (key) => key.trim() !== "", "a key that is not empty");
  const cors = takeList(options, "cors", isOrigin, "an origin such as https://example.org, or *");
  const imageHosts = takeList(
    options,
    "allow-image-urls",
    (name) => name.trim() !== "",
    "the name of a host",
  );
  requireNet(hostname, port);
  if (!isLoopback(hostname) && apiKeys.length === 0) {
    note(`remora: warning: ${hostname} is reachable from elsewhere, and no --api-key is asked for\n`);
  }
  using interruption = new Interruption("SIGINT", "SIGTERM");
  const loading = loadModel(model, { ...settings, signal: interruption.signal });
  // Whoever asks meanwhile is told; the failure itself is reported below.
  loading.catch(() => {});
  const handler = createHandler({ [name]: loading }, {
    apiKeys,
    maxConcurrent: options.integer("max-concurrent", { from: 1 }),
    maxQueue: options.integer("max-queue", { from: 0 }),
    cors,
    toolCallParser: options.choice("tool-call-parser", TOOL_CALL_FORMATS),
    fetchPicture: imageHosts.length > 0 ? createPictureFetcher(imageHosts) : undefined,
    metrics: await createMetrics(),
    version: configuration.version,
    onError: (error) => note(`remora: ${describe(error, options.flag("verbose"))}\n`),
  });
  const server = await listen(hostname, port, handler);
  try {
    const loaded = await loading;
    note(
      `remora: serving ${name} at http://${server.hostname.replace(/^.*:.*$/, "[$&]")}:${server.port}\n`,
    );
    await stopped(interruption.signal);
    await stop(server, loaded);
  } finally {
    await server.shutdown().catch(() => {});
  }
}

/** The model and its name; the repository's own where none is named. */
function takeServedModel(options: Options): { model: string; name: string } {
  const [first, ...others] = options.positionals;
  const named = options.text("model");
  const rest = named === undefined ? others : options.positionals;
  if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"; see serve --help`);
  const model = named ?? first ?? EMBEDDED_MODEL;
  const last = model.replace(/[/\\]+$/, "").split(/[/\\]/).at(-1)!.split("@")[0];
  const name = options.text("served-model-name") ?? (last || "default");
  if (name.trim() === "") throw new UsageError("--served-model-name needs a name that is not empty");
  return { model, name };
}

/** The values of an option that may be repeated. */
function takeList(
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

/** Whether browsers may send this as a page's origin. */
function isOrigin(text: string): boolean {
  if (text === "*" || text === "null") return true;
  const url = URL.parse(text);
  return url !== null && url.host !== "" && text === `${url.protocol}//${url.host}`;
}

function requireNet(hostname: string, port: number): void {
  const address = `${hostname}:${port}`;
  if (host.isGranted({ name: "net", host: address })) return;
  throw new RemoraError("FILE_NOT_FOUND", "Cannot listen", {
    expected: `the permission: pass --allow-net=${address} to deno run`,
    found: "none",
  });
}

function isLoopback(hostname: string): boolean {
  return /^127\./.test(hostname) || ["localhost", "::1", "[::1]"].includes(hostname);
}

async function listen(
  hostname: string,
  port: number,
  handler: (request: Request) => Promise<Response>,
): Promise<HttpServer> {
  try {
    return await host.listen({ hostname, port }, handler);
  } catch (cause) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot listen", {
      expected: `${hostname}:${port} to be free and of this machine`,
      found: cause instanceof Error ? cause.message : `${cause}`,
      cause,
    });
  }
}

async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Finishes what runs, up to a limit. */
async function stop(server: HttpServer, model: Model): Promise<void> {
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(limit.resolve, STOP_MILLISECONDS);
  // A second signal ends it at once.
  using again = new Interruption("SIGINT", "SIGTERM");
  again.signal.addEventListener("abort", () => limit.resolve());
  await Promise.race([server.shutdown(), limit.promise]);
  clearTimeout(timer);
  await model.dispose();
}

function describe(error: unknown, isVerbose: boolean): string {
  if (!(error instanceof Error)) return `${error}`;
  return isVerbose && error.stack ? error.stack : error.message;
}
