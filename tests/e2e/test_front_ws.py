# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""WebSocket up to the hand-over: upgrade, challenge, connect, refusals."""
import asyncio
import json
import os
import socket
import ssl
import struct
import threading
import time

import pytest
import tlsfiles
import websockets
from frontrig import (Closed, Http, Rig, VERDICT, Ws, connect_params, frame)
from rigs import maker, rig  # noqa: F401 (fixtures)
from workerproc import SANITIZED, private_kib

make_rig = maker(Rig)


def test_login_and_handover(rig):
    with Ws(rig) as w:
        nonce = w.open()
        w.req("connect", connect_params(
            scopes=["operator.read", "operator.write"], caps=["x"],
            device={"id": "d", "publicKey": "k", "signature": "s",
                    "signedAt": 5, "nonce": nonce}), id='a"\u00e4')
        m = w.recv()
        assert m["id"] == 'a"\u00e4' and m["payload"]["type"] == "hello-ok"
        assert w.call("health")["payload"] == {"method": "health"}
    q = rig.asked[0]
    assert q.protocol == 3 and q.client_id == "test" and q.token == "good"
    assert q.have_token == 1 and q.have_password == 0 and q.have_device == 1
    assert q.scopes == "operator.read,operator.write"
    assert q.challenge == nonce == q.nonce and q.signed_at == 5
    assert q.local == 1 and q.remote == "" and q.role == 0
    assert q.host == f"127.0.0.1:{rig.port}"
    assert json.loads(q.node) == {"caps": ["x"]}
    h = rig.handed[0]
    assert h.ticket == q.conn + 1000 and h.tls == 0 and h.unread == b""


def test_pipelined_frames_wait_for_the_router(rig):
    """Oddity 19: what follows connect is answered after hello-ok."""
    with Ws(rig) as w:
        w.open()
        w.send(b"".join(
            frame(0x81, json.dumps({"type": "req", "id": str(i),
                                    "method": "connect" if i == 0 else "m",
                                    "params": connect_params()
                                    if i == 0 else {}}))
            for i in range(20)))
        assert [w.recv()["id"] for _ in range(20)] == \
            [str(i) for i in range(20)]
    assert len(rig.handed) == 1


def test_in_single_bytes(rig):
    with Ws(rig) as w:
        w.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        w.open()
        data = json.dumps({"type": "req", "id": "1", "method": "connect",
                           "params": connect_params()}).encode()
        cut = len(data) // 2
        wire = (frame(0x01, data[:cut]) + frame(0x89, b"ping") +
                frame(0x80, data[cut:]))
        for i in range(len(wire)):
            w.send(wire[i:i + 1])
        assert w.recv()["ok"]
        assert w.pongs == [b"ping"]


def test_library_client(rig):
    async def run():
        async with websockets.connect(
                f"ws://127.0.0.1:{rig.port}/any/path?x=1",
                compression="deflate") as ws:
            m = json.loads(await ws.recv())
            assert m["event"] == "connect.challenge"
            await ws.send(json.dumps(
                {"type": "req", "id": "1", "method": "connect",
                 "params": connect_params()}))
            assert json.loads(await ws.recv())["ok"]
            await ws.send(json.dumps(
                {"type": "req", "id": "2", "method": "health"}))
            assert json.loads(await ws.recv())["id"] == "2"
    asyncio.run(run())


def refused(rig, params, **kw):
    with Ws(rig) as w:
        w.open(**kw)
        w.req("connect", params)
        code, reason, seen = w.closed()
        assert w.at_end()
    assert len(seen) == 1 and not seen[0]["ok"] and seen[0]["id"] == "1"
    return code, reason, seen[0]["error"]


def test_T04_wrong_token_is_no_token(rig):
    code, reason, e = refused(rig, connect_params(auth={"token": "wrong"}))
    assert code == 1008 and e["code"] == "INVALID_REQUEST"
    assert e["message"].startswith("unauthorized: gateway token mismatch")
    assert reason == e["message"][:120]
    assert not rig.handed


def test_verdict_details(rig):
    rig.judge = lambda m: {
        "verdict": VERDICT["VERDICT_REFUSED"], "code": "NOT_PAIRED",
        "message": "pairing required", "details": b'{"requestId":"r"}'}
    code, reason, e = refused(rig, connect_params())
    assert (code, reason) == (1008, "pairing required")
    assert e == {"code": "NOT_PAIRED", "message": "pairing required",
                 "details": {"requestId": "r"}}


