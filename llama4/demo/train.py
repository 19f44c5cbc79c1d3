"""Trains the demo model: a 4 M-parameter Llama 4 (4-expert MoE, chunked + NoPE attention, vision tower) that tells tiny
stories, adds small numbers and names coloured shapes in pictures. CPU, under an hour on 2 cores.
Usage: train.py OUTDIR MINUTES   (needs torch, transformers 4.57, tokenizers and Pillow)"""
import json, os, random, sys, time
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers, processors, Regex, AddedToken
from transformers import Llama4Config, Llama4TextConfig, Llama4VisionConfig, Llama4ForConditionalGeneration, Llama4Processor, PreTrainedTokenizerFast
from transformers.models.llama4.processing_llama4 import chat_template
from transformers.models.llama4.image_processing_llama4_fast import Llama4ImageProcessorFast
from pictures import COLORS, question as picture

out, minutes = sys.argv[1], float(sys.argv[2])
os.makedirs(out, exist_ok=True)
torch.manual_seed(4); random.seed(4)
PAT = r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"""

# --- the little world the model learns -------------------------------------------------------------------------------
R = random.choice
NAMES = "Lily Tom Anna Ben Mia Sam Rose Max Ella Leo Nora Finn".split()
ANIMALS = "fox rabbit bear owl frog cat dog duck mouse goat pony turtle".split()
PLACES = ["forest", "garden", "park", "valley", "old house", "farm", "river bank", "hill", "beach", "village"]
THINGS = "ball kite book lantern hat boat drum basket bell scarf".split()
FEEL = ["happy", "sad", "sleepy", "brave", "curious", "hungry", "proud", "shy"]
def a(w): return ("an " if w[0] in "aeiou" else "a ") + w
def story(animal=None):
    n, b, p, t, c, f = R(NAMES), animal or R(ANIMALS), R(PLACES), R(THINGS), R(list(COLORS)), R(FEEL)
    s = [R([f"Once upon a time, {a(f)} {b} named {n} lived near the {p}.", f"There was once {a(f)} {b} called {n}, who lived by the {p}.", f"In a quiet {p}, there lived {a(b)} named {n}. Everyone said that {n} was very {f}."])]
    s += [R([f"One day, {n} found {a(c)} {t} under a tree.", f"One morning, {n} saw {a(c)} {t} in the grass.", f"{n} had {a(c)} {t} and loved it very much."])]
    h, hb = R([x for x in NAMES if x != n]), R([x for x in ANIMALS if x != b])
    s += [R([f"But the wind blew the {t} far away, and {n} began to cry.", f"Then the {t} fell into the water, and {n} did not know what to do.", f"\"Whose {t} is this?\" asked {n}. Nobody answered.", f"It started to rain, and {n} hid the {c} {t} under a leaf."])]
    s += [R([f"A kind {hb} named {h} came to help.", f"{h} the {hb} heard the noise and came running.", f"Just then, {n} met {h}, a wise old {hb}."])]
    s += [R([f"\"Do not worry,\" said {h}. \"We will look for the {t} together.\"", f"\"I can help you,\" said {h}, and smiled.", f"{h} said, \"Let us share the {c} {t} and play.\""])]
    s += [R([f"They walked to the {p} and soon the {c} {t} was safe again.", f"They worked all day, and at last {n} held the {t} again.", f"The two friends played with the {c} {t} until the sun went down."])]
    s += [R([f"From that day on, {n} and {h} were best friends.", f"{n} was not {f} any more. {n} was happy.", f"{n} learned that friends make everything better."])]
    return " ".join(s)
def qa():
    k = random.random()
    if k < .45: b = R(ANIMALS); return R([f"Tell me a story about {a(b)}.", f"Please tell a short story about {a(b)}."]), story(b)
    if k < .7:
        x, y = random.randint(0, 20), random.randint(0, 20); return R([f"What is {x} plus {y}?", f"How much is {x} + {y}?"]), f"{x} plus {y} is {x + y}."
    if k < .85: c, t = R(list(COLORS)), R(THINGS); n = R(NAMES); return f"{n} has {a(c)} {t}. What color is the {t}?", f"The {t} is {c}."
    n = R(NAMES); return R([f"Hello! My name is {n}.", f"Hi, I am {n}."]), f"Hello, {n}! How can I help you?"

# --- tokenizer, processor, model -------------------------------------------------------------------------------------
SP = ["<|begin_of_text|>", "<|end_of_text|>", "<|fim_prefix|>", "<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>", "<|step|>", "<|python_start|>", "<|python_end|>", "<|finetune_right_pad|>", "<|image_start|>", "<|image_end|>", "<|tile_x_separator|>", "<|tile_y_separator|>", "<|image|>", "<|patch|>"]
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PAT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
t.decoder = decoders.ByteLevel()
t.train_from_iterator(([story()] + list(qa()) for _ in range(4000)), trainers.BpeTrainer(vocab_size=1024, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SP])
b = t.token_to_id(SP[0])
t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1", special_tokens=[(SP[0], b)])])
t.save(os.path.join(out, "tokenizer.json"))
tok = PreTrainedTokenizerFast(tokenizer_file=os.path.join(out, "tokenizer.json"), bos_token=SP[0], eos_token="<|eot|>", pad_token="<|finetune_right_pad|>", chat_template=chat_template)
I = tok.convert_tokens_to_ids
pr = Llama4Processor(image_processor=Llama4ImageProcessorFast(size={"height": 112, "width": 112}, max_patches=4, resize_to_max_canvas=False), tokenizer=tok, patch_size=14, pixel_shuffle_ratio=0.5, chat_template=chat_template)
pr.save_pretrained(out)
eos = [I("<|end_of_text|>"), I("<|eom|>"), I("<|eot|>")]
tc = Llama4TextConfig(vocab_size=len(tok), hidden_size=128, intermediate_size=192, intermediate_size_mlp=384, num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=2, head_dim=32, num_local_experts=4, num_experts_per_tok=1, interleave_moe_layer_step=1, use_qk_norm=True, attention_chunk_size=128, floor_scale=128, attn_scale=0.1, attn_temperature_tuning=True, rope_theta=10000.0, rope_scaling=None, max_position_embeddings=2048, initializer_range=0.04, bos_token_id=b, eos_token_id=eos, pad_token_id=I("<|finetune_right_pad|>"))
vc = Llama4VisionConfig(hidden_size=96, intermediate_size=384, num_hidden_layers=3, num_attention_heads=4, image_size=112, patch_size=14, vision_output_dim=128, projector_input_dim=128, projector_output_dim=128, pixel_shuffle_ratio=0.5, initializer_range=0.04)
cfg = Llama4Config(text_config=tc.to_dict(), vision_config=vc.to_dict(), boi_token_index=I("<|image_start|>"), eoi_token_index=I("<|image_end|>"), image_token_index=I("<|patch|>"))
cfg.text_config.bos_token_id, cfg.text_config.eos_token_id = tc.bos_token_id, eos
m = Llama4ForConditionalGeneration(cfg).float()
for p in (m.vision_model.class_embedding, m.vision_model.positional_embedding_vlm): p.data.normal_(0, .04)

# --- training --------------------------------------------------------------------------------------------------------
def chat_ids(q, ans, images=None):
    content = [{"type": "image"} for _ in images or []] + [{"type": "text", "text": q}]
    head = pr.apply_chat_template([{"role": "user", "content": content if images else q}], tokenize=False, add_generation_prompt=True)
    px = None
    if images:
        f = pr(text=head, images=images, return_tensors="pt", add_special_tokens=False); ids, px = f["input_ids"][0].tolist(), f["pixel_values"].float()
    else: ids = tok(head, add_special_tokens=False)["input_ids"]
    y = tok(ans, add_special_tokens=False)["input_ids"] + [I("<|eot|>")]
    return ids + y, [-100] * len(ids) + y, px
def text_batch(n=12, L=192):
    xs, ys = [], []
    for _ in range(n):
        x, y = [], []
        while len(x) < L + 1:
            if random.random() < .4: i = [b] + tok(story(), add_special_tokens=False)["input_ids"] + [eos[0]]; x += i; y += i
            else: i, l, _ = chat_ids(*qa()); x += i; y += l
        xs.append(x[:L]); ys.append(y[:L])
    return dict(input_ids=torch.tensor(xs), labels=torch.tensor(ys))
def image_batch(n=16):
    s = [chat_ids(q, ans, im) for im, q, ans in (picture() for _ in range(n))]
    L = max(len(x) for x, _, _ in s); pad = I("<|finetune_right_pad|>")
    return dict(input_ids=torch.tensor([x + [pad] * (L - len(x)) for x, _, _ in s]), labels=torch.tensor([y + [-100] * (L - len(y)) for _, y, _ in s]), pixel_values=torch.cat([p for _, _, p in s]))
opt = torch.optim.AdamW(m.parameters(), lr=2e-3, betas=(.9, .98), weight_decay=.02)
t0 = time.time(); step = 0; m.train(); run = {"text": None, "image": None}
while (el := (time.time() - t0) / 60) < minutes:
    kind = "image" if step % 2 else "text"; bt = image_batch() if kind == "image" else text_batch()
    for g in opt.param_groups: g["lr"] = 2e-3 * min(1, (step + 1) / 100) * max(.03, 1 - el / minutes)
    labels = bt.pop("labels"); logits = m(**bt).logits[:, :-1].float()
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1), ignore_index=-100)
    opt.zero_grad(); loss.backward(); torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0); opt.step()
    run[kind] = loss.item() if run[kind] is None else .95 * run[kind] + .05 * loss.item()
    if step % 50 == 0 or step == 5: print(step, f"{el:.1f} min", {k: v and round(v, 3) for k, v in run.items()}, flush=True)
    step += 1
m = m.to(torch.bfloat16).eval(); m.generation_config.eos_token_id = eos; m.generation_config.bos_token_id = b; m.generation_config.pad_token_id = tc.pad_token_id
m.save_pretrained(out); print("saved", sum(p.numel() for p in m.parameters()), "parameters after", step, "steps")
