# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The jail by itself: what gets out of it (nothing), how jobs end, and what is
left of them (nothing)."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

import pytest

import gateway
import jail as j


@pytest.fixture(params=j.modes())
def jail(request):
    x = j.Jail(request.param)
    yield x
    x.close()


def marker():
    return "gwmark" + uuid.uuid4().hex


def gone(mark, seconds=60):
    end = time.monotonic() + seconds
    while j.processes(mark):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


# --- walls ---------------------------------------------------------------

def test_facts(jail):
    want = {"rlimits", "userns", "mntns", "pidns", "netns", "ipcns", "utsns",
            "root", "nnp", "nodump", "pdeath", "seccomp"}
    assert want <= set(jail.ready["facts"])
    if jail.mode == "root":
        assert {"jobuid", "idmap"} <= set(jail.ready["facts"])
    status = open(f"/proc/{jail.ready['pid']}/status").read()
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    uid = int(re.search(r"^Uid:\t(\d+)", status, re.M).group(1))
    assert uid == (j.UID_BASE + 11 if jail.mode == "root" else
                   j.NOBODY if os.geteuid() == 0 else os.getuid())


def test_T35_selftest_runs_in_a_real_job(jail):
    jail.order("selftest")
    r = jail.wait("selftest")
    assert r["tried"] >= 100 and r["passed"] == 0, r["report"]
    assert len(re.findall(r"^ok \d+ - ", r["report"], re.M)) == r["tried"]
    assert "not ok" not in r["report"]


def test_T36_jail_probe(jail):
    """More than 150 escapes and leaks; none may succeed."""
    helper = j.HELPERS / "e2e/jail_probe"
    if "asan" in str(helper):
        # A sanitizer's shadow does not fit into a job's address space.
        helper = j.ROOT / "build/release/tests/e2e/jail_probe"
        if not helper.exists():
            pytest.skip("needs the probe of the release build")
    secret = jail.dir / "secret"
    secret.write_text("canary-5f2d9 lies outside\n")
    secret.chmod(0o644)
    os.symlink(secret, jail.workspace / "link")
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(jail.workspace / "sock"))
    os.chmod(jail.workspace / "sock", 0o666)
    sock.listen()
    probe = jail.put(helper, "probe")
    suid = jail.put(probe, "suid")
    if os.geteuid() == 0:
        os.chown(suid, 0, 0)
    os.chmod(suid, 0o6755)
    victim = subprocess.Popen(["sleep", "120"])
    # The probe's parent has no canary in any list of mounts it can see: the
    # only name that could be there is the folder of the workspace.
    try:
        r = jail.run([probe, f"file={secret}", f"pid={victim.pid}",
                      f"link={jail.workspace}/link",
                      f"socket={jail.workspace}/sock", f"suid={suid}",
                      "canary=canary-5f2d9", f"workspace={jail.workspace}",
                      "pids=32", f"memory={256 << 20}", f"tmp={8 << 20}",
                      f"size={4 << 20}"],
                     pids=32, memory=256 << 20, file=4 << 20, cpu=60,
                     timeout_ms=120000, timeout=150)
    finally:
        victim.kill()
        victim.wait()
        sock.close()
    bad = re.findall(r"^not ok.*", r["out"], re.M)
    m = re.search(r"^tried (\d+) worked (\d+)$", r["out"], re.M)
    assert m, r
    assert not bad and m.group(2) == "0", "\n".join(bad)
    assert int(m.group(1)) >= 150
    assert (r["how"], r["code"]) == ("exited", 0)


def test_T20_steering_names_are_refused(jail):
    for name in ("LD_PRELOAD", "BASH_ENV", "NODE_OPTIONS", "PYTHONPATH",
                 "GIT_SSH_COMMAND", "IFS", "PROMPT_COMMAND",
                 "GLIBC_TUNABLES", "LD_LIBRARY_PATH"):
        r = jail.run(["/bin/true"], env={**j.ENV, name: "x"})
        assert r["how"] == "failed" and "never passed" in r["reason"], name
    r = jail.run(["/usr/bin/env"])
    assert dict(x.split("=", 1) for x in r["out"].splitlines()) == j.ENV


