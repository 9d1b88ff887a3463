/**
 * `remora run`: an answer, or a chat.
 *
 * @module
 */
import process from "node:process";
import {
  type Completion,
  decodeImage,
  encodePng,
  type GenerateRequest,
  loadConversation,
  type LoadedConversation,
  loadModel,
  type LoadOptions,
  type Message,
  type Model,
  RemoraError,
  saveConversation,
  type Sequence,
} from "../mod.ts";
import { answer, type AnswerListener, describeAnswer, describeCut } from "./answer.ts";
import { AnswerPrinter } from "./answer_printer.ts";
import { chat } from "./chat.ts";
import { ChatHistory } from "./chat_history.ts";
import { userMessage, withUserMessage } from "./conversation.ts";
import { describeBytes } from "./figures.ts";
import { describeEngine, noteWidth } from "./engine_line.ts";
import { host } from "./host/current.ts";
import { bringModel } from "./hub.ts";
import { Interruption } from "./interruption.ts";
import {
  CACHE_OPTIONS,
  COMMON_OPTIONS,
  LOAD_OPTIONS,
  MODEL_OPTION,
  PULL_OPTION,
  readCacheOptions,
  readLoadOptions,
} from "./load_options.ts";
import { isTemplateMissing } from "./missing_template.ts";
import { checkAccess, requireRead, requireWrite, writeOutput } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { AttentionSum, drawAttention } from "./attention_picture.ts";
import { namePictures, readPicture } from "./picture.ts";
import { PromptBars } from "./prompt_bars.ts";
import { type SourceArgument, takeModelOrSmall } from "./small_model.ts";
import { isTerminal, note, print, ProgressBar, readStdin } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Small models that choose the likeliest token may repeat themselves for ever; longer answers are asked for by name. */
const MAX_TOKENS_DEFAULT = 4096;

/** Guesses of a step: a code edit is 1.5 times as fast with them, nothing slower (docs/performance.md). */
const PROMPT_LOOKUP = 10;

/** Where defaults of sampling come from. */
const THE_MODELS = "the model's generation_config.json";

const RUN_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  prompt: {
    short: "p",
    value: "TEXT",
    help: "the prompt; - reads it from stdin; other input is appended to it",
  },
  system: { value: "TEXT", help: "a system message" },
  image: { value: "FILE", isRepeatable: true, help: "a picture to look at (repeatable)" },
  "max-tiles": {
    value: "N",
    help: "tiles of a picture at most: less detail in less time, also of later tokens; default: the model's",
  },
  "show-attention": { value: "FILE", help: "write a PNG of where in the picture the answer looked" },
  raw: { help: "no chat template: continue the text" },
  "template-var": {
    value: "NAME=VALUE",
    isRepeatable: true,
    help: "a variable of the chat template; JSON, or text (repeatable)",
  },
  "max-tokens": {
    short: "n",
    value: "N",
    help:
      `tokens to generate at most; default: ${MAX_TOKENS_DEFAULT}, or what the context holds, and no end in circles`,
  },
  "context-shift": { help: "go on when the context is full: forget the middle" },
  "load-state": { value: "FILE", help: "go on with a conversation that was saved" },
  "save-state": { value: "FILE", help: "save the conversation at the end" },
  ...LOAD_OPTIONS,
  ...CACHE_OPTIONS,
  ...PULL_OPTION,
  temperature: { value: "X", help: `0: always the likeliest token; default: ${THE_MODELS}, else 0` },
  "top-k": { value: "N", help: `keep the N likeliest tokens; 0: all; default: ${THE_MODELS}, else 0` },
  "top-p": {
    value: "X",
    help: `keep the likeliest tokens that hold this share; default: ${THE_MODELS}, else 1`,
  },
  "min-p": {
    value: "X",
    help: `drop tokens below this share of the likeliest; default: ${THE_MODELS}, else 0`,
  },
  "typical-p": {
    value: "X",
    help: `keep the most typical tokens that hold this share; default: ${THE_MODELS}, else 1`,
  },
  "repeat-penalty": {
    value: "X",
    help: `against tokens that were there; 1: off; default: ${THE_MODELS}, else 1`,
  },
  "presence-penalty": { value: "X", help: "against tokens of the answer, -2 to 2; default: 0" },
  "frequency-penalty": { value: "X", help: "the same, once per occurrence; default: 0" },
  seed: { value: "N", help: "same seed, same answer; default: another each time" },
  stop: { value: "TEXT", isRepeatable: true, help: "end before this text (repeatable)" },
  "prompt-lookup": {
    value: "N",
    help: "guess up to N tokens at once from the text so far; same answer; 0: none; default: 10",
  },
  logprobs: { value: "N", help: "with --json: the N likeliest tokens at each place" },
  history: {
    value: "FILE",
    help: "keep what is typed into chats in FILE; default: ~/.local/state/remora/history",
  },
  "no-history": {
    help: `keep nothing of it${
      host.hasPermissions ? "; nor is anything kept without the permission to write" : ""
    }`,
  },
  "no-wrap": { help: "on a terminal: do not break lines between words" },
  verbose: { help: "statistics on stderr" },
  ...COMMON_OPTIONS,
};

