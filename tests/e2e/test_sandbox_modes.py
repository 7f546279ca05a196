# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What a whole gateway makes of the ways it can be started in: read from /proc,
and compared with what it says of itself."""
import asyncio
import os
import pathlib
import re
import subprocess
import uuid

import pytest

import gateway as gw
import jail

SCRIPT = r'''
@on user~"make"
  call exec {"command":"id -u; echo made > made.txt && cat made.txt"}
@on user~"look"
  call read {"path":"made.txt"}
@on user~"put"
  call write {"path":"put.txt","content":"by the file worker"}
@on user~"doctor"
  call diagnose {}
@on result exec
  text "ran: {{result.text}}"
@on result read
  text "read: {{result.text}}"
@on result write
  text "wrote: {{result.text}}"
@on result diagnose
  text "found: {{result.text}}"
'''
CONFIG = {"agents": {"defaults": {"model": {"primary": "builtin/script"}},
                     "list": [{"id": "main", "default": True}]},
          # Nobody is there to be asked.
          "tools": {"exec": {"security": "full"}},
          "models": {"builtin": {"script": SCRIPT}}}


def status(pid):
    return dict(line.split(":\t", 1) for line in
                open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)


def openclaw(g, *args):
    env = {**g.environ(), "OPENCLAW_STATE_DIR": str(g.state)}
    return subprocess.run([str(gw.BIN / "openclaw"), *args], env=env,
                          capture_output=True, text=True, timeout=180)


def chat(g, *texts):
    async def run():
        async with g.client() as c:
            return [await c.chat(t) for t in texts]
    return asyncio.run(run())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_T35_root_without_service_users():
    if gw.service_users():      # those of `make vm` come while it runs
        pytest.skip("this host has service users")
    g = gw.Gateway(mode="shared", config=CONFIG).start()
    try:
        ran, read = chat(g, "make", "look")
        assert "made" in ran and "made" in read, (ran, read)
        rows = g.processes()
        kids = {n: p["pid"] for n, p in rows.items() if n != "gatewayd"}
        assert len(kids) >= 8
        host = os.readlink("/proc/self/ns/user")
        seen = {}
        for name, pid in kids.items():
            st = status(pid)
            assert set(st["Uid"].split()) == {str(gw.NOBODY)}, name
            assert set(st["Gid"].split()) == {str(gw.NOBODY)}, name
            assert st["Groups"].split() == [], name
            ns = os.readlink(f"/proc/{pid}/ns/user")
            assert ns != host and ns not in seen, (name, seen.get(ns))
            seen[ns] = name
            # Inside there is nobody but that user; 0 outside has no name.
            inside = "1" if name.startswith("jailer/") else str(gw.NOBODY)
            for kind in ("uid_map", "gid_map"):
                assert open(f"/proc/{pid}/{kind}").read().split() == \
                    [inside, str(gw.NOBODY), "1"], (name, kind)
            if not name.startswith("jailer/"):
                assert int(st["CapEff"], 16) == int(st["CapPrm"], 16) == 0
                assert int(st["CapBnd"], 16) == 0, name
        for p in g.call("sandbox.profiles")["profiles"]:
            if p["name"] != "gatewayd":
                assert "userns" in p["active"], p
                assert set(p["missing"]) <= gw.kernel_lacks(), p
        # What it made belongs to the owner of the workspace, outside.
        made = next(g.state.rglob("made.txt"))
        assert made.stat().st_uid == made.parent.stat().st_uid
    finally:
        g.close()


def supervisor_note(g):
    row = next(p for p in g.call("sandbox.profiles")["profiles"]
               if p["name"] == "gatewayd")
    return row["detail"]


def test_T35_what_limits_commands_is_said_everywhere():
    g = gw.Gateway().start()
    try:
        note = supervisor_note(g)
        assert note.startswith("commands are limited by ")
        out = openclaw(g, "status")
        assert f"{g.mode} mode; {note}" in out.stdout, out
        assert "WEAKER" not in out.stdout
        assert all(f in out.stdout for f in gw.kernel_lacks()), out
        assert ("too old for" in out.stdout) == bool(gw.kernel_lacks()), out
        assert f"{g.mode} mode; {note}" in g.output()
        has = {p["name"]: p for p in g.processes().values()}
        assert ("cgroup" in has["jailer/main"]["active"]) == \
            ("by cgroups" in note)
    finally:
        g.close()


def test_T35_two_filters_and_the_manual_knows_their_sizes():
    page = (gw.ROOT / "man/openclaw-security.7").read_text()
    told = dict(re.findall(r"^\.It (\w+) Ta (\d+ Ta \d+) Ta", page, re.M))
    g = gw.Gateway(config=CONFIG).start()
    try:
        seen = set()
        gw.wait_for(lambda: all(r["state"] != "starting"
                                for r in g.processes().values()), 60, "all")
        for p in g.call("sandbox.profiles")["profiles"]:
            kind = p["name"].split("/")[0]
            if kind in ("gatewayd", "jailer"):
                assert p["syscalls"] == p["startSyscalls"] == 0
                continue
            assert 0 < p["syscalls"] < p["startSyscalls"]
            assert "start" in p["startCalls"] and "start" not in p["calls"]
            # With sanitizers it is more.
            if gw.BIN.resolve().parent.name == "release" and \
                    os.uname().machine == "x86_64":
                assert told[kind] == \
                    f'{p["syscalls"]} Ta {p["startSyscalls"]}', kind
            seen.add(kind)
            # The kernel's word: both are on.
            st = status(g.processes()[p["name"]]["pid"])
            assert st["Seccomp"] == "2" and int(st["Seccomp_filters"]) >= 2
        assert seen >= {"log", "store", "router", "front", "agentd", "toold",
                        "files"}
    finally:
        g.close()


class Grouped(gw.Gateway):
    def __init__(self, group, **kw):
        super().__init__(**kw)
        self.group = group

    def command(self):
        return ["/bin/sh", "-c", 'echo 0 > "$0"/cgroup.procs && exec "$@"',
                str(self.group), *super().command()]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to make a group")
def test_T35_a_group_of_its_own_is_used_or_said_not_to_be():
    """With controllers commands are in groups; without, as on machines whose
    controllers are those of version 1, nothing is left of the attempt."""
    top = next((p for p in (pathlib.Path("/sys/fs/cgroup"),
                            pathlib.Path("/sys/fs/cgroup/unified"))
                if (p / "cgroup.controllers").exists()), None)
    d = top / f"gwtest-{uuid.uuid4().hex[:8]}" if top else None
    try:
        d.mkdir()
    except (OSError, AttributeError):
        pytest.skip("no cgroup v2 that we can write")
    try:
        full = {"memory", "pids"} <= \
            set((d / "cgroup.controllers").read_text().split()) and \
            not os.path.exists("/run/systemd/system")
        g = Grouped(d, mode="root", config=CONFIG).start()
        try:
            note = supervisor_note(g)
            assert str(d) in note
            assert ("by cgroups below" in note) == full, note
            assert (d / "jobs/main").is_dir() == full
            assert (d / "supervisor").is_dir() == full
            ran, = chat(g, "make")
            assert "made" in ran
            if full:
                pid = g.processes()["jailer/main"]["pid"]
                assert (d / "jobs/main/jailer/cgroup.procs").read_text() == \
                    f"{pid}\n"
        finally:
            g.close()
        assert [p for p in d.iterdir() if p.is_dir()] == []
    finally:
        d.rmdir()


@pytest.mark.parametrize("mode", gw.modes())
def test_T35_audit_is_asked_for_and_never_called_active(mode):
    alone = gw.Gateway(mode=mode, args=["-A"])
    try:
        alone.start(wait=False)
        assert alone.proc.wait(120) == 2
        assert "usage" in alone.output()
    finally:
        alone.close()
    g = gw.Gateway(mode=mode, args=["-t", "-A"], config=CONFIG).start()
    try:
        ran, = chat(g, "make")
        assert "made" in ran
        assert "-A: AUDIT ONLY" in g.output()
        assert "AUDIT ONLY" in supervisor_note(g)
        rows = g.call("sandbox.profiles")["profiles"]
        for p in rows:
            if p["name"].split("/")[0] in ("gatewayd", "jailer"):
                continue        # their lists of what is forbidden stay
            assert "seccomp" not in p["active"] and "seccomp" in p["missing"], p
            assert set(p["missing"]) <= {"seccomp", *gw.kernel_lacks()}, p
            assert "AUDIT ONLY" in p["detail"], p
        assert any("seccomp" in p["active"] for p in rows
                   if p["name"] == "jailer/main")
        out = openclaw(g, "status").stdout
        assert "AUDIT ONLY" in out and "WEAKER than profile: log" in out, out
        assert openclaw(g, "sandbox", "profiles").stdout.count(
            "AUDIT ONLY") >= 8
        # Jails are those of always.
        assert g.call("sandbox.selftest", {})["ok"]
    finally:
        g.close()
    # and it is gone with the option
    g = gw.Gateway(mode=mode, state=None).start()
    try:
        assert "AUDIT" not in supervisor_note(g) + openclaw(g, "status").stdout
    finally:
        g.close()


class NoNamespaces(gw.Gateway):
    """As an ordinary user on a host that gives him no user namespaces."""

    def __init__(self, **kw):
        super().__init__(mode="user", **kw)
        self.drop = False       # that is done in there

    def popen(self, cmd, **kw):
        return jail.popen_without_userns(cmd, **kw)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to write maps")
def test_T35_without_namespaces_commands_are_not_offered():
    g = NoNamespaces(config=CONFIG)
    try:
        g.start(wait=False)
        assert g.proc.wait(120) == 1
        assert "no namespaces for workers" in g.output()
    finally:
        g.close()
    g = NoNamespaces(config=CONFIG, args=["-t"])
    try:
        g.start()
        put, ran, found = chat(g, "put", "make", "doctor")
        assert "wrote" in put
        assert next(g.state.rglob("put.txt")).read_text() == \
            "by the file worker"
        # Not offered, so for the agent there is no such tool.
        assert "ran: 1" not in ran and "made.txt" not in ran, ran
        assert "not found" in ran, ran
        assert not list(g.state.rglob("made.txt"))
        assert "no namespaces to jail them in" in found, found
        with pytest.raises(gw.RpcError, match="no namespaces to jail"):
            g.call("sandbox.selftest", {})
        note = supervisor_note(g)
        assert note.startswith("no commands can be run: no user namespace")
        out = openclaw(g, "status").stdout
        assert f"none mode; {note}" in out and "WEAKER" in out, out
        for name, p in g.processes().items():
            if name != "gatewayd":
                assert "mntns" in p["missing"], p
                assert "seccomp" in p["active"], p
        # What is left of the file worker's box.
        assert "landlock-fs" in g.processes()["files/main"]["active"]
    finally:
        g.close()
