"""Draws scenes and asks about them: the data of the embedded mllama.

    python draw.py --seed 7 --count 1000 --out DIR

writes `DIR/000000.png` (or `.jpg`) and so on, and `DIR/scenes.jsonl`: one line per picture,
`{"image", "width", "height", "tiles": [rows, columns], "questions": [...]}`. A question is
`{"task", "question", "answer"}`; for the task "multi-turn" question and answer are lists, one
entry per turn of the chat. With `--print`, each line also goes to standard output once its picture
is written, so that a reader need not wait for the last one. Scene i of a seed never depends on
the others, so any part of a set can be drawn again.

Scoring (`score`): case, surrounding space and a final full stop do not count. Every task needs the
exact answer; "describe" compares the comma-separated items as a multiset, and "multi-turn" is
right when every turn is.
"""

import argparse
import io
import json
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TILE = 112
PATCH = 14
MAX_TILES = 4
ASPECTS = [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (3, 1), (4, 1)]

COLOURS = {
    "red": (212, 36, 40), "orange": (250, 138, 20), "yellow": (248, 220, 44), "green": (44, 158, 60),
    "blue": (40, 88, 212), "purple": (142, 58, 176), "black": (18, 18, 20), "white": (246, 246, 246),
}
SHAPES = ["circle", "square", "triangle", "star", "cross", "ring"]
PLACES = ["top left", "top", "top right", "left", "centre", "right", "bottom left", "bottom", "bottom right"]
WORDS = ("CAT DOG SUN SEA HAT CUP BUS BOX KEY MAP RED BLUE FISH BIRD TREE MOON STAR SHIP BOOK DOOR HAND "
         "LAMP MILK NOTE OPEN EXIT STOP ZOO TAXI HELLO").split()
CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FONTS = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono-Bold.ttf", "DejaVuSansCondensed-Bold.ttf"]
TASKS = ["colour", "shape", "presence", "position", "counting", "text", "describe", "multi-turn"]

# How often each canvas (rows, columns) is aimed at.
CANVASES = {(1, 1): 30, (1, 2): 11, (2, 1): 9, (1, 3): 5, (3, 1): 5, (1, 4): 4, (4, 1): 4, (2, 2): 32}


# --- mllama's image processor ---------------------------------------------------------------------

def choose_canvas(height, width, tile=TILE):
    """The (rows, columns) mllama's processor picks: least upscaling room, else least shrinking."""
    scales = [min(a * tile / height, b * tile / width) for a, b in ASPECTS]
    larger = [s for s in scales if s >= 1]
    chosen = min(larger) if larger else max(scales)
    fitting = [aspect for aspect, s in zip(ASPECTS, scales) if s == chosen]
    return min(fitting, key=lambda aspect: aspect[0] * aspect[1])


def fitted_size(height, width, canvas, tile=TILE):
    """Height and width after the resize that keeps the aspect ratio inside the canvas."""
    target_h = min(max(height, tile), canvas[0] * tile)
    target_w = min(max(width, tile), canvas[1] * tile)
    scale_h, scale_w = target_h / height, target_w / width
    if scale_w < scale_h:
        return min(math.floor(height * scale_w) or 1, target_h), target_w
    return target_h, min(math.floor(width * scale_h) or 1, target_w)


def to_tiles(image, tile=TILE):
    """RGB picture → (uint8 [rows·columns, tile, tile, 3], (rows, columns)), before rescaling to floats."""
    canvas = choose_canvas(image.height, image.width, tile)
    height, width = fitted_size(image.height, image.width, canvas, tile)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    padded = np.zeros((canvas[0] * tile, canvas[1] * tile, 3), np.uint8)
    padded[:height, :width] = np.asarray(image)
    tiles = padded.reshape(canvas[0], tile, canvas[1], tile, 3).swapaxes(1, 2)
    return np.ascontiguousarray(tiles.reshape(-1, tile, tile, 3)), canvas


# --- drawing --------------------------------------------------------------------------------------

@dataclass
class Thing:
    """One drawn object; centre and size are in source pixels."""
    colour: str
    shape: str
    cell: int
    x: float
    y: float
    size: float

    @property
    def name(self):
        return f"{self.colour} {self.shape}"


