#!/usr/bin/env python3
"""Write goldens.json.gz: what the reference tokenizers make of many texts.

    python3 -m pip install tiktoken==0.14.0 tokenizers==0.22.2 transformers==4.57.*
    python3 -m pip download --no-deps llama-models==0.3.0 && unzip llama_models-*.whl -d build/llama-models
    python3 llama4/tokenizer/testdata/goldens.py build/llama-models

Two vocabularies: the demo model's (demo_tokenizer.json beside this file) and
Llama 4's own (llama_models/llama4/tokenizer.model, of which only ids are kept).
Each text goes through Hugging Face tokenizers and through tiktoken, for both
vocabularies, and the script fails if the two references disagree anywhere.
"""
import gzip
import io
import json
import random
import sys
from pathlib import Path

import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.pre_tokenizers import Split
from transformers.convert_slow_tokenizer import TikTokenConverter, bytes_to_unicode

sys.path.insert(0, sys.argv[1])
from llama_models.llama4.tokenizer import Tokenizer as MetaTokenizer  # noqa: E402

HERE = Path(__file__).parent
random.seed(20250405)

CATEGORIES = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe",
              "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn"]
# Letters name classes as in classes.go.
CLASSES = {"A": r"[\p{Lu}\p{Lt}]", "B": r"\p{Ll}", "C": r"[\p{Lm}\p{Lo}]", "G": r"\p{M}", "H": r"\p{N}",
           "P": r"[^\S\r\n]", "X": r"[\r\n]"}
SCALARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CHUNK = 20000


def matched_by_tiktoken(pattern):
    bytes_only = {bytes([i]): i for i in range(256)}
    enc = tiktoken.Encoding("probe", pat_str=pattern, mergeable_ranks=bytes_only, special_tokens={})
    out = []
    for i in range(0, len(SCALARS), CHUNK):
        out += bytes(enc.encode_ordinary("".join(SCALARS[i:i + CHUNK]))).decode()
    return out


def matched_by_tokenizers(pattern):
    split = Split(Regex(pattern), "removed", invert=True)
    out = []
    for i in range(0, len(SCALARS), CHUNK):
        for piece, _ in split.pre_tokenize_str("".join(SCALARS[i:i + CHUNK])):
            out += piece
    return out


def class_runs():
    """Runs of code points of one class, as both references see them."""
    of = {}
    for name, pattern in CLASSES.items():
        a, b = matched_by_tiktoken(pattern), matched_by_tokenizers(pattern)
        assert a == b, (name, set(a) ^ set(b))
        for c in a:
            assert c not in of, hex(ord(c))
            of[c] = name
    runs = []
    for cp in range(0x110000):
        name = of.get(chr(cp), "@")
        if not runs or runs[-1][1] != name:
            runs.append([cp, name])
    return runs


