# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Control groups (version 2) for tests, on hosts that let us make some."""
import os
import pathlib
import uuid

import gateway as gw

NEED = {"memory", "pids"}
# What is asked of commands in groups; answers that take as long as they take.
# They sleep longer than any test waits for their end.
SCRIPT = r'''
@on user~"sleep"
  call exec {"command":"sleep 86400 | sleep 86400", "yieldMs": 100}
@on user~"eat"
  call exec {"command":"(head -c 240M /dev/zero > /tmp/f); sleep 86400", "yieldMs": 120000}
@on user~"bomb"
  call exec {"command":"(while :; do sleep 86400 & done) 2>/dev/null; sleep 86400", "yieldMs": 100}
@on user~"work"
  call exec {"command":"echo made", "yieldMs": 120000}
@on result exec
  text "ran: {{result.text}}"
'''
CONFIG = {"agents": {"defaults": {"model": {"primary": "builtin/script"}},
                     "list": [{"id": "main", "default": True}]},
          "tools": {"exec": {"security": "full"}},
          "models": {"builtin": {"script": SCRIPT}}}


def top():
    """The folder below which a group that we make gets the controllers, and
    why there is none."""
    for p in map(pathlib.Path, ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")):
        if not (p / "cgroup.controllers").exists():
            continue
        if os.geteuid() != 0:
            return None, "only root can make a group below " + str(p)
        if not os.access(p / "cgroup.procs", os.W_OK):
            return None, f"{p} cannot be written to"
        lost = NEED - set((p / "cgroup.subtree_control").read_text().split())
        if lost:
            return None, f"{p} does not give the controllers {' '.join(sorted(lost))}"
        return p, None
    return None, "this host has no cgroup v2"


class Group:
    """One that is ours, as systemd would give it to a unit with Delegate=yes."""

    def __init__(self):
        self.path = top()[0] / f"gwtest-{uuid.uuid4().hex[:8]}"
        self.path.mkdir()
        os.setxattr(self.path, "trusted.delegate", b"1")

    def split(self):
        """A part for what is tested; who starts it goes to `driver`, as a group
        that gives controllers away may hold no process itself."""
        main = self.path / "main"
        main.mkdir()
        (self.path / "driver").mkdir()
        have = set((self.path / "cgroup.controllers").read_text().split()) & {*NEED, "cpu"}
        (self.path / "cgroup.subtree_control").write_text(" ".join("+" + c for c in have))
        return main

    def enter(self, part):
        """Of the child, before it becomes what is tested."""
        (part / "cgroup.procs").write_text("0")

    def give(self, part, uid):
        """As the supervisor hands it to a jailer."""
        for f in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
            os.chown(part / f, uid, uid)

    def close(self):
        """Whatever is left in it is ended; what was left: names below."""
        below = sorted(p for p in self.path.rglob("*") if p.is_dir())
        (self.path / "cgroup.kill").write_text("1")
        for p in [*reversed(below), self.path]:
            gw.wait_for(lambda: "populated 0" in (p / "cgroup.events").read_text(), 60, str(p))
            p.rmdir()
        return [str(p.relative_to(self.path)) for p in below]


def keys(path):
    """A file of lines of `name number`."""
    return {k: int(v) for k, v in map(str.split, path.read_text().splitlines())}


def pids(group):
    return [int(p) for p in (group / "cgroup.procs").read_text().split()]
