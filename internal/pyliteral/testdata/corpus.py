"""Prints texts and what CPython makes of them, as JSON: corpus.py SEED.

The same seed gives the same texts. A case has:

  text      what to parse
  value     the value in the notation of dump; missing if CPython refuses
  differs   why pyliteral refuses a text that CPython accepts
  version   the CPython of the answer, if others may answer something else

A text that is a JSON document is read by the json module, any other one by
ast.literal_eval. "quotes" holds strings and their repr.
"""

import ast
import json
import platform
import random
import re
import struct
import sys
import warnings

MAX_DEPTH = 32
MAX_DIGITS = 4300


class Pairs(list):
    """The items of a JSON object, repeated keys included."""


class Differs(Exception):
    """A value that pyliteral refuses on purpose."""


# ---- values ---------------------------------------------------------------


def bits(x):
    return struct.pack(">d", x).hex()


def dump(v):
    """Writes a value with its type, without two ways to write the same one."""
    if v is None:
        return "n"
    if isinstance(v, bool):
        return "T" if v else "F"
    if isinstance(v, int):
        return "i%x" % v
    if isinstance(v, float):
        return "f" + bits(v)
    if isinstance(v, complex):
        return "c%s,%s" % (bits(v.real), bits(v.imag))
    if isinstance(v, str):
        try:
            return "s%d:%s" % (len(v.encode()), v)
        except UnicodeEncodeError:
            raise Differs("surrogate") from None
    if isinstance(v, bytes):
        return "b" + v.hex()
    if isinstance(v, Pairs):
        return "{%s}" % ",".join(dump(k) + "=" + dump(w) for k, w in v)
    if isinstance(v, list):
        return "[%s]" % ",".join(map(dump, v))
    raise Differs("type")


def dump_node(n):
    """Dumps a node that literal_eval accepts, with repeated keys in place."""
    if isinstance(n, ast.Dict):
        items = zip(n.keys, n.values)
        return "{%s}" % ",".join(dump_node(k) + "=" + dump_node(v) for k, v in items)
    if isinstance(n, ast.List):
        return "[%s]" % ",".join(map(dump_node, n.elts))
    if isinstance(n, ast.Tuple):
        return "(%s)" % ",".join(map(dump_node, n.elts))
    if isinstance(n, ast.BinOp):
        # CPython 3.14 no longer makes a complex of the left side first.
        left, right = complex(ast.literal_eval(n.left)), n.right.value
        return dump(left + right if isinstance(n.op, ast.Add) else left - right)
    return dump(ast.literal_eval(n))


STRING = re.compile(
    r"""(?si)([a-z]*)('''(?:\\.|.)*?'''|\"""(?:\\.|.)*?\"""|'(?:\\.|.)*?'|"(?:\\.|.)*?")"""
)
COMMENT = re.compile(r"#[^\r\n]*")
DECIMAL = re.compile(r"(?i)(?<!\w)(?!0[xob])[0-9.][0-9_.]*(?:e[-+]?[0-9_]+)?")


def spelling(text):
    """Why pyliteral refuses the way an accepted text is written, or None."""
    depth = deepest = at = 0
    code = ""
    while at < len(text):
        if m := STRING.match(text, at):
            prefix, body = m.groups()
            escapes = re.findall(r"(?s)\\(.)", body)
            if "N" in escapes and not set(prefix.lower()) & {"r", "b"}:
                return "name"
            at, code = m.end(), code + " "
            continue
        if m := COMMENT.match(text, at):
            at, code = m.end(), code + " "
            continue
        c = text[at]
        depth += (c in "([{") - (c in ")]}")
        deepest = max(deepest, depth)
        at, code = at + 1, code + c
    if deepest > MAX_DEPTH:
        return "depth"
    if any(len(m[0].replace("_", "")) > MAX_DIGITS for m in DECIMAL.finditer(code)):
        return "digits"
    return None


def refuse_constant(name):
    raise ValueError(name)


