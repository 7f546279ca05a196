# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""/v1/* and /tools/invoke of a whole gateway (spec gateway-protocol 7.3-7.5)."""
import base64
import http.client
import http.server
import json
import threading

import pytest

from gateway import wait_for
from modelrig import KEY
from openai import OpenAI

PNG = base64.b64encode(bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)).decode()


@pytest.fixture
def fake():
    f = OpenAI(key=KEY).start()
    yield f
    f.stop()


def config(fake, **gateway):
    on = {"enabled": True}
    return {"gateway": {"http": {"endpoints": {
        "chatCompletions": on, "responses": on}}, **gateway},
        "models": {"providers": {"fake": {
            "api": "openai-completions", "baseUrl": fake.origin + "/v1",
            "apiKey": "${FAKE_KEY}", "models": [
                {"id": "m", "name": "M", "contextWindow": 100000,
                 "maxTokens": 4096, "input": ["text", "image"]}]}}},
        "agents": {"defaults": {"model": "fake/m"},
                   "list": [{"id": "main", "default": True},
                            {"id": "two"}]},
        "tools": {"exec": {"security": "full"}}}


@pytest.fixture
def gw(make_gateway, fake):
    return make_gateway(config(fake), env={"FAKE_KEY": KEY})


def conn(gw):
    return http.client.HTTPConnection("127.0.0.1", gw.port, timeout=120)


def send(gw, path, body=None, token=True, headers=None, method=None):
    """(connection, response): the body is not read yet."""
    c = conn(gw)
    h = {"Content-Type": "application/json", **(headers or {})}
    if token:
        h["Authorization"] = "Bearer " + (gw.token if token is True else token)
    c.request(method or ("GET" if body is None else "POST"), path,
              body if body is None or isinstance(body, bytes)
              else json.dumps(body), h)
    return c, c.getresponse()


def call(gw, path, body=None, **kw):
    c, r = send(gw, path, body, **kw)
    data = r.read()
    c.close()
    return r.status, json.loads(data)


def user(text):
    return {"role": "user", "content": text}


def chat(gw, *messages, status=200, headers=None, **kw):
    got, j = call(gw, "/v1/chat/completions", {"messages": messages, **kw},
                  headers=headers)
    assert got == status, j
    return j


def events(r):
    """Server-sent events to the end: [(event, data)]; data is JSON or
    "[DONE]"."""
    out = []
    for block in r.read().decode().split("\n\n"):
        lines = dict(x.split(": ", 1) for x in block.split("\n") if x)
        if lines:
            d = lines["data"]
            out.append((lines.get("event"),
                        d if d == "[DONE]" else json.loads(d)))
    return out


def prompt(fake, n=-1):
    """The last thing the provider was asked, and the system text."""
    m = fake.requests[n].json["messages"]
    system = m[0]["content"]
    last = m[-1]["content"]
    if isinstance(last, list):
        last = "".join(p.get("text", "") for p in last)
    return last, system if isinstance(system, str) else json.dumps(system)


# --- /v1/chat/completions ------------------------------------------------------