@dataclass
class Text:
    """The written number or word; boxes are (character, left, top, right, bottom) in source pixels."""
    value: str
    row: int
    boxes: list = field(default_factory=list)

    @property
    def is_number(self):
        return self.value.isdigit()


@dataclass
class Scene:
    image: Image.Image
    jpeg: bytes | None
    canvas: tuple
    fitted: tuple
    things: list
    text: Text | None


def distance(a, b):
    return math.dist(a, b)


def outline(shape):
    """Corners of a shape in the unit box, or None for the round ones."""
    if shape == "square":
        return [(0.04, 0.04), (0.96, 0.04), (0.96, 0.96), (0.04, 0.96)]
    if shape == "triangle":
        return [(0.5, 0.03), (0.99, 0.94), (0.01, 0.94)]
    if shape == "cross":
        a, b = 0.33, 0.67
        return [(a, 0), (b, 0), (b, a), (1, a), (1, b), (b, b), (b, 1), (a, 1), (a, b), (0, b), (0, a), (a, a)]
    if shape == "star":
        points = []
        for k in range(10):
            r = 0.54 if k % 2 == 0 else 0.23
            t = math.pi * k / 5 - math.pi / 2
            points.append((0.5 + r * math.cos(t), 0.52 + r * math.sin(t)))
        return points
    return None


def shape_mask(shape, width, height, angle):
    """Anti-aliased mask of a shape of about width × height pixels, turned by `angle` degrees."""
    over = 4
    side = int(max(width, height) * 1.35) + 4
    mask = Image.new("L", (side * over, side * over), 0)
    draw = ImageDraw.Draw(mask)
    centre, w, h = side * over / 2, width * over, height * over
    corners = outline(shape)
    if corners is None:
        draw.ellipse([centre - w / 2, centre - h / 2, centre + w / 2, centre + h / 2], fill=255)
        if shape == "ring":
            draw.ellipse([centre - w * 0.27, centre - h * 0.27, centre + w * 0.27, centre + h * 0.27], fill=0)
    else:
        turn = math.radians(angle)
        cos, sin = math.cos(turn), math.sin(turn)
        points = []
        for x, y in corners:
            dx, dy = (x - 0.5) * w, (y - 0.5) * h
            points.append((centre + dx * cos - dy * sin, centre + dx * sin + dy * cos))
        draw.polygon(points, fill=255)
    return mask.reduce(over)


def background(rng, noise, height, width):
    """A muted background (float32 [height, width, 3]) and its two colours."""
    saturation, value, hue = rng.uniform(0, 0.3), rng.uniform(0.12, 0.97), rng.random() * 6
    base = [255 * value * (1 - saturation * max(0, min(1, abs((hue + shift) % 6 - 3) - 1))) for shift in (0, 2, 4)]
    other = [min(255, max(0, c + rng.uniform(-38, 38))) for c in base]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    style = rng.choice(["plain", "linear", "linear", "radial", "stripes", "checks", "clouds"])
    if style == "plain":
        mix = np.zeros((height, width), np.float32)
    elif style == "linear":
        turn = rng.uniform(0, 2 * math.pi)
        mix = 0.5 + 0.5 * ((x - 0.5) * math.cos(turn) + (y - 0.5) * math.sin(turn)) / 0.71
    elif style == "radial":
        mix = np.minimum(1, np.hypot(x - rng.random(), y - rng.random()))
    elif style == "stripes":
        turn, waves = rng.uniform(0, math.pi), rng.uniform(2, 7) * max(1, max(height, width) / 200)
        mix = 0.5 + 0.5 * np.sin(2 * math.pi * waves * (x * math.cos(turn) + y * math.sin(turn)))
    elif style == "checks":
        cells = rng.randint(3, 9)
        mix = ((np.floor(x * cells * width / height) + np.floor(y * cells)) % 2).astype(np.float32)
    else:
        small = Image.fromarray((noise.random((5, 5)) * 255).astype(np.uint8))
        mix = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 255
    mix = np.broadcast_to(mix, (height, width))[..., None]
    base, other = np.array(base, np.float32), np.array(other, np.float32)
    return base + (other - base) * mix, tuple(base), tuple(other)


