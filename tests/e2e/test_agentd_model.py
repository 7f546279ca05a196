# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Model calls of the real agentd through a modeld that this test plays."""
import json
import time

import pytest

import gwproto
from agentproc import Agent, EVENT_AGENT, EVENT_CHAT, RUN, events

CLASS = gwproto.enum("md_class")
FAST = {"retry": {"baseMs": 20, "maxMs": 50}, "timeoutSeconds": 60}


def sse(*chunks):
    return b"".join(b"data: " + json.dumps(c).encode() + b"\n\n"
                    for c in chunks)


def text_chunks(*parts, finish="stop"):
    return sse(*[{"choices": [{"index": 0, "delta": {"content": p}}]}
                 for p in parts],
               {"choices": [{"index": 0, "delta": {},
                             "finish_reason": finish}],
                "usage": {"prompt_tokens": 11, "completion_tokens": 3}}) + \
        b"data: [DONE]\n\n"


class Model:
    """modeld's side of the link."""

    def __init__(self, agent, name="MODEL"):
        self.link = agent.worker.peers[name]
        self.granted = 0

    def request(self, timeout=60):
        while True:
            m = self.link.recv(timeout)
            if m.name == "MD_REQ":
                return self.take(m)

    def take(self, m):
        self.corr, self.granted = m.corr, 0
        c = self.link.expect("MD_CREDIT")
        assert c.corr == m.corr
        self.granted += c.fields["bytes"]
        return m

    def head(self, status=200, headers="content-type: text/event-stream\n"):
        self.link.send("MD_HEAD", corr=self.corr, status=status,
                       headers=headers)

    def data(self, data):
        for i in range(0, len(data), 32768):
            part = data[i:i + 32768]
            while self.granted < len(part):
                c = self.link.expect("MD_CREDIT")
                self.granted += c.fields["bytes"]
            self.granted -= len(part)
            self.link.send("MD_DATA", corr=self.corr, bytes=part)

    def end(self, cls="MD_OK", reason="", retry_after_ms=0):
        self.link.send("MD_END", corr=self.corr, reason=reason,
                       retry_after_ms=retry_after_ms,
                       **{"class": CLASS[cls]})

    def answer(self, *parts, **kw):
        self.head()
        self.data(text_chunks(*parts, **kw))
        self.end()


class ModelAgent(Agent):
    def __init__(self, fallback=False, agent=None, **kw):
        parcel = {"provider.0.name": "openai",
                  "provider.0.instance": "openai:default"}
        if fallback:
            parcel["model.fallback.0"] = "builtin/script"
        super().__init__(model="openai/gpt-x",
                         script='@on user~"."\n  text "from the fallback"\n',
                         agent=dict(FAST, **(agent or {})), parcel=parcel,
                         **kw)

    def start(self, models=True):
        super().start()
        self.connect() if models else None
        return self

    def connect(self):
        self.worker.add_peer("MODEL", "openai:default")
        self.model = Model(self)
        return self.model


@pytest.fixture
def agent():
    a = ModelAgent().start()
    yield a
    a.close()


def test_streamed_answer(agent):
    agent.turn("hello")
    m = agent.model.request()
    assert m.fields["method"] == "POST"
    assert m.fields["path"].endswith("/chat/completions")
    assert b"authorization" not in m.fields["headers"].lower()
    body = json.loads(m.fields["body"])
    assert body["model"] == "gpt-x" and body["stream"] is True
    assert body["messages"][0]["role"] in ("system", "developer")
    assert body["messages"][-1]["role"] == "user"
    agent.model.answer("Hel", "lo ", "w\u00f6rld")
    got = agent.until("AG_RUN_END")
    assert got[-1].fields["status"] == RUN["RUN_OK"]
    assert events(got, EVENT_CHAT)[-1]["message"]["content"][0]["text"] == \
        "Hello w\u00f6rld"
    last = agent.transcript()[-1]["message"]
    assert last["api"] == "openai-completions" and last["model"] == "gpt-x"
    assert last["usage"]["input"] == 11 and last["usage"]["output"] == 3


