"""Trains the scenes mllama, stage by stage.

    python train.py --run DIR            # begin, or go on exactly where DIR/last.pt stands
    python train.py --run DIR --stage answers-longer --weights FOLDER
                                         # begin at a stage, from an exported checkpoint's weights

First the vision tower learns to see (a dense target for every patch, by an auxiliary head on the
projector's output), then the whole model learns to answer. Every batch is drawn from its step's
number, so a resumed run sees the same pictures as an unbroken one. DIR gets `last.pt` every few
minutes, a checkpoint per finished stage, and `log.txt`.
"""

import argparse
import json
import math
import os
import random
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import draw
import model as mllama
import tokens
from folder import read_folder

SEED = 1_000_000
# Classes per patch: colour, shape, centre, cell, character.
TARGETS = {"colour": len(draw.COLOURS) + 1, "shape": len(draw.SHAPES) + 1, "centre": 2, "cell": 9, "character": len(draw.CHARACTERS) + 1}
TASKS = draw.TASKS + ["small talk"]
# How often each short question is asked: more of what is learnt slowly.
SHORT = {
    ("colour", draw.ask_colour): 0.6, ("shape", draw.ask_shape): 0.7, ("presence", draw.ask_presence): 1.2,
    ("position", draw.ask_where): 0.6, ("position", draw.ask_relation): 4.0, ("position", draw.ask_larger): 2.4,
    ("counting", draw.ask_counting): 2.0, ("text", draw.ask_text): 2.4,
}
# steps, pictures per batch (by tiles in use where the stage is not exact), peak and last learning rate,
# whether unused tiles and padding are computed, whether questions are asked, weight of the dense loss, whether
# chats go on.
STAGES = [
    {"name": "tower-near", "steps": 1600, "batch": {1: 64, 2: 48, 3: 32, 4: 24}, "rate": (1.5e-3, 1e-3), "exact": False, "answers": False, "dense": 1.0},
    {"name": "answers-near", "steps": 1100, "batch": {1: 48, 2: 40, 3: 32, 4: 24}, "rate": (1.2e-3, 1e-3), "exact": False, "answers": True, "dense": 0.5},
    {"name": "answers", "steps": 850, "batch": 36, "rate": (1.0e-3, 3e-5), "exact": True, "answers": True, "dense": 0.2},
    {"name": "answers-longer", "steps": 2000, "batch": 36, "rate": (8e-4, 1e-5), "exact": True, "answers": True, "dense": 0.2},
    {"name": "conversations", "steps": 500, "batch": 36, "rate": (3e-4, 1e-5), "exact": True, "answers": True, "dense": 0.2, "talk": True},
]


