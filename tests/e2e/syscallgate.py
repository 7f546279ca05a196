# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Holds system calls of a program until a test lets them go; see
syscall_gate.c.

    gate = Gate("fdatasync", "rename")
    Worker(..., gate=gate) or popen(gate.command(argv), pass_fds=gate.fds)
    gate.hold("fdatasync")
    call = gate.wait("fdatasync")       # somebody stands before it
    gate.pass_all("fdatasync")          # goes on, with all that wait
    gate.calls                          # every one there was
    gate.judge = lambda call: ...       # may kill call.pid; True: it did
"""
import fcntl
import os
import pathlib
import select
import socket
import struct
import subprocess
import threading
import time

import pytest
from gateway import Gateway

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("GATEWAYD_BIN", ROOT / "build/bin"))
PROGRAM = BIN.resolve().parent / "tests/e2e/syscall_gate"
NOTIF = struct.Struct("<QIIiIQ6Q")
RESP = struct.Struct("<QqiI")
RECV, SEND = 0xc0502100, 0xc0182101
CONTINUE = 1


def available():
    """Not below a program that has such a listener itself."""
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with a, b:
        return subprocess.run([PROGRAM, str(b.fileno()), "fsync", "/bin/true"], timeout=60,
                              pass_fds=[b.fileno()]).returncode == 0


needs_gate = pytest.mark.skipif(not available(), reason="no seccomp notification here")


class Call:
    """One system call; began, ended: when it was seen, when it was let go."""

    def __init__(self, name, pid, key):
        self.name, self.pid, self.key = name, pid, key
        self.began, self.ended = time.monotonic(), None


class Gate:
    def __init__(self, *names):
        self.names = names
        self.cond = threading.Condition()
        self.held = {}          # name -> errno it gets meanwhile, or 0: waits
        self.calls, self.waiting = [], []
        self.judge = None
        self.listener = None
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    @property
    def fds(self):
        return (self.theirs.fileno(),)

    def command(self, argv, place=None):
        return [str(PROGRAM), str(place or self.theirs.fileno()),
                ",".join(self.names), *argv]

    def attend(self):
        """Takes the listener of the program that was just started."""
        self.theirs.close()
        self.take(self.ours)
        return self

    def take(self, sock):
        sock.settimeout(60)
        text, fds, _, _ = socket.recv_fds(sock, 1024, 1)
        sock.close()
        assert fds, "syscall_gate gave up"
        words = text.decode().split()
        self.numbers = {int(n): w for w, n in zip(words[::2], words[1::2])}
        self.listener = fds[0]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        while True:
            events = poll.poll(3600000)
            if events and not events[0][1] & select.POLLIN:
                os.close(self.listener)     # all of them have ended
                return
            buf = bytearray(NOTIF.size)
            try:
                fcntl.ioctl(self.listener, RECV, buf)
            except FileNotFoundError:
                continue                    # killed meanwhile
            except OSError:
                return
            key, pid, _, nr, *_ = NOTIF.unpack(buf)
            self._take(Call(self.numbers[nr], pid, key))

    def _take(self, call):
        with self.cond:
            self.calls.append(call)
            wait = self.held.get(call.name)
            if self.judge is not None and self.judge(call):
                pass
            elif wait == 0:
                self.waiting.append(call)
            elif wait is not None:
                # It asks again at once, and does other work in between.
                time.sleep(0.005)
                self._answer(call, -wait)
            else:
                self._go(call)
            self.cond.notify_all()

    def _answer(self, call, error=0):
        try:
            fcntl.ioctl(self.listener, SEND, RESP.pack(
                call.key, 0, error, 0 if error else CONTINUE))
        except OSError:
            pass                            # killed meanwhile

    def _go(self, call):
        call.ended = time.monotonic()       # not after it really goes on
        self._answer(call)

    def hold(self, name, error=0):
        """Those of that name wait, or get this errno, from now on."""
        with self.cond:
            self.held[name] = error
            return len(self.calls)

    def pass_all(self, name):
        with self.cond:
            self.held.pop(name, None)
            for call in [c for c in self.waiting if c.name == name]:
                self.waiting.remove(call)
                self._go(call)

    def seen(self, name, after=0):
        with self.cond:
            return [c for c in self.calls[after:] if c.name == name]

    def wait(self, *names, after=0, timeout=60):
        """The first such call since calls[after]."""
        def first():
            return next((c for c in self.calls[after:] if c.name in names), None)
        with self.cond:
            assert self.cond.wait_for(first, timeout), f"no {names}"
            return first()


class GatedGateway(Gateway):
    """Its whole tree stands before the gate, for one start."""

    def __init__(self, gate, **kw):
        self.gate = gate
        super().__init__(**kw)

    def popen(self, cmd, **kw):
        gate, self.gate = self.gate, None
        if gate is None:
            return super().popen(cmd, **kw)
        p = super().popen(gate.command(cmd), pass_fds=gate.fds, **kw)
        gate.attend()
        return p
