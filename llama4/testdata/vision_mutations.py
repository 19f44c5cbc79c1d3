"""How far each known bug of the vision path would move the goldens over pictures; run and read like mutations.py.

Bugs that change the ids of a prompt (a separator or the global tile left out) are not here: the goldens carry the ids. The rows
named pixels change what the processor does to a picture.
"""
import json, math, os, types
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.transforms.v2 import functional as V
from transformers import AutoProcessor
from transformers.models.llama4 import image_processing_llama4_fast as P
from goldens import HERE, M, load, log_probs
from mutations import eps_of, norms, swapped
from vision import encode


def tower(m):
    return m.vision_model


def blocks(m):
    return tower(m).model.layers


def grid(m):
    return tower(m).image_size // tower(m).patch_size


# --- positions --------------------------------------------------------------------------------------------------------------------
def angles(build):
    """The rotations from build(x, y, theta), which gives the angles [patches, pairs]; the class token has none."""
    def made(m):
        c, g = tower(m).config, grid(m)
        width = c.hidden_size // c.num_attention_heads // 2
        theta = c.rope_theta ** (-torch.arange(0, width, 2).float() / width)
        y, x = (v.reshape(-1, 1).float() for v in torch.meshgrid(torch.arange(g), torch.arange(g), indexing="ij"))
        a = torch.cat([build(x, y, theta), torch.zeros(1, 2 * len(theta))])
        return [(tower(m).rotary_embedding, "freqs_ci", torch.polar(torch.ones_like(a), a)[:, None])]
    return made


def side_by_side(x, y, theta):
    return torch.cat([(x + 1) * theta, (y + 1) * theta], -1)


def head_dim_frequencies(x, y, theta):
    slow = theta ** 0.5  # theta_j with head_dim for head_dim / 2
    return side_by_side(x, y, slow)


def turned_class(m):
    freqs = tower(m).rotary_embedding.freqs_ci.clone()
    freqs[-1] = freqs[-1 - grid(m)] * freqs[-1 - grid(m)] / freqs[-1 - 2 * grid(m)]  # one row below the first column's last patch
    return [(tower(m).rotary_embedding, "freqs_ci", freqs)]


def rounded_freqs(m):
    f = torch.view_as_real(tower(m).rotary_embedding.freqs_ci).bfloat16().float()
    return [(tower(m).rotary_embedding, "freqs_ci", torch.view_as_complex(f.contiguous()))]


def half_split(m):
    def rotate(q, k, freqs_ci):
        def turn(x):
            c, s, (a, b) = freqs_ci.real, freqs_ci.imag, x.chunk(2, -1)
            return torch.cat([a * c - b * s, b * c + a * s], -1)
        return turn(q), turn(k)
    return [(M, "vision_apply_rotary_emb", rotate)]


def positions(change):
    return lambda m: [(tower(m), "positional_embedding_vlm", torch.nn.Parameter(change(tower(m).positional_embedding_vlm)))]


def transposed_table(p):
    g = math.isqrt(len(p))
    return torch.cat([p[:-1].view(g, g, -1).transpose(0, 1).reshape(g * g, -1), p[-1:]])


# --- attention --------------------------------------------------------------------------------------------------------------------
def attend(change):
    """Attention with change(module, q, k, v) -> (q, k, v, mask)."""
    right = M.vision_eager_attention_forward
    def attention(module, q, k, v, mask, **kw):
        q, k, v, mask = change(module, q, k, v)
        return right(module, q, k, v, mask, **kw)
    return lambda m: [(M, "vision_eager_attention_forward", attention)]


def causal(module, q, k, v):
    n = q.shape[2]
    return q, k, v, torch.full((n, n), torch.finfo(q.dtype).min).triu(1)[None, None]


def without_class(module, q, k, v):
    mask = torch.zeros(1, 1, 1, q.shape[2])
    mask[..., -1] = torch.finfo(q.dtype).min
    return q, k, v, mask


