/**
 * `/tokenize` and `/detokenize`, as vLLM has them.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import { checkLength } from "../../generation/check_request.ts";
import type { AnsweringModel } from "../engine/served_model.ts";
import { closedObject } from "../http/closed_object.ts";
import { maybe } from "./fields.ts";
import { message, templateMessage } from "./messages.ts";

/** The body of `/tokenize`. */
export const tokenizeBody = closedObject({
  model: maybe(v.string()),
  prompt: maybe(v.string()),
  messages: maybe(v.pipe(v.array(message), v.minLength(1))),
  add_special_tokens: maybe(v.boolean()),
  add_generation_prompt: maybe(v.boolean()),
  return_token_strs: maybe(v.boolean()),
});

/** The body of `/detokenize`. */
export const detokenizeBody = closedObject({
  model: maybe(v.string()),
  tokens: v.array(v.pipe(v.number(), v.integer(), v.minValue(0))),
});

/** The ids of a text or a conversation. */
export function tokenize(body: v.InferOutput<typeof tokenizeBody>, { model }: AnsweringModel): unknown {
  const { tokenizer, info } = model;
  const text = body.messages
    ? model.chatPrompt(body.messages.map(templateMessage), {
      addGenerationPrompt: body.add_generation_prompt ?? true,
    })
    : body.prompt ?? "";
  // Chat templates write special tokens themselves.
  const addSpecialTokens = body.add_special_tokens ?? !body.messages;
  checkLength(text, tokenizer);
  const tokens = tokenizer.encode(text, { addSpecialTokens });
  return {
    count: tokens.length,
    max_model_len: info.contextSize,
    tokens,
    token_strs: body.return_token_strs ? tokens.map((id) => tokenizer.tokenText(id)) : null,
  };
}

/** The text of ids. */
export function detokenize(
  { tokens }: v.InferOutput<typeof detokenizeBody>,
  { model }: AnsweringModel,
): unknown {
  return { prompt: model.tokenizer.decode(tokens) };
}
