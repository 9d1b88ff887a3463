/**
 * `remora fallback`: a proxy before a server, with a model beside it.
 *
 * @module
 */
import configuration from "../deno.json" with { type: "json" };
import {
  type AnswerRecord,
  createFallback,
  createMetrics,
  type FallbackOptions,
  inspectModel,
  loadModel,
} from "../mod.ts";
import { Interruption } from "./interruption.ts";
import {
  describeError,
  lastPart,
  listen,
  LISTEN_OPTIONS,
  readListening,
  requireNet,
  stop,
  stopped,
  takeList,
  urlOf,
} from "./listening.ts";
import {
  CACHE_OPTIONS,
  COMMON_OPTIONS,
  LOAD_OPTIONS,
  MODEL_OPTION,
  readCacheOptions,
  readLoadOptions,
} from "./load_options.ts";
import { noteMissingTemplate } from "./missing_template.ts";
import { checkAccess, takeModel } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { note, print } from "./terminal.ts";
import { refuseSurplus, UsageError } from "./usage_error.ts";

/** When the upstream is given up for a request, and for how long. Seconds, in the words of the command line. */
const RULE_OPTIONS = {
  "connect-timeout": { value: "SECONDS", help: "until a connection is there; default: 2" },
  "first-byte-timeout": {
    value: "SECONDS",
    help: "until an answer's first byte is there; default: 0, no limit",
  },
  "stall-timeout": { value: "SECONDS", help: "between two pieces of an answer; default: 0, no limit" },
  silence: {
    value: "SECONDS",
    help: "of silence after which a sign of life is asked for; default: 10; 0: never",
  },
  "probe-timeout": { value: "SECONDS", help: "until a sign of life is there; default: 5" },
  "health-path": { value: "PATH", help: "where signs of life are asked for; default: /health" },
  "retry-429": { help: "answer what the upstream refuses with 429; default: pass it on" },
  "no-retry-after-send": { help: "never repeat a request that the upstream may have begun" },
  "circuit-failures": { value: "N", help: "failures that keep requests away from an upstream; default: 3" },
  "circuit-window": { value: "SECONDS", help: "in which they are counted; default: 10" },
  "circuit-open": { value: "SECONDS", help: "for which they are kept away, then it is probed; default: 5" },
  "replay-bytes": { value: "N", help: "of a request, kept for another try; default: 67108864" },
} satisfies OptionDefinitions;

const FALLBACK_OPTIONS: OptionDefinitions = {
  upstream: {
    value: "URL",
    help: "a server that is asked first, without /v1; may be repeated, in order",
    isRepeatable: true,
  },
  ...MODEL_OPTION,
  "served-model-name": {
    value: "NAME",
    help: "a name that MODEL stands in for; may be repeated; default: those that upstreams list",
    isRepeatable: true,
  },
  "keep-model-name": { help: "answers say the name that was asked for, not MODEL's own" },
  "same-model": { help: "MODEL is the upstream's: embeddings and token ids may come from it too" },
  ...LISTEN_OPTIONS,
  "api-key": {
    value: "KEY",
    help: "a key that clients must send to be answered by MODEL; may be repeated",
    isRepeatable: true,
  },
  ...RULE_OPTIONS,
  lazy: { help: "load MODEL with the first failure, not at once" },
  idle: { value: "SECONDS", help: "give its memory back when nobody asked for so long; default: 0, never" },
  "while-loading": { value: "wait|refuse", help: "what requests do meanwhile; refuse: 503; default: wait" },
  "max-concurrent": { value: "N", help: "requests that MODEL answers at once; default: 8" },
  "max-queue": { value: "N", help: "requests that may wait for it; default: 64" },
  ...LOAD_OPTIONS,
  ...CACHE_OPTIONS,
  verbose: { help: "a line on stderr for every answer, and errors with their stack traces" },
  offline: { help: "never use the network to load MODEL" },
  help: COMMON_OPTIONS.help,
};

const FALLBACK_HELP = `remora fallback MODEL --upstream URL [options]

Passes everything on to a server with OpenAI's endpoints while it answers, and answers with MODEL while it does not
(docs/fallback.md).

${describeOptions(FALLBACK_OPTIONS)}
`;

