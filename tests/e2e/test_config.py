# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""gatewayd-config as a process, with this test as its parent."""
import hashlib
import json
import os
import re
import time

import gwconfig
import gwproto
import pytest

LOCAL = {"mode": "local", "auth": {"mode": "token", "token": "a-shared-token"}}
FLAG = gwproto.enum("cf_flag")


def run(config, **kw):
    if isinstance(config, dict) and "gateway" not in config:
        config = {"gateway": LOCAL, **config}
    return gwconfig.run(config, **kw)


def texts(problems):
    return [p.text for p in problems]


# --- the file ---------------------------------------------------------------------


def test_no_file_gives_the_embedded_defaults():
    r = gwconfig.run(None, env={"OPENCLAW_GATEWAY_TOKEN": "made-by-parent"},
                     flags=FLAG["CF_ALLOW_UNCONFIGURED"])
    assert r.ok and not r.errors and not r.warnings, (r.errors, r.warnings)
    assert r.procs() == [
        ("log", ""), ("store", ""), ("connect", ""), ("front", ""),
        ("canvas", ""), ("agentd", "main"), ("toold", "main"), ("jailer", "main"),
        ("files", "main"), ("router", "")]
    ix = r.index
    assert (ix["listen.0.kind"], ix["listen.0.host"], ix["listen.0.port"]) \
        == ("public", "127.0.0.1", "18789")
    assert ix["auth.env_token"] == "true"
    assert r.parcels["agentd", "main"]["model.primary"] == "builtin/assistant"
    assert r.parcels["agentd", "main"]["workspace"] == "/state/workspace"
    assert r.parcels["store", ""]["auth.token"] == "made-by-parent"
    snap = r.json("router", "json.config")
    assert snap["exists"] is False and snap["raw"] is None
    assert snap["hash"] == hashlib.sha256(b"").hexdigest()
    assert snap["valid"] is True


def test_json5_and_places():
    r = run("""// a comment
{
  gateway: { mode: 'local', port: 0x4653, auth: { token: "abcdefgh", }, },
  /* an
     unknown key */
  gatway: 1,
  logging: { leve: "debug" },
  agents: { list: [ { id: "Main Agent!" }, ], },
}
""")
    assert r.ok
    assert r.index["listen.0.port"] == str(0x4653)
    assert [(p.file, p.line) for p in r.warnings] == [
        (gwconfig.PATH, 6), (gwconfig.PATH, 7)]
    assert 'did you mean "gateway"' in r.warnings[0].text
    assert 'did you mean "level"' in r.warnings[1].text
    assert ("agentd", "main-agent") in r.procs()


def test_every_problem_at_once_with_file_line_key():
    r = run("""{
 gateway: { mode: "local", port: "x", bind: "moon", auth: {token: 5} },
 logging: { level: "loud" },
 agents: { defaults: { maxConcurrent: 0, timeoutSeconds: 1.5 } },
 session: { reset: { atHour: 24 } },
 channels: { telegram: { dmPolicy: "all" } },
 agents_: 1,
}""")
    assert not r.ok and not r.parcels
    assert {(p.line, p.key): p.text for p in r.errors} == {
        (2, "gateway.port"):
            "Invalid input: expected number, received string",
        (2, "gateway.bind"): "Invalid input",
        (2, "gateway.auth.token"):
            "Invalid input: expected string, received number",
        (3, "logging.level"): "Invalid input",
        (4, "agents.defaults.maxConcurrent"):
            "Too small: expected number to be >0",
        (4, "agents.defaults.timeoutSeconds"):
            "Invalid input: expected int, received number",
        (5, "session.reset.atHour"): "Too big: expected number to be <=23",
        (6, "channels.telegram.dmPolicy"): "Invalid option: expected one of "
            '"pairing"|"allowlist"|"open"|"disabled"',
    }
    assert all(p.file == gwconfig.PATH for p in r.errors)
    assert len(r.warnings) == 1


@pytest.mark.parametrize("text,want", [
    ("{", "JSON5: invalid end of input at 1:2"),
    ("{\n a: tru }", "JSON5: invalid character 't' at 2:5"),
    ("[" * 100000, "JSON5: nesting is too deep at 1:65"),
    (b"{a:'\xff'}", "JSON5: text is not valid UTF-8 at 1:5"),
    ("", "JSON5: invalid end of input at 1:1"),
], ids=["cut", "word", "deep", "utf8", "empty"])
def test_R05_syntax(text, want):
    r = gwconfig.run(text)
    assert not r.ok
    assert texts(r.errors) == ["JSON5 parse failed: SyntaxError: " + want]
    assert r.errors[0].file == gwconfig.PATH and r.errors[0].line > 0


def test_root_must_be_an_object():
    r = gwconfig.run("[]")
    assert texts(r.errors) == ["Invalid input: expected object, received array"]


def test_numbers_that_are_none():
    r = run({}, env={})
    assert r.ok
    r = gwconfig.run("{gateway:{mode:'local',port:+Infinity,auth:{token:"
                     "'abcdefgh'}},agents:{defaults:{mediaMaxMb:NaN}}}")
    assert texts(r.errors) == [
        "Invalid input: expected number, received Infinity",
        "Invalid input: expected number, received NaN"]


def test_duplicate_keys_are_reported():
    r = gwconfig.run("{gateway:{mode:'remote',\nmode:'local',auth:{token:"
                     "'abcdefgh'}}}")
    assert r.ok
    assert texts(r.warnings) == ["key stands twice; the one in line 2 counts"]


