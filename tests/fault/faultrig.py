# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""A whole gateway to break: House is the gateway with a fake Telegram and two
agents on scripted models; Web is a client that behaves as ours do: it comes
back when the connection ends and asks again, under the same key, for whatever
it has not seen the end of.
"""
import json
import os
import signal
import threading
import time
import uuid

from frontrig import Closed, Ws, connect_params
from gateway import Gateway, RpcError, modes, pause, wait_for
from telegram import FakeTelegram

ROLES = ["front", "router", "store", "connect", "log",
         "channeld/telegram:default", "agentd/main", "toold/main",
         "jailer/main", "files/main"]
CHAN, AGENT = "channeld/telegram:default", "agentd/main"
INTERRUPTED = "I was interrupted by a restart"
UNSURE = "may not have reached you"

# "quick", "slow" (about 0.8 s) and "tool" answer `done <the user's text>`.
SCRIPT = r'''
@on user~"quick"
  text "done {{user}}"
@on user~"slow"
  text "done "
  pause 400ms
  text "{{user}}"
  pause 400ms
@on result exec
  text "ran {{user}}: {{result.text}}"
@on result read
  text "saw {{user}}: {{result.text}}"
@on user~"tool job"
  pause 200ms
  call exec {"command":"echo began >> began; sleep 1; echo ended >> ended; echo OUT"}
@on user~"tool endless"
  call exec {"command":"echo began >> began; sleep 600; echo ended >> ended"}
@on user~"tool file"
  call read {"path":"note.txt"}
@on user~"tool think"
  text "let me see "
  pause 600ms
  call exec {"command":"echo began >> began; echo ended >> ended; echo OUT"}
'''


def config(fake=None, **more):
    c = {"agents": {"defaults": {"model": {"primary": "builtin/script"}},
                    "list": [{"id": "main", "default": True}, {"id": "b"}]},
         "session": {"dmScope": "per-channel-peer"},
         "models": {"builtin": {"script": SCRIPT}},
         "tools": {"exec": {"security": "full"}}}
    if fake is not None:
        c["channels"] = {"telegram": {
            "enabled": True, "botToken": fake.token, "dmPolicy": "open",
            "allowFrom": ["*"], "apiRoot": f"http://127.0.0.1:{fake.port}"}}
    for k, v in more.items():
        c[k] = v
    return c


class Web:
    def __init__(self, gw):
        self.gw = gw
        self.cond = threading.Condition()
        self.wanted = {}        # key -> params, until its end was seen
        self.ends = {}          # key -> [(state, text)] of chat events
        self.repeats = {}       # key -> final answers to a repeated request
        self.seen = []          # every event
        self.breaks = 0
        self.ws = None
        self.up = False
        self.closing = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.closing:
            try:
                self.ws = Ws(self.gw, timeout=120)
                self.ws.login(auth={"token": self.gw.token})
                with self.cond:
                    self.up = True
                    for key in self.wanted:
                        self._ask(key)
                    self.cond.notify_all()
                while True:
                    self._frame(self.ws.recv())
            except (Closed, OSError, AssertionError, ValueError):
                with self.cond:
                    if self.up:
                        self.breaks += 1
                    self.up = False
                    self.cond.notify_all()
                if self.ws is not None:
                    self.ws.close()
                time.sleep(0.05)

    def _ask(self, key):
        self.ws.req("chat.send", self.wanted[key], id="k" + key)

    def _frame(self, m):
        with self.cond:
            if m["type"] == "event":
                self.seen.append(m)
                p = m["payload"]
                if m["event"] == "chat" and p["state"] != "delta":
                    text = "".join(b.get("text", "") for b in
                                   (p.get("message") or {}).get("content", []))
                    self.ends.setdefault(p["runId"], []).append(
                        (p["state"], text or p.get("errorMessage", "")))
                    self.wanted.pop(p["runId"], None)
            elif m["id"][:1] == "k":
                key = m["id"][1:]
                status = (m.get("payload") or {}).get("status")
                # Asked again while its end was on the way: that is known then.
                if status in ("ok", "error") and key in self.wanted:
                    self.repeats.setdefault(key, []).append(status)
                    self.wanted.pop(key)
                elif not m["ok"] and key in self.wanted:
                    assert m["error"]["code"] == "UNAVAILABLE", m
                    threading.Timer(0.1, self._again, (key,)).start()
            else:
                self.seen.append(m)
            self.cond.notify_all()

    def _again(self, key):
        with self.cond:
            if key in self.wanted and self.up:
                try:
                    self._ask(key)
                except OSError:
                    pass

    def send(self, text, session="main"):
        key = str(uuid.uuid4())
        with self.cond:
            self.wanted[key] = {"sessionKey": session, "message": text,
                                "idempotencyKey": key}
            if self.up:
                try:
                    self._ask(key)
                except OSError:
                    pass
        return key

    def wait(self, cond, timeout=60, what="the client"):
        with self.cond:
            if not self.cond.wait_for(lambda: cond(self), timeout):
                raise AssertionError(
                    f"timed out: {what}: up={self.up} ends={self.ends} "
                    f"repeats={self.repeats}\n{self.gw.output()[-2000:]}\n"
                    f"{short(self.gw)}")

    def wait_up(self):
        self.wait(lambda w: w.up, what="login")
        return self

    def wait_end(self, key):
        self.wait(lambda w: key not in w.wanted, what="end of a turn")

    def wait_event(self, stream, key):
        self.wait(lambda w: any(
            m.get("event") == "agent" and m["payload"]["runId"] == key and
            m["payload"]["stream"] == stream for m in w.seen),
            what=f"event {stream}")

    def told(self, key):
        """How often and how the user heard of the end of this turn."""
        return self.ends.get(key, [])

    def close(self):
        self.closing = True
        try:
            self.ws.s.shutdown(2)
        except OSError:
            pass
        self.thread.join(10)


def short(gw, lines=30):
    out = []
    for x in gw.logs().splitlines()[-lines:]:
        try:
            j = json.loads(x)
            out.append(f"{j['time'][14:]} {json.loads(j['0'])['subsystem']}: {j['1']}")
        except (ValueError, KeyError):
            out.append(x)
    return "\n".join(out)


class House(Gateway):
    def __init__(self, mode=None, telegram=True, config_more=None, **kw):
        self.fake = FakeTelegram().start() if telegram else None
        super().__init__(mode=mode or modes()[0],
                         config=config(self.fake, **(config_more or {})), **kw)
        self.webs = []
        self.stopped = set()

    def workspace(self):
        p = self.state / "workspace"
        return p

    def web(self):
        w = Web(self)
        self.webs.append(w)
        return w.wait_up()

    def try_processes(self):
        try:
            return self.processes()
        except (OSError, EOFError, RpcError):
            return None

    def settled(self, names=None):
        """Waits until every process runs; their rows."""
        def ok():
            p = self.try_processes()
            if p and all(r["state"] == "running" for n, r in p.items()
                         if names is None or n in names):
                return p
        return wait_for(ok, 60, "all processes running:\n" + self.output())

    def reload(self):
        """One that was asked for by a signal may still be under way."""
        def ok():
            try:
                self.call("gateway.reload")
                return True
            except RpcError as e:
                if "already under way" not in str(e):
                    raise
        wait_for(ok, what="a reload")

    def delivered(self):
        """Waits until the books of every channel are closed: each message
        that was sent is known to have arrived."""
        def ok():
            return all(a["outboxDepth"] == 0 and a["lastOutboundAt"] for k in
                       self.call("channels.status")["channelAccounts"].values()
                       for a in k)
        wait_for(ok, 60, "closed books: " + self.output())

    def pids(self):
        return {n: r["pid"] for n, r in self.settled().items()}

    def pause(self, pid):
        self.stopped.add(pid)
        pause(pid)

    def go_on(self, pid):
        self.stopped.discard(pid)
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def revived(self, name, old, timeout=60):
        """Waits until `name` runs again as another process."""
        def ok():
            p = self.try_processes()
            return p and p[name]["state"] == "running" and p[name]["pid"] != old
        wait_for(ok, timeout, f"{name} again:\n" + self.output())

    def history(self, session):
        return self.call("chat.history", {"sessionKey": session})["messages"]

    def close(self):
        for pid in list(self.stopped):
            self.go_on(pid)
        for w in self.webs:
            w.close()
        try:
            super().close()
        finally:
            if self.fake is not None:
                self.fake.stop()


def said(messages, role, text):
    n = 0
    for m in messages:
        if m["role"] != role:
            continue
        c = m["content"]
        t = c if isinstance(c, str) else "".join(
            b.get("text", "") for b in c if b.get("type") == "text")
        n += text in t
    return n