def test_chat_whole(gw, fake):
    fake.answer(text="Hello.", usage={"input": 10, "output": 3,
                                      "cache_read": 2})
    j = chat(gw, user("hi"), model="gpt-x", temperature=3, tools="ignored")
    assert j["id"].startswith("chatcmpl_") and len(j["id"]) == 45
    assert j["object"] == "chat.completion" and j["model"] == "gpt-x"
    assert j["choices"] == [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": "Hello."}}]
    assert j["usage"] == {"prompt_tokens": 12, "completion_tokens": 3,
                          "total_tokens": 15}
    assert prompt(fake)[0] == "hi"
    assert chat(gw, user("hi"))["model"] == "openclaw"


def test_chat_conversation_becomes_one_prompt(gw, fake):
    chat(gw, {"role": "system", "content": "Speak like a pirate."},
         user("one"), {"role": "assistant", "content": "two"},
         {"role": "developer", "content": [{"type": "text", "text": "Short."}]},
         {"role": "tool", "name": "clock", "content": "noon"},
         {"role": "nobody", "content": "x"}, {"role": "user"}, 5, None,
         user([{"type": "text", "text": "three"},
               {"type": "image_url", "image_url": {"url": "x"}},
               {"type": "input_text", "text": "four"}]),
         {"role": "assistant", "content": "left out"})
    last, system = prompt(fake)
    assert last == (
        "[Chat messages since your last reply - for context]\n"
        "User: one\nAssistant: two\nTool:clock: noon\n\n"
        "[Current message - respond to this]\nUser: three\nfour")
    assert "Speak like a pirate.\n\nShort." in system


def test_chat_stream(gw, fake):
    fake.answer(text="One two three.", chunk=7,
                usage={"input": 5, "output": 4})
    c, r = send(gw, "/v1/chat/completions", {
        "stream": True, "stream_options": {"include_usage": True},
        "messages": [user("hi")], "model": "m"})
    assert r.status == 200
    assert r.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    got = events(r)
    assert got[-1] == (None, "[DONE]")
    docs = [d for _, d in got[:-1]]
    assert {d["object"] for d in docs} == {"chat.completion.chunk"}
    assert len({d["id"] for d in docs}) == 1
    assert docs[0]["choices"][0]["delta"] == {"role": "assistant"}
    assert "".join(d["choices"][0]["delta"].get("content", "")
                   for d in docs[:-1]) == "One two three."
    assert docs[-2]["choices"][0]["finish_reason"] == "stop"
    assert docs[-1]["choices"] == []
    assert docs[-1]["usage"]["completion_tokens"] == 4
    # The connection serves on.
    c.request("GET", "/health")
    assert c.getresponse().status == 200
    c.close()


def test_chat_with_a_tool_streams_what_it_answers_whole(gw, fake):
    """Texts before and after a tool call."""
    script = [{"text": "Let me see.", "calls": [
        {"name": "exec", "args": {"command": "echo hi"}}]}, {"text": "Done."}]
    for a in script * 2:
        fake.answer(**a)
    whole = chat(gw, user("go"))["choices"][0]["message"]["content"]
    c, r = send(gw, "/v1/chat/completions", {"stream": True,
                                             "messages": [user("go")]})
    text = "".join(d["choices"][0]["delta"].get("content", "")
                   for _, d in events(r)[:-1])
    c.close()
    assert whole == text == "Let me see.\n\nDone."


@pytest.mark.parametrize("body", [
    {}, {"messages": []}, {"messages": "hi"}, {"messages": {}}, [], 5, "x",
    {"messages": [{"role": "system", "content": "x"}]},
    {"messages": [user(" \n")]}, {"messages": [user(5)]},
    {"messages": [user({"text": "x"})]}, {"messages": [[]]},
    {"messages": [{"role": ["user"], "content": "x"}]}])
def test_chat_without_a_question(gw, body):
    assert call(gw, "/v1/chat/completions", body) == (400, {"error": {
        "message": "Missing user message in `messages`.",
        "type": "invalid_request_error"}})


def test_the_provider_fails(gw, fake):
    for _ in range(4):
        fake.answer(status=400, error={"type": "x", "message": "no such"})
    j = chat(gw, user("hi"), status=500)
    assert j["error"]["type"] == "api_error"
    assert "no such" in j["error"]["message"]
    c, r = send(gw, "/v1/chat/completions", {"stream": True,
                                             "messages": [user("hi")]})
    got = events(r)
    c.close()
    assert got[-1][1] == "[DONE]"
    last = got[-2][1]["choices"][0]
    assert last["finish_reason"] == "stop"
    assert last["delta"]["content"].startswith("Error: ")
    status, j = call(gw, "/v1/responses", {"model": "m", "input": "hi"})
    assert (status, j["status"], j["output"]) == (500, "failed", [])
    assert j["error"]["code"] == "api_error"
    c, r = send(gw, "/v1/responses", {"model": "m", "input": "hi",
                                      "stream": True})
    got = events(r)
    c.close()
    assert [e for e, _ in got][-2:] == ["response.failed", None]
    assert "response.completed" not in [e for e, _ in got]


# --- agents and sessions -----------------------------------------------------


def keys(gw):
    return {s["key"] for s in gw.call("sessions.list")["sessions"]}


def test_agent_and_session(gw, fake):
    chat(gw, user("a"), user="Ann")
    chat(gw, user("b"), user="Ann")
    assert "agent:main:openai-user:ann" in keys(gw)
    texts = [m["content"] if isinstance(m["content"], str) else
             m["content"][0]["text"] for m in fake.requests[-1].json["messages"]]
    assert "a" in texts and texts[-1] == "b"    # the same session
    chat(gw, user("c"))
    assert [k for k in keys(gw) if k.startswith("agent:main:openai:")]
    chat(gw, user("d"), headers={"X-OpenClaw-Session-Key": "agent:two:mine"})
    assert "agent:two:mine" in keys(gw)
    for n, how in enumerate(({"model": "openclaw:two"}, {"model": "openclaw/Two"},
                             {"model": "agent:two"},
                             {"headers": {"X-OpenClaw-Agent-Id": "two"}},
                             {"headers": {"X-OpenClaw-Agent": "TWO"}})):
        chat(gw, user("e"), user=f"u{n}", **how)
        assert f"agent:two:openai-user:u{n}" in keys(gw)
    call(gw, "/v1/responses", {"model": "openclaw:two", "input": "x",
                               "user": "bob"})
    assert "agent:two:openresponses-user:bob" in keys(gw)
    status, j = call(gw, "/v1/chat/completions", {
        "model": "openclaw:nobody", "messages": [user("x")]})
    assert status == 404 and j["error"]["code"] == "model_not_found"
    for h in ({"X-OpenClaw-Agent-Id": "nobody"},
              {"X-OpenClaw-Session-Key": "agent:nobody:x"},
              {"X-OpenClaw-Session-Key": "agent:main:cron:x"},
              {"X-OpenClaw-Session-Key": "subagent:x"},
              # written so that only the agent takes it for one
              {"X-OpenClaw-Session-Key": ":subagent:x"},
              {"X-OpenClaw-Session-Key": "agent:main::cron:x"},
              {"X-OpenClaw-Session-Key": "agent::main:acp:x"}):
        j = chat(gw, user("x"), status=400, headers=h)
        assert j["error"]["type"] == "invalid_request_error", h
    j = chat(gw, user("x"), status=400, user="u" * 401)
    assert "user" in j["error"]["message"]


def test_models(gw):
    status, j = call(gw, "/v1/models")
    assert status == 200 and j["object"] == "list"
    assert [m["id"] for m in j["data"]] == [
        "openclaw", "openclaw/default", "openclaw/main", "openclaw/two"]
    assert all(m["object"] == "model" and m["owned_by"] == "openclaw"
               for m in j["data"])
    for name in "openclaw", "openclaw/two", "openclaw:main":
        assert call(gw, "/v1/models/" + name)[1]["id"] == name
    assert call(gw, "/v1/models/openclaw%2Ftwo")[1]["id"] == "openclaw/two"
    for name in "gpt-4o", "openclaw/x":
        status, j = call(gw, "/v1/models/" + name)
        assert (status, j["error"]["code"]) == (404, "model_not_found")


def test_who_may(make_gateway, fake):
    gw = make_gateway(config(fake, auth={"mode": "password",
                                         "password": "pass word"}),
                      env={"FAKE_KEY": KEY})
    for token in False, "wrong", gw.token:
        status, j = call(gw, "/v1/models", token=token)
        assert (status, j) == (401, {"error": {
            "message": "Unauthorized", "type": "unauthorized"}})
    assert call(gw, "/v1/models", token="pass word")[0] == 200
    off = make_gateway({})
    for path in "/v1/chat/completions", "/v1/responses", "/v1/embeddings":
        c, r = send(off, path, {})
        assert r.status == 404
        c.close()
    assert call(off, "/tools/invoke", {})[0] == 400


# --- what happens in between ---------------------------------------------------


def test_a_client_that_leaves_does_not_stop_the_run(gw, fake):
    fake.answer(text="one two three four five", drip=0.05)
    c, r = send(gw, "/v1/chat/completions", {
        "stream": True, "user": "gone", "messages": [user("hi")]})
    assert r.status == 200 and r.readline().startswith(b"data: ")
    r.close()
    c.close()

    def answered():
        h = gw.call("chat.history", {
            "sessionKey": "agent:main:openai-user:gone"})["messages"]
        return h and h[-1]["role"] == "assistant" and \
            "five" in json.dumps(h[-1]["content"])
    wait_for(answered, what="the answer in the transcript")


@pytest.mark.parametrize("name", ["agentd/main", "router", "front"])
def test_a_process_that_dies_ends_the_answer_as_an_error(gw, fake, name):
    fake.answer(text="half of an answer", stall=True, no_end=True)
    fake.answer(text="half of an answer", stall=True, no_end=True)
    c, r = send(gw, "/v1/chat/completions", {"stream": True,
                                             "messages": [user("hi")]})
    seen = r.readline()
    while b'"content"' not in seen:
        seen = r.readline()
    whole, w = send_later(gw, "/v1/chat/completions",
                          {"messages": [user("hi")]})
    wait_for(lambda: len(fake.requests) == 2, what="the second request")
    gw.kill(name)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        rest = r.read()
        raise AssertionError(rest)
    c.close()
    w.join(120)
    assert whole and (whole[0] is None or whole[0][0] == 503), whole
    wait_for(lambda: gw_answers(gw), what="service after the restart")


def send_later(gw, path, body):
    out = []

    def go():
        try:
            out.append(call(gw, path, body))
        except (ConnectionError, http.client.HTTPException):
            out.append(None)
    t = threading.Thread(target=go)
    t.start()
    return out, t


def gw_answers(gw):
    try:
        return call(gw, "/v1/chat/completions",
                    {"messages": [user("again")]})[0] == 200
    except (OSError, http.client.HTTPException):
        return False


# --- /v1/responses -------------------------------------------------------------


def test_responses_whole(gw, fake):
    fake.answer(text="Hi.", usage={"input": 7, "output": 2})
    status, j = call(gw, "/v1/responses", {
        "model": "openclaw", "input": "hello", "instructions": "Be kind.",
        "max_output_tokens": 77, "metadata": {"a": "b"}, "store": False,
        "temperature": 1, "reasoning": {"effort": "low"}, "user": None})
    assert status == 200
    assert j["id"].startswith("resp_") and j["object"] == "response"
    assert (j["status"], j["model"]) == ("completed", "openclaw")
    item = j["output"][0]
    assert item["type"] == "message" and item["id"].startswith("msg_")
    assert item["content"][0]["text"] == "Hi."
    assert j["usage"] == {"input_tokens": 7, "output_tokens": 2,
                          "total_tokens": 9}
    last, system = prompt(fake)
    assert last == "hello" and "Be kind." in system
    rq = fake.requests[-1].json
    assert 77 in (rq.get("max_tokens"), rq.get("max_completion_tokens"))


def test_responses_stream(gw, fake):
    fake.answer(text="One two.", chunk=5)
    c, r = send(gw, "/v1/responses", {"model": "m", "stream": True,
                                      "input": [user("hello")]})
    got = events(r)
    c.close()
    names = [e for e, _ in got]
    assert [n for i, n in enumerate(names) if n != names[i - 1]] == [
        "response.created", "response.in_progress",
        "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.done",
        "response.content_part.done", "response.output_item.done",
        "response.completed", None]
    assert all(e == d["type"] for e, d in got[:-1])
    assert "".join(d["delta"] for e, d in got
                   if e == "response.output_text.delta") == "One two."
    assert got[-2][1]["response"]["output"][0]["content"][0]["text"] == \
        "One two."


def test_responses_client_tool(gw, fake):
    tool = {"type": "function", "function": {
        "name": "weather", "description": "of a city", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}}}}
    ask = {"model": "m", "input": "weather?", "user": "w", "tools": [tool],
           "tool_choice": {"type": "function", "function": {
               "name": "weather"}}}
    for _ in range(2):
        fake.answer(calls=[{"name": "weather", "args": {"city": "Rome"},
                            "id": "call_9"}])
    status, j = call(gw, "/v1/responses", ask)
    assert (status, j["status"]) == (200, "incomplete")
    item, = j["output"]
    assert item["type"] == "function_call" and item["id"].startswith("call_")
    assert item["name"] == "weather" and item["call_id"]
    assert json.loads(item["arguments"]) == {"city": "Rome"}
    sent = fake.requests[-1].json["tools"]
    assert "weather" in [t["function"]["name"] for t in sent]
    assert "weather" in prompt(fake)[1]
    status, j = call(gw, "/v1/responses", {
        "model": "m", "user": "w", "tools": [{
            "type": "function", "name": "weather", "strict": True,
            "parameters": {"type": "object"}}],
        "input": [{"type": "function_call_output",
                   "call_id": item["call_id"], "output": "sunny"}]})
    assert status == 200 and fake.violations == []
    c, r = send(gw, "/v1/responses", {**ask, "user": "v", "stream": True})
    got = events(r)
    c.close()
    assert got[-1][1] == "[DONE]"
    last = got[-2][1]["response"] if got[-2][1].get("response") else {}
    assert last.get("status") in ("completed", "incomplete"), got