@pytest.mark.parametrize("data,code,reason", [
    ("nonsense", 1000, ""),
    ("", 1000, ""),
    ("[" * 30000, 1000, ""),
    ('{"a":' * 10000 + "1" + "}" * 10000, 1000, ""),
    ('{"type":"req","id":"1","method":"connect","params":{}} x', 1000, ""),
    ("1", 1008, "invalid request frame"),
    ("[]", 1008, "invalid request frame"),
    ('{"type":"res","id":"1","ok":true}', 1008, "invalid request frame"),
    ('{"type":"req","id":1,"method":"connect"}', 1008,
     "invalid request frame"),
    ('{"type":"req","id":"","method":"connect"}', 1008,
     "invalid request frame"),
    ('{"type":"req","id":"1","method":"connect","extra":1}', 1008,
     "invalid request frame"),
])
def test_first_frame_malformed(rig, data, code, reason):
    with Ws(rig) as w:
        w.open()
        w.text(data)
        assert w.closed() == (code, reason, [])
        assert w.at_end()


@pytest.mark.parametrize("method", ["health", "config.get", "config.apply",
                                    "agent", "nope", "chat.send"])
def test_T03_nothing_before_connect(rig, method):
    with Ws(rig) as w:
        w.open()
        w.req(method, {})
        code, reason, seen = w.closed()
    text = "invalid handshake: first request must be connect"
    assert (code, reason) == (1008, text)
    assert seen[0]["error"] == {"code": "INVALID_REQUEST", "message": text}
    assert not rig.asked


@pytest.mark.parametrize("change,text", [
    ({"client": None}, "must have required property 'client'"),
    ({"surplus": 1}, "at root: unexpected property 'surplus'"),
    ({"client": {"id": "evil", "version": "1", "platform": "x",
                 "mode": "test"}},
     "at /client/id: must be equal to constant"),
    ({"minProtocol": 0}, "at /minProtocol: must be >= 1"),
    ({"minProtocol": "3"}, "at /minProtocol: must be integer"),
    ({"scopes": "operator.admin"}, "at /scopes: must be array"),
    ({"auth": {"token": None}}, "at /auth/token: must be string"),
    ({"auth": {"token": "x" * 5000}}, "at /auth/token: must NOT have more"),
    ({"client": {"id": "test", "version": "v" * 200, "platform": "x",
                 "mode": "test"}}, "at /client/version: must NOT have more"),
    ({"device": {"id": "x"}}, "must have required property 'publicKey'"),
])
def test_params_refused(rig, change, text):
    code, reason, e = refused(rig, connect_params(**change))
    assert code == 1008 and e["code"] == "INVALID_REQUEST"
    assert e["message"].startswith("invalid connect params: ")
    assert text in e["message"]
    assert reason == e["message"][:120]
    assert not rig.asked


@pytest.mark.parametrize("lo,hi,protocol", [
    (3, 3, 3), (1, 9, 4), (3, 4, 4), (4, 4, 4), (4, 7, 4), (1, 2, 2),
    (1, 1, 1), (2, 3, 3),
])
def test_protocol_ranges(rig, lo, hi, protocol):
    with Ws(rig) as w:
        w.login(minProtocol=lo, maxProtocol=hi)
    assert rig.asked[0].protocol == protocol


@pytest.mark.parametrize("lo,hi,newer", [
    (5, 9, True), (4, 3, False), (9, 1, False)])
def test_protocol_mismatch(rig, lo, hi, newer):
    code, reason, e = refused(rig, connect_params(minProtocol=lo,
                                                  maxProtocol=hi))
    assert (code, reason) == (1002, "protocol mismatch")
    # who cannot know version 4 is told what version 3 tells
    assert e["details"] == ({
        "code": "PROTOCOL_MISMATCH", "expectedProtocol": 4,
        "minimumProbeProtocol": 3, "clientMinProtocol": lo,
        "clientMaxProtocol": hi} if newer else {"expectedProtocol": 3})


def test_T05_role(rig):
    code, reason, e = refused(rig, connect_params(role="admin"))
    assert (code, reason) == (1008, "invalid role")
    with Ws(rig) as w:
        w.login(role="node", commands=["system.run"], pathEnv="/bin")
    assert rig.asked[0].role == 1
    assert json.loads(rig.asked[0].node) == {
        "commands": ["system.run"], "pathEnv": "/bin"}