const RUN_HELP = `remora run [MODEL] [PROMPT] [options]

Answers PROMPT, or what stdin says; chats when there is neither and stdin is a terminal. Without MODEL the small one that comes
with remora chats, or answers stdin.

${describeOptions(RUN_OPTIONS)}

A full context ends the answer, and a prompt beyond it is refused. With --context-shift the first tokens and the
recent half of the others stay.
`;

/** Everything the command line says, checked. */
interface RunSettings {
  model: string;
  source: SourceArgument["source"];
  /** Absent: a chat. */
  prompt?: string;
  system?: string;
  isRaw: boolean;
  isJson: boolean;
  isVerbose: boolean;
  /** Whether lines are broken between words, on a terminal. */
  isWrapped: boolean;
  load: LoadOptions;
  request: GenerateRequest;
  imagePaths: string[];
  /** What --image names. */
  pictures: Uint8Array[];
  /** Where to write the heat map. */
  attentionPath?: string;
  /** What --load-state names. */
  state?: LoadedConversation;
  /** Where to save the conversation. */
  savePath?: string;
  /** Where to keep what is typed into chats; `false`: nowhere. */
  history?: string | false;
}

/** A loaded model and the seconds it took. */
interface LoadedModel {
  model: Model;
  loadSeconds: number;
}

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const options = Options.parse(args, RUN_OPTIONS);
  if (options.flag("help")) return await print(RUN_HELP);
  let settings: RunSettings;
  let loaded: LoadedModel;
  {
    using interruption = new Interruption("SIGINT", "SIGTERM");
    const { signal } = interruption;
    settings = await readSettings(options, signal);
    const { model, load: { offline = false } } = settings;
    await bringModel(model, { isAsked: options.flag("pull"), offline, signal });
    loaded = await load(settings, signal);
    if (settings.prompt !== undefined) {
      await using model = loaded.model;
      return await runOnce(model, { ...settings, prompt: settings.prompt }, loaded.loadSeconds, signal);
    }
  }
  await using model = loaded.model;
  const isRaw = isRawFor(model, settings);
  const { state, savePath } = settings;
  if (isRaw && (state || savePath !== undefined)) {
    throw new UsageError("Cannot keep the state of a chat: expected the chat template, found none");
  }
  const history = settings.history === false ? ChatHistory.ofThisChat() : ChatHistory.open(settings.history);
  await chat(model, { ...settings, isRaw, history });
}

