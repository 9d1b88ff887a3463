"""Writes tests/formats/fixtures/gguf_blocks.safetensors: random blocks of every GGUF format, and the weights that gguf-py reads from
them.

    pip install gguf safetensors numpy
    python tools/gguf_blocks.py tests/formats/fixtures/gguf_blocks.safetensors
"""

import sys

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGML_QUANT_SIZES, dequantize
from safetensors.numpy import save_file

ROWS, WEIGHTS = 3, 256
# Where the half floats of a block are: any others may be infinite or far from each other.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}

rng = np.random.default_rng(18)
arrays = {}
for name, places in HALVES.items():
    kind = Type[name]
    weights, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (ROWS * WEIGHTS // weights, size), dtype=np.uint8)
    for place in places:
        halves = rng.normal(0, 0.02, len(blocks)).astype(np.float16)
        blocks[:, place : place + 2] = halves.view(np.uint8).reshape(-1, 2)
    rows = blocks.reshape(ROWS, -1)
    arrays[f"{name}.blocks"] = rows
    arrays[f"{name}.weights"] = dequantize(rows, kind).astype(np.float32)
save_file(arrays, sys.argv[1], metadata={"writer": "gguf-py, dequantize"})
