"""Writes goldens.json: logits as transformers' logits processors leave them.

Run from the repository root with the reference environment (transformers 4.57):
    python llama4/sample/testdata/goldens.py

GenerationMixin._get_logits_processor builds the list, so the order is the reference's own. It has no presence and
frequency penalty; they go in as a processor of OpenAI's formula, which the reference puts after its own penalties and
before temperature.

A case has the logits (multiples of 1/32, so exact as float32 and as short text), the parameters that are not neutral, the
tokens of prompt and answer, and the result: "kept", the ids that are not -inf, with their probabilities "probs", or
"greedy", the largest when temperature is 0. "cut_ties" says that top-p dropped a token with the logit of one that it
kept; which one is left open by torch's sort, so there only the numbers count.
"""
import json
import pathlib
import random

import torch
from transformers import GenerationConfig
from transformers.generation import GenerationMixin, LogitsProcessor

HERE = pathlib.Path(__file__).parent
INF = float("inf")


class OpenAIPenalties(LogitsProcessor):
    """https://platform.openai.com/docs/advanced-usage: mu[j] -= c[j] * frequency + (c[j] > 0) * presence"""

    def __init__(self, answer, presence, frequency):
        self.answer, self.presence, self.frequency = answer, presence, frequency

    def __call__(self, input_ids, scores):
        count = torch.zeros_like(scores)
        for i in self.answer:
            count[0, i] += 1
        return scores - self.frequency * count - self.presence * (count > 0).to(scores.dtype)


class Model(GenerationMixin):
    config = None


def process(logits, p, prompt, answer, dtype):
    temperature = p.get("temperature", 1.0)
    config = GenerationConfig(
        do_sample=temperature > 0,
        temperature=temperature or 1.0,
        top_k=p.get("top_k", 0),
        top_p=p.get("top_p", 1.0),
        min_p=p.get("min_p"),
        repetition_penalty=p.get("repetition", 1.0),
        sequence_bias={(i,): b for i, b in p["bias"]} if "bias" in p else None,
    )
    custom = []
    if "presence" in p or "frequency" in p:
        custom.append(OpenAIPenalties(answer, p.get("presence", 0.0), p.get("frequency", 0.0)))
    processors = Model()._get_logits_processor(config, logits_processor=custom, device="cpu")
    ids = torch.tensor([prompt + answer], dtype=torch.long)
    return processors(ids, torch.tensor([logits], dtype=dtype))[0]


def kept_ids(scores):
    return [i for i, x in enumerate(scores.tolist()) if x > -INF]


def case(name, logits, p, prompt=(), answer=()):
    prompt, answer = list(prompt), list(answer)
    scores = process(logits, p, prompt, answer, torch.float32)
    out = {"name": name, "logits": [str(x) if x in (INF, -INF) else x for x in logits], "params": dict(p)}
    if "bias" in p:
        out["params"]["bias"] = [[i, str(b) if b == -INF else b] for i, b in p["bias"]]
    out |= {"prompt": prompt, "answer": answer}
    if p.get("temperature") == 0:
        return out | {"greedy": int(scores.argmax())}
    kept = kept_ids(scores)
    exact = kept_ids(process(logits, p, prompt, answer, torch.float64))
    low = min(scores[i] for i in kept)
    before = process(logits, {k: v for k, v in p.items() if k not in ("top_p", "min_p")}, prompt, answer, torch.float32)
    cut_ties = any(before[i] == low for i in range(len(logits)) if i not in kept)
    # A case on the edge of rounding would test float32, not the rules.
    assert cut_ties or kept == exact, name
    assert len(kept) == len(exact), name
    probs = torch.softmax(scores, -1)[kept]
    return out | {"kept": kept, "probs": [float(f"{x:.7g}") for x in probs.tolist()], "cut_ties": cut_ties}


def grid(x, step=32):
    return round(x * step) / step


def peaked(rng, n, step=32):
    return [grid(rng.gauss(0, 2), step) + (grid(rng.expovariate(0.15), step) if rng.random() < 0.15 else 0) for _ in range(n)]


