# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""gatewayd-config as the judge of changes: config.set, patch, apply, edit."""
import hashlib
import json

import gwconfig
import pytest

LOCAL = {"mode": "local", "auth": {"mode": "token", "token": "a-shared-token"}}
HIDDEN = "__OPENCLAW_REDACTED__"
HAND = """// my gateway
{
  gateway: { mode: 'local', auth: { token: "${TOK}" } }, // kept
  /* channels */
  channels: {
    // the bot
    telegram: { enabled: false, botToken: "123456:AAA-of-the-bot" },
  },
}
"""
ENV = {"TOK": "token-of-the-environment"}


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def judge(verb, raw, text=HAND, base=None, **kw):
    params = {"raw": raw if isinstance(raw, str) else json.dumps(raw)}
    if text is not None and base is None:
        base = sha(text)
    if base:
        params["baseHash"] = base
    params.update(kw.pop("params", {}))
    r = gwconfig.run(text, env=ENV, wish=(verb, params), **kw)
    assert not r.parcels and "CF_TEXT_ANSWER" in r.texts
    r.answer = json.loads(r.texts["CF_TEXT_ANSWER"])
    r.text = r.texts.get("CF_TEXT_FILE", b"").decode()
    assert r.ok == ("CF_TEXT_FILE" in r.texts)
    for word in ("AAA-of-the-bot", ENV["TOK"], "a-shared-token"):
        assert word.encode() not in r.texts["CF_TEXT_ANSWER"]
    return r


def refused(r, message):
    assert not r.ok
    assert r.answer["code"] == "INVALID_REQUEST"
    assert message in r.answer["message"], r.answer
    return r.answer


@pytest.mark.parametrize("verb", ["CF_SET", "CF_PATCH", "CF_APPLY", "CF_EDIT"])
def test_base_hash(verb):
    refused(judge(verb, {}, base="0" * 64),
            "config changed since last load; re-run config.get and retry")
    r = gwconfig.run(HAND, env=ENV, wish=(verb, {"raw": "{}"}))
    assert not r.ok and json.loads(r.texts["CF_TEXT_ANSWER"])["message"] == \
        "config base hash required; re-run config.get and retry"


def test_a_patch_keeps_the_hand_of_the_writer():
    r = judge("CF_PATCH", {"channels": {"telegram": {"dmPolicy": "pairing",
                                                     "enabled": None}},
                           "logging": {"level": "debug"}})
    assert r.ok
    assert r.text.startswith(HAND.split("telegram")[0])
    assert 'telegram: { botToken: "123456:AAA-of-the-bot", ' \
        '"dmPolicy": "pairing" },' in r.text
    assert '"${TOK}"' in r.text and "// kept" in r.text
    assert r.answer["config"]["logging"]["level"] == "debug"
    again = gwconfig.run(r.text, env=ENV)
    assert again.ok and not again.warnings
    meta = r.answer["config"]["meta"]
    assert meta["lastTouchedAt"] == "2023-11-14T22:13:20.123Z"
    assert r.answer["restart"] == {
        "ok": True, "pid": 77, "signal": "SIGUSR1", "delayMs": 2000,
        "reason": "config.patch", "mode": "emit"}
    assert r.done["restart_ms"] == 2000


@pytest.mark.parametrize("delay,ms", [(0, 0), (60001, 60000), (17, 17)])
def test_sentinel_and_delay(delay, ms):
    r = judge("CF_APPLY", HAND.replace("false", "true"), params={
        "note": "why", "sessionKey": "agent:main:main",
        "restartDelayMs": delay})
    assert r.ok and r.done["restart_ms"] == ms
    assert r.answer["restart"]["delayMs"] == ms
    s = json.loads(r.texts["CF_TEXT_SENTINEL"])
    assert s["version"] == 1 and s["payload"] == r.answer["sentinel"]["payload"]
    assert r.answer["sentinel"]["path"] == "/state/restart-sentinel.json"
    p = s["payload"]
    assert (p["kind"], p["status"], p["ts"], p["sessionKey"], p["message"]) \
        == ("config-apply", "ok", 1700000000123, "agent:main:main", "why")
    assert p["stats"] == {"mode": "config.apply", "root": "/state"}


@pytest.mark.parametrize("verb", ["CF_SET", "CF_EDIT"])
def test_set_and_edit_ask_for_no_restart(verb):
    r = judge(verb, HAND if verb == "CF_SET" else {"ui": None})
    assert r.ok and r.done["restart_ms"] == 0xffffffff
    assert set(r.answer) == {"ok", "path", "config"}
    assert "CF_TEXT_SENTINEL" not in r.texts


def test_T37_secrets_come_back():
    shown = gwconfig.run(HAND, env=ENV).json("router", "json.config")
    assert HIDDEN in shown["raw"] and "AAA" not in shown["raw"]
    # the text of an editor, and the tree of a form
    r = judge("CF_SET", shown["raw"].replace("false", "true"))
    assert r.ok and '"123456:AAA-of-the-bot"' in r.text
    assert "${TOK}" in r.text and HIDDEN not in r.text
    assert "// the bot" in r.text
    r = judge("CF_APPLY", shown["config"])
    assert r.ok and HIDDEN not in r.text
    tree = json.loads(r.text)
    assert tree["channels"]["telegram"]["botToken"] == "123456:AAA-of-the-bot"
    assert tree["gateway"]["auth"]["token"] == "${TOK}"


