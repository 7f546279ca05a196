# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The fakes of model providers, judged by the vendors' own client libraries.

The libraries come from npm; see clients.py.
"""
import json
import os
import shutil
import subprocess

import pytest
from anthropic import Anthropic
from clients import HERE, installed, node
from openai import OpenAI

# Name in node_modules: what npm installs.  The numbered one is the last that
# speaks the version of the interface that our adapter asks for.
PACKAGES = {"@anthropic-ai/sdk": "latest", "anthropic-2023": "npm:@anthropic-ai/sdk@0.125.0",
            "openai": "latest"}


@pytest.fixture(scope="module")
def where():
    return installed("model-clients", PACKAGES)


def version(where, package):
    return json.loads((where / "node_modules" / package / "package.json").read_text())["version"]


@pytest.mark.parametrize("cls,script,package", [
    (Anthropic, "sdk_anthropic.mjs", "@anthropic-ai/sdk"),
    (Anthropic, "sdk_anthropic.mjs", "anthropic-2023"),
    (OpenAI, "sdk_openai.mjs", "openai")])
def test_vendor_client_accepts_the_fake(where, cls, script, package):
    # Node finds packages from where the script is.
    for f in (script, "sdk_checks.mjs"):
        shutil.copy(HERE / f, where / f)
    fake = cls(key="test-key").start()
    try:
        r = subprocess.run([str(node("22")), str(where / script), fake.origin, package],
                           capture_output=True, text=True, timeout=120,
                           env={"PATH": os.environ["PATH"], "HOME": "/tmp"})
    finally:
        fake.stop()
    checks = [json.loads(line) for line in r.stdout.splitlines()]
    print(package, version(where, package), len(checks), "checks")
    bad = [c for c in checks if not c["ok"]]
    assert r.returncode == 0, r.stderr[-3000:]
    assert len(checks) >= 20
    assert not bad, "\n".join(f"{c['name']}: {c['detail']}" for c in bad)
