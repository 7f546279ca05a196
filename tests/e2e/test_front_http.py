# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What front answers to HTTP requests, good and bad."""
import re
import socket
import time

import pytest
from frontrig import CHAT, Closed, Http, Rig
from rigs import maker, rig  # noqa: F401 (fixtures)

make_rig = maker(Rig)


def test_page_and_headers(rig):
    with Http(rig) as h:
        status, headers, body = h.request("/")
        assert status == 200 and body == (CHAT / "index.html").read_bytes()
        assert headers["content-type"] == "text/html; charset=utf-8"
        csp = headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'",
                     "style-src 'self'", "img-src 'self' data:",
                     "connect-src 'self'", "base-uri 'none'",
                     "form-action 'none'", "frame-ancestors 'none'"):
            assert part in csp
        assert "unsafe" not in csp and "*" not in csp
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        tag = headers["etag"]
        # One connection serves many requests.
        for name in re.findall(rb'(?:src|href)="([^":#]+)"', body):
            status, headers, data = h.request("/" + name.decode())
            assert status == 200, name
            assert data == (CHAT / name.decode()).read_bytes()
        status, headers, body = h.request(
            "/", headers=[("If-None-Match", tag)])
        assert status == 304 and body == b"" and headers["etag"] == tag
        status, headers, body = h.request("/app.js", method="HEAD")
        assert status == 200 and int(headers["content-length"]) > 0
        assert h.request("/health")[0] == 200


def test_probes(make_rig):
    rig = make_rig(router=False)

    def ready(path="/ready"):
        with Http(rig) as h:
            return h.request(path)[::2]
    with Http(rig) as h:
        for path in ("/health", "/healthz"):
            status, headers, body = h.request(path)
            assert status == 200 and b'"ok":true' in body
            assert headers["content-type"].startswith("application/json")
        assert h.request("/health", method="POST")[0] == 405
    assert ready() == (503, b'{"ready":false}')
    rig.add_router()
    rig.wait(lambda: ready("/readyz") == (200, b'{"ready":true}'), "ready")
    # Only what the router says counts: its link is there before it is.
    rig.router.send("FRONT_STATE", ready=0)
    rig.wait(lambda: ready()[0] == 503, "not ready")
    rig.router.send("FRONT_STATE", ready=1)
    rig.wait(lambda: ready()[0] == 200, "ready again")


def test_everything_else_is_the_page(rig):
    """Its own router makes paths; what is a route of others is not one."""
    with Http(rig) as h:
        page = (CHAT / "index.html").read_bytes()
        for path in ("/nope", "/app.js.map", "/index", "/.git/config",
                     "/etc/passwd", "/a/b/", "/chat?session=main"):
            status, headers, body = h.request(path)
            assert (status, body) == (200, page), path
            assert headers["content-type"] == "text/html; charset=utf-8"
        # Loaded anew at such a path, it finds its files there.
        for path in ("/a/b/app.js", "/a/app.js"):
            assert h.request(path)[2] == (CHAT / "app.js").read_bytes()
        for path in ("/ui", "/ui/", "/ui/app.js", "/v1/chat/completions", "/v1/models", "/V1",
                     "/hooks/agent", "/__openclaw__/canvas/", "/__openclaw__/x", "/tools"):
            assert h.request(path)[0] == 404, path
        for path in ("/", "/app.js"):
            status, headers, _ = h.request(path, method="POST")
            assert status == 405 and headers["allow"] == "GET, HEAD"
        assert h.request("/nope", method="POST")[0] == 404
        assert h.request("/tools/invoke")[0] == 405


def test_page_that_is_off(make_rig):
    rig = make_rig({"ui.enabled": "false"}, ui=False)
    with Http(rig) as h:
        for path in ("/", "/nope", "/app.js", "/avatar/main", "/index.html"):
            assert h.request(path)[0] == 404, path
        assert h.request("/", method="POST")[0] == 404
        assert h.request("/health")[0] == 200


def test_base_path(make_rig):
    rig = make_rig({"ui.basePath": "/chat"})
    with Http(rig) as h:
        status, headers, _ = h.request("/chat")
        assert status == 302 and headers["location"] == "/chat/"
        assert h.request("/chat/")[0] == 200
        assert h.request("/chat/app.js")[0] == 200
        assert h.request("/chat/ui")[2] == (CHAT / "index.html").read_bytes()
        assert h.request("/")[0] == 404
        assert h.request("/app.js")[0] == 404
        assert h.request("/chatter")[0] == 404
        assert h.request("/nope", method="POST")[0] == 404
        assert h.request("/chat/nope", method="POST")[0] == 404
        assert h.request("/chat/", method="POST")[0] == 405


def test_without_pages(make_rig):
    rig = make_rig(ui=False)
    with Http(rig) as h:
        assert h.request("/")[0] == 503
        assert h.request("/health")[0] == 200


