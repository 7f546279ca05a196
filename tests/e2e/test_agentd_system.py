# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""System events: what stands before the next message, or is a turn itself."""
import pytest

from agentproc import Agent, TURN

SCRIPT = r'''
@on user~"hello"
  text "Hi there."
@on user~"news"
  text "I was told."
'''


@pytest.fixture
def agent():
    a = Agent(script=SCRIPT).start()
    yield a
    a.close()


def event(agent, text, key, session="main", wake=0):
    agent.router.send("AG_SYSTEM", corr=77, session_key=session,
                      dedupe_key=key, wake=wake, text=text)
    while True:
        ack = agent.until("AG_TURN_ACK")[-1]
        if ack.corr == 77:
            return ack.fields["status"], ack.fields["code"]


def users(agent, session="main"):
    return [b["text"] for m in agent.ask("chat.history", sessionKey=session)
            ["messages"] if m["role"] == "user" for b in m["content"]]


def say(agent, text, session="main"):
    run = agent.turn(text, session=session)
    agent.until("AG_RUN_END", run=run)
    return users(agent, session)[-1]


ACCEPTED, DUPLICATE = (TURN["TURN_ACCEPTED"], ""), (TURN["TURN_DUPLICATE"], "done")


def test_events_stand_before_the_next_message(agent):
    assert event(agent, "first", "a") == ACCEPTED
    assert event(agent, "first", "b") == ACCEPTED       # said already
    assert event(agent, "second", "c") == ACCEPTED
    assert event(agent, "second", "c") == DUPLICATE
    agent.kill()                # they are on the disk
    agent.start()
    assert say(agent, "hello", "other") == "hello"
    text = say(agent, "hello")
    assert [p.split("] ", 1)[-1] for p in text.split("\n\n")] == \
        ["first", "second", "hello"]
    assert text.count("System: [") == 2
    assert say(agent, "hello again") == "hello again"
    assert event(agent, "second", "c") == DUPLICATE
    assert say(agent, "hello once more") == "hello once more"


def test_the_oldest_give_way(agent):
    for i in range(23):
        assert event(agent, f"number {i}", f"k{i}") == ACCEPTED
    text = say(agent, "hello")
    assert text.count("System: [") == 20
    assert "number 3\n" in text and "number 2\n" not in text


def test_one_that_wakes_is_answered_where_the_session_was(agent):
    # nowhere yet: it waits
    assert event(agent, "news of before", "a", wake=1) == ACCEPTED
    agent.channel_turn("hello")
    d = agent.until("AG_DELIVER")[-1]
    assert users(agent)[0].startswith("System: [")
    agent.ack_delivery(d)
    assert event(agent, "news", "b", wake=1)[0] == TURN["TURN_ACCEPTED"]
    d = agent.until("AG_DELIVER")[-1]
    assert (d.fields["channel"], d.fields["chat"], d.fields["text"]) == \
        ("telegram", "42", b"I was told.")
    agent.ack_delivery(d)
    assert event(agent, "news", "b", wake=1)[0] == TURN["TURN_DUPLICATE"]


def test_the_session_of_another_agent_is_refused(agent):
    assert event(agent, "x", "k", session="agent:another:main") == \
        (TURN["TURN_REFUSED"], "INVALID_REQUEST")