@pytest.mark.parametrize("wire,code", [
    (frame(0xC1, "x"), 1002), (frame(0x83, "x"), 1002),
    (frame(0x80, "x"), 1002), (frame(0x09, "x"), 1002),
    (frame(0x81, "x", masked=False), 1002),
    (frame(0x89, "x" * 126), 1002),
    (frame(0x81, b"\xc3\x28"), 1007), (frame(0x82, b"\xff"), 1007),
    (frame(0x81, b"\xed\xa0\x80"), 1007),
    (b"\x81\xff" + struct.pack(">Q", 100 << 20), 1009),
    (b"\x81\xff" + struct.pack(">Q", 1 << 62), 1009),
    (b"\x81\xff" + struct.pack(">Q", 65537), 1009),
    (frame(0x01, "x" * 40000) + frame(0x80, "x" * 40000), 1009),
    (frame(0x88, struct.pack(">H", 1000)), 1000),
    (frame(0x88, b""), 1005),
    (frame(0x88, struct.pack(">H", 1005)), 1002),
])
def test_bad_frames(rig, wire, code):
    with Ws(rig) as w:
        w.open()
        w.send(wire)
        got, _, seen = w.closed()
        assert got == code and not seen
        assert w.at_end()


def test_100_mb_frame_costs_nothing(rig):
    with Ws(rig) as w:
        w.open()
        before = private_kib(rig.worker.pid)
        try:
            w.send(b"\x81\xff" + struct.pack(">Q", 100 << 20) + b"\0" * 4)
            for _ in range(100):
                w.send(b"x" * (1 << 20))
        except OSError:
            pass
        assert SANITIZED or private_kib(rig.worker.pid) - before < 1024
    with Ws(rig) as w:
        w.login()


