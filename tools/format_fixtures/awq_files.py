"""Checkpoints written by AutoAWQ: python awq_files.py tests/formats/fixtures [NAME...]

    pip install autoawq==0.2.9 transformers==4.51.3 torch

It searches scales and clips with its own calibration, packs and saves; all of that runs without CUDA. The expected logits are those of the
float model with, for gemm, the weights of its `dequantize_gemm`, and for gemv, which only CUDA can read, with the weights that its packer
was given, codes by its formula; in f32.
"""

import importlib.metadata
import pathlib
import shutil
import sys
import tempfile

import torch
from awq import AutoAWQForCausalLM
from awq.modules.linear.gemv import WQLinear_GEMV
from awq.utils.packing_utils import dequantize_gemm
from safetensors.torch import load_file

from tiny_llama import calibration_rows, tiny_llama, tiny_tokenizer, write_expected

SIZES = dict(hidden_size=128, intermediate_size=192, head_dim=32)
GROUP = 64
writer = f"AutoAWQ {importlib.metadata.version('autoawq')}"


def dequantised(stored, packed):
    """The float model with the weights of a file; `packed` are those that gemv's packer was given, in order."""
    model, packed = tiny_llama(**SIZES), iter(packed)
    for name, module in model.named_modules():
        if f"{name}.qweight" in stored:
            parts = [stored[f"{name}.{part}"] for part in ("qweight", "qzeros", "scales")]
            weight = next(packed, None)
            if weight is None:
                weight = dequantize_gemm(parts[0], parts[1], parts[2].float(), 4, GROUP).T.contiguous()
            module.weight.data = weight
        elif getattr(module, "weight", None) is not None:
            module.weight.data = stored[f"{name}.weight"].float()
    return model


given = []
pack = WQLinear_GEMV.from_linear.__func__


def noting(cls, linear, w_bit, group_size, init_only=False, scales=None, zeros=None):
    spread = [part.repeat_interleave(group_size, 1).float() for part in (scales, zeros)]
    codes = torch.round((linear.weight.data + (zeros * scales).repeat_interleave(group_size, 1)) /
                        scales.repeat_interleave(group_size, 1)).float()
    given.append(((codes - spread[1]) * spread[0]).contiguous())
    return pack(cls, linear, w_bit, group_size, init_only, scales, zeros)


WQLinear_GEMV.from_linear = classmethod(noting)

with tempfile.TemporaryDirectory() as plain:
    tiny_llama(**SIZES).half().save_pretrained(plain)
    tiny_tokenizer().save_pretrained(plain)
    for version in ("gemm", "gemv"):
        folder = pathlib.Path(sys.argv[1]) / f"autoawq-{version}"
        if sys.argv[2:] and folder.name not in sys.argv[2:]:
            continue
        given.clear()
        model = AutoAWQForCausalLM.from_pretrained(plain, device_map="cpu", torch_dtype=torch.float32)
        model.quantize(tiny_tokenizer(), dict(zero_point=True, q_group_size=GROUP, w_bit=4, version=version.upper()),
                       calib_data=calibration_rows(16).tolist(), max_calib_samples=16, max_calib_seq_len=48)
        shutil.rmtree(folder, ignore_errors=True)
        model.save_quantized(str(folder))
        write_expected(folder, dequantised(load_file(folder / "model.safetensors"), given), writer)
        print("WROTE", folder.name)
