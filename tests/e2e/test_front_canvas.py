# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""front with this test as the reader of canvas pages: one that answers late,
dies, or has been taken over by the agent whose files it reads."""

import gwproto
import pytest
from frontrig import Closed, Http, Rig, Ws
from rigs import maker

make_rig = maker(Rig)
CANVAS = "/__openclaw__/canvas/"
STATUS = gwproto.enum("cv_status")
ROLE = gwproto.role("CANVAS")
PARCEL = {"route.canvas": "true", "canvas.liveReload": "true"}


@pytest.fixture
def rig(make_rig):
    return make_rig(PARCEL)


def wanted(rig, on=1):
    m = rig.worker.ctl.expect("PROC_WANT", timeout=60)
    assert (m.role, m.on) == (ROLE, on)


def ask(h, path="x.txt", headers=""):
    h.send(f"GET {CANVAS}{path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())


def answer(link, m, status="CV_OK", corr=None, **kw):
    f = {"type": 0, "size": 5, "mtime_ms": 0, "tag": 1, "data": b"12345", **kw}
    link.send("CV_RES", corr=m.corr if corr is None else corr, header_flags=gwproto.F_REPLY,
              status=STATUS[status] if isinstance(status, str) else status, **f)


def test_it_is_asked_for_when_it_is_wanted(rig):
    with Http(rig) as h:
        ask(h, "a/b.txt", "Range: bytes=1-2\r\n")
        wanted(rig)
        link = rig.worker.add_peer("CANVAS")
        m = link.expect("CV_GET", timeout=60)
        # What a part is of must be known first.
        assert (m.tree, m.path, m.offset, m.limit) == (0, "a/b.txt", 0, 0)
        answer(link, m, data=b"")
        m = link.expect("CV_GET", timeout=60)
        assert (m.offset, m.limit) == (1, 2)
        answer(link, m, data=b"23")
        status, headers, body = h.response()
        assert status == 206 and body == b"23"
        assert headers["content-range"] == "bytes 1-2/5"


def test_no_path_that_was_not_judged_gets_there(rig):
    link = rig.worker.add_peer("CANVAS")
    for path in ("..", "%2e%2e/x", "a//b", "%00"):
        with Http(rig) as h:
            ask(h, path)
            assert h.response()[0] == 400
    with Http(rig) as h:
        ask(h, "end")
        assert link.expect("CV_GET", timeout=60).path == "end"


def test_it_dies(rig):
    """Once is an accident; twice it may be the request."""
    with Http(rig) as h:
        ask(h)
        wanted(rig)
        rig.worker.add_peer("CANVAS").expect("CV_GET", timeout=60)
        rig.worker.peers["CANVAS"].end()
        wanted(rig)
        rig.worker.add_peer("CANVAS").expect("CV_GET", timeout=60)
        rig.worker.peers["CANVAS"].end()
        assert h.response()[0] == 503
        # The connection lives, and so does the next request.
        ask(h)
        wanted(rig)
        link = rig.worker.add_peer("CANVAS")
        answer(link, link.expect("CV_GET", timeout=60))
        assert h.response()[2] == b"12345"


def test_it_dies_in_the_middle(rig):
    with Http(rig) as h:
        ask(h)
        wanted(rig)
        link = rig.worker.add_peer("CANVAS")
        answer(link, link.expect("CV_GET", timeout=60), size=100000)
        link.expect("CV_GET", timeout=60)
        link.close()
        with pytest.raises(Closed):     # short of what was announced
            h.response()


@pytest.mark.parametrize("second", [
    {"tag": 2}, {"data": b""}, {"status": "CV_NONE"}, {"data": b"x" * 200}])
def test_another_file_in_the_middle(rig, second):
    with Http(rig) as h:
        ask(h)
        wanted(rig)
        link = rig.worker.add_peer("CANVAS")
        answer(link, link.expect("CV_GET", timeout=60), size=105)
        answer(link, link.expect("CV_GET", timeout=60), **{"size": 105, "data": b"y" * 100,
                                                           **second})
        with pytest.raises(Closed):
            h.response()


def test_more_than_there_is(rig):
    with Http(rig) as h:
        ask(h)
        wanted(rig)
        link = rig.worker.add_peer("CANVAS")
        answer(link, link.expect("CV_GET", timeout=60), size=3)
        with pytest.raises(Closed):
            h.response()


def test_R14_a_reader_that_was_taken_over(rig):
    """It gives bytes and numbers: no header is its own."""
    with Http(rig) as h:
        ask(h)
        wanted(rig)
        link = rig.worker.add_peer("CANVAS")
        m = link.expect("CV_GET", timeout=60)
        # To what nobody asked, and to what was asked long ago: nothing.
        answer(link, m, corr=m.corr + 1000)
        answer(link, m, type=63, tag=2 ** 64 - 1, mtime_ms=2 ** 64 - 1, size=5,
               data=b"\r\nX: ")
        answer(link, m)
        status, headers, body = h.response()
        assert status == 200 and body == b"\r\nX: "
        assert headers["content-type"] == "application/octet-stream"
        assert headers["etag"] == '"ffffffffffffffff"' and "x" not in headers
        assert "sandbox" in headers["content-security-policy"]
        assert h.request("/health")[0] == 200
        # An answer that is none ends it: the link, not front.
        ask(h)
        answer(link, link.expect("CV_GET", timeout=60), status=15)
        m = rig.worker.ctl.expect("PROC_BADPEER", timeout=60, skip=("PROC_WANT",))
        assert m.reason


def test_R14_changes_without_end(rig):
    """A reader that tells of changes all the time fills no queue."""
    with Ws(rig) as w:
        assert w.upgrade("/__openclaw__/ws")[0] == 101
        wanted(rig)
        link = rig.worker.add_peer("CANVAS")
        for _ in range(50000):
            link.send("CV_CHANGED", moved=0)
        rig.worker.ping()
        with Http(rig) as h:
            assert h.request("/health")[0] == 200
        assert w.recv_frame() == (0x81, b"reload")


def test_a_folder_that_moved(rig):
    with Ws(rig) as w:
        assert w.upgrade("/__openclaw__/ws")[0] == 101
        wanted(rig)
        old = rig.worker.add_peer("CANVAS")
        old.send("CV_CHANGED", moved=1)
        wanted(rig, 0)
        wanted(rig, 1)
        assert w.recv_frame() == (0x81, b"reload")
        # The page asks; only the next one is asked for it.
        with Http(rig) as h:
            ask(h, "index.html")
            old.close()
            link = rig.worker.add_peer("CANVAS")
            m = link.expect("CV_GET", timeout=60)
            answer(link, m)
            assert h.response()[0] == 200


def test_drain(rig):
    """A page is told that the service restarts; a request ends."""
    w, h = Ws(rig), Http(rig)
    try:
        assert w.upgrade("/__openclaw__/ws")[0] == 101
        wanted(rig)
        ask(h)
        rig.worker.add_peer("CANVAS").expect("CV_GET", timeout=60)
        rig.worker.ctl.send("PROC_DRAIN", deadline_ms=60000)
        assert w.closed()[0] == 1012
        assert h.at_end()
        rig.worker.ctl.expect("PROC_DRAINED", timeout=60, skip=("PROC_WANT",))
    finally:
        w.close()
        h.close()


def test_off(make_rig):
    rig = make_rig({"route.canvas": "false"})
    with Http(rig) as h:
        assert h.request(CANVAS)[0] in (200, 404)
        assert h.request("/__openclaw__/ws")[0] in (200, 404)
    # Without the canvas that path is the gateway's own.
    with Ws(rig) as w:
        assert w.upgrade("/__openclaw__/ws")[0] == 101
        assert w.recv()["event"] == "connect.challenge"