TEXTS = """
The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs!
HTTPServer parses XMLHttpRequest; camelCaseWord, PascalCaseWord, SCREAMING_SNAKE_CASE, kebab-case-word, snake_case_word
It's I'm you're we've he'd she'll don't IT'S I'M YOU'RE WE'VE HE'D SHE'LL DON'T It'S wE'vE x'Ll y'D z'M
it\u2019s rock'n'roll 'tis o'clock 's 't 're 've 'm 'll 'd 'x 'l 'r 'v ''s a''s a'\u017f A'\u017f \u00e9'\u017f 1's !'s
'\u017ft \u017f's a'\u017fs a'\u212a \u212a's a'R a'RE a'Re a'rE a'LL a'lL a'L a'V a'VE
0 1 12 123 1234 12345 1234567890 3.14159 1,000,000 0x1F 1e-10 2024-02-29T12:34:56Z +1 (555) 010-9999 10% $5.00 \u20ac7
\u0663\u0664\u0665\u0666 \u0967\u0968\u0969\u096a\u096b \u1040\u1041\u1042\u1043 \uff11\uff12\uff13\uff14 \u2160\u2161\u2162\u2163 \u00bd\u00be\u00b2\u00b3\u00b9 \U0001d7d8\U0001d7d9\U0001d7da\U0001d7db \u3007\u4e00\u4e8c\u4e09\u56db 12\u066334
Se\u00f1or caf\u00e9 na\u00efve fa\u00e7ade \u00dcber stra\u00dfe \u00c5ngstr\u00f6m \u0141\u00f3d\u017a \u0130stanbul I\u0307 \u0131\u015f\u0131k D\u017e \u01c5 \u01c6 \u01f1\u01f2\u01f3
e\u0301 E\u0301 cafe\u0301 CAFE\u0301 A\u0301B\u0301C \u0301abc \u0301ABC !\u0301abc !!\u0301abc  \u0301x \u20dd a\u20dd 1\u20e3 #\ufe0f\u20e3
\u4f60\u597d\uff0c\u4e16\u754c\uff01\u6211\u4eec\u5728\u6d4b\u8bd5\u5206\u8bcd\u5668\u3002\u4eca\u5929\u662f2024\u5e741\u67081\u65e5\u3002 ABC\u4e2d\u6587abc \u4e2d\u6587ABC \u4e2d'\u5b57's
\u65e5\u672c\u8a9e\u306e\u30c6\u30b9\u30c8\u3067\u3059\u3002\u30ab\u30bf\u30ab\u30ca\u3068\u3072\u3089\u304c\u306a\u3001\u6f22\u5b57\u30fc\u3005\u3006\u3007 \uff8a\uff9d\uff76\uff78 \u304c\u304d\u3099
\ud55c\uad6d\uc5b4 \ud14c\uc2a4\ud2b8\uc785\ub2c8\ub2e4. \u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165
\u0417\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439\u0442\u0435, \u043c\u0438\u0440! \u0421\u0421\u0421\u0420 \u0439\u043e\u0433\u0443\u0440\u0442 \u0407\u0436\u0430\u043a \u041f\u0440\u0438\u0432\u0435\u0442\u041c\u0438\u0440
\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5 \u039a\u03cc\u03c3\u03bc\u03b5 \u03ac\u03c2 \u1f00\u03c1\u03c7\u1f74 \u1fbc\u1fcc\u1ffc \u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2
\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0642\u064e\u0644\u064e\u0645\u064c \u0627\u0644\u0644\u0651\u064e\u0647 \u0661\u0662\u0663 \u200f\u0634\u0643\u0631\u0627\u200e \u06a9\u062a\u0627\u0628\u200c\u0647\u0627
\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd \u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u05d1\u05bc\u05b0\u05e8\u05b5\u05d0\u05e9\u05b4\u05c1\u05d9\u05ea
\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e \u0915\u094d\u0937\u0924\u094d\u0930\u093f\u092f \u0c24\u0c46\u0c32\u0c41\u0c17\u0c41 \u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0cb8\u0ccd\u0c95\u0cc3\u0ca4 \u0d2e\u0d32\u0d2f\u0d3e\u0d33\u0d02 \u09ac\u09be\u0982\u09b2\u09be \u0a2a\u0a70\u0a1c\u0a3e\u0a2c\u0a40 \u0a97\u0ac1\u0a9c\u0ab0\u0abe\u0aa4\u0ac0 \u0b13\u0b21\u0b3c\u0b3f\u0b06 \u0dc3\u0dd2\u0d82\u0dc4\u0dbd
\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01 \u0ea5\u0eb2\u0ea7 \u1019\u103c\u1014\u103a\u1019\u102c \u1797\u17b6\u179f\u17b6\u1781\u17d2\u1798\u17c2\u179a \u0f56\u0f7c\u0f51\u0f0b\u0f66\u0f90\u0f51\u0f0b \u182e\u1823\u1829\u182d\u1823\u182f
\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u1c90\u1c91\u1c92 \u0540\u0561\u0575\u0565\u0580\u0565\u0576 \u12a0\u121b\u122d\u129b \u13e3\u13b3\u13a9 \uab70\uab71 \u14c0\u14d0\u1403\u1450 \u16a0\u16a2\u16a6 \u1681\u1682 \u2c00\u2c30 \U00010400\U00010428 \U0001e900\U0001e922
\U00012000\U00012001 \U00013000\U00013001 \U00020000\U0002a6d6 \U0002ebf0 \U00030000 \U000323af\U000323b0 \u1c89\u1c8a \ua7cb\ua7cd\ua7ce \U00010d50\U00010d70 \U00016ea0\U00016ebb
\U0001f600\U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f3\ufe0f\u200d\U0001f308 \U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7 \u2764\ufe0f\u200d\U0001f525 \U0001f9d1\U0001f3ff\u200d\U0001f680 \U0001fae8\U0001f9cc a\U0001f600b1\U0001f600!
\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f \u2603\ufe0e \u00a9\u00ae\u2122 \u2190\u2191\u2192 \u221e\u2211\u222b \u2500\u2502\u250c \ue000\uf8ff\U000f0000 \ufeffBOM \ufffd\ufffdx \uffff
!@#$%^&*()_+-=[]{}|;':",./<>?`~ \\ // /// /* */ <!-- --> ... !!! ??? --- === ::: -> => <= >= != == && || ++ --
(abc) [def] {ghi} "jkl" 'mno' <pqr> `stu` *vwx* _yz_ #tag @user $VAR %20 a.b,c;d:e!f?g/h\\i|j~k^l&m+n=o-p
/usr/local/bin/python3 C:\\Windows\\System32 https://example.com/a/b?c=d&e=f#g user@example.org 192.168.0.1 fe80::1
""".strip("\n").split("\n")

