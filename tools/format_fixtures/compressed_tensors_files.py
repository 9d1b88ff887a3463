"""Checkpoints written by compressed-tensors: python compressed_tensors_files.py tests/formats/fixtures

Scales and zero points come from its own `calculate_qparams`; the expected logits from transformers, which lets it read what it wrote.
"""

import importlib.metadata
import sys

import torch
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import (
    QuantizationArgs, QuantizationConfig, QuantizationScheme, apply_quantization_config,
)
from compressed_tensors.quantization.utils import calculate_qparams
from transformers import AutoModelForCausalLM

from tiny_llama import tiny_llama, write_expected

W = dict(type="int")
CASES = {
    "ct-int8-channel": ("int-quantized", dict(num_bits=8, symmetric=True, strategy="channel")),
    "ct-pack-8bit-group": ("pack-quantized", dict(num_bits=8, symmetric=True, strategy="group", group_size=32)),
    "ct-pack-4bit-group": ("pack-quantized", dict(num_bits=4, symmetric=True, strategy="group", group_size=32)),
}
writer = f"compressed-tensors {importlib.metadata.version('compressed-tensors')}"

for name, (form, weights) in CASES.items():
    model = tiny_llama()
    arguments = QuantizationArgs(**W, **weights)
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments, format=form)
    config = QuantizationConfig(config_groups={"group_0": scheme}, ignore=["lm_head"], format=form)
    apply_quantization_config(model, config)
    for module in model.modules():
        if getattr(module, "quantization_scheme", None) is None:
            continue
        groups = module.weight.detach()
        if weights["strategy"] == "group":
            groups = groups.unflatten(-1, (-1, weights["group_size"]))
        scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), arguments)
        shape = module.weight_scale.shape
        module.weight_scale.data = scale.reshape(shape)
        if getattr(module, "weight_zero_point", None) is not None:
            module.weight_zero_point.data = zero.reshape(shape).to(module.weight_zero_point.dtype)
    folder = f"{sys.argv[1]}/{name}"
    compressor = ModelCompressor.from_pretrained_model(model, quantization_format=form)
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.update_config(folder)
    read = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    write_expected(folder, read, writer)