def read(text):
    """Returns the dump of an accepted text and why pyliteral differs, or None."""
    try:
        v = json.loads(
            text, object_pairs_hook=Pairs, parse_constant=refuse_constant
        )
        show = lambda: dump(v)
    except Exception:
        try:
            ast.literal_eval(text)
            n = ast.parse(text.lstrip(" \t"), mode="eval").body
            show = lambda: dump_node(n)
        except Exception:
            return None
    try:
        return show(), spelling(text)
    except Differs as e:
        return "", str(e)


def case(text):
    c = {"text": text}
    if (answer := read(text)) is not None:
        value, differs = answer
        if differs:
            c["differs"] = differs
        else:
            c["value"] = value
    if re.search(r"[\r\n\f\\][ \t\f]+\Z", text):
        # Blanks on a last line without an end: the tokenizer has changed here.
        c["version"] = VERSION
    return c


# ---- texts ----------------------------------------------------------------

CHARS = (
    list("abcXYZ019 _-+.,:;/#{}[]()<>=~@%&*!?")
    + ["'", '"', "\\", "'", '"', "\\", "\n", "\r", "\t", "\0", "\x07", "\x1b", "\x7f"]
    + ["\x80", "\xa0", "\xad", "é", "ß", "ÿ", "Ω", "я", "中", "あ", "’", "€"]
    + ["\u0300", "\u200b", "\u2028", "\u3000", "\ue000", "\ufeff", "\uffff"]
    + ["😀", "𝒳", "\U000e0001", "\U0010ffff"]
)


def rand_str(r):
    s = "".join(r.choice(CHARS) for _ in range(r.choice([0, 1, 2, 5, 12])))
    return s + "\ud83d\ude00" if r.random() < 0.01 else s


def rand_scalar(r):
    pick = r.randrange(13)
    if pick < 4:
        return rand_str(r)
    if pick == 4:
        return r.randbytes(r.randrange(6))
    if pick == 5:
        return r.randrange(-1000, 1000)
    if pick == 6:
        return r.choice([2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1])
    if pick == 7:
        return r.getrandbits(r.choice([64, 65, 200])) * r.choice([1, -1])
    if pick == 8:
        return struct.unpack(">d", r.randbytes(8))[0]
    if pick == 9:
        return r.choice([0.0, -0.0, 1.5, 1e16, 1e-7, 1e400, -1e400, 5e-324, 0.1])
    if pick == 10:
        return complex(r.choice([0.0, -0.0, 1.5, -3.0]), r.choice([0.0, -0.0, 2.0, -1.0]))
    return r.choice([None, True, False])


def rand_key(r, depth=0):
    if depth < 2 and r.random() < 0.1:
        return tuple(rand_key(r, depth + 1) for _ in range(r.randrange(3)))
    return rand_str(r) if r.random() < 0.6 else rand_scalar(r)


def rand_value(r, depth=0):
    if depth > 4 or r.random() < 0.15 * depth:
        return rand_scalar(r)
    n = r.randrange(4)
    pick = r.randrange(31)
    if pick < 12:
        return {rand_key(r): rand_value(r, depth + 1) for _ in range(n)}
    if pick < 20:
        return [rand_value(r, depth + 1) for _ in range(n)]
    if pick < 30:
        return tuple(rand_value(r, depth + 1) for _ in range(n))
    # One item at most: the order of more depends on the process.
    return {rand_key(r)} if n else set()


def rand_json(r, depth=0):
    pick = r.randrange(8)
    if depth < 4 and pick < 3:
        return {rand_str(r): rand_json(r, depth + 1) for _ in range(r.randrange(4))}
    if depth < 4 and pick < 5:
        return [rand_json(r, depth + 1) for _ in range(r.randrange(4))]
    v = rand_scalar(r)
    return rand_str(r) if isinstance(v, (bytes, complex)) else v


GAPS = ["", "", "", " ", "\t", "\f", "\\\n", "\\\r\n", " "]
WIDE = GAPS + ["\n", "\r\n", "\r", " # c'[\n", "\n\n  ", "\n#\n"]


