# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What many turns and many stored sessions cost agentd: memory in bytes, and
time of a processor against another start in the same run."""
import json
import sqlite3

import pytest

from agentproc import Agent
from gateway import wait_for
from workerproc import SANITIZED, private_kib

SCRIPT = r'''
@on user~"hello"
  text "Hi there."
@on user~"tool"
  call exec {"command":"df"} id=o1
@on result exec
  text "ok"
@on user~"boom"
  fail http 400 format "bad request"
@on user~"slow"
  text "one "
  stall
'''
KINDS = ("hello", "tool", "boom", "slow") * 4


def private(pid):
    return private_kib(pid) * 1024


def turns_of_all_kinds(a, number):
    """One turn in each of sixteen conversations: answered, with a tool call,
    failed, aborted."""
    kind = {}
    for i, k in enumerate(KINDS):
        session = f"s{number // 5}-{i}"
        kind[a.turn(f"{k} {'x' * 500}", session=session)] = (k, session)
    aborted = set()
    left = set(kind)
    while left:
        m = a.next_of_both()
        run = m.fields.get("run_id")
        if m.name == "TL_CALL":
            a.tool_accept(m)
            a.tool_done(m, "y" * 500)
        elif m.name == "AG_RUN_END":
            left.discard(run)
        elif m.name == "AG_EVENT" and kind[run][0] == "slow" and \
                run not in aborted and b'"one ' in m.fields["payload"]:
            aborted.add(run)
            a.router.send("RPC_REQ", corr=5, method="chat.abort", scopes=3,
                          principal="test", params=json.dumps(
                              {"sessionKey": kind[run][1], "runId": run}))


@pytest.mark.skipif(SANITIZED, reason="freed memory is kept")
def test_R01_turns_of_all_kinds_leave_no_memory():
    """What is bounded (caches of sessions and of the database) is full after
    the first 2,400; a tenth of a turn's text kept by the rest would show."""
    with Agent(script=SCRIPT) as a:
        for n in range(150):
            turns_of_all_kinds(a, n)
        first = private(a.worker.pid)
        for n in range(150, 300):
            turns_of_all_kinds(a, n)
        # its log is copied back at 32,000 pages, 132 MB
        assert (a.state / "agent.sqlite-wal").stat().st_size < 160 << 20
        assert (a.state / "agent.sqlite").stat().st_size > 1 << 20
        wait_for(lambda: private(a.worker.pid) < first + (1 << 20),
                 timeout=90, what=f"{first} bytes after 2,400 turns, "
                 f"{private(a.worker.pid)} after 4,800")


def processor_ns(pid):
    return int(open(f"/proc/{pid}/schedstat").read().split()[0])


def starts(a):
    """The least of some starts: nanoseconds of a processor, bytes."""
    ns, size = [], []
    for _ in range(4):
        a.start()
        ns.append(processor_ns(a.worker.pid))
        size.append(private(a.worker.pid))
        a.kill()
    return min(ns), min(size)


def test_R03_start_is_the_same_with_ten_thousand_sessions():
    a = Agent(script=SCRIPT)
    try:
        a.start()
        a.turn("hello")
        a.until("AG_RUN_END")
        a.kill()
        few, few_bytes = starts(a)
        db = sqlite3.connect(a.state / "agent.sqlite")
        names = [c[1] for c in db.execute("PRAGMA table_info(session)")][1:]
        db.executemany(f"INSERT INTO session SELECT ?, {', '.join(names)} "
                       "FROM session WHERE key = 'agent:main:main'",
                       ((f"agent:main:s{i}",) for i in range(10000)))
        db.commit()
        db.close()
        many, many_bytes = starts(a)
        assert many < 4 * few, (few, many)
        assert SANITIZED or many_bytes < few_bytes + (1 << 20), \
            (few_bytes, many_bytes)
        a.start()
        a.turn("hello", session="s77")
        assert a.until("AG_RUN_END")
        assert a.ask("sessions.list", limit=2)["count"] == 2
    finally:
        a.close()
