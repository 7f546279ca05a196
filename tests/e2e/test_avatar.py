# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Pictures of agents, the page's base path and readiness, on real gateways."""
import asyncio
import json
import os
from types import SimpleNamespace

import pytest
from frontrig import Http
from gateway import wait_for

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 5000
TIMEOUT = 120


def get(gw, path, method="GET", **kw):
    with Http(SimpleNamespace(port=gw.port), timeout=TIMEOUT) as h:
        return h.request(path, method, **kw)


def meta(gw, path="/avatar/main"):
    status, headers, body = get(gw, path + "?meta=1")
    assert status == 200 and headers["content-type"] == "application/json; charset=utf-8"
    return json.loads(body)


def put(gw, name, data):
    p = gw.state / "workspace" / name
    p.parent.mkdir(exist_ok=True, parents=True)
    p.write_bytes(data)
    p.chmod(0o644)
    p.parent.chmod(0o755)
    return p


def config(avatar=None, **gateway):
    agent = {"id": "main", "default": True}
    if avatar is not None:
        agent["identity"] = {"avatar": avatar}
    return {"agents": {"list": [agent, {"id": "other"}]}, "gateway": gateway}


def ready(gw, base=""):
    """Pictures come from agents, and those come up after the front."""
    wait_for(lambda: get(gw, "/ready")[0] == 200, TIMEOUT, "ready")
    wait_for(lambda: get(gw, base + "/avatar/main?meta=1")[0] == 200, TIMEOUT, "the agent answers")
    return gw


@pytest.fixture
def house(make_gateway):
    return ready(make_gateway(config=config("pics/me.png", controlUi={"basePath": "/ui"})), "/ui")


def test_picture(make_gateway):
    gw = ready(make_gateway(config=config("pics/me.png")))
    assert get(gw, "/avatar/main")[0] == 404 and meta(gw) == {"avatarUrl": None}
    put(gw, "pics/me.png", PNG)
    status, headers, body = get(gw, "/avatar/main")
    assert status == 200 and body == PNG
    assert headers["content-type"] == "image/png" and headers["cache-control"] == "no-cache"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert meta(gw) == {"avatarUrl": "/avatar/main"}
    status, headers, body = get(gw, "/avatar/main", "HEAD")
    assert status == 200 and body == b"" and headers["content-length"] == str(len(PNG))
    # A large one comes whole as well.
    big = PNG * 200
    put(gw, "pics/me.png", big)
    assert get(gw, "/avatar/main")[2] == big
    # Nobody has to log in, and nobody is asked for a body.
    status, headers, _ = get(gw, "/avatar/main", "POST")
    assert status == 405
    assert get(gw, "/avatar/main", host="evil.example")[0] == 403
    assert get(gw, "/avatar/main", headers=[("X-OpenClaw-Agent-Id", "other")])[2] == big


def test_base_path(house):
    put(house, "pics/me.png", PNG)
    assert get(house, "/ui/avatar/main")[2] == PNG
    assert meta(house, "/ui/avatar/main") == {"avatarUrl": "/ui/avatar/main"}
    assert get(house, "/avatar/main")[0] == 404
    assert get(house, "/ui/")[0] == 200 and get(house, "/ui/deep/path")[0] == 200
    assert get(house, "/ui")[1]["location"] == "/ui/"

    async def identity():
        async with house.client() as c:
            return await c.call("agent.identity.get", {"agentId": "main"})
    assert asyncio.run(identity())["avatar"] == "/ui/avatar/main"


@pytest.mark.parametrize("name", [
    "/main", "", "/", "/none", "/main/x", "/main/..%2f", "/" + "a" * 65, "/-x", "/a.b", "/other"])
def test_agents_that_have_none(make_gateway, name):
    gw = ready(make_gateway(config=config()))
    put(gw, "me.png", PNG)
    assert get(gw, "/avatar" + name)[0] in (404, 400)


def test_T09_T29_nothing_but_a_picture_of_the_workspace(make_gateway):
    """Whoever writes IDENTITY.md chooses the file."""
    gw = ready(make_gateway(config=config()))
    secret = gw.state / "secret.png"
    secret.write_bytes(b"secret")
    secret.chmod(0o644)
    put(gw, "text.txt", b"text")
    put(gw, "good.svg", b"<svg/>")
    put(gw, "large.png", b"x" * ((1 << 20) + 1))
    put(gw, "empty.png", b"")
    ws = gw.state / "workspace"
    (ws / "out.png").symlink_to(secret)
    (ws / "up").symlink_to(gw.state)
    os.mkfifo(ws / "pipe.png", 0o644)
    (ws / "dir.png").mkdir()
    for name in ("../secret.png", str(secret), "out.png", "up/secret.png", "pipe.png", "dir.png",
                 "text.txt", "large.png", "empty.png", "none.png", "~/s/secret.png",
                 "/etc/passwd", "file:///etc/passwd"):
        put(gw, "IDENTITY.md", f"- Avatar: {name}\n".encode())
        status, _, body = get(gw, "/avatar/main")
        assert status == 404 and b"secret" not in body, name
        assert meta(gw) == {"avatarUrl": None}, name
    for url in ("https://example.com/x.png", "data:image/png;base64,AAAA"):
        put(gw, "IDENTITY.md", f"- Avatar: {url}\n".encode())
        # It is told, not fetched.
        assert get(gw, "/avatar/main")[0] == 404 and meta(gw) == {"avatarUrl": url}
    for name in ("good.svg", str(ws / "good.svg")):
        put(gw, "IDENTITY.md", f"- **Avatar:** {name}\n".encode())
        status, headers, body = get(gw, "/avatar/main")
        assert (status, body) == (200, b"<svg/>")
        assert headers["content-type"] == "image/svg+xml"
        assert "default-src 'none'" in headers["content-security-policy"]


def test_page_that_is_off(make_gateway):
    gw = make_gateway(config=config("me.png", controlUi={"enabled": False}))
    put(gw, "me.png", PNG)
    wait_for(lambda: get(gw, "/ready")[0] == 200, TIMEOUT, "ready")
    for path in ("/", "/avatar/main", "/avatar/main?meta=1", "/chat"):
        assert get(gw, path)[0] == 404, path


def test_ready_says_whether_somebody_answers(make_gateway):
    gw = make_gateway(config={})
    for name in ("agentd/main", "router"):
        wait_for(lambda: get(gw, "/ready")[0] == 200, TIMEOUT, f"ready before {name} ends")
        gw.kill(name)
    wait_for(lambda: get(gw, "/ready")[0] == 200, TIMEOUT, "ready in the end")


def test_hello_names_the_canvas(make_gateway):
    async def hello(gw):
        async with gw.client() as c:
            return c.hello
    gw = make_gateway(config={"canvasHost": {"enabled": True, "port": 1}})
    assert asyncio.run(hello(gw))["canvasHostUrl"] == f"http://127.0.0.1:{gw.port}"
    gw = make_gateway(config={"canvasHost": {"enabled": False}})
    assert "canvasHostUrl" not in asyncio.run(hello(gw))
