# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Changes of the configuration through a whole gateway."""
import hashlib
import json
import os
import re
import signal
import threading

import pytest
from gateway import NOBODY, Control, RpcError, modes, wait_for

BASE = {"gateway": {"mode": "local", "reload": {"mode": "hybrid",
                                                "debounceMs": 50}}}
HAND = """// written by hand
{
  gateway: { mode: "local", reload: { mode: "hybrid", debounceMs: 50 } },
  ui: { assistant: { name: "${WHO}" } }, // a reference
}
"""
ENV = {"WHO": "Somebody"}


def edit(gw, patch, method="config.edit", base=None, **kw):
    base = base or gw.call("config.get")["hash"]
    return gw.call(method, {"raw": json.dumps(patch), "baseHash": base, **kw})


def on_disk(gw):
    return hashlib.sha256(gw.config_path.read_bytes()).hexdigest()


def shown(gw):
    return gw.call("config.get")["hash"]


def agents(gw):
    return [a["id"] for a in gw.call("agents.list")["agents"]]


def generation(gw):
    return gw.output(gw.began).count("reload: generation")


@pytest.mark.parametrize("mode", modes())
def test_edit_keeps_the_file_and_is_loaded(make_gateway, mode):
    gw = make_gateway(config=HAND, mode=mode, env=ENV)
    pids = {n: p["pid"] for n, p in gw.processes().items()}
    r = edit(gw, {"agents": {"list": [{"id": "main"}, {"id": "second"}]}})
    assert shown(gw) == on_disk(gw)     # at once: the next change needs it
    assert r["ok"] and r["path"] == str(gw.config_path) and "restart" not in r
    text = gw.config_path.read_text()
    assert text.startswith("// written by hand") and "${WHO}" in text
    st = gw.config_path.stat()
    assert st.st_mode & 0o777 == 0o600
    assert st.st_uid == (NOBODY if gw.drop else os.geteuid())
    # the last good one is copied after the answer
    wait_for(lambda: not list(gw.state.glob("*.tmp")), what="nothing half written")
    wait_for(lambda: agents(gw) == ["main", "second"], what="the new agent")
    assert shown(gw) == on_disk(gw)
    now = gw.processes()
    assert {n: now[n]["pid"] for n in pids} == pids     # nobody restarted
    assert (gw.state / "openclaw.json.bak").read_text() == HAND
    wait_for(lambda: (gw.state / "openclaw.json.last-good").read_text() ==
             text, what="the last good copy")


def test_set_apply_and_schema_of_the_wire(make_gateway):
    gw = make_gateway(config=BASE)
    snap = gw.call("config.get")
    with pytest.raises(RpcError, match="config base hash required"):
        gw.call("config.set", {"raw": "{}"})
    with pytest.raises(RpcError, match="must have required property 'raw'"):
        gw.call("config.set", {})
    with pytest.raises(RpcError, match="unexpected property 'note'"):
        gw.call("config.set", {"raw": "{}", "note": "x"})
    with pytest.raises(RpcError) as e:
        edit(gw, {"gateway": {"port": "x", "bind": "moon"}})
    assert [i["path"] for i in e.value.error["details"]["issues"]] == \
        ["gateway.port", "gateway.bind"]
    assert on_disk(gw) == snap["hash"]
    r = gw.call("config.set", {"raw": HAND.replace("${WHO}", "x"),
                               "baseHash": snap["hash"]})
    assert set(r) == {"ok", "path", "config"}
    assert gw.config_path.read_text().startswith("// written by hand")
    s = gw.call("config.schema")
    assert set(s) == {"schema", "uiHints", "version", "generatedAt"}
    assert s["schema"]["properties"]["gateway"]["properties"]["port"]["type"] \
        == "integer"
    assert s["uiHints"]["gateway.auth.token"]["sensitive"] is True


def said(gw, key, text):
    """Says that; every text of the session's users then."""
    run = "r-" + text.replace(" ", "-")
    gw.call("chat.send", {"sessionKey": key, "message": text,
                          "idempotencyKey": run})
    gw.call("agent.wait", {"runId": run, "timeoutMs": 60000})
    return [b["text"] for m in gw.call("chat.history", {"sessionKey": key})
            ["messages"] if m["role"] == "user" for b in m["content"]]