def test_responses_images_and_files(gw, fake):
    def ask(*parts):
        return call(gw, "/v1/responses", {"model": "m", "input": [
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "look"}, *parts]}]})

    def b64(data, mime, **kw):
        return {"source": {"type": "base64", "media_type": mime,
                           "data": data, **kw}}
    text = base64.b64encode("naïve\x07 text".encode()).decode()
    for image in (b64(PNG, "image/png"),
                  {"image_url": "data:image/png;base64," + PNG}):
        status, j = ask({"type": "input_image", **image},
                        {"type": "input_file", **b64(
                            text, "text/plain; charset=utf-8",
                            filename='a"><b>.txt')})
        assert status == 200, j
        assert PNG in json.dumps(fake.requests[-1].json)
        assert '<file name="a   b .txt">' in prompt(fake)[1]
        assert "naïve" in prompt(fake)[1] and "\x07" not in prompt(fake)[1]
    # larger than a client's attachment may be; the limit is the route's own
    large = base64.b64encode(base64.b64decode(PNG) + bytes(6000000)).decode()
    status, j = ask({"type": "input_image", **b64(large, "image/png")})
    assert status == 200, j
    assert large in json.dumps(fake.requests[-1].json)
    # a long name is cut between characters: all of the prompt depends on it
    status, j = ask({"type": "input_file", **b64(text, "text/plain",
                                                 filename="n" * 199 + "é.txt")})
    assert status == 200, j
    assert f'<file name="{"n" * 199}">' in prompt(fake)[1] and "naïve" in prompt(fake)[1]
    for part, why in (
            ({"type": "input_image", "source": {
                "type": "url", "url": "http://x/y.png"}}, "not fetched"),
            ({"type": "input_image", **b64(PNG, "image/tiff")},
             "Unsupported image MIME type: image/tiff"),
            ({"type": "input_image", **b64("A" * 14000000, "image/png")},
             "Image too large"),
            ({"type": "input_file", **b64("A" * 8000000, "text/plain")},
             "File too large"),
            ({"type": "input_file", **b64("JVBER", "application/pdf")},
             "PDF"),
            ({"type": "input_file", **b64("AAAA", "application/zip")},
             "Unsupported file MIME type"),
            ({"type": "input_file", **b64("not base64!", "text/plain")},
             "base64")):
        status, j = ask(part)
        assert status == 400, j
        assert j["error"]["type"] == "invalid_request_error"
        assert why in j["error"]["message"]
        assert "input.0.content.1" in j["error"]["message"]


