/**
 * The command lines of the programs that measure: options declared as data, `--help`, and one line for what cannot be obeyed.
 *
 * @module
 */
import { describeOptions, type OptionDefinition, type OptionDefinitions, Options } from "../cli/options.ts";
import { report } from "../cli/report.ts";
import { refuseSurplus, UsageError } from "../cli/usage_error.ts";

const HELP: OptionDefinitions = { help: { short: "h", help: "this text" } };

/** One option. A value `N` has to be a number from 0 on, `N,N` integers from 0 on, `a|b` one of these words. */
export interface BenchOption extends OptionDefinition {
  /** The value where none is given. */
  default?: string;
}

/** A program as its `--help` tells it. */
export interface Command<Definitions extends Readonly<Record<string, BenchOption>>> {
  /** How it is called, options left out: `deno task bench:x MODEL`. */
  usage: string;
  /** What it measures, in one line. */
  purpose: string;
  options: Definitions;
  /** How many arguments it takes at most; none unless said. */
  arguments?: number;
  /** Arguments after `--` that it passes on, in a few words; without it there are none. */
  passed?: string;
}

/** What options say: texts, or whether a flag is there. */
type Values<Definitions> = {
  [Name in keyof Definitions]: Definitions[Name] extends { value: string }
    ? Definitions[Name] extends { default: string } ? string : string | undefined
    : boolean;
};

/** A command line that was understood. */
export interface ReadCommand<Definitions> {
  values: Values<Definitions>;
  positionals: readonly string[];
  /** What stands after `--`. */
  passed: string[];
}

/** Reads the command line of this process; ends it after `--help`, and with exit code 2 for what cannot be obeyed. */
export function readCommand<const Definitions extends Readonly<Record<string, BenchOption>>>(
  command: Command<Definitions>,
): ReadCommand<Definitions> {
  const end = command.passed === undefined ? -1 : Deno.args.indexOf("--");
  const own = end < 0 ? Deno.args : Deno.args.slice(0, end);
  return readCommandWith(command, own, (options) => {
    const values = Object.entries<BenchOption>(command.options).map(([name, definition]) => [
      name,
      readValue(options, name, definition),
    ]);
    return {
      values: Object.fromEntries(values),
      positionals: options.positionals,
      passed: end < 0 ? [] : Deno.args.slice(end + 1),
    };
  });
}

/**
 * As `readCommand`, for a program that reads its options itself.
 *
 * @param read Throws UsageError for values that cannot be used.
 */
export function readCommandWith<Result>(
  command: Command<Readonly<Record<string, BenchOption>>>,
  args: string[],
  read: (options: Options) => Result,
): Result {
  try {
    const options = Options.parse(args, { ...command.options, ...HELP });
    if (options.flag("help")) {
      console.log(describe(command));
      Deno.exit(0);
    }
    refuseSurplus(options.positionals.slice(command.arguments ?? 0), command.usage);
    return read(options);
  } catch (error) {
    Deno.exit(report("bench", error, false));
  }
}

/** Ends the program with exit code 2 because of what the command line lacks. */
export function refuseLack(expected: string, found = "none"): never {
  Deno.exit(report("bench", new UsageError(`expected ${expected}, found ${found}; see --help`), false));
}

function readValue(options: Options, name: string, { value, default: standard }: BenchOption) {
  if (value === undefined) return options.flag(name);
  if (value === "N") options.number(name, { from: 0 });
  if (value === "N,N") options.integers(name, { from: 0 });
  if (value.includes("|")) options.choice(name, value.split("|"));
  return options.text(name) ?? standard;
}

function describe(
  { usage, purpose, options, passed }: Command<Readonly<Record<string, BenchOption>>>,
): string {
  const definitions = Object.entries(options).map(([name, { default: standard, ...definition }]) => [
    name,
    { ...definition, help: definition.help + (standard === undefined ? "" : ` (default ${standard})`) },
  ]);
  const lines = describeOptions({ ...Object.fromEntries(definitions), ...HELP });
  return `${usage} [options]${passed ? ` [-- ${passed}]` : ""}\n\n${purpose}\n\n${lines}`;
}
