"""Writes goldens.json.gz: what transformers 4.57 makes of a number of config.json files.
Usage, in this folder: ~/.cache/llama4-oracle/bin/python goldens.py
For each case: the config, the fields as resolved with the library's defaults, what each layer of the model does, the
names and shapes of the tensors that a checkpoint has, and their number of elements. Beside them the rotary frequencies
of a number of settings as the bits of float32. scout.json and maverick.json have the settings published for those models."""
import gzip, json, os
import torch
from transformers import Llama4Config, Llama4ForCausalLM, Llama4ForConditionalGeneration, Llama4TextConfig
from transformers.models.llama4.modeling_llama4 import Llama4TextRotaryEmbedding

here = os.path.dirname(os.path.abspath(__file__))
read = lambda *p: json.load(open(os.path.join(here, *p)))
tiny = dict(model_type="llama4_text", vocab_size=64, hidden_size=48, intermediate_size=24, intermediate_size_mlp=40, num_hidden_layers=5,
            num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_local_experts=4, rope_theta=10000.0, attention_chunk_size=8)
vision = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=28, patch_size=7,
              vision_output_dim=24, projector_input_dim=24, projector_output_dim=24)
text = lambda **kw: {**tiny, **kw}
both = lambda t={}, v={}, **kw: dict(model_type="llama4", text_config=text(**t), vision_config={**vision, **v}, **kw)
full, chunked = "full_attention", "chunked_attention"

cases = {
    "scout": read("scout.json"),
    "maverick": read("maverick.json"),
    "demo": read("..", "..", "demo", "model", "config.json"),
    "text defaults": dict(model_type="llama4_text"),
    "text tiny": tiny,
    "lists": text(no_rope_layers=[1, 0, 1, 1, 0], moe_layers=[1, 3]),
    "layer types against rope": text(no_rope_layers=[1, 0, 1, 1, 0], layer_types=[full, chunked, chunked, full, full]),
    "layer types alone": text(layer_types=[full, full, chunked, chunked, chunked]),
    "intervals": text(no_rope_layer_interval=2, interleave_moe_layer_step=3, attn_temperature_tuning=4, use_qk_norm=False),
    "nulls": text(num_key_value_heads=None, head_dim=None, moe_layers=None, no_rope_layers=None, layer_types=None, rope_scaling=None,
                  bos_token_id=None, eos_token_id=None, pad_token_id=None),
    "empty lists": text(no_rope_layers=[], moe_layers=[], num_local_experts=0, num_experts_per_tok=0, interleave_moe_layer_step=0),
    "temperature 0": text(attn_temperature_tuning=0, eos_token_id=[3, 4], bos_token_id=7, pad_token_id=5),
    "tied": text(tie_word_embeddings=True),
    "one kv head, top 3": text(num_key_value_heads=1, num_experts_per_tok=3, num_local_experts=16, head_dim=32),
    "all layers RoPE": text(no_rope_layers=[1] * 5, num_hidden_layers=5),
    "multimodal": both(),
    "multimodal, text tied": both(dict(tie_word_embeddings=True)),
    "multimodal, top tied": both(tie_word_embeddings=True, boi_token_index=60, eoi_token_index=61, image_token_index=62),
    "multimodal, no shuffle": both({}, dict(pixel_shuffle_ratio=1.0, intermediate_size=32), image_token_id=63),
}


def describe(raw):
    multi = raw["model_type"] == "llama4"
    c = (Llama4Config if multi else Llama4TextConfig).from_dict(raw)
    t = c.text_config if multi else c
    with torch.device("meta"):
        m = (Llama4ForConditionalGeneration if multi else Llama4ForCausalLM)(c)
    lm = m.language_model if multi else m
    names = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size",
             "intermediate_size_mlp", "num_local_experts", "num_experts_per_tok", "max_position_embeddings", "attention_chunk_size",
             "rms_norm_eps", "floor_scale", "attn_scale", "rope_theta", "bos_token_id", "eos_token_id", "pad_token_id"]
    tensors = {k: list(v.shape) for k, v in m.state_dict().items()}
    if lm.lm_head.weight is lm.model.embed_tokens.weight:  # save_pretrained leaves the copy out
        del tensors["language_model.lm_head.weight" if multi else "lm_head.weight"]
    out = dict(config=raw, fields={n: getattr(t, n) for n in names}, tensors=sorted(tensors.items()),
               parameters=sum(p.numel() for p in m.parameters()),
               layers=[dict(rope=bool(l.self_attn.use_rope), attention=l.attention_type, moe=bool(l.is_moe_layer),
                            qk_norm=hasattr(l.self_attn, "qk_norm"),
                            temperature=bool(l.self_attn.attn_temperature_tuning and not l.self_attn.use_rope)) for l in lm.model.layers])
    if multi:
        v = c.vision_config
        out["vision"] = {n: getattr(v, n) for n in ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "num_channels",
                         "image_size", "patch_size", "pixel_shuffle_ratio", "projector_input_dim", "projector_output_dim", "vision_output_dim", "rope_theta"]}
        out["vision"]["eps"] = m.vision_model.layernorm_pre.eps
        out["images"] = [c.boi_token_index, c.eoi_token_index, c.image_token_index]
    return out


def frequencies(theta, dim, factor=None, low=None, high=None, original=None):
    s = None if factor is None else dict(rope_type="llama3", factor=factor, low_freq_factor=low, high_freq_factor=high,
                                         original_max_position_embeddings=original)
    c = Llama4TextConfig(head_dim=dim, rope_theta=theta, rope_scaling=s)
    f = Llama4TextRotaryEmbedding(c).inv_freq
    assert f.dtype == torch.float32 and not f.isnan().any()
    return dict(theta=theta, dim=dim, scaling=s, bits=f.view(torch.int32).tolist())


rope = [frequencies(theta, dim, *s) for theta in (10000.0, 500000.0, 1000000.0, 1234.5678) for dim in (2, 16, 32, 64, 96, 128, 256)
        for s in ((), (16.0, 1.0, 1.0, 8192), (8.0, 1.0, 4.0, 8192), (16.0, 1.0, 4.0, 8192), (8, 1, 32, 512), (3.0, 0.7, 2.3, 100))]
with open(os.path.join(here, "goldens.json.gz"), "wb") as f:
    f.write(gzip.compress(json.dumps(dict(cases={k: describe(v) for k, v in cases.items()}, rope=rope), separators=(",", ":")).encode(), mtime=0))
