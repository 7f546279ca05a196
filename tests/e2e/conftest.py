# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
for p in (HERE, os.path.join(ROOT, "tests"), os.path.join(ROOT, "tests", "fakes")):
    if p not in sys.path:
        sys.path.insert(0, p)

import cgroups  # noqa: E402
from gateway import Gateway, default_signals, modes  # noqa: E402

default_signals()
# Not skipped: a host without the controllers cannot ask these questions at all,
# and `make vm` answers them.
_, NO_CGROUPS = cgroups.top()
collect_ignore = ["test_limits.py"] if NO_CGROUPS else []


def pytest_terminal_summary(terminalreporter):
    if NO_CGROUPS:
        terminalreporter.write_line(
            f"not for this host: test_limits.py: {NO_CGROUPS}; `make vm` runs it")


@pytest.fixture(params=modes())
def gateway(request):
    """A running gateway on the embedded defaults, in each privilege mode that
    this user can try.  `gateway.stop()` is called at the end, and nothing may
    be left behind."""
    gw = Gateway(mode=request.param)
    gw.start()
    yield gw
    gw.close()


@pytest.fixture
def make_gateway(request):
    """make_gateway(config=..., mode=..., env=...) -> started Gateway."""
    made = []

    def make(config=None, mode=None, start=True, **kw):
        gw = Gateway(mode=mode or modes()[0], config=config, **kw)
        made.append(gw)
        if start:
            gw.start()
        return gw

    yield make
    for gw in made:
        gw.close()