BLOCKS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r", "\t", "\t\t", " \n", "\n ", " \n ", "  \n  \n  ", "\n\n\n   x", "a\n", "a \n", "a  \nb",
    "a\r\nb\r\n\r\nc", "a\tb\t\tc\t\t\td", " a", "  a", "   a", "a ", "a  ", "a   ", "   1", "  1", " 1", "  !", " !", "   !a", "\t!", "\ta", "\t\ta", "\t1", "\n1", "\n!", "\na",
    "!\n", "!\n\n", "!\r\n/\n", "!/\n//\n a", "/\n", "//\n\n", "a/\n", ")\n\n\n  (", ". \n", ";\n\t}\n", " !\n", "  !\n \n", "\u00a0a", "a\u00a0\u00a0b", "\u00a0\u00a0\u00a0", "\u00a0!", "\u3000\u4f60\u3000\u597d",
    "\u2003\u2003x", "\u2028\u2029\u0085\n\u0085x", "\x0b\x0c\x1c\x1d\x1e\x1fx", "\u1680\u2000\u200a\u202f\u205f\u200bx", "\u180e a\u200b b\u2060 c", "\x00\x01\x7f\x80", "a\x00b", "\x00\n\x00",
    " \u00a0 \u3000 a", "\u0085a", "\u0085\u0085a", "a\u0085", " \u0301", "  \u0301", "\n\u0301", "\u0301\n", "\u0301 ", "\u0301\u0301", "\u0301A", "\u0301a", "\u0301AB", "A\u0301B", "AB\u0301C", "\u00aaAB", "A\u00aaB", "AB\u00aa", "AB\u00aaCd", "\u00aaA\u00aaB'S",
    "A'sB", "ABC'Sdef", "AB\u00aaC's", "\u4e2dABC", "\u4e2dABCd", "ABC\u4e2dDEF", "abc\u4e2dDEF", "aB", "aBC", "ABc", "AbC", "\u01c5", "\u01c5a", "a\u01c5", "\u02b0A", "A\u02b0", "A\u02b0B", "!A", "!!A", "! A", "!1", "1!", "1a", "a1", "1A1a", "\u00bda", "\u2160A\u2170a",
    "''", "'", "'s", " 's", "a's", "a 's", "a's's", "a'sb", "a'S'T", "1's", "!'s", "a'", "a'll", "a'lla", "a'l", "a'l l", "a're", "a'r", "a'ree", "a've", "a'v", "a'd've", "A'D'VE", "\u0301's", "\u4e2d's", "a\u0301's", "a'\u017f'\u017f", "a'\u0301s", "a\u2019s",
    "def f(x):\n    if x > 0:\n        return x ** 2\n\n\nclass A(B):\n\tpass\n", "for (int i = 0; i < n; ++i) {\n  a[i] += b[i] * c;  // sum\n}\r\n",
    "func (t *Tokenizer) Encode(text string) []int32 {\n\treturn t.AppendEncode(nil, text)\n}\n", "SELECT * FROM t WHERE a='b' AND c>=1 ORDER BY d DESC;\n", "<div class=\"x\">\n  <p>&nbsp;Hi</p>\n</div>\n", "{\"a\": [1, 2.5, null, true], \"b\": {\"c\": \"\\u00e9\"}}\n",
    "# Title\n\n- item *one*\n- item **two**\n\n```go\nx := 1\n```\n\n| a | b |\n|---|---|\n", "x^2 + y^2 = z^2, \\frac{a}{b} \\alpha\n", "aGVsbG8gd29ybGQhIHRoaXMgaXMgYmFzZTY0IHRleHQ=", "0123456789abcdefABCDEF" * 6,
    "a" * 95, "a" * 96, "a" * 97, "a" * 300, "A" * 300, "ab" * 200, "abc" * 100 + "\n", " " * 300, " " * 300 + "x", "\n" * 300, "\t" * 200 + "\n", "=" * 300, "-=" * 150, "\u4f60\u597d" * 60, "\U0001f600" * 60, "e\u0301" * 100, "\u0e01\u0e33" * 80, "1" * 100,
    "Donaudampfschifffahrtselektrizit\u00e4tenhauptbetriebswerkbauunterbeamtengesellschaft" * 2, "\u0627\u0644" * 100, "supercalifragilisticexpialidocious " * 3,
]