@pytest.mark.parametrize("path", [
    "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2fetc/passwd",
    "//app.js", "/./app.js", "/app.js;x", "/%00", "/app.js%00.png",
    "/%c0%ae%c0%ae/", "/%252e%252e/", "/a%5cb", "/%ff", "http://x/",
    "*", "app.js", "/%",
])
def test_T09_paths(rig, path):
    with Http(rig) as h:
        assert h.request(path)[0] == 400
        assert h.at_end()


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
    b"Content-Length: 5\r\n\r\nGET /",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
])
def test_bad_heads(rig, data):
    with Http(rig) as h:
        h.send(data)
        status, headers, _ = h.response()
        assert status == 400 and headers["connection"] == "close"
        assert h.at_end()


def test_T47_head_size(rig):
    with Http(rig) as h:
        h.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"a" * 20000)
        assert h.response()[0] == 431
    with Http(rig) as h:
        h.send(b"GET / HTTP/1.1\r\nHost: x\r\n" +
               b"".join(b"A%d: b\r\n" % i for i in range(200)) + b"\r\n")
        assert h.response()[0] == 431
    with Http(rig) as h:
        h.send(b"GET / HTTP/2.0\r\nHost: x\r\n\r\n")
        assert h.response()[0] == 505


def test_bodies_end_the_connection(rig):
    """What a body holds is never taken for a request."""
    with Http(rig) as h:
        h.send(b"POST /nope HTTP/1.1\r\nHost: localhost\r\nContent-Length: 37\r\n"
               b"\r\nGET /health HTTP/1.1\r\nHost: evil\r\n\r\n")
        assert h.response()[0] == 404
        assert h.at_end()


def test_pipelined_and_in_pieces(rig):
    with Http(rig) as h:
        one = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        h.send(one * 5)
        for _ in range(5):
            assert h.response()[0] == 200
        for i in range(len(one)):
            h.send(one[i:i + 1])
        assert h.response()[0] == 200
        h.send(b"GET /health HTTP/1.0\r\n\r\n")
        assert h.response()[0] == 200
        assert h.at_end()
    with Http(rig) as h:
        for i in range(99):
            assert "connection" not in h.request("/health")[1]
        assert h.request("/health")[1]["connection"] == "close"


def test_slow_head(make_rig):
    rig = make_rig({"limit.handshake_ms": "500"})
    start = time.monotonic()
    with Http(rig) as h, Http(rig) as silent:
        h.send(b"GET / HTTP/1.1\r\n")
        status = None
        try:
            while True:
                h.send(b"A: b\r\n")
                time.sleep(0.02)
                assert time.monotonic() < start + 60, "it is never ended"
        except OSError:
            pass
        try:
            status = h.response()[0]
        except (Closed, OSError):
            pass
        assert status in (408, None)
        assert time.monotonic() - start > 0.4
        assert silent.at_end()


@pytest.mark.parametrize("host,ok", [
    (None, True), ("localhost", True), ("LOCALHOST:18789", True), ("[::1]:1", True),
    ("192.0.2.7", True), ("[2001:db8::1]", True), ("gw.tail1234.ts.net", True),
    ("gw.example", True), ("gw.example:8443", True), ("GW.Example", True),
    ("rebound.example", False), ("localhost.example", False), ("127.0.0.1.example", False),
    ("gw.example.evil", False), ("ts.net", False)])
def test_T11_rebound_host(make_rig, host, ok):
    """A page whose name was bound to our address reads nothing here; those who
    only ask whether we live may use any name."""
    rig = make_rig({"allowedOrigin.0": "https://gw.example", "ui.basePath": "/"})
    with Http(rig) as h:
        status, _, body = h.request("/ui/nothing", host=host)
        assert (status, body) == ((404, b"Not Found") if ok else (403, b"host not allowed"))
    with Http(rig) as h:
        assert h.request("/health", host=host)[0] == 200


def test_T11_host_behind_a_proxy(make_rig):
    rig = make_rig({"trustedProxy.0": "127.0.0.1"})
    with Http(rig) as h:
        assert h.request("/ui/nothing", host="any.example")[0] == 404


def test_T47_share_of_one_address(rig):
    """64 silent connections of one foreign address are its share."""
    held = [socket.create_connection(("127.0.0.1", rig.port),
                                     source_address=("127.0.0.3", 0))
            for _ in range(64)]
    rig.wait(lambda: rig.stat().startswith("64 "), "64 waiting")
    with Http(rig, source="127.0.0.3") as h:
        try:
            assert h.request("/health")[0] == 429
        except (Closed, ConnectionError):
            pass
    with Http(rig, source="127.0.0.4") as h:
        assert h.request("/health")[0] == 200
    for s in held:
        s.close()
