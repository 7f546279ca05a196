# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Turns of the real agentd: acknowledgement, events, results, queue, abort."""
import json
import os
import signal

import pytest

from agentproc import (Agent, EVENT_AGENT, EVENT_CHAT, RUN, TURN, events,
                       payload)
from gateway import pause, wait_for

HELLO = '''
@on user~"hello"
  text "Hi there."
  usage in=10 out=4
@on user~"slow"
  text "one "
  stall
@on user~"think"
  text "<think>secret</think>Plain answer."
@on user~"boom"
  fail http 400 format "bad request"
'''


@pytest.fixture
def agent():
    a = Agent(script=HELLO).start()
    yield a
    a.close()


def test_turn_is_acknowledged_run_and_answered(agent):
    run = agent.turn("hello", run="r1")
    ack = agent.expect("AG_TURN_ACK")
    assert ack.corr == 7
    assert ack.fields["run_id"] == run
    assert ack.fields["status"] == TURN["TURN_ACCEPTED"]
    assert ack.fields["accepted_at"] > 1700000000000
    got = agent.until("AG_RUN_END")
    ag, chat = events(got, EVENT_AGENT), events(got, EVENT_CHAT)
    assert [e["stream"] for e in ag] == ["lifecycle"] + \
        ["assistant"] * (len(ag) - 2) + ["lifecycle"]
    assert [e["seq"] for e in ag] == list(range(1, len(ag) + 1))
    assert ag[0]["data"].keys() == {"phase", "startedAt"}
    assert ag[0]["sessionKey"] == "main"
    assert "".join(e["data"]["delta"] for e in ag[1:-1]) == "Hi there."
    assert ag[-2]["data"]["text"] == "Hi there."
    assert ag[-1]["data"]["phase"] == "end"
    assert chat[0]["state"] == "delta"
    assert chat[-1]["state"] == "final"
    assert chat[-1]["message"]["content"] == [
        {"type": "text", "text": "Hi there."}]
    assert chat[-1]["seq"] == ag[-1]["seq"]
    assert set(chat[-1]) == {"runId", "sessionKey", "seq", "state", "message"}
    end = got[-1].fields
    assert end["status"] == RUN["RUN_OK"] and end["summary"] == "completed"
    result = json.loads(end["result"])
    assert result["payloads"] == [{"text": "Hi there.", "mediaUrl": None}]
    meta = result["meta"]
    assert meta["aborted"] is False
    assert meta["agentMeta"]["provider"] == "builtin"
    assert meta["agentMeta"]["usage"]["output"] == 4
    lines = agent.transcript()
    assert lines[0]["type"] == "session" and lines[0]["version"] == 3
    assert [x["message"]["role"] for x in lines[1:]] == ["user", "assistant"]
    assert lines[2]["parentId"] == lines[1]["id"]
    assert lines[2]["message"]["stopReason"] == "stop"


def test_history_list_and_preview(agent):
    assert agent.ask("chat.history", sessionKey="main") == {
        "sessionKey": "main", "messages": [], "thinkingLevel": "off"}
    agent.turn("hello")
    agent.until("AG_RUN_END")
    h = agent.ask("chat.history", sessionKey="main")
    assert [m["role"] for m in h["messages"]] == ["user", "assistant"]
    assert h["messages"][0]["content"] == [{"type": "text", "text": "hello"}]
    assert h["sessionId"]
    lst = agent.ask("sessions.list", includeDerivedTitles=True,
                    includeLastMessage=True)
    assert lst["count"] == 1
    row = lst["sessions"][0]
    assert row["key"] == "agent:main:main" and row["kind"] == "direct"
    assert row["derivedTitle"] == "hello"
    assert row["lastMessagePreview"] == "Hi there."
    assert row["model"] == "script" and row["totalTokens"] == 10
    assert lst["defaults"]["modelProvider"] == "builtin"
    assert agent.ask("sessions.list", search="nothing")["sessions"] == []
    p = agent.ask("sessions.preview", {"keys": ["main", "other"]})
    assert p["previews"] == [
        {"key": "main", "status": "ok", "items": [
            {"role": "user", "text": "hello"},
            {"role": "assistant", "text": "Hi there."}]},
        {"key": "other", "status": "missing", "items": []}]
    assert agent.ask("chat.history", {"limit": 3})[0] == "INVALID_REQUEST"
    assert agent.ask("nonsense")[0] == "INVALID_REQUEST"