class Writer:
    """Writes values in other ways than repr does."""

    def __init__(self, r):
        self.r = r
        self.depth = 0

    def gap(self):
        return self.r.choice(WIDE if self.depth else GAPS)

    def string(self, v):
        r = self.r
        quotes = r.choice(["'", '"', "'''", '"""'])
        out = []
        for c in v if isinstance(v, str) else map(chr, v):
            raw = c not in "\0\r\\\n'\"" and c.isprintable()
            if isinstance(v, bytes):
                raw = raw and c < "\x7f"
            n = ord(c)
            ways = ["\\x%02x" % n, "\\%03o" % n] if n < 256 else []
            if isinstance(v, str):
                ways += ["\\u%04X" % n] if n < 65536 else []
                ways += ["\\U%08x" % n]
            if c == "\n" and len(quotes) == 3:
                ways += ["\n", "\r\n", "\r"] * 2
            out.append(c if raw and r.random() < 0.9 else r.choice(ways))
            if r.random() < 0.03:
                out.append(r.choice(["\\\n", "\\\r\n", "\\q", "\\ "]))
        prefix = r.choice(["", "", "", "u", "U"]) if isinstance(v, str) else r.choice("bB")
        return prefix + quotes + "".join(out) + quotes

    def strings(self, v):
        if len(v) > 1 and self.r.random() < 0.3:
            at = self.r.randrange(len(v))
            return self.string(v[:at]) + self.gap() + self.string(v[at:])
        return self.string(v)

    def number(self, v):
        r = self.r
        if isinstance(v, int):
            sign = "-" + self.gap() if v < 0 else r.choice(["", "", "+"])
            text = r.choice(["%d", "%#x", "%#o", "%#X"]) % abs(v)
        else:
            sign, text = "", repr(v)
        if r.random() < 0.2:
            text = re.sub(r"(?<=\d)(?=\d)", lambda m: r.choice(["", "", "_"]), text)
        return sign + text

    def items(self, texts, tuples=False):
        g = self.gap
        comma = "," + g() if texts and (tuples or self.r.random() < 0.2) else ""
        return g() + ("," + g()).join(texts) + comma

    def value(self, v):
        r = self.r
        if r.random() < 0.08 and self.depth < 8:
            self.depth += 1
            text = "(" + self.gap() + self.value(v) + self.gap() + ")"
            self.depth -= 1
            return text
        if isinstance(v, (str, bytes)):
            return self.strings(v)
        if isinstance(v, (int, float)) and not isinstance(v, bool):
            return self.number(v)
        if not isinstance(v, (dict, list, tuple)):
            return repr(v)
        self.depth += 1
        g = self.gap
        if isinstance(v, dict):
            items = [self.value(k) + g() + ":" + g() + self.value(w) for k, w in v.items()]
            text = "{" + self.items(items) + "}"
        elif isinstance(v, list):
            text = "[" + self.items([self.value(w) + g() for w in v]) + "]"
        else:
            text = "(" + self.items([self.value(w) for w in v], len(v) == 1) + ")"
        self.depth -= 1
        return text

    def text(self, v):
        head = self.r.choice(["", "", "", " ", "\t ", "\n", "# c\n", " \n\f", "\\\n"])
        tail = self.r.choice(["", "", "", "  ", "\n", "\r\n\r\n", " # c", "\n  # c\n", "\n "])
        return head + self.value(v) + tail


SPLICES = list("'\"\\()[]{},:+-.#_ \n\r\t\f01eEjJxXbBuUrRnNf") + [
    "\\x", "\\u", "\\N", "None", "True", "'''", "null", "\0", "é", "-1", "()", "\\\n",
]


def mutate(r, text):
    for _ in range(r.choice([1, 1, 2, 3])):
        at = r.randrange(len(text) + 1)
        to = min(len(text), at + r.choice([0, 1, 1, 2, 5]))
        new = r.choice(["", r.choice(SPLICES), r.choice(SPLICES), text[at:to] * 2])
        text = text[:at] + new + text[to:]
    return text


def nest(n, opening, closing, inner=""):
    return opening * n + inner + closing * n