def test_T18_no_shell_for_a_file_of_unknown_format(jail):
    f = jail.workspace / "script"
    f.write_text("echo a shell ran this\n")
    f.chmod(0o755)
    if jail.mode == "user" and os.geteuid() == 0:
        os.chown(f, j.NOBODY, j.NOBODY)
    r = jail.run([f])
    assert r["how"] == "failed" and "exec" in r["reason"]
    assert r["out"] == ""


def test_T51_the_next_job_finds_nothing_of_the_last(jail):
    jail.sh("echo secret > /tmp/left; mkdir /tmp/d")
    assert jail.sh("ls -A /tmp | grep -v gwjail").get("out") == ""


def test_T51_jobs_do_not_see_each_other(jail):
    m = marker()
    a = jail.spawn(["/bin/sh", "-c", f"sleep 60; : {m}"])
    jail.wait("started", a)
    gateway.wait_for(lambda: j.processes(m), 60, "the first job")
    # Not by number, not in /proc, not by memory, not by /tmp.
    r = jail.sh("ls /proc | grep -c '^[0-9]'; kill -9 -1; sleep 0.1;"
                "echo alive")
    assert r["how"] in ("exited", "signaled")
    assert j.processes(m), "one job ended another"
    jail.order("kill", job=a, signal=9)
    assert jail.wait("exit", a)["how"] == "killed"


def test_T28_files_belong_to_the_owner_of_the_workspace(jail):
    r = jail.sh("echo hi > made; mkdir -p a/b; ln -s made l; ls -n made")
    assert r["code"] == 0, r
    st = os.stat(jail.workspace / "made")
    assert st.st_uid == os.stat(jail.workspace).st_uid
    assert (jail.workspace / "a/b").is_dir()
    assert oct(st.st_mode & 0o7777) == "0o644"


def test_tools_that_people_expect_work(jail):
    script = """
set -e
python3 - <<'E'
import subprocess, tempfile, threading, json, os, multiprocessing
with tempfile.TemporaryDirectory() as d: open(d + '/x', 'w').write('y')
t = threading.Thread(target=lambda: None); t.start(); t.join()
assert subprocess.run(['echo', 'z'], capture_output=True).stdout == b'z\\n'
with multiprocessing.Pool(2) as p: assert p.map(abs, [-1, 2]) == [1, 2]
E
git init -q r 2>/dev/null && cd r && git config user.email a@b && git config user.name n
echo 1 > f && git add f && git commit -qm one && git log --oneline | wc -l
cd .. && printf 'int main(void){return 7;}' > a.c && cc -o a a.c && ./a || test $? = 7
tar cf t.tar r && tar tf t.tar | wc -l && gzip t.tar && find r -name f | xargs cat
ls -la > /dev/null; date > /dev/null; seq 3 | sort -r | head -1 | grep 3
"""
    r = jail.sh(script, memory=2 << 30, pids=128, cpu=60, timeout=300)
    assert r["how"] == "exited" and r["code"] == 0, r


# --- ends ----------------------------------------------------------------

def test_exit_status_and_output(jail):
    r = jail.sh("echo out; echo err >&2; exit 3")
    assert (r["how"], r["code"], r["out"], r["err"]) == ("exited", 3, "out\n", "err\n")
    assert r["cpu_us"] > 0 and r["rss_kib"] > 100


def test_death_by_signal(jail):
    r = jail.sh("kill -SEGV $$")
    assert (r["how"], r["code"]) == ("signaled", signal.SIGSEGV)


def test_forbidden_call_is_named(jail):
    r = jail.run(["/usr/bin/python3", "-c",
                  "import ctypes; ctypes.CDLL(None).syscall(167, 0, 0)"])
    assert (r["how"], r["code"]) == ("signaled", signal.SIGSYS)
    assert "forbidden system call" in r["reason"]


