"""A checkpoint packed by AutoAWQ: python awq_files.py tests/formats/fixtures

AutoAWQ's package needs a transformers of long ago; its packer does not, so that alone is imported. Scales and zero points are those of
its `pseudo_quantize_tensor`. The expected logits are those of the float model with the weights of its `dequantize_gemm`, in f32.
"""

import importlib.metadata
import importlib.util
import json
import pathlib
import sys
import types

import torch
from safetensors.torch import load_file, save_file

from tiny_llama import tiny_llama, write_expected

SIZES = dict(hidden_size=128, intermediate_size=192, head_dim=32, num_hidden_layers=2)
GROUP = 64

root = pathlib.Path(importlib.util.find_spec("awq").submodule_search_locations[0])
for name in ("awq", "awq.modules", "awq.modules.linear", "awq.utils", "awq.quantize"):
    # The folders as packages whose own __init__ does not run.
    package = types.ModuleType(name)
    package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
    sys.modules[name] = package
from awq.modules.linear.gemm import WQLinear_GEMM
from awq.utils.packing_utils import dequantize_gemm


def quantised(weight):
    """As AwqQuantizer.pseudo_quantize_tensor with zero points, whose module imports all of the package."""
    groups = weight.reshape(-1, GROUP)
    low, high = groups.amin(1, keepdim=True), groups.amax(1, keepdim=True)
    scales = (high - low).clamp(min=1e-5) / 15
    zeros = (-torch.round(low / scales)).clamp_(0, 15)
    return scales.view(weight.shape[0], -1), zeros.view(weight.shape[0], -1)


folder = pathlib.Path(sys.argv[1]) / "autoawq-gemm"
model = tiny_llama(**SIZES)
tensors = {name: value.detach().half() for name, value in model.named_parameters()}
for name, module in model.named_modules():
    if not isinstance(module, torch.nn.Linear) or name == "lm_head":
        continue
    scales, zeros = quantised(module.weight.data)
    packed = WQLinear_GEMM.from_linear(module, 4, GROUP, scales=scales.t().contiguous(), zeros=zeros.t().contiguous())
    del tensors[f"{name}.weight"]
    tensors |= {f"{name}.{part}": getattr(packed, part).contiguous() for part in ("qweight", "qzeros", "scales")}
model.save_pretrained(folder)
save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
config = json.loads((folder / "config.json").read_text())
config["quantization_config"] = dict(quant_method="awq", bits=4, group_size=GROUP, zero_point=True, version="gemm",
                                     modules_to_not_convert=None)
(folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")

stored = load_file(folder / "model.safetensors")
for name, module in model.named_modules():
    if f"{name}.qweight" in stored:
        parts = [stored[f"{name}.{part}"] for part in ("qweight", "qzeros", "scales")]
        module.weight.data = dequantize_gemm(parts[0], parts[1], parts[2].float(), 4, GROUP).T.contiguous()
    elif getattr(module, "weight", None) is not None:
        module.weight.data = stored[f"{name}.weight"].float()
write_expected(folder, model, f"AutoAWQ {importlib.metadata.version('autoawq')}'s packer")
