# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Devices through the whole gateway: pairing from afar, who may let them in,
tokens that are rotated and revoked while somebody uses them.

A device is "afar" here when its connection names a proxy nobody configured.
"""
import asyncio
import json
import shutil
import sqlite3
import tempfile
import time

import pytest
import websockets

from frontrig import Http
from gateway import Client, RpcError, wait_for
from test_openclaw import as_json, bad, good
from test_protocol import CLIENT, Device, ask, req

AFAR = {"X-Forwarded-For": "203.0.113.9"}
PAIRING = ["operator.read", "operator.pairing"]


async def connect(gw, token, device, scopes=(), role="operator", afar=False, client=CLIENT):
    """(socket, response) of a connect with a device."""
    ws = await websockets.connect(gw.url, max_size=None, ping_interval=None,
                                  extra_headers=AFAR if afar else None)
    nonce = json.loads(await ws.recv())["payload"]["nonce"]
    params = {"minProtocol": 3, "maxProtocol": 3, "client": client, "role": role,
              "auth": {"token": token}, "scopes": list(scopes),
              "device": device.block(nonce, list(scopes), token, client, role)}
    await ws.send(json.dumps({"type": "req", "id": "c", "method": "connect", "params": params}))
    return ws, json.loads(await ws.recv())


async def login(gw, token, device, afar=False):
    """The answer to a connect for reading; the socket ends."""
    ws, m = await connect(gw, token, device, ["operator.read"], afar=afar)
    await ws.close()
    return m


async def knock(gw, device, scopes=(), role="operator", client=CLIENT):
    """The id of the request that a device from afar leaves."""
    ws, m = await connect(gw, gw.token, device, scopes, role, True, client)
    assert m["error"]["code"] == "NOT_PAIRED" and m["error"]["message"] == "pairing required", m
    with pytest.raises(websockets.ConnectionClosed) as e:
        await ws.recv()
    assert e.value.code == 1008 and e.value.reason == "pairing required"
    return m["error"]["details"]["requestId"]


async def ended(ws):
    """The close of a socket that the gateway ends."""
    with pytest.raises(websockets.ConnectionClosed) as e:
        while True:
            await asyncio.wait_for(ws.recv(), 60)
    return e.value.code, e.value.reason


async def served(call):
    """What call() comes to once the killed process is there again."""
    end = time.monotonic() + 60
    while True:
        m = await call()
        if m["ok"] or m["error"]["code"] != "UNAVAILABLE" or time.monotonic() > end:
            return m
        await asyncio.sleep(0.05)


def error(call):
    return (call["error"]["code"], call["error"]["message"])


def test_pairing_from_afar(gateway):
    async def go():
        d = Device()
        boss, _ = await connect(gateway, gateway.token, Device(), PAIRING)
        async with Client(gateway.url, gateway.token) as admin, \
                Client(gateway.url, gateway.token, scopes=["operator.read"]) as reader:
            client = dict(CLIENT, displayName="Phone")
            rid = await knock(gateway, d, ["operator.read"], client=client)
            ev = await admin.event(lambda m: m["event"] == "device.pair.requested")
            r = ev["payload"]
            assert r.pop("ts") > 0
            assert r == {"requestId": rid, "deviceId": d.id, "publicKey": d.public,
                         "displayName": "Phone", "platform": "linux", "clientId": "test",
                         "clientMode": "test", "role": "operator", "roles": ["operator"],
                         "scopes": ["operator.read"], "silent": False, "isRepair": False}, r
            # the request stays the same, and is listed
            assert await knock(gateway, d, ["operator.read"]) == rid
            listed = await admin.call("device.pair.list")
            assert [dict(p, ts=0) for p in listed["pending"]] == [dict(r, ts=0)]
            assert d.id not in [p["deviceId"] for p in listed["paired"]]
            # a store that dies forgets nothing of it
            gateway.kill("store")
            m = await served(lambda: ask(boss, req("device.pair.approve", {"requestId": rid})))
            m = m["payload"]
            assert m["requestId"] == rid and m["device"]["deviceId"] == d.id
            assert m["device"]["scopes"] == ["operator.read"] and m["device"]["tokens"] == []
            assert m["device"]["roles"] == ["operator"] and m["device"]["role"] == "operator"
            ev = await admin.event(lambda m: m["event"] == "device.pair.resolved" and
                                   m["payload"]["requestId"] == rid)
            assert ev["payload"]["decision"] == "approved"
            assert ev["payload"]["deviceId"] == d.id
            m = await ask(boss, req("device.pair.approve", {"requestId": rid}))
            assert error(m) == ("INVALID_REQUEST", "unknown requestId")
            ws, m = await connect(gateway, gateway.token, d, ["operator.read"], afar=True)
            assert m["ok"] and len(m["payload"]["auth"]["deviceToken"]) == 32
            await ws.close()
            row = [p for p in (await admin.call("device.pair.list"))["paired"]
                   if p["deviceId"] == d.id][0]
            # its name was not said again
            assert "displayName" not in row and row["tokens"][0]["scopes"] == ["operator.read"]
            # more scopes, another role: asked again
            again = await knock(gateway, d, ["operator.read", "operator.write"])
            assert (await admin.call("device.pair.list"))["pending"][0]["isRepair"]
            m = await admin.call("device.pair.reject", {"requestId": again})
            assert m == {"requestId": again, "deviceId": d.id}
            ev = await admin.event(lambda m: m["event"] == "device.pair.resolved" and
                                   m["payload"]["requestId"] == again)
            assert ev["payload"]["decision"] == "rejected"
            node = await knock(gateway, d, [], "node")
            m = await admin.call("device.pair.approve", {"requestId": node})
            assert sorted(m["device"]["roles"]) == ["node", "operator"]
            ws, m = await connect(gateway, gateway.token, d, [], "node", True)
            assert m["ok"] and m["payload"]["auth"]["role"] == "node"
            r = await ask(ws, req("device.pair.list"))
            assert error(r) == ("INVALID_REQUEST", "unauthorized role: node")
            await ws.close()
            # who may not pair was told nothing of all this: this comes after
            with pytest.raises(RpcError) as e:
                await reader.call("device.pair.list")
            assert e.value.message == "missing scope: operator.pairing"
            assert not [m for m in reader.events if m["event"].startswith("device.")]
        await boss.close()
    asyncio.run(go())


def test_T07_one_approval_is_one(gateway):
    """A hundred who approve, reject and rotate at once: a request is answered
    once, and of the tokens that come out the last one alone is good."""
    async def go():
        d = Device()
        rid = await knock(gateway, d, ["operator.read"])
        bosses = [await connect(gateway, gateway.token, Device(), ["operator.admin"])
                  for _ in range(10)]
        answers = await asyncio.gather(*(race(ws, [
            ("device.pair.reject" if i % 3 == 2 else "device.pair.approve",
             {"requestId": rid}) for i in range(10)]) for ws, _ in bosses))
        answers = [m for a in answers for m in a]
        assert len(answers) == 100
        won = [m for m in answers if m["ok"]]
        assert len(won) == 1
        assert {error(m) for m in answers if not m["ok"]} == {
            ("INVALID_REQUEST", "unknown requestId")}
        if "device" not in won[0]["payload"]:       # rejected; let it in
            rid = await knock(gateway, d, ["operator.read"])
            assert (await ask(bosses[0][0], req("device.pair.approve", {"requestId": rid})))["ok"]
        answers = await asyncio.gather(*(race(ws, [
            ("device.token.rotate", {"deviceId": d.id, "role": "operator",
                                     "scopes": ["operator.read"]})] * 10) for ws, _ in bosses))
        tokens = [m["payload"]["token"] for a in answers for m in a if m["ok"]]
        assert len(tokens) == len(set(tokens)) == 100
        good_ = [t for t in tokens if (await login(gateway, t, d))["ok"]]
        assert len(good_) == 1
        for ws, _ in bosses:
            await ws.close()
    asyncio.run(go())


async def race(ws, calls):
    """Sends all of them before the first answer is read."""
    for i, (method, params) in enumerate(calls):
        await ws.send(json.dumps({"type": "req", "id": f"r{i}", "method": method,
                                  "params": params}))
    got = {}
    while len(got) < len(calls):
        m = json.loads(await asyncio.wait_for(ws.recv(), 60))
        if m["type"] == "res":
            got[m["id"]] = m
    return list(got.values())


def test_silent_at_the_machine(gateway):
    """Who connects on the machine itself is let in, and that is told; also
    when it knocked from afar before."""
    async def go():
        d = Device()
        async with Client(gateway.url, gateway.token) as admin:
            rid = await knock(gateway, d, ["operator.read"])
            ws, m = await connect(gateway, gateway.token, d, ["operator.read"])
            assert m["ok"], m
            await ws.close()
            ev = await admin.event(lambda m: m["event"] == "device.pair.resolved")
            assert ev["payload"]["requestId"] == rid
            assert ev["payload"]["decision"] == "approved"
            assert (await admin.call("device.pair.list"))["pending"] == []
    asyncio.run(go())


def test_T06_nobody_gives_more_than_it_has(gateway):
    async def go():
        d = Device()
        me, m = await connect(gateway, gateway.token, Device(), PAIRING)
        missing = ("INVALID_REQUEST", "missing scope: operator.admin")
        async with Client(gateway.url, gateway.token) as admin:
            for scopes in ([], ["operator.admin"], ["operator.write"], ["operator.new"],
                           ["operator.approvals", "operator.read"]):
                rid = await knock(gateway, d, scopes)
                r = await ask(me, req("device.pair.approve", {"requestId": rid}))
                assert error(r) == missing, scopes
                await admin.call("device.pair.reject", {"requestId": rid})
            rid = await knock(gateway, d, ["operator.read", "operator.pairing"])
            assert (await ask(me, req("device.pair.approve", {"requestId": rid})))["ok"]
            # a node's record gets no scopes, whatever it asked for
            n = Device()
            rid = await knock(gateway, n, ["operator.admin"], "node")
            r = await ask(me, req("device.pair.approve", {"requestId": rid}))
            assert r["payload"]["device"]["scopes"] == []
            # rotation: within the device's and the caller's
            wide = Device()
            ws, _ = await connect(gateway, gateway.token, wide, ["operator.admin"])
            await ws.close()
            for params, want in (
                    ({"deviceId": wide.id, "role": "operator"}, missing),
                    ({"deviceId": wide.id, "role": "node"}, None),
                    ({"deviceId": "0" * 64, "role": "operator"}, None),
                    ({"deviceId": d.id, "role": "admin"}, None)):
                r = await ask(me, req("device.token.rotate", params))
                assert error(r) == (want or ("INVALID_REQUEST", "unknown deviceId/role"))
            with pytest.raises(RpcError) as e:
                await admin.call("device.token.rotate", {
                    "deviceId": d.id, "role": "operator", "scopes": ["operator.admin"]})
            assert "approved for" in e.value.message
            with pytest.raises(RpcError) as e:
                await admin.call("device.token.rotate", {
                    "deviceId": n.id, "role": "node", "scopes": ["operator.read"]})
            assert "approved for" in e.value.message
            m = await admin.call("device.token.rotate", {
                "deviceId": d.id, "role": "operator", "scopes": ["operator.read"]})
            assert m["scopes"] == ["operator.read"] and m["rotatedAtMs"] > 0
            # fewer now: what was taken away is asked for again
            ws, r = await connect(gateway, m["token"], d, ["operator.read"], afar=True)
            assert r["ok"]
            await ws.close()
            await knock(gateway, d, ["operator.read", "operator.pairing"])
        await me.close()
    asyncio.run(go())


@pytest.mark.parametrize("how", ["rotate", "revoke"])
def test_T07_ended_credential_ends_its_sockets(gateway, how):
    async def go():
        d, other = Device(), Device()
        ws, m = await connect(gateway, gateway.token, d, ["operator.read"])
        old = m["payload"]["auth"]["deviceToken"]
        by_token, m = await connect(gateway, old, d, ["operator.read"])
        assert m["ok"]
        node, m = await connect(gateway, gateway.token, d, [], "node")
        bystander, _ = await connect(gateway, gateway.token, other, ["operator.read"])
        async with Client(gateway.url, gateway.token) as admin:
            r = await admin.call("device.token." + how, {"deviceId": d.id, "role": "operator"})
            for s in (ws, by_token):
                assert await ended(s) == (1008, "revoked")
            _, m = await connect(gateway, old, d, ["operator.read"])
            assert m["error"]["message"].startswith("unauthorized: gateway token mismatch")
            tokens = {t["role"]: t for p in (await admin.call("device.pair.list"))["paired"]
                      if p["deviceId"] == d.id for t in p["tokens"]}
            assert not {"token", "hash"} & set(tokens["operator"])
            if how == "rotate":
                assert set(r) == {"deviceId", "role", "token", "scopes", "rotatedAtMs"}
                assert tokens["operator"]["rotatedAtMs"] == r["rotatedAtMs"]
                s, m = await connect(gateway, r["token"], d, ["operator.read"])
                assert m["ok"]
                await s.close()
            else:
                assert set(r) == {"deviceId", "role", "revokedAtMs"}
                assert tokens["operator"]["revokedAtMs"] == r["revokedAtMs"]
        # the same device in another role, and another device: untouched
        assert error(await ask(node, req("health"))) == (
            "INVALID_REQUEST", "unauthorized role: node")
        assert (await ask(bystander, req("health")))["ok"]
        await node.close()
        await bystander.close()
    asyncio.run(go())


def test_T07_own_token(gateway):
    """Who rotates its own gets the answer, then the end."""
    async def go():
        d = Device()
        ws, _ = await connect(gateway, gateway.token, d, ["operator.admin"])
        r = await ask(ws, req("device.token.rotate", {"deviceId": d.id, "role": "operator"}))
        assert r["ok"] and await ended(ws) == (1008, "revoked")
        ws, m = await connect(gateway, r["payload"]["token"], d, ["operator.admin"])
        assert m["ok"]
        await ws.close()
    asyncio.run(go())


def test_T07_R14_store_dies_while_it_revokes(gateway):
    """Whatever the caller was told: a revocation that is on disk ends the
    socket, at the latest when a new store is there."""
    async def go():
        for _ in range(4):
            d = Device()
            ws, m = await connect(gateway, gateway.token, d, ["operator.read"])
            old = m["payload"]["auth"]["deviceToken"]
            async with Client(gateway.url, gateway.token) as admin:
                rid = await admin.send("device.token.revoke",
                                       {"deviceId": d.id, "role": "operator"})
                gateway.kill("store")
                try:
                    await admin.result(rid)
                    done = True
                except RpcError as e:
                    assert e.code == "UNAVAILABLE", e
                    done = False
                rows = (await served(lambda: ask(admin.ws, req("device.pair.list"))))["payload"]
                row = [p for p in rows["paired"] if p["deviceId"] == d.id][0]
                if "revokedAtMs" in row["tokens"][0]:
                    assert await ended(ws) == (1008, "revoked")
                else:
                    assert not done
                    assert (await ask(ws, req("health")))["ok"]
                    await ws.close()
                    assert (await served(lambda: login(gateway, old, d)))["ok"]
    asyncio.run(go())


def test_T17_lockout_survives_the_store(gateway):
    async def go():
        d = Device()
        for _ in range(10):
            ws, m = await connect(gateway, "wrong", d, ["operator.read"], afar=True)
            assert m["error"]["message"].startswith("unauthorized: gateway token mismatch")
            await ws.close()
        for again in range(2):
            m = await served(lambda: login(gateway, gateway.token, d, afar=True))
            assert "too many failed authentication attempts" in m["error"]["message"], m
            if again == 0:
                gateway.kill("store")
        # the machine's own are not held to it
        ws, m = await connect(gateway, gateway.token, d, ["operator.read"])
        assert m["ok"], m
        await ws.close()
    asyncio.run(go())


def test_T17_counts_survive_the_store(gateway):
    """A store that dies gives nobody new tries."""
    def counted():
        """What is on its disk, as a copy: it keeps the file to itself."""
        with tempfile.TemporaryDirectory() as d:
            for f in gateway.state.rglob("store.sqlite*"):
                if f.name in ("store.sqlite", "store.sqlite-wal"):
                    shutil.copy(f, d)
            db = sqlite3.connect(d + "/store.sqlite")
            try:
                return db.execute("SELECT failures FROM lockout").fetchall()
            finally:
                db.close()

    async def go():
        d = Device()
        for _ in range(6):
            ws, m = await connect(gateway, "wrong", d, ["operator.read"], afar=True)
            await ws.close()
        wait_for(lambda: counted() == [(6,)], what="six failures on the disk")
        gateway.kill("store")
        for _ in range(4):
            m = await served(lambda: login(gateway, "wrong", d, afar=True))
            assert m["error"]["message"].startswith("unauthorized: gateway token mismatch"), m
        m = await login(gateway, gateway.token, d, afar=True)
        assert "too many failed authentication attempts" in m["error"]["message"], m
    asyncio.run(go())


@pytest.mark.parametrize("addresses,same,other", [
    # who is nearest to the proxy; what a client wrote in front of it is nothing
    ([f"10.9.8.{i}, 203.0.113.5" for i in range(10)], "203.0.113.5", "203.0.113.6"),
    # of IPv6 whoever has one address has all of its network
    ([f"2001:db8:1:2::{i}" for i in range(10)], "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
])
def test_T17_both_doors_count_together(make_gateway, addresses, same, other):
    """Guesses over WebSocket and HTTP of one address behind a trusted proxy;
    neither door opens then, also when those who watch them are new ones."""
    gw = make_gateway({"gateway": {
        "mode": "local", "trustedProxies": ["127.0.0.1"],
        "http": {"endpoints": {"chatCompletions": {"enabled": True}}}}})

    async def socket_(address, token):
        """None, the status of an upgrade that is refused, or the error."""
        try:
            ws = await websockets.connect(gw.url, extra_headers={"X-Forwarded-For": address})
        except websockets.InvalidStatusCode as e:
            return e.status_code
        await ws.recv()
        m = await ask(ws, req("connect", {"minProtocol": 3, "maxProtocol": 3, "client": CLIENT,
                                          "auth": {"token": token}}))
        await ws.close()
        return None if m["ok"] else m["error"]["message"]

    def http(address, token):
        with Http(gw) as h:
            return h.request("/v1/models", headers=[("X-Forwarded-For", address),
                                                    ("Authorization", f"Bearer {token}")])[0]

    async def go():
        for i, address in enumerate(addresses[:9]):
            if i % 2:
                assert http(address, "wrong") == 401
            else:
                assert "token mismatch" in await socket_(address, "wrong")
        assert http(addresses[9], "wrong") == 429
        assert await socket_(same, gw.token) == http(same, gw.token) == 429
        assert await socket_(other, gw.token) is None and http(other, gw.token) == 200
        gw.kill("front")
        gw.kill("store")

        end, said = time.monotonic() + 60, ""
        while said != 429 and "too many failed" not in str(said):
            assert said is not None and time.monotonic() < end, said
            await asyncio.sleep(0.05)
            try:
                said = await socket_(same, gw.token)
            except (OSError, websockets.WebSocketException):
                said = "not there yet"
        assert http(same, gw.token) == 429
        assert await socket_(other, gw.token) is None and http(other, gw.token) == 200
    asyncio.run(go())


@pytest.mark.parametrize("new", [{"mode": "token", "token": "another"},
                                 {"mode": "password", "password": "another"}],
                         ids=["token", "mode"])
def test_T07_a_changed_secret_ends_its_sockets(make_gateway, new):
    """Those of the shared secret, within a moment; those of device tokens
    stay, and those of the new secret are left alone by a store that tells it
    once more."""
    def config(auth):
        return {"gateway": {"mode": "local", "auth": auth}}
    gw = make_gateway(config=config({"mode": "token", "token": "the-first-one"}))

    async def go():
        d = Device()
        ws, m = await connect(gw, "the-first-one", d, ["operator.read"])
        own = m["payload"]["auth"]["deviceToken"]
        by_token, m = await connect(gw, own, d, ["operator.read"])
        assert m["ok"], m
        node, m = await connect(gw, "the-first-one", d, [], "node")
        assert m["ok"], m
        control = gw.control()
        gw.write_config(config({"mode": "token", "token": "the-first-one"}))
        control.call("gateway.reload")
        assert (await ask(ws, req("health")))["ok"]     # nothing changed
        gw.write_config(config(new))
        control.call("gateway.reload")
        for s in (ws, node):
            assert await ended(s) == (1008, "gateway auth changed")
        assert (await ask(by_token, req("health")))["ok"]
        assert control.call("health")["ok"]
        m = await login(gw, "the-first-one", Device())
        assert m["error"]["message"].startswith("unauthorized: gateway " + new["mode"]), m
        ws, m = await connect(gw, "another", d, ["operator.read"])
        if new["mode"] == "token":
            assert m["ok"], m
            gw.kill("store")
            m = await served(lambda: login(gw, "another", Device()))
            assert m["ok"], m           # it is there again, and has told it
            assert (await ask(ws, req("health")))["ok"]
        await ws.close()
        assert (await ask(by_token, req("health")))["ok"]
        await by_token.close()
        control.close()
    asyncio.run(go())


def test_command_line(gateway):
    """openclaw devices, over the control socket."""
    def run(*args):
        return good(gateway, "devices", *args)

    def fails(*args):
        return bad(gateway, "devices", *args)

    def js(*args):
        return as_json(gateway, "devices", *args)

    d = Device()
    assert "none waits" in run("list")
    assert "no device waits" in fails("approve")
    assert "requestId" in fails("reject")
    assert "unknown requestId" in fails("approve", "nonsense")
    assert "--device" in fails("revoke", "--role", "operator")
    rid = asyncio.run(knock(gateway, d, ["operator.read", "operator.write"]))
    assert rid in run("list")
    assert js("list")["pending"][0]["requestId"] == rid
    assert js("reject", rid) == {"requestId": rid, "deviceId": d.id}
    rid = asyncio.run(knock(gateway, d, ["operator.read", "operator.write"]))
    assert js("approve")["requestId"] == rid
    assert d.id in run("list")
    token = js("rotate", "--device", d.id, "--role", "operator",
               "--scope", "operator.read", "--scope", "operator.write")
    assert token["scopes"] == ["operator.read", "operator.write"]
    assert asyncio.run(login(gateway, token["token"], d, afar=True))["ok"]
    assert js("revoke", "--device", d.id, "--role", "operator")["revokedAtMs"] > 0
    assert not asyncio.run(login(gateway, token["token"], d, afar=True))["ok"]
    assert "revoked" in run("list")
    assert "unknown deviceId/role" in fails("rotate", "--device", d.id, "--role", "node")


def test_T10_trusted_proxy(make_gateway):
    """gateway.auth.mode trusted-proxy: by the header of the proxy alone."""
    gw = make_gateway({"gateway": {
        "mode": "local", "trustedProxies": ["127.0.0.1"], "auth": {
            "mode": "trusted-proxy",
            "trustedProxy": {"userHeader": "X-User", "allowUsers": ["nick"]}}}})

    async def hello(headers, token=None):
        ws = await websockets.connect(gw.url, extra_headers=headers)
        await ws.recv()
        params = {"minProtocol": 3, "maxProtocol": 3, "client": CLIENT}
        if token is not None:
            params["auth"] = {"token": token}
        m = await ask(ws, req("connect", params))
        if m["ok"]:
            assert (await ask(ws, req("config.get")))["ok"]
        await ws.close()
        return m

    async def go():
        assert (await hello({"X-User": "nick"}))["ok"]
        assert error(await hello({"X-User": "root"})) == (
            "NOT_PAIRED", "device identity required")
        # the shared token is none here, though the environment has one
        for headers in ({}, {"X-User": "root"}):
            assert error(await hello(headers, gw.token)) == ("INVALID_REQUEST", "unauthorized")
    asyncio.run(go())


@pytest.mark.parametrize("mode", ["password", "none"])
def test_T04_other_modes(make_gateway, mode):
    """password: not without it, whatever else is right; a device's token goes
    on.  none: on this machine only, and a device from afar is paired first."""
    auth = {"mode": mode, "token": "t-1"}
    if mode == "password":
        auth["password"] = "pw-1"
    gw = make_gateway({"gateway": {"mode": "local", "auth": auth}})

    async def hello(device=None, afar=False, **auth):
        ws = await websockets.connect(gw.url, extra_headers=AFAR if afar else None)
        nonce = json.loads(await ws.recv())["payload"]["nonce"]
        params = {"minProtocol": 3, "maxProtocol": 3, "client": CLIENT, "auth": auth,
                  "scopes": ["operator.read"]}
        if device is not None:
            params["device"] = device.block(nonce, ["operator.read"], auth.get("token", ""))
        m = await ask(ws, req("connect", params))
        await ws.close()
        return m

    async def go():
        d = Device()
        if mode == "none":
            assert (await hello())["ok"] and (await hello(d))["ok"]
            assert (await hello(d, afar=True))["ok"]
            assert error(await hello(Device(), afar=True)) == ("NOT_PAIRED", "pairing required")
            return
        m = await hello(d, password="pw-1")
        token = m["payload"]["auth"]["deviceToken"]
        assert (await hello(d, afar=True, token=token))["ok"]
        for m in (await hello(d, token="t-1"), await hello(d)):
            assert error(m)[1].startswith("unauthorized: gateway password missing")
        m = await hello(d, password="pw-2", token="t-1")
        assert error(m)[1].startswith("unauthorized: gateway password mismatch")
        assert error(await hello(password="pw-1")) == ("NOT_PAIRED", "device identity required")
    asyncio.run(go())
