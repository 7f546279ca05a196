# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The `$ ` lines below EXAMPLES of the manuals do what the manuals say."""
import json
import os
import re
import signal
import subprocess

import pytest

from gateway import BIN, NOBODY, ROOT, Gateway, free_port, wait_for
from test_openclaw import argv_as, environ, openclaw


def examples(page):
    """Commands, as mandoc shows them: what a reader would copy."""
    text = (ROOT / "man" / page).read_text()
    part = re.search(r"^\.Sh EXAMPLES\n(.*?)(?=^\.Sh )", text, re.M | re.S)
    return [re.sub(r"\\-", "-", ln[2:]).replace("\\e", "\\")
            for ln in part[1].splitlines() if ln.startswith("$ ")] if part else []


CLIENT = examples("openclaw.1")


def shell(gw, line, **env):
    e = environ(gw, **env)
    e["PATH"] = f"{BIN}:{e['PATH']}:/usr/sbin:/sbin"
    return argv_as(gw, ["/bin/sh", "-c", line]), e


def test_there_are_examples():
    assert len(CLIENT) >= 5 and examples("gatewayd.8")


@pytest.fixture(scope="module")
def gw():
    gw = Gateway(config={"gateway": {"port": 18789}})
    gw.start()
    yield gw
    gw.close()


@pytest.mark.parametrize("line", CLIENT)
def test_openclaw_1(gw, line):
    cmd, env = shell(gw, line)
    r = subprocess.run(cmd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=180)
    assert r.returncode == 0, (r.stdout, r.stderr)
    assert r.stdout.strip() and r.stderr == ""


def test_openclaw_protocol_7(make_gateway):
    """The control socket by hand."""
    gw = make_gateway()
    text = (ROOT / "man/openclaw-protocol.7").read_text()
    part = re.search(r"^\.Sh EXAMPLES\n(.*?)(?=^\.Sh )", text, re.M | re.S)[1]
    line = re.search(r"^\$ (.*?)\n\.Ed", part, re.M | re.S)[1].replace("\\e", "\\")
    (gw.dir / ".openclaw").symlink_to(gw.state)     # $HOME/.openclaw of the manual
    cmd, env = shell(gw, line)
    r = subprocess.run(cmd, env=env, capture_output=True, text=True, timeout=180)
    answer = json.loads(r.stdout)
    assert r.returncode == 0 and r.stderr == ""
    assert answer["id"] == "1" and answer["ok"] and answer["payload"]["ok"]


@pytest.mark.parametrize("line", examples("gatewayd.8"))
def test_gatewayd_8(make_gateway, line):
    """In the foreground until a signal ends it; only the port is another."""
    gw = make_gateway(start=False)
    port = free_port()
    line, n = re.subn(r"(-p |--port )\d+", rf"\g<1>{port}", line)
    assert n == 1, "an example that would take a fixed port"
    folder = gw.dir / "gw"      # ~/gw of the manual
    folder.mkdir()
    if gw.drop:
        os.chown(folder, NOBODY, NOBODY)
    cmd, env = shell(gw, "exec " + line)
    del env["OPENCLAW_STATE_DIR"]
    with open(gw.dir / "out", "ab") as out:
        p = subprocess.Popen(cmd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            gw.state = folder

            def up():
                assert p.poll() is None, (gw.dir / "out").read_text()
                return openclaw(gw, "health").returncode == 0

            wait_for(up, 60, "it answers")
        finally:
            p.send_signal(signal.SIGTERM)
            p.wait(120)
    assert p.returncode == 0
