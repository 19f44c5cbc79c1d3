"""Writes the random checkpoint that README.md measures: 1.29 B parameters, 16 experts, 8 layers, bf16, 2.6 GB.
Usage: medium.py OUTDIR TOKENIZER_JSON   (Python with torch and transformers 4.57; any Llama 4 tokenizer.json)
For llama.cpp: convert_hf_to_gguf.py OUTDIR --outfile medium.gguf --outtype bf16"""
import sys, torch
from transformers import Llama4TextConfig, Llama4ForCausalLM, PreTrainedTokenizerFast
out, tok = sys.argv[1:3]
torch.manual_seed(0); torch.set_default_dtype(torch.bfloat16)
Llama4ForCausalLM(Llama4TextConfig(vocab_size=202048, hidden_size=1024, intermediate_size=2048, intermediate_size_mlp=4096,
    num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=2, head_dim=128, num_local_experts=16, num_experts_per_tok=1,
    interleave_moe_layer_step=1, use_qk_norm=True, max_position_embeddings=131072, attention_chunk_size=8192,
    rope_theta=500000.0, rope_scaling=dict(rope_type="llama3", factor=16.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=8192), bos_token_id=200000, eos_token_id=200001, pad_token_id=200018)).save_pretrained(out, max_shard_size="1GB")
PreTrainedTokenizerFast(tokenizer_file=tok, bos_token="<|begin_of_text|>", eos_token="<|eot|>", pad_token="<|finetune_right_pad|>").save_pretrained(out)
