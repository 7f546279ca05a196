# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""send and poll: a client's message to a chat, through a whole gateway; sent
once, or its end told, whichever process dies at whichever step."""
import asyncio
import json
import os
import signal
import subprocess
import uuid

import pytest
from gateway import BIN, Gateway, RpcError, modes, wait_for
from telegram import FakeTelegram

TOKEN = "123456:TEST-canary_in_the_token"
CHAN = "channeld/telegram:default"


@pytest.fixture
def fake():
    f = FakeTelegram(TOKEN).start()
    f.names["@room"] = -1009
    yield f
    f.stop()


@pytest.fixture
def gw(fake):
    g = Gateway(mode=modes()[0], config={
        "agents": {"defaults": {"model": {"primary": "builtin/echo"}}},
        "channels": {"telegram": {"botToken": TOKEN, "apiRoot": fake.url}}})
    try:
        g.start()
        yield g
        assert TOKEN.split(":")[1] not in g.output() + g.logs()
    finally:
        g.close()


def params(text="hello", to="42", **more):
    return dict({"to": to, "message": text, "channel": "telegram",
                 "idempotencyKey": str(uuid.uuid4())}, **more)


def up(gw):
    """Telegram answers and the agent is there."""
    wait_for(lambda: gw.call("channels.status")["channelAccounts"]["telegram"][0]["connected"],
             what="the channel")
    return gw


def openclaw(gw, *args):
    return subprocess.run(
        [str(BIN / "openclaw"), *args], capture_output=True, text=True, timeout=120,
        env={"PATH": "/usr/bin:/bin", "HOME": str(gw.dir), "OPENCLAW_STATE_DIR": str(gw.state),
             "OPENCLAW_CONFIG_PATH": str(gw.config_path), "OPENCLAW_GATEWAY_PORT": str(gw.port),
             "OPENCLAW_GATEWAY_TOKEN": gw.token})


# --- what is sent, where, and what is said of it -----------------------------------------


def test_send_and_its_copy(gw, fake):
    up(gw)
    p = params("  *hello* there  ")
    got = gw.call("send", p)
    assert got == {"runId": p["idempotencyKey"], "messageId": str(fake.sent[0]["message_id"]),
                   "channel": "telegram", "chatId": "42"}
    assert fake.sent[0]["chat_id"] == 42 and fake.texts() == ["hello there"]
    # the same key again: the same answer, no second message
    assert gw.call("send", p) == got
    # the conversation of that chat has it, and the next turn sees it
    def copies():
        m = gw.call("chat.history", {"sessionKey": "main"})["messages"]
        return [x for x in m if x["role"] == "assistant" and
                "".join(c.get("text", "") for c in x["content"]) == "*hello* there"]
    wait_for(lambda: len(copies()) == 1, what="the copy")
    assert gw.call("send", dict(p, idempotencyKey="two", message="second"))["runId"] == "two"
    assert fake.texts() == ["hello there", "second"] and len(copies()) == 1


def test_the_copy_goes_where_it_is_told(gw, fake):
    up(gw)
    gw.call("send", params("for the group", to="-100:topic:7"))
    gw.call("send", params("for that session", sessionKey=" Agent:Main:Other "))

    def text(key):
        return [c["text"] for m in gw.call("chat.history", {"sessionKey": key})["messages"]
                for c in m["content"]]
    wait_for(lambda: text("agent:main:telegram:group:-100:topic:7") == ["for the group"],
             what="the copy in the group's session")
    wait_for(lambda: text("agent:main:other") == ["for that session"], what="the other copy")
    # a conversation that begins with such a message goes on as any
    c = gw.control()
    r = c.call("agent", {"message": "and now?", "sessionKey": "agent:main:other",
                         "idempotencyKey": str(uuid.uuid4())}, final=True)
    assert r["status"] == "ok", r


@pytest.mark.parametrize("to,chat,thread", [
    ("42", 42, None), ("telegram:42", 42, None), ("TG:group:-100123", -100123, None),
    ("@room", -1009, None), ("t.me/room", -1009, None), ("https://t.me/room", -1009, None),
    ("-100123:topic:55", -100123, 55), ("-100123:55", -100123, 55)])
def test_targets(gw, fake, to, chat, thread):
    up(gw)
    gw.call("send", params(to=to))
    assert fake.sent[-1]["chat_id"] == chat
    assert fake.sent[-1].get("message_thread_id") == thread


def test_refusals(gw, fake):
    up(gw)

    def said(method="send", **more):
        p = params(**more) if method == "send" else dict(
            {"to": "42", "question": "which?", "options": ["a", "b"],
             "idempotencyKey": str(uuid.uuid4())}, **more)
        with pytest.raises(RpcError) as e:
            gw.call(method, p)
        return e.value.error["code"], e.value.error["message"]
    bad = "INVALID_REQUEST"
    assert said(channel="discord") == (bad, "unsupported channel: discord (configured: telegram)")
    assert said("poll", channel="discord") == \
        (bad, "unsupported poll channel: discord (configured: telegram)")
    for to in ("nobody", "@a", "-", "42x", "42:topic:x", "https://example.com/a", "9" * 30, "@" * 99,
               "a" * 5000, "42:topic:7:8"):
        code, text = said(to=to)
        assert code == bad and text.startswith('Unknown target "') and \
            text.endswith('for Telegram. Hint: <chatId>') and len(text) < 200, text
    assert said(accountId="work") == \
        (bad, 'unknown account "work" of telegram; see `openclaw channels status`')
    for media in ({"mediaUrl": "https://example.com/a.png"}, {"mediaUrls": ["a"]}):
        code, text = said(**media)
        assert code == bad and "media cannot be sent to telegram yet" in text
    assert said(text=" \n ")[0] == bad
    assert said(text="x" * 300000) == \
        (bad, "invalid send params: at /message: must NOT have more than 262144 bytes")
    assert said("poll", maxSelections=3) == (bad, "maxSelections cannot exceed option count")
    assert said("poll", question="  ")[0] == bad
    # the platform's own limits, and what it says of a chat
    unavailable = "UNAVAILABLE"
    assert said("poll", durationHours=2) == \
        (unavailable, "Error: a Telegram poll cannot end after hours; leave durationHours out")
    code, text = said("poll", options=["a", "b" * 101])
    assert code == unavailable and "1 to 100 characters" in text
    fake.close_chat(43)
    code, text = said(to="43")
    assert code == unavailable and "bot was blocked by the user" in text
    # one that failed is told again, not tried again
    fake.closed_chats.clear()
    p = params(to="43")
    fake.close_chat(43)
    for _ in range(2):
        with pytest.raises(RpcError) as e:
            gw.call("send", p)
        assert "bot was blocked" in e.value.message
        fake.closed_chats.clear()
    assert not fake.sent and not fake.polls


def test_without_a_channel(fake):
    g = Gateway(mode=modes()[0])
    try:
        g.start()
        for p, text in (({}, "Channel is required (no configured channels detected)."),
                        ({"channel": "telegram"}, "unsupported channel: telegram (configured: none)")):
            q = params()
            del q["channel"]
            with pytest.raises(RpcError) as e:
                g.call("send", dict(q, **p))
            assert (e.value.code, e.value.message) == ("INVALID_REQUEST", text)
    finally:
        g.close()


def test_poll(gw, fake):
    up(gw)
    p = {"to": "42", "question": " which? ", "options": ["a ", " b", "c"], "maxSelections": 2,
         "idempotencyKey": "k1"}
    got = gw.call("poll", p)
    sent = fake.polls[0]
    assert got == {"runId": "k1", "messageId": str(sent["message_id"]), "channel": "telegram",
                   "pollId": sent["poll"]["id"]}
    assert (sent["question"], sent["options"], sent["allows_multiple_answers"]) == \
        ("which?", ["a", "b", "c"], True)
    assert gw.call("poll", p) == got and len(fake.polls) == 1
    # keys of send and of poll are two kinds
    assert gw.call("send", params(idempotencyKey="k1"))["chatId"] == "42"


def test_a_repeat_joins(gw, fake):
    """Who asks with the key of a message that is under way waits with it."""
    up(gw)
    p = params("once")
    fake.fault("sendMessage", "hold")

    async def go():
        async with gw.client() as a, gw.client() as b:
            first = await a.send("send", p)
            await asyncio.get_running_loop().run_in_executor(
                None, lambda: fake.wait(lambda: fake.holding, what="the message"))
            again = [await a.send("send", p), await b.send("send", p)]
            assert (await b.call("health"))["ok"]       # b's is behind it
            fake.release()
            got = [await a.result(first), await a.result(again[0]), await b.result(again[1])]
            assert got[0] == got[1] == got[2] and len(fake.sent) == 1
    asyncio.run(go())


def test_a_channel_that_cannot_log_in(gw, fake):
    up(gw)
    fake.revoke()
    gw.kill(CHAN)
    wait_for(lambda: gw.call("channels.status")["channelAccounts"]["telegram"][0]["state"] ==
             "auth failed", what="the refusal of the token")
    with pytest.raises(RpcError) as e:
        gw.call("send", params())
    assert e.value.code == "UNAVAILABLE"
    assert e.value.message.startswith("not sent: telegram account default cannot log in: ")
    assert not fake.sent


# --- R07: exactly once, or told -------------------------------------------------------------


def pause(pid):
    os.kill(pid, signal.SIGSTOP)
    return lambda: alive(pid) and os.kill(pid, signal.SIGCONT)


def step_router(pids, fake):
    """The router has not read it."""
    return pause(pids["router"]["pid"])


def step_channel(pids, fake):
    """On its way to the channel, which has not committed it."""
    return pause(pids[CHAN]["pid"])


def step_wire(pids, fake):
    """The request has arrived; the platform has not done it."""
    fake.fault("sendMessage", "hold", text="step")
    return fake.release


def step_answer(pids, fake):
    """The platform has done it; its answer has not arrived."""
    fake.fault("sendMessage", "hold", text="step", effect=True)
    return fake.release


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def reached(fake, step, c):
    loop = asyncio.get_running_loop()
    if step in (step_wire, step_answer):
        await loop.run_in_executor(None, lambda: fake.wait(lambda: fake.holding, what=step.__doc__))
    elif step is step_channel:
        await c.call("health")      # the router has passed it on


@pytest.mark.parametrize("step", [step_router, step_channel, step_wire, step_answer],
                         ids=lambda f: f.__name__)
@pytest.mark.parametrize("victim", ["router", CHAN, "connect", "store", "agentd/main"])
def test_R07_send_killed(gw, fake, step, victim):
    up(gw)
    p = params("step")
    pids, go_on = gw.processes(), []
    unknown = "it is not known whether the message arrived"

    async def ask():
        """Its answer, or None when the connection ended without."""
        try:
            async with gw.client() as c:
                go_on.append(step(pids, fake))
                rid = await c.send("send", p)
                await reached(fake, step, c)
                os.kill(pids[victim]["pid"], signal.SIGKILL)
                go_on[0]()
                try:
                    return await c.result(rid)
                except RpcError as e:
                    return e
        except (EOFError, OSError, Exception) as e:
            if type(e).__name__.startswith("ConnectionClosed") or isinstance(e, OSError):
                return None
            raise
    first = asyncio.run(ask())
    if victim == "router":
        assert first is None
    # Whoever was told nothing asks again with the same key, until it is told.
    def told():
        try:
            return gw.control().call("send", p)
        except RpcError as e:
            assert e.code == "UNAVAILABLE"
            if "idempotencyKey" in e.message or e.message.startswith("not sent"):
                return None
            return e
        except (OSError, EOFError):
            return None
    again = wait_for(told, timeout=120, what="an end")
    times = fake.texts().count("step")
    if isinstance(again, RpcError):
        assert unknown in again.message and times <= 1, (again.message, times)
        assert victim == CHAN and step in (step_wire, step_answer) or \
            victim == "connect", (victim, step)
    else:
        assert times == 1 and again["messageId"] == str(next(
            s["message_id"] for s in fake.sent if s["text"] == "step"))
    if first is not None and not isinstance(first, RpcError):
        assert first == again
    # and it stays so
    gw.call("send", params("behind it"))
    assert fake.texts().count("step") == times


def test_R07_lost_answers_are_unknown(gw, fake):
    """What the platform may have done is never done again."""
    up(gw)
    for kind in ("drop", "cut", "garbage"):
        fake.fault("sendMessage", kind, text=kind, effect=True)
        p = params(kind)
        for _ in range(2):
            with pytest.raises(RpcError) as e:
                gw.call("send", p)
            assert e.value.code == "UNAVAILABLE"
            assert "it is not known whether the message arrived" in e.value.message
        gw.call("send", params("behind " + kind))
        assert fake.texts().count(kind) == 1
    # what it surely has not done is tried again
    fake.fault("sendMessage", "status", status=429, retry_after=1, text="later")
    assert gw.call("send", params("later"))["messageId"]
    assert fake.texts().count("later") == 1


# --- the command line -------------------------------------------------------------------------


def test_openclaw_message(gw, fake):
    up(gw)
    r = openclaw(gw, "message", "send", "--target", "42", "-m", "from a shell")
    assert r.returncode == 0, r.stderr
    assert r.stdout == f"Sent by telegram. Message ID: {fake.sent[-1]['message_id']}\n"
    r = openclaw(gw, "message", "send", "-t", "-100", "--thread-id", "7", "--channel", "telegram",
                 "--message", "again", "--json", "--key", "k")
    doc = json.loads(r.stdout)
    assert doc == {"action": "send", "channel": "telegram", "dryRun": False, "handledBy": "core",
                   "payload": {"channel": "telegram", "to": "-100:topic:7", "via": "gateway",
                               "mediaUrl": None, "result": {
                                   "runId": "k", "channel": "telegram", "chatId": "-100",
                                   "messageId": str(fake.sent[-1]["message_id"])}}}
    assert fake.sent[-1]["message_thread_id"] == 7
    r = openclaw(gw, "message", "poll", "-t", "42", "--poll-question", "which?", "--poll-option",
                 "a", "--poll-option", "b", "--poll-multi")
    poll = fake.polls[-1]
    assert (r.returncode, r.stdout) == (0, f"Sent by telegram. Message ID: {poll['message_id']}, "
                                        f"poll ID: {poll['poll']['id']}\n")
    assert poll["allows_multiple_answers"] is True
    n = len(fake.sent)
    r = openclaw(gw, "message", "send", "-t", "42", "-m", "x", "--dry-run")
    assert r.returncode == 0 and r.stdout.startswith("Not sent (dry run)")
    for args, text in (
            (("send", "-m", "x"), "error: required option '-t, --target <dest>' not specified\n"),
            (("send", "-t", "42"), "error: required option '-m, --message <text>' not specified\n"),
            (("poll", "-t", "42"), "error: required option '--poll-question <text>' not specified\n"),
            (("poll", "-t", "42", "--poll-question", "q", "--poll-option", "a"),
             "Error: --poll-option must be given 2 to 12 times, not 1\n"),
            (("send", "-t", "nobody", "-m", "x"),
             'Error: Unknown target "nobody" for Telegram. Hint: <chatId>\n')):
        r = openclaw(gw, "message", *args)
        assert (r.returncode, r.stderr) == (1, text)
    # not known: how to ask again
    fake.fault("sendMessage", "hold", text="held")
    r = openclaw(gw, "message", "send", "-t", "42", "-m", "held", "--key", "kk", "--timeout", "5000")
    assert r.returncode == 1 and "Repeat it with --key kk: that never sends twice." in r.stderr
    fake.release()
    r = openclaw(gw, "message", "send", "-t", "42", "-m", "held", "--key", "kk")
    assert r.returncode == 0 and fake.texts().count("held") == 1
    assert len(fake.sent) == n + 1


@pytest.mark.parametrize("pad", range(2))
def test_errors_that_quote_are_cut_between_characters(gw, fake, pad):
    """What quotes a client is longer than an error may be: what is left is
    text, and neither the socket nor who answered ends."""
    up(gw)
    before = {n: p["pid"] for n, p in gw.processes().items()}
    long = "a" * pad + "\u00e4" * 3000
    p = {"to": "42", "message": "x", "idempotencyKey": f"k{pad}"}
    for method, params in (
            ("send", dict(p, channel=long)),
            ("send", dict(p, channel="telegram", accountId=long)),
            ("send", dict(p, channel="telegram", to=long)),
            ("sessions.patch", {"key": "main", "model": long}),
            ("sessions.patch", {"key": "main", "thinkingLevel": long}),
            ("sessions.patch", {"key": "main", long: 1}),
            ("sessions.resolve", {"label": long}),
            ("agents.list", {long: 1})):
        c = gw.control()
        try:
            with pytest.raises(RpcError) as e:
                c.call(method, params)      # decoded as UTF-8
            assert e.value.args
            c.call("health")
        finally:
            c.close()
    assert {n: p["pid"] for n, p in gw.processes().items() if n in before} == before
