# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A disk that is as slow as the test likes: nobody is told of what it does not
have yet.  What was told early would lie in the link already when the process
answers something that was asked later, or is seen before the sync was let
go."""
import errno
import json
import os
import select
import shutil
import sqlite3
import tempfile
import time

import pytest
from agentproc import Agent, TURN, payload
from chanrig import Rig
from gateway import modes
from syscallgate import Gate, GatedGateway, needs_gate
from workerproc import Worker, worker_uid

pytestmark = needs_gate

SCRIPT = r'''
@on user~"hello"
  text "Hi there."
'''


@pytest.fixture
def slow_agent():
    made = []

    def make(*names, **hold):
        gate = Gate(*names)
        for name, error in hold.items():
            gate.hold(name, error)
        a = Agent(script=SCRIPT, gate=gate)
        made.append(a)
        return a.start(), gate
    yield make
    for a in made:
        a.close()


def on_disk(agent, sql):
    """Rows of its database as a power failure would find it now, at best."""
    with tempfile.TemporaryDirectory() as d:
        for f in ("agent.sqlite", "agent.sqlite-wal"):
            if (agent.state / f).exists():
                shutil.copy(agent.state / f, d)
        db = sqlite3.connect(d + "/agent.sqlite")
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()


def told(agent):
    """Everything that it said before it answered this question."""
    agent.ask("sessions.list")
    return agent.pending


def ends(messages):
    return [m for m in messages if m.name in ("AG_RUN_END", "AG_DELIVER") or
            m.name == "AG_EVENT" and payload(m).get("state") == "final"]


def late(gate, agent):
    """Holds the ends of its syncs; it goes on meanwhile."""
    agent.ask("sessions.list")          # whatever began is over
    gate.hold("count", errno.EAGAIN)
    return len(gate.calls)


def test_R07_agentd_tells_no_channel_before_the_disk_has_it(slow_agent):
    agent, gate = slow_agent("fdatasync", "io_submit", "count")
    mark = late(gate, agent)
    run = agent.channel_turn("hello")
    if gate.wait("io_submit", "fdatasync", after=mark).name == "fdatasync":
        pytest.skip("this kernel has no asynchronous I/O")
    # It is there, and might be lost with the power.
    assert on_disk(agent, "SELECT count(*) FROM turn") == [(1,)]
    got = told(agent)
    assert not [m for m in got if m.name == "AG_TURN_ACK"], got
    assert not ends(got)
    gate.pass_all("count")
    ack = agent.until("AG_TURN_ACK")[-1].fields
    assert (ack["run_id"], ack["status"]) == (run, TURN["TURN_ACCEPTED"])
    assert agent.until("AG_DELIVER")[-1].fields["text"] == b"Hi there."


def test_R07_agentd_tells_no_end_before_the_disk_has_it(slow_agent):
    agent, gate = slow_agent("fdatasync", "io_submit", "count")
    mark = late(gate, agent)
    run = agent.turn("hello")
    # A client is told against the death of agentd, not of the power.
    assert agent.until("AG_TURN_ACK")[-1].fields["status"] == \
        TURN["TURN_ACCEPTED"]
    if gate.wait("io_submit", "fdatasync", after=mark).name == "fdatasync":
        pytest.skip("this kernel has no asynchronous I/O")
    assert not ends(told(agent))
    gate.pass_all("count")
    assert agent.until("AG_RUN_END", run=run)


def test_R07_agentd_waits_itself_where_the_kernel_cannot(slow_agent):
    """Without asynchronous I/O it stands still until the disk has it."""
    agent, gate = slow_agent("io_setup", "io_submit", "fdatasync",
                             io_setup=errno.ENOSYS)
    agent.ask("sessions.list")
    mark = gate.hold("fdatasync")
    agent.channel_turn("hello")
    gate.wait("fdatasync", after=mark)
    assert on_disk(agent, "SELECT count(*) FROM turn") == [(1,)]
    # It waits before the disk: what it said lies in the link.
    while select.select([agent.router], [], [], 0)[0]:
        m = agent.router.recv()
        assert m.name in ("AG_STATE", "AG_TYPING"), m
    gate.pass_all("fdatasync")
    assert agent.until("AG_TURN_ACK")[-1].fields["status"] == \
        TURN["TURN_ACCEPTED"]
    assert not gate.seen("io_submit")


def test_R07_agentd_takes_no_event_before_the_disk_has_it(slow_agent):
    agent, gate = slow_agent("fdatasync", "io_submit", "count")
    agent.ask("sessions.list")          # whatever began is over
    mark = gate.hold("fdatasync")
    agent.router.send("AG_SYSTEM", corr=77, session_key="main", dedupe_key="k", wake=0,
                      text="news")
    gate.wait("fdatasync", after=mark)
    assert "news" in on_disk(agent, "SELECT entry FROM session")[0][0]
    while select.select([agent.router.sock], [], [], 0)[0]:
        assert agent.router.recv().name != "AG_TURN_ACK"
    gate.pass_all("fdatasync")
    ack = agent.until("AG_TURN_ACK")[-1]
    assert (ack.corr, ack.fields["status"]) == (77, TURN["TURN_ACCEPTED"])


@pytest.fixture
def slow_channel():
    gate = Gate("fsync", "fdatasync")
    rig = Rig(gate=gate).start()
    try:
        rig.wait_state("CH_UP")
        rig.settle()
        yield rig, gate
    finally:
        for name in gate.names:
            gate.pass_all(name)
        rig.close()


def covered(gate, begin, end):
    """Did a whole sync lie between the two?"""
    return any(c.ended is not None and begin <= c.began and c.ended <= end
               for c in gate.calls)


def held_for_a_while(gate, mark):
    """What does not wait for the disk has the time to come early."""
    gate.wait("fdatasync", after=mark)
    time.sleep(0.3)
    gate.pass_all("fdatasync")


def test_R07_channeld_takes_no_message_before_the_disk_has_it(slow_channel):
    rig, gate = slow_channel
    mark = gate.hold("fdatasync")
    begin = time.monotonic()
    n = rig.fake.message(7, "x")
    gate.wait("fdatasync", after=mark)
    assert rig.fake.confirmed <= n
    held_for_a_while(gate, mark)
    m = rig.wait("CH_INBOUND")
    assert covered(gate, begin, m.at)
    rig.taken(n)
    polls = [t for t, name, p in rig.fake.calls if name == "getUpdates" and
             int(p.get("offset") or 0) > n]
    assert covered(gate, begin, polls[0])


def test_R08_channeld_sends_nothing_before_the_disk_has_it(slow_channel):
    """A piece is marked as being sent, then it is sent; its fate is noted,
    then it is told."""
    rig, gate = slow_channel
    mark = gate.hold("fdatasync")
    begin = time.monotonic()
    rig.deliver("d1", "hello")
    held_for_a_while(gate, mark)
    rig.fake.wait(lambda: rig.fake.texts(7) == ["hello"])
    sent = next(t for t, name, _ in rig.fake.calls if name == "sendMessage")
    assert covered(gate, begin, sent)
    ack = rig.wait("CH_DELIVER_ACK", delivery_id="d1")
    assert covered(gate, sent, ack.at)


@pytest.fixture
def slow_store():
    gate = Gate("fsync", "fdatasync")
    d = tempfile.mkdtemp(prefix="gwstore.")
    if os.getuid() == 0:
        os.chown(d, worker_uid(), -1)
    w = Worker("STORE", parcel={"state.dir": d, "auth.mode": "token",
                                "auth.token": "t"},
               peers=["FRONT", "ROUTER"], mounts=[(d, "rw")], gate=gate)
    try:
        yield w.start(), gate
    finally:
        for name in gate.names:
            gate.pass_all(name)
        w.kill()
        shutil.rmtree(d)


def test_R07_store_gives_no_code_before_the_disk_has_it(slow_store):
    w, gate = slow_store
    w.ping()
    mark = gate.hold("fdatasync")
    router = w.peers["ROUTER"]
    router.send("ST_PAIR", corr=5, channel="telegram", account="main",
                sender="42", sender_name="Ann")
    gate.wait("fdatasync", after=mark)
    # It waits before the disk: what it said lies in the link.
    said = []
    while select.select([router], [], [], 0)[0]:
        said.append(router.recv().name)
    assert "ST_PAIR_RES" not in said, said
    gate.pass_all("fdatasync")
    router.expect("ST_PAIR_RES", skip=("ST_ALLOW",))


@pytest.mark.parametrize("mode", modes())
def test_R07_a_configuration_is_written_before_it_is_told(mode):
    gate = Gate("fsync")
    gw = GatedGateway(gate, mode=mode, config={"gateway": {"mode": "local"}})
    try:
        gw.start()
        c = gw.control()
        base = c.call("config.get")["hash"]
        gate.wait("fsync")              # of the last good copy
        before = gw.config_path.read_bytes()
        mark = gate.hold("fsync")
        c.send_raw(json.dumps({"type": "req", "id": "e", "method":
                               "config.edit", "params": {
                                   "raw": '{"ui": {"seamColor": "#aabbcc"}}',
                                   "baseHash": base}}).encode() + b"\n")
        assert gate.wait("fsync", after=mark).pid == gw.proc.pid
        c.send_raw(b'{"type":"req","id":"h","method":"health"}\n')
        m = c.recv()                    # the router goes on
        while m["type"] == "event":
            m = c.recv()
        assert m["id"] == "h", m
        assert gw.config_path.read_bytes() == before
        gate.pass_all("fsync")
        m = c.recv()
        while m["type"] == "event":
            m = c.recv()
        assert m["id"] == "e" and m["ok"], m
        assert b"#aabbcc" in gw.config_path.read_bytes()
        c.close()
    finally:
        gate.pass_all("fsync")
        gw.close()
