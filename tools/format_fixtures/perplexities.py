"""Perplexities by the programs whose rules `remora perplexity` follows:

    pip install llama-cpp-python transformers torch
    python perplexities.py tests/goldens LICENSE tests/cli/perplexities.json

llama.cpp makes f32 of its file itself, as it would round activations otherwise; its tokenizer and its logits, windows as its
tools/perplexity/perplexity.cpp has them. transformers' tokenizer and logits of a folder, windows as its guide has them, each loss counted
once.
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
# The second has no tokenizer; that of the third has as many tokens.
GGUF, DENSE, TOKENIZER = "gguf-q4_k_m", "bf16-dense", "gptq-v1-sym-g32"
goldens, text_file, out = map(pathlib.Path, sys.argv[1:])
text = text_file.read_text()[:CHARACTERS]


def result(losses, **rule):
    mean = sum(losses) / len(losses)
    return {**rule, "context": CONTEXT, "scored": len(losses), "perplexity": math.exp(mean)}


def by_llama_cpp():
    with tempfile.TemporaryDirectory() as folder:
        plain = f"{folder}/f32.gguf"
        settings = llama_cpp.llama_model_quantize_default_params()
        settings.ftype, settings.allow_requantize, settings.nthread = llama_cpp.LLAMA_FTYPE_ALL_F32, True, 1
        assert llama_cpp.llama_model_quantize(str(goldens / GGUF / "model.gguf").encode(), plain.encode(), ctypes.byref(settings)) == 0
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
        return result(losses, writer=f"llama-cpp-python {version}", model=GGUF, rule="llama.cpp")


@torch.no_grad()
def by_transformers(stride):
    model = AutoModelForCausalLM.from_pretrained(goldens / DENSE, dtype=torch.float32, attn_implementation="eager").eval()
    ids = AutoTokenizer.from_pretrained(goldens / TOKENIZER)(text)["input_ids"]
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
    return result(losses, writer=f"transformers {version}", model=DENSE, tokenizer=TOKENIZER, rule="transformers", stride=stride)


found = [by_llama_cpp()] + [by_transformers(stride) for stride in STRIDES]
out.write_text(json.dumps({"text": text, "perplexities": found}, indent=2) + "\n")
print(found)
