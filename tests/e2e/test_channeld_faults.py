# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""channeld when things go wrong: killed at every step, a remote that errs,
a disk that refuses."""
import json
import os
import random
import subprocess
import sys
import time

import pytest
from chanrig import DELIVERY, Rig, SECRET, STATE, TOKEN
from rigs import maker, rig  # noqa: F401 (fixtures)
from workerproc import NOBODY, SANITIZED, private_kib

KILLS = int(os.environ.get("GW_KILLS", "40"))

make_rig = maker(Rig)


def once(rig, n=1):
    """Exactly n different events came, each under one id."""
    ids = [m.event_id for m in rig.of("CH_INBOUND")]
    assert len(set(ids)) == n, ids


# --- killed at every step of "Telegram message to reply" ------------------------


def test_R07_kill_before_the_answer_is_read(rig):
    rig.wait_state("CH_UP")
    rig.fake.fault("getUpdates", "hold", effect=True)
    rig.fake.drop_pollers()
    rig.fake.wait(lambda: not rig.fake.faults, what="poll")
    rig.fake.message(7, "x")
    rig.fake.wait(lambda: rig.fake.holding, what="answer")
    rig.restart()
    assert rig.wait("CH_INBOUND").text == "x"
    rig.settle()
    once(rig)


def test_R07_kill_after_commit_before_it_is_confirmed(rig):
    rig.wait_state("CH_UP")
    # the poll that would confirm does not get through
    rig.fake.fault("getUpdates", "hold", offset=rig.fake.next_update + 1)
    n = rig.fake.message(7, "x")
    rig.wait("CH_INBOUND")
    rig.fake.wait(lambda: rig.fake.holding, what="next poll")
    assert rig.fake.confirmed <= n
    rig.restart()
    rig.taken(n)
    once(rig)


def test_R07_kill_before_the_router_acknowledges(make_rig):
    rig = make_rig(auto=None)
    rig.fake.message(7, "x")
    rig.fake.message(7, "y")
    a = rig.wait("CH_INBOUND")
    rig.restart()
    b = rig.wait("CH_INBOUND", 2)
    assert a.event_id == b.event_id and b.text == "x"
    rig.ack(b, "INBOUND_DUPLICATE")
    assert rig.wait("CH_INBOUND", 3).text == "y"


def test_R07_kill_after_the_router_acknowledged(rig):
    rig.fake.message(7, "x")
    rig.wait("CH_INBOUND")
    rig.settle()        # the acknowledgement is written
    rig.restart()
    rig.taken(rig.fake.message(7, "y"))
    rig.wait("CH_INBOUND", 2)
    assert rig.texts() == ["x", "y"]


def test_R08_kill_before_the_platform_has_it(rig):
    """Nobody can know, so it is not sent again and the agent is told."""
    rig.fake.fault("sendMessage", "hold")
    rig.deliver("d", "x")
    rig.fake.wait(lambda: rig.fake.holding, what="send")
    rig.restart()
    rig.deliver("d", "x")
    a = rig.wait("CH_DELIVER_ACK")
    assert a.status == DELIVERY["DELIVERY_UNKNOWN"] and a.reason
    assert "may or may not" in rig.w.output()
    rig.fake.clear()
    rig.deliver("e", "y")
    rig.wait("CH_DELIVER_ACK", delivery_id="e")
    assert [c[2]["text"] for c in rig.fake.calls
            if c[1] == "sendMessage"] == ["x", "y"]


def test_R08_kill_after_the_platform_has_it(rig):
    rig.fake.fault("sendMessage", "hold", effect=True)
    rig.deliver("d", "x")
    rig.fake.wait(lambda: rig.fake.sent, what="send")
    rig.restart()
    rig.deliver("d", "x")
    assert rig.wait("CH_DELIVER_ACK").status == DELIVERY["DELIVERY_UNKNOWN"]
    rig.deliver("e", "y")
    rig.wait("CH_DELIVER_ACK", delivery_id="e")
    assert rig.fake.texts() == ["x", "y"]


def test_R08_kill_between_pieces(rig):
    """The piece in flight is unknown, those before it stay, those behind it
    are sent."""
    text = "\n\n".join(f"part {i} " + "word " * 700 for i in range(4))
    rig.fake.wait(lambda: True)
    rig.deliver("d", "short", chat=8)
    rig.wait("CH_DELIVER_ACK")
    rig.fake.fault("sendMessage", "slow", seconds=0, times=1)
    rig.fake.fault("sendMessage", "hold", effect=True)
    rig.deliver("d4", text)
    rig.fake.wait(lambda: len(rig.fake.texts(7)) == 2, what="two pieces")
    rig.restart()
    rig.fake.wait(lambda: len(rig.fake.texts(7)) == 4, what="the rest")
    rig.deliver("d4", text)
    a = rig.wait("CH_DELIVER_ACK", delivery_id="d4")
    assert a.status == DELIVERY["DELIVERY_UNKNOWN"]
    assert [t[:6] for t in rig.fake.texts(7)] == \
        [f"part {i}" for i in range(4)]
    assert len(a.remote_ids.split(",")) == 3


def test_R08_kill_before_the_answer_is_told(rig):
    """Sent and written down, but the router never heard: it asks again."""
    rig.deliver("d", "x")
    rig.fake.wait(lambda: rig.fake.sent, what="send")
    rig.restart()
    corr = rig.deliver("d", "x")
    a, = rig.until(lambda: [m for m in rig.of("CH_DELIVER_ACK")
                            if m.corr == corr], "second answer")
    assert a.status in (DELIVERY["DELIVERY_SENT"],
                        DELIVERY["DELIVERY_UNKNOWN"])
    rig.deliver("e", "y")
    rig.wait("CH_DELIVER_ACK", delivery_id="e")
    assert rig.fake.texts() == ["x", "y"]


def test_R07_R08_kill_anywhere(make_rig):
    """Killed at random moments under a stream of messages that are each
    answered: nothing is lost, nothing is doubled, and what may be missing was
    reported as unknown."""
    rnd = random.Random(int(os.environ.get("GW_SEED", "1")))
    rig = make_rig(auto=None)
    status, answered, n = {}, {}, 0

    def pump():
        """Agent and router: each event is taken once, its answer offered
        until it is acknowledged."""
        with rig.lock:
            got, rig.got = rig.got, []
        for m in got:
            if m.name == "CH_INBOUND":
                known = m.event_id in answered
                answered[m.event_id] = m.text
                try:
                    rig.ack(m, "INBOUND_DUPLICATE" if known else
                            "INBOUND_ACCEPTED")
                    if not known:
                        rig.deliver("r-" + m.event_id, "re " + m.text,
                                    chat=m.chat)
                except OSError:
                    pass            # that process is gone: offer() again
            elif m.name == "CH_DELIVER_ACK":
                assert m.status != DELIVERY["DELIVERY_RETRY"], m
                status[m.delivery_id] = m.status

    def offer():
        for e, text in list(answered.items()):
            if "r-" + e not in status:
                rig.deliver("r-" + e, "re " + text, chat=int(text[1]))

    for _ in range(KILLS):
        for _ in range(rnd.randrange(1, 4)):
            chat = rnd.randrange(7, 10)
            rig.fake.message(chat, f"m{chat}-{n}")
            n += 1
        end = time.monotonic() + rnd.random() * 0.06
        while time.monotonic() < end:
            pump()
            time.sleep(0.001)
        rig.restart()
        offer()
    end, again = time.monotonic() + 300, 0
    while time.monotonic() < end and (len(answered) < n or
                                      len(status) < n):
        pump()
        if time.monotonic() > again:
            again = time.monotonic() + 2
            offer()
        time.sleep(0.02)
    assert len(answered) == n
    lost = [e for e in answered if "r-" + e not in status]
    assert not lost, (lost, [answered[e] for e in lost],
                      rig.fake.texts()[-9:], rig.of("CH_STATE")[-1:],
                      rig.w.output(), rig.w.alive())
    assert len(set(answered.values())) == n
    texts = rig.fake.texts()
    assert len(texts) == len(set(texts)), "doubled"
    unknown = {answered[d[2:]] for d, s in status.items()
               if s == DELIVERY["DELIVERY_UNKNOWN"]}
    missing = set(answered.values()) - {t[3:] for t in texts}
    assert missing <= unknown, "lost without a word"
    assert all(s in (DELIVERY["DELIVERY_SENT"], DELIVERY["DELIVERY_UNKNOWN"])
               for s in status.values())
    for c in (7, 8, 9):     # order per chat
        nums = [int(t.split("-")[1]) for t in answered.values()
                if t.startswith(f"m{c}-")]
        assert nums == sorted(nums)


def test_C18_restart_with_backlog(make_rig):
    rig = make_rig(auto=None)
    for i in range(500):
        rig.fake.message(7 + i % 5, f"m{i}")
    rig.fake.wait(lambda: not rig.fake.updates, what="confirmation")
    rig.w.kill()
    rig.got.clear()
    rig.auto = True
    rig.start()
    rig.wait("CH_INBOUND", 500, timeout=120)
    rig.settle()
    once(rig, 500)
    for c in range(5):
        nums = [int(m.text[1:]) for m in rig.of("CH_INBOUND",
                                                chat=str(7 + c))]
        assert nums == sorted(nums) and len(nums) == 100


def test_one_process_per_account(rig):
    """A second process for the same account gets nowhere near the token's
    polls: the database is locked."""
    rig.wait_state("CH_UP")
    other = Rig(fake=rig.fake)
    try:
        os.rmdir(other.dir)
        other.dir = rig.dir
        other.parcel["state.dir"] = rig.dir
        other.mounts = rig.mounts
        calls = len(rig.fake.calls)
        other.start()
        s = other.wait_state("CH_DOWN")
        assert "locked" in s.detail
        rig.taken(rig.fake.message(7, "x"))
        assert other.of("CH_INBOUND") == []
        polls = [c for c in rig.fake.calls[calls:] if c[1] == "getMe"]
        assert polls == []
    finally:
        other.w.kill()


# --- a remote that errs -----------------------------------------------------------


@pytest.mark.parametrize("kind,args", [
    ("status", {"status": 500}), ("status", {"status": 502}),
    ("drop", {}), ("cut", {"effect": True}), ("garbage", {}),
    ("status", {"status": 400})])
def test_R13_polling_goes_on(rig, kind, args):
    rig.wait_state("CH_UP")
    rig.fake.fault("getUpdates", kind, times=2, **args)
    rig.fake.drop_pollers()
    rig.fake.wait(lambda: len(rig.fake.played) == 2, what="faults")
    rig.fake.message(7, "x")
    rig.wait("CH_INBOUND")
    rig.until(lambda: [s for s in rig.of("CH_STATE")[-1:] if s.state ==
                       STATE["CH_UP"] and not json.loads(s.snapshot)[
                           "reconnectAttempts"]], "quiet state")
    rig.taken(rig.fake.message(7, "y"))
    rig.wait("CH_INBOUND", 2)
    assert rig.texts() == ["x", "y"]


def test_C10_rate_limited_poll(rig):
    rig.wait_state("CH_UP")
    rig.fake.fault("getUpdates", "status", status=429, retry_after=2,
                   description="Too Many Requests: retry after 2")
    rig.fake.message(7, "x")
    rig.fake.message(7, "y")
    rig.wait_report("CH_RATE_LIMITED", "retry after 2")
    rig.wait_state("CH_UP")
    rig.wait("CH_INBOUND", 2)
    assert rig.texts() == ["x", "y"]
    answered = rig.fake.played[0]["at"]
    polls = [c[0] for c in rig.fake.calls if c[1] == "getUpdates"]
    assert min(p for p in polls if p > answered) - answered > 1.9


def test_C10_rate_limited_send(rig):
    rig.fake.fault("sendMessage", "status", status=429, retry_after=2,
                   description="Too Many Requests: retry after 2")
    t = time.monotonic()
    rig.deliver("d", "x")
    a = rig.wait("CH_DELIVER_ACK")
    assert a.status == DELIVERY["DELIVERY_SENT"]
    assert time.monotonic() - t > 1.9 and len(rig.fake.sent) == 1


def test_C11_bad_token(rig):
    rig.wait_state("CH_UP")
    rig.fake.revoke()
    rig.fake.drop_pollers()
    s = rig.wait_state("CH_AUTH_FAILED", detail="token")
    assert json.loads(s.snapshot)["running"] is False
    n = rig.fake.unauthorized
    time.sleep(2)
    assert rig.fake.unauthorized == n, "a storm of retries"
    # a send waits for a better day
    rig.deliver("d", "x")
    rig.fake.wait(lambda: rig.fake.unauthorized == n + 1, what="send")
    rig.settle()
    assert rig.of("CH_DELIVER_ACK") == []


def test_conflict(rig):
    rig.wait_state("CH_UP")
    rig.fake.fault("getUpdates", "status", status=409, description="Conflict:"
                   " terminated by other getUpdates request")
    rig.fake.drop_pollers()
    rig.wait_report("CH_DOWN", "another program polls")
    rig.fake.message(7, "x")
    rig.wait("CH_INBOUND")
    rig.wait_state("CH_UP")


def test_webhook_is_removed(rig):
    rig.wait_state("CH_UP")
    rig.fake.set_webhook("https://e.org/hook")
    rig.fake.drop_pollers()
    rig.wait_report("CH_DOWN")
    rig.fake.message(7, "x")
    rig.wait("CH_INBOUND")


def test_R13_half_open(make_rig):
    """No answer and no end: the poll's own time limit finds out."""
    rig = make_rig(parcel={"poll.timeoutSeconds": "1"})
    rig.wait_state("CH_UP")
    rig.fake.fault("getUpdates", "hang")
    rig.fake.drop_pollers()
    rig.fake.wait(lambda: not rig.fake.faults, what="poll")
    rig.fake.message(7, "x")
    rig.wait("CH_INBOUND")


