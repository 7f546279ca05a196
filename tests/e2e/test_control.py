# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Who may use the control socket: root, the gateway's own user and one group
all of it, another group to read, nobody else; and that changes are logged with
who asked.  Groups are numbers here: no account is made."""
import json
import os
import re
import stat
import subprocess
import sys

import pytest

from gateway import BIN, NOBODY, RpcError, modes, wait_for

ADMINS, READERS, PERSON = 620001, 620002, 620100
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be somebody else")

ASK = r"""
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
try:
    s.connect(sys.argv[1])
except PermissionError:
    print("EACCES")
    sys.exit()
print(os.getpid())
for line in sys.argv[2:]:
    try:
        s.sendall(line.encode() + b"\n")
    except OSError:
        pass
left = max(1, len(sys.argv) - 2)
buf = b""
while buf.count(b"\n") < left:
    try:
        d = s.recv(65536)
    except ConnectionResetError:    # ended with words of ours unread
        d = b""
    if not d:
        break
    buf += d
sys.stdout.write(buf.decode())
"""


def req(method, params=None, rid="1"):
    f = {"type": "req", "id": rid, "method": method}
    return json.dumps(f if params is None else {**f, "params": params})


CONNECT_READ = req("connect", {
    "minProtocol": 3, "maxProtocol": 3, "scopes": ["operator.read"],
    "client": {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"}}, "c")


def somebody(uid, gid, groups, cmd, **kw):
    extra = ["--groups=" + ",".join(map(str, groups))] if groups else ["--clear-groups"]
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={gid}", *extra, *cmd],
                          capture_output=True, text=True, timeout=120, **kw)


def ask(g, *lines, uid=PERSON, gid=PERSON, groups=()):
    """The pid of a client of that user and what it was answered."""
    r = somebody(uid, gid, groups, [sys.executable, "-c", ASK, str(g.control_path), *lines])
    assert r.returncode == 0, r.stderr
    first, *rest = r.stdout.splitlines()
    return first, [json.loads(x) for x in rest]


@pytest.fixture
def shared(make_gateway):
    g = make_gateway(mode="root", args=["-g", f"{ADMINS}:{READERS}"])
    os.chmod(g.dir, 0o711)
    return g


def may(g, **who):
    _, (health, config) = ask(g, req("health"), req("config.get", rid="2"), **who)
    assert health["ok"] is True
    return config


@root_only
def test_members_of_the_groups(shared):
    g = shared
    st = os.stat(g.control_path)
    assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (0o660, 0, ADMINS)
    assert list((g.state / "run").glob("*.sock")) == [g.control_path]
    # By the first group and by any other; admin wins over read.
    for who in ({"uid": 0, "gid": 0}, {"gid": ADMINS}, {"groups": [7, ADMINS, 9]},
                {"groups": [READERS, ADMINS]}, {"gid": READERS, "groups": [ADMINS]},
                {"groups": list(range(630000, 630200)) + [ADMINS]}):
        assert may(g, **who)["ok"] is True, who
    for who in ({"gid": READERS}, {"groups": [7, READERS]},
                {"groups": list(range(630000, 630200)) + [READERS]}):
        r = may(g, **who)
        assert r["ok"] is False and "missing scope: operator.admin" in r["error"]["message"], who
        for method in ("gateway.stop", "gateway.reload", "gateway.processes", "agent",
                       "pairing.approve", "sandbox.selftest"):
            _, (r,) = ask(g, req(method, {}), **who)
            assert r["ok"] is False and "missing scope" in r["error"]["message"], (who, method)
    assert g.call("health")["ok"] is True


@root_only
def test_strangers(shared):
    g = shared
    e = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "OPENCLAW_STATE_DIR": str(g.state)}
    for who in ({}, {"uid": NOBODY, "gid": NOBODY}, {"groups": [ADMINS + 5]}, {"gid": 0},
                {"uid": g.processes()["router"]["uid"]}):
        assert ask(g, req("health"), **who)[0] == "EACCES", who
    r = somebody(PERSON, PERSON, [], [str(BIN / "openclaw"), "health"], env=e)
    assert r.returncode == 1 and r.stdout == ""
    assert r.stderr.startswith("gateway connect failed: Permission denied\n")
    assert f"User {PERSON}" in r.stderr
    # The mode keeps strangers out; where it does not, they are told, and why.
    os.chmod(g.control_path, 0o666)
    for who in ({}, {"uid": NOBODY, "gid": NOBODY}, {"gid": 0}, {"groups": [NOBODY]},
                {"uid": g.processes()["router"]["uid"]}):
        for lines in ([], [req("health")], [req("gateway.stop"), req("health", rid="2")]):
            pid, answers = ask(g, *lines, **who)
            assert len(answers) == 1 and answers[0]["ok"] is False, (who, answers)
            text = answers[0]["error"]["message"]
            uid = who.get("uid", PERSON)
            assert f"user {uid} may not use this gateway" in text
            assert f"group {ADMINS} or {READERS}" in text and "usermod" in text
            assert wait_for(lambda: f"uid {uid}, pid {pid} refused" in g.logs(), 60)
    r = somebody(PERSON, PERSON, [], [str(BIN / "openclaw"), "gateway", "stop"], env=e)
    assert r.returncode == 1 and f"user {PERSON} may not use this gateway" in r.stderr
    assert r.stderr.count("\n") == 1
    assert may(g, gid=ADMINS)["ok"] is True


@root_only
def test_connect_narrows_and_never_widens(shared):
    g = shared
    for who, first in (({"gid": ADMINS}, True), ({"gid": READERS}, False)):
        _, a = ask(g, req("config.get", rid="0"), CONNECT_READ, req("config.get", rid="2"), **who)
        by_id = {m["id"]: m for m in a if m["type"] == "res"}
        assert by_id["0"]["ok"] is first
        assert by_id["c"]["payload"]["type"] == "hello-ok"
        assert by_id["c"]["payload"]["protocol"] == 3
    wide = CONNECT_READ.replace("operator.read", "operator.admin")
    _, a = ask(g, wide, *(req("gateway.stop", rid=str(i)) for i in range(5)), gid=READERS)
    refused = [m for m in a if m["type"] == "res" and m["id"] != "c"]
    assert refused and all("missing scope" in m["error"]["message"] for m in refused)
    assert g.call("health")["ok"] is True


@root_only
def test_changes_are_logged_with_uid_and_pid(shared):
    g = shared
    for method, params in (("gateway.reload", None), ("gateway.restart", {"process": "nope"}),
                           ("gateway.verbose", {"level": "info"}),
                           ("pairing.approve", {"code": "NOPE"}),
                           ("agent", {"message": "hi", "idempotencyKey": "k"}),
                           ("chat.abort", {"sessionKey": "main"})):
        pid, _ = ask(g, req(method, params), gid=ADMINS)
        want = f"control: {method} by uid {PERSON}, pid {pid}"
        wait_for(lambda: want in g.logs(), 60, want)
    pid, _ = ask(g, req("health"), req("gateway.processes", rid="2"), gid=ADMINS)
    last, _ = ask(g, req("gateway.reload"), gid=ADMINS)
    wait_for(lambda: re.search(rf"pid {last}\b", g.logs()), 60)
    assert not re.search(rf"control: .*pid {pid}\b", g.logs())
    # By the router itself, not as something that a process printed.
    for line in g.logs().splitlines():
        if "control: " in line:
            j = json.loads(line)
            assert j["1"].startswith("control: ") and j["_meta"]["logLevelName"] == "INFO", line


@root_only
def test_a_reload_looks_the_groups_up_again(shared):
    g = shared
    os.chown(g.control_path, 0, 0)
    os.chmod(g.control_path, 0o600)
    assert ask(g, req("health"), gid=ADMINS)[0] == "EACCES"
    assert ask(g, req("health"), gid=READERS)[0] == "EACCES"
    g.call("gateway.reload")
    assert may(g, gid=ADMINS)["ok"] is True
    assert may(g, gid=READERS)["ok"] is False


@root_only
@pytest.mark.parametrize("mode", modes())
def test_without_groups_root_and_the_own_user(make_gateway, mode):
    g = make_gateway(mode=mode)
    os.chmod(g.dir, 0o711)
    st = os.stat(g.control_path)
    own = 0 if mode == "root" else NOBODY
    have = {n.split(":")[0] for n in open("/etc/group")}
    if mode == "user" or "openclaw" not in have:
        assert (stat.S_IMODE(st.st_mode), st.st_uid) == (0o600, own)
    assert may(g, uid=0, gid=0)["ok"] is True
    assert may(g, uid=own, gid=own)["ok"] is True
    assert ask(g, req("health"), uid=PERSON)[0] == "EACCES"
    if mode == "user":
        # Opened to all by mistake, it still serves nobody else, also not those
        # who cannot be told apart from inside a namespace.
        for d in (g.state, g.state / "run"):
            os.chmod(d, 0o711)
        os.chmod(g.control_path, 0o666)
        for who in ({}, {"uid": NOBODY - 1, "gid": NOBODY}, {"groups": [NOBODY, 0]}):
            _, (r,) = ask(g, req("health"), **who)
            assert r["ok"] is False
            assert f"only root and user {NOBODY} may" in r["error"]["message"]
    for who in (0, own):
        pid, _ = ask(g, req("gateway.reload"), uid=who, gid=who)
        want = f"control: gateway.reload by uid {who}, pid {pid}"
        wait_for(lambda: want in g.logs(), 60, want)


def test_own_user(make_gateway):
    g = make_gateway()
    assert stat.S_IMODE(os.stat(g.control_path).st_mode) & 0o007 == 0
    c = g.control()
    assert c.call("config.get")["config"] is not None
    with pytest.raises(RpcError):
        c.call("gateway.restart", {"process": "nope"})
    uid = NOBODY if g.drop else os.geteuid()
    if not g.drop:
        want = f"control: gateway.restart by uid {uid}, pid {os.getpid()}"
        wait_for(lambda: want in g.logs(), 60, want)
    c.close()


@pytest.mark.parametrize("arg,why", [
    ("no-such-group-here", "not in /etc/group"), ("1:no-such-group-here", "not in /etc/group"),
    ("65534", "unknown groups"), ("1:65534", "unknown groups"), ("", "not a name"),
    ("1:", "not a name"), ("x" * 40, "not a name")])
def test_groups_that_cannot_be(tmp_path, arg, why):
    r = subprocess.run([str(BIN / "gatewayd"), "-S", "-s", str(tmp_path), "-g", arg],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode != 0
    assert re.search(r"-g: " + ("only root" if os.geteuid() else f"group.*{why}"), r.stderr)
