# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""gateway.controlUi.root: the page of somebody else, with subfolders, the values
of OpenClaw's server in its index, and a policy of its own."""
import base64
import hashlib
import json
import re
from types import SimpleNamespace

import pytest
from frontrig import Http
from gateway import modes, wait_for

INDEX = ("<!doctype html><html><head><script>var first = 1;</script>"
         '<script type="module" src="./assets/app.js"></script></head><body></body></html>')
FILES = {"index.html": INDEX, "assets/app.js": "export {};", "assets/deep/er/a.css": "a {}",
         "favicon.svg": "<svg/>", "themes/dark.webp": "RIFF", "assets/app.js.map": "{}"}


def get(gw, path, method="GET", **kw):
    with Http(SimpleNamespace(port=gw.port), timeout=120) as h:
        return h.request(path, method, **kw)


def values(html):
    return {k: json.loads(v) for k, v in re.findall(
        r'window\.__OPENCLAW_(\w+)__=("(?:[^"\\]|\\.)*");', html)}


def put(root, files):
    for name, text in files.items():
        p = root / name
        p.parent.mkdir(parents=True, exist_ok=True)
        p.write_text(text)
    for p in [root, *root.rglob("*")]:
        if not p.is_symlink():
            p.chmod(0o755 if p.is_dir() else 0o644)


@pytest.fixture
def serve(make_gateway):
    """serve(files, mode, ...) -> gateway and the folder of its page."""
    def start(files=FILES, mode=None, ui=None, start=True, **control):
        gw = make_gateway(mode=mode, start=False)
        root = gw.dir / "page"
        put(root, files)
        gw.dir.chmod(0o755)
        gw.write_config({"gateway": {"controlUi": {"root": str(root), **control}},
                         **({"ui": {"assistant": ui}} if ui else {})})
        if start:
            gw.start()
        return gw, root
    return start


@pytest.mark.parametrize("mode", modes())
def test_T09_files_below_folders(serve, mode):
    gw, root = serve(mode=mode, start=False)
    put(root, {".git/config.json": "{}", "assets/.secret.js": "x", "assets/LICENSE": "x",
               "assets/app.js.gz": "x"})
    (gw.state / "outside.js").write_text("outside")
    (root / "assets/link.js").symlink_to(gw.state / "outside.js")
    (root / "up").symlink_to(gw.state)
    gw.start()
    index = get(gw, "/")[2]
    for name, text in FILES.items():
        status, headers, body = get(gw, "/" + name)
        assert status == 200, name
        if name != "index.html":
            assert body == text.encode(), name
            assert "'unsafe-inline'" not in headers["content-security-policy"]
    assert get(gw, "/assets/app.js")[1]["content-type"] == "text/javascript; charset=utf-8"
    assert get(gw, "/themes/dark.webp")[1]["content-type"] == "image/webp"
    # a page below a path of its router finds its files
    assert get(gw, "/chat/x/assets/deep/er/a.css")[2] == b"a {}"
    assert get(gw, "/chat/favicon.svg")[2] == b"<svg/>"
    # what is hidden, linked, of no kind of a page or not there is the page
    for path in ("/.git/config.json", "/assets/.secret.js", "/assets/LICENSE",
                 "/assets/app.js.gz", "/assets/link.js", "/up/outside.js", "/up/openclaw.json",
                 "/assets", "/assets/", "/assets/deep/er", "/nope.js", "/assets/app.js/x"):
        status, _, body = get(gw, path)
        assert (status, body) == (200, index), path
    for path in ("/assets/../index.html", "/assets/%2e%2e/%2e%2e/openclaw.json",
                 "/assets//app.js", "/assets/./app.js", "/assets/app.js%00", "/assets%2fapp.js%00",
                 "/assets/..%2f..%2fopenclaw.json", "/assets\\..\\..\\openclaw.json"):
        assert get(gw, path)[0] == 400, path
    assert get(gw, "/assets/app.js", "POST")[0] == 405


