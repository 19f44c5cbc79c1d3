"""Goldens over pictures: random multimodal checkpoints with a tokenizer, the pictures they look at, and the tower's activations.

Used by goldens.py, whose header says how to run it and what its fields mean. The processor, its bfloat16 pixel values cast to
float32, the vision tower and the text model are the reference's. Beside each other lie:
  pictures/*.png         drawn here; in messages their path is relative to this folder
  NAME/goldens.json      as goldens.py has it, and an item carries its messages; vision_taps is {picture, prompt}: what
                         vision.safetensors has the activations of, a picture of one tile and the id of a score prompt
  NAME/vision.safetensors
    pixels               uint8 [3, S, S]: vision_taps.picture after resize and padding
    vision.embed         float32 [S, H], rows of the patches and, last, of the class token: after layernorm_pre
    vision.layers.N      the same after block N
    vision.norm          the same after layernorm_post
    vision.shuffle, vision.adapter_in, vision.adapter, vision.features
                         a row for each token: after the pixel shuffle, the adapter's two layers, the projector
    embed                [T, hidden] of prompt vision_taps.prompt: what the text model reads, features at the places of <|patch|>
    features/FILE        vision.features of every picture, tile by tile, the global one last
Texts are redrawn until routing and next tokens are as certain as those of the other checkpoints.
"""
import copy, os, shutil, zlib
import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from transformers import AutoProcessor
from goldens import HERE, LLAMA3, ROUTER_GAP, TOP_GAP, VISION, draw as draw_text, dump, dump_goldens, folder_size, greedy_answer, \
    greedy_tokens, load, reference_errors, router_gaps, score_answer, text, write_checkpoint
from texts import DEMO_IDS, TOKENIZER

DEMO = os.path.join(HERE, "..", "demo", "model")
SPECIAL = 747  # the first special token of the demo model's tokenizer
WORDS = ("the a fox owl river bank kite red blue found lost happy picture what is in it? do you see of which color not shape tile 7 12 "
         "left of the green circle, or above a yellow square. \"yes\" no! friend once more: difference between them").split(" ")

# Beside the options of goldens.py: small_patch shrinks what layernorm_pre reads until its eps decides, and low_gelu moves what one
# layer's GELU reads to its far left, where the approximation by tanh is off by percents, and fc2 makes up for the size.
CHECKPOINTS = [
    # Scout-like: 6 x 6 patches of 14 pixels, so 9 tokens a tile, up to 16 tiles; three heads of 24; chunks end inside tiles.
    dict(name="scout4-vision", seed=31, mm=True, small_qk=True, low_gelu=1, max_patches=16, vision=VISION | dict(
        hidden_size=72, intermediate_size=288, num_hidden_layers=3, num_attention_heads=3, image_size=84, patch_size=14,
        vision_output_dim=40, projector_input_dim=40, projector_output_dim=40), text=text(
        vocab_size=764, hidden_size=48, intermediate_size=24, intermediate_size_mlp=48, num_hidden_layers=5, num_attention_heads=4,
        num_key_value_heads=2, head_dim=24, num_local_experts=4, interleave_moe_layer_step=1, use_qk_norm=True,
        attention_chunk_size=16, floor_scale=16, attn_scale=0.3, rope_scaling=LLAMA3, **DEMO_IDS)),
    # Maverick-like: 8 x 8 patches of 7 pixels (147 numbers each), 16 tokens a tile, up to 4 tiles; two heads of 44; other rope_theta;
    # norm_eps is not what the reference computes with.
    dict(name="maverick8-vision", seed=32, mm=True, small_patch=True, max_patches=4, shard=300_000, vision=VISION | dict(
        hidden_size=88, intermediate_size=352, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=7, norm_eps=1e-3,
        rope_theta=500, vision_output_dim=64, projector_input_dim=64, projector_output_dim=64), text=text(
        vocab_size=764, hidden_size=56, intermediate_size=24, intermediate_size_mlp=40, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=1, head_dim=32, num_local_experts=8, interleave_moe_layer_step=2, use_qk_norm=False,
        attention_chunk_size=28, floor_scale=9, attn_scale=0.6, attn_temperature_tuning=4, **DEMO_IDS)),
]


