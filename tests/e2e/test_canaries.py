# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Secrets of which each is one word that stands nowhere else, put where secrets
come in: the configuration, clients that log in, commands.  Then everything that
can be asked for is asked for, and everything that was said or kept is searched."""
import asyncio
import json
import os

import pytest
from frontrig import Closed, Http, Ws, connect_params
from gateway import RpcError
from test_approvals import Run
from test_protocol_table import NEW, ROWS, good

OURS = [f"CANARY-{n:02}-0123456789abcdef" for n in range(12)]     # of the configuration
THEIRS = [f"PARROT-{n:02}-0123456789abcdef" for n in range(12)]   # what clients show
ENDS = {"gateway.stop", "gateway.restart", "gateway.upgrade", "gateway.drain"}


def config():
    return {
        "gateway": {"mode": "local", "auth": {"token": OURS[0]},
                    "remote": {"token": OURS[1], "password": OURS[2]},
                    "http": {"endpoints": {"chatCompletions": {"enabled": True},
                                           "responses": {"enabled": True}}}},
        "hooks": {"token": OURS[3]},
        "tools": {"web": {"search": {"apiKey": OURS[4]}}},
        "talk": {"apiKey": OURS[5]},
        "env": {"MY_VAR": OURS[6]},
        "agents": {"defaults": {"model": {"primary": "builtin/assistant",
                                          "fallbacks": ["p/m"]}}},
        "models": {"providers": {"p": {
            "baseUrl": "http://127.0.0.1:9", "apiKey": OURS[7],
            "headers": {"X-Secret": OURS[8]}, "models": [{"id": "m", "name": "M"}]}}},
        "channels": {"telegram": {"enabled": False, "botToken": "123456789:" + OURS[9]}},
        "skills": {"entries": {"x": {"apiKey": OURS[10], "env": {"KEY": OURS[11]}}}}}


def clean(text, what, canaries=None):
    for c in canaries or OURS + THEIRS:
        assert c not in text, (what, text[max(0, text.find(c) - 200):][:400])


class Ear(list):
    """Every text that a client hears."""

    def __init__(self, c):
        super().__init__()
        recv = c.ws.recv

        async def listen():
            t = await recv()
            self.append(t)
            return t
        c.ws.recv = listen


async def ask_everything(gw, role, scopes, version):
    kw = {"minProtocol": version, "maxProtocol": version}
    async with gw.client(token=OURS[0], role=role, scopes=scopes, **kw) as c:
        clean(json.dumps(c.hello), "hello")
        ear = Ear(c)
        for name, scope, _, params in ROWS:
            if name in ENDS or (name in NEW) != (version == 4) or \
                    (scope == "NODE") != (role == "node"):
                continue
            for base in ({}, {p[1]: good(p[0], p[3]) for p in params if p[2]},
                         {p[1]: good(p[0], p[3]) for p in params}):
                if any(p[1] == "timeoutMs" for p in params):
                    base["timeoutMs"] = 1
                try:
                    await c.call(name, base)
                except RpcError:
                    pass
        for t in ear:
            clean(t, f"{role} {scopes} {version}")


async def change_configuration(gw):
    """Secrets on their way in come back in no answer and no complaint."""
    async with gw.client(token=OURS[0]) as c:
        ear = Ear(c)
        raw = gw.config_path.read_text()
        for text in (raw[:-2] + ', "talk": {"apiKey": "%s"' % THEIRS[0],       # cut off
                     raw.replace('"%s"' % OURS[4], '["%s"]' % THEIRS[1]),      # a list
                     raw.replace('"%s"' % OURS[5], '{"key": "%s"}' % THEIRS[2]),
                     raw.replace('"mode": "local"', '"mode": "%s"' % THEIRS[3], 1),
                     '{"token": "%s"' % THEIRS[4], "%s" % THEIRS[4]):
            snap = await c.call("config.get")
            with pytest.raises(RpcError):
                await c.call("config.set", {"raw": text, "baseHash": snap["hash"]})
        snap = await c.call("config.get")
        r = await c.call("config.patch", {
            "raw": json.dumps({"talk": {"apiKey": THEIRS[5]}}), "baseHash": snap["hash"]})
        assert r["ok"] and THEIRS[5] in gw.config_path.read_text()
        await c.call("config.get")
        # a mode that is none is no secret: quoted where it is wrong
        for t in ear:
            clean(t, "config", [c for c in OURS + THEIRS if c != THEIRS[3]])


def knock_in_vain(gw):
    """Wrong secrets of clients, wherever one can be put."""
    def login(path="/", headers=(), **kw):
        with Ws(gw) as w:
            assert w.upgrade(path, headers)[0] == 101
            w.recv()
            w.req("connect", connect_params(**kw))
            try:
                m = w.recv()
            except Closed as e:
                m = e.reason
        clean(json.dumps(m), "refusal")

    login(auth={"token": THEIRS[6]})
    login(auth={"password": THEIRS[7]})
    login(auth={"token": THEIRS[6], "password": THEIRS[7], "surplus": THEIRS[8]})
    login(f"/?token={THEIRS[9]}", auth={"token": ""})
    login(f"/{THEIRS[9]}", [("Authorization", f"Bearer {THEIRS[10]}"),
                            ("Cookie", f"s={THEIRS[10]}")], auth={})
    for path in ("/v1/models", "/tools/invoke", f"/?token={THEIRS[9]}", f"/v1/{THEIRS[9]}",
                 f"/%00{THEIRS[9]}"):
        for method in ("GET", "POST"):
            with Http(gw) as h:
                _, head, body = h.request(path, method, [
                    ("Authorization", f"Bearer {THEIRS[10]}"), ("X-Api-Key", THEIRS[10]),
                    ("X-OpenClaw-Token", THEIRS[10]), ("Content-Length", "0"),
                    ("Referer", f"http://127.0.0.1:{gw.port}/?token={THEIRS[10]}")])
                clean(json.dumps(head) + body.decode(), path)


def deny_a_command(gw):
    """Whoever is asked sees all of it; nobody writes it down but the
    conversation that it was said in."""
    run = Run(gw, f"run: touch {THEIRS[11]}")
    q = run.asked()
    assert THEIRS[11] in q["request"]["command"]
    gw.call("exec.approval.resolve", {"id": q["id"], "decision": "deny"})
    run.end()


def test_T37_T38_T03_nothing_is_told_or_kept(make_gateway):
    gw = make_gateway(config())
    with Http(gw) as h:
        for path in ("/health", "/ready", "/", "/app.js"):
            clean(h.request(path)[2].decode(errors="replace"), path)

    async def go():
        for role, scopes, version in (
                ("operator", ["operator.admin"], 3), ("operator", ["operator.read"], 3),
                ("operator", ["operator.admin"], 4), ("node", [], 3)):
            await ask_everything(gw, role, scopes, version)
        await change_configuration(gw)
    asyncio.run(go())
    knock_in_vain(gw)
    deny_a_command(gw)

    # Of no process: arguments, environment (T03, T40).
    for pid, name in gw.children().items():
        for what in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{what}", "rb") as f:
                    clean(f.read().decode(errors="replace"), (name, what))
            except (FileNotFoundError, ProcessLookupError):
                pass
            except PermissionError:
                assert os.geteuid() != 0
    # Of no answer about the log, nor of it.
    clean(json.dumps(gw.call("logs.tail", {"limit": 5000, "maxBytes": 1000000})), "logs.tail")
    gw.stop()
    clean(gw.logs() + gw.output(), "log")
    # On the disk: what the owner wrote down, copies of that, and conversations.
    said = False
    for path in gw.state.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes().decode(errors="replace")
        rel = str(path.relative_to(gw.state))
        if rel.startswith("openclaw.json") or rel.startswith("config-last"):
            assert path.stat().st_mode & 0o077 == 0, rel
            continue
        clean(data, rel, OURS + THEIRS[:11])
        if THEIRS[11] in data:
            assert rel.startswith("agents/main/"), rel
            said = True
    assert said         # what is looked for would be found
