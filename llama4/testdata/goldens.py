"""Writes the random checkpoints of this folder and their goldens with the reference implementation.

Run in the oracle environment, a Python with torch 2.15, transformers 4.57, numpy and safetensors:

    python goldens.py                       rewrites every checkpoint folder beside this script, and pictures/ (vision.py)
    python goldens.py --demo MODEL          rewrites demo_goldens.json and demo_pictures.zip from the demo model's folder
    python goldens.py --table               prints the sensitivity tables of README.md (mutations.py, vision_mutations.py)
    python goldens.py --holdout DIR --demo MODEL
                                            other seeds, shapes and text prompts, as requests and answers of the
                                            command line (`llama4 score --jsonl`, `llama4 generate --jsonl`)
    --only NAME                             one checkpoint alone

Weights are drawn by numpy's frozen RandomState from the checkpoint's seed and the tensor's name, and rounded to bfloat16.
Goldens are float32 maths over those weights: dtype=float32, eager attention, one thread, no cache; log-softmax in float64.

What keeps a golden stable in another fp32 implementation, whose sums run in another order:
- prompt tokens are redrawn until no router of any layer has its last chosen and first refused expert closer than ROUTER_GAP;
- the nine best next tokens are TOP_GAP apart, so the order of `top` is certain;
- every greedy step has a margin of at least TOP_GAP, recorded as `margins`.

goldens.json of a checkpoint:
  score    [{id, input_ids, logprobs, top}]   what `llama4 score --jsonl` answers
  greedy   [{id, input_ids, output_ids, logprobs, margins}]   margins[i] = best minus second-best log-probability of step i
  taps     input_ids of taps.safetensors, or null. Names: embed, layers.N.{input_norm, q, k, attn, attn_out, post_norm,
           router_logits, ffn_out, out}, norm, logits. float32 [T, ...]; q and k as attention reads them (rotated,
           normalised, with temperature; q without the 1/sqrt(head_dim)), heads side by side.
  bf16_{mean,median,max}_abs   |difference| in log-probability of the reference's own bfloat16 run, over all of score; where its
           rounding sends a token to another expert the difference is large, so a few tokens carry much of the mean
  fp64_max_abs                  the same for float64 weights: the rounding noise that the fp32 goldens carry themselves
"""
import argparse, json, os, shutil, sys, zlib
import numpy as np
import torch
from safetensors.torch import save_file
from transformers import Llama4Config, Llama4TextConfig, Llama4ForCausalLM, Llama4ForConditionalGeneration
from transformers.models.llama4 import modeling_llama4 as M
from transformers.utils import logging

torch.set_num_threads(1)
logging.set_verbosity_error()
logging.disable_progress_bar()
ROUTER_GAP, TOP_GAP = 5e-5, 5e-3
HERE = os.path.dirname(os.path.abspath(__file__))

LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
VISION = dict(hidden_size=16, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_channels=3, image_size=28,
              patch_size=14, vision_output_dim=24, projector_input_dim=24, projector_output_dim=24, pixel_shuffle_ratio=0.5,
              norm_eps=1e-5, rope_theta=10000, hidden_act="gelu", model_type="llama4_vision_model", vision_feature_layer=-1,
              vision_feature_select_strategy="default", initializer_range=0.08, multi_modal_projector_bias=False)


def text(**kw):
    """A text config with what the published files always carry; the caller gives the sizes."""
    v = kw["vocab_size"]
    return dict(model_type="llama4_text", attention_bias=False, attention_dropout=0.0, hidden_act="silu", initializer_range=0.08,
                max_position_embeddings=4096, bos_token_id=v - 4, eos_token_id=[v - 3, v - 2], pad_token_id=v - 1,
                num_experts_per_tok=1, output_router_logits=False, router_aux_loss_coef=0.001, router_jitter_noise=0.0,
                rms_norm_eps=1e-5, rope_theta=500000.0, rope_scaling=None, attn_temperature_tuning=True, use_cache=True,
                tie_word_embeddings=False) | kw