def test_standard_input(jail):
    r = jail.run(["/bin/cat"], stdin="one\ntwo\n")
    assert r["out"] == "one\ntwo\n"


def test_what_cannot_start_says_why(jail):
    r = jail.run(["/no/such/program"])
    assert r["how"] == "failed" and "exec: No such file" in r["reason"]
    r = jail.run(["nosuchprogram"])
    assert r["how"] == "failed" and "exec" in r["reason"]
    r = jail.run(["/bin/true"], cwd="/no/such/folder")
    assert r["how"] == "failed" and "cwd" in r["reason"]
    r = jail.run(["/bin/true"], cwd="relative")
    assert r["how"] == "failed" and "cwd" in r["reason"]
    assert jail.run(["true"])["code"] == 0


def test_T36_no_folder_or_socket_comes_in_as_descriptor(jail):
    r = jail.run(["/bin/ls", "/proc/self/fd/0/"], stdin_path="/")
    assert r["how"] == "failed" and "descriptors" in r["reason"]
    assert jail.run(["/bin/true"], stdin_path="/dev/null")["code"] == 0


def test_time_limit(jail):
    m = marker()
    r = jail.sh(f"sleep 60; : {m}", timeout_ms=300)
    assert r["how"] == "timeout"
    assert gone(m)


def test_time_limit_with_term_ignored(jail):
    m = marker()
    r = jail.sh(f"trap '' TERM; while :; do sleep 1; done; : {m}", timeout_ms=200)
    assert r["how"] == "timeout"
    assert gone(m)


def test_term_is_delivered_to_the_command(jail):
    job = jail.spawn(["/bin/sh", "-c", "trap 'echo bye; exit 9' TERM; : > on; "
                      "while :; do sleep 0.05; done"])
    jail.wait("started", job)
    gateway.wait_for((jail.workspace / "on").exists, 60, "trap")
    jail.order("kill", job=job, signal=15)
    r = jail.wait("exit", job)
    assert (r["how"], r["code"]) == ("exited", 9) and "bye" in r["out"]


def test_memory_limit(jail):
    r = jail.run(["/usr/bin/python3", "-c", "b = bytearray(512 << 20)"],
                 memory=128 << 20)
    assert r["code"] != 0 and ("MemoryError" in r["err"] or r["how"] == "oom")


def test_processor_limit(jail):
    r = jail.sh("while :; do :; done", cpu=1)
    assert r["how"] == "signaled" and r["code"] in (signal.SIGXCPU, signal.SIGKILL)


def test_file_size_limit(jail):
    r = jail.run(["/bin/dd", "if=/dev/zero", "of=big", "bs=1M", "count=8"],
                 file=1 << 20)
    assert r["how"] == "signaled" and "file size" in r["reason"]
    assert (jail.workspace / "big").stat().st_size <= 1 << 20


def test_much_output(jail):
    r = jail.sh("head -c 6000000 /dev/zero | tr '\\0' x")
    assert r["how"] == "exited" and len(r["out"]) == 6000000


def test_terminal(jail):
    r = jail.sh("tty -s && test -t 0 && stty size && : < /dev/tty && echo ctty",
                pty=True)
    assert r["code"] == 0 and "30 120" in r["out"] and "ctty" in r["out"], r


# --- nothing left (R10) ----------------------------------------------------

def test_R10_daemons_end_with_the_job(jail):
    m = marker()
    # Double fork, new session, ignoring everything, holding the output open.
    r = jail.sh(f"(setsid sh -c 'trap \"\" HUP TERM INT; while :; do sleep 0.05;"
                f" echo beat >> {jail.workspace}/beats; done; : {m}' &) ; "
                f"while ! [ -s {jail.workspace}/beats ]; do sleep 0.05; done")
    assert r["code"] == 0
    assert gone(m)
    size = (jail.workspace / "beats").stat().st_size
    assert size > 0
    time.sleep(0.3)
    assert (jail.workspace / "beats").stat().st_size == size