def test_many_problems_are_bounded():
    r = run({"logging": {"k%d" % i: i for i in range(5000)}})
    assert r.ok
    assert len(r.warnings) < 300
    assert "further problems are not shown" in r.warnings[-1].text


# --- includes ----------------------------------------------------------------------


def test_include():
    r = gwconfig.run(
        '{"$include": ["a.json5", "sub/b.json5"], agents: {list: [{id: "z"}]}}',
        files={"/cfg/a.json5": "{gateway: {mode: 'local', port: 1000}, "
                               "agents: {list: [{id: 'a'}]}}",
               "/cfg/sub/b.json5": "{gateway: {$include: './c.json5'}}",
               "/cfg/sub/c.json5": "{port: 2000, auth: {token: 'abcdefgh'}}"})
    assert r.ok, r.errors
    assert r.asked[:3] == ["/cfg/a.json5", "/cfg/sub/b.json5",
                           "/cfg/sub/c.json5"]
    assert r.index["listen.0.port"] == "2000"
    # Lists follow each other: the included one first.
    agents = [a["id"] for a in r.json("router", "json.agents")["agents"]]
    assert agents == ["a", "z"]


def test_include_problems_name_their_file():
    r = gwconfig.run('{"$include": "a.json5", gateway: %s}' % json.dumps(LOCAL),
                     files={"/cfg/a.json5": "{\n\n logging: {level: 1}}"})
    assert [(p.file, p.line, p.key) for p in r.errors] == [
        ("/cfg/a.json5", 3, "logging.level")]
    r = gwconfig.run('{"$include": "a.json5"}',
                     files={"/cfg/a.json5": "{\n x"})
    assert ("/cfg/a.json5", 2) in [(p.file, p.line) for p in r.errors]


@pytest.mark.parametrize("text,files,want", [
    ('{"$include": 5}', {}, "Invalid $include value: expected string or array"
     " of strings, got number"),
    ('{"$include": ["a", {}]}', {"/cfg/a": "{}"},
     "Invalid $include array item: expected string, got object"),
    ('{"$include": "a"}', {}, "Failed to read include file: a (resolved: "
     "/cfg/a): No such file or directory"),
    ('{"$include": "a"}', {"/cfg/a": '{"$include": "b"}',
                           "/cfg/b": '{"$include": "a"}'},
     "Circular include detected: /cfg/a -> /cfg/b -> /cfg/a"),
    ('{"$include": "openclaw.json"}', {},
     "Circular include detected: /cfg/openclaw.json -> /cfg/openclaw.json"),
    ('{x: {"$include": "a", y: 1}}', {"/cfg/a": "[]"},
     "Sibling keys require included content to be an object"),
])
def test_include_errors(text, files, want):
    r = gwconfig.run(text, files=files)
    assert not r.ok and want in texts(r.errors), r.errors


def test_include_bounds():
    chain = {"/cfg/%d" % i: '{"$include": "%d"}' % (i + 1) for i in range(20)}
    r = gwconfig.run('{"$include": "0"}', files=chain)
    assert texts(r.errors) == ["Maximum include depth (10) exceeded at: /cfg/9"]
    # Each file includes the next one twice: 2^8 reads without a bound.
    bomb = {"/cfg/%d" % i: '{a: {"$include": "%d"}, b: {"$include": "%d"}}' %
            (i + 1, i + 1) for i in range(8)}
    bomb["/cfg/8"] = "{}"
    r = gwconfig.run('{"$include": "0"}', files=bomb)
    assert not r.ok and len(r.asked) < 64
    assert "more than 63 files are included" in texts(r.errors)
    # Depth adds up over files.
    deep = "".join("{a:" for _ in range(50)) + '{"$include": "1"}' + "}" * 50
    r = gwconfig.run(deep, files={"/cfg/1": deep.replace('"1"', '"2"'),
                                  "/cfg/2": "{}"})
    assert "nesting is too deep" in texts(r.errors)


# --- environment -----------------------------------------------------------------------


def test_substitution():
    r = gwconfig.run("{gateway: {mode: 'local', auth: {token: 'x${T_1}-${T_2}'"
                     "}}, messages: {responsePrefix: '$${T_1} ${lower} $T_1'}}",
                     env={"T_1": "aaa", "T_2": "bbb"})
    assert r.ok, r.errors
    assert r.parcels["store", ""]["auth.token"] == "xaaa-bbb"
    prefix = r.json("agentd", "json.config", "main")["messages"]
    assert prefix["responsePrefix"] == "${T_1} ${lower} $T_1"


def test_missing_variable():
    r = run({"channels": {"telegram": {"botToken": "${NO_SUCH}"}},
             "bindings": [{"agentId": "${EMPTY}", "match": {}}]},
            env={"EMPTY": ""})
    assert texts(r.errors)[:2] == [
        'Missing env var "NO_SUCH" referenced at config path: '
        "channels.telegram.botToken",
        'Missing env var "EMPTY" referenced at config path: '
        "bindings[0].agentId"]


def test_order_of_variables():
    text = ("{gateway: {mode: 'local', auth: {token: '${A}/${B}/${C}/${D}'}},"
            "env: {vars: {A: 'file', B: 'file', C: 'file'}, D: 'short'}}")
    r = gwconfig.run(text, env={"A": "environment"},
                     files={"/state/.env": "A=dotenv\nexport B='dotenv' # x\n"
                                           "# c\nD2=\"q\\n\"\n"})
    assert r.ok, r.errors
    assert r.parcels["store", ""]["auth.token"] == \
        "environment/dotenv/file/short"


