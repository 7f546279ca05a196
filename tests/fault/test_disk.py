# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A state folder without room, or that cannot be written (R15): said, new work
refused with a reason, nothing lost that was accepted, all well when there is
room again.  The disk is a small tmpfs in a mount namespace of its own."""
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from faultrig import House
from gateway import NOBODY, RpcError, modes, wait_for

MOUNT = ('mount -t tmpfs -o "$1" none "$2" && if [ -n "$3" ]; then '
         'mount -o remount,ro "$2"; fi; shift 3; exec "$@"')


def can_mount():
    return os.geteuid() == 0 and shutil.which("unshare") and subprocess.run(
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"],
        stderr=subprocess.DEVNULL).returncode == 0


pytestmark = pytest.mark.skipif(not can_mount(),
                                reason="needs root and mount namespaces")


class DiskHouse(House):
    """Its state folder is a tmpfs that this test sees through /proc."""

    def __init__(self, size="6m", ro=False, **kw):
        self.size, self.ro = size, ro
        super().__init__(**kw)
        text = self.config_path.read_text()
        self.mountpoint = self.state
        self.config_path = self.dir / "openclaw.json"
        self.write_config(text)

    def command(self):
        uid = NOBODY if self.drop else 0
        opt = f"size={self.size},mode=0755,uid={uid},gid={uid}"
        self.state = self.mountpoint
        cmd = ["unshare", "-m", "--propagation", "private", "sh", "-c", MOUNT,
               "sh", opt, str(self.state), "ro" if self.ro else "",
               *super().command()]
        return cmd

    def start(self, wait=True):
        super().start(wait=False)
        root = type(self.dir)(f"/proc/{self.proc.pid}/root")
        self.state = root / str(self.mountpoint).lstrip("/")
        if wait:
            self.wait_ready()
        return self

    def fill(self):
        """Takes all room that there is, to the last page."""
        with open(self.state / "filler", "ab", buffering=0) as f:
            for n in (1 << 16, 4096):
                try:
                    while True:
                        f.write(b"\0" * n)
                except OSError:
                    pass

    def room(self):
        os.unlink(self.state / "filler")


@pytest.fixture
def disk():
    made = []

    def make(**kw):
        h = DiskHouse(**kw)
        made.append(h)
        return h
    yield make
    for h in made:
        h.close()


def refused(h, n=200):
    """Asks until the gateway refuses; its words, and the keys it accepted."""
    accepted = []
    for i in range(n):
        key = f"key-{i}"
        try:
            h.call("chat.send", {"sessionKey": "agent:b:full",
                                 "message": f"quick {i} " + "x" * 20000,
                                 "idempotencyKey": key})
            accepted.append(key)
            time.sleep(0.02)
        except RpcError as e:
            assert e.code == "UNAVAILABLE", e
            return e.message, accepted
    raise AssertionError("a full disk refuses nothing")


@pytest.mark.parametrize("mode", modes())
def test_R15_disk_full(disk, mode):
    h = disk(mode=mode).start()
    f, w = h.fake, h.web()
    f.message(7, "quick before")
    f.wait(lambda: f.texts(7) == ["done quick before"])
    before = h.pids()
    f.message(9, "slow during")
    mine = w.send("slow mine")
    w.wait_event("assistant", mine)
    f.wait(lambda: any(a[1] == 9 for a in f.actions), what="typing")
    h.fill()
    why, accepted = refused(h)
    assert "cannot be written" in why or "No space" in why, why
    h.fill()
    # what comes from outside waits there or in the journal
    for i in range(5):
        f.message(20 + i, f"quick waiting {i}")
    t = time.monotonic()
    while time.monotonic() < t + 2:
        assert h.call("health")["ok"]
        assert set(h.pids().values()) == set(before.values())
        time.sleep(0.05)
    def told():
        text = json.dumps(h.call("channels.status")) + h.logs()
        return "disk is full" in text or "cannot be written" in text
    wait_for(told, what="a word about it")
    h.room()
    f.wait(lambda: all(f.texts(20 + i) for i in range(5)), 120, "waiting ones")
    f.wait(lambda: f.texts(9), 120, "the one that was under way")
    w.wait_end(mine)
    k = w.send("quick after")
    w.wait_end(k)
    time.sleep(0.5)
    assert w.told(k) == [("final", "done quick after")]
    assert len(w.told(mine)) == 1, w.told(mine)
    for i in range(5):
        assert f.texts(20 + i) == [f"done quick waiting {i}"]
    assert len(f.texts(9)) == 1, f.texts(9)
    assert h.pids() == before and w.breaks == 0
    # every accepted one has an end, which its key still tells
    c = h.control()
    for key in accepted:
        r = c.call("agent.wait", {"runId": key, "timeoutMs": 50000})
        assert r["status"] in ("ok", "error"), (key, r)
    c.close()


def test_R15_disk_full_and_everything_killed(disk):
    """Full, and every process starts anew: no crash loop, nothing lost."""
    h = disk().start()
    f, w = h.fake, h.web()
    f.message(7, "quick before")
    f.wait(lambda: f.texts(7))
    h.delivered()
    h.fill()
    before = h.pids()
    for name, pid in before.items():
        if name != "gatewayd":
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass            # it went with one that it depends on
    for i in range(5):
        f.message(20 + i, f"quick waiting {i}")
    h.revived("router", before["router"])
    time.sleep(2)
    restarts = {n: r["restarts"] for n, r in h.processes().items()}
    assert max(restarts.values()) <= 5, restarts
    h.room()
    f.wait(lambda: all(f.texts(20 + i) for i in range(5)), 60, "waiting ones")
    time.sleep(0.3)
    assert f.texts(7) == ["done quick before"]
    for i in range(5):
        assert f.texts(20 + i) == [f"done quick waiting {i}"]
    h.settled()


def test_R15_full_from_the_start(disk):
    """Nothing can be stored at all, not even a line of the log: it is said on
    standard error, and work is refused with the reason."""
    h = disk(size="4k").start()
    with pytest.raises(RpcError) as e:
        h.call("chat.send", {"sessionKey": "main", "message": "quick",
                             "idempotencyKey": "a"})
    assert e.value.code == "UNAVAILABLE"
    assert "No space left" in e.value.message, e.value
    wait_for(lambda: re.search(r"log: \d+ lines lost: No space", h.output()),
             60, "a word about it")
    assert h.call("health")["ok"]
    assert all(r["restarts"] == 0 for r in h.processes().values())


def test_R15_read_only_state(disk):
    """A state folder that cannot be written: refused at once, by name."""
    h = disk(ro=True)
    h.start(wait=False)
    try:
        h.proc.wait(60)
    except subprocess.TimeoutExpired:
        raise AssertionError("it goes on:\n" + h.output()) from None
    assert h.proc.returncode != 0
    assert "Read-only file system" in h.output(), h.output()
    assert str(h.mountpoint) in h.output(), h.output()
