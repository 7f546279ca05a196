# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The public protocol through the whole gateway: front, store, router, agentd.

Both doors, in each privilege mode.
"""
import asyncio
import base64
import hashlib
import json
import random
import signal
import socket
import time
import uuid

import pytest
import websockets
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import Client, RpcError, stat_of, wait_for

CLIENT = {"id": "test", "version": "1.0", "platform": "linux", "mode": "test"}
EVENTS = ["connect.challenge", "agent", "chat", "presence", "tick", "talk.mode", "shutdown",
          "health", "heartbeat", "cron", "node.pair.requested", "node.pair.resolved",
          "node.invoke.request", "device.pair.requested", "device.pair.resolved",
          "voicewake.changed", "exec.approval.requested", "exec.approval.resolved"]


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


class Device:
    def __init__(self):
        self.key = Ed25519PrivateKey.generate()
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id, self.public = hashlib.sha256(raw).hexdigest(), b64(raw)

    def block(self, nonce, scopes, token, client=CLIENT, role="operator"):
        at = int(time.time() * 1000)
        text = "|".join(["v2", self.id, client["id"], client["mode"], role, ",".join(scopes),
                         str(at), token, nonce])
        return {"id": self.id, "publicKey": self.public, "signedAt": at, "nonce": nonce,
                "signature": b64(self.key.sign(text.encode()))}


async def connect(gw, token, device=None, scopes=(), **extra):
    """(socket, response) of a connect."""
    ws = await websockets.connect(gw.url, max_size=None, ping_interval=None)
    nonce = json.loads(await ws.recv())["payload"]["nonce"]
    params = {"minProtocol": 3, "maxProtocol": 3, "client": CLIENT}
    if scopes:
        params["scopes"] = list(scopes)
    if token is not None:
        params["auth"] = {"token": token}
    if device is not None:
        params["device"] = device.block(nonce, list(scopes), token or "",
                                        role=extra.get("role", "operator"))
    params.update(extra)
    await ws.send(json.dumps({"type": "req", "id": "c", "method": "connect", "params": params}))
    return ws, json.loads(await ws.recv())


async def ask(ws, frame):
    """The response to a frame, events left out."""
    await ws.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))
    while True:
        m = json.loads(await asyncio.wait_for(ws.recv(), 60))
        if m["type"] == "res":
            return m


def req(method, params=None, rid="1"):
    f = {"type": "req", "id": rid, "method": method}
    if params is not None:
        f["params"] = params
    return f


def test_hello(gateway):
    async def go():
        ws, m = await connect(gateway, gateway.token)
        p = m["payload"]
        assert m["ok"] and m["id"] == "c" and p["type"] == "hello-ok" and p["protocol"] == 3
        assert p["features"]["events"] == EVENTS
        assert {"health", "agent", "chat.send", "gateway.stop"} <= set(p["features"]["methods"])
        assert "cron.add" not in p["features"]["methods"]
        assert p["policy"] == {"maxPayload": 26214400, "maxBufferedBytes": 1572864,
                               "tickIntervalMs": 30000}
        s = p["snapshot"]
        assert s["sessionDefaults"] == {"defaultAgentId": "main", "mainKey": "main",
                                        "mainSessionKey": "agent:main:main",
                                        "scope": "per-sender"}
        assert s["health"]["ok"] and s["presence"] and s["configPath"] == str(gateway.config_path)
        # what is advertised is there
        for name in p["features"]["methods"]:
            r = await ask(ws, req(name, {"nonsense": 1}))
            assert "unknown method" not in (r.get("error") or {}).get("message", ""), r
        await ws.close()
    asyncio.run(go())


@pytest.mark.parametrize("scopes", [
    ["operator.approvals"], ["operator.pairing"], ["operator.new"], ["operator.read"]])
def test_T15_what_a_client_of_few_rights_is_told(make_gateway, scopes):
    """Neither paths nor the machine's name nor who else is here, unless it may
    read; and then where sessions are kept, which the shape of `health` has, but
    nothing of the configuration."""
    gw = make_gateway({"gateway": {"mode": "local"}, "agents": {"list": [
        {"id": "main", "name": "CanaryAgent"}]}, "env": {"CANARY_VAR": "CanaryValue"}})

    async def go():
        async with gw.client(client=dict(CLIENT, displayName="CanaryName")) as admin:
            seen = json.dumps(admin.hello)
            assert str(gw.state) in seen
            async with gw.client(scopes=scopes) as c:
                hello = json.dumps(c.hello)
                for text in (str(gw.config_path), "stateDir", "CANARY_VAR", "CanaryValue",
                             gw.token, "/usr/", "PATH"):
                    assert text not in hello, text
                if scopes != ["operator.read"]:
                    for text in (str(gw.state), "CanaryName", "CanaryAgent",
                                 json.dumps(socket.gethostname())):
                        assert text not in hello, text
                    assert c.hello["snapshot"]["presence"] == []
                    assert c.hello["snapshot"]["health"] == {}
    asyncio.run(go())


def test_T05_T06_device_and_its_token(gateway):
    async def go():
        d = Device()
        ws, m = await connect(gateway, gateway.token, d, ["operator.read"])
        auth = m["payload"]["auth"]
        assert auth["role"] == "operator" and auth["scopes"] == ["operator.read"]
        r = await ask(ws, req("config.get"))
        assert r["error"] == {"code": "INVALID_REQUEST",
                              "message": "missing scope: operator.admin"}
        r = await ask(ws, req("no.such"))
        assert r["error"]["message"] == "missing scope: operator.admin"
        assert (await ask(ws, req("health")))["ok"]
        await ws.close()
        # the device's own token opens, and not wider
        ws, m = await connect(gateway, auth["deviceToken"], d, ["operator.read"])
        assert m["ok"] and m["payload"]["auth"]["deviceToken"] == auth["deviceToken"]
        await ws.close()
        for scopes in ([], ["operator.admin"]):
            ws, m = await connect(gateway, auth["deviceToken"], d, scopes)
            assert m["error"]["message"].startswith("unauthorized: gateway token mismatch")
            with pytest.raises(websockets.ConnectionClosed) as e:
                await ws.recv()
            assert e.value.code == 1008
        ws, m = await connect(gateway, auth["deviceToken"], Device(), ["operator.read"])
        assert not m["ok"]
        # after store was killed it is still known
        gateway.kill("store")
        wait_for(lambda: gateway.processes()["store"]["state"] == "running")
        end = time.monotonic() + 60
        while True:
            ws, m = await connect(gateway, auth["deviceToken"], d, ["operator.read"])
            if m["ok"] or time.monotonic() > end:
                break
            assert m["error"]["code"] == "UNAVAILABLE", m
        assert m["ok"]
        await ws.close()
    asyncio.run(go())


FORMS = ["operator.admin", "operator.read,operator.admin", "operator.read operator.admin",
         ",operator.admin", "operator.admin,", "operator.read\noperator.admin",
         "operator.read\u0000operator.admin", "operator.read|operator.admin", "Operator.Admin",
         " operator.admin", "operator.admin ", "operator.*", "*", "operator", "admin", "",
         "operator.read\u202eoperator.admin", "operator\u2024admin", "operator.admin\u0000",
         "__proto__", "x" * 4000, '"],["operator.admin', "operator.write", "operator.approvals",
         "operator.pairing", "node"]


def test_T05_whatever_is_asked_for(gateway):
    """A device that may read, by its own token: nothing that it writes into its
    scopes or its role makes more of it, whether it is let in or not."""
    rnd = random.Random(20261121)
    lists = [[f] for f in FORMS] + [["operator.read", f] for f in FORMS]
    lists += [rnd.sample(FORMS, rnd.randint(2, 8)) for _ in range(40)]
    lists += [["operator.read"] * 300, ["operator.read"] * 2]

    async def go():
        d = Device()
        ws, m = await connect(gateway, gateway.token, d, ["operator.read"])
        token = m["payload"]["auth"]["deviceToken"]
        await ws.close()
        let_in = 0
        for scopes in lists:
            for role in ("operator", "node", "admin", "operator\u0000", "operator,node"):
                if role != "operator" and rnd.random() < 0.8:
                    continue
                try:
                    ws, m = await connect(gateway, token, d, scopes, role=role)
                except websockets.ConnectionClosed:
                    continue        # no text that is to be answered
                if m["ok"]:
                    let_in += 1
                    assert set(m["payload"]["auth"]["scopes"]) <= {"operator.read"}, scopes
                    for method, need in (("config.get", "admin"), ("device.pair.list", "pairing"),
                                         ("chat.send", "write"),
                                         ("exec.approval.resolve", "approvals")):
                        e = (await ask(ws, req(method, {})))["error"]
                        assert e["message"] == f"missing scope: operator.{need}", (scopes, e)
                await ws.close()
        assert let_in > 0
        # Its record is what it was.
        async with Client(gateway.url, gateway.token) as admin:
            row = [p for p in (await admin.call("device.pair.list"))["paired"]
                   if p["deviceId"] == d.id][0]
            assert row["scopes"] == ["operator.read"] and row["roles"] == ["operator"]
            assert [t["scopes"] for t in row["tokens"]] == [["operator.read"]]
    asyncio.run(go())


def test_malformed_rows(gateway):
    async def go():
        ws, m = await connect(gateway, gateway.token)
        await ws.send("not json")
        await ws.send("{")
        r = await ask(ws, "[]")
        assert r["id"] == "invalid" and \
            r["error"]["message"] == "invalid request frame: must be object"
        r = await ask(ws, {"id": 7, "type": "req", "method": "health"})
        assert r["id"] == 7 and r["error"]["message"] == \
            "invalid request frame: at /id: must be string"
        r = await ask(ws, req("connect"))
        assert r["error"]["message"] == "connect is only valid as the first request"
        r = await ask(ws, req("nope"))
        assert r["error"]["message"] == "unknown method: nope"
        r = await ask(ws, req("chat.history", {"limit": 0}))
        assert r["error"]["message"] == "invalid chat.history params: must have required " \
            "property 'sessionKey'; at /limit: must be >= 1"
        r = await ask(ws, req("health", rid="\ud83d"))      # half a character
        assert r["id"] == "\ufffd" and r["ok"]
        deep = '{"type":"req","id":"d","method":"health","params":' + "[" * 100000
        r = await ask(ws, deep)
        assert r["id"] == "d" and "nesting too deep" in r["error"]["message"]
        assert (await ask(ws, json.dumps(req("health")).encode()))["ok"]    # binary
        await ws.close()
    asyncio.run(go())


def test_T47_large_and_wrong_frames(gateway):
    async def go():
        good, _ = await connect(gateway, gateway.token)
        for data, code in (("x" * 26214401, 1009), (b"\xff\xfe", 1007)):
            ws, _ = await connect(gateway, gateway.token)
            with pytest.raises(websockets.ConnectionClosed) as e:
                await ws.send(data)
                while True:
                    await ws.recv()
            assert e.value.code == code and e.value.reason == ""
            assert (await ask(good, req("health")))["ok"]
        await good.close()
    asyncio.run(go())


def test_agent_answers_twice_and_repeats(gateway):
    async def go():
        async with gateway.client() as c:
            key = str(uuid.uuid4())
            p = {"message": "what time is it?", "idempotencyKey": key, "sessionKey": "main"}
            rid = await c.send("agent", p)
            first = await c.result(rid)
            assert first["status"] == "accepted" and first["runId"] == key
            last = await c.result(rid)
            assert last["status"] == "ok" and last["summary"] == "completed"
            assert last["result"]["payloads"][0]["text"]
            # only the last answer, and nothing runs again
            again = await c.call("agent", p)
            assert again == last
            gateway.kill("router")
        # agentd knows what the new router never saw
        end = time.monotonic() + 60
        while True:
            try:
                async with gateway.client() as c:
                    again = await c.call("agent", p, final=True)
                break
            except (websockets.WebSocketException, OSError, RpcError) as e:
                # not everybody knows the new one yet
                assert not isinstance(e, RpcError) or e.code == "UNAVAILABLE", e
                assert time.monotonic() < end
                await asyncio.sleep(0.05)
        async with gateway.client() as c:
            assert again["status"] == "ok" and again["result"] == last["result"]
            h = await c.call("chat.history", {"sessionKey": "main"})
            assert sum(m["role"] == "user" for m in h["messages"]) == 1
    asyncio.run(go())


def test_events_reach_all_with_own_seq(gateway):
    async def go():
        async with gateway.client() as a, gateway.client() as b:
            await a.call("health")
            text = await a.chat("what can you do?")
            assert text
            last = await b.event(lambda m: m["event"] == "chat" and
                                 m["payload"]["state"] == "final")
            assert last["payload"]["sessionKey"] == "main"
            for c in (a, b):
                seqs = [m["seq"] for m in c.events if "seq" in m]
                assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), seqs
            kinds = [m["payload"].get("stream") for m in b.events if m["event"] == "agent"]
            assert kinds[0] == "lifecycle" and kinds[-1] == "lifecycle"
    asyncio.run(go())


def test_shutdown_is_announced(gateway):
    async def go():
        c = Client(gateway.url, gateway.token)
        await c.__aenter__()
        gateway.proc.send_signal(signal.SIGTERM)
        with pytest.raises(websockets.ConnectionClosed) as e:
            while True:
                m = json.loads(await asyncio.wait_for(c.ws.recv(), 60))
                c.events.append(m)
        assert e.value.code == 1012 and e.value.reason == "service restart"
        last = [m for m in c.events if m["event"] == "shutdown"]
        assert last and last[0]["payload"] == {"reason": "gateway stopping"}
    asyncio.run(go())


def test_control_socket(gateway):
    c = gateway.control()
    assert c.call("health")["ok"]
    rows = c.call("gateway.processes")["processes"]
    names = {r["name"] for r in rows}
    assert {"gatewayd", "front", "router", "store", "log", "connect", "agentd/main"} <= names
    assert c.call("gateway.verbose", {"level": "debug"}) is not None
    with pytest.raises(RpcError) as e:
        c.call("gateway.restart", {"process": "agentd/nobody"})
    assert e.value.code in ("INVALID_REQUEST", "UNAVAILABLE")
    old = {r["name"]: r["pid"] for r in rows}
    c.call("gateway.restart", {"process": "agentd/main"})
    wait_for(lambda: gateway.processes()["agentd/main"]["pid"] not in (0, old["agentd/main"]))
    prof = {p["name"]: p for p in c.call("sandbox.profiles")["profiles"]}
    assert prof["router"]["syscalls"] <= 70
    c.close()


def test_control_socket_half_closed_and_bad_input(gateway):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(60)
    s.connect(str(gateway.control_path))
    s.sendall(json.dumps(req("sessions.list", rid="h")).encode() + b"\n")
    s.shutdown(socket.SHUT_WR)
    data = b""
    while d := s.recv(65536):
        data += d
    s.close()
    assert json.loads(data)["id"] == "h"
    # a line without an end costs that connection
    bad = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bad.settimeout(60)
    bad.connect(str(gateway.control_path))
    try:
        bad.sendall(b"x" * (2 << 20))
        assert bad.recv(1) == b""
    except (BrokenPipeError, ConnectionResetError):
        pass
    bad.close()
    c = gateway.control()
    assert c.call("health")["ok"]
    c.close()


def test_R14_router_is_killed_under_load(gateway):
    async def go():
        for _ in range(3):
            clients = [Client(gateway.url, gateway.token) for _ in range(5)]
            for c in clients:
                await c.__aenter__()
            pid = gateway.kill("router")
            for c in clients:
                with pytest.raises((websockets.ConnectionClosed, OSError)):
                    while True:
                        await asyncio.wait_for(c.ws.recv(), 60)
            wait_for(lambda: stat_of(pid) is None)
            end = time.monotonic() + 60
            while True:
                try:
                    async with gateway.client() as c:
                        assert (await c.call("health"))["ok"]
                    break
                except (websockets.WebSocketException, OSError, RpcError):
                    assert time.monotonic() < end
                    await asyncio.sleep(0.05)
    asyncio.run(go())


# --- versions (product.md 5) -------------------------------------------------

RANGES = [(3, 3, 3), (1, 3, 3), (1, 1, 1), (1, 2, 2), (2, 2, 2), (3, 4, 4), (1, 9, 4), (4, 4, 4),
          (4, 9, 4)]


def shape(v):
    """What kinds of values are where, whatever they are."""
    if isinstance(v, dict):
        return {k: shape(x) for k, x in v.items()}
    return [shape(x) for x in v[:1]] if isinstance(v, list) else type(v).__name__


MORE = (("server", "bootId"), ("features", "capabilities"), ("policy", "attachments"),
        (None, "controlUiUrl"))


def test_every_range_gets_its_version(gateway):
    """Either door: the answer names the version, and is the same for all but
    4, which has more methods and events, always says who one is, and has the
    fields of MORE."""
    async def by_socket(lo, hi):
        ws, m = await connect(gateway, gateway.token, minProtocol=lo, maxProtocol=hi,
                              scopes=["operator.admin"],
                              client=dict(CLIENT, id="gateway-client", mode="backend"))
        unknown = await ask(ws, req("nope"))
        health = await ask(ws, req("health"))
        await ws.close()
        return m, unknown, health

    def by_control(lo, hi):
        c = gateway.control()
        out = []
        for f in (req("connect", {"minProtocol": lo, "maxProtocol": hi, "client": CLIENT}),
                  req("nope"), req("health")):
            c.send_raw(json.dumps(f).encode() + b"\n")
            out.append(c.recv())
            while out[-1]["type"] == "event":
                out[-1] = c.recv()
        c.close()
        return out

    for door in (lambda *a: asyncio.run(by_socket(*a)), by_control):
        first = None
        for lo, hi, version in RANGES:
            hello, unknown, health = door(lo, hi)
            assert hello["ok"] and hello["payload"]["protocol"] == version, (lo, hi)
            assert unknown["error"]["message"] == "unknown method: nope"
            assert health["ok"]
            hello["payload"]["snapshot"].pop("presence")    # it grows
            methods = hello["payload"]["features"]["methods"]
            events = hello["payload"]["features"]["events"]
            assert ("sessions.subscribe" in methods) == (version == 4)
            assert ("sessions.changed" in events) == (version == 4)
            for at, key in MORE:
                part = hello["payload"] if at is None else hello["payload"][at]
                there = version == 4 and not (at is None and door is by_control)
                assert (part.pop(key, None) is not None) == there, (lo, hi, key)
            if version == 4 and door is not by_control:
                assert hello["payload"].pop("auth") == {"role": "operator",
                                                        "scopes": ["operator.admin"]}
            this = shape(hello["payload"]), unknown["error"], shape(health["payload"])
            first = first or this
            assert this == first, (lo, hi)
        for lo, hi in ((5, 5), (5, 9), (4, 3)):
            if door is by_control:
                m = by_control(lo, hi)[0]
            else:
                async def refused(lo, hi):
                    ws, m = await connect(gateway, gateway.token, minProtocol=lo, maxProtocol=hi)
                    with pytest.raises(websockets.ConnectionClosed):
                        while True:
                            await asyncio.wait_for(ws.recv(), 30)
                    return m
                m = asyncio.run(refused(lo, hi))
            assert m["error"] == {"code": "INVALID_REQUEST", "message": "protocol mismatch",
                                  "details": {"expectedProtocol": 3} if hi < 4 else {
                                      "code": "PROTOCOL_MISMATCH", "clientMinProtocol": lo,
                                      "clientMaxProtocol": hi, "expectedProtocol": 4,
                                      "minimumProbeProtocol": 3}}


def test_T31_an_agent_and_what_is_another_s(make_gateway):
    """The agent named and the session named belong together, and no word of a
    client gives an agent another place to work in."""
    g = make_gateway(config={"agents": {"list": [{"id": "main"}, {"id": "second"}]}})
    c = g.control()
    base = {"message": "create a file here.txt with: hello", "idempotencyKey": "k"}
    for agent, key in (("second", "agent:main:main"), ("main", "agent:second:x"),
                       ("second", "agent:nobody:main")):
        with pytest.raises(RpcError):
            c.call("agent", {**base, "agentId": agent, "sessionKey": key})
    for extra in ({"workspace": "/tmp"}, {"cwd": "/tmp"}, {"agentDir": "/tmp"},
                  {"path": "/tmp"}, {"config": {"agents": {}}}, {"sandbox": {"mode": "off"}}):
        for method, p in (("agent", base), ("chat.send", {**base, "sessionKey": "main"}),
                          ("sessions.list", {}), ("agents.list", {}),
                          ("sessions.patch", {"key": "main"}), ("sandbox.selftest", {})):
            with pytest.raises(RpcError) as e:
                c.call(method, {**p, **extra})
            assert "unexpected property" in e.value.message, (method, extra)
    for method in ("agents.create", "agents.update", "config.patch",
                   "config.set", "agents.files.set"):
        with pytest.raises(RpcError) as e:
            c.call(method, {"agentId": "main", "workspace": "/tmp", "key": "main"})
        assert ("unexpected property 'workspace'" if "config" in method else
                "unknown method") in e.value.message
    # Each works in its own place, named by the configuration alone.
    c.call("agent", {**base, "agentId": "second", "idempotencyKey": "k2"}, final=True)
    made = sorted(str(p.relative_to(g.state)) for p in g.state.rglob("here.txt"))
    assert made == ["workspace-second/here.txt"]
    c.close()


def test_health_knows_what_was_answered(gateway):
    """Counters are not behind: who was told that a turn ended finds it in
    health and status, without waiting."""
    c = gateway.control()
    for i in range(5):
        c.call("agent", {"message": "what time is it?", "idempotencyKey": f"k{i}",
                         "sessionKey": f"agent:main:n{i}"}, final=True)
        h, s = c.call("health"), c.call("status")
        assert h["sessions"]["count"] == s["sessions"]["count"] == i + 1
        newest = s["sessions"]["recent"][0]
        assert newest["key"] == h["sessions"]["recent"][0]["key"] == f"agent:main:n{i}"
        assert newest["model"] == "assistant" and newest["totalTokens"] > 0
    c.close()
