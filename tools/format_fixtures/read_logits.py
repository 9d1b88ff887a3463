"""Logits of a folder as GPTQModel or, with compressed-tensors, transformers reads it, for tests/quantization/readers_test.ts: f32 [tokens,
vocabulary], row by row, in the file OUT.

    pip install torch transformers compressed-tensors gptqmodel
    python tools/format_fixtures/read_logits.py FOLDER 1,2,3 OUT
"""

import json
import sys

import torch

folder, ids, out = sys.argv[1:]
if json.load(open(f"{folder}/config.json"))["quantization_config"]["quant_method"] == "gptq":
    from gptqmodel import BACKEND, GPTQModel

    model = GPTQModel.load(folder, device="cpu", backend=BACKEND.TORCH, dtype=torch.float16)
    model = getattr(model, "model", model)
else:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu")
with torch.no_grad():
    logits = model(torch.tensor([[int(i) for i in ids.split(",")]])).logits[0]
with open(out, "wb") as file:
    file.write(logits.float().numpy().tobytes())
