"""How far each known bug would move the goldens: the reference is run with one thing wrong at a time.

Run as `python goldens.py --table`. A column is a checkpoint, a number the largest |difference| in log-probability over its
score prompts (rows named decode: over its greedy continuations); a dot means that the bug cannot show there.
"""
import json, types
from contextlib import contextmanager
import torch
from goldens import M, layers_of, load, log_probs, rope_layers


@contextmanager
def swapped(*changes):
    """Sets (object, attribute, value) for the time of the block; value None deletes."""
    missing = object()
    old = [(o, a, getattr(o, a, missing)) for o, a, _ in changes]
    try:
        for o, a, v in changes:
            delattr(o, a) if v is None else setattr(o, a, v)
        yield
    finally:
        for o, a, v in reversed(old):
            delattr(o, a) if v is missing else setattr(o, a, v)


def attentions(m):
    return [l.self_attn for l in layers_of(m)]


def moes(m):
    return [l.feed_forward for l in layers_of(m) if l.is_moe_layer]


def masked(seen):
    """A causal mask of which seen(q, k) is left, in place of the reference's chunk mask."""
    def build(input_embeds, cache_position, **_):
        q, k = cache_position[:, None], cache_position[None]
        low = torch.finfo(input_embeds.dtype).min
        return torch.where((k <= q) & seen(q, k), 0.0, low)[None, None].to(input_embeds.dtype)
    return lambda m, n: [(M, "create_chunked_causal_mask", build)]


def chunk(m):
    return attentions(m)[0].config.attention_chunk_size


def qk_norm_everywhere(m, n):
    return [(a, "qk_norm", M.Llama4TextL2Norm(a.config.rms_norm_eps)) for a in attentions(m) if not hasattr(a, "qk_norm")] \
        if attentions(m)[0].config.use_qk_norm else []


def qk_norm_across_heads(m, n):
    norm = lambda self, x: x * torch.rsqrt(x.pow(2).mean((-1, -2), keepdim=True) + self.eps)
    return [(a.qk_norm, "_norm", types.MethodType(norm, a.qk_norm)) for a in attentions(m) if hasattr(a, "qk_norm")]


def norms(m, kind):
    return [x for x in m.modules() if isinstance(x, kind)]


def moe_forward(combine=None, score=None, top_renormalised=False):
    """The MoE block with the score elsewhere or of another kind; combine(experts, x, s) gives [E, T, H]."""
    def forward(self, x):
        x = x.reshape(-1, self.hidden_dim)
        s, logits = self.router(x)
        if score:
            s = torch.where(s > 0, score(logits, s), 0.0)
        if top_renormalised:
            s = s / s.sum(-1, keepdim=True)
        e = s.T[:, :, None]
        xs = x[None].expand(e.shape[0], -1, -1)
        y = combine(self.experts, xs, e) if combine else self.experts((xs * e).reshape(-1, self.hidden_dim)).view_as(xs)
        return self.shared_expert(x) + y.sum(0), logits
    return lambda m, n: [(f, "forward", types.MethodType(forward, f)) for f in moes(m)]


def on_output(experts, x, s):
    return experts(x.reshape(-1, x.shape[-1])).view_as(x) * s


class Nothing(torch.nn.Module):
    def forward(self, x):
        return torch.zeros_like(x)


def swap_gate_up(m, n):
    half = lambda w: torch.nn.Parameter(torch.cat(w.chunk(2, -1)[::-1], -1))
    return [(f.experts, "gate_up_proj", half(f.experts.gate_up_proj)) for f in moes(m)]


def interleaved_gate_up(m, n):
    mix = lambda w: torch.nn.Parameter(torch.cat([w[..., ::2], w[..., 1::2]], -1))
    return [(f.experts, "gate_up_proj", mix(f.experts.gate_up_proj)) for f in moes(m)]