# Options beside the config: small_qk shrinks the first query and key head of layers with QK norm, and small_embed the
# embeddings, until the eps of the norms that follow decides; shard is the size limit of one file in bytes; variants are other
# config.json texts for the same weights that must give the same goldens.
CHECKPOINTS = [
    # Scout-like, text only, layer patterns left to their defaults, llama3 frequencies in all three ranges.
    dict(name="scout16", seed=11, small_qk=True, taps=37, text=text(
        vocab_size=301, hidden_size=64, intermediate_size=12, intermediate_size_mlp=32, num_hidden_layers=5, num_attention_heads=4,
        num_key_value_heads=2, head_dim=24, num_local_experts=16, interleave_moe_layer_step=1, use_qk_norm=True,
        attention_chunk_size=24, floor_scale=7, attn_scale=0.4, rope_scaling=LLAMA3), variants=["rope_parameters", "explicit"]),
    # Maverick-like, text only: 128 experts on odd layers, one key-value head, no QK norm, no frequency scaling.
    dict(name="maverick128", seed=12, small_embed=True, taps=33, text=text(
        vocab_size=301, hidden_size=40, intermediate_size=8, intermediate_size_mlp=88, num_hidden_layers=5, num_attention_heads=5,
        num_key_value_heads=1, head_dim=16, num_local_experts=128, interleave_moe_layer_step=2, use_qk_norm=False,
        attention_chunk_size=20, floor_scale=11, attn_scale=0.5), variants=["rope_parameters"]),
    # Multimodal layout (prefix language_model., vision tower unused), 8 layers, no_rope_layers [] as published at first.
    dict(name="scout4-mm", seed=13, small_qk=True, mm=True, text=text(
        vocab_size=764, hidden_size=48, intermediate_size=24, intermediate_size_mlp=48, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=2, head_dim=16, num_local_experts=4, interleave_moe_layer_step=1, use_qk_norm=True, no_rope_layers=[],
        bos_token_id=747, eos_token_id=[748, 752, 753], pad_token_id=757, attention_chunk_size=16, floor_scale=16, attn_scale=0.3,
        rope_scaling=LLAMA3, for_llm_compressor=False, _attn_implementation_autoset=True)),
    # Multimodal Maverick in several shards, as published; temperature tuning written as an int.
    dict(name="maverick16-mm", seed=14, mm=True, shard=120_000, text=text(
        vocab_size=301, hidden_size=56, intermediate_size=12, intermediate_size_mlp=40, num_hidden_layers=8, num_attention_heads=2,
        num_key_value_heads=1, head_dim=32, num_local_experts=16, interleave_moe_layer_step=2, use_qk_norm=False,
        attention_chunk_size=28, floor_scale=9, attn_scale=0.6, attn_temperature_tuning=4)),
    # One key-value head, three experts, a NoPE layer in the middle given explicitly, hidden not a multiple of 16.
    dict(name="grouped", seed=15, small_qk=True, small_embed=True, shard=200_000, text=text(
        vocab_size=301, hidden_size=72, intermediate_size=40, intermediate_size_mlp=80, num_hidden_layers=4, num_attention_heads=3,
        num_key_value_heads=1, head_dim=32, num_local_experts=3, interleave_moe_layer_step=1, use_qk_norm=True,
        no_rope_layers=[1, 0, 1, 1], attention_chunk_size=24, floor_scale=10, attn_scale=0.5, rope_scaling=LLAMA3 | dict(factor=16.0))),
    # Two experts a token, moe_layers explicit and irregular, low_freq_factor equal to high_freq_factor, own NoPE interval, eps 1e-3.
    dict(name="top2", seed=16, small_qk=True, text=text(
        vocab_size=301, hidden_size=80, intermediate_size=24, intermediate_size_mlp=88, num_hidden_layers=5, num_attention_heads=2,
        num_key_value_heads=2, head_dim=20, num_local_experts=4, num_experts_per_tok=2, moe_layers=[1, 2, 4], use_qk_norm=True,
        interleave_moe_layer_step=1, no_rope_layer_interval=3, attention_chunk_size=20, floor_scale=6, attn_scale=0.5, rms_norm_eps=1e-3,
        rope_scaling=LLAMA3 | dict(high_freq_factor=1.0, original_max_position_embeddings=40))),
    # Tied embeddings, temperature tuning off, three query heads a key-value head, a chunk that is no multiple of 8.
    dict(name="tied", seed=17, small_qk=True, text=text(
        vocab_size=764, hidden_size=64, intermediate_size=40, intermediate_size_mlp=64, num_hidden_layers=5, num_attention_heads=6,
        num_key_value_heads=2, head_dim=12, num_local_experts=4, interleave_moe_layer_step=1, use_qk_norm=True, rms_norm_eps=3e-4,
        bos_token_id=747, eos_token_id=[748, 752, 753], pad_token_id=757, attention_chunk_size=36, floor_scale=8, attn_scale=0.5,
        attn_temperature_tuning=False, tie_word_embeddings=True, rope_theta=10000.0)),
]