@pytest.mark.parametrize("kind,args,sent", [
    ("status", {"status": 500}, 0),
    ("status", {"status": 502, "effect": True}, 1),
    ("drop", {}, 0), ("drop", {"effect": True}, 1),
    ("garbage", {"effect": True}, 1), ("cut", {"effect": True}, 1)])
def test_R08_send_without_a_clear_answer(rig, kind, args, sent):
    """It may or may not be there: never sent again, and said."""
    rig.fake.fault("sendMessage", kind, **args)
    rig.deliver("d", "x")
    rig.deliver("e", "y")
    a = rig.wait("CH_DELIVER_ACK", delivery_id="d")
    assert a.status == DELIVERY["DELIVERY_UNKNOWN"] and a.reason
    b = rig.wait("CH_DELIVER_ACK", delivery_id="e")
    assert b.status == DELIVERY["DELIVERY_SENT"]
    assert rig.fake.texts() == ["x"] * sent + ["y"]


def test_unsent_is_sent_later(make_rig):
    """No connection: surely not sent, so it goes out when there is one."""
    rig = make_rig(parcel={"poll.timeoutSeconds": "50"})
    rig.w.verbose()
    rig.fake.wait(lambda: rig.fake.poller, what="poll")
    rig.refuse = True
    rig.fake.drop_pollers()     # that was the only connection
    rig.wait_state("CH_CONNECTING")
    rig.deliver("d", "x")
    rig.wait_output("delivery d: again in")
    rig.wait_state("CH_CONNECTING", detail="connect")
    assert rig.fake.sent == [] and rig.of("CH_DELIVER_ACK") == []
    # Also a new process knows of it.  Not killed: while a connection is being
    # made, the piece is marked as being sent.
    rig.w.drain()
    rig.w.quit()
    rig.start()
    rig.w.verbose()
    rig.wait_output("delivery d: again in")
    assert rig.fake.sent == []
    rig.refuse = False
    rig.fake.wait(lambda: rig.fake.sent, what="send")
    # the next one of that chat goes out behind it, and behind any repeat
    rig.deliver("e", "y")
    rig.wait("CH_DELIVER_ACK", delivery_id="e")
    assert rig.fake.texts() == ["x", "y"]