def draw(name, shape, c):
    """One tensor, as goldens.draw does it. Biases, positions and the class token are as large as what they are added to."""
    if not name.startswith(("vision_model", "multi_modal")):
        return draw_text(name, shape, c)
    r = torch.from_numpy(np.random.RandomState([c["seed"], zlib.crc32(name.encode())]).standard_normal(shape)).float()
    small = 5e-3 if c.get("small_patch") else 1.0
    low = f"layers.{c.get('low_gelu')}.mlp" in name
    if "class_embedding" in name or "positional" in name:
        return 0.5 * small * r
    if name.endswith("bias"):
        return 0.3 * r - 2.4 * (low and "fc1" in name)
    if len(shape) == 1:
        return 1 + 0.3 * r
    gains = dict(patch_embedding=small, q_proj=1.8, k_proj=1.8, o_proj=1.5, projector=2.0)
    gains |= {"adapter.mlp.fc1": 1.5, "adapter.mlp.fc2": 2.0, "mlp.fc1": 0.3 if low else 1.3, "mlp.fc2": 20.0 if low else 1.0}
    return r * next((g for part, g in gains.items() if part in name), 1.0) / shape[1] ** 0.5


# --- pictures ---------------------------------------------------------------------------------------------------------------------
# Widths and heights, which give these rows x columns of tiles of 84 pixels, at most 16, and of 56, at most 4:
PICTURES = dict(
    small=(40, 30),     # 1x1  1x1   enlarged to a tile's side
    square=(56, 56),    # 1x1  1x1
    wide=(200, 90),     # 2x3  1x3   not resized; shrunk
    pair=(150, 60),     # 1x2  1x3
    tall=(60, 170),     # 3x1  3x1
    large=(300, 290),   # 4x4  2x2
    pixel=(1, 1),       # 1x1  1x1
    line=(70, 1),       # 1x1  1x2   a tile with one row of pixels, the rest padding
    grey=(50, 70),      # 1x1  2x1   one channel
    palette=(33, 47),   # 1x1  1x1   16 colours
)


