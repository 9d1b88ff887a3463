/**
 * `remora doctor`: what of this machine is used, and what keeps a model from running.
 *
 * @module
 */
import { examineMachine } from "./doctor_machine.ts";
import { examineModel } from "./doctor_model.ts";
import { examinePermissions } from "./doctor_permissions.ts";
import { describeFindings } from "./finding.ts";
import { host } from "./host/current.ts";
import { Interruption } from "./interruption.ts";
import { COMMON_OPTIONS, LOAD_OPTIONS, MODEL_OPTION, readLoadOptions } from "./load_options.ts";
import { describeOptions, type OptionDefinitions, Options } from "./options.ts";
import { print } from "./terminal.ts";
import { refuseSurplus } from "./usage_error.ts";

const DOCTOR_OPTIONS: OptionDefinitions = {
  ...MODEL_OPTION,
  ...LOAD_OPTIONS,
  verbose: { help: "stack traces of unexpected errors" },
  ...COMMON_OPTIONS,
};

const DOCTOR_HELP = `remora doctor [MODEL] [options]

Says in a line each what of this machine is used${
  host.hasPermissions ? ", which permissions there are" : ""
} and what is wrong with a model's files:
✓ as it should be, · not known or not used, ! could be better, ✗ keeps a model from running (exit code 1).
Computes with random weights for about a second.${
  host.hasPermissions ? " No permission is asked for; -A tells most." : ""
}

${describeOptions(DOCTOR_OPTIONS)}
`;

/**
 * Runs the command.
 *
 * @returns The exit code: 1 when something keeps a model from running.
 */
export async function doctor(args: string[]): Promise<number> {
  const options = Options.parse(args, DOCTOR_OPTIONS);
  if (options.flag("help")) {
    await print(DOCTOR_HELP);
    return 0;
  }
  const { model } = takeOptionalModel(options);
  const settings = { ...readLoadOptions(options), offline: options.flag("offline") };
  using interruption = new Interruption("SIGINT", "SIGTERM");
  const { signal } = interruption;
  const sections = {
    machine: await examineMachine({ ...settings, signal }),
    permissions: examinePermissions(),
    model: model === undefined ? [] : await examineModel(model, { ...settings, signal }),
  };
  signal.throwIfAborted();
  const canRun = Object.values(sections).flat().every(({ state }) => state !== "problem");
  await print(
    options.flag("json")
      ? JSON.stringify({ ...(model !== undefined && { name: model }), canRun, ...sections }) + "\n"
      : Object.values(sections).filter((findings) => findings.length > 0).map(describeFindings).join("\n\n") +
        "\n",
  );
  return canRun ? 0 : 1;
}

function takeOptionalModel(options: Options): { model?: string } {
  const [first, ...others] = options.positionals;
  const named = options.text("model");
  refuseSurplus(named === undefined ? others : options.positionals, "doctor");
  return { model: named ?? first };
}
