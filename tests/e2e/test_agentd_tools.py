# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Tool calls of the real agentd: order, results, failures, abort, limits."""
import json
import time

import pytest

from agentproc import Agent, EVENT_AGENT, RUN, events

SCRIPT = r'''
@on user~"three"
  par
    call exec {"command":"a"} id=t1
    call exec {"command":"b"} id=t2
    call nosuch {} id=t3
@on user~"reads"
  par
    call read {"path":"1"} id=p1
    call read {"path":"2"} id=p2
    call exec {"command":"x"} id=p3
    call read {"path":"3"} id=p4
@on user~"broken"
  rawcall exec "{\"command\":" id=k1
@on user~"one"
  call exec {"command":"df"} id=o1
@on user~"loop"
  call exec {"command":"same"}
@on result exec
  text "after: {{result.text}}"
@on result read
  text "after read"
@on result nosuch
  text "after nosuch"
'''


@pytest.fixture
def agent():
    a = Agent(script=SCRIPT).start()
    yield a
    a.close()


def tools_of(got):
    return [e["data"] for e in events(got, EVENT_AGENT)
            if e["stream"] == "tool"]


def test_calls_run_in_order_and_results_are_kept(agent):
    run = agent.turn("three", run="r")
    c1 = agent.tool_call()
    assert c1.fields["tool"] == "exec"
    assert json.loads(c1.fields["args"]) == {"command": "a"}
    assert c1.fields["run_id"] == run
    assert c1.fields["session_key"] == "agent:main:main"
    with pytest.raises(TimeoutError):
        agent.tool.recv(0.2)        # exec is a barrier
    agent.tool.send("TL_OUT", corr=c1.corr, call_id=c1.fields["call_id"],
                    bytes=b"work\xffing\x1b[0m")
    agent.tool_done(c1, "A")
    c2 = agent.tool_call()
    agent.tool_done(c2, "B failed", is_error=True,
                    details={"status": "error"})
    got = agent.until("AG_RUN_END")
    t = tools_of(got)
    assert [(x["phase"], x["toolCallId"]) for x in t
            if x["phase"] != "update"] == [
        ("start", "t1"), ("result", "t1"), ("start", "t2"), ("result", "t2"),
        ("start", "t3"), ("result", "t3")]
    assert t[0]["args"] == {"command": "a"} and t[0]["name"] == "exec"
    r1 = [x for x in t if x["phase"] == "result"]
    assert [x["isError"] for x in r1] == [False, True, True]
    assert r1[0]["meta"] == "a"
    assert r1[0]["result"]["content"] == [{"type": "text", "text": "A"}]
    assert "not found" in r1[2]["result"]["content"][0]["text"]
    msgs = [x["message"] for x in agent.transcript() if
            x["type"] == "message"]
    assert [m["role"] for m in msgs] == ["user", "assistant", "toolResult",
                                         "toolResult", "toolResult",
                                         "assistant"]
    assert [m.get("toolCallId") for m in msgs[2:5]] == ["t1", "t2", "t3"]
    assert [m["isError"] for m in msgs[2:5]] == [False, True, True]
    assert msgs[1]["stopReason"] == "toolUse"
    h = agent.ask("chat.history", sessionKey="main")["messages"]
    assert [m["role"] for m in h] == [m["role"] for m in msgs]
    assert h[1]["content"][0]["arguments"] == {"command": "a"}


def test_output_is_shown_though_no_more_comes(agent):
    agent.turn("one")
    c = agent.tool_call()
    for text in (b"one\n", b"two\n"):
        agent.tool.send("TL_OUT", corr=c.corr, call_id=c.fields["call_id"],
                        bytes=text)
    shown = ""
    while shown != "one\ntwo\n":
        for t in tools_of([agent.recv()]):
            if t["phase"] == "update":
                shown = t["partialResult"]["content"][0]["text"]
    agent.tool_done(c, "done")
    agent.until("AG_RUN_END")


def test_reading_tools_overlap_and_results_stay_in_order(agent):
    agent.turn("reads")
    a, b = agent.tool_call(), agent.tool_call()
    assert [json.loads(x.fields["args"])["path"] for x in (a, b)] == \
        ["1", "2"]
    with pytest.raises(TimeoutError):
        agent.tool.recv(0.2)        # the exec waits for both
    agent.tool_done(b, "two")
    agent.tool_done(a, "one")
    c = agent.tool_call()
    assert c.fields["tool"] == "exec"
    agent.tool_done(c, "x")
    d = agent.tool_call()
    agent.tool_done(d, "three")
    agent.until("AG_RUN_END")
    res = [x["message"] for x in agent.transcript()
           if x.get("message", {}).get("role") == "toolResult"]
    assert [m["content"][0]["text"] for m in res] == ["one", "two", "x",
                                                      "three"]


def test_invalid_arguments_are_told_and_never_run(agent):
    agent.turn("broken")
    agent.until("AG_RUN_END")
    with pytest.raises(TimeoutError):
        agent.tool.recv(0.2)
    res = [x["message"] for x in agent.transcript()
           if x.get("message", {}).get("role") == "toolResult"][0]
    assert res["isError"] and "not a valid" in res["content"][0]["text"]
    assert res["details"]["rawArguments"] == '{"command":'


