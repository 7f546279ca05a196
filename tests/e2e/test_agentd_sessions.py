# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""sessions.* of agentd: what each method changes, on disk and for the next
turn, and every refusal by its text."""
import json
import re

import pytest
from agentproc import Agent, RUN, TURN, events
from gateway import wait_for

SCRIPT = r'''
@on user~"hello"
  text "Hi there."
@on user~"slow"
  text "one "
  stall
@on user~"model"
  text "answered by {model}"
@on user~"tool"
  call exec {"command":"df"} id=o1
@on result exec
  text "ok"
'''
MAIN = "agent:main:main"
ISO = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z"


@pytest.fixture
def a():
    with Agent(script=SCRIPT, agent={"models": {
            "builtin/script": {"alias": "Scripted"}, "builtin/echo": {"alias": "parrot"},
            "openai/gpt-5.2": {}}},
            config={"models": {"providers": {"openai": {"models": []}}}},
            parcel={"provider.0.name": "openai", "provider.0.instance": "none"}) as agent:
        yield agent


def talk(a, text, session="main", **kw):
    run = a.turn(text, session=session, **kw)
    return a.until("AG_RUN_END", run=run)


def refused(answer):
    assert isinstance(answer, tuple), answer
    return answer


def bad(text):
    return ("INVALID_REQUEST", text)


# --- sessions.patch -----------------------------------------------------------------

# field, value, stored (None: no such key)
STORED = [
    ("label", " Mine ", "Mine"),
    ("thinkingLevel", "Harder", "medium"), ("thinkingLevel", "on", "low"),
    ("thinkingLevel", "off", None), ("thinkingLevel", "ultra", "high"),
    ("verboseLevel", "on", "on"), ("verboseLevel", "off", "off"), ("verboseLevel", "all", "full"),
    ("reasoningLevel", "STREAM", "stream"), ("reasoningLevel", "hide", None),
    ("responseUsage", "on", "tokens"), ("responseUsage", "full", "full"),
    ("responseUsage", "off", None),
    ("elevatedLevel", "off", "off"), ("elevatedLevel", "ask", "ask"),
    ("elevatedLevel", "auto", "full"), ("elevatedLevel", "yes", "on"),
    ("execHost", "Node", "node"), ("execSecurity", "allowlist", "allowlist"),
    ("execAsk", "on-miss", "on-miss"), ("execNode", " laptop ", "laptop"),
    ("sendPolicy", "deny", "deny"), ("groupActivation", "always", "always"),
]


def test_patch_stores_each_field(a):
    for field, value, stored in STORED:
        r = a.ask("sessions.patch", {"key": "main", field: value})
        assert r["ok"] is True and r["key"] == MAIN
        assert r["path"] == str(a.state / "sessions" / "sessions.json")
        assert r["entry"].get(field) == stored, (field, value, r)
        r = a.ask("sessions.patch", {"key": "main", field: None})
        assert field not in r["entry"]


REFUSED = [
    ({"label": "  "}, "invalid label: empty"),
    ({"thinkingLevel": "deep"}, "invalid thinkingLevel (use off|minimal|low|medium|high)"),
    ({"thinkingLevel": "xhigh"}, 'thinkingLevel "xhigh" is only supported for openai/gpt-5.2, '
     'openai-codex/gpt-5.2-codex or openai-codex/gpt-5.1-codex'),
    ({"verboseLevel": "loud"}, 'invalid verboseLevel (use "on"|"off")'),
    ({"reasoningLevel": "x"}, 'invalid reasoningLevel (use "on"|"off"|"stream")'),
    ({"responseUsage": "x"}, 'invalid responseUsage (use "off"|"tokens"|"full")'),
    ({"elevatedLevel": "x"}, 'invalid elevatedLevel (use "on"|"off"|"ask"|"full")'),
    ({"execHost": "x"}, 'invalid execHost (use "sandbox"|"gateway"|"node")'),
    ({"execSecurity": "x"}, 'invalid execSecurity (use "deny"|"allowlist"|"full")'),
    ({"execAsk": "x"}, 'invalid execAsk (use "off"|"on-miss"|"always")'),
    ({"execNode": " "}, "invalid execNode: empty"),
    ({"model": " "}, "invalid model: empty"),
    ({"model": "a/"}, "invalid model: a/"),
    ({"model": "openai/gpt-4"}, "model not allowed: openai/gpt-4"),
    ({"model": "nobody/x"}, "model not allowed: nobody/x"),
    ({"spawnedBy": "agent:main:main"}, "spawnedBy is only supported for subagent:* sessions"),
    ({"sendPolicy": "x"}, 'invalid sendPolicy (use "allow"|"deny")'),
    ({"groupActivation": "x"}, 'invalid groupActivation (use "mention"|"always")'),
]


def test_patch_refuses_each_field_and_changes_nothing(a):
    before = a.ask("sessions.patch", {"key": "main", "label": "Kept"})["entry"]
    for fields, text in REFUSED:
        got = refused(a.ask("sessions.patch", dict(fields, key="main")))
        assert got == bad(text), fields
        # what stands before the bad field does not count either
        if "spawnedBy" not in fields and "label" not in fields:
            assert refused(a.ask("sessions.patch", dict(fields, key="main", label="Lost")))
    assert a.ask("sessions.list")["sessions"][0]["label"] == "Kept"
    row = a.ask("sessions.list")["sessions"][0]
    assert row["updatedAt"] == before["updatedAt"] and row["sessionId"] == before["sessionId"]
    assert refused(a.ask("sessions.patch", {"key": " ", "label": "x"})) == bad("key required")
    assert refused(a.ask("sessions.patch", {"key": "agent:other:main", "label": "x"})) == \
        bad('invalid sessions.patch params: unknown agent id "other"')


def test_patch_labels_are_unique_and_parents_are_for_ever(a):
    a.ask("sessions.patch", {"key": "one", "label": "Twice"})
    assert refused(a.ask("sessions.patch", {"key": "two", "label": " Twice"})) == \
        bad("label already in use: Twice")
    a.ask("sessions.patch", {"key": "one", "label": "Twice"})
    key = "agent:main:subagent:1"
    entry = a.ask("sessions.patch", {"key": key, "spawnedBy": MAIN})["entry"]
    assert entry["spawnedBy"] == MAIN
    assert refused(a.ask("sessions.patch", {"key": key, "spawnedBy": None})) == \
        bad("spawnedBy cannot be cleared once set")
    assert refused(a.ask("sessions.patch", {"key": key, "spawnedBy": "agent:main:x"})) == \
        bad("spawnedBy cannot be changed once set")
    rows = a.ask("sessions.list", spawnedBy=MAIN)["sessions"]
    assert [r["key"] for r in rows] == [key]


def test_patched_model_answers(a):
    assert b"Hi there" in talk(a, "hello")[-1].fields["result"]
    entry = a.ask("sessions.patch", {"key": "main", "model": "Parrot"})["entry"]
    assert (entry["providerOverride"], entry["modelOverride"]) == ("builtin", "echo")
    end = json.loads(talk(a, "hello")[-1].fields["result"])
    assert end["meta"]["agentMeta"]["model"] == "echo"
    # another conversation keeps its own
    end = json.loads(talk(a, "hello", session="other")[-1].fields["result"])
    assert end["meta"]["agentMeta"]["model"] == "script"
    for model in (None, "builtin/script", "scripted"):
        a.ask("sessions.patch", {"key": "main", "model": "builtin/echo"})
        entry = a.ask("sessions.patch", {"key": "main", "model": model})["entry"]
        assert "modelOverride" not in entry and "providerOverride" not in entry
    end = json.loads(talk(a, "hello")[-1].fields["result"])
    assert end["meta"]["agentMeta"]["model"] == "script"


def test_patch_xhigh_needs_a_model_that_has_it(a):
    p = {"key": "main", "model": "openai/gpt-5.2", "thinkingLevel": "x-high"}
    assert a.ask("sessions.patch", p)["entry"]["thinkingLevel"] == "xhigh"
    assert "|xhigh)" in refused(a.ask("sessions.patch", {
        "key": "main", "thinkingLevel": "deep"}))[1]
    entry = a.ask("sessions.patch", {"key": "main", "model": None})["entry"]
    assert entry["thinkingLevel"] == "high"
    assert a.ask("chat.history", sessionKey="main")["thinkingLevel"] == "high"


def test_a_patch_survives_the_process(a):
    a.ask("sessions.patch", {"key": "main", "label": "Stays", "thinkingLevel": "low"})
    a.kill()
    a.start()
    row = a.ask("sessions.list")["sessions"][0]
    assert (row["label"], row["thinkingLevel"]) == ("Stays", "low")


# --- sessions.resolve ----------------------------------------------------------------

def test_resolve(a):
    talk(a, "hello")
    sid = a.ask("sessions.list")["sessions"][0]["sessionId"]
    a.ask("sessions.patch", {"key": "agent:main:subagent:7", "label": "Named", "spawnedBy": MAIN})
    ok = {"ok": True, "key": MAIN}
    assert a.ask("sessions.resolve", key="main") == ok
    assert a.ask("sessions.resolve", key=" MAIN ") == ok
    assert a.ask("sessions.resolve", sessionId=sid) == ok
    assert a.ask("sessions.resolve", sessionId=MAIN) == ok
    sub = {"ok": True, "key": "agent:main:subagent:7"}
    assert a.ask("sessions.resolve", label="Named") == sub
    assert a.ask("sessions.resolve", label="Named", spawnedBy=MAIN, agentId="MAIN") == sub
    for params, text in [
            ({}, "Either key, sessionId, or label is required"),
            ({"key": "main", "label": "x"},
             "Provide either key, sessionId, or label (not multiple)"),
            ({"key": "none"}, "No session found: none"),
            ({"sessionId": "none"}, "No session found: none"),
            ({"label": "none"}, "No session found with label: none"),
            ({"label": "Named", "spawnedBy": "agent:main:x"},
             "No session found with label: Named"),
            ({"label": "Named", "agentId": "other"}, "No session found with label: Named"),
            ({"key": "agent:other:main"}, "No session found: agent:other:main")]:
        assert refused(a.ask("sessions.resolve", params or {"agentId": "main"})) == bad(text)
    # two of one label can come from an older store or from `agent`
    talk(a, "hello", session="s2", source="TURN_AGENT", options={"label": "Named"})
    code, text = refused(a.ask("sessions.resolve", label="Named"))
    assert re.fullmatch(r"Multiple sessions found with label: Named \(agent:main:\S+, "
                        r"agent:main:\S+\)", text), text


# --- sessions.reset and delete -------------------------------------------------------

def test_reset(a):
    talk(a, "hello")
    old = a.ask("sessions.patch", {"key": "main", "label": "L", "thinkingLevel": "low",
                                   "model": "parrot", "execAsk": "off",
                                   "sendPolicy": "allow"})["entry"]
    r = a.ask("sessions.reset", key="main")
    e = r["entry"]
    assert (r["ok"], r["key"], set(r)) == (True, MAIN, {"ok", "key", "entry"})
    assert e["sessionId"] != old["sessionId"] and e["updatedAt"] >= old["updatedAt"]
    assert (e["label"], e["thinkingLevel"], e["sendPolicy"]) == ("L", "low", "allow")
    assert (e["systemSent"], e["abortedLastRun"]) == (False, False)
    assert (e["inputTokens"], e["outputTokens"], e["totalTokens"]) == (0, 0, 0)
    assert "execAsk" not in e and "modelOverride" not in e
    assert e["model"] == old["model"] and e["contextTokens"] == old["contextTokens"]
    assert (a.state / "sessions" / f"{old['sessionId']}.jsonl").exists()
    assert a.ask("chat.history", sessionKey="main")["messages"] == []
    talk(a, "hello")
    assert len(a.ask("chat.history", sessionKey="main")["messages"]) == 2
    # of a conversation that never was: it begins
    assert a.ask("sessions.reset", key="fresh")["key"] == "agent:main:fresh"


@pytest.mark.parametrize("method", ["sessions.reset", "sessions.delete"])
@pytest.mark.parametrize("what", ["slow", "tool"])
def test_what_runs_is_stopped_first(a, method, what):
    talk(a, "hello", session="s")
    run = a.turn(what, session="s")
    if what == "tool":
        call = a.tool_call()
    else:
        a.until("AG_EVENT", run=run)
    waiting = a.turn("hello", session="s")
    a.until("AG_TURN_ACK", run=waiting)
    a.router.send("RPC_REQ", corr=5, method=method, scopes=7, principal="t",
                  params=json.dumps({"key": "s"}))
    if what == "tool":
        assert a.tool.expect("TL_CANCEL").fields["call_id"] == call.fields["call_id"]
        a.tool_done(call, "killed", is_error=True)
    got = a.until("RPC_RES")
    assert got[-1].corr == 5 and got[-1].fields["ok"], got[-1].fields
    ends = {m.fields["run_id"]: m.fields["status"] for m in got if m.name == "AG_RUN_END"}
    assert ends == {run: RUN["RUN_ABORTED"], waiting: RUN["RUN_ABORTED"]}
    chat = [e["stopReason"] for e in events(got, 2) if e["state"] == "aborted"]
    assert chat == ["rpc", "rpc"]
    assert a.ask("chat.history", sessionKey="s")["messages"] == []
    end = talk(a, "hello", session="s")[-1]
    assert b"Hi there" in end.fields["result"]


def test_delete(a):
    assert refused(a.ask("sessions.delete", key="main")) == \
        bad("Cannot delete the main session (agent:main:main).")
    assert a.ask("sessions.delete", key="none") == {
        "ok": True, "key": "agent:main:none", "deleted": False, "archived": []}
    talk(a, "hello", session="s")
    sid = a.ask("sessions.list")["sessions"][0]["sessionId"]
    folder = a.state / "sessions"
    r = a.ask("sessions.delete", key="s")
    assert (r["ok"], r["key"], r["deleted"]) == (True, "agent:main:s", True)
    assert len(r["archived"]) == 1
    assert re.fullmatch(re.escape(f"{folder}/{sid}.jsonl.deleted.") + ISO, r["archived"][0])
    assert not (folder / f"{sid}.jsonl").exists()
    with open(r["archived"][0], encoding="utf-8") as f:
        assert "Hi there" in f.read()
    assert a.ask("sessions.list")["sessions"] == []
    # without the transcript's end; and it stays so after a crash
    talk(a, "hello", session="t")
    sid = a.ask("sessions.list")["sessions"][0]["sessionId"]
    assert a.ask("sessions.delete", key="t", deleteTranscript=False)["archived"] == []
    assert (folder / f"{sid}.jsonl").exists()
    a.kill()
    a.start()
    assert a.ask("sessions.list")["sessions"] == []
    wait_for(lambda: json.loads((folder / "sessions.json").read_text()) == {}, what="view")


# --- sessions.compact ----------------------------------------------------------------

def test_compact(a):
    assert a.ask("sessions.compact", key="none") == {
        "ok": True, "key": "agent:main:none", "compacted": False, "reason": "no sessionId"}
    a.ask("sessions.patch", {"key": "new", "label": "n"})
    assert a.ask("sessions.compact", key="new") == {
        "ok": True, "key": "agent:main:new", "compacted": False, "reason": "no transcript"}
    for _ in range(4):
        talk(a, "hello")
    before = a.transcript()
    assert a.ask("sessions.compact", key="main") == {
        "ok": True, "key": MAIN, "compacted": False, "kept": len(before)}
    r = a.ask("sessions.compact", {"key": "main", "maxLines": 5})
    assert (r["ok"], r["compacted"], r["kept"]) == (True, True, 5)
    assert re.fullmatch(r".*\.jsonl\.bak\." + ISO, r["archived"])
    with open(r["archived"], encoding="utf-8") as f:
        assert [json.loads(line) for line in f] == before
    # the header, so that it is a transcript still, and the newest
    assert a.transcript() == before[:1] + before[-4:]
    assert "totalTokens" not in a.ask("sessions.patch", key="main")["entry"]
    h = a.ask("chat.history", sessionKey="main")["messages"]
    assert len(h) == sum(e["type"] == "message" for e in before[-4:])
    talk(a, "hello")
    assert len(a.transcript()) > 5
    assert len(a.ask("chat.history", sessionKey="main")["messages"]) == len(h) + 2
    a.kill()
    a.start()
    assert len(a.ask("chat.history", sessionKey="main")["messages"]) == len(h) + 2


def test_compact_waits_for_nobody(a):
    run = a.turn("slow")
    a.until("AG_EVENT", run=run)
    code, text = refused(a.ask("sessions.compact", key="main"))
    assert (code, text) == ("UNAVAILABLE",
                            "Session agent:main:main is still active; try again in a moment.")
    assert a.ask("chat.abort", sessionKey="main")["runIds"] == [run]


# --- chat.abort ----------------------------------------------------------------------

def test_chat_abort_is_for_runs_of_the_chat(a):
    mine = a.turn("slow", session="c")
    a.until("AG_EVENT", run=mine)
    other = a.turn("slow", session="g", source="TURN_AGENT")
    a.until("AG_EVENT", run=other)
    queued = a.turn("hello", session="g")
    a.until("AG_TURN_ACK", run=queued)
    nothing = {"ok": True, "aborted": False, "runIds": []}
    assert a.ask("chat.abort", sessionKey="nobody's") == nothing
    assert a.ask("chat.abort", sessionKey="main", runId="unknown") == nothing
    assert a.ask("chat.abort", sessionKey="g", runId=other) == nothing
    assert refused(a.ask("chat.abort", sessionKey="main", runId=mine)) == \
        bad("runId does not match sessionKey")
    # keys are compared in their canonical form
    assert a.ask("chat.abort", sessionKey="Agent:main:C", runId=mine) == {
        "ok": True, "aborted": True, "runIds": [mine]}
    # of the other session only what the chat sent goes
    assert a.ask("chat.abort", sessionKey="g") == {
        "ok": True, "aborted": True, "runIds": [queued]}
    assert a.ask("sessions.reset", key="g")["ok"]


# --- sessions.list --------------------------------------------------------------------

def rows(a, **params):
    return [r["key"] for r in a.ask("sessions.list", params or {"limit": 1000})["sessions"]]


def test_list_filters(a):
    a.ask("sessions.patch", {"key": "one", "label": "First"})
    a.ask("sessions.patch", {"key": "agent:main:subagent:2", "spawnedBy": MAIN})
    a.ask("sessions.patch", {"key": "telegram:group:-100", "label": "Second"})
    a.ask("sessions.patch", {"key": "global", "label": "All"})
    a.ask("sessions.patch", {"key": "unknown"})
    sub, group = "agent:main:subagent:2", "agent:main:telegram:group:-100"
    assert set(rows(a)) == {group, sub, "agent:main:one"}
    assert set(rows(a, includeGlobal=True)) - set(rows(a)) == {"global"}
    assert set(rows(a, includeUnknown=True)) - set(rows(a)) == {"unknown"}
    assert rows(a, limit=2) == rows(a)[:2]
    assert rows(a, label="First") == ["agent:main:one"]
    assert rows(a, spawnedBy=MAIN) == [sub]
    assert rows(a, agentId="Main") == rows(a) and rows(a, agentId="other") == []
    assert rows(a, search="  TELEGRAM:g-") == [group] and rows(a, search="second") == [group]
    assert rows(a, search="subagent") == [sub] and rows(a, search="100%") == []
    assert len(rows(a, activeMinutes=1)) == 3
    answer = a.ask("sessions.list", {"limit": 2})
    assert answer["count"] == 2
    row = a.ask("sessions.list", search=group)["sessions"][0]
    assert (row["kind"], row["channel"], row["displayName"], row["totalTokens"]) == (
        "group", "telegram", "telegram:g--100", 0)
    one = a.ask("sessions.list", label="First")["sessions"][0]
    assert (one["kind"], one["displayName"]) == ("direct", "First") and "channel" not in one


def test_list_titles(a):
    talk(a, "hello " + "word " * 20, session="long")
    talk(a, "hello", session="short")
    a.ask("sessions.patch", {"key": "silent"})
    got = {r["key"][11:]: r for r in a.ask("sessions.list", {
        "includeDerivedTitles": True, "includeLastMessage": True})["sessions"]}
    title = got["long"]["derivedTitle"]
    assert title.endswith(" word\u2026") and len(title) <= 60
    assert got["short"]["derivedTitle"] == "hello"
    assert re.fullmatch(r"[0-9a-f]{8} \(\d{4}-\d\d-\d\d\)", got["silent"]["derivedTitle"])
    assert got["short"]["lastMessagePreview"] == "Hi there."
    assert "lastMessagePreview" not in got["silent"]


# --- send policy, and what `agent` says of a session ------------------------------------

def ack(a, **kw):
    run = a.turn("hello", **kw)
    m = a.until("AG_TURN_ACK", run=run)[-1].fields
    if m["status"] == TURN["TURN_REFUSED"]:
        return m["code"], m["reason"]
    a.until("AG_RUN_END", run=run)
    return None


DENIED = bad("send blocked by session policy")


def test_send_policy_of_a_session(a):
    a.ask("sessions.patch", {"key": "main", "sendPolicy": "deny"})
    assert ack(a) == DENIED and ack(a, source="TURN_AGENT") == DENIED
    run = a.turn("stop")        # refused before it is looked at, as the protocol has it
    assert a.until("AG_TURN_ACK", run=run)[-1].fields["reason"] == DENIED[1]
    a.channel_turn("hello")
    m = a.until("AG_TURN_ACK")[-1].fields
    assert (m["status"], m["reason"]) == (TURN["TURN_REFUSED"], DENIED[1])
    a.channel_turn("/status", msg_id="2")
    assert b"Session: agent:main:main" in a.until("AG_DELIVER")[-1].fields["text"]
    assert ack(a, session="other") is None
    a.ask("sessions.patch", {"key": "main", "sendPolicy": None})
    assert ack(a) is None


def test_send_policy_of_the_configuration():
    policy = {"default": "allow", "rules": [
        {"action": "allow", "match": {"keyPrefix": "agent:main:telegram:group:-1"}},
        {"action": "deny", "match": {"channel": "Telegram", "chatType": "group"}},
        {"action": "deny", "match": {"keyPrefix": "agent:main:private"}}]}
    with Agent(script=SCRIPT, config={"session": {"sendPolicy": policy}}) as a:
        assert ack(a) is None
        assert ack(a, session="telegram:group:-1") == DENIED
        assert ack(a, session="discord:group:-1") is None
        assert ack(a, session="private:x") == DENIED
        a.ask("sessions.patch", {"key": "private:x", "sendPolicy": "allow"})
        assert ack(a, session="private:x") is None
    with Agent(script=SCRIPT, config={"session": {"sendPolicy": {
            "default": "deny", "rules": [{"match": {"chatType": "group"}}]}}}) as a:
        assert ack(a) == DENIED and ack(a, session="telegram:group:-1") is None


def test_agent_names_its_session(a):
    a.ask("sessions.patch", {"key": "telegram:group:-7", "label": "Parent"})
    run = a.turn("slow", session="subagent:9", source="TURN_AGENT", options={
        "label": " Helper ", "spawnedBy": "agent:main:telegram:group:-7", "channel": "telegram",
        "groupId": "-7", "groupChannel": "#dev", "groupSpace": "acme"})
    a.until("AG_TURN_ACK", run=run)
    row = a.ask("sessions.list", label="Helper")["sessions"][0]
    assert (row["key"], row["channel"], row["groupChannel"], row["space"]) == (
        "agent:main:subagent:9", "telegram", "#dev", "acme")
    # whom it helps in turn is in the same group
    run = a.turn("hello", session="subagent:10", source="TURN_AGENT",
                 options={"spawnedBy": "agent:main:subagent:9", "label": "Deeper"})
    a.until("AG_RUN_END", run=run)
    row = a.ask("sessions.list", label="Deeper")["sessions"][0]
    assert (row["groupChannel"], row["space"]) == ("#dev", "acme")
    # a session id alone means that session
    run = a.turn("hello", source="TURN_AGENT", options={"sessionId": row["sessionId"]})
    a.until("AG_RUN_END", run=run)
    assert rows(a)[0] == "agent:main:subagent:10"


@pytest.mark.parametrize("options,to", [
    ({"channel": "telegram", "to": "1", "replyTo": "2"}, ("telegram", "main", "2", "")),
    ({"channel": "discord", "replyChannel": "telegram", "to": "1", "accountId": "x",
      "replyAccountId": "y", "threadId": "5"}, ("telegram", "y", "1", "5")),
    ({}, ("telegram", "main", "42", "")),
    ({"channel": "last"}, ("telegram", "main", "42", "")),
    ({"channel": "discord"}, None), ({"channel": "webchat", "to": "1"}, None),
])
def test_where_an_answer_goes(a, options, to):
    a.channel_turn("hello")
    a.ack_delivery(a.until("AG_DELIVER")[-1])
    run = a.turn("hello", source="TURN_AGENT", options=dict(options, deliver=True))
    got = a.until("AG_RUN_END", run=run)
    marker = a.turn("hello", source="TURN_AGENT", options={
        "deliver": True, "channel": "telegram", "to": "marker"})
    got += a.until("AG_RUN_END", run=marker)
    while not any(m.name == "AG_DELIVER" and m.fields["chat"] == "marker" for m in got):
        got.append(a.recv())
    sent = [tuple(m.fields[k] for k in ("channel", "account", "chat", "thread"))
            for m in got if m.name == "AG_DELIVER" and m.fields["chat"] != "marker"]
    assert sent == ([to] if to else [])


# --- usage.cost and agent.identity.get ---------------------------------------------------

def test_usage_cost(a):
    zero = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 0,
            "totalCost": 0, "missingCostEntries": 0}
    r = a.ask("usage.cost")
    assert (r["days"], r["daily"], r["totals"]) == (30, [], zero)
    for params, days in [({"days": 7}, 7), ({"days": "3"}, 3), ({"days": 2.9}, 2),
                         ({"days": 0}, 1), ({"days": "x"}, 30), ({"days": None}, 30),
                         ({"days": 1e300}, 3650), ({"days": "nan"}, 30)]:
        assert a.ask("usage.cost", params)["days"] == days, params
    talk(a, "hello")
    one = a.ask("usage.cost")["totals"]
    assert one["input"] > 0 and one["totalTokens"] == one["input"] + one["output"]
    run = a.turn("tool")        # two calls of the model
    a.tool_done(a.tool_call())
    a.until("AG_RUN_END", run=run)
    r = a.ask("usage.cost", {"days": 1})
    assert [set(d) for d in r["daily"]] == [set(zero) | {"date"}]
    assert {k: v for k, v in r["daily"][0].items() if k != "date"} == r["totals"]
    used = 0
    for e in a.transcript():
        used += e.get("message", {}).get("usage", {}).get("totalTokens", 0)
    assert r["totals"]["totalTokens"] == used
    a.kill()
    a.start()
    assert a.ask("usage.cost")["totals"] == r["totals"]


def test_identity(a):
    assert a.ask("agent.identity.get") == {"agentId": "main", "name": "Assistant", "avatar": "A"}
    assert a.ask("agent.identity.get", sessionKey="agent:main:x", agentId="MAIN")["name"] == \
        "Assistant"
    assert refused(a.ask("agent.identity.get", sessionKey="agent:main:x", agentId="other")) == \
        bad('invalid agent.identity.get params: agent "other" does not match session key '
            'agent "main"')
    (a.workspace / "IDENTITY.md").write_text(
        "# Me\n- **Name:** *(pick one)*\n- **Name:** Clawd\n- Emoji: \U0001f99e\n")
    assert a.ask("agent.identity.get") == {"agentId": "main", "name": "Clawd",
                                           "avatar": "\U0001f99e"}
    (a.workspace / "IDENTITY.md").unlink()
    (a.workspace / "IDENTITY.md").symlink_to("/etc/passwd")
    assert a.ask("agent.identity.get")["name"] == "Assistant"
    ui = {"assistant": {"name": "N" * 60, "avatar": "pics/me.png"}, "basePath": "/ui"}
    with Agent(script=SCRIPT, config={"ui": ui},
               agent={"identity": {"name": "Own", "emoji": "x"}}) as b:
        assert b.ask("agent.identity.get") == {
            "agentId": "main", "name": "N" * 50, "avatar": "/ui/avatar/main"}
    with Agent(script=SCRIPT, agent={"identity": {
            "name": " Own ", "avatar": "https://example.org/a.png"}}) as b:
        assert b.ask("agent.identity.get") == {
            "agentId": "main", "name": "Own", "avatar": "https://example.org/a.png"}
