# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""make install into a folder, the gateway from there, make uninstall."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import urllib.request

import pytest

import gateway as gw

ROOT = gw.ROOT
VARIANT = gw.BIN.resolve().parent.name
PREFIX = "/usr/local"


def make(target, dest):
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DESTDIR")}
    out = subprocess.run(["make", "-s", target, f"DESTDIR={dest}",
                          f"PREFIX={PREFIX}", f"VARIANT={VARIANT}"],
                         cwd=ROOT, env=env, capture_output=True, text=True,
                         timeout=600)
    assert out.returncode == 0, out.stdout + out.stderr


def files(top):
    return {str(p.relative_to(top)) for p in top.rglob("*") if not p.is_dir()}


@pytest.fixture(scope="module")
def dest():
    d = pathlib.Path(tempfile.mkdtemp(prefix="gwi."))
    d.chmod(0o755)
    make("install", d)
    yield d
    shutil.rmtree(d)


def test_everything_is_there(dest):
    at = "usr/local/"
    want = {at + "bin/openclaw", at + "sbin/gatewayd"}
    want |= {at + "libexec/gatewayd/" + p.name for p in gw.BIN.iterdir()
             if p.name not in ("openclaw", "gatewayd")}
    want |= {at + "share/man/man%s/%s" % (p.suffix[1:], p.name)
             for p in (ROOT / "man").iterdir()}
    want |= {at + f"share/gatewayd/{folder}/{p.name}" for folder in ("webchat", "a2ui")
             for p in (ROOT / "gatewayd" / folder).iterdir()}
    want |= {at + f"share/gatewayd/skills/{p.parent.name}/{p.name}"
             for p in (ROOT / "etc/skills").glob("*/*")}
    want |= {at + "lib/systemd/system/gatewayd.service",
             at + "lib/sysusers.d/gatewayd.conf", at + "lib/tmpfiles.d/gatewayd.conf",
             at + "share/gatewayd/gatewayd.rc", at + "share/gatewayd/openclaw.json",
             at + "share/bash-completion/completions/openclaw"}
    assert files(dest) == want
    for name in want:
        st = (dest / name).stat()
        program = "bin/" in name or "/libexec/" in name or name.endswith(".rc")
        assert st.st_mode & 0o7777 == (0o755 if program else 0o644), name
        if "/lib/" in name or "/share/gatewayd" in name:
            assert b"@SBINDIR@" not in (dest / name).read_bytes(), name
    for d in dest.rglob("*"):
        assert not d.is_dir() or d.stat().st_mode & 0o7777 == 0o755, d


class Installed(gw.Gateway):
    """As somebody starts it who installed it: by `openclaw gateway run`."""

    def __init__(self, dest, **kw):
        super().__init__(**kw)
        self.prog = str(dest) + PREFIX + "/bin/openclaw"

    def wrap(self, cmd):
        return ["setpriv", f"--reuid={gw.NOBODY}", f"--regid={gw.NOBODY}",
                "--clear-groups", *cmd] if self.drop else cmd

    def command(self):
        return self.wrap([self.prog, "gateway", "run", "--port",
                          str(self.port), "--allow-unconfigured"])

    def environ(self):
        return super().environ() | {"OPENCLAW_STATE_DIR": str(self.state)}

    def ask(self, *args):
        out = subprocess.run(self.wrap([self.prog, *args]), cwd=self.dir,
                             env=self.environ(), capture_output=True,
                             text=True, timeout=180)
        assert out.returncode == 0, out.stdout + out.stderr
        return out.stdout


@pytest.mark.parametrize("mode", gw.modes())
def test_the_installed_gateway_runs(dest, mode):
    g = Installed(dest, mode=mode)
    try:
        g.start()
        with urllib.request.urlopen(g.http + "/", timeout=180) as r:
            assert r.status == 200
            assert r.read() == \
                (ROOT / "gatewayd/webchat/index.html").read_bytes()
        assert "read" in g.ask("agent", "-m", "what can you do?")
        rows = json.loads(g.ask("gateway", "processes", "--json"))
        for row in rows["processes"]:
            if os.geteuid() != 0 or not row["pid"]:
                continue
            exe = os.readlink("/proc/%d/exe" % row["pid"])
            assert exe.startswith(str(dest) + PREFIX), (row["name"], exe)
        g.proc.send_signal(signal.SIGTERM)
        assert g.proc.wait(120) == 0
    finally:
        g.close()


def test_uninstall_leaves_nothing():
    d = pathlib.Path(tempfile.mkdtemp(prefix="gwi."))
    try:
        make("install", d)
        other = d / "usr/local/bin/other"
        other.write_text("not ours")
        make("uninstall", d)
        assert files(d) == {"usr/local/bin/other"}
    finally:
        shutil.rmtree(d)
