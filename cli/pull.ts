/**
 * `remora pull`: a model of the hub, downloaded.
 *
 * @module
 */
import { describeBytes } from "./figures.ts";
import { download } from "./hub.ts";
import { Interruption } from "./interruption.ts";
import { COMMON_OPTIONS, MODEL_OPTION } from "./load_options.ts";
import { takeModel } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { note, print } from "./terminal.ts";
import { refuseSurplus } from "./usage_error.ts";

const PULL_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  verbose: { help: "statistics on stderr" },
  ...COMMON_OPTIONS,
};

const PULL_HELP = `remora pull OWNER/NAME[@REVISION][:QUANTISATION] [options]

Downloads what a model of the Hugging Face hub needs into the cache that Python's huggingface_hub uses too, and prints its folder.
What is there is not fetched again; what an interrupted download has brought is the beginning of the next.

${describeOptions(PULL_OPTIONS)}
`;

/** Runs the command. */
export async function pull(args: string[]): Promise<void> {
  const options = Options.parse(args, PULL_OPTIONS);
  if (options.flag("help")) return await print(PULL_HELP);
  const { model, rest } = takeModel(options);
  refuseSurplus(rest, "pull");
  using interruption = new Interruption("SIGINT", "SIGTERM");
  const { signal } = interruption;
  const begin = performance.now();
  const { folder, fetchedBytes } = await download(model, { signal, offline: options.flag("offline") });
  const seconds = (performance.now() - begin) / 1000;
  if (options.flag("verbose")) note(`${describeBytes(fetchedBytes)} in ${seconds.toFixed(2)} s\n`);
  await print(options.flag("json") ? JSON.stringify({ model, folder, fetchedBytes }) + "\n" : `${folder}\n`);
}
