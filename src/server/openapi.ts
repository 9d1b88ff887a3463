/**
 * The endpoints as an OpenAPI document. What requests may hold is made of the very schemas that check them.
 *
 * @module
 */
import { toJsonSchema } from "npm:@valibot/to-json-schema@1.8.0";
import type * as v from "npm:valibot@1.5.0";
import { countBody, messagesBody } from "./anthropic/body.ts";
import { chatBody } from "./openai/chat_completions.ts";
import { completionBody } from "./openai/completions.ts";
import { embeddingBody } from "./openai/embeddings.ts";
import { responsesBody } from "./openai/responses_body.ts";
import { detokenizeBody, tokenizeBody } from "./openai/tokens.ts";

type Json = Record<string, unknown>;

const text = { type: "string" };
const count = { type: "integer", minimum: 0 };
const list = (items: Json) => ({ type: "array", items });
/** An object that has these fields at least. */
const object = (properties: Json, required = Object.keys(properties)): Json => ({
  type: "object",
  properties,
  required,
});
const nullable = (schema: Json) => ({ anyOf: [schema, { type: "null" }] });

const usage = object({ prompt_tokens: count, completion_tokens: count, total_tokens: count });
const finishReason = { enum: ["stop", "length", "tool_calls"] };
const openAiError = object({
  error: object({ message: text, type: text, param: nullable(text), code: nullable(text) }),
});
const anthropicError = object({
  type: { const: "error" },
  error: object({ type: text, message: text }),
});
const model = object({ id: text, object: { const: "model" }, created: count, owned_by: text });

const answers: Readonly<Record<string, Json>> = {
  "/v1/chat/completions": object({
    id: text,
    object: { const: "chat.completion" },
    created: count,
    model: text,
    choices: list(object({
      index: count,
      message: object({ role: { const: "assistant" }, content: nullable(text) }),
      finish_reason: finishReason,
    })),
    usage,
  }),
  "/v1/completions": object({
    id: text,
    object: { const: "text_completion" },
    created: count,
    model: text,
    choices: list(object({ index: count, text, finish_reason: finishReason })),
    usage,
  }),
  "/v1/embeddings": object({
    object: { const: "list" },
    data: list(object({
      object: { const: "embedding" },
      index: count,
      embedding: { anyOf: [list({ type: "number" }), text] },
    })),
    model: text,
    usage: object({ prompt_tokens: count, total_tokens: count }),
  }),
  "/v1/responses": object({
    id: text,
    object: { const: "response" },
    created_at: count,
    status: { enum: ["completed", "incomplete"] },
    model: text,
    output: list(object({ type: { enum: ["message", "function_call", "reasoning"] }, id: text })),
  }),
  "/v1/messages": object({
    id: text,
    type: { const: "message" },
    role: { const: "assistant" },
    model: text,
    content: list(object({ type: { enum: ["text", "tool_use", "thinking"] } })),
    stop_reason: { enum: ["end_turn", "max_tokens", "stop_sequence", "tool_use"] },
    usage: object({ input_tokens: count, output_tokens: count }),
  }),
  "/v1/messages/count_tokens": object({ input_tokens: count }),
  "/tokenize": object({ count, max_model_len: count, tokens: list(count) }),
  "/detokenize": object({ prompt: text }),
};

const bodies: Readonly<Record<string, { schema: v.GenericSchema; about: string; streams?: boolean }>> = {
  "/v1/chat/completions": { schema: chatBody, about: "A conversation (OpenAI).", streams: true },
  "/v1/completions": { schema: completionBody, about: "A text that goes on (OpenAI).", streams: true },
  "/v1/embeddings": { schema: embeddingBody, about: "Texts as vectors (OpenAI)." },
  "/v1/responses": {
    schema: responsesBody,
    about: "A conversation (OpenAI's Responses, nothing stored).",
    streams: true,
  },
  "/v1/messages": { schema: messagesBody, about: "A conversation (Anthropic).", streams: true },
  "/v1/messages/count_tokens": { schema: countBody, about: "Tokens of a conversation (Anthropic)." },
  "/tokenize": { schema: tokenizeBody, about: "The token ids of a text (vLLM)." },
  "/detokenize": { schema: detokenizeBody, about: "The text of token ids (vLLM)." },
};

/** The document. */
export function openApi(version: string, models: readonly string[], needsKey: boolean): Json {
  const paths = Object.entries(bodies).map(([path, { schema, about, streams }]) => [path, {
    post: {
      summary: about,
      requestBody: {
        required: true,
        content: {
          "application/json": { schema: bodySchema(schema, models) },
        },
      },
      responses: {
        200: {
          description: "The answer.",
          content: {
            "application/json": { schema: answers[path] },
            ...(streams && { "text/event-stream": {} }),
          },
        },
        ...refusals(path.startsWith("/v1/messages") ? anthropicError : openAiError),
      },
    },
  }]);
  return {
    openapi: "3.1.0",
    info: { title: "remora", version },
    ...(needsKey && { security: [{ key: [] }] }),
    components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
    paths: {
      ...Object.fromEntries(paths),
      "/v1/models": get("The models.", object({ object: { const: "list" }, data: list(model) })),
      "/v1/models/{model}": {
        parameters: [{ name: "model", in: "path", required: true, schema: { enum: models } }],
        ...get("One model.", model),
      },
      "/version": get("The version.", object({ version: text })),
      "/health": {
        get: {
          summary: "Whether the models are loaded.",
          responses: { 200: { description: "They are." }, 503: { description: "They are not yet." } },
        },
      },
      "/metrics": {
        get: {
          summary: "Measurements.",
          responses: {
            200: { description: "For Prometheus.", content: { "text/plain": { schema: text } } },
            ...refusals(openAiError),
          },
        },
      },
    },
  };
}

function get(about: string, schema: Json): Json {
  return {
    get: {
      summary: about,
      responses: {
        200: { description: about, content: { "application/json": { schema } } },
        ...refusals(openAiError),
      },
    },
  };
}

function refusals(schema: Json): Json {
  const content = { "application/json": { schema } };
  return {
    "4XX": { description: "The request is refused.", content },
    503: { description: "The model is being loaded, or there is no memory.", content },
  };
}

/** What a body may be; its model is one of those that are served. */
function bodySchema(schema: v.GenericSchema, models: readonly string[]): Json {
  const { $schema: _, properties, ...rest } = toJsonSchema(schema, { errorMode: "ignore" }) as Json;
  return { ...rest, properties: { ...properties as Json, model: { enum: models } } };
}