GOOD = {"model": "m", "input": "x"}
MSG = {"type": "message", "role": "user", "content": "x"}


@pytest.mark.parametrize("body,path", [
    ({"input": "x"}, "model: "), ({"model": "m"}, "input: "),
    ({**GOOD, "model": 5}, "model: "), ({**GOOD, "input": 5}, "input: "),
    ({**GOOD, "stream": "yes"}, "stream: "),
    ({**GOOD, "strem": True}, 'unrecognized key "strem"'),
    ({**GOOD, "max_output_tokens": 0}, "max_output_tokens: "),
    ({**GOOD, "max_output_tokens": 1.5}, "max_output_tokens: "),
    ({**GOOD, "tools": {}}, "tools: "), ({**GOOD, "tools": [5]}, "tools.0: "),
    ({**GOOD, "tools": [{"type": "web_search"}]}, "tools.0.type: "),
    ({**GOOD, "tools": [{"type": "function", "function": {}}]}, "tools.0: "),
    ({**GOOD, "tools": [{"type": "function", "name": "exec"}]}, "tools.0: "),
    ({**GOOD, "tools": [{"type": "function", "name": "a"}] * 2}, "tools.1: "),
    ({**GOOD, "tool_choice": "required"}, "tool_choice: "),
    ({**GOOD, "tool_choice": "maybe"}, "tool_choice: "),
    ({**GOOD, "tool_choice": {"type": "function", "function": {
        "name": "x"}}}, "tool_choice: unknown tool: x"),
    ({**GOOD, "metadata": {"a": 1}}, "metadata: "),
    ({**GOOD, "truncation": "some"}, "truncation: "),
    ({**GOOD, "reasoning": {"effort": "max"}}, "reasoning.effort: "),
    ({**GOOD, "input": [5]}, "input.0: "),
    ({**GOOD, "input": [{}]}, "input.0: "),
    ({**GOOD, "input": [MSG, {"type": "odd"}]}, "input.1: "),
    ({**GOOD, "input": [{**MSG, "role": "tool"}]}, "input.0.role: "),
    ({**GOOD, "input": [{**MSG, "x": 1}]}, "input.0: "),
    ({**GOOD, "input": [{**MSG, "content": [{"type": "input_text"}]}]},
     "input.0.content.0.text: "),
    ({**GOOD, "input": [{**MSG, "content": ["x"]}]}, "input.0.content.0: "),
    ({**GOOD, "input": [{"type": "function_call_output", "output": "x"}]},
     "input.0.call_id: "),
    ({**GOOD, "input": []}, "Missing user message in `input`."),
    ({**GOOD, "input": " "}, "Missing user message in `input`."),
    ([], "must be object")])