def picture(name, width, height):
    """Blocks, a gradient and two shapes: nothing in it is symmetric."""
    rng = np.random.RandomState([77, zlib.crc32(name.encode())])
    colour = lambda: tuple(int(v) for v in rng.randint(0, 256, 3))
    blocks = Image.fromarray(rng.randint(0, 256, (5, 6, 3)).astype(np.uint8))
    im = blocks.resize((width, height), Image.Resampling.NEAREST)
    ramp = blocks.resize((max(1, width // 2), max(1, height // 3)), Image.Resampling.BILINEAR)
    im.paste(ramp, (width // 5, height // 2))
    d = ImageDraw.Draw(im)
    if min(width, height) > 8:
        d.ellipse((width * .55, height * .1, width * .9, height * .6), fill=colour())
        d.line((0, height - 1, width * .7, height * .2), fill=colour(), width=3)
    return im.convert("L") if name == "grey" else im.convert("P", palette=Image.Palette.ADAPTIVE, colors=16) if name == "palette" else im


def write_pictures(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name, size in PICTURES.items():
        picture(name, *size).save(f"{folder}/{name}.png", optimize=True)


# --- prompts ----------------------------------------------------------------------------------------------------------------------
def img(name):
    return dict(type="image", path=f"pictures/{name}.png")


def say(rng, n):
    return " ".join(rng.choice(WORDS, n))


def part(rng, n):
    return dict(type="text", text=say(rng, n))


def turn(*content, role="user"):
    return dict(role=role, content=content[0] if isinstance(content[0], str) else list(content))


SCORE = [
    lambda r: [turn(img("small"), part(r, 6))],
    lambda r: [turn(part(r, 9), img("square"), part(r, 5))],
    lambda r: [turn(img("pair"), part(r, 4))],
    lambda r: [turn(part(r, 3), img("wide"), part(r, 12))],
    lambda r: [turn(img("tall"), part(r, 7))],
    lambda r: [turn(img("large"), part(r, 20))],
    lambda r: [turn(img("grey"), img("pair"), part(r, 2), img("small"), part(r, 5))],
    lambda r: [turn(say(r, 4), role="system"), turn(img("palette"), part(r, 4)), turn(say(r, 8), role="assistant"),
               turn(part(r, 2), img("wide"), img("square"), part(r, 3)), turn(say(r, 3), role="assistant"), turn(say(r, 5))],
    lambda r: [turn(img("pixel"), part(r, 5))],
    lambda r: [turn(part(r, 5), img("line"))],
    lambda r: [turn(img("grey"))],
    lambda r: [turn(say(r, 30))],
]
GREEDY = [
    lambda r: [turn(img("pair"), part(r, 5))],
    lambda r: [turn(img("small"), part(r, 3)), turn(say(r, 6), role="assistant"), turn(img("wide"), part(r, 5))],
    lambda r: [turn(part(r, 8), img("palette"), part(r, 2))],
]


def encode(pr, messages, root=HERE):
    """The ids and the pixel values of a conversation; the processor wants every content as a list and paths that it can open."""
    messages = copy.deepcopy(messages)
    for m in messages:
        if isinstance(m["content"], str):
            m["content"] = [dict(type="text", text=m["content"])]
        for p in m["content"]:
            if p["type"] == "image":
                p["path"] = os.path.join(root, p["path"])
    f = pr.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
    pixels = f.get("pixel_values")
    return f["input_ids"][0].tolist(), None if pixels is None else pixels.float()


def drawn(rng, make, ask):
    """The first answer of ask that is not None, over conversations that make draws."""
    for _ in range(300):
        if (answer := ask(make(rng))) is not None:
            return answer
    raise SystemExit("no clear prompt found in 300 tries; change the seed")


def score_pictures(model, pr, i, messages, gap, root=HERE):
    ids, pixels = encode(pr, messages, root)
    lp, gaps = router_gaps(model, ids, pixels)
    tops = lp[-1].topk(9).values
    if gaps.min() < gap or (tops[:-1] - tops[1:]).min() < TOP_GAP:
        return None
    return dict(messages=messages) | score_answer(i, ids, lp)


def greedy_pictures(model, pr, i, messages, n, gap, root=HERE):
    """A greedy answer of n ordinary tokens that stays clear of ties."""
    ids, pixels = encode(pr, messages, root)
    if max(greedy_tokens(model, ids, n, range(SPECIAL, 764), pixels)) >= SPECIAL:
        return None
    a, smallest = greedy_answer(model, i, ids, n, pixels=pixels)
    return None if smallest < gap or min(a["margins"]) < TOP_GAP or len(set(a["output_ids"])) <= n // 4 else dict(messages=messages) | a


# --- activations ------------------------------------------------------------------------------------------------------------------
@torch.no_grad()
def record(model, pixels):
    """The tower's activations over all tiles, each [rows, width]."""
    taps, hooks = {}, []
    rows = lambda t: t.detach().reshape(-1, t.shape[-1]).float().contiguous().clone()
    def out(module, name):
        hooks.append(module.register_forward_hook(lambda m, a, o: taps.__setitem__(name, rows(o[0] if isinstance(o, tuple) else o))))
    v = model.vision_model
    out(v.layernorm_pre, "vision.embed"), out(v.layernorm_post, "vision.norm")
    for n, l in enumerate(v.model.layers):
        out(l, f"vision.layers.{n}")
    for module, name in ((v.vision_adapter.mlp, "vision.shuffle"), (v.vision_adapter.mlp.fc2, "vision.adapter_in")):
        hooks.append(module.register_forward_pre_hook(lambda m, a, name=name: taps.__setitem__(name, rows(a[0]))))
    out(v.vision_adapter, "vision.adapter"), out(model.multi_modal_projector, "vision.features")
    try:
        model.multi_modal_projector(v(pixels).last_hidden_state)
    finally:
        for h in hooks:
            h.remove()
    return taps


@torch.no_grad()
def embeddings(model, ids, pixels):
    """What the text model reads."""
    seen = {}
    hook = model.language_model.model.layers[0].register_forward_pre_hook(lambda m, a, kw: seen.update(x=(a or kw["hidden_states"])[0]), with_kwargs=True)
    try:
        model(input_ids=torch.tensor([ids]), pixel_values=pixels, use_cache=False)
    finally:
        hook.remove()
    return seen["x"].reshape(len(ids), -1).float().contiguous().clone()


def write_taps(model, pr, prompt, path):
    process = lambda name, **kw: pr.image_processor([Image.open(f"{HERE}/pictures/{name}.png")], return_tensors="pt", **kw)["pixel_values"]
    taps = record(model, process("small").float())
    taps["pixels"] = process("small", do_rescale=False, do_normalize=False)[0].clone()
    taps["embed"] = embeddings(model, *encode(pr, prompt["messages"]))
    for name in PICTURES:
        taps[f"features/{name}.png"] = record(model, process(name).float())["vision.features"]
    save_file(taps, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)


# --- files ------------------------------------------------------------------------------------------------------------------------
def write_processor(c, folder):
    """The demo model's tokenizer and chat template, and settings of the processor for this checkpoint's tiles."""
    for f in TOKENIZER:
        shutil.copy(os.path.join(DEMO, f), folder)
        os.chmod(os.path.join(folder, f), 0o644)
    side = c["vision"]["image_size"]
    dump(f"{folder}/preprocessor_config.json", dict(
        do_convert_rgb=True, do_normalize=True, do_rescale=True, do_resize=True, image_mean=[0.5] * 3, image_std=[0.5] * 3,
        image_processor_type="Llama4ImageProcessorFast", max_patches=c["max_patches"], processor_class="Llama4Processor", resample=2,
        rescale_factor=1 / 255, resize_to_max_canvas=False, size=dict(height=side, width=side)))
    dump(f"{folder}/processor_config.json", dict(fake_image_token="<|image|>", image_token="<|image|>",
         patch_size=c["vision"]["patch_size"], processor_class="Llama4Processor"))


def prepare(c, folder):
    """Writes a checkpoint whole; returns it as the reference loads it, with its processor."""
    write_checkpoint(c, folder, draw)
    write_processor(c, folder)
    return load(folder), AutoProcessor.from_pretrained(folder)


def pixels_of(pr, root=HERE):
    return lambda item: encode(pr, item["messages"], root)[1]


def write_goldens(c, folder):
    model, pr = prepare(c, folder)
    rng = np.random.RandomState(c["seed"] + 1000)
    score = [drawn(rng, make, lambda m: score_pictures(model, pr, i, m, ROUTER_GAP)) for i, make in enumerate(SCORE)]
    greedy = [drawn(rng, make, lambda m: greedy_pictures(model, pr, i, m, 24, ROUTER_GAP)) for i, make in enumerate(GREEDY)]
    write_taps(model, pr, score[6], f"{folder}/vision.safetensors")
    accuracy = reference_errors(folder, score, pixels_of(pr))
    dump_goldens(f"{folder}/goldens.json", dict(model=c["name"], reference="transformers 4.57, float32, eager", score=score, greedy=greedy,
                 vision_taps=dict(picture="pictures/small.png", prompt=6), **accuracy))
    print(f"{c['name']:16} {folder_size(folder) / 1e3:7.0f} kB  {sum(p.numel() for p in model.parameters()):8} parameters  "
          f"tokens {[len(s['input_ids']) for s in score]}  {accuracy}  smallest greedy margin "
          f"{min(min(g['margins']) for g in greedy):.4f}", flush=True)


def write(checkpoints, folder):
    write_pictures(os.path.join(folder, "pictures"))
    for c in checkpoints:
        write_goldens(c, os.path.join(folder, c["name"]))
