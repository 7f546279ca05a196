# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Which files the gateway runs as programs, and what it says when one of its
own cannot be run."""
import asyncio
import os
import shutil

import pytest

import gateway as gw


@pytest.fixture
def place():
    """A folder that every user can reach, with all programs in bin/."""
    g = gw.Gateway()            # only for its folder
    g.dir.chmod(0o755)
    d = g.dir / "bin"
    d.mkdir(mode=0o755)
    for p in gw.BIN.iterdir():
        shutil.copy(p, d)
    yield d
    g.close()


def refused(place, mode):
    """A start that cannot succeed: what was printed."""
    g = gw.Gateway(mode=mode, args=["-l", str(place)])
    try:
        g.start(wait=False)
        assert g.proc.wait(60) == 78
        return g.output()
    finally:
        g.close()


@pytest.mark.parametrize("mode", gw.modes())
def test_a_reader_that_cannot_be_run_is_named(place, mode):
    reader = place / "gatewayd-config"
    reader.unlink()
    out = refused(place, mode)
    assert f"could not be started: {reader}: No such file or directory" in out
    assert "exited with status" not in out
    reader.write_bytes(b"\x7fELF, but not really")
    reader.chmod(0o755)
    out = refused(place, mode)
    assert f"could not be started: {reader}: no program for this machine" in out
    reader.chmod(0o644)
    out = refused(place, mode)
    assert f"could not be started: {reader}: Permission denied" in out


def test_another_that_cannot_be_run_is_named(place):
    (place / "toold-files").unlink()
    g = gw.Gateway(args=["-l", str(place)]).start()
    try:
        row = gw.wait_for(lambda: next(
            (p for n, p in g.processes().items()
             if n.startswith("files/") and p.get("lastExit")), None))
        assert f"{place}/toold-files: No such file" in row["lastExit"]
    finally:
        g.close()


SCRIPT = r'''
@on user~"by name"
  call exec {"command":"ls > /dev/null; id -u; cat note.txt; sh -c 'echo inner'; true; echo end"}
@on user~"by path"
  call exec {"command":"./ls; echo end"}
@on result exec
  text "ran: {{result.text}}"
'''
CONFIG = {"agents": {"defaults": {"model": {"primary": "builtin/script"}},
                     "list": [{"id": "main", "default": True}]},
          # Nobody is there to be asked.
          "tools": {"exec": {"security": "full"}},
          "models": {"builtin": {"script": SCRIPT}}}


class Planted(gw.Gateway):
    """Started by openclaw, in a folder full of programs with our names, which
    comes first in PATH as well."""

    def __init__(self, **kw):
        super().__init__(config=CONFIG, **kw)
        self.dir.chmod(0o755)
        self.plant = self.dir / "plant"
        self.workspace = self.state / "workspace"
        names = [p.name for p in gw.BIN.iterdir()]
        names += ["sh", "bash", "ls", "id", "cat", "true", "env", "setpriv",
                  "libc.so.6", "libjansson.so.4"]
        for d in (self.plant, self.workspace):
            d.mkdir(exist_ok=True)
            d.chmod(0o777)
            for n in names:
                (d / n).write_text("#!/bin/sh\n"
                                   f"echo planted >> {d}/RAN\necho planted\n")
                (d / n).chmod(0o755)
        (self.workspace / "note.txt").write_text("a note\n")
        (self.workspace / "note.txt").chmod(0o644)
        if self.drop:
            for p in [self.workspace, *self.workspace.iterdir()]:
                os.chown(p, gw.NOBODY, gw.NOBODY)

    def command(self):
        cmd = super().command()
        at = cmd.index(str(gw.BIN / "gatewayd"))
        cmd[at:] = [str(gw.BIN / "openclaw"), "gateway", "run", "--port",
                    str(self.port), "--allow-unconfigured"]
        return ["/usr/bin/env", "-C", str(self.plant),
                f"PATH={self.plant}:.:/usr/bin:/bin"] + \
            [f"/usr/bin/{cmd[0]}" if cmd[0] == "setpriv" else cmd[0], *cmd[1:]]

    def environ(self):
        return super().environ() | {"OPENCLAW_STATE_DIR": str(self.state)}

    def ran(self):
        return [d for d in (self.plant, self.workspace)
                if (d / "RAN").exists()]


def test_T22_planted_programs_are_never_run():
    g = Planted(mode="user").start()
    try:
        # first with what a command looks for by name ...
        name = asyncio.run(chat(g, "by name"))
        assert "a note" in name and "inner" in name and "end" in name, name
        assert "planted" not in name
        for name in ("router", "files/main", "toold/main", "jailer/main"):
            pid = g.kill(name)
            gw.wait_for(lambda: revived(g, name, pid), 60, name)
        own = str(gw.BIN.resolve())
        # Nobody else may look into a process that is not dumpable.
        for pid in g.children() if os.geteuid() == 0 else ():
            exe = os.readlink(f"/proc/{pid}/exe")
            assert os.path.dirname(exe) == own, exe
            for line in open(f"/proc/{pid}/maps"):
                f = line.split(None, 5)
                file = f[5].strip() if len(f) > 5 else ""
                # T34: nothing that runs can be written, and all of it comes
                # from a program of ours or a library of the system.
                assert not {"w", "x"} <= set(f[1]), line
                if "x" in f[1]:
                    assert file.startswith((own, "/usr/lib", "/lib", "[v")), \
                        line
        assert g.ran() == []
        # ... and only then to show that one of them would have been noticed.
        path = asyncio.run(chat(g, "by path"))
        assert "planted" in path, path
        assert g.ran() == [g.workspace]
    finally:
        g.close()


async def chat(g, text):
    async with g.client() as c:
        return await c.chat(text)


def revived(g, name, old):
    try:
        p = g.processes()[name]
    except (OSError, EOFError, gw.RpcError):
        return False
    return p["state"] == "running" and p["pid"] not in (0, old)
