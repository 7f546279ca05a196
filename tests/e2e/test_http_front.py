# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Requests that other processes answer, at the door: gatewayd-front alone, with
this test as its store and its router."""
import json
import os
import threading

import pytest
from frontrig import VERDICT, Closed, Http, Rig
from rigs import maker, rig  # noqa: F401 (fixtures)

CHAT = "/v1/chat/completions"
MORE, DONE, CUT = 0, 1, 2
SSE = 1


class ApiRig(Rig):
    def __init__(self, parcel=None, **kw):
        on = {f"route.{k}": "true" for k in
              ("chatCompletions", "responses", "models", "embeddings")}
        super().__init__({**on, **(parcel or {})}, **kw)
        self.serve = lambda m: self.answer(m, b'{"ok":1}') \
            if m.name == "HTTP_REQ" else None


make_rig = maker(ApiRig)


def post(path=CHAT, body=b"{}", token="good", extra=(), length=None,
         method="POST", version="1.1"):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    lines += extra
    if length is not False:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def error(answer):
    status, headers, body = answer
    assert headers["content-type"] == "application/json; charset=utf-8"
    e = json.loads(body)["error"]
    assert set(e) == {"message", "type"}
    return status, e["type"], e["message"], headers


def ask(rig, data, close=None):
    with Http(rig) as h:
        h.send(data)
        r = h.response()
        if close is not None:
            assert h.at_end() is close
        return r


def test_a_request_and_its_answer(rig):
    with Http(rig) as h:
        for i in range(3):          # one connection serves several
            h.send(post(body={"model": "openclaw:x", "user": " u ", "n": i},
                        extra=["X-OpenClaw-Agent-Id: a",
                               "X-OpenClaw-Session-Key: k"]))
            status, headers, body = h.response()
            assert (status, body) == (200, b'{"ok":1}')
            assert headers["content-type"].startswith("application/json")
            assert headers["cache-control"] == "no-store"
    assert [m.name for m in rig.asked] == ["HTTP_AUTH"] * 3
    assert rig.asked[0].secret == "good" and rig.asked[0].local == 1
    m = rig.http[2]
    assert (m.agent, m.session_key, m.model, m.user) == ("a", "k",
                                                        "openclaw:x", "u")
    assert json.loads(m.body)["n"] == 2
    # The member of the body only where no header says it.
    ask(rig, post("/tools/invoke", {"tool": "x", "sessionKey": "s"}))
    assert rig.http[-1].session_key == "s"


def test_bodies_in_chunks_and_in_pieces(rig):
    text = json.dumps({"a": "x" * 100000}).encode()
    with Http(rig) as h:
        h.send(post(extra=["Transfer-Encoding: chunked"], length=False,
                    body=b""))
        for i in range(0, len(text), 7000):
            piece = text[i:i + 7000]
            h.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        h.send(b"0\r\n\r\n")
        assert h.response()[0] == 200
        for b in post(body=b' {"b":1} '):
            h.send(bytes([b]))
        assert h.response()[0] == 200
        h.send(post(body=b""))      # empty reads as {}
        assert h.response()[0] == 200
        h.send(post(length=False, body=b""))
        assert h.response()[0] == 200
    assert rig.http[0].body == text
    assert rig.http[2].body == rig.http[3].body == b"{}"


def test_expect_is_answered_before_the_body(rig):
    with Http(rig) as h:
        data = post(body={"a": 1}, extra=["Expect: 100-continue"])
        head, body = data.split(b"\r\n\r\n", 1)
        h.send(head + b"\r\n\r\n")
        while b"\r\n\r\n" not in h.buf:
            assert h.fill()
        assert h.buf == b"HTTP/1.1 100 Continue\r\n\r\n"
        h.buf = b""
        h.send(body)
        assert h.response()[0] == 200
    # Who may not ask need not send it.
    with Http(rig) as h:
        h.send(post(length=100, body=b"", token="bad",
                    extra=["Expect: 100-continue"]))
        assert h.response()[0] == 401


@pytest.mark.parametrize("header", [
    None, "Bearer bad", "Bearer", "Bearer ", "Basic Z29vZA==", "good",
    "Bearer " + "x" * 5000, "Bearer g\xffod"])
def test_who_may_not(rig, header):
    extra = [] if header is None else [f"Authorization: {header}"]
    data = post(token=None, extra=extra, body={"model": "m"})
    with Http(rig) as h:
        h.send(data.decode().encode("latin-1"))
        status, kind, text, headers = error(h.response())
        assert (status, kind, text) == (401, "unauthorized", "Unauthorized")
        assert headers["www-authenticate"] == "Bearer"
        assert h.at_end()
    assert not rig.http
    with Http(rig) as h:            # two of them are none
        h.send(post(extra=["Authorization: Bearer good"]))
        assert h.response()[0] == 401


def test_lock_out_and_a_store_that_cannot(rig):
    rig.judge = lambda m: {"verdict": VERDICT["VERDICT_REFUSED"],
                           "penalty_s": 300, "message": "too many"}
    status, kind, text, headers = error(ask(rig, post()))
    assert (status, kind) == (429, "rate_limit_error")
    assert headers["retry-after"] == "300"
    rig.judge = lambda m: {"verdict": VERDICT["VERDICT_UNAVAILABLE"],
                           "message": "the gateway is starting"}
    assert error(ask(rig, post()))[:3] == (503, "unavailable",
                                           "the gateway is starting")


def test_methods_and_routes_that_are_off(rig, make_rig):
    for path in CHAT, "/v1/responses", "/v1/embeddings", "/tools/invoke":
        for method in "GET", "PUT", "DELETE", "OPTIONS":
            status, headers, body = ask(rig, post(path, method=method,
                                                  token=None))
            assert (status, body) == (405, b"Method Not Allowed"), path
            assert headers["allow"] == "POST"
    assert ask(rig, post("/v1/models", token=None))[1]["allow"] == "GET, HEAD"
    for path in CHAT + "/", CHAT + "/x", "/V1/chat/completions", "/v1":
        assert ask(rig, post(path))[0] == 404
    for path in "/v1//responses", "/v1/./responses", "/v1%2fresponses":
        assert ask(rig, post(path))[0] == 400
    off = make_rig({f"route.{k}": "false" for k in
                    ("chatCompletions", "responses", "models", "embeddings")})
    for path in CHAT, "/v1/responses", "/v1/embeddings":
        assert ask(off, post(path))[0] == 404
    assert ask(off, post("/tools/invoke"))[0] == 200


def test_T11_pages_of_others_may_not_ask(rig):
    for extra, body in ((["Origin: http://evil.example"],
                         b"origin not allowed"),
                        (["Origin: null"], b"origin not allowed")):
        assert ask(rig, post(extra=extra))[::2] == (403, body)
    data = post().replace(b"Host: localhost", b"Host: evil.example")
    assert ask(rig, data)[::2] == (403, b"host not allowed")
    assert ask(rig, post(extra=["Origin: http://localhost:80"]))[0] in (200, 403)
    assert not [m for m in rig.asked if m.name != "HTTP_AUTH"]
    assert len(rig.http) <= 1


@pytest.mark.parametrize("body,why", [
    (b"{", "ends before"), (b"nonsense", "no JSON"), (b"{} {}", "no JSON"),
    (b"\xff", "no JSON"), (b'{"a":"\xc3"}', "no JSON"),
    (b"[" * 70 + b"]" * 70, "nesting"), (b"[" * 100000, "nesting"),
    (b'{"a":' * 100 + b"1" + b"}" * 100, "nesting"),
    (b'{"user":"' + b"u" * 500 + b'"}', "too long"),
    (b'{"sessionKey":"' + b"u" * 600 + b'"}', "too long")])
def test_bodies_that_are_wrong(rig, body, why):
    with Http(rig) as h:
        h.send(post(body=body))
        status, kind, text, _ = error(h.response())
        assert (status, kind) == (400, "invalid_request_error")
        assert "JSON" in text or why in text
        # The body was read, so the next request is found.
        h.send(post())
        assert h.response()[0] == 200
    assert len(rig.http) == 1


def test_strings_that_others_would_refuse_are_mended(rig):
    ask(rig, post(body=b'{"user":"a\\u0000b","x":"\\ud800"}'))
    assert json.loads(rig.http[0].body) == {"user": "a\ufffdb", "x": "\ufffd"}


def test_bodies_that_are_too_large(rig):
    big = 1048577
    for extra, body, length in (
            ([], b"", big), ([], b"", 1 << 40),
            (["Transfer-Encoding: chunked"], b"%x\r\n" % big + b" " * big,
             False)):
        with Http(rig) as h:
            try:
                h.send(post(extra=extra, body=body, length=length))
            except OSError:
                pass
            status, kind, text, _ = error(h.response())
            assert (status, kind, text) == (
                400, "invalid_request_error", "payload too large")
    assert ask(rig, post(body=b'{"a":"' + b"x" * (big - 9) + b'"}'))[0] == 200
    assert len(rig.http[-1].body) == big - 1
    assert error(ask(rig, post("/v1/models", b"{}", method="GET")))[2] == \
        "payload too large"


@pytest.mark.parametrize("data,status", [
    (post(extra=["Transfer-Encoding: chunked"]), 400),
    (post(extra=["Content-Length: 3"]), 400),
    (post(extra=["Transfer-Encoding: gzip, chunked"], length=False), 400),
    (post(extra=["Transfer-Encoding: x"], length=False), 400),
    (post(extra=["Transfer-Encoding : chunked"], length=False), 400),
    (post(length="+2"), 400), (post(length="2, 2"), 400),
    (post(length="0x2"), 400), (post(length="-1"), 400),
    (post(extra=["Transfer-Encoding: chunked"], length=False,
          body=b"zz\r\n{}\r\n0\r\n\r\n"), 400),
    (post(extra=["Transfer-Encoding: chunked"], length=False,
          body=b"2\r\n{}0\r\n\r\n"), 400),
    (post(extra=["Transfer-Encoding: chunked"], length=False,
          body=b"2\n{}\n0\n\n"), 400),
    (post(version="2.0"), 505)])
def test_smuggling(rig, data, status):
    """What two readers could see differently ends the connection."""
    with Http(rig) as h:
        h.send(data + post("/tools/invoke"))
        assert h.response()[0] == status
        assert h.at_end()
    assert not rig.http


def test_pipelined_requests_are_answered_in_order(rig):
    held = []
    rig.serve = lambda m: held.append(m)
    with Http(rig) as h:
        h.send(post(body={"n": 1}) + post(body={"n": 2}) +
               b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        rig.wait(lambda: held, "the first")
        rig.answer(held[0], b'{"n":1}')
        assert h.response()[2] == b'{"n":1}'
        rig.wait(lambda: len(held) == 2, "the second")
        rig.answer(held[1], b'{"n":2}')
        assert h.response()[2] == b'{"n":2}'
        assert h.response()[2] == b'{"ok":true,"status":"live"}'
    assert [json.loads(m.body)["n"] for m in held] == [1, 2]


def test_headers_that_cannot_be(rig):
    for extra in (["X-OpenClaw-Agent-Id: " + "a" * 200],
                  ["X-OpenClaw-Session-Key: " + "a" * 600],
                  ["X-OpenClaw-Model: \xff"]):
        data = post(extra=extra).decode().encode("latin-1")
        status, kind, text, _ = error(ask(rig, data))
        assert (status, kind) == (400, "invalid_request_error")
        assert "X-OpenClaw" in text


# --- answers in pieces -------------------------------------------------------


def chunks(h):
    """(headers, bytes, whole): reads a chunked answer to its end."""
    while b"\r\n\r\n" not in h.buf:
        assert h.fill()
    top, h.buf = h.buf.split(b"\r\n\r\n", 1)
    out = b""
    while True:
        while b"\r\n" not in h.buf:
            if not h.fill():
                return top, out, False
        size, rest = h.buf.split(b"\r\n", 1)
        n = int(size, 16)
        while len(rest) < n + 2:
            h.buf = b""
            if not h.fill():
                return top, out, False
            rest += h.buf
        out, h.buf = out + rest[:n], rest[n + 2:]
        if n == 0:
            return top, out, True


def test_a_stream(rig):
    held = []
    rig.serve = lambda m: held.append(m) if m.name == "HTTP_REQ" else None
    with Http(rig) as h:
        h.send(post())
        rig.wait(lambda: held, "the request")
        rig.answer(held[0], b"data: 1\n\n", form=SSE, end=MORE)
        rig.wait(lambda: [m for m in rig.http if m.name == "HTTP_CREDIT"],
                 "credit for what was taken")
        rig.answer(held[0], b"data: 2\n\n", status=0, form=SSE, end=MORE)
        rig.answer(held[0], b"data: [DONE]\n\n", status=0, form=SSE, end=DONE)
        top, body, whole = chunks(h)
        assert whole and body == b"data: 1\n\ndata: 2\n\ndata: [DONE]\n\n"
        assert b"text/event-stream; charset=utf-8" in top
        assert b"Cache-Control: no-cache" in top
        h.send(post())              # and the next
        rig.wait(lambda: len(held) == 2, "the second")
        rig.answer(held[1], b"{}")
        assert h.response()[0] == 200
    assert sum(m.bytes for m in rig.http if m.name == "HTTP_CREDIT") <= 32
    assert not [m for m in rig.http if m.name == "HTTP_GONE"]


def test_a_stream_for_http_1_0(rig):
    def serve(m):
        if m.name == "HTTP_REQ":
            rig.answer(m, b"data: 1\n\n", form=SSE, end=MORE)
            rig.answer(m, b"data: 2\n\n", status=0, form=SSE, end=DONE)
    rig.serve = serve
    with Http(rig) as h:
        h.send(post(version="1.0"))
        while h.fill():
            pass
        top, body = h.buf.split(b"\r\n\r\n", 1)
        assert body == b"data: 1\n\ndata: 2\n\n"
        assert b"chunked" not in top and b"Connection: close" in top


def test_an_answer_that_is_cut_is_never_taken_for_whole(rig):
    def serve(m):
        if m.name == "HTTP_REQ":
            if b"early" not in m.body:
                rig.answer(m, b"data: 1\n\n", form=SSE, end=MORE)
            rig.answer(m, b"the agent went away", status=0, end=CUT)
    rig.serve = serve
    with Http(rig) as h:
        h.send(post())
        _, body, whole = chunks(h)
        assert not whole
        first, last = body.split(b"\n\n")[:2]
        assert first == b"data: 1"
        assert json.loads(last[6:]) == {"error": {
            "message": "the agent went away", "type": "api_error"}}
    assert error(ask(rig, post(body={"early": 1})))[:3] == (
        503, "unavailable", "the agent went away")


def test_a_client_that_leaves_is_told(rig):
    rig.serve = None
    h = Http(rig)
    h.send(post())
    rig.wait(lambda: rig.http, "the request")
    h.close()
    rig.wait(lambda: len(rig.http) == 2, "that it has gone")
    assert rig.http[1].name == "HTTP_GONE"
    assert rig.http[1].corr == rig.http[0].corr
    # What comes for it all the same is nobody's.
    rig.answer(rig.http[0], b"{}")
    rig.serve = lambda m: rig.answer(m, b"{}")
    assert ask(rig, post())[0] == 200


def test_who_does_not_read_gets_no_credit(rig):
    """Nothing is granted before the client has taken what was sent."""
    rig.serve = None
    with Http(rig) as h:
        h.send(post())
        rig.wait(lambda: rig.http, "the request")
        piece = b"x" * 32000
        sent = 0
        for i in range(500):        # far more than the kernel takes
            rig.answer(rig.http[0], piece, status=0 if i else 200, form=SSE,
                       end=MORE)
            sent += len(piece)
        # A later request shows that front has seen all of those.
        other = threading.Thread(target=lambda: ask(rig, post("/v1/models", b"",
                                                              method="GET")))
        other.start()
        rig.wait(lambda: len([m for m in rig.http if m.name == "HTTP_REQ"])
                 == 2, "the other request")
        rig.answer([m for m in rig.http if m.name == "HTTP_REQ"][1], b"{}")
        other.join(60)
        granted = sum(m.bytes for m in rig.http if m.name == "HTTP_CREDIT")
        assert granted < sent
        rig.answer(rig.http[0], b"", status=0, form=SSE, end=DONE)
        _, body, whole = chunks(h)
        assert whole and len(body) == sent


def test_the_router_goes(rig):
    rig.serve = None
    with Http(rig) as h:
        h.send(post())
        rig.wait(lambda: rig.http, "the request")
        rig.answer(rig.http[0], b"data: 1\n\n", form=SSE, end=MORE)
        rig.router.end()
        _, body, whole = chunks(h)
        assert not whole and b'"type":"api_error"' in body
    with Http(rig) as h:
        h.send(post())
        status, kind, _, headers = error(h.response())
        assert (status, kind) == (503, "unavailable")
        assert headers["retry-after"] == "1"
    rig.add_router()
    rig.serve = lambda m: rig.answer(m, b"{}")
    rig.wait(lambda: ask(rig, post())[0] == 200, "the next router")


def test_a_router_that_says_nonsense_is_dropped(rig):
    rig.serve = lambda m: rig.answer(m, b"{}", status=0)
    with Http(rig) as h:
        h.send(post())
        assert error(h.response())[0] == 503


def test_random_bytes_for_bodies(rig):
    """Whatever comes, an answer or an end, and front lives."""
    for i in range(60):
        noise = os.urandom(1 + i * 37)
        with Http(rig) as h:
            h.send(post(extra=["Transfer-Encoding: chunked"], length=False,
                        body=noise))
            h.s.shutdown(1)
            try:
                assert h.response()[0] in (200, 400)
            except Closed:
                pass
    assert ask(rig, post())[0] == 200


@pytest.mark.parametrize("target,rest", [
    ("/v1/models/p%2Fm", "/p/m"), ("/v1/models/p%2fq%2Fm", "/p/q/m"),
    ("/v1/models/p%2Fm?x=%2F..%2F", "/p/m"), ("/v1/models/p/m%20n", "/p/m n"),
])
def test_models_whose_names_have_a_slash(rig, target, rest):
    """As clients of OpenAI's interface write them."""
    assert ask(rig, post(target, b"", method="GET"))[0] == 200
    assert rig.http[-1].rest == rest


@pytest.mark.parametrize("target", [
    "/v1/models/..%2Fchat", "/v1/models/p%2F..%2Fm", "/v1/models/%2F", "/v1/models/a%2F%2Fb",
    "/v1/models/%2e%2e%2Fchat", "/v1/models/a%252Fb%2", "/v1/models/a%252Fb", "/v1/models/.%2Fa",
    "/v1/models/a%2Fb%00", "/v1/models/a%2Fb%5Cc", "/v1/models/a%2Fb;c", "/v1/models/a%2Fb%c0%ae",
    "/v1/models%2Fp", "/v1%2Fmodels/p", "/%2Fv1/models/p", "//v1/models/p%2Fm",
    "/V1/models/p%2Fm", "/tools%2Finvoke", "/tools/invoke%2F", "/v1/chat%2Fcompletions",
    "/v1/models%2F..%2Fchat%2Fcompletions",
])
def test_T09_slashes_that_are_no_part_of_a_name(rig, target):
    """One form decides where it goes and who may: nothing is asked."""
    assert ask(rig, post(target, b"", method="GET"), close=True)[0] == 400
    assert rig.asked == [] and rig.http == []