@pytest.mark.parametrize("mode", modes())
def test_the_session_that_asked_for_a_restart_is_told(make_gateway, mode):
    gw = make_gateway(config=BASE, mode=mode)
    place = gw.state / "restart-sentinel.json"
    began = len(gw.output())
    r = edit(gw, {"ui": {"assistant": {"name": "N"}}}, "config.patch",
             note="because", restartDelayMs=0,
             sessionKey="agent:main:other")
    assert r["restart"]["delayMs"] == 0
    assert r["restart"]["pid"] == gw.proc.pid
    wait_for(lambda: "open http" in gw.output(began), what="the new start")
    wait_for(lambda: not place.exists(), what="an agent that knows")
    # in front of what is said there next, once, and nowhere else
    assert said(gw, "main", "one") == ["one"]
    texts = said(gw, "agent:main:other", "two")
    assert len(texts) == 1
    assert re.match(r"System: \[\d{4}-\d\d-\d\dT[0-9:]+Z\] GatewayRestart:\n",
                    texts[0]) and texts[0].endswith("\n\ntwo"), texts
    told = texts[0].split("\n")[1]
    assert json.loads(told) == r["sentinel"]["payload"]
    assert json.loads(told)["message"] == "because"
    assert said(gw, "agent:main:other", "three")[1:] == ["three"]
    wait_for(lambda: gw.call("config.get")["config"]["ui"]["assistant"]
             ["name"] == "N", what="the patched configuration")


def test_a_sentinel_of_nobody_and_one_that_is_none(make_gateway):
    gw = make_gateway(config=BASE, start=False)
    place = gw.state / "restart-sentinel.json"
    payload = {"kind": "config-apply", "status": "ok", "ts": 5, "message": "m"}

    def put(text):
        place.write_text(text if isinstance(text, str) else json.dumps(text))
        os.chown(place, *(gw.config_path.stat().st_uid,) * 2)
    # whose session is no agent's: the main one is told
    put({"version": 1, "payload": {**payload, "sessionKey": "agent:no:x"}})
    gw.start()
    wait_for(lambda: not place.exists(), what="an agent that knows")
    assert "GatewayRestart" in said(gw, "main", "one")[0]
    gw.stop()
    # the same once more, as after a death right before it was removed
    put({"version": 1, "payload": payload})
    gw.start()
    wait_for(lambda: not place.exists(), what="an agent that knows")
    assert said(gw, "main", "two")[1:] == ["two"]
    gw.stop()
    for text in ["", "{", '{"version": 2, "payload": {}}', '{"version": 1}',
                 '{"version": 1, "payload": []}', "x" * (1 << 20)]:
        put(text)
        gw.start()
        wait_for(lambda: not place.exists(), what=f"removal of {text[:40]}")
        assert gw.call("health")["ok"]
        gw.stop()
    place.symlink_to(gw.config_path)
    gw.start()
    assert said(gw, "main", "three")[2:] == ["three"]
    assert gw.config_path.exists() and place.is_symlink()
    # what a change writes now is for the next start
    place.unlink()
    edit(gw, {"ui": {"seamColor": "#aabbcc"}}, "config.patch",
         restartDelayMs=60000)
    os.kill(gw.processes()["router"]["pid"], signal.SIGKILL)

    def again():
        try:
            return gw.call("health")["ok"]
        except (OSError, EOFError):
            return False
    wait_for(again, what="the router")
    assert said(gw, "main", "four")[3:] == ["four"]
    assert place.exists()


