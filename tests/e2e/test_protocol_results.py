# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Real answers of every method, held against proto/results.def, and every event
that comes on the way, against its table: no key that is not known, none missing,
nothing of another kind.  A method that is built and not asked here fails."""
import asyncio
import json
import re

import websockets
from gateway import ROOT, wait_for
from gwproto import _text, enum
from gwresults import FINALS, METHODS, RESULTS, SHAPES, WORDS, answer_faults, manual
from noderig import a_node, invoke
from rigs import with_channel as gw  # noqa: F401
from rigs import with_channel_once as house  # noqa: F401
from test_devices import knock
from test_protocol import Device
from test_protocol_shapes import EVENTS, event_faults

FOUR = set(re.findall(r'METHOD\(\w+, "([^"]+)",\s*\w+,\s*\w+,\s*\w+,\s*\w+,\s*NEW,',
                      _text("methods.def")))
# Their answers differ with what the host has; test_sandbox_modes.py asks.
ELSEWHERE = {"sandbox.selftest"}
# Events of later subjects, which nothing sends yet; and one that tells of what is
# not done yet at the answer: it is judged when it comes.
UNSENT = {"talk.mode", "heartbeat", "cron", "voicewake.changed"}
MAYBE = {"process"}
# In this order.  What ends conversations comes behind what needs them.
CALLS = [
    ("health", {}), ("status", {}), ("logs.tail", {"limit": 5}), ("channels.status", {}),
    ("system-presence", {}), ("last-heartbeat", {}), ("usage.status", {}),
    ("usage.cost", {"days": 2}), ("config.get", {}), ("config.schema", {}), ("models.list", {}),
    ("skills.status", {}), ("skills.update", {"skillKey": "k", "enabled": True}),
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
    ("sandbox.profiles", {}), ("pairing.list", {}), ("system-event", {"text": "It rains."}),
    ("set-heartbeats", {"enabled": True}),
]


class Judge:
    def __init__(self):
        self.seen, self.told, self.bad = set(), set(), []

    def event(self, m):
        self.told.add(m["event"])
        self.bad += event_faults(m)

    def events(self, c):
        """All that it has heard."""
        for m in c.events:
            self.event(m)

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


async def install(j, c):
    """Its answer comes beside an error, always."""
    rid = await c.send("skills.install", {"name": "none", "installId": "x"})
    while (m := await c.recv()).get("id") != rid:
        c.events.append(m)
    assert m["ok"] is False
    j.take("skills.install", m["payload"])


async def nodes(gw, j, c):
    async with a_node(gw) as n:
        await j.call(c, "node.describe", {"nodeId": n.id})
        await j.call(c, "node.list", {})
        rid = await invoke(c, n.id)
        q = await n.asked()
        j.event({"type": "event", "event": "node.invoke.request", "payload": q})
        j.take("node.invoke.result", await n.answers(q, payloadJSON="{}"))
        j.take("node.invoke", await c.result(rid))
        j.take("node.event", await n.tell("chat.subscribe", {"sessionKey": "main"}))
        await j.call(n, "skills.bins", {})
        j.events(n)
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
    assert not set(want) - set(told), set(want) - set(told)


async def devices(gw, j, c):
    """Two that knock from afar."""
    one, other = Device(), Device()
    rid = await knock(gw, one, ["operator.read"])
    await j.call(c, "device.pair.approve", {"requestId": rid})
    which = {"deviceId": one.id, "role": "operator"}
    await j.call(c, "device.token.rotate", which)
    await j.call(c, "device.token.revoke", which)
    await j.call(c, "device.pair.reject", {"requestId": await knock(gw, other)})
    await j.call(c, "device.pair.list", {})


async def host_rules(gw, j, c):
    """A node's own rules: what it says goes to who asked."""
    rules = {"version": 1, "agents": {}}
    async with a_node(gw, commands=["system.execApprovals.get", "system.execApprovals.set"]) as n:
        for method, params in (("get", {}), ("set", {"file": rules})):
            rid = await c.send(f"exec.approvals.node.{method}", {"nodeId": n.id, **params})
            await n.answers(await n.asked(), payload={"file": rules, "hash": "h"})
            j.take(f"exec.approvals.node.{method}", await c.result(rid))
        j.events(n)


async def channel(gw, j, c):
    await asyncio.to_thread(wait_for, lambda: gw.call("channels.status")[
        "channelAccounts"]["telegram"][0].get("connected"), what="the channel")
    for method, params in (("send", {"message": "hello"}),
                           ("poll", {"question": "Which?", "options": ["one", "two"]})):
        await j.call(c, method, {"to": "42", "channel": "telegram", "idempotencyKey": method,
                                 **params})
    gw.fake.message(7, "let me in")
    await asyncio.to_thread(gw.fake.wait, lambda: any(s["chat_id"] == 7 for s in gw.fake.sent),
                            what="a code")
    code = (await j.call(c, "pairing.list", {}))["requests"][0]["code"]
    await j.call(c, "pairing.approve", {"channel": "telegram", "code": code})
    await j.call(c, "channels.logout", {"channel": "telegram"})


async def to_the_end(j, c):
    """What ends in a restart, and then before it comes to that in a stop."""
    for method in ("config.patch", "config.apply"):
        snap = await c.call("config.get")
        raw = '{"ui":{"seamColor":"#aabbcc"}}' if method == "config.patch" else snap["raw"]
        await j.call(c, method, {"raw": raw, "baseHash": snap["hash"],
                                 "restartDelayMs": 600000})
    await j.call(c, "gateway.restart", {"process": "log"})
    rid = await c.send("gateway.stop")
    j.take("gateway.stop", await c.result(rid))
    try:
        await c.event(lambda m: m["event"] == "shutdown")
    except websockets.ConnectionClosed:
        pass        # it stands before the answer


def test_every_method_and_event(house):
    async def go():
        j, gw = Judge(), house
        four = {"minProtocol": 4, "maxProtocol": 4, "scopes": ["operator.admin"]}
        async with gw.client() as c, gw.client(**four) as new:
            j.told.add(c.challenge["event"])
            await new.call("sessions.subscribe")
            await new.call("sessions.messages.subscribe", {"key": "main"})
            await turns(j, c)
            for method, params in CALLS:
                await j.call(new if method in FOUR else c, method, params)
            await approvals(gw, j, c)
            await install(j, c)
            await nodes(gw, j, c)
            await devices(gw, j, c)
            await host_rules(gw, j, c)
            await config(j, c)
            await channel(gw, j, c)
            await c.event(lambda m: m["event"] == "tick")
            # all that was said to it is read with the answer
            await new.call("health")
            j.events(new)
            await to_the_end(j, c)
            j.events(c)
        built = {n for n, i in METHODS.items() if i != "CONNECT"} - ELSEWHERE
        events = (set(EVENTS) | {"connect.challenge", "agent"}) - MAYBE
        print(f"{len(j.seen)} methods, {len(j.told & events)} events with a conformance test")
        assert not built - j.seen, f"no answer was judged: {sorted(built - j.seen)}"
        assert events - j.told == set(), f"not heard: {sorted(events - j.told)}"
        names = {n.removeprefix("EVENT_").lower().replace("_", ".") for n in enum("gw_event")}
        known = {n.replace("-", ".") for n in events | UNSENT} | {"max"}
        assert names <= known, f"no table for {sorted(names - known)}"
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
