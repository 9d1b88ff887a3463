"""Reference outputs of the exported model, by transformers before 4.54.

    python reference.py --model DIR      # writes DIR/reference/
    python reference.py --check          # model.py against transformers, on random weights

`reference.safetensors` holds, per input: `ids` (prompts and greedy answers), `aspect_ratio_ids`,
`aspect_ratio_mask`, `logits` (Meta's rule: rows before the image take nothing from cross-attention)
and `logits_hf` (transformers' own: those rows average over every image key), each of every row.
All float32, eager attention, int4 weights dequantised. `reference.json` says what was asked.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import MllamaConfig, MllamaForConditionalGeneration, MllamaImageProcessor

import draw
import model as mllama
import quantize
import tokens
import train
from folder import read_folder

CASES = [
    ("one-tile", (1, 1), ["What colour is the {shape}?"]),
    ("two-by-two", (2, 2), ["Describe the picture."]),
    ("wide", (1, 3), ["How many objects are there?"]),
    ("tall-chat", (2, 1), ["Is there a circle?", "How many objects are there?"]),
]


def to_transformers(model):
    """transformers' model with the same weights."""
    text, vision = dict(model.config["text_config"]), dict(model.config["vision_config"])
    config = MllamaConfig(vision_config=vision, text_config=text, image_token_index=model.config["image_token_index"])
    config._attn_implementation = config.text_config._attn_implementation = config.vision_config._attn_implementation = "eager"
    twin = MllamaForConditionalGeneration(config).float().eval()
    state = {}
    for name, value in model.state_dict().items():
        if name.startswith("language_model.lm_head"):
            name = name.removeprefix("language_model.")
        elif name.startswith("language_model.model."):
            name = "model.language_model." + name.removeprefix("language_model.model.")
        else:
            name = "model." + name
        state[name] = value.float()
    twin.load_state_dict(state)
    return twin


def meta_rule(twin):
    """Makes rows without an image take nothing from cross-attention; returns the hooks."""
    seen = {}

    def remember(_, args, kwargs):
        mask = kwargs.get("full_text_row_masked_out_mask")
        seen["rows"] = 1.0 if mask is None else mask[:, 0]

    def mask_output(_, args, output):
        return (output[0] * seen["rows"], *output[1:])

    hooks = []
    for layer in twin.model.language_model.layers:
        if hasattr(layer, "cross_attn"):
            hooks.append(layer.register_forward_pre_hook(remember, with_kwargs=True))
            hooks.append(layer.cross_attn.register_forward_hook(mask_output))
    return hooks


@torch.no_grad()
def run(twin, ids, pixels, meta=True):
    """Logits [len, vocab] of ids by transformers; `pixels` is its image processor's output."""
    image = twin.config.image_token_index
    line = torch.tensor([ids])
    hooks = meta_rule(twin) if meta else []
    if pixels is None or image not in ids:
        logits = twin(input_ids=line, use_cache=False).logits[0]
    else:
        mask = torch.zeros(1, len(ids), 1, draw.MAX_TILES, dtype=torch.long)
        mask[:, ids.index(image):, :, :int(pixels["aspect_ratio_mask"].sum())] = 1
        logits = twin(
            input_ids=line, pixel_values=pixels["pixel_values"], aspect_ratio_ids=pixels["aspect_ratio_ids"],
            aspect_ratio_mask=pixels["aspect_ratio_mask"], cross_attention_mask=mask, use_cache=False).logits[0]
    for hook in hooks:
        hook.remove()
    return logits


def process(image):
    """transformers' slow image processor at our tile size."""
    processor = MllamaImageProcessor(size={"height": draw.TILE, "width": draw.TILE}, max_image_tiles=draw.MAX_TILES,
                                     image_mean=mllama.MEAN, image_std=mllama.STD)
    found = processor(image, return_tensors="pt")
    return {k: found[k] for k in ("pixel_values", "aspect_ratio_ids", "aspect_ratio_mask")}


@torch.no_grad()
def ours(model, ids, image):
    """The same logits by model.py."""
    tiles, canvas = draw.to_tiles(image)
    padded = np.zeros((1, draw.MAX_TILES, *tiles.shape[1:]), np.uint8)
    padded[0, :len(tiles)] = tiles
    batch = train.to_tensors({"tiles": padded, "ratio": np.array([draw.ASPECTS.index(canvas) + 1]), "used": np.array([len(tiles)])})
    states = train.see(model, batch, True)[:, :len(tiles)]
    keys = model.cross_keys(states.flatten(1, 2))
    line = torch.tensor(ids)[None, None]
    sees = (line == model.config["image_token_index"]).cumsum(-1)[..., None] > 0
    return model.logits(model.read(line, sees, keys, torch.zeros(1, 1, 1, 1)))[0, 0]