@pytest.mark.parametrize("cfg,env,want", [
    ({"port": 1234}, {"OPENCLAW_GATEWAY_PORT": "4321"}, "4321"),
    ({"port": 1234}, {}, "1234"),
    ({}, {"CLAWDBOT_GATEWAY_PORT": "77"}, "77"),
    ({}, {}, "18789"),
])
def test_port_precedence(cfg, env, want):
    r = run({"gateway": {**LOCAL, **cfg}}, env=env)
    assert r.ok and r.index["listen.0.port"] == want
    assert r.parcels["router", ""]["gateway.port"] == want


@pytest.mark.parametrize("auth,env,mode,secret", [
    ({"token": "from-file"}, {"OPENCLAW_GATEWAY_TOKEN": "from-env"}, "token",
     "from-file"),
    ({}, {"OPENCLAW_GATEWAY_TOKEN": "from-env"}, "token", "from-env"),
    ({}, {"CLAWDBOT_GATEWAY_TOKEN": "older"}, "token", "older"),
    ({"token": "t"}, {"GATEWAYD_CLI_TOKEN": "cli"}, "token", "cli"),
    ({"token": "t"}, {"OPENCLAW_GATEWAY_PASSWORD": "pw"}, "password", "pw"),
    ({"password": "p"}, {}, "password", "p"),
    ({"mode": "token", "token": "t", "password": "p"}, {}, "token", "t"),
    ({"mode": "none"}, {}, "none", None),
])
def test_auth_precedence(auth, env, mode, secret):
    r = gwconfig.run({"gateway": {"mode": "local", "auth": auth}}, env=env)
    assert r.ok, r.errors
    store = r.parcels["store", ""]
    assert store["auth.mode"] == mode == r.parcels["front", ""]["auth.mode"]
    assert store.get("auth." + mode) == secret


# --- what refuses to start ------------------------------------------------------------------


@pytest.mark.parametrize("gw,want", [
    ({"auth": {"token": "t"}}, "current: unset"),
    ({"mode": "remote", "auth": {"token": "t"}}, "current: remote"),
    ({"mode": "local"}, "no token is configured"),
    ({"mode": "local", "auth": {"mode": "password"}},
     "no password is configured"),
    ({"mode": "local", "bind": "lan", "auth": {"mode": "none"}},
     "Refusing to bind gateway to lan without auth."),
    ({"mode": "local", "trustedProxies": ["192.0.2.1"],
      "auth": {"mode": "trusted-proxy"}}, "no header is configured"),
    ({"mode": "local", "auth": {"mode": "trusted-proxy", "trustedProxy": {
        "userHeader": "x-user"}}}, "no proxy is configured"),
    ({"mode": "local", "tailscale": {"mode": "funnel"},
      "auth": {"token": "t"}}, "funnel requires"),
    ({"mode": "local", "tailscale": {"mode": "serve"}, "bind": "lan",
      "auth": {"token": "t"}}, "requires gateway bind=loopback"),
])
def test_start_gates(gw, want):
    r = gwconfig.run({"gateway": gw})
    assert not r.ok and not r.parcels
    assert any(want in t for t in texts(r.errors)), r.errors
    # A check says so and does not refuse.
    r = gwconfig.run({"gateway": gw}, flags=FLAG["CF_CHECK_ONLY"])
    assert r.ok and any(want in t for t in texts(r.warnings))
    assert not r.parcels


def test_trusted_proxy_parcels():
    r = gwconfig.run({"gateway": {
        "mode": "local", "trustedProxies": ["192.0.2.1"], "auth": {
            "mode": "trusted-proxy", "trustedProxy": {
                "userHeader": "x-user", "requiredHeaders": ["x-forwarded-proto"],
                "allowUsers": ["a@example.org", "b"]}}}})
    assert r.ok, r.errors
    front, store = r.parcels["front", ""], r.parcels["store", ""]
    assert (front["userHeader"], front["requiredHeader.0"], front["trustedProxy.0"]) == (
        "x-user", "x-forwarded-proto", "192.0.2.1")
    assert (store["auth.mode"], store["auth.user.0"], store["auth.user.1"]) == (
        "trusted-proxy", "a@example.org", "b")


def test_missing_file_without_permission():
    r = gwconfig.run(None, env={"OPENCLAW_GATEWAY_TOKEN": "t"})
    assert texts(r.errors)[0].startswith("Missing config.")