def test_T37_a_placeholder_without_a_secret_is_refused():
    a = refused(judge("CF_PATCH", {"talk": {"apiKey": HIDDEN}}),
                "talk.apiKey: " + HIDDEN)
    assert "write the value itself" in a["message"]
    refused(judge("CF_SET", '{ui: {assistant: {name: "x%sx"}}}' % HIDDEN),
            "ui.assistant.name")
    refused(judge("CF_PATCH", {"env": {"vars": {HIDDEN: "1"}}}), "env.vars")


def test_items_of_lists_are_known_by_id():
    cfg = {"gateway": LOCAL, "agents": {"list": [
        {"id": "a", "memorySearch": {"remote": {"apiKey": "secret-of-a"}}},
        {"id": "b", "memorySearch": {"remote": {"apiKey": "secret-of-b"}}}]}}
    text = json.dumps(cfg)
    r = judge("CF_PATCH", {"agents": {"list": [
        {"id": "b", "memorySearch": {"remote": {"apiKey": HIDDEN}}}]}},
        text=text)
    assert r.ok and "secret-of-b" in r.text and "secret-of-a" not in r.text


def test_every_reason_is_told():
    a = refused(judge("CF_PATCH", {"gateway": {"port": "x", "bind": "moon"},
                                   "session": {"reset": {"atHour": 24}}}),
                "invalid config")
    assert {"gateway.port", "gateway.bind", "session.reset.atHour"} <= \
        {i["path"] for i in a["details"]["issues"]}
    # what is well formed and would not start
    a = refused(judge("CF_PATCH", {"gateway": {"mode": "remote"}}),
                "invalid config")
    assert any("gateway.mode=local" in i["message"]
               for i in a["details"]["issues"])


def test_bad_raw():
    refused(judge("CF_PATCH", "5"), "config.patch raw must be an object")
    refused(judge("CF_SET", "{a:"), "SyntaxError: JSON5: invalid end of input "
            "at 1:4")
    assert "details" in refused(judge("CF_SET", "[1]"), "invalid config")
    refused(judge("CF_PATCH", {}, text="{"),
            "invalid config; fix before patching")
    # a whole new text mends a broken file
    assert judge("CF_SET", {"gateway": LOCAL}, text="{").ok


def test_no_file_needs_no_hash():
    r = judge("CF_PATCH", {"gateway": LOCAL}, text=None)
    assert r.ok and json.loads(r.text)["gateway"] == LOCAL


def test_includes():
    inc = {"/cfg/more.json": json.dumps({"logging": {"level": "warn"},
                                         "broadcast": {"x": ["main"]}})}
    text = json.dumps({"$include": "./more.json", "gateway": LOCAL})
    r = judge("CF_PATCH", {"logging": {"level": "debug"}}, text=text,
              files=inc)
    assert r.ok and json.loads(r.text)["$include"] == "./more.json"
    assert r.answer["config"]["logging"]["level"] == "debug"
    refused(judge("CF_PATCH", {"logging": None}, text=text, files=inc),
            "logging: an included file says otherwise")
    refused(judge("CF_PATCH", {"broadcast": {"x": []}}, text=text, files=inc),
            "broadcast.x: an included file says otherwise")


def test_keys_that_stand_twice_are_written_anew():
    text = '{gateway: {mode: "local", mode: "local"}, ui: {seamColor: ' \
        '"#aabbcc"}}'
    r = judge("CF_PATCH", {"gateway": {"auth": LOCAL["auth"]}, "ui": None},
              text=text)
    assert r.ok
    tree = json.loads(r.text)       # plain JSON
    assert tree["gateway"] == LOCAL and "ui" not in tree


# --- what a changed file asks for -------------------------------------------


def classes(before, after):
    flat = gwconfig.run({"gateway": LOCAL, **before}).texts["CF_TEXT_STATE"]
    r = gwconfig.run({"gateway": LOCAL, **after}, before=flat)
    assert r.ok
    return r.done["reload"], r.done["paths"], r


@pytest.mark.parametrize("after,cls,paths", [
    ({}, 0, ""),
    ({"agents": {"list": [{"id": "main"}, {"id": "b"}]}}, 0, ""),
    ({"meta": {"lastTouchedVersion": "x"}, "wizard": {"lastRunAt": "y"}}, 0,
     ""),
    ({"channels": {"telegram": {"enabled": False}}}, 0, ""),
    ({"channels": {"defaults": {"groupPolicy": "open"}}}, 1,
     "channels"),
    ({"channels": {}, "ui": {}}, 0, ""),
    ({"gateway": {**LOCAL, "port": 5}}, 1, "gateway.port"),
    ({"gateway": {**LOCAL, "remote": {"url": "ws://x"}}}, 0, ""),
    ({"env": {"vars": {"A": "1"}}}, 1, "env"),
])
def test_reload_classes(after, cls, paths):
    assert classes({}, after)[:2] == (cls, paths)


def test_reload_modes():
    def g(mode, **kw):
        return {"gateway": {**LOCAL, "reload": {"mode": mode}, **kw}}
    assert classes(g("off"), g("off", port=5))[0] == 2
    assert classes(g("restart"), g("restart"))[0] == 0
    assert classes(g("restart"), {**g("restart"), "ui": {}})[0] == 1
    # "hot" takes what it can and leaves the rest as it runs
    cls, paths, r = classes(g("hot"), {**g("hot", port=5),
                                       "agents": {"list": [{"id": "new"}]}})
    assert cls == 0 and paths == "gateway.port"
    assert r.index["listen.0.port"] == "18789"
    assert ("agentd", "new") in r.procs()
