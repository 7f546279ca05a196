# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Images of a message, from AG_TURN to the provider's request, the transcript
and the history; and chat.inject, which also writes what nobody was asked."""
import asyncio
import base64
import contextlib
import json
import re
import sqlite3

import pytest
from agentproc import Agent, RUN, TURN, events
from gateway import Gateway, RpcError, modes
from test_agentd_model import Model

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 40).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + b"\1" * 40).decode()
PDF = base64.b64encode(b"%PDF-1.4\n" + b"x" * 40).decode()
SCRIPT = r'''
@on images=2
  text "two images"
@on images=3
  text "three images"
@on images=1
  text "one image"
@on user~"slow"
  text "one "
  stall
@on user~"hello"
  text "Hi there."
'''


def media(*items):
    return json.dumps([{"content": c, "mimeType": m} for c, m in items])


@pytest.fixture
def a():
    with Agent(script=SCRIPT) as agent:
        yield agent


def end_text(got):
    return json.loads(got[-1].fields["result"])["payloads"][0]["text"]


def test_images_reach_model_transcript_and_history(a):
    a.turn("look", media=media((PNG, "image/jpeg"), (PDF, "image/png"), (JPEG, "image/jpeg")))
    assert end_text(a.until("AG_RUN_END")) == "two images"
    want = [{"type": "text", "text": "look"},
            {"type": "image", "data": PNG, "mimeType": "image/png"},
            {"type": "image", "data": JPEG, "mimeType": "image/jpeg"}]
    stored = [e["message"]["content"] for e in a.transcript()
              if e["type"] == "message" and e["message"]["role"] == "user"]
    assert stored == [want]
    seen = a.ask("chat.history", sessionKey="main")["messages"]
    assert seen[0]["content"] == want
    assert "attachment attachment-2: application/pdf, left out" in a.worker.output()
    # a picture may be all that is said
    a.turn("", media=media((PNG, "")))
    assert end_text(a.until("AG_RUN_END")) == "three images"
    last = [e["message"] for e in a.transcript() if e["type"] == "message"][-2]
    assert last["content"] == want[1:2]


@pytest.mark.parametrize("source", ["TURN_CHAT", "TURN_AGENT"])
def test_attachments_are_refused(a, source):
    big = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 5_000_000).decode()
    for given, text in [
            (media(("abc", "image/png")),
             "Error: attachment attachment-1: invalid base64 content"),
            (json.dumps([{"fileName": "b.png", "content": big}]),
             "Error: attachment b.png: exceeds size limit (5000008 > 5000000 bytes)"),
            ('{"a":1}', "Error: attachments are no array")]:
        a.turn("x", source=source, media=given)
        m = a.expect("AG_TURN_ACK").fields
        assert (m["status"], m["code"], m["reason"]) == (
            TURN["TURN_REFUSED"], "INVALID_REQUEST", text)
    a.turn(" ", source=source, media=media((PDF, "")))
    m = a.expect("AG_TURN_ACK").fields
    assert (m["code"], m["reason"]) == ("INVALID_REQUEST", "message or attachment required")
    assert a.ask("sessions.list")["sessions"] == []


def test_R07_images_survive_the_process():
    with Agent(script=SCRIPT, agent={"maxConcurrent": 1}) as a:
        first = a.turn("slow", session="s")
        a.until("AG_EVENT", run=first)
        second = a.turn("look", media=media((PNG, "image/png")))
        a.until("AG_TURN_ACK", run=second)
        a.kill()
        a.start()
        got = a.until("AG_RUN_END", run=second)
        assert end_text(got) == "one image"
        # and are not kept longer than they wait
        a.kill()
        with sqlite3.connect(a.state / "agent.sqlite") as db:
            assert db.execute("SELECT count(*) FROM media").fetchone() == (0,)


def large(n):
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\2" * (n - 8)).decode()


def test_history_of_large_images_can_be_read(a):
    """Three images of the largest size: more than a history may be."""
    one = large(5_000_000)
    run = a.turn("look", media=json.dumps([{"content": one}] * 3))
    a.until("AG_RUN_END", run=run)
    a.turn("hello")
    a.until("AG_RUN_END")
    seen = a.ask("chat.history", sessionKey="main")["messages"]
    assert [m["role"] for m in seen] == ["assistant", "user", "assistant"]
    seen = a.ask("chat.history", {"sessionKey": "main", "limit": 1})["messages"]
    assert len(seen) == 1
    # alone in a history, it goes without the data
    with Agent(script='@on user~"look"\n  stall\n') as b:
        run = b.turn("look", media=json.dumps([{"content": one}] * 3))
        b.until("AG_EVENT", run=run)
        blocks = b.ask("chat.history", sessionKey="main")["messages"][0]["content"]
        assert blocks[0] == {"type": "text", "text": "look"}
        assert [x["bytes"] for x in blocks[1:]] == [5_000_001] * 3 or \
            [x["omitted"] for x in blocks[1:]] == [True] * 3
        assert all("data" not in x for x in blocks[1:])


@contextlib.contextmanager
def remote(api, model, **entry):
    provider = {"api": api, "models": [dict({"id": model}, **entry)] if entry else []}
    a = Agent(model=f"p/{model}", agent={"retry": {"maxAttempts": 0}},
              config={"models": {"providers": {"p": provider}}},
              parcel={"provider.0.name": "p", "provider.0.instance": "p"})
    try:
        a.start()
        a.worker.add_peer("MODEL", "p")
        yield a, Model(a)
    finally:
        a.close()


@pytest.mark.parametrize("api", ["anthropic-messages", "openai-completions"])
@pytest.mark.parametrize("sees", [True, False])
def test_image_input_of_providers(api, sees):
    with remote(api, "m", input=["text", "image"] if sees else ["text"]) as (a, m):
        a.turn("look", media=media((PNG, "image/png")))
        body = json.loads(m.request().fields["body"])
        content = body["messages"][-1]["content"]
        if not sees:
            assert PNG not in json.dumps(body)
            assert "image" in json.dumps(content)
        elif api == "anthropic-messages":
            assert {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                                "data": PNG}}.items() <= content[1].items()
            assert content[0]["text"] == "look"
        else:
            assert content[1]["type"] == "image_url"
            assert content[1]["image_url"]["url"] == "data:image/png;base64," + PNG
            assert content[0] == {"type": "text", "text": "look"}


def test_old_images_leave_the_request():
    """A conversation with more images than a request may hold goes on: the
    newest are sent, of older ones only that they were there."""
    with remote("openai-completions", "m", input=["text", "image"],
                contextWindow=128000) as (a, m):
        sizes = []
        for i in range(6):
            run = a.turn(f"look {i}", media=json.dumps([{"content": large(4_500_000)}]))
            body = m.request().fields["body"]
            sizes.append(body.count(b"data:image/png"))
            assert len(body) < 33_554_432 and f"look {i}".encode() in body
            m.answer("ok")
            a.until("AG_RUN_END", run=run)
        assert sizes == [1, 2, 3, 3, 3, 3]
        assert b"look 0" in body and b"no longer shown" in body


# --- chat.inject -------------------------------------------------------------------

def test_inject(a):
    assert a.ask("chat.inject", sessionKey="main", message="x") == \
        ("INVALID_REQUEST", "session not found")
    a.ask("sessions.patch", key="empty", label="e")
    assert a.ask("chat.inject", sessionKey="empty", message="x") == \
        ("INVALID_REQUEST", "transcript file not found")
    a.turn("hello")
    a.until("AG_RUN_END")
    r = a.ask("chat.inject", {"sessionKey": "Main", "message": "said by hand", "label": "Note"})
    assert r["ok"] is True and set(r) == {"ok", "messageId"}
    assert re.fullmatch("[0-9a-f]{8}", r["messageId"])
    e = a.transcript()[-1]
    m = e["message"]
    assert (e["type"], e["id"]) == ("message", r["messageId"])
    assert m == {"role": "assistant", "stopReason": "injected", "timestamp": m["timestamp"],
                 "content": [{"type": "text", "text": "[Note]\n\nsaid by hand"}],
                 "usage": {"input": 0, "output": 0, "totalTokens": 0}}
    told = [x for x in events(a.pending, 2) if x["runId"] == f"inject-{r['messageId']}"]
    assert told == [{"runId": f"inject-{r['messageId']}", "sessionKey": "Main", "seq": 0,
                     "state": "final", "message": m}]
    a.pending = []
    # it is part of the conversation from now on
    seen = a.ask("chat.history", sessionKey="main")["messages"]
    assert seen[-1]["content"] == m["content"] and len(seen) == 3
    a.turn("hello")
    a.until("AG_RUN_END")
    assert len(a.ask("chat.history", sessionKey="main")["messages"]) == 5


def test_inject_into_a_run(a):
    run = a.turn("slow")
    a.until("AG_EVENT", run=run)
    assert a.ask("chat.inject", sessionKey="main", message="between")["ok"]
    a.ask("chat.abort", sessionKey="main")
    end = a.until("AG_RUN_END", run=run)[-1].fields
    assert end["status"] == RUN["RUN_ABORTED"], end
    texts = [m["content"][0]["text"] for m in
             a.ask("chat.history", sessionKey="main")["messages"]]
    assert texts[:2] == ["slow", "between"]
    a.turn("hello")
    a.until("AG_RUN_END")
    assert len(a.ask("chat.history", sessionKey="main")["messages"]) == len(texts) + 2


def test_a_large_frame_through_the_gateway():
    """Four images of 4.5 MB: 24 MB of one frame, and what a run answers."""
    items = [{"content": large(4_500_000), "fileName": f"{i}.png"} for i in range(4)]

    async def go(g):
        async with g.client() as c:
            with pytest.raises(RpcError) as e:
                await c.call("chat.send", {
                    "sessionKey": "main", "message": "x", "idempotencyKey": "bad",
                    "attachments": [{"content": "abc", "fileName": "broken.png"}]})
            assert e.value.error == {
                "code": "INVALID_REQUEST",
                "message": "Error: attachment broken.png: invalid base64 content"}
            for key, method in (("a", "chat.send"), ("b", "agent")):
                first = await c.call(method, {
                    "sessionKey": "main", "message": "look", "idempotencyKey": key,
                    "attachments": items})
                assert first["runId"] == key and first["status"] in ("started", "accepted")
                await c.event(lambda m: m["event"] == "chat" and m["payload"]["runId"] == key and
                              m["payload"]["state"] == "final")
            seen = (await c.call("chat.history", {"sessionKey": "main", "limit": 2}))["messages"]
            assert seen[-1]["role"] == "assistant"
    g = Gateway(mode=modes()[0], config={
        "agents": {"defaults": {"model": {"primary": "builtin/echo"}}}})
    try:
        g.start()
        asyncio.run(go(g))
    finally:
        g.close()
