# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Kill every process at every step between a Telegram message and its reply.

A message that was accepted is answered exactly once, or its sender is told
once that the turn was interrupted; a turn of another agent, a web client and
another chat go on.  Each test is one step; in it every role is killed in turn,
each for a chat of its own.
"""
import os
import signal
import time

import pytest
from faultrig import AGENT, CHAN, INTERRUPTED, ROLES, UNSURE


def polled(h, before):
    """The bot polls again, with everything before confirmed."""
    h.fake.wait(lambda: h.fake.confirmed > before, what="confirmation")


def step_poll(h, chat, text, pids):
    """The platform has answered the poll; the answer has not arrived."""
    f = h.fake
    # an update that means nothing ends the poll under way; the next is held
    f.fault("getUpdates", "hold", effect=True, offset=f.next_update + 1)
    f.update(poll={"id": "1"})
    f.wait(lambda: not f.faults, what="poll")
    f.message(chat, text)
    f.wait(lambda: f.holding, what="held poll")
    return f.release


def step_journal(h, chat, text, pids):
    """Journalled and confirmed; the router has not read it."""
    h.pause(pids["router"])
    polled(h, h.fake.message(chat, text))
    return lambda: h.go_on(pids["router"])


def step_turn(h, chat, text, pids):
    """On its way to the agent, which has not committed it."""
    h.pause(pids[AGENT])
    polled(h, h.fake.message(chat, text))
    time.sleep(0.1)
    return lambda: h.go_on(pids[AGENT])


def step_model(h, chat, text, pids):
    """The agent has it and the model answers."""
    h.fake.message(chat, text)
    h.fake.wait(lambda: any(a[1] == chat for a in h.fake.actions),
                what="typing")
    return lambda: None


def step_send(h, chat, text, pids):
    """The reply is on the wire; the platform has not taken it."""
    h.fake.fault("sendMessage", "hold", chat_id=chat)
    h.fake.message(chat, text)
    h.fake.wait(lambda: h.fake.holding, what="held reply")
    return h.fake.release


def step_sent(h, chat, text, pids):
    """The platform has the reply; we do not know."""
    h.fake.fault("sendMessage", "hold", effect=True, chat_id=chat)
    h.fake.message(chat, text)
    h.fake.wait(lambda: h.fake.holding, what="held answer")
    return h.fake.release


def step_done(h, chat, text, pids):
    """The reply has arrived, books are being closed."""
    h.fake.message(chat, text)
    h.fake.wait(lambda: h.fake.texts(chat), what="reply")
    return lambda: None


STEPS = [step_poll, step_journal, step_turn, step_model, step_send, step_sent,
         step_done]


@pytest.mark.parametrize("step", STEPS, ids=lambda s: s.__name__)
def test_R07_R08_R14_kill_each_role(make_house, step):
    h = make_house()
    f, w = h.fake, h.web()
    bad, chats = [], {}
    # settled first, so that no first start is mistaken for a repeat
    f.message(50, "quick warm")
    f.wait(lambda: f.texts(50), what="first answer")
    for i, role in enumerate(ROLES):
        pids = h.pids()
        w.wait_up()
        chat, breaks = 100 + i, w.breaks
        chats[chat] = role
        text = f"slow {role}"
        other = w.send(f"slow other {i}", "agent:b:main")
        w.wait_event("lifecycle", other)
        release = step(h, chat, text, pids)
        os.kill(pids[role], signal.SIGKILL)
        release()
        w.wait_end(other)
        f.wait(lambda: f.texts(chat), what=f"{role} killed: anything in its chat")
        h.revived(role, pids[role])
        told = w.told(other)
        if told != [("final", f"done slow other {i}")] and not (
                role == "router" and w.repeats.get(other)):
            bad.append(f"{role}: the other agent's turn: {told}")
        if w.breaks != breaks and role != "router":
            bad.append(f"{role}: the web client lost its connection")
    # a last message through everything that was revived, and time for doubles
    f.message(60, "quick last")
    f.wait(lambda: f.texts(60), what="last answer")
    time.sleep(0.5)
    for chat, role in chats.items():
        got = f.texts(chat)
        answers = [t for t in got if t == f"done slow {role}"]
        notices = [t for t in got if INTERRUPTED in t or UNSURE in t]
        if len(answers) + len(notices) != len(got) or len(answers) > 1 or \
                len(notices) > 1 or not got:
            bad.append(f"{role}: {got}")
        if notices and role not in (AGENT, CHAN):
            bad.append(f"{role}: interrupted without need: {got}")
        if len(got) > 1 and role != CHAN:
            bad.append(f"{role}: answered and told: {got}")
    assert not bad, "\n".join(bad)
    assert f.texts(50) == ["done quick warm"] and len(f.texts(60)) == 1


@pytest.mark.parametrize("kind,effect", [("hang", False), ("drop", True),
                                         ("drop", False)])
def test_R07_R08_reply_of_unknown_fate(make_house, kind, effect):
    """The request was written and no answer came: sent again it could be
    there twice, so its chat is told once that it may be missing."""
    h = make_house()
    f = h.fake
    f.fault("sendMessage", kind, effect=effect)
    f.message(7, "quick one")
    f.wait(lambda: any(c[1] == "sendMessage" for c in f.calls), what="reply")
    if kind == "hang":
        os.kill(h.pids()[CHAN], signal.SIGKILL)
    f.wait(lambda: any(UNSURE in t for t in f.texts(7)), what="notice")
    f.message(7, "quick two")
    f.wait(lambda: "done quick two" in f.texts(7), what="next answer")
    os.kill(h.pids()[AGENT], signal.SIGKILL)
    h.settled()
    f.message(7, "quick three")
    f.wait(lambda: "done quick three" in f.texts(7), what="third answer")
    time.sleep(0.3)
    got = f.texts(7)
    assert len([t for t in got if UNSURE in t]) == 1, got
    assert len(got) == 3 + effect, got
    assert got.count("done quick one") == effect, got
