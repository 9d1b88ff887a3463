"""Defaults of the reference's configuration classes, for tests/cases/reference_configs.json.

    python tools/reference_configs.py > tests/cases/reference_configs.json

Needs transformers (5.24 wrote the committed file); PyTorch is not needed.
"""

import json

import transformers
from transformers import CONFIG_MAPPING

MODELS = ["gemma3_text", "llama", "mistral", "mllama", "phi3", "qwen2", "qwen3", "smollm3"]

print(json.dumps({
    "transformers": transformers.__version__,
    "models": {name: CONFIG_MAPPING[name]().to_dict() for name in MODELS},
}, indent=1, sort_keys=True))