def half_split(m, n):
    def rotate(q, k, cis):
        def turn(x):
            c, s, (a, b) = cis.real[:, :, None], cis.imag[:, :, None], x.chunk(2, -1)
            return torch.cat([a * c - b * s, b * c + a * s], -1)
        return turn(q), turn(k)
    return [(M, "apply_rotary_emb", rotate)]


def frequencies(change):
    def made(m, n):
        r = getattr(m, "language_model", m).model.rotary_emb
        if r.rope_type == "default":
            return []
        plain, _ = M.ROPE_INIT_FUNCTIONS["default"](r.config, None)
        return [(r, "inv_freq", change(plain, r.config.rope_scaling))]
    return made


def no_blend(plain, s):
    return torch.where(2 * torch.pi / plain > s["original_max_position_embeddings"] / s["high_freq_factor"], plain / s["factor"], plain)


def heads_tiled(m, n):
    return [(M, "repeat_kv", lambda x, n_rep: x.repeat(1, n_rep, 1, 1))]


def queries(change):
    """Multiplies q by change(module, positions, prompt length) just before attention."""
    def made(m, n):
        eager = M.eager_attention_forward
        def attend(module, q, k, v, mask, **kw):
            return eager(module, q * change(module, torch.arange(q.shape[2]), n)[:, None], k, v, mask, **kw)
        return [(M, "eager_attention_forward", attend)]
    return made


def temperature(a, p):
    return torch.log1p(torch.floor(p / a.floor_scale)) * a.attn_scale + 1.0


def tuned(a):
    return bool(a.attn_temperature_tuning) and not a.use_rope


def instead(a, p, other):
    """Factor that turns the right temperature into temperature(other) on layers that have one."""
    return temperature(a, other) / temperature(a, p + 1.0) if tuned(a) else torch.ones(len(p))


def layers_shifted(m, n):
    """The NoPE pattern one layer late, with all that hangs on it."""
    out, ls = [], layers_of(m)
    use = [a.use_rope for a in attentions(m)]
    for l, u in zip(ls, use[-1:] + use[:-1]):
        a = l.self_attn
        out += [(a, "use_rope", u), (l, "attention_type", "chunked_attention" if u else "full_attention")]
        if a.config.use_qk_norm and bool(u) != hasattr(a, "qk_norm"):
            out.append((a, "qk_norm", M.Llama4TextL2Norm(a.config.rms_norm_eps) if u else None))
    return out


def eps_of(kind, value):
    return lambda m, n: [(x, "eps", value) for x in norms(m, kind) if x.eps != value]


