"""GGUF files written by llama.cpp's quantiser: python llama_cpp_files.py tests/formats/fixtures

gguf-py writes the tiny Llama as F16, llama.cpp (llama-cpp-python) quantises it. The expected logits are transformers' in f32 with the
weights that gguf-py decodes from the quantised file.
"""

import ctypes
import importlib.metadata
import pathlib
import sys
import tempfile

import gguf
import llama_cpp
import numpy as np
import torch

from tiny_llama import tiny_llama, write_expected

# Rows of 256 weights, which K-quants need, and as few of them as possible; others have blocks of 32.
SIZES = dict(vocab_size=64, hidden_size=256, intermediate_size=256, head_dim=64, num_attention_heads=4, num_key_value_heads=1)
SMALL = dict(vocab_size=64, hidden_size=64, intermediate_size=128, head_dim=16, num_attention_heads=4, num_key_value_heads=2)
CASES = {**dict.fromkeys(["Q4_0", "Q4_K_M", "Q5_K_M", "Q3_K_M", "IQ4_NL", "Q2_K", "Q6_K", "IQ4_XS"], SIZES),
         **dict.fromkeys(["Q4_1", "Q5_1"], SMALL)}
NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
writer = f"llama-cpp-python {importlib.metadata.version('llama-cpp-python')}"


def stored_name(name, config):
    """What a weight is called in the file, and into how many heads its rows are divided."""
    module = name.removesuffix(".weight")
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(module.split(".")[-1])
    if module.startswith("model.layers."):
        layer, rest = module.removeprefix("model.layers.").split(".", 1)
        return f"blk.{layer}.{NAMES[rest]}.weight", heads
    return f"{NAMES[module]}.weight", heads


def interleaved(weight, heads):
    """Rows as the converter orders them: each pair that is rotated together side by side."""
    return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def restored(weight, heads):
    return weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)


def write_plain(model, path):
    file = gguf.GGUFWriter(path, "llama")
    config = model.config
    file.add_block_count(config.num_hidden_layers)
    file.add_context_length(config.max_position_embeddings)
    file.add_embedding_length(config.hidden_size)
    file.add_feed_forward_length(config.intermediate_size)
    file.add_head_count(config.num_attention_heads)
    file.add_head_count_kv(config.num_key_value_heads)
    file.add_key_length(config.head_dim)
    file.add_value_length(config.head_dim)
    file.add_rope_dimension_count(config.head_dim)
    file.add_rope_freq_base(10000.0)
    file.add_layer_norm_rms_eps(config.rms_norm_eps)
    file.add_vocab_size(config.vocab_size)
    file.add_tokenizer_model("no_vocab")
    for name, weight in model.named_parameters():
        own, heads = stored_name(name, model.config)
        values = weight.detach().numpy()
        if heads:
            values = interleaved(values, heads)
        file.add_tensor(own, values.astype(np.float16 if values.ndim == 2 else np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


def decoded(model, path):
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    for name, weight in model.named_parameters():
        own, heads = stored_name(name, model.config)
        tensor = tensors[own]
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32).reshape(weight.shape)
        if heads:
            values = restored(values, heads)
        weight.data = torch.from_numpy(np.ascontiguousarray(values))
    return model


for case in sys.argv[2:] or CASES:
    folder = pathlib.Path(sys.argv[1]) / f"llama-cpp-{case.lower().replace('_', '-')}"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        plain = f"{temporary}/plain.gguf"
        write_plain(tiny_llama(**CASES[case]), plain)
        settings = llama_cpp.llama_model_quantize_default_params()
        settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{case}")
        settings.nthread = 1
        target = folder / "model.gguf"
        assert llama_cpp.llama_model_quantize(plain.encode(), str(target).encode(), ctypes.byref(settings)) == 0
    write_expected(folder, decoded(tiny_llama(**CASES[case]), target), writer, keep=["model.gguf"])
    print("WROTE", case, target.stat().st_size, sorted({t.tensor_type.name for t in gguf.GGUFReader(target).tensors}))
