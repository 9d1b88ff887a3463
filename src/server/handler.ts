/**
 * The server as one function.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { Model } from "../generation/model.ts";
import { AnswerStates } from "./engine/answer_states.ts";
import { BODY_BYTES_MAX, type ServerInside, type ServerOptions } from "./options.ts";

/** Answers requests. */
export type Handler = (request: Request) => Promise<Response>;

/** A model, or several by the names that clients call them by; a promise is one that is being loaded. */
export type ModelsToServe = Model | Promise<Model> | Readonly<Record<string, Model | Promise<Model>>>;

/** The name of a model that is given without one. */
const DEFAULT_MODEL_NAME = "default";

/**
 * The server of one model or several. Its packages are loaded with the first request.
 *
 * @param inside What a program that has the server in it decides, not its user.
 * @throws {RemoraError} BAD_ARGUMENT for options that cannot be, UNSUPPORTED where the host does not tell that clients leave.
 */
export function createServerHandler(
  models: ModelsToServe,
  options: ServerOptions,
  inside: ServerInside = {},
): Handler {
  const named = isOne(models) ? { [DEFAULT_MODEL_NAME]: models } : models;
  if (Object.keys(named).length === 0) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot serve", { expected: "a model", found: "none" });
  }
  const { maxBodyBytes = BODY_BYTES_MAX } = options;
  if (!Number.isInteger(maxBodyBytes) || maxBodyBytes < 1 || maxBodyBytes > BODY_BYTES_MAX) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot use maxBodyBytes", {
      expected: `an integer from 1 to ${BODY_BYTES_MAX}`,
      found: `${maxBodyBytes}`,
    });
  }
  const { requestsMax = Infinity, withoutLeaving } = inside, { maxConcurrent = 1 } = options;
  if (withoutLeaving !== undefined) {
    throw new RemoraError("UNSUPPORTED", "Cannot serve", {
      expected: withoutLeaving,
      found: "none: a request would hold the model for ever when its client leaves",
    });
  }
  if (maxConcurrent > requestsMax) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot use maxConcurrent", {
      expected: `at most ${requestsMax}: this host keeps requests apart`,
      found: `${maxConcurrent}`,
    });
  }
  const states = statesOf(options);
  let app: Promise<{ fetch: Handler }> | undefined;
  return async (request) => {
    app ??= import("./app.ts").then(({ ServerApp }) => new ServerApp(named, options, inside, states));
    return await (await app).fetch(request);
  };
}

/** @throws {RemoraError} BAD_ARGUMENT for settings of states that there will be none of. */
function statesOf(options: ServerOptions): AnswerStates | undefined {
  if (options.budget) return new AnswerStates(options.budget, options);
  for (const name of ["stateKey", "states", "stateSeconds"] as const) {
    if (options[name] === undefined) continue;
    throw new RemoraError("BAD_ARGUMENT", `Cannot use ${name}`, { expected: "a budget beside it" });
  }
}

function isOne(models: ModelsToServe): models is Model | Promise<Model> {
  return models instanceof Promise || typeof (models as Model).generate === "function";
}
