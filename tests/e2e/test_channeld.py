# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""channeld with a fake Telegram: what goes in, what comes out, who may."""
import json
import os
import time

import gwproto
import pytest
from chanrig import DELIVERY, Rig, TOKEN
from gateway import wait_for
from rigs import maker, rig  # noqa: F401 (fixtures)

NOTICE = """OpenClaw: access not configured.

Your Telegram user id: %d

Pairing code: %s

Ask the bot owner to approve with:
openclaw pairing approve telegram <code>"""

make_rig = maker(Rig)


def test_C02_message_in_answer_out(rig):
    n = rig.fake.message(7, "hello")
    m = rig.wait("CH_INBOUND")
    assert m.text == "hello" and m.chat == "7" and m.sender == "7"
    assert m.sender_name == "User7" and m.sender_username == "user7"
    assert m.chat_type == 0 and m.kind == 0 and m.msg_id == "2"
    assert m.event_id.startswith(f"{n}-")
    rig.fake.wait(lambda: rig.fake.confirmed == n + 1, what="confirmation")
    corr = rig.deliver("d1", "**Hi** <you> & `me`", reply_to=m.msg_id)
    a = rig.wait("CH_DELIVER_ACK", delivery_id="d1")
    sent = rig.fake.sent[0]
    assert a.status == DELIVERY["DELIVERY_SENT"] and a.corr == corr
    assert a.remote_ids == str(sent["message_id"])
    assert sent["text"] == "Hi <you> & me"
    assert sent["source"] == "<b>Hi</b> &lt;you&gt; &amp; <code>me</code>"
    assert sent["reply_parameters"]["message_id"] == 2
    assert [e["type"] for e in sent["entities"]] == ["bold", "code"]


def test_C01_state_row(rig):
    rig.wait_state("CH_UP")
    rig.fake.message(7, "x")
    rig.wait("CH_INBOUND")
    rig.deliver("d", "y")
    rig.wait("CH_DELIVER_ACK")

    def told():
        row = json.loads(rig.of("CH_STATE")[-1].snapshot)
        return row if row["lastOutboundAt"] and row["lastInboundAt"] and \
            row["queueDepth"] == 0 else None
    row = rig.until(told, "the times of both")
    assert row["accountId"] == "main" and row["running"] is True
    assert row["connected"] is True and row["mode"] == "polling"
    assert row["dmPolicy"] == "open" and row["allowFrom"] == ["*"]
    assert row["lastError"] is None
    assert row["bot"] == {"id": "123456", "username": "our_bot"}


def test_command(rig):
    rig.fake.message(7, "/stop@our_bot now")
    m = rig.wait("CH_INBOUND")
    assert m.kind == 1 and m.text == "/stop now"


def test_lanes(make_rig):
    """One event of a chat at a time, several chats at once, in order."""
    rig = make_rig(auto=None)
    for i in range(3):
        rig.fake.message(7, f"a{i}")
        n = rig.fake.message(8, f"b{i}")
    rig.taken(n)
    rig.wait("CH_INBOUND", 2)
    assert sorted(rig.texts()) == ["a0", "b0"]
    rig.ack(rig.of("CH_INBOUND", chat="7")[0])
    rig.wait("CH_INBOUND", 2, chat="7")
    assert sorted(rig.texts()) == ["a0", "a1", "b0"]
    rig.auto = True
    for m in rig.of("CH_INBOUND"):
        rig.ack(m)
    rig.wait("CH_INBOUND", 6)
    rig.settle()
    for c, want in (("7", "a"), ("8", "b")):
        assert [m.text for m in rig.of("CH_INBOUND", chat=c)] == \
            [f"{want}{i}" for i in range(3)]


def test_inbound_retry_and_refusal(make_rig):
    rig = make_rig(auto=None)
    rig.fake.message(7, "first")
    m = rig.wait("CH_INBOUND")
    rig.ack(m, "INBOUND_RETRY", "no agent")
    again = rig.wait("CH_INBOUND", 2)
    assert again.event_id == m.event_id
    rig.ack(again, "INBOUND_REFUSED", "no route")
    rig.fake.message(7, "second")
    assert rig.wait("CH_INBOUND", 3).text == "second"


