"""GGUF files of every architecture: python gguf_architectures.py tests/formats/fixtures [NAME...]

A tiny random model of transformers, written as F16 by gguf-py with the changes that llama.cpp's converter makes. The expected logits
are transformers' in f32 on the same weights.
"""

import importlib.metadata
import pathlib
import re
import sys

import gguf
import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

from tiny_llama import write_expected

SHARED = dict(vocab_size=96, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False, pad_token_id=None,
              bos_token_id=1, eos_token_id=2)
CASES = {
    # A file's architecture, the config of transformers, whether rows of queries and keys are interleaved, what is added to norms.
    "gguf-qwen2": ("qwen2", "Qwen2Config", {}, False, 0),
    "gguf-qwen3": ("qwen3", "Qwen3Config", dict(head_dim=32), False, 0),
    "gguf-mistral": ("llama", "MistralConfig", dict(head_dim=16, sliding_window=None), True, 0),
    "gguf-phi3": ("phi3", "Phi3Config", dict(sliding_window=None), False, 0),
    "gguf-gemma3": ("gemma3", "Gemma3TextConfig",
                    dict(hidden_size=32, intermediate_size=64, head_dim=16, sliding_window=8, query_pre_attn_scalar=16, tie_word_embeddings=True,
                         layer_types=["sliding_attention"] * 5 + ["full_attention"], num_hidden_layers=6,
                         rope_parameters={"sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                                          "full_attention": {"rope_type": "default", "rope_theta": 1000000.0}}), False, 1),
    "gguf-smollm3": ("smollm3", "SmolLM3Config", dict(hidden_size=32, intermediate_size=64, num_hidden_layers=4, no_rope_layers=[1, 1, 1, 0]), True, 0),
}
MODULES = {
    "embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.qkv_proj": "attn_qkv", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "mlp.gate_up_proj": "ffn_up",
}
GEMMA = {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
         "post_feedforward_layernorm": "post_ffw_norm"}
writer = f"gguf-py {importlib.metadata.version('gguf')}"


def tiny(config_name, settings):
    torch.manual_seed(18)
    config = getattr(transformers, config_name)(**{**SHARED, **settings}, attn_implementation="eager")
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                weight.normal_(0, 1 if "embed" in name else weight.shape[1] ** -0.5)
            else:
                weight.add_(torch.randn_like(weight) * 0.1)
            weight.copy_(weight.half().float())
    return model


def write(path, architecture, model, is_interleaved, norm_offset):
    config = model.config
    file = gguf.GGUFWriter(path, architecture)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    file.add_block_count(config.num_hidden_layers)
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(config.num_attention_heads)
    file.add_head_count_kv(config.num_key_value_heads)
    file.add_key_length(head)
    file.add_value_length(head)
    file.add_rope_dimension_count(head)
    ropes = config.rope_parameters
    file.add_rope_freq_base((ropes.get("full_attention") or ropes)["rope_theta"])
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    if getattr(config, "sliding_window", None):
        file.add_sliding_window(config.sliding_window)
    file.add_tokenizer_model("no_vocab")
    names = {**MODULES, **(GEMMA if architecture == "gemma3" else {})}
    for name, weight in model.named_parameters():
        layer, module, part = re.fullmatch(r"(?:model\.)?(?:layers\.(\d+)\.)?(.+)\.(weight|bias)", name).groups()
        own = f"{names[module]}.{part}" if layer is None else f"blk.{layer}.{names[module]}.{part}"
        values = weight.detach().numpy()
        heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}.get(module)
        if is_interleaved and heads:
            values = values.reshape(heads, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
        if module.endswith("norm"):
            values = values + norm_offset
        file.add_tensor(own, np.ascontiguousarray(values).astype(np.float16 if values.ndim == 2 else np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


for name in sys.argv[2:] or CASES:
    architecture, config_name, settings, is_interleaved, norm_offset = CASES[name]
    folder = pathlib.Path(sys.argv[1]) / name
    folder.mkdir(exist_ok=True)
    model = tiny(config_name, settings)
    write(folder / "model.gguf", architecture, model, is_interleaved, norm_offset)
    write_expected(folder, model, writer, keep=["model.gguf"])
    print("WROTE", name, (folder / "model.gguf").stat().st_size)
