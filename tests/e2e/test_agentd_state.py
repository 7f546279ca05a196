# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What agentd finds on disk and in its configuration: imports, damage, reset
policy, reload, limits."""
import json
import os
import sqlite3
import time

import gwproto
import pytest
from agentproc import Agent, EVENT_AGENT, RUN, TURN, events
from gateway import wait_for
from workerproc import SANITIZED, private_kib, worker_uid

SCRIPT = r'''
@on user~"hello"
  text "Hi there."
@on user~"slow"
  text "one "
  stall
@on user~"tool"
  call exec {"command":"df"} id=o1
@on result exec
  text "ok"
'''
SID = "5d0c2a52-6a0f-4f0e-9d1c-0a2b3c4d5e6f"


def give(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    for p in (path.parent, path):
        if os.getuid() == 0:
            os.chown(p, worker_uid(), worker_uid())


def test_an_older_store_is_taken_over():
    a = Agent(script=SCRIPT)
    d = a.state / "sessions"
    give(d / "sessions.json", json.dumps({"agent:main:main": {
        "sessionId": SID, "updatedAt": int(time.time() * 1000),
        "label": "Mine", "future": {"kept": [1]}}, "bad": 7}))
    give(d / f"{SID}.jsonl", '{"type":"session","version":2,"id":"%s"}\n'
         '{"type":"message","id":"00000001","parentId":null,"message":'
         '{"role":"user","content":[{"type":"text","text":"old"}]}}\n'
         '{"type":"message","id":"00000002","parentId":"00000001","message":'
         '{"role":"assistant","content":[{"type":"text","text":"answer"}],'
         '"stopReason":"stop"}}\n{"type":"mess' % SID)
    try:
        a.start()
        h = a.ask("chat.history", sessionKey="main")
        assert [m["content"][0]["text"] for m in h["messages"]] == \
            ["old", "answer"]
        a.turn("hello")
        a.until("AG_RUN_END")
        lines = a.transcript(SID)       # the torn line is gone
        assert len(lines) == 5 and lines[3]["parentId"] == "00000002"
        row = a.ask("sessions.list")["sessions"][0]
        assert row["label"] == "Mine" and row["sessionId"] == SID
        view = wait_for(lambda: "totalTokens" in (e := json.loads(
            (d / "sessions.json").read_text()).get("agent:main:main", {})) and
            e, what="view")
        assert view["future"] == {"kept": [1]}
    finally:
        a.close()


def importing(*names, **entries):
    """An agent with a sessions.json of these entries, and its text."""
    a = Agent(script=SCRIPT)
    text = json.dumps(entries)
    give(a.state / "sessions" / "sessions.json", text)
    return a, text, a.state / "sessions"


def test_R12_unusable_entries_are_kept_and_said():
    a, text, d = importing(bad=7, good={
        "sessionId": SID, "updatedAt": 5, "new": {"field": [None, 1.5]}})
    try:
        a.start()
        row, = a.ask("sessions.list")["sessions"]
        assert row["sessionId"] == SID
        assert (d / "sessions.json.imported").read_text() == text
        view = wait_for(lambda: (v := json.loads(
            (d / "sessions.json").read_text())) != json.loads(text) and v,
            what="view")
        assert view == {"agent:main:good": {
            "sessionId": SID, "updatedAt": 5, "new": {"field": [None, 1.5]}}}
        assert 'entry "bad": it is no object; see sessions.json.imported' in \
            a.worker.output()
    finally:
        a.close()


def test_R12_ten_thousand_entries_and_a_kill():
    """Killed when it has begun, whatever it does then, and started again."""
    entries = {f"agent:main:s{i}": {"sessionId": f"id-{i}", "updatedAt": i,
                                    "own": [i]} for i in range(1, 10001)}
    a, text, d = importing(**entries)
    try:
        a.start()
        a.kill()
        a.start()
        f = a.ask("sessions.list", limit=1)
        assert f["sessions"][0]["key"] == "agent:main:s10000"
        assert (d / "sessions.json.imported").read_text() == text
        a.kill()
        db = sqlite3.connect(a.state / "agent.sqlite")
        got = {k: json.loads(e) for k, e in
               db.execute("select key, entry from session")}
        db.close()
        assert got == entries
        assert len(list(d.glob("sessions.json.imported*"))) == 1
    finally:
        a.close()


def test_R12_a_damaged_store_is_kept_and_said():
    a = Agent(script=SCRIPT)
    d = a.state / "sessions"
    give(d / "sessions.json", '{"agent:main:main": {"sessionId": "')
    try:
        a.start()
        a.turn("hello")
        assert a.until("AG_RUN_END")[-1].fields["status"] == RUN["RUN_OK"]
        assert (d / "sessions.json.imported").read_text() == \
            '{"agent:main:main": {"sessionId": "'
        assert "nothing is taken from it, it is kept as " \
            "sessions.json.imported" in a.worker.output()
    finally:
        a.close()


def test_R12_a_store_that_cannot_be_read_is_waited_for():
    """Nothing is begun over it; it goes on by itself once it can be read."""
    a, text, d = importing(main={"sessionId": SID, "updatedAt": 5})
    store = d / "sessions.json"
    store.chmod(0)
    try:
        a.start()
        a.channel_turn("hello")
        ack = a.expect("AG_TURN_ACK")
        assert ack.fields["status"] == TURN["TURN_REFUSED"]
        assert ack.fields["reason"] == \
            "sessions.json cannot be taken over: Permission denied"
        assert store.stat().st_size == len(text)
        store.chmod(0o600)
        rows = wait_for(lambda: isinstance(r := a.ask("sessions.list"),
                                           dict) and r, what="index")
        assert rows["sessions"][0]["sessionId"] == SID
    finally:
        a.close()


def test_a_damaged_transcript_is_kept_aside():
    a = Agent(script=SCRIPT)
    d = a.state / "sessions"
    give(d / "sessions.json", json.dumps({"agent:main:main": {
        "sessionId": SID, "updatedAt": int(time.time() * 1000)}}))
    give(d / f"{SID}.jsonl", "this is no transcript\n")
    try:
        a.start()
        a.turn("hello")
        assert a.until("AG_RUN_END")[-1].fields["status"] == RUN["RUN_OK"]
        assert len(list(d.glob(f"{SID}.jsonl.corrupt-*"))) == 1
        assert len(a.transcript(SID)) == 3
    finally:
        a.close()


def test_a_damaged_index_refuses_turns_and_says_so():
    a = Agent(script=SCRIPT)
    give(a.state / "agent.sqlite", "x" * 8192)
    try:
        a.start()
        a.channel_turn("hello")
        ack = a.expect("AG_TURN_ACK")
        assert ack.fields["status"] == TURN["TURN_REFUSED"]
        assert ack.fields["code"] == "UNAVAILABLE"
        assert "not a database" in a.worker.output()
    finally:
        a.close()


@pytest.mark.parametrize("how", ["cut", "added"])
def test_R14_a_transcript_that_others_change_stops_nobody(how):
    """Its lines are found where they are, and the turns of all go on."""
    with Agent(script=SCRIPT) as a:
        a.until("AG_RUN_END", run=a.turn("hello"))
        sid = a.ask("chat.history", sessionKey="main")["sessionId"]
        path = a.state / "sessions" / f"{sid}.jsonl"
        if how == "cut":
            os.truncate(path, len(path.read_bytes().splitlines(keepends=True)[0]))
        else:
            with open(path, "a") as f:
                f.write('{"type":"custom","id":"0badcafe","parentId":null,"data":"%s"}\n'
                        % ("x" * 5000))
        before = path.read_bytes()
        for session in ("main", "other", "main"):
            a.until("AG_RUN_END", run=a.turn("hello", session=session))
        lines = path.read_bytes()
        assert lines.startswith(before)
        a.kill()
        a.start()
        a.ask("chat.history", sessionKey="main")
        assert path.read_bytes() == lines
        new = [json.loads(x) for x in lines[len(before):].splitlines()]
        assert [x["message"]["role"] for x in new] == ["user", "assistant"] * 2


@pytest.mark.parametrize("source", ["TURN_CHAT", "TURN_AGENT"])
def test_idle_sessions_begin_anew(source):
    with Agent(script=SCRIPT, config={"session": {"reset": {
            "mode": "idle", "idleMinutes": 30}}}) as a:
        a.turn("hello", source=source)
        a.until("AG_RUN_END")
        first = a.ask("chat.history", sessionKey="main")["sessionId"]
        a.turn("hello", source=source)
        a.until("AG_RUN_END")
        assert a.ask("chat.history", sessionKey="main")["sessionId"] == first
        a.kill()
        db = sqlite3.connect(a.state / "agent.sqlite")
        (entry,) = db.execute("select entry from session").fetchone()
        e = json.loads(entry)
        e["updatedAt"] -= 31 * 60 * 1000
        db.execute("update session set entry=?", (json.dumps(e),))
        db.commit()
        db.close()
        a.start()
        a.turn("hello", source=source)
        a.until("AG_RUN_END")
        h = a.ask("chat.history", sessionKey="main")
        assert h["sessionId"] != first and len(h["messages"]) == 2


def test_reload_is_for_new_runs_and_a_bad_one_changes_nothing():
    with Agent(script=SCRIPT) as a:
        a.turn("slow", run="old")
        a.until("AG_EVENT")
        new = dict(a.parcel)
        conf = json.loads(new["json.config"])
        conf["models"]["builtin"]["script"] = '@on user~"."\n  text "new"\n'
        new["json.config"] = json.dumps(conf)
        for generation, parcel, ok in ((2, {**new, "json.config": "[]"}, 0),
                                       (3, {**new, "state.dir": "/x"}, 0),
                                       (4, new, 1)):
            fd = gwproto.parcel_make(parcel)
            a.worker.ctl.send("PROC_CONFIG", generation=generation, fds=[fd])
            os.close(fd)
            r = a.worker.ctl.expect("PROC_CONFIG_ACK")
            assert r.fields["ok"] == ok, r.fields
        a.worker.ctl.send("PROC_CONFIG_COMMIT", generation=4)
        a.worker.ping()
        a.turn("hello", session="other")
        got = a.until("AG_RUN_END")
        assert b'"new"' in got[-1].fields["result"]
        assert a.ask("chat.abort", sessionKey="main")["runIds"] == ["old"]


def test_only_so_many_runs_at_once():
    with Agent(script=SCRIPT, agent={"maxConcurrent": 2}) as a:
        for i in range(4):
            a.turn("slow", run=f"r{i}", session=f"s{i}")
        got = []

        def started():
            return {e["runId"] for e in events(got, EVENT_AGENT)
                    if e["data"].get("phase") == "start"}
        while len(started()) < 2 or \
                sum(m.name == "AG_TURN_ACK" for m in got) < 4:
            got.append(a.recv())
        a.worker.ctl.send("PROC_STAT")
        d = a.worker.ctl.expect("PROC_STAT_RES").fields["detail"]
        assert d.startswith("2 running, 2 waiting")
        a.ask("chat.abort", sessionKey="s0")
        while len(started()) < 3:
            got.append(a.recv())
        got += a.settle()
        assert started() == {"r0", "r1", "r2"}


def test_queue_of_a_session_is_bounded():
    with Agent(script=SCRIPT) as a:
        a.turn("slow")
        a.until("AG_EVENT")
        for i in range(110):
            a.turn("hello")
        acks = [a.until("AG_TURN_ACK")[-1].fields["status"]
                for _ in range(110)]
        assert acks.count(TURN["TURN_REFUSED"]) >= 9
        assert acks.count(TURN["TURN_QUEUED"]) >= 90


def test_agent_turn_can_be_delivered_to_a_chat():
    with Agent(script=SCRIPT) as a:
        a.turn("hello", source="TURN_AGENT", options={
            "deliver": True, "channel": "telegram", "to": "42",
            "accountId": "main"})
        d = a.until("AG_DELIVER")[-1].fields
        assert (d["chat"], d["text"]) == ("42", b"Hi there.")
        a.until("AG_RUN_END")


def test_files_are_private():
    with Agent(script=SCRIPT) as a:
        a.turn("hello")
        a.until("AG_RUN_END")
        wait_for((a.state / "sessions" / "sessions.json").exists,
                 what="view")
        a.kill()                # or some would come and go meanwhile
        for p in a.state.rglob("*"):
            assert p.stat().st_mode & 0o077 == 0, p


def test_memory_does_not_grow_with_turns():
    with Agent(script=SCRIPT, agent={"maxConcurrent": 8}) as a:
        sizes = []
        n = 0
        for _ in range(4):
            for _ in range(60):
                for k in range(8):
                    a.turn("tool" if n % 16 == 0 else "hello",
                           session=f"s{n % 40}", run=f"run{n}")
                    n += 1
                left = 8
                while left:
                    if a.pending or not _readable(a.tool):
                        m = a.recv() if a.pending or \
                            _readable(a.router, 0.02) else None
                        left -= m is not None and m.name == "AG_RUN_END"
                    else:
                        m = a.tool.recv()
                        if m.name == "TL_CALL":
                            a.tool_done(m, "x" * 1000)
            sizes.append(private_kib(a.worker.pid))
        if os.geteuid() == 0:       # it is not dumpable
            assert len(os.listdir(f"/proc/{a.worker.pid}/fd")) < 80
        # Histories fill up to their bound; after that nothing grows.
        assert SANITIZED or sizes[3] - sizes[2] < 6000, sizes


def _readable(link, timeout=0):
    import select
    return bool(select.select([link.sock], [], [], timeout)[0])
