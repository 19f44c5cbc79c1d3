"""Perplexity of the reference on the demo model and text.txt, plain and fake-quantized (fake.py).

    python perplexity.py             prints the table of ../README.md and rewrites perplexity.json, what `llama4 perplexity` should print
    python perplexity.py --text      rewrites text.txt: the beginnings of tales by the grammar that made the demo model's training text

A line of the text, with its end, is CTX[0] tokens, so that each is a chunk of its own and its end is replaced by begin-of-text: the model
has never seen a tale go on after another without the tokens between, and what it says there would drown what quantization changes.

The text is tokenized whole, with the begin-of-text token first. Two numbers, both exp(-mean log-probability in nats), log-softmax of
float32 logits in float64:
  chunks   as llama.cpp's llama-perplexity: tokens [i * ctx, (i + 1) * ctx) for i < floor(tokens / ctx) are a prompt each, with the first
           token of each replaced by begin-of-text; scored are its tokens ctx / 2 + 1 .. ctx - 1, each after those before it. The rest
           of the text is left out
  windows  all of the text: pieces of ctx - 1 tokens of the text without its begin-of-text, the last shorter, each a prompt after a
           begin-of-text token; every token is scored
error is llama-perplexity's: perplexity * sqrt(variance of the log-probabilities / (count - 1)).
"""
import argparse, copy, math, os, random, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import torch
from transformers import AutoTokenizer
import goldens as G
from fake import SCHEMES, quantize
from quantized import DEMO, HERE

CTX, TALES, SEED = [64, 128], 80, 2025


def write_text(path):
    """Runs the part of train.py that makes tales."""
    with open(os.path.join(DEMO, "../train.py")) as f:
        grammar = f.read().split("# --- the little world")[1].split("# --- tokenizer")[0]
    sys.path.insert(0, os.path.join(DEMO, ".."))
    from pictures import COLORS
    world = dict(random=random, COLORS=COLORS)
    exec(grammar.partition("\n")[2], world)
    random.seed(SEED)
    tok, lines = AutoTokenizer.from_pretrained(DEMO), []
    encode = lambda text: tok(text, add_special_tokens=False)["input_ids"]
    while len(lines) < TALES:
        line = tok.decode(encode(world["story"]())[:CTX[0] - 1], clean_up_tokenization_spaces=False)
        if len(encode(line + "\nOnce")) == len(encode(line)) + 1 + len(encode("Once")) == CTX[0] + len(encode("Once")):
            lines.append(line)
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")


def chunks(ids, ctx, bos):
    for i in range(len(ids) // ctx):
        yield [bos] + ids[i * ctx + 1:(i + 1) * ctx], ctx // 2


def windows(ids, ctx, bos):
    for i in range(1, len(ids), ctx - 1):
        yield [bos] + ids[i:i + ctx - 1], 0


def perplexity(model, prompts):
    """Of each prompt the tokens after `first`; perplexity, error, count."""
    lp = []
    for ids, first in prompts:
        p = G.log_probs(model, ids)
        t = torch.arange(first, len(ids) - 1)
        lp.append(p[t, torch.tensor(ids)[t + 1]])
    lp = torch.cat(lp)
    ppl = math.exp(-float(lp.mean()))
    return dict(perplexity=float(f"{ppl:.8g}"), error=float(f"{ppl * math.sqrt(float(lp.var(correction=0)) / (len(lp) - 1)):.5g}"),
                count=len(lp))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--text", action="store_true")
    path = os.path.join(HERE, "text.txt")
    if ap.parse_args().text:
        return write_text(path)
    with open(path) as f:
        text = f.read()
    plain, tok = G.load(DEMO), AutoTokenizer.from_pretrained(DEMO)
    ids, out = tok(text)["input_ids"], []
    print(f"{len(ids)} tokens\n| scheme | " + " | ".join(f"{how}, {n}" for how in ("chunks", "windows") for n in CTX) + " |\n|---|"
          + "--:|" * 2 * len(CTX))
    for scheme in ["none", *SCHEMES]:
        model = plain if scheme == "none" else quantize(copy.deepcopy(plain), scheme)
        row = [dict(scheme=scheme, kind=how.__name__, ctx=n) | perplexity(model, how(ids, n, ids[0]))
               for how in (chunks, windows) for n in CTX]
        out += row
        print(f"| {scheme} | " + " | ".join(f"{r['perplexity']:.4f} ± {r['error']:.4f}" for r in row) + " |", flush=True)
    G.dump_goldens(os.path.join(HERE, "perplexity.json"), dict(model="demo", text="text.txt", tokens=len(ids), perplexity=out))


if __name__ == "__main__":
    main()