# --- checkpoints ------------------------------------------------------------------------------------------------------------------
def draw(name, shape, c):
    """One tensor. Standard deviations keep every branch at about the size of the residual stream, so that no part can hide."""
    t = c["text"]
    r = torch.from_numpy(np.random.RandomState([c["seed"], zlib.crc32(name.encode())]).standard_normal(shape)).float()
    if len(shape) == 1:
        return 0.05 * r if name.endswith("bias") or "embedding" in name else 1 + 0.3 * r
    if "embed_tokens" in name:
        return r * (5e-3 if c.get("small_embed") else 0.25 if t["tie_word_embeddings"] else 0.5)
    fan_in = shape[1]
    gain = next((g for part, g in dict(q_proj=1.3, k_proj=1.3, gate_up=1.3, gate_proj=1.3, up_proj=1.3, down_proj=1.0, lm_head=1.4)
                 .items() if part in name), 1.0)
    r *= gain / fan_in ** 0.5
    layer = int(name.split("layers.")[1].split(".")[0]) if "layers." in name else -1
    if c.get("small_qk") and layer % 2 == 0 and ("q_proj" in name or "k_proj" in name) and "vision" not in name and rope_layers(c)[layer]:
        r[:t["head_dim"]] *= 2e-3
    return r


def rope_layers(c):
    return Llama4TextConfig(**c["text"]).no_rope_layers


def config_json(c):
    if not c.get("mm"):
        return dict(architectures=["Llama4ForCausalLM"], torch_dtype="bfloat16") | c["text"]
    v = c["text"]["vocab_size"]
    ids = (758, 759, 763) if v >= 764 else (v - 7, v - 6, v - 5)
    return dict(architectures=["Llama4ForConditionalGeneration"], model_type="llama4", torch_dtype="bfloat16", boi_token_index=ids[0],
                eoi_token_index=ids[1], image_token_index=ids[2], tie_word_embeddings=c["text"]["tie_word_embeddings"],
                text_config=c["text"], vision_config=c.get("vision", VISION))


