# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What nodes tell: words for an agent, and which conversations they want to see."""
import asyncio
import json

from noderig import a_node


def of_run(n, run, state="final"):
    return lambda m: m["event"] == "chat" and m["payload"]["runId"] == run and \
        m["payload"]["state"] == state


def test_subscriptions(gateway):
    async def go():
        async with gateway.client() as c, a_node(gateway) as n, a_node(gateway) as plain:
            for key in ("main", "agent:main:main", " main "):
                assert await n.tell("chat.subscribe", {"sessionKey": key}) == {"ok": True}
            await n.tell("chat.subscribe", {"sessionKey": "other"})
            text = await c.chat("hello")
            # by its canonical name, once with seq and once without
            run = [m for m in c.events if m["event"] == "chat"][-1]["payload"]["runId"]
            for _ in range(2):
                m = await n.event(of_run(n, run))
                n.events.remove(m)
                seen = {"seq" in m} if _ == 0 else seen | {"seq" in m}
            assert seen == {True, False} and text
            starts = [m for m in n.events if m["event"] == "agent" and "seq" not in m and
                      m["payload"]["runId"] == run]
            assert starts
            assert await n.tell("chat.unsubscribe", {"sessionKey": "MAIN"}) == {"ok": True}
            n.events.clear()
            await c.chat("hello again")
            run = [m for m in c.events if m["event"] == "chat"][-1]["payload"]["runId"]
            await c.chat("and again", session="other")
            last = [m for m in c.events if m["event"] == "chat"][-1]["payload"]["runId"]
            for _ in range(2):      # of "other" both come, which proves the first
                n.events.remove(await n.event(of_run(n, last)))
            assert not [m for m in n.events if "seq" not in m and
                        m["payload"].get("runId") == run]
            # who did not subscribe has the broadcast only
            await plain.event(of_run(plain, last))
            assert not [m for m in plain.events if "seq" not in m]
    asyncio.run(go())


def test_a_subscribed_node_hears_of_health(gateway):
    async def go():
        async with a_node(gateway) as n:
            await n.tell("chat.subscribe", {"sessionKey": "main"})
            async with gateway.client():       # each connect makes one
                pass
            m = await n.event(lambda m: m["event"] == "health" and "seq" not in m)
            assert m["payload"]["ok"]
    asyncio.run(go())


def test_words_for_an_agent(gateway):
    async def go():
        async with gateway.client() as c, a_node(gateway) as n:
            await n.tell("voice.transcript", {"text": "  say the time  "})
            m = await c.event(lambda m: m["event"] == "chat" and m["payload"]["state"] == "final" and
                              m["payload"]["runId"].startswith("voice-"))
            assert m["payload"]["sessionKey"] == "main" and len(m["payload"]["runId"]) == 42
            h = await c.call("chat.history", {"sessionKey": "main"})
            assert "say the time" in json.dumps(h["messages"][0])
            await n.tell("voice.transcript", {"text": "hello", "sessionKey": "spoken"})
            await c.event(lambda m: m["event"] == "chat" and m["payload"]["state"] == "final" and
                          m["payload"]["sessionKey"] == "spoken")
            # a request of a node has a session of its own
            await n.call("node.event", {"event": "agent.request",
                                        "payload": {"message": "what time is it", "deliver": True,
                                                    "channel": "nowhere", "timeoutSeconds": 60}})
            own = f"node-{n.id}"
            m = await c.event(lambda m: m["event"] == "chat" and m["payload"]["state"] == "final" and
                              m["payload"]["sessionKey"] == own)
            h = await c.call("chat.history", {"sessionKey": own})
            assert "what time is it" in json.dumps(h["messages"][0])
            await n.tell("agent.request", {"message": "there", "sessionKey": "main",
                                           "thinking": "low", "to": "x", "deliver": False})
            await c.event(lambda m: m["event"] == "chat" and m["payload"]["state"] == "final" and
                          m["payload"]["sessionKey"] == "main" and
                          not m["payload"]["runId"].startswith("voice-"))
    asyncio.run(go())


def test_what_cannot_be_read_is_answered(gateway):
    async def go():
        async with gateway.client() as c, a_node(gateway) as n:
            for event, payload in (
                    ("no.such", {}), ("voice.transcript", {}), ("voice.transcript", []),
                    ("voice.transcript", {"text": "x" * 20001}), ("voice.transcript", {"text": 7}),
                    ("voice.transcript", {"text": "\u0000 \n"[1:]}), ("agent.request", None),
                    ("agent.request", {"message": {"a": 1}}), ("chat.subscribe", {"sessionKey": 7}),
                    ("chat.subscribe", {"sessionKey": " "}), ("chat.subscribe", "main"),
                    ("chat.subscribe", {"sessionKey": "k" * 600}),
                    ("voice.transcript", {"text": "hi", "sessionKey": "agent:nobody:main"})):
                assert await n.call("node.event", {"event": event, "payload": payload}) == {
                    "ok": True}
                assert await n.tell(event, payload) == {"ok": True}
            for text in ("no json", "", "{", '{"text":"x"} 1', "[" * 5000, None):
                assert await n.call("node.event", {"event": "voice.transcript",
                                                   "payloadJSON": text}) == {"ok": True}
            # nothing of it reached an agent: a good one comes first
            await n.tell("voice.transcript", {"text": "good", "sessionKey": "good"})
            m = await c.event(lambda m: m["event"] == "chat")
            assert m["payload"]["sessionKey"] == "good"
    asyncio.run(go())


def test_too_many_subscriptions(gateway):
    async def go():
        async with gateway.client() as c, a_node(gateway) as n:
            for i in range(100):
                await n.tell("chat.subscribe", {"sessionKey": f"s{i}"})
            await c.chat("hello", session="s99")
            await c.chat("hello", session="s1")
            m = await n.event(lambda m: m["event"] == "chat" and "seq" not in m)
            assert m["payload"]["sessionKey"] == "s1"
    asyncio.run(go())
