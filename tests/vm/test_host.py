# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The service as the manual has it, under a real systemd.

Only for the machine of tests/vm/vm.py: it makes accounts and starts services.
The tests are the life of one installation and run in their order.
"""
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys
import time

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / d) for d in ("", "e2e")]

import cgroups  # noqa: E402
import gateway as gw  # noqa: E402

if not os.path.exists("/vm/guest.sh"):
    pytest.skip("only in the machine of tests/vm/vm.py", allow_module_level=True)

UNIT = "gatewayd.service"
WAIT = 900      # s, for anything: the processor is emulated, on a host that has other work
CONFIG = pathlib.Path("/etc/openclaw/openclaw.json")
GROUP = pathlib.Path("/sys/fs/cgroup/system.slice") / UNIT
JOBS = GROUP / "jobs/main"
PREFIX = pathlib.Path("/usr/local")


def sh(*cmd, code=0, timeout=WAIT):
    r = subprocess.run([str(c) for c in cmd], stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=timeout)
    assert code is None or r.returncode == code, (cmd, r.returncode, r.stdout, r.stderr)
    return r.stdout + r.stderr


def show(key):
    return sh("systemctl", "show", "--value", "-p", key, UNIT).strip()


def main_pid():
    return int(show("MainPID"))


def journal():
    return sh("journalctl", "-u", UNIT, "-o", "cat", "--no-pager")


def answers():
    return subprocess.run(["openclaw", "gateway", "status"], capture_output=True,
                          timeout=WAIT).returncode == 0


def up():
    def there():
        assert show("ActiveState") != "failed", journal()
        return answers()
    gw.wait_for(there, WAIT, "the gateway")


def processes():
    rows = json.loads(sh("openclaw", "gateway", "processes", "--json"))["processes"]
    return {p["name"]: p["pid"] for p in rows if p["pid"]}


def agent(text):
    return sh("openclaw", "agent", "-m", text)


def groups_of_jobs():
    return sorted(p for p in JOBS.glob("job-*") if p.is_dir())


def background():
    """A command that runs: its group and its processes."""
    agent("sleep")
    d, = gw.wait_for(groups_of_jobs, WAIT, "a job")
    return d, gw.wait_for(lambda: len(cgroups.pids(d)) >= 4 and cgroups.pids(d), WAIT,
                          "its processes")


def gone(pids):
    return not [p for p in pids if os.path.exists(f"/proc/{p}")]


def logs():
    return "".join(p.read_text() for p in sorted(pathlib.Path("/var/log/openclaw").iterdir()))


def tell(what, value):
    """Figures for whoever reads: `pytest -rA` or the file of the report."""
    with open("/vm/out/figures.txt", "a") as f:
        print(f"{what}: {value}", file=f)


def test_installed_as_the_manual_says():
    page = (gw.ROOT / "man/gatewayd.8").read_text()
    lines = re.findall(r"^# ((?:.*\\e\n)*.*)$", page.split("as a service of systemd:")[1], re.M)
    told = [" ".join(line.replace("\\e\n", "").split()) for line in lines][:3]
    assert told[0].startswith("make install && ") and len(told) == 3, told
    told[0] = told[0].removeprefix("make install && ")      # vm.py did
    # As on a host that has not been started anew since.
    for d in map(pathlib.Path, ("/etc/openclaw", "/var/lib/openclaw", "/var/log/openclaw",
                                "/run/openclaw")):
        shutil.rmtree(d, ignore_errors=True)
    for line in told:
        sh("sh", "-ec", line)
    # Type=notify: the last of them has waited.
    assert answers(), journal()
    made = (PREFIX / "lib/sysusers.d/gatewayd.conf").read_text()
    for name in re.findall(r"^u (\S+)", made, re.M):
        pwd.getpwnam(name)
    assert show("NRestarts") == "0" and show("UnitFileState") == "enabled"
    tell("systemd-analyze security",
         sh("systemd-analyze", "security", "--no-pager", UNIT).splitlines()[-1])
    out = sh("systemd-analyze", "verify", "--man=no", PREFIX / "lib/systemd/system" / UNIT)
    assert "gatewayd" not in out, out


def test_each_process_is_its_user_in_the_group_of_the_unit():
    roles = (gw.ROOT / "proto/roles.def").read_text()
    users = dict(re.findall(r'^ROLE\(\d+,\s+\w+,\s+"(\w+)",\s+"[\w-]+",\s+"(\w+)"', roles, re.M))
    rows = processes()
    assert rows["gatewayd"] == main_pid() and len(rows) >= 9
    for name, pid in rows.items():
        uid = os.stat(f"/proc/{pid}").st_uid
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        uid = int(re.search(r"^Uid:\s+(\d+)", status, re.M)[1])
        assert pwd.getpwuid(uid).pw_name == users[name.split("/")[0]], name
        assert "NoNewPrivs:\t1" in status, name
    inside = rows["jailer/main"]
    assert cgroups.pids(JOBS / "jailer") == [inside]
    assert set(rows.values()) - {inside} <= set(cgroups.pids(GROUP / "supervisor"))
    assert f"root mode; commands are limited by cgroups below {GROUP}" in sh("openclaw", "status")
    assert set((JOBS / "cgroup.subtree_control").read_text().split()) >= {"memory", "pids", "cpu"}
    pss = sum(int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{p}/smaps_rollup").read(), re.M)[1])
              for p in rows.values())
    tell("processes, PSS of the idle tree", f"{len(rows)}, {pss * 1024} bytes")
    tell("MemoryCurrent of the unit", show("MemoryCurrent"))


def test_what_holds_them_is_in_force():
    out = sh("openclaw", "sandbox", "profiles")
    rows = json.loads(sh("openclaw", "sandbox", "profiles", "--json"))["profiles"]
    tell("openclaw sandbox profiles", "\n" + out)
    for p in rows:
        assert set(p["missing"]) <= gw.kernel_lacks(), p
    assert "cgroup" in next(p for p in rows if p["name"] == "jailer/main")["active"]
    tell("openclaw sandbox selftest", "\n" + sh("openclaw", "sandbox", "selftest"))


def test_members_of_the_groups():
    """What the manual tells them to set, and what they are told without it."""
    rights = {"gwnone": None, "gwreader": "openclaw-read", "gwadmin": "openclaw"}
    for name, group in rights.items():
        sh("useradd", "-m", *(["-G", group] if group else []), name)

        def ask(*args, env=(), code=0):
            return sh("setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", "env",
                      f"HOME=/home/{name}", *env, "openclaw", *args, code=code)
        service = ["OPENCLAW_STATE_DIR=/var/lib/openclaw"]
        out = ask("status", code=1)
        assert "has a gateway as a service" in out and service[0] in out, out
        may = 0 if group else 1
        out = ask("status", env=service, code=may)
        assert ("usermod -aG openclaw" in out) == (not group), out
        out = ask("gateway", "status", env=service, code=may)
        assert "Another program has the port" not in out, out
        assert ("this user may not look there" in out) == (name != "gwadmin"), out
        out = ask("config", "get", "gateway.port", env=service, code=name != "gwadmin")
        assert ("missing scope" in out) == (name == "gwreader"), out


def test_an_agent_runs_a_command():
    begin = time.monotonic()
    out = agent("run: uname -a")
    assert os.uname().release in out and os.uname().version in out, out
    tell("openclaw agent -m 'run: uname -a'", f"{time.monotonic() - begin:.1f} s: {out}")
    tell("openclaw gateway status", "\n" + sh("openclaw", "gateway", "status"))


def test_reload_keeps_the_supervisor():
    pid = main_pid()
    text = CONFIG.read_text()
    more = json.dumps(cgroups.CONFIG)[1:-1] + ","
    CONFIG.write_text(re.sub(r"(?m)^\{", lambda m: "{" + more, text, count=1))
    sh("systemctl", "reload", UNIT)
    gw.wait_for(lambda: "made" in agent("work"), WAIT, "the new configuration")
    up()
    assert main_pid() == pid and show("NRestarts") == "0"
    assert "reload: generation 2" in journal()


def test_limits_of_a_command_and_its_end():
    d, inside = background()
    values = {f: (d / f).read_text().strip() for f in
              ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")
              if (d / f).exists()}
    tell(f"{d}", values)
    assert values["memory.max"] == str(2 << 30) and values["pids.max"] == "256"
    assert values["memory.oom.group"] == "1" and values["cpu.max"] == "200000 100000"
    os.kill(processes()["toold/main"], 9)
    gw.wait_for(lambda: gone(inside) and not d.exists(), WAIT, "their end")
    up()


def test_a_command_that_eats_the_memory_of_the_unit():
    before, pid = processes(), main_pid()
    sh("systemctl", "set-property", "--runtime", UNIT, "MemoryMax=150M")
    out = agent("eat")
    tell("command that wants 240 MB under MemoryMax=150M", out)
    assert "ran out of memory" in out, out
    sh("systemctl", "set-property", "--runtime", UNIT, "MemoryMax=infinity")
    assert "made" in agent("work")
    # Told by the kernel of what it was, systemd must not end the gateway for it.
    assert main_pid() == pid and show("NRestarts") == "0" and show("Result") == "success"
    now = processes()
    assert {n: now.get(n) for n in before if not n.startswith("fetch")} == \
        {n: p for n, p in before.items() if not n.startswith("fetch")}
    assert cgroups.keys(GROUP / "memory.events")["oom_kill"] >= 1


def test_a_command_of_many_processes():
    agent("bomb")
    d, = gw.wait_for(groups_of_jobs, WAIT, "a job")
    gw.wait_for(lambda: cgroups.keys(d / "pids.events")["max"] > 0, WAIT, "the limit")
    inside = cgroups.pids(d)
    tell("fork bomb: processes, refused", f"{len(inside)}, {(d / 'pids.events').read_text()}")
    assert 128 < len(inside) <= 256
    assert "made" in agent("work")
    os.kill(processes()["toold/main"], 9)
    gw.wait_for(lambda: gone(inside) and not d.exists(), WAIT, "their end")
    up()


@pytest.mark.parametrize("who", ["jailer/main", "gatewayd"])
def test_killed_with_a_command_running(who):
    d, inside = background()
    old = processes()
    os.kill(old[who], 9)
    gw.wait_for(lambda: gone(inside), WAIT, "the end of its processes")
    gw.wait_for(lambda: answers() and processes().get("jailer/main") not in
                (None, old["jailer/main"]), WAIT, "another")
    gw.wait_for(lambda: groups_of_jobs() == [], WAIT, "the end of its group")
    assert show("NRestarts") == ("1" if who == "gatewayd" else "0")
    if who == "gatewayd":
        assert gone(old.values())
    d, inside = background()
    assert (d / "pids.max").read_text() == "256\n"
    os.kill(processes()["toold/main"], 9)
    gw.wait_for(lambda: gone(inside) and not d.exists(), WAIT, "their end")
    up()
    assert "cgroups below " + str(GROUP) in sh("openclaw", "status")


def test_restart():
    old, text = processes(), logs()
    assert text
    begin = time.monotonic()
    sh("systemctl", "restart", UNIT)
    up()
    tell("systemctl restart, until it answers", f"{time.monotonic() - begin:.1f} s")
    assert gone(old.values()) and main_pid() != old["gatewayd"]
    assert "made" in agent("work")
    # systemd has given the folder back to root in between.
    assert "lines lost" not in journal()
    assert logs().startswith(text) and len(logs()) > len(text)


def test_restart_by_the_command_line():
    """It becomes itself anew: for systemd nothing ends."""
    pid, old = main_pid(), processes()
    sh("openclaw", "gateway", "restart")
    gw.wait_for(lambda: gone(set(old.values()) - {pid}), WAIT, "the end of the old ones")
    up()
    assert main_pid() == pid and show("NRestarts") == "0" and show("SubState") == "running"
    assert "made" in agent("work")


def test_stop_leaves_nothing():
    old = processes()
    begin = time.monotonic()
    sh("systemctl", "stop", UNIT)
    tell("systemctl stop", f"{time.monotonic() - begin:.1f} s")
    assert show("ActiveState") == "inactive" and show("Result") == "success"
    assert gone(old.values()) and not GROUP.exists()
    mine = {u.pw_uid for u in pwd.getpwall() if u.pw_name.startswith("_gw")}
    left = [p for p in os.listdir("/proc") if p.isdigit() and os.stat(f"/proc/{p}").st_uid in mine]
    assert left == []
    out = sh("openclaw", "gateway", "status", code=None)
    tell("openclaw gateway status, stopped", "\n" + out)
    assert not answers() and "`systemctl start gatewayd` starts it" in out, out
    # What is to last is there, for root and its own users only.
    assert pathlib.Path("/var/lib/openclaw").stat().st_mode & 0o777 == 0o711
    assert pathlib.Path("/etc/openclaw").stat().st_mode & 0o777 == 0o750


def test_a_configuration_that_cannot_be_used():
    """The last that did run is taken; with none it ends, and stays down."""
    text = CONFIG.read_text()
    CONFIG.write_text("{gateway: {mode: 7}}")
    try:
        sh("systemctl", "start", UNIT)
        up()
        assert "made" in agent("work")
        assert "starting with the last configuration that did run" in journal()
        sh("systemctl", "stop", UNIT)
        shutil.rmtree("/var/lib/openclaw")
        sh("systemctl", "start", UNIT, code=1)
        assert show("ActiveState") == "failed"
        assert show("ExecMainStatus") == "78" and show("NRestarts") == "0"
        assert "gateway.mode" in journal()
    finally:
        CONFIG.write_text(text)
    sh("systemctl", "reset-failed", UNIT)
    sh("systemctl", "start", UNIT)
    up()
    assert "made" in agent("work")
    sh("systemctl", "stop", UNIT)


def test_taken_away_as_the_manual_says():
    page = (gw.ROOT / "man/gatewayd.8").read_text().split("Take the service away:")[1]
    told = re.findall(r"^# (.*)$", page, re.M)[:2]
    assert told[1] == "make uninstall && systemctl daemon-reload"   # test_install.py
    sh("systemctl", "start", UNIT)
    old = processes()
    sh("sh", "-ec", told[0])
    assert gone(old.values()) and show("ActiveState") == "inactive"
    assert show("UnitFileState") == "disabled"
    # The port and the state are free for whoever comes next.
    sh("systemctl", "enable", "--now", UNIT)
    assert answers(), journal()
    sh("sh", "-ec", told[0])