REPLY = {
    "accountid": "123456789012",
    "accountname": "team-dev",
    "role": "apu",
    "sectionname": "O'Brien",
    "accesskeyid": "EXAMPLEKEYID",
    "secretkey": "example/secret+key",
    "sessiontoken": "FwoGZXIvYXdzEXAMPLE//////////wEaD" * 4 + "==",
    "expires": 1536139015,
    "expirestr": "2018-09-05 09:16:55",
    "url": None,
    "countrycode": "gb",
    "usagelimit": False,
    "warning": "",
}
ACCOUNTS = {"accountlist": (("1", "a"), ("2", "b")), "duration": 1}

# Texts that are whole, from the smallest to the oddest.
HAND = [
    repr(REPLY), json.dumps(REPLY), json.dumps(REPLY, indent=2), json.dumps(repr(REPLY)),
    repr(ACCOUNTS), repr({"errorMessage": "boo"}), json.dumps({"errorMessage": "boo"}),
    # containers
    "{}", "[]", "()", "( )", "[ ]", "{ }", "{'a': 1}", "{'a': 1,}", "[1,]", "[1, 2]",
    "(1)", "(1,)", "(1, 2)", "((1))", "((1),)", "(((1,)))", "1,", "1, 2", "1, 2,", "1,2,\n",
    "'a', 'b'", ",", "(,)", "[,]", "{,}", "[1,,]", "1,,", "(1,,)", "{'a':}", "{:1}", "{'a'}",
    "{1, 2}", "{1,}", "set()", "set([1])", "[{1}]", "{'a', 'b': 1}", "{'a': 1, 'b'}", "{**{}}",
    "{'a': 1, **{}}", "[*[1]]", "(*(),)", "*[1]", "[1 2]", "[1, 2", "[1, 2)", "(1, 2]", "{'a': 1]",
    "]", ")", "}", "[", "(", "{", "[1]]", "(1))", "{'a': 1}}", "[1][0]", "(1)(2)", "'a'('b')",
    "{'a': 1, 'a': 2}", "{1: 'a', 1.0: 'b', True: 'c'}", "{'a': {'b': {'c': ()}}}",
    "{(1, 2): 3}", "{(1, (2, 'x')): 3}", "{(): 1}", "{None: 1, True: 2, b'x': 3, 1j: 4, 1.5: 5}",
    "{[]: 1}", "{{}: 1}", "{([],): 1}", "{(1, (2, {})): 3}", "{({'a': 1}, 2): 3}", "{1+2j: 3}",
    "{-1: +1}", "{'a': 1, 2: 'b', }", "[[], {}, (), '', b'']", "[1, [2, [3, [4]]]]",
    # names
    "None", "True", "False", "none", "true", "false", "null", "NULL", "[null]", "[true, false]",
    "[None, true]", "NoneNone", "None1", "None'a'", "None.x", "Nonë", "Ｎone", "nan", "inf",
    "NaN", "Infinity", "-Infinity", "[NaN]", "x", "abc", "print", "x.y", "...", "[...]", "Ellipsis",
    "__debug__", "os.system('x')", "__import__('os')", "lambda: 1", "[x for x in ()]",
    "1 if 1 else 2", "1if 1else 2", "not 1", "1 and 2", "1 or 2", "1 == 1", "1 < 2", "a := 1",
    "(a := 1)", "await 1", "yield", "dict()", "dict(a=1)", "bytes()", "1; 2", "1;", "a = 1", "True = 1",
    # integers
    "0", "00", "000_0", "0_0", "1", "-1", "+1", "- 1", "+ 1", "--1", "-+1", "~1", "not1", "-0",
    "01", "007", "08", "0_7", "1_000", "1__0", "1_", "_1", "1_a", "0x1F", "0X1f", "0x_1", "0x1_",
    "0x", "0x_", "0xg", "0x1g", "0b101", "0B1", "0b2", "0b12", "0b", "0b_1_0", "0o17", "0O17",
    "0o8", "0o78", "0o", "1L", "0xFFl", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "0xffffffffffffffff", "-0x8000000000000000",
    "1" + "0" * 100, "1a", "1 a", "0777", "0x1.8", "0x1e5", "0b1e5", "0o1_7", "1\u0660", "\u0661",
    # floats
    "1.", ".5", ".", "..", "1.5", "-1.5", "1e5", "1E5", "1e+5", "1e-5", "1e", "1e+", "1.e5", ".5e5",
    ".e5", "1_0.0", "1_0.0_1", "1._0", "1_.0", "._5", "1e_5", "1e5_0", "1e5_", "1_e5", "01.5", "09.5",
    "09e1", "0_9.5", "00.0", "1e400", "-1e400", "1e-400", "0e400", "1.5.6", "1..2", "1.real", "1. 5",
    "0.1", "4.9e-324", "2.5e-324", "2.4e-324", "1.7976931348623157e308", "1.7976931348623159e308",
    "9007199254740993.0", "1e0000005", "1e99999999999999999999", "0x.5", "0x1p3", "-0.0", "1e5j",
    # complex
    "1j", "1J", "-1j", "+1j", "1.5j", ".5j", "1.j", "01j", "1_0j", "1e400j", "1+2j", "1-2j", "-1+2j",
    "-1-2j", "+1+2j", "1 + 2j", "(1+2j)", "(1)+2j", "1+(2j)", "(-1)+2j", "-(1)+2j", "-(1)", "-(-1)",
    "-(1+2j)", "(1+2j)+3j", "1+2j+3j", "1+-2j", "1+(-2j)", "1j+1", "1j+2j", "1+2", "1-2", "1*2j",
    "1/2", "1//2", "1%2", "1**2", "-1**2", "2@3", "1|2", "1^2", "1&2", "1<<2", "-True", "+True",
    "-None", "-'a'", "-[]", "-()", "True+1j", "1+True", "None+1j", "'a'+'b'", "[1]+[2]", "()+1j",
    "(1,)+2j", "1.5-2.5j", "-0.0+0j", "-0.0-0j", "0-0j", "1-0j", "(-0-0j)", "1e400+1j", "1e400-1e400j",
    "1+ 2j", "1 +\\\n2j", "(1\n+\n2j)", "-\\\n1", "(-\n1)", "1+", "1-", "+", "-", "(+)", "[-]", "1 -",
    "9" * 308 + "+1j", "9" * 310 + "+1j", "-" + "9" * 310 + "-1j", "[1+2j, 3-4j]", "1+2jx", "1jj",
    # strings
    "''", '""', "'a'", '"a"', "'''a'''", '"""a"""', "''''''", '""""""', "'''a''b'''", "'''a\"'''",
    "''''a'''", "'''a''''", "'''a", "'''", "''''", "'a", "'", "a'", "'a\"", "'a' 'b'", "'a'\"b\"",
    "'a''b'", "'a'\n'b'", "('a'\n'b')", "['a'\n'b', 'c'\n]", "'a'\\\n'b'", "'a' 'b',", "'' ''", "'' 'a'",
    "('a') 'b'", "'a' ('b')", "'a' 1", "1 'a'", "'a' None", "'a\nb'", "'''a\nb'''", "'a\rb'",
    "'''a\r\nb\rc\n\rd'''", "'a\\\nb'", "'a\\\r\nb'", "'a\\\rb'", "'a\\", "'a\\'", "'\\\\'", "'\\''",
    "'\\\"'", "\"\\'\"", "'\\n\\r\\t\\a\\b\\f\\v'", "'\\0'", "'\\00'", "'\\000'", "'\\0000'", "'\\7'",
    "'\\8'", "'\\18'", "'\\377'", "'\\400'", "'\\777'", "'\\x41'", "'\\xff'", "'\\xFf'", "'\\x4'", "'\\x'",
    "'\\xg1'", "'\\x4g'", "'\\u0041'", "'\\u00e9'", "'\\u20ac'", "'\\u004'", "'\\u'", "'\\U0001f600'",
    "'\\U0010ffff'", "'\\U00110000'", "'\\Uffffffff'", "'\\U0001f60'", "'\\ud800'", "'\\udfff'",
    "'\\ud83d\\ude00'", "'\\U0000d800'", "'\\q'", "'\\/'", "'\\é'", "'\\ '", "'\\(\\)'", "'\\N'",
    "'\\N{DASH}'", "'\\N{EM DASH}'", "'\\N{BULLET'", "r'\\N{EM DASH}'", "b'\\N{EM DASH}'",
    "'\\\\N{x}'", "['a', '\\N{BULLET}']", "'\\N{LATIN SMALL LETTER A}' 'b'", "'\\n'", "'{x}'", "'%s'",
    "'é'", "'😀'", "'\u2028'", "'\x85'", "'\x7f'", "'\x01'", "'\t'", "'\f'", "'\x0b'", "'\ufeff'",
    "r'a'", "R'a'", "r'\\n'", "r'\\''", "r'\\\"'", "r'\\'", "r'\\\\'", "r'a\\\nb'", "r'a\\\r\nb'",
    "r'''a\\\r\nb\r'''", "r'\\x'", "r'\\u12'", "r'é\\é'", "u'a'", "U'a'", "ur'a'", "ru'a'", "u 'a'",
    "b'a'", "B'a'", "br'a'", "bR'a'", "Br'a'", "BR'a'", "rb'a'", "rB'a'", "Rb'a'", "RB'a'", "bu'a'",
    "ub'a'", "bb'a'", "rr'a'", "rbr'a'", "brb'a'", "f'a'", "F'a'", "f'{1}'", "rf'a'", "fr'a'", "'a' f'b'",
    "f''", "b 'a'", "b'é'", "b'\\xe9'", "rb'é'", "b'\\u00e9'", "b'\\U0001f600'", "b'\\400'", "b'\\777'",
    "b'\\x4'", "b'\\xg'", "b'\\q'", "b'\\é'", "b'a' b'b'", "b'a' 'b'", "'a' b'b'", "b'a' r'b'", "b'a' rb'\\b'",
    "u'a' 'b' r'\\c'", "b'''a\r\nb'''", "b'a\\\nb'", "b'\\0\\7\\18'", "b''", "x'a'", "t'a'", "'a'x", "'a'.x",
    "['a' 'b' 'c']", "{'a' 'b': 'c' 'd'}", "{'a': 'b' b'c'}", "('a' 'b',)", "(u'a' U'b')",
    # layout
    "", " ", "\n", "#", "# c", "\t", " 1", "\t1", " \t 1", "1 ", "1\t", "1\n", "1\n\n", "1\r\n", "1\r",
    "1\n ", "1\n\t", "1\n  \n", "1\n \n ", "\n1", "\n\n1", "\r\n1", "\r1", "\n 1", "\n\t1", "\f1", "\f 1",
    " \f1", "\n\f1", "\n \f1", "1\f", "1\n\f", "1\n \f", "1\n\f ", "1 # c", "1# c", "# c\n1", " # c\n1",
    "# c\n 1", "\n # c\n1", "1\n# c", "1\n  # c", "1\n# c\n ", "1\n2", "1\n 2", "1 2", "1\n,2", "(1\n,2)",
    "\\\n1", "\\\n 1", " \\\n1", "\n\\\n1", "\n \\\n1", "\\\n\n1", "\\\n\\\n1", "1\\\n", "1 \\\n ", "1 \\\n\n",
    "1\\\n,\\\n2", "1\\", "1\\ \n", "(1\\\n)", "(1\\\n", "(1\\ \n)", "\\", "\\\n", "[1, # c\n2]", "[1 # ]\n]",
    "[#\n]", "[1,\n  2,\n]\n", "(\n1\n)", "[\n1\n]\n", "[\n1\n]\n ", "{\n'a':\n1\n}", "{'a'\n:1}", "[1\n\n,2]",
    "[\f1\f,\f2]", "[1\x0b]", "1\x0b", "1\xa0", "\xa01", "\u20281", "\ufeff1", "1\x1a", "# \u2028\n1", "# é\n1",
    "# -*- coding: latin-1 -*-\n'é'", "#!python\n1", "1\0", "\0", "'\0'", "#\0\n1", "[1]\0", "$", "?", "!", "`1`",
    "1 @", "\u201ca\u201d", "(1)#", "1,#", "1,\n", "1,\\\n", "1,\\\n2", "1, \n2", "1,)", "(1", "[1, ", "{'a': ",
    # JSON
    "[1, 2.5, -3, 1e5, -0, -0.0, 1E400]", '{"a": {"b": [null, true, false]}}', ' {"a": 1} ', "\n[1]\n",
    "\n [\n 1 ]\n ", "\r\n\t[1\r\n]\t", '"a"', '"\\/"', "'\\/'", '["\\/", null]', '["\\/", None]',
    '"\\ud83d\\ude00"', '["\\ud83d\\ude00", None]', '"\\ud800"', '"\\ude00\\ud83d"', '"\\ud83d x"',
    '"\\ud83d\\n"', '"\\ud83d\\u0041"', '"\\ud83d\\ud83d\\ude00"', '"\\u00e9\\u0000"', '"\\b\\f\\n\\r\\t\\"\\\\"',
    '"\\a"', '"\\x41"', '"a\tb"', '"a\nb"', '"\x7f\u2028"', '{"a": 1, "a": 2}', '{"a": 1,}', "[1,]", "[1 ,2 ]",
    '{"a" : null}', '{"a": None}', '{1: null}', '{"a": undefined}', "[1] null", "null null", "nul", "nulll",
    '{"a": "\\u0027"}', '["a" "b"]', "[.5, null]", "[1., null]", "[01, null]", "[0x1, null]", "[+1, null]",
    "[1e5, 1e-5, 0.0, 10]", "[123456789012345678901234567890]", "-1", "-1.5e-3", "[- 1]", "// c\n1", "[1] # c",
    # limits
    nest(32, "[", "]"), nest(33, "[", "]"), nest(32, "(", ")"), nest(32, "(", ")", "1"),
    nest(33, "(", ")", "1"), nest(31, "(", ",)", "[]"), nest(32, "(", ",)", "[]"), nest(32, "{'a': ", "}", "1"),
    nest(33, "{'a': ", "}", "1"), nest(32, '{"a":', "}", "null"), nest(33, '{"a":', "}", "null"),
    nest(100, "[", "]"), nest(250, "(", ")", "1"), "[" * 40, "'" + "[" * 40 + "'", "[#" + "[" * 40 + "\n]",
    "[" + nest(31, "(", ")", "1") + ", " + nest(31, "[", "]") + "]", "-" * 40 + "1",
    "9" * 4300, "9" * 4301, "-" + "9" * 4301, "9_" * 4299 + "9", "1" + "0" * 4300 + "j", "0" * 4301,
    "0." + "1" * 4298, "0." + "1" * 4299, "[" + "1" * 4301 + "]", "0x" + "f" * 5000, "0o" + "7" * 4999,
    "0b" + "10" * 3000, "-0x_1" + "_0" * 4500, "'" + "9" * 4301 + "'", "1e" + "0" * 4000 + "1",
]


