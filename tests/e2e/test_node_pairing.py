# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""How a device becomes a node, and ceases to be one."""
import asyncio
import json

import pytest
import websockets

from gateway import RpcError
from noderig import HOST, Node, a_node, gone, invoke, refused, row_of
from test_devices import AFAR, connect, knock, served
from test_protocol import Device, ask, req


def test_pairing_of_nodes(gateway):
    async def go():
        async with gateway.client(scopes=["operator.pairing"]) as c, gateway.client() as admin, \
                gateway.client(scopes=["operator.read"]) as reader:
            about = {"platform": "ios", "version": "1", "coreVersion": "2", "uiVersion": "3",
                     "deviceFamily": "iPhone", "modelIdentifier": "iPhone15,2",
                     "caps": ["camera"], "commands": ["camera.snap"], "remoteIp": "192.0.2.1"}
            ask_ = dict(about, nodeId=" n1 ", displayName=" Phone ", silent=False)
            m = await c.call("node.pair.request", ask_)
            r = m["request"]
            rid = r["requestId"]
            ts = r["ts"]
            want = dict(about, requestId=rid, nodeId="n1", displayName="Phone", silent=False,
                        isRepair=False, ts=ts)
            assert m == {"status": "pending", "request": want, "created": True}
            ev = await c.event(lambda m: m["event"] == "node.pair.requested")
            assert ev["payload"] == want
            await admin.event(lambda m: m["event"] == "node.pair.requested")
            # once more is the same request
            m = await c.call("node.pair.request", {"nodeId": "n1", "displayName": "Another"})
            assert m == {"status": "pending", "request": want, "created": False}
            assert await c.call("node.pair.list") == {"pending": [want], "paired": []}
            assert await c.call("node.pair.verify", {"nodeId": "n1", "token": "x"}) == {"ok": False}
            m = await c.call("node.pair.approve", {"requestId": rid})
            node = m["node"]
            token, at = node.pop("token"), node.pop("approvedAtMs")
            assert m["requestId"] == rid and len(token) == 32 and set(token) <= set("0123456789abcdef")
            assert node.pop("createdAtMs") == at
            assert node == dict(about, nodeId="n1", displayName="Phone")
            ev = await c.event(lambda m: m["event"] == "node.pair.resolved")
            assert ev["payload"].pop("ts") > 0
            assert ev["payload"] == {"requestId": rid, "nodeId": "n1", "decision": "approved"}
            for method in ("node.pair.approve", "node.pair.reject"):
                assert await refused(c, method, {"requestId": rid}) == {
                    "code": "INVALID_REQUEST", "message": "unknown requestId"}
            m = await c.call("node.pair.verify", {"nodeId": " n1 ", "token": token})
            assert m["ok"] and m["node"]["nodeId"] == "n1" and m["node"]["token"] == token
            for bad in (token[:-1], token.upper() + "0", "", " " + token):
                if bad:
                    assert await c.call("node.pair.verify", {"nodeId": "n1", "token": bad}) == {
                        "ok": False}
            listed = await c.call("node.pair.list")
            assert token not in json.dumps(listed) and listed["paired"][0]["nodeId"] == "n1"
            # again: a repair, rejected
            m = await c.call("node.pair.request", {"nodeId": "n1"})
            assert m["request"]["isRepair"] and "displayName" not in m["request"]
            again = m["request"]["requestId"]
            assert await c.call("node.pair.reject", {"requestId": again}) == {
                "requestId": again, "nodeId": "n1"}
            ev = await c.event(lambda m: m["event"] == "node.pair.resolved" and
                               m["payload"]["requestId"] == again)
            assert ev["payload"]["decision"] == "rejected"
            # names
            assert await c.call("node.rename", {"nodeId": "n1", "displayName": " Blue "}) == {
                "nodeId": "n1", "displayName": "Blue"}
            assert (await c.call("node.pair.list"))["paired"][0]["displayName"] == "Blue"
            assert await refused(c, "node.rename", {"nodeId": "n2", "displayName": "x"}) == {
                "code": "INVALID_REQUEST", "message": "unknown nodeId"}
            assert (await refused(c, "node.rename", {"nodeId": "n1", "displayName": " "}))[
                "message"] == "displayName required"
            assert await refused(c, "node.pair.request", {"nodeId": " "}) == {
                "code": "UNAVAILABLE", "message": "Error: nodeId required"}
            assert "too long" in (await refused(c, "node.pair.request", {
                "nodeId": "n3", "caps": ["c" * 100] * 100}))["message"]
            # that list lets nobody in, and is no list of nodes that may come
            assert (await admin.call("node.list"))["nodes"] == []
            # who may not pair heard nothing of it: what comes now proves it
            await admin.chat("hello")
            await reader.event(lambda m: m["event"] == "chat" and
                               m["payload"]["state"] == "final")
            assert not [m for m in reader.events if m["event"].startswith("node.pair")]
    asyncio.run(go())


