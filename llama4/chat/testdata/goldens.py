"""Writes goldens.json.gz: conversations rendered by transformers' apply_chat_template machinery.

Run from the repository root with the reference environment (transformers 4.57):
    python llama4/chat/testdata/goldens.py

Every case has the template's name, the messages and the other inputs as JSON, and either the text ("out") or the error
("err", with its Python type). "pieces" is the text split at the special tokens by transformers' own trie.
"""
import datetime
import gzip
import json
import pathlib

import transformers.utils.chat_template_utils as ctu
from transformers.tokenization_utils import Trie

HERE = pathlib.Path(__file__).parent
TOKENS = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot|>", "pad_token": "<|finetune_right_pad|>"}
SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>", "<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>", "<|image|>",
           "<|python_start|>", "<|python_end|>", "<|finetune_right_pad|>", "<|im_start|>", "<|im_end|>", "<|end|>",
           "<|user|>", "<|assistant|>", "<|system|>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>",
           "[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[AVAILABLE_TOOLS]",
           "[/AVAILABLE_TOOLS]"]


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 9, 3, 7, 2, 3, 45678)


ctu.datetime = Clock


def u(content, **kw):
    return {"role": "user", "content": content, **kw}


def a(content, **kw):
    return {"role": "assistant", "content": content, **kw}


def s(content):
    return {"role": "system", "content": content}


def call(name, arguments, id="abcdefghi"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


TOOL = {"type": "function", "function": {
    "name": "get_weather", "description": "Gets the <weather> & \"more\" in a café.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "where"}, "days": {"type": "integer", "default": 3},
        "unit": {"enum": ["°C", "°F"], "default": None}}, "required": ["city"]}}}
TOOL2 = {"type": "function", "function": {"name": "add", "parameters": {"z": 1.0, "a": 1e-7, "big": 12345678901234567890123,
                                                                       "e": [], "o": {}, "t": [True, None]}}}
img = {"type": "image", "path": "a.png"}


def txt(t):
    return {"type": "text", "text": t}


CONVERSATIONS = {
    "one": [u("Hello")],
    "spaces": [s("  be brief \n"), u("  hi there\n\n"), a(" ok \n"), u("\tmore")],
    "multi": [u("1"), a("2"), u("3"), a("4"), u("5")],
    "unicode": [s("naïve 日本語"), u("😀 ÉCOLE ß \u00a0 \u2028 e\u0301 \u200b"), a("\u0000\u001f\u007f\"\\/")],
    "empty": [u("")],
    "image": [u([img, txt("What is this?")]), a([txt("A cat.")]), u([txt("And "), {"type": "image", "url": "http://x/y.png"}, txt("?")])],
    "image_only": [u([img])],
    "parts": [s([txt(" sys ")]), u([txt(" a "), txt(" b ")])],
    "no_parts": [u([])],
    "calls": [u("Weather in Paris?"), a("", tool_calls=[call("get_weather", {"city": "Paris", "days": 2, "unit": "°C"})]),
              {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "21 °C, \"sunny\"\n"}, a("Warm.")],
    "calls_text": [u("go"), a("let me see", tool_calls=[call("f", {}), call("g", {"x": [1, 2.5, None, True, "<&>'"]}, "ihgfedcba")]),
                   {"role": "tool", "tool_call_id": "abcdefghi", "content": {"temp": 21.0, "tags": ["a", "b"], "n": {"k": None}}},
                   {"role": "tool", "tool_call_id": "ihgfedcba", "content": [1, "two", {"three": 3}]}],
    "calls_nocontent": [u("go"), {"role": "assistant", "tool_calls": [call("f", {"q": "é"})]}],
    "calls_string": [u("go"), a("", tool_calls=[call("f", "{\"x\": 1}")]), {"role": "ipython", "content": "done"}],
    "calls_empty": [u("go"), a("nothing", tool_calls=[]), u("again")],
    "result_number": [u("go"), a("", tool_calls=[call("f", {})]), {"role": "tool", "tool_call_id": "abcdefghi", "content": 42}],
    "result_parts": [u("go"), a("", tool_calls=[call("f", {})]), {"role": "tool", "tool_call_id": "abcdefghi", "content": [txt("r1"), img]}],
    "think": [u("q"), a("<think>\nhmm\n</think>\n\nanswer"), u("q2"), a("<think>\nso\n</think>\n\nanswer 2")],
    "extra": [u("x", name="bob", mood={"b": 1, "a": [1.5, "é"]}), a("y", mood="calm"), {"role": "hidden", "content": "z"}],
    "system_only": [s("alone")],
    "assistant_first": [a("hi"), u("yo")],
    "two_users": [u("a"), u("b")],
    "odd_role": [u("a"), {"role": "critic", "content": "b"}],
    "null": [u(None)],
    "markup": [u("{{ 1 + 1 }} {% if %} {# c #} <b>&amp;</b>")],
    "lines": [u("a\r\nb\rc\n\n d"), a("e\n")],
}
TOOLS = {"none": None, "one": [TOOL], "two": [TOOL, TOOL2], "empty": []}


