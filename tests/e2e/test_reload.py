# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Configuration through a whole gateway: reload, config.get, lists, logs."""
import hashlib
import json

import pytest
from gateway import RpcError, modes, wait_for

BASE = {"gateway": {"mode": "local"},
        "logging": {"level": "debug"}}


def pids(gw):
    return {n: p["pid"] for n, p in gw.processes().items()}


@pytest.mark.parametrize("mode", modes())
def test_reload_adds_and_removes_an_agent(make_gateway, mode):
    gw = make_gateway(config=BASE, mode=mode)
    before = pids(gw)
    assert "agentd/main" in before and "agentd/second" not in before
    gw.write_config({**BASE, "agents": {"list": [{"id": "main"},
                                                 {"id": "second"}]}})
    gw.call("gateway.reload")
    wait_for(lambda: pids(gw).get("agentd/second", 0) > 0,
             what="the new agent")
    after = pids(gw)
    assert {n: after[n] for n in before} == before      # nobody restarted

    def ids():
        return [a["id"] for a in gw.call("agents.list")["agents"]]
    wait_for(lambda: ids() == ["main", "second"], what="list of both")
    gw.write_config(BASE)
    gw.call("gateway.reload")
    wait_for(lambda: not pids(gw).get("agentd/second"), what="its end")
    wait_for(lambda: ids() == ["main"], what="list of one")
    assert {n: pids(gw)[n] for n in before} == before


def test_R05_a_bad_reload_changes_nothing(make_gateway):
    gw = make_gateway(config=BASE)
    before = pids(gw)
    old = gw.call("config.get")["hash"]
    for text in ["{", '{"gateway": {"mode": "moon"}}', "[" * 100000,
                 '{"$include": "/etc/passwd"}']:
        gw.write_config(text)
        with pytest.raises(RpcError):
            gw.call("gateway.reload")
        assert pids(gw) == before
        # What is shown is the file, so that it can be mended.
        snap = gw.call("config.get")
        assert snap["hash"] == hashlib.sha256(text.encode()).hexdigest()
        assert not snap["valid"] and snap["issues"]
    gw.write_config(BASE)
    gw.call("gateway.reload")
    assert pids(gw) == before
    assert gw.call("config.get")["hash"] == old


def test_T37_config_get_over_the_wire(make_gateway):
    canary = "CANARY-0123456789-abcdef"
    cfg = {**BASE, "gateway": {"mode": "local", "auth": {"token": canary}},
           "tools": {"web": {"search": {"apiKey": canary + "2"}}},
           "models": {"providers": {"p": {
               "baseUrl": "http://127.0.0.1:9", "apiKey": canary + "3",
               "models": [{"id": "m", "name": "M"}]}}},
           "env": {"MY_VAR": canary + "4"}}
    gw = make_gateway(config=cfg)
    for method in ["config.get", "models.list", "agents.list", "status",
                   "health", "gateway.processes", "logs.tail"]:
        text = json.dumps(gw.call(method))
        assert canary not in text, method
    snap = gw.call("config.get")
    assert snap["path"] == str(gw.config_path) and snap["valid"]
    assert json.loads(snap["raw"])["models"]["providers"]["p"]["apiKey"] == \
        "__OPENCLAW_REDACTED__"
    assert "modeld/p:default" in pids(gw)
    assert canary not in gw.logs() + gw.output()


def test_logs_name_who_spoke(make_gateway):
    gw = make_gateway(config=BASE)
    wait_for(lambda: gw.call("logs.tail")["lines"], what="a line")
    for line in gw.call("logs.tail")["lines"]:
        row = json.loads(line)
        assert json.loads(row["0"])["subsystem"]
        assert row["_meta"]["logLevelName"] in ("INFO", "WARN", "DEBUG",
                                                "ERROR")
