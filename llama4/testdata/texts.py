"""Goldens over text: the demo model's (demo_goldens.json), and hold-out checkpoints as requests and answers of the command line.

Used by goldens.py, whose header says how to run it. An answer here carries its request too (messages, or prompt with add_bos), and:
  router_gap   smallest distance between a chosen and a refused expert over all layers and positions
  output_ids   without the stop token, which is stop_id (null where max_tokens ended it); margins and logprobs count its step
"""
import json, os, shutil
import numpy as np
from transformers import AutoTokenizer
from goldens import LLAMA3, ROUTER_GAP, TOP_GAP, dump_goldens, dump_lines, golden_prompts, greedy_answer, load, \
    reference_errors, router_gaps, score_answer, short, text, write_checkpoint

TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"]
STORY = ("Once upon a time, a brave fox named Max lived near the river bank. One day, Max found a red kite under a tree. But the wind blew "
         "the kite far away, and Max began to cry. Just then, Max met Nora, a wise old owl. \"Do not worry,\" said Nora. \"We will look for "
         "the kite together.\" They walked to the river bank and soon the red kite was safe again. From that day on, Max and Nora were best "
         "friends.")
STORY2 = ("In a quiet village, there lived a turtle named Rose. Everyone said that Rose was very shy. One morning, Rose saw a blue drum in the "
          "grass. It started to rain, and Rose hid the blue drum under a leaf. Tom the goat heard the noise and came running. Tom said, \"Let us "
          "share the blue drum and play.\" The two friends played with the drum until the sun went down. Rose learned that friends make "
          "everything better.")


def user(*turns):
    return [dict(role="assistant" if i % 2 else "user", content=t) for i, t in enumerate(turns)]


LONG = user("Tell me a story about a fox.", STORY, "What is 3 plus 4?", "3 plus 4 is 7.", "Please tell a short story about a turtle.", STORY2,
            "Lily has a green hat. What color is the hat?", "The hat is green.", "Hello! My name is Ben.", "Hello, Ben! How can I help you?",
            "How much is 12 + 6?")
DEMO_SCORE = [
    dict(messages=user("Tell me a story about a fox.")),
    dict(messages=user("What is 7 plus 12?")),
    dict(messages=[dict(role="system", content="You are a kind teller of tales."), *user("Hi, I am Leo.")]),
    dict(messages=[dict(role="user", content=[dict(type="text", text="Anna has a purple lantern."),
                                              dict(type="text", text=" What color is the lantern?")])]),
    dict(messages=LONG),
    dict(messages=user("Tell me a story about a fox.", STORY, "Please tell a short story about a turtle.", STORY2,
                       "What is 3 plus 4?", "3 plus 4 is 7.", "Tell me a story about a fox.", STORY, "Another one?", STORY2, "Thank you!", STORY)),
    dict(prompt=STORY),
    dict(prompt="One"),
    dict(prompt="Once upon a time", add_bos=False),
    dict(prompt="\n\n".join([STORY, STORY2, STORY2, STORY, STORY])),
    dict(prompt="Ünïcode: naïve café, 你好 🦊!\n\n  Tabs\tand 12345 numbers.\r\n"),
]
DEMO_GREEDY = [
    dict(messages=user("Tell me a story about a fox."), max_tokens=200),
    dict(messages=user("What is 7 plus 12?"), max_tokens=40),
    dict(messages=user("Hello! My name is Nora."), max_tokens=40),
    dict(messages=user("Ben has a yellow kite. What color is the kite?"), max_tokens=40),
    dict(messages=LONG, max_tokens=40),
    dict(messages=LONG[:-1] + user("Please tell a short story about an owl."), max_tokens=160),
    dict(prompt="There was once a hungry", max_tokens=150),
    dict(prompt=STORY[:-60], max_tokens=30),
]


def encode(tok, request):
    """Ids of a request; special tokens typed in text are left out of these goldens, since the tokenizers library would read them."""
    if "messages" in request:
        return tok.apply_chat_template(request["messages"], add_generation_prompt=True)
    return tok(request["prompt"], add_special_tokens=request.get("add_bos", True))["input_ids"]


def score_text(model, tok, i, request):
    ids = encode(tok, request)
    lp, gaps = router_gaps(model, ids)
    return request | score_answer(i, ids, lp) | dict(router_gap=short(gaps.min()))