ALWAYS = lambda q, k: k >= 0
BUGS = {
    "QK norm on NoPE layers too": qk_norm_everywhere,
    "QK norm left out": lambda m, n: [(a, "qk_norm", None) for a in attentions(m) if hasattr(a, "qk_norm")],
    "QK norm across heads": qk_norm_across_heads,
    "QK norm with eps 1e-6": eps_of(M.Llama4TextL2Norm, 1e-6),
    "RMSNorm with eps 1e-6": eps_of(M.Llama4TextRMSNorm, 1e-6),
    "score on the output": moe_forward(combine=on_output),
    "score left out": moe_forward(score=lambda l, s: torch.ones_like(s)),
    "softmax for sigmoid": moe_forward(score=lambda l, s: l.softmax(-1)),
    "scores of the k renormalised": moe_forward(top_renormalised=True),
    "shared expert left out": lambda m, n: [(f, "shared_expert", Nothing()) for f in moes(m)],
    "routed experts left out": moe_forward(score=lambda l, s: torch.zeros_like(s)),
    "gate and up swapped": swap_gate_up,
    "gate and up interleaved": interleaved_gate_up,
    "chunk mask not applied": masked(ALWAYS),
    "sliding window for chunk": lambda m, n: masked(lambda q, k: q - k < chunk(m))(m, n),
    "chunk of p+1": lambda m, n: masked(lambda q, k: (q + 1) // chunk(m) == (k + 1) // chunk(m))(m, n),
    "chunk rounded up to 16": lambda m, n: masked(lambda q, k: q // (-(-chunk(m) // 16) * 16) == k // (-(-chunk(m) // 16) * 16))(m, n),
    "temperature off": queries(lambda a, p, n: 1 / temperature(a, p + 1.0) if tuned(a) else torch.ones(len(p))),
    "temperature from p": queries(lambda a, p, n: instead(a, p, p.float())),
    "temperature on RoPE layers too": queries(lambda a, p, n: temperature(a, p + 1.0) if a.use_rope and a.attn_temperature_tuning
                                              else torch.ones(len(p))),
    "temperature though switched off": queries(lambda a, p, n: temperature(a, p + 1.0) if not a.use_rope and not a.attn_temperature_tuning
                                               else torch.ones(len(p))),
    "RoPE by halves": half_split,
    "RoPE scaling ignored": frequencies(lambda plain, s: plain),
    "RoPE scaling without the blend": frequencies(no_blend),
    "RoPE left out": lambda m, n: [(M, "apply_rotary_emb", lambda q, k, cis: (q, k))],
    "NoPE pattern one layer late": layers_shifted,
    "key-value heads tiled": heads_tiled,
    "scale from hidden/heads": lambda m, n: [(a, "scaling", (a.config.hidden_size / a.num_attention_heads) ** -0.5) for a in attentions(m)],
    "decode: no chunk mask": lambda m, n: masked(lambda q, k: (q >= n) | (q // chunk(m) == k // chunk(m)))(m, n),
    "decode: temperature of the prompt's end": queries(lambda a, p, n: instead(a, p, p.clamp(max=n - 1) + 1.0)),
    "decode: position one late": lambda m, n: [(M, "apply_rotary_emb", late_positions(n))],
}


def late_positions(n):
    right = M.apply_rotary_emb
    def rotate(q, k, cis):
        moved = torch.cat([cis[:, :n], cis[:, n:] * (cis[:, 1:2] / cis[:, :1])], 1)
        return right(q, k, moved)
    return rotate


@torch.no_grad()
def moves(model, goldens, bug, change):
    worst = 0.0
    cases = [(g["input_ids"] + g["output_ids"], len(g["input_ids"]), g["logprobs"]) for g in goldens["greedy"]] if bug.startswith("decode") \
        else [(s["input_ids"], 1, s["logprobs"]) for s in goldens["score"] if s["logprobs"]]
    for ids, first, want in cases:
        with swapped(*change(model, first)):
            lp = log_probs(model, ids)
        worst = max([worst] + [abs(float(lp[first - 1 + t, ids[first + t]]) - v) for t, v in enumerate(want)])
    return worst


def table(checkpoints, here):
    """Prints the table; returns the bugs that would not show."""
    print("| bug | " + " | ".join(c["name"] for c in checkpoints) + " |\n|---|" + "--:|" * len(checkpoints))
    loaded = []
    for c in checkpoints:
        with open(f"{here}/{c['name']}/goldens.json") as f:
            loaded.append((load(f"{here}/{c['name']}"), json.load(f)))
    for m, g in loaded:  # the harness itself must change nothing
        assert moves(m, g, "", lambda m, n: []) < 1e-6 and moves(m, g, "", moe_forward()) < 1e-4
    weak = []
    for bug, change in BUGS.items():
        row = [moves(m, g, bug, change) for m, g in loaded]
        print(f"| {bug} | " + " | ".join("." if v < 1e-4 else f"{v:.2g}" for v in row) + " |", flush=True)
        weak += [bug] * (max(row) < 0.05)
    for what in ("bf16_mean_abs", "bf16_max_abs", "fp64_max_abs"):
        print(f"| {what} of the reference | " + " | ".join(f"{g[what]:.2g}" for _, g in loaded) + " |")
    return weak
