/**
 * `remora perplexity`: how well a model foresees a text, and how far it is from another.
 *
 * @module
 */
import {
  inspectModel,
  type KeyValueStorage,
  loadModel,
  type LoadOptions,
  type Precision,
  RemoraError,
  type Tokenizer,
} from "../mod.ts";
import { alignColumns } from "./figures.ts";
import { Interruption } from "./interruption.ts";
import { COMMON_OPTIONS, LOAD_OPTIONS, MODEL_OPTION, readLoadOptions } from "./load_options.ts";
import { type Cut, LogitsReader, LogitsWriter } from "./logits_file.ts";
import { checkAccess, requireRead, requireWrite, takeModel } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import {
  type Divergence,
  modelReference,
  type Score,
  score,
  type ScoredRows,
  scoredRows,
} from "./scoring.ts";
import { print, ProgressBar } from "./terminal.ts";
import { type Window, type WindowOptions, type WindowRule, windowsOf } from "./text_windows.ts";
import { readText } from "./text_file.ts";
import { refuseSurplus, UsageError } from "./usage_error.ts";

/** Tokens of a window when none are asked for; as llama.cpp. */
const WINDOW_TOKENS = 512;
/** Enough of a text to see whether the tokenizer puts something before it. */
const BEGIN_CHARACTERS = 64;

const PERPLEXITY_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  rule: {
    value: "transformers|llama.cpp",
    help: "whose definition; transformers: windows --stride apart; llama.cpp: second halves of whole windows",
  },
  stride: { value: "N", help: "tokens from one window to the next; default: a window's" },
  tokens: { value: "N", help: "tokens of the text, from its beginning; default: all" },
  against: { value: "MODEL", help: "how far from this model, computed in f32" },
  logits: { value: "FILE", help: "how far from the model whose logits these are" },
  "save-logits": {
    value: "FILE",
    help: "write the logits, 4 bytes for each word of the vocabulary and token",
  },
  each: { help: "a row for each --precision and --kv-cache" },
  ...LOAD_OPTIONS,
  "ctx-size": {
    short: "c",
    value: "N",
    help: `tokens of a window; default: ${WINDOW_TOKENS}, or the model's`,
  },
  verbose: { help: "stack traces of unexpected errors" },
  ...COMMON_OPTIONS,
};

const PERPLEXITY_HELP = `remora perplexity MODEL FILE [options]

Cuts a text into windows, feeds each to an empty sequence and prints the perplexity of the scored tokens, with
its standard error. With --against or --logits also the divergence KL(reference | model) of the next token.

${describeOptions(PERPLEXITY_OPTIONS)}
`;

/** What is scored, and how. */
interface Task {
  source: string;
  file: string;
  text: string;
  /** Tokens of the text that count; default: all. */
  tokens?: number;
  window: WindowOptions;
  load: LoadOptions;
  signal: AbortSignal;
  against?: string;
  logits?: string;
  saveLogits?: string;
}

/** How a row of the result was computed. */
interface Storage {
  precision: Precision;
  kvCache: KeyValueStorage;
}

/** Runs the command. */
export async function perplexity(args: string[]): Promise<void> {
  const options = Options.parse(args, PERPLEXITY_OPTIONS);
  if (options.flag("help")) return await print(PERPLEXITY_HELP);
  const { model: source, rest } = takeModel(options);
  const [file, ...surplus] = rest;
  if (file === undefined) {
    throw new UsageError("expected FILE behind MODEL, found none; see perplexity --help");
  }
  refuseSurplus(surplus, "perplexity");
  using interruption = new Interruption("SIGINT", "SIGTERM");
  const task = await readTask(options, source, file, interruption.signal);
  using bar = new ProgressBar("Scoring");
  const rows: (Storage & Score)[] = [];
  const storages = storagesOf(options, task.load);
  for (const [i, storage] of storages.entries()) {
    const result = await scoreWith(task, storage, (share) => bar.show((i + share) / storages.length));
    rows.push({ ...storage, ...result });
  }
  bar[Symbol.dispose]();
  const { context, rule, stride } = task.window;
  const head = { model: source, file, contextSize: context, rule, stride };
  const reference = task.against ?? task.logits;
  if (options.flag("json")) {
    const result = options.flag("each") ? { rows } : rows[0];
    return await print(JSON.stringify({ ...head, ...(reference && { reference }), ...result }) + "\n");
  }
  await print(
    reference === undefined && rows.length === 1
      ? `perplexity ${describePerplexity(rows[0])} (${rows[0].scored} tokens, ${describeCut(task.window)})\n`
      : `${describeRows(rows)}\n${rows[0].scored} tokens, ${describeCut(task.window)}\n`,
  );
}