def test_titles_are_cut_at_characters(agent):
    """Not at bytes: a title in Chinese is as long as one in English."""
    text = "hello " + "\u8bf7\u5e2e\u6211 \n" * 40
    agent.turn(text)
    agent.until("AG_RUN_END")
    folded = " ".join(text.split())
    row = agent.ask("sessions.list", includeDerivedTitles=True)["sessions"][0]
    # between words, where that leaves most of it
    assert row["derivedTitle"] == folded[:59].rpartition(" ")[0] + "\u2026"
    assert len(row["derivedTitle"]) > 55
    for n in (20, 33):
        p = agent.ask("sessions.preview", {"keys": ["main"], "maxChars": n})
        assert p["previews"][0]["items"][0]["text"] == folded[:n].strip()


def test_duplicate_is_acknowledged_and_never_answered_twice(agent):
    agent.turn("hello", run="r1", dedupe="k")
    first = agent.until("AG_RUN_END")[-1]
    agent.turn("hello", run="r1", dedupe="k")
    ack = agent.expect("AG_TURN_ACK")
    assert ack.fields["status"] == TURN["TURN_DUPLICATE"]
    assert ack.fields["code"] == "done"
    again = agent.expect("AG_RUN_END")
    assert again.fields["result"] == first.fields["result"]
    agent.quiet()
    assert len(agent.transcript()) == 3


def test_turns_of_a_session_wait_for_each_other(agent):
    agent.turn("slow", run="a")
    agent.until("AG_EVENT")
    agent.turn("hello", run="b")
    ack = [m for m in agent.until("AG_TURN_ACK", run="b")][-1]
    assert ack.fields["status"] == TURN["TURN_QUEUED"]
    agent.turn("hello", run="c", session="other")
    agent.until("AG_RUN_END", run="c")
    r = agent.ask("chat.abort", sessionKey="main", runId="a")
    assert r == {"ok": True, "aborted": True, "runIds": ["a"]}
    got = agent.until("AG_RUN_END", run="b")
    end = next(m for m in got if m.name == "AG_RUN_END" and
               m.fields["run_id"] == "a")
    assert end.fields["status"] == RUN["RUN_ABORTED"]
    chat = [e for e in events(got, EVENT_CHAT) if e["runId"] == "a"]
    assert chat[-1]["state"] == "aborted"
    assert chat[-1]["stopReason"] == "rpc"
    assert json.loads(end.fields["result"])["meta"]["aborted"] is True
    life = [e for e in events(got, EVENT_AGENT) if e["runId"] == "a"][-1]
    assert life["data"]["phase"] == "end" and life["data"]["aborted"] is True
    roles = [(x["message"]["role"], x["message"].get("stopReason"))
             for x in agent.transcript(
                 agent.ask("chat.history", sessionKey="main")["sessionId"])
             if x["type"] == "message"]
    assert roles == [("user", None), ("assistant", "aborted"),
                     ("user", None), ("assistant", "stop")]


def test_abort_errors(agent):
    agent.turn("slow", run="a", session="agent:main:x")
    agent.until("AG_EVENT")
    assert agent.ask("chat.abort", sessionKey="main") == {
        "ok": True, "aborted": False, "runIds": []}
    assert agent.ask("chat.abort", sessionKey="main", runId="a") == (
        "INVALID_REQUEST", "runId does not match sessionKey")
    assert agent.ask("chat.abort", sessionKey="x", runId="zz")["aborted"] \
        is False
    # Canonical forms are compared, not texts.
    assert agent.ask("chat.abort", sessionKey="X")["runIds"] == ["a"]


def test_stop_word_of_a_client_makes_no_turn(agent):
    agent.turn("slow", run="a")
    agent.until("AG_EVENT")
    agent.turn(" Stop ", run="b")
    ack = agent.until("AG_TURN_ACK", run="b")[-1]
    assert ack.fields["status"] == TURN["TURN_ACCEPTED"]
    assert ack.fields["code"] == "RESULT"
    assert json.loads(ack.fields["reason"]) == {
        "ok": True, "aborted": True, "runIds": ["a"]}


