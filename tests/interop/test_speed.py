# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The figures of SPECIFICATION.md that a client sees, beside those of the real
OpenClaw on this machine, by the same load.  Printed, not judged: they depend on
the machine and on what else it does."""
import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest
from clients import OLD, OpenClaw
from gateway import ROOT, Gateway, free_port, modes, wait_for

sys.path.insert(0, str(ROOT / "tests/bench"))

from running import LOAD, Crowd  # noqa: E402


class Real:
    """The gateway of the release, with what it needs to start and no more."""

    def __init__(self):
        self.port, self.token = free_port(), "interop-token"
        self.url = f"ws://127.0.0.1:{self.port}"
        self.claw = OpenClaw(OLD, self)
        (self.claw.home / ".openclaw/openclaw.json").write_text(
            '{"gateway":{"mode":"local","port":%d,"auth":{"token":"%s"}}}' %
            (self.port, self.token))
        self.out = open(self.claw.home / "out", "wb")
        self.p = subprocess.Popen(
            self.claw.command("gateway", "run"),
            env=dict(self.claw.environ(), OPENCLAW_SKIP_CHANNELS="1", OPENCLAW_SKIP_CRON="1",
                     OPENCLAW_SKIP_CANVAS_HOST="1", OPENCLAW_DISABLE_BONJOUR="1"),
            cwd=self.claw.home, stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out,
            start_new_session=True)

    def ready(self):
        def up():
            assert self.p.poll() is None, (self.claw.home / "out").read_text()[-2000:]
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for(up, 300, "the real gateway")
        return self

    def close(self):
        self.p.terminate()
        self.p.wait(120)
        self.out.close()
        self.claw.close()


def ask(gw, *args):
    r = subprocess.run([str(LOAD), str(gw.port), gw.token, *map(str, args)],
                       capture_output=True, text=True, timeout=300)
    assert r.returncode == 0, r.stderr[-500:]
    return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", r.stdout)}


def figures(gw):
    crowd = Crowd(gw, 1000)
    try:
        return {"answers from state over 50 sockets, /s":
                ask(gw, "state", 50, 4, 32)["per_second"],
                "config.get, /s": ask(gw, "config", 1, 4, 1)["per_second"],
                "clients connected": crowd.connected,
                "seconds it took": round(crowd.seconds, 2)}
    finally:
        crowd.close()


def test_speed():
    if not os.access(LOAD, os.X_OK):
        pytest.skip(f"{pathlib.Path(LOAD).name} is not built; make helper-bins")
    ours, real = Gateway(mode=modes()[0]), Real()
    try:
        there = figures(real.ready())
        ours.start()
        here = figures(ours)
    finally:
        ours.close()
        real.close()
    for name in here:
        print(f"{name}: {here[name]} here, {there[name]} OpenClaw {OLD}")
    assert here["clients connected"] == 1000
