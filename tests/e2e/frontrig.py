# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""gatewayd-front with this test as its parent, its store and its router.

The store accepts the token "good"; the router answers hello-ok and every
request of the clients that were handed over.  Ws is a WebSocket client made of
bytes, for sending what a library would refuse to.
"""
import base64
import hashlib
import json
import os
import socket
import struct
import threading
import time

import gwproto
from workerproc import ROOT, Worker

PUBLIC = gwproto.enum("listener_kind")["LISTENER_PUBLIC"]
VERDICT = gwproto.enum("verdict")
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CHAT = ROOT / "gatewayd/webchat"


def connect_params(**kw):
    p = {"minProtocol": 3, "maxProtocol": 3,
         "client": {"id": "test", "version": "1", "platform": "linux",
                    "mode": "test"},
         "auth": {"token": "good"}}
    p.update(kw)
    return {k: v for k, v in p.items() if v is not None}


def frame(first, data, mask=b"\1\2\3\4", masked=True):
    if isinstance(data, str):
        data = data.encode()
    n = len(data)
    m = 0x80 if masked else 0
    h = bytes([first])
    if n < 126:
        h += bytes([m | n])
    elif n < 65536:
        h += bytes([m | 126]) + struct.pack(">H", n)
    else:
        h += bytes([m | 127]) + struct.pack(">Q", n)
    if not masked:
        return h + data
    full = mask * (n // 4 + 1)
    return h + mask + (int.from_bytes(data, "big") ^ int.from_bytes(
        full[:n], "big")).to_bytes(n, "big") if n else h + mask


class Closed(Exception):
    """The server closed: code (None: without a close frame) and reason."""

    def __init__(self, code, reason=""):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class Http:
    """One connection; request() gives (status, headers, body)."""

    def __init__(self, rig, timeout=60, ctx=None, source=None):
        self.rig = rig
        self.s = socket.create_connection(
            ("127.0.0.1", rig.port), timeout=timeout,
            source_address=(source, 0) if source else None)
        if ctx is not None:
            self.s = ctx.wrap_socket(self.s, server_hostname="localhost")
        self.buf = b""

    def send(self, data):
        self.s.sendall(data)

    def fill(self):
        try:
            b = self.s.recv(65536)
        except ConnectionError:
            b = b""
        self.buf += b
        return bool(b)

    def response(self, head=False):
        while b"\r\n\r\n" not in self.buf:
            if not self.fill():
                raise Closed(None, self.buf)
        top, self.buf = self.buf.split(b"\r\n\r\n", 1)
        lines = top.decode().split("\r\n")
        status = int(lines[0].split()[1])
        headers = {}
        for line in lines[1:]:
            k, v = line.split(": ", 1)
            assert k.lower() not in headers, k
            headers[k.lower()] = v
        n = 0 if head or status in (101, 304) else int(
            headers.get("content-length", 0))
        while len(self.buf) < n:
            if not self.fill():
                raise Closed(None)
        body, self.buf = self.buf[:n], self.buf[n:]
        return status, headers, body

    def request(self, path="/", method="GET", headers=(), host=None):
        lines = [f"{method} {path} HTTP/1.1"]
        if host != "":
            lines.append("Host: %s" % (host or f"127.0.0.1:{self.rig.port}"))
        lines += [f"{k}: {v}" for k, v in headers]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        return self.response(method == "HEAD")

    def at_end(self):
        """Has the server closed, with nothing more to say?"""
        return not self.buf and not self.fill()

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


class Ws(Http):
    def upgrade(self, path="/", headers=(), host=None):
        key = base64.b64encode(os.urandom(16))
        status, h, body = self.request(path, headers=[
            ("Upgrade", "websocket"), ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key.decode()), *headers], host=host)
        if status == 101:
            assert h["sec-websocket-accept"].encode() == base64.b64encode(
                hashlib.sha1(key + GUID).digest())
            assert "sec-websocket-extensions" not in h
            assert "sec-websocket-protocol" not in h
        return status, h, body

    def need(self, n):
        while len(self.buf) < n:
            if not self.fill():
                raise Closed(None)

    def recv_frame(self):
        self.need(2)
        n, at = self.buf[1], 2
        assert not n & 0x80, "a server does not mask"
        if n == 126:
            self.need(4)
            n, at = struct.unpack(">H", self.buf[2:4])[0], 4
        elif n == 127:
            self.need(10)
            n, at = struct.unpack(">Q", self.buf[2:10])[0], 10
        self.need(at + n)
        first, data = self.buf[0], self.buf[at:at + n]
        self.buf = self.buf[at + n:]
        return first, data

    def recv(self):
        """The next text as JSON; pongs are kept in .pongs, pings counted."""
        while True:
            first, data = self.recv_frame()
            if first == 0x8A:
                self.pongs = getattr(self, "pongs", []) + [data]
            elif first == 0x89:
                self.pings = getattr(self, "pings", 0) + 1
            elif first == 0x88:
                raise Closed(struct.unpack(">H", data[:2])[0]
                             if data else 1005, data[2:].decode())
            else:
                assert first == 0x81
                return json.loads(data)

    def closed(self):
        """Reads to the close frame: (code, reason, frames before it)."""
        seen = []
        try:
            while True:
                seen.append(self.recv())
        except Closed as e:
            return e.code, e.reason, seen

    def text(self, data):
        self.send(frame(0x81, data if isinstance(data, (str, bytes))
                        else json.dumps(data)))

    def req(self, method, params=None, id="1"):
        f = {"type": "req", "id": id, "method": method}
        if params is not None:
            f["params"] = params
        self.text(f)

    def open(self, **kw):
        """Upgrade and challenge; its nonce."""
        assert self.upgrade(**kw)[0] == 101
        m = self.recv()
        assert m["type"] == "event" and m["event"] == "connect.challenge"
        assert set(m) == {"type", "event", "payload"}
        assert len(m["payload"]["nonce"]) == 36
        assert isinstance(m["payload"]["ts"], int)
        return m["payload"]["nonce"]

    def login(self, **kw):
        self.open()
        self.req("connect", connect_params(**kw))
        m = self.recv()
        assert m["ok"], m
        return m

    def call(self, method, id="2"):
        self.req(method, id=id)
        while True:
            m = self.recv()
            if m.get("id") == id:
                return m


class Rig:
    def __init__(self, parcel=None, router=True, store=True, ui=True):
        p = {"tls.enabled": "false", "ui.basePath": "/", "ui.enabled": "true"}
        mounts = []
        if ui:
            p["ui.dir"] = str(CHAT)
            mounts = [(CHAT, "ro")]
        p.update(parcel or {})
        self.want_router, self.want_store = router, store
        self.worker = Worker("FRONT", "", parcel=p, mounts=mounts)
        self.asked, self.handed = [], []
        self.judge = self.accept_good
        self.http = []          # HTTP_REQ, GONE and CREDIT that came
        self.serve = None       # what the router does with them
        self.tickets = {}

    def start(self):
        self.worker.start()
        if self.want_store:
            self.add_store()
        if self.want_router:
            self.add_router()
        ls = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = ls.getsockname()[1]
        self.worker.ctl.send("PROC_LISTENER", kind=PUBLIC, name="test",
                             fds=[ls.fileno()])
        ls.close()
        return self

    def add_store(self):
        self.store = self.worker.add_peer("STORE")
        threading.Thread(target=self._loop, args=(self.store, self._store),
                         daemon=True).start()

    def add_router(self):
        self.router = self.worker.add_peer("ROUTER")
        self.router.send("FRONT_STATE", ready=1)
        threading.Thread(target=self._loop, args=(self.router, self._router),
                         daemon=True).start()

    def _loop(self, link, handle):
        while True:
            try:
                m = link.recv(3600)
            except (OSError, ValueError, TimeoutError):
                m = None
            if m is None:
                return
            handle(m)

    def accept_good(self, m):
        if m.name == "HTTP_AUTH":
            if m.secret == "good":
                return {"verdict": VERDICT["VERDICT_OK"]}
        elif m.token == "good":
            return {"verdict": VERDICT["VERDICT_OK"], "ticket": m.conn + 1000}
        return {"verdict": VERDICT["VERDICT_REFUSED"],
                "code": "INVALID_REQUEST",
                "message": "unauthorized: gateway token mismatch (provide "
                           "gateway auth token)"}

    def _store(self, m):
        self.asked.append(m)
        answer = self.judge(m)
        if answer is not None:
            self.store.send("AUTH_RES", corr=m.corr, conn=m.conn,
                            header_flags=gwproto.F_REPLY, **answer)

    def answer(self, m, data, status=200, form=0, end=1):
        """A piece of the answer to an HTTP_REQ."""
        if isinstance(data, str):
            data = data.encode()
        self.router.send("HTTP_RES", corr=m.corr, header_flags=gwproto.F_REPLY,
                         status=status, form=form, end=end, data=data)

    def _router(self, m):
        if m.name.startswith("HTTP_"):
            self.http.append(m)
            if self.serve is not None:
                self.serve(m)
            return
        self.handed.append(m)
        threading.Thread(target=self._client, args=(m,), daemon=True).start()

    def _client(self, m):
        s = socket.socket(fileno=m.fds[0])
        s.settimeout(60)
        buf = m.unread
        hello = {"type": "res", "id": json.loads(m.request_id), "ok": True,
                 "payload": {"type": "hello-ok"}}
        try:
            s.sendall(frame(0x81, json.dumps(hello), masked=False))
            while True:
                while True:
                    first, f, buf = self._unframe(buf)
                    if f is None:
                        break
                    if first != 0x81:
                        return s.close()
                    rq = json.loads(f)
                    s.sendall(frame(0x81, json.dumps(
                        {"type": "res", "id": rq["id"], "ok": True,
                         "payload": {"method": rq["method"]}}),
                        masked=False))
                b = s.recv(65536)
                if not b:
                    break
                buf += b
        except OSError:
            pass
        s.close()

    @staticmethod
    def _unframe(buf):
        if len(buf) < 6:
            return None, None, buf
        n, at = buf[1] & 0x7F, 2
        if n == 126:
            if len(buf) < 8:
                return None, None, buf
            n, at = struct.unpack(">H", buf[2:4])[0], 4
        if len(buf) < at + 4 + n:
            return None, None, buf
        mask = buf[at:at + 4]
        data = bytes(c ^ mask[i % 4]
                     for i, c in enumerate(buf[at + 4:at + 4 + n]))
        return buf[0], data, buf[at + 4 + n:]

    def wait(self, cond, what="", timeout=60):
        end = time.monotonic() + timeout
        while not cond():
            assert time.monotonic() < end, what
            time.sleep(0.01)

    def stat(self):
        self.worker.ctl.send("PROC_STAT", corr=7)
        return self.worker.ctl.expect("PROC_STAT_RES", timeout=60).detail

    def close(self):
        alive = self.worker.alive()
        status = self.worker.kill() if alive else None
        assert alive, "front ended: " + self.worker.output()
        return status
