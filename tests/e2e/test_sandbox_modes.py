# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""What a whole gateway makes of the ways it can be started in: read from /proc,
and compared with what it says of itself."""
import asyncio
import os

import pytest

import gateway as gw

SCRIPT = r'''
@on user~"make"
  call exec {"command":"id -u; echo made > made.txt && cat made.txt"}
@on user~"look"
  call read {"path":"made.txt"}
@on result exec
  text "ran: {{result.text}}"
@on result read
  text "read: {{result.text}}"
'''
CONFIG = {"agents": {"defaults": {"model": {"primary": "builtin/script"}},
                     "list": [{"id": "main", "default": True}]},
          "models": {"builtin": {"script": SCRIPT}}}


def status(pid):
    return dict(line.split(":\t", 1) for line in
                open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)


def chat(g, *texts):
    async def run():
        async with g.client() as c:
            return [await c.chat(t) for t in texts]
    return asyncio.run(run())


@pytest.mark.skipif(os.geteuid() != 0 or gw.service_users(),
                    reason="needs root and no service users")
def test_T35_root_without_service_users():
    g = gw.Gateway(mode="shared", config=CONFIG).start()
    try:
        ran, read = chat(g, "make", "look")
        assert "made" in ran and "made" in read, (ran, read)
        rows = g.processes()
        kids = {n: p["pid"] for n, p in rows.items() if n != "gatewayd"}
        assert len(kids) >= 8
        host = os.readlink("/proc/self/ns/user")
        seen = {}
        for name, pid in kids.items():
            st = status(pid)
            assert set(st["Uid"].split()) == {str(gw.NOBODY)}, name
            assert set(st["Gid"].split()) == {str(gw.NOBODY)}, name
            assert st["Groups"].split() == [], name
            ns = os.readlink(f"/proc/{pid}/ns/user")
            assert ns != host and ns not in seen, (name, seen.get(ns))
            seen[ns] = name
            # Inside there is nobody but that user; 0 outside has no name.
            inside = "1" if name.startswith("jailer/") else str(gw.NOBODY)
            for kind in ("uid_map", "gid_map"):
                assert open(f"/proc/{pid}/{kind}").read().split() == \
                    [inside, str(gw.NOBODY), "1"], (name, kind)
            if not name.startswith("jailer/"):
                assert int(st["CapEff"], 16) == int(st["CapPrm"], 16) == 0
                assert int(st["CapBnd"], 16) == 0, name
        for p in g.call("sandbox.profiles")["profiles"]:
            if p["name"] != "gatewayd":
                assert "userns" in p["active"], p
                assert not p["missing"], p
        # What it made belongs to the owner of the workspace, outside.
        made = next(g.state.rglob("made.txt"))
        assert made.stat().st_uid == made.parent.stat().st_uid
    finally:
        g.close()