# --- who may ---------------------------------------------------------------


def pair_rig(make_rig, **kw):
    return make_rig(parcel={"dmPolicy": "pairing", "allowFrom.0": None}, **kw)


def test_C03_pairing(make_rig):
    rig = pair_rig(make_rig)
    rig.fake.message(42, "let me in")
    p = rig.wait("CH_PAIR")
    assert p.sender == "42" and p.sender_username == "user42"
    rig.router.send("CH_PAIR_RES", sender="42", code="ABCD2345", created=1)
    rig.fake.wait(lambda: rig.fake.sent, what="notice")
    assert rig.fake.texts() == [NOTICE % (42, "ABCD2345")]
    assert "parse_mode" not in rig.fake.sent[0]
    # again, also in a new process: the same code is not told twice
    rig.taken(rig.fake.message(42, "hello?"))
    assert len(rig.of("CH_PAIR")) == 1      # nor is the store asked at once
    rig.restart()
    rig.fake.message(42, "hello??")
    rig.wait("CH_PAIR", 2)
    rig.router.send("CH_PAIR_RES", sender="42", code="ABCD2345", created=0)
    rig.deliver("d", "behind it", chat=42)
    rig.wait("CH_DELIVER_ACK")
    assert rig.fake.texts() == [NOTICE % (42, "ABCD2345"), "behind it"]
    assert rig.of("CH_INBOUND") == []
    # approved
    rig.allow("ADD", "42")
    rig.fake.message(42, "now")
    assert rig.wait("CH_INBOUND").text == "now"
    rig.settle()        # or it would be told again
    # the account's own database keeps it
    rig.restart()
    rig.fake.message(42, "still")
    assert rig.wait("CH_INBOUND", 2).text == "still"
    # codes are secrets
    assert "ABCD2345" not in rig.w.output()


def test_C03_no_code_no_notice(make_rig):
    """A fourth stranger gets no code, and nobody answers the fifth."""
    rig = pair_rig(make_rig)
    rig.fake.message(43, "x")
    rig.wait("CH_PAIR")
    rig.router.send("CH_PAIR_RES", sender="43", code="", created=0)
    rig.fake.message(44, "x")
    rig.wait("CH_PAIR", 2)
    for chat in (43, 44):
        rig.deliver(f"d{chat}", "behind it", chat=chat)
        rig.wait("CH_DELIVER_ACK", delivery_id=f"d{chat}")
    assert rig.fake.texts() == ["behind it"] * 2
    # a stranger who waits for an answer holds up nobody
    rig.allow("ADD", "7")
    rig.fake.message(7, "hi")
    assert rig.wait("CH_INBOUND").text == "hi"


def test_C03_crash_before_notice(make_rig):
    """The code was made, the process died: asked again, told once."""
    rig = pair_rig(make_rig)
    rig.fake.fault("sendMessage", "hold")
    rig.fake.message(42, "x")
    rig.wait("CH_PAIR")
    rig.restart()
    rig.wait("CH_PAIR", 2)
    rig.fake.clear()
    rig.router.send("CH_PAIR_RES", sender="42", code="ABCD2345", created=0)
    rig.fake.wait(lambda: rig.fake.sent, what="notice")
    rig.restart()
    rig.deliver("d", "behind it", chat=42)
    rig.wait("CH_DELIVER_ACK")
    assert rig.fake.texts() == [NOTICE % (42, "ABCD2345"), "behind it"]


def test_allow_list_reset(make_rig):
    """A router that starts sends the whole list; what it does not name goes,
    and nobody is locked out meanwhile."""
    rig = pair_rig(make_rig)
    rig.allow("RESET")
    rig.allow("ADD", "7")
    rig.allow("ADD", "telegram:8")
    rig.allow("ADD", "@mallory")
    rig.fake.message(7, "a")
    rig.fake.message(8, "b")
    rig.wait("CH_INBOUND", 2)
    rig.allow("RESET")
    rig.fake.message(7, "c")
    assert rig.wait("CH_INBOUND", 3).text == "c"
    rig.allow("ADD", "8")
    rig.allow("END")
    rig.fake.message(7, "d")
    rig.wait("CH_PAIR", sender="7")
    rig.allow("REMOVE", "8")
    rig.fake.message(8, "e")
    rig.wait("CH_PAIR", sender="8")
    assert "no immutable id" in rig.w.output()
    assert sorted(rig.texts()) == ["a", "b", "c"]


