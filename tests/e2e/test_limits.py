# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What holds commands in control groups: memory, processes, their end.

Needs cgroup v2 with the controllers memory and pids (conftest.py leaves this
file out elsewhere and says so); `make vm` has them on every host.
"""
import asyncio
import os
import re
import signal

import pytest

import cgroups
import gateway as gw
import jail as j

MB = 1 << 20
WAIT = 600      # s, where the processor is emulated; what must be ended sleeps longer


@pytest.fixture
def group():
    g = cgroups.Group()
    yield g
    assert g.close() == [], "left behind"


class Slow(j.Jail):
    """With limits of time for an emulated processor."""

    def spawn(self, argv, **kw):
        return super().spawn(argv, **{"timeout_ms": WAIT * 1000, "cpu": WAIT, **kw})

    def sh(self, text, **kw):
        return super().sh(text, **{"timeout": WAIT, **kw})


@pytest.fixture
def jail():
    """A jailer in a group of its own, as the supervisor starts it."""
    g = cgroups.Group()
    try:
        d = g.split()
        g.give(d, j.UID_BASE + 11)
        x = Slow("root", cgroup=d, preexec=lambda: g.enter(d))
        x.group = d
        try:
            assert "cgroup" in x.ready["facts"]
            yield x
        finally:
            x.close()
    finally:
        assert g.close() == ["driver", "main", "main/jailer"]


def job_group(x, job):
    return x.group / f"job-{job}"


def up(x, job, n=2):
    """Its group, when it has that many processes, one of them ours."""
    x.wait("started", job)
    return gw.wait_for(lambda: len(cgroups.pids(job_group(x, job))) >= n and job_group(x, job),
                       WAIT, "job in its group")


def test_the_limits_are_written_where_the_kernel_reads_them(jail):
    job = jail.spawn(["/bin/sleep", "86400"], memory=64 * MB, pids=7)
    d = up(jail, job)
    want = {"memory.max": str(64 * MB), "memory.oom.group": "1", "pids.max": "7"}
    if (d / "memory.swap.max").exists():
        want["memory.swap.max"] = "0"
    if (d / "cpu.max").exists():
        want["cpu.max"] = "200000 100000"
    assert {f: (d / f).read_text().strip() for f in want} == want
    assert jail.ready["pid"] not in cgroups.pids(d)
    assert cgroups.pids(jail.group / "jailer") == [jail.ready["pid"]]
    assert cgroups.pids(jail.group) == [] != cgroups.pids(jail.group.parent / "driver")
    jail.order("kill", job=job, signal=9)
    assert jail.wait("exit", job)["how"] == "killed"
    gw.wait_for(lambda: not d.exists(), WAIT, "end of the group")


# Each process stays below the limit, which rlimits cannot count together.
# (The driver's /tmp has room for 8 MiB.)
EATERS = {"many processes": (24, "for i in 1 2 3 4; do head -c 10M /dev/zero | tail & done; wait"),
          "files in memory": (5, "head -c 7M /dev/zero > /tmp/f; echo survived")}


@pytest.mark.parametrize("what", EATERS)
def test_a_job_that_eats_memory_is_ended_whole_and_alone(jail, what):
    size, text = EATERS[what]
    other = jail.spawn(["/bin/sh", "-c", "sleep 86400 | sleep 86400"])
    up(jail, other, 4)
    before = cgroups.pids(job_group(jail, other))
    # The shell would outlive one that is ended by itself.
    r = jail.sh("(" + text + "); sleep 86400", memory=size * MB)
    assert (r["how"], r["code"], r["reason"]) == ("oom", signal.SIGKILL, "memory limit"), r
    assert "survived" not in r["out"]
    assert size * 512 < r["rss_kib"] <= size * 1024, r     # of all together
    assert not job_group(jail, r["job"]).exists()
    assert cgroups.keys(jail.group / "jailer/memory.events")["oom_kill"] == 0
    assert cgroups.pids(job_group(jail, other)) == before
    assert jail.sh("exit 4", memory=size * MB)["code"] == 4
    jail.order("kill", job=other, signal=9)
    assert jail.wait("exit", other)["how"] == "killed"


def test_memory_that_runs_out_above_takes_the_job_and_says_so(jail):
    """As with MemoryMax= of the unit, or a small host: the limit of the job
    itself is far away, and each of its processes is as small as ours."""
    (jail.group / "memory.max").write_text(str(40 * MB))
    r = jail.sh("i=0; while [ $i -lt 30 ]; do head -c 3M /dev/zero | (tail; sleep 86400) & "
                "i=$((i+1)); done; wait; echo survived", memory=1 << 30, pids=250)
    assert (r["how"], r["code"], r["reason"]) == \
        ("oom-above", signal.SIGKILL, "memory of the host"), r
    assert cgroups.keys(jail.group / "jailer/memory.events")["oom_kill"] == 0
    assert jail.sh("exit 4")["code"] == 4


def test_commands_are_the_first_to_go(jail):
    """Their score is inherited and cannot be taken back."""
    r = jail.sh("cat /proc/self/oom_score_adj; echo 0 > /proc/self/oom_score_adj; "
                "cat /proc/self/oom_score_adj")
    seen = [int(v) for v in re.findall(r"^-?\d+$", r["out"], re.M)]
    own = int(open(f"/proc/{jail.ready['pid']}/oom_score_adj").read())
    assert len(seen) == 2 and seen[0] == seen[1] > own, (r, own)


def test_a_fork_bomb_is_held_by_its_own_limit(jail):
    bomb = jail.spawn(["/bin/sh", "-c", "(while :; do sleep 86400 & done) 2>/dev/null; "
                       "sleep 86400"], pids=20)
    d = up(jail, bomb)
    gw.wait_for(lambda: cgroups.keys(d / "pids.events")["max"] > 0, WAIT, "the limit")
    assert 10 < len(cgroups.pids(d)) <= 20
    # Nobody else feels it.
    r = jail.sh("true | true | true; exit 4", pids=20)
    assert (r["how"], r["code"], r["reason"]) == ("exited", 4, ""), r
    inside = cgroups.pids(d)
    jail.order("kill", job=bomb, signal=9)
    r = jail.wait("exit", bomb)
    assert (r["how"], r["reason"]) == ("killed", "process limit was reached"), r
    gw.wait_for(lambda: not d.exists(), WAIT, "end of the group")
    assert not [p for p in inside if os.path.exists(f"/proc/{p}")]


# --- the whole gateway ------------------------------------------------------

class Grouped(gw.Gateway):
    def __init__(self, group):
        super().__init__(mode="root", config=cgroups.CONFIG)
        self.group = group

    def popen(self, cmd, **kw):
        return super().popen(cmd, preexec_fn=lambda: self.group.enter(self.group.path),
                             **kw)


@pytest.fixture
def grouped(group):
    g = Grouped(group).start()
    g.jobs = group.path / "jobs/main"
    try:
        yield g
    finally:
        g.close()


def chat(g, text):
    async def run():
        async with g.client() as c:
            return await c.chat(text, timeout=WAIT)
    return asyncio.run(run())


def groups_of_jobs(g):
    return sorted(p for p in g.jobs.glob("job-*") if p.is_dir())


def test_a_command_without_measure_is_answered(grouped):
    g = grouped
    before = {n: p["pid"] for n, p in g.processes().items() if n != "fetch/main"}
    assert cgroups.pids(g.jobs / "jailer") == [before["jailer/main"]]
    others = set(before.values()) - {before["jailer/main"]}
    assert others <= set(cgroups.pids(g.group.path / "supervisor"))
    # All of the gateway: more than its own need, less than a command's limit.
    (g.group.path / "memory.max").write_text(str(150 * MB))
    text = chat(g, "eat")
    assert "the gateway or its host ran out of memory" in text, text
    chat(g, "bomb")
    d, = gw.wait_for(lambda: groups_of_jobs(g), WAIT, "a job")
    gw.wait_for(lambda: cgroups.keys(d / "pids.events")["max"] > 0, WAIT, "the limit")
    assert 128 < len(cgroups.pids(d)) <= 256
    assert "made" in chat(g, "work")
    assert {n: p["pid"] for n, p in g.processes().items() if n in before} == before
    g.kill("toold/main")
    gw.wait_for(lambda: groups_of_jobs(g) == [], WAIT, "end of the groups")


@pytest.mark.parametrize("who", ["toold/main", "jailer/main"])
def test_a_killed_process_leaves_no_command(grouped, who):
    g = grouped
    assert "still running" in chat(g, "sleep")
    d, = gw.wait_for(lambda: groups_of_jobs(g), WAIT, "a job")
    inside = gw.wait_for(lambda: len(cgroups.pids(d)) >= 4 and cgroups.pids(d), WAIT,
                         "its processes")
    old = g.kill(who)
    gw.wait_for(lambda: not [p for p in inside if os.path.exists(f"/proc/{p}")], WAIT,
                "the end of its processes")
    gw.wait_for(lambda: g.processes()[who]["pid"] not in (0, old) and
                g.processes()[who]["state"] == "running", WAIT, "another " + who)
    gw.wait_for(lambda: not d.exists() and groups_of_jobs(g) == [], WAIT, "the end of its group")
    # The next ones are held again.
    assert "made" in chat(g, "work")
    assert "still running" in chat(g, "sleep")
    d, = gw.wait_for(lambda: groups_of_jobs(g), WAIT, "a job of the new one")
    assert (d / "pids.max").read_text() == "256\n"
    assert (d / "memory.max").read_text() == f"{2 << 30}\n"
