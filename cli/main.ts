/**
 * The command line: `deno run --allow-read=MODEL cli/main.ts run MODEL PROMPT`, or `remora run MODEL PROMPT` from the npm package.
 *
 * Answers go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 not understood, 130 and 143 ended by
 * SIGINT and SIGTERM.
 *
 * @module
 */
import process from "node:process";
import configuration from "../deno.json" with { type: "json" };
import { bench } from "./bench.ts";
import { convert } from "./convert.ts";
import { fallback } from "./fallback.ts";
import { nearestName } from "../mod.ts";
import { doctor } from "./doctor.ts";
import { host } from "./host/current.ts";
import { ls } from "./ls.ts";
import { perplexity } from "./perplexity.ts";
import { ps } from "./ps.ts";
import { pull } from "./pull.ts";
import { quantize } from "./quantize.ts";
import { repack } from "./repack.ts";
import { report } from "./report.ts";
import { rm } from "./rm.ts";
import { run } from "./run.ts";
import { serve } from "./serve.ts";
import { show } from "./show.ts";
import { print } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

const HELP = `remora runs INT4 language models on the CPU.

  remora run MODEL [PROMPT]  answer a prompt, or chat
  remora serve [MODEL]       an HTTP server with OpenAI's and Anthropic's endpoints, and a page
  remora fallback MODEL --upstream URL
                             a proxy before a server, which answers itself when the server does not
  remora show MODEL          what a model is and the memory it takes
  remora bench MODEL         how fast a model is on this machine
  remora perplexity MODEL FILE
                             how well a model foresees a text
  remora quantize MODEL OUT  write it in codes of 4 or 8 bits
  remora convert MODEL OUT --to FORMAT
                             write a quantised model in another format
  remora repack MODEL        write a file from which the model loads faster
  remora pull MODEL          download a model of the Hugging Face hub
  remora ls                  the models of the hub on this machine
  remora rm MODEL            remove one of them
  remora ps [URL]            what a server is doing
  remora doctor [MODEL]      what of this machine is used, and what keeps a model from running

  remora COMMAND --help      the options of a command
  remora --version           the version

MODEL is a folder, a GGUF file, the URL of one, or a hub id owner/name[@revision][:quantisation]${
  host.hasPermissions ? "; deno run needs --allow-read=MODEL, or --allow-net=HOST" : ""
}.
`;

/** Commands by name. One that does not throw has done its work, unless it returns another exit code. */
const COMMANDS: Readonly<Record<string, (args: string[]) => Promise<number | void>>> = {
  run,
  serve,
  fallback,
  show,
  bench,
  perplexity,
  quantize,
  convert,
  repack,
  pull,
  ls,
  rm,
  ps,
  doctor,
};

/** Runs a command line and returns the exit code. */
async function main(args: string[]): Promise<number> {
  try {
    return await dispatch(args) ?? 0;
  } catch (error) {
    return report("remora", error, args.includes("--verbose"));
  }
}

async function dispatch([name, ...rest]: string[]): Promise<number | void> {
  const names = Object.keys(COMMANDS).join(", ").replace(/, (?=\w+$)/, " or ");
  if (name === undefined) {
    throw new UsageError(`expected a command (${names}), found none; see --help`);
  }
  if (["--help", "-h", "help"].includes(name)) return await print(HELP);
  if (name === "--version") return await print(`remora ${configuration.version}\n`);
  if (Object.hasOwn(COMMANDS, name)) return await COMMANDS[name](rest);
  const kind = name.startsWith("-") ? "option" : "command";
  const meant = nearestName(name, Object.keys(COMMANDS));
  const hint = meant ? `did you mean ${meant}?` : "see --help";
  throw new UsageError(`unknown ${kind} ${name}: expected ${names}; ${hint}`);
}

process.on("unhandledRejection", (reason) => {
  process.exit(report("remora", reason, process.argv.includes("--verbose")));
});
// A read of stdin may still be pending, and would keep the process alive.
process.exit(await main(process.argv.slice(2)));