def test_T16_values_and_policy(serve):
    name = 'A "clever" </script><b>&'
    gw, _ = serve(ui={"name": name, "avatar": "pics/me.png"}, basePath="/ui")
    status, headers, body = get(gw, "/ui/")
    html = body.decode()
    assert status == 200 and values(html) == {
        "CONTROL_UI_BASE_PATH": "/ui", "ASSISTANT_NAME": name,
        "ASSISTANT_AVATAR": "/ui/avatar/main"}
    # there is nothing else in it, and it stands at the end of the head
    script = re.search(r"<script>window.*?</script>", html).group(0)
    assert html == INDEX.replace("</head>", script + "</head>")
    csp = dict(p.split(" ", 1) for p in headers["content-security-policy"].split("; "))
    inline = [s for s in re.findall(r"<script[^>]*>(.*?)</script>", html) if s]
    assert csp["script-src"].split() == ["'self'"] + [
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
        for s in inline] and len(inline) == 2
    assert csp["default-src"] == csp["frame-ancestors"] == csp["base-uri"] == "'none'"
    assert csp["connect-src"] == "'self' data:"
    # the same below, and to who has it already
    assert get(gw, "/ui/chat")[2] == body
    assert get(gw, "/ui/", headers=[("If-None-Match", headers["etag"])])[0] == 304
    assert int(get(gw, "/ui/", "HEAD")[1]["content-length"]) == len(body)
    # a reload changes them, and front goes on
    pid = gw.processes()["front"]["pid"]
    text = json.loads(gw.config_path.read_text())
    text["ui"]["assistant"] = {"name": "Other"}
    gw.write_config(text)
    gw.call("gateway.reload")
    wait_for(lambda: values(get(gw, "/ui/")[2].decode())["ASSISTANT_NAME"] == "Other", 120,
             "the new name")
    assert values(get(gw, "/ui/")[2].decode())["ASSISTANT_AVATAR"] == "A"
    assert get(gw, "/ui/", headers=[("If-None-Match", headers["etag"])])[0] == 200
    assert gw.processes()["front"]["pid"] == pid


def test_our_own_page_is_left_alone(gateway):
    status, headers, body = get(gateway, "/")
    assert status == 200 and b"__OPENCLAW_" not in body
    assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize("files,said", [
    ({"assets/big.js": "x" * ((8 << 20) + 1)},
     "page/assets/big.js: File too large; a file may have 8 MiB, all of them 64 MiB"),
    ({f"a/{i}.svg": "" for i in range(2048)}, "2048 files are read at most"),
    ({"/".join("abcdefghi") + "/x.js": ""}, "page/a/b/c/d/e/f/g/h/i/: File name too long"),
], ids=["large", "many", "deep"])
def test_limits(serve, files, said):
    """A page with a hole would be worse than none; the gateway is a gateway."""
    gw, _ = serve({**FILES, **files})
    assert get(gw, "/")[::2] == (503, b"Control UI assets not found")
    wait_for(lambda: said in gw.logs().replace("\\/", "/"), 120, "the reason")
    assert get(gw, "/health")[0] == 200


@pytest.mark.parametrize("root,said", [
    (".", "holds the state or the configuration"), ("s", "holds the state or"),
    ("s/agents", "is part of the state"), ("s/workspace/ui", "is part of the state"),
    ("work/ui", 'in the workspace of agent \\"main\\"')])
def test_roots_that_are_refused(make_gateway, root, said):
    """Everybody may read the page, and it sees the login of who looks at it."""
    gw = make_gateway(start=False)
    root = gw.dir / root if root != "." else gw.dir
    root.mkdir(parents=True, exist_ok=True)
    gw.write_config({"gateway": {"controlUi": {"root": str(root)}},
                     "agents": {"defaults": {"workspace": str(gw.dir / "work")}}})
    gw.start(wait=False)
    assert gw.proc.wait(120) == 78
    text = gw.output()
    assert "gateway.controlUi.root: " in text and said.replace("\\", "") in text, text
    assert "folder" in text
