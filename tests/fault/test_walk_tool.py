# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Kill every process at every step of a turn with a tool call.

The client hears of the end of its turn exactly once: the answer, with the
tool's result or its failure in it, or that the turn was interrupted.  A
command never runs twice.  Another session of the same agent goes on, unless
the agent itself was killed; another agent's always does.
"""
import json
import os
import signal
import time

import pytest
from faultrig import AGENT, ROLES, said
from gateway import modes, wait_for

TOOLS = ("toold/main", "jailer/main", "files/main")


def step_think(h, w, n, pids):
    """The model streams what it will call."""
    key = w.send(f"tool think {n}")
    w.wait_event("assistant", key)
    return key, lambda: None


def step_job(h, w, n, pids):
    """The command runs."""
    key = w.send(f"tool job {n}")
    wait_for((h.workspace() / "began").exists, what="job")
    return key, lambda: None


def step_file(h, w, n, pids):
    """A file is being read."""
    (h.workspace() / "note.txt").write_text("NOTE\n")
    os.chmod(h.workspace() / "note.txt", 0o644)
    h.pause(pids["files/main"])
    key = w.send(f"tool file {n}")
    w.wait_event("tool", key)
    return key, lambda: h.go_on(pids["files/main"])


def step_call(h, w, n, pids):
    """The call waits for the tool monitor."""
    h.pause(pids["toold/main"])
    key = w.send(f"tool job {n}")
    w.wait_event("tool", key)
    return key, lambda: h.go_on(pids["toold/main"])


def step_spawn(h, w, n, pids):
    """The job waits for the jailer."""
    h.pause(pids["jailer/main"])
    key = w.send(f"tool job {n}")
    w.wait_event("tool", key)
    time.sleep(0.05)
    return key, lambda: h.go_on(pids["jailer/main"])


STEPS = [step_think, step_call, step_spawn, step_job, step_file]


def lines(h, name):
    p = h.workspace() / name
    return len(p.read_text().splitlines()) if p.exists() else 0


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.__name__)
def test_R07_R08_R14_kill_each_role(make_house, step):
    h = make_house(mode=modes()[-1], telegram=False)
    w = h.web()
    bad = []
    w.wait_end(w.send("quick warm"))
    roles = [r for r in ROLES if not r.startswith("channeld")]
    for i, role in enumerate(roles):
        for f in ("began", "ended"):
            (h.workspace() / f).unlink(missing_ok=True)
        pids = h.pids()
        w.wait_up()
        breaks = w.breaks
        other = w.send(f"slow other {i}", "agent:b:main")
        beside = w.send(f"slow beside {i}", "side")
        w.wait_event("assistant", other)
        w.wait_event("assistant", beside)
        key, release = step(h, w, i, pids)
        os.kill(pids[role], signal.SIGKILL)
        release()
        for k in (key, other, beside):
            w.wait_end(k)
        h.revived(role, pids[role])
        if w.breaks != breaks and role != "router":
            bad.append(f"{role}: the web client lost its connection")
        for k, text in ((other, "other"), (beside, "beside")):
            told = w.told(k)
            if told != [("final", f"done slow {text} {i}")] and not (
                    role == "router" and w.repeats.get(k)) and not (
                    role == AGENT and k == beside and len(told) == 1 and
                    told[0][0] == "error" and "interrupted" in told[0][1]):
                bad.append(f"{role}: {text} was disturbed: {told}")
        told = w.told(key)
        if len(told) + len(w.repeats.get(key, [])) != 1:
            bad.append(f"{role}: told {told} {w.repeats.get(key)}")
        elif told and told[0][0] == "error":
            if role != AGENT or "interrupted" not in told[0][1]:
                bad.append(f"{role}: {told}")
        elif told and role not in TOOLS and not (
                "OUT" in told[0][1] or "NOTE" in told[0][1]):
            bad.append(f"{role}: the tool's result was lost: {told}")
        # a job that was cut off is not to go on by itself
        time.sleep(0.05)
        if lines(h, "began") > 1 or lines(h, "ended") > 1:
            bad.append(f"{role}: the command ran twice")
        hist = h.history("main")
        word = step.__name__[5:]
        text = [t for t in (f"tool think {i}", f"tool job {i}",
                            f"tool file {i}") if said(hist, "user", t)]
        if len(text) != 1 or said(hist, "user", text[0]) != 1:
            bad.append(f"{role}: {word}: question kept {text}: "
                       f"{json.dumps(hist)[-4000:]}")
    k = w.send("quick last")
    w.wait_end(k)
    if w.told(k) != [("final", "done quick last")]:
        bad.append(f"afterwards: {w.told(k)}")
    assert not bad, "\n".join(bad)