def test_responses_bad_bodies(gw, body, path):
    if "exec" in json.dumps(body):
        invoke(gw, tool="nosuch")   # the agent knows its tools now
    status, j = call(gw, "/v1/responses", body)
    assert status == 400
    assert set(j) == {"error"}
    assert j["error"]["type"] == "invalid_request_error"
    assert j["error"]["message"].startswith(path), j


def test_responses_limits_are_those_of_the_configuration(make_gateway, fake):
    cf = config(fake)
    cf["gateway"]["http"]["endpoints"]["responses"].update(
        maxBodyBytes=3000, files={"maxChars": 3, "allowedMimes": ["text/csv"]})
    gw = make_gateway(cf, env={"FAKE_KEY": KEY})
    status, j = call(gw, "/v1/responses", {**GOOD, "input": "x" * 3000})
    assert (status, j["error"]["message"]) == (400, "payload too large")

    def file(mime):
        return call(gw, "/v1/responses", {"model": "m", "input": [
            {**MSG, "content": [{"type": "input_text", "text": "x"}, {
                "type": "input_file", "source": {
                    "type": "base64", "media_type": mime,
                    "data": base64.b64encode("äöüß".encode()).decode()}}]}]})
    assert file("text/plain")[0] == 400
    assert file("text/csv")[0] == 200
    assert "\näöü\n</file>" in prompt(fake)[1]


