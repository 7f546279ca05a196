# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A node as tests play it: a client in role node with commands of its own."""
import asyncio
import json

import pytest

from gateway import Client, Gateway, RpcError, modes
from test_protocol import Device

HOST = {"id": "node-host", "version": "2026.1.29", "platform": "linux", "mode": "node",
        "displayName": "Workbench"}


class Node(Client):
    """async with Node(gateway) as n: ...  n.id is its node id."""

    def __init__(self, gw, device=None, commands=("system.run", "system.which"), client=HOST,
                 token=None, headers=None, **connect):
        self.device, self.client, self.headers = device, dict(client), headers
        super().__init__(gw.url, gw.token if token is None else token, role="node",
                         client=self.client, commands=list(commands), **connect)
        self.id = device.id if device else client["id"]

    async def __aenter__(self):
        import websockets
        self.ws = await websockets.connect(self.url, max_size=None, ping_interval=None,
                                           extra_headers=self.headers)
        nonce = json.loads(await self.ws.recv())["payload"]["nonce"]
        params = {"minProtocol": 3, "maxProtocol": 3, "auth": {"token": self.token},
                  "scopes": [], **self.extra}
        if self.device is not None:
            params["device"] = self.device.block(nonce, [], self.token, self.client, "node")
        self.hello = await self.call("connect", params)
        return self

    async def asked(self, command=None):
        """The next command it is asked for, once."""
        m = await self.event(lambda m: m["event"] == "node.invoke.request" and
                             command in (None, m["payload"]["command"]))
        self.events.remove(m)
        return m["payload"]

    async def answers(self, q, ok=True, **result):
        return await self.call("node.invoke.result", {
            "id": q["id"], "nodeId": q["nodeId"], "ok": ok, **result})

    async def tell(self, event, payload):
        return await self.call("node.event", {"event": event, "payloadJSON": json.dumps(payload)})


def a_node(gw, **kw):
    return Node(gw, device=Device(), **kw)


async def invoke(c, node_id, command="system.which", key="k", **more):
    """Sends a node.invoke: the id of the request."""
    return await c.send("node.invoke", {"nodeId": node_id, "command": command,
                                        "idempotencyKey": key, **more})


async def until(what, timeout=60):
    """Waits until the coroutine function says something true: that."""
    end = asyncio.get_event_loop().time() + timeout
    while True:
        v = await what()
        if v:
            return v
        assert asyncio.get_event_loop().time() < end, "timed out"
        await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def gw():
    """One gateway for what leaves nothing behind."""
    g = Gateway(mode=modes()[0])
    try:
        yield g.start()
    finally:
        g.close()


async def refused(c, method, params):
    with pytest.raises(RpcError) as e:
        await c.call(method, params)
    return e.value.error


async def row_of(c, node_id):
    return next((n for n in (await c.call("node.list"))["nodes"] if n["nodeId"] == node_id), None)


async def gone(c, node_id):
    async def look():
        n = await row_of(c, node_id)
        return n is None or not n["connected"]
    await until(look)
