# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What README.md promises to somebody who has just cloned it: `make run` at a
terminal ends with an address, and that address is all it takes to have a
conversation with a tool call.  (Only the packages are not installed here.)"""
import asyncio
import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time
import urllib.request

import pytest
from gateway import BIN, ROOT, Client, free_port

VARIANT = BIN.resolve().parent.name


class Terminal:
    """A program with a terminal of its own."""

    def __init__(self, argv, env):
        self.fd, far = pty.openpty()
        self.text = ""
        self.p = subprocess.Popen(argv, env=env, cwd=ROOT, stdin=far, stdout=far, stderr=far,
                                  start_new_session=True, preexec_fn=lambda: fcntl.ioctl(
                                      0, termios.TIOCSCTTY, 0))
        os.close(far)

    def read(self):
        """What comes next; "" when the last process has let go of it."""
        if not select.select([self.fd], [], [], 0.1)[0]:
            return None
        try:
            new = os.read(self.fd, 65536).decode(errors="replace")
        except OSError:
            new = ""
        self.text += new
        return new

    def until(self, pattern, timeout=300):
        end = time.monotonic() + timeout
        while not (m := re.search(pattern, self.text)):
            assert self.read() != "" and time.monotonic() < end, self.text
        return m

    def end(self, timeout=180):
        """Ctrl-C, as a person would."""
        os.write(self.fd, b"\x03")
        end = time.monotonic() + timeout
        while self.read() != "":
            assert time.monotonic() < end, self.text
        self.p.wait(timeout)
        os.close(self.fd)


def test_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert re.findall(r"^    (make \w+)", text, re.M) == ["make run", "make check"]
    rules = (ROOT / "Makefile").read_text()
    assert "\nrun: packages-run\n\t@$(MAKE) --no-print-directory build-run\n" in rules


def test_make_run_is_all_it_takes(tmp_path):
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "OPENCLAW"))}
    env |= {"HOME": str(tmp_path), "OPENCLAW_STATE_DIR": str(tmp_path / "s"),
            "OPENCLAW_GATEWAY_PORT": str(port), "TERM": "dumb"}
    (tmp_path / "s").mkdir()
    t = Terminal(["make", "--no-print-directory", "build-run", f"VARIANT={VARIANT}"], env)
    try:
        m = t.until(r"open (http://127\.0\.0\.1:%d/)#token=(\S+)" % port)
        with urllib.request.urlopen(m[1], timeout=180) as r:
            assert r.status == 200 and b"<script" in r.read()

        async def talk():
            async with Client(m[1].replace("http", "ws"), m[2]) as c:
                assert await c.chat("what can you do?")
                await c.chat("what time is it?")
                tools = [e["payload"]["data"] for e in c.events if e["event"] == "agent" and
                         e["payload"]["stream"] == "tool"]
                assert {d["phase"] for d in tools} >= {"start", "result"}
                assert not any(d.get("isError") for d in tools)
        asyncio.run(talk())
    finally:
        t.end()
    assert "ended" in t.text
    with pytest.raises(OSError):
        urllib.request.urlopen(m[1], timeout=5)
    # what was said stays out of the logs, and so does the token
    logs = "".join(p.read_text(errors="replace") for p in (tmp_path / "s").rglob("*.log"))
    assert m[2] not in logs and "what can you do?" not in logs