def test_long_results_are_cut_with_head_and_tail(agent):
    agent.turn("one")
    c = agent.tool_call()
    agent.tool_done(c, "H" * 20000 + "\x07" + "T" * 20000)
    agent.until("AG_RUN_END")
    text = [x["message"] for x in agent.transcript()
            if x.get("message", {}).get("role") == "toolResult"][0][
                "content"][0]["text"]
    assert len(text) < 16500 and text.startswith("H") and text.endswith("T")
    assert "\x07" not in text and "left out" in text


def test_abort_during_a_tool_cancels_it(agent):
    agent.turn("three", run="r")
    c1 = agent.tool_call()
    agent.ask("chat.abort", sessionKey="main")
    x = agent.tool.expect("TL_CANCEL")
    assert x.corr == c1.corr and x.fields["call_id"] == c1.fields["call_id"]
    agent.tool_done(c1, "stopped", is_error=True)
    got = agent.until("AG_RUN_END")
    assert got[-1].fields["status"] == RUN["RUN_ABORTED"]
    msgs = [x["message"] for x in agent.transcript() if
            x["type"] == "message"]
    assert [m.get("toolCallId") for m in msgs[2:5]] == ["t1", "t2", "t3"]
    assert msgs[5]["stopReason"] == "aborted"


def test_tool_that_does_not_stop_is_given_up(agent):
    agent.turn("one", run="r")
    agent.tool_call()
    t = time.monotonic()
    agent.ask("chat.abort", sessionKey="main")
    got = agent.until("AG_RUN_END")
    assert time.monotonic() - t > 4
    assert got[-1].fields["status"] == RUN["RUN_ABORTED"]


def test_AR2_lost_toold_is_an_error_result_and_the_loop_goes_on(agent):
    agent.turn("one")
    agent.tool_call()
    agent.tool.close()
    got = agent.until("AG_RUN_END")
    assert got[-1].fields["status"] == RUN["RUN_OK"]
    assert "process ended" in json.loads(got[-1].fields["result"])[
        "payloads"][0]["text"]
    # A new one is used again.
    t = agent.worker.add_peer("TOOL")
    m = t.expect("TL_LIST")
    t.send("TL_LIST_RES", corr=m.corr, tools=json.dumps(agent.tools))
    agent.turn("one")
    c = agent.tool_call()
    agent.tool_done(c, "fine")
    assert "fine" in agent.until("AG_RUN_END")[-1].fields["result"].decode()


def test_AR2_malformed_result_is_an_error_result(agent):
    agent.turn("one")
    c = agent.tool_call()
    agent.tool.send("TL_DONE", corr=c.corr, call_id=c.fields["call_id"],
                    is_error=0, result=b"[" * 100000)
    got = agent.until("AG_RUN_END")
    assert got[-1].fields["status"] == RUN["RUN_OK"]
    assert "understood" in got[-1].fields["result"].decode()


def test_AR11_loop_is_warned_blocked_and_ended():
    script = '@on user~"loop"\n  call exec {"command":"same"}\n' \
        '@on result exec\n  call exec {"command":"same"}\n'
    with Agent(script=script) as agent:
        agent.turn("loop")
        n = 0
        while True:
            m = agent.next_of_both()
            if m.name == "AG_RUN_END":
                break
            if m.name == "TL_CALL":
                n += 1
                agent.tool_accept(m)
                agent.tool_done(m, "nothing new")
        assert m.fields["status"] == RUN["RUN_ERROR"]
        assert "without progress" in m.fields["summary"]
        assert 20 <= n <= 22
        texts = [x["message"]["content"] for x in agent.transcript()
                 if x.get("message", {}).get("role") == "toolResult"]
        assert sum("will not help" in json.dumps(t) for t in texts) == 1
        assert sum("Blocked" in json.dumps(t) for t in texts) == 1


def test_AR11_iterations_are_capped():
    script = '@on user~"go"\n  call exec {"command":"1"}\n' \
        '@on result exec\n  call exec {"command":"{{now}}"}\n'
    with Agent(script=script, agent={"maxToolIterations": 5}) as agent:
        agent.turn("go")
        for i in range(5):
            agent.tool_done(agent.tool_call(), f"r{i}")
        got = agent.until("AG_RUN_END")
        assert got[-1].fields["status"] == RUN["RUN_ERROR"]
        assert "5 rounds" in got[-1].fields["summary"]


def test_hidden_tool_events_are_quiet():
    """Who asks for all of them is told; the others miss their numbers."""
    with Agent(script=SCRIPT, agent={"verboseDefault": "off"}) as agent:
        agent.turn("one")
        agent.tool_done(agent.tool_call(), "x")
        got = agent.until("AG_RUN_END")
        quiet = [m for m in got if m.name == "AG_EVENT" and m.fields["quiet"]]
        assert tools_of(quiet) == tools_of(got) != []
        ag = events([m for m in got if m not in quiet], EVENT_AGENT)
        assert ag[0]["seq"] == 1 and ag[1]["seq"] == 4
