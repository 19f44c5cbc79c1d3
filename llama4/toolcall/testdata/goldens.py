"""Writes goldens.json: texts with calls as the references read them, and conversations with calls as they render them.

Run from the repository root with the reference environment (transformers 4.57, Meta's llama_models in its folder
llama-models) as
    python llama4/toolcall/testdata/goldens.py

values.txt has values to put into a call, one a line, with ␤ for a line break.

"python" are texts and what Meta's parse_python_list_for_function_calls gives for them, null where its
is_valid_python_list or Python refuses: lists of calls by hand, random ones, and random ones with a fault. "json" are texts and what
Meta's maybe_extract_custom_tool_call gives. "render" are conversations in the words of the API (an answer of the model, the
results of its calls) and the prompt of transformers' template for Llama 4.
"""
import ast
import json
import math
import pathlib
import random
import re
import sys
import warnings

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(pathlib.Path(sys.prefix) / "llama-models"))

import transformers.utils.chat_template_utils as ctu  # noqa: E402
from llama_models.llama3 import tool_utils as meta  # noqa: E402
from transformers.models.llama4.processing_llama4 import chat_template  # noqa: E402

warnings.simplefilter("ignore")

WHOLE = '''[f()]
[f(), g()]
[f(a=1),]
[ f ( a = 1 , b = 2 , ) , g ( ) ]
[f(a=1,
   b=2)]
[f(a=1, a=2)]
[f(1)]
[f(a=1, 2)]
[f(a=1) g(b=2)]
[f(a=1), 42]
[f(a=1), x]
[f(a=1), [g()]]
[]
[f]
[f(a=1)
[f(a=1]
[f(a=1))]
[f(,)]
[f(a=1,,b=2)]
[f.g(a=1)]
[f(a.b=1)]
[f(*a)]
[f(**{"a": 1})]
[(f(a=1),)]
[[f(a=1)]]
{"func": f(a=1)}
f(a=1)
(f(a=1),)
[f(a=b(c=1))]
[f(é=1, _x1=2)]
[_f1(a=1)]
[1f(a=1)]
[f(1a=1)]
["f"(a=1)]
[f(a=1)(b=2)]
[f(a=1).g]
[get_boiling_point(liquid={"name":"water", "color":"translucent"}), convert_temperature(value=[100, 101], from_unit="C", to_unit="F")]
[get_weather(city='San Francisco', metric='celsius'), get_weather(city='Seattle', metric='celsius')]'''.split("\n")

JSON = r'''{"name": "f", "parameters": {}}
{"name": "f", "parameters": {"a": 1.5, "b": [1, {"k": null}], "c": "x\"\\\/\n\u00e9\ud83d\ude00"}}
{"type": "function", "name": "f", "parameters": {"z": 1, "a": {"y": [], "b": {}}}}
{"parameters": {"a": true}, "name": "f"}
 { "name" : "f" , "parameters" : { "a" : -1e-5 } }
{"name": "f", "parameters": {"a": "}{]["}}
{"a": 1}
{}
[1, 2]
"f"
{"name": "f", "parameters": {"a": 1}
{"name": "f" "parameters": {}}
{name: "f", "parameters": {}}'''.split("\n")


