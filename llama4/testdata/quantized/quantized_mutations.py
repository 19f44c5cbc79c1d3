"""How far each known bug of quantization would move the goldens of quantized.py: fake quantization with one thing wrong at a time.

Run as `python quantized.py --table`. A column is a checkpoint, a number the largest |difference| in log-probability over its score
prompts; a dot means that the bug changes nothing there.
"""
import copy, json, os, types
import torch
import goldens as G
from goldens import layers_of
from fake import E4M3, SCHEMES, Formulas, per_row, quantize
from quantized import HERE, folder_of


def formulas(**changes):
    return type("Wrong", (Formulas,), changes)()


def other_axis(name):
    right = getattr(Formulas, name)
    return lambda self, w: right(self, w.transpose(-1, -2)).transpose(-1, -2)


def merged_tail(self, w, change):
    """The short last group belongs to the one before."""
    n = max(w.shape[-1] // self.group, 1) * self.group
    return torch.cat([change(g) for g in (*w[..., :n - self.group].split(self.group, -1), w[..., n - self.group:]) if g.shape[-1]], -1)


def short_first(self, w, change):
    """Groups are counted from the end of a row, so that the first one is short."""
    head = w.shape[-1] % self.group
    parts = ([w[..., :head]] if head else []) + list(w[..., head:].split(self.group, -1))
    return torch.cat([change(g) for g in parts if g.shape[-1]], -1)


def even_odd_swapped(self, w):
    q = Formulas.int4(self, w)
    n = q.shape[-1] // 2 * 2
    return torch.cat([q[..., :n].unflatten(-1, (-1, 2)).flip(-1).flatten(-2), q[..., n:]], -1)


def next_row(name):
    """Each row is read with the scale of the next."""
    right = getattr(Formulas, name)
    def wrong(self, w):
        size = lambda g: per_row(g).clamp(min=1e-6)
        change = lambda g: right(self, g) / size(g) * size(g).roll(-1, -2)
        return self.over_groups(w, change) if name == "int4" else change(w)
    return wrong


def truncated(self, x):
    """e4m3 towards zero."""
    q = Formulas.e4m3(self, x)
    bits = q.float().to(torch.float8_e4m3fn).view(torch.uint8)
    down = (bits.to(torch.int16) - ((q.abs() > x.abs()) & (q != 0)).to(torch.int16)).to(torch.uint8)
    return down.view(torch.float8_e4m3fn).to(x.dtype)


def e5m2(self, x):
    return x.float().clamp(-57344, 57344).to(torch.float8_e5m2).to(x.dtype)


def no_subnormals(self, x):
    q = Formulas.e4m3(self, x)
    return torch.where(q.abs() < 2.0 ** -6, 0.0, q)


def edge(model):
    """The experts of the first and of the last layer, if they are MoE layers."""
    layers = layers_of(model)
    return [l.feed_forward.experts for l in (layers[0], layers[-1]) if l.is_moe_layer]


def shared(model):
    for l in layers_of(model):
        if l.is_moe_layer:
            s = l.feed_forward.shared_expert
            yield from (s.gate_proj, s.up_proj, s.down_proj)


def dense(model):
    for l in layers_of(model):
        if not l.is_moe_layer:
            yield from (l.feed_forward.gate_proj, l.feed_forward.up_proj, l.feed_forward.down_proj)


def attention(model, *names):
    for l in layers_of(model):
        yield from (getattr(l.self_attn, n) for n in names)


def head(model):
    return [getattr(model, "language_model", model).lm_head]


def routers(model):
    return [l.feed_forward.router for l in layers_of(model) if l.is_moe_layer]


def also(extra):
    return dict(modules=lambda self, m, s: [*Formulas.modules(self, m, s), *extra(m)])


def but(left_out):
    def modules(self, m, s):
        skip = {id(x) for x in left_out(m)}
        return [x for x in Formulas.modules(self, m, s) if id(x) not in skip]
    return dict(modules=modules)


def rounded_first(self, x):
    """Llama4TextMoe.forward that rounds a token once, and multiplies it by the score of each expert after that."""
    x = x.reshape(-1, self.hidden_dim)
    scores, logits = self.router(x)
    e = self.experts
    rows = e.rounded(x).repeat(scores.shape[1], 1) * scores.T.reshape(-1, 1)
    gate, up = torch.bmm(rows.view(e.num_experts, -1, e.hidden_size), e.gate_up_proj).chunk(2, -1)
    y = torch.bmm(e.rounded(up * e.act_fn(gate)), e.down_proj)
    return self.shared_expert(x) + y.sum(0), logits


def rounding_moes(model):
    return [l.feed_forward for l in layers_of(model) if l.is_moe_layer and hasattr(l.feed_forward.experts, "rounded")]


def score_after(model):
    for m in rounding_moes(model):
        m.forward = types.MethodType(rounded_first, m)


def one_side(gate_up_alone):
    """Experts that round one of their two inputs."""
    def forward(self, x):
        x = x.view(self.num_experts, -1, self.hidden_size)
        gate, up = torch.bmm(self.rounded(x) if gate_up_alone else x, self.gate_up_proj).chunk(2, -1)
        y = up * self.act_fn(gate)
        return torch.bmm(y if gate_up_alone else self.rounded(y), self.down_proj).view(-1, self.hidden_size)
    def change(model):
        for m in rounding_moes(model):
            m.experts.forward = types.MethodType(forward, m.experts)
    return change


def clamped_input(self, x):
    """The limit bounds values and the scale, not the scale alone: the same function, since rounding saturates."""
    return Formulas.activations(self, x.clamp(-self.limit, self.limit))


INT4 = {
    "not quantized": dict(int4=lambda self, w: w),
    "groups along the output": dict(int4=other_axis("int4")),
    "groups of 64": dict(group=64),
    "groups of 32": dict(group=32),
    "a scale a row": dict(group=1 << 30),
    "short group joined to the one before": dict(over_groups=merged_tail),
    "short group first": dict(over_groups=short_first),
    "scale max / 7": dict(int4_scale=lambda self, g: per_row(g).clamp(min=1e-6) / 7),
    "scale max / 7.5": dict(int4_scale=lambda self, g: per_row(g).clamp(min=1e-6) / 7.5),
    "scale of the signed largest": dict(int4_scale=lambda self, g: g.gather(-1, g.abs().argmax(-1, keepdim=True)) / -8),
    "no clamp at 7": dict(int4_round=lambda self, v: v.round()),
    "clamp at -7": dict(int4_round=lambda self, v: v.round().clamp(-7, 7)),
    "wrapped at 7": dict(int4_round=lambda self, v: (v.round() + 8) % 16 - 8),
    "rounded down": dict(int4_round=lambda self, v: v.floor().clamp(-8, 7)),
    "rounded to zero": dict(int4_round=lambda self, v: v.trunc().clamp(-8, 7)),
    "ties away from zero": dict(int4_round=lambda self, v: (v.sign() * (v.abs() + 0.5).floor()).clamp(-8, 7)),
    "even and odd values swapped": dict(int4=even_odd_swapped),
    "scale of the next row": dict(int4=next_row("int4")),
    "router too": also(routers),
}
FP8 = {
    "not quantized": dict(fp8=lambda self, w: w, activations=lambda self, x: x),
    "weights not quantized": dict(fp8=lambda self, w: w),
    "activations not quantized": dict(activations=lambda self, x: x),
    "limit ignored": dict(limit=0),
    "limit 448": dict(limit=448.0),
    "limit bounds the values": dict(activations=clamped_input),
    "weights: a scale a matrix": dict(fp8_scale=lambda self, w: w.abs().amax((-1, -2), keepdim=True)),
    "weights: a scale for all experts": dict(fp8_scale=lambda self, w: w.abs().max()),
    "weights: scales along the output": dict(fp8=other_axis("fp8")),
    "weights: scale of the next row": dict(fp8=next_row("fp8")),
    "activations: a scale for all": dict(activation_scale=lambda self, x: x.abs().max()),
    "activations: groups of 128": dict(activations=lambda self, x: self.over_groups(x, lambda g: Formulas.activations(self, g))),
    "e4m3 towards zero": dict(e4m3=truncated),
    "e4m3 without subnormals": dict(e4m3=no_subnormals),
    "e5m2": dict(e4m3=e5m2),
    "scale max / 240": dict(e4m3=lambda self, x: Formulas.e4m3(self, x * (240 / E4M3)) / (240 / E4M3)),
    "score after rounding": score_after,
    "input of the down projection not quantized": one_side(True),
    "input of gate and up not quantized": one_side(False),
    "router too": also(routers),
}
BUGS = {
    "int4": INT4 | {"shared experts left out": but(shared), "dense MLPs too": also(dense), "first and last layer left out": but(edge),
                    "attention too": also(lambda m: attention(m, "q_proj", "k_proj", "v_proj", "o_proj"))},
    "fp8": FP8 | {"shared experts too": also(shared), "first and last layer too": also(edge), "dense MLPs too": also(dense)},
    "int4-all": INT4 | {"head left out": but(head), "shared experts left out": but(shared), "dense MLPs left out": but(dense),
                        "o_proj left out": but(lambda m: attention(m, "o_proj")),
                        "q, k and v left out": but(lambda m: attention(m, "q_proj", "k_proj", "v_proj"))},
    "fp8-all": FP8 | {"head left out": but(head), "shared experts left out": but(shared), "dense MLPs left out": but(dense),
                      "first and last layer left out": but(edge), "o_proj left out": but(lambda m: attention(m, "o_proj")),
                      "q, k and v left out": but(lambda m: attention(m, "q_proj", "k_proj", "v_proj"))},
}
HARMLESS = ["limit bounds the values", "score after rounding"]  # the same function, but for the limit and rounding


def quantized(plain, scheme, bug):
    m = copy.deepcopy(plain)
    if callable(bug):
        quantize(m, scheme)
        bug(m)
        return m
    return quantize(m, scheme, formulas(**bug))


@torch.no_grad()
def moves(model, score):
    worst = 0.0
    for s in score:
        ids, lp = s["input_ids"], G.log_probs(model, s["input_ids"])
        d = [abs(float(lp[t, ids[t + 1]]) - v) for t, v in enumerate(s["logprobs"])]
        worst = max([worst] + d + [abs(float(lp[-1, i]) - v) for i, v in s["top"]])
    return worst


def table(names):
    """Prints the tables; returns the bugs that would not show."""
    loaded, weak = [(n, G.load(folder_of(n))) for n in names], []
    for scheme in SCHEMES:
        print(f"\n| {scheme} | " + " | ".join(names) + " |\n|---|" + "--:|" * len(names), flush=True)
        scores = []
        for n, m in loaded:
            with open(os.path.join(HERE, f"{n}.{scheme}.json")) as f:
                scores.append(json.load(f))
            assert moves(quantized(m, scheme, {}), scores[-1]["score"]) < 1e-6  # the harness itself must change nothing
        for bug, change in BUGS[scheme].items():
            row = [moves(quantized(m, scheme, change), s["score"]) for (_, m), s in zip(loaded, scores)]
            print(f"| {bug} | " + " | ".join("." if v < 1e-4 else f"{v:.2g}" for v in row) + " |", flush=True)
            weak += [(scheme, bug)] * (max(row) < 0.05 and bug not in HARMLESS)
        for what in ("quantized_mean_abs", "noise_mean_abs", "noise_max_abs"):
            print(f"| {what} | " + " | ".join(f"{s[what]:.2g}" for s in scores) + " |")
        if scheme == "fp8-all":
            print("| noise_mean_abs of the longer prompt | " + " | ".join(f"{s['noisy'][0]['noise_mean_abs']:.2g}" for s in scores) + " |")
    return weak
