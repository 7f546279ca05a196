# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""Which files the gateway runs as programs, and what it says when one of its
own cannot be run."""
import os
import pathlib
import shutil
import subprocess

import pytest

import gateway as gw


@pytest.fixture
def place():
    """A folder that every user can reach, with all programs in bin/."""
    g = gw.Gateway()            # only for its folder
    g.dir.chmod(0o755)
    d = g.dir / "bin"
    d.mkdir(mode=0o755)
    for p in gw.BIN.iterdir():
        shutil.copy(p, d)
    yield d
    g.close()


def refused(place, mode):
    """A start that cannot succeed: what was printed."""
    g = gw.Gateway(mode=mode, args=["-l", str(place)])
    try:
        g.start(wait=False)
        assert g.proc.wait(60) == 78
        return g.output()
    finally:
        g.close()


@pytest.mark.parametrize("mode", gw.modes())
def test_a_reader_that_cannot_be_run_is_named(place, mode):
    reader = place / "gatewayd-config"
    reader.unlink()
    out = refused(place, mode)
    assert f"could not be started: {reader}: No such file or directory" in out
    assert "exited with status" not in out
    reader.write_bytes(b"\x7fELF, but not really")
    reader.chmod(0o755)
    out = refused(place, mode)
    assert f"could not be started: {reader}: no program for this machine" in out
    reader.chmod(0o644)
    out = refused(place, mode)
    assert f"could not be started: {reader}: Permission denied" in out


def test_another_that_cannot_be_run_is_named(place):
    (place / "toold-files").unlink()
    g = gw.Gateway(args=["-l", str(place)]).start()
    try:
        row = gw.wait_for(lambda: next(
            (p for n, p in g.processes().items()
             if n.startswith("files/") and p.get("lastExit")), None))
        assert f"{place}/toold-files: No such file" in row["lastExit"]
    finally:
        g.close()