# --- /tools/invoke ---------------------------------------------------------------


def invoke(gw, **body):
    """As soon as the tools are there."""
    got = []

    def there():
        got[:] = call(gw, "/tools/invoke", body)
        return got[0] != 503
    wait_for(there, what="the tools")
    return tuple(got)


def test_T14_tools_that_are_out_of_reach(gw):
    for tool in ("exec", "process", "read", "write", "edit", "ls", "bash",
                 "EXEC", "sessions_spawn", "nosuch"):
        status, j = invoke(gw, tool=tool, args={"command": "id", "path": "x"})
        assert (status, j) == (404, {"ok": False, "error": {
            "type": "not_found", "message": f"Tool not available: {tool}"}})
    for body in ({}, {"tool": ""}, {"tool": 5}, [], {"tool": " "}):
        assert call(gw, "/tools/invoke", body) == (400, {"error": {
            "message": "tools.invoke requires body.tool",
            "type": "invalid_request_error"}})


def test_tools_invoke(make_gateway, fake):
    gw = make_gateway({**config(fake, tools={
        "allow": ["exec", "write", "process"], "deny": ["diagnose"]}),
        "tools": {"deny": ["write"], "exec": {"security": "full"}}},
        env={"FAKE_KEY": KEY})

    status, j = invoke(gw, tool="exec", args={"command": "echo from-http"})
    assert j["ok"] and "from-http" in j["result"]["content"][0]["text"]
    assert "details" in j["result"] and "isError" not in j["result"]
    # The policy of the agent stands above, and so does the list here.
    for tool in "write", "diagnose":
        assert call(gw, "/tools/invoke", {"tool": tool, "args": {
            "path": "x", "content": "y"}})[0] == 404
    status, j = call(gw, "/tools/invoke", {"tool": "exec", "args": {}})
    assert (status, j["ok"], j["error"]["type"]) == (400, False, "tool_error")
    # action is merged into the arguments of a tool that has it
    status, j = call(gw, "/tools/invoke", {"tool": "process",
                                           "action": "list"})
    assert status == 200, j


