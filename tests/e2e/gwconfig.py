# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Runs gatewayd-config as its parent would.

    r = gwconfig.run({"gateway": {"mode": "local"}}, env={"X": "1"})
    r.ok, r.errors, r.warnings      # lists of Problem
    r.parcels["router", ""]         # {"key": "value"}
    r.index                         # the parcel of the parent

Files that the configuration asks for are served from `files` (absolute path
-> text, or an errno).
"""
import errno
import fcntl
import json
import os
import pathlib
import signal
import socket
import struct
import tempfile
import time

import gwproto

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("GATEWAYD_BIN", ROOT / "build/bin"))
PATH = "/cfg/openclaw.json"
STATE = "/state"


def sandbox_spec(mode="SANDBOX_NONE", flags=0, mounts=()):
    """Bytes of sandbox_spec_encode(); mounts: (path, flags)."""
    uid, gid = os.geteuid() or 65534, os.getegid() or 65534
    out = struct.pack("<BBIIIIIIQH", 1, gwproto.enum("sandbox_mode")[mode],
                      flags, uid, gid, uid, gid, 0, 0, len(mounts))
    for path, fl in mounts:
        out += struct.pack("<IH", fl, len(path)) + path.encode()
    return out


class Problem:
    def __init__(self, f):
        self.file, self.line, self.key = f["file"], f["line"], f["key"]
        self.text = f["text"]

    def __repr__(self):
        return "%s:%d: %s: %s" % (self.file, self.line, self.key, self.text)


class Result:
    def __init__(self):
        self.ok = None
        self.errors, self.warnings = [], []
        self.parcels, self.asked = {}, []
        self.texts, self.done = {}, None
        self.status = None
        self.stderr = ""

    @property
    def index(self):
        return self.parcels["gatewayd", ""]

    def json(self, role, key, instance=""):
        return json.loads(self.parcels[role, instance][key])

    def procs(self):
        """[(role, instance)] of the index, in order."""
        out = []
        while "proc.%d.role" % len(out) in self.index:
            i = len(out)
            out.append((self.index["proc.%d.role" % i],
                        self.index["proc.%d.instance" % i]))
        return out

    def mounts(self, role, instance=""):
        i = self.procs().index((role, instance))
        out, n = {}, 0
        while "proc.%d.mount.%d.path" % (i, n) in self.index:
            out[self.index["proc.%d.mount.%d.path" % (i, n)]] = \
                self.index["proc.%d.mount.%d.mode" % (i, n)]
            n += 1
        return out


class Process:
    def __init__(self, link_fd):
        self.err = tempfile.TemporaryFile()
        env = {k: v for k, v in os.environ.items()
               if k.endswith("SAN_OPTIONS")}
        null = os.open("/dev/null", os.O_RDWR)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)
                for fd in (null, null, self.err.fileno(), link_fd)]
        argv = [str(BIN / "gatewayd-config")]
        self.status = None
        self.pid = os.posix_spawn(
            argv[0], argv, env, file_actions=[
                (os.POSIX_SPAWN_DUP2, fd, i) for i, fd in enumerate(high)])
        for fd in high + [null]:
            os.close(fd)

    def wait(self, timeout=60):
        end = time.monotonic() + timeout
        while self.status is None:
            pid, st = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(st)
            elif time.monotonic() > end:
                self.kill()
                raise AssertionError("gatewayd-config does not end")
            else:
                time.sleep(0.002)
        return self.status

    def kill(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(
                os.waitpid(self.pid, 0)[1])

    def stderr(self):
        self.err.seek(0)
        return self.err.read().decode(errors="replace")

    def close(self):
        self.kill()
        self.err.close()


def start():
    """(process, parent's end of its link), locked down, HELLO read."""
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    p = Process(b.fileno())
    b.close()
    link = gwproto.Link(a)
    link.send("PROC_SANDBOX", spec=sandbox_spec())
    try:
        hello = link.expect("PROC_HELLO")
    except EOFError:
        raise AssertionError(p.stderr()) from None
    assert hello.role == gwproto.role("CONFIG")
    return p, link


def run(config=None, env=None, files=None, flags=0, path=PATH, state=STATE,
        timeout=60, wish=None, before=None):
    """wish: (verb, parameters) of a change to judge; before: what ran."""
    res = Result()
    files = files or {}
    p, link = start()
    try:
        fds = []
        if config is not None:
            text = config if isinstance(config, (str, bytes)) else \
                json.dumps(config)
            fds.append(gwproto.memfd_sealed(
                text.encode() if isinstance(text, str) else text))
        fds.append(gwproto.parcel_make(env or {}))
        flag = gwproto.enum("cf_flag")
        if before is not None:
            flags |= flag["CF_WATCHED"]
            fds.append(gwproto.memfd_sealed(before))
        if wish is not None:
            flags |= flag["CF_WRITE"]
        link.send("CF_START", path=path, state_dir=state, generation=1,
                  flags=flags, fds=fds)
        for fd in fds:
            os.close(fd)
        if wish is not None:
            fd = gwproto.memfd_sealed(json.dumps(wish[1]).encode())
            link.send("CF_WISH", verb=gwproto.enum("cf_verb")[wish[0]],
                      now_ms=1700000000123, pid=77, fds=[fd])
            os.close(fd)
        kinds = {v: k for k, v in gwproto.enum("cf_text").items()}
        while True:
            m = link.expect("CF_FILE_REQ", "CF_PROBLEM", "CF_PARCEL",
                            "CF_TEXT", "CF_DONE", timeout=timeout)
            if m.name == "CF_DONE":
                res.ok = bool(m.ok)
                res.done = m.fields
                break
            if m.name == "CF_TEXT":
                with os.fdopen(os.dup(m.fds[0]), "rb") as f:
                    f.seek(0)
                    res.texts[kinds[m.kind]] = f.read()
                m.close()
                continue
            if m.name == "CF_FILE_REQ":
                res.asked.append(m.path)
                f = files.get(m.path, errno.ENOENT)
                if isinstance(f, int):
                    link.send("CF_FILE", corr=m.corr,
                              header_flags=gwproto.F_REPLY, err=f,
                              path=m.path)
                else:
                    fd = gwproto.memfd_sealed(
                        f.encode() if isinstance(f, str) else f)
                    link.send("CF_FILE", corr=m.corr,
                              header_flags=gwproto.F_REPLY, fds=[fd],
                              err=0, path=m.path)
                    os.close(fd)
            elif m.name == "CF_PROBLEM":
                (res.errors if m.severity else res.warnings).append(
                    Problem(m.fields))
            else:
                key = gwproto.ROLE_NAME[m.role]
                res.parcels[gwproto.ROLES[key][1], m.instance] = \
                    gwproto.parcel_read(m.fds[0])
                m.close()
        assert link.recv(timeout) is None
        res.status = p.wait(timeout)
        res.stderr = p.stderr()
    finally:
        link.close()
        p.close()
    return res