@pytest.mark.parametrize("cfg,want", [
    ({"channels": {"telegram": {"dmPolicy": "open", "botToken": "x"}}},
     'channels.telegram.dmPolicy="open" requires channels.telegram.allowFrom '
     'to include "*"'),
    ({"channels": {"discord": {"dm": {"policy": "open"}}}},
     'channels.discord.dm.policy="open" requires channels.discord.dm.allowFrom'
     ' to include "*"'),
    ({"channels": {"slack": {"mode": "http"}}}, 'channels.slack.mode="http" '
     "requires channels.slack.signingSecret"),
    ({"tools": {"allow": ["a"], "alsoAllow": ["b"]}}, "tools cannot set both "
     "allow and alsoAllow in the same scope (merge alsoAllow into allow, or "
     "remove allow and use profile + alsoAllow)"),
    ({"hooks": {"enabled": True}}, "hooks.enabled requires hooks.token"),
    ({"agents": {"list": [{"id": "a"}, {"id": "A"}]}},
     'agent id "a" is taken by line 1'),
    ({"agents": {"list": [{"name": "x"}]}},
     "Invalid input: expected string, received undefined"),
    ({"agents": {"list": [{"id": "a", "identity": {"avatar": "../x.png"}}]}},
     "identity.avatar must stay within the agent workspace."),
    ({"broadcast": {"x": ["nobody"]}, "agents": {"list": [{"id": "a"}]}},
     'Unknown agent id "nobody" (not in agents.list).'),
    ({"browser": {"profiles": {"a": {"color": "#00ff00"}}}},
     "Profile must set cdpPort or cdpUrl"),
    ({"ui": {"seamColor": "red"}}, "expected hex color (RRGGBB)"),
    ({"agents": {"defaults": {"heartbeat": {"every": "soon"}}}},
     "invalid duration (use ms, s, m, h)"),
    ({"agents": {"defaults": {"heartbeat": {"target": "moon"}}}},
     "unknown heartbeat target: moon"),
    ({"channels": {"signal": {"cliPath": "a; rm"}}},
     "expected safe executable name or path"),
    ({"models": {"providers": {"x": {"baseUrl": "http://example.com",
                                     "models": []}}}},
     "http would send the key in clear"),
    ({"models": {"providers": {"x": {"baseUrl": "https://u:p@h",
                                     "models": []}}}},
     "baseUrl may not hold a user"),
    ({"models": {"providers": {"../x": {"baseUrl": "https://h",
                                        "models": []}}}},
     "a provider's name has letters"),
    ({"channels": {"telegram": {"botToken": "1:a/../b"}}},
     "botToken has characters that no token of Telegram has"),
])
def test_refused(cfg, want):
    r = run(cfg)
    assert not r.ok and any(t.startswith(want) for t in texts(r.errors)), \
        r.errors


# --- parcels -----------------------------------------------------------------------------------


def test_providers_and_modeld():
    r = run({"models": {"providers": {
        "local": {"baseUrl": "http://127.0.0.1:8000/v1/", "apiKey": "secretkey",
                  "headers": {"X-Extra": "v"},
                  "models": [{"id": "m", "name": "M"}]},
        "anthropic": {"baseUrl": "https://api.anthropic.com/v1",
                      "models": []}}},
        "agents": {"defaults": {"model": {"primary": "local/m",
                                          "fallbacks": ["opus"]},
                                "models": {"anthropic/claude-opus-4-5": {}}}}},
        env={"ANTHROPIC_API_KEY": "sk-ant-key", "OPENAI_API_KEY": "sk-openai",
             "HTTPS_PROXY": "http://proxy.lan:3128", "NO_PROXY": ".openai.com"})
    assert r.ok, r.errors
    m = r.parcels["modeld", "local:default"]
    assert (m["origin"], m["path_prefix"], m["auth.style"],
            m["auth.secret"]) == ("http://127.0.0.1:8000", "/v1", "bearer",
                                  "secretkey")
    assert (m["header.0.name"], m["header.0.value"]) == ("X-Extra", "v")
    assert (m["dest.0.host"], m["dest.0.port"]) == ("127.0.0.1", "8000")
    a = r.parcels["modeld", "anthropic:default"]
    assert (a["auth.style"], a["path_prefix"]) == ("x-api-key", "")
    assert (a["proxy.host"], a["dest.0.host"]) == ("proxy.lan", "proxy.lan")
    o = r.parcels["modeld", "openai:default"]
    assert o["auth.style"] == "bearer" and "proxy.host" not in o
    c = r.parcels["connect", ""]
    dests = {c["worker.%d.name" % i]: (c["worker.%d.dest.0.host" % i],
                                       c["worker.%d.dest.0.private" % i])
             for i in range(3)}
    assert dests == {
        "modeld/local:default": ("127.0.0.1", "true"),
        "modeld/anthropic:default": ("proxy.lan", "true"),
        "modeld/openai:default": ("api.openai.com", "false")}
    g = r.parcels["agentd", "main"]
    assert g["model.primary"] == "local/m"
    assert g["model.fallback.0"] == "anthropic/claude-opus-4-5"
    assert {g["provider.%d.name" % i]: g["provider.%d.instance" % i]
            for i in range(3)}["local"] == "local:default"
    models = r.json("router", "json.models")
    assert [m["provider"] for m in models] == sorted(
        m["provider"] for m in models)
    assert {"id": "m", "name": "M", "provider": "local",
            "contextWindow": 200000, "reasoning": False,
            "input": ["text"]} in models
    assert set(models[0]) == {"id", "name", "provider", "contextWindow",
                              "reasoning", "input"}


def test_key_by_name_of_variable():
    cfg = {"models": {"providers": {"x": {
        "baseUrl": "https://h/v1", "apiKey": "MY_OWN_KEY", "models": []}}}}
    r = run(cfg, env={"MY_OWN_KEY": "value"})
    assert r.parcels["modeld", "x:default"]["auth.secret"] == "value"
    r = run(cfg)
    assert "variable MY_OWN_KEY is not set" in texts(r.warnings)
    assert r.parcels["modeld", "x:default"]["auth.style"] == "none"