def write_checkpoint(c, folder, draw=draw):
    """Lets the reference lay out and save the tensors, so that names, shapes and shards are its own."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    conf = config_json(c)
    model = Llama4ForConditionalGeneration(Llama4Config(**conf)) if c.get("mm") else Llama4ForCausalLM(Llama4TextConfig(**conf))
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(draw(name, tuple(p.shape), c))
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size=c.get("shard", 1 << 30))
    for f in os.listdir(folder):  # safetensors writes them readable by their owner alone
        os.chmod(os.path.join(folder, f), 0o644)
    t = c["text"]
    dump(f"{folder}/config.json", conf)
    dump(f"{folder}/generation_config.json", dict(bos_token_id=t["bos_token_id"], eos_token_id=t["eos_token_id"],
         pad_token_id=t["pad_token_id"], do_sample=True, temperature=0.6, top_p=0.9))
    for v in c.get("variants", []):
        dump(f"{folder}/config.{v}.json", variant(conf, v))


def variant(conf, kind):
    if kind == "rope_parameters":  # as transformers 5 writes it
        conf = dict(conf)
        scaling = conf.pop("rope_scaling") or dict(rope_type="default")
        return conf | dict(rope_parameters=scaling | dict(rope_theta=conf.pop("rope_theta")))
    full = Llama4TextConfig(**conf)  # every pattern written out, as transformers 4.57 saves it
    return conf | dict(no_rope_layers=full.no_rope_layers, moe_layers=full.moe_layers, layer_types=full.layer_types)


def load(folder, dtype=torch.float32):
    with open(f"{folder}/config.json") as f:
        cls = Llama4ForConditionalGeneration if json.load(f)["model_type"] == "llama4" else Llama4ForCausalLM
    model, info = cls.from_pretrained(folder, dtype=dtype, attn_implementation="eager", output_loading_info=True)
    bad = {k: v for k, v in info.items() if v and k != "error_msgs"}
    if bad:
        raise SystemExit(f"{folder}: the reference does not load it whole: {bad}")
    return model.to(dtype).eval()


def layers_of(model):
    return getattr(model, "language_model", model).model.layers


# --- what the reference answers ---------------------------------------------------------------------------------------------------
def with_pixels(model, pixels):
    """The tiles of a prompt's pictures as an argument of the model, whose type they take."""
    return {} if pixels is None else dict(pixel_values=pixels.to(model.dtype))


@torch.no_grad()
def log_probs(model, ids, pixels=None):
    """Log-probabilities [T, vocab] in float64."""
    return model(input_ids=torch.tensor([ids]), use_cache=False, **with_pixels(model, pixels)).logits[0].double().log_softmax(-1)


def router_gaps(model, ids, pixels=None):
    """Log-probabilities, and for every position the smallest distance, over layers, between a chosen and a refused expert."""
    gaps, hooks = [], []
    for l in layers_of(model):
        if l.is_moe_layer:
            k = l.feed_forward.top_k
            hooks.append(l.feed_forward.router.register_forward_hook(
                lambda m, a, out, k=k: gaps.append(out[1].float().topk(k + 1, -1).values[:, -2:].diff(dim=-1).abs()[:, 0])))
    try:
        lp = log_probs(model, ids, pixels)
    finally:
        for h in hooks:
            h.remove()
    return lp, torch.stack(gaps).amin(0)


def draw_prompt(model, rng, n, limit, gap):
    """n random ids below limit whose routing and next-token order no rounding can change; with the log-probabilities."""
    ids = rng.randint(0, limit, n).tolist()
    while True:
        lp, gaps = router_gaps(model, ids)
        close = (gaps < gap).nonzero()
        pos = int(close[0]) if len(close) else -1 if float(lp[-1].topk(9).values.diff().abs().min()) < TOP_GAP else None
        if pos is None:
            return ids, lp
        ids[pos] = int(rng.randint(0, limit))


def short(x):
    return float(f"{float(x):.8g}")


def score_answer(i, ids, lp):
    top = lp[-1].topk(8)
    return dict(id=i, input_ids=ids, logprobs=[short(lp[t, ids[t + 1]]) for t in range(len(ids) - 1)],
                top=[[int(a), short(b)] for a, b in zip(top.indices, top.values)])


@torch.no_grad()
def greedy_tokens(model, ids, n, stop=(), pixels=None):
    """n greedy tokens with the cache, or up to and with the first of stop."""
    out, feed, cache = [], ids, None
    while len(out) < n and not (out and out[-1] in stop):
        r = model(input_ids=torch.tensor([feed]), past_key_values=cache, use_cache=True, **with_pixels(model, None if out else pixels))
        cache, feed = r.past_key_values, [int(r.logits[0, -1].argmax())]
        out += feed
    return out


def greedy_answer(model, i, ids, n, stop=(), pixels=None):
    """Decoded with the cache, then judged by one full pass over prompt and output; returns the answer and the smallest router gap."""
    out = greedy_tokens(model, ids, n, stop, pixels)
    lp, gaps = router_gaps(model, ids + out, pixels)
    rows = lp[len(ids) - 1:-1]
    best = rows.topk(2)
    margins = best.values[:, 0] - best.values[:, 1]
    wrong = [s for s in range(len(out)) if int(best.indices[s, 0]) != out[s] and margins[s] > 1e-4]
    if wrong:
        raise SystemExit(f"the reference with its cache differs from its full pass at step {wrong[0]}")
    return dict(id=i, input_ids=ids, output_ids=out, logprobs=[short(v) for v in best.values[:, 0]],
                margins=[short(v) for v in margins]), float(gaps.min())


