# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""OpenClaw's own headless node host: it pairs, is listed, runs commands that it
is asked for, and is gone when it has ended."""
import json
import subprocess

import pytest
from clients import OLD, OpenClaw
from gateway import RpcError, wait_for


@pytest.fixture(scope="module")
def host(gw):
    """Runs what it is asked to: its own rules are tried elsewhere."""
    claw = OpenClaw(OLD, gw)
    (claw.home / ".openclaw/exec-approvals.json").write_text(json.dumps({
        "version": 1, "defaults": {"security": "full", "ask": "off"}, "agents": {}}))
    out = open(claw.home / "out", "wb")
    p = subprocess.Popen(claw.command("node", "run", "--host", "127.0.0.1", "--port",
                                      str(gw.port), "--display-name", "Workbench"),
                         env=dict(claw.environ(), OPENCLAW_GATEWAY_TOKEN=gw.token),
                         cwd=claw.home, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                         start_new_session=True)
    try:
        yield p
    finally:
        p.terminate()
        p.wait(60)
        out.close()
        claw.close()


def node(gw):
    rows = [n for n in gw.call("node.list")["nodes"] if n.get("displayName") == "Workbench"]
    return rows[0] if rows and rows[0]["connected"] else None


def invoke(gw, row, command, params):
    answer = gw.call("node.invoke", {
        "nodeId": row["nodeId"], "command": command, "params": params,
        "idempotencyKey": command, "timeoutMs": 60000})
    assert answer["ok"], answer
    return answer.get("payload") or json.loads(answer["payloadJSON"])


def test_connects(gw, host):
    row = wait_for(lambda: node(gw), 180, "the node")
    assert {"system.run", "system.which"} <= set(row["commands"]), row
    assert row["paired"] and row["caps"]


def test_finds_a_program(gw, host):
    row = wait_for(lambda: node(gw), 180, "the node")
    got = invoke(gw, row, "system.which", {"bins": ["sh", "no-such-program"]})
    assert got["bins"]["sh"].endswith("/sh") and "no-such-program" not in got["bins"], got


def test_runs_a_command(gw, host):
    row = wait_for(lambda: node(gw), 180, "the node")
    got = invoke(gw, row, "system.run", {"command": ["sh", "-c", "echo from-the-node"]})
    assert got["success"] and got["exitCode"] == 0 and "from-the-node" in got["stdout"], got


def test_leaves(gw, host):
    row = wait_for(lambda: node(gw), 180, "the node")
    host.terminate()
    host.wait(60)
    wait_for(lambda: node(gw) is None, 120, "the node has left")
    with pytest.raises(RpcError) as e:
        gw.call("node.invoke", {"nodeId": row["nodeId"], "command": "system.which",
                                "params": {"bins": ["sh"]}, "idempotencyKey": "gone"})
    assert e.value.message == "node not connected", e.value
