# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""system-event, set-heartbeats, last-heartbeat and presence: over a whole
gateway, and what an agent's process makes of events that wait when it dies."""
import asyncio
import json
import re
import subprocess

import pytest
from gateway import BIN, Gateway, RpcError, modes, wait_for

LINE = "Node: mac (10.0.0.5) \u00b7 app 1.2 \u00b7 last input 7s ago \u00b7 mode local \u00b7 reason launch"


@pytest.fixture(scope="module")
def gw():
    g = Gateway(mode=modes()[0], config={
        "agents": {"defaults": {"model": {"primary": "builtin/echo"}}}})
    try:
        g.start()
        yield g
    finally:
        g.close()


def waiting(gw):
    return gw.call("status")["queuedSystemEvents"]


def said(gw, text):
    """What the model of the main conversation is told with a turn."""
    asyncio.run(chat(gw, text))
    m = [x for x in gw.call("chat.history", {"sessionKey": "main"})["messages"]
         if x["role"] == "user"][-1]
    return "".join(c.get("text", "") for c in m["content"])


async def chat(gw, text):
    async with gw.client() as c:
        return await c.chat(text)


def entry(gw, **want):
    got = [p for p in gw.call("system-presence") if all(p.get(k) == v for k, v in want.items())]
    assert len(got) == 1, (want, got)
    return got[0]


def test_events_wait_for_the_next_turn(gw):
    assert gw.call("system-event", {"text": "  the backup is done "}) == {"ok": True}
    gw.call("system-event", {"text": "the backup is done"})     # the same again: once
    gw.call("system-event", {"text": "the door opened"})
    gw.call("system-event", {"text": "Heartbeat poll of something"})
    wait_for(lambda: waiting(gw)[:2] == ["the backup is done", "the door opened"],
             what="status.queuedSystemEvents")
    text = said(gw, "hello")
    stamp = r"\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\]"
    assert re.fullmatch(rf"System: {stamp} the backup is done\n\nSystem: {stamp} the door opened\n"
                        r"\nhello", text), text
    wait_for(lambda: waiting(gw) == [], what="an empty queue")
    assert said(gw, "again") == "again"


def test_the_oldest_are_dropped(gw):
    for i in range(25):
        gw.call("system-event", {"text": f"number {i}"})
    wait_for(lambda: waiting(gw) == [f"number {i}" for i in range(5, 25)], what="the newest 20")
    assert said(gw, "hello").count("System: ") == 20


def test_node_lines(gw):
    gw.call("system-event", {"text": LINE})
    p = entry(gw, host="mac")
    assert (p["ip"], p["version"], p["lastInputSeconds"], p["mode"], p["reason"], p["text"]) == \
        ("10.0.0.5", "1.2", 7, "local", "launch", LINE)
    wait_for(lambda: waiting(gw) == ["Node: mac (10.0.0.5) \u00b7 app 1.2 \u00b7 mode local \u00b7 "
                                     "reason launch"], what="the line")
    # periodic and unchanged: nobody is told, presence is
    gw.call("system-event", {"text": LINE.replace("launch", "periodic").replace("7s", "9s")})
    assert entry(gw, host="mac")["lastInputSeconds"] == 9
    gw.call("system-event", {"text": LINE.replace("launch", "periodic").replace("1.2", "1.3")})
    wait_for(lambda: waiting(gw)[1:] == ["Node: mac (10.0.0.5) \u00b7 app 1.3"],
             what="what has changed")
    gw.call("system-event", {"text": LINE.replace("1.2", "1.4").replace("launch", "heartbeat")})
    wait_for(lambda: waiting(gw)[2:] == ["Node: mac (10.0.0.5) \u00b7 app 1.4"], what="the rest")
    assert "app 1.4" in said(gw, "x")


def test_fields_and_keys(gw):
    gw.call("system-event", {"text": "I am here", "deviceId": "ABC", "host": "pad", "ip": 7,
                             "roles": ["node"], "scopes": ["a"], "tags": ["t"],
                             "lastInputSeconds": 3, "platform": "ios", "mode": None,
                             "unknown": {}})
    p = entry(gw, deviceId="ABC")
    assert (p["host"], p["roles"], p["scopes"], p["tags"], p["lastInputSeconds"], p["platform"],
            p["text"]) == ("pad", ["node"], ["a"], ["t"], 3, "ios", "I am here")
    assert "ip" not in p and "mode" not in p and "unknown" not in p
    gw.call("system-event", {"text": "still", "deviceId": "abc", "roles": ["node", "operator"],
                             "scopes": "b", "instanceId": "i", "tags": [1]})
    p = entry(gw, instanceId="i")
    assert (p["host"], p["roles"], p["scopes"], p["tags"], p["text"]) == \
        ("pad", ["node", "operator"], ["a"], ["t"], "still")
    # what is not the form is a text as any
    for text in ("Node: a", "Node: a b (1) \u00b7 app", LINE.replace("7s", "xs")):
        gw.call("system-event", {"text": text})
        p = entry(gw, text=text)
        assert "version" not in p and "lastInputSeconds" not in p
    assert said(gw, "x")


