# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A worker program that misbehaves, under the real supervisor: it alone is
ended, waits longer than one that crashed, and is held in the end."""
import shutil

import pytest
from faultrig import House
from gateway import BIN, passable, wait_for

HOSTILE = BIN.resolve().parent / "tests/fault/hostile_worker"
HOW = ["ctl", "noise", "seq", "peer", "mute"]


@pytest.mark.skipif(not HOSTILE.exists(), reason="make helper-bins first")
def test_R14_violation_ends_that_worker_only(tmp_path):
    lib = tmp_path / "lib"
    lib.mkdir()
    for p in BIN.iterdir():
        shutil.copy(p, lib / p.name)
    shutil.copy(HOSTILE, lib / "toold-files")
    passable(lib)
    h = House(telegram=False, args=["-l", str(lib)], config_more={
        "agents": {"defaults": {"model": {"primary": "builtin/script"}},
                   "list": [{"id": "main", "default": True}] +
                   [{"id": i} for i in HOW]}})
    try:
        h.start()
        w = h.web()
        before = {n: r["pid"] for n, r in h.processes().items()}

        def ended(name):
            return f"files/{name}: killed: " in h.output()
        wait_for(lambda: all(ended(i) for i in HOW), 120,
                 "each to be ended: " + h.output())
        for i in HOW:
            k = w.send("quick here", f"agent:{i}:main")
            w.wait_end(k)
            assert w.told(k) == [("final", "done quick here")]
        now = {n: r["pid"] for n, r in h.processes().items()}
        changed = {n for n in before if before[n] != now[n]}
        assert changed <= {f"files/{i}" for i in HOW}, h.output()
        wait_for(lambda: h.processes()["files/ctl"]["state"] == "held", 120,
                 "the third time: " + h.output())
        out = h.output()
        assert "files/ctl: killed: message 0020 to the parent" in out
        assert "saw message 000c" in out        # reported by its siblings
        assert "files/mute: killed: not READY in time" in out
        assert w.breaks == 0
    finally:
        h.close()
