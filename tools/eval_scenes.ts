/**
 * `deno task eval:scenes`: draws scenes, asks a model about them and says how often it is right.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { alignColumns } from "../cli/figures.ts";
import { Interruption } from "../cli/interruption.ts";
import { LOAD_OPTIONS, readLoadOptions } from "../cli/load_options.ts";
import { describeOptions, type OptionDefinitions, Options } from "../cli/options.ts";
import { report } from "../cli/report.ts";
import { note, print, ProgressBar } from "../cli/terminal.ts";
import { UsageError } from "../cli/usage_error.ts";
import { loadModel, type LoadOptions } from "../mod.ts";
import {
  DrawingError,
  type DrawingPython,
  findDrawingPython,
  installDrawingPython,
} from "./drawing_python.ts";
import { drawScenes } from "./scene_drawing.ts";
import { askAboutScenes } from "./scene_questions.ts";
import { describeTallies } from "./scene_table.ts";

/** From the root of the repository. */
const MODEL = "models/scenes-mllama-int4";

const OPTIONS: OptionDefinitions = {
  seed: { value: "N", help: "which scenes; default: 7" },
  count: { value: "N", help: "how many scenes; default: 1000" },
  model: { short: "m", value: "DIR", help: `default: ${MODEL}` },
  ...LOAD_OPTIONS,
  json: { help: "one JSON object on stdout" },
  help: { short: "h", help: "this text" },
};

const HELP = `deno task eval:scenes [options]

Draws scenes, asks about them and prints how often the answers are exactly right.
Needs Python with Pillow and numpy (of $PYTHON or python3; else they are installed
into tools/scenes/.cache) and the DejaVu fonts (Debian: fonts-dejavu-core and
fonts-dejavu-extra).

${describeOptions(OPTIONS)}
`;

interface Settings {
  /** As it was named. */
  model: string;
  directory: string;
  seed: number;
  count: number;
  load: LoadOptions;
  isJson: boolean;
}

function readSettings(options: Options): Settings {
  if (options.positionals.length > 0) {
    throw new UsageError(`unexpected argument "${options.positionals[0]}"; see --help`);
  }
  const model = options.text("model");
  return {
    model: model ?? MODEL,
    directory: model ?? fileURLToPath(new URL(`../${MODEL}`, import.meta.url)),
    seed: options.integer("seed", { from: 0 }) ?? 7,
    count: options.integer("count", { from: 1 }) ?? 1000,
    load: readLoadOptions(options),
    isJson: options.flag("json"),
  };
}

async function evaluate(settings: Settings, signal: AbortSignal): Promise<void> {
  const { directory, seed, count, load, isJson } = settings;
  const { precision = "int8" } = load;
  await using model = await loadModel(directory, { ...load, signal });
  const { command: python, versions } = await preparePython(signal);
  note(`Drawing ${count} scenes of seed ${seed} with ${python} (${versions})\n`);
  const begin = performance.now();
  using bar = new ProgressBar("Asking");
  let done = 0;
  const onScene = () => bar.show(++done / count);
  const scenes = drawScenes({ python, seed, count, signal });
  const { tasks, digest } = await askAboutScenes(model, scenes, { signal, onScene });
  const seconds = (performance.now() - begin) / 1000;
  bar[Symbol.dispose]();
  const { threads } = model.engine;
  if (isJson) {
    const facts = { tasks, seed, count, precision, threads, model: settings.model, digest };
    return await print(JSON.stringify(facts) + "\n");
  }
  const facts = alignColumns([
    ["scenes", `${count} of seed ${seed}, ${(seconds / count).toFixed(3)} s each`],
    ["model", `${settings.model}, ${precision}, threads ${threads}`],
    ["answers", `SHA-256 ${digest}`],
  ]);
  const isColoured = Deno.stdout.isTerminal() && !Deno.noColor;
  await print(`${describeTallies(tasks, isColoured)}\n\n${facts}\n`);
}

async function preparePython(signal: AbortSignal): Promise<DrawingPython> {
  const found = await findDrawingPython();
  if (found) return found;
  note("Installing Pillow and numpy into tools/scenes/.cache\n");
  return await installDrawingPython(signal);
}

async function main(args: string[]): Promise<number> {
  using interruption = new Interruption("SIGINT", "SIGTERM");
  try {
    const options = Options.parse(args, OPTIONS);
    if (options.flag("help")) await print(HELP);
    else await evaluate(readSettings(options), interruption.signal);
    return 0;
  } catch (error) {
    if (!(error instanceof DrawingError)) return report("eval:scenes", error, true);
    note(`eval:scenes: ${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
