/**
 * From flags to a loaded model.
 *
 * @module
 */
import { type GenerateRequest, loadModel, type LoadOptions, type Model, type Precision } from "../mod.ts";
import { type Arguments, UsageError } from "./options.ts";
import { ProgressBar } from "./terminal.ts";

/** The model that the command line names, and what is left of its words. */
export function modelAndRest(args: Arguments): { source: string; rest: string[] } {
  const named = args.text("model");
  if (named !== undefined) return { source: named, rest: args.positionals };
  const [source, ...rest] = args.positionals;
  if (source === undefined) throw new UsageError("Cannot start: expected a model, found none; try --help");
  return { source, rest };
}

export function loadOptions(args: Arguments): LoadOptions {
  return {
    threads: args.number("threads"),
    contextSize: args.number("ctx-size"),
    precision: args.text("precision") as Precision | undefined,
    kernels: args.text("kernels") as LoadOptions["kernels"],
    offline: args.has("offline"),
  };
}

/** Loads with a progress bar; `seconds` is what it took. */
export async function loadShowingProgress(
  source: string,
  args: Arguments,
  signal: AbortSignal,
): Promise<{ model: Model; seconds: number }> {
  const bar = new ProgressBar();
  const begin = performance.now();
  try {
    const model = await loadModel(source, {
      ...loadOptions(args),
      signal,
      onProgress: (progress) => bar.update(progress),
    });
    return { model, seconds: (performance.now() - begin) / 1000 };
  } finally {
    bar.clear();
  }
}

/** The sampling flags and limits of a request. */
export function requestOptions(args: Arguments): Partial<GenerateRequest> {
  return {
    maxTokens: args.number("max-tokens"),
    temperature: args.number("temperature"),
    topK: args.number("top-k"),
    topP: args.number("top-p"),
    minP: args.number("min-p"),
    typicalP: args.number("typical-p"),
    repeatPenalty: args.number("repeat-penalty"),
    presencePenalty: args.number("presence-penalty"),
    frequencyPenalty: args.number("frequency-penalty"),
    seed: args.number("seed"),
    stop: args.texts("stop"),
    logprobs: args.number("logprobs"),
  };
}
