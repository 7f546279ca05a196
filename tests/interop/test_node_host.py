# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""OpenClaw's own headless node host: it pairs, is listed, runs commands that it
is asked for, by OpenClaw's own command line too and with an approval, and is
gone when it has ended."""
import json
import re
import subprocess

import pytest
from clients import OLD, OpenClaw
from gateway import RpcError, wait_for


@pytest.fixture(scope="module")
def host(gw):
    """Runs what it is asked to, but for the agent `careful` only what somebody
    has allowed."""
    claw = OpenClaw(OLD, gw)
    (claw.home / ".openclaw/exec-approvals.json").write_text(json.dumps({
        "version": 1, "defaults": {"security": "full", "ask": "off"},
        "agents": {"careful": {"security": "allowlist", "ask": "always",
                               "askFallback": "deny"}}}))
    out = open(claw.home / "out", "wb")
    p = subprocess.Popen(claw.command("node", "run", "--host", "127.0.0.1", "--port",
                                      str(gw.port), "--display-name", "Workbench"),
                         env=dict(claw.environ(), OPENCLAW_GATEWAY_TOKEN=gw.token),
                         cwd=claw.home, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                         start_new_session=True)
    p.claw = claw
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


def test_is_shown(gw, host):
    """By the commands of OpenClaw's command line that read nodes."""
    row = wait_for(lambda: node(gw), 180, "the node")

    def say(*args):
        r = host.claw.run("nodes", *args)
        assert r.returncode == 0, r.stdout + r.stderr
        return r.stdout
    assert "Known: 1 · Paired: 1 · Connected: 1" in say("status", "--connected")
    assert re.search(r"Pending: 0", say("list"))
    seen = json.loads(say("describe", "--node", "Workbench", "--json"))
    assert seen["nodeId"] == row["nodeId"] and "system.run" in seen["commands"], seen
    assert "system.run" in say("describe", "--node", row["nodeId"])
    got = json.loads(say("invoke", "--node", "Workbench", "--command", "system.which",
                         "--params", '{"bins": ["sh"]}'))
    assert got["payload"]["bins"]["sh"].endswith("/sh"), got


@pytest.mark.parametrize("decision,said", [
    ("allow-once", "ran-on-the-node"), ("deny", "exec denied: user denied")])
def test_run_with_an_approval(gw, host, decision, said):
    """`nodes run` waits for a decision; what is allowed runs, and only that."""
    wait_for(lambda: node(gw), 180, "the node")
    p = subprocess.Popen(
        host.claw.command("nodes", "run", "--node", "Workbench", "--agent", "careful",
                          "echo", "ran-on-the-node"),
        env=host.claw.environ(), cwd=host.claw.home, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        asked = wait_for(lambda: [a for a in gw.call("exec.approval.list")["approvals"]
                                  if a["request"]["command"] == "echo ran-on-the-node"],
                         180, "the question")
        assert p.poll() is None and asked[0]["request"]["host"] == "node", asked
        gw.call("exec.approval.resolve", {"id": asked[0]["id"], "decision": decision})
        out, _ = p.communicate(timeout=180)
    finally:
        p.kill()
        p.wait(60)
    assert said in out and (p.returncode == 0) == (decision == "allow-once"), out
    print(f"{decision}: {out.strip().splitlines()[-1]}")


def test_leaves(gw, host):
    row = wait_for(lambda: node(gw), 180, "the node")
    host.terminate()
    host.wait(60)
    wait_for(lambda: node(gw) is None, 120, "the node has left")
    with pytest.raises(RpcError) as e:
        gw.call("node.invoke", {"nodeId": row["nodeId"], "command": "system.which",
                                "params": {"bins": ["sh"]}, "idempotencyKey": "gone"})
    assert e.value.message == "node not connected", e.value
