# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A toold-jailer under tests/e2e/jail_driver.c, for tests and the bench.

Mode `root` has numeric users and an id-mapped workspace, `user` is an ordinary
user (a root caller becomes 65534 for it).
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import queue

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("GATEWAYD_BIN", ROOT / "build/bin"))
HELPERS = BIN.resolve().parent / "tests"
UID_BASE = 610000
NOBODY = 65534
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}


def modes():
    return ["root", "user"] if os.geteuid() == 0 else ["user"]


class Jail:
    def __init__(self, mode, cgroup=None, strict=True, preexec=None):
        self.mode = mode
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gwjail."))
        self.dir.chmod(0o755)
        self.workspace = self.dir / "ws"
        self.workspace.mkdir(mode=0o700)
        # An ordinary user may not be able to reach the build folder.
        self.bin = self.dir / "bin"
        self.bin.mkdir()
        for p in (BIN / "toold-jailer", HELPERS / "e2e/jail_driver"):
            shutil.copy(p, self.bin)
        cmd = [str(self.bin / "jail_driver"), "-w", str(self.workspace)]
        if strict:
            cmd.append("-s")
        if cgroup:
            cmd += ["-c", str(cgroup)]
        kw = dict(preexec_fn=preexec)
        if mode == "root":
            cmd += ["-b", str(UID_BASE), "-i"]
        elif os.geteuid() == 0:
            os.chown(self.workspace, NOBODY, NOBODY)
            kw.update(user=NOBODY, group=NOBODY, extra_groups=[])
        cmd.append(str(self.bin / "toold-jailer"))
        env = dict(os.environ, GW_CANARY="canary-5f2d9")
        self.p = subprocess.Popen(cmd, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True,
                                  env=env, cwd="/", **kw)
        self.q = queue.Queue()
        self.events = []
        threading.Thread(target=self._read, daemon=True).start()
        self.ready = self.wait("ready")
        self.job = 0

    def _read(self):
        for line in self.p.stdout:
            self.q.put(json.loads(line))
        self.q.put(None)

    def order(self, op, **kw):
        self.p.stdin.write(json.dumps(dict(op=op, **kw)) + "\n")
        self.p.stdin.flush()

    def wait(self, event, job=None, timeout=180):
        def fits(e):
            return e["event"] == event and (job is None or e.get("job") == job)
        for e in self.events:
            if fits(e):
                self.events.remove(e)
                return e
        end = time.monotonic() + timeout
        while True:
            e = self.q.get(timeout=max(0.1, end - time.monotonic()))
            assert e is not None, f"the driver ended before {event}: {self.events}"
            if fits(e):
                return e
            self.events.append(e)

    def spawn(self, argv, **kw):
        self.job += 1
        kw.setdefault("env", ENV)
        kw.setdefault("cwd", str(self.workspace))
        self.order("spawn", job=self.job, argv=[str(a) for a in argv], **kw)
        return self.job

    def run(self, argv, timeout=180, **kw):
        job = self.spawn(argv, **kw)
        return self.wait("exit", job, timeout)

    def sh(self, text, **kw):
        return self.run(["/bin/sh", "-c", text], **kw)

    def put(self, src, name):
        dst = self.workspace / name
        shutil.copy(src, dst)
        dst.chmod(0o755)
        if self.mode == "user" and os.geteuid() == 0:
            os.chown(dst, NOBODY, NOBODY)
        return dst

    def close(self):
        """Ends the jailer; the events of its end."""
        if self.p.poll() is None:
            self.p.stdin.close()
        rest = []
        while (e := self.q.get(timeout=180)) is not None:
            rest.append(e)
        code = self.p.wait(180)
        shutil.rmtree(self.dir, ignore_errors=True)
        assert code == 0, code
        assert not [e for e in rest if e["event"] in ("stuck", "orphan")], rest
        return rest


def popen_without_userns(cmd, **kw):
    """Starts cmd as nobody where no further user namespace can be made."""
    go = os.pipe()
    p = subprocess.Popen(
        ["unshare", "-U", "sh", "-c",   # the second shell is root in there
         'read x; exec sh -c "$0" - "$@"',
         "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv "
         '--reuid 65534 --regid 65534 --clear-groups "$@" </dev/null',
         *map(str, cmd)], stdin=go[0], cwd="/", **kw)
    os.close(go[0])
    mine = os.readlink("/proc/self/ns/user")
    end = time.monotonic() + 60
    while os.readlink(f"/proc/{p.pid}/ns/user") == mine:
        assert time.monotonic() < end
        time.sleep(0.01)
    for f in ("uid_map", "gid_map"):
        with open(f"/proc/{p.pid}/{f}", "w") as w:
            w.write("0 0 65536")
    os.write(go[1], b"go\n")
    os.close(go[1])
    return p


def processes(marker):
    """Pids of processes whose command line has the marker."""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (p / "cmdline").read_bytes():
                if int(p.name) != os.getpid():
                    found.append(int(p.name))
        except OSError:
            pass
    return found
