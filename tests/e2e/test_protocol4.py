# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Protocol 4, which a client gets that asks for it: what is otherwise in
proto/protocol4.def, each row tried in both versions, and the methods that only
it has."""
import asyncio
import json
import re
import time
import uuid

import pytest
import websockets
from frontrig import Ws
from gateway import Gateway, RpcError, modes
from gwproto import _text
from test_devices import ended
from test_protocol import CLIENT, Device, ask

ROWS = _text("protocol4.def")
MOVED = re.findall(r'^MOVED\("([^"]+)", (\w+)\)', ROWS, re.M)
GUARDED = re.findall(r"^GUARD\((\w+),", ROWS, re.M)
LATER = re.findall(r"^LATER\((\w+)\)", ROWS, re.M)
PARAMS = {"sessions.resolve": {"key": "main"},
          "poll": {"to": "1", "question": "?", "options": ["a", "b"], "idempotencyKey": "p"}}
FOUR = {"minProtocol": 4, "maxProtocol": 4}


@pytest.fixture(scope="module")
def gw():
    g = Gateway(mode=modes()[0])
    try:
        g.start()
        yield g
    finally:
        g.close()


async def refusal(c, method, params=None):
    try:
        await c.call(method, params or {})
    except RpcError as e:
        return e.error
    return None


def test_the_table_is_read():
    assert len(MOVED) >= 4 and len(GUARDED) >= 4 and LATER


@pytest.mark.parametrize("method,scope", MOVED, ids=[m[0] for m in MOVED])
def test_T05_moved_scopes(gw, method, scope):
    """The lesser scope is enough in 4 and not in 3; a lesser one still is not,
    and the refusal says which scope by a code."""
    async def go():
        scopes = [f"operator.{scope.lower()}"]
        async with gw.client(scopes=scopes) as old:
            e = await refusal(old, method, PARAMS.get(method))
            assert e == {"code": "INVALID_REQUEST", "message": "missing scope: operator.admin"}
        async with gw.client(scopes=scopes, **FOUR) as new:
            e = await refusal(new, method, PARAMS.get(method))
            assert e is None or "missing scope" not in e["message"], e
        async with gw.client(scopes=["operator.pairing"], **FOUR) as low:
            e = await refusal(low, method, PARAMS.get(method))
            assert e == {"code": "FORBIDDEN", "message": f"missing scope: {scopes[0]}",
                         "details": {"code": "MISSING_SCOPE", "missingScope": scopes[0],
                                     "requiredScopes": scopes}}
    asyncio.run(go())


def test_T05_a_patch_by_its_fields(gw):
    async def go():
        async with gw.client(scopes=["operator.write"], **FOUR) as c:
            assert (await c.call("sessions.patch", {"key": "main", "label": "Four"}))["ok"]
            e = await refusal(c, "sessions.patch", {"key": "main", "execHost": "gateway"})
            assert e["code"] == "FORBIDDEN"
            e = await refusal(c, "sessions.patch", {"key": "main", "label": "x", "sendPolicy":
                                                    "deny"})
            assert e["details"]["missingScope"] == "operator.admin"
        async with gw.client(scopes=["operator.write"]) as c:
            e = await refusal(c, "sessions.patch", {"key": "main", "label": "Three"})
            assert e["message"] == "missing scope: operator.admin"
    asyncio.run(go())


def test_T05_a_scope_by_what_is_said(gw):
    """To begin a session anew, and commands that reach into a node's files and
    browser, are for administrators, however they are written."""
    async def go():
        write = {"scopes": ["operator.write"]}
        agent = {"idempotencyKey": "k", "sessionKey": "raised"}
        node = {"nodeId": "nobody", "idempotencyKey": "k"}
        async with gw.client(**write, **FOUR) as c, gw.client(**write) as old, \
                gw.client(scopes=["operator.admin"], **FOUR) as boss:
            for method, params in [("agent", {**agent, "message": m}) for m in (
                    "/new", "/RESET", " /new", "/new: hello", "/reset@bot", "/new\nhello")] + [
                    ("node.invoke", {**node, "command": m}) for m in (
                        "browser.proxy", "browser.proxy.upload.v1", "fs.listDir",
                        "terminal.upload")]:
                e = await refusal(c, method, params)
                assert e["code"] == "FORBIDDEN", (method, params, e)
                assert e["details"]["missingScope"] == "operator.admin"
                if method == "node.invoke":
                    for x in (old, boss):
                        assert "scope" not in (await refusal(x, method, params))["message"]
            for text in ('"/\\u006eew"', '"hi","message":"/new"', '"/new","message":"hi"',
                         '"hi","mess\\u0061ge":"/new"'):
                rid = str(uuid.uuid4())
                m = await ask(c.ws, '{"type":"req","id":"%s","method":"agent","params":{'
                              '"idempotencyKey":"k","message":%s}}' % (rid, text))
                assert m["id"] == rid and m["error"]["code"] == "FORBIDDEN", (text, m)
            e = await refusal(c, "node.invoke", {**node, "command": "browser.proxyx"})
            assert e["code"] != "FORBIDDEN"
            for text in ("/newer than that", "say /new"):
                m = await c.call("agent", {"message": text, "sessionKey": "raised",
                                           "idempotencyKey": str(uuid.uuid4())})
                assert m["status"] == "accepted"
    asyncio.run(go())


def test_R02_writes_of_the_host_are_counted(gw):
    """Thirty of a method in a minute, of one device or connection; what was
    wrong with a call is not asked first."""
    async def go():
        admin = {"scopes": ["operator.admin"]}
        async with gw.client(**admin, **FOUR) as c, gw.client(**admin, **FOUR) as other, \
                gw.client(**admin) as old:
            d = Device()
            one, m = await log_in(gw, d, {"token": gw.token}, scopes=["operator.admin"])
            assert m["ok"], m

            async def patch(ws):
                return (await ask(ws, {"type": "req", "id": "p", "method": "config.patch"}))["error"]
            for ws in (c.ws, one):      # a machine that stands still has a new minute
                n = 0
                while (e := await patch(ws))["code"] == "INVALID_REQUEST" and n < 1000:
                    n += 1
                assert n >= 30, e
            again, m = await log_in(gw, d, {"token": gw.token}, scopes=["operator.admin"])
            assert m["ok"], m
            n = 0                       # the same, unless its minute has just ended
            while (e := await patch(again))["code"] == "INVALID_REQUEST" and n < 1000:
                n += 1
            assert n == 0 or n >= 30, n
            assert e["code"] == "UNAVAILABLE" and e["retryable"] is True
            assert 0 < e["retryAfterMs"] <= 60000
            assert e["details"] == {"method": "config.patch", "limit": "30 per 60s"}
            assert re.fullmatch(r"rate limit exceeded for config.patch; retry after \d+s",
                                e["message"])
            assert "invalid" in (await refusal(c, "config.apply"))["message"]
            assert "invalid" in (await refusal(other, "config.patch"))["message"]
            for _ in range(40):
                assert "invalid" in (await refusal(old, "config.patch"))["message"]
            assert await refusal(c, "config.get") is None
            await one.close()
            await again.close()
    asyncio.run(go())


def test_T05_no_scopes_are_none(gw):
    """Who asks for nothing gets nothing; in 3 it was everything."""
    async def go():
        async with gw.client(**FOUR) as c:
            assert c.hello["auth"] == {"role": "operator", "scopes": []}
            assert (await refusal(c, "health"))["code"] == "FORBIDDEN"
        async with gw.client() as c:
            assert "auth" not in c.hello and (await c.call("health"))["ok"]
    asyncio.run(go())


def test_T05_scopes_need_a_device(gw):
    """The shared secret alone gives none, but to a program on this machine."""
    async def scopes(client, headers=None, device=None, version=4):
        ws = await websockets.connect(gw.url, max_size=None, ping_interval=None,
                                      extra_headers=headers)
        nonce = json.loads(await ws.recv())["payload"]["nonce"]
        client = dict(CLIENT, **client)
        params = {"minProtocol": version, "maxProtocol": version, "client": client,
                  "scopes": ["operator.admin"], "auth": {"token": gw.token}}
        if device:
            params["device"] = device.block(nonce, params["scopes"], gw.token, client)
        m = await ask(ws, {"type": "req", "id": "c", "method": "connect", "params": params})
        m = (await ask(ws, {"type": "req", "id": "h", "method": "config.get"}))["ok"], m
        await ws.close()
        return m[0], m[1]["payload"].get("auth", {}).get("scopes")

    async def go():
        program = {"id": "cli", "mode": "cli"}
        page = {"Origin": f"http://127.0.0.1:{gw.port}"}
        afar = {"X-Forwarded-For": "203.0.113.9"}
        admin = (True, ["operator.admin"])
        assert await scopes({}) == (False, [])
        assert await scopes({}, version=3) == (True, None)
        assert await scopes(program) == admin
        assert await scopes({"id": "gateway-client", "mode": "backend"}) == admin
        assert await scopes(program, page) == (False, [])
        assert await scopes(program, afar) == (False, [])
        assert await scopes({}, page, Device()) == admin
    asyncio.run(go())


def test_T04_refusals_have_codes(gw):
    """A program need not read the message of a refused connect; one of an older
    version is told what it always was."""
    async def error(version=4, token=gw.token, device=None, afar=False, scopes=(), nonce=None,
                    name="test"):
        ws = await websockets.connect(gw.url, max_size=None, ping_interval=None, extra_headers={
            "X-Forwarded-For": "203.0.113.9"} if afar else None)
        asked = json.loads(await ws.recv())["payload"]["nonce"]
        client = dict(CLIENT, id=name)
        params = {"minProtocol": version, "maxProtocol": version, "client": client,
                  "scopes": list(scopes)}
        if token:
            params["auth"] = {"token": token}
        if device:
            params["device"] = device.block(nonce or asked, list(scopes), token or "", client)
        m = await ask(ws, {"type": "req", "id": "c", "method": "connect", "params": params})
        await ws.close()
        assert not m["ok"], m
        return m["error"].get("details", {})

    async def go():
        d = Device()
        step = {"authReason": "token_mismatch", "canRetryWithDeviceToken": False,
                "recommendedNextStep": "update_auth_credentials"}
        assert await error(token="wrong") == {"code": "AUTH_TOKEN_MISMATCH", **step}
        assert await error(token="wrong", version=3) == {}
        assert (await error(token=None, device=d))["code"] == "AUTH_TOKEN_MISSING"
        assert await error(token=None) == {"code": "DEVICE_IDENTITY_REQUIRED"}
        assert await error(token=None, name="openclaw-control-ui") == {
            "code": "CONTROL_UI_DEVICE_IDENTITY_REQUIRED"}
        assert await error(device=d, nonce="another") == {
            "code": "DEVICE_AUTH_NONCE_MISMATCH", "reason": "device-nonce-mismatch"}
        read = ["operator.read"]
        asked = await error(device=d, scopes=read, afar=True)
        rid = asked.pop("requestId")
        assert asked == {"code": "PAIRING_REQUIRED", "reason": "not-paired"}
        assert await error(device=d, scopes=read, afar=True, version=3) == {"requestId": rid}
        async with gw.client() as boss:
            await boss.call("device.pair.approve", {"requestId": rid})
        more = await error(device=d, scopes=["operator.read", "operator.write"], afar=True)
        assert more["reason"] == "scope-upgrade" and more["requestId"] != rid
    asyncio.run(go())


def test_hello_says_more(gw, make_gateway):
    """Where the page is, what an attachment may weigh, and which start of the
    gateway this is; nothing of it for older clients."""
    async def hello(gw, **more):
        async with gw.client(**more) as c:
            return c.hello

    async def new_boot(gw, was):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if (await hello(gw, **FOUR))["server"]["bootId"] != was:
                    return
            except (OSError, asyncio.TimeoutError, RpcError, websockets.WebSocketException):
                pass
            await asyncio.sleep(0.1)
        raise AssertionError("no new router within a minute")

    async def go():
        new, again, old = await hello(gw, **FOUR), await hello(gw, **FOUR), await hello(gw)
        assert set(new["server"]) == {"version", "bootId", "connId"}
        assert new["server"]["bootId"] == again["server"]["bootId"] != new["server"]["connId"]
        assert new["features"]["capabilities"] == []
        assert new["controlUiUrl"] == f"http://127.0.0.1:{gw.port}/"
        assert new["policy"].pop("attachments") == {"maxBytes": 5000000, "maxImageBytes": 5000000}
        assert new["policy"] == old["policy"]
        assert set(old["server"]) == {"version", "connId"} and "controlUiUrl" not in old
        assert "capabilities" not in old["features"]
        other = make_gateway(config={"gateway": {"controlUi": {"basePath": "/a/b/"}}})
        assert (await hello(other, **FOUR))["controlUiUrl"] == \
            f"http://127.0.0.1:{other.port}/a/b/"
        was = (await hello(other, **FOUR))["server"]["bootId"]
        other.kill("router")
        await new_boot(other, was)
        none = make_gateway(config={"gateway": {"controlUi": {"enabled": False}}})
        assert "controlUiUrl" not in await hello(none, **FOUR)
    asyncio.run(go())


def test_T07_an_ended_credential_has_a_code(make_gateway):
    """4001, so that a client need not come again to learn it; 1008 before."""
    def config(token):
        return {"gateway": {"mode": "local", "auth": {"mode": "token", "token": token}}}

    async def connect(gw, version, device):
        ws = await websockets.connect(gw.url, max_size=None, ping_interval=None)
        nonce = json.loads(await ws.recv())["payload"]["nonce"]
        params = {"minProtocol": version, "maxProtocol": version, "client": CLIENT,
                  "scopes": ["operator.read"], "auth": {"token": "one"}}
        params["device"] = device.block(nonce, params["scopes"], "one", CLIENT)
        m = await ask(ws, {"type": "req", "id": "c", "method": "connect", "params": params})
        assert m["payload"]["protocol"] == version, m
        return ws
    gw = make_gateway(config=config("one"))

    async def go():
        for version, code in ((3, 1008), (4, 4001)):
            d = Device()
            ws = await connect(gw, version, d)
            control = gw.control()
            control.call("device.token.revoke", {"deviceId": d.id, "role": "operator"})
            assert await ended(ws) == (code, "revoked")
        old, new = await connect(gw, 3, Device()), await connect(gw, 4, Device())
        gw.write_config(config("two"))
        gw.control().call("gateway.reload")
        assert await ended(old) == (1008, "gateway auth changed")
        assert await ended(new) == (4001, "gateway auth changed")
    asyncio.run(go())


async def log_in(gw, device, auth, version=4, afar=False, scopes=("operator.read",)):
    """The socket and the answer to connect; what is signed is the first secret."""
    ws = await websockets.connect(gw.url, max_size=None, ping_interval=None, extra_headers={
        "X-Forwarded-For": "203.0.113.9"} if afar else None)
    nonce = json.loads(await ws.recv())["payload"]["nonce"]
    params = {"minProtocol": version, "maxProtocol": version, "client": CLIENT,
              "scopes": list(scopes), "auth": auth}
    params["device"] = device.block(nonce, params["scopes"], next(iter(auth.values())), CLIENT)
    return ws, await ask(ws, {"type": "req", "id": "c", "method": "connect", "params": params})


async def turned_away(gw, device, auth, **more):
    ws, m = await log_in(gw, device, auth, **more)
    await ws.close()
    assert not m["ok"], m
    return m["error"]


def test_T05_a_device_token_second(make_gateway):
    """A device whose shared secret is old comes in with its own token beside it,
    as whose it is and what it was approved for; a retry with it is advised when
    it was not there."""
    gw = make_gateway(config={})

    async def go():
        d, other = Device(), Device()
        ws, m = await log_in(gw, d, {"token": gw.token})
        own = m["payload"]["auth"]["deviceToken"]
        await ws.close()
        said = (await turned_away(gw, d, {"token": "old"}))["details"]
        assert said == {"code": "AUTH_TOKEN_MISMATCH", "authReason": "token_mismatch",
                        "canRetryWithDeviceToken": True,
                        "recommendedNextStep": "retry_with_device_token"}
        both = {"token": "old", "deviceToken": own}
        ws, m = await log_in(gw, d, both)
        assert m["ok"], m
        assert m["payload"]["auth"]["deviceToken"] == own
        assert m["payload"]["auth"]["scopes"] == ["operator.read"]
        assert "details" not in await turned_away(gw, d, both, version=3)
        wrong = {"code": "AUTH_DEVICE_TOKEN_MISMATCH", "authReason": "device_token_mismatch",
                 "canRetryWithDeviceToken": False,
                 "recommendedNextStep": "update_auth_credentials"}
        for device, auth in ((other, both), (d, {"token": "old", "deviceToken": "no"}),
                             (d, {"deviceToken": "no"})):
            e = await turned_away(gw, device, auth)
            assert e["details"] == wrong
            assert e["message"].startswith("unauthorized: gateway token mismatch")
        gw.call("device.token.revoke", {"deviceId": d.id, "role": "operator"})
        assert await ended(ws) == (4001, "revoked")
        assert (await turned_away(gw, d, both))["details"] == wrong
    asyncio.run(go())


def test_T17_when_to_come_again(make_gateway):
    gw = make_gateway(config={})

    async def go():
        d = Device()
        for _ in range(10):
            e = await turned_away(gw, d, {"token": "wrong"}, afar=True)
            assert "retryAfterMs" not in e and "mismatch" in e["message"]
        e = await turned_away(gw, d, {"token": gw.token}, afar=True)
        assert e["details"] == {"code": "AUTH_RATE_LIMITED", "authReason": "rate_limited",
                                "canRetryWithDeviceToken": False,
                                "recommendedNextStep": "wait_then_retry"}
        assert e["retryable"] is True and 0 < e["retryAfterMs"] <= 300000
        assert e["retryAfterMs"] == 1000 * int(re.search(r"retry in (\d+) s", e["message"])[1])
        e = await turned_away(gw, d, {"token": gw.token}, afar=True, version=3)
        assert set(e) == {"code", "message"} and "too many failed" in e["message"]
    asyncio.run(go())


def test_R02_calls_of_the_other_role(gw):
    """Ten in a row, then the end; any other call in between is a new start."""
    async def go():
        role = {"code": "INVALID_REQUEST", "message": "unauthorized role: operator"}
        read = {"scopes": ["operator.read"]}
        async with gw.client(**read, **FOUR) as c, gw.client(**read) as old:
            for _ in range(3):
                for _ in range(10):
                    assert await refusal(c, "node.event") == role
                assert (await refusal(c, "config.set"))["code"] == "FORBIDDEN"
            for _ in range(11):
                assert await refusal(c, "node.event") == role
            assert await ended(c.ws) == (1008, "repeated unauthorized calls")
            for _ in range(30):
                assert await refusal(old, "node.event") == role
            assert (await old.call("health"))["ok"]
    asyncio.run(go())


def test_T05_events_by_scope(gw):
    """Without the right to read: no chat, no agent, no presence; ticks and what
    follows prove that the others would have come."""
    async def go():
        async with gw.client(scopes=["operator.admin"], **FOUR) as talks, \
                gw.client(scopes=["operator.pairing"], **FOUR) as deaf, \
                gw.client(scopes=["operator.pairing"]) as old:
            await talks.chat("/help")
            # what comes after the run, on each socket
            await refusal(deaf, "no.such")
            await refusal(old, "no.such")
            assert not [m for m in deaf.events if m["event"] in
                        ("chat", "agent", "presence", "cron", "sessions.changed")], deaf.events
            assert [m for m in old.events if m["event"] == "chat"]
    asyncio.run(go())


def test_sessions_are_watched(gw):
    async def go():
        async with gw.client(scopes=["operator.admin"], **FOUR) as c, \
                gw.client(scopes=["operator.admin"], **FOUR) as other, gw.client() as old:
            assert await c.call("sessions.subscribe") == {"subscribed": True}
            await other.call("sessions.patch", {"key": "main", "label": "Watched"})
            m = await c.event(lambda m: m["event"] == "sessions.changed" and
                              m["payload"]["reason"] == "patch")
            assert m["payload"]["sessionKey"] == "agent:main:main" and m["payload"]["ts"]
            await other.chat("/help")
            m = await c.event(lambda m: m["event"] == "sessions.changed" and
                              m["payload"]["reason"] == "message")
            assert m["payload"]["sessionKey"]
            assert await c.call("sessions.unsubscribe") == {"subscribed": False}
            n = len([m for m in c.events if m["event"] == "sessions.changed"])
            await other.call("sessions.reset", {"key": "main"})
            for x in (c, other, old):
                await refusal(x, "no.such")
            assert n == len([m for m in c.events if m["event"] == "sessions.changed"])
            for x in (other, old):
                assert not [m for m in x.events if m["event"] == "sessions.changed"]
    asyncio.run(go())


def tools(c, event):
    return [m["payload"] for m in c.events if m["event"] == event and
            m["payload"]["stream"] == "tool"]


def test_tool_calls_by_capability(gw):
    """As agent events for who can do with them, as session.tool for who watches,
    not at all for others; the conversation's own level is for older clients."""
    async def go():
        admin = {"scopes": ["operator.admin"]}
        async with gw.client(caps=["tool-events"], **admin, **FOUR) as able, \
                gw.client(caps=["tool-events"], **admin, **FOUR) as both, \
                gw.client(**admin, **FOUR) as watcher, gw.client(**admin, **FOUR) as plain, \
                gw.client(scopes=["operator.pairing"], caps=["tool-events"], **FOUR) as deaf, \
                gw.client() as old:
            everybody = (able, both, watcher, plain, deaf, old)
            for c in (both, watcher):
                await c.call("sessions.subscribe")
            for level, heard in (("on", True), ("off", False)):
                await plain.call("sessions.patch", {"key": "tools", "verboseLevel": level})
                for c in everybody:
                    c.events.clear()
                await plain.chat("what time is it?", session="tools")
                for c in everybody:
                    await refusal(c, "no.such")
                told = tools(able, "agent")
                assert {"start", "result"} <= {p["data"]["phase"] for p in told}
                assert tools(both, "agent") == told == tools(watcher, "session.tool")
                assert not tools(able, "session.tool") + tools(both, "session.tool")
                assert not tools(watcher, "agent") + tools(plain, "agent")
                assert not tools(plain, "session.tool") + tools(old, "session.tool")
                assert not [m for m in deaf.events if "session" in m["event"] or
                            m["event"] in ("agent", "chat")]
                assert tools(old, "agent") == (told if heard else [])
                for c in (watcher, plain):      # all else of the run came
                    assert [m for m in c.events if m["event"] == "agent"]
    asyncio.run(go())


