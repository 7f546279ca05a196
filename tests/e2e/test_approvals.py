# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Commands that an operator is asked about, in whole gateways: who may answer,
what an answer is worth, and what is left when a process dies meanwhile."""
import asyncio
import json
import os
import pty
import select
import subprocess
import threading
import time
import uuid

import pytest
from gateway import RpcError, modes, wait_for
from test_openclaw import BIN, argv_as, bad, environ, good, openclaw

OPERATOR = {"minProtocol": 3, "maxProtocol": 3,
            "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"}}


class Run:
    """One `agent` request whose answer is waited for elsewhere."""

    def __init__(self, gw, text, session="main", **more):
        self.out = self.error = None
        self.key = str(uuid.uuid4())
        self.params = {"message": text, "sessionKey": session, "idempotencyKey": self.key, **more}
        self.gw = gw
        self.thread = threading.Thread(target=self._go, daemon=True)
        self.thread.start()

    def _go(self):
        try:
            c = self.gw.control(120)
            r = c.call("agent", self.params, final=True)
            self.out = "".join(p["text"] for p in r["result"]["payloads"])
        except Exception as e:
            self.error = e

    def end(self):
        self.thread.join(120)
        assert not self.thread.is_alive()
        return self.out

    def asked(self):
        return asked(self.gw)


def asked(gw):
    """The one open question."""
    def one():
        got = gw.call("exec.approval.list")["approvals"]
        return got[0] if got else None
    return wait_for(one, 60, "a question")


def watcher(gw, **more):
    c = gw.control(60)
    c.call("connect", {**OPERATOR, **more})
    return c


def event(c, name):
    for m in c.events:
        if m["event"] == name:
            c.events.remove(m)
            return m["payload"]
    end = time.monotonic() + 60
    while time.monotonic() < end:       # ticks come all the time
        m = c.recv()
        if m.get("event") == name:
            return m["payload"]
    raise AssertionError(f"no {name}")


def made(gw, name):
    return (gw.state / "workspace" / name).exists()


def rows(gw):
    return gw.call("exec.approvals.get")["file"]["agents"]


# --- the rule ------------------------------------------------------------------

def test_the_newcomers_command_runs_at_once(gateway):
    """Nothing configured: what only reads runs, in both doors."""
    c = watcher(gateway)
    run = Run(gateway, "run: uname -a")
    assert "Linux" in run.end()
    assert "hello" in Run(gateway, "run: echo hello | cat").end()
    # and a command that writes is asked about; nothing else was
    run = Run(gateway, "run: touch made.txt")
    q = event(c, "exec.approval.requested")
    assert q["request"]["command"] == "touch made.txt"
    assert q["request"]["agentId"] == "main" and q["request"]["host"] == "sandbox"
    assert q["request"]["cwd"] == str(gateway.state / "workspace")
    assert q["request"]["resolvedPath"] == "/usr/bin/touch"
    assert q["request"]["security"] == "allowlist" and q["request"]["ask"] == "on-miss"
    assert q["request"]["sessionKey"] == "agent:main:main"
    assert q["expiresAtMs"] - q["createdAtMs"] == 120000 and q["allowAlways"]
    assert not made(gateway, "made.txt")
    assert c.call("exec.approval.resolve", {"id": q["id"], "decision": "allow-once"}) == \
        {"ok": True}
    run.end()
    assert made(gateway, "made.txt")
    e = event(c, "exec.approval.resolved")
    assert e["id"] == q["id"] and e["decision"] == "allow-once" and e["resolvedBy"]
    # once is once, always is always, and across a restart of the process
    run = Run(gateway, "run: touch again.txt")
    q = run.asked()
    c.call("exec.approval.resolve", {"id": q["id"], "decision": "allow-always"})
    run.end()
    assert made(gateway, "again.txt")
    f = gateway.state / "toold/main/exec-approvals.json"
    assert "/usr/bin/touch" in f.read_text() and f.stat().st_mode & 0o777 == 0o600
    gateway.kill("toold/main")
    Run(gateway, "run: touch third.txt").end()
    wait_for(lambda: made(gateway, "third.txt") or
             Run(gateway, "run: touch third.txt").end() and made(gateway, "third.txt"),
             60, "the new process knows the grant")
    assert gateway.call("exec.approval.list")["approvals"] == []


def test_denied_and_expired(make_gateway):
    gw = make_gateway()
    run = Run(gw, "run: touch no.txt")
    q = run.asked()
    with pytest.raises(RpcError, match="invalid decision"):
        gw.call("exec.approval.resolve", {"id": q["id"], "decision": "yes"})
    gw.call("exec.approval.resolve", {"id": q["id"], "decision": "deny"})
    assert "enied" in run.end()
    gw = make_gateway({"tools": {"exec": {"askTimeoutSec": 2}}})
    c = watcher(gw)
    run = Run(gw, "run: touch no.txt")
    q = event(c, "exec.approval.requested")
    assert "no operator approved" in run.end()
    with pytest.raises(RpcError, match="unknown approval id"):
        gw.call("exec.approval.resolve", {"id": q["id"], "decision": "allow-once"})
    assert not made(gw, "no.txt")


def test_fallback_and_stricter_file(make_gateway):
    gw = make_gateway({"tools": {"exec": {"askTimeoutSec": 1, "security": "full"}}})
    c = gw.control()
    snap = c.call("exec.approvals.get")
    file = {"version": 1, "agents": {"main": {"ask": "always", "askFallback": "full"}}}
    snap = c.call("exec.approvals.set", {"file": file, "baseHash": snap["hash"]})
    Run(gw, "run: touch fell.txt").end()
    assert made(gw, "fell.txt")
    file["agents"]["main"] = {"security": "deny"}
    c.call("exec.approvals.set", {"file": file, "baseHash": snap["hash"]})
    assert "switched off" in Run(gw, "run: echo hi").end()
    for params, text in (({"file": file}, "base hash required"),
                         ({"file": file, "baseHash": "x"}, "changed since last load"),
                         ({}, "must have required property 'file'"),
                         ({"file": {}, "x": 1}, "unexpected property 'x'"),
                         ({"file": file, "agentId": "nobody"}, "unknown agent id")):
        with pytest.raises(RpcError, match=text):
            c.call("exec.approvals.set", params)


def test_time_limit_of_the_run_stands_still(make_gateway):
    """A human takes longer than the turn may."""
    gw = make_gateway()
    run = Run(gw, "run: touch slow.txt", timeout=2)
    q = run.asked()
    # the run's two seconds are over for certain
    wait_for(lambda: time.time() * 1000 > q["createdAtMs"] + 4000, 60)
    gw.call("exec.approval.resolve", {"id": q["id"], "decision": "allow-once"})
    run.end()
    assert made(gw, "slow.txt")


# --- who may answer --------------------------------------------------------------

def test_T25_only_operators_with_the_scope(make_gateway):
    gw = make_gateway()

    async def go():
        async with gw.client(scopes=["operator.read", "operator.write"]) as low, \
                gw.client(scopes=["operator.approvals"]) as high, \
                gw.client(scopes=["operator.approvals"]) as third:
            run = Run(gw, "run: touch secret.txt")
            q = (await high.event(
                lambda m: m["event"] == "exec.approval.requested"))["payload"]
            for method, params in (("exec.approval.resolve",
                                    {"id": q["id"], "decision": "allow-once"}),
                                   ("exec.approval.list", {}),
                                   ("exec.approval.waitDecision", {"id": q["id"]}),
                                   ("exec.approval.request", {"command": "x"})):
                with pytest.raises(RpcError, match="missing scope: operator.approvals"):
                    await low.call(method, params)
            for method, params in (("exec.approvals.get", {}),
                                   ("exec.approvals.set", {"file": {"version": 1}})):
                with pytest.raises(RpcError, match="missing scope: operator.admin"):
                    await high.call(method, params)
            assert not made(gw, "secret.txt")
            wait = await third.send("exec.approval.waitDecision", {"id": q["id"]})
            await high.call("exec.approval.resolve", {"id": q["id"], "decision": "deny"})
            # single use
            with pytest.raises(RpcError, match="unknown approval id"):
                await high.call("exec.approval.resolve",
                                {"id": q["id"], "decision": "allow-once"})
            got = await third.result(wait)
            assert got["decision"] == "deny" and got["id"] == q["id"]
            run.end()
            assert not made(gw, "secret.txt")
            await low.call("health")
            assert not [m for m in low.events if "approval" in m["event"]]
    asyncio.run(go())


def test_T25_narrowed_control_connection(make_gateway):
    gw = make_gateway()
    run = Run(gw, "run: touch x.txt")
    q = run.asked()
    c = watcher(gw, scopes=["operator.read", "operator.write"])
    with pytest.raises(RpcError, match="missing scope"):
        c.call("exec.approval.resolve", {"id": q["id"], "decision": "allow-once"})
    c.close()
    gw.call("exec.approval.resolve", {"id": q["id"], "decision": "deny"})
    run.end()
    assert not made(gw, "x.txt")


def test_T24_no_approval_in_parameters(make_gateway):
    gw = make_gateway()
    for extra in ("approved", "approvalDecision", "resolvedBy"):
        for method in ("agent", "chat.send"):
            with pytest.raises(RpcError, match="unexpected property"):
                gw.call(method, {"message": "run: touch x", "sessionKey": "main",
                                 "idempotencyKey": str(uuid.uuid4()), extra: "allow-once"})
    assert gw.call("exec.approval.list")["approvals"] == []


def test_questions_of_clients(make_gateway):
    gw = make_gateway()
    c, other = watcher(gw), watcher(gw)

    def request(params, box):
        try:
            box.append(gw.call("exec.approval.request", params))
        except RpcError as e:
            box.append(e)

    box = []
    t = threading.Thread(target=request, args=({"id": "mine-1", "command": "ls", "cwd": None,
                                                "agentId": "main", "timeoutMs": 60000}, box))
    t.start()
    q = event(c, "exec.approval.requested")
    assert q["id"] == "mine-1" and q["requestedBy"]
    assert q["request"] == {"command": "ls", "cwd": None, "host": None, "security": None,
                            "ask": None, "agentId": "main", "resolvedPath": None,
                            "sessionKey": None}
    with pytest.raises(RpcError, match="approval id already pending"):
        other.call("exec.approval.request", {"id": "mine-1", "command": "x"})
    other.call("exec.approval.resolve", {"id": "mine-1", "decision": "allow-always"})
    t.join(60)
    assert box[0]["decision"] == "allow-always" and box[0]["id"] == "mine-1"
    # nobody answers
    got = other.call("exec.approval.request", {"command": "x", "timeoutMs": 1})
    assert got["decision"] is None and got["expiresAtMs"] == got["createdAtMs"] + 1
    # the requester goes: its question goes too

    async def leave():
        async with gw.client() as gone:
            await gone.send("exec.approval.request", {"id": "mine-2", "command": "x"})
            await gone.event(lambda m: m["event"] == "exec.approval.requested")
    asyncio.run(leave())
    wait_for(lambda: not gw.call("exec.approval.list")["approvals"], 60, "its end")
    for bad_params in ({"command": ""}, {}, {"command": "x", "cwd": 1},
                       {"command": "x", "id": "a b"}, {"command": "x", "timeoutMs": 0}):
        with pytest.raises(RpcError, match="invalid exec.approval.request params"):
            other.call("exec.approval.request", bad_params)


# --- processes die meanwhile --------------------------------------------------------

@pytest.mark.parametrize("who", ["toold/main", "jailer/main", "router", "agentd/main"])
def test_killed_while_a_question_is_open(make_gateway, who):
    """It ends once, and nothing runs that was not approved."""
    # Long enough to be killed meanwhile, and where only time ends it not longer.
    gw = make_gateway({"tools": {"exec": {"askTimeoutSec": 20}}} if who == "router" else None)
    run = Run(gw, "run: touch killed.txt")
    q = run.asked()
    gw.kill(who)
    if who in ("toold/main", "agentd/main"):
        # the question is withdrawn, whatever is answered is too late
        wait_for(lambda: gw.call("exec.approval.list")["approvals"] == [], 60, "no question")
        with pytest.raises(RpcError, match="unknown approval id"):
            gw.call("exec.approval.resolve", {"id": q["id"], "decision": "allow-once"})
    elif who == "router":
        def told():         # the call's end: nobody answered in time
            try:
                assert {a["id"] for a in gw.call("exec.approval.list")["approvals"]} <= {q["id"]}
                h = gw.call("chat.history", {"sessionKey": "main"})["messages"]
            except (OSError, EOFError, RpcError):
                return False
            return [m["isError"] for m in h if m["role"] == "toolResult"]
        assert wait_for(told, 120, "the end of the call") == [True]
    else:
        gw.call("exec.approval.resolve", {"id": q["id"], "decision": "deny"})
    run.end()
    assert not made(gw, "killed.txt")
    # all is as before: a new question can be asked and answered

    def works():
        r = Run(gw, "run: touch after.txt", session="agent:main:after")
        end = time.monotonic() + 30
        while r.thread.is_alive() and time.monotonic() < end:
            for a in gw.call("exec.approval.list")["approvals"]:
                assert a["request"]["command"] == "touch after.txt"
                try:
                    gw.call("exec.approval.resolve", {"id": a["id"], "decision": "allow-once"})
                except RpcError as e:       # it has ended meanwhile
                    assert "unknown approval id" in str(e)
            time.sleep(0.02)
        return made(gw, "after.txt")
    wait_for(works, 90, "a command after that")
    assert not made(gw, "killed.txt")


def test_router_killed_then_answered(make_gateway):
    """The question outlives the router and is answered once, run once."""
    gw = make_gateway()
    key = str(uuid.uuid4())
    c = gw.control()
    c.call("chat.send", {"sessionKey": "main", "idempotencyKey": key,
                         "message": "run: mkdir once.d"})
    run = asked(gw)
    gw.kill("router")

    def again():
        try:
            return [a for a in gw.call("exec.approval.list")["approvals"]
                    if a["id"] == run["id"]]
        except (OSError, EOFError, RpcError):
            return None
    wait_for(again, 60, "the same question")
    gw.call("exec.approval.resolve", {"id": run["id"], "decision": "allow-once"})
    wait_for(lambda: made(gw, "once.d"), 60, "the command")
    with pytest.raises(RpcError, match="unknown approval id"):
        gw.call("exec.approval.resolve", {"id": run["id"], "decision": "allow-once"})

    def answered():
        h = gw.call("chat.history", {"sessionKey": "main"})["messages"]
        return h[-1]["role"] == "assistant" and h[-1].get("stopReason") == "stop" and h
    h = wait_for(answered, 60, "the answer")
    # a second run of mkdir would have failed
    assert [m["isError"] for m in h if m["role"] == "toolResult"] == [False]


def test_stopped_by_the_user(make_gateway):
    gw = make_gateway()
    c = watcher(gw)
    c.call("chat.send", {"sessionKey": "main", "message": "run: touch x.txt",
                         "idempotencyKey": str(uuid.uuid4())})
    q = event(c, "exec.approval.requested")
    assert c.call("chat.abort", {"sessionKey": "main"})["aborted"]
    e = event(c, "exec.approval.resolved")
    assert e["id"] == q["id"] and e["decision"] == "deny" and e["resolvedBy"] is None
    assert c.call("exec.approval.list")["approvals"] == [] and not made(gw, "x.txt")


# --- the command line ------------------------------------------------------------------

@pytest.mark.parametrize("mode", modes())
def test_openclaw_approvals(make_gateway, mode):
    gw = make_gateway(mode=mode)
    assert good(gw, "approvals", "list") == "No command waits for an answer.\n"
    run = Run(gw, "run: touch one.txt")
    q = run.asked()
    text = good(gw, "approvals", "list")
    assert q["id"] in text and "command  touch one.txt" in text and "agent    main" in text
    assert json.loads(good(gw, "approvals", "list", "--json"))["approvals"][0]["id"] == q["id"]
    assert "no command waits under the id zzzz" in bad(gw, "approvals", "allow", "zzzz")
    assert good(gw, "approvals", "allow", q["id"][:8]) == f"{q['id']}: allowed once\n"
    run.end()
    assert made(gw, "one.txt")
    run = Run(gw, "run: touch two.txt")
    assert "denied" in good(gw, "approvals", "deny", run.asked()["id"])
    run.end()
    assert not made(gw, "two.txt")
    run = Run(gw, "run: touch three.txt")
    assert "from now on" in good(gw, "exec-approvals", "allow", run.asked()["id"], "--always")
    run.end()
    assert made(gw, "three.txt")
    assert '"/usr/bin/touch"' in good(gw, "approvals", "get")
    assert good(gw, "approvals", "allowlist", "remove", "/usr/bin/touch") == "Removed.\n"
    assert '"/usr/bin/touch"' not in good(gw, "approvals", "get")
    assert "is not on the list" in bad(gw, "approvals", "allowlist", "remove", "/usr/bin/touch")
    assert good(gw, "approvals", "allowlist", "add", "/usr/bin/mkdir") == "Added.\n"
    assert "already" in bad(gw, "approvals", "allowlist", "add", "/usr/bin/mkdir")
    Run(gw, "run: mkdir made.d").end()
    assert made(gw, "made.d")
    assert good(gw, "approvals", "allowlist", "remove", "/usr/bin/uname") == "Removed.\n"
    f = gw.dir / "list.json"
    f.write_text(json.dumps({"version": 1, "socket": {"path": "/x", "token": "y"}, "agents": {
        "main": {"allowlist": [{"pattern": "/usr/bin/uname"}]}, "other": {}}}))
    f.chmod(0o644)
    r = openclaw(gw, "approvals", "set", "--file", str(f))
    assert r.returncode == 0 and "agents.other is left out" in r.stderr, r
    assert list(rows(gw)) == ["main"]
    assert "Linux" in Run(gw, "run: uname").end()
    f.write_text("{")
    assert "is not JSON" in bad(gw, "approvals", "set", "--file", str(f))
    assert "give --file or --stdin" in bad(gw, "approvals", "set")
    assert "add or remove" in bad(gw, "approvals", "allowlist", "x", "y")


def on_terminal(gw, answer, *args):
    """`openclaw agent` on a pseudo-terminal; what was shown."""
    main, side = pty.openpty()
    p = subprocess.Popen(argv_as(gw, [str(BIN / "openclaw"), "agent", *args]), env=environ(gw),
                         stdin=side, stdout=side, stderr=side, start_new_session=True)
    os.close(side)
    out, said = b"", False
    end = time.monotonic() + 90
    try:
        while time.monotonic() < end:
            if not select.select([main], [], [], 1)[0]:
                continue
            try:
                d = os.read(main, 65536)
            except OSError:
                break
            if not d:
                break
            out += d
            if not said and b"[n] deny" in out:
                said = True
                os.write(main, answer)
        assert p.wait(60) is not None
    finally:
        p.kill()
        os.close(main)
    return out.decode(errors="replace"), p.returncode


@pytest.mark.parametrize("mode", modes())
def test_openclaw_agent_asks_on_the_terminal(make_gateway, mode):
    gw = make_gateway(mode=mode)
    out, code = on_terminal(gw, b"y\n", "-m", "run: touch tty.txt")
    assert code == 0 and "wants to run a command" in out and "touch tty.txt" in out, out
    assert made(gw, "tty.txt")
    out, code = on_terminal(gw, b"n\n", "-m", "run: touch no.txt")
    assert "refused this command" in out and not made(gw, "no.txt"), out
    out, code = on_terminal(gw, b"x\na\n", "-m", "run: touch all.txt", "--session-key", "main")
    assert code == 0 and made(gw, "all.txt"), out
    assert "/usr/bin/touch" in json.dumps(rows(gw))


def test_openclaw_agent_without_a_terminal(make_gateway):
    gw = make_gateway()
    p = subprocess.Popen([str(BIN / "openclaw"), "agent", "-m", "run: touch tool.txt"],
                         env=environ(gw), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    line = ""
    while "openclaw approvals allow" not in line:
        line = p.stderr.readline()
        assert line, "the end of standard error"
    good(gw, "approvals", "allow", line.split("approvals allow ")[1].split("`")[0])
    assert p.wait(60) == 0
    p.stdout.close()
    p.stderr.close()
    assert made(gw, "tool.txt")
