/**
 * `remora show`: what a model is and what it will take, from its headers alone.
 *
 * @module
 */
import { inspectModel, type ModelInfo } from "../mod.ts";
import { printable } from "../src/core/errors.ts";
import { alignColumns, describeBytes, describeCount, describeInteger } from "./figures.ts";
import { Interruption } from "./interruption.ts";
import { checkAccess, takeModel } from "./model_access.ts";
import { describeModules } from "./module_table.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { print } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";

export const SHOW_OPTIONS: OptionDefinitions = {
  model: { short: "m", value: "MODEL", help: "the model, in place of the first argument" },
  "ctx-size": { short: "c", value: "N", help: "tokens of context; default: the model's" },
  threads: { short: "t", value: "N", help: "threads; default: physical cores" },
  precision: { value: "int8|f32", help: "arithmetic; default: int8" },
  offline: { help: "never use the network" },
  json: { help: "one JSON object on stdout" },
  verbose: { help: "stack traces of unexpected errors" },
  help: { short: "h", help: "this text" },
};

export const SHOW_HELP = `remora show MODEL [options]

Prints what a model is and the memory it will take, from its headers alone.

${describeOptions(SHOW_OPTIONS)}
`;

/** Runs the command. */
export async function show(args: string[]): Promise<void> {
  const options = Options.parse(args, SHOW_OPTIONS);
  if (options.flag("help")) return await print(SHOW_HELP);
  const { model, rest } = takeModel(options);
  if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"; see show --help`);
  const settings = {
    contextSize: options.integer("ctx-size", { from: 1 }),
    threads: options.integer("threads", { from: 1 }),
    precision: options.choice("precision", ["int8", "f32"]),
  };
  using interruption = new Interruption("SIGINT", "SIGTERM");
  const info = await inspectModel(model, {
    ...settings,
    ...checkAccess(model, options.flag("offline")),
    signal: interruption.signal,
  });
  await print(options.flag("json") ? JSON.stringify({ model, ...info }) + "\n" : describe(model, info));
}

function describe(model: string, info: ModelInfo): string {
  const { memory } = info;
  const facts = alignColumns([
    ["model", printable(model)],
    ["architecture", printable(info.architecture)],
    ["parameters", describeCount(info.parameterCount)],
    ["layers", `${info.layerCount}`],
    ["hidden size", describeInteger(info.hiddenSize)],
    ["heads", `${info.headCount}, ${info.keyValueHeadCount} for keys and values, of ${info.headSize}`],
    ["vocabulary", describeInteger(info.vocabularySize)],
    ["context", `${describeInteger(info.contextSize)} tokens`],
  ]);
  const sizes = alignColumns([
    ["weights", describeBytes(memory.weights)],
    ["working", describeBytes(memory.working)],
    ["keys and values, per 1,024 tokens", describeBytes(memory.keyValuePer1024Tokens)],
    [`total at ${describeInteger(info.contextSize)} tokens`, describeBytes(memory.total)],
  ], [1]);
  return `${facts}\n\nmodules\n${indent(describeModules(info.modules))}\n\nmemory\n${indent(sizes)}\n`;
}

function indent(text: string): string {
  return text.replace(/^/gm, "  ");
}