def test_the_last_connection_is_noted(gateway):
    async def go():
        d = Device()
        async with gateway.client() as c:
            m = await c.call("node.pair.request", {"nodeId": d.id})
            await c.call("node.pair.approve", {"requestId": m["request"]["requestId"]})
            assert "lastConnectedAtMs" not in (await c.call("node.pair.list"))["paired"][0]
            async with Node(gateway, d):
                row = (await c.call("node.pair.list"))["paired"][0]
                assert row["lastConnectedAtMs"] >= row["approvedAtMs"]
    asyncio.run(go())


def test_too_many_ask_to_be_paired(gateway):
    async def go():
        async with gateway.client() as c:
            for i in range(64):
                await c.call("node.pair.request", {"nodeId": f"n{i}"})
            e = await refused(c, "node.pair.request", {"nodeId": "one more"})
            assert e["code"] == "UNAVAILABLE" and "too many nodes" in e["message"]
            assert not (await c.call("node.pair.request", {"nodeId": "n3"}))["created"]
            assert len((await c.call("node.pair.list"))["pending"]) == 64
    asyncio.run(go())


def test_R14_store_dies_while_nodes_are_paired(gateway):
    async def go():
        async with gateway.client() as c, a_node(gateway) as n:
            rid = (await c.call("node.pair.request", {"nodeId": "n1"}))["request"]["requestId"]
            gateway.kill("store")
            m = await served(lambda: ask(c.ws, req("node.pair.approve", {"requestId": rid})))
            token = m["payload"]["node"]["token"]
            # a node that is connected does not need the store
            q = await invoke(c, n.id)
            await n.answers(await n.asked(), payload=1)
            assert (await c.result(q))["payload"] == 1
            gateway.kill("store")
            m = await served(lambda: ask(c.ws, req("node.pair.verify", {"nodeId": "n1",
                                                                        "token": token})))
            assert m["payload"]["ok"]
            m = await served(lambda: ask(c.ws, req("node.list")))
            assert m["payload"]["nodes"][0]["nodeId"] == n.id
    asyncio.run(go())


def test_T05_T06_roles_are_asked_for(gateway):
    """A device paired in one role has nothing of the other until it is let in
    for it, and no token of one role opens the other."""
    async def go():
        d = Device()
        async with gateway.client() as admin:
            # from afar: first as operator, then as node
            rid = await knock(gateway, d, ["operator.read"])
            await admin.call("device.pair.approve", {"requestId": rid})
            ws, m = await connect(gateway, gateway.token, d, ["operator.read"], afar=True)
            operator = m["payload"]["auth"]["deviceToken"]
            await ws.close()
            rid = await knock(gateway, d, [], "node", client=HOST)
            pend = (await admin.call("device.pair.list"))["pending"][0]
            assert pend["role"] == "node" and pend["isRepair"] and pend["scopes"] == []
            # the operator's token is none of a node, not even on this machine
            ws, m = await connect(gateway, operator, d, [], "node", client=HOST)
            assert not m["ok"] and m["error"]["message"].startswith("unauthorized")
            m = await admin.call("device.pair.approve", {"requestId": rid})
            assert sorted(m["device"]["roles"]) == ["node", "operator"]
            assert m["device"]["scopes"] == ["operator.read"]
            async with Node(gateway, d, headers=AFAR) as n:
                token = n.hello["auth"]["deviceToken"]
                assert n.hello["auth"]["scopes"] == [] and token != operator
                assert (await row_of(admin, d.id))["paired"]
            # with its own token, as it comes back later
            async with Node(gateway, d, token=token, headers=AFAR) as n:
                assert n.hello["auth"]["deviceToken"] == token
            ws, m = await connect(gateway, token, d, ["operator.read"], afar=True)
            assert not m["ok"]
            # the other way round: a node that wants to be an operator
            d2 = Device()
            rid = await knock(gateway, d2, [], "node", client=HOST)
            await admin.call("device.pair.approve", {"requestId": rid})
            rid = await knock(gateway, d2, ["operator.admin"])
            async with gateway.client(scopes=["operator.pairing"]) as less:
                assert (await refused(less, "device.pair.approve", {"requestId": rid}))[
                    "message"] == "missing scope: operator.admin"
            await admin.call("device.pair.approve", {"requestId": rid})
            ws, m = await connect(gateway, gateway.token, d2, ["operator.admin"], afar=True)
            assert m["ok"]
            await ws.close()
    asyncio.run(go())


def test_T07_a_revoked_node_is_not_asked(gateway):
    async def go():
        d = Device()
        async with gateway.client() as c:
            n = await Node(gateway, d).__aenter__()
            rid = await invoke(c, d.id)
            await n.asked()
            await c.call("device.token.revoke", {"deviceId": d.id, "role": "node"})
            with pytest.raises(RpcError) as e:
                await c.result(rid)
            assert e.value.message == "Error: node disconnected (system.which)"
            await gone(c, d.id)
            with pytest.raises(websockets.ConnectionClosed) as e:
                while True:
                    await n.recv()
            assert e.value.code == 1008
    asyncio.run(go())