def test_refused_message(rig):
    rig.fake.fault("sendMessage", "status", status=400,
                   description="Bad Request: message is too long")
    rig.deliver("d", "x")
    a = rig.wait("CH_DELIVER_ACK")
    assert a.status == DELIVERY["DELIVERY_FAILED"] and "too long" in a.reason


def test_C12_disconnect_storm(rig):
    """No gap in what comes; the pauses grow."""
    rig.wait_state("CH_UP")
    for i in range(30):
        rig.fake.message(7, f"m{i}")
        rig.fake.drop_pollers()
        if i % 10 == 0:
            rig.fake.fault("getUpdates", "drop", effect=True)
        time.sleep(0.01)
    rig.wait("CH_INBOUND", 30, timeout=240)
    assert rig.texts() == [f"m{i}" for i in range(30)]


def test_T47_hostile_server(rig):
    """Deep, large, broken: the process lives and goes on."""
    rig.wait_state("CH_UP")
    f = rig.fake
    big = "x" * (9 << 20)
    f.fault("getUpdates", "raw", body='{"ok":true,"result":' + "[" * 100000)
    f.fault("getUpdates", "raw", body=json.dumps({"ok": True, "result": [
        {"update_id": 1, "message": {"text": big}}]}))
    f.fault("getUpdates", "raw", body='{"ok":true,"result":[{"update_id":1e3'
            ',"message":7},7,null,[],{"message":{}}]}')
    f.fault("getUpdates", "raw", body="")
    f.drop_pollers()
    f.message(7, "alive")
    assert rig.wait("CH_INBOUND", timeout=120).text == "alive"
    assert SANITIZED or private_kib(rig.w.pid) < 60000


