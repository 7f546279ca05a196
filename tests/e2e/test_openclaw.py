# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Every command of openclaw(1) against running gateways and against none."""
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import socket
import struct
import subprocess
import termios

import pytest

from gateway import (BIN, NOBODY, ROOT, UID_BASE, Gateway, RpcError, births, living, modes,
                     wait_for)

COMMANDS = re.findall(r'^COMMAND\("([^"]+)",\s*(\w+),',
                      (ROOT / "openclaw/commands.def").read_text(), re.M)


def argv_as(gw, cmd):
    if not gw.drop:
        return cmd
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *cmd]


def environ(gw, **env):
    e = {"PATH": "/usr/bin:/bin", "HOME": str(gw.dir), "OPENCLAW_STATE_DIR": str(gw.state),
         "LANG": "C.UTF-8"}
    for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        if k in os.environ:
            e[k] = os.environ[k]
    e.update(env)
    return e


def openclaw(gw, *args, **env):
    return subprocess.run(argv_as(gw, [str(BIN / "openclaw"), *args]), env=environ(gw, **env),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)


def good(gw, *args, **env):
    r = openclaw(gw, *args, **env)
    assert r.returncode == 0, (args, r.returncode, r.stdout, r.stderr)
    assert r.stderr == "", (args, r.stderr)
    return r.stdout


def as_json(gw, *args, **env):
    """One document, indented by two blanks, and nothing else."""
    text = good(gw, *args, "--json", **env)
    j = json.loads(text)
    assert text.endswith("\n") and not text.endswith("\n\n")
    if isinstance(j, dict) and j:
        assert text.startswith('{\n  "'), text[:40]
    assert "\033" not in text
    return j


def bad(gw, *args, status=1, **env):
    r = openclaw(gw, *args, **env)
    assert r.returncode == status, (args, r.returncode, r.stdout, r.stderr)
    return r.stderr


@pytest.fixture(scope="module", params=modes())
def gw(request):
    """One gateway for all commands that leave it running."""
    gw = Gateway(mode=request.param)
    gw.start()
    yield gw
    gw.close()


# --- every command ----------------------------------------------------------

def test_every_command_is_tried():
    """Whoever adds a command adds it below, or where its subject is tested."""
    text = "".join(p.read_text() for p in pathlib.Path(__file__).parent.glob("test_*.py"))
    for name, _ in COMMANDS:
        words = ", ".join(f'"{w}"' for w in name.split())
        if name != "completion":    # that one is in test_service.py
            assert words in text, name


def test_nodes_where_there_are_none(gw):
    """With nodes: test_nodes.py."""
    assert "Known: 0, paired: 0, connected: 0" in good(gw, "nodes", "status")
    assert as_json(gw, "nodes", "list") == {"pending": [], "paired": []}
    assert "No node waits" in good(gw, "nodes", "pending")
    for words in (["nodes", "describe"], ["nodes", "rename", "--name", "x"],
                  ["nodes", "invoke", "--command", "x"]):
        assert "unknown node: x\n" in bad(gw, *words, "--node", "x")
    for words in (["nodes", "approve"], ["nodes", "reject"]):
        assert "unknown requestId" in bad(gw, *words, "x")


def test_gateway_status(gw):
    text = good(gw, "gateway", "status")
    assert "Gateway: running, answers" in text and f"State: {gw.state}" in text
    j = as_json(gw, "gateway", "status")
    assert j["rpc"]["ok"] is True and j["service"]["loaded"] is True
    assert j["service"]["runtime"] == {"status": "running", "pid": gw.proc.pid}
    assert j["service"]["configAudit"] == {"ok": True, "issues": []}
    assert j["config"]["cli"] == {"path": str(gw.config_path), "exists": False, "valid": True}
    assert j["config"]["daemon"] == {**j["config"]["cli"], "issues": []}
    assert j["gateway"] == {"bindMode": "loopback", "bindHost": "127.0.0.1", "port": gw.port,
                            "portSource": "command line or environment",
                            "probeUrl": f"ws://127.0.0.1:{gw.port}"}
    p = j["port"]
    assert (p["port"], p["status"], p["hints"]) == (gw.port, "busy", [])
    v4 = [x for x in p["listeners"] if x["address"] == f"127.0.0.1:{gw.port}"]
    assert len(v4) == 1 and v4[0]["pid"] == gw.proc.pid and v4[0]["command"] == "gatewayd"
    assert str(gw.port) in v4[0]["commandLine"] and v4[0]["user"]
    assert list(j) == ["service", "config", "gateway", "port", "rpc", "extraServices"]
    assert f"Port: {gw.port} (command line or environment), in use" in text
    assert f"127.0.0.1:{gw.port}, pid {gw.proc.pid}, gatewayd, user " in text
    # of another machine: nothing of this one is said
    j = as_json(gw, "gateway", "status", "--url", gw.url, "--token", gw.token)
    assert "port" not in j and j["gateway"]["port"] == gw.port and j["rpc"]["url"] == gw.url


