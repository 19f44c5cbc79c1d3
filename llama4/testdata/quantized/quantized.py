"""Goldens of quantized models: what the reference answers with weights and activations fake-quantized (fake.py says how).

Run in the oracle environment (see ../goldens.py), after ../goldens.py has written its checkpoints:

    python quantized.py                 rewrites outliers/ and NAME.SCHEME.json for every checkpoint and scheme
    python quantized.py --table         prints the sensitivity tables of ../README.md (quantized_mutations.py)
    --only NAME                         one checkpoint alone

A model is not stored again: a checkpoint (beside goldens.json; demo is ../../demo/model) and a scheme are all it takes. The files have
the keys of goldens.json, score and greedy, and:
  scheme          one of the four of fake.py
  router_logits   {id of a score prompt: {layer: [[a value an expert] a token]}}, for two checkpoints
  noisy           fp8-all: like score, longer prompts, whose noise nobody can avoid (below): noise_mean_abs and noise_max_abs of each
  quantized_{mean,max}_abs   |difference| in log-probability from the same model without quantization: what a loader that ignores the
                  scheme would show, over score
  noise_{mean,max}_abs       |difference| in log-probability, over score, of the same maths in float64, and in float32 with activations
                  moved by JITTER of their row's size before they are rounded to e4m3

Why noise: a value close to the middle of two e4m3 numbers takes the other one when a sum runs in another order. That moves it by 6 %,
and with it later values over their own middles, so that a float32 model with every activation rounded (fp8-all) soon differs from its
float64 twin by as much as the rounding itself. The prompts of score and greedy are drawn until no variant moves by NOISE, and so are
short for fp8-all.
"""
import argparse, copy, os, sys, zlib
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import numpy as np
import torch
import goldens as G
from fake import SCHEMES, Formulas, quantize

HERE = os.path.dirname(os.path.abspath(__file__))
JITTER, SHAKES, NOISE = 1e-6, 4, 1e-3
GREEDY_MARGIN = 0.1  # twice the tolerance of 5e-2


def draw_outliers(name, shape, c):
    """Weights with the outliers of trained models: one channel of the experts' input and some of their gate and up outputs are so large
    that activations pass the limit of 1200; the weights that meet them are so small that the sums stay of one size."""
    r = G.draw(name, shape, c)
    if "layers.1." not in name:
        return r
    if "post_attention_layernorm" in name:
        r[5] *= 1000
    elif "experts.gate_up_proj" in name:
        r[:, 5] /= 1000
        r[..., ::8] *= 24  # the same channels of gate and up, since an expert's size is a multiple of 8
    elif "experts.down_proj" in name:
        r[:, ::8] /= 24 ** 2
    elif "router" in name or "gate_proj" in name or "up_proj" in name:
        r[:, 5] /= 1000
    return r


CHECKPOINTS = [
    # Hidden 136: a group of 128 and one of 8. One MoE layer between two dense ones.
    dict(name="outliers", seed=31, draw=draw_outliers, text=G.text(
        vocab_size=120, hidden_size=136, intermediate_size=72, intermediate_size_mlp=24, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, num_local_experts=2, interleave_moe_layer_step=1, moe_layers=[1], use_qk_norm=True,
        no_rope_layers=[1, 0, 1], attention_chunk_size=16, floor_scale=6, attn_scale=0.4)),
]
OTHERS = ["scout16", "maverick128", "scout4-mm", "grouped", "top2", "tied"]  # of ../goldens.py
ROUTERS = ["scout16", "outliers"]  # checkpoints with router_logits
DEMO = os.path.join(HERE, "../../demo/model")


# --- prompts ----------------------------------------------------------------------------------------------------------------------
class Shaken(Formulas):
    jitter = JITTER


def distances(a, b, ids):
    """|difference| of two models' log-probabilities of a prompt's tokens and of the best eight next ones."""
    t, nxt, best = torch.arange(len(ids) - 1), torch.tensor(ids[1:], dtype=torch.long), b[-1].topk(8).indices
    return torch.cat([(a - b)[t, nxt], (a - b)[-1, best]]).abs()


def moments(name, d):
    return {f"{name}_mean_abs": float(f"{float(d.mean()):.3g}"), f"{name}_max_abs": float(f"{float(d.max()):.3g}")}


class Judge:
    """A quantized model, the plain one it came from (or None), and variants that measure its noise: in float64, and shaken."""

    def __init__(self, model, wide, shaken=None, plain=None):
        self.model, self.wide, self.shaken, self.plain = model, wide, shaken, plain

    @classmethod
    def of_scheme(cls, plain, wide, scheme):
        shaken = quantize(copy.deepcopy(plain), scheme, Shaken()) if scheme.startswith("fp8") else None
        return cls(quantize(copy.deepcopy(plain), scheme), quantize(copy.deepcopy(wide), scheme), shaken, plain)

    def noise(self, ids, lp, limit=None):
        """|Differences| over the variants; stops at the first beyond the limit."""
        out = [distances(G.log_probs(self.wide, ids), lp, ids)]
        for seed in range(SHAKES if self.shaken else 0):
            if limit and out[-1].max() > limit:
                break
            torch.manual_seed(seed)
            out.append(distances(G.log_probs(self.shaken, ids), lp, ids))
        return torch.cat(out)

    def steady(self, ids):
        """The log-probabilities, if no rounding can change them or the order of the best nine next tokens; else None."""
        lp, gaps = G.router_gaps(self.model, ids)
        if gaps.min() < G.ROUTER_GAP or lp[-1].topk(9).values.diff().abs().min() < G.TOP_GAP or self.noise(ids, lp, NOISE).max() > NOISE:
            return None
        return lp

    def draw(self, source, n):
        for _ in range(3000):
            ids = source(n)
            lp = self.steady(ids)
            if lp is not None:
                return ids, lp
        raise SystemExit(f"no steady prompt of {n} tokens in 3000; change the seed")

    def greedy(self, source, n, steps, stop):
        """A prompt of n tokens and steps greedy ones, steady as a whole."""
        for _ in range(3000):
            ids = source(n)
            a, _ = G.greedy_answer(self.model, 0, ids, steps)
            out = a["output_ids"]
            if min(a["margins"]) > GREEDY_MARGIN and not set(out) & set(stop) and self.steady(ids + out) is not None:
                return a
        raise SystemExit(f"no steady greedy answer after {n} tokens in 3000 tries; change the seed")