async function readSettings(options: Options, signal: AbortSignal): Promise<RunSettings> {
  const { model, source, rest } = await takeModelOrSmall(options);
  const isJson = options.flag("json");
  const isRaw = options.flag("raw");
  const settings: RunSettings = {
    model,
    source,
    system: options.text("system"),
    isRaw,
    isJson,
    isVerbose: options.flag("verbose"),
    isWrapped: !options.flag("no-wrap"),
    load: { ...readLoadOptions(options), ...readCacheOptions(options) },
    request: readRequest(options),
    imagePaths: options.list("image"),
    pictures: [],
    attentionPath: options.text("show-attention"),
    savePath: options.text("save-state"),
    history: options.flag("no-history") ? false : options.text("history"),
  };
  if (settings.request.logprobs !== undefined && !isJson) {
    throw new UsageError("Cannot use --logprobs: expected --json beside it, found none");
  }
  if (settings.system !== undefined && isRaw) {
    throw new UsageError("Cannot use --system: expected the chat template, found --raw");
  }
  const isAlone = options.text("model") === undefined && options.text("prompt") === undefined &&
    rest.length === 0;
  const hint = isAlone ? ` (a prompt for the small model is written --prompt "…")` : "";
  Object.assign(settings.load, checkAccess(source, options.flag("offline"), hint));
  if (settings.attentionPath !== undefined) {
    if (settings.imagePaths.length !== 1) {
      const found = settings.imagePaths.length || "none";
      throw new UsageError(`Cannot use --show-attention: expected one --image beside it, found ${found}`);
    }
    requireWrite(settings.attentionPath, ".png");
    settings.request.attention = true;
  }
  settings.pictures = await Promise.all(settings.imagePaths.map(readPicture));
  if (settings.savePath !== undefined) requireWrite(settings.savePath);
  const statePath = options.text("load-state");
  if (statePath !== undefined) {
    if (settings.system !== undefined) {
      throw new UsageError("Cannot use --system: expected a conversation that begins, found --load-state");
    }
    requireRead(statePath);
    settings.state = loadConversation(statePath);
  }
  settings.prompt = await readPrompt(options, rest, signal);
  if (settings.prompt === "") throw new UsageError("Cannot run: expected a prompt, found an empty prompt");
  const needingPrompt = isJson ? "json" : settings.attentionPath !== undefined ? "show-attention" : undefined;
  if (settings.prompt === undefined && needingPrompt) {
    throw new UsageError(`Cannot use --${needingPrompt}: expected a prompt, found none`);
  }
  return settings;
}

/** The prompt, or `undefined` for a chat. */
async function readPrompt(options: Options, rest: readonly string[], signal: AbortSignal) {
  const named = options.text("prompt");
  const given = named ?? rest[0];
  const surplus = named === undefined ? rest[1] : rest[0];
  if (surplus !== undefined) {
    throw new UsageError(`unexpected argument "${surplus}"; a prompt of several words is written in quotes`);
  }
  if (given === undefined && isTerminal("stdin")) return undefined;
  if (given === undefined || given === "-") return await readStdin(signal);
  // What is piped in besides a prompt belongs to it: the text to summarise, say.
  const input = isTerminal("stdin") ? "" : await readStdin(signal);
  return input.trim() === "" ? given : `${given}\n\n${input}`;
}

function readRequest(options: Options): GenerateRequest {
  const maxTokens = options.integer("max-tokens", { from: 0 });
  return {
    maxTiles: options.integer("max-tiles", { from: 1 }),
    maxTokens: maxTokens ?? MAX_TOKENS_DEFAULT,
    loopGuard: maxTokens === undefined,
    contextShift: options.flag("context-shift"),
    temperature: options.number("temperature", { from: 0 }),
    topK: options.integer("top-k", { from: 0 }),
    topP: options.number("top-p", { from: 0, to: 1 }),
    minP: options.number("min-p", { from: 0, to: 1 }),
    typicalP: options.number("typical-p", { above: 0, to: 1 }),
    repeatPenalty: options.number("repeat-penalty", { above: 0 }),
    presencePenalty: options.number("presence-penalty", { from: -2, to: 2 }),
    frequencyPenalty: options.number("frequency-penalty", { from: -2, to: 2 }),
    seed: options.integer("seed"),
    promptLookup: options.integer("prompt-lookup", { from: 0 }) ?? PROMPT_LOOKUP,
    logprobs: options.integer("logprobs", { from: 0 }),
    stop: options.list("stop"),
    variables: readVariables(options.list("template-var")),
  };
}

/** `NAME=VALUE`, each value as JSON where it is JSON; `undefined` where there are none. */
function readVariables(written: readonly string[] | undefined): Record<string, unknown> | undefined {
  if (!written || written.length === 0) return undefined;
  return Object.fromEntries(written.map((text) => {
    const [, name, value] = /^([A-Za-z_]\w*)=([^]*)$/.exec(text) ?? [];
    if (name === undefined) {
      throw new UsageError(`Cannot use --template-var: expected NAME=VALUE, found "${text}"`);
    }
    try {
      return [name, JSON.parse(value)];
    } catch {
      return [name, value];
    }
  }));
}

async function load({ source, load: options, isVerbose }: RunSettings, signal: AbortSignal) {
  const begin = performance.now();
  using bar = new ProgressBar("Loading");
  const onProgress: LoadOptions["onProgress"] = ({ loadedBytes, totalBytes }) =>
    bar.show(totalBytes > 0 ? loadedBytes / totalBytes : 1);
  const model = await loadModel(source, { ...options, signal, onProgress });
  const loadSeconds = (performance.now() - begin) / 1000;
  bar[Symbol.dispose]();
  if (isVerbose) {
    const { engine } = model;
    note(`loaded in ${loadSeconds.toFixed(2)} s; threads ${engine.threads}; ${describeEngine(engine)}\n`);
    noteWidth(engine);
  }
  return { model, loadSeconds };
}