def test_messages_are_watched(gw):
    """Each message of a conversation as it is written, as chat.history has it."""
    async def go():
        admin = {"scopes": ["operator.admin"]}
        async with gw.client(**admin, **FOUR) as one, gw.client(**admin, **FOUR) as each, \
                gw.client(**admin, **FOUR) as other, gw.client() as old:
            assert await one.call("sessions.messages.subscribe", {"key": "Said"}) == {
                "subscribed": True, "key": "agent:main:said"}
            await other.call("sessions.messages.subscribe", {"key": "elsewhere"})
            await each.call("sessions.subscribe")
            await other.chat("what time is it?", session="said")
            await other.call("chat.inject", {"sessionKey": "said", "message": "By the way"})
            shown = await other.call("chat.history", {"sessionKey": "said"})
            for c in (one, each, other, old):
                await refusal(c, "no.such")

            def said(c):        # a run of another test may still write its end
                return [m["payload"] for m in c.events if m["event"] == "session.message"
                        and not m["payload"]["sessionKey"].endswith(":raised")]
            assert [p["message"] for p in said(one)] == shown["messages"]
            assert len(shown["messages"]) >= 3 and said(each) == said(one)
            assert not said(other) + said(old)
            assert {p["sessionKey"] for p in said(one)} == {"agent:main:said"}
            assert {p["sessionId"] for p in said(one)} == {shown["sessionId"]}
            n = len(said(one))
            assert await one.call("sessions.messages.unsubscribe", {"key": "said"}) == {
                "subscribed": False, "key": "agent:main:said"}
            await other.call("chat.inject", {"sessionKey": "said", "message": "Unheard"})
            await refusal(one, "no.such")
            assert len(said(one)) == n
            e = await refusal(one, "sessions.messages.subscribe", {"key": "agent:nobody:x"})
            assert e["code"] == "INVALID_REQUEST" and "no such agent" in e["message"]
    asyncio.run(go())