@pytest.mark.parametrize("headers,status", [
    ([("Upgrade", "websocket"), ("Connection", "Upgrade")], 426),
    ([("Upgrade", "websocket"), ("Connection", "close"),
      ("Sec-WebSocket-Version", "13"),
      ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")], 400),
    ([("Upgrade", "websocket"), ("Connection", "Upgrade"),
      ("Sec-WebSocket-Version", "8"),
      ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")], 426),
    ([("Upgrade", "websocket"), ("Connection", "Upgrade"),
      ("Sec-WebSocket-Version", "13"),
      ("Sec-WebSocket-Key", "short")], 400),
    ([("Upgrade", "websocket"), ("Connection", "Upgrade"),
      ("Sec-WebSocket-Version", "13"), ("Content-Length", "5"),
      ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")], 400),
])
def test_bad_upgrades(rig, headers, status):
    with Http(rig) as h:
        got, answer, _ = h.request("/", headers=headers)
        assert got == status
        if status == 426:
            assert answer["sec-websocket-version"] == "13"
        assert h.at_end()


@pytest.mark.parametrize("origin,host,ok", [
    (None, None, True),
    ("http://127.0.0.1:{port}", "127.0.0.1:{port}", True),
    ("http://LOCALHOST:{port}", "localhost:{port}", True),
    ("https://box.tail.ts.net", "box.tail.ts.net", True),
    ("http://192.168.1.5:{port}", "192.168.1.5:{port}", True),
    ("http://[::1]:{port}", "[::1]:{port}", True),
    ("https://listed.example", "other.example", True),
    ("http://127.0.0.1:1", "127.0.0.1:{port}", False),
    ("http://localhost:{port}", "127.0.0.1:{port}", False),
    ("http://evil.example", "127.0.0.1:{port}", False),
    # A name can be rebound to us, so that Origin and Host agree.
    ("http://evil.example:{port}", "evil.example:{port}", False),
    ("null", "127.0.0.1:{port}", False),
    ("", "127.0.0.1:{port}", False),
    ("file://", "127.0.0.1:{port}", False),
    ("http://127.0.0.1:{port}/", "127.0.0.1:{port}", False),
    ("http://127.0.0.1:{port}@evil.example", "127.0.0.1:{port}", False),
    ("https://listed.example.evil.example", "127.0.0.1:{port}", False),
    ("http://evil.example, http://127.0.0.1:{port}", "127.0.0.1:{port}",
     False),
])
def test_T11_origin(make_rig, origin, host, ok):
    rig = make_rig({"allowedOrigin.0": "https://listed.example"})

    def fill(s):
        return None if s is None else s.replace("{port}", str(rig.port))
    headers = [] if origin is None else [("Origin", fill(origin))]
    with Ws(rig) as w:
        status, _, body = w.upgrade(headers=headers, host=fill(host))
        assert status == (101 if ok else 403)
        if not ok:
            assert body == b"origin not allowed"


@pytest.mark.parametrize("headers,host,proxies,local,remote", [
    ([], None, [], 1, ""),
    ([], "localhost:1", [], 1, ""),
    ([], "[::1]:1", [], 1, ""),
    ([], "a.ts.net", [], 1, ""),
    ([], "evil.example", [], 0, ""),
    ([("X-Forwarded-For", "127.0.0.1")], None, [], 0, ""),
    ([("X-Real-IP", "127.0.0.1")], None, [], 0, ""),
    ([("Forwarded", "for=127.0.0.1")], None, [], 0, ""),
    ([("X-Forwarded-Proto", "https")], None, [], 0, ""),
    ([("x-forwarded-anything", "1")], None, [], 0, ""),
    ([("X-Forwarded-For", "9.9.9.9")], None, ["127.0.0.1"], 0, "9.9.9.9"),
    # What the client wrote itself stands in front and counts for nothing.
    ([("X-Forwarded-For", "127.0.0.1, 9.9.9.9")], None, ["127.0.0.1"], 0,
     "9.9.9.9"),
    ([("X-Forwarded-For", "127.0.0.1")], None, ["127.0.0.1"], 0, ""),
    ([("X-Forwarded-For", "9.9.9.9, 10.0.0.1")], None,
     ["127.0.0.1", "10.0.0.1"], 0, "9.9.9.9"),
    ([("X-Forwarded-For", "8.8.8.8"), ("X-Forwarded-For", "[2001:db8::1]:5")],
     None, ["127.0.0.1"], 0, "2001:db8::1"),
    ([("X-Real-IP", "9.9.9.9:80")], None, ["127.0.0.1"], 0, "9.9.9.9"),
    ([("X-Forwarded-For", "unknown")], None, ["127.0.0.1"], 0, ""),
])
def test_T10_locality(make_rig, headers, host, proxies, local, remote):
    rig = make_rig({f"trustedProxy.{i}": p for i, p in enumerate(proxies)})
    with Ws(rig) as w:
        assert w.upgrade(headers=headers, host=host)[0] == 101
        w.recv()
        w.req("connect", connect_params())
        assert w.recv()["ok"]
    assert (rig.asked[0].local, rig.asked[0].remote) == (local, remote)


@pytest.mark.parametrize("headers,proxies,user", [
    ([("X-User", "nick@example.org"), ("X-Proto", "https")], ["127.0.0.1"], "nick@example.org"),
    ([("x-user", " nick "), ("x-proto", "https")], ["::1", "127.0.0.1"], "nick"),
    # by the address of the socket only, whatever the headers say
    ([("X-User", "nick"), ("X-Proto", "https")], [], ""),
    ([("X-User", "nick"), ("X-Proto", "https"), ("X-Forwarded-For", "10.0.0.1")],
     ["10.0.0.1"], ""),
    ([("X-User", "nick"), ("X-Proto", "https"), ("X-Real-IP", "10.0.0.1")], ["10.0.0.1"], ""),
    # not as agreed
    ([("X-User", "nick")], ["127.0.0.1"], ""),
    ([("X-User", "nick"), ("X-Proto", " ")], ["127.0.0.1"], ""),
    ([("X-Proto", "https")], ["127.0.0.1"], ""),
    ([("X-User", ""), ("X-Proto", "https")], ["127.0.0.1"], ""),
    ([("X-User", "nick"), ("X-User", "root"), ("X-Proto", "https")], ["127.0.0.1"], ""),
    ([("X-User", "n" * 257), ("X-Proto", "https")], ["127.0.0.1"], ""),
    ([("X-User", "a\tb"), ("X-Proto", "https")], ["127.0.0.1"], ""),
])
def test_T10_user_of_a_proxy(make_rig, headers, proxies, user):
    rig = make_rig({"userHeader": "x-user", "requiredHeader.0": "X-Proto",
                    **{f"trustedProxy.{i}": p for i, p in enumerate(proxies)}})
    with Ws(rig) as w:
        assert w.upgrade(headers=headers)[0] == 101
        w.recv()
        w.req("connect", connect_params())
        assert w.recv()["ok"]
    assert rig.asked[0].user == user
    forwarded = any(k in ("X-Forwarded-For", "X-Real-IP") for k, _ in headers)
    assert rig.asked[0].local == (not forwarded and "127.0.0.1" not in proxies)


def test_T10_no_user_without_that_mode(make_rig):
    rig = make_rig({"trustedProxy.0": "127.0.0.1"})
    with Ws(rig) as w:
        assert w.upgrade(headers=[("X-User", "nick"), ("Tailscale-User-Login", "nick")])[0] == 101
        w.recv()
        w.req("connect", connect_params())
        assert w.recv()["ok"]
    assert rig.asked[0].user == ""


def test_handshake_timeout(make_rig):
    rig = make_rig({"limit.handshake_ms": "5000"})
    rig.judge = lambda m: None
    with Ws(rig) as silent, Ws(rig) as slow, Ws(rig) as judged:
        for w in (silent, slow, judged):
            w.open()
        judged.req("connect", connect_params())
        slow.send(frame(0x01, "{"))
        for w in (silent, slow, judged):
            assert w.closed() == (1000, "", [])


def test_T47_pings_are_counted(rig):
    with Ws(rig) as w:
        w.open()
        for _ in range(17):
            w.send(frame(0x89, "p"))
        assert w.closed()[0] == 1008


def test_without_store_or_router(make_rig):
    rig = make_rig(router=False)
    code, reason, e = refused(rig, connect_params())
    assert (code, reason) == (1013, "gateway starting")
    assert e["code"] == "UNAVAILABLE"
    rig.add_router()
    rig.worker.ping()
    with Ws(rig) as w:
        w.login()
    # The router dies while somebody is judged.
    rig.judge = lambda m: rig.router.sock.shutdown(socket.SHUT_RDWR)
    code, reason, e = refused(rig, connect_params())
    assert code == 1013
    rig.judge = rig.accept_good
    rig.add_router()
    rig.worker.ping()
    with Ws(rig) as w:
        w.login()


def test_client_gone_while_judged(rig):
    hold = []
    rig.judge = lambda m: hold.append(m)
    with Ws(rig) as w:
        w.open()
        w.req("connect", connect_params())
        rig.wait(lambda: hold)
        w.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                       struct.pack("ii", 1, 0))
    rig.store.send("AUTH_RES", corr=hold[0].corr, conn=hold[0].conn,
                   header_flags=2, verdict=VERDICT["VERDICT_OK"], ticket=5)
    rig.store.send("AUTH_RES", corr=99, conn=424242, header_flags=2,
                   verdict=VERDICT["VERDICT_OK"], ticket=6)
    rig.judge = rig.accept_good
    with Ws(rig) as w:
        w.login()


def test_T17_penalty_of_store(rig):
    rig.judge = lambda m: {**Rig.accept_good(rig, m), "penalty_s": 30}
    with Ws(rig, source="127.0.0.5") as w:
        w.open()
        w.req("connect", connect_params(auth={"token": "wrong"}))
        assert w.closed()[0] == 1008
    with Http(rig, source="127.0.0.5") as h:
        try:
            assert h.request("/health")[0] == 429
        except (Closed, ConnectionError):
            pass
    with Http(rig) as h:
        assert h.request("/health")[0] == 200
    # behind a proxy that nobody trusts: its address is everybody's here
    with Ws(rig) as w:
        w.open(headers=[("X-Forwarded-For", "203.0.113.9")])
        w.req("connect", connect_params(auth={"token": "wrong"}))
        assert w.closed()[0] == 1008
    with Http(rig) as h:
        assert h.request("/health")[0] == 200


def test_T17_10000_wrong_tokens(rig):
    """A good client's health is answered all the while."""
    with Ws(rig) as good:
        good.login()
        n = answered = 0

        def knock(count):
            nonlocal n
            for _ in range(count):
                with Ws(rig) as w:
                    w.open()
                    w.req("connect", connect_params(
                        auth={"token": "wrong"}))
                    assert w.closed()[0] == 1008
                n += 1
        threads = [threading.Thread(target=knock, args=(2500,))
                   for _ in range(4)]
        for t in threads:
            t.start()
        while any(t.is_alive() for t in threads):
            assert good.call("health")["ok"]
            answered += 1
            time.sleep(0.01)
        assert n == 10000 and answered > 10
    assert rig.worker.output().count("refused") < 200


def test_T47_1000_unauthenticated_sockets(rig):
    """They cost little, and others still get in."""
    with Ws(rig) as good:
        good.login()
        held, before = [], private_kib(rig.worker.pid)
        try:
            for i in range(1000):
                s = socket.create_connection(("127.0.0.1", rig.port))
                held.append(s)
                if i % 2:
                    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nA: ")
                if i % 50 == 0:
                    assert good.call("health")["ok"]
            assert good.call("health")["ok"]
            grown = private_kib(rig.worker.pid) - before
            assert SANITIZED or grown < 4096, grown
            with Ws(rig) as w:
                w.login()
        finally:
            for s in held:
                s.close()
    rig.wait(lambda: rig.stat().startswith("0 "), "all gone")


def test_T47_full_house_makes_room(make_rig):
    rig = make_rig({"limit.connections": "100"})
    begin = time.monotonic()
    held = [socket.create_connection(("127.0.0.1", rig.port))
            for _ in range(100)]
    rig.wait(lambda: rig.stat().startswith("100 "), "house full")
    with Ws(rig) as w:
        # Nobody has been silent for long yet, that is for a second.
        try:
            assert w.upgrade()[0] == 429 or time.monotonic() - begin > 1
        except (Closed, ConnectionError):
            pass

    def login():
        try:
            with Ws(rig) as w:
                w.login()
            return True
        except (Closed, ConnectionError, AssertionError):
            return False
    rig.wait(login, "room for one that speaks")
    assert held[0].recv(1) == b""
    for s in held:
        s.close()


def test_drain(rig):
    with Ws(rig) as w, Http(rig) as h:
        w.open()
        h.request("/health")
        rig.worker.ctl.send("PROC_DRAIN", deadline_ms=1000)
        rig.worker.ctl.expect("PROC_DRAINED")
        assert w.closed() == (1012, "service restart", [])
        assert h.at_end()
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", rig.port))


@pytest.fixture(scope="module")
def tls():
    ca = tlsfiles.make_ca()
    cert, key = tlsfiles.server_files(ca, "localhost", "127.0.0.1")
    ctx = ssl.create_default_context(cadata=ca.pem.decode())
    return {"tls.enabled": "true", "tls.cert": cert.decode(),
            "tls.key": key.decode()}, ctx


def test_tls(make_rig, tls):
    rig = make_rig(tls[0])
    with Http(rig, ctx=tls[1]) as h:
        assert h.s.version() in ("TLSv1.2", "TLSv1.3")
        assert h.request("/")[0] == 200
        assert h.request("/app.js")[0] == 200
    with Ws(rig, ctx=tls[1]) as w:
        w.login()
        assert w.call("health")["ok"]
        for i in range(50):
            assert w.call("x" * 3000, id=str(i))["ok"]
        assert "1 relays" in rig.stat()
    assert rig.handed[0].tls == 1
    rig.wait(lambda: "0 relays" in rig.stat(), "relay gone")
    # Plain HTTP to a TLS port, and an old TLS.
    with Http(rig) as h:
        h.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while h.fill():
            pass
        assert b"HTTP" not in h.buf
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Http(rig, ctx=old)


def test_tls_router_ends(make_rig, tls):
    rig = make_rig(tls[0])
    with Ws(rig, ctx=tls[1]) as w:
        w.login()
        for m in rig.handed:
            s = socket.socket(fileno=socket.dup(m.fds[0]))
            s.shutdown(socket.SHUT_RDWR)
            s.close()
        assert w.at_end()
    rig.wait(lambda: "0 relays" in rig.stat(), "relay gone")


@pytest.mark.skipif(os.geteuid() != 0, reason="it is not dumpable")
def test_plain_front_does_not_load_openssl(make_rig, tls):
    def maps(rig):
        with open(f"/proc/{rig.worker.pid}/maps") as f:
            return f.read()
    assert "libcrypto" not in maps(make_rig())
    assert "libcrypto" in maps(make_rig(tls[0]))
