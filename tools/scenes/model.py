"""The mllama of `transformers` (before 4.54), written small for training.

Module names are the tensor names of published checkpoints, so `state_dict()` is the file. Two things
are fixed here: the vision tower's intermediate features are the states *entering* the listed layers,
and rows that see no image take nothing from a cross-attention layer (Meta's rule). Cross-attention
reads only the tiles in use, as the mask demands.
"""

import json
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
ASPECTS = [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]]


def make_config(vocab_size, ids):
    """config.json of the model; `ids` maps the special tokens' names to their ids."""
    return {
        "architectures": ["MllamaForConditionalGeneration"],
        "model_type": "mllama",
        "image_token_index": vocab_size,
        "torch_dtype": "float16",
        "transformers_version": "4.52.4",
        "text_config": {
            "model_type": "mllama_text_model",
            "vocab_size": vocab_size,
            "hidden_size": 192,
            "intermediate_size": 448,
            "num_hidden_layers": 5,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-05,
            "rope_theta": 10000.0,
            "rope_scaling": {
                "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 1024,
            },
            "max_position_embeddings": 2048,
            "cross_attention_layers": [1, 3],
            "tie_word_embeddings": False,
            "bos_token_id": ids["<|begin_of_text|>"],
            "eos_token_id": [ids["<|end_of_text|>"], ids["<|eom_id|>"], ids["<|eot_id|>"]],
            "pad_token_id": ids["<|finetune_right_pad_id|>"],
            "initializer_range": 0.02,
            "use_cache": True,
            "torch_dtype": "float16",
        },
        "vision_config": {
            "model_type": "mllama_vision_model",
            "hidden_size": 160,
            "num_hidden_layers": 4,
            "num_global_layers": 1,
            "attention_heads": 5,
            "intermediate_size": 640,
            "hidden_act": "gelu",
            "num_channels": 3,
            "image_size": 112,
            "patch_size": 14,
            "norm_eps": 1e-05,
            "max_num_tiles": 4,
            "intermediate_layers_indices": [1, 3],
            "vision_output_dim": 480,
            "initializer_range": 0.02,
            "supported_aspect_ratios": ASPECTS,
            "torch_dtype": "float16",
        },
    }


def rope_frequencies(config, head_dim):
    """Inverse frequencies after llama3 scaling."""
    f = config["rope_theta"] ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    s = config["rope_scaling"]
    length, low, high = s["original_max_position_embeddings"], s["low_freq_factor"], s["high_freq_factor"]
    wave = 2 * math.pi / f
    smooth = ((length / wave - low) / (high - low)).clamp(0, 1)
    return ((1 - smooth) * f / s["factor"] + smooth * f).float()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class FusedRMSNorm(torch.autograd.Function):
    """RMS norm with few passes over memory; autograd's own takes three times as many."""

    @staticmethod
    def forward(ctx, x, weight, eps):
        r = torch.rsqrt(torch.linalg.vecdot(x, x).unsqueeze(-1) / x.shape[-1] + eps)
        ctx.save_for_backward(x, weight, r)
        return (x * r).mul_(weight)

    @staticmethod
    def backward(ctx, grad):
        x, weight, r = ctx.saved_tensors
        scaled = grad * r
        by_weight = torch.linalg.vecdot(scaled.flatten(0, -2).T, x.flatten(0, -2).T)
        scaled.mul_(weight)
        share = torch.linalg.vecdot(scaled, x).unsqueeze(-1) * (r * r / x.shape[-1])
        return scaled.addcmul_(x, share, value=-1), by_weight, None


class RMSNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return FusedRMSNorm.apply(x.float(), self.weight, self.eps)