@torch.no_grad()
def router_logits(model, ids):
    out, hooks = {}, []
    for i, l in enumerate(G.layers_of(model)):
        if l.is_moe_layer:
            hooks.append(l.feed_forward.router.register_forward_hook(
                lambda m, a, o, i=i: out.__setitem__(str(i), [[float(f"{v:.6g}") for v in row] for row in o[1].tolist()])))
    G.log_probs(model, ids)
    for h in hooks:
        h.remove()
    return out


def prompt_source(name, config, seed):
    """Draws prompts: random ids below the special ones, and for the demo model pieces of its stories too."""
    rng = np.random.RandomState(seed)
    v = config.vocab_size
    limit = 747 if config.bos_token_id == 747 else v - 7
    if name != "demo":
        return lambda n: rng.randint(0, limit, n).tolist()
    import texts
    from transformers import AutoTokenizer
    story = AutoTokenizer.from_pretrained(DEMO)(" ".join([texts.STORY, texts.STORY2]))["input_ids"]

    def draw(n):
        at = rng.randint(0, len(story) - n)
        return story[at:at + n] if rng.rand() < 0.5 else rng.randint(0, limit, n).tolist()
    return draw


def lengths_of(scheme, n):
    """Lengths of score prompts, of noisy ones and of the greedy prompt, and greedy steps, for a chunk of n."""
    if scheme == "fp8-all":
        return [1, 2, 3, 5, 7], [5 * n // 2], 3, 3
    return [1, 2, 7, n + 1, 5 * n // 2], [], n - 5, 10


def golden(judge, source, lengths, noisy_lengths, prompt, steps):
    """score, greedy and noisy answers, and what they show; with the log-probabilities of score."""
    drawn = [judge.draw(source, n) for n in lengths]
    score = [G.score_answer(i, ids, lp) for i, (ids, lp) in enumerate(drawn)]
    greedy = [judge.greedy(source, prompt, steps, judge.model.config.get_text_config().eos_token_id)]
    noisy = []
    for i, n in enumerate(noisy_lengths):
        ids = source(n)
        lp = G.log_probs(judge.model, ids)
        noisy.append(G.score_answer(i, ids, lp) | moments("noise", judge.noise(ids, lp)))
    effect = torch.cat([distances(G.log_probs(judge.plain, ids), lp, ids) for ids, lp in drawn])
    noise = torch.cat([judge.noise(ids, lp) for ids, lp in drawn])
    return dict(reference="transformers 4.57, float32, eager, fake-quantized", score=score, greedy=greedy, noisy=noisy), \
        dict(**moments("quantized", effect), **moments("noise", noise))


def folder_of(name):
    return DEMO if name == "demo" else os.path.join(HERE, name) if name == "outliers" else os.path.join(HERE, "..", name)


def names():
    return ["outliers", *OTHERS, "demo"]


def write(name):
    plain, wide = G.load(folder_of(name)), G.load(folder_of(name), torch.float64)
    config = plain.config.get_text_config()
    for i, scheme in enumerate(SCHEMES):
        judge = Judge.of_scheme(plain, wide, scheme)
        source = prompt_source(name, config, 100 * i + zlib.crc32(name.encode()) % 1000)
        answers, figures = golden(judge, source, *lengths_of(scheme, min(config.attention_chunk_size, 40)))
        if name in ROUTERS:
            answers["router_logits"] = {"2": router_logits(judge.model, answers["score"][2]["input_ids"])}
        path = os.path.join(HERE, f"{name}.{scheme}.json")
        G.dump_goldens(path, dict(model=name, scheme=scheme, **answers, **figures))
        print(f"{name:12} {scheme:9} {os.path.getsize(path):6} B  {figures}", [n["noise_mean_abs"] for n in answers["noisy"]], flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--only")
    ap.add_argument("--table", action="store_true")
    a = ap.parse_args()
    chosen = [n for n in names() if a.only in (None, n)]
    if a.table:
        import quantized_mutations
        weak = quantized_mutations.table(chosen)
        if weak:
            raise SystemExit(f"these bugs move no golden: {weak}")
        return
    for c in CHECKPOINTS:
        if c["name"] in chosen:
            G.write_checkpoint(c, folder_of(c["name"]), c["draw"])
    for n in chosen:
        write(n)


if __name__ == "__main__":
    sys.modules["quantized"] = sys.modules["__main__"]
    main()