def cases():
    rng = random.Random(4)
    yield case("neutral", [1.0, 2.0, 0.5, -1.0], {})
    yield case("a banned token", [1.0, -INF, 2.0], {})
    yield case("temperature", [1.0, 2.0, 0.5, -1.0], {"temperature": 0.6})
    ties = [3.0, 1.0, 2.0, 2.0, -1.0, 2.0, 3.0]
    for k in (1, 2, 3, 4, 5, 6, 7, 8, 100):
        yield case(f"top-k {k} with ties", ties, {"top_k": k})
    yield case("top-k more than are finite", [1.0, -INF, 2.0, -INF], {"top_k": 3})
    yield case("top-k all equal", [0.5] * 6, {"top_k": 2})
    for p in (0.0, 0.1, 0.25, 0.5, 0.75, 0.76, 0.99):
        yield case(f"top-p {p}, four equal", [0.0] * 4, {"top_p": p})
        yield case(f"top-p {p} with ties", ties, {"top_p": p})
        yield case(f"top-p {p}, distinct", [2.0, 4.0, 1.0, 3.0, 0.0, -5.0], {"top_p": p})
    yield case("top-p, the first alone exceeds it", [9.0, 1.0, 0.0], {"top_p": 0.2})
    for p in (0.01, 0.1, 0.3, 0.7, 1.0):
        yield case(f"min-p {p}", ties, {"min_p": p})
        yield case(f"min-p {p}, hot", ties, {"min_p": p, "temperature": 2.0})
    # Each pair gives another set in another order.
    yield case("top-k before top-p", [2.0, 1.75, 1.5, 1.25, 1.0, 0.75], {"top_k": 3, "top_p": 0.7})
    yield case("temperature before top-p", [2.0, 1.0, 0.0, -1.0], {"temperature": 3.0, "top_p": 0.6})
    yield case("temperature before min-p", [2.0, 1.0, 0.0, -1.0], {"temperature": 4.0, "min_p": 0.5})
    yield case("top-p before min-p", [2.0, 1.9375, 0.0, 0.0, 0.0, -1.0], {"top_p": 0.8, "min_p": 0.5})
    yield case("bias before repetition", [1.0, -1.0, 2.0, 0.0], {"bias": [[1, 3.0], [2, -4.0]], "repetition": 2.0}, [1, 2])
    yield case("repetition before presence", [1.0, 0.5, 2.0], {"repetition": 2.0, "presence": 1.5}, [2], [1, 0])
    yield case("penalties before top-k", [5.0, 4.0, 3.0, 2.0], {"repetition": 3.0, "top_k": 2}, [0], [1])
    # Signs, repeats, and prompt against answer.
    signs = [2.0, -2.0, 0.0, 1.0, -1.0, 3.0]
    yield case("repetition 1.3", signs, {"repetition": 1.3}, [0, 1, 2, 0, 0], [1, 4])
    yield case("repetition 0.5", signs, {"repetition": 0.5}, [0, 1], [4, 4])
    yield case("presence", signs, {"presence": 0.75}, [0, 5, 5], [1, 1, 3])
    yield case("frequency", signs, {"frequency": 0.75}, [0, 5, 5], [1, 1, 3])
    yield case("negative presence and frequency", signs, {"presence": -1.5, "frequency": -0.25}, [0], [1, 1, 1, 5])
    yield case("all penalties", signs, {"repetition": 1.2, "presence": 0.4, "frequency": 0.3}, [0, 1, 2], [2, 3, 3, 4])
    yield case("bias", signs, {"bias": [[0, -100.0], [3, 1.5], [5, -INF]]})
    # Greedy.
    yield case("greedy", signs, {"temperature": 0})
    yield case("greedy after bias", signs, {"temperature": 0, "bias": [[1, 10.0]]})
    yield case("greedy after penalties", signs, {"temperature": 0, "repetition": 2.0, "frequency": 0.5}, [5], [0, 0, 0])
    yield case("greedy leaves out top-k, top-p and min-p", signs, {"temperature": 0, "top_k": 1, "top_p": 0.1, "min_p": 1.0})
    # Everything together. A coarse grid makes ties.
    for i in range(60):
        n = rng.choice((5, 16, 64, 150))
        p = {}
        if rng.random() < 0.8:
            p["temperature"] = rng.choice((0.25, 0.6, 0.8, 1.5))
        if rng.random() < 0.5:
            p["top_k"] = rng.choice((1, 3, 10, 40, 200))
        if rng.random() < 0.7:
            p["top_p"] = rng.choice((0.3, 0.8, 0.9, 0.95))
        if rng.random() < 0.4:
            p["min_p"] = rng.choice((0.02, 0.05, 0.3))
        if rng.random() < 0.4:
            p["repetition"] = rng.choice((0.8, 1.1, 1.3))
        if rng.random() < 0.4:
            p["presence"] = rng.choice((-1.0, 0.5, 2.0))
        if rng.random() < 0.4:
            p["frequency"] = rng.choice((-0.5, 0.25, 1.0))
        if rng.random() < 0.4:
            p["bias"] = [[j, rng.choice((-INF, -100.0, -2.5, 1.0, 4.25))] for j in sorted(rng.sample(range(n), 3))]
        history = [[rng.randrange(n) for _ in range(rng.choice((0, 3, 20)))] for _ in range(2)]
        yield case(f"mixed {i}", peaked(rng, n, rng.choice((1, 32))), p, *history)


def main():
    out = list(cases())
    assert any(c.get("cut_ties") for c in out)
    text = "[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in out) + "\n]\n"
    (HERE / "goldens.json").write_text(text)
    print(len(out), "cases,", sum(c.get("cut_ties", False) for c in out), "cut through ties,", len(text), "bytes")


main()
