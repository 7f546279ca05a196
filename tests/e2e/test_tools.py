# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Tool calls through the real toold, file worker and jailer, in both privilege
modes; the driver plays supervisor, agentd and router."""
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

import pytest

from gateway import BIN, NOBODY, ROOT, UID_BASE, modes

DRIVER = BIN.parent / "tests" / "e2e" / "tools_driver"
if not DRIVER.exists():
    DRIVER = ROOT / "build" / "release" / "tests" / "e2e" / "tools_driver"


class Tools:
    def __init__(self, mode, config=None):
        self.mode = mode
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gwtools."))
        os.chmod(self.dir, 0o755)
        self.ws, self.spool = self.dir / "ws", self.dir / "spool"
        self.ws.mkdir()
        self.spool.mkdir(mode=0o700)
        self.drop = mode == "user" and os.geteuid() == 0
        argv = [str(DRIVER)]
        kw = {}
        if mode == "root":
            argv += ["-b", str(UID_BASE), "-i"]
            os.chown(self.spool, UID_BASE + 10, UID_BASE + 10)
        elif self.drop:
            os.chown(self.ws, NOBODY, NOBODY)
            os.chown(self.spool, NOBODY, NOBODY)
            kw = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        # What is asked about is for the tests of approvals to say.
        if config is None:
            config = {"exec": {"security": "full"}}
        argv += ["-t", json.dumps(config), "-s", str(self.spool),
                 "-w", str(self.ws), str(BIN)]
        self.stderr = open(self.dir / "stderr", "w+b")
        env = dict(os.environ, TOOLD_CANARY="canary-in-environment")
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, env=env,
                                  stdout=subprocess.PIPE, stderr=self.stderr,
                                  **kw)
        self.buf, self.events, self.n, self.pids = b"", [], 0, {}
        for _ in range(3):
            m = self.event("ready")
            self.pids[m["role"]] = m["pid"]

    def order(self, op, **kw):
        self.p.stdin.write(json.dumps(dict(kw, op=op)).encode() + b"\n")
        self.p.stdin.flush()

    def read(self, timeout):
        end = time.monotonic() + timeout
        while b"\n" not in self.buf:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.p.stdout], [], [], left)[0]:
                raise AssertionError("nothing came: " + self.log()[-3000:])
            d = os.read(self.p.stdout.fileno(), 1 << 20)
            if not d:
                raise AssertionError("the driver ended: " + self.log()[-3000:])
            self.buf += d
        line, self.buf = self.buf.split(b"\n", 1)
        return json.loads(line)

    def event(self, name, timeout=60, **match):
        """The next event of that name, seen already or to come."""
        def fits(m):
            return m["event"] == name and all(m.get(k) == v
                                              for k, v in match.items())
        for i, m in enumerate(self.events):
            if fits(m):
                return self.events.pop(i)
        while True:
            m = self.read(timeout)
            if fits(m):
                return m
            self.events.append(m)

    def start(self, tool, session="agent:main:main", **args):
        self.n += 1
        cid = "c%d" % self.n
        # Not in the background, however slow the machine is.
        if tool == "exec" and "background" not in args:
            args.setdefault("yieldMs", 120000)
        self.order("call", id=cid, tool=tool, session=session, args=args)
        return cid

    def done(self, cid, timeout=60):
        m = self.event("done", timeout, id=cid)
        self.result = m["result"]
        self.details = m["result"]["details"]
        self.error = m["isError"]
        assert m["isError"] == m["result"]["isError"]
        return m["result"]["content"][0]["text"]

    def call(self, tool, **args):
        return self.done(self.start(tool, **args))

    def sh(self, command, **args):
        return self.call("exec", command=command, **args)

    def log(self):
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def close(self):
        try:
            self.p.stdin.close()
            self.p.wait(60)
            rest = self.buf + self.p.stdout.read()
            last = [json.loads(x) for x in rest.splitlines()]
            assert not [m for m in last if m["event"] in
                        ("stuck", "orphan", "violation", "badpeer")], last
            ends = [m for m in last if m["event"] == "ended"]
            assert len(ends) == 3 and all(m["status"] == 0 for m in ends), \
                (ends, self.log()[-2000:])
            assert not list(self.spool.iterdir())
        finally:
            self.p.kill()
            self.p.stdout.close()
            self.stderr.close()
            shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture(params=modes())
def tools(request):
    t = Tools(request.param)
    yield t
    t.close()


@pytest.fixture
def make_tools():
    made = []

    def make(config=None, mode=None):
        made.append(Tools(mode or modes()[0], config))
        return made[-1]
    yield make
    for t in made:
        t.close()


def children(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []


def until(cond, timeout=60):
    end = time.monotonic() + timeout
    while not cond():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


def test_write_list_read_edit_run(tools):
    assert tools.call("write", path="notes/todo.md", content="milk\neggs\n") == \
        "Wrote 10 bytes to notes/todo.md (new file)."
    assert tools.call("ls", path="notes") == "todo.md\n"
    assert tools.call("read", path="notes/todo.md") == "milk\neggs\n"
    assert "Edited notes/todo.md" in tools.call(
        "edit", path="notes/todo.md", oldText="eggs", newText="ham")
    # the command sees what the tool wrote, and the tool what it wrote
    assert tools.sh("cat notes/todo.md; echo new > made.txt; date +%Y") \
        .startswith("milk\nham\n20")
    assert tools.call("read", path="made.txt") == "new\n"
    # and both belong to the owner of the workspace
    owner = tools.ws.stat().st_uid
    assert (tools.ws / "made.txt").stat().st_uid == owner
    assert (tools.ws / "notes/todo.md").stat().st_uid == owner
    assert tools.call("write", path="made.txt", content="x") == \
        "Wrote 1 bytes to made.txt (replaced)."
    assert tools.call("exec", command="rm -r made.txt notes") == "(no output)"


def test_exec_results(tools):
    assert tools.sh("echo out; echo err >&2; exit 4").endswith(
        "The command exited with code 4.")
    assert tools.error and tools.details["exitCode"] == 4
    assert tools.sh("pwd").strip() == str(tools.ws)
    assert "exited with code 127" in tools.sh("no-such-command")
    text = tools.sh("ls", workdir="missing")
    assert tools.error and "failed" in text
    assert "signal 9" in tools.sh("kill -9 $$") or "exited with code 137" in \
        tools.sh("kill -9 $$")
    assert tools.sh("cat; echo eof") == "eof\n"


def test_T20_environment(tools):
    env = dict(line.split("=", 1) for line in
               tools.sh("env", env={"FOO": "bar"}).splitlines())
    assert env.pop("FOO") == "bar"
    assert set(env) <= {"PATH", "HOME", "TMPDIR", "USER", "LOGNAME", "SHELL",
                        "LANG", "TERM", "TZ", "OPENCLAW_SHELL", "PWD",
                        "SHLVL", "_", "OLDPWD"}
    assert "canary" not in str(env)
    for name in ("LD_PRELOAD", "PATH", "GIT_SSH_COMMAND", "BASH_ENV",
                 "NODE_OPTIONS", "PYTHONPATH"):
        assert "may not be set" in tools.sh("env", env={name: "x"})


def test_T28_T36_the_jail_holds_through_tools(tools):
    assert tools.sh("cat /etc/shadow 2>&1; true").count("No such file") or \
        "denied" in tools.sh("cat /etc/shadow 2>&1; true")
    out = tools.sh("ls /proc/ | grep -c '^[0-9]'; ls /sys 2>&1; id -u; "
                   "ls /root /home 2>&1; true")
    assert int(out.split()[0]) < 10
    out = tools.sh("echo x > /usr/bin/planted; echo x > /etc/planted; "
                   "ls /usr/bin/planted; true")
    assert not os.path.exists("/usr/bin/planted")
    out = tools.sh("grep -c . /proc/net/route; cat /proc/net/dev; true")
    assert "eth" not in out
    # what a job leaves in /tmp is gone with it
    assert "x" in tools.sh("echo x > /tmp/x; ls /tmp").splitlines()
    assert "x" not in tools.sh("ls -A /tmp; true").splitlines()
    # nothing of toold's spool or of the state of others can be seen
    assert "No such file" in tools.sh(f"ls {tools.spool} 2>&1; true")


def test_T29_T30_files_stay_in_the_workspace(tools):
    secret = tools.dir / "secret"
    secret.write_text("canary")
    tools.sh(f"ln -s {secret} leak; ln -s / root; ln -s .. up; "
             "ln -s /proc/self/environ env; mkfifo fifo")
    for path in ("leak", f"root{secret}", "up/secret", "env"):
        assert "canary" not in tools.call("read", path=path)
        assert tools.error
        tools.call("write", path=path, content="overwritten")
        assert tools.error
    assert secret.read_text() == "canary"
    for path in (str(secret), "../secret", "/etc/passwd", "~/.bashrc",
                 "/proc/self/environ", "ws/../../secret"):
        tools.call("read", path=path)
        assert tools.error
    assert "neither a file" in tools.call("read", path="fifo")


def test_T29_race_of_a_job_against_the_file_worker(tools):
    secret = tools.dir / "secret"
    secret.write_text("canary")
    tools.call("write", path="d/f", content="inside")
    tools.call("exec", command="""
        while :; do mv -T d e; ln -s %s d; rm d; mv -T e d; done 2>/dev/null
        """ % tools.dir, background=True)
    sid = tools.details["sessionId"]
    end, ok = time.monotonic() + 2, 0
    while time.monotonic() < end or (ok == 0 and time.monotonic() < end + 60):
        cids = [tools.start("read", path="d/f") for _ in range(16)]
        cids += [tools.start("read", path="d/secret") for _ in range(16)]
        for c in cids:
            text = tools.done(c)
            assert "canary" not in text
            ok += text == "inside"
        tools.call("edit", path="d/secret", oldText="canary", newText="x")
    assert ok > 0
    assert secret.read_text() == "canary"
    tools.call("process", action="remove", sessionId=sid)


def test_output_in_bulk(tools):
    text = tools.sh("seq 1 200000")
    assert not tools.error and len(text) < 210000
    assert text.startswith("1\n2\n3\n") and text.endswith("199999\n200000\n")
    sid = tools.details["sessionId"]
    assert "150000\n150001\n" in tools.call(
        "process", action="log", sessionId=sid, offset=150000, limit=2)
    assert len(list(tools.spool.iterdir())) == 1
    tools.call("process", action="clear")
    assert not list(tools.spool.iterdir())
    # more than is kept anywhere; the end is
    text = tools.sh("yes 0123456789abcdef | head -c 100000000; echo; echo END")
    assert text.endswith("END\n")
    tools.call("process", action="clear")


def test_streaming(tools):
    cid = tools.start("exec", command="echo first; while ! [ -e go ]; do "
                      "sleep 0.05; done; echo second")
    assert tools.event("out", id=cid)["text"] == "first\n"
    (tools.ws / "go").touch()
    assert tools.event("out", id=cid)["text"] == "second\n"
    assert tools.done(cid) == "first\nsecond\n"


def test_background_session(tools):
    text = tools.sh("while read l; do echo got:$l; done", background=True)
    sid = tools.details["sessionId"]
    assert "still running" in text and tools.details["pid"] > 0
    tools.call("process", action="write", sessionId=sid, data="a b\n")
    until(lambda: "got:a b" in tools.call("process", action="poll",
                                          sessionId=sid, timeout=10000))
    # another session sees nothing of it
    other = tools.start("process", session="agent:main:other", action="list")
    assert tools.done(other) == "No commands are running or kept."
    tools.call("process", action="kill", sessionId=sid)
    assert not tools.error
    until(lambda: not children(tools.pids["jailer"]))


def test_terminal(tools):
    out = tools.sh("test -t 0 && test -t 1 && test -t 2 && stty size; "
                   "echo $TERM", pty=True)
    assert out == "30 120\nxterm-256color\n"
    tools.sh("cat", pty=True, background=True)
    sid = tools.details["sessionId"]
    tools.call("process", action="send-keys", sessionId=sid, literal="hey",
               keys=["Enter"])
    until(lambda: "hey\nhey" in tools.call("process", action="log",
                                           sessionId=sid))
    # control-C reaches the program as a signal, so it has the terminal
    tools.call("process", action="send-keys", sessionId=sid, keys=["C-c"])
    until(lambda: "signal 2" in tools.call("process", action="log",
                                           sessionId=sid) or
          "code 130" in tools.call("process", action="log", sessionId=sid))


def test_R10_timeout_kills_the_tree(tools):
    text = tools.sh("echo up; (trap '' TERM; setsid sleep 300) & "
                    "trap '' TERM; sleep 300; sleep 300", timeoutSeconds=1)
    assert "timed out after 1 s" in text and tools.error
    until(lambda: not children(tools.pids["jailer"]))


def test_R10_abort_kills_the_tree(tools):
    cid = tools.start("exec", command="trap '' TERM; (setsid sleep 300 &) ; "
                      "echo up; while :; do sleep 1; done")
    tools.event("out", id=cid)
    tools.order("cancel", id=cid)
    assert "aborted" in tools.done(cid)
    until(lambda: not children(tools.pids["jailer"]))


def test_R10_nothing_is_left_after_many_calls(tools):
    tools.sh("true")
    tools.call("write", path="x", content="x")
    tools.order("fdcount")
    before = tools.event("fdcount")
    for _ in range(5):
        for c in [tools.start("exec", command="sleep 0.01 & echo $$")
                  for _ in range(10)]:
            tools.done(c)
        for c in [tools.start("read", path="x") for _ in range(40)]:
            assert tools.done(c) == "x"
    until(lambda: not children(tools.pids["jailer"]))

    def same():
        tools.order("fdcount")
        return tools.event("fdcount") == before
    until(same)


@pytest.mark.parametrize("role", ["jailer", "files", "tool"])
def test_kill_each_process(tools, role):
    """The call in flight ends as an error, or with the process that knew of
    it; the next one works; no job is left."""
    job = tools.start("exec", command="echo up; sleep 300")
    tools.event("out", id=job)
    old = tools.pids[role]
    tools.order("kill", role=role)
    tools.event("gone", role=role)
    tools.pids[role] = tools.event("ready", role=role)["pid"]
    assert tools.pids[role] != old
    if role == "jailer":
        assert "the jail was restarted" in tools.done(job)
        assert tools.error
    elif role == "files":
        tools.order("cancel", id=job)
        assert "aborted" in tools.done(job)
    until(lambda: not children(tools.pids["jailer"]))
    assert tools.sh("echo again") == "again\n"
    assert "Wrote" in tools.call("write", path="after", content="x")
    assert not tools.error


def test_drain(tools):
    job = tools.start("exec", command="trap '' TERM; echo up; sleep 300; "
                      "sleep 300")
    tools.event("out", id=job)
    tools.sh("sleep 300", background=True)
    tools.order("drain")
    assert "aborted" in tools.done(job)
    tools.event("drained")
    until(lambda: not children(tools.pids["jailer"]))


def test_diagnose(tools):
    tools.call("diagnose")
    rows = {r["id"]: r for r in tools.details["results"]}
    bad = [r for r in rows.values() if r["level"] == "fail"]
    assert tools.details["ok"] and not bad, bad
    assert rows["jail.run"]["level"] in ("ok", "warn")
    assert rows["jail.workspace"]["level"] == "ok"
    assert rows["jail.selftest"]["data"]["tried"] >= 12
    assert rows["files.workspace"]["level"] == "ok"
    assert json.loads(tools.result["content"][0]["text"]) == tools.details
    tools.order("rpc", method="sandbox.selftest")
    m = tools.event("rpc")
    assert m["ok"] and m["result"]["ok"] and m["result"]["tried"] >= 12


def test_policy(make_tools):
    t = make_tools({"deny": ["group:runtime"]})
    assert "tools.deny has" in t.sh("echo hi") and t.error
    t.order("list")
    assert {x["name"] for x in t.event("list")["tools"]} == \
        {"read", "write", "edit", "ls", "diagnose"}
    t = make_tools({"exec": {"ask": "always", "askTimeoutSec": 1}})
    assert "no operator approved" in t.sh("touch was-run")
    assert not (t.ws / "was-run").exists()
    t = make_tools({"exec": {"security": "deny"}})
    assert "switched off" in t.sh("touch was-run")
    assert not (t.ws / "was-run").exists()


def test_disk_full(tools):
    """No space: the tool says so, the old file stays whole."""
    tools.call("write", path="keep", content="old")
    text = tools.sh("head -c 20000000 /dev/zero > /tmp/fill; ls -l /tmp/fill "
                    "| wc -l")
    assert "No space left" in text or tools.error or text.strip() == "1"
    assert tools.call("read", path="keep") == "old"