def test_telegram_accounts():
    tok = ["1%05d:%s" % (i, "A" * 30) for i in range(4)]
    r = run({"channels": {"telegram": {
        "botToken": tok[0], "allowFrom": [7, "8"], "dmPolicy": "allowlist",
        "accounts": {
            "Work Bot": {"botToken": tok[1], "dmPolicy": "disabled",
                         "name": "Work", "apiRoot": "http://127.0.0.1:9001/x"},
            "file": {"tokenFile": "~/tok"},
            "off": {"enabled": False, "botToken": tok[3]}}}},
        "bindings": [{"agentId": "main", "match": {
            "channel": "telegram", "accountId": "file",
            "peer": {"kind": "direct", "id": "5"}}}]},
        env={"HOME": "/home/u"}, files={"/home/u/tok": tok[2] + "\n"})
    assert r.ok, r.errors
    w = r.parcels["channeld", "telegram:work-bot"]
    assert w["token"] == tok[1] and w["dmPolicy"] == "disabled"
    assert (w["apiRoot.host"], w["apiRoot.port"], w["apiRoot.tls"],
            w["apiRoot.prefix"]) == ("127.0.0.1", "9001", "false", "/x")
    assert (w["allowFrom.0"], w["allowFrom.1"]) == ("7", "8")
    f = r.parcels["channeld", "telegram:file"]
    assert f["token"] == tok[2] and f["dmPolicy"] == "allowlist"
    assert f["apiRoot.host"] == "api.telegram.org"
    assert r.parcels["channeld", "telegram:default"]["token"] == tok[0]
    assert ("channeld", "telegram:off") not in r.procs()
    assert r.mounts("channeld", "telegram:file") == {
        "/state/channels/telegram/file": "own"}
    rt = r.parcels["router", ""]
    assert (rt["binding.0.agent"], rt["binding.0.account"],
            rt["binding.0.peerKind"], rt["binding.0.peerId"]) == (
                "main", "file", "dm", "5")
    assert rt["channel.0.kind"] == "telegram"


def test_identity_links():
    r = run({"session": {"identityLinks": {
        "alice": ["telegram:123", "+155"], "bob": ["9"]}}})
    assert r.ok, r.errors
    rt = r.parcels["router", ""]
    assert [(rt[f"identityLink.{i}.name"], rt[f"identityLink.{i}.peer"])
            for i in range(3)] == [("alice", "telegram:123"),
                                   ("alice", "+155"), ("bob", "9")]


def test_telegram_by_environment_only():
    tok = "123456:" + "B" * 30
    r = run({}, env={"TELEGRAM_BOT_TOKEN": tok})
    c = r.parcels["channeld", "telegram:default"]
    assert c["token"] == tok and c["dmPolicy"] == "pairing"
    r = run({}, env={"TELEGRAM_BOT_TOKEN": tok, "OPENCLAW_SKIP_CHANNELS": "1"})
    assert not [p for p in r.procs() if p[0] == "channeld"]


def test_http_with_token_only_to_loopback():
    r = run({"channels": {"telegram": {"botToken": "123456:" + "B" * 30,
                                       "apiRoot": "http://example.com"}}})
    assert not r.ok and "apiRoot: http would send" in r.errors[0].text


def test_agents_and_default():
    r = run({"agents": {"list": [
        {"id": "a", "workspace": "~/ws", "identity": {"name": "Ay",
                                                      "avatar": "a.png"}},
        {"id": "B b", "default": True, "name": "Bee",
         "model": "builtin/echo", "tools": {"deny": ["exec"]}}]},
        "tools": {"allow": ["read"], "web": {"search": {"apiKey": "topsecret"}}},
        "session": {"dmScope": "per-peer", "mainKey": "x"}},
        env={"HOME": "/home/u"})
    assert r.ok
    assert r.json("router", "json.agents") == {
        "defaultId": "b-b", "mainKey": "main", "scope": "per-sender",
        "agents": [{"id": "b-b", "name": "Bee",
                    "model": {"primary": "builtin/echo"}},
                   {"id": "a", "identity": {"name": "Ay", "avatar": "a.png"},
                    "model": {"primary": "builtin/assistant"}}]}
    assert r.parcels["agentd", "a"]["workspace"] == "/home/u/ws"
    assert r.parcels["agentd", "b-b"]["workspace"] == "/state/workspace"
    assert r.parcels["agentd", "b-b"]["model.primary"] == "builtin/echo"
    tools = r.json("toold", "json.tools", "b-b")
    assert tools["deny"] == ["exec"] and tools["allow"] == ["read"]
    assert tools["web"]["search"]["apiKey"] == "__OPENCLAW_REDACTED__"
    assert "session.mainKey is ignored" in " ".join(texts(r.warnings))
    assert r.mounts("agentd", "a") == {
        "/state/agents/a": "own", "/home/u/ws": "ro,idmap,make",
        "/state/skills": "ro,idmap,opt", "/usr/local/share/gatewayd/skills": "ro,opt"}


