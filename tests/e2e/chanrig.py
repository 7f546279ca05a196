# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""channeld between a fake Telegram and a test that plays router and connect."""
import os
import shutil
import socket
import tempfile
import threading
import time

import gwproto
from telegram import FakeTelegram
from workerproc import Worker, worker_uid

INBOUND = gwproto.enum("inbound_status")
DELIVERY = gwproto.enum("delivery_status")
STATE = gwproto.enum("ch_state")
ALLOW = gwproto.enum("allow_op")
SECRET = "TEST-canary_in_the_token"
TOKEN = "123456:" + SECRET


class Rig:
    """Answers CN_OPEN by itself, acknowledges events when auto is set, keeps
    everything that the router got."""

    def __init__(self, fake=None, parcel=None, auto=True, mount="rw",
                 gate=None):
        self.gate = gate
        self.fake = fake or FakeTelegram(TOKEN).start()
        self.dir = tempfile.mkdtemp(prefix="gwchan.")
        if os.getuid() == 0:
            os.chown(self.dir, worker_uid(), -1)
        self.parcel = {
            "kind": "telegram", "account": "main", "token": TOKEN,
            "apiRoot.host": "127.0.0.1", "apiRoot.port": str(self.fake.port),
            "apiRoot.tls": "false", "state.dir": self.dir,
            "dmPolicy": "open", "allowFrom.0": "*",
            "poll.timeoutSeconds": "2"}
        self.parcel.update(parcel or {})
        self.parcel = {k: v for k, v in self.parcel.items() if v is not None}
        self.auto = auto            # status of every CH_INBOUND_ACK, or None
        self.refuse = False         # CN_OPEN is answered with an error
        self.refused = 0            # how often that was done
        self.lock = threading.RLock()
        self.got = []               # messages of the router's link, in order
        self.mounts = [(self.dir, mount)]
        self.corr = 0
        self.outputs = ""
        self.w = None

    def start(self):
        if self.w is not None:
            self.outputs += self.w.output()
        self.w = Worker("CHAN", "telegram:main", self.parcel,
                        ["ROUTER", "CONNECT"], self.mounts, self.gate)
        self.w.start()
        self._serve(self._broker, self.w.peers["CONNECT"])
        self._serve(self._router, self.w.peers["ROUTER"])
        return self

    def restart(self):
        """kill -9 and a new process."""
        self.w.kill()
        return self.start()

    def new_router(self):
        """The router dies; a new one comes."""
        # Not only close(): a thread of ours waits on it and would keep it.
        self.w.peers["ROUTER"].sock.shutdown(socket.SHUT_RDWR)
        link = self.w.add_peer("ROUTER")
        self._serve(self._router, link)
        return link

    def _serve(self, fn, link):
        threading.Thread(target=self._run, args=(fn, link),
                         daemon=True).start()

    @staticmethod
    def _run(fn, link):
        while True:
            try:
                m = link.recv(3600)
                if m is None:
                    return
                fn(link, m)
            except (OSError, ValueError, TimeoutError):
                return

    def _broker(self, link, m):
        try:
            if self.refuse:
                self.refused += 1
                raise ConnectionRefusedError("refused by the test")
            s = socket.create_connection(("127.0.0.1", self.fake.port), 60)
        except OSError as e:
            link.send("CN_ERR", corr=m.corr, header_flags=gwproto.F_REPLY, kind=1,
                      reason=str(e))
            return
        s.setblocking(False)
        link.send("CN_FD", corr=m.corr, header_flags=gwproto.F_REPLY,
                  address="127.0.0.1", fds=[s.fileno()])
        s.close()

    def _router(self, link, m):
        m.link, m.at = link, time.monotonic()
        try:
            # First: what the test sends once it has seen m comes behind this.
            if m.name == "CH_INBOUND" and self.auto:
                self.ack(m)
        finally:
            with self.lock:
                self.got.append(m)

    # --- what the router says -------------------------------------------------

    @property
    def router(self):
        return self.w.peers["ROUTER"]

    def ack(self, m, status="INBOUND_ACCEPTED", reason=""):
        m.link.send("CH_INBOUND_ACK", event_id=m.event_id,
                    status=INBOUND[status], reason=reason)

    def deliver(self, delivery_id, text, chat=7, fmt=1, **kw):
        self.corr += 1
        self.router.send("CH_DELIVER", corr=self.corr,
                         delivery_id=delivery_id, chat=str(chat), format=fmt,
                         text=text, **kw)
        return self.corr

    def allow(self, op, sender=""):
        self.router.send("CH_ALLOW", op=ALLOW["ALLOW_" + op], sender=sender)

    # --- what the router heard --------------------------------------------------

    def of(self, name, **match):
        with self.lock:
            return [m for m in self.got if m.name == name and
                    all(m.fields[k] == v for k, v in match.items())]

    def wait(self, name, n=1, timeout=60, **match):
        """The nth such message."""
        return self.until(lambda: self.of(name, **match)[n - 1:n],
                          f"{name} #{n} {match}", timeout)[0]

    def wait_state(self, state, timeout=60, detail=""):
        """Until the last report is of that state and says so."""
        def last():
            s = self.of("CH_STATE")[-1:]
            return s[0] if s and s[0].state == STATE[state] and \
                detail in s[0].detail else None
        return self.until(last, f"{state} {detail}", timeout)

    def wait_report(self, state, detail=""):
        """Until some report was of that state and said so: for states that
        pass by themselves."""
        return self.until(lambda: [
            s for s in self.of("CH_STATE", state=STATE[state])
            if detail in s.detail], f"report of {state} {detail}")

    def wait_output(self, text, timeout=60):
        """Until this process has logged that."""
        self.until(lambda: text in self.w.output(), text, timeout)

    def until(self, cond, what, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            v = cond()
            if v:
                return v
            if not self.w.alive():
                raise AssertionError("channeld ended: " + self.w.output())
            time.sleep(0.005)
        raise AssertionError(f"no {what}: got {self.got[-20:]!r}\n"
                             f"{self.w.output()}")

    def settle(self):
        """All that it was told is done, all that it said is here: a delivery
        of nothing is answered, which its link keeps behind the rest.  Twice:
        what it put off for the next turn of its event loop (a timer of zero)
        can come after the first, as input goes before timers."""
        for _ in range(2):
            self.corr += 1
            corr, name = self.corr, f"settle-{self.corr}"
            self.router.send("CH_DELIVER", corr=corr, delivery_id=name,
                             chat="settle", format=0, text=" ")
            m = self.wait("CH_DELIVER_ACK", delivery_id=name)
            with self.lock:
                self.got.remove(m)

    def taken(self, n):
        """Update n is in the journal and was judged."""
        self.fake.wait(lambda: self.fake.confirmed > n, timeout=60,
                       what="confirmation")
        self.settle()

    def texts(self):
        return [m.text for m in self.of("CH_INBOUND")]

    def close(self):
        try:
            alive = self.w is None or self.w.alive()
            if self.w is not None:
                self.w.kill()
                self.outputs += self.w.output()
            self.check_secret()
            assert alive, "channeld ended by itself: " + self.outputs
        finally:
            self.fake.stop()
            shutil.rmtree(self.dir, ignore_errors=True)

    def check_secret(self):
        """T37, T38: the token is in no log, no message and no file."""
        assert SECRET not in self.outputs
        with self.lock:
            assert SECRET not in repr([m.fields for m in self.got])
        for name in os.listdir(self.dir):
            with open(os.path.join(self.dir, name), "rb") as f:
                assert SECRET.encode() not in f.read(), name
