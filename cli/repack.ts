/**
 * `remora repack`: a model's weights as they lie in memory, in a file that loads faster.
 *
 * @module
 */
import { type LoadOptions, repackModel } from "../mod.ts";
import { describeBytes } from "./figures.ts";
import { Interruption } from "./interruption.ts";
import { COMMON_OPTIONS, LOAD_OPTIONS, MODEL_OPTION, readLoadOptions } from "./load_options.ts";
import { checkAccess, requireWrite, takeModel } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { note, print, ProgressBar } from "./terminal.ts";
import { refuseSurplus } from "./usage_error.ts";

const REPACK_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  output: { short: "o", value: "FILE", help: "the file; default: repacked.remora in the model's folder" },
  ...LOAD_OPTIONS,
  verbose: { help: "statistics on stderr" },
  ...COMMON_OPTIONS,
};

const REPACK_HELP = `remora repack MODEL [-o FILE] [options]

Writes the weights as they lie in memory into a file and prints its name. run MODEL --cache, or --cache-file FILE, reads it.

${describeOptions(REPACK_OPTIONS)}
`;

/** Runs the command. */
export async function repack(args: string[]): Promise<void> {
  const options = Options.parse(args, REPACK_OPTIONS);
  if (options.flag("help")) return await print(REPACK_HELP);
  const { model, rest } = takeModel(options);
  refuseSurplus(rest, "repack");
  const settings = { ...readLoadOptions(options), ...checkAccess(model, options.flag("offline")) };
  const wanted = options.text("output");
  if (wanted !== undefined) requireWrite(wanted);
  using interruption = new Interruption("SIGINT", "SIGTERM");
  using bar = new ProgressBar("Repacking");
  const onProgress: LoadOptions["onProgress"] = ({ loadedBytes, totalBytes }) =>
    bar.show(loadedBytes / totalBytes);
  const { signal } = interruption;
  const begin = performance.now();
  const { file, bytes } = await repackModel(model, { ...settings, file: wanted, signal, onProgress });
  bar[Symbol.dispose]();
  const seconds = (performance.now() - begin) / 1000;
  if (options.flag("verbose")) note(`${describeBytes(bytes)} in ${seconds.toFixed(2)} s\n`);
  await print(options.flag("json") ? JSON.stringify({ model, file, bytes }) + "\n" : `${file}\n`);
}