def test_presence_is_broadcast(gw):
    async def go():
        async with gw.client() as c:
            await c.call("system-event", {"text": "see me", "instanceId": "seen"})
            m = await c.event(lambda m: m["event"] == "presence" and any(
                p.get("instanceId") == "seen" for p in m["payload"]["presence"]))
            assert m["stateVersion"]["presence"] > 1
    asyncio.run(go())


def test_refusals(gw):
    for p in ({}, {"text": ""}, {"text": " \n"}, {"text": 7}, {"text": None}):
        with pytest.raises(RpcError) as e:
            gw.call("system-event", p)
        assert (e.value.code, e.value.message) == ("INVALID_REQUEST", "text required")
    with pytest.raises(RpcError) as e:
        gw.call("system-event", {"text": "x" * 16385})
    assert "at /text: must NOT have more than 16384 bytes" in e.value.message
    assert gw.call("system-event", {"text": "\u20ac" * 5000, "host": "h" * 100000}) == {"ok": True}
    for p in ({}, {"enabled": 1}, {"enabled": "true"}, {"enabled": None}):
        with pytest.raises(RpcError) as e:
            gw.call("set-heartbeats", p)
        assert (e.value.code, e.value.message) == \
            ("INVALID_REQUEST", "invalid set-heartbeats params: enabled (boolean) required")


def test_heartbeats(gw):
    assert gw.call("last-heartbeat") is None
    assert gw.call("set-heartbeats", {"enabled": False}) == {"ok": True, "enabled": False}
    assert gw.call("set-heartbeats", {"enabled": True, "x": 1}) == {"ok": True, "enabled": True}


def test_openclaw_system(gw):
    def run(*args):
        r = subprocess.run([str(BIN / "openclaw"), *args], capture_output=True, text=True,
                           timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": str(gw.dir),
                                         "OPENCLAW_STATE_DIR": str(gw.state),
                                         "OPENCLAW_CONFIG_PATH": str(gw.config_path)})
        assert r.returncode == 0, r.stderr
        return r.stdout
    assert run("system", "event", "--text", "from a shell") == \
        "The next turn of the main conversation is told.\n"
    assert json.loads(run("system", "event", "--text", "and so", "--json",
                          "--mode", "next-heartbeat")) == {"ok": True}
    wait_for(lambda: waiting(gw)[-2:] == ["from a shell", "and so"], what="both")
    assert run("system", "heartbeat", "last") == "There was no heartbeat yet.\n"
    assert run("system", "heartbeat", "last", "--json") == "null\n"
    assert "off" in run("system", "heartbeat", "disable")
    assert json.loads(run("system", "heartbeat", "enable", "--json")) == {"ok": True, "enabled": True}
    assert "gateway" in run("system", "presence")
    assert isinstance(json.loads(run("system", "presence", "--json")), list)
    r = subprocess.run([str(BIN / "openclaw"), "system", "event"], capture_output=True, text=True)
    assert (r.returncode, r.stderr) == (1, "error: required option '--text <text>' not specified\n")


# --- the agent's process dies ------------------------------------------------------------------


def new_agent(g):
    """Killed, and there again."""
    pid = g.processes()["agentd/main"]["pid"]
    g.kill("agentd/main")

    def there():
        p = g.processes()["agentd/main"]
        return p["pid"] not in (0, pid) and p["state"] == "running"
    wait_for(there, what="a new agent")


def test_R07_events_survive_their_process():
    """Accepted is kept when the agent dies; used up by one turn only."""
    g = Gateway(mode=modes()[0], config={
        "agents": {"defaults": {"model": {"primary": "builtin/echo"}}}})
    try:
        g.start()
        assert g.call("system-event", {"text": "kept"}) == {"ok": True}
        new_agent(g)
        assert "kept\n\nfirst" in said(g, "first")
        new_agent(g)
        assert said(g, "second") == "second"
    finally:
        g.close()