def across_tiles(m):
    """Tiles of a prompt attend to each other."""
    right = M.vision_eager_attention_forward
    def attention(module, q, k, v, mask, **kw):
        flat = lambda t: t.transpose(0, 1).reshape(1, t.shape[1], -1, t.shape[3])
        out, w = right(module, flat(q), flat(k), flat(v), mask, **kw)
        return out.view(q.shape[0], q.shape[2], *out.shape[2:]), w
    return [(M, "vision_eager_attention_forward", attention)]


def zeroed(which):
    return lambda m: [(x, "bias", torch.nn.Parameter(torch.zeros_like(x.bias))) for l in blocks(m) for x in which(l)]


# --- norms, MLPs, patches ---------------------------------------------------------------------------------------------------------
def norm_forward(compute):
    """Every LayerNorm computed by compute(x, norm)."""
    return lambda m: [(n, "forward", types.MethodType(lambda self, x: compute(x, self), n)) for n in norms(tower(m), torch.nn.LayerNorm)]


def rms(x, n):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + n.eps) * n.weight + n.bias


def sample_variance(x, n):
    return (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, keepdim=True, unbiased=True) + n.eps) * n.weight + n.bias


def weights_only(x, n):
    return F.layer_norm(x, n.normalized_shape, n.weight, None, n.eps)


def activation(f):
    def made(m):
        out = []
        for part in [l.mlp for l in blocks(m)] + [tower(m).vision_adapter.mlp]:
            act = torch.nn.Module()
            act.forward = f
            out.append((part, "activation_fn", act))
        return out
    return made


def adapter(compute):
    return lambda m: [(tower(m).vision_adapter.mlp, "forward", types.MethodType(compute, tower(m).vision_adapter.mlp))]


def patches(order):
    """The patch's numbers in another order: order(p) permutes [T, channel, row, column, patch]."""
    def made(m):
        linear, size = tower(m).patch_embedding.linear, tower(m).patch_size
        w = linear.weight.view(-1, 3, size, size)
        return [(linear, "weight", torch.nn.Parameter(order(w).reshape(linear.weight.shape)))]
    return made


