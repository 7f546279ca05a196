#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The local interface of tailscaled, as far as `tailscale whois` uses it: HTTP
over a Unix socket, at the level of bytes.

    ts = Tailscaled(path, {"100.64.0.7": "nick@example.org"}, uid=None)
    ts.requests     # heads that came, one after the other
    ts.say = b"..." # instead of an answer; None answers
    ts.gate.clear() # answers wait until it is set again

With uid the listener belongs to that user, as the kernel tells its clients.
"""
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.parse


class Tailscaled:
    def __init__(self, path, names, uid=None):
        self.path, self.names, self.say = str(path), names, None
        self.requests = []
        self.gate = threading.Event()
        self.gate.set()
        self.s = socket.socket(socket.AF_UNIX)
        self.s.bind(self.path)
        os.chmod(self.path, 0o666)
        if uid is None:
            self.s.listen(128)
        else:
            subprocess.run([sys.executable, "-c", "import socket; "
                            f"socket.socket(fileno={self.s.fileno()}).listen(128)"],
                           user=uid, group=uid, extra_groups=[], check=True,
                           cwd="/", pass_fds=[self.s.fileno()])
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        with c:
            try:
                buf = b""
                while b"\r\n\r\n" not in buf:
                    b = c.recv(65536)
                    if not b:
                        return
                    buf += b
                self.requests.append(buf.decode())
                self.gate.wait()
                c.sendall(self.say if self.say is not None else self.answer(buf))
                c.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    @staticmethod
    def profile(login):
        """What the real one says, as far as it matters."""
        return {"Node": {"ID": 1, "StableID": "n1", "Name": "laptop.tail1.ts.net.",
                         "User": 7, "Addresses": ["100.64.0.7/32"],
                         "Hostinfo": {"OS": "linux", "Hostname": "laptop"}},
                "UserProfile": {"ID": 7, "LoginName": login, "DisplayName": "Somebody",
                                "ProfilePicURL": "https://example.org/p.png"},
                "CapMap": None}

    @staticmethod
    def response(body, status="200 OK"):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return (f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n").encode() + body

    def answer(self, buf):
        line, _, rest = buf.decode().partition("\r\n")
        method, target, _ = line.split(" ")
        u = urllib.parse.urlsplit(target)
        if (method, u.path) != ("GET", "/localapi/v0/whois") or \
                "\r\nHost: local-tailscaled.sock\r\n" not in "\r\n" + rest:
            return self.response(b"invalid localapi request", "403 Forbidden")
        addr = urllib.parse.parse_qs(u.query)["addr"][0]
        host, port = addr.rsplit(":", 1)
        assert port.isdigit()
        login = self.names.get(host.strip("[]"))
        if login is None:
            return self.response(b"no match for IP:port\n", "404 Not Found")
        return self.response(self.profile(login))

    def close(self):
        self.s.close()
        self.gate.set()
        os.unlink(self.path)
