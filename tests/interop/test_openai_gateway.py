# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The gateway's own /v1, judged by the vendor's client library for Node (the
one for Python is on PyPI only and is not tried)."""
import json
import os
import shutil
import subprocess
import sys

import pytest
from test_model_clients import ROOT, node, versions  # noqa: F401 (fixture)

sys.path.insert(0, str(ROOT / "tests"))

from gateway import Gateway  # noqa: E402
from openai import OpenAI  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.mark.xdist_group("npm")
def test_openai_client_and_the_gateway(node):  # noqa: F811
    shutil.copy(os.path.join(HERE, "openai_gateway.mjs"), node)
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
            ["node", str(node / "openai_gateway.mjs"), gw.http, "openai"],
            capture_output=True, text=True, timeout=300,
            env={"PATH": os.environ["PATH"], "HOME": "/tmp",
                 "OPENAI_API_KEY": gw.token})
    finally:
        gw.close()
        fake.stop()
    checks = [json.loads(line) for line in r.stdout.splitlines()]
    bad = [c for c in checks if not c["ok"]]
    print("openai", versions()["openai"], "against the gateway:",
          len(checks) - len(bad), "of", len(checks), "checks")
    assert r.returncode == 0, r.stderr[-3000:]
    assert len(checks) >= 16
    assert not bad, "\n".join(f"{c['name']}: {c['detail']}" for c in bad)
