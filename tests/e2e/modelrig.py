# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A real modeld with a test as its agent, its connect and its parent."""
import json
import os
import socket
import threading

import gwproto
from workerproc import Worker

CLASS = gwproto.enum("md_class")
CN = gwproto.enum("cn_err")
KEY = "canary-5f3a9c1e7b2d4860-key"


class Connector(threading.Thread):
    """Plays `connect`: dest number -> (host, port), or an error."""

    def __init__(self, link, dests):
        super().__init__(daemon=True)
        self.link, self.dests, self.opened = link, dests, []
        self.names = []
        self.start()

    def run(self):
        try:
            while self.one():
                pass
        except (OSError, ValueError, TimeoutError):
            pass                # the link is closed: the test is over

    def one(self):
        while True:
            m = self.link.recv(3600)
            if m is None:
                return False
            dest = m.fields["dest"]
            self.opened.append(dest)
            self.names.append(m.fields["host"])
            target = self.dests.get(dest)
            try:
                if target is None:
                    raise OSError("refused")
                s = socket.create_connection(target, 60)
                s.setblocking(False)
            except OSError as e:
                self.link.send("CN_ERR", corr=m.corr, header_flags=4,
                               kind=CN["CN_ERR_REFUSED"], reason=str(e))
                continue
            self.link.send("CN_FD", corr=m.corr, header_flags=4,
                           fds=[s.fileno()], address=f"{target[0]}")
            s.close()


class Modeld:
    def __init__(self, origin, target, style="x-api-key", key=KEY, prefix="",
                 ca=None, **parcel):
        self.parcel = {"provider": "fake", "origin": origin,
                       "path_prefix": prefix, "auth.style": style,
                       "auth.secret": key, "dest.0.host": "127.0.0.1",
                       "dest.0.port": str(target[1]), **parcel}
        mounts = []
        if ca:
            self.parcel["ca.file"] = ca
            mounts = [(ca, "ro")]
        self.w = Worker("MODEL", "fake:default", parcel=self.parcel,
                        peers=["AGENT", "CONNECT"], mounts=mounts)
        self.w.start()
        self.agent = self.w.peers["AGENT"]
        self.connector = Connector(self.w.peers["CONNECT"], {0: target})
        self.corr = 0

    def close(self):
        if self.w.pid is not None:
            self.w.kill()
        self.w.stderr.close()

    def request(self, body, path="/v1/messages", headers="", credit=1 << 20,
                method="POST", head_ms=60000, idle_ms=60000, link=None,
                version=True):
        self.corr += 1
        if version:
            headers = ("content-type: application/json\n"
                       "anthropic-version: 2023-06-01\n") + headers
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        (link or self.agent).send(
            "MD_REQ", corr=self.corr, method=method, path=path,
            headers=headers, head_timeout_ms=head_ms, idle_timeout_ms=idle_ms,
            body=body)
        if credit:
            self.credit(credit, link=link)
        return self.corr

    def credit(self, n, corr=None, link=None):
        (link or self.agent).send("MD_CREDIT", corr=corr or self.corr,
                                  bytes=n)

    def answer(self, corr=None, timeout=60, link=None):
        """All of one answer: (status, headers, body, end)."""
        corr = corr or self.corr
        status, headers, body = 0, {}, b""
        while True:
            m = (link or self.agent).expect("MD_HEAD", "MD_DATA", "MD_END",
                                            timeout=timeout)
            if m.corr != corr:
                continue
            if m.name == "MD_HEAD":
                status = m.fields["status"]
                for line in m.fields["headers"].decode().splitlines():
                    k, v = line.split(": ", 1)
                    headers[k.lower()] = v
            elif m.name == "MD_DATA":
                body += m.fields["bytes"]
            else:
                return status, headers, body, m.fields

    def ask(self, body, **kw):
        self.request(body, **kw)
        return self.answer()


def message(text="hi", stream=True, **kw):
    return {"model": "m", "max_tokens": 64, "stream": stream,
            "messages": [{"role": "user", "content": text}], **kw}


def memory_of(pid):
    """Every readable part of a process, as one would look for a secret; the
    shadow memory of sanitizers is left out."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, \
            open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            span, perms = line.split()[:2]
            a, b = (int(x, 16) for x in span.split("-"))
            if "r" not in perms or "[v" in line or b - a > 256 << 20:
                continue
            try:
                mem.seek(a)
                yield mem.read(b - a)
            except (OSError, ValueError, OverflowError):
                continue


def holds(pid, secret):
    secret = secret.encode()
    return any(secret in part for part in memory_of(pid))


def can_read_memory():
    """Root may; an ordinary user may not look into undumpable processes."""
    return os.geteuid() == 0
