# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Canvas pages and the A2UI page of a real gateway, over real sockets."""
import os
import shutil
import socket
import threading
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from frontrig import Closed, Http, Ws, frame
from gateway import Gateway, free_port, modes, wait_for
from workerproc import SANITIZED, private_kib

CANVAS, A2UI, LIVE = "/__openclaw__/canvas/", "/__openclaw__/a2ui/", "/__openclaw__/ws"
TIMEOUT = 120


def door(port):
    return Http(SimpleNamespace(port=port), timeout=TIMEOUT)


def get(port, path, method="GET", **kw):
    with door(port) as h:
        return h.request(path, method, **kw)


class House:
    def __init__(self, mode=None, canvas=None, **kw):
        self.port2 = free_port()
        self.gw = Gateway(mode=mode, config={
            "canvasHost": {"port": self.port2, **(canvas or {})}}, **kw)
        self.folder = self.gw.state / "workspace/canvas"

    def start(self):
        self.gw.start()
        # The first look at a page makes the folder.
        assert self.get(CANVAS)[0] in (200, 404)
        return self

    def get(self, path, method="GET", **kw):
        return get(self.gw.port, path, method, **kw)

    def put(self, name, data):
        p = self.folder / name
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_bytes(data if isinstance(data, bytes) else data.encode())
        p.chmod(0o644)
        for d in (p.parent, *p.parent.parents):
            if d == self.folder:
                break
            d.chmod(0o755)
        return p


@pytest.fixture
def make_house():
    made = []

    def make(start=True, **kw):
        h = House(**kw)
        made.append(h)
        return h.start() if start else h
    yield make
    for h in made:
        h.gw.close()


@pytest.fixture(scope="module")
def house():
    h = House()
    try:
        yield h.start()
    finally:
        h.gw.close()


@pytest.fixture(autouse=True)
def nothing_left(request):
    """What a test has put into the shared folder is not there for the next."""
    yield
    if "house" in request.fixturenames:
        h = request.getfixturevalue("house")
        for p in h.folder.iterdir():
            if p.is_dir() and not p.is_symlink():
                shutil.rmtree(p)
            else:
                p.unlink()


@pytest.mark.parametrize("mode", modes())
def test_pages_in_each_mode(make_house, mode):
    h = make_house(mode=mode)
    status, headers, body = h.get(CANVAS)
    assert status == 200 and b"There is no page here yet" in body
    assert headers["content-type"] == "text/html; charset=utf-8"
    h.put("index.html", "<html><body><p>mine</p></BODY></html>")
    h.put("sub/a b.txt", "text")
    for port in (h.gw.port, h.port2):
        status, headers, body = get(port, CANVAS)
        assert status == 200
        # The script stands before the end of the body.
        assert body.startswith(b"<html><body><p>mine</p><script src=\"/__openclaw__/a2ui/bridge.js\"")
        assert body.endswith(b"</script></BODY></html>")
        assert headers["cache-control"] == "no-store"
        assert int(headers["content-length"]) == len(body)
        status, headers, body = get(port, CANVAS + "sub/a%20b.txt")
        assert status == 200 and body == b"text"
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert get(port, A2UI)[0] == 200
        assert b"openclawA2UI" in get(port, A2UI + "a2ui.js")[2]
    # It runs while it is looked at, with nothing but that folder.
    assert h.gw.processes()["canvas"]["state"] == "running"


def test_folders_and_redirects(house):
    house.put("app/index.html", "<p>app")
    status, headers, body = house.get(CANVAS + "app/")
    assert status == 200 and body.startswith(b"<p>app<script")
    status, headers, _ = house.get(CANVAS + "app?x=1")
    assert status == 302 and headers["location"] == CANVAS + "app/?x=1"
    status, headers, _ = house.get(CANVAS[:-1] + "?x=1")
    assert status == 302 and headers["location"] == CANVAS + "?x=1"
    status, headers, _ = house.get(A2UI[:-1] + "?platform=android")
    assert status == 302 and headers["location"] == A2UI + "?platform=android"
    house.put("bare/x.txt", "x")
    status, headers, body = house.get(CANVAS + "bare/")
    assert status == 404 and headers["content-type"].startswith("text/html")
    assert str(house.gw.state).encode() not in body
    status, headers, body = house.get(CANVAS + "bare/none.txt")
    assert (status, body) == (404, b"not found")
    assert house.get(CANVAS + "app/index.html/")[0] == 404


