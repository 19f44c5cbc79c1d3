"""Fresh pictures for the demo model and what the reference says about them: demo_pictures.zip, written by goldens.py --demo.

Drawn by the demo's pictures.py, from a seed that neither training nor its README used. The zip holds the PNG files and
questions.jsonl, a question a line, to be asked after its images in one message of the user:
  id, images, question
  answer               what is true
  reference            what the reference says, decoding greedily in float32
  output_ids, margin   its tokens, the stop token included, and the smallest margin of any
"""
import io, json, os, random, sys, tempfile, zipfile
from transformers import AutoProcessor
from goldens import HERE, greedy_answer, load, short
from vision import encode

sys.path.insert(0, os.path.join(HERE, "..", "demo"))
import pictures

COUNT, SEED, MAX_TOKENS = 200, 2024, 48


def ask(model, pr, folder, files, question):
    """The reference's greedy answer; files lie in folder."""
    content = [dict(type="image", path=f) for f in files] + [dict(type="text", text=question)]
    ids, pixels = encode(pr, [dict(role="user", content=content)], folder)
    stop = model.config.text_config.eos_token_id
    a, _ = greedy_answer(model, 0, ids, MAX_TOKENS, stop, pixels)
    out = [t for t in a["output_ids"] if t not in stop]
    return dict(reference=pr.tokenizer.decode(out, clean_up_tokenization_spaces=False), output_ids=a["output_ids"],
                margin=short(min(a["margins"])))


def write(path, folder):
    model, pr, rng = load(folder), AutoProcessor.from_pretrained(folder), random.Random(SEED)
    lines, right = [], 0
    with zipfile.ZipFile(path, "w") as z, tempfile.TemporaryDirectory() as tmp:
        def add(name, data, method):
            z.writestr(zipfile.ZipInfo(name), data, method)
        for i in range(COUNT):
            images, question, answer = pictures.question(rng)
            files = [f"{i:03d}{'ab'[j]}.png" for j in range(len(images))]
            for name, im in zip(files, images):
                data = io.BytesIO()
                im.save(data, "PNG", optimize=True)
                add(name, data.getvalue(), zipfile.ZIP_STORED)
                with open(os.path.join(tmp, name), "wb") as f:
                    f.write(data.getvalue())
            said = ask(model, pr, tmp, files, question)
            right += said["reference"] == answer
            lines.append(json.dumps(dict(id=i, images=files, question=question, answer=answer) | said) + "\n")
        add("questions.jsonl", "".join(lines), zipfile.ZIP_DEFLATED)
    os.chmod(path, 0o644)
    print(f"demo pictures: {os.path.getsize(path) / 1e3:.0f} kB, {right} of {COUNT} answers right, smallest margin "
          f"{min(json.loads(l)['margin'] for l in lines):.4f}", flush=True)
