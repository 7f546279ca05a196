# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A gateway in the foreground of a terminal."""
import fcntl
import os
import re
import select
import signal
import subprocess
import termios
import time

import pytest
from gateway import Gateway, modes, wait_for


class Terminal(Gateway):
    """Started on a terminal of its own; show: what it prints is there, and not
    in the file."""

    def __init__(self, show=False, nohup=False, shell=False, **kw):
        self.show, self.nohup, self.shell = show, nohup, shell
        self.master, self.seen = None, ""
        super().__init__(**kw)
        del self.token              # it makes its own

    def environ(self):
        self.token = ""
        env = super().environ()
        del env["OPENCLAW_GATEWAY_TOKEN"]
        return env

    def popen(self, cmd, **kw):
        self.master, slave = os.openpty()

        def lead():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            if self.nohup:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if self.shell:
            cmd = ["sh", "-c", '"$@"; true', "sh", *cmd]
        if self.show:
            kw["stdout"] = slave
        try:
            return subprocess.Popen(cmd, stdin=slave, preexec_fn=lead, **kw)
        finally:
            os.close(slave)

    def line(self, pattern):
        """The next line of the terminal like that."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            m = re.search(pattern, self.seen)
            if m:
                self.seen = self.seen[m.end():]
                return m
            if select.select([self.master], [], [], 1)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        raise AssertionError(f"no {pattern}: {self.seen}")

    def hang_up(self):
        os.close(self.master)
        self.master = None

    def close(self):
        if self.master is not None:
            self.hang_up()
        super().close()


@pytest.fixture(params=modes())
def terminal(request):
    made = []

    def make(**kw):
        gw = Terminal(mode=request.param, **kw)
        made.append(gw)
        return gw
    yield make
    for gw in made:
        gw.close()


def reloads(gw):
    return gw.output().count("reload: generation")


def test_the_address_is_shown_after_a_restart_too(terminal):
    gw = terminal(show=True)
    gw.start(wait=False)
    shown = r"open (http://127\.0\.0\.1:%d/#token=[0-9a-f]{48})\r?\n" % gw.port
    first = gw.line(shown)[1]
    for _ in range(2):
        gw.call("gateway.restart")
        assert gw.line(shown)[1] == first
    gw.stop()
    assert gw.proc.returncode == 0


@pytest.mark.parametrize("shell", [False, True], ids=["alone", "below-a-shell"])
def test_closing_the_terminal_ends_it(terminal, shell):
    gw = terminal(shell=shell)
    gw.start()
    kids = [p for p in gw.children() if p != gw.proc.pid]
    gw.hang_up()
    gw.proc.wait(60)
    # below a shell that has ended, nobody waits for it
    wait_for(lambda: not [p for p in kids if os.path.exists(f"/proc/{p}")],
             what="the end of all")
    assert "the terminal is closed" in gw.output() and "stopping" in gw.output()
    assert shell or gw.proc.returncode == 0
    assert reloads(gw) == 0


def test_a_signal_still_reloads(terminal):
    gw = terminal()
    gw.start()
    gw.proc.send_signal(signal.SIGHUP)
    wait_for(lambda: reloads(gw) == 1, what="the reload")
    assert gw.call("health")["ok"] and gw.proc.poll() is None


def test_nohup_outlives_the_terminal(terminal):
    gw = terminal(nohup=True)
    gw.start()
    gw.hang_up()
    wait_for(lambda: reloads(gw) == 1, what="the signal")
    assert gw.call("health")["ok"] and gw.proc.poll() is None
