# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Kill every process at every step between a web client's connect() and its
answer.

The client comes back as a client does and asks again under the same key: it
has one answer, and the conversation has its question once and the answer
once.  A client that was in before is disturbed by the router's end only.
"""
import os
import signal
import time

import pytest
from faultrig import AGENT, ROLES, said
from frontrig import Closed, Ws, connect_params
from gateway import modes


class Steps:
    """One connection, made step by step; `kill` is called at the chosen."""

    def __init__(self, h, at, kill):
        self.h, self.at, self.kill = h, at, kill

    def here(self, step):
        if step == self.at:
            self.kill()

    def login(self):
        w = Ws(self.h, timeout=60)
        try:
            self.here("tcp")
            assert w.upgrade()[0] == 101
            m = w.recv()
            assert m["event"] == "connect.challenge"
            self.here("challenge")
            w.req("connect", connect_params(auth={"token": self.h.token}))
            self.here("auth")
            m = w.recv()
            assert m["ok"], m
            return w
        except BaseException:
            w.close()
            raise


@pytest.mark.parametrize("at", ["tcp", "challenge", "auth"])
def test_R14_kill_each_role_before_login(make_house, at):
    """Half-made connections end or go on; a new one is served, one that was
    in before notices nothing."""
    h = make_house(mode=modes()[-1], telegram=False)
    w = h.web()
    bad = []
    for role in ROLES:
        if role.startswith("channeld"):
            continue
        pids = h.pids()
        w.wait_up()
        breaks = w.breaks
        other = w.send("slow other", "agent:b:main")
        w.wait_event("assistant", other)
        if at == "auth":
            h.pause(pids["store"])      # the verdict waits

        def kill():
            os.kill(pids[role], signal.SIGKILL)
            if at == "auth":
                h.go_on(pids["store"])
        try:
            Steps(h, at, kill).login().close()
        except (Closed, OSError, AssertionError) as e:
            if role not in ("front", "router", "store"):
                bad.append(f"{role}: connection lost: {e!r}")
        w.wait_end(other)
        h.revived(role, pids[role])
        Steps(h, None, None).login().close()
        if w.breaks != breaks and role != "router":
            bad.append(f"{role}: the other client lost its connection")
        if len(w.told(other)) != 1 and not w.repeats.get(other):
            bad.append(f"{role}: other turn: {w.told(other)}")
    assert not bad, "\n".join(bad)


def step_request(h, w, text, pids):
    """The request is sent; the agent has not read it."""
    h.pause(pids[AGENT])
    key = w.send(text)
    time.sleep(0.05)
    return key, lambda: h.go_on(pids[AGENT])


def step_router(h, w, text, pids):
    """The request is sent; the router has not read it."""
    h.pause(pids["router"])
    key = w.send(text)
    return key, lambda: h.go_on(pids["router"])


def step_stream(h, w, text, pids):
    """Text streams."""
    key = w.send(text)
    w.wait_event("assistant", key)
    return key, lambda: None


def step_end(h, w, text, pids):
    """The answer is complete."""
    key = w.send(text)
    w.wait_end(key)
    return key, lambda: None


@pytest.mark.parametrize("step", [step_router, step_request, step_stream,
                                  step_end], ids=lambda s: s.__name__)
def test_R07_R08_R14_kill_each_role(make_house, step):
    h = make_house(mode=modes()[0], telegram=False)
    w, v = h.web(), h.web()
    bad = []
    for i, role in enumerate(ROLES):
        if role.startswith("channeld"):
            continue
        pids = h.pids()
        w.wait_up()
        v.wait_up()
        breaks = w.breaks + v.breaks
        text = f"slow {role}"
        other = v.send(f"slow other {i}", "agent:b:main")
        v.wait_event("assistant", other)
        key, release = step(h, w, text, pids)
        os.kill(pids[role], signal.SIGKILL)
        release()
        w.wait_end(key)
        v.wait_end(other)
        h.revived(role, pids[role])
        time.sleep(0.05)
        if w.breaks + v.breaks != breaks and role != "router":
            bad.append(f"{role}: a client lost its connection")
        hist = h.history("main")
        asked = said(hist, "user", text)
        answered = said(hist, "assistant", f"done {text}")
        told = w.told(key)
        if asked != 1 or answered > 1 or (answered == 0 and role != AGENT):
            bad.append(f"{role}: asked {asked}, answered {answered}: {told}")
        if len(told) + len(w.repeats.get(key, [])) != 1 and not (
                len(told) == 1 and role == "router"):
            bad.append(f"{role}: told {told}, repeats {w.repeats.get(key)}")
        if told and told[0][0] == "error" and (
                role != AGENT or "interrupted" not in told[0][1]):
            bad.append(f"{role}: {told}")
        if v.told(other) != [("final", f"done slow other {i}")] and not (
                role == "router" and v.repeats.get(other)):
            bad.append(f"{role}: other turn: {v.told(other)}")
    assert not bad, "\n".join(bad)
