# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The gatewayd developers
"""gatewayd-connect as a process under its filter, with a name server of ours
out of reach: literals, the hosts file, policy, limits, reload."""
import fcntl
import os
import signal
import socket

import gwproto
import pytest
from gateway import pause
from workerproc import Worker

ERR = gwproto.enum("cn_err")
FILES = [(p, "ro,opt") for p in ("/etc/resolv.conf", "/etc/hosts")]


@pytest.fixture
def server():
    s = socket.create_server(("127.0.0.1", 0), backlog=128)
    s.settimeout(60)
    yield s
    s.close()


def parcel(port, *hosts):
    p = {"worker.0.name": "modeld/x"}
    for i, (host, private) in enumerate(hosts):
        p[f"worker.0.dest.{i}.host"] = host
        p[f"worker.0.dest.{i}.port"] = str(port)
        p[f"worker.0.dest.{i}.private"] = "true" if private else "false"
    return p


@pytest.fixture
def make(server):
    made = []

    def go(*hosts):
        w = Worker("CONNECT", "", peers=[], mounts=FILES,
                   parcel=parcel(server.getsockname()[1], *hosts))
        made.append(w)
        w.start()
        w.model = w.add_peer("MODEL", "x")
        return w
    yield go
    for w in made:
        alive = w.alive()
        w.kill()
        assert alive, w.output()


def ask(w, dest, corr=5, timeout_ms=60000):
    w.model.send("CN_OPEN", corr=corr, dest=dest, timeout_ms=timeout_ms)
    m = w.model.expect("CN_FD", "CN_ERR")
    assert m.corr == corr
    return m


def test_T48_what_may_be_reached(make, server):
    w = make(("127.0.0.1", True), ("localhost", True), ("127.0.0.1", False),
             ("localhost", False), ("169.254.169.254", True),
             ("::ffff:127.0.0.1", True), ("0.0.0.0", True))
    for dest in (0, 1):
        m = ask(w, dest)
        assert m.name == "CN_FD", m
        ours, _ = server.accept()
        s = socket.socket(fileno=m.fds[0])
        assert fcntl.fcntl(s, fcntl.F_GETFL) & os.O_NONBLOCK
        s.sendall(b"x")
        assert ours.recv(1) == b"x"
        s.close()
        ours.close()
    for dest in (2, 3, 4, 5, 6):
        m = ask(w, dest)
        assert m.name == "CN_ERR" and m.kind == ERR["CN_ERR_POLICY"], m
        assert "not allowed" in m.reason
    assert ask(w, 7).kind == ERR["CN_ERR_POLICY"]
    server.close()
    assert ask(w, 0).kind == ERR["CN_ERR_REFUSED"]
    w.ctl.send("PROC_STAT", corr=1)
    assert w.ctl.expect("PROC_STAT_RES").detail.startswith("2 opened, ")


def test_name_servers_are_asked_under_the_filter(make):
    """Whoever answers, or nobody: it is an error, and no forbidden call."""
    w = make(("nowhere.invalid", False))
    m = ask(w, 0, timeout_ms=1500)
    assert m.name == "CN_ERR"
    assert m.kind in (ERR["CN_ERR_DNS"], ERR["CN_ERR_TIMEOUT"])
    assert w.alive()


def test_host_in_request_is_a_violation(make):
    w = make(("127.0.0.1", True))
    w.model.send("CN_OPEN", corr=1, dest=0, host="evil.example", port=80,
                 timeout_ms=1000)
    assert w.ctl.expect("PROC_BADPEER").type == \
        gwproto.BY_NAME["CN_OPEN"].num


def test_T48_the_fetcher_names_public_hosts(server):
    """And a host of ours only where the configuration has it, with its port;
    a number, or nothing, is no request of a fetcher."""
    port = server.getsockname()[1]
    w = Worker("CONNECT", "", mounts=FILES, parcel={
        "worker.0.name": "fetch/main", "worker.0.public": "true",
        "worker.0.dest.0.host": "127.0.0.1",
        "worker.0.dest.0.port": str(port),
        "worker.0.dest.0.private": "true", "worker.1.name": "fetch/other"})
    try:
        w.start()
        fetch = w.add_peer("FETCH", "main")

        def ask(host, p, link=fetch):
            link.send("CN_OPEN", corr=3, host=host, port=p, timeout_ms=60000)
            return link.expect("CN_FD", "CN_ERR")

        m = ask("127.0.0.1", port)
        assert m.name == "CN_FD"
        m.close()
        for host, p in (("127.0.0.1", 80), ("localhost", port),
                        ("localhost", 80), ("169.254.169.254", 80),
                        ("::1", 443), ("192.0.2.1", 8080)):
            m = ask(host, p)
            assert m.name == "CN_ERR" and m.kind == ERR["CN_ERR_POLICY"], host
            assert "not allowed" in m.reason
        # Another fetcher has no such right.
        other = w.add_peer("FETCH", "other")
        assert ask("127.0.0.1", port, other).kind == ERR["CN_ERR_POLICY"]
        for bad in ({"dest": 0}, {"dest": 1, "host": "a.example", "port": 80},
                    {"host": "a.example"}, {"port": 80, "host": "x" * 254}):
            link = w.add_peer("FETCH", "main2")
            link.send("CN_OPEN", corr=1, timeout_ms=1000, **bad)
            assert w.ctl.expect("PROC_BADPEER").type == \
                gwproto.BY_NAME["CN_OPEN"].num
            link.close()
        assert w.alive()
    finally:
        w.kill()


def test_another_worker_has_no_list(make):
    w = make(("127.0.0.1", True))
    other = w.add_peer("CHAN", "telegram:main")
    other.send("CN_OPEN", corr=1, dest=0, timeout_ms=1000)
    assert other.expect("CN_ERR").kind == ERR["CN_ERR_POLICY"]


def test_share_of_one_worker(make):
    w = make(("127.0.0.1", False))
    pause(w.pid)        # they are there at one moment, however slow we are
    for i in range(100):
        w.model.send("CN_OPEN", corr=i + 1, dest=0, timeout_ms=60000)
    os.kill(w.pid, signal.SIGCONT)
    kinds = [w.model.expect("CN_ERR").kind for _ in range(100)]
    assert kinds.count(ERR["CN_ERR_LIMIT"]) >= 30
    assert kinds.count(ERR["CN_ERR_POLICY"]) >= 30


def test_reload(make, server):
    w = make(("127.0.0.1", False))
    port = server.getsockname()[1]
    assert ask(w, 0).name == "CN_ERR"
    fd = gwproto.parcel_make(parcel(port, ("127.0.0.1", True)))
    w.ctl.send("PROC_CONFIG", generation=2, fds=[fd])
    os.close(fd)
    assert w.ctl.expect("PROC_CONFIG_ACK").ok == 1
    # Nothing changes before all have agreed.
    assert ask(w, 0).name == "CN_ERR"
    w.ctl.send("PROC_CONFIG_COMMIT", generation=2)
    m = ask(w, 0)
    assert m.name == "CN_FD"
    m.close()
    # A list that makes no sense is refused, and the old one stays.
    bad = parcel(port, ("127.0.0.1", True))
    bad["worker.0.dest.0.port"] = "0"
    fd = gwproto.parcel_make(bad)
    w.ctl.send("PROC_CONFIG", generation=3, fds=[fd])
    os.close(fd)
    m = w.ctl.expect("PROC_CONFIG_ACK")
    assert m.ok == 0 and "modeld/x" in m.reason
    m = ask(w, 0)
    assert m.name == "CN_FD"
    m.close()
