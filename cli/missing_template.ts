/**
 * Models without a chat template.
 *
 * @module
 */
import { type Model, RemoraError } from "../mod.ts";
import { note } from "./terminal.ts";

/**
 * Whether a model has none.
 *
 * @throws {RemoraError} BAD_TEMPLATE for one that cannot be used, BAD_ARGUMENT for one that refuses a single question.
 */
export function isTemplateMissing(model: Model): boolean {
  const error = templateError(model);
  if (error === undefined) return false;
  if (isMissing(error)) return true;
  throw error;
}

/** Tells whoever starts a server what such a model refuses. What else a template refuses is told with each request. */
export function noteMissingTemplate(model: Model): void {
  if (!isMissing(templateError(model))) return;
  note(
    "remora: note: the model has no chat template; messages are refused, /v1/completions continues the text\n",
  );
}

function templateError(model: Model): unknown {
  try {
    model.chatPrompt([{ role: "user", content: "?" }]);
  } catch (error) {
    return error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof RemoraError && error.code === "FILE_NOT_FOUND" && error.file === "chat_template";
}
