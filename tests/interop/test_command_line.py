# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""OpenClaw's own command line, unmodified, against this gateway: one line for
each command that asks a gateway.  Of each is known what it prints when it was
answered; a missing field shows as `undefined`, `NaN` or `Invalid Date`.
"""
import asyncio
import json
import re
import shlex

import pytest
from clients import NEW, OLD, OpenClaw
from test_protocol import Device, connect

# Commands and a pattern that their output has when the gateway has answered.
# `{..}` is the value of that name in `names`.
READ = [
    ("health", r"Telegram: (configured|ok)"),
    ("health --json", r'"ok": true'),
    ("status", r"reachable \d+ms"),
    ("status --deep", r"(?i)telegram"),
    ("status --json", r'"reachable": true'),
    ("gateway probe", r"Reachable: yes"),
    ("gateway usage-cost", r"Usage cost \(30 days\)"),
    ("gateway usage-cost --days 2 --json", r'"totalCost"'),
    ("channels status", r"Telegram default: enabled, configured, running"),
    ("channels status --probe", r"Telegram default: enabled, configured, running"),
    ("logs --plain --limit 20", r"ready, generation 1"),
    ("logs --json --limit 20", r'"type":"meta","file":"/'),
    ("system presence", r'"reason": "self"'),
    ("system heartbeat last", r"null"),
    ("devices list", r"Paired \(\d+\)"),
    ("devices list --json", r'"deviceId": "[0-9a-f]{64}"'),
    ("approvals get --gateway", r"exec-approvals\.json"),
    ("nodes status", r"Known: \d+"),
    ("nodes list", r"Pending: \d+"),
    ("nodes pending", r"(?i)no pending"),
]
WRITE = [
    ("agent --agent main --message 'what time is it?'", r"You said: "),
    ("agent --agent main --message 'what time is it?' --json", r'"status": "ok"'),
    ("agent --session-id 0b6c6a5e-0000-4000-8000-000000000001 --message /help", r"\S"),
    ("system heartbeat disable", r"ok"),
]
# Methods that no command of above calls, with parameters and a field of the
# answer that must be there.
CALLS = [
    ("sessions.list", {"limit": 5}, "sessions"),
    ("sessions.preview", {"keys": ["main"]}, "previews"),
    ("sessions.resolve", {"key": "main"}, "key"),
    ("sessions.patch", {"key": "main", "label": "Interop"}, "entry"),
    ("chat.history", {"sessionKey": "main"}, "messages"),
    ("chat.inject", {"sessionKey": "main", "message": "noted"}, "messageId"),
    ("sessions.compact", {"key": "main"}, "compacted"),
    ("agents.list", {}, "agents"), ("models.list", {}, "models"),
    ("agent.identity.get", {}, "name"), ("config.schema", {}, "schema"),
    ("skills.status", {}, "skills"),
]
# Commands of subjects that may be built later: as long as the gateway does not
# say that it has the method, the protocol's own error must come, and is printed.
LATER = [
    ("gateway call tts.status --json --params '{}'", "tts.status"),
    ("gateway call wizard.status --json --params '{\"sessionId\":\"x\"}'", "wizard.status"),
    ("gateway call voicewake.get --json --params '{}'", "voicewake.get"),
    ("cron status", "cron.status"), ("cron list", "cron.list"),
    ("system event --text 'the post came'", "wake"),
]
BROKEN = re.compile(r"\bundefined\b|\bNaN\b|Invalid Date|\[object Object\]")


@pytest.fixture(scope="module", params=[OLD, NEW])
def cli(request, gw):
    claw = OpenClaw(request.param, gw, {"channels": {"telegram": {
        "botToken": "123456:of-the-client-alone"}}, "plugins": {"entries": {
            "telegram": {"enabled": True}}}})
    c = gw.control()        # a conversation to show
    c.call("agent", {"message": "what time is it?", "idempotencyKey": "interop",
                     "agentId": "main"}, final=True)
    c.close()
    asyncio.run(pair(gw))
    yield claw
    claw.close()


async def pair(gw):
    """A device to list; not every release shows one of its own here."""
    ws, m = await connect(gw, gw.token, Device(), ["operator.read"])
    await ws.close()
    assert m["ok"], m


def say(claw, line):
    r = claw.run(*shlex.split(line))
    said = r.stdout + r.stderr
    assert r.returncode == 0, said[-3000:]
    assert not BROKEN.search(said), said[-3000:]
    return r.stdout


@pytest.mark.parametrize("line,pattern", READ + WRITE, ids=[c[0] for c in READ + WRITE])
def test_command(cli, line, pattern):
    said = say(cli, line)
    assert re.search(pattern, said), said[-3000:]
    if "--json" in line and "logs" not in line:
        json.loads(said[min(i for i in (said.find("{"), said.find("[")) if i >= 0):])


@pytest.mark.parametrize("method,params,field", CALLS, ids=[c[0] for c in CALLS])
def test_gateway_call(cli, method, params, field):
    said = say(cli, f"gateway call {method} --json --params '{json.dumps(params)}'")
    answer = json.loads(said[said.index("{"):])
    assert field in answer, said[-3000:]


@pytest.mark.parametrize("line,method", LATER, ids=[c[1] for c in LATER])
def test_later(cli, gw, line, method):
    async def advertised():
        async with gw.client() as c:
            return c.hello["features"]["methods"]
    r = cli.run(*shlex.split(line))
    said = r.stdout + r.stderr
    if method in asyncio.run(advertised()):
        assert r.returncode == 0 and not BROKEN.search(said), said[-3000:]
        return
    assert r.returncode != 0 and f"unknown method: {method}" in said, said[-3000:]
    print(f"unknown method: {method}, as expected of a subject that comes later")


def test_message_send(cli, telegram):
    """To a channel of the gateway; `message send` itself talks to channels
    from the client's machine, all but WhatsApp."""
    text = f"from the command line {cli.version}"
    say(cli, "gateway call send --json --params '%s'" % json.dumps({
        "channel": "telegram", "to": "42", "message": text, "idempotencyKey": text}))
    telegram.wait(lambda: text in telegram.texts(), what="the message")


def test_config(cli, gw):
    """The file as the gateway has it, patched by who knows its hash."""
    def call(method, **params):
        said = say(cli, f"gateway call {method} --json --params {shlex.quote(json.dumps(params))}")
        return json.loads(said[said.index("{"):])
    before = call("config.get")
    assert before["valid"] and before["hash"]
    name = f"Claw {cli.version}"
    done = call("config.patch", baseHash=before["hash"], restartDelayMs=0,
                raw=json.dumps({"ui": {"assistant": {"name": name}}}))
    assert done["ok"] and done["config"]["ui"]["assistant"]["name"] == name
    assert call("config.get")["config"]["ui"]["assistant"]["name"] == name


def test_devices(cli, gw):
    """A device, if it can be its own, by its commands: a new token, then none."""
    said = say(cli, "devices list --json")
    there = [d["deviceId"] for d in json.loads(said[said.index("{"):])["paired"]]
    assert sorted(there) == sorted(d["deviceId"] for d in gw.call("device.pair.list")["paired"])
    kept = cli.home / ".openclaw/identity/device.json"
    own = json.loads(kept.read_text())["deviceId"] if kept.exists() else None
    device = own if own in there else there[0]
    for verb in ("rotate", "revoke"):
        said = say(cli, f"devices {verb} --device {device} --role operator --json")
        assert json.loads(said[said.index("{"):])["deviceId"] == device
        # What it has kept is refused once; then it shows the shared token.
        if cli.run("health").returncode != 0:
            say(cli, "health")