def test_T49_where_skills_may_be():
    """What an agent can write is never mounted by its name, and what is not for
    reading never at all; what is set is told, no value."""
    r = run({"agents": {"list": [{"id": "a", "workspace": "/w/a"}, {"id": "b"}]},
             "env": {"vars": {"SET": "topsecret"}}, "gateway": {**LOCAL, "tls": {"enabled": False}},
             "ui": {"assistant": {"name": "shown-nowhere"}},
             "skills": {"allowBundled": ["x"], "install": {"nodeManager": "bun"},
                        "entries": {"k.l": {"apiKey": "topsecret", "env": {"E": "topsecret"},
                                            "config": {"c": "topsecret"}},
                                    "off": {"enabled": False}},
                        "load": {"extraDirs": [
                            "/w/a/more/skills", "/w/a", "/", "/proc/self", "/state/credentials",
                            "/state/skills/deep", "/cfg", "~/mine", "/state", "/etc", "/n/1",
                            "/n/2", "/n/3", "/n/4", "/n/5", "/n/6", "/n/7"]}}},
            env={"HOME": "/home/u", "OPENCLAW_BUNDLED_SKILLS_DIR": "/b"})
    assert r.ok, r.errors
    fixed = {"/state/skills": "ro,idmap,opt", "/b": "ro,opt"}
    extra = ["/state/skills/deep", "/home/u/mine", "/n/1", "/n/2", "/n/3", "/n/4", "/n/5"]
    assert r.mounts("agentd", "a") == {
        "/state/agents/a": "own", "/w/a": "ro,idmap,make", **fixed, **dict.fromkeys(extra, "ro,opt")}
    got = r.json("agentd", "json.config", "a")["skills"]
    assert got["extra"] == ["/w/a/more/skills", *extra]
    assert (got["managed"], got["bundled"]) == ("/state/skills", "/b")
    assert r.json("agentd", "json.config", "b")["skills"]["extra"] == extra
    assert got["entries"] == {"k.l": {"apiKey": True, "env": ["E"]},
                              "off": {"disabled": True, "env": []}}
    assert {"SET", "HOME"} <= set(got["environ"])
    assert got["config"]["ui"] == {"assistant": {"name": True}}
    assert got["config"]["gateway"]["tls"] == {"enabled": False}
    assert (got["allowBundled"], got["nodeManager"], got["preferBrew"]) == (["x"], "bun", True)
    for p in r.parcels["agentd", "a"].values():
        assert "topsecret" not in p and "shown-nowhere" not in str(got)
    said = " ".join(texts(r.warnings))
    for path in ("/w/a is not", "/ is not", "/proc/self is not", "/state/credentials is not",
                 "/cfg is not", "/state is not", "/etc is not", "/n/6 is not", "/n/7 is not"):
        assert path + " read" in said, said
    # a workspace that has the state in it: only its agent reads them, below it
    r = run({"agents": {"list": [{"id": "a", "workspace": "/state"}, {"id": "b"}]}})
    assert "/state/skills" not in r.mounts("agentd", "a") | r.mounts("agentd", "b")
    assert r.json("agentd", "json.config", "a")["skills"]["managed"] == "/state/skills"
    assert "managed" not in r.json("agentd", "json.config", "b")["skills"]


def test_tls():
    pem = ("-----BEGIN CERTIFICATE-----\nx\n", "-----BEGIN PRIVATE KEY-----\ny\n")
    cfg = {"gateway": {**LOCAL, "tls": {"enabled": True, "certPath": "c.pem",
                                        "keyPath": "/k/k.pem"}}}
    r = run(cfg, files={"/cfg/c.pem": pem[0], "/k/k.pem": pem[1]})
    assert r.ok, r.errors
    f = r.parcels["front", ""]
    assert (f["tls.enabled"], f["tls.cert"], f["tls.key"]) == ("true", *pem)
    assert r.index["listen.0.tls"] == "true"
    r = run(cfg, files={"/cfg/c.pem": pem[0], "/k/k.pem": 13})
    assert not r.ok and "/k/k.pem: Permission denied" in texts(r.errors)


def test_same_text_same_hashes():
    """A reload of an unchanged file restarts nobody."""
    cfg = {"agents": {"list": [{"id": "a"}, {"id": "b"}]}}
    a, b = run(cfg), run(cfg)
    hashes = [v for k, v in a.index.items() if k.endswith(".hash")]
    assert hashes == [v for k, v in b.index.items() if k.endswith(".hash")]
    cfg["agents"]["list"][1]["name"] = "new"
    c = run(cfg)
    changed = {p for i, p in enumerate(c.procs())
               if a.index["proc.%d.hash" % i] != c.index["proc.%d.hash" % i]}
    assert changed == {("agentd", "b"), ("router", "")}


def test_T21_nothing_of_a_workspace_is_asked_for():
    r = run({"agents": {"defaults": {"workspace": "/ws"}}})
    assert r.ok and r.asked == ["/state/.env"]


def test_T21_no_include_from_a_workspace():
    r = gwconfig.run('{"$include": "/state/workspace/x", gateway: %s}' %
                     json.dumps(LOCAL), files={"/state/workspace/x": "{}"})
    assert not r.ok
    assert (r.errors[0].file, r.errors[0].key) == ("/state/workspace/x",
                                                   "$include")


# --- older files ----------------------------------------------------------------------------------


def test_legacy_keys_move_in_memory():
    r = gwconfig.run({
        "agent": {"model": "builtin/echo", "thinkingLevel": "low",
                  "tools": {"deny": ["exec"]}},
        "telegram": {"botToken": "123456:" + "C" * 30,
                     "requireMention": False},
        "gateway": {"mode": "local", "token": "older-token"},
        "routing": {"bindings": [{"agentId": "main", "match": {
            "provider": "telegram", "accountID": "x"}}],
            "groupChat": {"historyLimit": 3}},
        "identity": {"name": "Molty"}})
    assert r.ok, r.errors
    assert r.parcels["agentd", "main"]["model.primary"] == "builtin/echo"
    agent = r.json("agentd", "json.config", "main")
    assert agent["agent"]["thinkingDefault"] == "low"
    assert agent["tools"]["deny"] == ["exec"]
    assert r.parcels["store", ""]["auth.token"] == "older-token"
    assert ("channeld", "telegram:default") in r.procs()
    assert r.parcels["router", ""]["binding.0.account"] == "x"
    assert r.json("router", "json.agents")["agents"][0]["identity"] == {
        "name": "Molty"}
    snap = r.json("router", "json.config")
    assert "Moved agent \u2192 agents.defaults." in " ".join(
        i["message"] for i in snap["legacyIssues"])
    assert snap["parsed"]["agent"]["thinkingLevel"] == "low"


