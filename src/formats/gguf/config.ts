/**
 * From the metadata of a GGUF file to the config.json that the model would have elsewhere.
 *
 * @module
 */
import type { GgufArchitecture } from "./architectures.ts";
import type { Metadata } from "./metadata.ts";

/** Divisors of rotary frequencies, which files keep as tensors. */
export interface RotaryFactors {
  /** For all lengths. */
  readonly all?: readonly number[];
  /** For sequences up to the original context, and for longer ones. */
  readonly short?: readonly number[];
  readonly long?: readonly number[];
}

/** What the tensors say about the model. */
export interface ConfigParts {
  readonly vocabularySize: number;
  readonly isTied: boolean;
  readonly factors: RotaryFactors;
}

type Config = Record<string, unknown>;

/** Keys of the architecture's metadata and of config.json that mean the same. */
const KEYS: Readonly<Record<string, string>> = {
  "block_count": "num_hidden_layers",
  "context_length": "max_position_embeddings",
  "embedding_length": "hidden_size",
  "feed_forward_length": "intermediate_size",
  "attention.head_count": "num_attention_heads",
  "attention.head_count_kv": "num_key_value_heads",
  "attention.key_length": "head_dim",
  "attention.layer_norm_rms_epsilon": "rms_norm_eps",
  "attention.sliding_window": "sliding_window",
  "rope.freq_base": "rope_theta",
  "rope.freq_base_swa": "rope_local_base_freq",
  "expert_count": "num_experts",
  "attn_logit_softcapping": "attn_logit_softcapping",
  "final_logit_softcapping": "final_logit_softcapping",
};
/** Keys that are read elsewhere, told by the tensors, or of no meaning without experts. */
const READ_ELSEWHERE =
  /^(vocab_size|attention\.value_length|rope\.(dimension_count|scale_linear|scaling\..*)|expert_.*)$/;
/** Gemma 3 has one size with another scale of its scores, told by its depth (Gemma Team 2025). */
const GEMMA3_27B_LAYERS = 62;

/** What the file calls the keys of {@linkcode configOf}, for messages. */
export function keyNamesOf(name: string): ReadonlyMap<string, string> {
  return new Map([
    ...Object.entries(KEYS).map(([own, key]) => [key, `${name}.${own}`] as const),
    ["model_type", "general.architecture"],
    ["vocab_size", "the rows of token_embd.weight"],
    ["bos_token_id", "tokenizer.ggml.bos_token_id"],
    ["eos_token_id", "tokenizer.ggml.eos_token_id"],
    ["partial_rotary_factor", `${name}.rope.dimension_count`],
    ["original_max_position_embeddings", `${name}.rope.scaling.original_context_length`],
    ["rope_scaling", `${name}.rope.scaling`],
    ["rope_scaling.factor", `${name}.rope.scaling.factor`],
    ["rope_scaling.attention_factor", `${name}.rope.scaling.attn_factor`],
    ["rope_scaling.short_factor", "the values of rope_factors_short.weight"],
    ["rope_scaling.long_factor", "the values of rope_factors_long.weight"],
  ]);
}

/** @throws {RemoraError} BAD_CONFIG or UNSUPPORTED, naming the file and the key. */
export function configOf(
  metadata: Metadata,
  name: string,
  { modelType }: GgufArchitecture,
  parts: ConfigParts,
): Config {
  const config: Config = {
    model_type: modelType,
    vocab_size: parts.vocabularySize,
    tie_word_embeddings: parts.isTied,
    // What llama.cpp takes where the file says nothing.
    rope_theta: 10000,
    sliding_window: null,
    ...idsOf(metadata),
  };
  const prefix = `${name}.`;
  for (const key of metadata.keys()) {
    if (!key.startsWith(prefix)) continue;
    const own = key.slice(prefix.length);
    if (Object.hasOwn(KEYS, own)) config[KEYS[own]] = metadata.get(key);
    // Unknown ones are passed on: whatever nobody reads is told.
    else if (!READ_ELSEWHERE.test(own)) config[key] = metadata.get(key);
  }
  // Zero means none.
  for (const key of ["sliding_window", "num_experts"]) if (config[key] === 0) config[key] = null;
  readHeads(config, metadata, prefix);
  readRotary(config, metadata, prefix, parts.factors);
  if (modelType === "gemma3_text") config.query_pre_attn_scalar = gemmaScalar(config);
  return config;
}

function idsOf(metadata: Metadata): Config {
  const id = (name: string) => metadata.number(`tokenizer.ggml.${name}_token_id`);
  const ends = new Set(["eos", "eot", "eom"].map(id).filter((value) => value !== undefined));
  return { bos_token_id: id("bos") ?? null, eos_token_id: [...ends] };
}

function readHeads(config: Config, metadata: Metadata, prefix: string): void {
  const { hidden_size: hidden, num_attention_heads: heads } = config;
  if (typeof hidden !== "number" || typeof heads !== "number") return;
  config.head_dim ??= hidden / heads;
  config.num_key_value_heads ??= heads;
  const key = `${prefix}attention.value_length`, values = metadata.number(key);
  if (values === undefined || values === config.head_dim) return;
  throw metadata.refusal("UNSUPPORTED", key, `${config.head_dim}, as the keys have`, `${values}`);
}

function readRotary(config: Config, metadata: Metadata, prefix: string, factors: RotaryFactors): void {
  const rotated = metadata.number(`${prefix}rope.dimension_count`);
  if (rotated !== undefined && typeof config.head_dim === "number" && rotated !== config.head_dim) {
    config.partial_rotary_factor = rotated / config.head_dim;
  }
  const scaling = `${prefix}rope.scaling.`;
  const type = metadata.string(`${scaling}type`) ?? "none";
  const attention = metadata.number(`${scaling}attn_factor`);
  const original = metadata.number(`${scaling}original_context_length`) ?? null;
  const { short = factors.all, long = factors.all } = factors;
  if (short !== undefined && long !== undefined) {
    config.original_max_position_embeddings = original ?? config.max_position_embeddings;
    const attention_factor = attention ?? (factors.all ? 1 : null);
    config.rope_scaling = { rope_type: "longrope", short_factor: short, long_factor: long, attention_factor };
    return;
  }
  const factor = metadata.number(`${scaling}factor`) ?? metadata.number(`${prefix}rope.scale_linear`) ?? 1;
  if (type === "yarn") {
    const attention_factor = attention ?? null;
    config.original_max_position_embeddings = original;
    config.rope_scaling = { rope_type: type, factor, attention_factor };
  } else if (type === "linear" || (type === "none" && factor !== 1)) {
    config.rope_scaling = { rope_type: "linear", factor };
  } else if (type !== "none") {
    throw metadata.refusal(
      "UNSUPPORTED",
      `${scaling}type`,
      "none, linear, yarn, or longrope with factors",
      type,
    );
  }
}

function gemmaScalar({ num_hidden_layers, hidden_size, num_attention_heads, head_dim }: Config): unknown {
  if (num_hidden_layers !== GEMMA3_27B_LAYERS) return head_dim;
  return Number(hidden_size) / Number(num_attention_heads);
}