def cases():
    for template in sorted(p.stem for p in (HERE / "templates").glob("*.jinja")):
        for name, messages in CONVERSATIONS.items():
            for agp in (True, False):
                yield dict(template=template, name=name, messages=messages, add_generation_prompt=agp)
        for name in ("one", "spaces", "calls", "image", "system_only"):
            for tools in ("one", "two", "empty"):
                yield dict(template=template, name=f"{name}/tools_{tools}", messages=CONVERSATIONS[name], tools=TOOLS[tools],
                           add_generation_prompt=True)
    for name in ("one", "spaces"):
        m = CONVERSATIONS[name]
        yield dict(template="llama4", name=name + "/date", messages=m, date_string="26 Jul 2024")
        yield dict(template="llama4", name=name + "/system_tools", messages=m, tools=[TOOL], extra={"tools_in_user_message": False})
        yield dict(template="llama4", name=name + "/custom_tools", messages=m, extra={"custom_tools": [TOOL2]})
        yield dict(template="chatml", name=name + "/no_think", messages=m, extra={"enable_thinking": False}, add_generation_prompt=True)
        yield dict(template="dates", name=name + "/info", messages=m,
                   extra={"extra_info": {"b key": {"z": 1, "a": [1, {}]}, "a": "text", "C": 2}})


def main():
    trie = Trie()
    for name in SPECIAL:
        trie.add(name)
    out = []
    for c in cases():
        c = json.loads(json.dumps(c))
        source = (HERE / "templates" / (c["template"] + ".jinja")).read_text()
        kw = dict(c.get("extra", {}))
        if "date_string" in c:
            kw["date_string"] = c["date_string"]
        try:
            rendered, _ = ctu.render_jinja_template(
                conversations=[c["messages"]], tools=c.get("tools"), chat_template=source,
                add_generation_prompt=c.get("add_generation_prompt", False), **{**TOKENS, **kw})
            c["out"] = rendered[0]
            c["pieces"] = [p for p in trie.split(rendered[0]) if p]
        except Exception as e:  # the error is the golden
            c["err"] = f"{type(e).__name__}: {e}"
        out.append(c)
    data = {"tokens": TOKENS, "special": SPECIAL, "cases": out,
            "strftime": {f: Clock.now().strftime(f) for f in (
                "%d %b %Y", "%c", "%x %X", "%a %A %b %B %h", "%d %e %j %m %y %Y %C", "%H %I %k %l %M %S %f %p", "%U %W %V %G %g %u %w",
                "%-d %-m %-H %-I %-j %_d %_H %0e %^a %^B", "%D %F %T %R %r", "%% %n %t", "%Z|%z|", "%Q", "100%", "")}}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (HERE / "goldens.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    print(len(out), "cases,", sum("err" in c for c in out), "errors,", len(text), "bytes")


if __name__ == "__main__":
    main()