/** Runs the command. */
export async function fallback(args: string[]): Promise<void> {
  const options = Options.parse(args, FALLBACK_OPTIONS);
  if (options.flag("help")) return await print(FALLBACK_HELP);
  const { model, rest } = takeModel(options);
  refuseSurplus(rest, "fallback");
  const upstreams = takeUpstreams(options);
  const settings = {
    ...readLoadOptions(options),
    ...readCacheOptions(options),
    ...checkAccess(model, options.flag("offline")),
  };
  const rules = { ...readRules(options), ...readLocal(options), modelName: lastPart(model) };
  const listening = readListening(options);
  using interruption = new Interruption("SIGINT", "SIGTERM");
  // A wrong path is noticed now, not in the night in which the model is needed.
  await inspectModel(model, { ...settings, signal: interruption.signal });
  const isVerbose = options.flag("verbose");
  const handler = createFallback({
    ...rules,
    upstreams,
    model: async () => {
      const loaded = await loadModel(model, { ...settings, signal: interruption.signal });
      noteMissingTemplate(loaded);
      return loaded;
    },
    apiKeys: listening.apiKeys,
    metrics: await createMetrics(),
    version: configuration.version,
    onAnswer: (record) => report(record, isVerbose),
    onCircuit: ({ upstream, state, reason }) =>
      note(`remora: ${upstream}: circuit ${state}${reason ? ` (${reason})` : ""}\n`),
    onError: (error) => note(`remora: ${describeError(error, isVerbose)}\n`),
  });
  const server = await listen(listening, handler);
  try {
    // One that cannot be loaded has been reported; what stands before healthy upstreams must not fall with it.
    if (!rules.lazy) await handler.ready().catch(() => {});
    if (!interruption.signal.aborted) {
      note(`remora: standing in for ${upstreams.join(", ")} with ${rules.modelName} at ${urlOf(server)}\n`);
    }
    await stopped(interruption.signal);
  } finally {
    await stop(server, () => handler[Symbol.asyncDispose]());
  }
}

/** @throws {UsageError} For none. @throws {RemoraError} FILE_NOT_FOUND for one that may not be reached. */
function takeUpstreams(options: Options): string[] {
  const upstreams = options.list("upstream");
  if (upstreams.length === 0) {
    throw new UsageError("expected --upstream URL, found none; see fallback --help");
  }
  for (const upstream of upstreams) {
    const url = URL.parse(upstream);
    const isWeb = url?.protocol === "http:" || url?.protocol === "https:";
    if (!isWeb) throw new UsageError(`--upstream needs an http or https URL, not "${upstream}"`);
    const port = url.port || (url.protocol === "https:" ? "443" : "80");
    requireNet(`${url.hostname}:${port}`, `Cannot reach ${upstream}`);
  }
  return upstreams;
}

function readRules(options: Options): Partial<FallbackOptions> {
  const milliseconds = (name: string, range: { from?: number; above?: number }) => {
    const seconds = options.number(name, { ...range, to: 86_400 });
    return seconds === undefined ? undefined : seconds * 1000;
  };
  const healthPath = options.text("health-path");
  if (healthPath !== undefined && !healthPath.startsWith("/")) {
    throw new UsageError(`--health-path needs a path that begins with /, not "${healthPath}"`);
  }
  return {
    connectMilliseconds: milliseconds("connect-timeout", { above: 0 }),
    firstByteMilliseconds: milliseconds("first-byte-timeout", { from: 0 }),
    betweenBytesMilliseconds: milliseconds("stall-timeout", { from: 0 }),
    silenceMilliseconds: milliseconds("silence", { from: 0 }),
    probeMilliseconds: milliseconds("probe-timeout", { above: 0 }),
    healthPath,
    failOverOnRateLimit: options.flag("retry-429"),
    retryAfterSend: !options.flag("no-retry-after-send"),
    circuitFailures: options.integer("circuit-failures", { from: 1 }),
    circuitWindowMilliseconds: milliseconds("circuit-window", { above: 0 }),
    circuitOpenMilliseconds: milliseconds("circuit-open", { above: 0 }),
    replayBytes: options.integer("replay-bytes", { from: 0 }),
  };
}

function readLocal(options: Options): Partial<FallbackOptions> {
  const names = takeList(
    options,
    "served-model-name",
    (name) => name.trim() !== "",
    "a name that is not empty",
  );
  return {
    standsInFor: names.length > 0 ? names : undefined,
    keepModelName: options.flag("keep-model-name"),
    isSameModel: options.flag("same-model"),
    lazy: options.flag("lazy"),
    idleMilliseconds: (options.number("idle", { from: 0, to: 86_400 }) ?? 0) * 1000,
    whileLoading: options.choice("while-loading", ["wait", "refuse"]),
    maxConcurrent: options.integer("max-concurrent", { from: 1 }),
    maxQueue: options.integer("max-queue", { from: 0 }),
  };
}

/** A line on who answered, where it was not the first upstream. */
function report(record: AnswerRecord, isVerbose: boolean): void {
  const { method, path, status, servedBy, upstream, reason, attempts, milliseconds } = record;
  if (!isVerbose && servedBy === "upstream" && !reason) return;
  const who = servedBy === "upstream" ? upstream : servedBy;
  const why = reason ? ` (${reason})` : "";
  const tries = `${attempts} ${attempts === 1 ? "try" : "tries"}`;
  note(
    `remora: ${method} ${path.slice(0, 100)} ${status} by ${who}${why}, ${tries}, ${
      milliseconds.toFixed(0)
    } ms\n`,
  );
}