def test_provider_failure(agent):
    agent.turn("boom")
    got = agent.until("AG_RUN_END")
    assert got[-1].fields["status"] == RUN["RUN_ERROR"]
    assert "bad request" in got[-1].fields["summary"]
    assert events(got, EVENT_CHAT)[-1]["state"] == "error"
    assert "bad request" in events(got, EVENT_CHAT)[-1]["errorMessage"]
    life = events(got, EVENT_AGENT)[-1]["data"]
    assert life["phase"] == "error" and "bad request" in life["error"]
    last = agent.transcript()[-1]["message"]
    assert last["stopReason"] == "error"
    # The failed answer is not shown to the model again, and the session works.
    agent.turn("hello")
    assert agent.until("AG_RUN_END")[-1].fields["status"] == RUN["RUN_OK"]


def test_thinking_tags_are_not_shown(agent):
    agent.turn("think")
    got = agent.until("AG_RUN_END")
    assert "secret" not in "".join(json.dumps(e) for e in events(got))
    assert json.loads(got[-1].fields["result"])["payloads"][0]["text"] == \
        "Plain answer."


def test_each_message_is_announced(agent):
    """With what the history has of it, in the order of the transcript; when
    somebody hears it."""
    agent.turn("hello", session="Watched")
    agent.until("AG_RUN_END")
    agent.ask("sessions.delete", key="watched")
    assert agent.said == []
    agent.router.send("AG_WATCH", on=1)
    run = agent.turn("hello", session="Watched")
    agent.until("AG_RUN_END")
    agent.ask("chat.inject", sessionKey="watched", message="By the way.", label="Note")
    said = [payload(m) for m in agent.said]
    assert {m.fields["session_key"] for m in agent.said} == {"agent:main:watched"}
    assert [m.fields["droppable"] for m in agent.said] == [1, 1, 1]
    shown = agent.ask("chat.history", sessionKey="watched")
    assert [p["message"] for p in said] == shown["messages"]
    assert [p["message"]["role"] for p in said] == ["user", "assistant", "assistant"]
    assert said[0]["message"]["content"][0]["text"] == "hello"
    assert [p.get("runId") for p in said] == [run, run, None]
    ids = [e["id"] for e in agent.transcript() if e["type"] == "message"]
    assert [p["messageId"] for p in said] == ids
    agent.router.send("AG_WATCH", on=0)
    agent.turn("hello", session="watched")
    agent.until("AG_RUN_END")
    assert len(agent.said) == 3
    for p in said:
        assert p["sessionKey"] == "agent:main:watched" and p["agentId"] == "main"
        assert p["sessionId"] == shown["sessionId"]


def test_T02_a_long_message_is_announced_short(agent):
    agent.router.send("AG_WATCH", on=1)
    agent.turn("hello " + "x" * 200000)
    agent.until("AG_RUN_END")
    text = payload(agent.said[0])["message"]["content"][0]["text"]
    assert text.startswith("hello x") and text.endswith("(truncated)\u2026")
    assert len(text) < 10000


def test_agent_wait(agent):
    r = agent.ask("agent.wait", runId="r9", timeoutMs=0)
    assert r == {"runId": "r9", "status": "timeout"}
    agent.turn("hello", run="r9", source="TURN_AGENT")
    r = agent.ask("agent.wait", runId="r9", timeoutMs=5000)
    assert r["status"] == "ok" and r["endedAt"] >= r["startedAt"]
    agent.turn("boom", run="r10")
    agent.until("AG_RUN_END", run="r10")
    r = agent.ask("agent.wait", runId="r10")
    assert r["status"] == "error" and "bad request" in r["error"]
    agent.turn("slow", run="r11")
    r = agent.ask("agent.wait", runId="r11", timeoutMs=200)
    assert r == {"runId": "r11", "status": "timeout"}


def test_run_time_limit(agent):
    agent.turn("slow", options={"timeoutMs": 300})
    got = agent.until("AG_RUN_END")
    assert got[-1].fields["status"] == RUN["RUN_ABORTED"]
    assert events(got, EVENT_CHAT)[-1]["stopReason"] == "timeout"


def test_commands_need_no_model(agent):
    for text in ("/help", "/status", "/STATUS"):
        agent.turn(text)
        got = agent.until("AG_RUN_END")
        chat = events(got, EVENT_CHAT)
        assert [e["state"] for e in chat] == ["final"]
        assert chat[0]["message"]["stopReason"] == "injected"
        assert events(got, EVENT_AGENT) == []
    agent.turn("/help me")      # text behind it: an ordinary message
    agent.until("AG_RUN_END")
    assert len(agent.transcript()) == 3