def source_size(rng, canvas):
    """A picture size whose canvas is the wanted one, or the last size tried."""
    for _ in range(20):
        h = canvas[0] * TILE * rng.uniform(0.84, 1)
        w = canvas[1] * TILE * rng.uniform(0.84, 1)
        grow = 1 if rng.random() < 0.4 else rng.uniform(1, 1.9)
        height, width = max(40, round(h * grow)), max(40, round(w * grow))
        if choose_canvas(height, width) == canvas:
            break
    return height, width


_fonts = {}


def font(name, size):
    key = (name, size)
    if key not in _fonts:
        try:
            _fonts[key] = ImageFont.truetype(name, size)
        except OSError as error:
            raise SystemExit(f"Cannot open font {name}: install the packages fonts-dejavu-core and fonts-dejavu-extra") from error
    return _fonts[key]


def draw_text(rng, image, row, scale, ends):
    """Writes a number or word into one of the three rows; returns a Text, or None if it cannot fit."""
    value = rng.choice(WORDS) if rng.random() < 0.5 else str(rng.randint(0, 10 ** rng.choice([1, 2, 2, 3]) - 1))
    width, height = image.size
    name = rng.choice(FONTS)
    least, most = 15 / scale, min(0.72 * height / 3, 40 / scale)
    if most < least:
        return None
    cap = rng.uniform(least, most)
    spacing = rng.uniform(0.1, 0.25)
    while True:
        face = font(name, max(8, round(cap / 0.73)))
        advances = [face.getlength(c) + spacing * cap for c in value]
        total = sum(advances)
        if total <= 0.9 * width:
            break
        cap *= 0.93
        if cap < least * 0.93:
            return None
    colours = [rgb for rgb in COLOURS.values() if min(distance(rgb, e) for e in ends) >= 150]
    if not colours:
        return None
    colour = rng.choice(colours)
    left = rng.uniform(0.04 * width, 0.96 * width - total)
    band = height / 3
    top = row * band + max(0.0, rng.uniform(0.1, 0.9) * (band - cap))
    draw = ImageDraw.Draw(image)
    text = Text(value, row)
    for c, advance in zip(value, advances):
        draw.text((left, top + cap), c, fill=colour, font=face, anchor="ls")
        text.boxes.append((c, left, top, left + advance, top + cap))
        left += advance
    return text


def draw_thing(rng, image, thing):
    """Paints one object with slight stretch, turn, shading and, sometimes, an edge."""
    stretch = rng.uniform(0.94, 1.06)
    w, h = thing.size * stretch, thing.size / stretch
    angle = rng.uniform(-14, 14)
    rgb = [c + rng.uniform(-12, 12) for c in COLOURS[thing.colour]]
    shade = rng.uniform(0, 0.16) if rng.random() < 0.6 else 0
    mask = shape_mask(thing.shape, w, h, angle)
    side = mask.width
    t = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    light = (1 + shade * (t[None, :] * rng.choice([-1, 1]) + t[:, None]))[..., None]
    fill = np.clip(np.array(rgb, np.float32) * light, 0, 255).astype(np.uint8)
    at = (round(thing.x - side / 2), round(thing.y - side / 2))
    if rng.random() < 0.15:
        edge = shape_mask(thing.shape, w * 1.1, h * 1.1, angle)
        shift = (edge.width - side) // 2
        image.paste((60, 60, 60), (at[0] - shift, at[1] - shift), edge)
    image.paste(Image.fromarray(fill), at, mask)


