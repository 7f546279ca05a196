# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The gateway's own /v1, judged by the vendor's client library for Node (the
one for Python is on PyPI only and is not tried)."""
import json
import shutil
import subprocess

import pytest
from clients import HERE, installed, node
from gateway import Gateway
from openai import OpenAI


def test_openai_client_and_the_gateway():
    where = installed("openai-gateway", {"openai": "latest"})
    shutil.copy(HERE / "openai_gateway.mjs", where)
    fake = OpenAI(key="k").start()
    on = {"enabled": True}
    gw = Gateway(config={
        "gateway": {"http": {"endpoints": {"chatCompletions": on,
                                           "responses": on}}},
        "models": {"providers": {"fake": {
            "api": "openai-completions", "baseUrl": fake.origin + "/v1",
            "apiKey": "k", "models": [{"id": "m", "name": "M",
                                       "contextWindow": 100000,
                                       "maxTokens": 4096}]}}},
        "agents": {"defaults": {"model": "fake/m"}}})
    try:
        gw.start()
        r = subprocess.run(
            [str(node("24")), str(where / "openai_gateway.mjs"), gw.http, "openai"],
            capture_output=True, text=True, timeout=300,
            env={"PATH": "/usr/bin:/bin", "HOME": "/tmp",
                 "OPENAI_API_KEY": gw.token})
    finally:
        gw.close()
        fake.stop()
    checks = [json.loads(line) for line in r.stdout.splitlines()]
    bad = [c for c in checks if not c["ok"]]
    print(len(checks) - len(bad), "of", len(checks), "checks")
    assert r.returncode == 0, r.stderr[-3000:]
    assert len(checks) >= 16
    assert not bad, "\n".join(f"{c['name']}: {c['detail']}" for c in bad)
