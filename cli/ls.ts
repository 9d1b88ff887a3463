/**
 * `remora ls`: the models of the hub that are on this machine.
 *
 * @module
 */
import { inspectModel, type InstalledModel, listModels, printable } from "../mod.ts";
import { alignColumns, describeBytes } from "./figures.ts";
import { COMMON_OPTIONS } from "./load_options.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { note, print } from "./terminal.ts";
import { refuseSurplus } from "./usage_error.ts";

/** Digits of a commit, as git shortens them. */
const COMMIT_DIGITS = 7;

const { json, help } = COMMON_OPTIONS;
const LS_OPTIONS: OptionDefinitions = {
  verbose: { help: "stack traces of unexpected errors" },
  json,
  help,
};

const LS_HELP = `remora ls [options]

Lists the models of the hub in the cache: name, revision, format, size, and whether each can run here.

${describeOptions(LS_OPTIONS)}
`;

/** Runs the command. */
export async function ls(args: string[]): Promise<void> {
  const options = Options.parse(args, LS_OPTIONS);
  if (options.flag("help")) return await print(LS_HELP);
  refuseSurplus(options.positionals, "ls");
  const models = await listModels();
  const examined = [];
  for (const model of models) examined.push({ ...model, ...await examine(model) });
  if (options.flag("json")) return await print(JSON.stringify({ models: examined }) + "\n");
  if (examined.length === 0) return note("no models in the cache\n");
  const rows = examined.map(({ name, revisions, commit, format, bytes, runs, reason }) => [
    printable(name),
    printable([...revisions, commit.slice(0, COMMIT_DIGITS)].join(" ")),
    printable(format),
    describeBytes(bytes),
    runs ? "yes" : printable(`no: ${reason}`),
  ]);
  await print(alignColumns([["name", "revision", "format", "size", "runs"], ...rows], [3]) + "\n");
}

/** Whether a model can be loaded, from its headers alone. */
async function examine({ name, isWhole }: InstalledModel): Promise<{ runs: boolean; reason?: string }> {
  if (!isWhole) {
    return { runs: false, reason: "not all files are here or may be read; remora pull fetches the others" };
  }
  try {
    const { memory } = await inspectModel(name, { offline: true });
    return memory.fits === false ? { runs: false, reason: "not enough memory" } : { runs: true };
  } catch (error) {
    return { runs: false, reason: error instanceof Error ? error.message : String(error) };
  }
}