def comparable(text):
    """Leaves out what is read differently on purpose, see the package's documentation, or has no JSON."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        # Read here: JSON's constants, line breaks in strings, keywords as names, \\N. Python's own faults remain.
        return not re.search(r"true|false|null|\n|\\N|\b(in|is|or|as|if)\b", text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Set, ast.UnaryOp)) and not (isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd))):
            return False
        if isinstance(node, ast.Constant):
            v = node.value
            if isinstance(v, (bytes, complex)) or v is ... or isinstance(v, float) and not math.isfinite(v):
                return False
        if isinstance(node, ast.Dict) and any(not isinstance(k, ast.Constant) or isinstance(k.value, float) for k in node.keys):
            return False
    # Comments, a sign before a space, a string with prefix after another one, joined lines.
    return not re.search(r"#|[-+]\s|['\"]\s*[rRuUbB]['\"]|\\\n", text) or text in KEEP


KEEP = {f"[f(a={v})]" for v in ('"#"', '"a\\\nb"')}


def read_python(text):
    if not meta.is_valid_python_list(text):
        return None
    try:
        compile(text, "", "eval")  # refuses an argument given twice, of which Meta takes the last
        calls = meta.parse_python_list_for_function_calls(text)
    except (ValueError, TypeError, SyntaxError):
        return None
    if any(None in a for _, a in calls):  # **{...}, of which Meta makes an argument without a name
        return None
    return [{"name": n, "arguments": a} for n, a in calls]


def literal(rng, depth):
    kind = rng.randrange(10 if depth else 6)
    sp = lambda: rng.choice(["", "", "", " ", "  "])  # noqa: E731
    if kind < 3:
        body = "".join(rng.choice(["a", "b ", "é", "😀", "[", "}", "(", ",", "=", ":", "\\n", "\\\\", "\\'", '\\"', "\\x41", "\\u00e9", "\\101", "\\q"])
                       for _ in range(rng.randrange(6)))
        return rng.choice(["", "", "", "r", "u"]) + rng.choice([f'"{body}"', f"'{body}'", f'"""{body}"""'])
    if kind == 3:
        return rng.choice(["", "", "-", "+"]) + str(rng.choice([0, 7, 10**rng.randrange(30), hex(rng.randrange(1000)), oct(8), bin(5), "1_0"]))
    if kind == 4:
        return rng.choice(["", "-"]) + rng.choice(["1.5", ".5", "1.", "1e5", "2.5E-3", "0.0"])
    if kind == 5:
        return rng.choice(["True", "False", "None"])
    items = [literal(rng, depth - 1) for _ in range(rng.randrange(4))]
    tail = rng.choice(["", "", ","]) if items else ""
    if kind < 8:
        return "[" + (sp() + "," + sp()).join(items) + tail + "]"
    if kind == 8:
        return "(" + sp() + (sp() + "," + sp()).join(items) + tail + ")"
    return "{" + ",".join(f"{sp()}{rng.choice(['1', 'None', '-2'] + [json.dumps(c) for c in 'abcdef'])}{sp()}:{sp()}{i}" for i in items) + tail + "}"


def random_list(rng):
    calls = []
    for _ in range(rng.randrange(1, 3)):
        args = ", ".join(f"{n}={literal(rng, 3)}" for n in rng.sample("abcd", rng.randrange(3)))
        calls.append(f"{rng.choice(['f', 'get_it', 'g2'])}({args})")
    return "[" + rng.choice([", ", ","]).join(calls) + "]"


def faulty(rng, text):
    i = rng.randrange(len(text))
    return text[:i] + rng.choice(["", "", rng.choice("[](){},:='\"\\01a-_. ")]) + text[i + rng.randrange(2):]


def python_texts():
    out = list(WHOLE)
    for v in (HERE / "values.txt").read_text().splitlines():
        out.append("[f(a=" + v.replace("␤", "\n") + ")]")
    rng = random.Random(4)
    for _ in range(150):
        out.append(random_list(rng))
    for _ in range(350):
        out.append(faulty(rng, random_list(rng)))
    return [t for t in dict.fromkeys(out) if comparable(t)]


def read_json(text):
    try:
        found = meta.ToolUtils.maybe_extract_custom_tool_call(text)
    except KeyError:
        found = None
    return found and [{"name": found[0], "arguments": found[1]}]


TOOLS = [{"type": "function", "function": {"name": n, "description": f"Does <{n}> & more.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "array", "items": {"type": "integer"}}},
    "required": ["city"]}}} for n in ("get_weather", "now")]

# Each turn is a user's text, an answer of the model and what it means, or the result of a call.
TALKS = {
    "one": [("user", "Weather?"), ("answer", '[get_weather(city="Paris")]', "", [("get_weather", {"city": "Paris"})]), ("result", 0, "21 °C, \"sunny\"")],
    "several": [("user", "Weather?"),
                ("answer", 'Let me see. [get_weather("Zoë\'s <town>", days=[1, 2]), now()]', "Let me see. ",
                 [("get_weather", {"city": "Zoë's <town>", "days": [1, 2]}), ("now", {})]),
                ("result", 0, {"temp": 21.5, "tags": ["a", None], "n": {"k": True}}), ("result", 1, ["12:00", 5]),
                ("answer", "Warm.", "Warm.", []), ("user", "Thanks")],
    "json": [("user", "Weather?"),
             ("answer", '{"name": "get_weather", "parameters": {"city": "Rome", "days": []}}; {"name": "now", "arguments": {}}', "",
              [("get_weather", {"city": "Rome", "days": []}), ("now", {})]), ("result", 0, 42), ("result", 1, "")],
}


def render(name, turns, system, kw):
    messages = [{"role": "system", "content": system}] if system else []
    for t in turns:
        if t[0] == "user":
            messages.append({"role": "user", "content": t[1]})
        elif t[0] == "result":
            messages.append({"role": "tool", "content": t[2]})
        else:
            m = {"role": "assistant", "content": t[2]}
            if t[3]:
                m["tool_calls"] = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in t[3]]
            messages.append(m)
    out, _ = ctu.render_jinja_template(conversations=[messages], tools=TOOLS, chat_template=chat_template,
                                       add_generation_prompt=True, bos_token="<|begin_of_text|>", **kw)
    return {"name": name, "system": system, "turns": [list(t[:3]) for t in turns], "extra": kw, "out": out[0]}


def main():
    data = {
        "python": [{"text": t, "calls": read_python(t)} for t in python_texts()],
        "json": [{"text": t, "calls": read_json(t)} for t in JSON],
        "tools": TOOLS, "template": chat_template,
        "render": [render(n, t, s, kw) for n, t in TALKS.items() for s in ("", "Be brief.") for kw in ({}, {"tools_in_user_message": False})
                   if s or not kw],
    }
    (HERE / "goldens.json").write_text(json.dumps(data, separators=(",", ":")) + "\n")
    print(len(data["python"]), "lists,", sum(c["calls"] is None for c in data["python"]), "refused;", len(data["render"]), "prompts")


if __name__ == "__main__":
    main()
