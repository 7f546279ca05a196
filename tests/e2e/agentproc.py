# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A real agentd with a test as its router, its toold and its modeld."""
import json
import os
import pathlib
import select
import shutil
import tempfile
import time
import uuid

import gwproto
from workerproc import Worker, worker_uid

SOURCE = gwproto.enum("turn_source")
TURN = gwproto.enum("turn_status")
RUN = gwproto.enum("run_status")
DELIVERY = gwproto.enum("delivery_status")
EVENT_AGENT, EVENT_CHAT = 1, 2
EVENT_MESSAGE = gwproto.enum("gw_event")["EVENT_SESSION_MESSAGE"]

TOOLS = [
    {"name": "read", "description": "Read a file", "concurrency": "shared",
     "parameters": {"type": "object", "properties":
                    {"path": {"type": "string"}}, "required": ["path"]}},
    {"name": "exec", "description": "Run a command",
     "concurrency": "exclusive",
     "parameters": {"type": "object", "properties":
                    {"command": {"type": "string"}},
                    "required": ["command"]}},
]


class Agent:
    def __init__(self, model="builtin/script", script="", builtin=None,
                 agent=None, config=None, tools=TOOLS, parcel=None,
                 base=None, gate=None):
        self.gate = gate
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gw-agent-",
                                                 dir=base))
        os.chmod(self.dir, 0o755)
        self.state = self.dir / "agents" / "main"
        self.workspace = self.dir / "workspace"
        self.state.mkdir(parents=True)
        self.workspace.mkdir()
        if os.getuid() == 0:
            for p in (self.state, self.workspace):
                os.chown(p, worker_uid(), worker_uid())
        conf = {"agent": agent or {}, "session": {}, "models": {
            "providers": {}, "builtin": dict(
                {"paceMs": 0, "script": script}, **(builtin or {}))}}
        for k, v in (config or {}).items():
            conf[k] = {**conf.get(k, {}), **v}
        self.parcel = {
            "agent.id": "main", "state.dir": str(self.state),
            "workspace": str(self.workspace), "model.primary": model,
            "json.config": json.dumps(conf), **(parcel or {})}
        self.tools = tools
        self.worker = None
        self.modeld = []

    def start(self):
        self.worker = Worker("AGENT", "main", parcel=self.parcel,
                             peers=["ROUTER"] + (["TOOL"] if self.tools
                                                 is not None else []) +
                             self.modeld,
                             mounts=[(self.state, "rw"),
                                     (self.workspace, "ro")],
                             gate=self.gate)
        self.worker.start()
        self.pending = []
        self.states = []
        self.said = []          # session.message, of all conversations
        if self.tools is not None:
            m = self.tool.expect("TL_LIST")
            self.tool.send("TL_LIST_RES", corr=m.corr,
                           tools=json.dumps(self.tools))
        return self

    @property
    def router(self):
        return self.worker.peers["ROUTER"]

    @property
    def tool(self):
        return self.worker.peers["TOOL"]

    def kill(self):
        self.worker.kill()

    def close(self):
        if self.worker is not None and self.worker.pid is not None:
            self.worker.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # --- router's side ---------------------------------------------------

    def turn(self, text, session="main", run=None, source="TURN_CHAT",
             dedupe=None, options=None, corr=7, **kw):
        run = run or str(uuid.uuid4())
        self.router.send(
            "AG_TURN", corr=corr, run_id=run, session_key=session,
            source=SOURCE[source], dedupe_key=dedupe or "chat:" + run,
            options=json.dumps(options or {}), text=text.encode(), **kw)
        return run

    def channel_turn(self, text, msg_id="1", session="agent:main:main",
                     chat="42", run=None, **kw):
        return self.turn(text, session=session, source="TURN_CHANNEL",
                         run=run, channel="telegram", account="main",
                         chat=chat, sender="42", sender_name="Ann",
                         msg_id=msg_id, ts_ms=1769936401000,
                         dedupe=f"telegram:main:{chat}:{msg_id}", **kw)

    def aside(self, m):
        """What comes at any time: kept, and not shown by recv()."""
        if m.name == "AG_STATE":
            self.states.append(m)
        elif m.name == "AG_EVENT" and m.fields["event"] == EVENT_MESSAGE:
            self.said.append(m)
        else:
            return m.name == "AG_TYPING"
        return True

    def recv(self, timeout=60):
        """Next message to the router that is not aside()."""
        if self.pending:
            return self.pending.pop(0)
        end = time.monotonic() + timeout
        while True:
            m = self.router.recv(max(0.01, end - time.monotonic()))
            if m is None:
                raise EOFError(self.worker.output())
            if not self.aside(m):
                return m

    def expect(self, name, timeout=60):
        m = self.recv(timeout)
        assert m.name == name, (m, m.fields)
        return m

    def until(self, name, timeout=60, run=None):
        """Messages up to and with the first of that name."""
        got = []
        end = time.monotonic() + timeout
        while True:
            m = self.recv(max(0.01, end - time.monotonic()))
            got.append(m)
            if m.name == name and (run is None or
                                   m.fields["run_id"] == run):
                return got

    def next_of_both(self, other=None, timeout=60):
        """The next message to the router, or to toold (or that link)."""
        other = other or self.tool
        if self.pending:
            return self.pending.pop(0)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for link in select.select([other, self.router], [], [], 1)[0]:
                if link is other:
                    return other.recv()
                m = self.router.recv()
                if m is None:
                    raise EOFError(self.worker.output())
                if not self.aside(m):
                    return m
        raise TimeoutError("no message")

    def quiet(self, seconds=0.3):
        """Nothing more comes."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return
            try:
                m = self.recv(left)
            except TimeoutError:
                return
            raise AssertionError((m, m.fields))

    def settle(self):
        """What it was told before is committed; what it said until then but of
        the turn that shows it: its end is told behind all that."""
        run = self.turn("/help", session="settle")

        def of_it(m):
            return run == m.fields.get("run_id") or m.name == "AG_EVENT" and \
                json.loads(m.fields["payload"]).get("runId") == run
        got = self.until("AG_RUN_END", run=run)
        return [m for m in got if not of_it(m)]

    def ask(self, method, params=None, scopes=3, timeout=60, **kw):
        corr = 900000 + int(time.monotonic() * 1e6) % 1000000
        self.router.send("RPC_REQ", corr=corr, method=method, scopes=scopes,
                         principal="test", params=json.dumps(params or kw))
        keep = []
        while True:
            m = self.recv(timeout)
            if m.name == "RPC_RES" and m.corr == corr:
                self.pending = keep + self.pending
                break
            keep.append(m)
        if not m.fields["ok"]:
            return (m.fields["code"], m.fields["message"])
        return json.loads(m.fields["result"])

    def ack_delivery(self, m, status="DELIVERY_SENT"):
        self.router.send("AG_DELIVER_ACK", delivery_id=m.fields["delivery_id"],
                         status=DELIVERY[status])

    # --- toold's side ----------------------------------------------------

    def tool_call(self, timeout=60):
        m = self.tool.expect("TL_CALL", timeout=timeout)
        self.tool_accept(m)
        return m

    def tool_accept(self, m):
        self.tool.send("TL_ACCEPT", corr=m.corr, call_id=m.fields["call_id"],
                       status=0)

    def tool_done(self, m, text="done", is_error=False, details=None):
        self.tool.send("TL_DONE", corr=m.corr, call_id=m.fields["call_id"],
                       is_error=int(is_error), result=json.dumps(
                           {"content": [{"type": "text", "text": text}],
                            "details": details or {},
                            "isError": is_error}))

    # --- what is on disk -------------------------------------------------

    def transcript(self, session_id=None):
        d = self.state / "sessions"
        path = d / f"{session_id}.jsonl" if session_id else \
            next(iter(d.glob("*.jsonl")))
        return [json.loads(line) for line in path.read_text().splitlines()]


def payload(m):
    return json.loads(m.fields["payload"])


def events(messages, event=None):
    """Payloads of the events among messages."""
    return [payload(m) for m in messages if m.name == "AG_EVENT" and
            (event is None or m.fields["event"] == event)]