def draw_greedy(model, rng, i, n_prompt, n, limit, gap, stop):
    """A greedy answer that stays clear of ties, stop tokens and loops."""
    for _ in range(200):
        ids, _ = draw_prompt(model, rng, n_prompt, limit, gap)
        a, g = greedy_answer(model, i, ids, n)
        if g > gap and min(a["margins"]) > TOP_GAP and not set(a["output_ids"]) & set(stop) and len(set(a["output_ids"])) > n // 4:
            return a
    raise SystemExit(f"no clear greedy continuation of {n} tokens after {n_prompt} found in 200 tries; change the seed")


@torch.no_grad()
def record_taps(model, ids, path):
    taps, hooks = {}, []
    rows = lambda t: t.detach().reshape(len(ids), -1).float().contiguous().clone()
    def out(module, name, pick=lambda o: o):
        hooks.append(module.register_forward_hook(lambda m, a, o: taps.__setitem__(name, rows(pick(o)))))
    first = lambda o: o[0] if isinstance(o, tuple) else o
    text_model = getattr(model, "language_model", model)
    out(text_model.model.embed_tokens, "embed"), out(text_model.model.norm, "norm"), out(text_model.lm_head, "logits")
    for n, l in enumerate(text_model.model.layers):
        p = f"layers.{n}."
        out(l.input_layernorm, p + "input_norm"), out(l.self_attn.o_proj, p + "attn_out"), out(l.post_attention_layernorm, p + "post_norm")
        out(l.feed_forward, p + "ffn_out", first), out(l, p + "out", first)
        hooks.append(l.self_attn.o_proj.register_forward_pre_hook(lambda m, a, p=p: taps.__setitem__(p + "attn", rows(a[0]))))
        if l.is_moe_layer:
            out(l.feed_forward.router, p + "router_logits", lambda o: o[1])
    eager = M.eager_attention_forward
    def attention(module, query, key, *args, **kw):
        taps[f"layers.{module.layer_idx}.q"], taps[f"layers.{module.layer_idx}.k"] = rows(query[0].transpose(0, 1)), rows(key[0].transpose(0, 1))
        return eager(module, query, key, *args, **kw)
    M.eager_attention_forward = attention
    try:
        log_probs(model, ids)
    finally:
        M.eager_attention_forward = eager
        for h in hooks:
            h.remove()
    save_file(taps, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)


def difference(model, scored, pixels):
    """Mean, median and max |difference| of a model's log-probabilities from recorded answers."""
    d = [abs(float(lp[t, s["input_ids"][t + 1]]) - s["logprobs"][t]) for s in scored
         for lp in [log_probs(model, s["input_ids"], pixels(s))] for t in range(len(s["logprobs"]))]
    return float(np.mean(d)), float(np.median(d)), max(d)


def reference_errors(folder, scored, pixels=lambda s: None):
    mean, median, worst = difference(load(folder, torch.bfloat16), scored, pixels)
    noise = difference(load(folder, torch.float64), scored, pixels)[2]
    return dict(bf16_mean_abs=float(f"{mean:.3g}"), bf16_median_abs=float(f"{median:.3g}"), bf16_max_abs=float(f"{worst:.3g}"),
                fp64_max_abs=float(f"{noise:.2g}"))


# --- files ------------------------------------------------------------------------------------------------------------------------
def dump(path, obj):
    with open(path, "w") as f:
        f.write(json.dumps(obj, indent=1, sort_keys=True) + "\n")


def dump_goldens(path, g):
    """One key a line, and lists of answers one answer a line."""
    compact = lambda v: json.dumps(v, separators=(",", ":"), ensure_ascii=False)
    body = [f'"{k}":' + ("[\n" + ",\n".join(map(compact, v)) + "\n]" if isinstance(v, list) and v and isinstance(v[0], dict) else compact(v))
            for k, v in g.items()]
    with open(path, "w") as f:
        f.write("{\n" + ",\n".join(body) + "\n}\n")