def attention(q, k, v, mask=None):
    """Softmax attention as two products: on this kind of small shape several times faster on the
    CPU, and far faster backwards, than the fused one."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores + mask
    return scores.softmax(-1).to(v.dtype) @ v


# --- vision ---------------------------------------------------------------------------------------

class VisionAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden_size"]
        self.heads = c["attention_heads"]
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nn.Linear(h, h, bias=False))

    def forward(self, x, mask):
        b, n, h = x.shape
        q, k, v = (p(x).view(b, n, self.heads, -1).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        y = attention(q, k, v, None if mask is None else mask.to(q.dtype))
        return self.o_proj(y.transpose(1, 2).reshape(b, n, h))


class VisionMLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1 = nn.Linear(c["hidden_size"], c["intermediate_size"])
        self.fc2 = nn.Linear(c["intermediate_size"], c["hidden_size"])

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class VisionLayer(nn.Module):
    def __init__(self, c, gated):
        super().__init__()
        h, eps = c["hidden_size"], c["norm_eps"]
        self.self_attn, self.mlp = VisionAttention(c), VisionMLP(c)
        self.input_layernorm, self.post_attention_layernorm = nn.LayerNorm(h, eps), nn.LayerNorm(h, eps)
        self.gated = gated
        if gated:
            self.gate_attn = nn.Parameter(torch.full((1,), math.pi / 4))
            self.gate_ffn = nn.Parameter(torch.full((1,), math.pi / 4))

    def forward(self, x, mask):
        a = self.self_attn(self.input_layernorm(x), mask)
        x = x + (a * self.gate_attn.tanh() if self.gated else a)
        m = self.mlp(self.post_attention_layernorm(x))
        return x + (m * self.gate_ffn.tanh() if self.gated else m)


class Layers(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)


class TileEmbedding(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embedding = nn.Embedding(len(c["supported_aspect_ratios"]) + 1, c["max_num_tiles"] * c["hidden_size"])
        self.gate = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x, ratio):
        b, t, _, h = x.shape
        return x + self.gate.tanh() * self.embedding(ratio).view(b, -1, 1, h)[:, :t]


class PositionEmbedding(nn.Module):
    def __init__(self, c, tokens):
        super().__init__()
        h = c["hidden_size"]
        self.gate = nn.Parameter(torch.full((1,), 0.5))
        self.embedding = nn.Parameter(torch.zeros(tokens, h))
        self.tile_embedding = nn.Embedding(len(c["supported_aspect_ratios"]) + 1, c["max_num_tiles"] * tokens * h)

    def forward(self, x, ratio):
        b, t, n, h = x.shape
        g = self.gate.tanh()
        return x + (1 - g) * self.embedding + g * self.tile_embedding(ratio).view(b, -1, n, h)[:, :t]


class VisionModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, patch = c["hidden_size"], c["patch_size"]
        self.config = c
        self.patches = (c["image_size"] // patch) ** 2
        self.patch_embedding = nn.Conv2d(3, h, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(h) * h**-0.5)
        self.gated_positional_embedding = PositionEmbedding(c, self.patches + 1)
        self.pre_tile_positional_embedding = TileEmbedding(c)
        self.post_tile_positional_embedding = TileEmbedding(c)
        self.layernorm_pre, self.layernorm_post = nn.LayerNorm(h), nn.LayerNorm(h)
        self.transformer = Layers(VisionLayer(c, False) for _ in range(c["num_hidden_layers"]))
        self.global_transformer = Layers(VisionLayer(c, True) for _ in range(c["num_global_layers"]))

    def embed(self, patches):
        """[B, T, P, 3·14·14] normalised patches → patch embeddings, the convolution as a product."""
        return F.linear(patches, self.patch_embedding.weight.flatten(1))

    def forward(self, patches, ratio, used, exact=True):
        """→ [B, T, P + 1, vision_output_dim]. `used` [B] is the number of tiles in use. With
        `exact` false, T may be the number in use alone and the padding tokens are left out: an
        approximation for early training only."""
        b, t = patches.shape[:2]
        x = self.embed(patches)
        x = self.pre_tile_positional_embedding(x, ratio)
        x = torch.cat((self.class_embedding.expand(b, t, 1, -1), x), 2)
        x = self.gated_positional_embedding(x, ratio)
        x = self.layernorm_pre(x)
        n = x.shape[2]
        pad = -n % 8 if exact else 0
        x = F.pad(x, (0, 0, 0, pad))
        mask = None
        if exact:
            real = (torch.arange(t)[None, :, None] < used[:, None, None]) & (torch.arange(n + pad) < n)
            idle = ~real.flatten(1)
            mask = torch.zeros(b, 1, t * (n + pad), t * (n + pad))
            mask.masked_fill_(idle[:, None, :, None] & idle[:, None, None, :], torch.finfo(torch.float32).min / 2)
        x = x.flatten(1, 2)
        states = []
        for i, layer in enumerate(self.transformer.layers):
            if i in self.config["intermediate_layers_indices"]:
                states.append(x)
            x = layer(x, mask)
        x = self.layernorm_post(x)
        x = self.post_tile_positional_embedding(x.view(b, t, n + pad, -1), ratio).flatten(1, 2)
        for layer in self.global_transformer.layers:
            x = layer(x, mask)
        x = torch.cat((x, torch.stack(states, -1).flatten(2)), -1)
        return x.view(b, t, n + pad, -1)[:, :, :n]


# --- text -----------------------------------------------------------------------------------------

class TextMLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.up_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.down_proj = nn.Linear(c["intermediate_size"], c["hidden_size"], bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TextAttention(nn.Module):
    def __init__(self, c, cross):
        super().__init__()
        h, self.heads, self.groups = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
        d = h // self.heads
        self.q_proj = nn.Linear(h, h, bias=False)
        self.k_proj = nn.Linear(h, self.groups * d, bias=False)
        self.v_proj = nn.Linear(h, self.groups * d, bias=False)
        self.o_proj = nn.Linear(h, h, bias=False)
        if cross:
            self.q_norm, self.k_norm = RMSNorm(d, c["rms_norm_eps"]), RMSNorm(d, c["rms_norm_eps"])

    def split(self, x, heads):
        return x.view(*x.shape[:-1], heads, -1).transpose(-3, -2)

    def attend(self, q, k, v, mask):
        b, _, length, d = q.shape
        q = q.reshape(b, self.groups, -1, d)
        if mask.shape[-2] > 1:
            mask = mask.repeat(1, 1, self.heads // self.groups, 1)
        y = attention(q.to(v.dtype), k.to(v.dtype), v, mask.to(v.dtype)).view(b, self.heads, length, d)
        return self.o_proj(y.transpose(1, 2).flatten(-2))


class SelfLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = TextAttention(c, False), TextMLP(c)
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])

    def forward(self, x, rope, mask):
        a, n = self.self_attn, self.input_layernorm(x)
        q, k, v = a.split(a.q_proj(n), a.heads), a.split(a.k_proj(n), a.groups), a.split(a.v_proj(n), a.groups)
        x = x + a.attend(rotate(q, *rope), rotate(k, *rope), v, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class CrossLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.cross_attn, self.mlp = TextAttention(c, True), TextMLP(c)
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.cross_attn_attn_gate = nn.Parameter(torch.full((1,), 0.8))
        self.cross_attn_mlp_gate = nn.Parameter(torch.full((1,), 0.8))

    def keys(self, vision):
        """Image states [B, keys, h] → the layer's keys and values."""
        a = self.cross_attn
        return a.k_norm(a.split(a.k_proj(vision), a.groups)), a.split(a.v_proj(vision), a.groups)

    def forward(self, x, keys, key_mask, sees):
        """x [B, Q, L, h]: Q texts per picture share its keys. `sees` [B, Q, L, 1] is the row mask."""
        a, (b, q, length, h) = self.cross_attn, x.shape
        query = a.q_norm(a.split(a.q_proj(self.input_layernorm(x).view(b, q * length, h)), a.heads))
        y = a.attend(query, *keys, key_mask).view(b, q, length, h)
        x = x + y * (self.cross_attn_attn_gate.tanh() * sees)
        return x + self.mlp(self.post_attention_layernorm(x)) * (self.cross_attn_mlp_gate.tanh() * sees)


class Decoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"] + 8, c["hidden_size"])
        self.layers = nn.ModuleList(
            (CrossLayer if i in c["cross_attention_layers"] else SelfLayer)(c) for i in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])


class LanguageModel(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.model = Decoder(c)
        self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)


class Mllama(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.vision_model = VisionModel(config["vision_config"])
        self.language_model = LanguageModel(config["text_config"])
        text = config["text_config"]
        self.multi_modal_projector = nn.Linear(config["vision_config"]["vision_output_dim"], text["hidden_size"])
        frequencies = rope_frequencies(text, text["hidden_size"] // text["num_attention_heads"])
        angles = torch.arange(text["max_position_embeddings"])[:, None] * frequencies
        self.rope = (torch.cat((angles, angles), -1).cos(), torch.cat((angles, angles), -1).sin())

    @torch.no_grad()
    def initialise(self):
        """Weights to begin training from; the positions are two-dimensional sinusoids of half the
        patch embedding's scale, inside the tile and over the whole canvas."""
        for name, p in self.named_parameters():
            if p.dim() >= 2:
                nn.init.normal_(p, std=0.02 if "embed_tokens" in name or "lm_head" in name else p[0].numel() ** -0.5)
        layers = self.vision_model.transformer.layers
        for name, p in self.named_parameters():
            if name.endswith(("o_proj.weight", "fc2.weight", "down_proj.weight")):
                p.mul_((2 * len(layers)) ** -0.5)
        v = self.vision_model
        h, side = v.config["hidden_size"], v.config["image_size"] // v.config["patch_size"]
        v.pre_tile_positional_embedding.embedding.weight.normal_(0, 0.2)
        v.post_tile_positional_embedding.embedding.weight.normal_(0, 0.05)
        v.patch_embedding.weight.normal_(0, 0.7 * (3 * v.config["patch_size"] ** 2) ** -0.5)

        def sinusoid(y, x, longest):
            f = 2 * math.pi / torch.logspace(math.log10(3), math.log10(longest), h // 4)
            return torch.cat([g(p[..., None] * f) for p in (y, x) for g in (torch.sin, torch.cos)], -1) * 0.5

        grid = torch.arange(side) + 0.5
        y, x = torch.meshgrid(grid, grid, indexing="ij")
        position = v.gated_positional_embedding
        g = position.gate.tanh()
        position.embedding[1:] = (sinusoid(y, x, 2 * side) / (1 - g)).flatten(0, 1)
        tiles = position.tile_embedding.weight.zero_().view(-1, v.config["max_num_tiles"], side * side + 1, h)
        for i, (a, b) in enumerate(v.config["supported_aspect_ratios"]):
            for t in range(a * b):
                place = sinusoid((y + t // b * side) * 2 * side / (a * side), (x + t % b * side) * 2 * side / (b * side), 4 * side)
                tiles[i + 1, t, 1:] = (place / g).flatten(0, 1)
        return self

    def see(self, patches, ratio, used, exact=True):
        """Normalised patches → image states [B, T, P + 1, hidden] as cross-attention reads them."""
        return self.multi_modal_projector(self.vision_model(patches, ratio, used, exact))

    def cross_keys(self, states):
        """Keys and values of every cross-attention layer from [B, keys, hidden] states."""
        return {i: layer.keys(states) for i, layer in enumerate(self.language_model.model.layers) if isinstance(layer, CrossLayer)}

    def read(self, ids, sees, keys, key_mask):
        """Final hidden states of ids [B, Q, L]: Q texts per picture."""
        b, q, length = ids.shape
        x = self.language_model.model.embed_tokens(ids)
        rope = tuple(r[:length] for r in self.rope)
        causal = torch.full((1, 1, length, length), torch.finfo(torch.float32).min / 2).triu(1)
        for i, layer in enumerate(self.language_model.model.layers):
            if isinstance(layer, CrossLayer):
                if keys is not None:
                    x = layer(x, keys[i], key_mask, sees)
            else:
                x = layer(x.flatten(0, 1), rope, causal).view(b, q, length, -1)
        return self.language_model.model.norm(x)

    def logits(self, hidden):
        return self.language_model.lm_head(hidden)


def to_patches(tiles, patch=14):
    """uint8 tiles [..., S, S, 3] → normalised patches [..., P, 3·patch·patch] in the convolution's order."""
    *lead, s, _, _ = tiles.shape
    x = (tiles.float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    x = x.view(*lead, s // patch, patch, s // patch, patch, 3)
    k = len(lead)
    x = x.permute(*range(k), k, k + 2, k + 4, k + 1, k + 3)
    return x.reshape(*lead, (s // patch) ** 2, -1)


def load_dense(folder):
    """A model from a dense training checkpoint folder: config.json and weights.pt."""
    model = Mllama(json.loads((Path(folder) / "config.json").read_text()))
    model.load_state_dict(torch.load(Path(folder) / "weights.pt", weights_only=True))
    return model
