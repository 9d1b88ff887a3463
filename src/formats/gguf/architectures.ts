/**
 * Architectures of GGUF files, and what their tensors are called elsewhere.
 *
 * @see {@link https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/constants.py | names and keys}
 *
 * @module
 */

/** What is particular about an architecture's files. */
export interface GgufArchitecture {
  /** Its `model_type` in config.json. */
  readonly modelType: string;
  /** Rows of queries and keys lie in the order of a rotation of neighbours: both halves of a head are interleaved. */
  readonly interleavesHeads?: boolean;
  /** What the converter added to the weights of norms. */
  readonly normOffset?: number;
  /** Names of modules of a layer that differ from the usual ones. */
  readonly layerNames?: Readonly<Record<string, string>>;
}

/** By `general.architecture`. Mistral's models are "llama". */
export const GGUF_ARCHITECTURES: Readonly<Record<string, GgufArchitecture>> = {
  llama: { modelType: "llama", interleavesHeads: true },
  qwen2: { modelType: "qwen2" },
  qwen3: { modelType: "qwen3" },
  phi3: { modelType: "phi3", layerNames: { ffn_up: "mlp.gate_up_proj" } },
  smollm3: { modelType: "smollm3", interleavesHeads: true },
  gemma3: {
    modelType: "gemma3_text",
    normOffset: 1,
    layerNames: {
      post_attention_norm: "post_attention_layernorm",
      ffn_norm: "pre_feedforward_layernorm",
      post_ffw_norm: "post_feedforward_layernorm",
    },
  },
};

const MODULES: Readonly<Record<string, string>> = {
  token_embd: "model.embed_tokens",
  output_norm: "model.norm",
  output: "lm_head",
};

const LAYER_MODULES: Readonly<Record<string, string>> = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_qkv: "self_attn.qkv_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
};

const NAME = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/;

/** The name that model code uses for a tensor; one that it does not know stays as it is. */
export function tensorNameOf(name: string, { layerNames = {} }: GgufArchitecture): string {
  const [, layer, module, part] = NAME.exec(name) ?? [];
  if (module === undefined) return name;
  if (layer === undefined) return Object.hasOwn(MODULES, module) ? `${MODULES[module]}.${part}` : name;
  const names = { ...LAYER_MODULES, ...layerNames };
  return Object.hasOwn(names, module) ? `model.layers.${layer}.${names[module]}.${part}` : name;
}
