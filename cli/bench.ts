/**
 * `remora bench`: how fast a model is on this machine.
 *
 * @module
 */
import {
  type EngineInfo,
  loadModel,
  type LoadOptions,
  type Model,
  type ModelInfo,
  type ModelSource,
  printable,
  SYNTHETIC_SHAPES,
  syntheticModelSource,
} from "../mod.ts";
import { describeEngine, noteWidth, runtimeName } from "./engine_line.ts";
import { describeBytes, describeCount, markdownTable } from "./figures.ts";
import { host } from "./host/current.ts";
import { Interruption } from "./interruption.ts";
import { COMMON_OPTIONS, LOAD_OPTIONS, MODEL_OPTION, readSharedLoadOptions } from "./load_options.ts";
import { checkAccess, requireWrite, takeModel, writeOutput } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { processorName } from "./processor.ts";
import { contextFor, measureSpeed, type SpeedPlan, type SpeedResult, testName } from "./speed.ts";
import { drawSpeed } from "./speed_plot.ts";
import { note, print, ProgressBar } from "./terminal.ts";
import { refuseSurplus, UsageError } from "./usage_error.ts";

/** Repetitions when none are asked for; as llama-bench. */
const REPETITIONS = 5;

const BENCH_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  shape: { value: SYNTHETIC_SHAPES.join("|"), help: "random weights of this size in place of MODEL" },
  "n-prompt": { short: "p", value: "N", help: "tokens of the prompt; 0: none; default: 512" },
  "n-gen": { short: "n", value: "N", help: "tokens one by one; 0: none; default: 128" },
  depth: { short: "d", value: "N,…", help: "tokens in the sequence before; default: 0" },
  repetitions: { short: "r", value: "N", help: `of every test; default: ${REPETITIONS}` },
  plot: { value: "FILE", help: "write an SVG: speed against depth and threads" },
  ...LOAD_OPTIONS,
  threads: { short: "t", value: "N,…", help: "threads; default: physical cores" },
  "ctx-size": { short: "c", value: "N", help: "tokens of context; default: what the tests need" },
  verbose: { help: "stack traces of unexpected errors" },
  ...COMMON_OPTIONS,
};

const BENCH_HELP = `remora bench MODEL [options]
remora bench --shape ${SYNTHETIC_SHAPES.join("|")} [options]

Measures tokens per second as llama-bench does: a prompt in one call (pp), then tokens one by one (tg).
${host.hasPermissions ? "With --allow-sys=cpus the processor is named.\n" : ""}
${describeOptions(BENCH_OPTIONS)}
`;

/** Everything the command line says, checked. */
interface BenchSettings {
  /** What the model is called in the results. */
  name: string;
  source: string | ModelSource;
  load: LoadOptions;
  threads: (number | undefined)[];
  plan: SpeedPlan;
  isJson: boolean;
  plotPath?: string;
}

/** Runs the command. */
export async function bench(args: string[]): Promise<void> {
  const options = Options.parse(args, BENCH_OPTIONS);
  if (options.flag("help")) return await print(BENCH_HELP);
  const settings = readSettings(options);
  using interruption = new Interruption("SIGINT", "SIGTERM");
  const { signal } = interruption;
  const processor = processorName();
  const results: SpeedResult[] = [];
  let engine: EngineInfo;
  let info: ModelInfo;
  for (const threads of settings.threads) {
    await using model = await load(settings, threads, signal);
    ({ info, engine } = model);
    using bar = new ProgressBar("Measuring");
    results.push(
      ...await measureSpeed(model, settings.plan, {
        signal,
        onProgress: (label, share) => bar.show(share, label),
      }),
    );
  }
  const { name, isJson, plotPath } = settings;
  if (plotPath !== undefined) {
    writeOutput(plotPath, drawSpeed(`${shortName(name)}, ${processor}`, results));
    note(`speed against depth and threads: ${plotPath}\n`);
  }
  noteWidth(engine!);
  const { kernels, vectorBits } = engine!;
  await print(
    isJson
      ? JSON.stringify({ model: name, processor, kernels, vectorBits, results }) + "\n"
      : `${processor}; ${describeEngine(engine!)}; ${runtimeName()}\n\n${
        describeTable(name, info!, results)
      }\n`,
  );
}

function readSettings(options: Options): BenchSettings {
  const plan: SpeedPlan = {
    prompt: options.integer("n-prompt", { from: 0 }) ?? 512,
    generated: options.integer("n-gen", { from: 0 }) ?? 128,
    depths: options.integers("depth", { from: 0 }) ?? [0],
    repetitions: options.integer("repetitions", { from: 1 }) ?? REPETITIONS,
  };
  if (plan.prompt === 0 && plan.generated === 0) {
    throw new UsageError("Cannot measure: expected --n-prompt or --n-gen above 0, found neither");
  }
  const needed = contextFor(plan);
  const load = readSharedLoadOptions(options);
  if (load.contextSize !== undefined && load.contextSize < needed) {
    const found = `found "${load.contextSize}"`;
    throw new UsageError(
      `Cannot use --ctx-size: expected at least the ${needed} tokens of the tests, ${found}`,
    );
  }
  const threads = options.integers("threads", { from: 1 }) ?? [undefined];
  const plotPath = options.text("plot");
  if (plotPath !== undefined) requireWrite(plotPath, ".svg");
  const { name, source, access } = readModel(options);
  return {
    name,
    source,
    load: { ...load, contextSize: load.contextSize ?? needed, ...access },
    threads,
    plan,
    isJson: options.flag("json"),
    plotPath,
  };
}

/** The model, or the shape in place of it. */
function readModel(options: Options): Pick<BenchSettings, "name" | "source"> & { access: LoadOptions } {
  const shape = options.choice("shape", SYNTHETIC_SHAPES);
  if (shape === undefined) {
    const { model, rest } = takeModel(options);
    refuseSurplus(rest, "bench");
    return { name: model, source: model, access: checkAccess(model, options.flag("offline")) };
  }
  const model = options.text("model") ?? options.positionals[0];
  if (model !== undefined) {
    throw new UsageError(`Cannot use --shape: expected no MODEL beside it, found "${model}"`);
  }
  return { name: `shape ${shape}`, source: syntheticModelSource(shape), access: {} };
}

async function load(
  { source, load: options }: BenchSettings,
  threads: number | undefined,
  signal: AbortSignal,
): Promise<Model> {
  using bar = new ProgressBar("Loading");
  const onProgress: LoadOptions["onProgress"] = ({ loadedBytes, totalBytes }) =>
    bar.show(totalBytes > 0 ? loadedBytes / totalBytes : 1);
  return await loadModel(source, { ...options, threads, signal, onProgress });
}

/** The last part of a path. */
function shortName(name: string): string {
  return printable(name.replace(/\/+$/, "").split("/").at(-1)!);
}

/** As llama-bench prints it, with the worst repetition beside the mean. */
function describeTable(name: string, info: ModelInfo, results: readonly SpeedResult[]): string {
  const model = shortName(name);
  const size = describeBytes(info.memory.weights);
  const count = describeCount(info.parameterCount);
  return markdownTable([
    ["model", "size", "params", "threads", "test", "t/s", "min"],
    ...results.map(({ test, threads, depth, mean, stddev, min }) => [
      model,
      size,
      count,
      `${threads}`,
      testName(test, depth),
      `${mean.toFixed(2)} ± ${stddev.toFixed(2)}`,
      min.toFixed(2),
    ]),
  ], [1, 2, 3, 5, 6]);
}
