# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""The fixtures of tests that run one process in a rig of their own."""
import pytest


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