def test_reset_begins_a_new_session(agent):
    agent.turn("hello")
    agent.until("AG_RUN_END")
    old = agent.ask("chat.history", sessionKey="main")["sessionId"]
    agent.turn("/new")
    got = agent.until("AG_RUN_END")
    assert "New session" in events(got, EVENT_CHAT)[-1]["message"][
        "content"][0]["text"]
    h = agent.ask("chat.history", sessionKey="main")
    assert h["sessionId"] != old and h["messages"] == []
    agent.turn("/reset hello")
    agent.until("AG_RUN_END")
    h = agent.ask("chat.history", sessionKey="main")
    assert h["messages"][0]["content"][0]["text"] == "hello"
    assert (agent.state / "sessions" / f"{old}.jsonl").exists()


def test_bad_turns_are_refused(agent):
    agent.turn("x", session="\t ", run="a")
    ack = agent.expect("AG_TURN_ACK")
    assert ack.fields["status"] == TURN["TURN_REFUSED"]
    assert ack.fields["code"] == "INVALID_REQUEST"
    agent.turn("x", session="agent:other:main", run="b")
    ack = agent.expect("AG_TURN_ACK")
    assert ack.fields["code"] == "INVALID_REQUEST"


def test_store_view_is_written(agent):
    agent.turn("hello")
    agent.until("AG_RUN_END")
    path = agent.state / "sessions" / "sessions.json"
    wait_for(lambda: path.exists() and "totalTokens" in path.read_text(),
             what="view")
    view = json.loads(path.read_text())
    e = view["agent:main:main"]
    assert e["chatType"] == "direct" and e["sessionId"]
    assert path.read_text().startswith('{\n  "agent:main:main": {\n    "')
    assert path.stat().st_mode & 0o777 == 0o600

    def told():
        agent.ask("chat.history", sessionKey="main")
        return agent.states and b"agent:main:main" in \
            agent.states[-1].fields["sessions"]
    wait_for(told, what="AG_STATE")
    s = json.loads(agent.states[-1].fields["sessions"])
    assert s["count"] == 1 and s["recent"][0]["key"] == "agent:main:main"


def aborted(agent, corr, **params):
    agent.router.send("RPC_REQ", corr=corr, method="chat.abort", scopes=3, principal="t",
                      params=json.dumps(dict(params, sessionKey="main")))


def test_an_abort_of_the_chat_spares_what_others_said(agent):
    """All in one turn of the loop: they are on their way in."""
    pause(agent.worker.pid)
    agent.channel_turn("hello", msg_id="1", session="agent:main:main")
    there = agent.turn("hello", source="TURN_AGENT")
    chat = agent.turn("hello")
    aborted(agent, 5)
    os.kill(agent.worker.pid, signal.SIGCONT)
    ends, answers, said = {}, [], []
    while len(ends) < 2 or not said or not answers:
        m = agent.recv()
        if m.name == "AG_RUN_END":
            ends[m.fields["run_id"]] = m.fields["status"]
        elif m.name == "AG_DELIVER":
            said.append(m.fields["text"])
        elif m.name == "RPC_RES":
            answers.append(json.loads(m.fields["result"])["runIds"])
    assert answers == [[chat]]
    assert ends == {chat: RUN["RUN_ABORTED"], there: RUN["RUN_OK"]}
    assert said == [b"Hi there."]


def test_a_run_is_aborted_before_it_was_taken(agent):
    pause(agent.worker.pid)
    chat = agent.turn("hello")
    aborted(agent, 5, runId=chat)
    other = agent.turn("hello", source="TURN_AGENT")
    aborted(agent, 6, runId=other)
    os.kill(agent.worker.pid, signal.SIGCONT)
    got = agent.until("AG_RUN_END", run=other)
    assert [json.loads(m.fields["result"])["runIds"] for m in got if m.name == "RPC_RES"] == \
        [[chat], []]
    assert [m.fields["status"] for m in got if m.name == "AG_RUN_END"] == \
        [RUN["RUN_ABORTED"], RUN["RUN_OK"]]
