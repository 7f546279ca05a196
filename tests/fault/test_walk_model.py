# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Kill every process at every step of a call to a provider over the network.

Before anything of the answer was shown the call is made again; after that the
turn ends with an error, once.  Another agent with another model goes on.
"""
import os
import signal
import time

import pytest
from anthropic import Anthropic
from faultrig import AGENT, ROLES, said
from gateway import wait_for

MODELD = "modeld/anthropic:default"


def more(fake):
    return {"agents": {
        "defaults": {"model": {"primary": "anthropic/m"}},
        "list": [{"id": "main", "default": True},
                 {"id": "b", "model": "builtin/script"}]},
        "models": {"builtin": {"script": SCRIPT}, "providers": {"anthropic": {
            "baseUrl": fake.origin, "apiKey": fake.key,
            "api": "anthropic-messages",
            "models": [{"id": "m", "name": "M"}]}}}}


SCRIPT = r'''
@on user~"slow"
  text "done "
  pause 600ms
  text "{{user}}"
'''


def step_connect(h, w, fake, pids, text):
    """modeld waits for its connection."""
    h.pause(pids["connect"])
    key = w.send(text)
    w.wait_event("lifecycle", key)
    time.sleep(0.05)
    return key, lambda: h.go_on(pids["connect"])


def step_request(h, w, fake, pids, text):
    """modeld has the request and has not sent it."""
    h.pause(pids[MODELD])
    key = w.send(text)
    w.wait_event("lifecycle", key)
    time.sleep(0.05)
    return key, lambda: h.go_on(pids[MODELD])


def step_head(h, w, fake, pids, text):
    """The provider has the request and has not answered."""
    n = len(fake.requests)
    fake.held = True
    fake.answer(hold=True, text="done " + text)
    key = w.send(text)
    wait_for(lambda: len(fake.requests) > n, what="request")
    return key, fake.release


def step_stream(h, w, fake, pids, text):
    """Text streams."""
    fake.held = True
    fake.answer(text="done " + " ".join("word%d" % i for i in range(6)) +
                " " + text, hold_at=6)
    key = w.send(text)
    w.wait_event("assistant", key)
    return key, fake.release


@pytest.mark.parametrize("step", [step_connect, step_request, step_head,
                                  step_stream], ids=lambda s: s.__name__)
def test_R07_R08_R14_kill_each_role(make_house, step):
    fake = Anthropic(redact=True).start()
    try:
        h = make_house(telegram=False, config_more=more(fake))
        w, v = h.web(), h.web()
        bad = []
        for i, role in enumerate([MODELD] + ROLES):
            if role.startswith("channeld"):
                continue
            pids = h.pids()
            w.wait_up(), v.wait_up()
            breaks, asked = w.breaks + v.breaks, len(fake.requests)
            text = f"question {role}"
            other = v.send(f"slow other {i}", "agent:b:main")
            v.wait_event("assistant", other)
            key, release = step(h, w, fake, pids, text)
            os.kill(pids[role], signal.SIGKILL)
            release()
            w.wait_end(key)
            v.wait_end(other)
            h.revived(role, pids[role])
            fake.script.clear()
            told = w.told(key)
            broke = role == AGENT or (role == MODELD and step is step_stream)
            if w.breaks + v.breaks != breaks and role != "router":
                bad.append(f"{role}: a client lost its connection")
            if len(told) + len(w.repeats.get(key, [])) != 1:
                bad.append(f"{role}: told {told} {w.repeats.get(key)}")
            elif told and told[0][0] != "final" and not broke:
                bad.append(f"{role}: {told}")
            elif told and told[0][0] == "final" and text not in told[0][1]:
                bad.append(f"{role}: {told}")
            if said(h.history("main"), "user", text) != 1:
                bad.append(f"{role}: question in the history")
            if len(fake.requests) - asked > 1 + (role in (AGENT, MODELD)):
                bad.append(f"{role}: {len(fake.requests) - asked} requests")
            if v.told(other) != [("final", f"done slow other {i}")] and not (
                    role == "router" and v.repeats.get(other)):
                bad.append(f"{role}: other turn: {v.told(other)}")
        assert not bad, "\n".join(bad)
        assert not fake.violations, fake.violations
    finally:
        fake.stop()