def test_R10_kill_ends_the_whole_tree(jail):
    m = marker()
    job = jail.spawn(["/bin/sh", "-c", f"for i in 1 2 3 4 5 6 7 8; do "
                      f"(setsid sh -c 'sleep 60; : {m}' &); done; sleep 60; : {m}"])
    jail.wait("started", job)
    gateway.wait_for(lambda: len(j.processes(m)) >= 9, 60, "nine processes")
    jail.order("kill", job=job, signal=9)
    assert jail.wait("exit", job)["how"] == "killed"
    assert gone(m)


def test_R10_jobs_end_with_their_jailer(jail):
    m = marker()
    job = jail.spawn(["/bin/sh", "-c", f"sleep 60; : {m}"])
    jail.wait("started", job)
    gateway.wait_for(lambda: j.processes(m), 60, "job")
    os.kill(jail.ready["pid"], signal.SIGKILL)
    jail.wait("gone")
    assert gone(m)


def test_R10_jobs_end_with_their_toold(jail):
    m = marker()
    job = jail.spawn(["/bin/sh", "-c", f"sleep 60; : {m}"])
    jail.wait("started", job)
    gateway.wait_for(lambda: j.processes(m), 60, "job")
    jail.order("unlink_tool")
    assert gone(m)


def test_R10_two_hundred_jobs_leave_nothing(jail):
    pid = jail.ready["pid"]
    mounts = f"/proc/{pid}/mountinfo"

    def state():
        try:
            return (len(os.listdir(f"/proc/{pid}/fd")),
                    len(open(mounts).readlines()))
        except PermissionError:
            return None     # the jailer is undumpable, we are not root

    jail.run(["/bin/true"])
    before = state()
    children = f"/proc/{pid}/task/{pid}/children"
    m = marker()
    for _ in range(10):
        jobs = [jail.spawn(["/bin/sh", "-c", f"(sleep 30; : {m}) & : {m}"])
                for _ in range(20)]
        for job in jobs:
            assert jail.wait("exit", job)["how"] == "exited"
    assert gone(m)
    gateway.wait_for(lambda: state() == before, 60, "as many descriptors and mounts")
    if state() is not None and os.path.exists(children):
        gateway.wait_for(lambda: open(children).read() == "", 60, "no child")


def test_drain_waits_then_ends(jail):
    m = marker()
    job = jail.spawn(["/bin/sh", "-c", f"sleep 60; : {m}"])
    jail.wait("started", job)
    jail.order("drain", deadline_ms=300)
    jail.wait("drained")
    assert gone(m)


def test_a_job_number_twice_is_a_violation(jail):
    a = jail.spawn(["/bin/sleep", "600"])
    jail.wait("started", a)
    jail.job -= 1
    jail.spawn(["/bin/true"])
    assert jail.wait("gone")["link"].startswith("jailer")


# --- cgroups: here only that a folder without controllers does no harm -----

