# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
for p in (HERE, TESTS, os.path.join(TESTS, "e2e"), os.path.join(TESTS, "fakes")):
    if p not in sys.path:
        sys.path.insert(0, p)

from gateway import Gateway, modes  # noqa: E402
from openai import OpenAI  # noqa: E402
from telegram import FakeTelegram  # noqa: E402



@pytest.hookimpl(tryfirst=True)     # xdist looks at the marks in its own
def pytest_collection_modifyitems(items):
    """What one client has done, later tests of its file build on: they run in
    one process, and two browsers do not run side by side."""
    for item in items:
        name = item.path.stem.removeprefix("test_")
        version = getattr(item, "callspec", None) and item.callspec.params.get("cli")
        item.add_marker(pytest.mark.xdist_group(
            "control_ui" if name.startswith("control_ui") else f"{name} {version or ''}"))


TOKEN = "123456:TEST-canary_in_the_token"


@pytest.fixture(scope="module")
def telegram():
    fake = FakeTelegram(TOKEN).start()
    yield fake
    fake.stop()


@pytest.fixture(scope="module")
def model():
    """It repeats what it is told, unless a test says what it answers."""
    fake = OpenAI(key="interop-key").start()
    yield fake
    fake.stop()


@pytest.fixture(scope="module")
def gw(telegram, model):
    """A gateway with a channel and a model, for one file."""
    g = Gateway(mode=modes()[0], config={
        "channels": {"telegram": {"botToken": TOKEN, "apiRoot": telegram.url}},
        "models": {"providers": {"fake": {
            "api": "openai-completions", "baseUrl": model.origin + "/v1",
            "apiKey": "interop-key", "models": [
                {"id": "m", "name": "M", "reasoning": True, "contextWindow": 100000,
                 "maxTokens": 4096}]}}},
        "agents": {"defaults": {"model": "fake/m"}}})
    try:
        g.start()
        yield g
    finally:
        g.close()