def test_R07_let_in_while_the_code_was_on_its_way(make_rig):
    """The list came behind the message, or somebody approved just then: the
    message is not refused for what is no longer so."""
    rig = pair_rig(make_rig)
    rig.fake.message(42, "hello")
    rig.wait("CH_PAIR", sender="42")
    rig.allow("ADD", "42")
    rig.router.send("CH_PAIR_RES", sender="42", code="ABCD2345", created=1)
    assert rig.wait("CH_INBOUND").text == "hello"
    rig.fake.message(42, "again")
    rig.wait("CH_INBOUND", 2)
    assert rig.fake.sent == []


def test_R14_router_dies_while_it_is_asked_for_a_code(make_rig):
    """The next one is asked, although that was done a moment ago."""
    rig = pair_rig(make_rig)
    rig.fake.message(42, "hello")
    rig.wait("CH_PAIR", sender="42")
    rig.new_router()
    rig.wait("CH_PAIR", 2, sender="42")
    rig.router.send("CH_PAIR_RES", sender="42", code="ABCD2345", created=0)
    rig.fake.wait(lambda: rig.fake.sent, what="notice")
    assert "ABCD2345" in rig.fake.texts()[0]


def test_R14_list_without_its_end_removes_nobody(make_rig):
    """Store or router died while the list was being told: whoever is paired
    stays so, and a message of his is no stranger's."""
    rig = pair_rig(make_rig)
    rig.allow("RESET")
    rig.allow("ADD", "7")
    rig.allow("ADD", "8")
    rig.allow("END")
    rig.fake.message(8, "a")
    rig.wait("CH_INBOUND")
    rig.allow("RESET")
    rig.allow("ADD", "7")
    rig.new_router()
    rig.allow("END")        # of nothing that this router has begun
    rig.fake.message(8, "b")
    rig.wait("CH_INBOUND", 2)
    assert rig.of("CH_PAIR") == []
    # the next whole list counts
    rig.allow("RESET")
    rig.allow("ADD", "7")
    rig.allow("END")
    rig.fake.message(8, "c")
    rig.wait("CH_PAIR", sender="8")


@pytest.mark.parametrize("policy,allow,passes", [
    ("open", "*", [7, 8]), ("open", "7", [7]), ("open", None, []),
    ("allowlist", "7", [7]), ("allowlist", "tg:7", [7]),
    ("allowlist", "@user7", []), ("disabled", "*", []),
    ("nonsense", "7", [7])])
def test_C04_T42_policies(make_rig, policy, allow, passes):
    """Names give no right; what is unknown opens nothing."""
    rig = make_rig(parcel={"dmPolicy": policy, "allowFrom.0": allow})
    n = rig.fake.message(7, "7")
    n = rig.fake.message(8, "8")
    rig.taken(n)
    assert sorted(rig.texts()) == [str(p) for p in passes]
    assert rig.fake.sent == [] and rig.of("CH_PAIR") == []