def test_gateway_status_of_none(make_gateway):
    """Nobody answers: the port is looked at all the same."""
    g = make_gateway(start=False)
    port = dict(OPENCLAW_GATEWAY_PORT=str(g.port))
    r = openclaw(g, "gateway", "status", "--json", **port)
    j = json.loads(r.stdout)
    assert r.returncode == 1 and j["service"]["runtime"] == {"status": "stopped"}
    assert j["rpc"]["ok"] is False and j["rpc"]["error"]
    assert j["gateway"]["portSource"] == "env" and "probeNote" in j["gateway"]
    assert j["port"] == {"port": g.port, "status": "free", "listeners": [], "hints": []}
    with socket.create_server(("127.0.0.1", g.port)):
        j = json.loads(openclaw(g, "gateway", "status", "--json", **port).stdout)
        assert j["port"]["status"] == "busy" and len(j["port"]["hints"]) == 1
        assert [x["address"] for x in j["port"]["listeners"]] == [f"127.0.0.1:{g.port}"]
        if os.geteuid() == 0 and not g.drop:
            assert j["port"]["listeners"][0]["pid"] == os.getpid()
        text = openclaw(g, "gateway", "status", **port).stdout
        assert "in use" in text and "Another program has the port" in text


def test_gateway_processes(gw):
    text = good(gw, "gateway", "processes")
    rows = [[c.strip() for c in ln.strip("│").split("│")] for ln in text.splitlines()
            if ln.startswith("│")]
    assert rows[0][:4] == ["Process", "State", "Pid", "User"]
    names = {r[0] for r in rows[1:]}
    assert {"gatewayd", "log", "store", "connect", "router", "front", "agentd/main",
            "toold/main", "jailer/main", "files/main"} <= names
    assert all(r[1] == "running" for r in rows[1:])
    assert f"{gw.mode} mode" in text
    j = as_json(gw, "gateway", "processes")
    assert {p["name"] for p in j["processes"]} == names
    assert j["processes"][0]["pid"] == gw.proc.pid
    for p in j["processes"]:
        assert os.stat(f"/proc/{p['pid']}").st_uid in (0, p["uid"], UID_BASE, NOBODY) or \
            p["uid"] == os.stat(f"/proc/{p['pid']}").st_uid


def test_health_and_status(gw):
    for cmd in (("health",), ("gateway", "health")):
        assert re.search(r"^Gateway:\s+ok$", good(gw, *cmd), re.M)
        j = as_json(gw, *cmd)
        assert j["ok"] is True and j["defaultAgentId"] == "main"
        assert set(j) >= {"ts", "durationMs", "channels", "channelOrder", "channelLabels",
                          "heartbeatSeconds", "agents", "sessions"}
    assert "Sessions:" in good(gw, "status")
    text = good(gw, "status", "--all")
    assert "Agent:" in text and '"agentd/main"' in text
    assert "Agent:" in good(gw, "status", "--deep")
    j = as_json(gw, "status")
    assert set(j) >= {"heartbeat", "channelSummary", "queuedSystemEvents", "sessions", "gateway"}
    assert j["gateway"]["reachable"] is True and "health" not in j
    assert "health" in as_json(gw, "status", "--deep")
    assert "processes" in as_json(gw, "status", "--all")
    u = as_json(gw, "status", "--usage")["usage"]
    assert u["providers"] == [] and u["updatedAt"] > 0
    good(gw, "agent", "-m", "what time is it?", "--session-key", "agent:main:usage")
    u = as_json(gw, "status", "--usage")["usage"]["tokens"]
    row = [s for s in u["sessions"] if s["key"] == "agent:main:usage"][0]
    assert row["model"] == "assistant" and row["modelProvider"] == "builtin"
    assert row["totalTokens"] > 0 and 0 < row["inputTokens"] <= u["input"]
    text = good(gw, "status", "--usage")
    assert "agent:main:usage" in text and re.search(r"^Quota: ", text, re.M)
    assert "usage" not in as_json(gw, "status")


def test_agent(gw):
    text = good(gw, "agent", "-m", "run: uname -a")
    assert "Linux sandbox" in text
    j = as_json(gw, "agent", "--message", "create a file cli.txt with: from the cli")
    assert (j["status"], j["summary"]) == ("ok", "completed")
    assert re.fullmatch(r"[0-9a-f-]{36}", j["runId"])
    assert "cli.txt" in j["result"]["payloads"][0]["text"]
    meta = j["result"]["meta"]
    assert meta["agentMeta"]["provider"] == "builtin" and meta["aborted"] is False
    assert (gw.state / "workspace/cli.txt").read_text().strip() == "from the cli"
    key = "agent:main:cli-test"
    one = as_json(gw, "agent", "-m", "what time is it?", "--session-key", key)
    sid = one["result"]["meta"]["agentMeta"]["sessionId"]
    again = as_json(gw, "agent", "-m", "what time is it?", "--session-key", key)
    assert again["result"]["meta"]["agentMeta"]["sessionId"] == sid
    assert as_json(gw, "agent", "-m", "hi", "--agent", "main", "--thinking", "low")
    assert bad(gw, "agent") == "error: required option '-m, --message <text>' not specified\n"
    assert bad(gw, "agent", "-m") == "error: option '-m, --message <text>' argument missing\n"
    assert 'unknown agent id "zz"' in bad(gw, "agent", "-m", "x", "--agent", "zz")
    assert "UTF-8" in bad(gw, "agent", "-m", "\udcff\udcfe")
    # A terminal is not driven by what an agent says.
    out = good(gw, "agent", "-m", "run: printf 'a\\033]0;x\\007b'")
    assert "\033" not in out and "\007" not in out
    # The seconds of --timeout, not milliseconds.
    r = openclaw(gw, "agent", "-m", "run: sleep 300", "--timeout", "1", "--session-key",
                 "agent:main:slow")
    assert "sleep" not in r.stderr


