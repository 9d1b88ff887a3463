"""Accuracy per task on freshly drawn scenes.

    python evaluate.py --model DIR_OR_PT --seed 7 --count 1000

prints `{"tasks": {name: {"asked": n, "right": n}}}`. A folder is an exported checkpoint (int4 weights
dequantised), a `.pt` file a dense training checkpoint. An answer counts when greedy decoding gives
it: every token of it, and of the end of turn, is the most likely one after those before it. The
answers are canonical, so this is draw.score save for reordered descriptions.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch

import draw
import quantize
import tokens
import train
from folder import read_folder


@torch.no_grad()
def evaluate(model, seed, count, size=20):
    """({task: {"asked", "right"}}, the same by number of tiles)."""
    packer = train.Batches({"steps": 0}, 0)
    packer.chat = tokens.Chat(tokens.load())
    asked, right = Counter(), Counter()
    for start in range(0, count, size):
        scenes = [draw.draw_scene(seed, i) for i in range(start, min(count, start + size))]
        tiles = [draw.to_tiles(s.image) for s in scenes]
        batch = {"tiles": np.zeros((len(scenes), draw.MAX_TILES, draw.TILE, draw.TILE, 3), np.uint8),
                 "ratio": np.array([draw.ASPECTS.index(c) + 1 for _, c in tiles]), "used": np.array([len(t) for t, _ in tiles])}
        for i, (picture, _) in enumerate(tiles):
            batch["tiles"][i, :len(picture)] = picture
        batch = train.to_tensors(batch)
        states = train.see(model, batch, True)
        for i, scene in enumerate(scenes):
            found = draw.questions(seed, start + i, scene)
            chats = [[q["question"]] if isinstance(q["question"], str) else q["question"] for q in found]
            answers = [[q["answer"]] if isinstance(q["answer"], str) else q["answer"] for q in found]
            rows = [(q["task"], list(zip(c, a))) for q, c, a in zip(found, chats, answers)]
            brief = [r for r in rows if r[0] not in ("describe", "multi-turn")]
            for part in (brief, [r for r in rows if r not in brief]):
                chunk = train.to_tensors(packer.pack([part]))
                used = batch["used"][i:i + 1]
                _, hits, _ = train.answer(model, states[i:i + 1, :used[0]], used, chunk)
                for (task, _), hit in zip(part, hits[0].tolist()):
                    for key in (task, f"{task}, {used[0]} tiles"):
                        asked[key] += 1
                        right[key] += hit
    table = {k: {"asked": asked[k], "right": right[k]} for k in asked}
    return {t: table[t] for t in draw.TASKS if t in table}, {k: v for k, v in sorted(table.items()) if "," in k}


def main():
    parser = argparse.ArgumentParser(description="Evaluate a scenes model.")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--by-tiles", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    read = quantize.read_run if options.model.suffix == ".pt" else read_folder
    tasks, by_tiles = evaluate(read(options.model), options.seed, options.count)
    print(json.dumps({"tasks": tasks} | ({"byTiles": by_tiles} if options.by_tiles else {})))


if __name__ == "__main__":
    main()