def greedy_text(model, tok, i, request, stop):
    a, gap = greedy_answer(model, i, encode(tok, request), request["max_tokens"], stop)
    out, end = a["output_ids"], None
    if out[-1] in stop:
        out, end = out[:-1], out[-1]
    return request | a | dict(output_ids=out, stop_id=end, finish_reason="length" if end is None else "stop", router_gap=short(gap),
                              text=tok.decode(out, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def write_demo(path, folder):
    model, tok = load(folder), AutoTokenizer.from_pretrained(folder)
    stop = model.config.text_config.eos_token_id
    score = [score_text(model, tok, i, r) for i, r in enumerate(DEMO_SCORE)]
    greedy = [greedy_text(model, tok, i, r, stop) for i, r in enumerate(DEMO_GREEDY)]
    tied = [s["id"] for s in score if s["router_gap"] < ROUTER_GAP]
    if tied:
        raise SystemExit(f"score prompts {tied} of the demo model route too close to a tie; change their text")
    accuracy = reference_errors(folder, score)
    dump_goldens(path, dict(model="demo", reference="transformers 4.57, float32, eager", score=score, greedy=greedy, **accuracy))
    report("demo", score, greedy, accuracy)


def report(name, score, greedy, accuracy):
    print(f"{name}: tokens {[len(s['input_ids']) for s in score]}  router gaps {min(s['router_gap'] for s in score):.1e} "
          f"{min(g['router_gap'] for g in greedy):.1e}  greedy margins {[round(min(g['margins']), 4) for g in greedy]}  "
          f"{accuracy}", flush=True)


# --- hold-out ---------------------------------------------------------------------------------------------------------------------
WIDE = LLAMA3 | dict(original_max_position_embeddings=512)
DEMO_IDS = dict(bos_token_id=747, eos_token_id=[748, 752, 753], pad_token_id=757)
HOLDOUTS = [
    dict(name="wide", seed=911, small_qk=True, lengths=[1, 63, 64, 65, 160, 333, 2048], texts=10, router_gap=2e-5, text=text(
        vocab_size=800, hidden_size=256, intermediate_size=128, intermediate_size_mlp=256, num_hidden_layers=12, num_attention_heads=4,
        num_key_value_heads=2, head_dim=128, num_local_experts=16, interleave_moe_layer_step=1, use_qk_norm=True,
        attention_chunk_size=64, floor_scale=100, attn_scale=0.4, rope_scaling=WIDE, **DEMO_IDS)),
    dict(name="maverick-shards", seed=912, mm=True, shard=2_000_000, lengths=[1, 2, 39, 40, 41, 100, 500], texts=8, text=text(
        vocab_size=1024, hidden_size=128, intermediate_size=32, intermediate_size_mlp=160, num_hidden_layers=6, num_attention_heads=5,
        num_key_value_heads=1, head_dim=32, num_local_experts=128, interleave_moe_layer_step=2, use_qk_norm=False,
        attention_chunk_size=40, floor_scale=33, attn_scale=0.5, attn_temperature_tuning=4, **DEMO_IDS)),
    dict(name="scout-text", seed=913, small_qk=True, small_embed=True, lengths=[1, 2, 17, 18, 19, 45, 90, 300], texts=12, text=text(
        vocab_size=764, hidden_size=96, intermediate_size=48, intermediate_size_mlp=96, num_hidden_layers=5, num_attention_heads=5,
        num_key_value_heads=1, head_dim=24, num_local_experts=4, interleave_moe_layer_step=1, use_qk_norm=True,
        attention_chunk_size=18, floor_scale=5, attn_scale=0.8, rope_scaling=LLAMA3, **DEMO_IDS)),
    dict(name="odd", seed=914, small_qk=True, lengths=[1, 2, 29, 30, 31, 75, 150], texts=6, text=text(
        vocab_size=777, hidden_size=88, intermediate_size=36, intermediate_size_mlp=100, num_hidden_layers=9, num_attention_heads=4,
        num_key_value_heads=4, head_dim=28, num_local_experts=6, num_experts_per_tok=2, use_qk_norm=True, moe_layers=[0, 3, 4, 8],
        interleave_moe_layer_step=1, no_rope_layers=[0, 1, 1, 0, 0, 1, 1, 1, 0], attention_chunk_size=30, floor_scale=13, attn_scale=0.3,
        rope_scaling=LLAMA3 | dict(high_freq_factor=1.0, original_max_position_embeddings=32), tie_word_embeddings=True,
        rms_norm_eps=1e-6, **DEMO_IDS)),
    dict(name="scout16-mm", seed=915, small_qk=True, mm=True, shard=500_000, lengths=[1, 2, 47, 48, 49, 120, 240], texts=8, text=text(
        vocab_size=764, hidden_size=64, intermediate_size=32, intermediate_size_mlp=64, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=2, head_dim=32, num_local_experts=16, interleave_moe_layer_step=1, use_qk_norm=True, no_rope_layers=[],
        attention_chunk_size=48, floor_scale=48, attn_scale=0.2, rope_scaling=LLAMA3 | dict(factor=16.0, high_freq_factor=1.0), **DEMO_IDS)),
]

WORDS = ("the a fox owl river bank kite red blue found lost happy sad 7 12 345 said \"yes\" no! don't café naïve 你好 日本語 🦊 🎈 Lily Max "
         "under over; and, but\n then\t once upon time story friend . ? : (x) [y] {z} über Straße ∑ π привет мир").split(" ")


def random_request(rng, i):
    say = lambda n: " ".join(rng.choice(WORDS, n))
    kind = i % 4
    if kind == 0:
        return dict(prompt=say(rng.randint(3, 40)))
    if kind == 1:
        return dict(prompt=say(rng.randint(3, 40)), add_bos=False)
    turns = user(*(say(rng.randint(2, 25)) for _ in range(2 * rng.randint(0, 4) + 1)))
    if kind == 3:
        turns[0]["content"] = [dict(type="text", text=turns[0]["content"]), dict(type="text", text=" " + say(3))]
        turns = [dict(role="system", content=say(6)), *turns]
    return dict(messages=turns)


def clear(a, gap):
    tops = [v for _, v in a["top"]]
    return a["router_gap"] > gap and min(x - y for x, y in zip(tops, tops[1:])) > TOP_GAP


def write_holdout(c, folder, demo):
    write_checkpoint(c, folder)
    for f in TOKENIZER:
        shutil.copy(os.path.join(demo, f), folder)
        os.chmod(os.path.join(folder, f), 0o644)
    model, tok, gap = load(folder), AutoTokenizer.from_pretrained(folder), c.get("router_gap", ROUTER_GAP)
    score, greedy, rng, _ = golden_prompts(c, model)
    stop, i = c["text"]["eos_token_id"], 0
    for a in score + greedy:
        a["router_gap"] = gap
    while i < 100 * c["texts"] and len(score) < len(c["lengths"]) + c["texts"]:
        a = score_text(model, tok, 100 + len(score), random_request(rng, i))
        i += 1
        if clear(a, gap):
            score.append(a)
            if len(score) % 3 == 0:
                request = {k: a[k] for k in ("prompt", "add_bos", "messages") if k in a}
                greedy.append(greedy_text(model, tok, 100 + len(greedy), request | dict(max_tokens=32), stop))
    write_requests(c["name"], folder, score, greedy, tok if c["text"]["vocab_size"] == len(tok) else None)


def write_holdouts(checkpoints, folder, demo, demo_too):
    for c in checkpoints:
        write_holdout(c, os.path.join(folder, c["name"]), demo)
    if demo_too:
        write_demo_holdout(os.path.join(folder, "demo"), demo)


def write_demo_holdout(folder, demo):
    """The demo model itself under random texts and questions that its committed goldens do not ask."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(demo, folder)
    os.chmod(folder, 0o755)
    model, tok, rng = load(folder), AutoTokenizer.from_pretrained(folder), np.random.RandomState(916)
    stop, asks = model.config.text_config.eos_token_id, ["Please tell a short story about a pony.", "How much is 15 + 4?", "Hi, I am Ella.",
        "Sam has an orange boat. What color is the boat?", "Tell me a story about a mouse.", "What is 0 plus 20?"]
    score = [score_text(model, tok, i, dict(messages=user(q))) for i, q in enumerate(asks)]
    score += [score_text(model, tok, 10 + i, random_request(rng, i)) for i in range(16)]
    greedy = [greedy_text(model, tok, i, dict(messages=user(q), max_tokens=120), stop) for i, q in enumerate(asks)]
    greedy.append(greedy_text(model, tok, 9, dict(messages=user(asks[0], STORY2, asks[2], "Hello, Ella! How can I help you?", asks[4]),
                                                  max_tokens=200), stop))
    write_requests("demo", folder, score, greedy, tok)


def write_requests(name, folder, score, greedy, tok):
    """requests.jsonl and expected.jsonl for score, generate_requests.jsonl and generate_expected.jsonl, baseline.json."""
    ask = lambda a: {k: a[k] for k in ("id", "prompt", "add_bos", "messages") if k in a} if "prompt" in a or "messages" in a \
        else dict(id=a["id"], input_ids=a["input_ids"])
    tell = lambda a, keys: {k: a[k] for k in keys if k in a}
    dump_lines(f"{folder}/requests.jsonl", map(ask, score))
    dump_lines(f"{folder}/expected.jsonl", [tell(a, ["id", "input_ids", "logprobs", "top"]) for a in score])
    dump_lines(f"{folder}/generate_requests.jsonl", [ask(a) | dict(max_tokens=a.get("max_tokens", 40), temperature=0) for a in greedy])
    for a in greedy:
        a.setdefault("stop_id", None), a.setdefault("finish_reason", "length")
    keys = ["id", "input_ids", "output_ids", "stop_id", "finish_reason", "logprobs", "margins", "router_gap"] + ["text"] * (tok is not None)
    dump_lines(f"{folder}/generate_expected.jsonl", [tell(a, keys) for a in greedy])
    accuracy = reference_errors(folder, score)
    with open(f"{folder}/baseline.json", "w") as f:
        json.dump(accuracy, f)
    report(name, score, greedy, accuracy)
