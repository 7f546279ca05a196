# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""R07, R08, R15: agentd is killed at every step, the disk is full or read-only.

An accepted turn is answered exactly once, or its user is told once that it was
interrupted; nothing that was accepted is lost.
"""
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest

from agentproc import Agent, EVENT_AGENT, EVENT_CHAT, RUN, TURN, events
from gateway import passable, pause
from test_disk_sync import on_disk

SCRIPT = r'''
@on user~"hello"
  text "Hi there."
@on user~"slow"
  text "one "
  stall
@on user~"tool"
  call exec {"command":"df"} id=o1
@on result exec
  text "disk is fine"
@on user~"long"
  text "a b c d e f g h i j k l m n o p q r s t u v w x y z "
  pause 20ms
  text "a b c d e f g h i j k l m n o p q r s t u v w x y z "
  pause 20ms
  text "done"
'''
TOLD = "interrupted by a restart"


@pytest.fixture
def agent():
    a = Agent(script=SCRIPT, agent={"maxConcurrent": 8})
    a.start()
    yield a
    a.close()


def drain(agent, n=0, acks=0):
    """What the router is told: n deliveries at least, which are acked, and so
    many acknowledgements, then all until nothing more comes of it.  What was
    acked is known as that from then on, also to the next process."""
    def take(m):
        if m.name == "AG_DELIVER":
            agent.ack_delivery(m)
        got.append(m)
    got = []
    while len(texts(got)) < n or \
            sum(m.name == "AG_TURN_ACK" for m in got) < acks:
        try:
            take(agent.recv())
        except TimeoutError:
            raise AssertionError((got, agent.worker.output())) from None
    while True:
        more = agent.settle()
        for m in more:
            take(m)
        if not texts(more):
            return got


def texts(got):
    return [m.fields["text"].decode() for m in got if m.name == "AG_DELIVER"]


def restart(agent):
    agent.kill()
    agent.start()


def began(agent):
    """Its turn is known to have begun (until then it is simply run again):
    something was shown of it."""
    while not any(e["stream"] == "assistant"
                  for e in events([agent.recv()], EVENT_AGENT)):
        pass


def test_R07_killed_in_mid_answer(agent):
    agent.channel_turn("slow", msg_id="1")
    began(agent)
    agent.channel_turn("hello", msg_id="2")
    agent.until("AG_TURN_ACK")
    restart(agent)
    out = texts(drain(agent, 2))
    assert len(out) == 2 and TOLD in out[0] and out[1] == "Hi there."
    restart(agent)
    assert texts(drain(agent)) == []
    roles = [(x["message"]["role"], x["message"].get("stopReason"))
             for x in agent.transcript() if x["type"] == "message"]
    assert roles == [("user", None), ("assistant", "error"),
                     ("user", None), ("assistant", "stop")]


def test_R07_client_is_told_by_an_event(agent):
    agent.turn("slow", run="r1")
    began(agent)
    restart(agent)
    got = agent.until("AG_RUN_END") + drain(agent)
    chat = events(got, EVENT_CHAT)
    assert [(e["runId"], e["state"]) for e in chat] == [("r1", "error")]
    assert TOLD in chat[0]["errorMessage"]
    end = [m for m in got if m.name == "AG_RUN_END"]
    assert len(end) == 1 and end[0].fields["status"] == RUN["RUN_ERROR"]
    restart(agent)
    assert drain(agent) == []
    # The same request again is a duplicate with that outcome.
    agent.turn("slow", run="r1")
    ack = agent.expect("AG_TURN_ACK")
    assert ack.fields["status"] == TURN["TURN_DUPLICATE"]
    assert agent.expect("AG_RUN_END").fields["status"] == RUN["RUN_ERROR"]


def test_R07_an_end_that_nobody_was_told(agent):
    """Killed between writing an end and telling it: the router asks."""
    def ask(run, told=0, key=None):
        agent.router.send("AG_RUN_ASK", run_id=run, dedupe_key=key or "chat:" + run,
                          chat_told=told)

    def ends(got):
        return [(m.fields["run_id"], m.fields["status"]) for m in got
                if m.name == "AG_RUN_END"]
    agent.turn("hello", run="r1")
    agent.until("AG_RUN_END")
    restart(agent)
    ask("r1")
    got = agent.until("AG_RUN_END") + drain(agent)
    assert ends(got) == [("r1", RUN["RUN_OK"])]
    chat = events(got, EVENT_CHAT)
    assert [(e["runId"], e["state"], e["sessionKey"]) for e in chat] == [("r1", "final", "main")]
    assert chat[0]["message"]["content"][0]["text"] == "Hi there."
    ask("r1", told=1)
    got = agent.until("AG_RUN_END") + drain(agent)
    assert ends(got) == [("r1", RUN["RUN_OK"])] and events(got, EVENT_CHAT) == []
    # Nothing is known of another; of one that goes on there is no end.
    ask("never")
    got = agent.until("AG_RUN_END")
    assert ends(got) == [("never", RUN["RUN_ERROR"])]
    agent.turn("slow", run="r2")
    began(agent)
    ask("r2")
    ask("never")
    assert ends(agent.until("AG_RUN_END")) == [("never", RUN["RUN_ERROR"])]


def test_R07_killed_during_a_tool_call(agent):
    agent.channel_turn("tool", msg_id="1")
    agent.tool_call()
    restart(agent)
    out = texts(drain(agent, 1))
    assert len(out) == 1 and TOLD in out[0]
    msgs = [x["message"] for x in agent.transcript()
            if x["type"] == "message"]
    assert [m["role"] for m in msgs] == ["user", "assistant", "toolResult",
                                         "assistant"]
    assert msgs[2]["toolCallId"] == "o1" and msgs[2]["isError"]
    agent.channel_turn("hello", msg_id="2")
    assert texts(drain(agent, 1)) == ["Hi there."]


def test_R07_killed_after_a_tool_result(agent):
    agent.channel_turn("tool", msg_id="1")
    agent.tool_done(agent.tool_call(), "ok")
    agent.until("AG_DELIVER")          # answered, not acknowledged
    restart(agent)
    assert texts(drain(agent, 1)) == ["disk is fine"]


def test_R07_killed_before_the_acknowledgement(agent):
    """Not acknowledged: the other side offers it again, under the same key."""
    for i in range(20):
        agent.channel_turn("hello", msg_id=str(i))
        agent.kill()
        agent.start()
        agent.channel_turn("hello", msg_id=str(i))
        got = drain(agent, 1, acks=1)
        acks = [m for m in got if m.name == "AG_TURN_ACK"]
        assert len(acks) == 1
        out = texts(got)
        assert len(out) == 1, (i, out)
        assert out[0] == "Hi there." or TOLD in out[0]


def test_R07_nothing_is_promised_before_the_disk_has_it(agent):
    """The same message twice in one turn of the loop: a router that ended left
    one behind.  DUPLICATE would say that it is kept, and it is not yet."""
    pause(agent.worker.pid)
    agent.channel_turn("hello", msg_id="1", corr=7)
    agent.channel_turn("hello", msg_id="1", corr=8)
    os.kill(agent.worker.pid, signal.SIGCONT)
    ack = agent.expect("AG_TURN_ACK")
    assert (ack.corr, ack.fields["status"]) == (8, TURN["TURN_ACCEPTED"])
    got = agent.until("AG_DELIVER")
    assert texts(got) == ["Hi there."]
    assert [m.name for m in got].count("AG_TURN_ACK") == 0
    agent.channel_turn("hello", msg_id="1", corr=9)
    ack = agent.until("AG_TURN_ACK")[-1]
    assert (ack.corr, ack.fields["status"]) == (9, TURN["TURN_DUPLICATE"])


def test_R14_answers_of_one_router_are_not_for_the_next(agent):
    """A router dies with a message on its way, the next one numbers its own
    requests alike: what is told it is told of its own only."""
    pause(agent.worker.pid)
    old = agent.router
    agent.channel_turn("hello", msg_id="1", corr=7)
    agent.worker.add_peer("ROUTER")
    old.close()
    mine = agent.channel_turn("hello", msg_id="2", corr=7)
    os.kill(agent.worker.pid, signal.SIGCONT)
    got = agent.until("AG_TURN_ACK")
    assert got[-1].fields["run_id"] == mine
    # What the old one sent was taken or was lost with it; the channel offers it
    # again, and it is answered once.
    agent.channel_turn("hello", msg_id="1", corr=8)
    got += agent.until("AG_TURN_ACK")
    assert got[-1].corr == 8
    assert got[-1].fields["status"] in (TURN["TURN_ACCEPTED"], TURN["TURN_DUPLICATE"])
    for m in got:
        if m.name == "AG_DELIVER":      # the next to this chat waits for it
            agent.ack_delivery(m)
    got += drain(agent, 2 - len(texts(got)))
    assert texts(got) == ["Hi there."] * 2


@pytest.mark.parametrize("seed", range(int(os.environ.get("GW_SEEDS", "4"))))
def test_R07_R08_killed_at_random_points(agent, seed):
    """Several turns in several sessions, killed again and again; whatever is
    not acknowledged is offered again, as channeld does."""
    rnd = random.Random(seed)
    todo = {str(i): rnd.choice(["hello", "long", "tool", "hello"])
            for i in range(24)}
    waiting = dict(todo)
    seen = {}
    answers = {}
    n_kills = 0
    deadline = time.monotonic() + 300
    idle = 0
    while time.monotonic() < deadline and (
            n_kills < 12 or len(answers) < len(todo) or idle < 2):
        for msg_id, text in list(waiting.items()):
            run = agent.channel_turn(
                text, msg_id=msg_id, chat="c" + msg_id,
                session=f"agent:main:telegram:dm:{msg_id}")
            seen[run] = msg_id
        busy = False
        stop_at = time.monotonic() + rnd.uniform(0.0, 0.25)
        if n_kills >= 12:
            stop_at = time.monotonic() + 0.6
        while time.monotonic() < stop_at:
            try:
                m = agent.tool.recv(0.001)
                if m.name == "TL_CALL":
                    agent.tool_done(m, "ok")
                continue
            except TimeoutError:
                pass
            try:
                m = agent.recv(0.005)
            except TimeoutError:
                continue
            busy = busy or m.name != "AG_EVENT"
            if m.name == "AG_TURN_ACK":
                assert m.fields["status"] != TURN["TURN_REFUSED"], m.fields
                waiting.pop(seen[m.fields["run_id"]], None)
            elif m.name == "AG_DELIVER":
                did = m.fields["delivery_id"]
                answers.setdefault(m.fields["chat"], {})[did] = \
                    m.fields["text"].decode()
                if rnd.random() < 0.8:
                    agent.ack_delivery(m)
        if n_kills < 12:
            n_kills += 1
            restart(agent)
        else:
            idle = 0 if busy else idle + 1
    for msg_id, text in todo.items():
        got = answers.get("c" + msg_id, {})
        assert len(got) == 1, (msg_id, text, got)
        answer = next(iter(got.values()))
        assert TOLD in answer or answer in (
            "Hi there.", "disk is fine") or answer.endswith("done"), answer


def test_queue_survives_an_orderly_restart(agent):
    agent.channel_turn("slow", msg_id="1")
    agent.until("AG_EVENT")
    agent.channel_turn("hello", msg_id="2")
    agent.until("AG_TURN_ACK")
    agent.worker.ctl.send("PROC_DRAIN", deadline_ms=1500)
    agent.worker.ctl.expect("PROC_DRAINED")
    assert agent.worker.quit() == 0
    agent.start()
    assert texts(drain(agent, 1)) == ["Hi there."]


# --- R15 -------------------------------------------------------------------

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounts a tmpfs")


def mount_ok():
    return os.getuid() == 0 and subprocess.run(
        ["unshare", "-m", "true"], capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path):
    if not mount_ok():
        pytest.skip("no mounts here")
    disk = tmp_path / "disk"
    disk.mkdir()
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=755",
                        "gw-test", str(disk)], capture_output=True)
    if r.returncode != 0:
        pytest.skip("no tmpfs here")
    passable(tmp_path)
    a = Agent(script=SCRIPT, base=disk)
    yield a, disk
    a.close()
    subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(disk, left=0):
    """But for so many bytes."""
    n = 0
    with open(disk / "filler", "wb", buffering=0) as f, contextlib.suppress(OSError):
        while True:
            n += f.write(b"x" * 4096)
    os.truncate(disk / "filler", n - left)


@needs_root
def test_R15_full_disk_refuses_new_turns_and_loses_nothing(small_disk):
    a, disk = small_disk
    a.start()
    a.channel_turn("hello", msg_id="1")
    assert texts(drain(a, 1)) == ["Hi there."]
    a.turn("slow", session="s", run="held")
    a.until("AG_EVENT")
    fill(disk)
    # What sqlite and the file system still have in their pages may take a
    # few; then it is refused, with a reason.
    refused = None
    for i in range(200):
        a.channel_turn("hello " + "x" * 3000, msg_id=f"f{i}",
                       chat=f"f{i}", session=f"agent:main:x{i}")
        ack = [m for m in a.until("AG_TURN_ACK")][-1]
        if ack.fields["status"] == TURN["TURN_REFUSED"]:
            refused = ack
            break
    assert refused is not None
    assert refused.fields["code"] == "UNAVAILABLE"
    assert "No space left" in refused.fields["reason"]
    a.channel_turn("hello", msg_id="again")
    got = a.until("AG_TURN_ACK")
    assert got[-1].fields["status"] == TURN["TURN_REFUSED"]
    # Questions are still answered.
    assert a.ask("sessions.list")["count"] >= 1
    os.unlink(disk / "filler")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        a.channel_turn("hello", msg_id="again")
        got = a.until("AG_TURN_ACK")
        if got[-1].fields["status"] != TURN["TURN_REFUSED"]:
            break
        time.sleep(0.2)
    assert got[-1].fields["status"] == TURN["TURN_ACCEPTED"]
    assert "Hi there." in texts(drain(a, 1))
    a.kill()
    a.start()
    a.channel_turn("hello", msg_id="1")     # known before the trouble
    got = a.until("AG_TURN_ACK")
    assert got[-1].fields["status"] == TURN["TURN_DUPLICATE"]


@needs_root
def test_R15_read_only_disk_is_said(small_disk):
    a, disk = small_disk
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    a.start()
    a.channel_turn("hello", msg_id="1")
    ack = a.expect("AG_TURN_ACK")
    assert ack.fields["status"] == TURN["TURN_REFUSED"]
    assert ack.fields["code"] == "UNAVAILABLE"
    assert "cannot be written: Read-only" in ack.fields["reason"]
    assert a.ask("sessions.list")[0] == "UNAVAILABLE"


def test_R15_state_that_cannot_be_written_heals():
    a = Agent(script=SCRIPT)
    try:
        os.chmod(a.state, 0o555)
        a.start()
        a.channel_turn("hello", msg_id="1")
        ack = a.expect("AG_TURN_ACK")
        assert ack.fields["status"] == TURN["TURN_REFUSED"]
        assert "cannot be written" in ack.fields["reason"]
        os.chmod(a.state, 0o755)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            a.channel_turn("hello", msg_id="1")
            ack = a.until("AG_TURN_ACK")[-1]
            if ack.fields["status"] == TURN["TURN_ACCEPTED"]:
                break
            time.sleep(0.2)
        assert texts(drain(a, 1)) == ["Hi there."], a.worker.output()
    finally:
        a.close()


@needs_root
def test_R15_lines_that_have_no_room_come_back_later(small_disk):
    """What is to be put back into a transcript stays in the journal until the
    disk has room, and nothing is written behind a hole."""
    a, disk = small_disk
    lost = []
    while sum(n for _, n in lost) < 200000:     # until it is not settled already
        a.start()
        for i in range(12):
            a.until("AG_RUN_END", run=a.turn(f"hello {i} " + "x" * 20000))
        sid = a.ask("chat.history", sessionKey="main")["sessionId"]
        a.kill()
        lost = on_disk(a, "SELECT at, length(text) FROM tail")
    path = a.state / "sessions" / f"{sid}.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:min(at for at, _ in lost) + 100])
    with open(a.state / "agent.sqlite-wal", "ab") as f:    # the log has room ahead
        f.write(bytes(256 << 10))
    fill(disk, 64 << 10)
    a.start()
    a.channel_turn("hello", msg_id="1")
    ack = a.until("AG_TURN_ACK")[-1].fields
    assert (ack["status"], ack["code"]) == (TURN["TURN_REFUSED"], "UNAVAILABLE")
    assert "No space left" in ack["reason"]
    a.kill()
    os.unlink(disk / "filler")
    a.start()
    a.ask("chat.history", sessionKey="main")
    assert path.read_bytes() == whole


@needs_root
def test_R15_an_event_that_was_refused_is_not_known(small_disk):
    """It waits in memory; to say that it is known would be to promise it."""
    a, disk = small_disk

    def told(i):
        a.router.send("AG_SYSTEM", corr=500 + i, session_key="main", dedupe_key=f"k{i}",
                      wake=0, text=f"event {i} " + "x" * 3000)
        ack = a.until("AG_TURN_ACK")[-1]
        assert ack.corr == 500 + i
        return ack.fields["status"]
    a.start()
    a.until("AG_RUN_END", run=a.turn("hello"))
    fill(disk)
    last = next(i for i in range(400) if told(i) == TURN["TURN_REFUSED"])
    assert told(last) == TURN["TURN_REFUSED"]
    os.unlink(disk / "filler")
    deadline = time.monotonic() + 60
    while told(last) == TURN["TURN_REFUSED"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    a.kill()
    a.start()
    run = a.turn("hello")
    a.until("AG_RUN_END", run=run)
    assert f"event {last} x" in json.dumps(a.ask("chat.history", sessionKey="main"))


def test_R07_lines_that_a_power_failure_took_come_back():
    """The journal was synced, the transcripts were not yet."""
    with Agent(script=SCRIPT) as a:
        for i in range(3):
            a.turn("hello", run=f"r{i}")
            a.until("AG_RUN_END")
        sid = a.ask("chat.history", sessionKey="main")["sessionId"]
        path = a.state / "sessions" / f"{sid}.jsonl"
        a.kill()
        whole = path.read_bytes()
        for left in (len(whole) - 5, len(whole) // 2, None):
            if left is None:
                path.unlink()
            else:
                path.write_bytes(whole[:left])
            copy = (a.state / "agent.sqlite").read_bytes(), \
                (a.state / "agent.sqlite-wal").read_bytes()
            a.start()
            assert len(a.ask("chat.history", sessionKey="main")["messages"]) == 6
            assert path.read_bytes() == whole, left
            a.kill()
            (a.state / "agent.sqlite").write_bytes(copy[0])
            (a.state / "agent.sqlite-wal").write_bytes(copy[1])
