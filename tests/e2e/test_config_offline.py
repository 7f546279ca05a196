# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""openclaw config without a running gateway: the same judge, the same writer."""
import json
import os
import signal
import subprocess

import pytest
from gateway import BIN, NOBODY, modes
from syscallgate import Gate, needs_gate

HAND = """// by hand
{ gateway: { mode: "local" }, talk: { apiKey: "a-secret-of-the-file" },
  ui: { assistant: { name: "${WHO}" } } }
"""
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@pytest.fixture(params=modes())
def home(request, make_gateway):
    """A gateway that does not run; home(words...) -> what openclaw says."""
    gw = make_gateway(config=HAND, mode=request.param, start=False)

    def run(*words, program="openclaw", gate=None, **kw):
        env = {**gw.environ(), "OPENCLAW_STATE_DIR": str(gw.state), "WHO": "Ann",
               "OPENCLAW_CONFIG_PATH": str(gw.config_path), **kw.pop("env", {})}
        del env["OPENCLAW_GATEWAY_TOKEN"]
        cmd = [*(AS_NOBODY if gw.drop else []), str(BIN / program), *words]
        if gate is None:
            return subprocess.run(cmd, env=env, capture_output=True, text=True, timeout=60, **kw)
        p = subprocess.Popen(gate.command(cmd), env=env, stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, pass_fds=gate.fds)
        gate.attend()
        return p
    run.gw = gw
    run.text = gw.config_path.read_text
    return run


def test_set_get_unset_validate(home):
    assert home("config", "get", "gateway.mode").stdout == "local\n"
    r = home("config", "set", "logging.level", "debug")
    assert (r.returncode, r.stdout) == (0, "Updated logging.level.\n"), r
    assert r.stderr == "No gateway is running; the next start reads it.\n"
    text = home.text()
    assert text.startswith("// by hand") and "${WHO}" in text and '"debug"' in text
    st = home.gw.config_path.stat()
    assert st.st_mode & 0o777 == 0o600
    assert st.st_uid == (NOBODY if home.gw.drop else os.geteuid())
    assert (home.gw.state / "openclaw.json.bak").read_text() == HAND
    # secrets are no business of who asks
    r = home("config", "get", "talk")
    assert r.returncode == 0 and "a-secret" not in r.stdout + r.stderr
    j = json.loads(home("config", "set", "ui.seamColor", "#aabbcc", "--json").stdout)
    assert j["ok"] and j["config"]["ui"]["seamColor"] == "#aabbcc"
    assert home("config", "unset", "ui.seamColor").returncode == 0
    r = home("config", "validate")
    assert (r.returncode, r.stdout) == (0, f"{home.gw.config_path}: valid\n")
    # what was written starts
    home.gw.env["WHO"] = "Ann"
    home.gw.start()
    assert home.gw.call("config.get")["config"]["logging"]["level"] == "debug"


def test_what_would_not_start_is_refused(home):
    def refused(*words, say, **kw):
        r = home("config", *words, **kw)
        assert r.returncode == 1 and say in r.stderr, r
        assert home.text() == HAND
    refused("set", "gateway", "{port: 'x', bind: 'moon'}",
            say="Config validation failed: gateway.bind: ")
    refused("set", "gateway.mode", "remote", say="Gateway start blocked")
    refused("set", "gateway", "{mode: 'local', bind: 'lan', auth: {mode: 'none'}}",
            say="Config validation failed: ")
    refused("unset", "no.such", say="Config path not found: no.such")
    # a name that only the service's environment has
    refused("set", "logging.level", "debug", env={"WHO": ""},
            say="fix before patching\n`openclaw config validate` tells what is wrong")
    assert "WHO" in home("config", "validate", env={"WHO": ""}).stdout
    home.gw.config_path.write_text("{ gateway: 5 ")
    r = home("config", "validate")
    assert r.returncode == 1 and ": not valid\n" in r.stdout
    r = home("config", "set", "logging.level", "debug")
    assert r.returncode == 1 and "fix before patching" in r.stderr
    assert home.text() == "{ gateway: 5 "


def test_edit(home):
    ed = home.gw.dir / "ed"

    def edit(body):
        ed.write_text("#!/bin/sh\n" + body)
        ed.chmod(0o755)
        return home("config", "edit", env={"EDITOR": str(ed), "TMPDIR": "/tmp"})
    r = edit('grep -q a-secret "$1" && exit 9\nsed -i "s/talk:/logging: {level: \\"warn\\"}, '
             'talk:/" "$1"\n')
    assert r.stdout == f"Updated {home.gw.config_path}.\n", r
    now = home.text()
    assert "a-secret-of-the-file" in now and 'level: "warn"' in now
    r = edit('sed -i s/warn/loud/ "$1"\n')
    assert "Config validation failed: logging.level" in r.stderr
    os.unlink(r.stderr.strip().rsplit(" ", 1)[1])
    assert home.text() == now


def test_a_first_file(home):
    home.gw.config_path.unlink()
    # as far from a start as it was before, no farther
    assert home("config", "set", "logging.level", "debug").returncode == 0
    assert "Gateway start blocked" in home("config", "validate").stdout
    assert home("config", "set", "gateway.mode", "local").returncode == 0
    assert home("config", "validate").returncode == 0
    home.gw.start()


def test_nothing_is_written_beside_a_running_gateway(home):
    home.gw.env["WHO"] = "Ann"
    home.gw.start()
    before = home.text()
    base = home.gw.call("config.get")["hash"]
    r = home("-e", "edit", program="gatewayd", input=json.dumps(
        {"raw": '{"ui": null}', "baseHash": base}))
    assert r.returncode == 1 and "already running" in r.stderr, r
    assert home.text() == before
    r = home("-e", "delete", program="gatewayd")
    assert r.returncode == 2 and "usage: gatewayd" in r.stderr


@needs_gate
def test_R05_killed_at_every_step(home):
    base = json.loads(home("-e", "show", program="gatewayd").stdout)["hash"]
    wish = json.dumps({"raw": '{"logging": {"level": "debug"}}', "baseHash": base}).encode()
    for step in range(100):
        gate = Gate("write", "fsync", "rename", "link", "unlink")
        mine = []

        def judge(call):
            if call.pid == p.pid:
                mine.append(call.name)
            if call.pid != p.pid or len(mine) <= step:
                return False
            os.kill(call.pid, signal.SIGKILL)
            return True
        p = home("-e", "edit", program="gatewayd", gate=gate)
        gate.judge = judge
        p.communicate(wish, 60)
        text = home.text()
        assert text == HAND or '"debug"' in text and text.startswith("// by hand")
        if p.returncode == 0:
            break
        assert p.returncode == -signal.SIGKILL
        home.gw.config_path.write_text(HAND)
    assert '"debug"' in home.text() and {"write", "fsync", "rename", "link"} <= set(mine)
    assert home("config", "set", "logging.level", "warn").returncode == 0
