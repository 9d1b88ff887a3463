/**
 * The server as one function.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { Model } from "../generation/model.ts";
import type { ServerInside, ServerOptions } from "./options.ts";

/** Answers requests. */
export type Handler = (request: Request) => Promise<Response>;

/** A model, or several by the names that clients call them by; a promise is one that is being loaded. */
export type ModelsToServe = Model | Promise<Model> | Readonly<Record<string, Model | Promise<Model>>>;

/** The name of a model that is given without one. */
export const DEFAULT_MODEL_NAME = "default";

/**
 * The packages of the server are loaded with its first request.
 *
 * @param inside What a program that has the server in it decides, not its user.
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
  let app: Promise<{ fetch: Handler }> | undefined;
  return async (request) => {
    app ??= import("./app.ts").then(({ ServerApp }) => new ServerApp(named, options, inside));
    return await (await app).fetch(request);
  };
}

function isOne(models: ModelsToServe): models is Model | Promise<Model> {
  return models instanceof Promise || typeof (models as Model).generate === "function";
}
