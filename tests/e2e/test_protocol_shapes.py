# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The exact shape of the hello and of every event that clients decode; answers
have theirs in proto/results.def.

The tables are facts of the protocol (OpenClaw 2026.1.29, version 3), written
down here so that nothing of ours is judged by itself.  A key that ends in "?"
may be absent and is never null; a key that is not in a table is a failure,
because strict clients refuse what they do not know.
"""
import asyncio
import json
import re
import uuid

import pytest
from gateway import RpcError
from gwresults import faults as row_faults
from rigs import with_channel as gw  # noqa: F401

INT, STR, BOOL, ANY = "int", "str", "bool", "any"
TEXT = "text"           # a string that is not empty
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


class One:
    """One of these values."""

    def __init__(self, *values):
        self.values = values


class Either:
    """Any of these shapes."""

    def __init__(self, *specs):
        self.specs = specs


class Row:
    """A SHAPE of proto/results.def."""

    def __init__(self, kind):
        self.kind = kind


def faults(v, spec, at="$"):
    """Everything in which v differs from the shape."""
    if isinstance(spec, Row):
        return row_faults(v, "ONE", spec.kind, at)
    if isinstance(spec, One):
        return [] if v in spec.values else [f"{at}: {v!r} is none of {spec.values}"]
    if isinstance(spec, Either):
        tried = [faults(v, s, at) for s in spec.specs]
        return [] if [] in tried else min(tried, key=len)
    if isinstance(spec, re.Pattern):
        ok = isinstance(v, str) and spec.search(v)
        return [] if ok else [f"{at}: {v!r} does not match {spec.pattern}"]
    if isinstance(spec, list):
        if not isinstance(v, list):
            return [f"{at}: no array"]
        return [f for i, x in enumerate(v) for f in faults(x, spec[0], f"{at}[{i}]")]
    if isinstance(spec, dict):
        if not isinstance(v, dict):
            return [f"{at}: no object"]
        names = {k.rstrip("?"): k for k in spec}
        out = [f"{at}: unknown key {k}" for k in v if k not in names]
        out += [f"{at}: key {k} is missing" for k in spec
                if not k.endswith("?") and k not in v]
        return out + [f for k in v if k in names
                      for f in faults(v[k], spec[names[k]], f"{at}.{k}")]
    ok = {INT: isinstance(v, int) and not isinstance(v, bool), STR: isinstance(v, str),
          TEXT: isinstance(v, str) and v != "", BOOL: isinstance(v, bool), ANY: True}[spec]
    return [] if ok else [f"{at}: {v!r} is not {spec}"]


# --- 5.6 and 4.2: what is in answers too, which have a table ----------------------

PRESENCE, HEALTH, FINAL = Row("PRESENCE"), Row("HEALTH"), Row("RUN_FINAL")

HELLO = {
    "type": One("hello-ok"), "protocol": One(3),
    "server": {"version": TEXT, "commit?": TEXT, "host?": TEXT, "connId": UUID},
    "features": {"methods": [TEXT], "events": [TEXT]},
    "snapshot": {"presence": [PRESENCE], "health": HEALTH, "uptimeMs": INT,
                 "stateVersion": {"presence": INT, "health": INT}, "configPath?": TEXT,
                 "stateDir?": TEXT,
                 "sessionDefaults?": {"defaultAgentId": TEXT, "mainKey": TEXT,
                                      "mainSessionKey": TEXT, "scope": TEXT}},
    "canvasHostUrl?": TEXT,
    "auth?": {"deviceToken": re.compile("^[0-9a-f]{32}$"), "role": TEXT, "scopes": [TEXT],
              "issuedAtMs": INT},
    "policy": {"maxPayload": INT, "maxBufferedBytes": INT, "tickIntervalMs": INT}}

# --- 5: events --------------------------------------------------------------------

LIFECYCLE = Either(
    {"phase": One("start"), "startedAt": INT},
    {"phase": One("end"), "endedAt": INT, "startedAt?": INT, "aborted?": BOOL},
    {"phase": One("error"), "error": TEXT, "endedAt": INT, "startedAt?": INT})
TOOL = Either(
    {"phase": One("start"), "name": TEXT, "toolCallId": TEXT, "args": ANY},
    {"phase": One("update"), "name": TEXT, "toolCallId": TEXT, "partialResult": ANY},
    {"phase": One("result"), "name": TEXT, "toolCallId": TEXT, "meta?": TEXT, "isError": BOOL,
     "result": ANY})
STREAMS = {"lifecycle": LIFECYCLE, "tool": TOOL,
           "assistant": {"text": STR, "delta?": STR, "mediaUrls?": [STR]}}
MESSAGE = {"role": One("assistant"), "content": [{"type": One("text"), "text": TEXT}],
           "timestamp": INT}
RUN = {"runId": TEXT, "sessionKey": TEXT, "seq": INT}
CHAT = Either(
    dict(RUN, **{"state": One("delta"), "message": MESSAGE, "deltaText": TEXT,
                 "replace?": One(True)}),
    dict(RUN, **{"state": One("final"), "message?": Either(
        MESSAGE, dict(MESSAGE, stopReason=One("injected"), usage={
            "input": One(0), "output": One(0), "totalTokens": One(0)}))}),
    dict(RUN, **{"state": One("error"), "errorMessage?": TEXT}),
    dict(RUN, **{"state": One("aborted"), "stopReason?": One("rpc", "stop", "timeout")}))
DECIDED = {"requestId": TEXT, "decision": One("approved", "rejected"), "ts": INT}
NULL_TEXT = Either(One(None), TEXT)
EVENTS = {"chat": CHAT, "health": HEALTH, "tick": {"ts": INT},
          "device.pair.requested": Row("PAIR_REQUEST"),
          "device.pair.resolved": dict(DECIDED, deviceId=TEXT),
          "node.pair.requested": {
              "requestId": TEXT, "nodeId": TEXT, "displayName?": TEXT, "platform?": TEXT,
              "version?": TEXT, "coreVersion?": TEXT, "uiVersion?": TEXT, "deviceFamily?": TEXT,
              "modelIdentifier?": TEXT, "caps?": [TEXT], "commands?": [TEXT], "remoteIp?": TEXT,
              "silent?": BOOL, "isRepair?": BOOL, "ts": INT},
          "node.pair.resolved": dict(DECIDED, nodeId=TEXT),
          "node.invoke.request": {"id": TEXT, "nodeId": TEXT, "command": TEXT,
                                  "paramsJSON": NULL_TEXT, "timeoutMs?": INT,
                                  "idempotencyKey?": TEXT},
          "exec.approval.requested": {
              "id": TEXT, "createdAtMs": INT, "expiresAtMs": INT, "allowAlways?": BOOL,
              "reason?": STR, "requestedBy?": TEXT, "request": {
                  "command": TEXT, "cwd": NULL_TEXT, "host": NULL_TEXT, "security": NULL_TEXT,
                  "ask": NULL_TEXT, "agentId": NULL_TEXT, "resolvedPath": NULL_TEXT,
                  "sessionKey": NULL_TEXT}},
          "exec.approval.resolved": {"id": TEXT, "decision": TEXT, "resolvedBy": NULL_TEXT,
                                     "ts": INT},
          "process": {"name": TEXT, "state": TEXT, "reason?": TEXT},
          # of protocol 4
          "sessions.changed": {"sessionKey": TEXT, "ts": INT, "reason": One(
              "message", "patch", "reset", "delete", "compact")},
          "session.message": {
              "sessionKey": TEXT, "agentId": TEXT, "sessionId": UUID, "updatedAt?": INT,
              "messageId": TEXT, "runId?": TEXT, "message": ANY},
          "session.tool": dict(RUN, stream=One("tool"), data=TOOL, ts=INT),
          "presence": {"presence": [PRESENCE]},
          "shutdown": Either({"reason": One("gateway stopping")},
                             {"reason": One("gateway restarting"), "restartExpectedMs": INT})}
VERSIONED = {"presence", "health"}
UNNUMBERED = {"node.invoke.request", "process"}


def event_faults(m):
    name, p = m["event"], m["payload"]
    frame = {"type": One("event"), "event": TEXT, "payload": ANY}
    if name not in UNNUMBERED:
        frame["seq"] = INT
    if name in VERSIONED:
        frame["stateVersion"] = {"presence": INT, "health": INT}
    out = faults(m, frame, name)
    if name == "agent":
        out += faults(p, dict(RUN, stream=One(*STREAMS), data=ANY, ts=INT), name)
        return out + faults(p["data"], STREAMS.get(p["stream"], ANY), f"{name}/{p['stream']}")
    return out + faults(p, EVENTS[name], name)


# --- the gateway -------------------------------------------------------------------


async def talk(c, text, until="final", **extra):
    """One turn by chat.send: (answer, its last chat event)."""
    key = str(uuid.uuid4())
    first = await c.call("chat.send", dict(
        {"sessionKey": "main", "message": text, "idempotencyKey": key}, **extra))
    last = await c.event(lambda m: m["event"] == "chat" and m["payload"]["runId"] == key and
                         m["payload"]["state"] != "delta")
    assert last["payload"]["state"] == until, last
    return first, last


def test_hello(gw):
    async def go():
        async with gw.client() as c:
            ch = c.challenge
            assert not faults(ch, {"type": One("event"), "event": One("connect.challenge"),
                                   "payload": {"nonce": UUID, "ts": INT}})
            await talk(c, "what time is it?")
            async with gw.client() as again:
                bad = faults(again.hello, HELLO)
            assert await c.call("last-heartbeat") is None
            assert not bad, "\n".join(bad)
    asyncio.run(go())


def test_runs_and_their_events(gw):
    async def go():
        async with gw.client() as c:
            first, _ = await talk(c, "what time is it?")
            bad = faults(first, {"runId": TEXT, "status": One("started")}, "chat.send")
            await talk(c, "/help")
            key = str(uuid.uuid4())
            p = {"message": "what time is it?", "idempotencyKey": key, "sessionKey": "main"}
            rid = await c.send("agent", p)
            bad += faults(await c.result(rid), {"runId": One(key), "status": One("accepted"),
                                                "acceptedAt": INT}, "agent 1")
            bad += faults(await c.result(rid), FINAL, "agent 2")
            bad += faults(await c.call("agent.wait", {"runId": key}), {
                "runId": One(key), "status": One("ok"), "startedAt?": INT, "endedAt?": INT},
                "agent.wait")
            bad += faults(await c.call("chat.send", {
                "sessionKey": "main", "message": "/stop", "idempotencyKey": "stop-1"}),
                {"ok": One(True), "aborted": BOOL, "runIds": [TEXT]}, "stop word")
            async with gw.client(client={"id": "test", "version": "1", "platform": "linux",
                                         "mode": "ui"}):
                pass
            await c.event(lambda m: m["event"] == "presence")
            await c.event(lambda m: m["event"] == "health")
            for m in c.events:
                bad += event_faults(m)
            seen = {m["event"] for m in c.events}
            seen |= {m["payload"]["stream"] for m in c.events if m["event"] == "agent"}
            assert {"agent", "chat", "presence", "health", "lifecycle", "assistant",
                    "tool"} <= seen, seen
            # the numbers of one run only rise, whatever else runs
            last = {}
            for m in c.events:
                if m["event"] == "agent":
                    r = m["payload"]["runId"]
                    assert m["payload"]["seq"] > last.get(r, 0)
                    last[r] = m["payload"]["seq"]
            assert not bad, "\n".join(bad)
    asyncio.run(go())


# method, parameters, code, text: the first clause where the protocol joins many
ERRORS = [
    ("no.such.method", {}, "INVALID_REQUEST", "unknown method: no.such.method"),
    ("connect", {}, "INVALID_REQUEST", "connect is only valid as the first request"),
    ("chat.history", {}, "INVALID_REQUEST",
     "invalid chat.history params: must have required property 'sessionKey'"),
    ("chat.history", {"sessionKey": "main", "x": 1}, "INVALID_REQUEST",
     "invalid chat.history params: at root: unexpected property 'x'"),
    ("chat.history", {"sessionKey": "main", "limit": 1001}, "INVALID_REQUEST",
     "invalid chat.history params: at /limit: must be <= 1000"),
    ("chat.history", {"sessionKey": ""}, "INVALID_REQUEST",
     "invalid chat.history params: at /sessionKey: must NOT have fewer than 1 characters"),
    ("chat.send", {"sessionKey": "main", "message": "  ", "idempotencyKey": "e1"},
     "INVALID_REQUEST", "message or attachment required"),
    ("agent", {"message": "hi", "idempotencyKey": "e2", "channel": "pigeon"}, "INVALID_REQUEST",
     "invalid agent params: unknown channel: pigeon"),
    ("agent", {"message": "hi", "idempotencyKey": "e3", "agentId": "nobody"}, "INVALID_REQUEST",
     'invalid agent params: unknown agent id "nobody"'),
    ("agent", {"message": "hi", "idempotencyKey": "e4", "label": "x" * 65}, "INVALID_REQUEST",
     "invalid agent params: at /label: must NOT have more than 64 characters"),
    ("sessions.preview", {"keys": []}, "INVALID_REQUEST",
     "invalid sessions.preview params: at /keys: must NOT have fewer than 1 items"),
    ("logs.tail", {"limit": "5"}, "INVALID_REQUEST",
     "invalid logs.tail params: at /limit: must be integer"),
    ("models.list", {"x": 1}, "INVALID_REQUEST",
     "invalid models.list params: at root: unexpected property 'x'"),
]


@pytest.mark.parametrize("method,params,code,text", ERRORS, ids=[f"{e[0]}-{i}" for i, e in
                                                                  enumerate(ERRORS)])
def test_errors(gw, method, params, code, text):
    async def go():
        async with gw.client() as c:
            with pytest.raises(RpcError) as e:
                await c.call(method, params)
            assert e.value.error == {"code": code, "message": text}
    asyncio.run(go())


def test_params_that_are_absent_or_null_are_empty(gw):
    async def go():
        async with gw.client() as c:
            assert (await c.call("models.list"))["models"]
            await c.ws.send('{"type":"req","id":"n","method":"models.list","params":null}')
            assert (await c.result("n"))["models"]
            for params in ("[]", '"x"', "7"):
                await c.ws.send('{"type":"req","id":"n","method":"models.list","params":%s}'
                                % params)
                with pytest.raises(RpcError) as e:
                    await c.result("n")
                assert e.value.message == "invalid models.list params: must be object"
            # 3, 3.0 and 3e0 are one number; the id goes back untouched
            for n in ("3", "3.0", "3e0", "0.3e1"):
                rid = "\\u0041é\\n"
                await c.ws.send('{"type":"req","id":"%s","method":"logs.tail",'
                                '"params":{"limit":%s}}' % (rid, n))
                while True:
                    m = json.loads(await c.ws.recv())
                    if m["type"] == "res":
                        break
                assert m["id"] == "Aé\n" and m["ok"], m
    asyncio.run(go())