def test_tools_invoke_asks_and_is_withdrawn(make_gateway, fake):
    """A command that must be asked about is asked about; when the client goes,
    so does the question."""
    gw = make_gateway({**config(fake, tools={
        "allow": ["exec", "process"]}), "tools": {
        "exec": {"security": "allowlist", "ask": "always"}}},
        env={"FAKE_KEY": KEY})
    asks = {"tool": "exec", "args": {"command": "echo asked"}}

    def open_asks():
        return gw.call("exec.approval.list")["approvals"]
    invoke(gw, tool="process", action="list")
    out, t = send_later(gw, "/tools/invoke", asks)
    wait_for(lambda: open_asks() or out, what="the question")
    assert not out, out
    gw.call("exec.approval.resolve", {"id": open_asks()[0]["id"],
                                      "decision": "allow-once"})
    t.join(120)
    assert out[0][0] == 200 and "asked" in json.dumps(out[0][1])
    c = conn(gw)
    c.request("POST", "/tools/invoke", json.dumps(asks),
              {"Authorization": "Bearer " + gw.token})
    wait_for(open_asks, what="the second question")
    c.close()
    wait_for(lambda: not open_asks(), what="its end")


# --- /v1/embeddings ---------------------------------------------------------------


class Vectors(http.server.BaseHTTPRequestHandler):
    asked = []
    status = 200

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        Vectors.asked.append((self.path, self.headers["authorization"], body))
        n = len(body["input"]) if isinstance(body["input"], list) else 1
        out = {"object": "list", "model": body["model"], "data": [
            {"object": "embedding", "index": i, "embedding": [0.5] * 4000}
            for i in range(n)], "usage": {"prompt_tokens": 1,
                                          "total_tokens": 1}}
        if Vectors.status != 200:
            out = {"error": {"message": "not today", "type": "x"}}
        data = json.dumps(out).encode()
        self.send_response(Vectors.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *a):
        pass


def test_embeddings(make_gateway, fake):
    srv = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Vectors)
    threading.Thread(target=srv.serve_forever, daemon=True).start()
    cf = config(fake)
    cf["models"]["providers"]["fake"]["baseUrl"] = \
        f"http://127.0.0.1:{srv.server_port}/v1"
    gw = make_gateway(cf, env={"FAKE_KEY": KEY})
    try:
        status, j = call(gw, "/v1/embeddings", {
            "model": "fake/vec", "input": ["a"] * 30, "dimensions": 3})
        assert status == 200, j
        assert j["model"] == "fake/vec" and len(j["data"]) == 30
        assert len(j["data"][29]["embedding"]) == 4000
        assert Vectors.asked[-1] == ("/v1/embeddings", "Bearer " + KEY, {
            "model": "vec", "input": ["a"] * 30, "dimensions": 3})
        call(gw, "/v1/embeddings", {"model": "openclaw", "input": "a"},
             headers={"X-OpenClaw-Model": "fake/other"})
        assert Vectors.asked[-1][2]["model"] == "other"
        Vectors.status = 429
        status, j = call(gw, "/v1/embeddings", {"model": "x", "input": "a"})
        assert status == 429 and "not today" in j["error"]["message"]
        Vectors.status = 500
        assert call(gw, "/v1/embeddings", {"model": "x",
                                           "input": "a"})[0] == 502
        for bad in ({}, {"model": "x"}, {"model": "x", "input": []},
                    {"model": "x", "input": [1, 2]}, {"input": "x"},
                    {"model": "x", "input": ["a", ""]},
                    {"model": 5, "input": "x"}, {"model": "x", "input": {}}):
            status, j = call(gw, "/v1/embeddings", bad)
            assert (status, j["error"]["type"]) == (
                400, "invalid_request_error"), bad
        status, j = call(gw, "/v1/embeddings", {"model": "x", "input": "a"},
                         headers={"X-OpenClaw-Model": "nobody/m"})
        assert (status, j["error"]["code"]) == (400, "model_not_found")
    finally:
        Vectors.status = 200
        srv.shutdown()
        srv.server_close()


def test_embeddings_where_no_provider_has_them(make_gateway):
    gw = make_gateway({"gateway": {"http": {"endpoints": {
        "chatCompletions": {"enabled": True}}}}})
    status, j = call(gw, "/v1/embeddings", {"model": "m", "input": "a"})
    assert status == 400 and j["error"]["code"] == "model_not_found"
    assert "models.providers" in j["error"]["message"]