def test_system_prompt_has_tools_and_bootstrap_files():
    a = ModelAgent()
    (a.workspace / "SOUL.md").write_text("Be kind.\x00\n")
    (a.workspace / "AGENTS.md").write_text("A" * 30000 + "END")
    (a.workspace / "USER.md").symlink_to("/etc/passwd")
    (a.workspace / "TOOLS.md").mkdir()
    try:
        a.start()
        a.turn("hello", options={"extraSystemPrompt": "In the garden."})
        body = json.loads(a.model.request().fields["body"])
        a.model.answer("x")
        a.until("AG_RUN_END")
    finally:
        a.close()
    system = body["messages"][0]["content"]
    if not isinstance(system, str):
        system = "".join(x["text"] for x in system)
    assert "- exec: Run a command" in system
    assert "Be kind." in system and "root:" not in system
    assert "AGENTS.md is cut here" in system and "END" in system
    assert len(system) < 40000
    assert system.index("Be kind.") < system.index("In the garden.")
    assert [t["function"]["name"] for t in body["tools"]] == ["read", "exec"]


def test_tool_round_trip_through_a_provider(agent):
    agent.turn("disk?")
    agent.model.request()
    agent.model.head()
    agent.model.data(sse(
        {"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "id": "call_9", "type": "function", "function":
             {"name": "exec", "arguments": "{\"comm"}}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "function": {"arguments": "and\":\"df\"}"}}]}}]},
        {"choices": [{"index": 0, "delta": {},
                      "finish_reason": "tool_calls"}]}))
    agent.model.end()
    c = agent.tool_call()
    assert json.loads(c.fields["args"]) == {"command": "df"}
    agent.tool_done(c, "28%", details={"secret": "host side"})
    body = json.loads(agent.model.request().fields["body"])
    assert [m["role"] for m in body["messages"]][-3:] == [
        "user", "assistant", "tool"]
    assert body["messages"][-1]["tool_call_id"] == "call_9"
    assert "host side" not in json.dumps(body)
    agent.model.answer("28% full")
    assert agent.until("AG_RUN_END")[-1].fields["status"] == RUN["RUN_OK"]


def test_failures_before_any_output_are_tried_again(agent):
    agent.turn("hello")
    agent.model.request()
    agent.model.head(529, "content-type: application/json\n")
    agent.model.data(b'{"error":{"message":"Overloaded"}}')
    t = time.monotonic()
    agent.model.end(retry_after_ms=60)
    agent.model.request()
    assert time.monotonic() - t > 0.04
    agent.model.end("MD_CONNECT", "connection refused")
    agent.model.request()
    agent.model.answer("third time")
    got = agent.until("AG_RUN_END")
    assert got[-1].fields["status"] == RUN["RUN_OK"]
    assert len(agent.transcript()) == 3


def test_a_refused_key_is_not_tried_again(agent):
    agent.turn("hello")
    agent.model.request()
    agent.model.head(401, "content-type: application/json\n")
    agent.model.data(b'{"error":{"message":"Incorrect API key provided"}}')
    agent.model.end()
    got = agent.until("AG_RUN_END")
    assert got[-1].fields["status"] == RUN["RUN_ERROR"]
    assert "API key" in got[-1].fields["summary"]
    with pytest.raises(TimeoutError):
        agent.model.link.recv(0.3)


def test_output_that_was_shown_is_not_unsaid(agent):
    agent.turn("hello")
    agent.model.request()
    agent.model.head()
    agent.model.data(sse({"choices": [{"index": 0, "delta":
                                       {"content": "half an ans"}}]}))
    agent.model.end("MD_PROTOCOL", "cut short")
    got = agent.until("AG_RUN_END")
    assert got[-1].fields["status"] == RUN["RUN_ERROR"]
    last = agent.transcript()[-1]["message"]
    assert last["stopReason"] == "error"
    assert last["content"][0]["text"] == "half an ans"


