"""Quantises the trained model to 4 bits (GPTQ) and writes the checkpoint folder.

    python quantize.py --run RUN/last.pt --out DIR

Every linear layer of the decoder (cross-attention included) and of the vision tower becomes int4:
symmetric, groups of 32 inputs, scales in float16, no act-order. Layers are quantised in the order
they run, each against the activations the quantised layers before it produce. Embeddings, head,
projector, patch convolution, norms and gates stay float16.

The file also carries what broke other loaders: beside each cross-attention layer's real projections
lie the zero-size tensors of a fused `qkv_proj` that does not exist.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

import draw
import model as mllama
import tokens
import train
from folder import unpack

BITS, GROUP, DAMP = 4, 32, 0.01
CALIBRATION_SEED = 2_000_000


def group_scales(w):
    """Float16 scales of a group w [N, GROUP]: the clipping with the least squared error."""
    best = torch.full((w.shape[0],), torch.inf)
    scales = torch.zeros(w.shape[0])
    widest = w.abs().amax(1)
    for clip in torch.linspace(0.6, 1.1, 26):
        s = (widest * clip / 7.5).clamp(min=1e-5).half().float()
        error = ((w / s[:, None]).round().clamp(-8, 7) * s[:, None] - w).pow(2).sum(1)
        scales = torch.where(error < best, s, scales)
        best = torch.minimum(error, best)
    return scales


def gptq(weight, hessian):
    """(codes [N, K] in −8…7, scales [N, K / GROUP]) of weight [N, K], each column's rounding error
    spread over the columns still to come."""
    w, h = weight.clone().double(), hessian.clone().double()
    dead = h.diagonal() == 0
    h[dead, dead] = 1
    w[:, dead] = 0
    h += torch.eye(len(h), dtype=h.dtype) * DAMP * h.diagonal().mean()
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    codes, scales = torch.zeros_like(w), []
    for k in range(w.shape[1]):
        if k % GROUP == 0:
            scales.append(group_scales(w[:, k:k + GROUP].float()).double())
        s = scales[-1]
        codes[:, k] = (w[:, k] / s).round().clamp(-8, 7)
        error = (w[:, k] - codes[:, k] * s) / inverse[k, k]
        w[:, k + 1:] -= error[:, None] * inverse[k, k + 1:]
    return codes.to(torch.int64), torch.stack(scales, 1).float()


def pack(codes, scales):
    """GPTQ v1 tensors: codes packed along K, zero point 8 stored as 7."""
    n, k = codes.shape
    q = (codes + 8).T.reshape(k // 8, 8, n).numpy().astype(np.uint32)
    words = np.zeros((k // 8, n), np.uint32)
    for j in range(8):
        words |= q[:, j] << np.uint32(4 * j)
    return {
        "qweight": torch.from_numpy(words.view(np.int32)),
        "qzeros": torch.full((k // GROUP, n // 8), 0x77777777, dtype=torch.int32),
        "scales": scales.T.contiguous().half(),
        "g_idx": torch.arange(k, dtype=torch.int32) // GROUP,
    }


def blocks(model):
    """Lists of (name, linear) in running order; the linears of one list share a pass."""
    names = {m: n for n, m in model.named_modules()}
    layers = [*model.vision_model.transformer.layers, *model.vision_model.global_transformer.layers, *model.language_model.model.layers]
    for layer in layers:
        attention = getattr(layer, "self_attn", None) or layer.cross_attn
        a, m = attention, layer.mlp
        first = [m.fc1] if hasattr(m, "fc1") else [m.gate_proj, m.up_proj]
        last = m.fc2 if hasattr(m, "fc2") else m.down_proj
        for part in ([a.q_proj, a.k_proj, a.v_proj], [a.o_proj], first, [last]):
            yield [(names[linear], linear) for linear in part]


@torch.no_grad()
def quantise(model, batches):
    """Replaces the linears' weights by their quantised values; returns {name: GPTQ tensors}."""
    packed, seen = {}, {}
    for part in blocks(model):
        hessians, hooks = {}, []
        for name, linear in part:
            def add(_, inputs, name=name):
                x = inputs[0].reshape(-1, inputs[0].shape[-1]).float()
                hessians[name] = hessians.get(name, 0) + x.T @ x
            hooks.append(linear.register_forward_pre_hook(add))
        for i, batch in enumerate(batches):
            if part[0][0].startswith("vision_model"):
                train.see(model, batch, True)
                continue
            if i not in seen:
                seen[i] = train.see(model, batch, True)
            keys = None
            for kind in ("short", "long"):
                _, _, keys = train.answer(model, seen[i], batch["used"], batch[kind], keys)
        for hook in hooks:
            hook.remove()
        for name, linear in part:
            packed[name] = pack(*gptq(linear.weight, hessians[name]))
            linear.weight.copy_(unpack(packed[name]))
    return packed


