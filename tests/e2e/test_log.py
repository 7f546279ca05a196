# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""gatewayd-log as a process: lines in, logs.tail out."""
import json
import os
import time

import gwproto
import pytest
import workerproc
from gateway import passable, wait_for


class Logger:
    def __init__(self, tmp, level="info", file=None):
        self.dir = tmp / "logs"
        self.dir.mkdir(mode=0o700)
        uid = workerproc.worker_uid()
        if os.getuid() == 0:
            os.chown(self.dir, uid, uid)
        parcel = {"dir": str(self.dir), "level": level}
        if file:
            parcel["file"] = str(self.dir / file)
        self.w = workerproc.Worker("LOG", "", parcel=parcel,
                                   peers=["ROUTER", "AGENT"],
                                   mounts=[(self.dir, "rw")])
        self.w.start()

    def say(self, text, level="INFO", peer="AGENT"):
        self.w.peers[peer].send(
            "LOG_LINE", level=gwproto.enum("log_level")["LOG_LEVEL_" + level],
            text=text)

    def tail(self, **params):
        self.w.peers["ROUTER"].send("RPC_REQ", corr=7, method="logs.tail",
                                    scopes=1, principal="test",
                                    params=json.dumps(params))
        m = self.w.peers["ROUTER"].expect("RPC_RES")
        assert m.corr == 7 and m.flags & gwproto.F_REPLY
        return m

    def lines(self, n, **params):
        """Parsed lines of the tail once there are n of them."""
        end = time.monotonic() + 60
        while True:
            m = self.tail(**params)
            assert m.ok == 1, m.message
            got = json.loads(m.result)["lines"]
            if len(got) >= n or time.monotonic() > end:
                return [json.loads(x) for x in got]
            time.sleep(0.01)


@pytest.fixture
def logger(tmp_path):
    passable(tmp_path)
    made = []

    def make(**kw):
        made.append(Logger(tmp_path, **kw))
        return made[-1]
    yield make
    for lg in made:
        lg.w.kill()


def test_shape_and_identity(logger):
    lg = logger()
    lg.say('{"subsystem":"router"} I am the router', "WARN")
    lg.say("second")
    a, b = lg.lines(2)
    # Who speaks is who holds the link, whatever the text claims.
    assert json.loads(a["0"]) == {"subsystem": "agentd"}
    assert a["1"] == '{"subsystem":"router"} I am the router'
    assert a["_meta"]["logLevelName"] == "WARN"
    assert a["_meta"]["logLevelId"] == 4
    assert b["_meta"]["logLevelName"] == "INFO"
    assert a["time"].endswith("Z") and a["_meta"]["date"] == a["time"]
    files = list(lg.dir.iterdir())
    assert len(files) == 1 and files[0].name.startswith("openclaw-")
    assert files[0].stat().st_mode & 0o777 == 0o600


def test_tells_the_supervisor_of_trouble_only(logger):
    """What it tells is said aloud as an error: an idle logger tells nothing."""
    log = logger()
    log.say("a line")
    log.lines(1)
    log.w.ctl.send("PROC_STAT", corr=7)
    res = log.w.ctl.expect("PROC_STAT_RES")
    assert res.detail == "" and res.drops == 0


def test_level(logger):
    lg = logger(level="warn")
    lg.say("no", "INFO")
    lg.say("yes", "WARN")
    assert [x["1"] for x in lg.lines(1)] == ["yes"]


def test_T38_nothing_secret_on_disk(logger):
    lg = logger(file="x.log")
    canary = "CANARYcanaryCANARYcanaryCANARY"
    said = ["sk-" + canary, "Authorization: Bearer " + canary,
            "bot123456789:" + canary, "X_API_KEY=" + canary,
            '{"token":"' + canary + '"}', "https://u:%s@host/" % canary,
            "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----"
            % canary, "--password " + canary]
    for s in said:
        lg.say(s)
    assert len(lg.lines(len(said))) == len(said)
    text = (lg.dir / "x.log").read_text()
    assert canary not in text and "CANARYcanary" not in text