def test_fallback_model_answers():
    with ModelAgent(fallback=True) as agent:
        agent.turn("hello")
        agent.model.request()
        agent.model.head(404, "content-type: application/json\n")
        agent.model.data(b'{"error":{"message":"no such model"}}')
        agent.model.end()
        got = agent.until("AG_RUN_END")
        assert json.loads(got[-1].fields["result"])["payloads"][0][
            "text"] == "from the fallback"


def test_abort_cancels_the_request(agent):
    agent.turn("hello", run="r")
    agent.model.request()
    agent.model.head()
    agent.model.data(sse({"choices": [{"index": 0, "delta":
                                       {"content": "partial"}}]}))
    while not any(e["stream"] == "assistant"
                  for e in events([agent.recv()], EVENT_AGENT)):
        pass
    agent.ask("chat.abort", sessionKey="main")
    assert agent.model.link.expect("MD_CANCEL").corr == agent.model.corr
    agent.model.data(b"data: late\n\n")     # ignored
    agent.model.end("MD_CANCELLED")
    agent.until("AG_RUN_END")
    assert agent.transcript()[-1]["message"]["stopReason"] == "aborted"
    agent.turn("again")
    body = json.loads(agent.model.request().fields["body"])
    assert "partial" not in json.dumps(body)
    agent.model.answer("ok")
    agent.until("AG_RUN_END")


def test_lost_modeld_is_waited_for(agent):
    agent.turn("hello")
    agent.model.request()
    agent.model.link.end()
    agent.worker.ping()
    m = agent.connect()
    m.request()
    m.answer("from the new one")
    assert agent.until("AG_RUN_END")[-1].fields["status"] == RUN["RUN_OK"]


def test_no_modeld_is_an_error_after_a_while():
    a = ModelAgent(agent={"retry": {"maxAttempts": 0}})
    try:
        a.start(models=False)
        a.turn("hello")
        got = a.until("AG_RUN_END", timeout=60)
        assert got[-1].fields["status"] == RUN["RUN_ERROR"]
        assert "not running" in got[-1].fields["summary"]
    finally:
        a.close()


def test_no_more_than_was_granted_is_needed(agent):
    agent.turn("hello")
    agent.model.request()
    assert agent.model.granted >= 65536
    agent.model.head()
    for _ in range(40):
        agent.model.data(sse({"choices": [{"index": 0, "delta":
                                           {"content": "x" * 20000}}]}))
    agent.model.data(text_chunks("!"))
    agent.model.end()
    got = agent.until("AG_RUN_END")
    text = json.loads(got[-1].fields["result"])["payloads"][0]["text"]
    assert len(text) == 800001
    ag = [e for e in events(got, EVENT_AGENT) if e["stream"] == "assistant"]
    assert "".join(e["data"]["delta"] for e in ag) == text


def test_garbage_from_a_provider_is_an_error(agent):
    for data in (b"<html>not json</html>", b"data: {\n\n" * 10,
                 b"\xff\xfe" * 1000):
        agent.turn("hello")
        tries = 0
        while True:
            m = agent.next_of_both(agent.model.link)
            if m.name == "AG_RUN_END":
                break
            if m.name == "MD_REQ":
                tries += 1
                agent.model.take(m)
                agent.model.head()
                agent.model.data(data)
                agent.model.end()
        assert m.fields["status"] == RUN["RUN_ERROR"] and 1 <= tries <= 4


def test_history_is_kept_within_the_window():
    a = ModelAgent(config={"models": {"providers": {"openai": {
        "models": [{"id": "gpt-x", "contextWindow": 8000}]}}, "builtin": {}}})
    try:
        a.start()
        sizes = []
        for i in range(40):
            a.turn(f"question {i} " + "w" * 1000)
            body = json.loads(a.model.request().fields["body"])
            sizes.append(len(json.dumps(body["messages"][1:])))
            assert body["messages"][1]["role"] == "user"
            assert f"question {i} " in json.dumps(body["messages"][-1])
            a.model.answer("answer " + "v" * 500)
            a.until("AG_RUN_END")
        assert max(sizes) < 30000 and sizes[-1] > 5000
        assert len(a.transcript()) == 81
    finally:
        a.close()
