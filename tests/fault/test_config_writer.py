# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""R05: whoever dies at whatever step of a change of the configuration, the
file is the old one or the new one, and what last ran is kept whole."""
import json
import os
import signal
import socket
import threading

import pytest
from gateway import BIN, Gateway, RpcError, modes, wait_for
from syscallgate import Gate, GatedGateway, needs_gate

pytestmark = needs_gate

BASE = {"gateway": {"mode": "local", "reload": {"mode": "hybrid"}},
        "messages": {"responsePrefix": "old" * 20000}}


def change(gw, n, method="config.edit"):
    """Asks for prefix n; the answer, or the error."""
    patch = {"messages": {"responsePrefix": "%d" % n * 60000}}
    raw = {**BASE, **patch} if method == "config.set" else patch
    more = {"restartDelayMs": 60000} if method == "config.patch" else {}
    try:
        base = gw.call("config.get")["hash"]
        return gw.call(method, {"raw": json.dumps(raw), "baseHash": base, **more})
    except (RpcError, OSError, EOFError) as e:
        return e


def prefix(text):
    return json.loads(text)["messages"]["responsePrefix"][0]


class Readers(Gateway):
    """Each configuration reader stands before each message that it sends."""

    def __init__(self, **kw):
        super().__init__(**kw)
        self.steps = None       # messages until it is killed; None: never
        self.spare = 0          # readers that are left alone before
        self.killed = []
        place = self.dir / "gate"
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.door.bind(str(place))
        self.door.listen(8)
        os.chmod(place, 0o777)
        libexec = self.dir / "libexec"
        libexec.mkdir()
        for p in BIN.resolve().iterdir():
            if p.name != "gatewayd-config":
                (libexec / p.name).symlink_to(p)
        gate = Gate("sendmsg").command([str(BIN.resolve() / "gatewayd-config")], place)
        wrap = libexec / "gatewayd-config"
        wrap.write_text("#!/bin/sh\nexec %s \"$@\"\n" % " ".join(gate))
        wrap.chmod(0o755)
        self.args += ["-l", str(libexec)]
        threading.Thread(target=self.attend, daemon=True).start()

    def attend(self):
        while True:
            try:
                sock, _ = self.door.accept()
            except OSError:
                return
            gate = Gate("sendmsg")
            steps = self.steps
            if steps is not None and self.spare > 0:
                self.spare -= 1
                steps = None
            if steps is not None:
                self.steps = None
                gate.judge = self.killer(gate, steps)
            gate.take(sock)

    def killer(self, gate, steps):
        def judge(call):
            if len(gate.calls) <= steps:
                return False
            os.kill(call.pid, signal.SIGKILL)
            self.killed.append(steps)
            return True
        return judge

    def close(self):
        super().close()
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()


@pytest.fixture
def readers(request):
    gw = Readers(mode=request.param, config=BASE)
    try:
        yield gw.start()
    finally:
        gw.close()


@pytest.mark.parametrize("readers", modes(), indirect=True)
def test_R05_the_judge_dies_at_every_step(readers):
    gw = readers
    good = gw.state / "openclaw.json.last-good"
    wait_for(good.exists, what="a last good copy")
    old = gw.config_path.read_bytes()
    for step in range(50):
        gw.steps = step
        method = ("config.edit", "config.set", "config.patch")[step % 3]
        r = change(gw, 1, method)
        if gw.killed != list(range(step + 1)):
            break
        assert isinstance(r, RpcError) and "configuration reader" in str(r), (step, r)
        assert gw.config_path.read_bytes() == old
        assert good.read_bytes() == old
        assert not list(gw.state.glob("*.tmp"))
        assert not (gw.state / "restart-sentinel.json").exists()
    # as many messages as it sends, and then it was done
    assert step >= 3 and r["ok"], r
    assert prefix(gw.config_path.read_bytes()) == "1"


@pytest.mark.parametrize("readers", modes()[:1], indirect=True)
def test_R05_the_reader_of_the_new_text_dies_at_every_step(readers):
    """It is written and cannot be read: what ran goes on, and is kept."""
    gw = readers
    good = gw.state / "openclaw.json.last-good"
    wait_for(good.exists, what="a last good copy")
    for step in range(50):
        ran, n = good.read_bytes(), len(gw.output())
        gw.spare, gw.steps = 1, step
        assert change(gw, step % 10)["ok"]
        new = gw.config_path.read_bytes()
        assert prefix(new) == str(step % 10)
        wait_for(lambda: "reload: " in gw.output(n), what="the end of the reload")
        if gw.killed != list(range(step + 1)):
            break
        assert "the configuration reader" in gw.output(n)
        assert good.read_bytes() == ran
        assert gw.config_path.read_bytes() == new
        gw.call("gateway.reload")
        assert good.read_bytes() == new
    assert step >= 3
    wait_for(lambda: good.read_bytes() == new, what="the new last good copy")


def test_R05_the_writer_dies_at_every_step():
    """The supervisor itself, before each call that changes a file."""
    total = 0
    while True:
        gate = Gate("write", "fsync", "rename", "link", "unlink")
        gw = GatedGateway(gate, config=BASE)
        try:
            gw.start()
            good = gw.state / "openclaw.json.last-good"
            wait_for(good.exists, what="a last good copy")
            old = gw.config_path.read_bytes()
            gw.call("config.get")
            mine = []

            def judge(call):
                if call.pid != gw.proc.pid:
                    return False
                mine.append(call.name)
                if len(mine) <= total:
                    return False
                os.kill(call.pid, signal.SIGKILL)
                return True
            gate.judge = judge
            r = change(gw, 1, ("config.patch", "config.edit")[total % 2])
            if isinstance(r, Exception):
                gw.proc.wait(60)
            else:
                wait_for(lambda: gw.proc.poll() is not None or
                         b"responsePrefix\": \"1" in good.read_bytes(),
                         what="the last good copy of the new text")
            alive = gw.proc.poll() is None
            if alive:
                gate.judge = None
                gw.stop()
            else:
                assert gw.proc.returncode == -signal.SIGKILL
            for f in (gw.config_path, good):
                assert f.read_bytes() == old or prefix(f.read_bytes()) == "1", (total, f)
            for f in gw.state.glob("openclaw.json.bak*"):
                json.loads(f.read_text())
            kept = gw.config_path.read_bytes()
            gw.start()
            assert "last configuration that did run" not in gw.output(gw.began)
            assert prefix(kept) == \
                gw.call("config.get")["config"]["messages"]["responsePrefix"][0]
            assert gw.config_path.read_bytes() == kept
        finally:
            gate.judge = None
            gw.close()
        if alive:
            break
        total += 1
    assert {"write", "fsync", "rename", "link"} <= set(mine), mine
    assert total >= 8