def test_T43_other_kinds_of_update(make_rig):
    """Everything but a private text message is journalled and refused, of an
    allowed sender too, and is asked to nobody."""
    rig = make_rig()
    f, user = rig.fake, rig.fake.user(7)
    chat = {"id": 7, "type": "private"}
    msg = {"message_id": 900, "from": user, "chat": chat, "date": 1,
           "text": "x"}
    kinds = {
        "edited_message": dict(msg, edit_date=2), "channel_post": msg,
        "business_message": msg, "inline_query": {
            "id": "1", "from": user, "query": "q", "offset": ""},
        "callback_query": {"id": "2", "from": user, "message": msg,
                           "data": "d"},
        "message_reaction": {"chat": chat, "message_id": 1, "user": user,
                             "date": 1, "old_reaction": [],
                             "new_reaction": []},
        "my_chat_member": {"chat": chat, "from": user, "date": 1},
        "chat_join_request": {"chat": {"id": -5, "type": "supergroup"},
                              "from": user, "date": 1},
        "poll_answer": {"poll_id": "1", "user": user, "option_ids": []},
        "poll": {"id": "1"}, "pre_checkout_query": {"id": "3", "from": user},
        "from_the_future": {"from": user, "chat": chat}}
    for k, v in kinds.items():
        f.update(**{k: v})
    f.message(-100, "group", sender=7, chat_type="supergroup")
    f.message(-100, "/start", sender=7, chat_type="group")
    f.message(7, sender=7, new_chat_title="t")
    n = f.message(7, "text")
    rig.wait("CH_INBOUND")
    f.wait(lambda: f.confirmed == n + 1, what="confirmation")
    assert rig.texts() == ["text"] and f.sent == []
    out = rig.w.output()
    for k in kinds:
        if k != "from_the_future":
            assert k in out, k
    assert out.count("groups and channels are not enabled") >= 4


def test_T46_replay(rig):
    """Confirmed updates again, the same message under another number, the
    same number for another message; in this process and the next."""
    f = rig.fake
    n = f.message(7, "one")
    rig.wait("CH_INBOUND")
    f.wait(lambda: f.confirmed == n + 1, what="confirmation")
    old = f.forgotten[0]
    f.fault("getUpdates", "replay")
    f.drop_pollers()
    f.wait(lambda: not f.faults, what="replay")
    f.update(message=old["message"])
    f.message(7, "two")
    rig.wait("CH_INBOUND", 2)
    rig.settle()        # or it would be told again
    rig.w.kill()        # or it may take what is for the next
    f.fault("getUpdates", "replay")
    f.update(update_id=n, message=dict(old["message"], message_id=555,
                                       text="three"))
    f.update(message=old["message"])
    rig.start()
    rig.wait("CH_INBOUND", 3)
    f.message(7, "four")
    rig.wait("CH_INBOUND", 4)
    assert rig.texts() == ["one", "two", "three", "four"]
    ids = [m.event_id for m in rig.of("CH_INBOUND")]
    assert len(set(ids)) == 4


def test_numbers_start_lower(rig):
    """After a quiet week Telegram begins somewhere else; the offset follows."""
    f = rig.fake
    f.message(7, "high")
    rig.wait("CH_INBOUND")
    f.wait(lambda: not f.updates, what="confirmation")
    f.forgotten.clear()
    f.fault("getUpdates", "replay")
    f.next_update = 5
    f.message(7, "low")
    f.drop_pollers()
    rig.wait("CH_INBOUND", 2)
    f.wait(lambda: not f.updates, what="confirmation")
    f.message(7, "next")
    rig.wait("CH_INBOUND", 3)
    offsets = [c[2].get("offset") for c in f.calls if c[1] == "getUpdates"]
    assert 1001 in offsets and offsets[-1] in (6, 7)


# --- going out -----------------------------------------------------------------


def test_C06_long_answer(rig):
    """Pieces in order, the first one quotes, a fence is closed and opened
    again, nothing is over 4096 units."""
    code = "\n".join(f"line {i} of some code" for i in range(400))
    rig.deliver("d", "Intro.\n\n```python\n" + code + "\n```\n\nEnd \U0001F600",
                reply_to="2")
    a = rig.wait("CH_DELIVER_ACK")
    sent = rig.fake.sent
    assert a.status == DELIVERY["DELIVERY_SENT"] and len(sent) >= 3
    assert a.remote_ids == ",".join(str(s["message_id"]) for s in sent)
    assert [("reply_parameters" in s) for s in sent] == \
        [True] + [False] * (len(sent) - 1)
    joined = "\n".join(s["text"] for s in sent)
    for i in range(400):
        assert f"line {i} of some code" in joined
    for s in sent:
        assert len(s["text"].encode("utf-16-le")) // 2 <= 4000
        if "some code" in s["text"]:
            assert "<pre><code class=\"language-python\">" in s["source"]
    assert sent[-1]["text"].endswith("End \U0001F600")


