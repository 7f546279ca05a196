# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The outside clients: installed by name from npm, outside of this tree, and
started with a home of their own.

A package is installed once per machine, into gatewayd-interop in the user's
cache; without npm or a way to the registry what needs it is skipped, and says
so.  Programs inside packages are not run at install time, except node's own,
which fetches the binary that is the package.
"""
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or
                     pathlib.Path.home() / ".cache") / "gatewayd-interop"

OLD, NEW = "2026.1.29", "2026.9.6"
# What a release needs beside itself: its Node, packages that its own list left
# out, and places of packages whose given source is not npm.
RELEASES = {
    OLD: ("22", {"strip-ansi": "^7"}, {"libsignal": "2.0.1", "linkedom": "0.18.12"}),
    NEW: ("24", {}, {}),
}


def installed(name, packages, overrides=None, scripts=False):
    """The folder whose node_modules hold these packages."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    where = CACHE / name
    where.mkdir(parents=True, exist_ok=True)
    want = json.dumps({"private": True, "dependencies": packages,
                       "overrides": overrides or {}}, indent=1)
    done = where / "installed.json"
    with open(where / "lock", "w") as lock:     # several tests, one install
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text() == want:
            return where
        shutil.rmtree(where / "node_modules", ignore_errors=True)
        (where / "package-lock.json").unlink(missing_ok=True)
        (where / "package.json").write_text(want)
        r = subprocess.run(["npm", "install", "--no-audit", "--no-fund",
                            *([] if scripts else ["--ignore-scripts"])],
                           cwd=where, capture_output=True, text=True, timeout=900)
        if r.returncode != 0:
            pytest.skip(f"npm install of {name} failed: {r.stderr[-300:]}")
        done.write_text(want)
    return where


def node(major):
    """The binary of that Node, which npm has as a package too."""
    where = installed(f"node-{major}", {"node": major}, scripts=True)
    found = sorted(where.glob("node_modules/**/bin/node"),
                   key=lambda p: p.stat().st_size)
    assert found, f"no node in {where}"
    return found[-1]


def package(version):
    """The folder of an OpenClaw release."""
    _, more, overrides = RELEASES[version]
    return installed(f"openclaw-{version}", {"openclaw": version, **more},
                     overrides) / "node_modules/openclaw"


class OpenClaw:
    """One user of a gateway elsewhere: a home, a configuration that says where
    the gateway is, and the client programs of a release."""

    def __init__(self, version, gw, config=None):
        self.node, self.package = node(RELEASES[version][0]), package(version)
        self.version = version
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="gwclaw."))
        (self.home / ".openclaw").mkdir()
        (self.home / ".openclaw/openclaw.json").write_text(json.dumps({
            "gateway": {"mode": "remote",
                        "remote": {"url": gw.url.rstrip("/"), "token": gw.token}},
            **(config or {})}))

    def command(self, *args):
        return [str(self.node), str(self.package / "openclaw.mjs"), *args]

    def environ(self):
        # What it compiles goes where the next user of this machine finds it.
        tmp = CACHE / "tmp"
        tmp.mkdir(exist_ok=True)
        return {"PATH": f"{self.node.parent}:/usr/bin:/bin", "HOME": str(self.home),
                "TMPDIR": str(tmp), "NODE_COMPILE_CACHE": str(CACHE / f"compile-{self.version}"),
                "LANG": "C.UTF-8", "NO_COLOR": "1",
                "OPENCLAW_HIDE_BANNER": "1", "OPENCLAW_NO_UPDATE_CHECK": "1",
                # or it starts itself a second time to hide Node's warnings
                "OPENCLAW_NODE_OPTIONS_READY": "1"}

    def run(self, *args, timeout=180):
        return subprocess.run(self.command(*args), capture_output=True, text=True,
                              timeout=timeout, env=self.environ(), cwd=self.home,
                              stdin=subprocess.DEVNULL)

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)
