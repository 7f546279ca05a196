# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Every method of proto/methods.def with each of its parameters wrong in every
way its schema knows, and without each right: the exact code, a message that
names the field, and the socket goes on.  A new row is tested by being there."""
import asyncio
import json
import re

import pytest
from gateway import Gateway, RpcError, modes
from gwproto import _text

MAX = 2**53
SCOPES = {"READ": "operator.read", "WRITE": "operator.write", "ADMIN": "operator.admin",
          "APPROVALS": "operator.approvals", "PAIRING": "operator.pairing"}


def number(s):
    s = s.strip()
    return MAX if s == "PARAM_INT_MAX" else int(s)


NEW = set()     # methods of protocol 4


def client(gw, name, **connect):
    """One of the version that has that method."""
    if name in NEW:
        connect.update(minProtocol=4, maxProtocol=4)
        connect.setdefault("scopes", ["operator.admin"])
    return gw.client(**connect)


def table():
    """(name, scope, judging, [(kind, name, required, [rest])])"""
    out = []
    for row in re.split(r"^(?=[A-Z]+\()", _text("methods.def"), flags=re.M):
        m = re.match(r'METHOD\(\w+, "([^"]+)",\s*\w+,\s*\w+,\s*(\w+),\s*(\w+),\s*(\w+),', row)
        if m is None:
            continue
        params = [(k, a[0].strip(), a[1].strip() == "REQUIRED", [x.strip() for x in a[2:]])
                  for k, a in ((p[1], p[2].split(",")) for p in
                               re.finditer(r"P_(\w+)\(([^)]*)\)", row[m.end():]))]
        out.append((m[1], m[2], m[3], params))
        if m[4] == "NEW":
            NEW.add(m[1])
    return out


def schemas():
    """schema -> (judging, its parameters) of the objects within parameters"""
    out = {}
    for row in re.split(r"^(?=[A-Z]+\()", _text("methods.def"), flags=re.M):
        m = re.match(r"SCHEMA\((\w+),\s*(\w+),", row)
        if m:
            out[m[1]] = (m[2], [(k, a[0].strip(), a[1].strip() == "REQUIRED",
                                 [x.strip() for x in a[2:]])
                                for k, a in ((p[1], p[2].split(",")) for p in
                                             re.finditer(r"P_(\w+)\(([^)]*)\)", row[m.end():]))])
    return out


METHODS = table()
SCHEMAS = schemas()
ROWS = [m for m in METHODS if m[0] != "connect"]


def enum(name):
    text = re.sub(r"/\*.*?\*/", "", (__import__("pathlib").Path(__file__).parents[2] /
                                      "common/methods.c").read_text(), flags=re.S)
    return re.findall(r'"([^"]+)"', re.search(
        r"ENUM_%s\[\] = \{(.*?)\}" % name, text, re.S)[1])


def good(kind, rest):
    """A value that the schema takes."""
    if kind == "OBJ":
        return {p[1]: good(p[0], p[3]) for p in SCHEMAS[rest[0]][1] if p[2]}
    if kind in ("ENUM", "NENUM"):
        return enum(rest[0])[0]
    if kind == "INT":
        return number(rest[0])
    if kind in ("STRS", "ARR"):
        return ["x"] * max(1, number(rest[0]))
    return {"BOOL": True, "BOOLS": {"a": True}, "TEXTS": {"a": "x"}, "ANY": 1}.get(kind, "x")


def wrong(kind, rest):
    """(value, what the message says of it) that the schema does not take."""
    if kind in ("STR", "NSTR", "TEXT"):
        for v in (7, True, [], {}) + ((None,) if kind == "STR" else ()):
            yield v, "must be string"
        if len(rest) == 2 and number(rest[0]) > 0:
            yield "", f"must NOT have fewer than {rest[0]} characters"
        if len(rest) == 2 and number(rest[1]) > 0:
            yield "\u20ac" * (number(rest[1]) + 1), f"must NOT have more than {rest[1]} characters"
    elif kind in ("ENUM", "NENUM"):
        for v in ("no such word", 7, {}) + ((None,) if kind == "ENUM" else ()):
            yield v, "must be equal to constant"
    elif kind == "INT":
        for v in ("1", 1.5, True, None, [], 1e300):
            yield v, "must be integer"
        lo, hi = map(number, rest)
        yield lo - 1, f"must be >= {lo}"
        if hi < MAX:
            yield hi + 1, f"must be <= {hi}"
    elif kind == "BOOL":
        for v in ("true", 1, None, []):
            yield v, "must be boolean"
    elif kind == "BOOLS":
        yield [], "must be object"
        yield {"a": 1}, "must be boolean"
    elif kind == "TEXTS":
        yield [], "must be object"
        yield {"a": True}, "must be string"
    elif kind == "OBJ":
        yield [], "must be object"
        judging, fields = SCHEMAS[rest[0]]
        base = good(kind, rest)
        if judging == "STRICT":
            yield dict(base, surplus=1), "unexpected property 'surplus'"
        for k, field, need, more in fields if judging == "STRICT" else ():
            yield dict(base, **{field: next(wrong(k, more))[0]}), f"/{field}: must be"
            if need:
                yield {k: v for k, v in base.items() if k != field}, \
                    f"must have required property '{field}'"
    elif kind in ("STRS", "ARR"):
        for v in ("x", {}, None, 7):
            yield v, "must be array"
        lo, hi = map(number, rest)
        if lo > 0:
            yield ["x"] * (lo - 1), f"must NOT have fewer than {lo} items"
        if hi > 0:
            yield ["x"] * (hi + 1), f"must NOT have more than {hi} items"
        if kind == "STRS":
            yield [7] * max(1, lo), "must be string"
            yield [""] * max(1, lo), "must NOT have fewer than 1 characters"


@pytest.fixture(scope="module")
def gw():
    g = Gateway(mode=modes()[0])
    try:
        g.start()
        yield g
    finally:
        g.close()


async def error(c, method, params):
    with pytest.raises(RpcError) as e:
        await c.call(method, params)
    if e.value.error["code"] == "FORBIDDEN" and method in NEW:
        return e.value.error["message"]
    assert set(e.value.error) == {"code", "message"}, e.value.error
    assert e.value.error["code"] == "INVALID_REQUEST", (method, params, e.value.error)
    return e.value.error["message"]


def test_the_table_is_read():
    assert len(ROWS) > 30 and sum(len(m[3]) for m in ROWS) > 100
    kinds = {p[0] for m in METHODS for p in m[3]}
    assert kinds <= {"STR", "NSTR", "TEXT", "STRS", "ARR", "INT", "BOOL", "BOOLS", "TEXTS",
                     "ANY", "ENUM", "NENUM", "OBJ"}, kinds


@pytest.mark.parametrize("name,scope,judging,params", [r for r in ROWS if r[2] == "STRICT"],
                         ids=[r[0] for r in ROWS if r[2] == "STRICT"])
def test_parameters(gw, name, scope, judging, params):
    base = {p[1]: good(p[0], p[3]) for p in params if p[2]}
    head = f"invalid {name} params: "
    # a method that a client in this role always has
    role, alive = ("node", "skills.bins") if scope == "NODE" else ("operator", "health")

    async def go():
        async with client(gw, name, role=role) as c:
            if name not in NEW:
                said = await error(c, name, dict(base, surplus=1))
                assert said == head + "at root: unexpected property 'surplus'"
                said = await error(c, name, dict(base, **{"s" * 9999: 1}))
                assert said.startswith(head + "at root: unexpected property 's")
                assert len(said) < 400
            for kind, field, required, rest in params:
                if required:
                    left = {k: v for k, v in base.items() if k != field}
                    said = await error(c, name, left)
                    assert said == f"{head}must have required property '{field}'"
                for value, text in wrong(kind, rest):
                    said = await error(c, name, dict(base, **{field: value}))
                    assert said.startswith(f"{head}at /{field}"), (value, said)
                    assert text in said, (field, value, said)
            # several at once are all told
            bad = {p[1]: next(wrong(p[0], p[3]))[0] for p in params if p[0] != "ANY"}
            if bad:
                said = await error(c, name, bad)
                assert all(f"/{field}" in said for field in list(bad)[:5]), said
            for whole in ("[]", '"x"', "7", "true"):
                await c.ws.send('{"type":"req","id":"w","method":"%s","params":%s}' %
                                (name, whole))
                with pytest.raises(RpcError) as e:
                    await c.result("w")
                assert e.value.error == {"code": "INVALID_REQUEST",
                                         "message": head + "must be object"}
            assert await c.call(alive)
    asyncio.run(go())


@pytest.mark.parametrize("name,scope,judging,params", ROWS, ids=[r[0] for r in ROWS])
def test_T05_rights(gw, name, scope, judging, params):
    """Without the right, whatever the parameters; with each other right too."""
    async def other_role():
        node = scope == "NODE"
        async with gw.client(role="operator" if node else "node") as c:
            said = await error(c, name, {"surplus": 1})
            assert said == f"unauthorized role: {'operator' if node else 'node'}"
    asyncio.run(other_role())
    if scope not in SCOPES:
        return

    async def go():
        for have in SCOPES.values():
            if have in ("operator.admin", SCOPES[scope]) or \
                    (scope == "READ" and have == "operator.write"):
                continue
            async with client(gw, name, scopes=[have]) as c:
                said = await error(c, name, {"surplus": 1})
                assert said == f"missing scope: {SCOPES[scope]}", (have, said)
    asyncio.run(go())


@pytest.mark.parametrize("name,scope,judging,params", [
    r for r in ROWS if any(p[0] in ("STR", "NSTR") and len(p[3]) == 2 and p[3][1] == "0"
                           for p in r[3])], ids=lambda v: v if isinstance(v, str) else "")
def test_T02_oversize(gw, name, scope, judging, params):
    """A text without a bound in the schema, larger than anything behind the
    router takes: an error that names the method, and the socket goes on."""
    role, alive = ("node", "skills.bins") if scope == "NODE" else ("operator", "health")
    base = {p[1]: good(p[0], p[3]) for p in params if p[2]}
    field = next(p[1] for p in params if p[0] in ("STR", "NSTR") and p[3][1:] == ["0"])

    async def go():
        async with client(gw, name, role=role) as c:
            text = json.dumps(dict(base, **{field: "x" * (7 << 20)}))
            await c.ws.send('{"type":"req","id":"o","method":"%s","params":%s}' % (name, text))
            try:
                await c.result("o")
            except RpcError as e:
                assert e.error["code"] in ("INVALID_REQUEST", "UNAVAILABLE")
                assert len(e.error["message"]) < 2000
            else:
                # a node's word of 7 MiB is a name that nobody knows
                assert scope == "NODE", "7 MiB were taken"
            assert await c.call(alive)
    asyncio.run(go())
