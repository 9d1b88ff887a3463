/**
 * What the local model must not answer, although it could say something.
 *
 * @module
 */
import { localPart } from "./endpoints.ts";
import type { Names } from "./names.ts";

/** Fields that name tokens by number, which mean other texts in another model. */
const TOKEN_FIELDS = ["logit_bias", "stop_token_ids", "allowed_token_ids", "prompt_token_ids"];

/**
 * Why the local model does not answer a request, in one word; `undefined`: it may.
 *
 * @param text The body; what is no JSON is left to the server to refuse.
 */
export function refusalOf(
  { method, path, text }: { method: string; path: string; text: string },
  names: Names,
  isSameModel: boolean,
): string | undefined {
  const part = localPart(method, path);
  if (part === "none") return "not_an_endpoint";
  if (part === "of_one_model" && !isSameModel) return "another_model";
  const body = part === "conversation" || part === "of_one_model" ? objectOf(text) : undefined;
  if (!body) return undefined;
  if (typeof body.model === "string" && !names.includes(body.model)) return "model_not_found";
  if (isSameModel) return undefined;
  return namesTokens(body) ? "another_model" : undefined;
}

function namesTokens(body: Readonly<Record<string, unknown>>): boolean {
  const isGiven = (value: unknown) =>
    typeof value === "object" && value !== null && Object.keys(value).length > 0;
  if (TOKEN_FIELDS.some((field) => isGiven(body[field]))) return true;
  const { prompt } = body;
  return Array.isArray(prompt) && prompt.some((item) => typeof item === "number" || Array.isArray(item));
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : undefined;
  } catch {
    return undefined;
  }
}
