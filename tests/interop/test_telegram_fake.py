# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The fake Bot API, judged by grammY, which nobody here wrote.

grammY comes from npm; see clients.py.
"""
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest
from clients import HERE, installed, node
from telegram import FakeTelegram


@pytest.fixture(scope="module")
def script():
    where = installed("telegram-bot", {"grammy": "1"})
    # Node finds packages from where the script is.
    shutil.copy(HERE / "grammy_bot.mjs", where)
    return where / "grammy_bot.mjs"


@pytest.fixture
def fake():
    f = FakeTelegram().start()
    yield f
    f.stop()


def start(script, fake, what, **env):
    return subprocess.Popen(
        [str(node("22")), str(script), fake.url, fake.token, what],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/tmp", **env})


def checks(p, code=0):
    out, err = p.communicate(timeout=60)
    assert p.returncode == code, err[-3000:]
    rows = [json.loads(line) for line in out.splitlines()]
    bad = [c for c in rows if not c["ok"]]
    assert not bad, bad
    return [c["name"] for c in rows]


def test_calls_and_errors(script, fake):
    fake.close_chat(666)
    fake.fault("sendMessage", "status", text="limited", status=429,
               retry_after=3, description="Too Many Requests: retry after 3")
    fake.fault("sendMessage", "drop", text="dropped")
    assert len(checks(start(script, fake, "calls"))) == 12


def test_echo_and_kill_in_a_batch(script, fake):
    """Updates come until they are confirmed: a bot that dies in the middle of
    a batch gets the batch again."""
    for i in range(3):
        fake.message(7, f"m{i}")
    p = start(script, fake, "echo", DIE_AT="m2")
    assert p.wait(60) == -9
    p.communicate()
    assert fake.texts() == ["m0", "m1"] and len(fake.updates) == 3
    p = start(script, fake, "echo")
    fake.wait(lambda: len(fake.sent) == 5, what="the rest")
    fake.message(7, "/start")
    fake.wait(lambda: fake.texts()[-1] == "welcome", what="command")
    fake.update(callback_query={"id": "1", "from": fake.user(7), "data": "d",
                                "chat_instance": "1"})
    fake.wait(lambda: [c for c in fake.calls
                       if c[1] == "answerCallbackQuery"], what="button")
    p.terminate()
    assert checks(p) == ["start", "stop"]
    assert fake.texts()[2:5] == ["m0", "m1", "m2"] and fake.updates == []
    assert fake.sent[0]["entities"][0]["type"] == "bold"
    assert fake.confirmed == 1005


def test_two_pollers(script, fake):
    """The older poll ends with 409; grammY stops and says why."""
    a = start(script, fake, "echo")
    fake.wait(lambda: fake.poller is not None, what="first bot", timeout=60)
    b = start(script, fake, "echo")
    out, err = a.communicate(timeout=60)
    assert a.returncode != 0 and "409" in err and "Conflict" in err
    fake.message(7, "x")
    fake.wait(lambda: fake.sent, what="second bot", timeout=60)
    b.terminate()
    assert checks(b) == ["start", "stop"]


def test_control_over_http(fake):
    """Other languages script it too."""
    def post(**args):
        r = urllib.request.Request(fake.url + "/control",
                                   json.dumps(args).encode(),
                                   {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(r, timeout=10))

    assert post(op="message", chat=7, text="x")["result"] == 1000
    post(op="fault", method="getMe", kind="status", status=500)
    books = json.load(urllib.request.urlopen(fake.url + "/control",
                                             timeout=10))
    assert books["pending"] == [1000] and books["sent"] == []
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{fake.url}/bot{fake.token}/getMe",
                               timeout=10)
    r = json.load(urllib.request.urlopen(
        f"{fake.url}/bot{fake.token}/getMe", timeout=10))
    assert r["result"]["username"] == "our_bot"