def draw_scene(seed, index, canvas=None, most=6):
    """Scene `index` of `seed`; `canvas` forces the tile layout, `most` bounds the number of objects."""
    rng = random.Random(f"scenes/{seed}/{index}")
    noise = np.random.Generator(np.random.PCG64(rng.getrandbits(64)))
    wanted = rng.choices(list(CANVASES), CANVASES.values())[0]
    height, width = source_size(rng, canvas or wanted)
    canvas = choose_canvas(height, width)
    fitted = fitted_size(height, width, canvas)
    scale = max(fitted[0] / height, fitted[1] / width)

    while True:
        pixels, *ends = background(rng, noise, height, width)
        usable = [c for c, rgb in COLOURS.items() if min(distance(rgb, e) for e in ends) >= 95]
        if len(usable) >= 5:
            break
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))

    text = draw_text(rng, image, rng.randrange(3), scale, ends) if rng.random() < 0.7 else None
    cells = [c for c in range(9) if text is None or c // 3 != text.row]
    count = rng.randint(1, min(most, len(cells)))
    palette, kinds = usable, SHAPES
    if rng.random() < 0.5:
        palette = rng.sample(usable, rng.randint(1, 3))
    if rng.random() < 0.5:
        kinds = rng.sample(SHAPES, rng.randint(1, 3))
    things = []
    cell_w, cell_h = width / 3, height / 3
    for cell in sorted(rng.sample(cells, count)):
        least, most_size = 17 / scale, min(0.95 * min(cell_w, cell_h), 88 / scale)
        size = math.exp(rng.uniform(math.log(least), math.log(max(least, most_size))))
        slack_x = min(0.22 * cell_w, (cell_w - size) / 2 + 0.06 * cell_w)
        slack_y = min(0.22 * cell_h, (cell_h - size) / 2 + 0.06 * cell_h)
        x = (cell % 3 + 0.5) * cell_w + rng.uniform(-1, 1) * max(0, slack_x)
        y = (cell // 3 + 0.5) * cell_h + rng.uniform(-1, 1) * max(0, slack_y)
        thing = Thing(rng.choice(palette), rng.choice(kinds), cell, x, y, size)
        draw_thing(rng, image, thing)
        things.append(thing)

    if rng.random() < 0.5:
        grain = noise.standard_normal((height, width, 1 if rng.random() < 0.5 else 3), dtype=np.float32)
        image = Image.fromarray(np.clip(np.asarray(image, np.float32) + grain * rng.uniform(1, 9), 0, 255).astype(np.uint8))
    jpeg = None
    if rng.random() < 0.5:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=rng.randint(55, 95))
        jpeg = stream.getvalue()
        image = Image.open(stream).convert("RGB")
    return Scene(image, jpeg, canvas, fitted, things, text)


def patch_targets(scene):
    """What each patch of the canvas shows: int8 [rows·columns·patches, 5]: colour, shape, centre,
    cell, character; −1 = no target (padding; cell only where an object is)."""
    side = TILE // PATCH
    rows, columns = scene.canvas[0] * side, scene.canvas[1] * side
    sy, sx = scene.fitted[0] / scene.image.height, scene.fitted[1] / scene.image.width
    y = (np.arange(rows) + 0.5)[:, None] * PATCH
    x = (np.arange(columns) + 0.5)[None, :] * PATCH
    out = np.zeros((rows, columns, 5), np.int8)
    out[..., 0], out[..., 1], out[..., 3], out[..., 4] = len(COLOURS), len(SHAPES), -1, len(CHARACTERS)
    names = list(COLOURS)
    for t in scene.things:
        cx, cy = t.x * sx, t.y * sy
        covered = np.hypot(x - cx, y - cy) < t.size * max(sx, sy) / 2
        r, c = min(rows - 1, max(0, int(cy // PATCH))), min(columns - 1, max(0, int(cx // PATCH)))
        covered[r, c] = True
        out[covered, 0], out[covered, 1], out[covered, 3] = names.index(t.colour), SHAPES.index(t.shape), t.cell
        out[r, c, 2] = 1
    if scene.text:
        for char, left, top, right, bottom in scene.text.boxes:
            inside = (x >= left * sx) & (x < right * sx) & (y >= top * sy - PATCH * 0.3) & (y < bottom * sy + PATCH * 0.3)
            r = min(rows - 1, int((top + bottom) / 2 * sy // PATCH))
            c = min(columns - 1, int((left + right) / 2 * sx // PATCH))
            inside[r, c] = True
            out[inside, 4] = CHARACTERS.index(char)
    out[(y > scene.fitted[0]) | (x > scene.fitted[1])] = -1
    tiles = out.reshape(scene.canvas[0], side, scene.canvas[1], side, 5).swapaxes(1, 2)
    return np.ascontiguousarray(tiles.reshape(-1, 5))


# --- questions ------------------------------------------------------------------------------------

def article(noun):
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"


def unique(things, key):
    """Things whose key no other thing shares."""
    counts = Counter(key(t) for t in things)
    return [t for t in things if counts[key(t)] == 1]


def plural(shape):
    return "crosses" if shape == "cross" else shape + "s"


def ask_colour(rng, scene):
    things = unique(scene.things, lambda t: t.shape)
    if not things:
        return None
    t = rng.choice(things)
    return rng.choice([f"What colour is the {t.shape}?", f"Which colour is the {t.shape}?", f"What color is the {t.shape}?"]), t.colour


def ask_shape(rng, scene):
    things = unique(scene.things, lambda t: t.colour)
    if not things:
        return None
    t = rng.choice(things)
    return rng.choice([f"What shape is the {t.colour} object?", f"Which shape is {t.colour}?", f"What is the {t.colour} object?"]), t.shape


def ask_presence(rng, scene):
    wanted = rng.random() < 0.5
    kind = rng.choice(["both", "both", "shape", "colour"])
    if kind == "shape":
        there = {t.shape for t in scene.things}
        options = [s for s in SHAPES if (s in there) == wanted]
        noun = rng.choice(options or SHAPES)
        present = noun in there
        question = f"Is there {article(noun)}?"
    elif kind == "colour":
        there = {t.colour for t in scene.things}
        options = [c for c in COLOURS if (c in there) == wanted]
        noun = rng.choice(options or list(COLOURS))
        present = noun in there
        question = f"Is there {article(noun)} object?"
    else:
        there = {t.name for t in scene.things}
        if wanted:
            noun = rng.choice(sorted(there))
        else:
            t, other = rng.choice(scene.things), rng.choice(scene.things)
            noun = rng.choice([f"{t.colour} {rng.choice(SHAPES)}", f"{rng.choice(list(COLOURS))} {t.shape}", f"{t.colour} {other.shape}"])
        present = noun in there
        question = rng.choice([f"Is there {article(noun)}?", f"Is there {article(noun)} in the picture?"])
    return question, "yes" if present else "no"


def ask_where(rng, scene):
    options = [(t, t.name) for t in unique(scene.things, lambda t: t.name)]
    options += [(t, t.shape) for t in unique(scene.things, lambda t: t.shape)]
    if not options:
        return None
    t, name = rng.choice(options)
    return rng.choice([f"Where is the {name}?", f"Where is the {name} in the picture?"]), PLACES[t.cell]


def ask_relation(rng, scene):
    things = unique(scene.things, lambda t: t.name)
    rng.shuffle(things)
    width, height = scene.image.size
    for a, b in zip(things, things[1:]):
        dx, dy = (b.x - a.x) / width, (b.y - a.y) / height
        options = []
        if abs(dx) > 0.2:
            options += [("left of", dx > 0), ("right of", dx < 0)]
        if abs(dy) > 0.2:
            options += [("above", dy > 0), ("below", dy < 0)]
        if options:
            relation, true = rng.choice(options)
            return f"Is the {a.name} {relation} the {b.name}?", "yes" if true else "no"
    return None


def ask_larger(rng, scene):
    things = unique(scene.things, lambda t: t.name)
    rng.shuffle(things)
    for a, b in zip(things, things[1:]):
        if max(a.size, b.size) / min(a.size, b.size) >= 1.35:
            larger = a if a.size > b.size else b
            return f"Which is larger, the {a.name} or the {b.name}?", larger.name
    return None


def ask_position(rng, scene):
    kinds = [ask_where, ask_relation, ask_larger]
    rng.shuffle(kinds)
    for kind in kinds:
        pair = kind(rng, scene)
        if pair:
            return pair
    return None


def ask_counting(rng, scene):
    kind = rng.choice(["all", "colour", "shape"])
    if kind == "all":
        return rng.choice(["How many objects are there?", "How many objects are in the picture?", "Count the objects."]), str(len(scene.things))
    key = (lambda t: t.colour) if kind == "colour" else (lambda t: t.shape)
    counts = Counter(map(key, scene.things))
    names = list(counts)
    noun = rng.choices(names, [counts[n] for n in names])[0]
    if rng.random() < 0.12:
        noun = rng.choice(list(COLOURS) if kind == "colour" else SHAPES)
    number = str(counts.get(noun, 0))
    if kind == "colour":
        return rng.choice([f"How many {noun} objects are there?", f"How many objects are {noun}?"]), number
    return f"How many {plural(noun)} are there?", number


def ask_text(rng, scene):
    if not scene.text:
        return None
    kind = "number" if scene.text.is_number else "word"
    return rng.choice([f"What {kind} is written?", f"Read the {kind}.", "What does it say?", f"Which {kind} is in the picture?"]), scene.text.value


def ask_describe(rng, scene):
    items = [(t.cell // 3 * 3 + t.cell % 3, f"{article(t.name)} {PLACES[t.cell]}") for t in scene.things]
    if scene.text:
        kind = "number" if scene.text.is_number else "word"
        items.append((scene.text.row * 3, f"the {kind} {scene.text.value} {['top', 'centre', 'bottom'][scene.text.row]}"))
    return rng.choice(["Describe the picture.", "Describe this picture.", "What do you see?", "What is in the picture?"]), ", ".join(i[1] for i in sorted(items))


def ask_turns(rng, scene):
    """A chat of two or three turns whose later questions lean on the earlier ones."""
    chats = []
    by_shape = unique(scene.things, lambda t: t.shape)
    by_colour = unique(scene.things, lambda t: t.colour)
    if by_shape:
        t = rng.choice(by_shape)
        chats.append([(f"Is there {article(t.shape)}?", "yes"), ("What colour is it?", t.colour), ("Where is it?", PLACES[t.cell])][:rng.randint(2, 3)])
        chats.append([(f"Where is the {t.shape}?", PLACES[t.cell]), ("What colour is it?", t.colour)])
    if by_colour:
        t = rng.choice(by_colour)
        chats.append([(f"What shape is the {t.colour} object?", t.shape), ("Where is it?", PLACES[t.cell])])
    if len(by_shape) > 1:
        a, b = rng.sample(by_shape, 2)
        chats.append([(f"What colour is the {a.shape}?", a.colour), (f"And the {b.shape}?", b.colour)])
    counts = Counter(t.colour for t in scene.things)
    colour = rng.choice(sorted(counts))
    chats.append([("How many objects are there?", str(len(scene.things))), (f"How many of them are {colour}?", str(counts[colour]))])
    if scene.text:
        kind = "number" if scene.text.is_number else "word"
        chats.append([(f"What {kind} is written?", scene.text.value), ask_presence(rng, scene)])
    chat = rng.choice(chats)
    return [q for q, _ in chat], [a for _, a in chat]


ASKERS = {
    "colour": ask_colour, "shape": ask_shape, "presence": ask_presence, "position": ask_position,
    "counting": ask_counting, "text": ask_text, "describe": ask_describe, "multi-turn": ask_turns,
}


def questions(seed, index, scene):
    """One question of each task the scene allows."""
    rng = random.Random(f"questions/{seed}/{index}")
    out = []
    for task in TASKS:
        pair = ASKERS[task](rng, scene)
        if pair:
            out.append({"task": task, "question": pair[0], "answer": pair[1]})
    return out


def normal(answer):
    return " ".join(answer.lower().split()).rstrip(".")


def score(task, expected, got):
    """Whether an answer (or, for "multi-turn", a list of answers) is right."""
    if task == "multi-turn":
        return len(expected) == len(got) and all(normal(e) == normal(g) for e, g in zip(expected, got))
    if task == "describe":
        return Counter(map(normal, expected.split(","))) == Counter(map(normal, got.split(",")))
    return normal(expected) == normal(got)


def main():
    parser = argparse.ArgumentParser(description="Draw scenes and their questions.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--print", action="store_true", help="print each line of scenes.jsonl once its picture is written")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with open(options.out / "scenes.jsonl", "w") as lines:
        for i in range(options.count):
            scene = draw_scene(options.seed, i)
            name = f"{i:06d}.{'jpg' if scene.jpeg else 'png'}"
            if scene.jpeg:
                (options.out / name).write_bytes(scene.jpeg)
            else:
                scene.image.save(options.out / name)
            line = json.dumps({
                "image": name, "width": scene.image.width, "height": scene.image.height,
                "tiles": list(scene.canvas), "questions": questions(options.seed, i, scene),
            })
            lines.write(line + "\n")
            if options.print:
                print(line, flush=True)


if __name__ == "__main__":
    main()
