"""Small checkpoints of each published layout of quantized Llama 4, and their goldens.

    python published.py [--only NAME]    rewrites the folders named below, each with goldens.json (quantized.py documents the fields)

Those of compressed-tensors are written by compressed-tensors 0.20 itself: its QuantizationConfig is applied to the reference model with
experts one by one, as llm-compressor lays them out, the scales come from its calculate_qparams over the weights, and its ModelCompressor
packs them. The reference then runs in float32 on the weights that its decompressors make of the files, with scales taken as float32.
The ModelOpt one is written here after its exporter's layout: experts stay fused, with one scale for all.

Where a scheme rounds activations, the reference does so as the scheme says (dynamic: per token, no limit). compressed-tensors' own
rounding is the same function; it is called here once per layout to be sure.
"""
import argparse, copy, json, os, re, shutil, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import numpy as np
import torch
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.compressors.base import decompress_module
from compressed_tensors.quantization import QuantizationConfig, QuantizationStatus, apply_quantization_config
from compressed_tensors.quantization.lifecycle.forward import forward_quantize
from compressed_tensors.quantization.utils import calculate_qparams
from safetensors.torch import load_file, save_file
from transformers import Llama4Config, Llama4ForCausalLM, Llama4ForConditionalGeneration, Llama4TextConfig
import goldens as G
from fake import E4M3, Formulas
from quantized import HERE, Judge, Shaken, golden, prompt_source

M = G.M
FLOAT8 = dict(num_bits=8, type="float")
IGNORE = ["re:.*lm_head", "re:.*router", "re:vision_model.*", "re:multi_modal_projector.*"]
SIZES = dict(vocab_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=24, num_local_experts=4,
             interleave_moe_layer_step=2, use_qk_norm=False, attention_chunk_size=16, floor_scale=6, attn_scale=0.4)
TOWER = G.VISION | dict(hidden_size=8, intermediate_size=32, num_attention_heads=1, image_size=8, patch_size=2, vision_output_dim=8,
                        projector_input_dim=8, projector_output_dim=8)


def sizes(hidden, expert, mlp, **kw):
    return G.text(**SIZES | dict(hidden_size=hidden, intermediate_size=expert, intermediate_size_mlp=mlp) | kw)


def scheme(weights, inputs=None, ignore=IGNORE, targets=("Linear",), **kw):
    return dict(config_groups=dict(group_0=dict(targets=list(targets), weights=weights, input_activations=inputs)), ignore=ignore) | kw


LAYOUTS = [
    # Maverick-17B-128E-Instruct-FP8: multimodal, a scale a row, tokens rounded as they come, attention and more left alone by name.
    dict(name="fp8-channel", seed=41, mm=True, vision=TOWER, named_ignore=True, text=sizes(48, 24, 40), quant=scheme(
        FLOAT8 | dict(strategy="channel"), FLOAT8 | dict(strategy="token", dynamic=True),
        IGNORE + ["re:.*self_attn", "re:.*shared_expert", r"re:.*layers\.0\.feed_forward"])),
    # 128 x 128 blocks, of which k and v fill a part of one; inputs in groups of 128.
    dict(name="fp8-block", seed=42, text=sizes(128, 128, 256, num_local_experts=2), quant=scheme(
        FLOAT8 | dict(strategy="block", block_structure=[128, 128]), FLOAT8 | dict(strategy="group", group_size=128, dynamic=True),
        IGNORE + ["re:.*o_proj"])),
    # One scale a matrix and one for its input, which calibration found.
    dict(name="fp8-tensor", seed=43, text=sizes(40, 24, 40), quant=scheme(
        FLOAT8 | dict(strategy="tensor"), FLOAT8 | dict(strategy="tensor", dynamic=False), IGNORE + ["re:.*self_attn"])),
    # W4A16 as llm-compressor's preset has it.
    dict(name="w4a16-group", seed=44, text=sizes(128, 128, 256, num_local_experts=2), quant=scheme(
        dict(num_bits=4, type="int", strategy="group", group_size=128, symmetric=True), ignore=IGNORE + ["re:.*o_proj"])),
    # W4A16_ASYM with groups of 32; attention stays in bf16, and layer 0 takes another scheme: two groups of targets.
    dict(name="w4a16-asym", seed=45, text=sizes(64, 32, 96), quant=dict(ignore=IGNORE + ["re:.*self_attn.*"], config_groups=dict(
        group_0=dict(targets=["re:.*experts.*", "re:.*shared_expert.*"],
                     weights=dict(num_bits=4, type="int", strategy="group", group_size=32, symmetric=False)),
        group_1=dict(targets=[r"re:.*layers\.0\.feed_forward.*"],
                     weights=dict(num_bits=4, type="int", strategy="channel", symmetric=False))))),
    # A scale a row; K of 44 and 20 ends within a word.
    dict(name="w4a16-channel", seed=46, text=sizes(44, 20, 44), quant=scheme(dict(num_bits=4, type="int", strategy="channel"))),
    # 8 bits, packed too; the head is quantized, the embeddings of the other class are not.
    dict(name="w8a16", seed=47, text=sizes(48, 32, 48), quant=scheme(
        dict(num_bits=8, type="int", strategy="group", group_size=16), ignore=["re:.*router"])),
    # nvidia/Llama-4-Scout-17B-16E-Instruct-FP8.
    dict(name="modelopt-fp8", seed=48, mm=True, vision=TOWER, modelopt=True, text=sizes(48, 24, 40, interleave_moe_layer_step=1)),
]


