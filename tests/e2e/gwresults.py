# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""proto/results.def as data: what each method answers, and everything in which
a real answer differs from it."""
import re
import textwrap

from gwproto import _text

PATTERNS = {"UUID": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            "HEX32": "[0-9a-f]{32}", "HEX64": "[0-9a-f]{64}", "DAY": r"\d{4}-\d\d-\d\d",
            "TEXT": "(?s:.+)"}


def _read():
    text = re.sub(r"/\*.*?\*/", "", _text("results.def"), flags=re.S)
    words, shapes, results, finals = {}, {}, {}, {}
    for row in re.split(r"^(?=[A-Z]+\()", text, flags=re.M):
        if m := re.match(r"WORDS\((\w+),(.*)\)", row, re.S):
            words[m[1]] = re.findall(r'"([^"]*)"', m[2])
        elif m := re.match(r"SHAPE\((\w+), (CLOSED|OPEN),(.*)\)", row, re.S):
            assert m[1] not in shapes, m[1]
            shapes[m[1]] = (m[2] == "OPEN", {
                f[0]: (f[1] == "MUST", f[2], f[3]) for f in
                re.findall(r"F\((\w+), (\w+), (\w+), (\w+)\)", m[3])})
        elif m := re.match(r"(RESULT|FINAL)\((\w+), (\w+), (\w+)\)", row):
            table = results if m[1] == "RESULT" else finals
            assert m[2] not in table, m[2]
            table[m[2]] = (m[3], m[4])
    return words, shapes, results, finals


WORDS, SHAPES, RESULTS, FINALS = _read()
METHODS = dict((name, mid) for mid, name in re.findall(
    r'^METHOD\((\w+), "([^"]+)"', _text("methods.def"), re.M))


def _one(v, kind, at):
    if kind in SHAPES:
        if not isinstance(v, dict):
            return [f"{at}: no object"]
        free, fields = SHAPES[kind]
        out = [f"{at}: unknown key {k}" for k in v if k not in fields and not free]
        for k, (must, form, inner) in fields.items():
            if k in v:
                out += faults(v[k], form, inner, f"{at}.{k}")
            elif must:
                out.append(f"{at}: key {k} is missing")
        return out
    if kind in WORDS:
        ok = v in WORDS[kind]
    elif kind in PATTERNS:
        ok = isinstance(v, str) and re.fullmatch(PATTERNS[kind], v)
    else:
        number = isinstance(v, (int, float)) and not isinstance(v, bool)
        ok = {"ANY": True, "STR": isinstance(v, str), "BOOL": isinstance(v, bool),
              "TRUE": v is True, "NUM": number,
              "INT": number and isinstance(v, int)}[kind]
    return [] if ok else [f"{at}: {v!r} is not {kind}"]


def faults(v, form, kind, at):
    if form == "NULLABLE" and v is None:
        return []
    if form == "LIST":
        if not isinstance(v, list):
            return [f"{at}: no array"]
        return [f for i, x in enumerate(v) for f in _one(x, kind, f"{at}[{i}]")]
    if form == "MAP":
        if not isinstance(v, dict):
            return [f"{at}: no object"]
        return [f for k in v for f in _one(v[k], kind, f"{at}.{k}")]
    return _one(v, kind, at)


def answer_faults(method, v, final=False):
    form, kind = (FINALS if final else RESULTS)[METHODS[method]]
    return faults(v, form, kind, method)


def _key(name, must, form):
    return name + ("[]" if form == "LIST" else "{}" if form == "MAP" else "") + \
        ("" if must else "?")


def manual():
    """{method: its lines in the section ANSWERS of openclaw-protocol(7)}"""
    out = {}
    for method, mid in METHODS.items():
        form, kind = RESULTS.get(mid, ("ONE", "ANY"))
        keys = [_key(k, must, f) for k, (must, f, _) in SHAPES.get(kind, (0, {}))[1].items()]
        if not keys:
            continue
        text = f"{method}{'[]' if form == 'LIST' else ''}: " + ", ".join(keys)
        out[method] = "\n".join(textwrap.wrap(text, 76, subsequent_indent="    ",
                                              break_on_hyphens=False))
    return out


if __name__ == "__main__":
    print(".Sh ANSWERS\nThe keys of each answer: one with ? can be absent, one with [] is an "
          "array, one\nwith {} an object with names of its own.\n.Bd -literal")
    print("\n".join(manual().values()) + "\n.Ed")