def texts(r):
    yield from HAND
    made = []
    for i in range(560):
        made.append(repr(rand_value(r)) if i % 5 else repr(rand_scalar(r)))
    for i in range(280):
        made.append(Writer(r).text(rand_value(r, 1)))
    for i in range(120):
        made.append(json.dumps(rand_json(r), ensure_ascii=bool(i % 3), indent=i % 2 or None))
    yield from made
    short = [t for t in HAND + made if 0 < len(t) < 200]
    for _ in range(760):
        yield mutate(r, r.choice(short))


def main():
    seed = int(sys.argv[1])
    r = random.Random(seed)
    cases, seen = [], set()
    for t in texts(r):
        try:
            t.encode()
        except UnicodeEncodeError:
            continue
        if t not in seen and len(t) < 10000:
            seen.add(t)
            cases.append(case(t))
    quotes = [rand_str(r).replace("\ud83d\ude00", "") for _ in range(200)]
    quotes += CHARS + [chr(c) for c in range(0x180)] + ["", "'", '"', "'\"", "O'Brien"]

    line = lambda v: json.dumps(v, separators=(",", ":"))
    print('{"seed":%d,"python":"%s",' % (seed, VERSION))
    print('"quotes":[\n%s\n],' % ",\n".join(line([s, repr(s)]) for s in quotes))
    print('"cases":[\n%s\n]}' % ",\n".join(map(line, cases)))


VERSION = ".".join(platform.python_version_tuple()[:2])

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
