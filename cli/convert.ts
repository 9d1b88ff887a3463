/**
 * `remora convert`: a quantised model in another format, code by code.
 *
 * @module
 */
import { convertModel } from "../mod.ts";
import { Interruption } from "./interruption.ts";
import { COMMON_OPTIONS, MODEL_OPTION } from "./load_options.ts";
import { checkAccess, takeModel } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { note, print, ProgressBar } from "./terminal.ts";
import { refuseSurplus, UsageError } from "./usage_error.ts";

const CONVERT_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  to: { value: "FORMAT", help: "gptq, gptq_v2, awq or compressed-tensors" },
  verbose: { help: "stack traces of unexpected errors" },
  ...COMMON_OPTIONS,
};

const CONVERT_HELP = `remora convert MODEL OUT --to FORMAT [options]

Writes a quantised model in another format into the new folder OUT: the same codes, scales and zero points. What the format cannot hold is
refused by name. OUT is there only when it is whole; OUT.partial is used meanwhile.

${describeOptions(CONVERT_OPTIONS)}
`;

/** Runs the command. */
export async function convert(args: string[]): Promise<void> {
  const options = Options.parse(args, CONVERT_OPTIONS);
  if (options.flag("help")) return await print(CONVERT_HELP);
  const { model, rest: [folder, ...surplus] } = takeModel(options);
  if (folder === undefined) throw new UsageError("expected OUT behind MODEL, found none; see convert --help");
  refuseSurplus(surplus, "convert");
  const to = options.choice("to", ["gptq", "gptq_v2", "awq", "compressed-tensors"]);
  if (to === undefined) throw new UsageError("expected --to FORMAT, found none; see convert --help");
  const access = checkAccess(model, options.flag("offline"));
  using interruption = new Interruption("SIGINT", "SIGTERM");
  using bar = new ProgressBar("Converting");
  await convertModel(model, folder, {
    to,
    ...access,
    signal: interruption.signal,
    onProgress: (share) => bar.show(share),
    onNotice: (text) => note(`remora: ${text}\n`),
  });
  bar[Symbol.dispose]();
  await print(options.flag("json") ? JSON.stringify({ model, folder, to }) + "\n" : `${folder}: ${to}\n`);
}
