# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
for p in ("tests/fault", "tests/e2e", "tests", "tests/fakes"):
    p = os.path.join(ROOT, p)
    if p not in sys.path:
        sys.path.insert(0, p)

from faultrig import House  # noqa: E402
from gateway import default_signals  # noqa: E402

default_signals()


@pytest.fixture
def make_house():
    """make_house(mode=..., config=...) -> a running gateway with a fake
    Telegram, two agents and scripted models; nothing may be left behind."""
    made = []

    def make(**kw):
        h = House(**kw)
        made.append(h)
        return h.start()

    yield make
    for h in made:
        h.close()


@pytest.fixture
def house(make_house):
    return make_house()
