"""Checkpoints written by AutoRound: python auto_round_files.py tests/formats/fixtures

The expected logits are those of the float model with every quantised weight replaced by what AutoRound's own module of the saved
file makes of a unit matrix, in f32: transformers would run all of it in f16.
"""

import importlib.metadata
import pathlib
import shutil
import sys
import tempfile

import torch
from auto_round import AutoRound
from safetensors.torch import load_file
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from tiny_llama import tiny_llama, write_expected

SIZES = dict(hidden_size=128, intermediate_size=192, head_dim=32)
CASES = {"auto-round-gptq": ("auto_round:auto_gptq", dict(sym=True))}
writer = f"auto-round {importlib.metadata.version('auto-round')}"
words = {f"t{i}": i for i in range(96)}
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="t0")),
                                    unk_token="t0", pad_token="t0", bos_token="t1", eos_token="t2")



def dequantised(folder):
    read = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu")
    modules, stored = dict(read.named_modules()), load_file(f"{folder}/model.safetensors")
    model = tiny_llama(**SIZES)
    for name, module in model.named_modules():
        if f"{name}.qweight" in stored:
            packed = modules[name]
            packed.scales = stored[f"{name}.scales"].float()
            with torch.no_grad():
                module.weight.data = packed(torch.eye(module.in_features)).T.float().contiguous()
        elif getattr(module, "weight", None) is not None:
            module.weight.data = stored[f"{name}.weight"].float()
    return model


torch.manual_seed(4)
data = [torch.randint(3, 96, (1, 48)) for _ in range(8)]

for name in sys.argv[2:] or CASES:
    form, settings = CASES[name]
    folder = f"{sys.argv[1]}/{name}"
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as written:
        rounding = AutoRound(tiny_llama(**SIZES).half().float(), tokenizer, bits=4, group_size=32, iters=0,
                             disable_opt_rtn=True, dataset=data, seqlen=48, **settings)
        rounding.quantize_and_save(written, format=form)
        shutil.copytree(next(pathlib.Path(written).rglob("config.json")).parent, folder)
    write_expected(folder, dequantised(folder), writer)