def test_T47_updates_that_cannot_be_acknowledged(rig):
    """They come again at once, so asking again at once would be a busy loop."""
    rig.wait_state("CH_UP")
    f = rig.fake
    start = time.monotonic()
    f.fault("getUpdates", "raw", times=2, body='{"ok":true,"result":[{"message":{}}]}')
    f.drop_pollers()
    f.message(7, "alive")
    assert rig.wait("CH_INBOUND", timeout=60).text == "alive"
    assert time.monotonic() - start > 1.5


# --- a disk that refuses ------------------------------------------------------------


def limit_files(rig, size):
    """No file of the worker may grow over size bytes; None: as before.  Only
    the same user may set that."""
    code = ("import resource as r, sys\n"
            "p = int(sys.argv[1])\n"
            "hard = r.prlimit(p, r.RLIMIT_FSIZE)[1]\n"
            "r.prlimit(p, r.RLIMIT_FSIZE, (int(sys.argv[2]) if sys.argv[2]"
            " else hard, hard))")
    ids = {"user": NOBODY, "group": NOBODY, "extra_groups": []} \
        if os.getuid() == 0 else {}
    subprocess.run([sys.executable, "-c", code, str(rig.w.pid),
                    "" if size is None else str(size)], check=True, **ids)


def test_R15_disk_full(rig):
    """Receiving stops before anything is acknowledged, deliveries are not
    taken; when there is room again everything is there, once."""
    n = rig.fake.message(7, "before")
    rig.wait("CH_INBOUND")
    rig.fake.wait(lambda: rig.fake.confirmed == n + 1, what="confirmation")
    limit_files(rig, 0)
    rig.fake.message(7, "during")
    s = rig.wait_state("CH_DOWN")
    assert "journal" in s.detail
    calls = len(rig.fake.calls)
    rig.deliver("d", "x")
    assert rig.wait("CH_DELIVER_ACK").status == DELIVERY["DELIVERY_RETRY"]
    time.sleep(1.5)     # it looks at the disk again
    assert rig.fake.confirmed == n + 1 and rig.texts() == ["before"]
    assert len(rig.fake.calls) == calls, "it polls without a journal"
    limit_files(rig, None)
    rig.wait_state("CH_UP")
    rig.wait("CH_INBOUND", 2)
    assert rig.texts() == ["before", "during"]
    rig.deliver("d", "x")
    a = rig.wait("CH_DELIVER_ACK", 2)
    assert a.status == DELIVERY["DELIVERY_SENT"] and len(rig.fake.sent) == 1