def test_methods_and_doors(house):
    for path in (CANVAS, A2UI, CANVAS + "x"):
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            status, headers, _ = house.get(path, method)
            assert status == 405 and headers["allow"] == "GET, HEAD"
    status, headers, body = house.get(CANVAS, "HEAD")
    assert status == 200 and body == b"" and int(headers["content-length"]) > 0
    # On its own port there is the canvas and nothing else of the gateway.
    status, headers, _ = get(house.port2, "/")
    assert status == 302 and headers["location"] == CANVAS
    for path in ("/app.js", "/index.html", "/health", "/v1/models", "/avatar/main"):
        assert get(house.port2, path)[0] == 404, path
    with Ws(SimpleNamespace(port=house.port2), timeout=TIMEOUT) as w:
        assert w.upgrade("/")[0] == 404


def test_T16_pages_have_an_origin_of_their_own(house):
    """The agent's page must not reach what the web chat keeps in the browser."""
    house.put("index.html", "<p>x")
    house.put("x.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    for path in (CANVAS, CANVAS + "x.svg", A2UI):
        _, headers, _ = house.get(path)
        csp = headers["content-security-policy"]
        assert "sandbox allow-scripts" in csp and "allow-same-origin" not in csp
        assert "frame-ancestors 'self'" in csp
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        _, headers, _ = get(house.port2, path)
        csp = headers["content-security-policy"]
        assert "sandbox" not in csp and "*" not in csp and "http" not in csp
    assert "unsafe" not in house.get(A2UI)[1]["content-security-policy"]
    for headers in (house.get(CANVAS)[1], house.get(A2UI)[1]):
        assert "access-control-allow-origin" not in headers
    # A name that was rebound to us is no name of ours (T11).
    for port in (house.gw.port, house.port2):
        assert get(port, CANVAS, host="evil.example")[0] == 403
    assert house.get("/")[1]["content-security-policy"].count("sandbox") == 0


@pytest.mark.parametrize("path", [
    "../openclaw.json", "%2e%2e/openclaw.json", "..%2fopenclaw.json", "a/../../x",
    "%2e%2e%2f%2e%2e%2fetc/passwd", "x%00.html", "%00", "a//b", "/etc/passwd", "./x",
    "a%5c..%5cb", "x;y", "%252e%252e/x", "%c0%ae%c0%ae/", "%ff", "%", "%2", "a/%2e/b",
])
def test_T09_paths_that_have_no_normal_form(house, path):
    house.put("x", "x")
    for port in (house.gw.port, house.port2):
        for tree in (CANVAS, A2UI):
            with door(port) as h:
                assert h.request(tree + path)[0] == 400
                assert h.at_end()


def test_T09_other_forms_of_a_target(house):
    house.put("x", "x")
    with door(house.gw.port) as h:
        assert h.request(f"http://127.0.0.1:{house.gw.port}{CANVAS}x")[0] == 400
    with door(house.gw.port) as h:
        assert h.request("/" + CANVAS + "x")[0] == 400
    # Longer than any name: not there, and the connection lives.
    with door(house.gw.port) as h:
        assert h.request(CANVAS + "a" * 300)[0] == 404
        assert h.request(CANVAS + "a/" * 200)[0] == 404
        assert h.request(CANVAS + "x")[0] == 200
    with door(house.gw.port) as h:
        assert h.request(CANVAS + "a" * 3000)[0] == 400


def test_T29_links_and_what_is_no_file(house):
    secret = house.gw.state / "secret.txt"
    secret.write_text("secret")
    secret.chmod(0o644)
    house.put("real/x.txt", "x")
    (house.folder / "out.txt").symlink_to(secret)
    (house.folder / "up").symlink_to("..")
    (house.folder / "etc").symlink_to("/etc")
    (house.folder / "in.txt").symlink_to("real/x.txt")
    (house.folder / "inside").symlink_to("real")
    (house.folder / "index.html").symlink_to("/etc/passwd")
    os.mkfifo(house.folder / "pipe", 0o644)
    s = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(house.folder)
    s.bind("sock")
    os.chdir(here)
    for name in ("out.txt", "up/openclaw.json", "up/", "etc/passwd", "etc/hostname", "in.txt",
                 "inside/x.txt", "pipe", "sock", "up", "etc", "inside"):
        status, _, body = house.get(CANVAS + name)
        assert status == 404, name
        assert b"secret" not in body and b"root:" not in body
    # The link is no index; the page that stands in is ours.
    status, _, body = house.get(CANVAS)
    assert status == 200 and b"root:" not in body and b"no page here yet" in body
    assert house.get(CANVAS + "real/x.txt")[2] == b"x"
    s.close()


def test_hidden_names(house):
    for name in (".env", ".git/config", "a/.secret", ".hidden/x.html"):
        house.put(name, "hidden")
        assert house.get(CANVAS + name)[0] == 404
    assert house.get(CANVAS + ".git/")[0] == 404
    house.put("a/..b", "hidden")
    assert house.get(CANVAS + "a/..b")[0] == 404


def test_T29_the_folder_itself_is_a_link(make_house):
    """The agent can write where the folder is: before the process that reads
    it is there, and while it runs."""
    h = make_house(start=False)
    outside = h.gw.dir / "outside"
    outside.mkdir(mode=0o755)
    (outside / "x.txt").write_text("outside")
    ws = h.gw.state / "workspace"
    ws.mkdir()
    (ws / "canvas").symlink_to(outside)
    h.start()
    assert h.get(CANVAS + "x.txt")[0] == 404
    status, _, body = h.get(CANVAS)
    assert status == 200 and b"no page here yet" in body
    assert (ws / "canvas").is_symlink()


def test_folder_that_is_replaced(make_house):
    """A new folder of that name is seen without anybody's help."""
    h = make_house()
    h.put("index.html", "<p>old")
    assert b"<p>old" in h.get(CANVAS)[2]
    st = h.folder.stat()
    shutil.rmtree(h.folder)
    h.folder.mkdir()
    os.chown(h.folder, st.st_uid, st.st_gid)
    h.put("index.html", "<p>new")
    wait_for(lambda: b"<p>new" in h.get(CANVAS)[2], TIMEOUT, "the new folder")


def test_types(house):
    for name, kind in (("a.css", "text/css; charset=utf-8"),
                       ("a.js", "text/javascript; charset=utf-8"),
                       ("a.JSON", "application/json; charset=utf-8"),
                       ("a.png", "image/png"), ("a.svg", "image/svg+xml"),
                       ("a.woff2", "font/woff2"), ("a.mp4", "video/mp4"),
                       ("a.wasm", "application/wasm"), ("a.pdf", "application/pdf"),
                       ("a", "application/octet-stream"),
                       ("a.exe", "application/octet-stream"),
                       ("ä ü.txt", "text/plain; charset=utf-8")):
        house.put(name, "data")
        status, headers, body = house.get(CANVAS + quote(name))
        assert (status, body) == (200, b"data"), name
        assert headers["content-type"] == kind


def test_script_goes_into_pages_only(house):
    script = b"<script src=\"/__openclaw__/a2ui/bridge.js\" data-live></script>"
    house.put("a.txt", "</body>")
    assert house.get(CANVAS + "a.txt")[2] == b"</body>"
    for text, want in ((b"", b""), (b"<p>x", b"<p>x" + script),
                       (b"</body></body>", b"</body>" + script + b"</body>"),
                       (b"x" * 200000 + b"</body>", b"x" * 200000 + script + b"</body>"),
                       # Far from the end it is no end.
                       (b"</body>" + b"x" * 70000, b"</body>" + b"x" * 70000 + script)):
        house.put("p.htm", text)
        status, headers, body = house.get(CANVAS + "p.htm")
        assert status == 200 and body == want
        assert int(headers["content-length"]) == len(want)
        if want:
            part = house.get(CANVAS + "p.htm", headers=[("Range", "bytes=3-200")])
            assert part[0] == 206 and part[2] == want[3:201]


def test_parts_and_copies(house):
    data = os.urandom(200000)
    p = house.put("d.bin", data)
    os.utime(p, (1000000000, 1000000000))
    path = CANVAS + "d.bin"
    status, headers, body = house.get(path)
    assert status == 200 and body == data
    assert headers["accept-ranges"] == "bytes"
    assert headers["last-modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
    tag = headers["etag"]
    with door(house.gw.port) as h:
        for spec, a, b in (("0-0", 0, 1), ("0-", 0, 200000), ("100-299", 100, 300),
                           ("199999-", 199999, 200000), ("-5", 199995, 200000),
                           ("-999999", 0, 200000), ("100-999999", 100, 200000)):
            status, headers, body = h.request(path, headers=[("Range", f"bytes={spec}")])
            assert status == 206 and body == data[a:b], spec
            assert headers["content-range"] == f"bytes {a}-{b - 1}/200000"
        for spec in ("200000-", "300000-400000", "-0", "18446744073709551615-"):
            status, headers, _ = h.request(path, headers=[("Range", f"bytes={spec}")])
            assert status == 416 and headers["content-range"] == "bytes */200000", spec
        for spec in ("bytes=5-1", "bytes=a-b", "bytes=0-1,5-6", "bytes=", "bytes=-", "lines=1-2",
                     "bytes=99999999999999999999-", "bytes=1-2-3", "bytes=+1-2"):
            status, headers, body = h.request(path, headers=[("Range", spec)])
            assert status == 200 and body == data, spec
        for name, value, want in (
                ("If-None-Match", tag, 304), ("If-None-Match", f'"x", W/{tag}', 304),
                ("If-None-Match", "*", 304), ("If-None-Match", '"x"', 200),
                ("If-None-Match", tag[:-1], 200),
                ("If-Modified-Since", "Sun, 09 Sep 2001 01:46:40 GMT", 304),
                ("If-Modified-Since", "Mon, 10 Sep 2001 01:46:40 GMT", 304),
                ("If-Modified-Since", "Sat, 08 Sep 2001 01:46:40 GMT", 200),
                ("If-Modified-Since", "yesterday", 200)):
            status, headers, body = h.request(path, headers=[(name, value)])
            assert status == want and headers["etag"] == tag, (name, value)
            assert body == (b"" if want == 304 else data)
        r = ("Range", "bytes=0-9")
        for value, want in ((tag, 206), ('"x"', 200), ("Sun, 09 Sep 2001 01:46:40 GMT", 206),
                            ("Mon, 10 Sep 2001 01:46:40 GMT", 200), ("W/" + tag, 200)):
            assert h.request(path, headers=[r, ("If-Range", value)])[0] == want, value
        # A tag is of one text.
        house.put("d.bin", data[::-1])
        assert h.request(path, headers=[("If-None-Match", tag)])[2] == data[::-1]
        status, headers, body = h.request(path, "HEAD", headers=[r])
        assert status == 200 and headers["content-length"] == "200000"


def test_many_requests_on_one_connection(house):
    for i in range(5):
        house.put(f"{i}.txt", str(i) * 100000)
    with door(house.gw.port) as h:
        # All at once: the answers come whole and in their order.
        h.send(b"".join(b"GET %s%d.txt HTTP/1.1\r\nHost: localhost\r\n\r\n" %
                        (CANVAS.encode(), i % 6) for i in range(12)))
        for i in range(12):
            status, _, body = h.response()
            if i % 6 == 5:
                assert status == 404
            else:
                assert status == 200 and body == str(i % 6).encode() * 100000
        assert h.request("/health")[0] == 200
        h.send(b"GET %s0.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" %
               CANVAS.encode())
        assert h.response()[2] == b"0" * 100000
        assert h.at_end()


def test_T47_huge_and_slow(house):
    """A large file costs no memory, and who reads it slowly holds up nobody."""
    size = 300 << 20
    p = house.put("huge.bin", b"begin")
    os.truncate(p, size)
    slow = []
    try:
        for _ in range(20):
            h = door(house.gw.port)
            slow.append(h)
            h.send(b"GET %shuge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n" % CANVAS.encode())
        for h in slow:      # their answers have begun
            while b"begin" not in h.buf:
                assert h.fill()
        house.put("small.txt", "small")
        for _ in range(20):
            assert house.get(CANVAS + "small.txt")[2] == b"small"
        for name in ("front", "canvas"):
            pid = house.gw.processes()[name]["pid"]
            anon = private_kib(pid)
            assert SANITIZED or anon < 40 << 10, f"{name}: {anon} KiB"
    finally:
        for h in slow:
            h.close()
    status, headers, body = house.get(CANVAS + "huge.bin",
                                      headers=[("Range", f"bytes={size - 3}-")])
    assert status == 206 and body == b"\0\0\0"


def test_file_that_changes_while_it_is_sent(house):
    """Bytes of two files are never sent as those of one."""
    size = 64 << 20
    p = house.put("c.bin", b"1" * size)
    with door(house.gw.port) as h:
        h.send(b"GET %sc.bin HTTP/1.1\r\nHost: localhost\r\n\r\n" % CANVAS.encode())
        while b"\r\n\r\n" not in h.buf:
            assert h.fill()
        new = house.folder / "new.bin"
        new.write_bytes(b"2" * size)
        new.chmod(0o644)
        new.rename(p)
        try:
            body = h.response()[2]
        except Closed:
            return      # cut short: the client sees that it is not whole
        # What was on its way already, or none of the new one.
        assert body == b"1" * size


# --- live reload ------------------------------------------------------------------

class Page(Ws):
    def __init__(self, port, **kw):
        super().__init__(SimpleNamespace(port=port), timeout=TIMEOUT)
        self.status = self.upgrade(LIVE, **kw)[0]

    def reloads(self):
        """Waits for the next word."""
        while True:
            first, data = self.recv_frame()
            if first == 0x81:
                assert data == b"reload"
                return True
            assert first == 0x89, first     # a ping


def test_live_reload(house):
    pages = [Page(house.gw.port), Page(house.port2)]
    assert [p.status for p in pages] == [101, 101]
    assert house.get(CANVAS)[0] == 200      # it runs, and watches
    house.put("index.html", "<p>1")
    for p in pages:
        assert p.reloads()
    # A folder that is made, and what is made in it afterwards.
    house.put("new/x.txt", "1")
    for p in pages:
        assert p.reloads()
    for p in pages:
        p.close()


def test_live_reload_watches_what_pages_are_made_of(house):
    """Hidden names and node_modules change without a word: the next word comes
    of the file that was changed after them."""
    house.put("node_modules/m/x.js", "0")
    house.put(".git/x", "0")
    page = Page(house.gw.port)
    assert house.get(CANVAS)[0] == 200
    house.put("a.txt", "1")
    assert page.reloads()
    page.send(frame(0x89, b"hi"))
    first, data = page.recv_frame()
    while first != 0x8A:
        first, data = page.recv_frame()
    assert data == b"hi"
    page.close()


def test_live_reload_survives_the_reader(house):
    page = Page(house.gw.port)
    assert house.get(CANVAS)[0] == 200
    old = house.gw.kill("canvas")
    # The page still wants to know, so there is a new one.
    wait_for(lambda: house.gw.processes()["canvas"]["state"] == "running" and
             house.gw.processes()["canvas"]["pid"] not in (0, old), TIMEOUT, "a new reader")
    assert house.get(CANVAS)[0] == 200
    house.put("after.txt", "1")
    assert page.reloads()
    page.close()


def test_T11_who_may_wait_for_changes(house):
    for origin, want in ((None, 101), ("null", 101), (f"http://127.0.0.1:{house.gw.port}", 101),
                         ("http://evil.example", 403), ("https://127.0.0.1.evil.example", 403)):
        p = Page(house.gw.port, headers=[("Origin", origin)] if origin else [])
        assert p.status == want, origin
        p.close()
    p = Page(house.gw.port, host="evil.example")
    assert p.status == 403
    p.close()
    assert house.get(LIVE)[0] == 426
    assert house.get(LIVE)[2] == b"upgrade required"


def test_T47_what_pages_say(house):
    """It is not read; what is no WebSocket ends the connection."""
    with Page(house.gw.port) as p:
        for _ in range(50):
            p.send(frame(0x81, b"x" * 1000))
        p.send(frame(0x89, b"still here"))
        while p.recv_frame() != (0x8A, b"still here"):
            pass
        p.send(frame(0x88, b"\x03\xe8"))
        # a change of the folder may be told before
        while (got := p.recv_frame()) == (0x81, b"reload"):
            pass
        assert got[0] == 0x88
    with Page(house.gw.port) as p:
        p.send(frame(0x81, b"x" * 2000))
        assert p.closed()[0] == 1009
    with Page(house.gw.port) as p:
        p.send(frame(0x81, b"x", masked=False))
        assert p.closed()[0] == 1002


def test_T47_number_of_pages(house):
    pages = []
    try:
        while len(pages) < 300:
            p = Page(house.gw.port)
            if p.status != 101:
                assert p.status == 503
                p.close()
                break
            pages.append(p)
        assert len(pages) == 256
        assert house.get(CANVAS)[0] == 200
        # One that leaves makes room for another.
        pages.pop().close()

        def fits():
            p = Page(house.gw.port)
            if p.status == 101:
                pages.append(p)
            else:
                p.close()
            return p.status == 101
        wait_for(fits, TIMEOUT, "room")
    finally:
        for p in pages:
            p.close()


# --- configuration ------------------------------------------------------------------

def test_configured_root(make_house):
    h = make_house(start=False)
    root = h.gw.dir / "pages"
    root.mkdir(mode=0o755)
    (root / "index.html").write_text("<p>root")
    (root / "index.html").chmod(0o644)
    h.gw.write_config({"canvasHost": {"port": h.port2, "root": str(root), "liveReload": False}})
    h.start()
    # Without live reload a page is as it was written.
    assert h.get(CANVAS)[2] == b"<p>root"
    assert h.get(LIVE)[0] == 404
    with Ws(SimpleNamespace(port=h.port2), timeout=TIMEOUT) as w:
        assert w.upgrade(LIVE)[0] == 404
    body = h.get(A2UI)[2]
    assert b"bridge.js\"></script>" in body     # the way to the app stays


def test_folder_of_the_state_comes_first(make_house):
    h = make_house(start=False)
    state = h.gw.state / "canvas"
    state.mkdir(mode=0o755)
    h.start()
    h.put("index.html", "<p>workspace")
    assert b"<p>workspace" in h.get(CANVAS)[2]
    (state / "index.html").write_text("<p>state")
    (state / "index.html").chmod(0o644)
    assert b"<p>state" in h.get(CANVAS)[2]


def test_off(make_house):
    h = make_house(start=False)
    h.gw.write_config({"canvasHost": {"port": h.port2, "enabled": False}})
    h.gw.start()
    for path in (CANVAS, A2UI, LIVE):
        _, headers, body = h.get(path)
        assert b"openclawA2UI" not in body and b"no page here" not in body
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", h.port2), timeout=TIMEOUT).close()
    assert "canvas" not in h.gw.processes()


def test_port_that_is_taken(make_house):
    """The canvas has two doors; one is enough to go on."""
    h = make_house(start=False)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", h.port2))
        s.listen()
        h.start()
        assert h.get(CANVAS)[0] == 200


@pytest.mark.parametrize("root", ["", "..", "agents", "credentials", "store/x"])
def test_roots_that_are_refused(make_house, root):
    """What nobody logs in for must not be the state."""
    h = make_house(start=False)
    h.gw.write_config({"canvasHost": {"port": h.port2, "root": str(h.gw.state / root)}})
    h.gw.start(wait=False)
    assert h.gw.proc.wait(TIMEOUT) != 0
    assert "canvasHost.root" in h.gw.output() and "without a login" in h.gw.output()


# --- its life ----------------------------------------------------------------------

def test_nobody_looks(make_house):
    """The reader is not there before somebody wants a page."""
    h = make_house(start=False)
    h.gw.start()
    assert h.gw.processes()["canvas"]["state"] != "running"
    assert not h.folder.exists()
    # Many at once, while it starts.
    got = []
    threads = [threading.Thread(target=lambda: got.append(h.get(CANVAS)[0])) for _ in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got == [200] * 20
    assert h.gw.processes()["canvas"]["restarts"] == 0
