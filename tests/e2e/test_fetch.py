# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""toold-fetch as a process under its filter; this test is its toold, its
connect and the web."""
import socket
import threading
import time

import gwproto
import pytest
import tlsfiles
from gateway import passable
from web import WebServer, answer, redirect
from workerproc import Worker

ST = gwproto.enum("fetch_status")
HOW = gwproto.enum("fetch_how")
CN = gwproto.enum("cn_err")
TEXT = gwproto.enum("fetch_form")["FETCH_TEXT"]


class Connect(threading.Thread):
    """Plays `connect`: (host, port) -> a server of ours, or a refusal."""

    def __init__(self, link, hosts):
        super().__init__(daemon=True)
        self.link, self.hosts, self.asked = link, hosts, []
        self.start()

    def run(self):
        try:
            while True:
                m = self.link.recv(3600)
                if m is None:
                    return
                self.one(m)
        except (OSError, ValueError, TimeoutError):
            pass                # the link is closed: the test is over

    def one(self, m):
        assert m.dest == 0
        self.asked.append((m.host, m.port))
        port = self.hosts.get((m.host, m.port))
        if port is None:
            self.link.send("CN_ERR", corr=m.corr, header_flags=4,
                           kind=CN["CN_ERR_POLICY"],
                           reason=f"{m.host}:{m.port}: loopback address is "
                                  "not allowed")
            return
        s = socket.create_connection(("127.0.0.1", port), 60)
        s.setblocking(False)
        self.link.send("CN_FD", corr=m.corr, header_flags=4,
                       fds=[s.fileno()], address="192.0.2.1:80")
        s.close()


class Fetch:
    def __init__(self, tmp_path):
        self.ca = tlsfiles.make_ca()
        self.ca_file = tmp_path / "ca.pem"
        self.ca_file.write_bytes(self.ca.pem)
        self.ca_file.chmod(0o644)
        passable(tmp_path)
        self.web = WebServer()
        self.hosts = {("a.example", 80): self.web.port,
                      ("b.example", 80): self.web.port}
        self.servers, self.corr, self.w = [self.web], 0, None

    def tls(self, host, *names):
        s = WebServer(tls=tlsfiles.server_context(self.ca, *(names or
                                                             (host,))))
        self.servers.append(s)
        self.hosts[host, 443] = s.port
        return s

    def start(self, **parcel):
        self.w = Worker("FETCH", "main", peers=["TOOL", "CONNECT"],
                        parcel={"ca.file": str(self.ca_file), **parcel},
                        mounts=[(self.ca_file, "ro")])
        self.w.start()
        self.tool = self.w.peers["TOOL"]
        self.connect = Connect(self.w.peers["CONNECT"], self.hosts)
        return self

    def send(self, url, form=0, max_chars=50000):
        self.corr += 1
        self.tool.send("FT_REQ", corr=self.corr, url=url, form=form,
                       max_chars=max_chars)
        return self.corr

    def result(self, timeout=60):
        return self.tool.expect("FT_RES", timeout=timeout)

    def get(self, url, **kw):
        corr = self.send(url, **kw)
        m = self.result()
        assert m.corr == corr
        m.text = m.fields["text"].decode()
        return m

    def close(self):
        if self.w is not None:
            alive = self.w.alive()
            self.w.kill()
            assert alive, self.w.output()
        for s in self.servers:
            s.close()


@pytest.fixture
def rig(tmp_path):
    f = Fetch(tmp_path)
    yield f
    f.close()


def test_a_page(rig):
    rig.web.routes["/d/p?q=1"] = answer(
        "<title>T &amp; t</title><h1>Hi</h1><p>Some <a href='../x'>link</a>")
    rig.start(userAgent="tester/1")
    m = rig.get("HTTP://A.example./d/p?q=1#there")
    assert m.status == ST["FETCH_OK"] and m.http == 200
    assert m.url == "http://a.example/d/p?q=1"
    assert m.text == "# Hi\n\nSome [link](http://a.example/x)"
    assert m.length == len(m.text) and m.title == "T & t"
    assert m.type == "text/html; charset=utf-8"
    assert m.how == HOW["FETCH_READABLE"] and not m.truncated
    assert not m.cached and not m.reason
    assert abs(m.fetched_at / 1000 - time.time()) < 600
    (target, h), = rig.web.requests
    assert target == "/d/p?q=1" and h["host"] == "a.example"
    assert h["user-agent"] == "tester/1"
    assert h["accept-encoding"] == "identity"
    # Nothing that tells who asks, or what was read before.
    assert not {"cookie", "referer", "authorization"} & set(h)
    assert rig.connect.asked == [("a.example", 80)]


def test_forms_and_length(rig):
    rig.web.routes["/"] = answer("<h1>Größe</h1><p>" + "wörter " * 100)
    rig.start(cache_ms="0")
    whole = rig.get("http://a.example", form=TEXT)
    assert whole.text.startswith("Größe\n\nwörter")
    m = rig.get("http://a.example", form=TEXT, max_chars=120)
    assert m.text == whole.text[:120] and m.truncated
    assert m.length == len(whole.text)
    assert rig.get("http://a.example", max_chars=3).text == "# G"


def test_cache(rig):
    rig.web.routes["/"] = answer("<p>one")
    rig.start(cache_ms="3600000")
    assert rig.get("http://a.example/").text == "one"
    rig.web.routes["/"] = answer("<p>two")
    m = rig.get("http://a.example:80")
    assert m.text == "one" and m.cached
    assert rig.get("http://a.example/", form=TEXT).text == "two"
    # A failure is not kept.
    assert rig.get("http://a.example/new").http == 404
    rig.web.routes["/new"] = answer("<p>new")
    assert rig.get("http://a.example/new").text == "new"
    # Neither is anything for longer than was configured.
    fd = gwproto.parcel_make({"cache_ms": "0", "ca.file": str(rig.ca_file)})
    rig.w.ctl.send("PROC_CONFIG", generation=2, fds=[fd])
    assert rig.w.ctl.expect("PROC_CONFIG_ACK").ok == 1
    rig.w.ctl.send("PROC_CONFIG_COMMIT", generation=2)
    rig.web.routes["/"] = answer("<p>three")
    for _ in range(2):
        m = rig.get("http://a.example/")
        assert m.text == "three" and not m.cached


def test_types_and_failures(rig):
    r = rig.web.routes
    r["/json"] = answer('{"a": [1]}', "application/json")
    r["/png"] = answer(b"\x89PNG", "image/png")
    r["/latin"] = answer(b"<p>gr\xfc\xdfe", "text/html; charset=iso-8859-1")
    r["/gbk"] = answer(b"\xb0\xa1", "text/plain; charset=gbk")
    r["/gzip"] = answer(b"\x1f\x8b", Content_Encoding="gzip")
    r["/empty"] = answer("<script>x</script>")
    r["/500"] = answer("<p>out of order " + "x" * 5000,
                       status="500 Oops")
    r["/500png"] = answer(b"\0", "image/png", status="503 x")
    r["/cut"] = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort"
    r["/none"] = b""
    r["/odd"] = b"SSH-2.0-server\r\n\r\n"
    rig.start()
    m = rig.get("http://a.example/json")
    assert m.text == '{"a": [1]}' and m.how == HOW["FETCH_JSON"]
    m = rig.get("http://a.example/png")
    assert m.status == ST["FETCH_TYPE"] and "image/png" in m.reason
    assert rig.get("http://a.example/latin").text == "grüße"
    m = rig.get("http://a.example/gbk")
    assert m.status == ST["FETCH_TYPE"] and "gbk" in m.reason
    m = rig.get("http://a.example/gzip")
    assert m.status == ST["FETCH_TYPE"] and "compressed" in m.reason
    m = rig.get("http://a.example/empty")
    assert m.status == ST["FETCH_OK"] and "no text" in m.reason
    m = rig.get("http://a.example/500")
    assert m.status == ST["FETCH_HTTP"] and m.http == 500
    assert m.text.startswith("out of order") and len(m.text) == 1000
    m = rig.get("http://a.example/500png")
    assert m.status == ST["FETCH_TYPE"] or m.http == 503
    for path in ("cut", "none", "odd"):
        m = rig.get("http://a.example/" + path)
        assert m.status == ST["FETCH_PROTOCOL"] and m.reason, path
    for url, why in (("ftp://a.example/", "http or https"),
                     ("http://u:p@a.example/", "user"),
                     ("http://ä.example/", "xn--"), ("x", "http or https")):
        m = rig.get(url)
        assert m.status == ST["FETCH_URL"] and why in m.reason, url


def test_T39_T48_redirects(rig):
    r = rig.web.routes
    secure = rig.tls("s.example")
    secure.routes["/"] = answer("<p>secure")
    secure.routes["/down"] = redirect("http://a.example/ok")
    r["/ok"] = answer("<p>ok")
    r["/1"] = redirect("2", "301 Moved")
    r["/2"] = redirect("//b.example/3", "307 Temporary")
    r["/3"] = redirect("http://a.example/ok", "308 Permanent")
    r["/up"] = redirect("https://s.example/")
    r["/loop"] = redirect("/loop")
    r["/home"] = redirect("http://127.0.0.1:22/")
    r["/meta"] = redirect("http://169.254.169.254/latest/meta-data/")
    r["/file"] = redirect("file:///etc/passwd")
    r["/user"] = redirect("http://x:y@a.example/ok")
    r["/js"] = redirect("javascript:alert(1)")
    r["/noplace"] = answer("<p>here", status="302 Found")
    rig.start(cache_ms="0")
    m = rig.get("http://a.example/1")
    assert m.text == "ok" and m.url == "http://a.example/ok"
    # Every hop went through connect, with its own name.
    assert [h for h, _ in rig.connect.asked] == [
        "a.example", "a.example", "b.example", "a.example"]
    assert rig.web.requests[2][1]["host"] == "b.example"
    assert rig.get("http://a.example/up").text == "secure"
    m = rig.get("https://s.example/down")
    assert m.status == ST["FETCH_REDIRECT"] and "https to http" in m.reason
    m = rig.get("http://a.example/loop")
    assert m.status == ST["FETCH_REDIRECT"] and "3 redirects" in m.reason
    for path, where in (("home", ("127.0.0.1", 22)),
                        ("meta", ("169.254.169.254", 80))):
        m = rig.get("http://a.example/" + path)
        assert m.status == ST["FETCH_POLICY"], path
        assert rig.connect.asked[-1] == where and where[0] in m.reason
    for path in ("file", "user", "js"):
        asked = len(rig.connect.asked)
        m = rig.get("http://a.example/" + path)
        assert m.status == ST["FETCH_REDIRECT"], path
        assert len(rig.connect.asked) == asked + 1
    m = rig.get("http://a.example/noplace")
    assert m.status == ST["FETCH_HTTP"] and m.http == 302


def test_no_redirects_at_all(rig):
    rig.web.routes["/"] = redirect("/x")
    rig.start(maxRedirects="0")
    assert rig.get("http://a.example/").status == ST["FETCH_REDIRECT"]
    assert rig.web.targets() == ["/"]


def test_tls(rig):
    good = rig.tls("s.example")
    good.routes["/"] = answer("<p>secret")
    wrong = rig.tls("w.example", "other.example")
    wrong.routes["/"] = answer("<p>no")
    plain = socket.create_server(("127.0.0.1", 0))

    def talk():
        c, _ = plain.accept()
        c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        c.recv(65536)
        c.close()

    threading.Thread(target=talk, daemon=True).start()
    rig.hosts["p.example", 443] = plain.getsockname()[1]
    alien = WebServer(tls=tlsfiles.server_context(tlsfiles.make_ca("Other"),
                                                  "x.example"))
    rig.servers.append(alien)
    rig.hosts["x.example", 443] = alien.port
    rig.start()
    assert rig.get("https://s.example/").text == "secret"
    assert good.server_names == ["s.example"]
    for host in ("w.example", "x.example", "p.example"):
        m = rig.get(f"https://{host}/")
        assert m.status == ST["FETCH_TLS"] and m.reason, host
        assert not m.text
    assert wrong.requests == alien.requests == []
    plain.close()


def test_too_much(rig):
    """Heads and bodies without end, and bombs of either."""
    def endless(c):
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            c.sendall("wörter ".encode() * 5000)

    def chunked(c):
        c.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            c.sendall(b"1;" + b"x" * 90 + b"\r\na\r\n")

    def heads(c):
        c.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            c.sendall(b"X-Bomb: " + b"x" * 1000 + b"\r\n")

    def interim(c):
        while True:
            c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    r = rig.web.routes
    r["/endless"], r["/heads"] = endless, heads
    r["/chunked"], r["/interim"] = chunked, interim
    r["/many"] = answer("x", **{f"X-{i}": "y" for i in range(500)})
    r["/big"] = answer("a" * 20000, "text/plain")
    rig.start(maxBytes="10000", cache_ms="0")
    m = rig.get("http://a.example/big")
    assert m.text == "a" * 10000 and m.truncated and m.length == 10000
    assert "10000 bytes" in m.reason
    for path in ("endless", "chunked"):
        m = rig.get("http://a.example/" + path)
        assert m.status == ST["FETCH_OK"] and m.truncated, path
        assert 9900 <= len(m.text.encode()) <= 10000
    for path in ("heads", "interim", "many"):
        m = rig.get("http://a.example/" + path)
        assert m.status == ST["FETCH_PROTOCOL"], path


def drip(gone):
    """A body without end, a byte at a time; tells when nobody listens."""
    def go(c):
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
        try:
            while True:
                c.sendall(b"x")
                time.sleep(0.05)
        finally:
            gone.set()
    return go


def test_slow_servers(rig):
    gone = threading.Event()
    rig.web.routes["/drip"] = drip(gone)
    rig.web.routes["/silent"] = lambda c: c.recv(1)
    rig.start(timeout_ms="1500")
    for path in ("drip", "silent"):
        m = rig.get("http://a.example/" + path)
        assert m.status == ST["FETCH_TIMEOUT"], m.fields
    assert gone.wait(60)


def test_cancel(rig):
    """Others are not held up, and a call that is given up hangs up."""
    gone = threading.Event()
    rig.web.routes["/drip"] = drip(gone)
    rig.web.routes["/"] = answer("<p>quick")
    rig.start(timeout_ms="600000", cache_ms="0")
    slow = rig.send("http://a.example/drip")
    assert rig.get("http://a.example/").text == "quick"
    rig.tool.send("FT_CANCEL", corr=slow)
    m = rig.result()
    assert m.corr == slow and m.reason == "cancelled"
    assert gone.wait(60)
    rig.tool.send("FT_CANCEL", corr=4711)       # long answered: nothing
    assert rig.get("http://a.example/").text == "quick"


def test_limit_of_calls(rig):
    """More at once than there is room for: told so, and no worse for it."""
    go = threading.Event()
    rig.web.routes["/"] = lambda c: (go.wait(60), c.sendall(answer("<p>x")))
    rig.start(timeout_ms="600000", cache_ms="0")
    corrs = [rig.send("http://a.example/") for _ in range(20)]
    refused = [rig.result() for _ in range(4)]
    assert {m.status for m in refused} == {ST["FETCH_BUSY"]}
    assert "too many" in refused[0].reason
    go.set()
    rest = [rig.result() for _ in range(16)]
    assert {m.status for m in rest} == {ST["FETCH_OK"]}
    assert sorted(m.corr for m in refused + rest) == corrs


def test_the_end_of_toold_and_connect(rig):
    hung = threading.Event()

    def hang(c):
        c.recv(1)
        hung.set()

    rig.web.routes["/hang"] = hang
    rig.web.routes["/"] = answer("<p>again")
    rig.start(timeout_ms="600000", cache_ms="0")
    rig.send("http://a.example/hang")
    while "/hang" not in rig.web.targets():
        time.sleep(0.01)
    # Nobody wants that page any more.
    rig.tool.close()
    assert hung.wait(60)
    rig.tool = rig.w.add_peer("TOOL", "main")
    rig.connect.link.sock.shutdown(socket.SHUT_RDWR)
    corr = rig.send("http://a.example/")
    # It is asked for again by whoever is connect next.
    rig.connect = Connect(rig.w.add_peer("CONNECT"), rig.hosts)
    m = rig.result()
    assert m.corr == corr and m.fields["text"] == b"again"


def test_same_number_twice_is_a_violation(rig):
    rig.web.routes["/"] = lambda c: c.recv(1)
    rig.start()
    rig.send("http://a.example/")
    rig.corr -= 1
    rig.send("http://a.example/")
    assert rig.w.ctl.expect("PROC_BADPEER").type == \
        gwproto.BY_NAME["FT_REQ"].num