async function runOnce(
  model: Model,
  settings: RunSettings & { prompt: string },
  loadSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const { prompt, isJson, isVerbose, state, savePath } = settings;
  using sequence = model.createSequence();
  if (state) await sequence.restore(state.snapshot, state.path);
  const conversation = isRawFor(model, settings)
    ? continuedText(model, sequence, settings, prompt)
    : { messages: continuedMessages(settings, prompt) };
  using bars = new PromptBars();
  const request: GenerateRequest = {
    ...settings.request,
    ...conversation,
    ...bars.listeners,
    sequence,
    signal,
  };
  const looked = new AttentionSum();
  const printer = new AnswerPrinter(settings.isWrapped);
  const listener: AnswerListener = {
    async onText(text) {
      bars[Symbol.dispose]();
      if (!isJson) await printer.push(text);
    },
    onAttention: ([map]) => map && looked.add(map),
  };
  const timed = await answer(model, request, listener).catch((error) => {
    throw namePictures(error, settings.imagePaths);
  });
  const { speed, ...completion } = timed;
  const timing = { loadSeconds, ...speed };
  const { seed } = request;
  const result = { model: settings.model, ...completion, ...(seed !== undefined && { seed }), timing };
  if (isJson) await print(JSON.stringify(result) + "\n");
  else await printer.end();
  const cut = describeCut(timed, sequence, model);
  // Whoever has said how long it may be knows.
  if (cut && request.loopGuard) note(cut);
  await writeAttention(settings, looked);
  if (savePath !== undefined) await save(savePath, sequence, request.messages, timed);
  if (isVerbose) note(`${describeAnswer(timed)}; memory ${describeBytes(process.memoryUsage().rss)}\n`);
}

/** The text so far and the prompt after it, with the pictures of both. */
function continuedText(
  model: Model,
  sequence: Sequence,
  { state, pictures }: RunSettings,
  prompt: string,
): Pick<GenerateRequest, "prompt" | "images"> {
  if (!state) return { prompt, images: pictures };
  return {
    prompt: [...state.tokenIds, ...model.tokenizer.encode(prompt)],
    images: [...sequence.pictureKeys.map((key) => ({ key })), ...pictures],
  };
}

/** The conversation so far and the prompt as its next message. */
function continuedMessages({ state, system, pictures }: RunSettings, prompt: string): Message[] {
  if (state && !state.messages) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot go on with", {
      file: state.path,
      expected: "a conversation in the chat template, or --raw",
      found: "a text without it",
    });
  }
  const before: Message[] = system === undefined ? [] : [{ role: "system", content: system }];
  return withUserMessage(state?.messages ?? before, userMessage(prompt, pictures));
}

/** Saves where the conversation stands; without an answer its last message is still open. */
async function save(
  path: string,
  sequence: Sequence,
  asked: Message[] | undefined,
  { text, tokenIds, finishReason }: Completion,
): Promise<void> {
  const answer: Message[] = tokenIds.length > 0 ? [{ role: "assistant", content: text }] : [];
  // The sequence has not seen the last token; one that ended the answer is no part of it.
  const last = finishReason === "stop" ? [] : tokenIds.slice(-1);
  const state = { messages: asked && [...asked, ...answer], tokenIds: [...sequence.tokenIds, ...last] };
  await saveConversation(path, state, sequence);
}

async function writeAttention({ attentionPath, pictures }: RunSettings, looked: AttentionSum): Promise<void> {
  if (attentionPath === undefined || !looked.map) return;
  const picture = await decodeImage(pictures[0]);
  writeOutput(attentionPath, await encodePng(drawAttention(picture, looked.map)));
  note(`where the answer looked: ${attentionPath}\n`);
}

/** Whether to do without the chat template: on request, or because the model has none. */
function isRawFor(model: Model, { isRaw, system }: RunSettings): boolean {
  if (isRaw) return true;
  if (!isTemplateMissing(model)) return false;
  if (system !== undefined) {
    throw new UsageError("Cannot use --system: expected a model with a chat template, found one without");
  }
  note("note: the model has no chat template; continuing the text, as with --raw\n");
  return true;
}
