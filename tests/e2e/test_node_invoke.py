# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Commands for nodes: what comes back, what does not, and what becomes of them when
one of the parties leaves."""
import asyncio
import json

import pytest
import websockets

from gateway import RpcError
from noderig import Node, a_node, gw, invoke, refused, row_of, until  # noqa: F401
from test_protocol import Device

TIMEOUT = {"code": "TIMEOUT", "message": "node invoke timed out"}


def test_invoke(gateway):
    async def go():
        async with gateway.client(scopes=["operator.write"]) as c, a_node(gateway) as n:
            rid = await invoke(c, n.id, "system.which", key="once", timeoutMs=45000,
                               params={"bins": ["ls"], "t": 'a "b" \\ \u20ac\n'})
            q = await n.asked()
            assert len(q.pop("id")) == 36
            assert json.loads(q.pop("paramsJSON")) == {"bins": ["ls"], "t": 'a "b" \\ \u20ac\n'}
            assert q == {"nodeId": n.id, "command": "system.which", "timeoutMs": 45000,
                         "idempotencyKey": "once"}
            # without parameters and time limit
            second = await invoke(c, f" {n.id} ", " system.which ")
            q2 = await n.asked()
            assert q2["paramsJSON"] is None and "timeoutMs" not in q2
            # no seq on what is sent to one
            # answers may come in any order, and each counts once
            assert await n.answers(q2, payload={"late": 1}) == {"ok": True}
            assert await c.result(second) == {
                "ok": True, "nodeId": n.id, "command": "system.which", "payload": {"late": 1},
                "payloadJSON": None}
            assert await n.answers(q2) == {"ok": True, "ignored": True}
            await c.call("node.list")
            rid2 = await invoke(c, n.id)
            q3 = await n.asked()
            text = '{"bins": {"ls": "/bin/ls"},\t"x":"\\u20ac"}'
            await n.answers(q3, payloadJSON=text, payload={"not": "this"})
            m = await c.result(rid2)
            assert m["payload"] == {"bins": {"ls": "/bin/ls"}, "x": "\u20ac"}
            assert m["payloadJSON"] == text
            # the first still waits
            assert rid
    asyncio.run(go())


@pytest.mark.parametrize("result,payload,text", [
    ({}, None, None), ({"payload": None}, None, None),
    ({"payload": [1, {"a": "b"}]}, [1, {"a": "b"}], None),
    ({"payload": 7, "payloadJSON": None}, 7, None),
    ({"payloadJSON": {"as": "object"}}, {"as": "object"}, None),
    ({"payload": 1, "payloadJSON": {"as": "object"}}, 1, None),
    ({"payloadJSON": '"text"'}, "text", '"text"'),
    ({"payloadJSON": "no json {"}, {"payloadJSON": "no json {"}, "no json {"),
    ({"payloadJSON": '{"a":1} trailing'}, {"payloadJSON": '{"a":1} trailing'}, '{"a":1} trailing'),
    ({"payloadJSON": "  "}, None, "  "), ({"payloadJSON": ""}, None, ""),
    ({"payload": 5, "payloadJSON": ""}, 5, ""),
    ({"error": None, "payloadJSON": '{"z":"\\u0000"}'}, {"z": "\ufffd"}, '{"z":"\\u0000"}'),
    ({"payloadJSON": "[" * 200 + "]" * 200}, {"payloadJSON": "[" * 200 + "]" * 200},
     "[" * 200 + "]" * 200)])
def test_results_of_all_shapes(gw, result, payload, text):
    async def go():
        async with gw.client() as c, a_node(gw) as n:
            rid = await invoke(c, n.id)
            await n.answers(await n.asked(), **result)
            m = await c.result(rid)
            assert m.get("payload") == payload and m["payloadJSON"] == text, m
            assert set(m) - {"payload"} == {"ok", "nodeId", "command", "payloadJSON"}
            assert await c.call("health")
    asyncio.run(go())


@pytest.mark.parametrize("error_,message,told", [
    (None, "node invoke failed", None), ({}, "node invoke failed", {}),
    ({"code": "UNAVAILABLE", "message": "CAMERA_DISABLED: no"}, "CAMERA_DISABLED: no", ...),
    ({"code": "X"}, "node invoke failed", ...), ({"message": None}, "node invoke failed", ...),
    ({"message": "m" * 9000}, "node invoke failed; what it said is too long", ...),
    ({"message": "x" * 2000, "code": "y" * 20000}, "x" * 2000, None)])
def test_a_node_refuses(gw, error_, message, told):
    async def go():
        async with gw.client() as c, a_node(gw) as n:
            rid = await invoke(c, n.id)
            await n.answers(await n.asked(), ok=False, error=error_)
            with pytest.raises(RpcError) as e:
                await c.result(rid)
            assert e.value.error == {
                "code": "UNAVAILABLE", "message": message,
                "details": {"nodeError": error_ if told is ... else told}}
            for bad in ("text", [], 7, {"code": 7}, {"message": []}, {"more": "x"}):
                said = await refused(n, "node.invoke.result", {
                    "id": "x", "nodeId": n.id, "ok": False, "error": bad})
                assert said["message"].startswith("invalid node.invoke.result params: at /error")
    asyncio.run(go())


def test_whom_it_cannot_be_sent_to(gateway):
    async def go():
        async with gateway.client(scopes=["operator.write"]) as c:
            bad = {"nodeId": "nobody", "command": "system.which", "idempotencyKey": "k"}
            assert await refused(c, "node.invoke", bad) == {
                "code": "UNAVAILABLE", "message": "node not connected",
                "details": {"code": "NOT_CONNECTED"}}
            for blank in ({"nodeId": "  "}, {"command": "\t"}):
                e = await refused(c, "node.invoke", dict(bad, **blank))
                assert e == {"code": "INVALID_REQUEST", "message": "nodeId and command required"}
            async with a_node(gateway, commands=["system.which"]) as n, \
                    a_node(gateway, commands=[]) as mute:
                for node, command, why in (
                        (n, "system.notify", "command not declared by node"),
                        (n, "camera.snap", "command not allowlisted"),
                        (n, "System.Which", "command not allowlisted"),
                        (mute, "system.which", "node did not declare commands")):
                    e = await refused(c, "node.invoke", dict(bad, nodeId=node.id, command=command))
                    assert e["details"] == {"reason": why, "command": command}
                # an operator is no node, whatever its id
                e = await refused(c, "node.invoke", dict(bad, nodeId="test"))
                assert e["message"] == "node not connected"
            # no one's permission is enough
        for have in ("operator.read", "operator.pairing", "operator.approvals"):
            async with gateway.client(scopes=[have]) as c:
                assert (await refused(c, "node.invoke", bad))["message"] == \
                    "missing scope: operator.write"
    asyncio.run(go())


def test_a_slow_node(gateway):
    async def go():
        async with gateway.client() as c, a_node(gateway) as n:
            rid = await invoke(c, n.id, timeoutMs=1)
            q = await n.asked()
            with pytest.raises(RpcError) as e:
                await c.result(rid)
            assert e.value.error == {"code": "UNAVAILABLE", "message": "node invoke timed out",
                                     "details": {"nodeError": TIMEOUT}}
            # too late: said so, and nobody is told
            assert await n.answers(q, payload=1) == {"ok": True, "ignored": True}
            rid = await invoke(c, n.id, timeoutMs=0)
            with pytest.raises(RpcError):
                await c.result(rid)
            # 2^53 ms is not now
            rid = await invoke(c, n.id, timeoutMs=2**53)
            await n.answers(await n.asked() and await n.asked(), payload=3)
            assert (await c.result(rid))["payload"] == 3
    asyncio.run(go())


def test_a_node_vanishes(gateway):
    async def go():
        async with gateway.client() as c:
            n = await a_node(gateway).__aenter__()
            other = await a_node(gateway).__aenter__()
            first = await invoke(c, n.id, "system.run")
            second = await invoke(c, n.id, "system.which")
            third = await invoke(c, other.id, "system.which")
            await n.asked("system.run")
            n.ws.transport.abort()
            for rid, command in ((first, "system.run"), (second, "system.which")):
                with pytest.raises(RpcError) as e:
                    await c.result(rid)
                assert e.value.error == {"code": "UNAVAILABLE",
                                         "message": f"Error: node disconnected ({command})"}
            e = await refused(c, "node.invoke", {"nodeId": n.id, "command": "system.run",
                                                 "idempotencyKey": "k"})
            assert e["details"] == {"code": "NOT_CONNECTED"}
            # another node's command is not disturbed
            await other.answers(await other.asked(), payload=1)
            assert (await c.result(third))["payload"] == 1
            await other.__aexit__()
    asyncio.run(go())


def test_who_asked_leaves(gateway):
    async def go():
        async with a_node(gateway) as n, gateway.client() as c:
            async with gateway.client() as asker:
                await invoke(asker, n.id)
                q = await n.asked()
            # a node of a later version is told
            async with a_node(gateway, minProtocol=4, maxProtocol=4) as later:
                async with gateway.client() as asker:
                    await invoke(asker, later.id)
                    q4 = await later.asked()
                m = await later.event(lambda m: m["event"] == "node.invoke.cancel")
                assert m["payload"] == {"invokeId": q4["id"], "nodeId": later.id}
                assert await later.answers(q4) == {"ok": True, "ignored": True}

            async def forgotten():
                return "ignored" in await n.answers(q)
            await until(forgotten)
            assert not [m for m in n.events if m["event"] == "node.invoke.cancel"]
            assert (await c.call("health"))["ok"]
    asyncio.run(go())


def test_T26_results_of_others(gateway):
    """A node may only report on what it was asked."""
    async def go():
        async with gateway.client() as c, a_node(gateway) as n, a_node(gateway) as liar:
            rid = await invoke(c, n.id)
            q = await n.asked()
            # in its own name, with another's id
            assert await liar.call("node.invoke.result", {
                "id": q["id"], "nodeId": liar.id, "ok": True, "payload": "forged"}) == {
                    "ok": True, "ignored": True}
            # in the other's name
            assert await refused(liar, "node.invoke.result", {
                "id": q["id"], "nodeId": n.id, "ok": True, "payload": "forged"}) == {
                    "code": "INVALID_REQUEST", "message": "nodeId mismatch"}
            # an operator is nobody here
            assert (await refused(c, "node.invoke.result", {
                "id": q["id"], "nodeId": n.id, "ok": True}))["message"] == \
                "unauthorized role: operator"
            for i in ("", "x" * 5000, q["id"].upper(), q["id"] + "\0"):
                p = {"id": i, "nodeId": n.id, "ok": True}
                if i:
                    assert (await n.call("node.invoke.result", p))["ignored"]
            await n.answers(q, payload="true")
            assert (await c.result(rid))["payload"] == "true"
    asyncio.run(go())


def test_large_results_and_parameters(gateway):
    async def go():
        async with gateway.client() as c, a_node(gateway) as n:
            rid = await invoke(c, n.id)
            photo = "A" * (5 << 20)
            await n.answers(await n.asked(), payloadJSON=json.dumps({"base64": photo}))
            m = await c.result(rid)
            assert m["payload"]["base64"] == photo
            rid = await invoke(c, n.id)
            await n.answers(await n.asked(), payload={"base64": "B" * (20 << 20)})
            with pytest.raises(RpcError) as e:
                await c.result(rid)
            assert e.value.code == "UNAVAILABLE"
            assert "the node's result is too large" in e.value.message
            e = await refused(c, "node.invoke", {"nodeId": n.id, "command": "system.run",
                                                 "params": "x" * (7 << 20), "idempotencyKey": "k"})
            assert e == {"code": "INVALID_REQUEST",
                         "message": "the parameters of the command are too large"}
            # what else goes to the node costs who asks, and not the node
            e = await refused(c, "node.invoke", {"nodeId": n.id, "command": "system.which",
                                                 "idempotencyKey": "k" * (17 << 20)})
            assert e["message"] == "failed to send invoke to node"
            rid = await invoke(c, n.id, params={"x": '"' * (2 << 20)})
            q = await n.asked()
            assert json.loads(q["paramsJSON"]) == {"x": '"' * (2 << 20)}
            await n.answers(q)
            await c.result(rid)
    asyncio.run(go())


def test_a_node_that_does_not_read(gateway):
    """It costs who asks an error, nobody else anything."""
    async def go():
        async with gateway.client() as c, a_node(gateway) as other:
            stuck = await a_node(gateway).__aenter__()
            stuck.ws.transport.pause_reading()
            said = set()
            big = {"x": "y" * (4 << 20)}
            for _ in range(12):
                rid = await invoke(c, stuck.id, params=big, timeoutMs=1)
                with pytest.raises(RpcError) as e:
                    await c.result(rid)
                said.add(e.value.message)
                assert e.value.code == "UNAVAILABLE"
            assert said <= {"failed to send invoke to node", "node invoke timed out",
                            "node not connected", "Error: node disconnected (system.which)"}
            assert "failed to send invoke to node" in said or "node not connected" in said
            rid = await invoke(c, other.id)
            await other.answers(await other.asked(), payload=1)
            assert (await c.result(rid))["payload"] == 1
            stuck.ws.transport.abort()
    asyncio.run(go())


def test_too_many_commands_wait(gateway):
    async def go():
        async with gateway.client() as c, a_node(gateway) as n:
            ids = [await invoke(c, n.id) for _ in range(300)]
            bad = []
            for rid in ids[256:]:
                with pytest.raises(RpcError) as e:
                    await c.result(rid)
                bad.append(e.value.message)
            assert set(bad) == {"too many commands wait for nodes; try again"}
            # those that were taken are answered
            for _ in range(256):
                await n.answers(await n.asked(), payload=1)
            rid = await invoke(c, n.id)
            await n.answers(await n.asked(), payload=2)
            assert (await c.result(rid))["payload"] == 2
    asyncio.run(go())


def test_R14_router_dies_while_a_command_waits(gateway):
    """Who asked loses the connection, and so hears of it; the node comes back
    and is asked again."""
    async def go():
        d = Device()
        c = await gateway.client().__aenter__()
        n = await Node(gateway, d).__aenter__()
        rid = await invoke(c, n.id)
        await n.asked()
        gateway.kill("router")
        for client in (c, n):
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await client.recv()

        async def back():
            try:
                return await Node(gateway, d).__aenter__()
            except (OSError, websockets.InvalidHandshake, websockets.ConnectionClosed, RpcError):
                return None
        again = await until(back)
        async with gateway.client() as c:
            await until(lambda: row_of(c, d.id))
            rid = await invoke(c, d.id)
            await again.answers(await again.asked(), payload="again")
            assert (await c.result(rid))["payload"] == "again"
        await again.__aexit__()
    asyncio.run(go())
