"""Checkpoints written by GPTQModel: python gptqmodel_files.py tests/formats/fixtures [NAME...]

It quantises the tiny Llama with its own calibration and saves it with its own packer. The expected logits are those of the
float model with every quantised weight replaced by what GPTQModel's own module of the saved file dequantises.
"""

import importlib.metadata
import os
import pathlib
import shutil
import sys
import tempfile

# Its pool wants two threads wherever it runs.
os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")

import torch
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig
from transformers import AutoModelForCausalLM
from safetensors.torch import load_file

from tiny_llama import tiny_llama, tiny_tokenizer, write_expected

SIZES = dict(hidden_size=128, intermediate_size=192, head_dim=32, num_hidden_layers=2)
CASES = {
    "gptqmodel-gptq": dict(bits=4, group_size=32, sym=True, desc_act=False),
    "gptqmodel-gptq-act-order": dict(bits=4, group_size=32, sym=True, desc_act=True),
    "gptqmodel-gptq-asym": dict(bits=4, group_size=64, sym=False, desc_act=False),
    "gptqmodel-gptq-v2": dict(bits=4, group_size=32, sym=False, desc_act=False, format="gptq_v2"),
    "gptqmodel-gptq-8bit": dict(bits=8, group_size=32, sym=True, desc_act=False),
    "gptqmodel-gptq-dynamic": dict(
        bits=4, group_size=32, sym=True, desc_act=False,
        dynamic={r"-:.*\.1\.mlp\.down_proj": {}, r"+:.*v_proj": {"bits": 8, "group_size": 64}},
    ),
    "gptqmodel-awq-gemm": dict(bits=4, group_size=32, quant_method="awq", format="gemm", sym=False),
    "gptqmodel-awq-gemv": dict(bits=4, group_size=32, quant_method="awq", format="gemv", sym=False),
}
writer = f"GPTQModel {importlib.metadata.version('gptqmodel')}"


def calibration():
    torch.manual_seed(4)
    rows = [torch.randint(3, 96, (48,)).tolist() for _ in range(32)]
    return [{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows]


def dequantised(folder, plain):
    """The float model with the weights that GPTQModel reads from its own file, its arithmetic done in f32."""
    read = GPTQModel.load(folder, backend=BACKEND.TORCH if "awq" not in folder else BACKEND.AUTO, device="cpu")
    stored = load_file(f"{folder}/model.safetensors")
    model = AutoModelForCausalLM.from_pretrained(plain, dtype=torch.float32, attn_implementation="eager").eval()
    modules = dict(read.model.named_modules())
    for name, module in model.named_modules():
        if f"{name}.qweight" in stored:
            packed = modules[name]
            packed.scales = stored[f"{name}.scales"].float()
            module.weight.data = packed.dequantize_weight().T.detach().float().contiguous()
        elif getattr(module, "weight", None) is not None:
            module.weight.data = stored[f"{name}.weight"].float()
    return model


with tempfile.TemporaryDirectory() as temporary:
    plain = f"{temporary}/plain"
    tiny_llama(**SIZES).half().save_pretrained(plain)
    tiny_tokenizer().save_pretrained(plain)
    for name in sys.argv[2:] or CASES:
        folder = f"{sys.argv[1]}/{name}"
        model = GPTQModel.load(plain, QuantizeConfig(**CASES[name], device="cpu"))
        model.quantize(calibration(), batch_size=1)
        shutil.rmtree(folder, ignore_errors=True)
        model.save(folder)
        write_expected(folder, dequantised(folder, plain), writer)
        print(name, sum(file.stat().st_size for file in pathlib.Path(folder).iterdir()))