def test_R02_watches_are_bounded(gw):
    async def go():
        async with gw.client(scopes=["operator.read"], **FOUR) as c:
            for i in range(64):
                await c.call("sessions.messages.subscribe", {"key": f"k{i}"})
            e = await refusal(c, "sessions.messages.subscribe", {"key": "one more"})
            assert e["code"] == "UNAVAILABLE" and "sessions.messages.unsubscribe" in e["message"]
            await c.call("sessions.messages.unsubscribe", {"key": "k7"})
            await c.call("sessions.messages.subscribe", {"key": "one more"})
    asyncio.run(go())


def test_ping(gw):
    """A socket on which nothing is said is pinged, and need not answer."""
    ws = Ws(gw, timeout=120)
    ws.open()
    ws.req("connect", {**FOUR, "auth": {"token": gw.token}, "client": {
        "id": "test", "version": "1", "platform": "linux", "mode": "test"}})
    assert ws.recv()["payload"]["protocol"] == 4
    while ws.recv_frame()[0] != 0x89:
        pass
    ws.close()


def test_a_page_starts(gw):
    """What a page asks for when it opens a conversation."""
    async def go():
        async with gw.client(scopes=["operator.admin"], **FOUR) as c:
            await c.chat("what time is it?", session="page")
            got = await c.call("chat.startup", {"sessionKey": "page", "limit": 80,
                                                "maxBytes": 262144})
            assert got["sessionKey"] == "page" and len(got["messages"]) >= 2
            assert await c.call("sessions.messages.subscribe",
                                {"key": "page", "includeApprovals": True}) == {
                                    "subscribed": True, "key": "agent:main:page"}
            row = (await c.call("sessions.describe", {"key": "page"}))["session"]
            assert row["key"] == "agent:main:page" and row["derivedTitle"]
            assert await c.call("sessions.describe", {"key": "nobody's"}) == {"session": None}
            got = await c.call("chat.metadata", {"sessionKey": "page", "agentId": "main"})
            assert got["agentId"] == "main" and got["models"] is not None
            rows = await c.call("sessions.list", {"configuredAgentsOnly": True, "limit": 5})
            assert rows["sessions"]
        async with gw.client() as c:
            for name in ("chat.startup", "sessions.subscribe", "sessions.describe"):
                e = await refusal(c, name, {"sessionKey": "page", "key": "page"})
                assert e["message"] == f"unknown method: {name}"
            e = await refusal(c, "sessions.list", {"configuredAgentsOnly": True})
            assert "unexpected property" in e["message"]
    asyncio.run(go())


def test_deltas_add_up(gw):
    """deltaText of all deltas is a beginning of the answer, however it came."""
    async def go():
        async with gw.client(scopes=["operator.admin"], **FOUR) as c:
            key = str(uuid.uuid4())
            await c.call("chat.send", {"sessionKey": "add", "message": "what time is it?",
                                       "idempotencyKey": key})
            last = await c.event(lambda m: m["event"] == "chat" and
                                 m["payload"].get("runId") == key and
                                 m["payload"]["state"] == "final")
            said, deltas = "", [m["payload"] for m in c.events if m["event"] == "chat" and
                                m["payload"].get("runId") == key and
                                m["payload"]["state"] == "delta"]
            for d in deltas:
                said = d["deltaText"] if d.get("replace") else said + d["deltaText"]
                assert said == d["message"]["content"][0]["text"]
            whole = last["payload"]["message"]["content"][0]["text"]
            assert deltas and whole.startswith(said)
    asyncio.run(go())
