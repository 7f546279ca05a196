# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Every role, locked down as the supervisor has it, tries what it must not do;
so does every worker program by itself with -T."""
import os
import re
import shutil
import subprocess

import pytest

import gateway
import jail as j

HELPER = j.HELPERS / "e2e/role_selftest"
ROLES = ["log", "config", "store", "connect", "router", "front", "channeld",
         "agentd", "modeld", "toold", "jailer", "files", "fetch", "canvas", "whois"]
PROGRAMS = ["gatewayd-log", "gatewayd-config", "gatewayd-store",
            "gatewayd-connect", "gatewayd-router", "gatewayd-front",
            "channeld", "agentd", "modeld", "toold", "toold-jailer",
            "toold-files", "toold-fetch", "gatewayd-canvas", "gatewayd-whois"]


def run(tmp_path, program, args, mode):
    """A copy that an ordinary user can reach, run as root or as one."""
    gateway.passable(tmp_path)
    exe = tmp_path / program.name
    shutil.copy(program, exe)
    kw = {}
    if mode == "user" and os.geteuid() == 0:
        kw = dict(user=j.NOBODY, group=j.NOBODY, extra_groups=[])
    return subprocess.run([str(exe), *args], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120,
                          cwd="/", **kw)


def check(r):
    assert r.returncode == 0, r.stdout
    assert "not ok" not in r.stdout and "Bail out" not in r.stdout
    m = re.search(r"(\d+) tried, 0 worked", r.stdout)
    assert m and int(m.group(1)) >= 30, r.stdout


@pytest.mark.parametrize("mode", j.modes())
@pytest.mark.parametrize("role", ROLES)
def test_T34_T35_role(tmp_path, role, mode):
    r = run(tmp_path, HELPER, [role], mode)
    check(r)
    for code in ("map memory to write and run", "make memory runnable",
                 "map a file to run it", "load a planted library",
                 "exec a program", "exec from a descriptor"):
        for when in ("", "start: "):
            line = re.search(rf"^ok \d+ - {when}{code}: ", r.stdout, re.M)
            assert bool(line) == (role != "jailer"), (when, code, r.stdout)
    has = set(re.search(r"^# has: (.*)$", r.stdout, re.M).group(1).split())
    want = {"rlimits", "mntns", "pidns", "ipcns", "utsns", "root", "nnp",
            "nodump", "pdeath", "seccomp"}
    if role not in ("connect", "whois"):
        want.add("netns")
    if role != "jailer":
        want |= {"caps", "bounding"}
        if mode == "root":
            want.add("uid")
    if mode == "user" or role == "jailer" or not gateway.service_users():
        want.add("userns")
    assert want <= has, want - has


@pytest.mark.parametrize("mode", j.modes())
@pytest.mark.parametrize("program", PROGRAMS)
def test_T35_program(tmp_path, program, mode):
    if not (j.BIN / program).exists():
        pytest.skip("not built")
    check(run(tmp_path, j.BIN / program, ["-T"], mode))