SPECIALS = [
    "<|begin_of_text|>", "<|begin_of_text|><|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\n",
    "a<|eot|>b", "a <|eot|> b", "a  <|eot|>  b", "\n<|eot|>\n", "<|eot|><|eot|>", "<|eot", "<|eot|", "|eot|>", "<<|eot|>>", "<|<|eot|>|>", "<|eo<|eot|>t|>", "<|EOT|>", "< |eot|>", "<|eot |>",
    "<|image_start|><|image|><|patch|><|patch|><|tile_x_separator|><|patch|><|tile_y_separator|><|image_end|>", "it's<|eom|>'s", "A<|step|>'s b", "<|fim_prefix|>x<|fim_suffix|>y<|fim_middle|>z",
    "<|python_start|>print(1)<|python_end|><|eom|>", "<|finetune_right_pad|>" * 3, "<|text_post_train_reserved_special_token_1|><|text_post_train_reserved_special_token_10|><|text_post_train_reserved_special_token_68|>",
    "<|vision_reserved_special_token_7|><|vision_reserved_special_token_1047|><|vision_reserved_special_token_1048|>", "<|reasoning_thinking_start|>\u4f60<|reasoning_thinking_end|>", "<|reserved_special_token_0|><|reserved_special_token_903|><|reserved_special_token_904|>",
    "no special at all", "\u00e9<|end_of_text|>\u0301", "<|" * 20, "<|image" + "<|image_st" + "<|image|>",
]


def random_texts(by_category):
    everything = list(CATEGORIES)
    likely = "aAbBzZsStTlLdDmMvVrReE019 .,!'\n\r\t/\u017f\u00aa\u0301\u4e2d\u00a0"
    out = []
    for _ in range(2000):  # any category
        out.append("".join(random.choice(by_category[random.choice(everything)]) for _ in range(random.randint(1, 8))))
    for _ in range(1200):  # what the pattern treats in a special way, densely
        out.append("".join(random.choice(likely) for _ in range(random.randint(1, 14))))
    for _ in range(900):  # the two mixed
        out.append("".join(random.choice(likely) if random.random() < .6 else random.choice(by_category[random.choice(everything)])
                           for _ in range(random.randint(1, 10))))
    for category in everything:  # each category among letters
        for _ in range(6):
            c = random.choice(by_category[category])
            out.append(random.choice(["a%sb", "A%sB", " %s", "%s%s", "1%s2", "!%sa", "\n%s", "%s'S", "a'%s"]).replace("%s", c))
    return out


def demo():
    path = HERE / "demo_tokenizer.json"
    hf = Tokenizer.from_file(str(path))
    model = json.loads(path.read_text())
    letters = {v: k for k, v in bytes_to_unicode().items()}
    ranks = {bytes(letters[c] for c in k): v for k, v in model["model"]["vocab"].items()}
    enc = tiktoken.Encoding("demo", pat_str=MetaTokenizer.O200K_PATTERN, mergeable_ranks=ranks,
                            special_tokens={a["content"]: a["id"] for a in model["added_tokens"]})
    return hf, enc


