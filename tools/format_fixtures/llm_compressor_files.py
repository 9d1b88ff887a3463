"""Checkpoints written by llm-compressor: python llm_compressor_files.py tests/formats/fixtures [NAME...]

    pip install llmcompressor

Its `oneshot` quantises the tiny Llama with calibration and the presets that people use. The expected logits come from transformers, which
lets compressed-tensors read what was written, in f32.
"""

import importlib.metadata
import sys
import tempfile

import torch
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.gptq import GPTQModifier
from llmcompressor.modifiers.quantization import QuantizationModifier
from llmcompressor.modifiers.transform.awq import AWQModifier
from llmcompressor.pipelines.cache import IntermediatesCache
from transformers import AutoModelForCausalLM

from tiny_llama import calibration_rows, tiny_llama, tiny_tokenizer, write_expected

# AWQ pins memory for a device that is not there.
IntermediatesCache.pin_memory = lambda *_: None

# The presets have groups of 128.
SIZES = dict(hidden_size=128, intermediate_size=128, head_dim=32)
WHERE = dict(targets="Linear", ignore=["lm_head"])
CASES = {
    "llm-compressor-w4a16": [GPTQModifier(scheme="W4A16", **WHERE)],
    "llm-compressor-w4a16-asym": [QuantizationModifier(scheme="W4A16_ASYM", **WHERE)],
    "llm-compressor-awq": [AWQModifier(), QuantizationModifier(scheme="W4A16_ASYM", **WHERE)],
    "llm-compressor-w8a16": [QuantizationModifier(scheme="W8A16", **WHERE)],
}
versions = {name: importlib.metadata.version(name) for name in ("llmcompressor", "compressed-tensors")}
writer = f"llm-compressor {versions['llmcompressor']} with compressed-tensors {versions['compressed-tensors']}"


def calibration():
    rows = calibration_rows(16).tolist()
    return Dataset.from_list([{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows])


with tempfile.TemporaryDirectory() as plain:
    tiny_llama(**SIZES).bfloat16().save_pretrained(plain)
    for name in sys.argv[2:] or CASES:
        folder = f"{sys.argv[1]}/{name}"
        model = AutoModelForCausalLM.from_pretrained(plain, dtype=torch.bfloat16)
        oneshot(model=model, processor=tiny_tokenizer(), dataset=calibration(), recipe=CASES[name], max_seq_length=48,
                num_calibration_samples=16)
        model.save_pretrained(folder, save_compressed=True)
        write_expected(folder, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), writer)
        print("WROTE", name)
