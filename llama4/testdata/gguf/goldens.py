"""Writes model.gguf, a random Llama 4 in every type of tensor that is read, and goldens.json, what the reference says of it.

Run in the environment of ../goldens.py with the package gguf 0.19, and a checkout of llama.cpp built as bench/llamacpp.sh does:

    python goldens.py LLAMA_CPP

The file is llama.cpp's own: its converter makes bf16 of a random checkpoint with the demo model's tokenizer, and llama-quantize
makes Q4_K_M of that, with other types here and there. Rows of 64 have no whole blocks of 256, so it puts other types there by
itself. The reference is transformers in float32 with the weights that gguf's dequantize returns, and with the embeddings and the
router rounded to bfloat16, as the operations that read them have it. Temperature, chunks and the order of layers with and without
positions are not in such a file: llama.cpp has them in its sources, and the config of the reference here.
"""
import json, os, subprocess, sys, tempfile
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import goldens, texts
from gguf import GGUFReader, quants

DEMO = os.path.join(HERE, "../../demo/model")
CHECKPOINT = dict(name="gguf", seed=31, text=goldens.text(
    vocab_size=764, hidden_size=256, intermediate_size=64, intermediate_size_mlp=256, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=1, head_dim=32, num_local_experts=4, interleave_moe_layer_step=2, use_qk_norm=True,
    attention_chunk_size=8192, floor_scale=8192, attn_scale=0.1, rope_scaling=goldens.LLAMA3, **texts.DEMO_IDS))
TYPES = {
    "blk.0.attn_q": "q8_0", "blk.1.attn_q": "q4_0", "blk.1.attn_k": "q4_1", "blk.2.attn_q": "q5_0", "blk.2.attn_k": "q5_1",
    "blk.3.attn_q": "q5_k", "blk.3.attn_k": "f16", "blk.3.attn_output": "bf16", "blk.1.ffn_up_exps": "q5_k",
    "blk.3.ffn_down_exps": "q8_0", "blk.3.ffn_gate_shexp": "q6_k",
}
NAMES = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "feed_forward.gate_proj", "ffn_up": "feed_forward.up_proj",
    "ffn_down": "feed_forward.down_proj", "ffn_gate_inp": "feed_forward.router", "ffn_gate_shexp": "feed_forward.shared_expert.gate_proj",
    "ffn_up_shexp": "feed_forward.shared_expert.up_proj", "ffn_down_shexp": "feed_forward.shared_expert.down_proj",
}


def convert(llama_cpp, folder, out, kind="bf16"):
    """llama.cpp's converter, which knows tokenizers by a hash of what they make of a text, and this one it does not."""
    code = ("import sys, conversion.base as b, convert_hf_to_gguf as c\n"
            "b.TextModel.get_vocab_base_pre = lambda *a: 'llama4'\nc.main()\n")
    env = os.environ | dict(PYTHONPATH=f"{llama_cpp}:{llama_cpp}/gguf-py")
    subprocess.run([sys.executable, "-c", code, folder, "--outfile", out, "--outtype", kind, "--model-name", "random"], env=env, check=True, stderr=subprocess.DEVNULL)


def quantize(llama_cpp, source, out, kind, types=None):
    more = [a for name, t in (types or {}).items() for a in ("--tensor-type", f"{name}={t}")]
    subprocess.run([f"{llama_cpp}/build/bin/llama-quantize", *more, source, out, kind], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def bf16(x):
    return torch.from_numpy(x).to(torch.bfloat16).float()


def state_dict(path):
    """The weights of a file by the names of transformers, in float32."""
    state, gates = {}, {}
    for t in GGUFReader(path).tensors:
        w = quants.dequantize(t.data, t.tensor_type).reshape(tuple(reversed(t.shape.tolist()))).astype(np.float32)
        parts = t.name.removesuffix(".weight").split(".")
        layer, name = (f"model.layers.{parts[1]}.", parts[2]) if parts[0] == "blk" else ("", parts[0])
        experts = layer + "feed_forward.experts."
        if name == "rope_freqs":
            continue
        if name in ("ffn_gate_exps", "ffn_up_exps"):
            gates[layer, name] = w
        elif name == "ffn_down_exps":
            state[experts + "down_proj"] = torch.from_numpy(w).transpose(1, 2)
        else:
            state[f"{layer}{NAMES[name]}.weight"] = bf16(w) if name in ("token_embd", "ffn_gate_inp") else torch.from_numpy(w)
    for layer in {layer for layer, _ in gates}:
        both = np.concatenate([gates[layer, "ffn_gate_exps"], gates[layer, "ffn_up_exps"]], axis=1)
        state[layer + "feed_forward.experts.gate_up_proj"] = torch.from_numpy(both).transpose(1, 2)
    return state


def reference(path, config):
    model = goldens.Llama4ForCausalLM(goldens.Llama4TextConfig(**config, attn_implementation="eager")).float()
    model.load_state_dict(state_dict(path))
    return model.eval()


def main(llama_cpp):
    out = os.path.join(HERE, "model.gguf")
    with tempfile.TemporaryDirectory() as folder:
        goldens.write_checkpoint(CHECKPOINT, folder)
        for f in texts.TOKENIZER:
            with open(f"{DEMO}/{f}", "rb") as a, open(f"{folder}/{f}", "wb") as b:
                b.write(a.read())
        convert(llama_cpp, folder, f"{folder}/bf16.gguf")
        quantize(llama_cpp, f"{folder}/bf16.gguf", out, "Q4_K_M", TYPES)
    model, rng, gap = reference(out, CHECKPOINT["text"]), np.random.RandomState(CHECKPOINT["seed"]), goldens.ROUTER_GAP
    score = [goldens.score_answer(i, *goldens.draw_prompt(model, rng, n, 747, gap)) for i, n in enumerate([1, 2, 40, 200])]
    greedy = [goldens.draw_greedy(model, rng, 0, 20, 24, 747, gap, texts.DEMO_IDS["eos_token_id"])]
    goldens.dump_goldens(os.path.join(HERE, "goldens.json"), dict(
        model="gguf", reference="transformers 4.57, float32, eager", score=score, greedy=greedy))


if __name__ == "__main__":
    main(*sys.argv[1:])
