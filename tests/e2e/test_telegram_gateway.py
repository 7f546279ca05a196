# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Telegram through a whole gateway: strangers, approval, answers, and any
process killed at any moment of the way."""
import json
import os
import random
import subprocess
import time

import pytest
from gateway import BIN, Gateway, RpcError, modes, wait_for
from telegram import FakeTelegram

TOKEN = "123456:TEST-canary_in_the_token"


@pytest.fixture
def fake():
    f = FakeTelegram(TOKEN).start()
    yield f
    f.stop()


@pytest.fixture
def make(fake):
    made = []

    def start(mode=None, model=None, **telegram):
        cfg = {"channels": {"telegram": dict(
            {"botToken": TOKEN, "apiRoot": fake.url}, **telegram)}}
        if model:
            cfg["agents"] = {"defaults": {"model": {"primary": model}}}
        gw = Gateway(mode=mode or modes()[0], config=cfg)
        made.append(gw)
        gw.start()
        return gw

    yield start
    for gw in made:
        try:
            assert TOKEN.split(":")[1] not in gw.output() + gw.logs()
        finally:
            gw.close()


def openclaw(gw, *args):
    return subprocess.run(
        [str(BIN / "openclaw"), *args], capture_output=True, text=True,
        timeout=60, env={"PATH": "/usr/bin:/bin", "HOME": str(gw.dir),
                         "OPENCLAW_STATE_DIR": str(gw.state),
                         "OPENCLAW_CONFIG_PATH": str(gw.config_path),
                         "OPENCLAW_GATEWAY_PORT": str(gw.port),
                         "OPENCLAW_GATEWAY_TOKEN": gw.token})


def test_a_chat_that_asked_for_a_restart_is_answered_there(make, fake):
    gw = make(model="builtin/echo", dmPolicy="open", allowFrom=["*"])
    fake.message(42, "hello")
    fake.wait(lambda: len(fake.texts(42)) == 1, what="an answer")
    key = gw.call("sessions.list")["sessions"][0]["key"]
    began = len(gw.output())
    snap = gw.call("config.get")
    gw.call("config.patch", {"raw": '{"ui": {"seamColor": "#aabbcc"}}',
                             "baseHash": snap["hash"], "sessionKey": key,
                             "note": "a colour", "restartDelayMs": 0})
    wait_for(lambda: "open http" in gw.output(began), what="the new start")
    fake.wait(lambda: len(fake.texts(42)) == 2, what="a word after it")
    assert "GatewayRestart" in fake.texts(42)[1]
    assert "a colour" in fake.texts(42)[1]
    wait_for(lambda: not (gw.state / "restart-sentinel.json").exists(),
             what="no sentinel")


@pytest.mark.parametrize("mode", modes())
def test_pairing_and_answer(make, fake, mode):
    gw = make(mode)
    fake.message(42, "hello")
    fake.wait(lambda: fake.sent, what="notice")
    notice = fake.texts()[0]
    assert "Your Telegram user id: 42" in notice
    code = notice.split("Pairing code: ")[1].split("\n")[0]
    r = openclaw(gw, "pairing", "list", "telegram", "--json")
    assert r.returncode == 0, r.stderr + r.stdout
    rows = json.loads(r.stdout)["requests"]
    assert [(q["id"], q["code"]) for q in rows] == [("42", code)]
    r = openclaw(gw, "pairing", "approve", "telegram", "WRONG234")
    assert r.returncode != 0
    r = openclaw(gw, "pairing", "approve", "telegram", code.lower())
    assert r.returncode == 0, r.stderr + r.stdout
    fake.message(42, "what time is it?")
    fake.wait(lambda: len(fake.sent) >= 2 and "configured" not in
              fake.texts()[-1], what="answer", timeout=180)
    assert fake.sent[-1]["chat_id"] == 42
    # what was said before the approval is not answered now
    time.sleep(0.5)
    assert len(fake.sent) == 2


def test_notify(make, fake):
    """--notify: the sender is told of the approval, once, and not without."""
    gw = make()
    welcome = "\u2705 OpenClaw access approved. Send a message to start chatting."

    def code_of(user):
        fake.message(user, "hello")
        fake.wait(lambda: any(s["chat_id"] == user for s in fake.sent), what="code", timeout=180)
        return json.loads(openclaw(gw, "pairing", "list", "--json").stdout)["requests"][-1]["code"]

    silent, told = code_of(42), code_of(43)
    r = openclaw(gw, "pairing", "approve", "telegram", silent)
    assert (r.returncode, r.stdout, r.stderr) == (0, "Approved telegram sender 42.\n", "")
    r = openclaw(gw, "pairing", "approve", "--notify", "--channel", "telegram", told)
    assert (r.returncode, r.stdout, r.stderr) == (0, "Approved telegram sender 43.\n", "")
    fake.wait(lambda: len(fake.sent) == 3, what="notice", timeout=180)
    assert (fake.sent[-1]["chat_id"], fake.texts()[-1]) == (43, welcome)
    # Not again with a new process that gets the whole list; the answer to 42
    # comes behind whatever that would send.
    gw.kill("channeld/telegram:default")
    fake.message(42, "what time is it?")
    fake.wait(lambda: len(fake.sent) == 4, what="answer", timeout=180)
    assert fake.sent[-1]["chat_id"] == 42 and fake.texts().count(welcome) == 1


def test_notify_of_an_account_that_does_not_run(make, fake):
    gw = make()
    fake.message(42, "hello")
    fake.wait(lambda: fake.sent, what="code", timeout=180)
    code = json.loads(openclaw(gw, "pairing", "list", "--json").stdout)["requests"][0]["code"]
    gw.write_config({})
    assert openclaw(gw, "gateway", "reload").returncode == 0
    r = openclaw(gw, "pairing", "approve", code, "--notify")
    assert r.returncode == 0 and r.stdout == "Approved telegram sender 42.\n"
    assert r.stderr.startswith("Not notified: telegram account default does not run; ")
    wait_for(lambda: "is not told of it" in gw.logs(), 60)


def test_channels_status(make, fake):
    gw = make(dmPolicy="open", allowFrom=["*"])
    fake.message(7, "hello")
    fake.wait(lambda: fake.sent, what="answer")

    def told():
        a = gw.call("channels.status")["channelAccounts"]["telegram"][0]
        return a if a.get("lastOutboundAt") and a.get("lastInboundAt") else None
    a = wait_for(told, what="the times of both")
    assert a["connected"] and a["running"] and a["lastOutboundAt"]
    assert a["mode"] == "polling" and a["dmPolicy"] == "open"


def test_reload(make, fake):
    """A setting changes in place, a token by a new process of this account;
    nothing is lost on the way."""
    gw = make(dmPolicy="open", allowFrom=["*"])
    fake.message(7, "one")
    fake.wait(lambda: len(fake.sent) == 1, what="answer")
    pid = gw.processes()["channeld/telegram:default"]["pid"]
    cfg = json.loads(gw.config_path.read_text())
    cfg["channels"]["telegram"]["dmPolicy"] = "disabled"
    gw.write_config(cfg)
    assert openclaw(gw, "gateway", "reload").returncode == 0
    n = fake.message(7, "two")
    fake.wait(lambda: fake.confirmed == n + 1, what="confirmation")
    time.sleep(0.5)
    assert len(fake.sent) == 1
    assert gw.processes()["channeld/telegram:default"]["pid"] == pid
    fake.token = TOKEN + "2"
    cfg["channels"]["telegram"].update(dmPolicy="open", botToken=fake.token)
    gw.write_config(cfg)
    # Not before: the poll under way would take it under the old policy.
    assert openclaw(gw, "gateway", "reload").returncode == 0
    fake.message(7, "three")
    fake.wait(lambda: len(fake.sent) == 2, what="answer", timeout=180)
    assert gw.processes()["channeld/telegram:default"]["pid"] != pid


KILLED = ["channeld/telegram:default", "router", "agentd/main", "connect",
          "store", "log", "toold/main"]


@pytest.mark.parametrize("name", KILLED)
def test_R07_kill_during_turns(make, fake, name):
    """A process dies while messages are on their way: each is answered once,
    or its sender is told once that the turn was interrupted, or the answer
    is reported as unknown."""
    gw = make(model="builtin/echo", dmPolicy="open", allowFrom=["*"])
    rnd = random.Random(name)
    fake.message(7, "warm")
    fake.wait(lambda: fake.sent, what="first answer", timeout=180)
    n = 12
    for i in range(n):
        fake.message(7 + i % 3, f"msg{i:02d}end")
        time.sleep(rnd.random() * 0.05)
        if i % 4 == 1:
            try:
                gw.kill(name)
            except Exception:       # it may be down already
                pass
    marks = [f"msg{i:02d}end" for i in range(n)]

    def settled():
        said = "\n".join(fake.texts())
        told = said.lower().count("interrupted")
        missing = [m for m in marks if m not in said]
        unknown = gw.logs().count("may or may not")
        return len(missing) <= told + unknown and not fake.updates

    fake.wait(settled, timeout=240, what=f"answers after {name} was killed")
    time.sleep(1)
    said = fake.texts()
    for m in marks:
        assert sum(t.count(m) for t in said) <= 1, (m, said)


def test_channels_status_with_a_probe(make, fake):
    """The account asks its platform now; its failure is told, within the time
    that the client gives it."""
    gw = make(dmPolicy="open", allowFrom=["*"])
    wait_for(lambda: gw.call("channels.status")["channelAccounts"]["telegram"][0]["connected"],
             what="the channel")
    asked = len(fake.calls)

    def probe(**params):
        return gw.call("channels.status",
                       dict(params, probe=True))["channelAccounts"]["telegram"][0]
    assert "probe" not in gw.call("channels.status")["channelAccounts"]["telegram"][0]
    a = probe()
    assert a["lastProbeAt"] and a["probe"]["elapsedMs"] >= 0
    assert {k: v for k, v in a["probe"].items() if k != "elapsedMs"} == {
        "ok": True, "status": None, "error": None,
        "bot": {"id": fake.bot["id"], "username": fake.bot["username"], "canJoinGroups": True,
                "canReadAllGroupMessages": False, "supportsInlineQueries": False},
        "webhook": {"url": "", "hasCustomCert": False}}
    assert {"getMe", "getWebhookInfo"} <= {c[1] for c in fake.calls[asked:]}
    # without the second the bot is still there
    fake.fault("getWebhookInfo", "status", status=500)
    a = probe()
    assert a["probe"]["ok"] and "webhook" not in a["probe"]
    fake.fault("getMe", "status", status=401, description="Unauthorized")
    a = probe()
    assert (a["probe"]["ok"], a["probe"]["status"]) == (False, 401)
    assert "Unauthorized" in a["probe"]["error"] and TOKEN not in json.dumps(a)
    # a platform that is silent costs what the client gives it; a second is
    # the least
    fake.fault("getMe", "hang")
    a = probe(timeoutMs=1)
    assert not a["probe"]["ok"] and a["probe"]["error"] and a["probe"]["elapsedMs"] >= 900
    # one whose process ends meanwhile
    fake.fault("getMe", "hang")
    c = gw.control()
    n = [x[1] for x in fake.calls].count("getMe")
    c.send_raw(b'{"type":"req","id":"p","method":"channels.status","params":{"probe":true}}\n')
    fake.wait(lambda: [x[1] for x in fake.calls].count("getMe") > n, what="the probe")
    gw.kill("channeld/telegram:default")
    m = c.recv()
    while m.get("id") != "p":
        m = c.recv()
    a = m["payload"]["channelAccounts"]["telegram"][0]
    assert a["probe"]["ok"] is False and a["probe"]["error"]


def test_channels_logout(make, fake):
    """The token goes out of the file, the rest of it stays, the channel ends."""
    gw = make(dmPolicy="open", allowFrom=["*"])
    wait_for(lambda: gw.call("channels.status")["channelAccounts"]["telegram"][0]["connected"],
             what="the channel")

    def refusal(**params):
        with pytest.raises(RpcError) as e:
            gw.call("channels.logout", params)
        return e.value.code, e.value.message
    assert refusal(channel="carrier-pigeon") == ("INVALID_REQUEST", "invalid channels.logout channel")
    assert refusal(channel="discord") == ("INVALID_REQUEST",
                                          "channel discord does not support logout")
    # an account that is not there has nothing to lose
    assert gw.call("channels.logout", {"channel": "telegram", "accountId": "work"})["cleared"] is False
    assert gw.call("channels.status")["channelAccounts"]["telegram"][0]["running"]
    assert gw.call("channels.logout", {"channel": " Telegram "}) == {
        "channel": "telegram", "accountId": "default", "cleared": True, "envToken": False,
        "loggedOut": True}
    text = gw.config_path.read_text()
    assert "canary" not in text and '"dmPolicy": "open"' in text
    wait_for(lambda: "channeld/telegram:default" not in gw.processes(), what="the channel's end")
    again = gw.call("channels.logout", {"channel": "telegram"})
    assert (again["cleared"], again["loggedOut"]) == (False, True)
    # a file that is not valid is not touched
    gw.config_path.write_text(text.replace("open", "ajar"))
    assert refusal(channel="telegram") == ("INVALID_REQUEST",
                                           "config invalid; fix it before logging out")


def test_channels_logout_from_the_command_line(make):
    gw = make()

    def openclaw(*args):
        r = subprocess.run([str(BIN / "openclaw"), "channels", "logout", *args],
                           env=dict(gw.environ(), OPENCLAW_STATE_DIR=str(gw.state)),
                           capture_output=True, text=True, timeout=120)
        return r.returncode, r.stdout or r.stderr
    # it guesses no channel
    assert openclaw() == (1, "error: required option '--channel <name>' not specified\n")
    where = "--channel", "telegram", "--account", "default"
    assert openclaw(*where) == (
        0, "telegram account default: its token is out of the configuration\n")
    assert "canary" not in gw.config_path.read_text()
    wait_for(lambda: "channeld/telegram:default" not in gw.processes(), what="the channel's end")
    assert openclaw(*where) == (
        0, "telegram account default: the configuration held no token of it\n")
    code, text = openclaw(*where, "--json")
    assert code == 0 and json.loads(text) == {
        "channel": "telegram", "accountId": "default", "cleared": False, "envToken": False,
        "loggedOut": True}
