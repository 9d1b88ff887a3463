"""Checkpoints written by AutoRound: python auto_round_files.py tests/formats/fixtures [NAME...]

    pip install auto-round transformers torch
    pip install --no-deps autoawq

The expected logits are those of the float model with every quantised weight replaced, in f32, by what a reader makes of the saved file:
for GPTQ's packings AutoRound's own module, made here because transformers would choose among those for CUDA alone, for AWQ's the
`dequantize_gemm` of AutoAWQ.
"""

import importlib.metadata
import importlib.util
import json
import pathlib
import shutil
import sys
import tempfile

import torch
from auto_round import AutoRound
from auto_round_extension.torch.qlinear_torch_zp import QuantLinear
from safetensors.torch import load_file

from tiny_llama import calibration_rows, tiny_llama, tiny_tokenizer, write_expected

SIZES = dict(hidden_size=128, intermediate_size=192, head_dim=32)
GROUP = 32
CASES = {
    "auto-round-gptq": ("auto_round:auto_gptq", dict(bits=4, sym=True)),
    "auto-round-gptq-asym": ("auto_round:auto_gptq", dict(bits=4, sym=False)),
    "auto-round-awq": ("auto_round", dict(bits=4, sym=False)),
    "auto-round-autoawq": ("auto_awq", dict(bits=4, sym=False)),
}
writer = f"auto-round {importlib.metadata.version('auto-round')}"

# AutoAWQ's own __init__ asks for a transformers of long ago.
awq_root = pathlib.Path(importlib.util.find_spec("awq").submodule_search_locations[0])
spec = importlib.util.spec_from_file_location("packing_utils", awq_root / "utils/packing_utils.py")
packing_utils = importlib.util.module_from_spec(spec)
spec.loader.exec_module(packing_utils)


def read_weight(packing, bits, parts, linear):
    """[outputs, inputs], f32."""
    if packing != "auto_round:auto_gptq":
        scales = parts["scales"].float()
        return packing_utils.dequantize_gemm(parts["qweight"], parts["qzeros"], scales, bits, GROUP).T.contiguous()
    module = QuantLinear(bits, GROUP, linear.in_features, linear.out_features, False)
    for name, value in parts.items():
        setattr(module, name, value.float() if name == "scales" else value)
    return module(torch.eye(linear.in_features)).T.float().contiguous()


def dequantised(folder):
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    packing = config.get("packing_format", config["quant_method"])
    stored = load_file(folder / "model.safetensors")
    model = tiny_llama(**SIZES)
    for name, module in model.named_modules():
        if f"{name}.qweight" in stored:
            parts = {part: stored[f"{name}.{part}"] for part in ("qweight", "qzeros", "scales")}
            module.weight.data = read_weight(packing, config["bits"], parts, module)
        elif getattr(module, "weight", None) is not None:
            module.weight.data = stored[f"{name}.weight"].float()
    return model


for name in sys.argv[2:] or CASES:
    form, settings = CASES[name]
    folder = pathlib.Path(sys.argv[1]) / name
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as written:
        rounding = AutoRound(tiny_llama(**SIZES).half().float(), tiny_tokenizer(), group_size=GROUP, iters=0,
                             disable_opt_rtn=True, dataset=list(calibration_rows(8).split(1)), seqlen=48, **settings)
        rounding.quantize_and_save(written, format=form)
        shutil.copytree(next(pathlib.Path(written).rglob("config.json")).parent, folder)
    with torch.no_grad():
        write_expected(folder, dequantised(folder), writer)
    print("WROTE", name, json.loads((folder / "config.json").read_text())["quantization_config"])