def test_concurrent_changes_have_one_winner(make_gateway):
    gw = make_gateway(config=BASE)
    base = shown(gw)
    won, lost = [], []

    def one(i):
        c = Control(gw.control_path)
        try:
            c.call("config.edit", {"raw": json.dumps({"ui": {"assistant": {
                "name": "n%d" % i}}}), "baseHash": base})
            won.append(i)
        except RpcError as e:
            lost.append(str(e))
        finally:
            c.close()
    threads = [threading.Thread(target=one, args=(i,)) for i in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(won) == 1 and len(lost) == 11
    assert all("config changed since last load" in s for s in lost), lost
    assert json.loads(gw.config_path.read_text())["ui"]["assistant"]["name"] \
        == "n%d" % won[0]
    # the last good one is copied after the answer
    wait_for(lambda: not list(gw.state.glob("*.tmp")), what="nothing half written")


def rewrite(gw, text):
    gw.config_path.write_text(text)         # in place


def replace(gw, text):
    tmp = gw.state / "4913~"                # as editors do
    tmp.write_text(text)
    st = gw.config_path.stat()
    os.chown(tmp, st.st_uid, st.st_gid)
    os.rename(tmp, gw.config_path)


@pytest.mark.parametrize("write", [rewrite, replace])
@pytest.mark.parametrize("mode", modes())
def test_R05_hand_edits_are_watched(make_gateway, mode, write):
    gw = make_gateway(config=BASE, mode=mode)
    two = {**BASE, "agents": {"list": [{"id": "main"}, {"id": "two"}]}}
    write(gw, json.dumps(two))
    wait_for(lambda: agents(gw) == ["main", "two"], what="the edit")
    # a mistake changes nothing that runs, and is shown
    write(gw, json.dumps(two)[:-2])
    # Between the two steps of a write in place it may have seen an empty one.
    wait_for(lambda: not gw.call("config.get")["valid"] and
             shown(gw) == on_disk(gw), what="the mistake")
    assert agents(gw) == ["main", "two"]
    # it cannot be patched, but it can be replaced
    with pytest.raises(RpcError, match="fix before patching"):
        edit(gw, {})
    gw.call("config.set", {"raw": json.dumps(BASE), "baseHash": shown(gw)})
    wait_for(lambda: agents(gw) == ["main"], what="the repair")
    assert gw.call("config.get")["valid"]


def include(gw, text, name="more.json5"):
    path = gw.state / name
    tmp = gw.state / "4913~"
    tmp.write_text(text)
    os.chown(tmp, *(gw.config_path.stat().st_uid,) * 2)
    os.rename(tmp, path)
    return path


@pytest.mark.parametrize("mode", modes())
def test_R05_included_files_are_watched(make_gateway, mode):
    gw = make_gateway(config={**BASE, "$include": "./more.json5"}, mode=mode,
                      start=False)
    deep = '{"agents": {"list": [{"id": "main"}, {"id": "%s"}]}}'
    path = include(gw, '{"$include": "./deep.json"}')
    include(gw, deep % "one", "deep.json")
    gw.start()
    assert agents(gw) == ["main", "one"]
    include(gw, deep % "two", "deep.json")      # put in its place
    wait_for(lambda: agents(gw) == ["main", "two"], what="the deep one")
    (gw.state / "deep.json").write_text(deep % "three")     # and in place
    wait_for(lambda: agents(gw) == ["main", "three"], what="the deep one")
    # a mistake, and a file that is not there: what runs goes on
    path.write_text("{")
    wait_for(lambda: not gw.call("config.get")["valid"], what="the mistake")
    path.unlink()
    wait_for(lambda: any("more.json5" in i["message"] and "ENOENT" in
                         i["message"] or "No such file" in i["message"]
                         for i in gw.call("config.get")["issues"]),
             what="the missing file")
    assert agents(gw) == ["main", "three"]
    # nothing that it included before is of interest now
    include(gw, '{"agents": {"list": [{"id": "main"}, {"id": "four"}]}}')
    wait_for(lambda: agents(gw) == ["main", "four"], what="the new one")
    include(gw, '{"agents": {"list": [{"id": "five"}]}}', "deep.json")
    gw.write_config({**BASE, "$include": ["./more.json5", "./deep.json"]})
    wait_for(lambda: agents(gw) == ["main", "four", "five"], what="both")


def test_R05_an_edit_that_a_client_met_halfway_is_loaded(make_gateway):
    """A change that is refused because the file is another one by then does
    not make that one known."""
    gw = make_gateway(config={"gateway": {"mode": "local", "reload": {
        "mode": "hybrid", "debounceMs": 1500}}})
    old = shown(gw)
    tree = json.loads(gw.config_path.read_text())
    gw.write_config({**tree, "agents": {"list": [{"id": "by-hand"}]}})
    with pytest.raises(RpcError, match="changed since last load"):
        edit(gw, {"ui": {"seamColor": "#aabbcc"}}, base=old)
    wait_for(lambda: agents(gw) == ["by-hand"], what="the edit")


def test_R05_restart_with_a_broken_file_runs_the_last_good(make_gateway):
    gw = make_gateway(config={**BASE, "agents": {"list": [{"id": "kept"}]}})
    good = gw.config_path.read_text()
    gw.stop()
    for text in ["{", '{"gateway": {"mode": "local", "port": "x"}}',
                 '{"gateway": {"mode": "local", "bind": "lan", '
                 '"auth": {"mode": "none"}}}']:
        gw.config_path.write_text(text)
        gw.start()
        assert "starting with the last configuration that did run" in \
            gw.output(gw.began)
        assert agents(gw) == ["kept"]
        snap = gw.call("config.get")
        assert snap["hash"] == on_disk(gw) and snap["issues"]
        # asked for a restart, it comes back the same way: no loop
        n = len(gw.output())
        gw.call("gateway.restart")
        wait_for(lambda: "open http" in gw.output(n), what="the restart")
        assert agents(gw) == ["kept"]
        gw.stop()
    gw.config_path.write_text(good)
    gw.start()
    assert "last configuration" not in gw.output(gw.began)


def test_R05_a_restart_change_by_hand(make_gateway):
    gw = make_gateway(config=BASE)
    n = len(gw.output())
    gw.write_config({**BASE, "diagnostics": {"flags": ["x"]}})
    wait_for(lambda: "open http" in gw.output(n), what="the restart")
    assert "a restart is needed for diagnostics" in gw.output(n)
    assert gw.call("config.get")["config"]["diagnostics"]["flags"] == ["x"]


def test_off_leaves_a_change_alone(make_gateway):
    cfg = json.loads(json.dumps(BASE))
    cfg["gateway"]["reload"]["mode"] = "off"
    gw = make_gateway(config=cfg)
    gw.write_config({**cfg, "agents": {"list": [{"id": "other"}]}})
    wait_for(lambda: "gateway.reload.mode is off" in gw.output(),
             what="the note")
    assert agents(gw) == ["main"] and shown(gw) == on_disk(gw)
    gw.call("gateway.reload")
    wait_for(lambda: agents(gw) == ["other"], what="the reload")


def test_a_folder_that_cannot_be_written(make_gateway):
    gw = make_gateway(config=BASE, mode="user")
    if not gw.drop:
        pytest.skip("needs an owner other than the gateway")
    before = gw.config_path.read_bytes()
    os.chown(gw.state, 0, 0)
    os.chmod(gw.state, 0o755)
    try:
        with pytest.raises(RpcError, match="cannot be written: Permission"):
            edit(gw, {"ui": {"seamColor": "#aabbcc"}})
        assert gw.config_path.read_bytes() == before
        os.chmod(gw.config_path, 0)
        os.chown(gw.config_path, 0, 0)
        with pytest.raises(RpcError, match="Permission denied"):
            gw.call("config.edit", {"raw": "{}", "baseHash": shown(gw)})
    finally:
        os.chown(gw.state, NOBODY, NOBODY)
        os.chown(gw.config_path, NOBODY, NOBODY)
        os.chmod(gw.config_path, 0o600)
    assert edit(gw, {"ui": {"seamColor": "#aabbcc"}})["ok"]


def test_R05_killed_in_the_middle(make_gateway):
    """Whenever the reader or the supervisor dies, the file is whole."""
    gw = make_gateway(config=BASE)
    for i in range(8):
        stop = threading.Event()

        def hammer():
            c = Control(gw.control_path)
            n = 0
            try:
                while not stop.is_set():
                    h = c.call("config.get")["hash"]
                    try:
                        c.call("config.edit", {"raw": json.dumps(
                            {"messages": {"responsePrefix": "x" * 60000 +
                                          str(n)}}), "baseHash": h})
                    except RpcError:
                        pass
                    n += 1
            except (OSError, EOFError, ConnectionError):
                pass
            finally:
                c.close()
        t = threading.Thread(target=hammer)
        t.start()
        ino = gw.config_path.stat().st_ino
        wait_for(lambda: gw.config_path.stat().st_ino != ino,
                 what="a first write")
        os.kill(gw.proc.pid, signal.SIGKILL)
        gw.proc.wait()
        stop.set()
        t.join()
        tree = json.loads(gw.config_path.read_text())   # whole
        assert tree["gateway"] == BASE["gateway"]
        for old in gw.state.glob("openclaw.json.bak*"):     # they too
            json.loads(old.read_text())
        gw.start()
        assert "last configuration that did run" not in gw.output(gw.began)
