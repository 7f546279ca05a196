# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""modeld against fakes of its providers: streams, credit, failures, TLS, proxy,
and that its credential goes nowhere but to its own origin (T39, T40)."""
import json
import os
import socket
import threading
import time

import pytest

import tlsfiles
from anthropic import Anthropic
from gateway import passable
from modelrig import (CLASS, KEY, Modeld, can_read_memory, holds, memory_of,
                      message)
from openai import OpenAI


@pytest.fixture
def fake():
    f = Anthropic(key=KEY).start()
    yield f
    f.stop()


@pytest.fixture
def modeld(fake):
    m = Modeld(fake.origin, (fake.host, fake.port))
    yield m
    m.close()


def text_of(body):
    return "".join(
        e["delta"].get("text", "") for e in (
            json.loads(line[6:]) for line in body.decode().splitlines()
            if line.startswith("data: "))
        if e["type"] == "content_block_delta")


def wait(cond, timeout=60):
    end = time.monotonic() + timeout
    while not cond():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_stream(fake, modeld):
    fake.answer(text="one two three")
    status, headers, body, end = modeld.ask(message())
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["request-id"] == "req_fake"
    assert "cache-control" not in headers      # only listed ones are told
    assert text_of(body) == "one two three"
    assert end["class"] == CLASS["MD_OK"]
    assert fake.requests[0].headers["x-api-key"] == KEY
    assert fake.violations == []


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_pieces_of_any_size(fake, modeld, chunk):
    fake.answer(text="one two three", chunk=chunk)
    assert text_of(modeld.ask(message())[2]) == "one two three"


def test_connection_is_kept(fake, modeld):
    for _ in range(5):
        assert modeld.ask(message())[0] == 200
    assert fake.connections == 1
    assert len(modeld.connector.opened) == 1


def test_several_at_once(fake, modeld):
    n = 8
    for _ in range(n):
        fake.answer(text="a b c", drip=0.02)
    corrs = [modeld.request(message(str(i))) for i in range(n)]
    bodies, ended, begun = {c: b"" for c in corrs}, set(), set()
    beside = 0
    while len(ended) < n:
        m = modeld.agent.expect("MD_HEAD", "MD_DATA", "MD_END")
        if m.name == "MD_HEAD":
            begun.add(m.corr)
            beside = max(beside, len(begun - ended))
        elif m.name == "MD_DATA":
            bodies[m.corr] += m.fields["bytes"]
        elif m.name == "MD_END":
            assert m.fields["class"] == CLASS["MD_OK"]
            ended.add(m.corr)
    assert all(text_of(b) == "a b c" for b in bodies.values())
    assert beside > 1
    assert fake.connections > 1


def test_credit_holds_the_stream_back(fake, modeld):
    fake.answer(text="x" * 50 + " " + "y" * 200000)
    modeld.request(message(), credit=0)
    assert modeld.agent.expect("MD_HEAD").fields["status"] == 200
    with pytest.raises(TimeoutError):
        modeld.agent.recv(0.3)
    got = 0
    for _ in range(3):
        modeld.credit(1000)
        part = 0
        while part < 1000:
            part += len(modeld.agent.expect("MD_DATA").fields["bytes"])
        assert part == 1000
        got += part
        with pytest.raises(TimeoutError):
            modeld.agent.recv(0.1)
    modeld.credit(1 << 20)
    status, _, body, end = modeld.answer()
    assert end["class"] == CLASS["MD_OK"]
    assert got + len(body) > 200000


def test_a_body_of_many_megabytes(fake, modeld):
    # Comes as a memfd and is sent from there.
    fake.answer(text="long")
    status, _, body, _ = modeld.ask(message("z" * (9 << 20)))
    assert status == 200
    assert len(fake.requests[0].raw) > 9 << 20


def test_cancel_ends_the_connection(fake, modeld):
    fake.answer(text="one", stall=True)
    corr = modeld.request(message())
    while b"one" not in modeld.agent.expect(
            "MD_DATA", skip=("MD_HEAD",)).fields["bytes"]:
        pass
    modeld.agent.send("MD_CANCEL", corr=corr)
    while True:
        m = modeld.agent.expect("MD_END", "MD_DATA")
        if m.name == "MD_END":
            break
    assert m.fields["class"] == CLASS["MD_CANCELLED"]
    wait(lambda: fake.aborted == 1 and fake.open == 0)
    assert modeld.ask(message())[0] == 200
    # Again, and one that never was: nothing happens.
    modeld.agent.send("MD_CANCEL", corr=corr)
    modeld.agent.send("MD_CANCEL", corr=987654)
    modeld.agent.send("MD_CREDIT", corr=987654, bytes=1)
    assert modeld.ask(message())[0] == 200


def test_an_agent_that_goes_takes_its_calls_along(fake, modeld):
    fake.answer(text="one", stall=True)
    modeld.request(message())
    modeld.agent.expect("MD_HEAD")
    modeld.agent.end()
    wait(lambda: fake.aborted == 1)
    link = modeld.w.add_peer("AGENT", "other")
    modeld.request(message(), link=link)
    assert modeld.answer(link=link)[0] == 200


def test_calls_of_two_agents_do_not_mix(fake, modeld):
    link = modeld.w.add_peer("AGENT", "other")
    fake.answer(text="first", delay=0.2)
    fake.answer(text="second")
    modeld.corr = 41
    modeld.request(message("a"))
    wait(lambda: fake.requests)
    modeld.corr = 41                    # the same number, another link
    modeld.request(message("b"), link=link)
    assert text_of(modeld.answer(42, link=link)[2]) == "second"
    assert text_of(modeld.answer(42)[2]) == "first"


@pytest.mark.parametrize("status,headers,retry", [
    (429, {"retry-after": "7"}, 7000), (429, {"retry-after-ms": "1500"}, 1500),
    (529, {}, 0), (500, {}, 0), (401, {}, 0)])
def test_failures_are_whole_answers(fake, modeld, status, headers, retry):
    fake.answer(status=status, headers=headers)
    got, h, body, end = modeld.ask(message())
    assert got == status
    assert end["class"] == CLASS["MD_OK"]
    assert end["retry_after_ms"] == retry
    assert json.loads(body)["type"] == "error"
    for k, v in headers.items():
        assert h[k] == v
    assert modeld.ask(message())[0] == 200


@pytest.mark.parametrize("how", [{"cut": 4}, {"cut": 4, "reset": True},
                                 {"cut_bytes": 333}, {"cut": 0}])
def test_cut_stream(fake, modeld, how):
    fake.answer(text="one two three", **how)
    status, _, body, end = modeld.ask(message())
    assert status == 200
    assert end["class"] == CLASS["MD_PROTOCOL"]
    assert b"message_stop" not in body
    assert modeld.ask(message())[0] == 200


def test_time_limits(fake, modeld):
    fake.answer(delay=3)
    assert modeld.ask(message(), head_ms=200)[3]["class"] == \
        CLASS["MD_TIMEOUT"]
    fake.answer(text="one", stall=True)
    status, _, body, end = modeld.ask(message(), idle_ms=2000)
    assert (status, end["class"]) == (200, CLASS["MD_TIMEOUT"])
    assert b"one" in body


def test_no_connection(fake, modeld):
    modeld.connector.dests.clear()
    status, _, _, end = modeld.ask(message())
    assert (status, end["class"]) == (0, CLASS["MD_CONNECT"])
    modeld.connector.dests[0] = (fake.host, fake.port)
    assert modeld.ask(message())[0] == 200


def test_not_http(modeld):
    s = socket.create_server(("127.0.0.1", 0))

    def serve():
        c, _ = s.accept()
        c.recv(65536)
        c.sendall(b"SSH-2.0-OpenSSH_9.2\r\n" * 3)
        c.close()

    t = threading.Thread(target=serve)
    t.start()
    modeld.connector.dests[0] = s.getsockname()
    assert modeld.ask(message())[3]["class"] == CLASS["MD_PROTOCOL"]
    t.join()
    s.close()


def test_openai_with_bearer():
    fake = OpenAI(key=KEY, script=[{"text": "hello there"}]).start()
    m = Modeld(fake.origin, (fake.host, fake.port), style="bearer",
               prefix="/v1", **{"header.0.name": "x-title",
                                "header.0.value": "mine"})
    try:
        status, _, body, _ = m.ask(
            {"model": "m", "stream": True,
             "messages": [{"role": "user", "content": "x"}]},
            path="/chat/completions", headers="x-title: other\n")
        assert status == 200 and b"[DONE]" in body
        assert fake.requests[0].path == "/v1/chat/completions"
        assert fake.requests[0].headers["authorization"] == "Bearer " + KEY
        assert fake.requests[0].headers["x-title"] == "mine"
    finally:
        m.close()
        fake.stop()


# --- TLS ------------------------------------------------------------------


@pytest.fixture
def ca_file(tmp_path):
    passable(tmp_path)
    ca = tlsfiles.make_ca()
    path = tmp_path / "ca.pem"
    path.write_bytes(ca.pem)
    os.chmod(path, 0o644)
    return ca, str(path)


def tls_modeld(ca, path, name="localhost", origin_host="localhost"):
    fake = Anthropic(key=KEY, tls=tlsfiles.server_context(ca, name)).start()
    m = Modeld(f"https://{origin_host}:{fake.port}", (fake.host, fake.port),
               ca=path)
    return fake, m


def test_tls(ca_file):
    fake, m = tls_modeld(*ca_file)
    try:
        fake.answer(text="one two", chunk=3)
        assert text_of(m.ask(message())[2]) == "one two"
        for _ in range(3):
            assert m.ask(message())[0] == 200
        assert fake.connections == 1
        # The name is not resolved again here: connect has its own list.
        assert m.connector.names == [""]
    finally:
        m.close()
        fake.stop()


@pytest.mark.parametrize("why", ["another authority", "another name"])
def test_T39_key_never_goes_to_a_stranger(ca_file, why):
    ca, path = ca_file
    if why == "another authority":
        fake, m = tls_modeld(tlsfiles.make_ca("Evil"), path)
    else:
        fake, m = tls_modeld(ca, path, name="evil.example")
    try:
        status, _, _, end = m.ask(message())
        assert (status, end["class"]) == (0, CLASS["MD_TLS"])
        assert fake.requests == []
        assert KEY not in end["reason"] and KEY not in m.w.output()
    finally:
        m.close()
        fake.stop()


def test_T39_no_way_down_from_tls(ca_file):
    s = socket.create_server(("127.0.0.1", 0))
    got = []

    def serve():
        c, _ = s.accept()
        got.append(c.recv(65536))
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        c.close()

    t = threading.Thread(target=serve)
    t.start()
    m = Modeld(f"https://localhost:{s.getsockname()[1]}", s.getsockname(),
               ca=ca_file[1])
    try:
        assert m.ask(message())[3]["class"] == CLASS["MD_TLS"]
        assert KEY.encode() not in got[0]
    finally:
        m.close()
        t.join()
        s.close()


def test_proxy(ca_file):
    """CONNECT, and the key only inside the tunnel."""
    ca, path = ca_file
    fake = Anthropic(key=KEY, tls=tlsfiles.server_context(
        ca, "localhost")).start()
    proxy = socket.create_server(("127.0.0.1", 0))
    seen = []

    def pump(a, b):
        try:
            while d := a.recv(65536):
                seen.append(d)
                b.sendall(d)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve():
        c, _ = proxy.accept()
        head = b""
        while b"\r\n\r\n" not in head:
            head += c.recv(65536)
        seen.append(head)
        up = socket.create_connection((fake.host, fake.port))
        c.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        t = threading.Thread(target=pump, args=(up, c))
        t.start()
        pump(c, up)
        t.join()
        c.close()
        up.close()

    t = threading.Thread(target=serve)
    t.start()
    m = Modeld(f"https://localhost:{fake.port}", proxy.getsockname(), ca=path,
               **{"proxy.host": "127.0.0.1",
                  "proxy.port": str(proxy.getsockname()[1])})
    try:
        assert m.ask(message())[0] == 200
        assert seen[0].startswith(b"CONNECT localhost:%d " % fake.port)
        assert KEY.encode() not in b"".join(seen)
    finally:
        m.close()
        t.join()
        proxy.close()
        fake.stop()


# --- T39, T40 --------------------------------------------------------------


def test_T39_redirects_are_not_followed(fake, modeld):
    thief = Anthropic(key=None).start()
    thief.authorised = lambda req: True
    try:
        for to in (thief.origin + "/v1/messages", "/elsewhere",
                   f"//127.0.0.1:{thief.port}/v1/messages"):
            fake.redirect_to = to
            status, headers, _, end = modeld.ask(message())
            assert status == 302
            assert "location" not in headers
        assert thief.connections == 0
        assert len(fake.requests) == 3
    finally:
        thief.stop()


def test_T39_paths_stay_below_the_prefix(fake):
    m = Modeld(fake.origin, (fake.host, fake.port), prefix="/base")
    try:
        for path in ("/../admin", "/v1/%2e%2e/%2e%2e/x", "//evil/x", "/a\\..",
                     "/v1/./x", "nope", "/v1/x y", "http://evil/x",
                     "@evil/"):
            status, _, _, end = m.ask(message(), path=path)
            assert (status, end["class"]) == (0, CLASS["MD_REFUSED"]), path
        assert m.ask(message(), method="DELETE")[3]["class"] == \
            CLASS["MD_REFUSED"]
        assert fake.requests == [] and fake.connections == 0
    finally:
        m.close()


def test_T40_an_agent_cannot_choose_credentials(fake, modeld):
    bad = ("Authorization: Bearer mine\nX-Api-Key: mine\ncookie: a=b\n"
           "host: evil.example\nproxy-authorization: Basic x\n"
           "x-forwarded-for: 1.2.3.4\nTransfer-Encoding: chunked\n"
           "content-length: 5\n")
    assert modeld.ask(message(), headers=bad)[0] == 200
    h = fake.requests[0].headers
    assert h["x-api-key"] == KEY
    assert h["host"] == f"127.0.0.1:{fake.port}"
    for k in ("authorization", "cookie", "proxy-authorization",
              "x-forwarded-for", "transfer-encoding"):
        assert k not in h
    # Malformed ones: refused, not smuggled.
    for bad in ("no colon\n", "x-a: b\r\nx-api-key: y\n", "bad name: x\n"):
        r = modeld.ask(message(), headers=bad)
        assert r[0] == 200 or r[3]["class"] == CLASS["MD_REFUSED"]
    assert all(r.headers["x-api-key"] == KEY for r in fake.requests)


def test_T40_a_server_that_repeats_the_key(fake, modeld):
    body = json.dumps({"type": "error", "error": {
        "type": "authentication_error", "message": f"invalid key {KEY}!"}})
    fake.answer(status=401, body=body, headers={"x-request-id": KEY})
    status, headers, got, _ = modeld.ask(message())
    assert status == 401
    assert KEY.encode() not in got and b"invalid key ****" in got
    assert KEY not in str(headers)
    assert KEY not in modeld.w.output()


def test_T40_where_the_key_is(fake, modeld):
    """Not in argv, environment, parcel descriptor or log; in the process's own
    memory only where no other process can read it."""
    pid = modeld.w.pid
    assert modeld.ask(message())[0] == 200
    if can_read_memory():
        for name in ("environ", "cmdline"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                assert KEY.encode() not in f.read()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            assert "parcel" not in os.readlink(f"/proc/{pid}/fd/{fd}")
    assert KEY not in modeld.w.output()


@pytest.mark.skipif(not can_read_memory(), reason="needs root")
@pytest.mark.parametrize("tls", [False, True])
def test_T40_memory_does_not_hold_the_key(ca_file, tls):
    """The only lasting copy is one that /proc cannot show (memfd_secret); the
    header of a request is gone with it."""
    if tls:
        fake, m = tls_modeld(*ca_file)
    else:
        fake = Anthropic(key=KEY).start()
        m = Modeld(fake.origin, (fake.host, fake.port))
    try:
        assert sum(map(len, memory_of(m.w.pid))) > 100000
        if "no memfd_secret" in m.w.output():
            pytest.skip("this kernel has no memfd_secret")
        assert not holds(m.w.pid, KEY)
        for _ in range(3):
            assert m.ask(message())[0] == 200
        # The end is told a moment before the request is freed.
        wait(lambda: not holds(m.w.pid, KEY))
    finally:
        m.close()
        fake.stop()


# --- misbehaviour ----------------------------------------------------------


def test_a_number_twice_is_a_violation(fake, modeld):
    fake.answer(text="one", stall=True)
    modeld.request(message())
    modeld.agent.expect("MD_HEAD")
    modeld.corr -= 1
    modeld.request(message(), credit=0)
    assert modeld.w.ctl.expect("PROC_BADPEER").fields["type"] == 0x0701
    wait(lambda: fake.aborted == 1)
    assert modeld.w.alive()


def test_too_many_calls_of_one_agent(fake, modeld):
    for _ in range(80):
        fake.answer(text="x", stall=True)
    corrs = [modeld.request(message(), credit=0) for _ in range(70)]
    refused = set()
    end = time.monotonic() + 60
    while len(refused) < 6 and time.monotonic() < end:
        m = modeld.agent.expect("MD_HEAD", "MD_END")
        if m.name == "MD_END":
            assert m.fields["class"] == CLASS["MD_REFUSED"]
            refused.add(m.corr)
    assert refused == set(corrs[-6:])


def test_drain_waits_for_running_calls(fake, modeld):
    fake.answer(text="a b c d e f", drip=0.03)
    modeld.request(message())
    modeld.agent.expect("MD_HEAD")
    modeld.w.ctl.send("PROC_DRAIN", deadline_ms=60000)
    _, _, body, end = modeld.answer()
    assert end["class"] == CLASS["MD_OK"] and text_of(body) == "a b c d e f"
    modeld.w.ctl.expect("PROC_DRAINED")
    assert modeld.w.quit() == 0
