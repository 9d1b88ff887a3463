/**
 * Keys of config.json that no architecture reads. Most say nothing about the mathematics of an answer; some change it, and a model
 * that uses one of these would be computed wrongly in silence.
 *
 * @module
 */
import type { ConfigReader } from "./config_reader.ts";

/** Of training, of files, of other tasks, or told by the tensors, the tokenizer or generation_config.json. */
const HARMLESS: ReadonlySet<string> = new Set([
  // What every config of transformers may have (PreTrainedConfig), and settings of generation that older versions wrote there.
  ...words(`
    _attn_implementation_autoset _name_or_path _commit_hash add_cross_attention architectures
    attn_implementation auto_map bad_words_ids begin_suppress_tokens bos_token_id
    chunk_size_feed_forward cross_attention_hidden_size decoder_start_token_id diversity_penalty
    do_sample dtype early_stopping encoder_no_repeat_ngram_size eos_token_id
    exponential_decay_length_penalty finetuning_task forced_bos_token_id forced_eos_token_id
    id2label is_decoder is_encoder_decoder label2id length_penalty max_length min_length model_type
    no_repeat_ngram_size num_beam_groups num_beams num_return_sequences output_attentions
    output_hidden_states output_scores pad_token_id prefix problem_type pruned_heads
    remove_invalid_values repetition_penalty return_dict return_dict_in_generate sep_token_id
    suppress_tokens task_specific_params temperature tf_legacy_loss tie_encoder_decoder
    tokenizer_class top_k top_p torch_dtype torchscript transformers_version transformers.js_config
    typical_p use_bfloat16 use_cache unsloth_version unsloth_fixed
  `),
  // Of training.
  ...words(`
    attention_dropout classifier_dropout dropout embd_pdrop hidden_dropout initializer_range
    pretraining_tp resid_pdrop max_sequence_length rope_ratio
  `),
  // Told by the tensors.
  ...words(`
    attention_bias mlp_bias qkv_bias quantization_config compression_config
  `),
  // Another spelling of what is read, or of no meaning where it is off.
  ...words(`
    _sliding_window_pattern cache_implementation layer_types max_window_layers sliding_window
    sliding_window_size num_attention_heads num_key_value_heads rope_scaling rope_parameters
    rope_theta image_token_index image_token_id text_config vision_config boi_token_id eoi_token_id
    hidden_act hidden_activation vocab_size supported_aspect_ratios no_rope_layer_interval
    original_max_position_embeddings
  `),
]);

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** Ids of tokens, and what tools note for themselves. */
const HARMLESS_NAME = /^_|_token_ids?$/;

/** What would be computed otherwise, with the values that change nothing. */
const MATHEMATICS: Readonly<Record<string, readonly unknown[]>> = {
  alibi: [false],
  attention_multiplier: [],
  attn_logit_softcapping: [],
  clip_qkv: [],
  embedding_multiplier: [1],
  final_logit_softcapping: [],
  layer_norm_eps: [],
  logit_scale: [1],
  logits_scaling: [1],
  mlp_only_layers: [],
  moe_intermediate_size: [],
  n_routed_experts: [0],
  num_experts: [0],
  num_local_experts: [0, 1],
  parallel_residual: [false],
  qk_layernorm: [false],
  residual_multiplier: [1],
  scale_depth: [],
  scale_emb: [1],
  use_bidirectional_attention: [false],
  use_parallel_residual: [false],
  use_qk_norm: [false],
};

/**
 * Looks at every key that nobody asked for.
 *
 * @param onNotice Told of those that are not known.
 * @throws {RemoraError} UNSUPPORTED for one that changes the mathematics.
 */
export function checkUnreadKeys(config: ConfigReader, onNotice?: (text: string) => void): void {
  const unknown: string[] = [];
  for (const { reader, key } of config.unread()) {
    if (HARMLESS.has(key) || HARMLESS_NAME.test(key)) continue;
    const neutral = Object.hasOwn(MATHEMATICS, key) ? MATHEMATICS[key] : undefined;
    if (neutral && !reader.isOneOf(key, neutral)) throw reader.unsupportedKey(key);
    if (!neutral) unknown.push(reader.nameOf(key));
  }
  if (unknown.length === 0) return;
  onNotice?.(`keys of ${config.file} that are not known and not used: ${unknown.slice(0, 10).join(", ")}`);
}
