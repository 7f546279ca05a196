# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Real answers of every method, held against proto/results.def: no key that
the table does not know, none missing, nothing of another kind."""
import asyncio
import json
import re

from gateway import ROOT
from gwproto import _text
from gwresults import FINALS, METHODS, RESULTS, SHAPES, WORDS, answer_faults, manual
from noderig import a_node, invoke
from rigs import with_channel as gw  # noqa: F401
from test_protocol_shapes import EVENTS

FOUR = set(re.findall(r'METHOD\(\w+, "([^"]+)",\s*\w+,\s*\w+,\s*\w+,\s*\w+,\s*NEW,',
                      _text("methods.def")))
# Methods that are being built: their lines come with them.
LATE = {"channels.logout", "skills.status", "skills.install", "skills.update", "system-event",
        "set-heartbeats"}
# In this order.  What ends conversations comes behind what needs them.
CALLS = [
    ("health", {}), ("status", {}), ("logs.tail", {"limit": 5}), ("channels.status", {}),
    ("system-presence", {}), ("last-heartbeat", {}), ("usage.status", {}),
    ("usage.cost", {"days": 2}), ("config.get", {}), ("config.schema", {}), ("models.list", {}),
    ("agents.list", {}), ("agent.identity.get", {}),
    ("agent.wait", {"runId": "nobody's", "timeoutMs": 0}), ("chat.history", {"sessionKey": "main"}),
    ("chat.startup", {"sessionKey": "main"}), ("chat.metadata", {"sessionKey": "main"}),
    ("chat.abort", {"sessionKey": "main"}),
    ("chat.inject", {"sessionKey": "main", "message": "x"}),
    ("sessions.list", {"includeDerivedTitles": True, "includeLastMessage": True}),
    ("sessions.describe", {"key": "main"}), ("sessions.describe", {"key": "nobody's"}),
    ("sessions.preview", {"keys": ["main", "agent:main:none"]}),
    ("sessions.resolve", {"key": "main"}), ("sessions.patch", {"key": "main", "label": "Shapes"}),
    ("sessions.subscribe", {}), ("sessions.unsubscribe", {}),
    ("sessions.messages.subscribe", {"key": "main"}),
    ("sessions.messages.unsubscribe", {"key": "main"}),
    ("sessions.compact", {"key": "main"}), ("sessions.reset", {"key": "other"}),
    ("sessions.delete", {"key": "other"}), ("device.pair.list", {}), ("exec.approvals.get", {}),
    ("exec.approval.list", {}), ("node.list", {}), ("node.pair.list", {}),
    ("gateway.processes", {}), ("gateway.verbose", {"level": "info"}), ("gateway.reload", {}),
    ("sandbox.profiles", {}), ("pairing.list", {}),
]


class Judge:
    def __init__(self):
        self.seen, self.bad = set(), []

    def take(self, method, answer, final=False):
        self.seen.add(method)
        self.bad += answer_faults(method, answer, final)
        return answer

    async def call(self, c, method, params):
        return self.take(method, await c.call(method, params))


async def turns(j, c):
    """Both ways to talk to an agent, with both answers."""
    rid = await c.send("agent", {"message": "what time is it?", "idempotencyKey": "r1",
                                 "sessionKey": "main"})
    j.take("agent", await c.result(rid))
    j.take("agent", await c.result(rid), final=True)
    await j.call(c, "agent.wait", {"runId": "r1"})
    await j.call(c, "chat.send", {"sessionKey": "other", "message": "/help",
                                  "idempotencyKey": "r2"})
    await c.event(lambda m: m["event"] == "chat" and m["payload"]["runId"] == "r2")


async def approvals(gw, j, c):
    # answers come as they are ready: each question has a socket of its own
    async with gw.client() as asks, gw.client() as waits:
        rid = await asks.send("exec.approval.request", {"command": "true", "id": "q1"})
        await c.event(lambda m: m["event"] == "exec.approval.requested")
        wait = await waits.send("exec.approval.waitDecision", {"id": "q1"})
        await j.call(waits, "health", {})       # it was read
        await j.call(c, "exec.approval.list", {})
        await j.call(c, "exec.approval.resolve", {"id": "q1", "decision": "deny"})
        j.take("exec.approval.request", await asks.result(rid))
        j.take("exec.approval.waitDecision", await waits.result(wait))
    got = await j.call(c, "exec.approvals.get", {})
    await j.call(c, "exec.approvals.set", {"file": got["file"], "baseHash": got["hash"]})


async def config(j, c):
    async def write(method, text):
        await j.call(c, method, {"raw": text, "baseHash": (await c.call("config.get"))["hash"]})
    await write("config.edit", '{"ui":{"assistant":{"name":"One"}}}')
    await write("config.set", (await c.call("config.get"))["raw"])


async def nodes(gw, j, c):
    async with a_node(gw) as n:
        await j.call(c, "node.describe", {"nodeId": n.id})
        await j.call(c, "node.list", {})
        rid = await invoke(c, n.id)
        q = await n.asked()
        j.take("node.invoke.result", await n.answers(q, payloadJSON="{}"))
        j.take("node.invoke", await c.result(rid))
        j.take("node.event", await n.tell("chat.subscribe", {"sessionKey": "main"}))
        await j.call(n, "skills.bins", {})
    asked = await j.call(c, "node.pair.request", {"nodeId": "old", "displayName": "Old"})
    token = (await j.call(c, "node.pair.approve",
                          {"requestId": asked["request"]["requestId"]}))["node"].get("token", "t")
    await j.call(c, "node.pair.verify", {"nodeId": "old", "token": token})
    await j.call(c, "node.rename", {"nodeId": "old", "displayName": "Older"})
    asked = await j.call(c, "node.pair.request", {"nodeId": "second"})
    await j.call(c, "node.pair.reject", {"requestId": asked["request"]["requestId"]})


def test_every_method_has_a_row():
    assert not set(METHODS.values()) - {"CONNECT"} - set(RESULTS), \
        set(METHODS.values()) - set(RESULTS)
    kinds = {k for form, k in list(RESULTS.values()) + list(FINALS.values())}
    kinds |= {f[2] for s in SHAPES.values() for f in s[1].values()}
    assert not kinds - set(SHAPES) - set(WORDS) - {
        "STR", "TEXT", "INT", "NUM", "BOOL", "TRUE", "ANY", "UUID", "HEX32", "HEX64", "DAY"}
    # a shape that nothing uses says nothing
    assert not (set(SHAPES) | set(WORDS)) - kinds


def test_the_manual_has_them():
    """tests/e2e/gwresults.py prints the section."""
    page = (ROOT / "man/openclaw-protocol.7").read_text()
    told = re.search(r"\.Sh ANSWERS\n.*?\.Bd -literal\n(.*?)\.Ed", page, re.S)[1]
    told = {m[0].split(":")[0].removesuffix("[]"): m[0].rstrip() for m in
            re.finditer(r"^\S.*\n(?:    .*\n)*", told, re.M)}
    want = manual()
    assert {k: v for k, v in want.items() if k in told} == told
    assert not set(want) - set(told) - LATE, set(want) - set(told)


def test_answers(gw):
    async def go():
        j = Judge()
        async with gw.client() as c, gw.client(
                minProtocol=4, maxProtocol=4, scopes=["operator.admin"]) as new:
            await turns(j, c)
            for method, params in CALLS:
                await j.call(new if method in FOUR else c, method, params)
            await approvals(gw, j, c)
            await nodes(gw, j, c)
            await config(j, c)
        control = gw.control()
        j.take("gateway.restart", control.call("gateway.restart", {"process": "log"}))
        control.close()
        print(f"{len(EVENTS) + 1} events have a shape; {len(j.seen)} of {len(RESULTS)} methods; not here: "
              f"{', '.join(sorted(n for n, i in METHODS.items() if i in RESULTS and n not in j.seen))}")
        assert len(j.seen) >= 60
        assert not j.bad, "\n".join(j.bad)
    asyncio.run(go())


def test_a_wrong_answer_is_seen(gw):
    """The judge itself: each of these differs in one thing."""
    good = gw.call("models.list")
    assert not answer_faults("models.list", good)
    row = {"id": "a", "name": "A", "provider": "p"}
    for rows in ([dict(row, extra=1)], [{"id": "a", "name": "A"}], [dict(row, name="")],
                 [dict(row, contextWindow="5")], [dict(row, contextWindow=True)],
                 [dict(row, input=["sound"])], [dict(row, reasoning=None)], {}, None):
        assert answer_faults("models.list", json.loads(json.dumps({"models": rows}))), rows
    assert answer_faults("models.list", {}) and answer_faults("models.list", [])
