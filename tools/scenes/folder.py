"""Reads an exported checkpoint folder back."""

import json

import numpy as np
import torch
from safetensors.torch import load_file

import model as mllama


def unpack(t):
    """Float32 weight [N, K] of GPTQ v1 tensors."""
    words = t["qweight"].numpy().view(np.uint32)
    q = np.stack([(words >> np.uint32(4 * j)) & 15 for j in range(8)], 1).reshape(-1, words.shape[1])
    w = (q.astype(np.float32) - 8) * t["scales"].float().numpy()[t["g_idx"].numpy()]
    return torch.from_numpy(np.ascontiguousarray(w.T))


def read_folder(folder):
    """The model of an exported folder, its int4 weights dequantised to float32."""
    model = mllama.Mllama(json.loads((folder / "config.json").read_text()))
    raw = {k: v for k, v in load_file(folder / "model.safetensors").items() if v.numel()}
    state = {k: v.float() for k, v in raw.items() if v.dtype == torch.float16 and not k.endswith(".scales")}
    for name in [k.removesuffix(".qweight") for k in raw if k.endswith(".qweight")]:
        state[f"{name}.weight"] = unpack({part: raw[f"{name}.{part}"] for part in ("qweight", "scales", "g_idx")})
    model.load_state_dict(state)
    return model.eval()
