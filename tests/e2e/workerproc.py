# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Runs one worker process with this test as its parent and its siblings.

    w = Worker("CHAN", "telegram:main", parcel={...}, peers=["ROUTER",
               "CONNECT"], mounts=[(state_dir, "rw")])
    w.start()
    w.peers["ROUTER"].expect("CH_STATE")
    w.kill(); w.start()                     # a new process, new links

The worker is confined as in mode `none` (rlimits, no_new_privs, Landlock,
seccomp): what its filter forbids kills it here too.
"""
import fcntl
import os
import pathlib
import re
import select
import signal
import struct
import tempfile
import threading
import time

import gwproto

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("GATEWAYD_BIN", ROOT / "build/bin"))
MODE_NONE = 2
MOUNT = {"ro": 1, "rw": 2, "ro,opt": 5, "rw,opt": 6}


NOBODY = 65534
# Freed memory is kept for a while, so that its use can be found.
SANITIZED = BIN.resolve().parent.name == "asan"


def private_kib(pid):
    """Memory that only this process has; readable for everybody."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"RssAnon:\s+(\d+) kB", f.read()).group(1))


def worker_uid():
    """Who the worker is: root's workers are nobody."""
    return os.getuid() or NOBODY


def sandbox_spec(mounts=()):
    """sandbox_spec_encode() for mode none; see common/sandbox_spec.c."""
    uid, gid = worker_uid(), os.getgid() or NOBODY
    b = struct.pack("<BBIIIIIIQH", 1, MODE_NONE, 0, uid, gid, uid, gid, 0, 0,
                    len(mounts))
    for path, mode in mounts:
        p = str(path).encode()
        b += struct.pack("<IH", MOUNT[mode], len(p)) + p
    return b


class Worker:
    def __init__(self, role, instance="", parcel=None, peers=(), mounts=(),
                 gate=None):
        self.role, self.instance, self.parcel = role, instance, parcel
        self.peer_names, self.mounts = list(peers), list(mounts)
        self.gate = gate        # a syscallgate.Gate, for one start
        self.pid = None
        self.peers, self.ctl, self.log = {}, None, []
        self.log_link, self.log_lock = None, threading.Lock()
        self.stderr = tempfile.TemporaryFile()
        self.endpoint = 100
        self.ready = None

    def start(self, timeout=60):
        self.ctl, ctl_child = gwproto.pair()
        log_ours, log_child = gwproto.pair()
        parcel = gwproto.parcel_make(self.parcel) \
            if self.parcel is not None else None
        argv = [str(BIN / gwproto.ROLES[self.role][2]), "-i", self.instance]
        null = os.open("/dev/null", os.O_RDWR)
        src = [null, null, self.stderr.fileno(), ctl_child.fileno(),
               parcel if parcel is not None else null, log_child.fileno()]
        if self.gate is not None:
            argv = self.gate.command(argv, place=len(src))
            src.append(self.gate.theirs.fileno())
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in src]
        self.pid = os.posix_spawn(argv[0], argv, {"PATH": "/usr/bin:/bin"},
                                  file_actions=[(os.POSIX_SPAWN_DUP2, h, i)
                                                for i, h in enumerate(high)])
        for fd in high + [null] + ([parcel] if parcel is not None else []):
            os.close(fd)
        ctl_child.close()
        log_child.close()
        if self.gate is not None:
            self.gate.attend()
            self.gate = None
        self._logger(log_ours)
        self.ctl.send("PROC_SANDBOX", spec=sandbox_spec(self.mounts))
        self.ctl.expect("PROC_HELLO", timeout=timeout)
        self.peers = {}
        for name in self.peer_names:
            self.add_peer(name)
        self.ctl.send("PROC_START", generation=1)
        self.ready = self.ctl.expect("PROC_READY", timeout=timeout)
        return self

    def add_peer(self, name, instance=""):
        """A (new) sibling; its end of the link."""
        ours, theirs = gwproto.pair()
        self.endpoint += 1
        self.ctl.send("PROC_PEER", role=gwproto.role(name), instance=instance,
                      endpoint=self.endpoint, fds=[theirs.fileno()])
        theirs.close()
        self.peers[name] = ours
        return ours

    def _logger(self, link):
        def run():
            try:
                while True:
                    select.select([link], [], [], 3600)
                    self._read_log(link)
            except (OSError, ValueError):
                pass            # closed: it has ended
        self.log_link = link
        threading.Thread(target=run, daemon=True).start()

    def _read_log(self, link):
        """All that is there."""
        with self.log_lock:
            while link.fileno() != -1 and select.select([link], [], [], 0)[0]:
                try:
                    m = link.recv(0)
                except (OSError, ValueError, TimeoutError):
                    m = None
                if m is None:
                    link.close()
                    return
                self.log.append(m.fields["text"].decode(errors="replace"))

    def alive(self):
        if self.pid is None:
            return False
        pid, _ = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.pid = None
        return pid == 0

    def kill(self, sig=signal.SIGKILL):
        """Ends the process and both ends of its links; the exit status."""
        status = None
        if self.pid is not None:
            os.kill(self.pid, sig)
            _, status = os.waitpid(self.pid, 0)
            self.pid = None
        for link in [self.ctl, *self.peers.values()]:
            if link is not None:
                link.close()
        self.ctl, self.peers = None, {}
        return status

    def verbose(self):
        """It logs everything from now on."""
        self.ctl.send("PROC_VERBOSE", level=5)

    def ping(self):
        """It has done what it was told before."""
        self.ctl.send("PROC_PING", counter=1)
        self.ctl.expect("PROC_PONG")

    def drain(self):
        """It ends what it has begun and begins nothing new."""
        self.ctl.send("PROC_DRAIN", deadline_ms=60000)
        self.ctl.expect("PROC_DRAINED", timeout=60)

    def quit(self, timeout=60):
        """An orderly end: PROC_QUIT; the exit status."""
        self.ctl.send("PROC_QUIT")
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                self.kill()
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        raise AssertionError("it does not quit")

    def output(self):
        """Everything that it logged or wrote to standard error: also what it
        said just before the message that the test has read last."""
        if self.log_link is not None:
            self._read_log(self.log_link)
        self.stderr.seek(0)
        return "\n".join(self.log) + self.stderr.read().decode(
            errors="replace")