# --- experts one by one -----------------------------------------------------------------------------------------------------------
class Experts(torch.nn.ModuleList):
    """Llama4TextExperts as one MLP each."""

    def forward(self, x):
        return torch.cat([e(rows) for e, rows in zip(self, x.chunk(len(self)))])


def one_by_one(model):
    for l in G.layers_of(model):
        if l.is_moe_layer:
            fused = l.feed_forward.experts
            l.feed_forward.experts = Experts(M.Llama4TextMLP(model.config.get_text_config()) for _ in range(fused.num_experts))
            for i, e in enumerate(l.feed_forward.experts):
                gate, up = fused.gate_up_proj[i].T.chunk(2)
                for linear, w in ((e.gate_proj, gate), (e.up_proj, up), (e.down_proj, fused.down_proj[i].T)):
                    linear.weight = torch.nn.Parameter(w.detach().contiguous(), requires_grad=False)
    return model.to(model.dtype)


def skeleton(c):
    conf = G.config_json(c)
    if c.get("mm"):
        return Llama4ForConditionalGeneration(Llama4Config(**conf, attn_implementation="eager"))
    return Llama4ForCausalLM(Llama4TextConfig(**conf, attn_implementation="eager"))


@torch.no_grad()
def plain_model(c):
    """The checkpoint in bf16 before it is quantized, with fused experts."""
    model = skeleton(c)
    for name, p in model.named_parameters():
        p.copy_(G.draw(name, tuple(p.shape), c))
    return model.to(torch.bfloat16).eval()


@torch.no_grad()
def input_ranges(model, names):
    """The largest |input| of each named module over random prompts: what calibration finds."""
    ranges, hooks = {}, []
    for name in names:
        hooks.append(model.get_submodule(name).register_forward_pre_hook(lambda m, a, name=name: ranges.__setitem__(
            name, max(ranges.get(name, 0.0), float(a[0].abs().max())))))
    rng = np.random.RandomState(7)
    for _ in range(4 if names else 0):
        G.log_probs(model, rng.randint(0, 57, 60).tolist())
    for h in hooks:
        h.remove()
    return ranges


# --- compressed-tensors -----------------------------------------------------------------------------------------------------------
def quantized_modules(model):
    return [(n, m) for n, m in model.named_modules() if getattr(m, "quantization_scheme", None) is not None]


def spread(values, args):
    """Smallest and largest values of the parts of a weight that share a scale."""
    if args.strategy == "group":
        values = values.unflatten(-1, (-1, args.group_size))
        return values.amin(-1), values.amax(-1)
    if args.strategy == "block":
        rows, columns = args.block_structure
        parts = [[b for b in r.split(columns, -1)] for r in values.split(rows, 0)]
        return (torch.stack([torch.stack([f(b) for b in r]) for r in parts]) for f in (torch.min, torch.max))
    if args.strategy == "channel":
        return values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
    return values.min(), values.max()


@torch.no_grad()
def compress(c, folder):
    model = one_by_one(plain_model(c))
    config = QuantizationConfig(**copy.deepcopy(c["quant"]))
    apply_quantization_config(model, config, show_progress=False)
    modules = quantized_modules(model)
    static = [n for n, m in modules if m.quantization_scheme.input_activations and not m.quantization_scheme.input_activations.dynamic]
    ranges = calibrated(input_ranges(one_by_one(plain_model(c)).float(), static))
    for name, m in modules:
        m.weight_scale.data, m.weight_zero_point.data = calculate_qparams(*spread(m.weight, m.quantization_scheme.weights),
                                                                          m.quantization_scheme.weights)
        if name in ranges:
            largest = torch.tensor(ranges[name] * 0.7, dtype=torch.bfloat16)  # so that some values saturate
            m.input_scale.data, m.input_zero_point.data = calculate_qparams(-largest, largest, m.quantization_scheme.input_activations)
    compressor = ModelCompressor.from_pretrained_model(model)
    if not c.get("named_ignore"):  # the patterns as they were given, not the names that they found
        given = QuantizationConfig(**copy.deepcopy(c["quant"]))
        given.format = compressor.quantization_config.format
        compressor.quantization_config = given
    compressor.compress_model(model)
    state = {n: t.contiguous() for n, t in model.state_dict().items()}
    save_file(state, f"{folder}/model.safetensors", metadata={"format": "pt"})
    G.dump(f"{folder}/config.json", G.config_json(c))
    compressor.update_config(folder)


