# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What the supervisor does about processes that end, hang or misbehave, about
its own end, and about configurations."""
import contextlib
import os
import random
import re
import signal
import threading
import time

import pytest
from faultrig import AGENT, CHAN, ROLES, config
from gateway import RpcError, living, modes, pause, wait_for


def waits(h, name):
    return [int(x) for x in re.findall(
        re.escape(name) + r": .*next start in (\d+) ms", h.output())]


def test_R14_backoff_grows(make_house):
    """Each end in a row waits longer than the one before."""
    h = make_house(telegram=False)
    for _ in range(5):
        h.revived("store", h.kill("store"))
    got = waits(h, "store")
    assert got[0] == 0 and len(got) == 5
    assert all(b > a for a, b in zip(got, got[1:])), got
    assert h.processes()["store"]["restarts"] == 5
    assert all(r["restarts"] == 0 for n, r in h.processes().items()
               if n != "store")


def test_R14_held_and_revived(make_house):
    """What ends ten times in ten minutes is held, it alone; then only
    gateway.restart brings it back.  (Slow: the waits before are 64 s.)"""
    h = make_house(telegram=False)
    w = h.web()
    for i in range(10):
        pid = h.kill("files/main")
        if i < 9:
            h.revived("files/main", pid, 240)
    wait_for(lambda: h.processes()["files/main"]["state"] == "held")
    assert "failed too often, held" in h.output()
    h.workspace().joinpath("note.txt").write_text("NOTE\n")
    h.workspace().joinpath("note.txt").chmod(0o644)
    k = w.send("quick still here")
    w.wait_end(k)
    assert w.told(k) == [("final", "done quick still here")]
    k = w.send("tool file without")
    w.wait_end(k)
    assert len(w.told(k)) == 1 and "NOTE" not in w.told(k)[0][1], w.told(k)
    # a reload does not wake it either
    h.call("gateway.reload")
    assert h.processes()["files/main"]["state"] == "held"
    h.call("gateway.restart", {"process": "files/main"})
    h.settled()
    k = w.send("tool file after")
    w.wait_end(k)
    assert "NOTE" in w.told(k)[0][1], w.told(k)
    assert w.breaks == 0


def test_gateway_restart_of_unknown_process(make_house):
    h = make_house(telegram=False)
    for name in ("nosuch", "agentd/x", "gatewayd-config", "../front"):
        with pytest.raises(RpcError):
            h.call("gateway.restart", {"process": name})
    h.settled()


@pytest.mark.parametrize("role", ["front", "store", AGENT, "router", CHAN])
def test_gateway_restart_of_one_process(make_house, role):
    """Asked for: at once, no back-off, nobody else is touched."""
    h = make_house()
    w = h.web()
    before = h.pids()
    try:
        h.call("gateway.restart", {"process": role})
    except (EOFError, OSError):
        assert role == "router"     # it was our end of the line
    h.revived(role, before[role])
    after = h.pids()
    assert {n for n in before if before[n] != after[n]} == {role}
    w.wait_up()
    k = w.send("quick again")
    w.wait_end(k)
    assert len(w.told(k)) == 1 and w.told(k)[0][0] == "final"


def test_R04_R14_stopped_worker_is_noticed_and_replaced(make_house):
    """SIGSTOP in agent and channel: health and the other agent answer all the
    while, the pings end the hung ones, and what waited is answered."""
    h = make_house()
    f, w = h.fake, h.web()
    pids = h.pids()
    n, stop = [0], threading.Event()

    def ask():
        c = h.control()
        while not stop.is_set():
            c.call("health")
            n[0] += 1
            time.sleep(0.02)
        c.close()
    t = threading.Thread(target=ask, daemon=True)
    t.start()
    try:
        h.pause(pids[AGENT])
        h.pause(pids[CHAN])
        f.message(7, "quick telegram")
        mine = w.send("quick mine")
        for i in range(20):
            k = w.send(f"quick other {i}", "agent:b:main")
            w.wait_end(k)
            assert w.told(k) == [("final", f"done quick other {i}")]
        # three pings of ten seconds
        w.wait(lambda w: mine not in w.wanted, 240, "the replaced agent")
        f.wait(lambda: f.texts(7), 240, "the replaced channel")
    finally:
        stop.set()
        t.join(120)
    out = h.output()
    for name in (AGENT, CHAN):
        assert f"{name}: killed: hung" in out, out
    h.settled()
    now = h.pids()
    assert {x for x in pids if pids[x] != now[x]} == {AGENT, CHAN}
    assert w.told(mine) == [("final", "done quick mine")]
    assert f.texts(7) == ["done quick telegram"]
    assert w.breaks == 0
    assert n[0] > 100, n


# --- configurations ---------------------------------------------------------

@pytest.mark.parametrize("bad", [
    "{", "[]", '{"agents": {"list": "none"}}',
    '{"gateway": {"port": "many"}}', '{"$include": "missing.json5"}',
    '{"channels": {"telegram": {"accounts": 7}}}', "\0" * 5000])
def test_R05_invalid_reload_changes_nothing(make_house, bad):
    h = make_house()
    w = h.web()
    before = h.pids()
    k = w.send("slow across")
    w.wait_event("assistant", k)
    h.write_config(bad)
    with pytest.raises(RpcError) as e:
        h.call("gateway.reload")
    assert e.value.message
    h.proc.send_signal(signal.SIGHUP)
    w.wait_end(k)
    assert w.told(k) == [("final", "done slow across")]
    time.sleep(0.2)
    assert h.pids() == before and w.breaks == 0
    h.fake.message(7, "quick telegram")
    h.fake.wait(lambda: h.fake.texts(7) == ["done quick telegram"])
    # and the next good one is taken
    h.write_config(config(h.fake))
    h.reload()
    assert h.pids() == before and w.breaks == 0


def test_R05_who_leaves_may_come_back(make_house):
    """Taken out by one reload and wanted again by the next before it has
    ended: it starts once more and answers."""
    h = make_house(telegram=False)
    w = h.web()
    here, gone = config(), config()
    gone["agents"]["list"] = [{"id": "main", "default": True}]
    old = h.processes()
    leaving = [n for n in old if n.endswith("/b")]
    assert len(leaving) == 4
    for n in leaving:
        h.pause(old[n]["pid"])      # so that none ends in between
    h.write_config(gone)
    h.reload()
    rows = h.processes()            # who was killed for it is in no row
    assert all(rows[n]["state"] == "draining" for n in leaving if n in rows)
    h.write_config(here)
    h.reload()
    for n in leaving:
        h.go_on(old[n]["pid"])
    rows = h.settled()
    assert all(rows[n]["pid"] != old[n]["pid"] for n in leaving), rows
    assert {n: r["pid"] for n, r in rows.items() if n not in leaving} == {
        n: r["pid"] for n, r in old.items() if n not in leaving}
    k = w.send("quick back", "agent:b:main")
    w.wait_end(k)
    assert w.told(k) == [("final", "done quick back")]
    assert w.breaks == 0


@pytest.mark.parametrize("seed", [1, 2])
def test_R05_storm_of_reloads(make_house, seed):
    """Configurations that follow each other faster than processes start and
    end, among kills and restarts: in the end the last one runs, whole."""
    rnd = random.Random(seed)
    h = make_house()
    w = h.web()
    for _ in range(30):
        c = config(h.fake)
        c["agents"]["list"] = [{"id": "main", "default": True}] + [
            {"id": x} for x in "bcd" if rnd.random() < 0.5]
        if rnd.random() < 0.3:
            del c["channels"]
        if rnd.random() < 0.4:
            c["models"]["providers"] = {f"p{rnd.randrange(2)}": {
                "api": "openai-completions", "baseUrl": "http://127.0.0.1:9/v1",
                "apiKey": f"k{rnd.randrange(3)}",
                "models": [{"id": "m", "name": "m"}]}}
        if rnd.random() < 0.1:
            c["gateway"] = {"port": "none"}
        h.write_config(c)
        if rnd.random() < 0.7:
            h.proc.send_signal(signal.SIGHUP)
        rows = h.try_processes() or {}
        name = rnd.choice(sorted(rows.keys() - {"gatewayd"}) or ["router"])
        if rnd.random() < 0.2 and rows.get(name, {"pid": 0})["pid"] > 1:
            os.kill(rows[name]["pid"], signal.SIGKILL)
        elif rnd.random() < 0.2:
            with contextlib.suppress(RpcError, OSError, EOFError):
                h.call("gateway.restart", {"process": name})
        time.sleep(rnd.choice([0, 0, 0.01, 0.05, 0.3]))
    h.write_config(config(h.fake))

    def ok():
        with contextlib.suppress(RpcError, OSError, EOFError):
            h.call("gateway.reload")
            return True
    wait_for(ok, 120, "the last reload: " + h.output())
    rows = h.settled()
    assert {n for n in rows if "/" in n} == {
        f"{r}/{a}" for r in ("agentd", "toold", "jailer", "files")
        for a in ("b", "main")} | {"channeld/telegram:default"}, rows
    for key in ("main", "agent:b:main"):
        k = w.send("quick still", key)
        w.wait_end(k)
        assert w.told(k) == [("final", "done quick still")]
    h.fake.message(7, "quick here too")
    h.fake.wait(lambda: h.fake.texts(7) == ["done quick here too"])


def caught_reading(h):
    """Asks for a reload, stops the supervisor while the configuration is read
    and waits until the reader has ended; False when the moment was missed."""
    def reader():
        for pid in open(f"/proc/{h.proc.pid}/task/{h.proc.pid}/children").read().split():
            try:
                if open(f"/proc/{pid}/comm").read() == "gatewayd-config\n":
                    return pid
            except OSError:
                pass
        return None

    done = h.output().count("reload: generation")
    h.proc.send_signal(signal.SIGHUP)
    while (pid := reader()) is None:
        if h.output().count("reload: generation") > done:
            return False        # it was faster
    pause(h.proc.pid)
    for _ in range(60):
        try:
            if open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            break               # it had been waited for already
        time.sleep(0.05)        # up to 3 s: it may wait for the supervisor
    h.proc.send_signal(signal.SIGCONT)
    return False


def test_R05_the_reader_ends_before_it_is_heard(make_house):
    """Its parcels and its last word are more than are read in one go, and its
    end is seen in the same moment: they count all the same."""
    h = make_house(telegram=False)
    c = config()
    for i in range(40):
        c["agents"]["list"] = [{"id": "main", "default": True}] + [
            {"id": f"x{j}"} for j in range(10 + i % 2)]
        h.write_config(c)
        if caught_reading(h):
            break
        h.settled()
    else:
        pytest.fail("never caught between its start and its end")
    h.proc.send_signal(signal.SIGCONT)
    wait_for(lambda: "agentd/x9" in (h.try_processes() or {}), 60,
             "the new agents: " + h.output())
    assert "the configuration reader exited" not in h.output()


def test_R05_reload_by_signal_keeps_clients(make_house):
    """A changed configuration is taken without a client, a turn or another
    process noticing; an agent that is new starts, one that left ends."""
    h = make_house()
    w = h.web()
    before = h.pids()
    k = w.send("slow across")
    w.wait_event("assistant", k)
    c = config(h.fake)
    c["agents"]["list"] = [{"id": "main", "default": True}, {"id": "c"}]
    h.write_config(c)
    h.proc.send_signal(signal.SIGHUP)
    wait_for(lambda: "agentd/c" in (h.try_processes() or {}), what="new agent")
    w.wait_end(k)
    assert w.told(k) == [("final", "done slow across")]
    wait_for(lambda: "agentd/b" not in h.processes(), what="old agent's end")
    now = h.pids()
    assert {n for n in before if n in now and before[n] != now[n]} == set()
    assert {n for n in now if n not in before} == {
        "agentd/c", "toold/c", "jailer/c", "files/c"}
    k = w.send("quick new", "agent:c:main")
    w.wait_end(k)
    assert w.told(k) == [("final", "done quick new")]
    assert w.breaks == 0


def test_R05_reload_storm(make_house):
    """Signals faster than reloads, good and bad configurations in turn."""
    h = make_house(telegram=False)
    w = h.web()
    before = h.pids()
    for i in range(60):
        h.write_config("{" if i % 3 == 0 else config())
        h.proc.send_signal(signal.SIGHUP)
        time.sleep(0.003 * (i % 5))
    # what the last signal was for is taken, whatever was under way
    c = config()
    c["agents"]["list"] += [{"id": "late"}]
    h.write_config(c)
    h.proc.send_signal(signal.SIGHUP)
    wait_for(lambda: "agentd/late" in h.processes(), what="the last one")
    h.write_config(config())
    h.reload()
    k = w.send("quick after")
    w.wait_end(k)
    assert w.told(k) == [("final", "done quick after")]
    wait_for(lambda: h.pids() == before, what="the processes of before")
    assert w.breaks == 0


# --- the supervisor's own end -----------------------------------------------

@pytest.mark.parametrize("mode", modes())
@pytest.mark.parametrize("busy", [False, True])
def test_R10_supervisor_killed_leaves_nothing(make_house, mode, busy):
    h = make_house(mode=mode)
    if busy:
        w = h.web()
        w.send("tool endless x")
        wait_for((h.workspace() / "began").exists, what="job")
        h.fake.fault("sendMessage", "hold")
        h.fake.message(7, "quick")
        h.fake.wait(lambda: h.fake.holding, what="held reply")
    kids = h.kids()
    assert len(kids) >= len(ROLES)
    for web in h.webs:
        web.closing = True
    h.proc.kill()
    h.proc.wait()
    wait_for(lambda: not living(kids), 60, "every process to end")
    h.fake.release()
    # all that was accepted is there for the next one
    h.start()
    if busy:
        h.fake.message(8, "quick next")
        h.fake.wait(lambda: h.fake.texts(8) == ["done quick next"])
        assert not (h.workspace() / "ended").exists()


def test_R07_R10_supervisor_killed_at_random(make_house):
    """Killed again and again while messages come: none is lost, none is
    answered twice without being said to be."""
    h = make_house()
    f = h.fake
    n = 0
    for i in range(8):
        for j in range(3):
            f.message(200 + n, f"quick m{n}")
            n += 1
        time.sleep(0.013 * i)
        kids = h.kids()
        h.proc.kill()
        h.proc.wait()
        wait_for(lambda: not living(kids), 60, "every process to end")
        h.start()
    f.wait(lambda: all(f.texts(200 + i) for i in range(n)), 240, "all answers")
    time.sleep(0.5)
    for i in range(n):
        got = f.texts(200 + i)
        # a notice that was cut off itself is sent again
        notices = sum("may not have" in t for t in got)
        assert got.count(f"done quick m{i}") == len(got) - notices <= 1, got
        assert 1 <= len(got) <= 4, got
