# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Fixtures that several files share: rigs of one process, and a gateway with a
channel."""
import pytest
from gateway import Gateway, modes
from telegram import FakeTelegram

TOKEN = "123456:TEST-canary_in_the_token"


def maker(cls):
    """A fixture that makes rigs of that class and closes them in the end:
    make_rig = rigs.maker(Rig)."""
    @pytest.fixture
    def make_rig():
        made = []

        def make(*a, start=True, **kw):
            rig = cls(*a, **kw)
            made.append(rig)
            return rig.start() if start else rig

        yield make
        for r in made:
            r.close()

    return make_rig


@pytest.fixture
def rig(make_rig):
    return make_rig()


def _with_channel():
    """g.fake is the channel's other end."""
    fake = FakeTelegram(TOKEN).start()
    g = Gateway(mode=modes()[0], config={
        "channels": {"telegram": {"botToken": TOKEN, "apiRoot": fake.url}}})
    g.fake = fake
    try:
        yield g.start()
    finally:
        g.close()
        fake.stop()


# One gateway with a channel, for a file: from rigs import with_channel as gw; and
# one for a test that ends it.
with_channel = pytest.fixture(scope="module")(_with_channel)
with_channel_once = pytest.fixture(_with_channel)
