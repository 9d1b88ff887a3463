/**
 * `remora rm`: a model of the hub, removed from this machine.
 *
 * @module
 */
import { printable, removeModel } from "../mod.ts";
import { describeBytes } from "./figures.ts";
import { confirm } from "./hub.ts";
import { COMMON_OPTIONS, MODEL_OPTION } from "./load_options.ts";
import { takeModel } from "./model_access.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { isTerminal, print } from "./terminal.ts";
import { refuseSurplus, UsageError } from "./usage_error.ts";

const { json, help } = COMMON_OPTIONS;
const RM_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  yes: { short: "y", help: "do not ask" },
  verbose: { help: "stack traces of unexpected errors" },
  json,
  help,
};

const RM_HELP = `remora rm OWNER/NAME[@REVISION] [options]

Removes a model from the cache: its snapshots (with @REVISION that one), and the files that no other snapshot has.

${describeOptions(RM_OPTIONS)}
`;

/** Runs the command. @returns 1 when the user said no. */
export async function rm(args: string[]): Promise<number | void> {
  const options = Options.parse(args, RM_OPTIONS);
  if (options.flag("help")) return await print(RM_HELP);
  const { model, rest } = takeModel(options);
  refuseSurplus(rest, "rm");
  const { commits, bytes } = removeModel(model, { dryRun: true });
  if (!options.flag("yes")) {
    if (!isTerminal("stdin")) throw new UsageError("Cannot ask: expected a terminal, or --yes");
    const snapshots = `${commits.length} snapshot${commits.length === 1 ? "" : "s"}`;
    if (!await confirm(`Remove ${printable(model)} (${snapshots}, ${describeBytes(bytes)})?`)) return 1;
  }
  const removed = removeModel(model);
  await print(
    options.flag("json")
      ? JSON.stringify({ model, ...removed }) + "\n"
      : `removed ${printable(model)}: ${describeBytes(removed.bytes)}\n`,
  );
}
