"""Writes tests/cases/tokenizers/NAME for regular expressions, cutting steps, numbers of added tokens and post-processors.

    python tools/tokenizer_cases.py tests/cases/tokenizers

Needs tokenizers 0.23.3, which computes the ids; no network.
"""
import json
import sys
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

CORPUS = ["Hello world, it's a test.\n\n  We've 12345 = x + 3.14\r\n", "don't I'LL naïve 日本語 漢字かな 😀\t\tend  "] * 8
TEXTS = [
    "", "Hello world", "I'LL don't we've  it's\n\n  foo\tbar \n", "a1234567890 3.14", "漢字かなカナ mixed漢a",
    "  leading and trailing  ", "one\ntwo\r\nthree\r", "x\n \n y", "ſoo ÀÉ e\u0301", "a\u0085b\u00a0c\ufeffd",
    "1,000.50$ #tag (a|b) [c] {d} \\e", "👨\u200d👩 👍🏽", "٣٤٥ ²³½", "CamelCase HTTPServer iPhone12Pro", "a_b-c...?!",
    "日本語、テスト。「引用」", "user<x>Hi <xy> Hello<x>", "<s>a</s> <S>",
]
CL100K = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
    r"|\s+(?!\S)|\s"
)
KIMI = (
    r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"
)


def base():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())


def step(pre_tokenizer):
    return json.loads(pre_tokenizer.__getstate__())


def cut(*steps):
    spelling = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*map(step, steps), step(spelling)]}}


def split(pattern, behavior="isolated", invert=False):
    return cut(pre_tokenizers.Split(Regex(pattern), behavior, invert))


def token(id, content, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": False, **flags}


def template(before, after, ids):
    piece = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    single = [*map(piece, before), {"Sequence": {"id": "A", "type_id": 0}}, *map(piece, after)]
    tokens = {name: {"id": name, "ids": of, "tokens": [name] * len(of)} for name, of in ids.items()}
    return {"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": tokens}


def cases(n):
    surrounded = [token(n, "<s>", special=True), token(n + 1, "</s>", special=True)]
    begin = template(["<s>"], [], {"<s>": [n]})
    yield "regex-possessive", "++ gives nothing back, $ ends each line (cl100k).", split(CL100K)
    yield "regex-class-and", "Classes that meet (Kimi's).", split(KIMI)
    yield "regex-groups-of-three", "Matches of nothing part what stands beside them.", split(
        r"(?=(\d{3})+(?!\d))", "contiguous")
    yield "regex-word-letters", "Word characters are Oniguruma's: all numbers, no joiners.", split(r"\w+")
    yield "regex-dot-all", "(?m) lets . match line breaks.", split(r"(?m:.{5})")
    yield "regex-inline-flag", "A flag up to the end of its group.", split(r"o|(?i)don't|h")
    yield "regex-posix", "Brackets of POSIX.", split(r"[[:alpha:]]+|[[:punct:]]+|[[:space:]]+")
    yield "regex-atomic", "An atomic group, and \\R.", split(r"(?>\p{L}+)x|\R|\h+")
    yield "regex-posix-removed", "Inverted and removed.", split(r"[^\s[:punct:]]+", "removed", True)
    yield "cut-falcon", "Falcon's steps: punctuation in runs, digits in threes.", {"pre_tokenizer": step(
        pre_tokenizers.Sequence([
            pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
            pre_tokenizers.Digits(False), pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated"),
        ]))}
    yield "cut-punctuation", "Punctuation, each mark alone.", cut(pre_tokenizers.Punctuation())
    yield "cut-whitespace", "Words and marks; white space is dropped.", cut(pre_tokenizers.Whitespace())
    yield "cut-bert", "BERT's words.", cut(pre_tokenizers.BertPreTokenizer())
    yield "cut-delimiter", "A character that is dropped.", cut(pre_tokenizers.CharDelimiterSplit("."))
    yield "added-gap", "Ids that are written but not next: the next ones count.", {
        "added_tokens": [token(n + 50, "<x>"), token(n + 20, "<xy>")]}
    yield "added-known", "A text that the model has keeps the model's id.", {
        "added_tokens": [token(n, "Hello"), token(n + 1, "<x>")]}
    yield "added-over-model", "An id that another token has.", {"added_tokens": [token(3, "<x>"), token(4, "<xy>")]}
    yield "added-twice", "One text twice, with other settings the second time.", {
        "added_tokens": [token(n, "<x>"), token(n + 1, "<x>", lstrip=True, rstrip=True)]}
    yield "around-several", "A special token of two ids.", {
        "added_tokens": surrounded, "post_processor": template(["<s>"], ["</s>"], {"<s>": [n, n + 1], "</s>": [n + 1]})}
    yield "around-named", "A name that is no token; its ids count.", {
        "added_tokens": surrounded, "post_processor": template(["[BOS]"], [], {"[BOS]": [n]})}
    yield "around-roberta", "RoBERTa's surroundings.", {
        "added_tokens": surrounded, "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", n + 1],
                                                       "cls": ["<s>", n], "trim_offsets": True, "add_prefix_space": True}}
    yield "around-sequence", "Post-processors one after the other.", {
        "added_tokens": surrounded, "post_processor": {"type": "Sequence", "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, begin]}}


def main():
    root, made = Path(sys.argv[1]), base()
    vocabulary = made["model"]["vocab"]
    for name, note, change in cases(len(vocabulary)):
        text = json.dumps({**made, **change}, ensure_ascii=False)
        tokenizer = Tokenizer.from_str(text)
        ids = lambda text, around: tokenizer.encode(text, add_special_tokens=around).ids
        strings = [{"text": text, "ids": ids(text, False)} for text in TEXTS]
        if "post_processor" in change:
            strings = [{**row, "surrounded": ids(row["text"], True)} for row in strings]
        folder = root / name
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.json").write_text(text)
        (folder / "expected.json").write_text(json.dumps({"note": note, "strings": strings}, ensure_ascii=False))


main()
