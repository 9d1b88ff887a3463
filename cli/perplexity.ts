/**
 * `remora perplexity`: how well a model foresees a text.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { inspectModel, loadModel, type Model, RemoraError } from "../mod.ts";
import { hasCode } from "./files.ts";
import { Interruption } from "./interruption.ts";
import { COMMON_OPTIONS, LOAD_OPTIONS, MODEL_OPTION, readLoadOptions } from "./load_options.ts";
import { checkAccess, requireRead, takeModel } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { print, ProgressBar } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

/** Tokens of a chunk when none are asked for; as llama.cpp. */
const CHUNK_TOKENS = 512;
/** Rows of logits kept at a time; those of a whole context can take gigabytes. */
const ROWS = 128;

export const PERPLEXITY_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  ...LOAD_OPTIONS,
  "ctx-size": { short: "c", value: "N", help: `tokens of a chunk; default: ${CHUNK_TOKENS}, or the model's` },
  verbose: { help: "stack traces of unexpected errors" },
  ...COMMON_OPTIONS,
};

export const PERPLEXITY_HELP = `remora perplexity MODEL FILE [options]

Cuts a text into chunks, feeds each to an empty sequence and prints the perplexity of all tokens but the first
of each chunk, with its standard error.

${describeOptions(PERPLEXITY_OPTIONS)}
`;

/** How well a text was foreseen. */
export interface Perplexity {
  /** Tokens that were scored. */
  scored: number;
  perplexity: number;
  /** Of the perplexity, from the deviation of the tokens' logarithms. */
  standardError: number;
}

/** Runs the command. */
export async function perplexity(args: string[]): Promise<void> {
  const options = Options.parse(args, PERPLEXITY_OPTIONS);
  if (options.flag("help")) return await print(PERPLEXITY_HELP);
  const { model: source, rest } = takeModel(options);
  const [file, surplus] = rest;
  if (file === undefined) {
    throw new UsageError("expected FILE behind MODEL, found none; see perplexity --help");
  }
  if (surplus !== undefined) throw new UsageError(`unexpected argument "${surplus}"; see perplexity --help`);
  const chunk = options.integer("ctx-size", { from: 2 });
  const load = { ...readLoadOptions(options), ...checkAccess(source, options.flag("offline")) };
  const text = await readText(file);

  using interruption = new Interruption("SIGINT", "SIGTERM");
  const { signal } = interruption;
  const { contextSize: ofModel } = await inspectModel(source, { ...load, signal });
  const contextSize = chunk ?? Math.min(CHUNK_TOKENS, ofModel);
  await using model = await loadModel(source, { ...load, contextSize, signal });
  const ids = model.tokenizer.encode(text, { addSpecialTokens: true });
  if (ids.length < 2) {
    throw new RemoraError("BAD_FILE", "Cannot score", {
      file,
      expected: "at least 2 tokens",
      found: `${ids.length}`,
    });
  }
  using bar = new ProgressBar("Scoring");
  const result = await scoreTokens(model, ids, contextSize, (share) => bar.show(share), signal);
  bar[Symbol.dispose]();
  const { perplexity, standardError, scored } = result;
  await print(
    options.flag("json")
      ? JSON.stringify({ model: source, file, contextSize, ...result }) + "\n"
      : `perplexity ${perplexity.toFixed(4)} ± ${
        standardError.toFixed(4)
      } (${scored} tokens, chunks of ${contextSize})\n`,
  );
}

/** Scores every token but the first of each chunk. */
export async function scoreTokens(
  model: Model,
  ids: readonly number[],
  chunk: number,
  onProgress?: (share: number) => void,
  signal?: AbortSignal,
): Promise<Perplexity> {
  using sequence = model.createSequence();
  let scored = 0, sum = 0, squares = 0;
  for (let begin = 0; begin < ids.length; begin += chunk) {
    sequence.truncate(0);
    const end = Math.min(begin + chunk, ids.length);
    for (let at = begin; at < end; at += ROWS) {
      onProgress?.(at / ids.length);
      const step = ids.slice(at, Math.min(at + ROWS, end));
      const { vocabSize, data } = await sequence.forward(step, { logits: "all", signal });
      for (let row = 0; row < step.length && at + row + 1 < end; row++) {
        const logits = data.subarray(row * vocabSize, (row + 1) * vocabSize);
        const loss = logSumExp(logits) - logits[ids[at + row + 1]];
        scored++;
        sum += loss;
        squares += loss * loss;
      }
    }
  }
  const mean = sum / scored;
  const variance = scored > 1 ? Math.max(0, squares - scored * mean * mean) / (scored - 1) : 0;
  const perplexity = Math.exp(mean);
  // exp is its own derivative, so an error of the mean is magnified by the perplexity.
  return { scored, perplexity, standardError: perplexity * Math.sqrt(variance / scored) };
}

/** The logarithm of the sum of the exponentials, in f64. */
function logSumExp(row: Float32Array): number {
  let largest = -Infinity, sum = 0;
  for (const value of row) if (value > largest) largest = value;
  for (const value of row) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}

async function readText(file: string): Promise<string> {
  requireRead(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) {
      throw new RemoraError("FILE_NOT_FOUND", "Cannot read", { file, found: "no such file", cause });
    }
    const found = cause instanceof TypeError ? "other bytes" : `${cause}`;
    throw new RemoraError("BAD_FILE", "Cannot read", { file, expected: "a text in UTF-8", found, cause });
  }
}
