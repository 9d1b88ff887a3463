/**
 * `remora ps`: what a server is doing.
 *
 * @module
 */
import { printable, RemoraError } from "../mod.ts";
import { alignColumns, describeBytes } from "./figures.ts";
import { host } from "./host/current.ts";
import { COMMON_OPTIONS } from "./load_options.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { print } from "./terminal.ts";
import { refuseSurplus, UsageError } from "./usage_error.ts";

const SERVER_DEFAULT = "http://127.0.0.1:8000";
/** Milliseconds that a server may take to say how it is. */
const ANSWER_MAX = 5_000;

const { json, help } = COMMON_OPTIONS;
const PS_OPTIONS: OptionDefinitions = {
  verbose: { help: "stack traces of unexpected errors" },
  json,
  help,
};

const PS_HELP = `remora ps [URL] [options]

Says which models a server has, how many requests each answers and how many wait, how much of its key/value cache is in use, and the
memory that the server takes.
URL: default ${SERVER_DEFAULT}

${describeOptions(PS_OPTIONS)}
`;

/** One model of a server. */
interface ServedModel {
  model: string;
  running: number;
  waiting: number;
  /** Share of the key/value cache in use, from 0 to 1. */
  cacheUsage: number;
  /** Tokens since the server was started. */
  promptTokens: number;
  generatedTokens: number;
}

/** What is shown, by vLLM's names; counters have the ending `_total` where a client library adds it. */
const METRICS: Readonly<Record<string, Exclude<keyof ServedModel, "model">>> = {
  "vllm:num_requests_running": "running",
  "vllm:num_requests_waiting": "waiting",
  "vllm:kv_cache_usage_perc": "cacheUsage",
  "vllm:prompt_tokens": "promptTokens",
  "vllm:generation_tokens": "generatedTokens",
};

/** Runs the command. */
export async function ps(args: string[]): Promise<void> {
  const options = Options.parse(args, PS_OPTIONS);
  if (options.flag("help")) return await print(PS_HELP);
  const [server = SERVER_DEFAULT, ...surplus] = options.positionals;
  refuseSurplus(surplus, "ps");
  const url = URL.parse(server);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`Cannot ask "${server}": expected an http(s) URL`);
  }
  if (!host.isGranted({ name: "net", host: url.host })) {
    throw refusal(server, `the permission to reach it: pass --allow-net=${url.host} to deno run`, "none");
  }
  const text = await ask(url);
  const models = readMetrics(text), memoryBytes = readMemory(text);
  if (options.flag("json")) return await print(JSON.stringify({ server, memoryBytes, models }) + "\n");
  const rows = models.map(({ model, running, waiting, cacheUsage, promptTokens, generatedTokens }) => [
    printable(model),
    `${running}`,
    `${waiting}`,
    `${(100 * cacheUsage).toFixed(1)} %`,
    `${promptTokens}`,
    `${generatedTokens}`,
  ]);
  const head = ["model", "running", "waiting", "cache", "prompt tokens", "generated tokens"];
  const memory = memoryBytes === undefined ? "" : `memory ${describeBytes(memoryBytes)}\n`;
  await print(alignColumns([head, ...rows], [1, 2, 3, 4, 5]) + "\n" + memory);
}

async function ask(server: URL): Promise<string> {
  const url = new URL("metrics", server.pathname.endsWith("/") ? server : `${server.href}/`);
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MAX) });
    const text = await answer.text();
    if (answer.ok) return text;
    throw refusal(url.href, "metrics", `HTTP ${answer.status}`);
  } catch (error) {
    if (error instanceof RemoraError) throw error;
    throw refusal(url.href, "a server", error instanceof Error ? error.message : String(error));
  }
}

/**
 * The models of a text in Prometheus' format.
 *
 * @see {@link https://prometheus.io/docs/instrumenting/exposition_formats/ | the format}
 */
function readMetrics(text: string): ServedModel[] {
  const models = new Map<string, ServedModel>();
  for (
    const [, name, label, value] of text.matchAll(
      /^([\w:]+?)(?:_total)?\{[^}\n]*?\bmodel_name="([^"]*)"[^}\n]*\} (\S+)/gm,
    )
  ) {
    const field = METRICS[name];
    if (field === undefined) continue;
    const empty = { running: 0, waiting: 0, cacheUsage: 0, promptTokens: 0, generatedTokens: 0 };
    const served = models.get(label) ?? { model: label, ...empty };
    served[field] = Number(value);
    models.set(label, served);
  }
  return [...models.values()];
}

/** Bytes that the server's process takes, where it says so. */
function readMemory(text: string): number | undefined {
  const [, value] = /^process_resident_memory_bytes (\S+)$/m.exec(text) ?? [];
  return value === undefined ? undefined : Number(value);
}

function refusal(file: string, expected: string, found: string): RemoraError {
  return new RemoraError("FILE_NOT_FOUND", "Cannot ask", { file, expected, found });
}