def calibrated(ranges):
    """Modules that share an input, and experts of one layer, share its range."""
    key = lambda name: re.sub(r"experts\.\d+\.", "experts.", re.sub(r"(gate|up)_proj", "gate_up_proj", re.sub(r"[qkv]_proj", "qkv", name)))
    largest = {}
    for name, r in ranges.items():
        largest[key(name)] = max(largest.get(key(name), 0.0), r)
    return {name: largest[key(name)] for name in ranges}


def rounded_inputs(name, m, formulas):
    """Rounds the inputs of a linear layer as its scheme says."""
    args, f = m.quantization_scheme.input_activations, formulas()
    if args is None:
        return
    f.limit = 0
    if args.strategy == "group":
        f.group = args.group_size
        change = lambda x: f.over_groups(x, f.activations)
    elif args.dynamic:
        change = f.activations
    else:
        change = lambda x, scale=m.input_scale: static(f, x, scale)
    x = torch.randn(1, 3, m.in_features)
    if not f.jitter and not torch.equal(change(x), forward_quantize(m, x, "input", args)):
        raise SystemExit(f"{name}: compressed-tensors rounds activations otherwise")
    m.register_forward_pre_hook(lambda m, a: (change(a[0]),))


def static(f, x, scale):
    if f.jitter:
        x = f.shake(x)
    return scale.to(x.dtype) * f.e4m3(x / scale.to(x.dtype))


@torch.no_grad()
def read_back(c, folder, dtype=torch.float32, formulas=Formulas):
    """The reference on the weights that compressed-tensors makes of the files."""
    model = one_by_one(skeleton(c)).float()
    with open(f"{folder}/config.json") as f:
        config = QuantizationConfig(**{k: v for k, v in json.load(f)["quantization_config"].items()
                                       if k not in ("version", "sparsity_config", "transform_config")})
    apply_quantization_config(model, config, show_progress=False)
    state = load_file(f"{folder}/model.safetensors")
    modules = dict(quantized_modules(model))
    for name, m in modules.items():
        for n in [n for n, _ in m.named_parameters(recurse=False)]:
            delattr(m, n)
        for key in [k for k in state if k.rpartition(".")[0] == name]:
            t = state.pop(key)
            value = t.float() if key.endswith("_scale") else t
            m.register_parameter(key.rpartition(".")[2], torch.nn.Parameter(value, requires_grad=False))
        m.quantization_status = QuantizationStatus.COMPRESSED
        decompress_module(m)
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [k for k in missing if k.rpartition(".")[0] not in modules]
    if missing or unexpected:
        raise SystemExit(f"{folder}: missing {missing}, unexpected {unexpected}")
    for name, m in modules.items():
        if m.weight.dtype != torch.float32:
            raise SystemExit(f"{name}: decompressed to {m.weight.dtype}")
        m.forward = torch.nn.Linear.forward.__get__(m)
        rounded_inputs(name, m, formulas)
    return model.to(dtype).eval()


# --- ModelOpt ---------------------------------------------------------------------------------------------------------------------
MODELOPT_IGNORE = ["*lm_head", "*router", "*vision_model*", "*multi_modal_projector*"]
PRODUCER = dict(name="modelopt", version="0.31.0")


def modelopt_weight(w, largest):
    """As ModelOpt's exporter divides: by the scale in the weight's type; the file has it in float32."""
    scale = largest.float() / E4M3
    return (w / scale.to(w.dtype)).to(torch.float8_e4m3fn), scale