def real():
    meta = MetaTokenizer.get_instance()
    path = Path(sys.argv[1]) / "llama_models" / "llama4" / "tokenizer.model"
    converter = TikTokenConverter(str(path), pattern=meta.O200K_PATTERN, additional_special_tokens=list(meta.special_tokens))
    hf = converter.tokenizer()
    hf.pre_tokenizer = pre_tokenizers.Sequence([Split(Regex(meta.O200K_PATTERN), "isolated"),
                                                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    hf.decoder = decoders.ByteLevel()
    hf.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in meta.special_tokens])
    for name, id in meta.special_tokens.items():
        assert hf.token_to_id(name) == id, name
    return hf, meta.model


def encode(pair, text, special):
    hf, enc = pair
    hf.encode_special_tokens = not special
    a = hf.encode(text, add_special_tokens=False).ids
    b = enc.encode(text, allowed_special="all") if special else enc.encode_ordinary(text)
    assert a == b, (text, special, a, b)
    return a


# Added tokens of other kinds, on top of the demo vocabulary: found in plain text
# too (not special), searched for in a second round (normalized), in the
# vocabulary already ("he"), overlapping.
ADDED = [("he", None, True, False), ("<fo", 764, False, False), ("<foo>", 765, True, False), ("oo>", 766, True, True),
         ("the<", 767, False, False), ("a b", 768, False, True), ("\u00e9t\u00e9", 769, True, False)]
ADDED_TEXTS = ["the <foo> other", "the<foo>", "oo>the<|eot|>the<", "<|eot|>", "foo>a bthe", "lathe the thethe", "a b a  b \u00e9t\u00e9 a\u0301",
               "<f<fo<foo<foo>", "plain", "", "a b<|eot|>'s the's oo>", "<fo\n\n the<the \n<foo>  x"]


def added_cases():
    model = json.loads((HERE / "demo_tokenizer.json").read_text())
    for content, id, normalized, special in ADDED:
        model["added_tokens"].append({"id": model["model"]["vocab"][content] if id is None else id, "content": content, "normalized": normalized,
                                      "special": special, "single_word": False, "lstrip": False, "rstrip": False})
    hf = Tokenizer.from_str(json.dumps(model))
    texts = []
    for t in ADDED_TEXTS:
        hf.encode_special_tokens = True
        plain = hf.encode(t, add_special_tokens=False).ids
        hf.encode_special_tokens = False
        texts.append([t, plain, hf.encode(t, add_special_tokens=False).ids])
    return {"tokens": model["added_tokens"], "texts": texts}


def decode_cases(pair, count):
    """Sequences of ids, many of which are parts of characters, and their text."""
    hf, enc = pair
    ranks = {enc.decode_single_token_bytes(i): i for i in range(enc.n_vocab)}
    high = [i for b, i in ranks.items() if any(c >= 0x80 for c in b)]
    broken = [i for i in high if "\ufffd" in enc.decode([i])]
    specials = sorted(enc._special_tokens.values())[:12]
    out = []
    for _ in range(count):
        ids = []
        for _ in range(random.randint(1, 9)):
            pool = random.choices([broken, high, range(enc.n_vocab), specials], [6, 2, 2, 1])[0]
            ids.append(random.choice(pool))
        for c in random.choices(["\u00e9", "\u4f60", "\U0001f600", "\u20ac"], k=random.randint(0, 2)):  # whole characters, byte by byte
            at = random.randint(0, len(ids))
            ids[at:at] = [ranks[bytes([b])] for b in c.encode()]
        text = enc.decode(ids)  # errors="replace"
        assert text == hf.decode(ids, skip_special_tokens=False), ids
        out.append([ids, text])
    return out


def main():
    by_category = {c: matched_by_tiktoken(r"\p{%s}" % c) for c in CATEGORIES}
    pairs = demo(), real()
    texts = TEXTS + ["\n".join(TEXTS)] + BLOCKS + SPECIALS + random_texts(by_category)
    goldens = {
        "classes": class_runs(),
        "texts": [[t, *(encode(p, t, False) for p in pairs)] for t in texts],
        "special": [[t, *(encode(p, t, True) for p in pairs)] for t in SPECIALS],
        "added": added_cases(),
        "decode": [decode_cases(p, 400) for p in pairs],
    }
    data = io.BytesIO()
    with gzip.GzipFile(fileobj=data, mode="wb", mtime=0) as f:
        f.write(json.dumps(goldens, separators=(",", ":")).encode())
    (HERE / "goldens.json.gz").write_bytes(data.getvalue())
    print(len(texts), "texts,", len(goldens["classes"]), "runs of classes,", len(data.getvalue()), "bytes")


main()
