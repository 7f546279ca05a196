# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Random processes killed at random moments under load from both sides."""
import os
import random
import signal
import time

import pytest
from faultrig import INTERRUPTED, ROLES, UNSURE, said
from gateway import modes

KILLS = 3       # of each role


@pytest.mark.parametrize("mode", modes())
def test_R07_R08_R14_killed_at_random(make_house, mode):
    seed = os.environ.get("GW_SEED") or str(time.time_ns())
    print("GW_SEED=" + seed)
    rnd = random.Random(seed)
    h = make_house(mode=mode)
    f, w = h.fake, h.web()
    order = ROLES * KILLS
    rnd.shuffle(order)
    chats, keys = {}, {}
    n = 0
    for role in order:
        for _ in range(rnd.randrange(1, 4)):
            text = f"{rnd.choice(['quick', 'slow'])} m{n}"
            if rnd.random() < 0.5:
                chats[300 + n] = text
                f.message(300 + n, text)
            else:
                keys[w.send(text, f"agent:{rnd.choice(['main', 'b'])}:s{n}")] \
                    = (text, n)
            n += 1
        time.sleep(rnd.random() * 0.3)
        rows = h.try_processes()
        pid = rows[role]["pid"] if rows else 0
        if pid > 1:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    f.wait(lambda: all(f.texts(c) for c in chats), 240, "an answer to each")
    w.wait(lambda w: not w.wanted, 240, "an end of each turn")
    h.settled()
    time.sleep(1)
    bad = []
    for c, text in chats.items():
        got = f.texts(c)
        answers = got.count(f"done {text}")
        notices = [t for t in got if INTERRUPTED in t or UNSURE in t]
        if answers > 1 or answers + len(notices) != len(got) or not got or \
                sum(INTERRUPTED in t for t in got) > 1 or \
                sum(UNSURE in t for t in got) > 3:
            bad.append(f"{text}: {got}")
    for key, (text, i) in keys.items():
        told = w.told(key)
        if len(told) > 1 or len(told) + len(w.repeats.get(key, [])) == 0:
            bad.append(f"{text}: told {told} {w.repeats.get(key)}")
        params = [k for k in ("main", "b")
                  if said(h.history(f"agent:{k}:s{i}"), "user", text)]
        if len(params) != 1:
            bad.append(f"{text}: kept in {params}")
        else:
            hist = h.history(f"agent:{params[0]}:s{i}")
            if said(hist, "user", text) != 1 or \
                    said(hist, "assistant", f"done {text}") > 1:
                bad.append(f"{text}: {hist}")
    assert not bad, "\n".join(bad)
