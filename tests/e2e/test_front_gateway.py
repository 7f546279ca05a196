# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Bad input at the door of a whole gateway, while a good client is served."""
import asyncio
import json
import os
import re
import socket
import ssl
import struct
import threading
import time

import gwproto
import pytest
import tlsfiles
from frontrig import Closed, Http, Ws, connect_params, frame
from gateway import free_port


class Good:
    """A client that is in, and asks for health all the while."""

    def __init__(self, gw):
        self.w = Ws(gw, timeout=60)
        self.w.login(auth={"token": gw.token})
        self.n, self.error = 0, None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        try:
            while not self.stop.is_set():
                m = self.w.call("health", id=f"h{self.n}")
                assert m["ok"], m
                self.n += 1
                time.sleep(0.01)
        except Exception as e:
            self.error = e

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *a):
        self.stop.set()
        self.thread.join(120)
        self.w.close()
        if kind is None:
            assert self.error is None, self.error
            assert self.n > 0


def wrong_tokens(gw, count, threads=4):
    """How many were refused, and those not as they should be."""
    odd = []

    def knock(n):
        for _ in range(n):
            try:
                with Ws(gw, timeout=60) as w:
                    w.open()
                    w.req("connect", connect_params(
                        auth={"token": "wrong"}))
                    code, reason, seen = w.closed()
                    if code != 1008 or not reason.startswith("unauthorized"):
                        odd.append((code, reason))
            except (Closed, OSError, AssertionError) as e:
                odd.append(repr(e))
    ts = [threading.Thread(target=knock, args=(count // threads,))
          for _ in range(threads)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    return odd


def test_T17_10000_wrong_tokens(make_gateway):
    gw = make_gateway()
    with Good(gw) as good:
        odd = wrong_tokens(gw, 10000)
        assert good.n > 10
        # Lockout is an answer too; losing connections is not.
        assert not [o for o in odd if not (isinstance(o, tuple) or
                                           "429" in o)], odd[:3]
    with Ws(gw) as w:
        w.login(auth={"token": gw.token})


def test_T47_1000_unauthenticated_sockets(make_gateway):
    gw = make_gateway()
    held = []
    with Good(gw):
        for i in range(1000):
            s = socket.create_connection(("127.0.0.1", gw.port))
            held.append(s)
            if i % 3:
                s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with Ws(gw) as w:
            w.login(auth={"token": gw.token})
            assert w.call("health")["ok"]
    for s in held:
        s.close()


def test_bad_input_of_one_hurts_nobody(gateway):
    gw = gateway
    with Good(gw):
        # Before authentication.
        for data in ("[" * 60000, '{"a":' * 10000, "nonsense"):
            with Ws(gw) as w:
                w.open()
                w.text(data)
                assert w.closed()[0] == 1000
        for wire, code in ((b"\x81\xff" + struct.pack(">Q", 100 << 20), 1009),
                           (frame(0x81, b"\xc3\x28"), 1007)):
            with Ws(gw) as w:
                w.open()
                w.send(wire)
                assert w.closed()[0] == code
        # After it: what the protocol says lives on, lives on.
        with Ws(gw, timeout=60) as w:
            w.login(auth={"token": gw.token})
            w.text("[" * 100000)
            w.text('{"a":' * 80000 + "1" + "}" * 80000)
            w.text("nonsense")
            assert w.call("health", id="after")["ok"]
        for wire, code in ((b"\x81\xff" + struct.pack(">Q", 100 << 20), 1009),
                           (frame(0x81, b"\xc3\x28"), 1007),
                           (frame(0xC1, b"x"), 1002)):
            with Ws(gw, timeout=60) as w:
                w.login(auth={"token": gw.token})
                w.send(wire)
                assert w.closed()[0] == code
        # A slow upgrade.
        with Http(gw) as h:
            h.send(b"GET / HTTP/1.1\r\n")
            for _ in range(20):
                h.send(b"A: b\r\n")
                time.sleep(0.02)
    row = gw.processes()
    assert row["front"]["restarts"] == 0 and row["router"]["restarts"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="they are not dumpable")
def sockets(gw):
    """Where the processes of a gateway listen: TCP ports, UDP ports, Unix
    sockets by name."""
    inodes = set()
    for pid in gw.children():
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                t = os.readlink(f"/proc/{pid}/fd/{fd}")
                if t.startswith("socket:["):
                    inodes.add(t[8:-1])
        except OSError:
            pass
    tcp, udp, unix = set(), set(), set()
    for name in ("tcp", "tcp6", "udp", "udp6"):
        with open(f"/proc/net/{name}") as f:
            for line in f.readlines()[1:]:
                p = line.split()
                if p[9] in inodes and (p[3] == "0A" or name.startswith("udp")):
                    (tcp if name.startswith("tcp") else udp).add(int(p[1].split(":")[1], 16))
    with open("/proc/net/unix") as f:
        for line in f.readlines()[1:]:
            p = line.split()
            if p[6] in inodes and int(p[3], 16) & 0x10000:      # __SO_ACCEPTCON
                unix.add(p[7] if len(p) > 7 else "")
    return tcp, udp, unix


def test_T12_listeners(gateway):
    """Every port of ours asks who is there."""
    tcp, udp, unix = sockets(gateway)
    assert (tcp, udp) == ({gateway.port}, set())
    assert unix == {str(gateway.control_path)}
    assert gateway.control_path.stat().st_mode & 0o007 == 0


def test_T12_listeners_with_everything_on(make_gateway):
    """A second door for canvas pages, and what is behind neither without a
    secret: of every route of the table."""
    canvas = free_port()
    gw = make_gateway({
        "gateway": {"mode": "local", "http": {"endpoints": {
            "chatCompletions": {"enabled": True}, "responses": {"enabled": True}}}},
        "tools": {"web": {"fetch": {"enabled": True}}},
        "canvasHost": {"enabled": True, "port": canvas}})
    tcp, udp, unix = sockets(gw)
    assert (tcp, udp, unix) == ({gw.port, canvas}, set(), {str(gw.control_path)})
    rows = re.findall(r'^ROUTE\((\w+),\s*"([^"]+)",\s*(\w+),\s*(\w+),\s*\w+,\s*\w+,\s*(\w+)',
                      gwproto._text("routes.def"), re.M)
    assert len(rows) >= 13 and {r[4] for r in rows} == {"OPEN", "HOST", "SECRET"}
    for name, path, match, method, door in rows:
        for target in [path] + ([path + "/x"] if match == "BELOW" else []):
            for head in ([], [("Authorization", "Bearer wrong")],
                         [("Authorization", f"Basic {gw.token}")],
                         [("Authorization", gw.token)],
                         [("Authorization", f"Bearer {gw.token}")] * 2,
                         [("Cookie", f"token={gw.token}")], [("X-OpenClaw-Token", gw.token)]):
                with Http(gw) as h:
                    status, _, body = h.request(f"{target}?token={gw.token}", method, [
                        *head, ("Content-Length", "0")])
                assert (status == 401) == (door == "SECRET"), (name, target, head, status)
                if door == "SECRET":
                    assert json.loads(body)["error"]["type"] == "unauthorized"
        # The canvas's own port has nothing else.
        if name not in ("CANVAS", "A2UI", "LIVE"):
            with Http(type("R", (), {"port": canvas})) as h:
                assert h.request(path, method, [("Authorization", f"Bearer {gw.token}"),
                                                ("Content-Length", "0")])[0] == 404, name
    with Ws(type("R", (), {"port": canvas})) as w:
        assert w.upgrade("/")[0] == 404


def test_front_dies_and_comes_back(gateway):
    gw = gateway
    with Good(gw):
        with Ws(gw) as w:
            w.open()
            gw.kill("front")
            assert w.at_end()
        end = time.monotonic() + 60
        while True:
            try:
                with Ws(gw) as w:
                    w.login(auth={"token": gw.token})
                    break
            except (Closed, OSError, AssertionError):
                assert time.monotonic() < end
                time.sleep(0.05)
        # Clients that were handed over never noticed.


def test_tls_gateway(make_gateway, tmp_path):
    ca = tlsfiles.make_ca()
    cert, key = tlsfiles.server_files(ca, "localhost", "127.0.0.1")
    gw = make_gateway(start=False)
    (gw.state / "cert.pem").write_bytes(cert)
    (gw.state / "key.pem").write_bytes(key)
    gw.write_config({"gateway": {"tls": {
        "enabled": True, "certPath": str(gw.state / "cert.pem"),
        "keyPath": str(gw.state / "key.pem")}}})
    gw.start()
    ctx = ssl.create_default_context(cadata=ca.pem.decode())
    with Http(gw, ctx=ctx) as h:
        assert h.request("/")[0] == 200
    with Ws(gw, ctx=ctx) as w:
        w.login(auth={"token": gw.token})
        assert w.call("health")["ok"]
    assert gw.processes()["front"]["restarts"] == 0


def test_chat_through_the_door(gateway):
    async def run():
        async with gateway.client() as c:
            assert c.hello["type"] == "hello-ok"
            return await c.chat("what time is it?")
    assert asyncio.run(run())