def shuffle(order):
    """The pixel shuffle with its axes tile, row, row of two, column, column of two, channel in another order."""
    def shuffled(x, ratio):
        f, g = round(1 / ratio), math.isqrt(x.shape[1])
        return x.view(len(x), g // f, f, g // f, f, -1).permute(*order).reshape(len(x), (g // f) ** 2, -1)
    return lambda m: [(M, "pixel_shuffle", shuffled)]


RIGHT_SHUFFLE = (0, 1, 3, 2, 4, 5)


def output(module, change):
    """The output of module(m) passed through change."""
    def made(m):
        x = module(m)
        right = x.forward
        return [(x, "forward", lambda *a, **kw: change(right(*a, **kw)))]
    return made


def shifted_rows(h):
    """The first row dropped for the last one, as if the class token came first."""
    return h.roll(-1, dims=1 if h.dim() == 3 else 2)


BUGS = {
    "x and y swapped": angles(lambda x, y, t: side_by_side(y, x, t)),
    "angle from x, not x + 1": angles(lambda x, y, t: side_by_side(x - 1, y - 1, t)),
    "x and y by turns": angles(lambda x, y, t: torch.stack([(x + 1) * t, (y + 1) * t], -1).flatten(1)),
    "x for y too": angles(lambda x, y, t: side_by_side(x, x, t)),
    "position along the row of patches": angles(lambda x, y, t: side_by_side(y * (y.max() + 1) + x, y * (y.max() + 1) + x, t)),
    "frequencies of head_dim": angles(head_dim_frequencies),
    "rope_theta 10000 for all": angles(lambda x, y, t: side_by_side(x, y, 10000.0 ** (-torch.arange(len(t)) / len(t)))),
    "class token turned": turned_class,
    "cos and sin in bf16": rounded_freqs,
    "RoPE by halves": half_split,
    "RoPE left out": lambda m: [(M, "vision_apply_rotary_emb", lambda q, k, freqs_ci: (q, k))],
    "class token first in the table": positions(lambda p: p.roll(-1, 0)),
    "table transposed": positions(transposed_table),
    "table left out": positions(torch.zeros_like),
    "class embedding left out": lambda m: [(tower(m), "class_embedding", torch.nn.Parameter(torch.zeros_like(tower(m).class_embedding)))],
    "first row dropped, not the last": output(lambda m: tower(m).layernorm_post, shifted_rows),
    "scale hidden^-0.5": attend(lambda a, q, k, v: (q * (a.head_dim / a.embed_dim) ** 0.5, k, v, None)),
    "causal attention": attend(causal),
    "no attention to the class token": attend(without_class),
    "tiles attend to each other": across_tiles,
    "q bias left out": zeroed(lambda l: [l.self_attn.q_proj]),
    "k bias left out": zeroed(lambda l: [l.self_attn.k_proj]),
    "v bias left out": zeroed(lambda l: [l.self_attn.v_proj]),
    "o bias left out": zeroed(lambda l: [l.self_attn.o_proj]),
    "fc1 bias left out": zeroed(lambda l: [l.mlp.fc1]),
    "fc2 bias left out": zeroed(lambda l: [l.mlp.fc2]),
    "LayerNorm with eps 1e-6": lambda m: eps_of(torch.nn.LayerNorm, 1e-6)(tower(m), 0),
    "LayerNorm with norm_eps": lambda m: eps_of(torch.nn.LayerNorm, m.config.vision_config.norm_eps)(tower(m), 0),
    "LayerNorm without bias": norm_forward(weights_only),
    "LayerNorm without mean": norm_forward(rms),
    "LayerNorm by the sample's variance": norm_forward(sample_variance),
    "layernorm_pre left out": lambda m: [(tower(m), "layernorm_pre", torch.nn.Identity())],
    "layernorm_post left out": lambda m: [(tower(m), "layernorm_post", torch.nn.Identity())],
    "GELU by tanh": activation(lambda x: F.gelu(x, approximate="tanh")),
    "GELU by sigmoid": activation(lambda x: x * torch.sigmoid(1.702 * x)),
    "patches by row, column, channel": patches(lambda w: w.permute(0, 3, 1, 2).reshape(len(w), -1)),
    "patches by channel, column, row": patches(lambda w: w.transpose(2, 3)),
    "channels blue first": patches(lambda w: w.flip(1)),
    "pixel shuffle transposed": shuffle((0, 3, 1, 2, 4, 5)),
    "pixel shuffle by columns": shuffle((0, 1, 3, 4, 2, 5)),
    "pixel shuffle, channel first": shuffle((0, 1, 3, 5, 2, 4)),
    "adapter's first GELU left out": adapter(lambda self, x: self.activation_fn(self.fc2(self.fc1(x)))),
    "adapter's second GELU left out": adapter(lambda self, x: self.fc2(self.activation_fn(self.fc1(x)))),
    "patch tokens keep their embedding": lambda m: [(m, "multi_modal_projector", Kept(m))],
}


class Kept(torch.nn.Module):
    def __init__(self, m):
        super().__init__()
        self.row = m.get_input_embeddings().weight[m.config.image_token_id]

    def forward(self, x):
        return self.row.expand(len(x), -1)


# --- what the processor does ------------------------------------------------------------------------------------------------------
def tiles_of(change):
    """Reorders the tiles of every picture by change(tiles, rows, columns); a picture of one tile stays as it is."""
    return lambda pixels, ratios: torch.cat([change(t, *r) if len(t) > 1 else t for t, r in
                                             zip(pixels.split([int(a * b) + (a * b > 1) for a, b in ratios]), ratios)])


def by_columns(t, rows, columns):
    return torch.cat([t[:-1].view(rows, columns, *t.shape[1:]).transpose(0, 1).flatten(0, 1), t[-1:]])


def resized(**kw):
    """The processor's resize with other arguments."""
    right = V.resize
    return [(V, "resize", lambda im, size, **old: right(im, size, **(old | kw)))]


def grey_padding():
    right = V.pad
    return [(V, "pad", lambda im, padding, fill, **kw: right(im, padding, fill=[128, 128, 128], **kw))]


def centred():
    """Padding on all sides, half of it each."""
    right = V.pad
    def pad(im, padding, fill, **kw):
        _, _, w, h = padding
        return right(im, [w // 2, h // 2, w - w // 2, h - h // 2], fill=fill, **kw)
    return [(V, "pad", pad)]


def fp32_normalisation():
    def normalise(self, images, do_rescale, factor, do_normalize, mean, std):
        return (images.float() * factor - 0.5) / 0.5
    return [(P.Llama4ImageProcessorFast, "rescale_and_normalize", normalise)]


def fixed(**kw):
    """Settings of the processor, in place of its files'."""
    return lambda pr: [(pr.image_processor, k, v) for k, v in kw.items()]


PIXEL_BUGS = {  # (changes of the processor, changes of its tiles)
    "pixels: global tile first": (None, tiles_of(lambda t, r, c: t.roll(1, 0))),
    "pixels: global tile a copy of the first": (None, tiles_of(lambda t, r, c: torch.cat([t[:-1], t[:1]]))),
    "pixels: tiles by columns": (None, tiles_of(by_columns)),
    "pixels: no antialias": (lambda pr: resized(antialias=False), None),
    "pixels: bicubic": (lambda pr: resized(interpolation=V.InterpolationMode.BICUBIC), None),
    "pixels: padding grey": (lambda pr: grey_padding(), None),
    "pixels: padding on all sides": (lambda pr: centred(), None),
    "pixels: normalised in fp32": (lambda pr: fp32_normalisation(), None),
}


def with_pixel_bug(pr, messages, bug):
    processor, tiles = bug
    with swapped(*(processor(pr) if processor else [])):
        ids, pixels = encode(pr, messages)
    if tiles and pixels is not None:
        images = [p["path"] for m in messages if not isinstance(m["content"], str) for p in m["content"] if p["type"] == "image"]
        pixels = tiles(pixels, [canvas(pr, path) for path in images])
    return ids, pixels


def canvas(pr, path):
    r = pr.image_processor([Image.open(os.path.join(HERE, path))], return_tensors="pt")["aspect_ratios"][0]
    return int(r[0]), int(r[1])


# --- table ------------------------------------------------------------------------------------------------------------------------
@torch.no_grad()
def moves(model, pr, goldens, change=lambda m: [], bug=(None, None)):
    worst = 0.0
    for s in goldens["score"]:
        ids, pixels = with_pixel_bug(pr, s["messages"], bug)
        if ids != s["input_ids"]:
            return math.inf
        with swapped(*change(model)):
            lp = log_probs(model, ids, pixels)
        worst = max([worst] + [abs(float(lp[t, ids[t + 1]]) - v) for t, v in enumerate(s["logprobs"])])
    return worst


def table(checkpoints, here):
    print("\n| bug | " + " | ".join(c["name"] for c in checkpoints) + " |\n|---|" + "--:|" * len(checkpoints))
    loaded = []
    for c in checkpoints:
        folder = f"{here}/{c['name']}"
        with open(f"{folder}/goldens.json") as f:
            loaded.append((load(folder), AutoProcessor.from_pretrained(folder), json.load(f)))
    same = [angles(side_by_side), shuffle(RIGHT_SHUFFLE), attend(lambda a, q, k, v: (q, k, v, None)), patches(lambda w: w)]
    for args in loaded:  # the harness itself must change nothing
        assert moves(*args) < 1e-6 and max(moves(*args, change) for change in same) < 1e-4
        assert moves(*args, bug=(None, tiles_of(lambda t, r, c: t))) < 1e-6
    weak = []
    for bug, kw in [(b, dict(change=c)) for b, c in BUGS.items()] + [(b, dict(bug=v)) for b, v in PIXEL_BUGS.items()]:
        row = [moves(*args, **kw) for args in loaded]
        print(f"| {bug} | " + " | ".join("." if v < 1e-4 else f"{v:.2g}" for v in row) + " |", flush=True)
        weak += [bug] * (max(row) < 0.05)
    for what in ("bf16_mean_abs", "bf16_max_abs", "fp64_max_abs"):
        print(f"| {what} of the reference | " + " | ".join(f"{g[what]:.2g}" for _, _, g in loaded) + " |")
    return weak
