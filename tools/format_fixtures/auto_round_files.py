"""Checkpoints written by AutoRound: python auto_round_files.py tests/formats/fixtures

The expected logits are those of transformers, which lets AutoRound's own modules read what it wrote, in f32.
"""

import importlib.metadata
import shutil
import sys
import tempfile

import torch
from auto_round import AutoRound
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from tiny_llama import tiny_llama, write_expected

SIZES = dict(hidden_size=128, intermediate_size=192, head_dim=32)
CASES = {
    "auto-round-gptq": ("auto_round:auto_gptq", dict(sym=True)),
    "auto-round-asym": ("auto_round:auto_gptq", dict(sym=False)),
    "auto-round-awq": ("auto_round:auto_awq", dict(sym=False)),
    "auto-round-as-gptq": ("auto_gptq", dict(sym=True)),
    "auto-round-as-awq": ("auto_awq", dict(sym=False)),
}
writer = f"auto-round {importlib.metadata.version('auto-round')}"
words = {f"t{i}": i for i in range(96)}
tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="t0")),
                                    unk_token="t0", pad_token="t0", bos_token="t1", eos_token="t2")

for name in sys.argv[2:] or CASES:
    form, settings = CASES[name]
    folder = f"{sys.argv[1]}/{name}"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory() as written:
            round_ = AutoRound(tiny_llama(**SIZES).half().float(), tokenizer, bits=4, group_size=32, iters=0, **settings)
            round_.quantize_and_save(written, format=form)
            found = next((path for path in __import__("pathlib").Path(written).rglob("config.json")), None)
            shutil.copytree(found.parent, folder)
        read = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu")
        write_expected(folder, read, writer)
        print("WROTE", name)
    except Exception as error:
        print("FAILED", name, type(error).__name__, str(error)[:300])