def test_hostile_text(logger):
    lg = logger()
    lg.say(b"a\nfake line\x1b[2J\x00\xff\xc2\x9b\xe2\x80\xae")
    lg.say(b"x" * 8192)
    a, b = lg.lines(2)
    assert a["1"] == "a\\nfake line\\x1b[2J\\x00\\xff\\u009b\\u202e"
    assert len(b["1"]) == 8192


def test_flood_is_limited_and_told(logger):
    """Printed, it comes in one piece, however slow the machine is."""
    lg = logger()
    r, w = os.pipe()
    lg.w.ctl.send("PROC_LISTENER", fds=[r], name="toold/main",
                  kind=gwproto.enum("listener_kind")["LISTENER_STDERR"])
    os.close(r)

    def told():
        return [x["1"] for x in lg.lines(0, limit=5000, maxBytes=1000000)]

    os.write(w, b"x\n" * 30000)
    for i in range(3000):
        lg.say(f"line {i}")
    # The floods cost themselves only: another speaker's line is there.
    lg.say("other", peer="ROUTER")
    wait_for(lambda: "other" in told(), what="other line")

    def noted():
        os.write(w, b"later\n")
        return any("came too fast and were dropped" in x for x in told())
    wait_for(noted, what="word about lines that were dropped")
    os.close(w)
    assert told().count("x") < 30000


def test_tail_cursor(logger):
    lg = logger()
    lg.say("one")
    lg.lines(1)
    m = json.loads(lg.tail().result)
    assert m["size"] == m["cursor"] > 0 and not m["truncated"]
    assert set(m) == {"file", "cursor", "size", "lines", "truncated", "reset"}
    lg.say("two")
    end = time.monotonic() + 60
    while True:
        n = json.loads(lg.tail(cursor=m["cursor"]).result)
        if n["lines"] or time.monotonic() > end:
            break
    assert [json.loads(x)["1"] for x in n["lines"]] == ["two"]
    r = json.loads(lg.tail(cursor=10**9).result)
    assert r["reset"] and len(r["lines"]) == 2


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 5001},
                                    {"cursor": -1}, {"maxBytes": 0},
                                    {"maxBytes": 1000001}, {"limit": "x"}])
def test_tail_refuses(logger, params):
    m = logger().tail(**params)
    assert m.ok == 0 and m.code == "INVALID_REQUEST"


def test_unknown_method_and_message(logger):
    lg = logger()
    lg.w.peers["ROUTER"].send("RPC_REQ", corr=3, method="config.get",
                              params="{}")
    m = lg.w.peers["ROUTER"].expect("RPC_RES")
    assert m.ok == 0
    # A message that this link may not carry ends the link, not the logger.
    lg.w.peers["AGENT"].send("RPC_REQ", corr=3, method="logs.tail",
                             params="{}")
    bad = lg.w.ctl.expect("PROC_BADPEER", skip=("PROC_STAT_RES",))
    assert bad.type == gwproto.BY_NAME["RPC_REQ"].num
    assert lg.tail().ok == 1


def test_what_workers_print(logger):
    lg = logger()
    r, w = os.pipe()
    lg.w.ctl.send("PROC_LISTENER", fds=[r], name="toold/main",
                  kind=gwproto.enum("listener_kind")["LISTENER_STDERR"])
    os.close(r)
    os.write(w, b"==1==ERROR: something\nhalf")
    os.close(w)
    got = lg.lines(2)
    assert [(json.loads(x["0"])["subsystem"], x["1"]) for x in got] == [
        ("toold/main", "==1==ERROR: something"), ("toold/main", "half")]


def test_R15_folder_goes_away(logger):
    """The disk below fails: lines are lost and counted, the rest lives."""
    lg = logger()
    lg.say("one")
    lg.lines(1)
    for f in lg.dir.iterdir():
        f.unlink()
    if os.getuid() == 0:
        os.chown(lg.dir, 0, 0)
    os.chmod(lg.dir, 0o500)
    lg.say("two")      # goes into the unlinked file: nobody can see it
    assert lg.tail().ok in (0, 1)
    os.chmod(lg.dir, 0o700)
    assert lg.w.alive()