@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to delegate")
def test_a_cgroup_folder_is_used_and_hidden(tmp_path):
    base = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") \
        else "/sys/fs/cgroup"
    if not os.path.exists(f"{base}/cgroup.controllers"):
        pytest.skip("no cgroup v2 here")
    d = f"{base}/gwtest-{uuid.uuid4().hex[:8]}"
    try:
        os.mkdir(d)
    except OSError as e:
        pytest.skip(f"cgroup v2 is not writable: {e}")
    try:
        # As the supervisor hands it over: the jailer is born in it.
        for f in ("", "/cgroup.procs", "/cgroup.subtree_control",
                  "/cgroup.threads"):
            os.chown(d + f, j.UID_BASE + 11, j.UID_BASE + 11)

        def enter():
            with open(d + "/cgroup.procs", "w") as f:
                f.write("0")

        x = j.Jail("root", cgroup=d, preexec=enter)
        try:
            r = x.sh(f"cat /proc/self/cgroup; ls -A /cgroup; ls -d {d}; "
                     "grep cgroup /proc/self/mountinfo; echo end")
            assert r["how"] == "exited", r
            lines = r["out"].splitlines()
            # Where it is it sees as the root of all, and no tree of files.
            assert lines[-1] == "end", r
            assert [x for x in lines if x.startswith("0::")] == ["0::/"], r
            assert not [x for x in lines[:-1] if not x.endswith(":/")
                        and "No such file" not in x], r
            m = marker()
            job = x.spawn(["/bin/sh", "-c", f"echo up; sleep 600; : {m}"])
            x.wait("started", job)
            # The driver's shell and its jailer are elsewhere.
            gateway.wait_for(lambda: len(open(
                f"{d}/job-{job}/cgroup.procs").read().split()) >= 2, 60, "job in its cgroup")
            assert x.ready["pid"] not in \
                map(int, open(f"{d}/job-{job}/cgroup.procs").read().split())
            assert open(f"{d}/jailer/cgroup.procs").read().split() == \
                [str(x.ready["pid"])]
            x.order("kill", job=job, signal=9)
            x.wait("exit", job)
            gateway.wait_for(lambda: not os.path.isdir(f"{d}/job-{job}"), 60, "end of its cgroup")
        finally:
            x.close()
    finally:
        for f in (d + "/jailer", d):
            if os.path.isdir(f):
                os.rmdir(f)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a cgroup of root's")
def test_a_cgroup_that_is_not_ours_is_done_without(tmp_path):
    x = j.Jail("root", cgroup=tmp_path)
    try:
        assert x.sh("exit 4")["code"] == 4
    finally:
        x.close()



# --- hosts that cannot do all of it ----------------------------------------

@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount of its own")
@pytest.mark.parametrize("strict", [True, False])
def test_a_file_system_that_maps_no_ids(tmp_path, strict):
    """ramfs has no id-mapped mounts: refused, or said and done without."""
    gateway.passable(tmp_path)
    ws = tmp_path / "ws"
    ws.mkdir()
    r = subprocess.run(
        ["unshare", "-m", "sh", "-c",
         'mount -t ramfs x "$1" && shift && exec "$@"', "-", str(ws),
         str(j.HELPERS / "e2e/jail_driver"), *(["-s"] if strict else []),
         "-b", str(j.UID_BASE), "-i", "-w", str(ws),
         str(j.BIN / "toold-jailer")],
        input="", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    if strict:
        assert '"ready"' not in r.stdout
        assert "cannot map ids" in r.stderr
    else:
        assert '"idmap"' in r.stdout.split('"failed"')[1]
        assert "cannot map ids" in r.stdout
        assert f"uid {j.UID_BASE + 12}" in r.stdout


@pytest.fixture
def open_dir():
    """A folder whose parents an ordinary user can pass."""
    with tempfile.TemporaryDirectory(prefix="gwjail.") as d:
        os.chmod(d, 0o755)
        yield pathlib.Path(d)


def without_userns(cmd):
    p = j.popen_without_userns(cmd, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    out, _ = p.communicate(timeout=120)
    return p.returncode, out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to write maps")
def test_T35_without_namespaces_roles_still_do_nothing_else(open_dir):
    exe = shutil.copy(j.HELPERS / "e2e/role_selftest", open_dir)
    for role in ("router", "store", "modeld"):
        code, out = without_userns([exe, role])
        assert "mode none" in out and "# weaker: no user namespace" in out
        assert "landlock-fs" in out and "seccomp" in out
        assert code == 0 and " 0 worked" in out, out


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to write maps")
def test_without_namespaces_strict_refuses(open_dir):
    ws = open_dir / "ws"
    ws.mkdir()
    os.chown(ws, j.NOBODY, j.NOBODY)
    driver = shutil.copy(j.HELPERS / "e2e/jail_driver", open_dir)
    jailer = shutil.copy(j.BIN / "toold-jailer", open_dir)
    code, out = without_userns([driver, "-s", "-w", ws, jailer])
    assert '"ready"' not in out and "sandbox: pidns" in out
