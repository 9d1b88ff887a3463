"""Writes tests/quantization/gptq_reference.json: codes, scales and zero points of GPTQ as its paper has it (arXiv 2210.17323, algorithm
1), in numpy's float64, with the Cholesky factor of the inverse Hessian. The scale of a group is the one of 20 whose errors are
worth least; the first holds all of its values, the others cut off up to half of their range. With "dense" the products are to come near those of
the inputs that the unquantised model has (arXiv 2504.02692), each of them a quarter of its right neighbour more.

    pip install numpy
    python tools/gptq_reference.py tests/quantization/gptq_reference.json
"""

import json
import sys

import numpy as np

OUTPUTS, INPUTS, TOKENS, GROUP, DAMP = 16, 192, 320, 32, 0.05
TRIALS = 20
CASES = [
    {"bits": 4, "symmetric": True, "order": "natural"},
    {"bits": 4, "symmetric": True, "order": "groups"},
    {"bits": 4, "symmetric": False, "order": "groups"},
    {"bits": 4, "symmetric": True, "order": "activations"},
    {"bits": 8, "symmetric": True, "order": "natural"},
    {"bits": 4, "symmetric": True, "order": "groups", "dense": True},
    {"bits": 4, "symmetric": False, "order": "activations", "dense": True},
]


def order_of(rule, diagonal):
    natural = np.arange(INPUTS)
    if rule == "natural":
        return natural
    if rule == "activations":
        return np.argsort(-diagonal, kind="stable")
    groups = [g[np.argsort(-diagonal[g], kind="stable")] for g in natural.reshape(-1, GROUP)]
    groups.sort(key=lambda g: -diagonal[g[0]])
    return np.concatenate(groups)


def grid(values, bits, symmetric, share):
    """The scale and zero point of values, where this share of their range is kept."""
    most = 2**bits - 1
    low, high = min(values.min(), 0.0) * share, max(values.max(), 0.0) * share
    if symmetric:
        high = max(high, -low)
        low = -high
    scale = float(np.float16((high - low) / most))
    return scale, (most + 1) / 2 if symmetric else min(most, max(1.0, np.round(-low / scale)))


def nearest(value, scale, zero, bits):
    return np.clip(np.round(value / scale) + zero, 0, 2**bits - 1)


def search(w, factor, bits, symmetric):
    """The scale and zero point whose errors are worth least, of those that keep all of the range down to half of it."""

    def loss(found):
        scale, zero = found
        errors = w - (nearest(w, scale, zero, bits) - zero) * scale
        return np.sum((errors / np.diag(factor)) ** 2)

    return min((grid(w, bits, symmetric, 1 - t / TRIALS / 2) for t in range(TRIALS)), key=loss)


def gptq(weights, inputs, dense, bits, symmetric, rule):
    """Of inputs [TOKENS, INPUTS], so that the products come near those of the weights with the inputs that the dense model has."""
    hessian = inputs.T @ inputs
    order = order_of(rule, np.diag(hessian))
    h = hessian[np.ix_(order, order)].copy()
    h[np.diag_indices(INPUTS)] += DAMP * np.diag(h).mean()
    w = weights[:, order] + weights @ (dense - inputs).T @ inputs[:, order] @ np.linalg.inv(h)
    factor = np.linalg.cholesky(np.linalg.inv(h)).T
    codes = np.zeros((OUTPUTS, INPUTS), int)
    scales, zeros = (np.zeros((INPUTS // GROUP, OUTPUTS)) for _ in range(2))
    for k in range(INPUTS):
        g, end = k // GROUP, k + GROUP
        if k % GROUP == 0:
            for n in range(OUTPUTS):
                scales[g, n], zeros[g, n] = search(w[n, k:end], factor[k:end, k:end], bits, symmetric)
        code = nearest(w[:, k], scales[g], zeros[g], bits)
        codes[:, order[k]] = code
        error = (w[:, k] - (code - zeros[g]) * scales[g]) / factor[k, k]
        w[:, k + 1 :] -= np.outer(error, factor[k, k + 1 :])
    group_of = np.zeros(INPUTS, int)
    stored = order[::GROUP] // GROUP if rule == "groups" else np.arange(INPUTS // GROUP)
    group_of[order] = np.repeat(stored, GROUP)
    back = np.argsort(stored)
    return codes, scales[back], zeros[back], group_of


def main(path):
    random = np.random.default_rng(20240229)
    mix = random.normal(size=(INPUTS, INPUTS)) * random.uniform(0.05, 1, INPUTS) + np.diag(random.uniform(0.2, 3, INPUTS))
    inputs = (random.normal(size=(TOKENS, INPUTS)) @ mix / 8).astype(np.float32)
    weights = random.normal(0, 0.05, (OUTPUTS, INPUTS)).astype(np.float32)
    # In float32, so that others compute the same.
    dense_inputs = inputs + np.roll(inputs, -1, axis=1) / np.float32(4)
    weights64, inputs64, dense64 = (each.astype(np.float64) for each in (weights, inputs, dense_inputs))
    results = []
    for case in CASES:
        wanted = dense64 if case.get("dense") else inputs64
        codes, scales, zeros, group_of = gptq(
            weights64, inputs64, wanted, case["bits"], case["symmetric"], case["order"]
        )
        meant = scales[group_of].T * (codes - zeros[group_of].T)
        loss = float(np.sum((wanted @ weights64.T - inputs64 @ meant.T) ** 2))
        results.append(
            {
                **case,
                "codes": codes.ravel().tolist(),
                "scales": scales.ravel().tolist(),
                "zeros": zeros.astype(int).ravel().tolist(),
                "groupOf": group_of.tolist(),
                "loss": loss,
            }
        )
    shapes = {"outputs": OUTPUTS, "inputs": INPUTS, "tokens": TOKENS, "group": GROUP, "damp": DAMP}
    data = {
        **shapes,
        "weights": [float(f"{x:.9g}") for x in weights.ravel()],
        "activations": [float(f"{x:.9g}") for x in inputs.ravel()],
        "cases": results,
    }
    with open(path, "w") as file:
        json.dump(data, file, separators=(",", ":"))


main(sys.argv[1])