class Batches(Dataset):
    """Batch `step` of a stage, drawn on the fly."""

    def __init__(self, stage, number):
        self.stage, self.number = stage, number
        self.chat = None

    def __len__(self):
        return self.stage["steps"]

    def __getitem__(self, step):
        stage, rng = self.stage, random.Random(f"batch/{self.number}/{step}")
        canvas, size = None, stage["batch"]
        if not stage["exact"]:
            canvas = rng.choices(list(draw.CANVASES), draw.CANVASES.values())[0]
            size = size[canvas[0] * canvas[1]]
        scenes = [draw.draw_scene(SEED + self.number, step * 64 + i, canvas) for i in range(size)]
        tiles = [draw.to_tiles(s.image) for s in scenes]
        most = draw.MAX_TILES if stage["exact"] else max(len(t) for t, _ in tiles)
        per_tile = (draw.TILE // draw.PATCH) ** 2
        out = {
            "tiles": np.zeros((size, most, draw.TILE, draw.TILE, 3), np.uint8),
            "dense": np.full((size, most, per_tile, len(TARGETS)), -1, np.int8),
            "ratio": np.array([draw.ASPECTS.index(c) + 1 for _, c in tiles]),
            "used": np.array([len(t) for t, _ in tiles]),
        }
        for i, (scene, (picture, _)) in enumerate(zip(scenes, tiles)):
            out["tiles"][i, :len(picture)] = picture
            out["dense"][i, :len(picture)] = draw.patch_targets(scene).reshape(len(picture), per_tile, -1)
        if stage["answers"]:
            self.chat = self.chat or tokens.Chat(tokens.load())
            out["short"] = self.pack([[self.short(rng, s) for _ in range(8)] for s in scenes])
            out["long"] = self.pack([[self.long(rng, s)] for s in scenes])
        return out

    def short(self, rng, scene):
        while True:
            task, ask = rng.choices(list(SHORT), SHORT.values())[0]
            pair = ask(rng, scene)
            if pair:
                return task, [pair]

    def long(self, rng, scene):
        task = rng.choices(["describe", "multi-turn", "small talk"], [48, 48, 4])[0]
        if task == "small talk":
            return task, [tokens.small_talk(rng)]
        question, answer = draw.ASKERS[task](rng, scene)
        turns = [(question, answer)] if task == "describe" else list(zip(question, answer))
        if not self.stage.get("talk"):
            return task, turns
        # Conversations: a description or chat that goes on, or short questions one after the other.
        if rng.random() < 0.3:
            turns = []
        turns += [self.short(rng, scene)[1][0] for _ in range(rng.randint(0 if turns else 2, 3))]
        return task if task == "describe" and len(turns) == 1 else "multi-turn", turns

    def pack(self, rows):
        """Chats [pictures][questions] → padded ids, labels, row mask, task numbers."""
        encoded = [[self.chat.dialogue(turns, image=task != "small talk") for task, turns in row] for row in rows]
        longest = max(len(ids) for row in encoded for ids, _ in row)
        shape = (len(rows), len(rows[0]), longest)
        ids = np.full(shape, self.chat.special["<|finetune_right_pad_id|>"], np.int64)
        labels = np.full(shape, -100, np.int64)
        for i, row in enumerate(encoded):
            for j, (line, wanted) in enumerate(row):
                ids[i, j, :len(line)], labels[i, j, :len(line)] = line, wanted
        sees = np.cumsum(ids == self.chat.special["<|image|>"], -1) > 0
        return {"ids": ids, "labels": labels, "sees": sees, "task": np.array([[TASKS.index(t) for t, _ in row] for row in rows])}


def to_tensors(batch):
    return {k: to_tensors(v) if isinstance(v, dict) else torch.from_numpy(v) for k, v in batch.items()}


def see(model, batch, exact):
    """Image states [B, T, P + 1, h] of a batch."""
    patches = mllama.to_patches(batch["tiles"])
    idle = torch.arange(patches.shape[1])[None] >= batch["used"][:, None]
    return model.see(patches.masked_fill(idle[..., None, None], 0), batch["ratio"], batch["used"], exact)


def answer(model, states, used, chats, keys=None):
    """Loss of the answers, and per chat whether every token would be chosen."""
    if keys is None:
        keys = model.cross_keys(states.flatten(1, 2))
    tiles, tokens_per_tile = states.shape[1:3]
    mask = (torch.arange(tiles)[None] < used[:, None]).repeat_interleave(tokens_per_tile, 1)[:, None, None]
    mask = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min / 2).to(states.dtype)
    hidden = model.read(chats["ids"], chats["sees"][..., None], keys, mask)
    due = chats["labels"] >= 0
    wanted = chats["labels"][due]
    logits = model.logits(hidden[due]).float()
    right = torch.ones_like(due)
    right[due] = logits.argmax(-1) == wanted
    return F.cross_entropy(logits, wanted), right.all(-1), keys


def dense_loss(head, states, target):
    """Loss of the per-patch targets and the share of right patches where there is something."""
    on = target[..., 0] >= 0
    scores = head(states[:, :, 1:][on]).float()
    target = target[on].long()
    loss, right, at = 0, {}, 0
    for i, (name, classes) in enumerate(TARGETS.items()):
        weight = torch.ones(classes)
        if name in ("colour", "shape", "character"):
            weight[-1] = 0.15
        part, want = scores[:, at:at + classes], target[:, i]
        loss = loss + F.cross_entropy(part, want, weight=weight, ignore_index=-1) * (2 if name == "character" else 1)
        something = want >= 0 if name == "cell" else want == 1 if name == "centre" else want < classes - 1
        right[name] = ((part.argmax(-1) == want) & something).sum().item(), something.sum().item()
        at += classes
    return loss, right


def rate_at(stage, step):
    """Warm-up over 200 steps, then a cosine from the peak to the last rate."""
    peak, last = stage["rate"]
    t = min(1, step / stage["steps"])
    return min(1, (step + 1) / 200) * (last + (peak - last) * 0.5 * (1 + math.cos(math.pi * t)))


