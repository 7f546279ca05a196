# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Every worker, for real, with siblings that say every message there is: what
it may not hear ends the link and names the sender to the parent; what it may
hear is sent empty, with least values and as noise.  The worker goes on.
"""
import errno
import json
import os
import random
import select
import shutil
import struct
import tempfile
import time

import gwconfig
import gwproto
import pytest
import workerproc
from faultrig import SCRIPT

INSTANCE = {"CHAN": "telegram:default", "MODEL": "anthropic:default",
            "AGENT": "main", "TOOL": "main", "JAILER": "main",
            "FILES": "main", "FETCH": "main"}
CONFIG = {
    "gateway": {"mode": "local", "auth": {"token": "t" * 32}},
    "agents": {"defaults": {"model": {"primary": "builtin/script"},
                            "workspace": "@/workspace"}},
    "tools": {"web": {"fetch": {"enabled": True}}},
    "models": {"builtin": {"script": SCRIPT}, "providers": {"anthropic": {
        "baseUrl": "http://127.0.0.1:9", "apiKey": "k",
        "api": "anthropic-messages", "models": [{"id": "m", "name": "M"}]}}},
    "channels": {"telegram": {"enabled": True, "botToken": "1:x" + "y" * 33,
                              "apiRoot": "http://127.0.0.1:9",
                              "dmPolicy": "open", "allowFrom": ["*"]}}}


def links():
    text = gwproto._text("links.def")
    text = text[text.index("LINK(FRONT"):]
    return [tuple(a) for a in gwproto._calls(text, "LINK")]


def least(desc):
    """Values at the lower bound of every field."""
    v = {}
    for f in desc.fields:
        v[f.name] = f.lo if f.kind[0] == "U" else "x" * f.lo
    return v


class Victim:
    def __init__(self, role):
        self.role = role
        self.dir = tempfile.mkdtemp(prefix="gwh.")
        os.chmod(self.dir, 0o777)
        text = json.dumps(CONFIG).replace("@", self.dir)
        r = gwconfig.run(text, state=self.dir)
        assert r.ok, r.errors
        key = gwproto.ROLES[role][1], INSTANCE.get(role, "")
        parcel = r.parcels.get(key)
        mounts = []
        if key in [tuple(p) for p in r.procs()]:
            for path, mode in r.mounts(*key).items():
                opt = mode.endswith(",opt")
                mode = mode.split(",")[0].replace("own", "rw")
                if path.startswith(self.dir):
                    os.makedirs(path, exist_ok=True)
                    if os.geteuid() == 0:
                        os.chown(path, workerproc.NOBODY, workerproc.NOBODY)
                mounts.append((path, mode + (",opt" if opt else "")))
        self.w = workerproc.Worker(role, INSTANCE.get(role, ""),
                                   parcel=parcel, mounts=mounts)
        self.w.start()
        self.bad = 0
        self.n = 0

    def _ctl(self, want, timeout=60):
        end = time.monotonic() + timeout
        while True:
            m = self.w.ctl.recv(max(0.01, end - time.monotonic()))
            assert m is not None, "it ended:\n" + self.w.output()
            if m.name == want:
                return m

    def ping(self):
        self.n += 1
        self.w.ctl.send("PROC_PING", corr=self.n, counter=self.n)
        while True:
            m = self.w.ctl.recv()
            assert m is not None, "it ended:\n" + self.w.output()
            if m.name == "PROC_BADPEER":
                self.bad += 1
                self.last = m
            if m.name == "PROC_PONG" and m.counter == self.n:
                return

    def ended(self, link, wait):
        """Did it drop that link?  Reads what it said before."""
        while select.select([link.sock], [], [], wait)[0]:
            try:
                data, anc, _, _ = link.sock.recvmsg(65537, 1024)
            except ConnectionResetError:
                return True
            for _, _, c in anc:
                for fd in struct.unpack(f"{len(c) // 4}i", c[:len(c) & ~3]):
                    os.close(fd)
            if not data:
                return True
        return False

    def close(self):
        self.w.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


ROLES = ["LOG", "STORE", "CONNECT", "ROUTER", "FRONT", "CHAN", "AGENT",
         "MODEL", "TOOL", "JAILER", "FILES", "FETCH"]


@pytest.mark.parametrize("role", ROLES)
def test_R14_T03_hostile_siblings(role):
    rnd = random.Random(role)
    peers = sorted({a if b == role else b for a, b in links()
                    if role in (a, b)})
    assert peers
    v = Victim(role)
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        v.ping()
        tried = refused = 0
        for peer in peers:
            for desc in gwproto.BY_NUM.values():
                legal = gwproto.allowed(desc.name, peer, role, "RUN")
                forms = [(b"", ())]
                try:
                    forms.append((gwproto.encode(desc, least(desc))[0], ()))
                except (TypeError, struct.error):
                    pass
                if legal:
                    forms += [(rnd.randbytes(rnd.randrange(1, 300)), ())
                              for _ in range(20)]
                    forms.append((forms[1][0], (null,)))
                    forms.append((forms[1][0], (null,) * 9))
                for payload, fds in forms:
                    link = v.w.add_peer(peer, INSTANCE.get(peer, ""))
                    bad = v.bad
                    try:
                        link.send_raw(gwproto.HEADER.pack(
                            gwproto.HEADER.size + len(payload), desc.num, 1,
                            gwproto.F_FDS if fds else 0, 0, 0, 1, 1, 0) +
                            payload, fds)
                    except OSError as e:
                        assert e.errno in (errno.EPIPE, errno.ECONNRESET)
                    tried += 1
                    if legal:
                        v.ended(link, 0.005)
                        v.ping()
                    else:
                        assert v.ended(link, 60), f"{peer}: {desc.name}"
                        v.ping()
                        assert v.bad == bad + 1, f"{desc.name}: not reported"
                        assert v.last.type == desc.num
                        assert v.last.endpoint == v.w.endpoint
                        refused += 1
                    link.close()
                    v.w.ctl.send("PROC_UNPEER", endpoint=v.w.endpoint)
                    v.ping()
        assert v.w.alive()
        assert tried > 100 and refused > 80
        # and it still does its work: its descriptors are all closed
        if os.geteuid() == 0:   # it is not dumpable
            fds = os.listdir(f"/proc/{v.w.pid}/fd")
            assert len(fds) < 40, fds
    finally:
        os.close(null)
        v.close()