def dump_lines(path, items):
    with open(path, "w") as f:
        f.writelines(json.dumps(v, ensure_ascii=False) + "\n" for v in items)


def folder_size(folder):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(folder) for f in fs)


def golden_prompts(c, model):
    """Score and greedy answers over random ids: around the chunk size, and decoding across chunk boundaries."""
    t, rng, gap = c["text"], np.random.RandomState(c["seed"] + 1000), c.get("router_gap", ROUTER_GAP)
    n, limit = t["attention_chunk_size"], min(t["vocab_size"], 747) if t["bos_token_id"] == 747 else t["vocab_size"] - 7 * bool(c.get("mm"))
    lengths = c.get("lengths", [1, 2, n - 1, n, n + 1, 5 * n // 2, 5 * n + 1])
    score = [score_answer(i, *draw_prompt(model, rng, m, limit, gap)) for i, m in enumerate(lengths)]
    greedy = [draw_greedy(model, rng, i, m, 40, limit, gap, t["eos_token_id"]) for i, m in enumerate([n - 7, 2 * n])]
    return score, greedy, rng, limit


def write_goldens(c, folder):
    write_checkpoint(c, folder)
    model = load(folder)
    score, greedy, rng, limit = golden_prompts(c, model)
    taps = None
    if c.get("taps"):
        taps, _ = draw_prompt(model, rng, c["taps"], limit, ROUTER_GAP)
        record_taps(model, taps, f"{folder}/taps.safetensors")
    if "explicit" in c.get("variants", []):
        with open(f"{folder}/config.explicit.json") as f:
            other = Llama4ForCausalLM(Llama4TextConfig(**json.load(f), attn_implementation="eager"))
        other.load_state_dict(model.state_dict())
        if not torch.equal(log_probs(other.eval(), score[-1]["input_ids"]), log_probs(model, score[-1]["input_ids"])):
            raise SystemExit(f"{folder}: the explicit config is another model")
    accuracy = reference_errors(folder, score)
    dump_goldens(f"{folder}/goldens.json", dict(model=c["name"], reference="transformers 4.57, float32, eager", score=score, greedy=greedy,
                 taps=taps, **accuracy))
    print(f"{c['name']:16} {folder_size(folder) / 1e3:7.0f} kB  {sum(p.numel() for p in model.parameters()):8} parameters  "
          f"{accuracy}  smallest greedy margin {min(min(g['margins']) for g in greedy):.4f}", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--demo", "--holdout", "--only"):
        ap.add_argument(flag)
    ap.add_argument("--table", action="store_true")
    a = ap.parse_args()
    chosen = lambda cs: [c for c in cs if a.only in (None, c["name"])]
    if a.table:
        import mutations, vision, vision_mutations
        weak = [bug for table, cs in ((mutations.table, CHECKPOINTS), (vision_mutations.table, vision.CHECKPOINTS))
                if chosen(cs) for bug in table(chosen(cs), HERE)]
        if weak:
            raise SystemExit(f"these bugs move no golden by 0.05: {weak}")
    elif a.holdout:
        if not a.demo:
            ap.error("--holdout needs --demo MODEL: its tokenizer serves the text prompts")
        import texts
        texts.write_holdouts(chosen(texts.HOLDOUTS), a.holdout, a.demo, a.only in (None, "demo"))
    elif a.demo:
        import demo_pictures, texts
        texts.write_demo(os.path.join(HERE, "demo_goldens.json"), a.demo)
        demo_pictures.write(os.path.join(HERE, "demo_pictures.zip"), a.demo)
    else:
        import vision
        for c in chosen(CHECKPOINTS):
            write_goldens(c, os.path.join(HERE, c["name"]))
        vision.write(chosen(vision.CHECKPOINTS), HERE)


if __name__ == "__main__":
    sys.modules["goldens"] = sys.modules["__main__"]
    main()