def optimiser(modules):
    decayed, plain = [], []
    for name, p in modules.named_parameters():
        (decayed if p.dim() >= 2 and "embed" not in name else plain).append(p)
    return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=1e-3, betas=(0.9, 0.97), fused=True)


def save(path, content):
    part = path.with_suffix(".part")
    torch.save(content, part)
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(description="Train the scenes model, or go on.")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3, help="between checkpoints")
    parser.add_argument("--stages", type=Path, help="JSON list that replaces STAGES")
    parser.add_argument("--stage", help="the stage a new run begins at")
    parser.add_argument("--weights", type=Path, help="an exported folder whose weights a new run begins with")
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    stages = json.loads(options.stages.read_text()) if options.stages else STAGES
    for stage in stages:
        if isinstance(stage["batch"], dict):
            stage["batch"] = {int(k): v for k, v in stage["batch"].items()}

    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = tokens.load()
    chat = tokens.Chat(tokenizer)
    config = mllama.make_config(chat.special["<|image|>"], chat.special)
    model = mllama.Mllama(config).initialise()
    head = nn.Linear(config["text_config"]["hidden_size"], sum(TARGETS.values()))
    if options.weights:
        model.load_state_dict(read_folder(options.weights).state_dict())
        nn.init.zeros_(head.weight)  # a random head would pull at a tower that already sees
    both = nn.ModuleDict({"model": model, "head": head})
    adam = optimiser(both)
    at, first = [s["name"] for s in stages].index(options.stage) if options.stage else 0, 0
    last = options.run / "last.pt"
    if last.exists():
        state = torch.load(last, weights_only=True)
        both.load_state_dict(state["both"])
        adam.load_state_dict(state["adam"])
        at, first = state["stage"], state["step"]

    log = open(options.run / "log.txt", "a", buffering=1)
    print(f"# {sum(p.numel() for p in model.parameters())} parameters, stage {at} step {first}", file=log)
    for number in range(at, len(stages)):
        stage = stages[number]
        loader = DataLoader(Batches(stage, number), batch_size=None, sampler=range(first, stage["steps"]), num_workers=1,
                            prefetch_factor=6, collate_fn=to_tensors)
        sums, seen, saved, began = defaultdict(float), 0, time.time(), time.time()
        for step, batch in enumerate(loader, first):
            for group in adam.param_groups:
                group["lr"] = rate_at(stage, step)
            with torch.autocast("cpu", torch.bfloat16):
                states = see(model, batch, stage["exact"])
                loss, right = dense_loss(head, states, batch["dense"])
                sums["dense loss"] += loss.item()
                sums["dense loss/n"] += 1
                for name, (hits, of) in right.items():
                    sums[f"patch {name}"] += hits
                    sums[f"patch {name}/n"] += of
                loss = loss * stage["dense"]
                keys = None
                for kind, weight in (("short", 1.0), ("long", 0.6)) if stage["answers"] else ():
                    part, hits, keys = answer(model, states, batch["used"], batch[kind], keys)
                    loss = loss + weight * part
                    sums[f"{kind} loss"] += part.item()
                    sums[f"{kind} loss/n"] += 1
                    for task in batch[kind]["task"].unique().tolist():
                        of = batch[kind]["task"] == task
                        sums[TASKS[task]] += hits[of].sum().item()
                        sums[f"{TASKS[task]}/n"] += of.sum().item()
            adam.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(both.parameters(), 1.0)
            adam.step()
            seen += len(batch["used"])
            if step % 50 == 49:
                figures = " ".join(f"{k} {v / max(1, sums[k + '/n']):.3f}" for k, v in list(sums.items()) if not k.endswith("/n"))
                print(f"{time.strftime('%H:%M:%S')} {stage['name']} {step + 1} {seen / (time.time() - began):.1f}/s | {figures}", file=log)
                sums.clear()
                seen, began = 0, time.time()
            done = step + 1 == stage["steps"]
            if done or time.time() - saved > options.minutes * 60:
                state = {"both": both.state_dict(), "adam": adam.state_dict(), "stage": number + done, "step": 0 if done else step + 1}
                save(last, state)
                if done:
                    save(options.run / f"{stage['name']}.pt", state)
                saved = time.time()
        first = 0


if __name__ == "__main__":
    main()
