"""Perplexities of a GGUF file by the programs whose rules `remora perplexity` follows:

    pip install llama-cpp-python transformers gguf torch
    python perplexities.py tests/goldens/gguf-q4_k_m/model.gguf LICENSE tests/cli/perplexities.json

llama.cpp makes f32 of the file itself, as it would round activations otherwise; its tokenizer and its logits, windows as its
tools/perplexity/perplexity.cpp has them. transformers reads the file with gguf-py; windows as its guide has them, each loss counted once.
"""

import ctypes
import importlib.metadata
import json
import math
import pathlib
import sys
import tempfile

import llama_cpp
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

CHARACTERS = 1200
CONTEXT = 64
STRIDES = (64, 24)
file, text_file, out = map(pathlib.Path, sys.argv[1:])
text = text_file.read_text()[:CHARACTERS]


def result(losses, **rule):
    mean = sum(losses) / len(losses)
    return {**rule, "context": CONTEXT, "scored": len(losses), "perplexity": math.exp(mean)}


def by_llama_cpp():
    with tempfile.TemporaryDirectory() as folder:
        plain = f"{folder}/f32.gguf"
        settings = llama_cpp.llama_model_quantize_default_params()
        settings.ftype, settings.allow_requantize, settings.nthread = llama_cpp.LLAMA_FTYPE_ALL_F32, True, 1
        assert llama_cpp.llama_model_quantize(str(file).encode(), plain.encode(), ctypes.byref(settings)) == 0
        model = llama_cpp.Llama(plain, n_ctx=CONTEXT, n_batch=CONTEXT, n_threads=1, logits_all=True, verbose=False,
                                type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32)
        ids = model.tokenize(text.encode(), add_bos=True, special=False)
        losses, first = [], CONTEXT // 2
        for chunk in range(len(ids) // CONTEXT):
            window = ids[chunk * CONTEXT:(chunk + 1) * CONTEXT]
            window[0] = model.token_bos()
            model.reset()
            model.eval(window)
            rows = np.array(model.scores[:CONTEXT], dtype=np.float64)
            for row in range(first, CONTEXT - 1):
                top = rows[row].max()
                losses.append(top + math.log(np.exp(rows[row] - top).sum()) - rows[row][window[row + 1]])
        version = importlib.metadata.version("llama-cpp-python")
        return ids, result(losses, writer=f"llama-cpp-python {version}", rule="llama.cpp")


@torch.no_grad()
def by_transformers(ids, stride):
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
    losses, previous = [], 0
    for begin in range(0, len(ids), stride):
        end = min(begin + CONTEXT, len(ids))
        window = torch.tensor([ids[begin:end]])
        labels = window.clone()
        labels[:, :-(end - previous)] = -100
        logits = model(window).logits[0, :-1].double()
        each = torch.nn.functional.cross_entropy(logits, labels[0, 1:], ignore_index=-100, reduction="none")
        losses += each[labels[0, 1:] != -100].tolist()
        previous = end
        if end == len(ids):
            break
    version = importlib.metadata.version("transformers")
    return result(losses, writer=f"transformers {version}", rule="transformers", stride=stride)


ids, first = by_llama_cpp()
read = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)(text)["input_ids"]
print("the same tokens:", read == ids, len(ids), ids[:4], read[:4])
found = [first] + [by_transformers(ids, stride) for stride in STRIDES]
model = file.parent.name
out.write_text(json.dumps({"model": model, "text": text, "perplexities": found}, indent=2) + "\n")
print(found)