# --- config.get and secrets ----------------------------------------------------------------------------


def secret_paths():
    """A concrete path and type for every row of keys.def that is secret."""
    with open(os.path.join(gwproto.ROOT, "gatewayd/config/keys.def"),
              encoding="utf-8") as f:
        rows = re.findall(r'^KEY\("([^"]*)", "([^"]*)", ([^,]*), ', f.read(),
                          re.M)
    uses = {}
    for path, typ, _ in rows:
        for alt in typ.split(" or "):
            if alt.startswith("@"):
                uses.setdefault(alt, []).append(path)

    def expand(path, depth=0):
        if not path.startswith("@"):
            return [path]
        shape = path.split(".")[0].split("[")[0]
        return [p + path[len(shape):] for u in uses.get(shape, [])
                if depth < 5 for p in expand(u, depth + 1)]
    return [(p, typ) for path, typ, fl in rows if "K_SECRET" in fl
            for p in expand(path)]


def plant(cfg, path, typ, value):
    """Puts value (or a map with it) at a dotted path with * and []."""
    parts = re.findall(r"[^.\[\]]+|\[\]", path)
    node = cfg
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        nxt = parts[i + 1] if not last else None
        if part == "*":
            part = "CANARY_NAME" if path.startswith("env.") else "thing"
        new = [] if nxt == "[]" else {}
        if last:
            new = {"h": value} if typ.startswith("map") else value
        if part == "[]":
            if not node:
                node.append(new)
            node = node[0]
        elif last:
            node[part] = new
        else:
            node = node.setdefault(part, new)
    return cfg


REQUIRED = {
    "models.providers.thing": {"baseUrl": "https://h.example", "models": []},
    "models.providers.thing.models.0": {"id": "i", "name": "n"},
    "browser.profiles.thing": {"color": "#00ff00", "cdpPort": 1},
    "agents.list.0": {"id": "a"},
}


def fill_required(cfg):
    for path, values in REQUIRED.items():
        node = cfg
        for part in path.split("."):
            node = node[int(part)] if part.isdigit() and isinstance(
                node, list) and node else node.get(part, {}) if isinstance(
                    node, dict) else {}
        if isinstance(node, dict) and node:
            for k, v in values.items():
                node.setdefault(k, v)


# The only parcels that hold a credential, and under which key.
HOLDERS = {("store", "auth.token"), ("store", "auth.password"),
           ("channeld", "token"), ("modeld", "auth.secret"),
           ("modeld", "header."), ("front", "tls.key")}


def assert_no_leak(r, canaries):
    for (role, inst), parcel in r.parcels.items():
        for key, value in parcel.items():
            if any(role == hr and key.startswith(hk) for hr, hk in HOLDERS):
                continue
            for c in canaries:
                assert c not in value and c not in key, (role, key, c)
    for p in r.errors + r.warnings:
        for c in canaries:
            assert c not in p.text and c not in p.key, p
    for c in canaries:
        assert c not in r.stderr


def test_T37_canary_in_every_secret_field():
    paths = secret_paths()
    assert len(paths) > 100
    cfg, canaries = {"gateway": {"mode": "local"}}, []
    for i, (path, typ) in enumerate(paths):
        c = "CANARY%05dX" % i
        plant(cfg, path, typ, c)
        canaries.append(c)
    fill_required(cfg)
    r = gwconfig.run(cfg, env={"OPENCLAW_GATEWAY_TOKEN": "t" * 20})
    assert r.ok, r.errors
    assert_no_leak(r, canaries)
    snap = r.json("router", "json.config")
    # Everything but the secrets is still there.
    assert snap["config"]["models"]["providers"]["thing"]["baseUrl"] == \
        "https://h.example"
    assert snap["config"]["gateway"]["auth"]["token"] == \
        "__OPENCLAW_REDACTED__"
    assert json.loads(snap["raw"])["gateway"]["mode"] == "local"


def test_T37_odd_places():
    """Secrets in comments, dropped duplicates, unknown keys, other keys,
    addresses, files, variables."""
    text = """{
 // the old one was CANARYcomment01 and botToken is CANARYvalue0002
 gateway: {mode: "local", auth: {token: "CANARYdropped03",
   "token": "CANARYvalue0002"}},
 messages: {responsePrefix: "uses CANARYvalue0002",
   messagePrefix: "and ${SOME_API_KEY}"},
 unknownThing: {apiToken: "CANARYunknown04", list: [{password: 1234567}]},
 talk: {voiceAliases: {x: "https://u:CANARYinfo0005@host/"}},
 env: {NAME_05: "CANARYenvvar006"},
 channels: {mattermost: {botToken: "CANARYmatter007", other: {secret:
   "CANARYdeeper008"}}, telegram: {tokenFile: "t"}},
}"""
    tok = "123456:CANARYtokenfile0009abcdefgh"
    r = gwconfig.run(text, env={"SOME_API_KEY": "CANARYfromenv10"},
                     files={"/cfg/t": tok})
    assert r.ok, r.errors
    canaries = ["CANARYdropped03", "CANARYvalue0002", "CANARYfromenv10",
                "CANARYunknown04", "CANARYinfo0005", "CANARYenvvar006",
                "CANARYmatter007", "CANARYdeeper008", tok]
    assert_no_leak(r, canaries)
    snap = r.json("router", "json.config")
    assert "1234567" not in snap["raw"] + json.dumps(snap["config"])
    assert "// the old one was" in snap["raw"]       # comments live on
    assert "${SOME_API_KEY}" in snap["raw"]          # references too


