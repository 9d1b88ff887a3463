"""The model of the fixtures: a Llama so small that a checkpoint of it is below 100 kB, and its logits after a tool has written it."""

import json
import pathlib

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SIZES = dict(vocab_size=96, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4,
             num_key_value_heads=2, head_dim=16, max_position_embeddings=64, tie_word_embeddings=False)
IDS = [1, 17, 42, 3, 90, 55, 8, 8, 61, 33, 29, 77]


def tiny_llama(**sizes):
    torch.manual_seed(18)
    model = LlamaForCausalLM(LlamaConfig(**{**SIZES, **sizes}, attn_implementation="eager")).float().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                weight.normal_(0, 1 if "embed" in name else weight.shape[1] ** -0.5)
    return model


def tiny_tokenizer():
    """Tools do not start without one; nothing of it is used."""
    words = {f"t{i}": i for i in range(96)}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="t0")),
                                   unk_token="t0", pad_token="t0", bos_token="t1", eos_token="t2")


def calibration_rows(count):
    """Ids to calibrate with, [count, 48]."""
    torch.manual_seed(4)
    return torch.randint(3, 96, (count, 48))


def write_expected(folder, model, writer, keep=()):
    """Logits of `model`, whose weights are what the tool reads from its own file, in f32."""
    ids = [i % model.config.vocab_size for i in IDS]
    with torch.no_grad():
        logits = model.eval()(torch.tensor([ids])).logits[0].float().contiguous()
    folder = pathlib.Path(folder)
    save_file({"input_ids": torch.tensor(ids), "logits": logits}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps({"writer": writer}) + "\n")
    for extra in folder.glob("*"):
        if extra.name not in ("config.json", "model.safetensors", "expected.safetensors", "expected.json",
                              "quantize_config.json", "quantization_config.json", *keep):
            extra.unlink() if extra.is_file() else None