def check():
    """model.py and draw.to_tiles against transformers, on random weights and many picture sizes."""
    torch.manual_seed(0)
    chat = tokens.Chat(tokens.load())
    model = mllama.Mllama(mllama.make_config(chat.special["<|image|>"], chat.special)).initialise().eval()
    for name, p in model.named_parameters():
        p.data += torch.randn_like(p) * 0.05
    twin = to_transformers(model)
    worst = 0
    for i, canvas in enumerate(draw.CANVASES):
        image = draw.draw_scene(3, i, canvas).image
        pixels = process(image)
        ids, _ = chat.dialogue([("Where is the red star?", "top left"), ("Count the objects.", "3")])
        want, got = run(twin, ids, pixels), ours(model, ids, image)
        parted = (run(twin, ids, pixels, meta=False) - want).abs().max()
        worst = max(worst, ((got - want).abs().max() / want.std()).item())
        print(canvas, "largest difference", (got - want).abs().max().item(), "std", want.std().item(), "rule matters by", parted.item())
    print("worst, in standard deviations:", worst)
    rng = np.random.default_rng(0)
    for height, width in [(1, 1), (50, 60), (113, 112), (112, 113), (300, 400), (90, 448), (700, 60), (225, 224), (640, 480), (37, 500)]:
        picture = draw.Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        tiles, canvas = draw.to_tiles(picture)
        pixels = process(picture)
        mine = (torch.from_numpy(tiles).float() / 255 - torch.tensor(mllama.MEAN)) / torch.tensor(mllama.STD)
        theirs = pixels["pixel_values"][0, 0, :len(tiles)].permute(0, 2, 3, 1)
        assert pixels["aspect_ratio_ids"].item() == draw.ASPECTS.index(canvas) + 1
        assert (mine - theirs).abs().max() < 1e-5, (height, width)
    print("pictures equal")


def write(folder):
    """folder/reference: pictures, prompts, ids and logits."""
    model = read_folder(folder)
    twin = to_transformers(model)
    chat = tokens.Chat(tokens.load())
    out = folder / "reference"
    out.mkdir(exist_ok=True)
    arrays, about = {}, {}
    end = chat.special["<|eot_id|>"]
    index = 0
    for name, canvas, questions in CASES:
        while True:
            scene = draw.draw_scene(77, index, canvas)
            shapes = draw.unique(scene.things, lambda t: t.shape)
            index += 1
            if scene.jpeg is None and scene.canvas == canvas and shapes and len(scene.things) >= 2:
                break
        questions = [q.format(shape=shapes[0].shape) for q in questions]
        scene.image.save(out / f"{name}.png", optimize=True)
        pixels = process(scene.image)
        ids, answers = [], []
        for turn, question in enumerate(questions):
            ids += chat.prompt(question, turn == 0, True)
            start = len(ids)
            while len(ids) - start < 80:
                ids.append(int(run(twin, ids, pixels)[-1].argmax()))
                if ids[-1] == end:
                    break
            answers.append(chat.tokenizer.decode(ids[start:]))
        logits = run(twin, ids, pixels)
        assert (ours(model, ids, scene.image) - logits).abs().max() < 1e-3 * logits.std()
        arrays |= {f"{name}.ids": torch.tensor(ids), f"{name}.logits": logits, f"{name}.logits_hf": run(twin, ids, pixels, meta=False)}
        arrays |= {f"{name}.{k}": pixels[k] for k in ("aspect_ratio_ids", "aspect_ratio_mask")}
        used = int(pixels["aspect_ratio_mask"].sum())
        top = logits.topk(2).values
        about[name] = {
            "image": f"{name}.png", "tiles": used, "canvas": list(canvas), "questions": questions, "answers": answers,
            "drawn": draw.ask_describe(draw.random.Random(0), scene)[1], "pixel_sum": pixels["pixel_values"].double().sum().item(),
            "least_margin": (top[:, 0] - top[:, 1]).min().item(),
        }
    save_file({k: v.contiguous() for k, v in arrays.items()}, out / "reference.safetensors")
    (out / "reference.safetensors").chmod(0o644)
    (out / "reference.json").write_text(json.dumps({
        "reference": "transformers 4.52.4, torch 2.13.0, float32, eager attention, int4 weights dequantised",
        "intermediate_states": "those entering the layer (transformers before 4.54)",
        "logits": "Meta's rule: rows before the image take nothing from cross-attention; the model is trained so",
        "logits_hf": "transformers' rule: those rows attend to every image key, unused tiles included",
        "pixel_sum": "sum of transformers' pixel_values, in float64",
        "inputs": about,
    }, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Write or check reference outputs.")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.check:
        check()
    if options.model:
        write(options.model)


if __name__ == "__main__":
    main()