def test_config_get_shape():
    text = '{"gateway": {"mode": "local", "auth": {"token": "${TT}"}}, x: 1}'
    r = gwconfig.run(text, env={"TT": "abcdefghijkl"})
    snap = r.json("router", "json.config")
    assert set(snap) == {"path", "exists", "raw", "parsed", "valid", "config",
                         "hash", "issues", "warnings", "legacyIssues"}
    assert snap["hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert snap["raw"] == text
    assert snap["parsed"]["gateway"]["auth"]["token"] == "${TT}"
    assert snap["config"]["gateway"]["auth"]["token"] == \
        "__OPENCLAW_REDACTED__"
    assert snap["issues"] == [] and snap["legacyIssues"] == []
    assert snap["warnings"][0]["path"] == ""
    assert snap["config"]["commands"]["native"] == "auto"


# --- hostile input, hostile parent ------------------------------------------------------------------------


def test_R05_time_is_bounded():
    t0 = time.monotonic()
    big = {"k%d" % i: "v" for i in range(60000)}
    run({"messages": {"inbound": {"byChannel": {k: 1 for k in big}}},
         "channels": {"matrix": big}})
    assert time.monotonic() - t0 < 15


def test_large_file_is_refused():
    r = gwconfig.run(b" " * (5 << 20))
    assert not r.ok and texts(r.errors) == ["File too large"]


def test_ends_on_a_wrong_message():
    for name, fields in [("PROC_PING", {"counter": 1}),
                         ("CF_FILE", {"err": 0, "path": "/x"}),
                         ("PROC_START", {"generation": 1})]:
        p, link = gwconfig.start()
        link.send(name, **fields)
        assert link.recv() is None
        assert p.wait(60) == 1
        p.close()
        link.close()


def test_orderly_end_before_it_began():
    p, link = gwconfig.start()
    link.send("PROC_QUIT")
    assert p.wait(60) == 0
    p.close()
    link.close()


# --- under the real parent ---------------------------------------------------------------------------------


def gatewayd(tmp_path, text, *args, env=None):
    import subprocess
    (tmp_path / "c").mkdir(exist_ok=True)
    cfg = tmp_path / "c" / "openclaw.json"
    cfg.write_text(text)
    return subprocess.run(
        [str(gwconfig.BIN / "gatewayd"), *args, "-t", "-s",
         str(tmp_path / "state"), "-c", str(cfg)], env=env or {},
        capture_output=True, text=True, timeout=60)


def test_check_of_a_file(tmp_path):
    p = gatewayd(tmp_path, "{gateway:{mode:'local'},gatway:1}", "-S")
    assert p.returncode == 0, p.stderr
    assert 'did you mean "gateway"' in p.stderr
    assert "can be used" in p.stdout
    # Nothing was made, no lock was taken.
    assert not (tmp_path / "state").exists()
    p = gatewayd(tmp_path, "{\n gateway: {mode: 'moon'},\n logging: 5}", "-S")
    assert p.returncode == 78
    assert "openclaw.json:2: gateway.mode: Invalid input" in p.stderr
    assert "openclaw.json:3: logging: Invalid input" in p.stderr


def test_R05_a_bad_file_does_not_start(tmp_path):
    p = gatewayd(tmp_path, "{gateway:{mode:'local'}, x: [}")
    assert p.returncode == 78 and "JSON5: invalid character '}'" in p.stderr


def test_T21_includes_stay_in_their_folder(tmp_path):
    (tmp_path / "outside").write_text("{a: 1}")
    os.makedirs(tmp_path / "c", exist_ok=True)
    os.symlink("../outside", tmp_path / "c" / "link")
    os.mkfifo(tmp_path / "c" / "fifo")
    for name in ["../outside", "link", str(tmp_path / "outside"),
                 "/etc/passwd", "fifo", "/proc/self/environ"]:
        p = gatewayd(tmp_path, '{"$include": "%s"}' % name, "-S")
        assert p.returncode == 78, name
        assert "Failed to read include file" in p.stderr, p.stderr
    (tmp_path / "c" / "good").write_text("{gateway:{mode:'local'}}")
    p = gatewayd(tmp_path, '{"$include": "good"}', "-S")
    assert p.returncode == 0, p.stderr


# --- the manual ------------------------------------------------------------------------------------------------


def test_manual_has_the_table():
    import subprocess
    keys = subprocess.run([str(gwconfig.BIN / "gatewayd-config"), "-K"],
                          capture_output=True, text=True, timeout=20).stdout
    man = (gwconfig.ROOT / "man/openclaw.json.5").read_text()
    body = man.split("BEGIN KEYS: gatewayd-config -K\n")[1]
    assert body.split('.\\" END KEYS')[0] == keys, "run `make man-keys`"


@pytest.mark.parametrize("n", [0, 1])
def test_manual_examples_are_valid(n):
    man = (gwconfig.ROOT / "man/openclaw.json.5").read_text()
    text = man.split(".Sh EXAMPLES")[1].split(".Bd -literal -offset indent\n")
    text = text[n + 1].split(".Ed")[0]
    r = gwconfig.run(text, env={"TELEGRAM_BOT_TOKEN": "123456:" + "A" * 30,
                                "ANTHROPIC_API_KEY": "sk-ant-x",
                                "OPENCLAW_GATEWAY_TOKEN": "t" * 20})
    assert r.ok and not r.warnings, (r.errors, r.warnings)
