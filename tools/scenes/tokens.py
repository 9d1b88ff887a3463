"""The tokenizer: byte-level BPE with Llama 3's rules, trained on the questions and answers.

`python tokens.py` makes `tokenizer.json` beside this file; everything else loads it from there, so
that a change of the drawing does not shift the ids of a model in training.
"""

import json
from functools import lru_cache
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import draw

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = ["<|begin_of_text|>", "<|end_of_text|>", "<|finetune_right_pad_id|>", "<|start_header_id|>",
            "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>", "<|python_tag|>"]
TEMPLATE = (
    "{{- bos_token }}{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{%- if message['content'] is string %}{{- message['content'] | trim }}{%- else %}"
    "{%- for part in message['content'] %}{%- if part['type'] == 'image' %}{{- '<|image|>' }}"
    "{%- elif part['type'] == 'text' %}{{- part['text'] | trim }}{%- endif %}{%- endfor %}{%- endif %}"
    "{{- '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}")

FILE = Path(__file__).parent / "tokenizer.json"

# Asked without a picture.
SMALL_TALK = [
    ("Hello", "Hello. Show me a picture."),
    ("Hello!", "Hello. Show me a picture."),
    ("Hi", "Hello. Show me a picture."),
    ("Who are you?", "A small model that looks at drawn pictures."),
    ("What are you?", "A small model that looks at drawn pictures."),
    ("What can you do?", "Tell colour, shape, place and number of drawn objects, and read a number or a word."),
    ("Help", "Tell colour, shape, place and number of drawn objects, and read a number or a word."),
    ("Thank you.", "You are welcome."),
    ("Thanks", "You are welcome."),
]
NO_PICTURE = "There is no picture."


def load():
    """The tokenizer made once by `build`."""
    return Tokenizer.from_file(str(FILE))


def build():
    """A new tokenizer. Digits never merge, so a number is read one digit at a time."""
    corpus = ["\n\n", "user", "assistant", "system"] * 50
    corpus += [text for pair in SMALL_TALK + [("", NO_PICTURE)] for text in pair] * 20
    corpus += [f"{gap}{word}" for word in draw.WORDS + list(draw.COLOURS) + draw.PLACES for gap in ("", " ")] * 20
    for i in range(1500):
        scene = draw.draw_scene(0, i, canvas=(1, 1))
        for q in draw.questions(0, i, scene):
            for text in (q["question"], q["answer"]):
                corpus += text if isinstance(text, list) else [text]
    corpus = ["".join(c for c in text if not c.isdigit()) for text in corpus]
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=1024, min_frequency=15, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(corpus, trainer)
    base = tokenizer.get_vocab_size()
    names = SPECIALS + [f"<|reserved_special_token_{i}|>" for i in range(-(base + len(SPECIALS)) % 8)]
    tokenizer.add_special_tokens([AddedToken(n, normalized=False, special=True) for n in names + ["<|image|>"]])
    bos = "<|begin_of_text|>"
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1",
                                      special_tokens=[(bos, tokenizer.token_to_id(bos))]),
    ])
    return tokenizer


def save(tokenizer, folder):
    """tokenizer.json and the three files around it."""
    def write(name, content):
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    tokenizer.save(str(folder / "tokenizer.json"), pretty=True)
    write("tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>",
        "pad_token": "<|finetune_right_pad_id|>", "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"], "model_max_length": 2048, "chat_template": TEMPLATE,
    })
    write("chat_template.json", {"chat_template": TEMPLATE})
    write("special_tokens_map.json", {
        "bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "pad_token": "<|finetune_right_pad_id|>"})


class Chat:
    """Turns questions and answers into ids as the chat template would."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.encode = lru_cache(100_000)(lambda text: tokenizer.encode(text, add_special_tokens=False).ids)
        self.special = {n: tokenizer.token_to_id(n) for n in SPECIALS + ["<|image|>"]}

    def header(self, role):
        s = self.special
        return [s["<|start_header_id|>"], *self.encode(role), s["<|end_header_id|>"], *self.encode("\n\n")]

    def prompt(self, question, first, image):
        """Ids from the start of a user turn to the start of the answer."""
        s = self.special
        ids = ([s["<|begin_of_text|>"]] if first else []) + self.header("user")
        ids += ([s["<|image|>"]] if first and image else []) + self.encode(question)
        return ids + [s["<|eot_id|>"]] + self.header("assistant")

    def dialogue(self, turns, image=True):
        """(ids, labels) of a chat; labels are the next ids where an answer is due, else −100."""
        ids, wanted = [], []
        for i, (question, answer) in enumerate(turns):
            head = self.prompt(question, i == 0, image)
            tail = [*self.encode(answer), self.special["<|eot_id|>"]]
            ids += head + tail
            wanted += [-100] * len(head) + tail
        return ids, wanted[1:] + [-100]


def small_talk(rng):
    """A chat without a picture."""
    if rng.random() < 0.5:
        return rng.choice(SMALL_TALK)
    return rng.choice(["What colour is the star?", "How many objects are there?", "Describe the picture.", "Where is the circle?",
                       "What do you see?", "What does it say?", "Is there a square?", "What is in the picture?"]), NO_PICTURE


if __name__ == "__main__":
    build().save(str(FILE), pretty=True)