@torch.no_grad()
def modelopt(c, folder):
    model = plain_model(c)
    state = dict(model.state_dict())
    linears = [(n, m) for n, m in model.named_modules()
               if type(m) is torch.nn.Linear and n.startswith("language_model.model.")]
    experts = [(n, m) for n, m in model.named_modules() if isinstance(m, M.Llama4TextExperts)]
    wide = copy.deepcopy(model).float()
    ranges = calibrated(input_ranges(wide, [n for n, _ in linears]))
    into, between = input_ranges(wide, [n for n, _ in experts]), between_ranges(wide, experts)
    group = lambda n: re.sub(r"(gate|up)_proj", "gate_up", re.sub(r"[qkv]_proj", "qkv", n))
    largest = {}
    for n, m in linears:  # q, k and v share a scale, and gate and up
        largest[group(n)] = torch.maximum(largest.get(group(n), torch.tensor(0.0)), m.weight.abs().max().float())
    for n, m in linears:
        state[n + ".weight"], state[n + ".weight_scale"] = modelopt_weight(m.weight, largest[group(n)])
        state[n + ".input_scale"] = torch.tensor(ranges[n] * 0.7 / E4M3)
        for part in "kv":
            if n.endswith(part + "_proj"):
                state[f"{n}.{part}_scale"] = torch.tensor(1.0)
    for n, m in experts:
        for p, r in (("gate_up_proj", into[n]), ("down_proj", between[n])):
            w = getattr(m, p)
            state[f"{n}.{p}"], state[f"{n}.{p}_weight_scale"] = modelopt_weight(w, w.abs().max())
            state[f"{n}.{p}_input_scale"] = torch.tensor(r * 0.7 / E4M3)
    save_file({k: v.contiguous() for k, v in state.items()}, f"{folder}/model.safetensors", metadata={"format": "pt"})
    dynamic = FLOAT8 | dict(dynamic=False)
    G.dump(f"{folder}/config.json", G.config_json(c) | dict(quantization_config=dict(
        config_groups=dict(group_0=dict(input_activations=dynamic, weights=dynamic, targets=["Linear"])), ignore=MODELOPT_IGNORE,
        quant_algo="FP8", kv_cache_scheme=dynamic, producer=PRODUCER, quant_method="modelopt")))
    G.dump(f"{folder}/hf_quant_config.json", dict(producer=PRODUCER, quantization=dict(
        quant_algo="FP8", kv_cache_quant_algo="FP8", exclude_modules=MODELOPT_IGNORE)))


def between_ranges(model, experts):
    """The largest |input| of the experts' down projections."""
    ranges, hooks = {}, []
    for n, _ in experts:
        def hook(m, a, n=n):
            x = a[0].view(m.num_experts, -1, m.hidden_size)
            gate, up = torch.bmm(x, m.gate_up_proj).chunk(2, -1)
            ranges[n] = max(ranges.get(n, 0.0), float((up * m.act_fn(gate)).abs().max()))
        hooks.append(model.get_submodule(n).register_forward_pre_hook(hook))
    input_ranges(model, [n for n, _ in experts])
    for h in hooks:
        h.remove()
    return ranges


@torch.no_grad()
def modelopt_back(c, folder, dtype=torch.float32, formulas=Formulas):
    model, state, f = skeleton(c).float(), load_file(f"{folder}/model.safetensors"), formulas()
    inputs = {}
    for key in [k for k in state if k.endswith("weight_scale")]:
        name = key.removesuffix("_scale") if key.endswith(".weight_scale") else key.removesuffix("_weight_scale")
        state[name] = state[name].float() * state.pop(key)
        inputs[name] = state.pop(key.replace("weight_scale", "input_scale"))
    model.load_state_dict({k: v for k, v in state.items() if not k.endswith((".k_scale", ".v_scale"))})
    for name, scale in inputs.items():
        module, _, parameter = name.rpartition(".")
        m = model.get_submodule(module)
        if parameter == "weight":
            m.register_forward_pre_hook(lambda m, a, scale=scale: (static(f, a[0], scale),))
        elif parameter == "gate_up_proj":
            m.forward = fused_forward(m, f, scale, inputs[module + ".down_proj"])
    return model.to(dtype).eval()


def fused_forward(m, f, into, between):
    def forward(x):
        gate, up = torch.bmm(static(f, x.view(m.num_experts, -1, m.hidden_size), into), m.gate_up_proj).chunk(2, -1)
        return torch.bmm(static(f, up * m.act_fn(gate), between), m.down_proj).view(-1, m.hidden_size)
    return forward


# --- files ------------------------------------------------------------------------------------------------------------------------
def write(c):
    folder = os.path.join(HERE, c["name"])
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    make, back = (modelopt, modelopt_back) if c.get("modelopt") else (compress, read_back)
    make(c, folder)
    os.chmod(f"{folder}/model.safetensors", 0o644)
    os.chmod(f"{folder}/config.json", 0o644)
    float8 = c["name"].startswith(("fp8", "modelopt"))
    shaken = back(c, folder, formulas=Shaken) if float8 else None
    judge = Judge(back(c, folder), back(c, folder, torch.float64), shaken, plain_model(c).float())
    lengths = ([1, 2, 7, 12], [40], 7, 6) if float8 else ([1, 2, 7, 17, 40], [], 12, 10)
    answers, figures = golden(judge, prompt_source(c["name"], judge.model.config.get_text_config(), c["seed"]), *lengths)
    G.dump_goldens(f"{folder}/goldens.json", dict(model=c["name"], **answers, **figures))
    print(f"{c['name']:14} {G.folder_size(folder) / 1e3:5.0f} kB  {figures}", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--only")
    a = ap.parse_args()
    for c in LAYOUTS:
        if a.only in (None, c["name"]):
            write(c)


if __name__ == "__main__":
    main()
