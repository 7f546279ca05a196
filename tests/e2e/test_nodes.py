# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Nodes through the whole gateway: who is there, what each offers and what of it the
policy leaves."""
import asyncio
import json

import pytest

from gateway import RpcError
from noderig import HOST, Node, a_node, gone, gw, invoke, refused, row_of, until  # noqa: F401
from test_devices import connect, error
from test_protocol import Device

CANVAS = ["canvas.present", "canvas.hide", "canvas.navigate", "canvas.eval", "canvas.snapshot",
          "canvas.a2ui.push", "canvas.a2ui.pushJSONL", "canvas.a2ui.reset"]
CAMERA = ["camera.list", "camera.snap", "camera.clip"]
SYSTEM = ["system.run", "system.which", "system.notify", "system.execApprovals.get",
          "system.execApprovals.set", "browser.proxy"]
EVERY = CANVAS + CAMERA + ["screen.record", "location.get", "sms.send"] + SYSTEM + ["made.up"]
PHONE = CANVAS + CAMERA + ["screen.record", "location.get"]
LETTERS = {"p": PHONE, "s": SYSTEM, "m": ["sms.send"]}


def test_a_node_is_listed_and_described(gateway):
    async def go():
        async with gateway.client(scopes=["operator.read"]) as c:
            assert (await c.call("node.list"))["nodes"] == []
            d = Device()
            client = dict(HOST, deviceFamily="Server", modelIdentifier="x1")
            async with Node(gateway, d, client=client, caps=["system", " system ", "browser", ""][:3],
                            commands=["system.which", "system.run", "system.run", "camera.snap"],
                            permissions={"screen": True, "mic": False}, pathEnv="/usr/bin:/bin") as n:
                assert n.hello["auth"]["role"] == "node" and n.hello["auth"]["scopes"] == []
                m = await c.call("node.list")
                assert m.pop("ts") > 0
                row = m["nodes"][0]
                assert row.pop("connectedAtMs") > 0
                assert m == {"nodes": [row]} and row == {
                    "nodeId": d.id, "displayName": "Workbench", "platform": "linux",
                    "version": "2026.1.29", "deviceFamily": "Server", "modelIdentifier": "x1",
                    "caps": ["browser", "system"], "commands": ["system.run", "system.which"],
                    "pathEnv": "/usr/bin:/bin", "permissions": {"screen": True, "mic": False},
                    "paired": True, "connected": True}
                one = await c.call("node.describe", {"nodeId": f"  {d.id} "})
                assert one.pop("ts") > 0 and one.pop("connectedAtMs") > 0 and one == row
                p = [p for p in await c.call("system-presence") if p.get("deviceId") == d.id][0]
                assert p["mode"] == "node" and p["roles"] == ["node"] and p["host"] == "Workbench"
            await gone(c, d.id)
            # a device that may be a node stays known
            row = await row_of(c, d.id)
            assert row == {"nodeId": d.id, "displayName": "Workbench", "platform": "linux",
                           "caps": [], "commands": [], "paired": True, "connected": False}
            assert error({"error": await refused(c, "node.describe", {"nodeId": "nobody"})}) == (
                "INVALID_REQUEST", "unknown nodeId")
            assert error({"error": await refused(c, "node.describe", {"nodeId": " "})}) == (
                "INVALID_REQUEST", "nodeId required")
            # an operator's device is no node
            ws, m = await connect(gateway, gateway.token, Device(), ["operator.read"])
            assert m["ok"] and len((await c.call("node.list"))["nodes"]) == 1
            await ws.close()
            p = [p for p in await c.call("system-presence") if p.get("deviceId") == d.id][0]
            assert p["reason"] == "disconnect"
    asyncio.run(go())


def test_the_list_is_sorted(gateway):
    async def go():
        async with gateway.client() as c:
            names = ["zeta", "Alpha", "beta"]
            nodes = []
            for name in names:
                n = a_node(gateway, client=dict(HOST, displayName=name))
                await n.__aenter__()
                nodes.append(n)
            async with a_node(gateway, client=dict(HOST, displayName="Aardvark")) as off:
                pass
            await gone(c, off.id)
            got = [(r["displayName"], r["connected"]) for r in (await c.call("node.list"))["nodes"]]
            assert got == [("Alpha", True), ("beta", True), ("zeta", True), ("Aardvark", False)]
            for n in nodes:
                await n.__aexit__()
    asyncio.run(go())


@pytest.mark.parametrize("platform,family,groups", [
    ("ios", None, "p"), ("iOS 17.2", None, "p"), ("android", None, "pm"), ("macos", None, "ps"),
    ("darwin", None, "ps"), ("windows", None, "s"), ("win32", None, "s"), ("linux", None, "s"),
    ("iPadOS 17", "iPad", "p"), ("plan9", "My Android Phone", "pm"), ("plan9", None, "psm"),
    (" LINUX", "iPhone", "s")])
def test_policy_of_platforms(gw, platform, family, groups):
    want = sorted(c for g in groups for c in LETTERS[g])
    client = dict(HOST, platform=platform, **({"deviceFamily": family} if family else {}))

    async def go():
        async with gw.client() as c, a_node(gw, client=client, commands=EVERY) as n:
            assert (await row_of(c, n.id))["commands"] == want
            for command in EVERY:
                e = None
                if command in want:
                    continue
                e = await refused(c, "node.invoke", {"nodeId": n.id, "command": command,
                                                     "idempotencyKey": "k"})
                assert e == {"code": "INVALID_REQUEST", "message": "node command not allowed",
                             "details": {"reason": "command not allowlisted",
                                         "command": command}}, e
    asyncio.run(go())


def test_policy_of_the_configuration(make_gateway):
    gw = make_gateway(config={"gateway": {"nodes": {
        "allowCommands": ["made.up", " camera.snap ", "both.lists"],
        "denyCommands": [" system.run ", "both.lists"]}}})

    async def go():
        async with gw.client() as c, a_node(gw, commands=EVERY + ["both.lists"]) as n:
            assert (await row_of(c, n.id))["commands"] == sorted(
                ["made.up", "camera.snap"] + [x for x in SYSTEM if x != "system.run"])
            rid = await invoke(c, n.id, "made.up")
            q = await n.asked()
            assert q["command"] == "made.up"
            await n.answers(q)
            await c.result(rid)
            e = await refused(c, "node.invoke", {"nodeId": n.id, "command": "system.run",
                                                 "idempotencyKey": "k"})
            assert e["details"]["reason"] == "command not allowlisted"
        # what was allowed at connect is asked about again at each command
        async with gw.client() as c, a_node(gw, commands=["made.up", "system.which"]) as n:
            config = json.loads(gw.config_path.read_text())
            config["gateway"]["nodes"] = {"denyCommands": ["system.which"]}
            gw.write_config(config)
            gw.call("gateway.reload")

            async def denied():
                for command in ("made.up", "system.which"):
                    rid = await invoke(c, n.id, command, timeoutMs=1)
                    try:
                        await c.result(rid)
                    except RpcError as e:
                        if e.message != "node command not allowed":
                            return False
                return True
            await until(denied)
    asyncio.run(go())


def test_a_second_socket_takes_the_place(gateway):
    async def go():
        async with gateway.client() as c:
            d = Device()
            old = await Node(gateway, d, commands=["system.run"]).__aenter__()
            waits = await invoke(c, d.id, "system.run")
            q = await old.asked()
            new = await Node(gateway, d, commands=["system.which"]).__aenter__()
            assert (await row_of(c, d.id))["commands"] == ["system.which"]
            # the new one was not asked, the old one was
            assert (await new.answers(q))["ignored"]
            await old.answers(q, payload="old")
            assert (await c.result(waits))["payload"] == "old"
            await old.__aexit__()
            await until(lambda: reason_is(c, d.id))
            assert (await row_of(c, d.id))["connected"]
            rid = await invoke(c, d.id)
            await new.answers(await new.asked(), payload="new")
            assert (await c.result(rid))["payload"] == "new"
            await new.__aexit__()
            await gone(c, d.id)
    asyncio.run(go())


async def reason_is(c, node_id):
    return any(p.get("deviceId") == node_id and p["reason"] == "disconnect"
               for p in await c.call("system-presence"))


def test_rules_of_a_node(gateway):
    file = {"version": 1, "agents": {"main": {"security": "full"}}}

    async def go():
        async with gateway.client() as admin, a_node(gateway, commands=["system.run"]) as n, \
                gateway.client(scopes=["operator.write"]) as c:
            # not declared, not asked about: who may this needs no policy
            rid = await admin.send("exec.approvals.node.get", {"nodeId": f" {n.id}"})
            q = await n.asked("system.execApprovals.get")
            assert q["paramsJSON"] == "{}" and "timeoutMs" not in q and "idempotencyKey" not in q
            await n.answers(q, payloadJSON=json.dumps({"file": file, "hash": "h"}))
            assert await admin.result(rid) == {"file": file, "hash": "h"}
            rid = await admin.send("exec.approvals.node.set", {
                "nodeId": n.id, "file": file, "baseHash": "h"})
            q = await n.asked("system.execApprovals.set")
            assert json.loads(q["paramsJSON"]) == {"file": file, "baseHash": "h"}
            await n.answers(q, payload={"hash": "h2"})
            assert await admin.result(rid) == {"hash": "h2"}
            rid = await admin.send("exec.approvals.node.get", {"nodeId": n.id})
            await n.answers(await n.asked(), ok=False, error={"code": "X", "message": "no"})
            with pytest.raises(RpcError) as e:
                await admin.result(rid)
            assert e.value.error == {"code": "UNAVAILABLE", "message": "no",
                                     "details": {"nodeError": {"code": "X", "message": "no"}}}
            none = {"code": "NOT_CONNECTED", "message": "node not connected"}
            assert await refused(admin, "exec.approvals.node.get", {"nodeId": "nobody"}) == {
                "code": "UNAVAILABLE", "message": "node not connected",
                "details": {"nodeError": none}}
            assert (await refused(admin, "exec.approvals.node.get", {"nodeId": " "}))["message"] \
                == "nodeId required"
        # and no way around it
        async with a_node(gateway, commands=SYSTEM) as n, gateway.client() as admin, \
                gateway.client(scopes=["operator.write"]) as c:
            for command in SYSTEM[3:5]:
                e = await refused(c, "node.invoke", {"nodeId": n.id, "command": command,
                                                     "idempotencyKey": "k"})
                assert e["message"] == "missing scope: operator.admin"
            rid = await invoke(admin, n.id, "system.execApprovals.get")
            await n.answers(await n.asked(), payload=1)
            assert (await admin.result(rid))["payload"] == 1
    asyncio.run(go())


def test_bins_of_skills(gateway):
    async def go():
        async with a_node(gateway) as n:
            assert await n.call("skills.bins", {}) == {"bins": []}
            assert await n.call("skills.bins") == {"bins": []}
    asyncio.run(go())


def test_nodes_without_a_device(gateway):
    """With the shared secret alone its id is what it says: then the last one
    that says so is asked."""
    async def go():
        async with gateway.client() as c, Node(gateway) as n:
            row = await row_of(c, "node-host")
            assert row["connected"] and not row["paired"]
            rid = await invoke(c, "node-host")
            await n.answers(await n.asked(), payload=1)
            assert (await c.result(rid))["payload"] == 1
            assert (await c.call("node.describe", {"nodeId": "node-host"}))["connected"]
    asyncio.run(go())
