"""Fake quantization of the reference: each value becomes the one that its quantized form stands for, and the maths stays float32.

The formulas are those of Meta's loader (llama_models, quantize_impls.py and llama4/quantization/loader.py), and `limit` is its bound on
activations. A weight is [..., N, K], K the input dimension, along which groups and rows lie: nn.Linear's own order, and the experts'
[E, in, out] transposed.

  int4  groups of 128 along K, the last may be shorter: scale = max(max |w|, 1e-6) / 8, as bf16; q = round(w / scale) in -8 .. 7
  fp8   weights: a scale a row, max |w| / 448; q = e4m3(w / scale). Activations: a scale a token, min(max |x|, 1200) / 448;
        q = e4m3(x / scale), saturating. A row of zeros has scale 1
Which linear layers, by scheme:
  int4  (Meta's int4_mixed)  routed and shared experts of every MoE layer
  fp8   (Meta's fp8_mixed)   routed experts of MoE layers other than the model's first and last layer
  int4-all, fp8-all          all of the text model: attention, dense MLPs, shared and routed experts, the head (tied ones: the head's copy)
The router, norms, embeddings and everything about pictures stay as they are.
"""
import types
import torch
from goldens import M, layers_of

SCHEMES = ["int4", "fp8", "int4-all", "fp8-all"]
E4M3 = 448.0


def per_row(values):
    return values.abs().amax(-1, keepdim=True)


class Formulas:
    """The formulas; a mutation overrides one of them. jitter moves values by that share of their own size and of the size that is
    common in their row before they are rounded."""
    group, limit, jitter = 128, 1200.0, 0.0

    def e4m3(self, x):
        return x.float().clamp(-E4M3, E4M3).to(torch.float8_e4m3fn).to(x.dtype)

    def over_groups(self, w, change):
        return torch.cat([change(g) for g in w.split(self.group, -1)], -1)

    def int4_scale(self, g):
        return (per_row(g).clamp(min=1e-6) / 8).bfloat16().to(g.dtype)

    def int4_round(self, v):
        return v.round().clamp(-8, 7)

    def int4_group(self, g):
        scale = self.int4_scale(g)
        return scale * self.int4_round(g / scale)

    def int4(self, w):
        return self.over_groups(w, self.int4_group)

    def fp8_scale(self, w):
        return per_row(w)

    def fp8(self, w):
        scale = self.fp8_scale(w) / E4M3
        scale = torch.where(scale == 0, 1.0, scale)
        return scale * self.e4m3(w / scale)

    def shake(self, x):
        return x + self.jitter * (x.abs() + x.abs().median(-1, keepdim=True).values) * torch.randn_like(x)

    def activation_scale(self, x):
        return per_row(x)

    def activations(self, x):
        if self.jitter:
            x = self.shake(x)
        largest = self.activation_scale(x)
        if self.limit:
            largest = largest.clamp(max=self.limit)
        scale = torch.where(largest == 0, 1.0, largest / E4M3)
        return scale * self.e4m3(x / scale)

    # --- which layers ---
    def mixed(self, model, scheme):
        """Modules of int4 and fp8."""
        layers = layers_of(model)
        for i, l in enumerate(layers):
            if l.is_moe_layer and (scheme == "int4" or i not in (0, len(layers) - 1)):
                yield l.feed_forward.experts
                if scheme == "int4":
                    m = l.feed_forward.shared_expert
                    yield from (m.gate_proj, m.up_proj, m.down_proj)

    def everything(self, model):
        text = getattr(model, "language_model", model)
        for m in text.modules():
            if isinstance(m, (torch.nn.Linear, M.Llama4TextExperts)) and not isinstance(m, M.Llama4Router):
                yield m

    def modules(self, model, scheme):
        yield from self.everything(model) if scheme.endswith("-all") else self.mixed(model, scheme)


def experts_forward(self, x):
    """Llama4TextExperts.forward with rounded activations."""
    x = x.view(self.num_experts, -1, self.hidden_size)
    gate, up = torch.bmm(self.rounded(x), self.gate_up_proj).chunk(2, -1)
    return torch.bmm(self.rounded(up * self.act_fn(gate)), self.down_proj).view(-1, self.hidden_size)


@torch.no_grad()
def quantize(model, scheme, f=None):
    """Changes a loaded model, of float32 or float64, to the scheme; weights are always rounded in float32, as they are when loaded."""
    f = f or Formulas()
    change = f.int4 if scheme.startswith("int4") else f.fp8
    new = lambda w: torch.nn.Parameter(change(w.float()).to(w.dtype), requires_grad=False)
    for m in list(f.modules(model, scheme)):
        if isinstance(m, torch.nn.Linear):
            m.weight = new(m.weight)  # a tied head gets its own
            if scheme.startswith("fp8"):
                m.register_forward_pre_hook(lambda m, a: (f.activations(a[0]),))
            continue
        for name in ("gate_up_proj", "down_proj"):
            setattr(m, name, torch.nn.Parameter(new(getattr(m, name).transpose(1, 2)).transpose(1, 2).contiguous(), requires_grad=False))
        if scheme.startswith("fp8"):
            m.rounded = f.activations
            m.forward = types.MethodType(experts_forward, m)
    return model