def test_markup_fallback(rig):
    rig.fake.fault("sendMessage", "status", status=400, description="Bad "
                   "Request: can't parse entities: Unsupported start tag")
    rig.deliver("d", "**b** [l](https://e.org)")
    a = rig.wait("CH_DELIVER_ACK")
    assert a.status == DELIVERY["DELIVERY_SENT"]
    assert rig.fake.texts() == ["b l (https://e.org)"]
    assert "parse_mode" not in rig.fake.sent[0]


def test_plain_format(rig):
    rig.deliver("d", "a **b** <c>", fmt=0)
    rig.wait("CH_DELIVER_ACK")
    assert rig.fake.sent[0]["source"] == "a **b** <c>"


def test_delivery_once(rig):
    """The same id again is answered from the table, in any process."""
    rig.deliver("d", "x")
    first = rig.wait("CH_DELIVER_ACK")
    corr = rig.deliver("d", "x")
    again = rig.wait("CH_DELIVER_ACK", 2)
    assert again.corr == corr and again.remote_ids == first.remote_ids
    rig.restart()
    rig.deliver("d", "x")
    again = rig.wait("CH_DELIVER_ACK", 3)
    assert again.status == DELIVERY["DELIVERY_SENT"]
    assert again.remote_ids == first.remote_ids
    assert len(rig.fake.sent) == 1


def test_delivery_order(rig):
    """In a chat one after the other; another chat does not wait for it."""
    rig.fake.fault("sendMessage", "status", status=429, retry_after=1,
                   description="Too Many Requests")
    rig.deliver("a1", "a1", chat=7)
    rig.fake.wait(lambda: not rig.fake.faults, what="429")
    rig.fake.fault("sendMessage", "hold", text="a1")    # its repeat
    rig.deliver("a2", "a2", chat=7)
    rig.deliver("b1", "b1", chat=8)
    rig.wait("CH_DELIVER_ACK", delivery_id="b1")
    rig.fake.wait(lambda: rig.fake.holding, what="repeat")
    rig.fake.release()
    rig.wait("CH_DELIVER_ACK", delivery_id="a2")
    assert rig.fake.texts() == ["b1", "a1", "a2"]


def test_closed_chat(rig):
    rig.fake.close_chat(7)
    rig.deliver("d", "a\n\n" + "word " * 2000)
    a = rig.wait("CH_DELIVER_ACK")
    assert a.status == DELIVERY["DELIVERY_FAILED"] and "403" in a.reason
    assert len([c for c in rig.fake.calls if c[1] == "sendMessage"]) == 1


def test_empty_delivery(rig):
    rig.deliver("d", "   \n")
    assert rig.wait("CH_DELIVER_ACK").status == DELIVERY["DELIVERY_SENT"]
    assert rig.fake.sent == []


def test_typing(rig):
    """Told again after some seconds, for as long as it goes on."""
    rig.wait_state("CH_UP")
    t = time.monotonic()
    rig.router.send("CH_TYPING", chat="7", on=1)
    rig.fake.wait(lambda: len(rig.fake.actions) == 2, what="typing")
    a, b = rig.fake.actions[:2]
    assert a[1:] == b[1:] == (7, "typing") and b[0] - t > 4
    rig.router.send("CH_TYPING", chat="7", on=0)
    rig.deliver("d", "x")       # is sent behind what was on its way
    rig.wait("CH_DELIVER_ACK")
    n = len(rig.fake.actions)
    time.sleep(6)
    assert len(rig.fake.actions) == n