def calibration(count):
    """`count` batches of pictures and questions the training never saw."""
    stage = {"steps": count, "batch": 32, "exact": True, "answers": True}
    data = train.Batches(stage, 99)
    return [train.to_tensors(data[i]) for i in range(count)]


def read_run(path):
    """The dense model of a training checkpoint, in float32."""
    chat = tokens.Chat(tokens.load())
    model = mllama.Mllama(mllama.make_config(chat.special["<|image|>"], chat.special))
    state = torch.load(path, weights_only=True)["both"]
    model.load_state_dict({k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")})
    return model.eval()


def export(model, packed, folder):
    """Writes the checkpoint beside `folder` and renames it into place."""
    config = dict(model.config)
    config["quantization_config"] = quantization = {
        "quant_method": "gptq", "bits": BITS, "group_size": GROUP, "desc_act": False, "sym": True, "lm_head": False,
        "checkpoint_format": "gptq", "pack_dtype": "int32",
        "meta": {"quantizer": ["scenes:1.0.0"], "damp_percent": DAMP, "static_groups": False, "true_sequential": True},
    }
    state = {}
    for name, value in model.state_dict().items():
        module = name.removesuffix(".weight")
        if module in packed:
            state |= {f"{module}.{part}": tensor for part, tensor in packed[module].items()}
        else:
            state[name] = value.half().contiguous()
    for i in config["text_config"]["cross_attention_layers"]:
        empty = f"language_model.model.layers.{i}.cross_attn.qkv_proj"
        state[f"{empty}.qweight"] = torch.zeros(0, 0, dtype=torch.int32)
        state[f"{empty}.qzeros"] = torch.zeros(0, 0, dtype=torch.int32)
        state[f"{empty}.scales"] = torch.zeros(0, 0, dtype=torch.float16)
        state[f"{empty}.g_idx"] = torch.zeros(0, dtype=torch.int32)

    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".scenes-"))
    part.chmod(0o755)
    save_file(state, part / "model.safetensors", metadata={"format": "pt"})
    (part / "model.safetensors").chmod(0o644)
    text = config["text_config"]
    contents = {
        "config.json": config,
        "quantize_config.json": quantization,
        "generation_config.json": {"bos_token_id": text["bos_token_id"], "eos_token_id": text["eos_token_id"],
                                   "pad_token_id": text["pad_token_id"], "do_sample": False},
        "preprocessor_config.json": {
            "image_processor_type": "MllamaImageProcessor", "do_convert_rgb": True, "do_normalize": True, "do_pad": True,
            "do_rescale": True, "do_resize": True, "image_mean": mllama.MEAN, "image_std": mllama.STD,
            "max_image_tiles": draw.MAX_TILES, "resample": 2, "rescale_factor": 1 / 255,
            "size": {"height": draw.TILE, "width": draw.TILE},
        },
    }
    for name, content in contents.items():
        (part / name).write_text(json.dumps(content, indent=2) + "\n")
    tokens.save(tokens.load(), part)
    if (folder / "README.md").exists():
        shutil.copy(folder / "README.md", part)
    if folder.exists():
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".scenes-old-"))
        os.rename(folder, old / "model")
        os.rename(part, folder)
        shutil.rmtree(old)
    else:
        os.rename(part, folder)


def main():
    parser = argparse.ArgumentParser(description="Quantise a training checkpoint and export it.")
    parser.add_argument("--run", type=Path, required=True, help="a .pt file of train.py")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batches", type=int, default=6, help="calibration batches of 32 pictures")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = read_run(options.run)
    packed = quantise(model, calibration(options.batches))
    export(model, packed, options.out)
    print(sum(f.stat().st_size for f in options.out.iterdir() if f.is_file()), "bytes")


if __name__ == "__main__":
    main()
