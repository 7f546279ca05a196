# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""R07: what a client said with a turn that waits outlives the process: the
turn runs as it would have run, and its session is what it was told to be."""
import contextlib
import json
import sqlite3

from agentproc import Agent, EVENT_CHAT, RUN, events
from test_agentd_model import ModelAgent

SCRIPT = r'''
@on user~"hello"
  text "Hi there."
@on user~"slow"
  text "one "
  stall
'''
HELPER = "agent:main:subagent:9"
NAMES = {"label": " Helper ", "spawnedBy": "agent:main:telegram:group:-7", "channel": "telegram",
         "groupId": "-7", "groupChannel": "#dev", "groupSpace": "acme"}


def waits(a, session="subagent:9", options=None, **kw):
    """A turn that waits behind one that does not end, of another session."""
    first = a.turn("slow", session="other")
    a.until("AG_EVENT", run=first)
    run = a.turn("hello", session=session, source="TURN_AGENT", options=options, **kw)
    a.until("AG_TURN_ACK", run=run)
    return run


def again(a):
    a.kill()
    a.start()


def row_of(a, key=HELPER):
    return next(r for r in a.ask("sessions.list")["sessions"] if r["key"] == key)


def alone(**kw):
    """Of an agent that runs one turn at a time."""
    return Agent(script=SCRIPT, agent={"maxConcurrent": 1}, **kw)


def test_R07_a_waiting_turn_names_its_session():
    with alone() as a:
        run = waits(a, options=NAMES)
        again(a)
        got = a.until("AG_RUN_END", run=run)
        assert got[-1].fields["status"] == RUN["RUN_OK"]
        row = row_of(a)
        assert (row["label"], row["channel"], row["groupChannel"], row["space"]) == (
            "Helper", "telegram", "#dev", "acme")
        # whom it helps is known too, and for ever
        assert [r["key"] for r in a.ask("sessions.list", spawnedBy=NAMES["spawnedBy"])[
            "sessions"]] == [HELPER]


def test_R07_a_turn_that_runs_named_its_session():
    """That it began is written before the row of a session that is there."""
    with alone() as a:
        a.until("AG_RUN_END", run=a.turn("hello", session="subagent:9"))
        for i in range(5):
            run = a.turn("slow", session="subagent:9", source="TURN_AGENT",
                         options={"label": f"Helper {i}"})
            while not events([a.recv()], EVENT_CHAT):
                pass
            again(a)
            a.until("AG_RUN_END", run=run)
            assert row_of(a)["label"] == f"Helper {i}"


def test_R07_two_that_wait_name_in_their_order():
    with alone() as a:
        one = waits(a, options={"label": "One", "groupSpace": "acme"})
        two = a.turn("hello", session="subagent:9", source="TURN_AGENT",
                     options={"label": "Two"})
        a.until("AG_TURN_ACK", run=two)
        again(a)
        a.until("AG_RUN_END", run=one)
        a.until("AG_RUN_END", run=two)
        assert (row_of(a)["label"], row_of(a)["space"]) == ("Two", "acme")


def test_R07_a_waiting_turn_names_nothing_twice():
    """What was said of the session since it was accepted is newer."""
    with alone() as a:
        run = waits(a, options=NAMES)
        a.ask("sessions.patch", {"key": "subagent:9", "label": "Renamed"})
        again(a)
        a.until("AG_RUN_END", run=run)
        assert row_of(a)["label"] == "Renamed"
        run = waits(a, options=NAMES)
        a.ask("sessions.patch", {"key": "subagent:9", "label": None})
        again(a)
        a.until("AG_RUN_END", run=run)
        assert "label" not in row_of(a)


def test_R07_a_waiting_turn_keeps_where_its_answer_goes():
    with alone() as a:
        run = waits(a, options={"deliver": True, "channel": "discord", "replyChannel": "telegram",
                                "to": "1", "replyTo": "2", "replyAccountId": "y",
                                "threadId": "5"})
        again(a)
        got = a.until("AG_RUN_END", run=run)
        while not any(m.name == "AG_DELIVER" for m in got):
            got.append(a.recv())
        sent = [tuple(m.fields[k] for k in ("channel", "account", "chat", "thread"))
                for m in got if m.name == "AG_DELIVER"]
        assert sent == [("telegram", "y", "2", "5")]


def test_R07_a_waiting_turn_keeps_what_the_model_is_told():
    a = ModelAgent(agent={"maxConcurrent": 1}, config={"models": {"providers": {"openai": {
        "api": "openai-completions", "baseUrl": "https://api.openai.com/v1", "models": [
            {"id": "gpt-x", "name": "X", "reasoning": True}]}}}})
    try:
        a.start()
        a.turn("first", session="other")
        a.model.request()
        run = a.turn("hello", session="s", source="TURN_AGENT", options={
            "extraSystemPrompt": "In the garden.", "thinking": "high", "timeout": 1})
        a.until("AG_TURN_ACK", run=run)
        again(a)
        # The first had shown nothing: it is simply run again.
        body = json.loads(a.model.request().fields["body"])
        assert body["messages"][-1]["content"].endswith("first")
        assert "reasoning_effort" not in body
        a.model.answer("x")
        body = json.loads(a.model.request().fields["body"])
        assert "In the garden." in json.dumps(body["messages"][0])
        assert body["messages"][-1]["content"].endswith("hello")
        assert body["reasoning_effort"] == "high"
        # nor is its time longer than it was to be
        got = a.until("AG_RUN_END", run=run)
        assert events(got, EVENT_CHAT)[-1]["stopReason"] == "timeout"
    finally:
        a.close()


def test_R07_a_waiting_turn_begins_anew_what_was_stale():
    """It was too old when it was asked of; to be asked made it young."""
    with alone(config={"session": {"reset": {"mode": "idle", "idleMinutes": 30}}}) as a:
        a.until("AG_RUN_END", run=a.turn("hello", session="s", source="TURN_AGENT"))
        old = row_of(a, "agent:main:s")["sessionId"]
        a.kill()
        with contextlib.closing(sqlite3.connect(a.state / "agent.sqlite")) as db:
            (entry,) = db.execute("select entry from session").fetchone()
            e = json.loads(entry)
            e["updatedAt"] -= 31 * 60 * 1000
            db.execute("update session set entry=?", (json.dumps(e),))
            db.commit()
        a.start()
        run = waits(a, session="s")
        row_of(a, "agent:main:s")       # asking brings the row to the disk
        again(a)
        a.until("AG_RUN_END", run=run)
        h = a.ask("chat.history", sessionKey="s")
        assert h["sessionId"] != old
        assert [m["role"] for m in h["messages"]] == ["user", "assistant"]
