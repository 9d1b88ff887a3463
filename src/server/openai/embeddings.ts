/**
 * `/v1/embeddings`.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import { toBase64 } from "../../core/bytes_as_text.ts";
import { checkLength } from "../../generation/check_request.ts";
import { badRequest } from "../api_error.ts";
import type { AnsweringModel } from "../engine/served_model.ts";
import { closedObject } from "../http/closed_object.ts";
import { INPUTS_MAX } from "../options.ts";
import { ignoredFields, maybe } from "./fields.ts";

const ids = v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), v.minLength(1));
const text = v.pipe(v.string(), v.minLength(1));

/** Its body. */
export const embeddingBody = closedObject({
  model: v.string(),
  input: v.union([
    text,
    v.pipe(v.array(text), v.minLength(1), v.maxLength(INPUTS_MAX)),
    ids,
    v.pipe(v.array(ids), v.minLength(1), v.maxLength(INPUTS_MAX)),
  ]),
  encoding_format: maybe(v.picklist(["float", "base64"])),
  dimensions: maybe(v.pipe(v.number(), v.integer(), v.minValue(1))),
  ...ignoredFields,
});

/** A body that was checked. */
export type EmbeddingBody = v.InferOutput<typeof embeddingBody>;

/** The embeddings of all inputs. */
export async function embeddings(
  { input, encoding_format, dimensions }: EmbeddingBody,
  served: AnsweringModel,
  signal: AbortSignal,
): Promise<unknown> {
  const { tokenizer, info: { contextSize, hiddenSize } } = served.model;
  if (dimensions != null && dimensions > hiddenSize) {
    throw badRequest(
      `Invalid value for 'dimensions': the model has ${hiddenSize}.`,
      "dimensions",
      "invalid_value",
    );
  }
  const isOne = typeof input === "string" || typeof input[0] === "number";
  const inputs = (isOne ? [input] : input) as (string | number[])[];
  for (const one of inputs) if (typeof one === "string") checkLength(one, tokenizer, contextSize);
  const data: unknown[] = [];
  let count = 0;
  // Text by text, so that many long ones are not made tokens in one go.
  for (const [index, one] of inputs.entries()) {
    const tokenIds = typeof one === "string" ? tokenizer.encode(one, { addSpecialTokens: true }) : one;
    count += tokenIds.length;
    const whole = await served.embed(tokenIds, signal);
    const vector = dimensions == null ? whole : shortened(whole, dimensions);
    const embedding = encoding_format === "base64"
      ? toBase64(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength))
      : Array.from(vector);
    data.push({ object: "embedding", index, embedding });
  }
  return { object: "list", data, model: served.name, usage: { prompt_tokens: count, total_tokens: count } };
}

/** The first few numbers, scaled to length 1 again, as OpenAI's API does. */
function shortened(vector: Float32Array, dimensions: number): Float32Array {
  const part = vector.slice(0, dimensions);
  const length = Math.sqrt(part.reduce((sum, value) => sum + value * value, 0));
  return length > 0 ? part.map((value) => value / length) : part;
}
