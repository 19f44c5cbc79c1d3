"""Writes goldens.json: what transformers' jinja2 environment makes of small templates.

Run from the repository root with the reference environment (transformers 4.57, jinja2 3.1):
    python llama4/chat/internal/jinja/testdata/goldens.py

A line of TEMPLATES is one template, with a pilcrow for a newline; where it holds \\n, a second one has real newlines there.
"out" is the text, "err" the error with its Python type.
"""
import json
import pathlib

from transformers.utils.chat_template_utils import _compile_jinja_template

VARS = {"x":"X","n":None,"f":1.0,"l":["it's",None,1.5,True,"q\"'z"],"m":{"a":"b","Z":1,"c":{"d":[1,2]}},"msgs":[{"role":"user","content":"hi "},{"role":"assistant","content":" <b>&'\" é\u2028\u007f\n"},{"role":"user","content":None}],
        "s":"  Hello, World-wide web\tfoo\nbar \r\nbaz  ","big":12345678901234567890123,"fl":[0.1,1e16,1e-5,123456789.0,1e22,-0.0,5e-324],"e":[],"u8":"naïve ÉCOLE ß 日本 😀","nums":[3,1,2,10],"words":["banana","Apple","cherry","apple"],"emptys":"","t":True}

TEMPLATES = r'''
{% if x %}{{ x }}\nfoo{% endif %}
a\n
a\n\n
{{ n }}|{{ f }}|{{ l }}|{{ 7 // -2 }}|{{ -7 % 3 }}|{{ 'ab' * 2 }}|{{ 2**3 }}|{{ 10/4 }}
{{ u.v }}
{{ u }}|{{ u is defined }}|{{ u|default('d') }}|{{ n|default('d') }}|{{ n|default('d', true) }}|{{ emptys|d('e', boolean=true) }}
{{ x + n }}
{{ x ~ n ~ 1 ~ f ~ u }}
{% for i in [1,2] %}{{ y }}{% set y = i %}{% endfor %}
{% set y = 0 %}{% for i in [1,2] %}{{ y }}{% set y = i %}{% endfor %}{{ y }}
{% set ns = namespace(a=1) %}{% for i in [1,2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}
{{ 'a' 'b' }}
{{ '\u00e9\x41\101\t|\q|\'' }}
{{ '%s-%05.1f-%d-%x-%%' % (x, 3.14159, 42, 255) }}
{{ '%s' % x }}{{ '%-5s|' % x }}{{ '%5s|' % x }}{{ '%(a)s' % m }}{{ '%g %e' % (1234567.0, 0.00012) }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% for k, v in m|dictsort %}{{k}}={{v}};{% endfor %}
{% for k, v in m.items() %}{{k}}={{v}};{% endfor %}
{% for k in m %}{{k}};{% endfor %}
{{ x is sequence }}{{ 1 is sameas 1 }}{{ m is sequence}}{{ x is iterable }}{{ u is iterable }}{{ n is iterable }}{{ m is mapping }}{{ 1 is number }}{{ true is number }}{{ true is integer }}{{ 1.0 is float }}{{ n is none }}{{ 3 is odd }}{{ 4 is divisibleby 2 }}{{ 'A' is upper }}{{ 1 is in [1] }}{{ x is string }}{{ x is not string }}{{ 1 is eq 1 }}{{ 1 is lt 2 }}{{ t is true }}{{ range is callable }}
{{ [3,1]|sort|join(',') }}{{ ['b','a']|map('upper')|join }}
{{ words|sort }}{{ words|sort(reverse=true) }}{{ words|sort(case_sensitive=true) }}{{ nums|sort }}{{ words|unique|list }}{{ words|min }}{{ nums|max }}{{ nums|sum }}{{ words|first }}{{ words|last }}{{ e|first }}
{{ l.append(1) }}{{ l|length }}
{{ m.update({}) }}
{{ m.pop('a') }}
{{ 'a,b,c'.split(',', 1) }}{{ 'a,b,c'.rsplit(',', 1) }}{{ s.split() }}{{ s.split(none, 1) }}{{ s.rsplit(none, 1) }}
{{ e[0]['role'] == 'system' }}
{{ e[0] }}|{{ e[0] is defined }}
{{ msgs[0].role }}{{ msgs[-1]['role'] }}{{ msgs[1:]|length }}{{ msgs[::-1][0].role }}{{ msgs[:1] }}{{ 'abcdef'[::-2] }}{{ 'abcdef'[1:4] }}{{ 'abcdef'[-2:] }}{{ nums[5:1:-1] }}{{ nums[10:] }}{{ nums[:-1] }}
{{ msgs|tojson }}
{{ msgs|tojson(indent=2) }}
{{ m|tojson(indent=4, sort_keys=true) }}{{ m|tojson(separators=(',',':')) }}{{ u8|tojson(ensure_ascii=true) }}{{ u8|tojson }}{{ e|tojson(indent=2) }}{{ {}|tojson(indent=1) }}{{ big|tojson }}{{ fl|tojson }}{{ fl }}{{ m|tojson(indent='--') }}
{{ u|tojson }}
{{ [1,(2,3),(4,)] }}{{ (1,) }}{{ () }}{{ {'a':1,2:'b',true:3} }}{{ {1:2}|tojson }}
{{ s|trim }}|{{ s.strip() }}|{{ '--a--'|trim('-') }}|{{ '--a--'.lstrip('-') }}|{{ '\x1c a\u00a0\u3000'|trim }}
{{ s|title }}|{{ s.title() }}|{{ u8|upper }}|{{ u8|lower }}|{{ u8|capitalize }}|{{ u8|length }}|{{ u8[::-1] }}|{{ u8|reverse }}
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb\n\nc'|indent(2, true, true) }}|{{ 'a\nb\n'|indent(width='> ') }}
{{ msgs|map(attribute='role')|join(', ') }}{{ msgs|selectattr('role','equalto','user')|list|length }}{{ msgs|rejectattr('content')|list|length }}{{ msgs|selectattr('content','none')|map(attribute='role')|list }}
{{ [0,1,2,'',none]|select|list }}{{ nums|select('gt', 2)|list }}{{ nums|reject('odd')|list }}
{% if e|selectattr('x') %}truthy{% endif %}
{{ e|selectattr('x')|length }}
{{ nums|batch(3)|list }}{{ nums|batch(3,0)|list }}{{ nums|slice(3)|list }}
{{ '3.7'|int }}{{ '0x1F'|int(base=16) }}{{ 'z'|int(5) }}{{ '42'|float }}{{ 3.7|int }}{{ 2.5|round }}{{ 3.14159|round(2) }}{{ 2.675|round(2) }}{{ 3.2|round(method='ceil') }}{{ -3|abs }}{{ 42|string ~ 'x' }}
{{ 'hello world'|replace('o','0') }}{{ 'aaa'.replace('a','b',2) }}{{ 'abc'|replace('','-') }}{{ 'hello'|wordcount }}{{ 'the quick brown fox jumps'|truncate(12) }}|{{ 'x'|center(5) }}|
{{ '<a href="x">&\'</a>'|e }}{{ '<b>'|safe }}
{{ 1 if t else 2 }}{{ 1 if not t }}{{ (1 if not t else 2) + 1 }}
{{ 1 < 2 < 3 }}{{ 1 < 2 > 5 }}{{ 1 == 1.0 == true }}{{ 'a' in 'abc' }}{{ 'q' not in l }}{{ 'a' in m }}{{ 1 in nums }}{{ not 1 in nums }}
{{ 1 + 2 * 3 - 4 / 2 }}{{ -2 ** 2 }}{{ 2 ** -1 }}{{ 2 ** 3 ** 2 }}{{ 7 % -3 }}{{ 7.5 // 2 }}{{ -7.5 % 2 }}{{ 1_000 }}{{ 0xff }}{{ 1e3 }}{{ 1.5e-3 }}
{{ 'a' < 'b' }}{{ [1,2] < [1,3] }}{{ [1]+[2] }}{{ (1,)+(2,) }}{{ [1]*3 }}{{ 3*'a' }}
{{ 'a' < 1 }}
{{ 1 + 'a' }}
{{ 1/0 }}
{{ n.foo }}
{{ n.foo.bar }}
{{ n['foo'] }}
{{ m['items'] is defined }}{{ m.get('a') }}{{ m.get('zz') }}{{ m.get('zz', 5) }}{{ m.keys()|list }}{{ m.values()|list|length }}
{{ m.c.d.0 }}{{ m.c.d[1] }}{{ m['c']['d'][5] }}
{% macro f(a, b=2, c=a) %}[{{a}}{{b}}{{c}}]{% endmacro %}{{ f(1) }}{{ f(1, c=5) }}{{ f(b=1) }}{{ f(1,2,3) }}
{% macro f(a) %}{{a}}{% endmacro %}{{ f(1,2) }}
{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}body{{ x }}{% endcall %}
{% macro f(l) %}{% for i in l %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(i) f(nums) %}({{ i }}){% endcall %}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% for i in nums %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('a','b') }}{{ loop.depth }};{% endfor %}
{% for i in nums if i > 1 %}{{ loop.index }}{{ i }}{% else %}none{% endfor %}
{% for i in e %}x{% else %}none{% endfor %}
{% for i in nums %}{% if i == 2 %}{% break %}{% endif %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}
{% for i in nums recursive %}{{ i }}{% if i == 3 %}{{ loop([7,8]) }}{{ loop.depth }}{% endif %}{% endfor %}
{% for i in nums %}{{ loop.changed(i > 2) }}{% endfor %}
{% set z %}a{{ x }}b{% endset %}{{ z }}{% set z | upper %}q{{ x }}q{% endset %}{{ z }}
{% filter upper %}abc{{ 1 }}{% endfilter %}{% filter replace('a','b')|upper %}abc{% endfilter %}
{% with a=1, b=x %}{{ a }}{{ b }}{% set c = 5 %}{% endwith %}{{ c }}{{ a }}
{% raw %}{{ x }}{% if %}{% endraw %}|{%- raw -%}  a  {%- endraw -%}  b
{# comment #}\nfoo {#- c -#} bar
  {% if t %}\n  a\n  {% endif %}\nb
{{ x }}  {% if t %}  a{% endif %}\n
  {%+ if t %}a{% endif %}
{% if t +%}\nfoo{% endif %}
{{ x -}}   \n  y   {{- x }}
{%- if t -%}  a  {%- else -%}  b  {%- endif -%}  c
{% for i in nums -%}\n  {{ i }}\n{%- endfor %}
\t {% set q = 1 %} \n z
{{ '}}' }}{{ {'a': {'b': 1}} }}{{ "%}" }}
{% if x == 'X' and not n or u %}yes{% elif t %}no{% endif %}
{% generation %}abc{% set gg = 1 %}{% endgeneration %}{{ gg }}
{{ raise_exception('boom ' ~ x) }}
{{ namespace(a=1, b='c') }}
{% set c = cycler('a','b') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.reset() }}
{% set j = joiner('; ') %}{{ j() }}a{{ j() }}b
{{ range(5)|list }}{{ range(5,0,-2)|list }}{{ range(2,4)|sum }}
{{ range(1000000) }}
{% include 'x' %}
{% import 'x' as y %}
{{ ''.__class__ }}
{{ ''.__class__.__mro__ }}
{{ x.startswith('X') }}{{ x.endswith(('a','X')) }}{{ 'abc'.find('c') }}{{ 'abcabc'.rfind('c') }}{{ 'abab'.count('ab') }}{{ '-'.join(['a','b']) }}{{ 'a\nb\r\nc'.splitlines() }}{{ 'a=b=c'.partition('=') }}{{ 'a=b=c'.rpartition('=') }}{{ '5'.zfill(3) }}{{ 'x'.ljust(3) }}|{{ 'x'.rjust(3,'.') }}{{ 'x'.center(4,'*') }}{{ '12'.isdigit() }}{{ 'ab'.isalpha() }}{{ 'foobar'.removeprefix('foo') }}{{ 'Ab'.swapcase() }}
{{ '{} {} {{}}'.format(1, x) }}{{ '{0}{1}{0}'.format('a','b') }}{{ '{q}'.format(q=3) }}
{{ dict(a=1, b=2) }}{{ dict(m, q=1)|length }}
{% set l2 = l + [1] %}{{ l2|length }}{{ l|length }}
{{ "a" if x is defined and x is not none else "b" }}
{{ msgs | map(attribute='content') | list }}
{{ msgs[0] }}
{{ l|join('|') }}{{ 'abc'|join(',') }}{{ msgs|join(',', attribute='role') }}
{{ 'abc'|list }}{{ m|list }}{{ 'abc'|first }}
{{ m|items|list }}{{ u|items|list }}
{{ nums|foo }}
{{ x is foo }}
{{ foo() }}
{{ x() }}
{{ t and x }}{{ n or 'dflt' }}{{ '' or 0 or none }}
{{ none == n }}{{ u == u2 }}{{ n == u }}{{ [1,2] == (1,2) }}{{ {'a':1} == {'a':1.0} }}
{{ loop }}
{% for a in nums %}{% for b in words %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}
{% for a, b in [[1,2],[3,4]] %}{{ a }}{{ b }}{% endfor %}{% for (a, (b, c)) in [[1,[2,3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}
{% for a, b in [[1,2,3]] %}{% endfor %}
{% for i in 5 %}{% endfor %}
{% for i in n %}{% endfor %}
{% for i in 'añb' %}{{ i }},{% endfor %}
{% set x = 'new' %}{{ x }}{% if t %}{% set x = 'newer' %}{% endif %}{{ x }}
{{ x }
{% if x %}
{% endif %}
{{ 1 + }}
{{ [1, 2 }}
{{ (1, 2] }}
{{ 'abc }}
{% for x in %}{% endfor %}
{% set = 1 %}
{% foo %}
{{ x y }}
{{ {1: } }}
{{ not }}
{{ 5 is divisibleby(5) }}{{ x is in(['X']) }}
{{ -x|length }}
{{ (-3)|abs }}{{ -3|abs }}
{{ x|upper ~ 'a'|upper }}{{ (x ~ 'a')|lower }}
{{ 1.0 }}{{ 1.50 }}{{ 100.0 }}{{ 1e100 }}{{ 0.1+0.2 }}{{ 3.0*2 }}{{ 6/2 }}{{ 7//2.0 }}
{{ 9223372036854775807 }}{{ big }}{{ big|string|length }}
{{ true }}{{ false }}{{ none }}{{ True }}{{ None }}
{{ true + 1 }}{{ true * 3 }}{{ 5 - true }}
{{ 'x' if 0 else 'y' if 0 else 'z' }}
{{ words|map('length')|list }}{{ words|map('replace','a','_')|join(' ') }}{{ words|map('default','x')|list }}
{{ [{'a':{'b':1}},{'a':{'b':2}}]|map(attribute='a.b')|list }}{{ [{'a':1},{}]|map(attribute='a',default=0)|list }}{{ [{'a':2},{'a':1}]|sort(attribute='a') }}{{ [{'a':2},{'a':1}]|sum(attribute='a') }}
{{ '"' }}{{ "'" }}{{ ['"', "'", "\\", "\n", "\x00", "\u200b", "é"] }}
{{- x -}}
{{+ x }}
{%- set a = 1 -%}  {{ a }}
{%- for m in msgs %}\n{{ m.role }}: {{ m.content }}\n{%- endfor %}
  {# c #}  \n  x
{#- c -#}
{{ x }}{# c #}\n{{ x }}
{% set m2 = {'a': 1, **m} %}
{{ range(3).__class__ }}
{{ m.c.d|length if m.c is defined and m.c.d else 0 }}
{% if msgs[0]['role'] == 'system' %}{% set loop_messages = msgs[1:] %}{% else %}{% set loop_messages = msgs %}{% endif %}{{ loop_messages|length }}
{% set content = msgs[1].content.split('é')[-1].lstrip('\n') %}{{ content }}
{{ '%d' % 3.9 }}{{ '%5.2f|%-8d|%+d|% d|%05d' % (1.005, 3, 4, 5, -42) }}
{{ '%s %s' % ('a',) }}
{{ '%d' % 'a' }}
{{ 'a' ~ [1] ~ {'b': none} }}
{{ "tojson"|tojson }}{{ n|tojson }}{{ t|tojson }}{{ 1.0|tojson }}{{ "</script>\u00e9\u2028"|tojson }}
{{ msgs|length - 1 }}{{ (msgs|length - 1) * 2 }}
{{ x.upper().lower() }}{{ x[0] }}{{ x[5] }}
{{ x.foo }}
{{ x['foo'] }}
{{ (1,2)[0] }}{{ [1,2].index(2) }}{{ [1,2,1].count(1) }}
{{ 2147483648 * 2147483648 }}
{{ words|sort|first }}{{ words|reverse|list }}{{ words|reverse|first }}
{%- macro g(x) -%}  a{{ x }}  {%- endmacro -%}|{{ g(1) }}|
{{ u|length }}{{ u|list }}{{ u|upper }}{{ u|trim }}{{ u|join }}
{{ u + 1 }}
{{ u < 1 }}
{{ u.x is defined }}
{{ u['x'] }}
{{ m.zz is defined }}{{ m.zz.y is defined }}
{{ m.zz.y }}
{{ 'a' in u }}
{{ 'a' in n }}
{{ 1 in 'a' }}
{{ loop is defined }}{% for i in [1] %}{{ loop is defined }}{% endfor %}
{{ [1,2,3]|last }}{{ 'abc'|last }}
{% set a = 1 %}{% macro h() %}{{ a }}{% endmacro %}{% set a = 2 %}{{ h() }}
{% for i in [1] %}{% set q = 5 %}{% macro k() %}{{ q }}{{ i }}{% endmacro %}{{ k() }}{% endfor %}
{{ ("a", "b")|join("-") }}{{ [["a", 1], ["b", 2]]|tojson }}
{{ {"b": 1, "a": 2}|dictsort }}{{ {"b": 1, "a": 2}|dictsort(by='value') }}{{ {"b": 1, "a": 2}|dictsort(reverse=true) }}
{{ '1'|int + 1 }}{{ ' 12 '|int }}{{ '1_0'|int }}{{ 'inf'|float }}{{ none|int }}{{ 'abc'|float(1.5) }}{{ true|int }}
{{ n|map('upper')|list }}{{ n|select|list }}{{ 0|selectattr('x')|list }}
{{ nums|join(', ')|replace(', ', '-') }}{{ nums|map('string')|join }}
{{ msgs|map(attribute='content')|map('default', 'none', true)|list }}
{{ 'a%b' }}{{ '%s' }}{{ '%%' % () }}
{{ '%s' % nums }}{{ '%s' % (nums,) }}{{ '%r' % 'a' }}{{ '%c%c' % ('x', 65) }}{{ '%.3s|' % 'abcdef' }}{{ '%*d' % (5, 3) }}{{ '%o %X %#x' % (8, 255, 255) }}
{{ '%(a)s %(Z)d' % m }}{{ '{}'.format(n) }}
{{ m|length }}{{ m|first }}{{ m|last }}{{ m|join('-') }}{{ m|sort }}
{{ l|first }}{{ (nums|sort)[0] }}{{ nums|sort|reverse|list }}{{ nums|reverse|join }}
{{ [1,2]|string }}{{ m|string }}{{ 'é'|string|length }}
{{ "x" * 0 }}|{{ "x" * -1 }}|{{ [] * 3 }}
{{ 'ab'.split('') }}
{{ 'abc'.index('z') }}
{{ nums[1:'a'] }}
{{ nums['a'] }}
{{ nums[1.0] }}
{{ -1 // 3 }}{{ -1 % 3 }}{{ 1 // -3 }}{{ 5.5 // -2 }}{{ 5.5 % -2 }}{{ 2 ** 0.5 }}{{ 0 ** 0 }}{{ 1e16 }}{{ 123456789012345680.0 }}{{ 1e15 }}{{ 0.0001 }}{{ 0.00001 }}
{{ 10 ** 18 }}{{ 7 ** 2 % 5 }}{{ 2 * 3 ** 2 }}
{{ 'a' if u else 'b' if u is defined else 'c' }}
{{ not u and not n }}{{ u or 'z' }}{{ u and 'z' }}|
{{ [u, n] }}
{{ u ~ 'x' }}{{ 'x' ~ u }}{{ [1] ~ 'x' }}
{% for k, v in m|items %}{{ k }}{{ loop.last }}{% endfor %}
{% for x in nums if x > 100 %}{% else %}empty{{ x }}{% endfor %}
{% for i in range(3) %}{% for j in range(2) %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }};{% endfor %}
{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}late{% endmacro %}{{ a() }}
{% macro a(x=u, y='d') %}{{ x is defined }}{{ y }}{% endmacro %}{{ a() }}{{ a(y=1) }}{{ a(n, n) }}
{% macro m1() %}  x  {% endmacro %}[{{ m1()|trim }}][{{ m1().strip() }}]
{%- set a = [] -%}{%- set a = a + [1] -%}{%- set a = a + [2] -%}{{ a }}
{% set ns = namespace() %}{% set ns.x = 1 %}{{ ns.x }}{{ ns.y is defined }}
{% set m.x = 1 %}
{% set q.x = 1 %}
{% break %}
{% if true %}{% else %}{% elif x %}{% endif %}
{% endfor %}
{% for x in nums %}{% endif %}{% endfor %}
{% macro f(a=1, b) %}{% endmacro %}
{{ 1 if }}
{{ a..b }}
{{ 'unterminated }}
{% raw %}never closed
{# never closed
{{ "a" "b" 'c' }}{{ "it's" }}{{ 'say "hi"' }}{{ ["it's"] }}{{ ['say "hi"'] }}{{ ['it\'s "x"'] }}
{{ "line\¶continued" }}
{%- if x -%}  A  {%- endif +%}  B
{{ x }} {#- left -#} {{ x }} {# mid #} {{ x }}
{% if t %}¶{{ x }}¶{% endif %}¶{{ x }}¶
¶¶  {%- if t %}¶    {{- x }}¶  {% endif %}¶  {% for i in nums %}¶    {{ i }}¶  {% endfor %}¶end¶¶
{% if t %} {{ x }} {% endif %} ¶ {% if t %}y{% endif %}¶
{{ x }}¶    {% if t %}¶    a¶    {%- endif -%}¶ b
{% set q %}¶a¶{% endset %}¶{{ q }}|
'''.strip('\n').split('\n')


def render(source):
    try:
        return {"t": source, "out": _compile_jinja_template(source).render(**json.loads(json.dumps(VARS)))}
    except Exception as e:  # the error is the golden
        return {"t": source, "err": f"{type(e).__name__}: {e}"}


def main():
    sources = []
    for line in TEMPLATES:
        line = line.replace("\u00b6", "\n")
        sources.append(line)
        if "\\n" in line:
            sources.append(line.replace("\\n", "\n"))
    out = [render(s) for s in sources]
    data = {"vars": VARS, "cases": out}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace('},{"t"', '},\n{"t"')
    (pathlib.Path(__file__).parent / "goldens.json").write_text(text + "\n")
    print(len(out), "cases,", sum("err" in c for c in out), "errors,", len(text), "bytes")


if __name__ == "__main__":
    main()