def test_sessions(gw):
    good(gw, "agent", "-m", "hi", "--session-key", "agent:main:listed")

    def row():
        j = as_json(gw, "sessions")
        assert {"path", "count", "activeMinutes", "sessions"} <= set(j)
        assert j["activeMinutes"] is None and j["count"] == len(j["sessions"])
        return [s for s in j["sessions"] if s["key"] == "agent:main:listed"]

    s = wait_for(row, what="the session is listed")[0]
    assert s["kind"] == "direct" and s["ageMs"] >= 0 and s["sessionId"]
    assert "agent:main:listed" in good(gw, "sessions")
    assert as_json(gw, "sessions", "--active", "5")["activeMinutes"] == 5
    assert "--active takes a whole number" in bad(gw, "sessions", "--active", "x")


def test_logs(gw):
    text = good(gw, "logs", "--limit", "5")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \w+ +\w", text)
    lines = [json.loads(x) for x in good(gw, "logs", "--json").splitlines()]
    assert lines[0]["type"] == "meta" and {"file", "cursor", "size"} <= set(lines[0])
    assert any("ready" in x["message"] for x in lines if x["type"] == "log")
    assert all(set(x) == {"type", "time", "level", "subsystem", "message", "raw"}
               for x in lines if x["type"] == "log")
    for raw in good(gw, "logs", "--plain").splitlines():
        json.loads(raw)
    r = openclaw(gw, "logs", "--max-bytes", "50")
    assert (r.returncode, r.stderr) == (0, "older lines left out (--max-bytes, --limit)\n")
    assert "--limit takes a whole number" in bad(gw, "logs", "--limit", "0")


def test_logs_follow(gw):
    p = subprocess.Popen(argv_as(gw, [str(BIN / "openclaw"), "logs", "--follow", "--interval",
                                      "50"]), env=environ(gw), stdout=subprocess.PIPE, bufsize=0)
    try:
        assert p.stdout.readline()
        good(gw, "gateway", "reload")
        os.set_blocking(p.stdout.fileno(), False)
        got = bytearray()

        def seen():
            try:
                got.extend(os.read(p.stdout.fileno(), 65536))
            except BlockingIOError:
                pass
            return b"generation" in got

        wait_for(seen, what="the reload in the log")
        assert p.poll() is None
    finally:
        p.send_signal(signal.SIGINT)
        p.wait(120)
        p.stdout.close()


def test_status_does_not_call_a_hidden_configuration_none():
    """As that of the service is for a member of its groups."""
    g = Gateway(mode="user")
    try:
        d = g.dir / "closed"
        d.mkdir()
        (d / "openclaw.json").write_text("{}")
        d.chmod(0)
        out = openclaw(g, "gateway", "status", OPENCLAW_CONFIG_PATH=str(d / "openclaw.json"))
        assert out.returncode == 1
        assert f"Config: {d}/openclaw.json (this user may not look there)\n" in out.stdout, out
        out = openclaw(g, "gateway", "status", OPENCLAW_CONFIG_PATH=str(g.dir / "no.json"))
        assert "no.json (there is none)\n" in out.stdout, out
        d.chmod(0o700)
    finally:
        g.close()


@pytest.mark.parametrize("js", [[], ["--json"]], ids=["text", "json"])
def test_logs_follow_over_a_restart(make_gateway, js):
    """It waits for the gateway to come back, says so, and goes on."""
    g = make_gateway()
    out = g.dir / "follow"
    with open(out, "wb") as f:
        p = subprocess.Popen(argv_as(g, [str(BIN / "openclaw"), "logs", "--follow", "--interval",
                                         "50", *js]), env=environ(g), stdout=f, stderr=f)
    try:
        wait_for(lambda: b"ready, generation" in out.read_bytes(), what="the log")
        good(g, "gateway", "restart")
        wait_for(lambda: b"the gateway answers again" in out.read_bytes(), what="its return")
        wait_for(lambda: out.read_bytes().count(b"ready, generation") >= 2 * (1 + len(js)),
                 what="the new start in the log")
        assert p.poll() is None
        assert b"the gateway does not answer; waiting" in out.read_bytes()
        # While it is away Ctrl-C works as ever.
        g.stop()
        wait_for(lambda: out.read_bytes().count(b"waiting until") == 2, what="the notice")
    finally:
        p.send_signal(signal.SIGINT)
        assert p.wait(120) == -signal.SIGINT
    if js:
        kinds = [json.loads(line)["type"] for line in out.read_text().splitlines()]
        assert kinds[0] == "meta" and kinds.count("notice") == 3


