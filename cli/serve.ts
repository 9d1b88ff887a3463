/**
 * `remora serve`: a model behind HTTP.
 *
 * @module
 */
import configuration from "../deno.json" with { type: "json" };
import { createHandler, createMetrics, loadModel, type Model, TOOL_CALL_FORMATS } from "../mod.ts";
import { bringModel } from "./hub.ts";
import { Interruption } from "./interruption.ts";
import {
  describeError,
  lastPart,
  listen,
  LISTEN_OPTIONS,
  readListening,
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
  PULL_OPTION,
  readCacheOptions,
  readLoadOptions,
} from "./load_options.ts";
import { noteMissingTemplate } from "./missing_template.ts";
import { checkAccess } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { createPictureFetcher } from "./picture_fetcher.ts";
import { type SourceArgument, takeModelOrSmall } from "./small_model.ts";
import { note, print } from "./terminal.ts";
import { refuseSurplus, UsageError } from "./usage_error.ts";

const SERVE_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  ...LISTEN_OPTIONS,
  "served-model-name": {
    value: "NAME",
    help: "what clients call the model; default: the last part of MODEL",
  },
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
  ...PULL_OPTION,
  verbose: { help: "errors with their stack traces on stderr" },
  ...COMMON_OPTIONS,
};

const SERVE_HELP = `remora serve [MODEL] [options]

Serves a model with OpenAI's and Anthropic's endpoints and a page (docs/server.md); without MODEL the small one that comes with remora.

${describeOptions(SERVE_OPTIONS)}
`;

/** Runs the command. */
export async function serve(args: string[]): Promise<void> {
  const options = Options.parse(args, SERVE_OPTIONS);
  if (options.flag("help")) return await print(SERVE_HELP);
  const { source, name } = await takeServedModel(options);
  const settings = {
    ...readLoadOptions(options),
    ...readCacheOptions(options),
    ...checkAccess(source, options.flag("offline")),
  };
  const cors = takeList(options, "cors", isOrigin, "an origin such as https://example.org, or *");
  const imageHosts = takeList(
    options,
    "allow-image-urls",
    (name) => name.trim() !== "",
    "the name of a host",
  );
  const listening = readListening(options);
  using interruption = new Interruption("SIGINT", "SIGTERM");
  const { signal } = interruption;
  const isAsked = options.flag("pull");
  const loading = bringModel(source, { isAsked, offline: settings.offline, signal })
    .then(() => loadModel(source, { ...settings, signal }));
  // Whoever asks meanwhile is told; the failure itself is reported below.
  loading.catch(() => {});
  const handler = createHandler({ [name]: loading }, {
    apiKeys: listening.apiKeys,
    maxConcurrent: options.integer("max-concurrent", { from: 1 }),
    maxQueue: options.integer("max-queue", { from: 0 }),
    cors,
    toolCallParser: options.choice("tool-call-parser", TOOL_CALL_FORMATS),
    fetchPicture: imageHosts.length > 0 ? createPictureFetcher(imageHosts) : undefined,
    metrics: await createMetrics(),
    version: configuration.version,
    onError: (error) => note(`remora: ${describeError(error, options.flag("verbose"))}\n`),
  });
  const server = await listen(listening, handler);
  let loaded: Model | undefined;
  try {
    loaded = await loading;
    noteMissingTemplate(loaded);
    note(`remora: serving ${name} at ${urlOf(server)}\n`);
    await stopped(signal);
  } finally {
    await stop(server, () => loaded?.dispose());
  }
}

/** The model and its name; the small one where none is named. */
async function takeServedModel(options: Options): Promise<SourceArgument & { name: string }> {
  const argument = await takeModelOrSmall(options);
  const { model, rest } = argument;
  refuseSurplus(rest, "serve");
  const name = options.text("served-model-name") ?? lastPart(model);
  if (name.trim() === "") throw new UsageError("--served-model-name needs a name that is not empty");
  return { ...argument, name };
}

/** Whether browsers may send this as a page's origin. */
function isOrigin(text: string): boolean {
  if (text === "*" || text === "null") return true;
  const url = URL.parse(text);
  return url !== null && url.host !== "" && text === `${url.protocol}//${url.host}`;
}