/** Checks everything that can be checked before a model is loaded. */
async function readTask(options: Options, source: string, file: string, signal: AbortSignal): Promise<Task> {
  const rule = options.choice<WindowRule>("rule", ["transformers", "llama.cpp"]) ?? "transformers";
  const wanted = options.integer("ctx-size", { from: 2 }), stride = options.integer("stride", { from: 1 });
  const tokens = options.integer("tokens", { from: 2 });
  const [against, logits, saveLogits] = ["against", "logits", "save-logits"].map((name) =>
    options.text(name)
  );
  refuseTogether({ "--against": against, "--logits": logits });
  refuseTogether({ "--each": options.flag("each") || undefined, "--save-logits": saveLogits });
  if (rule === "llama.cpp" && stride !== undefined) {
    throw new UsageError("Cannot use --stride with llama.cpp's rule");
  }
  const load = { ...readLoadOptions(options), ...checkAccess(source, options.flag("offline")) };
  if (against !== undefined) checkAccess(against, options.flag("offline"));
  if (logits !== undefined) requireRead(logits);
  if (saveLogits !== undefined) requireWrite(saveLogits);
  const text = await readText(file);
  const { contextSize: ofModel } = await inspectModel(source, { ...load, signal });
  const context = wanted ?? Math.min(WINDOW_TOKENS, ofModel);
  if (stride !== undefined && stride > context) {
    throw new UsageError(
      `Cannot use --stride: expected at most the ${context} tokens of a window, found ${stride}`,
    );
  }
  const window = { rule, context, ...(rule === "transformers" && { stride: stride ?? context }) };
  const settings = { ...load, contextSize: context };
  return { source, file, text, tokens, window, load: settings, signal, against, logits, saveLogits };
}

/** Every precision with every storage of keys and values, or what the options say. */
function storagesOf(options: Options, { precision = "int8", kvCache }: LoadOptions): Storage[] {
  if (!options.flag("each")) {
    return [{ precision, kvCache: kvCache ?? (precision === "f32" ? "f32" : "f16") }];
  }
  return (["f32", "int8"] as const).flatMap((precision) =>
    (["f32", "f16", "int8"] as const).map((kvCache) => ({ precision, kvCache }))
  );
}

/** Loads the model, and what it is compared with, and scores the text. */
async function scoreWith(task: Task, storage: Storage, onProgress: (share: number) => void): Promise<Score> {
  const { source, load, signal, against, logits, saveLogits } = task;
  await using model = await loadModel(source, { ...load, ...storage, signal });
  const windows = cutText(task, model.tokenizer);
  const targets = windows.flatMap(({ ids, from }) => ids.slice(from));
  await using other = against === undefined ? undefined : await loadModel(against, {
    contextSize: load.contextSize,
    threads: load.threads,
    offline: load.offline,
    precision: "f32",
    signal,
  });
  const cut = describeForFile(task.window);
  using reader = logits === undefined ? undefined : new LogitsReader(logits, cut, targets);
  using writer = saveLogits === undefined ? undefined : new LogitsWriter(saveLogits, cut, targets);
  const reference = other
    ? modelReference(other, windows, signal)
    : reader && ((piece: ScoredRows) => reader.next(piece));
  let done = 0;
  return await score(scoredRows(model, windows, signal), reference, (piece) => {
    writer?.write(piece);
    done += piece.targets.length;
    onProgress(done / targets.length);
  });
}

function cutText({ text, file, tokens, window }: Task, tokenizer: Tokenizer): Window[] {
  const ids = tokenizer.encode(text, { addSpecialTokens: true }).slice(0, tokens);
  const [plain] = tokenizer.encode(text.slice(0, BEGIN_CHARACTERS));
  const windows = windowsOf(ids, { ...window, ...(ids[0] !== plain && { beginId: ids[0] }) });
  if (windows.length > 0) return windows;
  const least = window.rule === "llama.cpp" ? window.context : 2;
  throw new RemoraError("BAD_FILE", "Cannot score", {
    file,
    expected: `at least ${least} tokens`,
    found: `${ids.length}`,
  });
}

/** How the text is cut, as a file of logits keeps it. */
function describeForFile({ rule, context, stride }: WindowOptions): Cut {
  return { rule, context: `${context}`, ...(stride && { stride: `${stride}` }) };
}

function describeCut({ rule, context, stride }: WindowOptions): string {
  if (rule === "llama.cpp") return `second halves of windows of ${context}, as llama.cpp`;
  return stride === context ? `windows of ${context}` : `windows of ${context}, ${stride} apart`;
}

function describePerplexity({ perplexity, standardError }: Score): string {
  return `${perplexity.toFixed(4)} ± ${standardError.toFixed(4)}`;
}

/** A table, the divergence from the reference included where there is one. */
function describeRows(rows: readonly (Storage & Score)[]): string {
  const isCompared = rows[0].divergence !== undefined;
  const head = ["activations", "keys, values", "perplexity"];
  const heads = [
    "reference",
    "difference",
    "mean KL",
    "median KL",
    "p99 KL",
    "largest KL",
    "likeliest agrees",
  ];
  const lines = rows.map(({ precision, kvCache, divergence, ...score }) => [
    precision,
    kvCache,
    describePerplexity(score),
    ...(divergence ? describeDivergence(score, divergence) : []),
  ]);
  const table = [[...head, ...(isCompared ? heads : [])], ...lines];
  return alignColumns(table, table[0].map((_, column) => column).slice(2));
}

function describeDivergence({ perplexity }: Score, found: Divergence): string[] {
  const difference = 100 * (perplexity / found.perplexityOfReference - 1);
  return [
    found.perplexityOfReference.toFixed(4),
    `${difference < 0 ? "−" : "+"}${Math.abs(difference).toFixed(2)} %`,
    found.mean.toFixed(5),
    found.median.toFixed(5),
    found.p99.toFixed(4),
    found.largest.toFixed(4),
    `${(100 * found.agreement).toFixed(1)} %`,
  ];
}

function refuseTogether(options: Readonly<Record<string, unknown>>): void {
  if (Object.values(options).some((value) => value === undefined)) return;
  throw new UsageError(`Cannot use ${Object.keys(options).join(" and ")} together`);
}
