"""Writes the unigram tokenizers of tests/cases/tokenizers and the ids that the tokenizers library gives for odd texts.

Run with tokenizers 0.23.3 and sentencepiece 0.2.3 (which compiles the character map): python unigram_cases.py
"""

import base64
import io
import json
import random
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent.parent / "cases" / "tokenizers"
CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind at all.",
    "Quantised weights are read as they lie in the file; nothing is converted before.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë.",
    "日本語の文章も少しあります。吾輩は猫である。名前はまだ無い。",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "for (let i = 0; i < 10; i++) { total += values[i]; }",
    "1234567890 3.14159 1,000,000 2024-07-05T09:08:07",
] * 8

ODD = [
    "", " ", "  ", "   ", "\t", "\n", "\r\n", "\u0085", "\ufeff", "\u00a0", "\u2028", "\u3000", "\0", "a\0b", "▁", "▁▁a", "a▁b", " ▁ ", "The", " The", "The ",
    "  The  quick ", "the\tquick\nbrown", "the\u00a0quick", "the\u3000quick", "the\u0085quick", "the\ufeffquick", "quickquickquick", "QUICK",
    "é", "e\u0301", "n\u0303o", "ﬁn", "½ ¾", "Ａｂｃ", "①②", "㌔", "ǅ", "ß", "İ", "ſ", "Å", "한국어", "각", "हिन्दी", "ไทย", "مرحبا", "שלום",
    "日本", "日本語", "猫猫猫猫", "無い。", "😀", "😀😀", "a😀b", "👩‍👩‍👧", "🇩🇪", "👍🏽", "\U0001d49c", "\U00020000", "x\u200by", "x\u200dy", "a\u0301\u0302\u0303b",
    "<s>", "</s>", "<unk>", "<pad>", "a<s>b", "<s> </s>", "< s >", "<0x41>", "<0x0A>", "0x41", "$", "$1", "\\n", "\"'`", "()[]{}", "…", "–—", "“”", "i++", "i < 10; i++",
    "3.14", "1,000", "2024-07-05", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "ababababab", "fifififi", "!!!???", "\x1b[31m", "\x7f", "\u200e", "\ud7ff", "\ue000", "\uffff", "\U0010ffff",
    "The quick brown fox", "Zwölf Boxkämpfer", "Louÿs rêva", "Съешь ещё", "吾輩は猫である", "total += values[i]", "qzxj", "żółć", "ñandú", "Ελλάς", "ΣΑΣ", "ab" * 40,
]


def odd_texts(seed: int, count: int) -> list[str]:
    """The list, and mixtures of it."""
    source = random.Random(seed)
    pieces = ODD + [word for line in CORPUS[:8] for word in line.split()]
    mixed = ["".join(source.choice(pieces) + source.choice(["", "", " ", "  "]) for _ in range(source.randint(2, 7))) for _ in range(count)]
    return ODD + mixed


def character_map(rules: list[tuple[str, str]] | None) -> str:
    """What sentencepiece compiles of the rules; None: its nmt_nfkc."""
    how = {"normalization_rule_name": "nmt_nfkc"}
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        if rules is not None:
            code = lambda text: " ".join(f"{ord(character):X}" for character in text)
            file.write("".join(f"{code(before)}\t{code(after)}\n" for before, after in rules))
            file.flush()
            how = {"normalization_rule_tsv": file.name}
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=out, vocab_size=200, hard_vocab_limit=False, minloglevel=2, **how
        )
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(out.getvalue())
    return base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()


RULES = [("ﬁ", "fi"), ("A", "a"), ("e\u0301", "é"), ("\u3000", " "), ("\u00a0", " "), ("½", "1/2"), ("\u200b", ""), ("Ａ", "A"), ("①", "1"), ("ab", "X"), ("日", "日 "), ("😀", ":)"), ("\u0301", "'"), ("각", "x"), ("ñ", "n")]


def trained(normalizer, pre_tokenizer, vocab_size=320, specials=("<s>", "</s>", "<unk>")) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=vocab_size, special_tokens=list(specials), unk_token="<unk>", show_progress=False, max_piece_length=12)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def changed(tokenizer: Tokenizer, change) -> Tokenizer:
    """The tokenizer after its JSON was changed."""
    tree = json.loads(tokenizer.to_str())
    change(tree)
    return Tokenizer.from_str(json.dumps(tree))


def with_bytes(tree):
    tree["model"]["vocab"] += [[f"<0x{byte:02X}>", 0.0] for byte in range(256)]
    tree["model"]["byte_fallback"] = True
    tree["decoder"] = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}]}


def without_some_bytes(tree):
    with_bytes(tree)
    tree["model"]["vocab"] = [entry for entry in tree["model"]["vocab"] if entry[0] not in ("<0xF0>", "<0x0A>")]


def with_ties(tree):
    """Scores that are equal, so that the order of the search decides, and a token twice."""
    for entry in tree["model"]["vocab"]:
        entry[1] = float(round(entry[1] / 2))
    tree["model"]["vocab"].append(["qu", -3.0])
    tree["model"]["vocab"].append(["qu", -1.0])


metaspace = pre_tokenizers.Metaspace
t5 = lambda: trained(normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]), metaspace())
xlmr = trained(None, pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace()]), specials=("<s>", "<pad>", "</s>", "<unk>"))
xlmr.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair=None, special_tokens=[("<s>", 0), ("</s>", 2)])

CASES = {
    "unigram-metaspace": (t5(), "Unigram as T5 has it: NFKC, spaces as ▁; a run of unknown characters is one unknown token."),
    "unigram-byte-fallback": (changed(t5(), with_bytes), "Unknown characters as bytes, a whole run or none of it."),
    "unigram-bytes-missing": (changed(t5(), without_some_bytes), "Two bytes have no token: runs that need them are unknown."),
    "unigram-ties": (changed(t5(), with_ties), "Paths of equal scores, and a token that is there twice: the last counts."),
    "unigram-whitespace-split": (xlmr, "Unigram as XLM-R has it: cut at white space first."),
    "unigram-unsplit": (trained(normalizers.NFC(), metaspace(prepend_scheme="first", split=False)), "Whole texts at once, a space in front of the first only."),
    "unigram-character-map": (
        changed(trained(None, metaspace()), lambda tree: tree.update(normalizer={"type": "Precompiled", "precompiled_charsmap": character_map(RULES)})),
        "SentencePiece's compiled character map, with rules for several characters.",
    ),
}


def write(name: str, tokenizer: Tokenizer, note: str, texts: list[str]) -> None:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")) + "\n")
    strings = [{"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in texts]
    lines = ",\n".join(json.dumps(string, ensure_ascii=True) for string in strings)
    (folder / "expected.json").write_text(f'{{"note": {json.dumps(note, ensure_ascii=False)}, "strings": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    for seed, (name, (tokenizer, note)) in enumerate(CASES.items()):
        write(name, tokenizer, note, odd_texts(seed, 150))
