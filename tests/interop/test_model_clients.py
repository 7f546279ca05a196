# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The fakes of model providers, judged by the vendors' own client libraries.

The libraries come from npm into build/interop when the tests run; without npm
or a way to the registry these tests are skipped, and say so.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "fakes"))

from anthropic import Anthropic  # noqa: E402
from openai import OpenAI  # noqa: E402

WHERE = ROOT / "build" / "interop"
# Name in node_modules: what npm installs.  The numbered one is the last that
# speaks the version of the interface that our adapter asks for.
PACKAGES = {"@anthropic-ai/sdk": "@anthropic-ai/sdk@latest",
            "anthropic-2023": "anthropic-2023@npm:@anthropic-ai/sdk@0.125.0",
            "openai": "openai@latest"}


@pytest.fixture(scope="module")
def node():
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are not installed")
    WHERE.mkdir(parents=True, exist_ok=True)
    if not all((WHERE / "node_modules" / p).is_dir() for p in PACKAGES):
        r = subprocess.run(["npm", "install", "--no-audit", "--no-fund",
                            "--ignore-scripts", "--prefix", str(WHERE),
                            *PACKAGES.values()], capture_output=True, text=True,
                           timeout=300)
        if r.returncode != 0:
            pytest.skip("npm install failed: " + r.stderr[-300:])
    return WHERE


def versions():
    return {p: json.loads((WHERE / "node_modules" / p / "package.json")
                          .read_text())["version"] for p in PACKAGES}


@pytest.mark.xdist_group("npm")
@pytest.mark.parametrize("cls,script,package", [
    (Anthropic, "sdk_anthropic.mjs", "@anthropic-ai/sdk"),
    (Anthropic, "sdk_anthropic.mjs", "anthropic-2023"),
    (OpenAI, "sdk_openai.mjs", "openai")])
def test_vendor_client_accepts_the_fake(node, cls, script, package):
    # Node finds packages from where the script is.
    for f in (script, "sdk_checks.mjs"):
        shutil.copy(HERE / f, node / f)
    fake = cls(key="test-key").start()
    try:
        r = subprocess.run(["node", str(node / script), fake.origin, package],
                           capture_output=True, text=True, timeout=120,
                           env={"PATH": os.environ["PATH"], "HOME": "/tmp"})
    finally:
        fake.stop()
    checks = [json.loads(line) for line in r.stdout.splitlines()]
    print(package, versions()[package], len(checks), "checks")
    bad = [c for c in checks if not c["ok"]]
    assert r.returncode == 0, r.stderr[-3000:]
    assert len(checks) >= 20
    assert not bad, "\n".join(f"{c['name']}: {c['detail']}" for c in bad)
