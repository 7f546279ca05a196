# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""openclaw nodes, on the command line."""
import asyncio
import json

from noderig import HOST, a_node, gone
from test_openclaw import as_json, bad, good


async def said(f, *args):
    """A command, while nodes go on answering."""
    return await asyncio.get_event_loop().run_in_executor(None, lambda: f(*args))


def test_command_line(gateway):
    async def go():
        async with gateway.client() as c:
            assert "Known: 0" in good(gateway, "nodes", "status")
            assert "No node waits" in good(gateway, "nodes", "pending")
            assert as_json(gateway, "nodes", "pending") == []
            other = await a_node(gateway, client=dict(HOST, displayName="My \x1b[31mPhone!")).__aenter__()
            async with a_node(gateway, caps=["system"], pathEnv="/bin",
                              permissions={"mic": False}) as n:
                out = good(gateway, "nodes", "status")
                assert "Known: 2, paired: 2, connected: 2" in out and n.id in out
                assert "\x1b[31m" not in out
                for name in (n.id, n.id[:6], "workbench", " Workbench "[1:]):
                    out = good(gateway, "nodes", "describe", "--node", name)
                    assert n.id in out and "mic=no" in out and "  system.which\n" in out
                assert as_json(gateway, "nodes", "describe", "--node", "my-31mphone")["nodeId"] == \
                    other.id
                run = asyncio.ensure_future(said(
                    good, gateway, "nodes", "invoke", "--node", "Workbench", "--command",
                    "system.which", "--params", '{"bins":["ls"]}', "--idempotency-key", "once"))
                q = await n.asked()
                assert q["idempotencyKey"] == "once" and q["timeoutMs"] == 15000
                assert json.loads(q["paramsJSON"]) == {"bins": ["ls"]}
                await n.answers(q, payloadJSON='{"bins":{"ls":"/bin/ls"}}')
                assert json.loads(await run) == {"bins": {"ls": "/bin/ls"}}
                run = asyncio.ensure_future(said(as_json, gateway, "nodes", "invoke", "--node",
                                                 n.id, "--command", "system.which",
                                                 "--invoke-timeout", "60000"))
                await n.answers(await n.asked())
                m = await run
                assert m == {"ok": True, "nodeId": n.id, "command": "system.which",
                             "payloadJSON": None}
                text = await said(bad, gateway, "nodes", "invoke", "--node", n.id, "--command",
                                  "camera.snap")
                assert "node command not allowed" in text
                text = await said(bad, gateway, "nodes", "invoke", "--node", n.id, "--command",
                                  "system.which", "--invoke-timeout", "1")
                assert "node invoke timed out" in text
            await gone(c, n.id)
            rows = as_json(gateway, "nodes", "status", "--connected")["nodes"]
            assert [r["nodeId"] for r in rows] == [other.id]
            assert as_json(gateway, "nodes", "status", "--last-connected", "1h")["nodes"] == rows
            text = bad(gateway, "nodes", "describe", "--node", "nobody")
            assert text.startswith("Error: unknown node: nobody (known: ") and "Workbench" in text
            assert "--node <idOrNameOrIp>' not specified" in bad(gateway, "nodes", "describe")
            assert "--command <command>' not specified" in bad(gateway, "nodes", "invoke", "--node",
                                                               "x")
            assert "--params is no JSON" in bad(gateway, "nodes", "invoke", "--node", other.id,
                                                "--command", "x", "--params", "{")
            assert "duration" in bad(gateway, "nodes", "status", "--last-connected", "soon")
            # two of one name
            async with a_node(gateway, client=dict(HOST, displayName="my_31mphone")):
                assert "ambiguous node: my 31mphone (matches: " in bad(
                    gateway, "nodes", "describe", "--node", "my 31mphone")
            # the older list
            m = await c.call("node.pair.request", {"nodeId": other.id, "displayName": "Old"})
            rid = m["request"]["requestId"]
            assert rid in good(gateway, "nodes", "pending") and "Waiting (1)" in good(
                gateway, "nodes", "list")
            assert "its token: " in good(gateway, "nodes", "approve", rid)
            assert "unknown requestId" in bad(gateway, "nodes", "approve", rid)
            assert "unknown requestId" in bad(gateway, "nodes", "reject", rid)
            assert "missing required argument" in bad(gateway, "nodes", "reject")
            assert "is now called New" in good(gateway, "nodes", "rename", "--node", "old", "--name",
                                               "New")
            assert "unknown node: old (known: New)" in bad(gateway, "nodes", "rename", "--node",
                                                           "old", "--name", "x")
            m = as_json(gateway, "nodes", "list")
            assert m["pending"] == [] and m["paired"][0]["displayName"] == "New"
            assert as_json(gateway, "nodes", "list", "--connected")["paired"][0]["nodeId"] == other.id
            await other.__aexit__()
            await gone(c, other.id)
            assert as_json(gateway, "nodes", "list", "--connected") == {"pending": [], "paired": []}
            m = await c.call("node.pair.request", {"nodeId": "n1"})
            assert "Rejected node n1." in good(gateway, "nodes", "reject",
                                               m["request"]["requestId"])
    asyncio.run(go())


def test_command_line_rules_of_a_node(gateway):
    async def go():
        async with a_node(gateway) as n:
            file = {"version": 1, "defaults": {"ask": "off"}}

            async def serve(command, file_=None):
                q = await n.asked("system.execApprovals." + command)
                p = json.loads(q["paramsJSON"])
                await n.answers(q, payload={"path": "/n/list", "exists": True, "hash": "h1",
                                            "file": file_ or p.get("file")})
                return p

            run = asyncio.ensure_future(said(good, gateway, "approvals", "get", "--node",
                                             "workbench"))
            await serve("get", file)
            out = await run
            assert out.startswith("/n/list\n") and '"ask": "off"' in out
            run = asyncio.ensure_future(said(good, gateway, "approvals", "allowlist", "--node",
                                             n.id, "add", "/bin/ls"))
            await serve("get", file)
            p = await serve("set")
            assert p["baseHash"] == "h1" and p["file"] == dict(
                file, agents={"main": {"allowlist": [{"pattern": "/bin/ls"}]}})
            assert "Added." in await run
            # all agents of a file go to the node
            (gateway.dir / "f").write_text(json.dumps(dict(file, agents={"a": {}, "b": {}})))
            run = asyncio.ensure_future(said(as_json, gateway, "approvals", "set", "--node", n.id,
                                             "--file", str(gateway.dir / "f")))
            await serve("get", file)
            assert (await serve("set"))["file"]["agents"] == {"a": {}, "b": {}}
            assert (await run)["hash"] == "h1"
            assert "unknown node: nobody" in await said(bad, gateway, "approvals", "get", "--node",
                                                        "nobody")
    asyncio.run(go())