def test_R15_disk_full_while_sending(rig):
    """Sent, but the outcome cannot be written: it is written when it can,
    and nothing is sent twice."""
    rig.wait_state("CH_UP")
    rig.fake.fault("sendMessage", "hold")
    rig.deliver("d", "x")
    rig.deliver("e", "y")
    rig.fake.wait(lambda: rig.fake.holding, what="send")
    limit_files(rig, 0)
    rig.fake.release()
    rig.wait_state("CH_DOWN")
    assert rig.fake.texts() == ["x"] and rig.of("CH_DELIVER_ACK") == []
    limit_files(rig, None)
    assert rig.wait("CH_DELIVER_ACK", delivery_id="d").status == \
        DELIVERY["DELIVERY_SENT"]
    assert rig.wait("CH_DELIVER_ACK", delivery_id="e").status == \
        DELIVERY["DELIVERY_SENT"]
    assert rig.fake.texts() == ["x", "y"]


def test_R15_read_only_at_start(make_rig):
    rig = make_rig(mount="ro")
    s = rig.wait_state("CH_DOWN")
    assert "journal: open" in s.detail
    rig.deliver("d", "x")
    assert rig.wait("CH_DELIVER_ACK").status == DELIVERY["DELIVERY_RETRY"]
    assert rig.fake.calls == []
    assert rig.w.alive()