def test_logs_follow_ends_with_its_reader(make_gateway):
    """Also when there is nothing to write and no gateway."""
    g = make_gateway()
    p = subprocess.Popen(argv_as(g, [str(BIN / "openclaw"), "logs", "--follow", "--interval",
                                     "50"]), env=environ(g), stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    try:
        assert p.stdout.readline()
        g.stop()
        assert b"waiting" in p.stderr.readline()
        p.stdout.close()
        assert p.wait(120) == 0
    finally:
        p.kill()
        p.wait()
        p.stderr.close()


def at_width(gw, columns, *args):
    """What a terminal of that width shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    p = subprocess.Popen(argv_as(gw, [str(BIN / "openclaw"), *args]), env=environ(gw),
                         stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while True:
            text += os.read(ours, 65536)
    except OSError:         # EIO: its end is closed
        pass
    os.close(ours)
    assert p.wait(120) == 0, text
    return text.decode().replace("\r\n", "\n")


def test_tables_fit_the_terminal(gw):
    good(gw, "agent", "-m", "run: uname", "--session-key", "agent:main:narrow")
    for columns in (200, 100, 80, 60):
        for words in (["gateway", "processes"], ["sessions"]):
            rows = [line for line in at_width(gw, columns, *words).splitlines()
                    if line[:1] in tuple("┌│├└")]
            assert len({len(line) for line in rows}) <= 1, (columns, words)
            assert all(len(line) <= columns for line in rows), (columns, words)
    # Notes give way before the names that a restart wants.
    assert "│ agentd/main │" in at_width(gw, 80, "gateway", "processes")
    # No box fits: a line for each value, nothing cut.
    text = at_width(gw, 30, "sessions")
    assert "Key: agent:main:narrow\n" in text and "│" not in text
    text = at_width(gw, 30, "gateway", "processes")
    assert "Process: agentd/main\n" in text and "│" not in text


def test_interrupted_agent_says_what_goes_on(gw):
    # A command that lasts until it is read from.
    (gw.state / "workspace").mkdir(exist_ok=True)
    fifo = gw.state / "workspace/go-on"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    p = subprocess.Popen(argv_as(gw, [str(BIN / "openclaw"), "agent", "-m", "run: cat go-on",
                                      "--session-key", "agent:main:interrupted"]),
                         env=environ(gw), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: re.search(rf"control: agent by uid \d+, pid {p.pid}\b", gw.logs()),
             what="the request arrives")
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=120)
    assert p.returncode == -signal.SIGINT and out == b""
    assert b"The turn goes on" in err
    fifo.write_text("went on\n")

    def answered():
        h = json.loads(good(gw, "gateway", "call", "chat.history", "--params",
                            '{"sessionKey": "agent:main:interrupted"}'))
        return any(m.get("role") == "assistant" and m.get("stopReason") == "stop"
                   for m in h["messages"])
    wait_for(answered, what="its answer in the session")


def test_output_that_cannot_be_written_is_no_success(gw):
    with open("/dev/full", "wb") as full:
        r = subprocess.run(argv_as(gw, [str(BIN / "openclaw"), "health"]), env=environ(gw),
                           stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                           timeout=180)
    assert r.returncode == 1
    assert r.stderr == b"Error: standard output: No space left on device\n"
    # A closed one: the connection must not take its number.
    r = subprocess.run(argv_as(gw, ["sh", "-c", 'exec "$0" health >&-', str(BIN / "openclaw")]),
                       env=environ(gw), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       timeout=180)
    assert r.returncode == 1 and r.stderr.startswith(b"Error: standard output: ")


def test_channels_and_pairing(gw):
    assert good(gw, "channels", "status").startswith("No channel is configured; ")
    good(gw, "channels", "status", "--probe")
    j = as_json(gw, "channels", "status")
    assert set(j) >= {"ts", "channelOrder", "channelLabels", "channelMeta", "channels",
                      "channelAccounts", "channelDefaultAccountId"}
    assert good(gw, "pairing", "list") == "Nobody waits for approval.\n"
    assert as_json(gw, "pairing", "list")["requests"] == []
    assert as_json(gw, "pairing", "list", "telegram")["requests"] == []
    assert as_json(gw, "pairing", "list", "--channel", "telegram")["requests"] == []
    assert bad(gw, "pairing", "approve") == "error: missing required argument 'code'\n"
    want = "No pending pairing request found for code: ABCD2345"
    assert want in bad(gw, "pairing", "approve", "ABCD2345")
    assert want in bad(gw, "pairing", "approve", "telegram", "ABCD2345")


def test_gateway_call_and_config(gw):
    assert json.loads(good(gw, "gateway", "call", "health"))["ok"] is True
    j = json.loads(good(gw, "gateway", "call", "sessions.list", "--params", '{"limit":1}'))
    assert len(j["sessions"]) <= 1
    final = json.loads(good(gw, "gateway", "call", "agent", "--params", json.dumps(
        {"message": "what time is it?", "idempotencyKey": os.urandom(8).hex()}),
        "--expect-final"))
    assert final["status"] == "ok" and final["result"]["payloads"]
    assert "unknown method: nope" in bad(gw, "gateway", "call", "nope")
    assert "missing required argument 'method'" in bad(gw, "gateway", "call")
    assert "--params" in bad(gw, "gateway", "call", "health", "--params", "{")
    assert bad(gw, "config", "get", "no.such.path") == \
        "Config path not found: no.such.path\n" \
        "There is no such key; openclaw.json(5) has them all.\n"
    assert "missing required argument 'path'" in bad(gw, "config", "get")


@pytest.mark.parametrize("mode", modes())
def test_config_get(make_gateway, mode):
    g = make_gateway(mode=mode, config={
        "gateway": {"auth": {"token": "a-secret-token-of-the-file"}},
        "agents": {"list": [{"id": "main", "name": "Ann"}, {"id": "two"}]}})
    assert good(g, "config", "get", "agents.list[0].name") == "Ann\n"
    assert good(g, "config", "get", "agents.list.1.id") == "two\n"
    assert good(g, "config", "get", "agents.list.1.id", "--json") == '"two"\n'
    assert as_json(g, "config", "get", "agents.list[0]")["name"] == "Ann"
    assert "a-secret" not in good(g, "config", "get", "gateway")
    assert good(g, "config", "get", "agents[list][0].id") == "main\n"
    # As OpenClaw does: what is not set is not found.  Here the next line helps.
    for path, hint in (
            ("gateway.port", "It is not set; its default is 18789.\n"),
            ("session.scope", "It is not set; its default is per-sender.\n"),
            ("agents.list[5].id", "It is not set.\n"),
            ("agents.list[0].workspace", "It is not set"),
            ("gateway.prot", "There is no such key; did you mean gateway.port?\n"),
            ("gatway", "There is no such key; did you mean gateway?\n"),
            ("agents.list[0].nmae", "There is no such key; did you mean agents.list.0.name?\n"),
            ("env.vars.NOPE", "It is not set"),
            ("agents.list.x", ""), ("agents.list[0].name.x", ""),
            ("agents.list[99999999999999999999].id", "")):
        for js in ([], ["--json"]):
            r = openclaw(g, "config", "get", path, *js)
            assert (r.returncode, r.stdout) == (1, ""), path
            assert r.stderr.startswith(f"Config path not found: {path}\n" + hint), (path, r.stderr)
    for path in ("", ".", "a..b", "a[", "a[]", "a[0", "a[0]b", ".a", "a.", "a." * 40 + "a",
                 "x" * 300, "[0]]"):
        text = bad(g, "config", "get", path)
        assert text == f"Error: {path}: not a path; write it as agents.list[0].id\n", path
    assert "too many arguments" in bad(g, "config", "get", "a", "b")


def test_sandbox(gw):
    text = good(gw, "sandbox", "profiles")
    assert text.startswith(f"mode: {gw.mode}\n") and "system calls" in text
    j = as_json(gw, "sandbox", "profiles")
    assert j["mode"] == gw.mode
    assert {"router", "front", "store"} <= {p["name"].split("/")[0] for p in j["profiles"]}
    text = good(gw, "sandbox", "selftest")
    assert "not ok" not in text
    m = re.search(r"^(\d+) of (\d+) attempts were stopped$", text, re.M)
    assert m and m[1] == m[2] and int(m[1]) >= 30
    j = as_json(gw, "sandbox", "selftest")
    assert j["tried"] == j["passed"] >= 30


def test_reload_and_restart_of_one(gw):
    assert re.match(r"generation \d+: 0 changed", good(gw, "gateway", "reload"))
    j = as_json(gw, "gateway", "reload")
    assert j["ok"] is True and j["action"] == "reload" and "generation" in j["message"]
    before = gw.processes()
    j = as_json(gw, "gateway", "restart", "--process", "agentd/main")
    assert j["ok"] is True and j["action"] == "restart"
    wait_for(lambda: (lambda p: p["pid"] != before["agentd/main"]["pid"] and
                      p["state"] == "running")(gw.processes()["agentd/main"]), what="a new agentd")
    after = gw.processes()
    for n, p in before.items():
        if n != "agentd/main":
            assert after[n]["pid"] == p["pid"], n
    assert "no such process" in bad(gw, "gateway", "restart", "--process", "nope")
    assert "Linux" in good(gw, "agent", "-m", "run: uname")


def test_a_reload_that_cannot_be_is_told(make_gateway):
    g = make_gateway(config={"agents": {"list": [{"id": "main"}]}})
    g.write_config('{ "gateway": { "port": "x" }, }')
    text = bad(g, "gateway", "reload")
    assert "gateway.port" in text
    assert re.search(r"^Gateway:\s+ok$", good(g, "health"), re.M)


@pytest.mark.parametrize("mode", modes())
def test_restart_and_stop_of_all(make_gateway, mode):
    g = make_gateway(mode=mode)
    before = g.processes()
    assert good(g, "gateway", "restart").strip()

    def renewed():
        if openclaw(g, "health").returncode != 0:
            return False
        try:
            now = g.processes()
        except (OSError, EOFError, RpcError):
            return False
        return all(n in now and now[n]["pid"] != before[n]["pid"]
                   for n in ("router", "front", "store"))

    wait_for(renewed, 60, "the whole gateway again")
    assert "Linux" in good(g, "agent", "-m", "run: uname")
    j = as_json(g, "gateway", "stop")
    assert j["ok"] is True and j["action"] == "stop"
    assert g.proc.wait(120) == 0
    text = bad(g, "health")
    assert text.startswith("gateway connect failed: No such file or directory\n")
    assert f"Gateway target: {g.control_path}\n" in text
    assert f"Config: {g.config_path}\n" in text and "gateway run" in text


def test_approvals_of_a_quiet_gateway(gw):
    """What is asked and answered is in test_approvals.py."""
    assert good(gw, "approvals", "list") == "No command waits for an answer.\n"
    assert as_json(gw, "approvals", "list") == {"approvals": []}
    assert "no command waits under the id" in bad(gw, "approvals", "allow", "abcd")
    assert "no command waits under the id" in bad(gw, "approvals", "deny", "abcd")
    j = as_json(gw, "approvals", "get")
    assert j["agentId"] == "main" and j["file"]["version"] == 1
    assert as_json(gw, "approvals", "allowlist", "add", "/usr/bin/touch")["hash"] != j["hash"]
    assert good(gw, "approvals", "allowlist", "remove", "/usr/bin/touch") == "Removed.\n"
    assert "give --file or --stdin" in bad(gw, "approvals", "set")


def test_devices_of_a_quiet_gateway(gw):
    """Requests, tokens and their end are in test_devices.py."""
    assert as_json(gw, "devices", "list") == {"pending": [], "paired": []}
    assert "no device waits" in bad(gw, "devices", "approve")
    assert "unknown requestId" in bad(gw, "devices", "reject", "abcd")
    words = ["--device", "abcd", "--role", "operator"]
    assert "unknown deviceId/role" in bad(gw, "devices", "rotate", *words)
    assert "unknown deviceId/role" in bad(gw, "devices", "revoke", *words)

# --- config set, unset, edit, validate ---------------------------------------

def test_config_set_unset_validate(make_gateway):
    g = make_gateway(config='// by hand\n{ gateway: { mode: "local", reload: { mode: "off" } },'
                            ' agents: { list: [{ id: "main" }, { id: "two" }] } }\n')

    def on_disk():
        return g.config_path.read_text()
    assert good(g, "config", "set", "logging.level", "debug") == "Updated logging.level.\n"
    assert on_disk().startswith("// by hand\n") and '"debug"' in on_disk()
    assert good(g, "config", "set", "gateway.port", "0x4653") == "Updated gateway.port.\n"
    assert '"port": 18003' in on_disk()
    # a list is written whole, its other items as they are
    assert good(g, "config", "set", "agents.list[1].name", "Second one")
    assert good(g, "config", "set", "agents.list[2].id", "three")
    assert good(g, "config", "unset", "agents.list[0]") == "Removed agents.list[0].\n"
    j = as_json(g, "config", "set", "ui", "{assistant: {name: 'N'}}")
    assert [a["id"] for a in j["config"]["agents"]["list"]] == ["two", "three"]
    assert j["config"]["agents"]["list"][0]["name"] == "Second one"
    # an object replaces an object
    j = as_json(g, "config", "set", "ui", "{seamColor: '#aabbcc'}")
    assert j["config"]["ui"] == {"seamColor": "#aabbcc"}
    good(g, "config", "unset", "ui")
    assert "seamColor" not in on_disk()
    before = on_disk()
    for words in (("unset", "ui"), ("unset", "agents.list[7]"), ("set", "agents.list[9].id", "x")):
        assert bad(g, "config", *words) == "Config path not found: %s\n" % words[1]
    text = bad(g, "config", "set", "gateway", "{port: 'x', bind: 'moon'}")
    assert "Config validation failed: gateway.port: " in text
    assert "Config validation failed: gateway.bind: " in text
    assert "missing required argument 'value'" in bad(g, "config", "set", "x")
    assert "missing required argument 'path'" in bad(g, "config", "unset")
    assert on_disk() == before
    assert good(g, "config", "validate") == "%s: valid\n" % g.config_path
    g.write_config("{ gateway: 5 }")
    wait_for(lambda: openclaw(g, "config", "validate").returncode == 1, what="the mistake")
    j = json.loads(openclaw(g, "config", "validate", "--json").stdout)
    assert j["valid"] is False and j["issues"][0]["path"] == "gateway"


def test_config_edit(make_gateway, tmp_path):
    g = make_gateway(config='// by hand\n{ gateway: { mode: "local", reload: { mode: "off" } },'
                            ' talk: { apiKey: "a-secret-of-the-file" } }\n')
    tmp_path.chmod(0o755)

    def editor(body):
        p = tmp_path / "ed"
        p.write_text("#!/bin/sh\n" + body)
        p.chmod(0o755)
        return {"VISUAL": "", "EDITOR": str(p) + " --flag", "TMPDIR": "/tmp"}
    assert good(g, "config", "edit", **editor("exit 0\n")) == "Nothing changed.\n"
    text = bad(g, "config", "edit", **editor("exit 3\n"))
    assert "nothing is changed" in text
    e = editor('grep -q a-secret "$2" && exit 9\nsed -i "s/talk:/logging: {level: \\"warn\\"}, '
               'talk:/" "$2"\n')
    assert good(g, "config", "edit", **e) == "Updated %s.\n" % g.config_path
    now = g.config_path.read_text()
    assert "a-secret-of-the-file" in now and 'level: "warn"' in now and "// by hand" in now
    text = bad(g, "config", "edit", **editor('sed -i s/warn/loud/ "$2"\n'))
    assert "Config validation failed: logging.level" in text
    kept = text.strip().rsplit(" ", 1)[1]
    assert "loud" in open(kept).read()
    os.unlink(kept)
    assert g.config_path.read_text() == now


# --- no gateway, other gateways ---------------------------------------------

@pytest.mark.parametrize("words", [n.split() for n, f in COMMANDS
                                   if f not in ("NULL", "cmd_gateway_run", "cmd_completion")
                                   and not f.startswith("cmd_config")],
                         ids=" ".join)
def test_no_gateway(tmp_path, words):
    extra = {"gateway call": ["health"], "agent": ["-m", "x"], "pairing approve": ["X"],
             "devices reject": ["x"], "channels logout": ["--channel", "telegram"],
             "devices rotate": ["--device", "x", "--role", "node"],
             "devices revoke": ["--device", "x", "--role", "node"], "approvals allow": ["abcd"],
             "message send": ["-t", "42", "-m", "x"],
             "message poll": ["-t", "42", "--poll-question", "q", "--poll-option", "a", "--poll-option", "b"],
             "system event": ["--text", "x"], "system heartbeat": ["last"],
             "approvals deny": ["abcd"],
             "skills info": ["x"],
             "nodes describe": ["--node", "x"], "nodes approve": ["x"], "nodes reject": ["x"],
             "nodes rename": ["--node", "x", "--name", "y"],
             "nodes invoke": ["--node", "x", "--command", "y"],
             "approvals set": ["--file", str(tmp_path / "list")],
             "approvals allowlist": ["add", "/x"]}.get(" ".join(words), [])
    (tmp_path / "list").write_text('{"version": 1}')
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OPENCLAW_STATE_DIR": str(tmp_path)}
    for js in ([], ["--json"]):
        r = subprocess.run([str(BIN / "openclaw"), *words, *extra, *js], env=env,
                           capture_output=True, text=True, timeout=180)
        assert r.returncode == 1
        assert r.stderr.startswith("gateway connect failed: ")
        assert f"Gateway target: {tmp_path}/run/control.sock" in r.stderr
        # What it recommends works here: there is no configuration.
        assert "`openclaw gateway run --allow-unconfigured` starts it" in r.stderr or \
            words == ["gateway", "status"]
        if js and r.stdout:
            json.loads(r.stdout)


def test_url(gw):
    assert "ok" in good(gw, "health", "--url", gw.url, "--token", gw.token)
    assert "ok" in good(gw, "health", "--url", gw.url, OPENCLAW_GATEWAY_TOKEN=gw.token)
    assert as_json(gw, "status", "--url", gw.url, "--token", gw.token)["gateway"]["url"] == gw.url
    out = good(gw, "agent", "-m", "run: uname", "--url", gw.url, "--token", gw.token,
               "--session-key", "agent:main:by-url")
    assert "Linux" in out
    text = bad(gw, "health", "--url", gw.url, "--token", "wrong-one")
    assert text.startswith("gateway connect failed: unauthorized")
    assert f"Gateway target: {gw.url}\nSource: --url\n" in text and "wrong-one" not in text
    assert "OPENCLAW_GATEWAY_TOKEN" in bad(gw, "health", "--url", gw.url)
    text = bad(gw, "health", "--url", gw.url, "--token", gw.token + "x")
    assert gw.token not in text
    assert "Connection refused" in bad(gw, "health", "--url", "ws://127.0.0.1:1/")
    for u in ("http://x/", "ws://", "ws://h:99999/", "ftp://x", "ws://h:x/"):
        assert bad(gw, "health", "--url", u).startswith("gateway connect failed:"), u


def test_a_gateway_that_does_not_answer(gw):
    with socket.create_server(("127.0.0.1", 0)) as s:
        text = bad(gw, "health", "--url", f"ws://127.0.0.1:{s.getsockname()[1]}/", "--timeout",
                   "2000")
        assert text.startswith("gateway connect failed: no answer to the upgrade\n")


def test_words_that_are_wrong(gw):
    assert bad(gw, "quux") == "error: unknown command 'quux'\n"
    assert bad(gw, "agnet") == "error: unknown command 'agnet'\n(Did you mean agent?)\n"
    assert bad(gw, "gateway", "proceses") == \
        "error: unknown command 'proceses'\n(Did you mean processes?)\n"
    assert bad(gw, "health", "--nope") == "error: unknown option '--nope'\n"
    assert bad(gw, "--nope") == "error: unknown option '--nope'\n"
    assert bad(gw, "health", "-z") == "error: unknown option '-z'\n"
    assert bad(gw, "health", "--port", "1") == "error: unknown option '--port'\n"
    assert bad(gw, "status", "extra") == "error: too many arguments for 'status'\n"
    for t in ("abc", "0", "-1", "1.5", ""):
        assert bad(gw, "health", f"--timeout={t}") == \
            "Error: --timeout must be a positive integer (milliseconds)\n", t
    assert bad(gw, "agent", "-m", "x", "--timeout", "0") == \
        "Error: --timeout takes whole seconds from 1 to 86400\n"
    assert bad(gw, "agent", "-m", "x", "--thinking", "hard").startswith(
        "Error: --thinking takes off, ")
    assert "exclude" in bad(gw, "--dev", "--profile", "x", "health", status=2)
    bad(gw, "--profile", "../x", "health", status=2)
    bad(gw, "--profile", status=2)


def test_help_and_version(gw):
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", good(gw, "--version"))
    assert good(gw, "-V") == good(gw, "--version")
    text = good(gw, "--help")
    for name, fn in COMMANDS:
        if fn != "NULL":
            assert f"  {name} " in text
            assert good(gw, *name.split(), "--help").startswith(f"usage: openclaw {name} ")
        else:
            r = openclaw(gw, *name.split())
            assert r.returncode == 1 and f"usage: openclaw {name} " in r.stdout
            assert f"usage: openclaw {name} " in good(gw, name, "--help")
    assert openclaw(gw).returncode == 1
    assert good(gw, "help") == text
    assert good(gw, "help", "logs") == good(gw, "logs", "--help")
    assert good(gw, "help", "sandbox") == good(gw, "sandbox", "--help")
    assert bad(gw, "help", "quux") == "error: unknown command 'quux'\n"


def test_a_closed_pipe_is_no_crash(gw):
    p = subprocess.Popen(argv_as(gw, [str(BIN / "openclaw"), "sandbox", "profiles"]),
                         env=environ(gw), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.close()
    p.stderr.close()
    assert p.wait(120) >= 0


# --- gateway run ------------------------------------------------------------

class Foreground:
    """`openclaw gateway run` in a state directory of its own."""

    def __init__(self, gw, *args, env=()):
        self.gw = gw
        self.log = open(gw.dir / "run.out", "ab")
        cmd = [str(BIN / "openclaw"), *args, "--port", str(gw.port), "--token", gw.token]
        self.p = subprocess.Popen(argv_as(gw, cmd), env=environ(gw, **dict(env)),
                                  stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                  start_new_session=True)

    def text(self):
        return (self.gw.dir / "run.out").read_text(errors="replace")

    def ready(self):
        def up():
            assert self.p.poll() is None, self.text()
            return openclaw(self.gw, "health").returncode == 0
        wait_for(up, 60, "gateway run answers")
        return self

    def end(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGTERM)
            self.p.wait(120)
        self.log.close()


@pytest.mark.parametrize("mode", modes())
@pytest.mark.parametrize("words", [["gateway", "run"], ["gateway"]], ids=" ".join)
def test_gateway_run(make_gateway, mode, words):
    g = make_gateway(mode=mode, start=False)
    # No configuration: said once, with what to do; not guessed.
    none = Foreground(g, *words)
    assert none.p.wait(120) == 1
    text = none.text()
    assert text.count("Missing config") == 1 and f"There is no {g.config_path}. " in text
    assert "setup" not in text and "`openclaw gateway run --allow-unconfigured`" in text
    none.log.close()
    advice = re.search(r"Put (\{.*\}) into it", text).group(1)
    g.write_config(advice)
    Foreground(g, *words).ready().end()
    g.config_path.unlink()
    f = Foreground(g, *words, "--allow-unconfigured", "--verbose").ready()
    try:
        line = pathlib.Path(f"/proc/{f.p.pid}/cmdline").read_bytes()
        assert g.token.encode() not in line
        assert "Linux" in good(g, "agent", "-m", "run: uname")
        assert "ok" in good(g, "health", "--url", g.url, "--token", g.token)
        # A second one on this state, and on this port.
        second = Foreground(g, *words, "--allow-unconfigured")
        assert second.p.wait(120) == 1
        assert f"Gateway failed to start: gateway already running (pid {f.p.pid}); " \
            "lock timeout after 5000ms" in second.text()
        second.log.close()
        other = make_gateway(mode=mode, start=False)
        other.port = g.port
        third = Foreground(other, *words, "--allow-unconfigured")
        assert third.p.wait(120) == 1
        assert "another gateway instance is already listening on " \
            f"ws://127.0.0.1:{g.port}" in third.text()
        third.log.close()
        assert "ok" in good(g, "health")
    finally:
        f.end()
    assert f.p.returncode == 0


@pytest.mark.parametrize("mode", modes())
def test_gateway_run_force(make_gateway, mode):
    old = make_gateway(mode=mode)
    kids = births(old.children())
    # Root sees whose port it is; others know the one of their own state.
    g = make_gateway(mode=mode, start=False,
                     state=old.state if old.drop or os.geteuid() else None)
    g.port = old.port
    f = Foreground(g, "gateway", "run", "--allow-unconfigured", "--force")
    try:
        old.proc.wait(120)
        f.ready()
        assert f"force: killed pid {old.proc.pid} on port {g.port}" in f.text()
        wait_for(lambda: not living(kids), 60, "nothing of the old one is left")
        assert "ok" in good(g, "health", "--url", g.url, "--token", g.token)
    finally:
        f.end()
    # Nothing there: it says so and starts.
    f = Foreground(g, "gateway", "run", "--allow-unconfigured", "--force").ready()
    assert f"force: no listeners on port {g.port}" in f.text()
    f.end()


def test_dev_and_profile(tmp_path):
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def target(*args, **more):
        r = subprocess.run([str(BIN / "openclaw"), *args, "gateway", "status", "--json"],
                           env={**env, **more}, capture_output=True, text=True, timeout=180)
        return json.loads(r.stdout)["rpc"]["url"]

    assert target() == f"{tmp_path}/.openclaw/run/control.sock" or os.geteuid() == 0
    assert target("--dev") == f"{tmp_path}/.openclaw-dev/run/control.sock"
    assert target("--profile", "work") == f"{tmp_path}/.openclaw-work/run/control.sock"
    assert target("--profile=work") == f"{tmp_path}/.openclaw-work/run/control.sock"
    assert target(OPENCLAW_PROFILE="p2") == f"{tmp_path}/.openclaw-p2/run/control.sock"


# --- the control socket -----------------------------------------------------

MALFORMED = [b"\n", b"x\n", b"{\n", b"[]\n", b'"s"\n', b"null\n", b"\x00\n", b"\xff\xfe\n",
             b'{"type":"req"}\n', b'{"type":"req","id":1,"method":"health"}\n',
             b'{"type":"event","event":"agent","payload":{}}\n',
             b'{"type":"res","id":"1","ok":true}\n', b"[" * 100000 + b"\n",
             b'{"type":"req","id":"a","method":"health"}{"x":1}\n',
             b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(5000) + b"\n"]


def test_malformed_lines_cost_only_that_connection(gw):
    watcher = gw.control()
    pid = gw.processes()["router"]["pid"]
    for line in MALFORMED + [b"x" * 40_000_000]:
        c = gw.control()
        try:
            c.send_raw(line)
            c.send_raw(b'{"type":"req","id":"after","method":"health"}\n')
            while c.recv().get("id") != "after":
                pass            # it was an error that costs one answer,
        except (EOFError, ConnectionError):
            pass                # or the connection; silence would be a failure
        finally:
            c.close()
        assert watcher.call("health")["ok"] is True
    watcher.close()
    assert gw.processes()["router"]["pid"] == pid
