/**
 * `remora show`: what a model is and what it will take, from its headers alone.
 *
 * @module
 */
import {
  inspectModel,
  type MemoryInfo,
  type ModelInfo,
  printable,
  probeEngine,
  type VisionInfo,
} from "../mod.ts";
import { describeEngine, noteWidth } from "./engine_line.ts";
import { alignColumns, describeBytes, describeCount, describeInteger } from "./figures.ts";
import { Interruption } from "./interruption.ts";
import { COMMON_OPTIONS, LOAD_OPTIONS, MODEL_OPTION, readLoadOptions } from "./load_options.ts";
import { checkAccess, takeModel } from "./model_access.ts";
import { describeModules } from "./module_table.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { print } from "./terminal.ts";
import { refuseSurplus } from "./usage_error.ts";

const SHOW_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  ...LOAD_OPTIONS,
  verbose: { help: "stack traces of unexpected errors" },
  ...COMMON_OPTIONS,
};

const SHOW_HELP = `remora show MODEL [options]

Prints what a model is and the memory it will take, from its headers alone.

${describeOptions(SHOW_OPTIONS)}
`;

/** Runs the command. */
export async function show(args: string[]): Promise<void> {
  const options = Options.parse(args, SHOW_OPTIONS);
  if (options.flag("help")) return await print(SHOW_HELP);
  const { model, rest } = takeModel(options);
  refuseSurplus(rest, "show");
  const settings = readLoadOptions(options);
  using interruption = new Interruption("SIGINT", "SIGTERM");
  const info = await inspectModel(model, {
    ...settings,
    ...checkAccess(model, options.flag("offline")),
    signal: interruption.signal,
  });
  const engine = await probeEngine();
  await print(
    options.flag("json")
      ? JSON.stringify({ model, ...info, engine }) + "\n"
      : describe(model, info, describeEngine(engine)),
  );
  noteWidth(engine);
}

function describe(model: string, info: ModelInfo, engine: string): string {
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
    ...(info.vision ? [["pictures", describeVision(info.vision)] as [string, string]] : []),
    ["computed with", engine],
  ]);
  const sizes = alignColumns([
    ["weights", describeBytes(memory.weights)],
    ["working", describeBytes(memory.working)],
    ["runtime", describeBytes(memory.runtime)],
    ...(info.vision
      ? [
        ["vision tower", describeBytes(memory.vision)],
        [`a picture of ${info.vision.tilesMax} tiles`, describeBytes(memory.picture)],
      ] as [string, string][]
      : []),
    ["keys and values, per 1,024 tokens", describeBytes(memory.keyValuePer1024Tokens)],
    [`total at ${describeInteger(info.contextSize)} tokens`, describeBytes(memory.total)],
    ...describeAvailable(memory),
  ], [1]);
  return `${facts}\n\nmodules\n${indent(describeModules(info.modules))}\n\nmemory\n${indent(sizes)}\n`;
}

function describeAvailable({ available, fits }: MemoryInfo): string[][] {
  if (!available) return [["available", "not known"]];
  const bytes = describeBytes(Math.floor(available.bytes));
  return [[available.source, bytes], ["fits", fits ? "yes" : "no"]];
}

function describeVision({ tileSize, tilesMax, layerCount, crossAttentionLayerCount }: VisionInfo): string {
  const tiles = `up to ${tilesMax} tiles of ${tileSize} × ${tileSize}`;
  return `${tiles}, ${layerCount} layers; ${crossAttentionLayerCount} layers of cross-attention`;
}

function indent(text: string): string {
  return text.replace(/^/gm, "  ");
}