def test_router_restart(make_rig):
    """Unanswered events go to the new router; a delivery that it offers again
    is answered there."""
    rig = make_rig(auto=None)
    rig.fake.message(7, "x")
    m = rig.wait("CH_INBOUND")
    rig.fake.fault("sendMessage", "hold")
    rig.deliver("d", "y")
    rig.fake.wait(lambda: rig.fake.holding, what="send")
    rig.new_router()
    again = rig.wait("CH_INBOUND", 2)
    assert again.event_id == m.event_id
    corr = rig.deliver("d", "y")
    rig.settle()
    rig.fake.release()
    a = rig.wait("CH_DELIVER_ACK")
    rig.settle()
    assert a.corr == corr and a.status == DELIVERY["DELIVERY_SENT"]
    assert len(rig.fake.sent) == 1 and len(rig.of("CH_DELIVER_ACK")) == 1
    assert rig.of("CH_STATE", state=1)[-1].link is rig.router


# --- life ----------------------------------------------------------------------


def test_reload(rig):
    rig.wait_state("CH_UP")

    def reload(generation, **change):
        p = dict(rig.parcel, **change)
        fd = gwproto.parcel_make(p)
        rig.w.ctl.send("PROC_CONFIG", generation=generation, fds=[fd])
        os.close(fd)
        a = rig.w.ctl.expect("PROC_CONFIG_ACK")
        if a.ok:
            rig.w.ctl.send("PROC_CONFIG_COMMIT", generation=generation)
            rig.w.ping()
        return a

    a = reload(2, token="123456:another")
    assert not a.ok and a.reason == "needs a restart"
    wait_for(lambda: "token changed" in rig.w.output(), what="its log")
    assert reload(3, dmPolicy="disabled").ok
    rig.taken(rig.fake.message(7, "x"))
    assert rig.texts() == []
    assert reload(4, dmPolicy="open").ok
    rig.fake.message(7, "y")
    assert rig.wait("CH_INBOUND").text == "y"


def test_drain(rig):
    """What flies lands, nothing new starts."""
    rig.wait_state("CH_UP")
    rig.fake.fault("sendMessage", "hold")
    rig.deliver("d", "x")
    rig.fake.wait(lambda: rig.fake.holding, what="send")
    rig.w.ctl.send("PROC_DRAIN", deadline_ms=60000)
    with pytest.raises(TimeoutError):
        rig.w.ctl.recv(0.5)
    rig.fake.release()
    assert rig.w.ctl.expect("PROC_DRAINED").name
    assert rig.wait("CH_DELIVER_ACK").status == DELIVERY["DELIVERY_SENT"]
    assert rig.w.quit() == 0
    rig.start()


@pytest.mark.parametrize("change,why", [
    ({"token": None}, "token is missing"),
    ({"token": "no token"}, "does not look like one"),
    ({"kind": "pigeon"}, "unknown channel"),
    ({"state.dir": None}, "state.dir")])
def test_bad_parcel(make_rig, change, why):
    """Said and ended; the supervisor's back-off does the rest."""
    rig = make_rig(start=False, parcel=change)
    with pytest.raises((EOFError, ConnectionError)):
        rig.start()
    assert why in rig.w.output() and "no token" not in rig.w.output()
    rig.outputs, rig.w = rig.w.output(), None


def test_tls(make_rig, tmp_path_factory):
    """The real thing speaks TLS: name and chain are checked."""
    from tlsfiles import make_ca, server_context
    from telegram import FakeTelegram
    ca, ctx = make_ca(), None
    fake = FakeTelegram(TOKEN, ssl_context=server_context(
        ca, "api.telegram.test")).start()
    rig = make_rig(start=False, fake=fake, parcel={
        "apiRoot.tls": "true", "apiRoot.host": "api.telegram.test"})
    path = os.path.join(rig.dir, "ca.pem")
    with open(path, "wb") as f:
        f.write(ca.pem)
    os.chmod(path, 0o644)
    rig.parcel["ca.file"] = path
    rig.start()
    rig.fake.message(7, "over TLS")
    assert rig.wait("CH_INBOUND").text == "over TLS"
    rig.deliver("d", "and back")
    assert rig.wait("CH_DELIVER_ACK").status == DELIVERY["DELIVERY_SENT"]
    # another name than the certificate's
    rig.w.kill()
    rig.outputs += rig.w.output()
    rig.parcel["apiRoot.host"] = "api.other.test"
    rig.got.clear()
    rig.start()
    rig.wait_state("CH_CONNECTING", detail="tls")
