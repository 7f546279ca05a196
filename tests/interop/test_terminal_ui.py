# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""OpenClaw's own terminal UI, in tmux: it connects, answers come, commands
change the session, and it comes back after a restart of the gateway."""
import re
import shutil
import subprocess
import time

import pytest
from clients import OLD, OpenClaw
from gateway import wait_for


class Screen:
    """One program in a terminal of its own tmux server."""

    def __init__(self, claw, *args):
        self.socket = str(claw.home / "tmux")
        self.tmux("new-session", "-d", "-x", "100", "-y", "40",
                  "env", "-i", *(f"{k}={v}" for k, v in claw.environ().items()),
                  "TERM=xterm-256color", *claw.command(*args))

    def tmux(self, *args):
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *args],
                              capture_output=True, text=True, timeout=60).stdout

    def text(self):
        return self.tmux("capture-pane", "-p", "-S", "-200")

    def keys(self, text):
        self.tmux("send-keys", "-l", text)
        self.until(re.escape(text))
        # One may go to the list of what could have been meant, or come before
        # the text has been looked at: until the line between the rules is empty.
        def sent():
            self.tmux("send-keys", "Enter")
            time.sleep(0.5)
            return not re.search(r"─{20,}\s*" + re.escape(text) + r"\s*─{20,}", self.text())
        wait_for(sent, 120, f"{text!r} is sent")

    def until(self, pattern, timeout=180):
        try:
            return wait_for(lambda: re.search(pattern, self.text(), re.S), timeout)
        except AssertionError:
            raise AssertionError(f"never shown: {pattern}\n{self.text()}") from None

    def close(self):
        self.tmux("kill-server")


@pytest.fixture(scope="module")
def screen(gw):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    claw = OpenClaw(OLD, gw)
    s = Screen(claw, "tui")
    yield s
    s.close()
    claw.close()


def test_connects(screen):
    screen.until(r"gateway connected")
    screen.until(r"agent main")


def test_answers(screen):
    screen.keys("are you there?")
    screen.until(r"You said: .*are you there\?")


def test_commands(screen, gw):
    screen.keys("/status")
    screen.until(r"(?i)gateway status")
    screen.keys("/think low")
    wait_for(lambda: gw.call("sessions.list")["sessions"][0].get("thinkingLevel") == "low",
             what="the session has it")


def test_reconnects(screen, gw):
    gw.stop()
    screen.until(r"(?i)disconnected")
    gw.start()
    screen.until(r"(?i)gateway reconnected")
    screen.keys("and now?")
    screen.until(r"You said: .*and now\?")
