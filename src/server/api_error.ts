/**
 * What goes wrong, as the two APIs say it.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { isTemplateMissing } from "../text/chat_template_source.ts";

/** OpenAI's kinds of errors. */
export type ApiErrorType =
  | "invalid_request_error"
  | "authentication_error"
  | "rate_limit_error"
  | "server_error";

/** An answer with a status that is no success. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly type: ApiErrorType,
    message: string,
    readonly details: {
      /** The field at fault, such as `messages[0].content`. */
      param?: string;
      code?: string;
      /** Seconds after which it is worth trying again. */
      retryAfter?: number;
    } = {},
  ) {
    super(message);
  }

  /** OpenAI's shape. */
  get body(): unknown {
    const { param = null, code = null } = this.details;
    return { error: { message: this.message, type: this.type, param, code } };
  }

  /** Anthropic's shape. */
  get anthropicBody(): unknown {
    const type = ANTHROPIC_TYPES[this.status] ?? (this.status < 500 ? "invalid_request_error" : "api_error");
    return { type: "error", error: { type, message: this.message } };
  }
}

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
};

/** A request that cannot be meant. */
export function badRequest(message: string, param?: string, code?: string): ApiError {
  return new ApiError(400, "invalid_request_error", message, { param, code });
}

/** What the request is at fault for, of all that the library refuses. */
const FAULTS_OF_REQUEST = new Set([
  "BAD_ARGUMENT",
  "BAD_IMAGE",
  "CONTEXT_OVERFLOW",
  "UNSUPPORTED",
  "BAD_TEMPLATE",
]);

/** Nobody reads it; nginx has the number. */
const CLIENT_GONE = 499;
/** Seconds after which memory may be free again. */
const MEMORY_RETRY_SECONDS = 2;

/** The library's own words would name a place of this machine. */
const WITHOUT_TEMPLATE =
  "This model has no chat template, so it takes no messages: ask /v1/completions to continue a prompt.";

/** The field that holds the text, where it is not `messages`. */
const TEXT_FIELDS: Readonly<Record<string, string>> = {
  "/v1/completions": "prompt",
  "/v1/responses": "input",
  "/v1/embeddings": "input",
  "/tokenize": "prompt",
};

/**
 * Whatever was thrown, as an answer. Details of unexpected errors stay here.
 *
 * @param path Of the request, where it is known.
 */
export function apiErrorOf(error: unknown, path = ""): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DOMException && error.name === "AbortError") {
    return new ApiError(CLIENT_GONE, "invalid_request_error", error.message);
  }
  if (error instanceof RemoraError) {
    if (error.code === "CONTEXT_OVERFLOW") {
      return badRequest(error.message, TEXT_FIELDS[path] ?? "messages", "context_length_exceeded");
    }
    if (isTemplateMissing(error)) {
      const param = path === "/v1/responses" ? TEXT_FIELDS[path] : "messages";
      return badRequest(WITHOUT_TEMPLATE, param, "no_chat_template");
    }
    if (FAULTS_OF_REQUEST.has(error.code)) {
      return badRequest(error.message, undefined, error.code === "BAD_IMAGE" ? "invalid_image" : undefined);
    }
    if (error.code === "OUT_OF_MEMORY") {
      return new ApiError(503, "server_error", error.message, { retryAfter: MEMORY_RETRY_SECONDS });
    }
  }
  return new ApiError(500, "server_error", "The server had an error while processing your request.");
}
