/**
 * `remora quantize`: a model in codes of 4 or 8 bits, as a folder that other programs read too.
 *
 * @module
 */
import { quantizeModel, type QuantizeProgress } from "../mod.ts";
import { describeDuration } from "./figures.ts";
import { Interruption } from "./interruption.ts";
import { COMMON_OPTIONS, MODEL_OPTION } from "./load_options.ts";
import { checkAccess, takeModel } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { isTerminal, note, print, ProgressBar } from "./terminal.ts";
import { readText } from "./text_file.ts";
import { refuseSurplus, UsageError } from "./usage_error.ts";

const QUANTIZE_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  method: {
    value: "gptq|rtn",
    help: "gptq: errors are made up for; rtn: to the nearest code; default: gptq",
  },
  bits: { value: "4|8", help: "of a weight; default: 4" },
  "group-size": { value: "N", help: "inputs that share a scale; default: 128" },
  sym: { help: "zero points are the middle code: the default, which other readers' fast kernels want" },
  asym: { help: "each group has a zero point of its own" },
  "act-order": { help: "groups of inputs that count alike; a little better, slower with most readers" },
  damp: { value: "N", help: "share of the Hessian's mean diagonal added to it; default: 0.05" },
  calibration: { value: "FILE", help: "a text like those that the model will see; gptq needs one" },
  sequences: { value: "N", help: "pieces of the calibration; default: 128, or as many as there are" },
  "sequence-length": { value: "N", help: "tokens of a piece; default: 512" },
  threads: { short: "t", value: "N", help: "threads; default: physical cores" },
  verbose: { help: "stack traces of unexpected errors" },
  ...COMMON_OPTIONS,
};

const QUANTIZE_HELP = `remora quantize MODEL OUT [options]

Writes the model in codes of 4 or 8 bits into the new folder OUT, as a GPTQ checkpoint. One layer at a time lies in memory. OUT is there
only when it is whole; OUT.partial is used meanwhile.

${describeOptions(QUANTIZE_OPTIONS)}
`;

/** Runs the command. */
export async function quantize(args: string[]): Promise<void> {
  const options = Options.parse(args, QUANTIZE_OPTIONS);
  if (options.flag("help")) return await print(QUANTIZE_HELP);
  const { model, rest: [folder, ...surplus] } = takeModel(options);
  if (folder === undefined) {
    throw new UsageError("expected OUT behind MODEL, found none; see quantize --help");
  }
  refuseSurplus(surplus, "quantize");
  if (options.flag("sym") && options.flag("asym")) {
    throw new UsageError("Cannot use --sym and --asym together");
  }
  const method = options.choice("method", ["gptq", "rtn"]) ?? "gptq";
  const file = options.text("calibration");
  if (method === "gptq" && file === undefined) {
    throw new UsageError(
      "Cannot quantise by gptq: expected --calibration FILE, found none (--method rtn needs none)",
    );
  }
  const bits = options.choice("bits", ["4", "8"]) === "8" ? 8 : 4;
  const settings = {
    method,
    bits,
    groupSize: options.integer("group-size", { from: 8 }),
    symmetric: !options.flag("asym"),
    actOrder: options.flag("act-order"),
    damp: options.number("damp", { above: 0, to: 1 }),
    sequences: options.integer("sequences", { from: 1 }),
    sequenceLength: options.integer("sequence-length", { from: 8 }),
    threads: options.integer("threads", { from: 1 }),
    ...checkAccess(model, options.flag("offline")),
    ...(file !== undefined && { calibration: await readText(file), calibrationName: file.split("/").at(-1) }),
  } as const;
  using interruption = new Interruption("SIGINT", "SIGTERM");
  using bar = new ProgressBar("Quantising");
  const begin = performance.now();
  await quantizeModel(model, folder, {
    ...settings,
    signal: interruption.signal,
    onProgress: (progress) => tell(bar, progress),
    onNotice: (text) => note(`remora: ${text}\n`),
  });
  bar[Symbol.dispose]();
  const seconds = (performance.now() - begin) / 1000;
  await print(
    options.flag("json")
      ? JSON.stringify({ model, folder, method, bits, seconds }) + "\n"
      : `${folder}: ${bits} bit by ${method}, in ${describeDuration(seconds)}\n`,
  );
}

/** A bar on terminals, a line for each layer elsewhere. */
function tell(bar: ProgressBar, { layers, layerCount, share, secondsLeft }: QuantizeProgress): void {
  const left = secondsLeft === undefined ? "" : `, ${describeDuration(secondsLeft)} left`;
  const text = `Layer ${Math.min(layers + 1, layerCount)} of ${layerCount}${left}`;
  if (isTerminal("stderr")) bar.show(share, text);
  else if (share === layers / layerCount && layers < layerCount) note(`${text}\n`);
}
