# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Identities of Tailscale: the headers of `tailscale serve`, which count when
tailscaled holds the connection and says the same; a fake of it on a Unix
socket.  From the process that asks it up to the whole gateway."""
import asyncio
import json
import os
import pathlib
import shutil
import socket
import tempfile

import gateway as g
import gwproto
import pytest
import websockets
from frontrig import Http, Rig, Ws, connect_params
from rigs import maker
from tailscaled import Tailscaled
from test_devices import error
from test_protocol import CLIENT, Device, ask, req
from workerproc import Worker

NICK = "nick@example.org"
NAMES = {"100.64.0.7": NICK, "fd7a:115c:a1e0::7": NICK, "100.64.0.8": "eve@example.org"}
OTHER = 54321


def headers(login=NICK, address="100.64.0.7"):
    """As tailscaled writes them."""
    return [("X-Forwarded-For", address), ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "box.tail1.ts.net"), ("Tailscale-User-Login", login),
            ("Tailscale-User-Name", "Somebody"),
            ("Tailscale-User-Profile-Pic", "https://example.org/p.png")]


@pytest.fixture
def place():
    d = pathlib.Path(tempfile.mkdtemp(prefix="gwts."))
    d.chmod(0o755)
    yield d / "tailscaled.sock"
    shutil.rmtree(d)


@pytest.fixture
def make_daemon(place):
    made = []

    def make(uid=None):
        made.append(Tailscaled(place, NAMES, uid))
        return made[-1]
    yield make
    for d in made:
        d.close()


# --- gatewayd-whois ----------------------------------------------------------------


class Asker:
    """The worker, and a connection that somebody makes to the gateway."""

    def __init__(self, path, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.host = host
        self.ls = socket.create_server((host, 0), family=family)
        self.to = self.ls.getsockname()[1]
        self.worker = Worker("WHOIS", mounts=[(path, "ro,opt")], parcel={
            "socket": str(path), "gateway.port": str(self.to)})
        self.n = 0
        self.connect()
        self.start()

    def start(self):
        self.worker.start()
        self.front = self.worker.add_peer("FRONT")

    def again(self, limits):
        """A new process with those limits."""
        self.worker.kill()
        self.worker.parcel.update(limits)
        self.start()

    def connect(self):
        self.client = socket.create_connection((self.host, self.to))
        self.port = self.client.getsockname()[1]
        self.server, _ = self.ls.accept()

    def send(self, login=NICK, address="100.64.0.7", **kw):
        self.n += 1
        q = {"peer": self.host, "port": self.port, **kw}
        self.front.send("WH_REQ", corr=self.n, conn=self.n + 100, address=address,
                        login=login, **q)
        return self.n

    def ask(self, *a, **kw):
        n = self.send(*a, **kw)
        m = self.front.expect("WH_RES", timeout=60)
        assert (m.corr, m.conn) == (n, n + 100)
        return bool(m.same)

    def close(self):
        alive = self.worker.alive()
        self.worker.kill()
        for s in (self.client, self.server, self.ls):
            s.close()
        assert alive, self.worker.output()


@pytest.fixture
def make_asker(place):
    made = []

    def make(**kw):
        made.append(Asker(place, **kw))
        return made[-1]
    yield make
    for a in made:
        a.close()


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


def test_T10_who_has_an_address(make_daemon, make_asker):
    ts, a = make_daemon(), make_asker()
    assert a.ask()
    assert ts.requests == [
        "GET /localapi/v0/whois?addr=100.64.0.7%3A0 HTTP/1.1\r\n"
        "Host: local-tailscaled.sock\r\nAccept: application/json\r\n"
        "Connection: close\r\n\r\n"]
    assert a.ask(" Nick@Example.ORG ")
    assert a.ask(address="fd7a:115c:a1e0::7")
    assert "addr=%5Bfd7a:115c:a1e0::7%5D%3A0 " in ts.requests[-1]
    for login, address in (("eve@example.org", "100.64.0.7"), (NICK, "100.64.0.8"),
                           (NICK, "100.64.0.9"), (NICK + "x", "100.64.0.7"),
                           ("nick@example.or", "100.64.0.7"), ("", "100.64.0.7")):
        if login:
            assert not a.ask(login, address), (login, address)
    # What is no address is not asked about, nor can it be more than one.
    n = len(ts.requests)
    for address in ("box.tail1.ts.net", "100.64.0.7&addr=100.64.0.8", "100.64.0.7:80",
                    "[fd7a:115c:a1e0::7]", "1 HTTP/1.1"):
        assert not a.ask(address=address)
    assert len(ts.requests) == n
    assert a.ask()
    a.worker.ctl.send("PROC_STAT", corr=1)
    assert a.worker.ctl.expect("PROC_STAT_RES").detail == "4 confirmed, 10 refused, 0 pending"


def test_whois_of_an_ipv6_connection(make_daemon, make_asker):
    if not has_ipv6():
        pytest.skip("no ::1 here")
    make_daemon()
    a = make_asker(host="::1")
    assert a.ask()
    assert not a.ask(peer="127.0.0.1")


def test_T10_whose_the_connection_is(make_daemon, make_asker):
    """Only an open connection of the user that tailscaled runs as."""
    ts, a = make_daemon(), make_asker()
    # another place; no connection; the gateway's own end of it
    for kw in ({"peer": "192.0.2.1"}, {"peer": "127.0.0.2"}, {"peer": "::1"},
               {"peer": "::ffff:127.0.0.1"}, {"port": a.to}):
        assert not a.ask(**kw), kw
    # Half closed, it has an owner no more, and the kernel says root: the one
    # that tailscaled usually is.
    a.client.shutdown(socket.SHUT_WR)
    assert not a.ask()
    a.client.close()
    assert not a.ask()
    assert ts.requests == []
    a.connect()
    assert a.ask()
    assert len(ts.requests) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_T10_connections_of_other_users(make_daemon, make_asker):
    """tailscaled is another user than whoever is connected."""
    ts = make_daemon(uid=OTHER)
    a = make_asker()
    assert not a.ask()
    assert ts.requests == []
    assert "its connection is not one of tailscaled" in a.worker.output()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_T10_unknown_users_are_not_the_same(make_daemon, make_asker):
    """65534 is everybody whom our user namespace does not know."""
    ts = make_daemon(uid=g.NOBODY)
    a = make_asker()
    assert not a.ask()
    assert ts.requests == [] and "cannot be told" in a.worker.output()


GOOD = json.dumps(Tailscaled.profile(NICK)).encode()
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
    b"%x\r\n%s\r\n" % (len(GOOD[i:i + 20]), GOOD[i:i + 20])
    for i in range(0, len(GOOD), 20)) + b"0\r\n\r\n"


@pytest.mark.parametrize("say,same", [
    (CHUNKS, True),
    (HEAD + b"\r\n" + GOOD, True),                          # to the end of the stream
    (b"HTTP/1.0 200 OK\r\n\r\n" + GOOD, True),
    (Tailscaled.response({"UserProfile": {"LoginName": NICK}, "x": "y" * 200000}), True),
    (Tailscaled.response({"UserProfile": {"LoginName": NICK}, "x": "y" * 300000}), False),
    (HEAD + b"Content-Length: 99999\r\n\r\n" + GOOD, False),    # cut short
    (CHUNKS[:-5], False),
    (HEAD, False),
    (b"", False),
    (b"SSH-2.0-x\r\n\r\n", False),
    (HEAD + b"X: " + b"y" * 20000 + b"\r\n\r\n" + GOOD, False),
    (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + GOOD, False),
    (Tailscaled.response(Tailscaled.profile(NICK), "500 Internal Server Error"), False),
    (Tailscaled.response(Tailscaled.profile(NICK), "302 Found"), False),
    (Tailscaled.response(b"{}"), False),
    (Tailscaled.response(b""), False),
    (Tailscaled.response(b"[]"), False),
    (Tailscaled.response(b'{"LoginName":"nick@example.org"}'), False),
    (Tailscaled.response(b'{"UserProfile":["nick@example.org"]}'), False),
    (Tailscaled.response(b'{"UserProfile":{"LoginName":["nick@example.org"]}}'), False),
    (Tailscaled.response(b'{"UserProfile":{"LoginName":"nick@example.org\\u0000"}}'), False),
    (Tailscaled.response({"UserProfile": {"LoginName": NICK + "x" * 300}}), False),
    (Tailscaled.response(b"[" * 5000), False),
])
def test_T10_hostile_answers(make_daemon, make_asker, say, same):
    ts, a = make_daemon(), make_asker()
    ts.say = say
    assert a.ask() is same
    ts.say = None
    assert a.ask()


def test_T47_a_tailscaled_that_does_not_answer(make_daemon, make_asker):
    """So many wait and no more: the rest is told no at once."""
    ts, a = make_daemon(), make_asker()
    a.again({"limit.answer_ms": "600000"})
    ts.gate.clear()
    for _ in range(40):
        a.send()
    late = [a.front.expect("WH_RES", timeout=60) for _ in range(8)]
    assert {m.corr for m in late} == set(range(33, 41)) and not any(m.same for m in late)
    ts.gate.set()
    first = [a.front.expect("WH_RES", timeout=60) for _ in range(32)]
    assert {m.corr for m in first} == set(range(1, 33)) and all(m.same for m in first)
    assert a.ask()
    # And none of them waits for ever.
    a.again({"limit.answer_ms": "300"})
    ts.gate.clear()
    assert not a.ask()
    assert "tailscaled does not answer" in a.worker.output()
    ts.gate.set()
    a.again({"limit.answer_ms": "600000"})
    assert a.ask()


def test_a_tailscaled_that_comes_later(place, make_asker):
    """Its socket is in the worker's root as it was at its start; so another
    worker is asked for, but not again and again."""
    a = make_asker()
    assert not a.ask()
    assert "cannot be reached at gateway.tailscale.socket: No such file" in a.worker.output()
    a.again({"limit.fresh_ms": "0"})
    a.send()
    g.wait_for(lambda: not a.worker.alive(), what="the worker to end")
    assert "starting again to find the socket" in a.worker.output()
    a.worker.kill()
    ts = Tailscaled(place, NAMES)
    try:
        a.start()
        assert a.ask()
    finally:
        ts.close()


# --- front ------------------------------------------------------------------------


class WhoisRig(Rig):
    def __init__(self, parcel=None, **kw):
        super().__init__({"route.models": "true", **(parcel or {})}, **kw)
        self.serve = lambda m: self.answer(m, b"{}") if m.name == "HTTP_REQ" else None

    def start(self):
        super().start()
        self.whois = self.worker.add_peer("WHOIS")
        self.worker.ping()
        return self

    def res(self, m, same, corr=None):
        self.whois.send("WH_RES", corr=m.corr if corr is None else corr,
                        conn=m.conn, same=same, header_flags=gwproto.F_REPLY)


make_rig = maker(WhoisRig)


@pytest.mark.parametrize("same", [0, 1])
def test_T10_nothing_goes_on_before_it_is_known(make_rig, same):
    rig = make_rig()
    with Ws(rig) as w:
        assert w.upgrade(headers=headers())[0] == 101
        w.recv()
        w.req("connect", connect_params())
        m = rig.whois.expect("WH_REQ")
        assert (m.address, m.login, m.peer, m.port) == (
            "100.64.0.7", NICK, "127.0.0.1", w.s.getsockname()[1])
        assert rig.asked == []
        rig.res(m, same)
        assert w.recv()["ok"]
        assert w.call("x")["ok"]
    assert [(q.whois, q.local, q.remote, q.user) for q in rig.asked] == [(same, 0, "", "")]


def test_T10_each_request_is_its_own(make_rig):
    """tailscaled uses one connection for many: what was said of one request is
    not true of the next."""
    rig = make_rig()
    with Http(rig) as h:
        def send(login, bearer="good"):
            lines = ["GET /v1/models HTTP/1.1", "Host: localhost",
                     f"Authorization: Bearer {bearer}"]
            lines += [f"{k}: {v}" for k, v in (headers(login) if login else [])]
            h.send(("\r\n".join(lines) + "\r\n\r\n").encode())
            return rig.whois.expect("WH_REQ") if login else None
        first = send("alice")
        rig.res(first, 1)
        assert h.response()[0] == 200
        second = send("bob")
        assert second.conn == first.conn and second.login == "bob"
        rig.res(second, 1, corr=first.corr)     # late, of the first
        rig.worker.ping()
        assert len(rig.asked) == 1
        rig.res(second, 0)
        assert h.response()[0] == 200
        send(None)
        assert h.response()[0] == 200
        third = send("bob", "bad")
        rig.res(third, 0)
        assert h.response()[0] == 401
    assert [(q.whois, q.secret) for q in rig.asked] == [
        (1, "good"), (0, "good"), (0, "good"), (0, "bad")]


def without(name, value=None):
    h = [(k, v) for k, v in headers() if k != name]
    return h if value is None else [*h, (name, value)]


@pytest.mark.parametrize("sent", [
    [("Tailscale-User-Login", NICK)],
    without("X-Forwarded-For"), without("X-Forwarded-Proto"), without("X-Forwarded-Host"),
    without("Tailscale-User-Login"),
    without("X-Forwarded-Proto", " "), without("X-Forwarded-Host", ""),
    without("Tailscale-User-Login", " "), without("Tailscale-User-Login", "x" * 257),
    without("Tailscale-User-Login", "a\tb"), without("Tailscale-User-Login", "a\udcffb"),
    # Each of them is set once by the one who sets them all.
    [*headers(), ("Tailscale-User-Login", "eve@example.org")],
    [*headers(), ("tailscale-user-login", NICK)],
    [*headers(), ("X-Forwarded-For", "100.64.0.7")],
    [*headers(), ("X-Forwarded-Host", "b")], [*headers(), ("X-Forwarded-Proto", "https")],
    without("X-Forwarded-For", "100.64.0.7, 100.64.0.8"),
    without("X-Forwarded-For", "unknown"), without("X-Forwarded-For", "100.64.0.7 x"),
    [("Forwarded", "for=100.64.0.7;proto=https;host=x"), ("Tailscale-User-Login", NICK)],
])
def test_T10_other_headers_are_not_asked_about(make_rig, sent):
    rig = make_rig()
    with Ws(rig) as w:
        status = w.upgrade(headers=[(k, v.encode("utf-8", "surrogateescape").decode("latin-1"))
                                    for k, v in sent])[0] \
            if all(ord(c) < 128 for _, v in sent for c in v) else raw_upgrade(w, sent)
        assert status == 101
        w.recv()
        w.req("connect", connect_params())
        assert w.recv()["ok"]
        # The next question is of another connection.
        with Ws(rig) as w2:
            assert w2.upgrade(headers=headers("last"))[0] == 101
            assert rig.whois.expect("WH_REQ").login == "last"
    assert rig.asked[0].whois == 0


def raw_upgrade(w, sent):
    """A header with bytes that are no text."""
    lines = [b"GET / HTTP/1.1", b"Host: localhost", b"Upgrade: websocket",
             b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
             b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
    lines += [k.encode() + b": " + v.encode("utf-8", "surrogateescape") for k, v in sent]
    w.send(b"\r\n".join(lines) + b"\r\n\r\n")
    return w.response()[0]


def test_whois_dies_while_it_is_asked(make_rig):
    rig = make_rig()
    with Ws(rig) as w, Http(rig) as h:
        assert w.upgrade(headers=headers())[0] == 101
        w.recv()
        w.req("connect", connect_params())
        rig.whois.expect("WH_REQ")
        h.send(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
               b"Authorization: Bearer good\r\n" + "".join(
                   f"{k}: {v}\r\n" for k, v in headers()).encode() + b"\r\n")
        rig.whois.expect("WH_REQ")
        rig.whois.sock.shutdown(socket.SHUT_RDWR)
        assert w.recv()["ok"] and h.response()[0] == 200
    with Ws(rig) as w:                  # nobody is there to ask
        assert w.upgrade(headers=headers())[0] == 101
        w.recv()
        w.req("connect", connect_params())
        assert w.recv()["ok"]
    assert [q.whois for q in rig.asked] == [0, 0, 0]


# --- the whole gateway -------------------------------------------------------------


def known_here(gw):
    """Can the gateway tell users apart?  Not in a user namespace, where all but
    its own user are one."""
    return gw.mode == "root" or (not gw.drop and os.geteuid() != g.NOBODY)


async def knock(gw, head, device=None, scopes=("operator.read",), **auth):
    ws = await websockets.connect(gw.url, extra_headers=head, ping_interval=None)
    nonce = json.loads(await ws.recv())["payload"]["nonce"]
    params = {"minProtocol": 3, "maxProtocol": 3, "client": CLIENT, "auth": auth,
              "scopes": list(scopes)}
    if device is not None:
        params["device"] = device.block(nonce, list(scopes), auth.get("token", ""))
    return ws, await ask(ws, req("connect", params))


async def judged(*a, **kw):
    ws, m = await knock(*a, **kw)
    await ws.close()
    return m


def models(gw, head):
    with Http(type("R", (), {"port": gw.port})) as h:
        return h.request("/v1/models", headers=head)[0]


@pytest.mark.parametrize("mode", g.modes())
def test_T10_tailscale_identity(make_gateway, make_daemon, place, mode):
    ts = make_daemon()
    gw = make_gateway({"gateway": {
        "mode": "local", "tailscale": {"mode": "serve", "socket": str(place)},
        "http": {"endpoints": {"chatCompletions": {"enabled": True}}}}}, mode=mode)
    known = known_here(gw)
    d = Device()

    async def go():
        m = await judged(gw, headers(), d)
        if not known:
            assert error(m)[1].startswith("unauthorized: gateway token missing")
            assert models(gw, headers()) == 401 and ts.requests == []
            g.wait_for(lambda: "cannot be told" in gw.logs(), what="the reason in the log")
            return
        # It stands for the shared secret, and for nothing else.
        assert error(m) == ("NOT_PAIRED", "pairing required")
        gw.call("device.pair.approve", {"requestId": m["error"]["details"]["requestId"]})
        ws, m = await knock(gw, headers(), d)
        assert m["ok"] and m["payload"]["auth"]["scopes"] == ["operator.read"], m
        assert (await ask(ws, req("health")))["ok"]
        assert error(await ask(ws, req("config.get")))[1] == "missing scope: operator.admin"
        await ws.close()
        assert error(await judged(gw, headers())) == ("NOT_PAIRED", "device identity required")
        # A wrong secret beside it does not matter, as in the original.
        assert (await judged(gw, headers(), d, token="wrong"))["ok"]
        assert models(gw, headers()) == 200

        for head in (headers("eve@example.org"), headers(address="100.64.0.8"),
                     headers(address="100.64.0.9"),
                     [("Tailscale-User-Login", NICK)], headers()[:3],
                     [*headers(), ("X-Forwarded-For", "100.64.0.7")], []):
            m = await judged(gw, head, d)
            assert error(m)[1].startswith("unauthorized: gateway token missing"), head
            assert models(gw, head) == 401, head
        # Who has guessed too often is not kept from being known.
        for _ in range(11):
            m = await judged(gw, headers("eve@example.org"), Device(), token="guess")
        assert "too many failed" in error(m)[1]
        assert (await judged(gw, headers(), d))["ok"] and models(gw, headers()) == 200
    asyncio.run(go())
    assert "whois" in gw.processes()


@pytest.mark.parametrize("config", [
    {}, {"tailscale": {"mode": "off"}},
    {"tailscale": {"mode": "serve"}, "auth": {"allowTailscale": False}},
    {"tailscale": {"mode": "serve"}, "auth": {"mode": "password", "password": "pw"}},
])
def test_T10_off_unless_it_is_configured(make_gateway, make_daemon, place, config):
    ts = make_daemon()
    ts_config = {"socket": str(place), **config.get("tailscale", {})}
    gw = make_gateway({"gateway": {
        "mode": "local", **config, "tailscale": ts_config,
        "http": {"endpoints": {"chatCompletions": {"enabled": True}}}}})

    async def go():
        m = await judged(gw, headers(), Device())
        assert error(m)[1].startswith("unauthorized: gateway ")
        assert models(gw, headers()) == 401
    asyncio.run(go())
    assert ts.requests == [] and "whois" not in gw.processes()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a second user")
def test_T10_other_users_of_the_machine(make_gateway, make_daemon, place):
    """Each of them could write these headers."""
    make_daemon(uid=OTHER)
    gw = make_gateway({"gateway": {
        "mode": "local", "tailscale": {"mode": "serve", "socket": str(place)},
        "http": {"endpoints": {"chatCompletions": {"enabled": True}}}}})
    assert models(gw, headers()) == 401
    assert models(gw, [("Authorization", f"Bearer {gw.token}"), *headers()]) == 200
    g.wait_for(lambda: "its connection is not one of tailscaled" in gw.logs(),
               what="the reason in the log")


@pytest.mark.skipif(os.geteuid() == g.NOBODY, reason="nobody can tell users apart")
def test_T07_who_was_let_in_goes_when_it_is_turned_off(make_gateway, make_daemon, place):
    make_daemon()
    gw = make_gateway({"gateway": {
        "mode": "local", "tailscale": {"mode": "serve", "socket": str(place)}}})
    d = Device()

    async def go():
        m = await judged(gw, headers(), d)
        gw.call("device.pair.approve", {"requestId": m["error"]["details"]["requestId"]})
        ws, m = await knock(gw, headers(), d)
        assert m["ok"]
        gw.write_config({"gateway": {
            "mode": "local", "auth": {"allowTailscale": False},
            "tailscale": {"mode": "serve", "socket": str(place)}}})
        gw.call("gateway.reload")
        with pytest.raises(websockets.ConnectionClosed):
            while True:
                await asyncio.wait_for(ws.recv(), 60)
        m = await judged(gw, headers(), d)
        assert error(m)[1].startswith("unauthorized: gateway token missing")
    asyncio.run(go())
    g.wait_for(lambda: "whois" not in gw.processes(), what="whois to end")