def test_R15_corrupt_file(make_rig):
    rig = make_rig(start=False)
    path = os.path.join(rig.dir, "channel.sqlite")
    with open(path, "wb") as f:
        f.write(b"SQLite format 3\0" + os.urandom(8192))
    if os.getuid() == 0:
        os.chown(path, 65534, 65534)
    rig.start()
    s = rig.wait_state("CH_DOWN")
    assert "journal" in s.detail and rig.w.alive()
    assert rig.fake.calls == []


# --- secrets --------------------------------------------------------------------------


def test_T37_T40_token_is_nowhere(rig):
    """Not in argv, environment, descriptors, readable memory or any text,
    while everything fails that names a request."""
    rig.wait_state("CH_UP")
    for kind, args in (("status", {"status": 500}), ("garbage", {}),
                       ("drop", {}), ("cut", {"effect": True}),
                       ("status", {"status": 401})):
        rig.fake.fault("getUpdates", kind, **args)
    rig.fake.fault("sendMessage", "drop")
    rig.fake.drop_pollers()
    rig.deliver("d", "x")
    rig.wait("CH_DELIVER_ACK")
    rig.fake.wait(lambda: len(rig.fake.played) >= 4, what="faults")
    for name in ("cmdline", "environ"):
        try:
            with open(f"/proc/{rig.w.pid}/{name}", "rb") as f:
                assert SECRET.encode() not in f.read()
        except PermissionError:
            pass        # not even that may be looked at
    # the rest is in Rig.close(): logs, messages, files
    assert TOKEN.split(":")[1] == SECRET
