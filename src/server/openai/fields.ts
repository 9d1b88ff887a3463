/**
 * Fields that several of OpenAI's endpoints share.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import type { GenerateRequest } from "../../generation/requests.ts";
import { badRequest } from "../api_error.ts";
import { closedObject } from "../http/closed_object.ts";
import { CHOICES_MAX } from "../options.ts";

/** A field that may be left out or null. */
export const maybe = <const Schema extends v.GenericSchema>(schema: Schema) => v.optional(v.nullable(schema));

const between = (low: number, high: number) => v.pipe(v.number(), v.minValue(low), v.maxValue(high));
const integer = (low: number, high = Number.MAX_SAFE_INTEGER) =>
  v.pipe(v.number(), v.integer(), v.minValue(low), v.maxValue(high));

const SEEDS = 2 ** 63;
/** Seeds that differ here; half of those that the library takes, so that one for each answer can be counted on from it. */
const SEEDS_TOLD_APART = 2 ** 52;

/** What is drawn, and how: OpenAI's fields, and vLLM's beside them. */
export const samplingFields = {
  temperature: maybe(between(0, 2)),
  top_p: maybe(between(0, 1)),
  presence_penalty: maybe(between(-2, 2)),
  frequency_penalty: maybe(between(-2, 2)),
  logit_bias: maybe(v.record(v.pipe(v.string(), v.digits()), between(-100, 100))),
  // Clients draw them from 64 bits.
  seed: maybe(integer(-SEEDS, SEEDS)),
  stop: maybe(v.union([v.string(), v.array(v.pipe(v.string(), v.minLength(1)))])),
  n: maybe(integer(1, CHOICES_MAX)),
  stream: maybe(v.boolean()),
  stream_options: maybe(closedObject({
    include_usage: maybe(v.boolean()),
    include_obfuscation: maybe(v.boolean()),
    continuous_usage_stats: maybe(v.boolean()),
  })),
  top_k: maybe(integer(-1)),
  min_p: maybe(between(0, 1)),
  typical_p: maybe(v.pipe(v.number(), v.gtValue(0), v.maxValue(1))),
  // Far below 0.01 a logit that is divided by it is no number any more.
  repetition_penalty: maybe(between(0.01, 10)),
  ignore_eos: maybe(v.boolean()),
  skip_special_tokens: maybe(v.boolean()),
};

/** What an answer must be, in vLLM's words. */
export const structureFields = {
  guided_json: maybe(v.union([v.record(v.string(), v.unknown()), v.boolean(), v.string()])),
  guided_regex: maybe(v.string()),
  guided_choice: maybe(v.pipe(v.array(v.string()), v.minLength(1))),
  guided_grammar: maybe(v.string()),
  structured_outputs: maybe(closedObject({
    json: maybe(v.union([v.record(v.string(), v.unknown()), v.boolean(), v.string()])),
    regex: maybe(v.string()),
    choice: maybe(v.pipe(v.array(v.string()), v.minLength(1))),
    grammar: maybe(v.string()),
    json_object: maybe(v.boolean()),
  })),
};

/** The state of an answer in pieces, of a server with a budget. */
export const stateFields = { remora_state: maybe(v.string()) };

/** What an answer says of itself that its budget ended. */
export function stateBody(state: string | undefined): { remora?: { state: string } } {
  return state === undefined ? {} : { remora: { state } };
}

/** Fields that concern OpenAI's accounts and caches and mean nothing here. */
export const ignoredFields = {
  user: maybe(v.string()),
  metadata: maybe(v.record(v.string(), v.unknown())),
  store: maybe(v.boolean()),
  service_tier: maybe(v.string()),
  safety_identifier: maybe(v.string()),
  prompt_cache_key: maybe(v.string()),
  prompt_cache_retention: maybe(v.string()),
};

/**
 * Fields that vLLM's and SGLang's routers write into every request that they pass on. Each has the one value that says what is done
 * anyway; another is refused.
 */
export const routerFields = {
  no_stop_trim: maybe(v.literal(false)),
  return_hidden_states: maybe(v.literal(false)),
};

/** Those that they write into chats alone. */
export const chatRouterFields = {
  ...routerFields,
  continue_final_message: maybe(v.literal(false)),
  separate_reasoning: maybe(v.literal(true)),
  stream_reasoning: maybe(v.literal(true)),
  include_reasoning: maybe(v.literal(true)),
};

type SamplingFields = v.InferOutput<ReturnType<typeof samplingObject>>;
type StructureFields = v.InferOutput<ReturnType<typeof structureObject>>;
const samplingObject = () => v.object(samplingFields);
const structureObject = () => v.object(structureFields);

/** The library's request for them. */
export function samplingRequest(body: SamplingFields): Partial<GenerateRequest> {
  const given = <T>(value: T | null | undefined): T | undefined => value ?? undefined;
  const topK = given(body.top_k);
  return {
    temperature: given(body.temperature),
    topP: given(body.top_p),
    topK: topK === -1 ? 0 : topK,
    minP: given(body.min_p),
    typicalP: given(body.typical_p),
    presencePenalty: given(body.presence_penalty),
    frequencyPenalty: given(body.frequency_penalty),
    repeatPenalty: given(body.repetition_penalty),
    logitBias: given(body.logit_bias) as Record<number, number> | undefined,
    seed: body.seed == null ? undefined : body.seed % SEEDS_TOLD_APART,
    stop: given(body.stop),
    ignoreEnd: given(body.ignore_eos),
    keepSpecialTokens: body.skip_special_tokens === false ? true : undefined,
  };
}

/** @throws {ApiError} 400 for a text that is no JSON. */
function parsedSchema(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest("Invalid value for the JSON schema: expected JSON.", undefined, "invalid_value");
  }
}

/** The library's request for them. */
export function structureRequest(body: StructureFields): Partial<GenerateRequest> {
  const { structured_outputs: outputs } = body;
  const json = body.guided_json ?? outputs?.json ?? (outputs?.json_object ? { type: "object" } : undefined);
  return {
    jsonSchema: typeof json === "string" ? parsedSchema(json) : json,
    regex: body.guided_regex ?? outputs?.regex ?? undefined,
    choice: body.guided_choice ?? outputs?.choice ?? undefined,
    grammar: body.guided_grammar ?? outputs?.grammar ?? undefined,
  };
}
